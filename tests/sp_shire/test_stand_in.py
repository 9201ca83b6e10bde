"""`sp_shire.testing`: what the tests of an application find in place of the SHIRE, by way of the real adapters."""

import asyncio
import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from werkzeug.test import Client

from ostiary.config import DocumentError
from ostiary.web.identity import person
from sp_shire import Ostiary, ShireAsgiMiddleware, ShireMiddleware
from sp_shire.testing import StandIn

SETTINGS: dict[str, object] = {
    "entity_id": "https://members.example.org/shar",
    "public_url": "https://members.example.org",
    "display": {"name": "Members' pages"},
    "trust": {"keys": "keys", "metadata": [{"file": "federation.xml", "trusted_certificates": ["federation.crt"]}]},
    "protected": ["/members"],
    "discovery_url": "https://wayf.example.org/discovery",
    "accept": ["accept.yaml"],
    "access": ["access.yaml"],
    "environ": {"eduPersonScopedAffiliation": "affiliation"},
    "remote_user": ["pairwise-id"],
    "store": {"url": "valkeys://sessions.example.org/0"},
    "workers": 4,
    "tls_authorities": "ca.pem",
    "certificates": {"from_front_end": {"addresses": ["192.0.2.1/32"]}, "ca_directory": "ca"},
    "forward_auth": {"secret_header": "OstiaryAsks", "secret_file": "web-server.secret"},
    "jwt": {"audience": "https://back-end.example.org", "keys": "token-keys"},
}
ACCESS = {
    "rules": [
        {
            "id": "members",
            "paths": "/members",
            "permit": {"attribute": "eduPersonScopedAffiliation", "left": "member"},
            "because": "For members.",
        }
    ]
}
ALICE = {
    "eduPersonScopedAffiliation": ["member@home.example.org", "staff@home.example.org"],
    "pairwise-id": "A1@home.example.org",
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ``sp.yaml`` with its policies alone: keys, metadata and sessions are where the application is in service."""
    directory = tmp_path_factory.mktemp("application")
    (directory / "accept.yaml").write_text("rules: []\n")
    (directory / "access.yaml").write_text(yaml.safe_dump(ACCESS))
    (directory / "sp.yaml").write_text(yaml.safe_dump(SETTINGS))
    return directory / "sp.yaml"


@pytest.fixture(scope="module")
def shire(config: Path) -> StandIn:
    return StandIn(config)


def tell(environ: Any, start_response: Any) -> Iterator[bytes]:
    """An application that says whom it sees."""
    who = Ostiary.of(environ)
    start_response("200 OK", [("Content-Type", "text/plain")])
    told = (
        who.values("eduPersonScopedAffiliation"),
        environ.get("affiliation"),
        environ.get("REMOTE_USER"),
        who.issuer,
    )
    yield repr(told).encode()


def test_a_person_of_the_tests_choosing_is_told_as_in_service(shire: StandIn) -> None:
    with shire.signed_in(ALICE):
        answer = Client(ShireMiddleware(tell, shire)).get("/members/")
    assert answer.status_code == 200
    assert answer.text == (
        "(('member@home.example.org', 'staff@home.example.org'), 'member@home.example.org;staff@home.example.org', "
        "'a1@home.example.org', 'https://home.example.org/idp')"
    )


def test_the_access_rules_decide_as_in_service(shire: StandIn) -> None:
    client = Client(ShireMiddleware(tell, shire))
    with shire.signed_in({"eduPersonScopedAffiliation": "alum@home.example.org"}):
        refused, open_to_all = client.get("/members/"), client.get("/")
    assert (refused.status_code, "For members." in refused.text) == (403, True)
    assert (open_to_all.status_code, "alum@home.example.org" in open_to_all.text) == (200, True)


def test_nobody_is_there_before_and_after(shire: StandIn) -> None:
    client = Client(ShireMiddleware(tell, shire))
    with shire.signed_in(ALICE), shire.signed_in({}):
        assert "member" not in client.get("/").text
    assert client.get("/").text == "((), None, None, None)"
    answer = client.get("/members/", headers={"Accept": "text/html"})
    assert answer.status_code == 302
    assert answer.location.startswith("https://wayf.example.org/discovery?")


def test_what_a_client_says_about_itself_is_removed_as_in_service(shire: StandIn) -> None:
    with shire.signed_in({}):
        answer = Client(ShireMiddleware(tell, shire)).get("/", environ_overrides={"affiliation": "president"})
    assert "president" not in answer.text


def test_home_time_and_context_are_as_the_test_says(shire: StandIn) -> None:
    when = datetime(2026, 11, 22, 8, tzinfo=UTC)
    with shire.signed_in(ALICE, home="https://northgate.example/idp", authn_context="urn:x:mfa", authenticated_at=when):
        who = person(shire.environ("/members/"))
    assert who is not None
    assert (who.issuer, who.authn_context, who.authenticated_at) == ("https://northgate.example/idp", "urn:x:mfa", when)


def test_an_environment_is_what_the_middleware_adds(shire: StandIn) -> None:
    added = shire.environ("/members/", ALICE)
    assert added["affiliation"] == "member@home.example.org;staff@home.example.org"
    assert Ostiary.of(added).has("eduPersonScopedAffiliation", "member@home.example.org")
    assert {"REQUEST_METHOD", "PATH_INFO"} & set(added) == set()
    assert not Ostiary.of(shire.environ("/")).is_logged_in


def test_a_token_for_what_stands_behind_is_signed_as_in_service(shire: StandIn) -> None:
    header, claims, _ = str(shire.environ("/members/", ALICE)["HTTP_OSTIARY_JWT"]).split(".")
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["alg"] == "RS256"
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["aud"] == "https://back-end.example.org"


def test_there_is_no_environment_for_a_request_that_would_not_get_through(shire: StandIn) -> None:
    for attributes in (None, {"eduPersonScopedAffiliation": "alum@home.example.org"}):
        with pytest.raises(LookupError, match="would not get through"):
            shire.environ("/members/", attributes)


def test_an_asgi_application_finds_the_same(shire: StandIn) -> None:
    seen: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    scope = {"type": "http", "method": "GET", "path": "/members/", "headers": []}
    with shire.signed_in(ALICE):
        asyncio.run(ShireAsgiMiddleware(application, shire)(scope, None, None))  # type: ignore[arg-type]
    assert Ostiary.of(seen[0]).values("pairwise-id") == ("a1@home.example.org",)


def test_a_mistake_in_the_rest_of_the_configuration_is_told(config: Path) -> None:
    wrong = config.with_name("wrong.yaml")
    wrong.write_text(yaml.safe_dump({**SETTINGS, "protectd": ["/"]}))
    with pytest.raises(DocumentError) as refused:
        StandIn(wrong)
    assert refused.value.nearest == "protected"


def test_it_knows_how_a_browser_calls_the_site(shire: StandIn) -> None:
    assert shire.origin == "https://members.example.org"
