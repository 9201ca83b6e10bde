"""JSON Web Tokens (RFC 7519) signed with the keys of a service, and the key sets (RFC 7517) by which others verify them. Asymmetric
algorithms only, one for each kind of key. Decides nothing about who gets a token. The library is loaded with the first one.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ostiary.errors import Refusal
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
