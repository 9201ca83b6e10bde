"""The signed token about a person: what it says, who can verify it with what, and how long one serves."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_public_key
from jose import jwk, jwt
from jose.exceptions import JWTError

from ostiary.attributes import Attribute, make_attribute
from ostiary.config import write_private_file
from ostiary.federation.keys import private_pem, self_signed
from ostiary.policy.access import Subject
from ostiary.saml.keys import Signer, TrustedKey
from ostiary.tokens import key_id, key_set, sign_token
from ostiary.web.identity import Person
from sp_shire.adapters.forward_auth import ForwardAuth
from sp_shire.adapters.token import Tokens, subject_of
from sp_shire.applications import domains_of
from sp_shire.messages import Passage, Reply
from sp_shire.sessions.visitor import Visitor
from tests.flows.test_asgi_applications import exchange
from tests.handing_over.conftest import HOSTILE, MEMBER
from tests.handing_over.test_as_headers import forward_auth, over_asgi, over_wsgi
from tests.simulator import START
from tests.sp_shire.conftest import Core

AUDIENCE = "https://api.members.example"
JWT = {"audience": AUDIENCE}
ISSUER = "https://library.example/shar"


def passage(core: Core, cookie: str, path: str = "/library/") -> Passage:
    # As a script: people are warned on a page of its own shortly before the end of their session.
    reply = core.ask(path, cookie=cookie, sec_fetch_mode="cors")
    assert isinstance(reply, Passage), reply
    return reply


def published(core: Core) -> dict[str, Any]:
    """What the resource publishes at its ``jwks``."""
    reply = core.ask("/ostiary/jwks")
    assert isinstance(reply, Reply)
    assert reply.status == 200
    assert ("Content-Type", "application/jwk-set+json") in reply.headers
    keys: dict[str, Any] = json.loads(reply.body)
    return keys


def verified(token: str, keys: Mapping[str, Any], **how: Any) -> dict[str, Any]:
    """As a back end verifies it: the key by its ``kid``, the one algorithm that is published with it. The clock of these tests stands
    still in the past."""
    header = jwt.get_unverified_header(token)
    [key] = [key for key in keys["keys"] if key["kid"] == header["kid"]]
    options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require_aud": True}
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=[key["alg"]], **{"audience": AUDIENCE, "issuer": ISSUER, "options": options, **how}
    )
    return claims


def test_it_says_who_she_is_and_is_verified_with_the_published_keys(resource: Callable[..., Core]) -> None:
    core = resource(jwt=JWT)
    cookie = core.session(attributes=(MEMBER, make_attribute("displayName", ["Żółć"])))
    claims = verified(passage(core, cookie).token, published(core))
    assert len(claims.pop("jti")) == 22
    assert len(claims.pop("sub")) == 43
    at = int(START.timestamp())
    assert claims == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": at,
        "nbf": at,
        "exp": at + 60,
        "auth_time": at,
        "idp": "https://northgate.example/idp",
        "acr": claims["acr"],
        "attributes": {
            "eduPersonScopedAffiliation": ["member@northgate.example", "staff@northgate.example"],
            "displayName": ["Żółć"],
        },
    }
    assert claims["acr"].startswith("urn:oasis:names:tc:SAML:2.0:ac:classes:Password")


def test_a_token_for_somebody_else_or_changed_on_the_way_is_refused(resource: Callable[..., Core]) -> None:
    core = resource(jwt=JWT)
    token, keys = passage(core, core.session(attributes=(MEMBER,))).token, published(core)
    with pytest.raises(JWTError):
        verified(token, keys, audience="https://other.example")
    with pytest.raises(JWTError):
        verified(token, keys, issuer="https://evil.example")
    head, body, signature = token.split(".")
    changed = body[:-2] + ("A" if body[-2] != "A" else "B") + body[-1]
    with pytest.raises(JWTError):
        verified(f"{head}.{changed}.{signature}", keys)
    with pytest.raises(JWTError):
        verified(token, keys, options={})  # it has expired by now


def test_it_comes_in_its_header_in_every_way_and_never_without_a_session(resource: Callable[..., Core]) -> None:
    core = resource(jwt={**JWT, "header": "X-Person"})
    cookie = core.session(attributes=(MEMBER,))
    forged = ("X-Person", "x_person", "X.Person")
    tokens = {
        over_wsgi(core, cookie, *forged)["HTTP_X_PERSON"],
        dict(over_asgi(core, cookie, *forged)["headers"])[b"x-person"].decode(),
        forward_auth(core, cookie)["x-person"],
    }
    assert tokens == {passage(core, cookie).token}
    assert verified(tokens.pop(), published(core))["iss"] == ISSUER
    assert "HTTP_X_PERSON" not in over_wsgi(core, "", *forged, path="/")
    assert b"x-person" not in dict(over_asgi(core, "", *forged, path="/")["headers"])
    assert forward_auth(core, "", path="/")["x-person"] == ""


def test_one_token_serves_a_session_for_half_of_its_lifetime(resource: Callable[..., Core]) -> None:
    core = resource(jwt={**JWT, "lifetime": "2m"})
    alice, bob = core.session("alice", attributes=(MEMBER,)), core.session("bob", attributes=(MEMBER,))
    first = passage(core, alice).token
    assert passage(core, bob).token != first
    core.clock.forward(seconds=59)
    assert passage(core, alice).token == first
    core.clock.forward(seconds=1)
    second = passage(core, alice).token
    claims = verified(second, published(core))
    assert (second != first, claims["exp"] - claims["iat"]) == (True, 120)
    assert verified(first, published(core))["sub"] == claims["sub"]


def test_it_ends_with_the_session_at_the_latest(resource: Callable[..., Core]) -> None:
    core = resource(jwt=JWT, sessions={"lifetime": "1h", "idle": "1h"})
    cookie = core.session(attributes=(MEMBER,))
    core.clock.forward(seconds=3570)
    claims = verified(passage(core, cookie).token, published(core))
    assert claims["exp"] - claims["iat"] == 30


def test_what_changes_about_a_person_changes_her_token(resource: Callable[..., Core]) -> None:
    core = resource(jwt=JWT)
    cookie = core.session(attributes=(MEMBER,))
    held = passage(core, cookie)
    assert (held.person, core.shire._tokens) != (None, None)
    ring = core.shire._snapshot(core.clock.now()).signs_tokens
    richer = replace(held.person, attributes=(*held.person.attributes, make_attribute("displayName", ["Ada"])))
    again = core.shire._tokens.of(Visitor(richer, Subject(()), {}, held.session), ring, core.clock.now())
    assert again != held.token
    assert verified(again, published(core))["attributes"]["displayName"] == ["Ada"]


def test_that_of_one_application_domain_passes_for_no_other_s(resource: Callable[..., Core]) -> None:
    """Domains under one entityID have one issuer and one audience; which of them let her in is for who stands behind it to look at."""
    core = resource(jwt=JWT, applications=({"name": "archive", "path": "/archive"},))
    held = passage(core, core.session(attributes=(MEMBER,)))
    [domain] = domains_of(core.settings)
    assert domain.jwt is not None
    tokens = Tokens(domain, domain.jwt, core.shire._log)
    ring = core.shire._snapshot(core.clock.now()).signs_tokens
    token = tokens.of(Visitor(held.person, Subject(()), {}, held.session), ring, core.clock.now())
    assert verified(token, published(core))["application"] == "archive"
    assert "application" not in verified(held.token, published(core))


def test_which_attributes_it_holds_is_a_setting(resource: Callable[..., Core]) -> None:
    core = resource(jwt={**JWT, "attributes": ["displayName"]})
    cookie = core.session(attributes=(MEMBER, make_attribute("displayName", ["Ada"])))
    assert verified(passage(core, cookie).token, published(core))["attributes"] == {"displayName": ["Ada"]}


def test_hostile_values_stay_inside(resource: Callable[..., Core]) -> None:
    core = resource(jwt=JWT)
    token = passage(core, core.session(attributes=(MEMBER, make_attribute("displayName", HOSTILE)))).token
    assert token.replace(".", "").replace("-", "").replace("_", "").isalnum()
    assert verified(token, published(core))["attributes"]["displayName"] == HOSTILE


def test_what_does_not_fit_is_left_out_whole_and_named(resource: Callable[..., Core]) -> None:
    core = resource(jwt=JWT)
    many = make_attribute("isMemberOf", [f"/physics/group-{number}" for number in range(400)])
    token = passage(core, core.session(attributes=(MEMBER, many, make_attribute("displayName", ["Ada"])))).token
    claims = verified(token, published(core))
    assert len(token) < 8000
    assert (sorted(claims["attributes"]), claims["left_out"]) == (
        ["displayName", "eduPersonScopedAffiliation"],
        ["isMemberOf"],
    )
    [warning] = [line for line in core.log_lines() if line["event"] == "token_too_long"]
    assert warning["left_out"] == ["isMemberOf"]


@pytest.mark.parametrize(
    ("attributes", "subject"),
    [
        ((("pairwise-id", ["ab@x"]), ("subject-id", ["cd@x"])), "ab@x"),
        ((("subject-id", ["cd@x"]),), "cd@x"),
        ((("pairwise-id", ["ab@x", "ef@x"]),), None),
        ((), None),
    ],
)
def test_its_subject_is_the_lasting_identifier_or_a_digest_of_her_name(
    attributes: tuple[tuple[str, list[str]], ...], subject: str | None
) -> None:
    known: tuple[Attribute, ...] = tuple(make_attribute(name, values) for name, values in attributes)
    person = Person("https://home.example/idp", "handle", known, START)
    found = subject_of(person)
    assert found == (subject or "J17ZsHgRNq0KkwBFJ_CGWF5wKV2OhO20suyfVcV2t4I")
    if subject is None:
        assert subject_of(replace(person, issuer="https://other.example/idp")) != found
        assert subject_of(replace(person, name_id="another")) != found


def test_without_the_setting_there_is_neither_token_nor_key_set(resource: Callable[..., Core]) -> None:
    core = resource()
    assert passage(core, core.session(attributes=(MEMBER,))).token == ""
    assert core.refused("/ostiary/jwks") == (404, "http.not_found")


# -- keys --------------------------------------------------------------------------------------------------------------


def write_pair(directory: Path, name: str, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    directory.mkdir(exist_ok=True)
    (directory / f"{name}.crt").write_bytes(self_signed(key, name, now=START))
    write_private_file(directory / f"{name}.key", private_pem(key))


def test_keys_of_its_own_roll_without_a_gap(resource: Callable[..., Core], tmp_path: Path) -> None:
    """The next key is published before it signs, the last one after it has signed: whoever refreshes in between verifies every token."""
    keys = tmp_path / "token-keys"
    old, new = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    write_pair(keys, "current", old)
    write_pair(keys, "next", new)
    core = resource(jwt={**JWT, "keys": keys})
    cookie = core.session(attributes=(MEMBER,))
    before, first = published(core), passage(core, cookie).token
    assert len(before["keys"]) == 2
    assert verified(first, before)["iss"] == ISSUER
    (keys / "retired-1.crt").write_bytes((keys / "current.crt").read_bytes())
    for suffix in ("key", "crt"):
        (keys / f"next.{suffix}").rename(keys / f"current.{suffix}")
    core.clock.forward(seconds=6)
    second = passage(core, cookie).token
    assert jwt.get_unverified_header(second)["kid"] == key_id(TrustedKey.from_public_key(new.public_key()))
    for token in (first, second):
        for keys_then in (before, published(core)):
            assert verified(token, keys_then)["iss"] == ISSUER


@pytest.mark.parametrize(
    ("key", "algorithm", "kind"),
    [
        (rsa.generate_private_key(public_exponent=65537, key_size=2048), "RS256", "RSA"),
        (ec.generate_private_key(ec.SECP256R1()), "ES256", "EC"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384", "EC"),
        (ec.generate_private_key(ec.SECP521R1()), "ES512", "EC"),
    ],
    ids=["RSA", "P-256", "P-384", "P-521"],
)
def test_each_kind_of_key_has_its_algorithm(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, algorithm: str, kind: str
) -> None:
    certificate = x509.load_pem_x509_certificate(self_signed(key, "a", now=START)).public_bytes(Encoding.DER)
    signer = Signer(key, certificate)
    token = sign_token({"iss": "a", "exp": 4_000_000_000}, signer)
    [published_key] = key_set([signer.public])["keys"]
    assert (published_key["alg"], published_key["kty"], published_key["use"]) == (algorithm, kind, "sig")
    assert jwt.get_unverified_header(token) == {"alg": algorithm, "typ": "JWT", "kid": published_key["kid"]}
    assert jwt.decode(token, published_key, algorithms=[algorithm])["iss"] == "a"
    # The same key, read by another hand.
    theirs = jwk.construct(published_key).to_pem()
    assert TrustedKey.from_public_key(load_pem_public_key(theirs)) == signer.public


def test_a_thumbprint_is_that_of_the_standard() -> None:
    """RFC 7638 3.1."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMst"
        "n64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajr"
        "n1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    public = jwk.construct({"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256"}).prepared_key
    assert key_id(TrustedKey.from_public_key(public)) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_lifetimes_beyond_reason_are_refused(resource: Callable[..., Core]) -> None:
    for lifetime in (timedelta(seconds=1), timedelta(hours=2)):
        with pytest.raises(ValueError, match=r"config\.duration"):
            resource(jwt={**JWT, "lifetime": lifetime})


# -- who may ask -------------------------------------------------------------------------------------------------------


def test_only_the_web_server_that_knows_the_secret_is_answered(resource: Callable[..., Core], tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    write_private_file(secret, b"correct horse battery\n")
    core = resource(forward_auth={"secret_header": "OstiaryAsks", "secret_file": secret})
    application = ForwardAuth(core.shire, server="nginx")

    def status(path: str, *more: tuple[bytes, bytes]) -> int:
        headers = [(b"host", b"127.0.0.1:20005"), (b"x-original-uri", b"/"), (b"x-original-method", b"GET"), *more]
        scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "client": ("127.0.0.1", 1)}
        found: int = asyncio.run(exchange(application, scope, [{"type": "http.request"}]))[0]["status"]
        return found

    for path in ("/check", "/page", "/ostiary/metadata"):
        assert status(path, (b"ostiaryasks", b"correct horse battery")) == 200
        for wrong in (
            (),
            ((b"ostiaryasks", b"wrong"),),
            ((b"ostiaryasks", b""),),
            ((b"ostiary-asks", b"correct horse battery"),),
        ):
            assert status(path, *wrong) == 403
        twice = (b"ostiaryasks", b"correct horse battery")
        assert status(path, twice, twice) == 403
