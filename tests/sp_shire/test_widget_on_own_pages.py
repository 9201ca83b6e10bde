"""The element that asks "where are you from?" on a page of the application: what it is given, what it leads to."""

import json
from collections.abc import Callable

import pytest

from sp_shire.messages import Reply
from tests.sp_shire.conftest import Core, header
from tests.sp_shire.signing_in import NORTHGATE_ID, ORIGIN, Site

MakeCore = Callable[..., Core]
EMBEDDED = {"discovery_url": None, "discovery": "embedded"}
SOUTHBANK_ID = "https://southbank.example/idp"


@pytest.fixture(params=["embedded", "elsewhere"])
def site(request: pytest.FixtureRequest, make_core: MakeCore) -> Site:
    """With the discovery page of the resource itself, and with that of a discovery service."""
    return Site(make_core(**EMBEDDED) if request.param == "embedded" else make_core())


def asked(site: Site, query: bytes, **headers: str) -> Reply:
    reply = site.core.ask("/ostiary/widget", query=query, **headers)
    if not isinstance(reply, Reply):
        raise TypeError(reply)
    return reply


def test_the_element_learns_whom_she_may_mean(site: Site) -> None:
    reply = asked(site, b"q=north")
    found = json.loads(reply.body)
    assert found["homes"] == [[NORTHGATE_ID, "Northgate University", "northgate.example"]]
    assert (found["status"], found["help"], found["before"]) == ("One organisation.", "", [])
    assert found["texts"]["title"] == "Sign in with your organisation"
    assert header(reply, "Cache-Control") == "private, max-age=60"
    assert header(reply, "Cross-Origin-Resource-Policy") == "same-origin"
    assert header(reply, "Access-Control-Allow-Origin") is None


def test_a_choice_is_remembered_and_begins_the_login(site: Site) -> None:
    browser = site.browser()
    browser.get(site.handler("choose", entityID=NORTHGATE_ID, target="/open?x=1", remember="yes"))
    moved = [answer for answer in browser.trail if answer.url.startswith(f"{ORIGIN}/ostiary/choose")]
    assert [answer.status for answer in moved] == [303]
    assert "/sso" in browser.trail[-1].url
    again = json.loads(browser.get(f"{ORIGIN}/ostiary/widget?q=").text)
    assert again["before"] == [
        [NORTHGATE_ID, "Northgate University", "northgate.example", "Continue with Northgate University"]
    ]


def test_she_ends_on_the_page_that_she_came_from(site: Site) -> None:
    browser = site.browser()
    chosen = browser.get(site.handler("choose", entityID=NORTHGATE_ID, target="/open"))
    assert site.log_in(browser, chosen).url == f"{ORIGIN}/open"
    assert json.loads(browser.get(f"{ORIGIN}/ostiary/widget?q=").text)["before"] == []


def test_another_site_plants_no_choice(site: Site) -> None:
    query = f"entityID={SOUTHBANK_ID}&target=/open&remember=yes".encode()
    for whence, planted in (("cross-site", False), ("same-origin", True)):
        reply = site.core.ask("/ostiary/choose", query=query, sec_fetch_site=whence)
        assert isinstance(reply, Reply)
        assert any("ost-home" in value for name, value in reply.headers if name == "Set-Cookie") == planted


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (b"target=/open", "http.parameter_missing"),
        (b"entityID=x&target=https://evil.example/", "sp.target"),
        (b"entityID=x&target=//evil.example/", "sp.target"),
        (b"entityID=" + b"x" * 1025, "http.parameter_too_long"),
    ],
)
def test_a_choice_leads_nowhere_else(site: Site, query: bytes, code: str) -> None:
    assert site.core.refused("/ostiary/choose", query=query) == (400, code)


def test_what_she_types_is_bounded(site: Site) -> None:
    assert site.core.refused("/ostiary/widget", query=b"q=" + b"a" * 201) == (400, "http.parameter_too_long")


def test_the_script_is_asked_for_again_now_and_then_and_sent_when_it_changed(site: Site) -> None:
    first = site.core.ask("/ostiary/widget.js")
    assert isinstance(first, Reply)
    assert (first.status, header(first, "Content-Type")) == (200, "text/javascript; charset=utf-8")
    assert header(first, "Cache-Control") == "public, max-age=3600"
    again = site.core.ask("/ostiary/widget.js", if_none_match=header(first, "ETag") or "")
    assert isinstance(again, Reply)
    assert (again.status, again.body) == (304, b"")


def test_where_there_is_only_one_organisation_there_is_nothing_to_choose(make_core: MakeCore) -> None:
    core = make_core(discovery_url=None, identity_provider=NORTHGATE_ID)
    for name in ("widget", "widget.js", "choose"):
        assert core.refused(f"/ostiary/{name}") == (404, "http.not_found")
