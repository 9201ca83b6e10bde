"""What strangers send on purpose: places in lists, lengths, instants and texts that no program of ours would."""

import base64
import json

import pytest

from ostiary.x509.certificate_names import CertificateNames
from tests.voms.conftest import NOW
from tests.voms_api.conftest import ApiSite
from voms.administration.acl import AclEntry
from voms.administration.permissions import parse_permissions
from voms.administration.who import Who


def place(document: str) -> str:
    return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")


def test_strangers_learn_of_no_group_by_where_a_page_ends(unchanged: ApiSite) -> None:
    told = unchanged.get("/groups", "most=1", chain=())
    assert (told.status, told.content) == (200, {"groups": [], "after": None})
    whole = unchanged.get("/groups", "most=1").content
    assert whole["groups"] == [{"path": "/testvo", "description": "", "optional": False, "below": 2}]
    assert json.loads(base64.urlsafe_b64decode(str(whole["after"]) + "==")) == ["/testvo", ""]


@pytest.mark.parametrize("document", ["[" * 2000, '["\\u0000",""]', '["\\ud800",""]', "{}", "[1,2]", "NaN"])
@pytest.mark.parametrize("path", ["/groups", "/roles", "/members"])
def test_a_list_does_not_go_on_from_a_place_that_was_made_up(unchanged: ApiSite, path: str, document: str) -> None:
    assert unchanged.get(path, f"after={place(document)}").problem == (400, "voms.page")


@pytest.mark.parametrize("length", ["9" * 5000, "99999999", "-1", "1e3", "\u0661\u0662"])
def test_a_length_that_is_none_or_too_much_is_refused(unchanged: ApiSite, length: str) -> None:
    assert unchanged.call("POST", "/roles", {"name": "x"}, CONTENT_LENGTH=length).problem == (413, "http.too_large")


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"])
def test_an_instant_that_there_is_not_by_utc_is_refused(unchanged: ApiSite, since: str) -> None:
    told = unchanged.get("/history/changes", f"by=nobody&since={since}", chain=())
    assert told.problem == (400, "voms.api_query")


@pytest.mark.parametrize("text", ["CN=A\nB", "CN=\x1b[31mA", "CN=A\0", "CN=\u202eA"])
def test_names_that_managers_could_not_see_are_refused(unchanged: ApiSite, text: str) -> None:
    bodies: list[tuple[str, str, object]] = [
        ("POST", "/members", {"certificates": [{"subject": text, "issuer": "CN=CA"}]}),
        ("POST", "/members", {"identities": [{"asserted_by": "x", "attribute": "y", "value": text}]}),
        ("PUT", "/managers", {"group": "/testvo", "who": {"kind": "certificate", "subject": text, "issuer": "CN=CA"}}),
    ]
    for method, path, body in bodies:
        assert unchanged.call(method, path, body).problem == (400, "voms.api_body")
    assert unchanged.call("POST", "/groups", {"path": "/testvo/n", "description": text}).problem == (
        400,
        "voms.description",
    )


@pytest.mark.parametrize("until", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_line_of_a_table_with_such_an_instant_is_refused_alone(unchanged: ApiSite, until: str) -> None:
    table = f'subject,issuer,until\n"CN=New,O=Test","CN=CA,O=Test",{until}\n'
    [line] = unchanged.call("POST", "/imports", {"csv": table, "dry_run": False}).content["lines"]  # type: ignore[misc]
    assert (line["outcome"], line["problem"]) == ("refused", "voms.instant")


def test_the_manager_of_one_group_learns_nothing_of_somebody_elsewhere(site: ApiSite) -> None:
    piet = site.certificate("Piet")
    who = Who.member(site.desk.add_member(CertificateNames.of(piet.certificate)))
    for group, permissions in (("/testvo", "CONTAINER_READ"), ("/testvo/g2", "CONTAINER_READ|MEMBERSHIP_READ")):
        site.desk.set_acl_entry(AclEntry(group, None, who, parse_permissions(permissions)))
    bob = site.desk.add_member(CertificateNames("CN=Bob", "CN=CA"))
    site.desk.suspend(bob, "Took a laptop along.", "security_incident")
    query = f"member={bob}&group=/testvo/g2&at={NOW:%Y-%m-%dT%H:%M:%SZ}"
    told = site.get("/history/presence", query, chain=piet.ders)
    assert (told.status, told.content["inside"], told.content["state"]) == (200, False, None)
    assert b"laptop" not in told.body
    assert b"laptop" in site.get("/history/presence", query).body
    assert (
        site.get(
            "/history/presence", f"member={'0' * 32}&group=/testvo/g2&at=2026-11-22T12:00:00Z", chain=piet.ders
        ).status
        == 200
    )
