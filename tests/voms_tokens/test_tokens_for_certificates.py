"""Who shows a certificate gets a token that states what her attribute certificate would."""

import json
from base64 import b64decode, urlsafe_b64encode
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from jose import jwt
from sqlalchemy import Engine, select

from ostiary.audit.tables import audit_event
from ostiary.x509.attribute_certificate import read_attribute_certificate
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import parse_fqan
from ostiary.x509.proxy import make_proxy
from tests.voms.conftest import NOW
from tests.voms_tokens.conftest import ISSUER, STORAGE, TokenSite, make_token_site
from tests.x509.authorities import signing_policy
from voms.tables import vo_issued

MOMENT = int(NOW.timestamp())


def test_a_member_gets_her_groups_for_an_hour(unchanged: TokenSite) -> None:
    told = unchanged.by_certificate("wlcg.groups")
    assert told.status == 200
    assert told.content["token_type"] == "Bearer"
    assert told.content["expires_in"] == 3600
    assert told.content["scope"] == "wlcg.groups"
    assert told.headers["Cache-Control"] == "no-store"
    serial = told.claims["jti"]
    claims = {name: value for name, value in told.claims.items() if name != "jti"}
    assert len(str(serial)) == 32
    assert claims == {
        "iss": ISSUER,
        "sub": unchanged.grid.vo.alice,
        "aud": STORAGE,
        "iat": MOMENT,
        "nbf": MOMENT,
        "exp": MOMENT + 3600,
        "wlcg.ver": "1.0",
        "scope": "wlcg.groups",
        "wlcg.groups": ["/testvo", "/testvo/g1", "/testvo/g1/sub", "/testvo/g2"],
    }


def test_an_independent_library_verifies_it_by_the_published_keys(unchanged: TokenSite) -> None:
    token = str(unchanged.by_certificate("wlcg.groups").content["access_token"])
    keys = json.loads(unchanged.get("/jwks").body)
    options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims = jwt.decode(token, keys, algorithms=["ES256"], audience=STORAGE, issuer=ISSUER, options=options)
    assert claims["sub"] == unchanged.grid.vo.alice


def test_a_role_is_an_optional_group_and_stands_where_it_was_asked_for(unchanged: TokenSite) -> None:
    told = unchanged.by_certificate("wlcg.groups:/testvo/g1/admin")
    assert told.claims["wlcg.groups"] == [
        "/testvo/g1/admin",
        "/testvo",
        "/testvo/g1",
        "/testvo/g1/sub",
        "/testvo/g2",
    ]
    assert told.content["scope"] == "wlcg.groups:/testvo/g1/admin wlcg.groups"


def test_the_usual_groups_come_first_when_they_were_asked_for_first(unchanged: TokenSite) -> None:
    told = unchanged.by_certificate("wlcg.groups wlcg.groups:/testvo/pilot")
    assert told.claims["wlcg.groups"] == ["/testvo", "/testvo/g1", "/testvo/g1/sub", "/testvo/g2", "/testvo/pilot"]


def test_a_role_may_be_asked_for_by_its_full_name(unchanged: TokenSite) -> None:
    told = unchanged.by_certificate("wlcg.groups:/testvo/Role=pilot")
    assert told.claims["wlcg.groups"][0] == "/testvo/pilot"


def test_a_group_that_is_optional_is_stated_only_when_asked_for(site: TokenSite) -> None:
    site.grid.vo.directory.set_optional("/testvo/g2", True, at=NOW, by="operator")
    assert "/testvo/g2" not in site.by_certificate("wlcg.groups").claims["wlcg.groups"]
    assert site.by_certificate("wlcg.groups:/testvo/g2").claims["wlcg.groups"][0] == "/testvo/g2"


@pytest.mark.parametrize("name", ["/testvo/g3", "/testvo/g2/admin", "/othervo", "/testvo/Role=admin"])
def test_what_she_does_not_have_is_refused(unchanged: TokenSite, name: str) -> None:
    told = unchanged.by_certificate(f"wlcg.groups:{name}")
    assert told.problem == (400, "invalid_scope")
    assert told.content["error_description"] == f"testvo: Unable to satisfy G{name} request!"


def test_a_role_that_bears_the_name_of_a_group_is_not_stated_as_if_it_were_the_group(site: TokenSite) -> None:
    site.grid.vo.directory.add_group("/testvo/g1/admin", at=NOW, by="operator")
    assert site.by_certificate("wlcg.groups:/testvo/g1/admin").problem == (400, "invalid_scope")
    assert site.logged()[-1]["code"] == "voms.token_role_is_group"
    assert site.by_certificate("wlcg.groups").status == 200


