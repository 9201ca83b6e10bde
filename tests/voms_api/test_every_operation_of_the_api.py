"""Each operation once, in the order in which somebody would set up a VO with them."""

from collections.abc import Iterator

import pytest

from ostiary.x509.certificate_names import CertificateNames
from tests.voms.conftest import NOW
from tests.voms_api.conftest import ApiSite
from voms.administration.callers import caller_of_certificate
from voms.api.routing import Operation, find
from voms.api.table import OPERATIONS
from voms.requests.applicants import Applicants
from voms.requests.asked import Wish

EVE = {"subject": "CN=Eve,O=Test,C=ZZ", "issuer": "CN=Test CA,O=Test,C=ZZ"}
EVE_AGAIN = {"subject": "CN=Eve 2,O=Test,C=ZZ", "issuer": "CN=Test CA,O=Test,C=ZZ"}
AT_HOME = {"asserted_by": "https://home.test/idp", "attribute": "eduPersonPrincipalName", "value": "eve@home.test"}


class Walk:
    """Calls the API, remembers which operations it used, and says what came back."""

    def __init__(self, site: ApiSite) -> None:
        self.site = site
        self.used: set[str] = set()

    def __call__(self, method: str, path: str, body: object = None, query: str = "", status: int = 204) -> dict:
        found = find(OPERATIONS, method, path)
        if not isinstance(found, tuple):
            raise AssertionError(f"no operation for {method} {path}")
        self.used.add(found[0].name)
        told = self.site.call(method, path, body, query=query)
        if told.status != status:
            raise AssertionError(f"{method} {path}: {told.status} {told.body!r}")
        return told.content if told.body else {}


@pytest.fixture
def walk(site: ApiSite) -> Iterator[Walk]:
    return Walk(site)


def test_every_operation_does_what_it_says(walk: Walk) -> None:
    look_at_the_vo(walk)
    make_groups_and_roles(walk)
    eve = make_a_member(walk)
    give_her_things(walk, eve)
    certificates_and_identities(walk, eve)
    what_was_issued(walk)
    rights(walk, eve)
    stop_her_and_let_her_go_on(walk, eve)
    the_policy(walk, eve)
    many_at_once(walk)
    what_people_ask_for(walk)
    the_past(walk, eve)
    take_it_all_back(walk, eve)
    assert sorted(walk.used) == sorted(operation.name for operation in OPERATIONS)


def look_at_the_vo(walk: Walk) -> None:
    found = walk("GET", "/", status=200)
    assert found["name"] == "testvo"
    assert found["members"] == {"active": 2, "suspended": 0, "expired": 0}
    assert found["caller"]["by"] == walk.site.admin_member
    assert len(found["caller"]["permissions"]) == 14
    assert len(walk("GET", "/rights", query="group=/testvo/g1", status=200)["permissions"]) == 14
    walk("PUT", "/inheritance", {"inherits": True})
    unique = {"name": "uid", "description": "Their number", "unique": True}
    assert walk("POST", "/attribute-classes", unique, status=201) == unique
    assert unique in walk("GET", "/attribute-classes", status=200)["classes"]
    walk("DELETE", "/attribute-classes/uid")
    assert unique not in walk("GET", "/attribute-classes", status=200)["classes"]


def make_groups_and_roles(walk: Walk) -> None:
    walk("POST", "/groups", {"path": "/testvo/data", "description": "Data"}, status=201)
    walk("POST", "/groups", {"path": "/testvo/data/raw"}, status=201)
    walk("PATCH", "/group", {"optional": True}, query="path=/testvo/data/raw")
    walk("PUT", "/group/parent", query="path=/testvo/data/raw&parent=/testvo/g2")
    found = walk("GET", "/group", query="path=/testvo/data/raw", status=200)
    assert found["parents"] == ["/testvo/data", "/testvo/g2"]
    assert found["optional"] is True
    walk("DELETE", "/group/parent", query="path=/testvo/data/raw&parent=/testvo/g2")
    listed = walk("GET", "/groups", query="search=data&most=1", status=200)
    assert [each["path"] for each in listed["groups"]] == ["/testvo/data"]
    more = walk("GET", "/groups", query=f"search=data&after={listed['after']}", status=200)
    assert [each["path"] for each in more["groups"]] == ["/testvo/data/raw"]
    assert more["after"] is None
    walk("POST", "/roles", {"name": "reader", "description": "May read"}, status=201)
    names = [each["name"] for each in walk("GET", "/roles", query="search=read", status=200)["roles"]]
    assert names == ["reader"]


