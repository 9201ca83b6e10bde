"""JSON Web Tokens (RFC 7519), signed with the keys of a service or verified with keys that somebody vouches for, and the key sets
(RFC 7517) by which that is done. Asymmetric algorithms only. Decides nothing about who gets a token. The library is loaded when needed.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ostiary.errors import NotAuthenticated, Refusal
from ostiary.saml import names
from ostiary.saml.keys import Signer, TrustedKey

# RFC 7518 3.1, by the signature algorithms of XML that are the same mathematics.
_JWS: Final = {
    names.RSA_SHA256: "RS256",
    names.RSA_SHA384: "RS384",
    names.RSA_SHA512: "RS512",
    names.ECDSA_SHA256: "ES256",
    names.ECDSA_SHA384: "ES384",
    names.ECDSA_SHA512: "ES512",
}
# RFC 7518 3.4 and 6.2.1.1: each curve has its algorithm.
_CURVES: Final = {"secp256r1": ("P-256", "ES256"), "secp384r1": ("P-384", "ES384"), "secp521r1": ("P-521", "ES512")}
_ALGORITHMS_OF: Final = {"RSA": ("RS256", "RS384", "RS512"), **{curve: (alg,) for curve, alg in _CURVES.values()}}

MAXIMUM_TOKEN: Final = 16_384
"""Characters of a token that is looked at."""
MAXIMUM_KEYS: Final = 64
SKEW: Final = timedelta(seconds=60)
"""By how much the clock of another issuer may differ from ours."""
# The end of the year 9000: nothing below overflows when a minute is taken away or added.
_LAST: Final = 221_845_392_000
_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def sign_token(claims: Mapping[str, object], signer: Signer) -> str:
    """The claims as a JWT in compact form, with the ``kid`` of the key (`key_id`). Raises `ModuleNotFoundError` without python-jose."""
    from jose import jwt
    from jose.backends.base import Key

    class SigningKey(Key):  # type: ignore[misc, unused-ignore]
        """python-jose takes keys that sign by themselves: the private key stays where it is."""

        def __init__(self) -> None:
            pass

        def sign(self, msg: bytes) -> bytes:
            return signer.sign(msg)

    headers = {"kid": key_id(signer.public)}
    token: str = jwt.encode(dict(claims), SigningKey(), algorithm=_JWS[signer.algorithm], headers=headers)
    return token


def key_set(keys: Iterable[TrustedKey]) -> dict[str, list[dict[str, str]]]:
    """A JWK set (RFC 7517 5) of keys that verify, each with its one algorithm."""
    return {"keys": [{**_required(key), "use": "sig", "alg": _algorithm(key), "kid": key_id(key)} for key in keys]}


def read_key_set(document: bytes) -> dict[str, TrustedKey]:
    """The keys of a JWK set that are for signatures, by their ``kid``; kinds that are unknown here are left out (RFC 7517 5).

    Raises `Refusal` (``token.key_set``) for what is no such set, for keys too weak, and for one name twice.
    """
    from jose import jwk
    from jose.exceptions import JOSEError

    found: dict[str, TrustedKey] = {}
    try:
        listed = json.loads(document)["keys"]
        if len(listed) > MAXIMUM_KEYS:
            raise Refusal("token.key_set", expected=f"at most {MAXIMUM_KEYS} keys", found=len(listed))
        for each in listed:
            algorithms = _ALGORITHMS_OF.get(each.get("crv", each["kty"]))
            if algorithms is None or each.get("use", "sig") != "sig":
                continue
            pem = jwk.construct({**each, "alg": algorithms[0]}, algorithms[0]).public_key().to_pem()
            key = TrustedKey.from_public_key(serialization.load_pem_public_key(pem))
            name = each.get("kid") or key_id(key)
            if not isinstance(name, str) or name in found:
                raise Refusal("token.key_set", expected="keys with different names", found=str(name)[:80])
            found[name] = key
    except Refusal as error:
        raise Refusal("token.key_set", expected=error.expected, found=error.found) from None
    except (JOSEError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Refusal("token.key_set", expected="a JWK set", found=error) from None
    return found


def verified_claims(token: str, keys: Mapping[str, TrustedKey]) -> dict[str, Any]:
    """The claims of a token that one of these keys signed, by the names of `read_key_set` or `key_id`. Dates, issuer and audience are not
    looked at.

    Raises `NotAuthenticated` (``token.malformed``, ``token.key``, ``token.signature``).
    """
    from jose import jws
    from jose.exceptions import JOSEError

    header = _header(token)
    name, algorithm = header.get("kid"), header.get("alg")
    key = keys.get(name) if isinstance(name, str) else next(iter(keys.values())) if len(keys) == 1 else None
    if key is None:
        raise NotAuthenticated("token.key", expected="the name of a key of this issuer", found=str(name)[:80])
    # The key says which algorithms there are, not the token (RFC 8725 3.1).
    if algorithm not in _ALGORITHMS_OF[_required(key).get("crv", "RSA")]:
        raise NotAuthenticated("token.signature", expected="an algorithm of this key", found=str(algorithm)[:80])
    public = serialization.load_der_public_key(key.spki)
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        payload = jws.verify(token, pem.decode(), [str(algorithm)])
    except JOSEError as error:
        raise NotAuthenticated("token.signature", expected="a signature by this key", found=error) from None
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise _malformed(error) from None
    if not isinstance(claims, dict):
        raise _malformed("no object")
    return claims


def unverified_issuer(token: str) -> str | None:
    """Whom a token names as its issuer: good for finding keys, and nothing else. Raises `NotAuthenticated` (``token.malformed``)."""
    _header(token)
    issuer = _part(token, 1).get("iss")
    return issuer if isinstance(issuer, str) else None


def check_dates(claims: Mapping[str, Any], now: datetime) -> datetime:
    """When the token ends. Raises `NotAuthenticated` (``token.dates``) before its ``nbf``, from its ``exp`` on, and without one
    (RFC 7519 4.1.4, 4.1.5)."""
    end, start = _instant(claims.get("exp")), _instant(claims.get("nbf", claims.get("iat", 0)))
    if not start - SKEW <= now < end:
        raise NotAuthenticated("token.dates", expected=f"a moment in [{start}, {end})", found=now)
    return end


def _instant(value: object) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST:
        raise NotAuthenticated("token.dates", expected="seconds since 1970", found=str(value)[:40])
    return datetime.fromtimestamp(value, tz=UTC)


def _header(token: str) -> dict[str, Any]:
    if len(token) > MAXIMUM_TOKEN or _COMPACT.fullmatch(token) is None:
        raise _malformed("another form")
    header = _part(token, 0)
    if "crit" in header:
        # RFC 7515 4.1.11: what must be understood, and is not.
        raise _malformed("a critical header")
    return header


def _part(token: str, at: int) -> dict[str, Any]:
    text = token.split(".")[at]
    try:
        found = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError) as error:
        raise _malformed(error) from None
    if not isinstance(found, dict):
        raise _malformed("no object")
    return found


def _malformed(found: object) -> NotAuthenticated:
    return NotAuthenticated("token.malformed", expected="a JWT in compact form", found=found)


def key_id(key: TrustedKey) -> str:
    """The JWK thumbprint (RFC 7638), SHA-256 in base64url: the same for a key wherever it is published."""
    members = json.dumps(_required(key), sort_keys=True, separators=(",", ":"))
    return _base64url(sha256(members.encode()).digest())


def _required(key: TrustedKey) -> dict[str, str]:
    """The members that make the key (RFC 7638 3.2)."""
    public = serialization.load_der_public_key(key.spki)
    match public:
        case rsa.RSAPublicKey():
            numbers = public.public_numbers()
            return {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
        case ec.EllipticCurvePublicKey() if public.curve.name in _CURVES:
            size = (public.key_size + 7) // 8
            point = public.public_numbers()
            curve = _CURVES[public.curve.name][0]
            return {"crv": curve, "kty": "EC", "x": _number(point.x, size), "y": _number(point.y, size)}
    raise Refusal("key.unusable", expected="RSA or EC", found=type(public).__name__)


def _algorithm(key: TrustedKey) -> str:
    public = serialization.load_der_public_key(key.spki)
    return _CURVES[public.curve.name][1] if isinstance(public, ec.EllipticCurvePublicKey) else "RS256"


def _number(value: int, size: int | None = None) -> str:
    return _base64url(value.to_bytes(size or (value.bit_length() + 7) // 8))


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
