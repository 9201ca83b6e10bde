"""Requests that can't be understood, and what is answered; documents that others find the service by."""

import json
from base64 import urlsafe_b64encode

import pytest
from jose import jwt as jose_jwt

from ostiary.tokens import key_id
from tests.voms.conftest import NOW
from tests.voms_tokens.conftest import ISSUER, NEXT, SIGNER, STORAGE, TokenSite
from voms.tokens.asked import ACCESS_TOKEN, TOKEN_EXCHANGE

MOMENT = int(NOW.timestamp())
EXCHANGE = {"grant_type": TOKEN_EXCHANGE, "subject_token_type": ACCESS_TOKEN, "audience": STORAGE}
PLAIN = {"grant_type": "client_credentials", "audience": STORAGE}


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "password", "username": "a", "password": "b"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ([("grant_type", "client_credentials"), ("grant_type", "client_credentials")], "invalid_request"),
        ([*PLAIN.items(), ("scope", "wlcg.groups"), ("scope", "wlcg.groups")], "invalid_request"),
        ({**PLAIN, "scope": "everything"}, "invalid_scope"),
        ({**PLAIN, "audience": "a b"}, "invalid_target"),
        ({**PLAIN, "audience": ""}, "invalid_target"),
        ({**PLAIN, "audience": "x" * 513}, "invalid_target"),
        ([*PLAIN.items(), *[("audience", f"a{number}") for number in range(10)]], "invalid_target"),
        ({**PLAIN, "client_secret": "s"}, "invalid_request"),
        (EXCHANGE, "invalid_request"),
        ({**EXCHANGE, "subject_token": "a.b.c", "subject_token_type": "urn:x:saml2"}, "invalid_request"),
        ({**EXCHANGE, "subject_token": "a.b.c", "actor_token": "a.b.c"}, "invalid_request"),
        ({**EXCHANGE, "subject_token": "a.b.c", "requested_token_type": "urn:x:saml2"}, "invalid_request"),
        (b"grant_type=%zz", "invalid_request"),
        (b"grant_type=\xff", "invalid_request"),
        (b"&".join(b"a%d=1" % number for number in range(60)), "invalid_request"),
    ],
)
def test_a_request_that_is_wrong_is_refused_with_the_standards_code(
    unchanged: TokenSite, form: object, error: str
) -> None:
    told = unchanged.ask(form)  # type: ignore[arg-type]
    assert told.problem == (400, error)
    assert str(told.content["error_description"]).startswith("testvo: ")


def encoded(part: object) -> str:
    return urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "a.b",
        "a.b.c.d",
        "a.b.c",
        ".".join((encoded({"alg": "none"}), encoded({"iss": ISSUER}), "")),
        ".".join((encoded({"alg": "none", "kid": key_id(SIGNER.public)}), encoded({"iss": ISSUER}), "AA")),
        ".".join((encoded({"alg": "ES256", "kid": key_id(SIGNER.public)}), encoded({"iss": ISSUER}), "AA")),
        ".".join((encoded({"alg": "RS256", "kid": key_id(SIGNER.public)}), encoded({"iss": ISSUER}), "AA")),
        ".".join((encoded({"alg": "ES256", "kid": 5}), encoded({"iss": ISSUER}), "AA")),
        ".".join(
            (encoded({"alg": "ES256", "kid": key_id(SIGNER.public), "crit": ["x"]}), encoded({"iss": ISSUER}), "AA")
        ),
        ".".join((encoded([]), encoded({"iss": ISSUER}), "AA")),
        ".".join((encoded({"alg": "ES256"}), encoded("iss"), "AA")),
        "[" * 9000,
        encoded({"alg": "ES256"}) + "." + "A" * 20_000 + ".AA",
    ],
)
def test_what_is_no_token_is_refused(unchanged: TokenSite, token: str) -> None:
    told = unchanged.exchange(token)
    assert told.problem == (400, "invalid_request")