def make_a_member(walk: Walk) -> str:
    new = {"certificates": [EVE], "about": {"given_name": "Eve", "surname": "Newcomer", "mail": "eve@home.test"}}
    eve = walk("POST", "/members", new, status=201)["member"]
    found = walk("GET", "/members", query="search=newcomer", status=200)
    assert [each["member"] for each in found["members"]] == [eve]
    assert found["members"][0]["now"] == {"state": "active", "acts": True, "until": None, "reason": ""}
    walk("PUT", f"/members/{eve}/about", {"given_name": "Eva", "surname": "Newcomer"})
    walk("PUT", f"/members/{eve}/end", {"until": "2027-11-22T12:00:00Z"})
    seen = walk("GET", f"/members/{eve}", status=200)
    assert seen["about"]["given_name"] == "Eva"
    assert seen["until"] == "2027-11-22T12:00:00Z"
    return eve


def give_her_things(walk: Walk, eve: str) -> None:
    weekdays = {
        "rule": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
        "first": "2026-11-23T08:00:00",
        "duration": "PT8H",
        "zone": "Europe/Amsterdam",
        "except": ["2026-12-25"],
    }
    walk("PUT", f"/members/{eve}/groups", {"group": "/testvo/g1"})
    walk("PUT", f"/members/{eve}/groups/move", {"group": "/testvo/g1", "to": "/testvo/data/raw"})
    walk("PUT", f"/members/{eve}/roles", {"group": "/testvo/data", "role": "reader", "recurs": weekdays})
    walk("PUT", "/attributes", {"name": "nickname", "value": "eve", "member": eve})
    walk("PUT", "/attributes", {"name": "quota", "value": "5", "group": "/testvo/data", "role": "reader"})
    seen = walk("GET", f"/members/{eve}", status=200)
    assert [(each["group"], each["by"]) for each in seen["groups"]] == [("/testvo/data/raw", walk.site.admin_member)]
    [role] = seen["roles"]
    assert (role["group"], role["role"]) == ("/testvo/data", "reader")
    assert role["recurs"] == weekdays
    assert [(each["name"], each["value"]) for each in seen["attributes"]] == [("nickname", "eve")]
    walk("DELETE", "/attributes", query=f"name=nickname&member={eve}")
    assert walk("GET", f"/members/{eve}", status=200)["attributes"] == []


def certificates_and_identities(walk: Walk, eve: str) -> None:
    key = walk("POST", f"/members/{eve}/certificates", EVE_AGAIN, status=201)["key"]
    assert key == CertificateNames(**EVE_AGAIN).key
    walk("PUT", f"/members/{eve}/certificates/{key}/suspension", {"reason": "Lost."})
    held = walk("GET", f"/members/{eve}", status=200)["certificates"]
    assert [each["suspended"] for each in held] == [None, "Lost."]
    walk("DELETE", f"/members/{eve}/certificates/{key}/suspension")
    walk("DELETE", f"/members/{eve}/certificates/{key}")
    linked = walk("POST", f"/members/{eve}/identities", AT_HOME, status=201)["key"]
    assert walk("GET", f"/members/{eve}", status=200)["identities"] == [{**AT_HOME, "key": linked}]
    walk("DELETE", f"/members/{eve}/identities/{linked}")
    assert walk("GET", f"/members/{eve}", status=200)["identities"] == []