def test_capabilities_are_attributes_of_groups_and_bring_no_groups(site: TokenSite) -> None:
    directory = site.grid.vo.directory
    directory.set_attribute("storage.read", "/data /scratch", group="/testvo/g1", at=NOW, by="operator")
    told = site.by_certificate("storage.read:/data/raw storage.read:/scratch")
    assert told.claims["scope"] == "storage.read:/data/raw storage.read:/scratch"
    assert "wlcg.groups" not in told.claims
    assert site.by_certificate("storage.read:/other").problem == (400, "invalid_scope")
    assert site.by_certificate("storage.create:/data").problem == (400, "invalid_scope")


def test_a_capability_of_a_role_is_had_by_asking_for_it_and_the_role_is_not_listed(site: TokenSite) -> None:
    directory = site.grid.vo.directory
    directory.set_attribute("storage.modify", "/data", group="/testvo/g1", role="admin", at=NOW, by="operator")
    told = site.by_certificate("wlcg.groups storage.create:/data/new")
    assert told.claims["wlcg.groups"] == ["/testvo", "/testvo/g1", "/testvo/g1/sub", "/testvo/g2"]
    assert told.claims["scope"] == "wlcg.groups storage.create:/data/new"


def test_a_capability_ends_the_token_that_states_it(site: TokenSite) -> None:
    until = NOW + timedelta(minutes=10)
    directory = site.grid.vo.directory
    directory.set_attribute(
        "compute.create", "yes", group="/testvo/g1", role="admin", at=NOW, by="operator", until=until
    )
    assert site.by_certificate("compute.create").content["expires_in"] == 600
    assert site.by_certificate("wlcg.groups").content["expires_in"] == 3600


def test_an_attribute_that_is_no_proper_path_gives_nothing(site: TokenSite) -> None:
    directory = site.grid.vo.directory
    directory.set_attribute("storage.read", "data /a/../b", group="/testvo", at=NOW, by="operator")
    assert site.by_certificate("storage.read:/").problem == (400, "invalid_scope")


def test_generic_attributes_are_told_when_asked_for(unchanged: TokenSite) -> None:
    told = unchanged.by_certificate("vo.attributes")
    assert told.claims["vo.attributes"] == [
        {"name": "grpattr", "value": "gval", "of": "/testvo/g1"},
        {"name": "nickname", "value": "alice", "of": "testvo"},
    ]
    assert "vo.attributes" not in unchanged.by_certificate("wlcg.groups").claims


def test_a_token_ends_with_the_certificate(unchanged: TokenSite) -> None:
    soon = unchanged.grid.authority.issue(
        "/C=ZZ/O=HV Test/CN=Alice Member", not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(minutes=5)
    )
    told = unchanged.by_certificate(chain=soon.ders)
    assert told.content["expires_in"] == 300


def test_somebody_unknown_is_told_so_in_the_words_of_the_original(unchanged: TokenSite) -> None:
    stranger = unchanged.grid.authority.issue(
        "/C=ZZ/O=HV Test/CN=Eve", not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=9)
    )
    told = unchanged.by_certificate(chain=stranger.ders)
    assert told.problem == (401, "invalid_client")
    assert told.content["error_description"] == "testvo: User unknown to this VO."


def test_a_suspended_member_gets_no_token(site: TokenSite) -> None:
    site.grid.vo.directory.suspend(site.grid.vo.alice, "Lost her laptop.", at=NOW, by="operator")
    for scope in ("wlcg.groups", "wlcg.groups:/testvo/unknown", "storage.read:/"):
        told = site.by_certificate(scope)
        assert told.problem == (400, "unauthorized_client")
        assert "Lost her laptop." in str(told.content["error_description"])


def test_without_a_certificate_there_is_no_token(unchanged: TokenSite) -> None:
    assert unchanged.by_certificate(chain=()).problem == (401, "invalid_client")


def test_a_client_id_must_be_that_of_the_certificate(unchanged: TokenSite) -> None:
    names = CertificateNames.of(unchanged.grid.alice.certificate)
    form = {"grant_type": "client_credentials", "audience": STORAGE}
    for right in (unchanged.grid.vo.alice, names.subject, "/C=ZZ/O=HV Test/CN=Alice Member"):
        assert unchanged.ask({**form, "client_id": right}).status == 200
    assert unchanged.ask({**form, "client_id": "somebody"}).problem == (401, "invalid_client")


def test_several_audiences_make_a_list(unchanged: TokenSite) -> None:
    form = [("grant_type", "client_credentials"), ("audience", "a"), ("resource", "https://b.test"), ("audience", "a")]
    assert unchanged.ask(form).claims["aud"] == ["a", "https://b.test"]


def test_somebody_has_to_say_for_whom_a_token_is(site: TokenSite, engine: Engine, tmp_path: Path) -> None:
    assert site.ask({"grant_type": "client_credentials"}).problem == (400, "invalid_target")
    usual = make_token_site(site.grid, engine, tmp_path, default_audience=["https://wlcg.cern.ch/jwt/v1/any"])
    told = usual.ask({"grant_type": "client_credentials"})
    assert told.claims["aud"] == "https://wlcg.cern.ch/jwt/v1/any"