def test_a_public_key_is_not_taken_for_a_shared_secret(unchanged: TokenSite) -> None:
    """CVE-2015-9235 and its kin: a token signed by HMAC with the key that everybody can fetch."""
    secret = json.dumps(json.loads(unchanged.get("/jwks").body)["keys"][0])
    claims = {"iss": ISSUER, "aud": ISSUER, "sub": unchanged.grid.vo.alice, "exp": 4_000_000_000}
    token = jose_jwt.encode(claims, secret, algorithm="HS256", headers={"kid": key_id(SIGNER.public)})
    assert unchanged.exchange(token).problem == (400, "invalid_request")
    assert unchanged.logged()[-1]["code"] == "token.signature"


def test_another_kind_of_body_is_refused(unchanged: TokenSite) -> None:
    assert unchanged.ask(b"{}", CONTENT_TYPE="application/json").problem == (400, "invalid_request")


def test_a_body_without_end_is_not_read(unchanged: TokenSite) -> None:
    assert unchanged.ask(b"", CONTENT_LENGTH="99999999").problem == (413, "invalid_request")
    assert unchanged.ask(b"", CONTENT_LENGTH="-1").problem == (413, "invalid_request")


def test_a_password_is_answered_in_its_own_scheme(unchanged: TokenSite) -> None:
    told = unchanged.ask(PLAIN, HTTP_AUTHORIZATION="Basic YTpi")
    assert told.problem == (401, "invalid_client")
    assert told.headers["WWW-Authenticate"] == "Basic"


def test_tokens_are_asked_for_by_post_only(unchanged: TokenSite) -> None:
    told = unchanged.get("/token")
    assert (told.status, told.headers["Allow"], told.body) == (405, "POST", b"")


def test_the_discovery_documents_say_what_there_is(unchanged: TokenSite) -> None:
    for path in ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"):
        told = unchanged.get(path)
        assert told.status == 200
        document = told.content
        assert document["issuer"] == ISSUER
        assert document["token_endpoint"] == f"{ISSUER}/token"
        assert document["jwks_uri"] == f"{ISSUER}/jwks"
        assert document["grant_types_supported"] == ["client_credentials", TOKEN_EXCHANGE]
        assert document["id_token_signing_alg_values_supported"] == ["ES256", "RS256"]
        assert document["tls_client_certificate_bound_access_tokens"] is False
        assert told.headers["Cache-Control"] == "public, max-age=3600"


def test_the_key_set_has_the_next_key_before_it_signs(unchanged: TokenSite) -> None:
    keys = unchanged.get("/jwks").content["keys"]
    assert [each["kid"] for each in keys] == [key_id(SIGNER.public), key_id(NEXT.public)]
    assert not any("d" in each for each in keys)


def test_a_head_gets_the_same_without_a_body(unchanged: TokenSite) -> None:
    told = unchanged.get("/jwks", "HEAD")
    assert (told.status, told.body) == (200, b"")
    assert int(told.headers["Content-Length"]) > 100


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"aud": "https://elsewhere.test"}, "voms.token_meant_for"),
        ({"aud": None}, "voms.token_meant_for"),
        ({"aud": [["nested"]]}, "voms.token_meant_for"),
        ({"iss": "https://unknown.test"}, "voms.token_issuer"),
        ({"iss": None}, "voms.token_issuer"),
        ({"iss": ISSUER}, "token.key"),
        ({"sub": None}, "voms.token_subject"),
        ({"sub": 5}, "voms.token_subject"),
        ({"sub": "a" * 2000}, "voms.token_subject"),
        ({"exp": MOMENT}, "token.dates"),
        ({"exp": None}, "token.dates"),
        ({"exp": True}, "token.dates"),
        ({"exp": "tomorrow"}, "token.dates"),
        ({"exp": 10**30}, "token.dates"),
        ({"nbf": MOMENT + 120}, "token.dates"),
        ({"cnf": {"x5t#S256": "another"}}, "voms.token_bound"),
        ({"cnf": "odd"}, "voms.token_bound"),
    ],
)
def test_a_token_with_something_wrong_is_refused(unchanged: TokenSite, claims: dict[str, object], code: str) -> None:
    assert unchanged.exchange(unchanged.home_token(**claims)).problem == (400, "invalid_request")
    assert unchanged.logged()[-1]["code"] == code


@pytest.mark.parametrize("path", ["/", "/token/", "/.well-known/", "/jwks/x"])
def test_nothing_else_is_answered(unchanged: TokenSite, path: str) -> None:
    assert unchanged.get(path).status == 404