def what_was_issued(walk: Walk) -> None:
    serial = walk.site.tokens.by_certificate().claims["jti"]
    path = f"/members/{walk.site.alice}/issued"
    [token] = walk("GET", path, status=200)["issued"]
    assert (token["serial"], token["kind"], token["revoked_at"]) == (serial, "token", None)
    walk("DELETE", f"/issued/{serial}")
    [token] = walk("GET", path, status=200)["issued"]
    assert token["revoked_at"] == "2026-11-22T12:00:00Z"


def rights(walk: Walk, eve: str) -> None:
    her = {"kind": "member", "member": eve}
    walk("PUT", "/managers", {"group": "/testvo/g2", "who": her})
    walk("PUT", "/acl", {"group": "/testvo/g2", "who": her, "permissions": ["CONTAINER_READ", "MEMBERSHIP_READ"]})
    found = walk("GET", "/acl", query="group=/testvo/g2", status=200)["entries"]
    [entry] = [each for each in found if each["who"]["member"] == eve]
    assert entry["permissions"] == ["CONTAINER_READ", "MEMBERSHIP_READ"]
    walk("DELETE", f"/acl/{entry['key']}", query="group=/testvo/g2")
    left = walk("GET", "/acl", query="group=/testvo/g2", status=200)["entries"]
    assert entry["key"] not in [each["key"] for each in left]


def stop_her_and_let_her_go_on(walk: Walk, eve: str) -> None:
    walk("PUT", f"/members/{eve}/suspension", {"reason": "Lost her laptop.", "code": "security_incident"})
    now = walk("GET", f"/members/{eve}", status=200)["now"]
    assert (now["state"], now["acts"]) == ("suspended", False)
    walk("DELETE", f"/members/{eve}/suspension")
    assert walk("GET", f"/members/{eve}", status=200)["now"]["acts"] is True


def the_policy(walk: Walk, eve: str) -> None:
    walk("PUT", "/grace", {"days": 7})
    new = {"version": "1.0", "text": "Be kind.", "sign_again_days": 365, "grace_days": 10}
    assert walk("POST", "/policy", new, status=201) == {"version": "1.0"}
    walk("PATCH", "/policy", {"sign_again_days": None, "grace_days": 20}, query="version=1.0")
    [version] = walk("GET", "/policy", status=200)["versions"]
    assert version == {**new, "url": None, "sign_again_days": None, "grace_days": 20, "in_force": True} | {
        "in_force_from": "2026-11-22T12:00:00Z"
    }
    assert walk("PUT", "/policy/signature", {}, status=200) == {"version": "1.0"}
    assert walk("PUT", f"/members/{eve}/signatures", {}, status=200) == {"version": "1.0"}
    [signed] = walk("GET", f"/members/{eve}/signatures", status=200)["signatures"]
    assert signed == {"version": "1.0", "at": "2026-11-22T12:00:00Z"}
    walk("PUT", f"/members/{eve}/signatures/demand")
    walk("DELETE", "/policy", query="version=1.0")
    assert walk("GET", "/policy", status=200)["versions"] == []


def many_at_once(walk: Walk) -> None:
    table = "subject,issuer,surname\n/C=ZZ/O=Test/CN=Otto,/C=ZZ/O=Test/CN=Test CA,Otter\n"
    would = walk("POST", "/imports", {"csv": table}, status=201)
    assert would["written"] is False
    assert walk("GET", "/members", query="search=otter", status=200)["members"] == []
    assert walk("POST", "/imports", {"csv": table, "dry_run": False}, status=201)["written"] is True
    assert len(walk("GET", "/members", query="search=otter", status=200)["members"]) == 1


