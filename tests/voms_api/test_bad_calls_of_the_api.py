"""Calls that can't be understood: each is a 4xx with a code, and nothing was changed."""

import json

import pytest

from tests.voms_api.conftest import ApiSite

MEMBER = "0" * 32


@pytest.mark.parametrize("path", ["/nothing", "/members/x", "/members/" + "0" * 33, "/roles/a b", "//groups", "x"])
def test_an_address_that_is_not_there_is_a_404(unchanged: ApiSite, path: str) -> None:
    assert unchanged.get(path).problem == (404, "voms.api_path")


def test_a_method_that_is_not_there_is_a_405_that_names_the_others(unchanged: ApiSite) -> None:
    told = unchanged.call("POST", "/members/" + MEMBER)
    assert told.problem == (405, "voms.api_method")
    assert told.headers["Allow"] == "DELETE, GET"


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/groups", "most=0"),
        ("/groups", "most=501"),
        ("/groups", "most=many"),
        ("/groups", "unknown=1"),
        ("/groups", "most=1&most=2"),
        ("/groups", "search=" + "a" * 201),
        ("/members", "state=asleep"),
        ("/group", ""),
        ("/history/presence", f"member={MEMBER}&group=/testvo&at=2026-11-22T12:00:00"),
        ("/history/presence", f"member={MEMBER}&group=/testvo&at=yesterday"),
        ("/history/changes", "before_serial=5"),
        ("/history/changes", "before_at=2026-11-22T12:00:00Z&before_serial=" + "9" * 30),
        ("/acl", "group=/testvo&for_new_groups=perhaps"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(unchanged: ApiSite, path: str, query: str) -> None:
    assert unchanged.get(path, query).problem == (400, "voms.api_query")


@pytest.mark.parametrize("query", ["a=%zz", "a=%ff", "a=%00"])
def test_a_query_that_is_no_text_is_refused(unchanged: ApiSite, query: str) -> None:
    assert unchanged.get("/groups", query).problem == (400, "http.encoding")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/groups", {}),
        ("POST", "/groups", []),
        ("POST", "/groups", {"path": 5}),
        ("POST", "/groups", {"path": "/testvo/" + "a" * 300}),
        ("POST", "/groups", {"path": "/testvo/new", "owner": "me"}),
        ("POST", "/members", {}),
        ("POST", "/members", {"certificates": [{"subject": "CN=x"}]}),
        ("POST", "/members", {"certificates": [{"subject": "CN=x", "issuer": "CN=y"}], "kind": "robot"}),
        ("POST", "/members", {"certificates": [{"subject": "CN=x", "issuer": "CN=y"}] * 11}),
        ("PUT", f"/members/{MEMBER}/end", {"until": "2027-01-01T00:00:00"}),
        ("PUT", f"/members/{MEMBER}/end", {}),
        ("PUT", f"/members/{MEMBER}/suspension", {"reason": ""}),
        ("PUT", f"/members/{MEMBER}/suspension", {"reason": "x", "code": "aup"}),
        ("PUT", "/attributes", {"name": "n", "value": "v"}),
        ("PUT", "/attributes", {"name": "n", "value": "v", "role": "r"}),
        ("PUT", "/attributes", {"name": "n", "value": "v", "member": MEMBER, "group": "/testvo"}),
        ("PUT", "/acl", {"group": "/testvo", "who": {"kind": "member"}, "permissions": []}),
        ("PUT", "/acl", {"group": "/testvo", "who": {"kind": "anyone", "member": MEMBER}, "permissions": []}),
        ("PUT", "/acl", {"group": "/testvo", "who": {"kind": "anyone"}, "permissions": ["EVERYTHING"]}),
    ],
)
def test_a_body_that_does_not_fit_is_refused(unchanged: ApiSite, method: str, path: str, body: object) -> None:
    told = unchanged.call(method, path, body)
    assert told.problem == (400, "voms.api_body")


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 60_000, b'{"path": "\\ud800"}', b"null"])
def test_a_body_that_is_no_json_is_refused(unchanged: ApiSite, raw: bytes) -> None:
    assert unchanged.call("POST", "/groups", raw=raw).problem == (400, "voms.api_body")


def test_a_body_where_none_belongs_is_refused(unchanged: ApiSite) -> None:
    assert unchanged.call("DELETE", f"/members/{MEMBER}", {"really": True}).problem == (400, "voms.api_body")


def test_a_body_without_end_is_not_read(unchanged: ApiSite) -> None:
    told = unchanged.call("POST", "/groups", raw=b"", CONTENT_LENGTH="99999999")
    assert told.problem == (413, "http.too_large")


@pytest.mark.parametrize(
    ("recurs", "code"),
    [
        ({"rule": "FREQ=SECONDLY", "first": "2026-11-23T08:00:00", "duration": "PT8H"}, "voms.recurrence"),
        ({"rule": "FREQ=DAILY", "first": "2026-11-23T08:00:00", "duration": "PT8H", "zone": "Mars"}, "voms.recurrence"),
        ({"rule": "FREQ=DAILY", "first": "2026-11-23T08:00:00Z", "duration": "PT8H"}, "voms.api_body"),
        ({"rule": "FREQ=DAILY", "first": "soon", "duration": "PT8H"}, "voms.api_body"),
    ],
)
def test_times_that_recur_in_no_way_are_refused(unchanged: ApiSite, recurs: dict[str, str], code: str) -> None:
    body = {"group": "/testvo/g1", "recurs": recurs}
    told = unchanged.call("PUT", f"/members/{unchanged.alice}/groups", body)
    assert told.problem == (400, code)


@pytest.mark.parametrize(
    ("method", "path", "body", "query", "problem"),
    [
        ("POST", "/groups", {"path": "/othervo/x"}, "", (400, "voms.group_name")),
        ("POST", "/groups", {"path": "/testvo/g1"}, "", (400, "voms.taken")),
        ("DELETE", "/group", None, "path=/testvo/g3", (404, "voms.no_group")),
        ("DELETE", "/group", None, "path=/testvo", (400, "voms.root_group")),
        ("DELETE", "/roles/nobody", None, "", (404, "voms.no_role")),
        ("GET", f"/members/{MEMBER}", None, "", (404, "voms.no_member")),
        ("GET", f"/requests/{MEMBER}", None, "", (404, "voms.no_request")),
        ("DELETE", "/acl/" + "0" * 64, None, "group=/testvo", (404, "voms.no_acl_entry")),
    ],
)
def test_what_does_not_fit_the_vo_is_told_by_its_code(
    unchanged: ApiSite, method: str, path: str, body: object, query: str, problem: tuple[int, str]
) -> None:
    assert unchanged.call(method, path, body, query=query).problem == problem


def test_a_refusal_says_what_to_do_and_under_which_number_the_log_says_more(unchanged: ApiSite) -> None:
    told = unchanged.call("POST", "/groups", {"path": 5})
    assert told.content["title"] == "The body can't be used; look at: path."
    assert told.content["status"] == 400
    logged = unchanged.tokens.logged()[-1]
    assert logged["event"] == "vo_api_refused"
    assert logged["reference"] == told.content["reference"]
    assert "5" not in json.dumps(told.content["title"])
