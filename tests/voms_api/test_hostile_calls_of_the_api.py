"""What strangers send on purpose: places in lists, lengths, instants and texts that no program of ours would."""

import base64
import json

import pytest

from tests.voms_api.conftest import ApiSite


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