def what_people_ask_for(walk: Walk) -> None:
    office, alice = walk.site.service._office, CertificateNames.of(walk.site.tokens.grid.alice.certificate)
    caller = caller_of_certificate(walk.site.engine, "testvo", alice, NOW)
    ids = [
        Applicants(office).ask(caller, Wish(group), "Please.", NOW).id for group in ("/testvo/data", "/testvo/data/raw")
    ]
    waiting = walk("GET", "/requests", status=200)["requests"]
    assert {each["id"]: (each["wishes"], each["decidable"]) for each in waiting} == {
        ids[0]: (["/testvo/data"], True),
        ids[1]: (["/testvo/data/raw"], True),
    }
    assert walk("GET", f"/requests/{ids[0]}", status=200)["remark"] == "Please."
    walk("PUT", f"/requests/{ids[0]}/handed-to", {"to": walk.site.admin_member, "note": "Yours."})
    approved = walk("PUT", f"/requests/{ids[0]}/approval", {}, status=200)
    assert (approved["member"], approved["given"]) == (walk.site.alice, ["/testvo/data"])
    walk("PUT", f"/requests/{ids[1]}/rejection", {"reason": "Not yet."})
    ended = walk("GET", "/requests", query="ended=true", status=200)["requests"]
    assert {each["id"]: each["state"] for each in ended} == {ids[0]: "approved", ids[1]: "rejected"}
    new = {"mail": "friend@example.org", "wishes": ["/testvo/data"], "send": False}
    invited = walk("POST", "/invitations", new, status=201)
    assert invited["link"].startswith("https://voms.test:15010/voms/testvo/")
    listed = walk("GET", "/invitations", status=200)["invitations"]
    assert [each["mail"] for each in listed] == ["friend@example.org"]
    walk("DELETE", f"/invitations/{invited['id']}")
    assert walk("GET", "/invitations", status=200)["invitations"] == []


def the_past(walk: Walk, eve: str) -> None:
    moment = "2026-11-22T12:00:00Z"
    was = walk("GET", "/history/presence", query=f"member={eve}&group=/testvo/data&at={moment}", status=200)
    assert was["inside"] is True
    assert was["grounds"][0]["group"] == "/testvo/data/raw"
    period = "since=2026-11-22T00:00:00Z&until=2026-11-24T12:00:00Z"
    could = walk("GET", "/history/actors", query=f"group=/testvo/data&role=reader&{period}", status=200)
    [actor] = could["members"]
    assert actor["member"] == eve
    assert actor["times"][0] == {"from": "2026-11-23T07:00:00Z", "to": "2026-11-23T15:00:00Z"}
    done = walk("GET", "/history/changes", query=f"by={walk.site.admin_member}&most=2", status=200)
    assert [each["action"] for each in done["changes"]] == ["vo.invitation_withdrawn", "vo.invitation_made"]
    more = (
        f"by={walk.site.admin_member}&most=1&before_at={done['before']['at']}&before_serial={done['before']['serial']}"
    )
    [before] = walk("GET", "/history/changes", query=more, status=200)["changes"]
    assert before["action"] == "vo.request_rejected"
    events = walk("GET", f"/history/members/{eve}", status=200)["events"]
    assert {"membership", "certificate", "group", "role"} <= {each["what"] for each in events}


def take_it_all_back(walk: Walk, eve: str) -> None:
    walk("DELETE", f"/members/{eve}/roles", query="group=/testvo/data&role=reader")
    walk("DELETE", f"/members/{eve}/groups", query="group=/testvo/data")
    seen = walk("GET", f"/members/{eve}", status=200)
    assert (seen["groups"], seen["roles"]) == ([], [])
    walk("DELETE", f"/members/{eve}")
    assert walk.site.get(f"/members/{eve}").problem == (404, "voms.no_member")
    walk("DELETE", "/group", query="path=/testvo/data/raw")
    walk("DELETE", "/roles/reader")


def test_every_operation_says_what_it_does_in_one_sentence() -> None:
    for operation in OPERATIONS:
        assert 5 < len(operation.summary) < 120, operation.name
        assert isinstance(operation, Operation)