def test_a_token_can_be_bound_to_the_certificate(site: TokenSite, engine: Engine, tmp_path: Path) -> None:
    bound = make_token_site(site.grid, engine, tmp_path, certificate_bound=True)
    digest = urlsafe_b64encode(sha256(site.grid.alice.ders[0]).digest()).rstrip(b"=").decode()
    token = bound.by_certificate(audience=ISSUER)
    assert token.claims["cnf"] == {"x5t#S256": digest}
    text = str(token.content["access_token"])
    assert bound.exchange(text).problem == (400, "invalid_request")
    assert bound.exchange(text, chain=site.grid.alice.ders).status == 200


def test_each_token_leaves_an_audit_row_and_can_be_revoked_by_its_row(site: TokenSite, engine: Engine) -> None:
    told = site.by_certificate("wlcg.groups vo.read")
    serial = told.claims["jti"]
    with engine.connect() as connection:
        row = connection.execute(select(vo_issued).where(vo_issued.c.serial == serial)).one()
        last = select(audit_event).order_by(audit_event.c.serial.desc()).limit(1)
        event = connection.execute(last).one()
    assert (row.kind, row.member_id, row.revoked_at) == ("token", site.grid.vo.alice, None)
    assert row.names_key == CertificateNames.of(site.grid.alice.certificate).key
    assert row.not_after == NOW + timedelta(hours=1)
    assert event.action == "vo.token_issued"
    assert json.loads(event.facts)["scopes"] == ["vo.read"]


@pytest.mark.parametrize(
    ("query", "scope"),
    [
        ("", "wlcg.groups"),
        ("fqans=/testvo/g1/Role=admin", "wlcg.groups:/testvo/g1/admin"),
        ("fqans=/testvo/g2,/testvo/Role=pilot", "wlcg.groups:/testvo/g2 wlcg.groups:/testvo/pilot"),
        (
            "fqans=/testvo/Role=pilot,/testvo/g1/sub",
            "wlcg.groups:/testvo/Role=pilot wlcg.groups:/testvo/g1/sub wlcg.groups",
        ),
    ],
)
def test_certificate_and_token_state_the_same_in_the_same_order(unchanged: TokenSite, query: str, scope: str) -> None:
    answer = unchanged.grid.get(query).root.findtext("ac") or ""
    stated = [parse_fqan(name) for name in read_attribute_certificate(b64decode(answer)).fqans]
    groups = [f"{fqan.group}/{fqan.role}" if fqan.role else fqan.group for fqan in stated]
    assert unchanged.by_certificate(scope).claims["wlcg.groups"] == groups


def test_a_revoked_certificate_gets_no_token(site: TokenSite) -> None:
    grid = site.grid
    revoked = grid.authority.crl(
        grid.alice.certificate.serial_number, this_update=NOW - timedelta(hours=1), next_update=NOW + timedelta(days=20)
    )
    grid.authority.install(grid.ca_directory, crl=revoked, policy=signing_policy(grid.authority, "/C=ZZ/O=HV Test/*"))
    grid.trust.reload()
    assert site.by_certificate().problem == (401, "invalid_client")
    assert site.logged()[-1]["code"] == "x509.revoked"


def test_a_limited_proxy_gets_no_token_for_jobs(site: TokenSite) -> None:
    site.grid.vo.directory.set_attribute("compute.create", "yes", group="/testvo", at=NOW, by="operator")
    site.grid.vo.directory.set_attribute("compute.read", "yes", group="/testvo", at=NOW, by="operator")
    alice, hours = site.grid.alice, timedelta(hours=1)
    for limited, status in ((False, 200), (True, 400)):
        proxy = make_proxy(alice.certificates, alice.key, lifetime=hours, now=NOW, key_size="ec", limited=limited)
        assert site.by_certificate("compute.create", chain=proxy.ders).status == status
        assert site.by_certificate("compute.read", chain=proxy.ders).status == 200


def test_a_proxy_that_states_less_gets_a_token_that_states_no_more(unchanged: TokenSite) -> None:
    answer = unchanged.grid.get("fqans=/testvo/g2").root.findtext("ac") or ""
    alice = unchanged.grid.alice
    proxy = make_proxy(
        alice.certificates,
        alice.key,
        lifetime=timedelta(hours=1),
        now=NOW,
        key_size="ec",
        attribute_certificates=[b64decode(answer)],
    )
    told = unchanged.by_certificate("wlcg.groups:/testvo/pilot", chain=proxy.ders)
    assert told.content["scope"] == "wlcg.groups"
    assert told.claims["wlcg.groups"] == ["/testvo", "/testvo/g1", "/testvo/g1/sub", "/testvo/g2"]
