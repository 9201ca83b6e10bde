"""Where are you from, asked by the resource itself: page, search, memory, feed."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup

from ostiary.federation.model import Display, Endpoint, Entity, IdpRole, LocalizedText, Logo, Scope
from ostiary.saml import names
from sp_shire.messages import Reply
from tests.browser import Answer
from tests.sp_shire.conftest import Core, header
from tests.sp_shire.signing_in import NORTHGATE_ID, ORIGIN, Site

MakeCore = Callable[..., Core]
EMBEDDED = {"discovery_url": None, "discovery": "embedded"}


def home(number: int, *display_names: tuple[str, str], **more: Any) -> Entity:
    shown = tuple(LocalizedText(text, lang) for lang, text in display_names or (("en", f"College {number:04}"),))
    role = IdpRole(
        display=Display(names=shown, **more.pop("display", {})),
        single_sign_on=(Endpoint(names.HTTP_REDIRECT, f"https://{number}.example/sso"),),
        scopes=(Scope(f"{number}.example"),),
    )
    return Entity(f"https://{number}.example/idp", idp=role, **more)


def site_with(core: Core, *more: Entity) -> Site:
    """The resource, with these home organisations besides those of the federation."""
    core.know(*more)
    return Site(core)


@pytest.fixture
def site(make_core: MakeCore) -> Site:
    return Site(make_core(**EMBEDDED))


def offered(page: Answer) -> list[str]:
    """The names to choose from, in order."""
    soup = BeautifulSoup(page.text, "html.parser")
    return [one.get_text(strip=True) for one in soup.select("#results .choices strong")]


def test_a_person_chooses_on_the_resource_s_own_page_and_logs_in(site: Site) -> None:
    browser = site.browser()
    page = browser.get(f"{ORIGIN}/library/?q=1")
    assert page.url.startswith(f"{ORIGIN}/ostiary/discover?login=")
    assert offered(page) == ["Northgate University", "Southbank Institute"]
    chosen = browser.submit(page, {"entityID": NORTHGATE_ID}, having="entityID")
    assert site.log_in(browser, chosen).url == f"{ORIGIN}/library/?q=1"


def test_the_choice_is_remembered_where_she_wants_that(site: Site) -> None:
    browser = site.browser()
    page = browser.get(f"{ORIGIN}/library/")
    assert "Last time you came from" not in page.text
    browser.submit(page, {"entityID": NORTHGATE_ID}, having="entityID")
    assert "Last time you came from" not in browser.get(f"{ORIGIN}/library/").text
    browser.submit(page, {"entityID": NORTHGATE_ID, "remember": "yes"}, having="entityID")
    browser.submit(page, {"entityID": "https://southbank.example/idp", "remember": "yes"}, having="entityID")
    cookies = [value for answer in browser.trail for name, value in answer.headers if name == "Set-Cookie"]
    assert "Max-Age=31536000" in next(value for value in cookies if value.startswith("ost-home-"))
    again = browser.get(f"{ORIGIN}/library/?q=2")
    assert "Continue with Southbank Institute" in again.text
    assert "Northgate University" in again.text
    login = again.url.partition("login=")[2]
    assert "Last time you came from" not in browser.get(site.handler("forget", login=login)).text


def test_one_of_the_remembered_can_be_forgotten(site: Site) -> None:
    browser = site.browser()
    page = browser.get(f"{ORIGIN}/library/")
    for chosen in (NORTHGATE_ID, "https://southbank.example/idp"):
        browser.submit(page, {"entityID": chosen, "remember": "yes"}, having="entityID")
    again = browser.get(f"{ORIGIN}/library/")
    buttons = [one["value"] for one in BeautifulSoup(again.text, "html.parser").select("#edit button[name=forget]")]
    assert buttons == ["https://southbank.example/idp", NORTHGATE_ID]
    login = again.url.partition("login=")[2]
    left = browser.get(site.handler("forget", login=login, forget="https://southbank.example/idp"))
    assert left.url.endswith(f"login={login}&edit=yes")
    assert "Continue with Northgate University" in left.text
    assert "Last time you came from" not in browser.get(site.handler("forget", login=login, forget=NORTHGATE_ID)).text


def test_who_is_not_listed_finds_whom_to_ask(make_core: MakeCore) -> None:
    display = {"name": "The library", "support_email": "desk@library.example"}
    page = Site(make_core(**EMBEDDED, display=display)).browser().get(f"{ORIGIN}/library/")
    links = [one["href"] for one in BeautifulSoup(page.text, "html.parser").select("#not-listed a")]
    assert links == ["mailto:desk@library.example"]


def test_what_the_federation_says_that_the_resource_needs_comes_first(make_core: MakeCore) -> None:
    research = "http://refeds.org/category/research-and-scholarship"
    core = make_core(**EMBEDDED)
    own = Entity(core.settings.entity_id, entity_attributes=((names.ENTITY_CATEGORY, (research,)),))
    gives = home(7, entity_attributes=((names.ENTITY_CATEGORY_SUPPORT, (research,)),))
    near = home(8, display={"ip_hints": ("127.0.0.0/8", "192.0.2.0/24")})
    core.know(own, gives, near, home(6), instead=True)
    page = Site(core).browser().get(f"{ORIGIN}/library/")
    assert offered(page) == ["College 0007", "College 0008", "College 0006"]


def test_another_site_plants_no_choice_and_takes_none_away(site: Site) -> None:
    core = site.core
    begun = core.ask("/library/")
    assert isinstance(begun, Reply)
    login = (header(begun, "Location") or "").partition("login=")[2]
    query = f"login={login}&entityID={NORTHGATE_ID}&remember=yes".encode()
    for path, said in (("/ostiary/discovered", query), ("/ostiary/forget", f"login={login}".encode())):
        planted = core.ask(path, query=said, sec_fetch_site="cross-site")
        assert isinstance(planted, Reply)
        assert not any("ost-home" in value for name, value in planted.headers if name == "Set-Cookie")
        own = core.ask(path, query=said, sec_fetch_site="same-origin")
        assert isinstance(own, Reply)
        assert any("ost-home" in value for name, value in own.headers if name == "Set-Cookie")


def test_of_thousands_some_are_shown_and_the_search_finds_the_rest(make_core: MakeCore) -> None:
    many = [home(number) for number in range(3000)]
    site = site_with(make_core(**EMBEDDED), *many, home(9001, ("en", "Łódź Poly"), ("de", "Universität Lodsch")))
    browser = site.browser()
    page = browser.get(f"{ORIGIN}/library/")
    assert len(offered(page)) == 15
    assert "15 of 3003 organisations. Type a part of the name to find yours." in page.text
    assert len(page.body) < 20_000
    assert offered(browser.submit(page, {"q": "lodz"}, having="q")) == ["Łódź Poly"]
    assert offered(browser.submit(page, {"q": "anna@2999.example"}, having="q")) == ["College 2999"]
    nothing = browser.submit(page, {"q": "<b>nowhere"}, having="q")
    assert (offered(nothing), "Nothing found for “&lt;b&gt;nowhere”." in nothing.text) == ([], True)


def test_who_hides_from_discovery_is_not_offered(make_core: MakeCore) -> None:
    hidden = ((names.ENTITY_CATEGORY, (names.HIDE_FROM_DISCOVERY,)),)
    site = site_with(make_core(**EMBEDDED), home(1, entity_attributes=hidden), home(2))
    assert offered(site.browser().get(f"{ORIGIN}/library/")) == [
        "College 0002",
        "Northgate University",
        "Southbank Institute",
    ]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        (b"login=unknown", 400, "sp.login_lost"),
        (b"login=" + b"a" * 65, 400, "http.parameter_too_long"),
        (b"login=a&login=b", 400, "http.parameter_repeated"),
    ],
)
def test_a_strange_login_is_refused(site: Site, query: bytes, status: int, code: str) -> None:
    assert site.core.refused("/ostiary/discover", query=query) == (status, code)
    assert site.core.refused("/ostiary/discovered", query=query + b"&entityID=x") == (status, code)


def test_a_search_is_bounded(site: Site) -> None:
    page = site.browser().get(f"{ORIGIN}/library/")
    query = page.url.partition("?")[2].encode() + b"&q=" + b"a" * 201
    assert site.core.refused("/ostiary/discover", query=query) == (400, "http.parameter_too_long")


def test_the_page_by_itself_begins_a_login(site: Site) -> None:
    browser = site.browser()
    page = browser.get(site.handler("discover"))
    chosen = browser.submit(page, {"entityID": NORTHGATE_ID}, having="entityID")
    assert site.log_in(browser, chosen).url == f"{ORIGIN}/library"


def test_a_passive_login_takes_the_choice_that_is_remembered(site: Site) -> None:
    browser = site.browser()
    page = browser.get(f"{ORIGIN}/library/")
    chosen = browser.submit(page, {"entityID": NORTHGATE_ID, "remember": "yes"}, having="entityID")
    site.log_in(browser, chosen)
    browser.post(site.handler("logout"), [])
    back = browser.submit(browser.get(site.handler("login", target="/open", isPassive="true")), having="SAMLResponse")
    assert (back.url, back.text.partition(" ")[0]) == (f"{ORIGIN}/open", "somebody")


def test_without_embedded_discovery_there_is_no_such_page(core: Core) -> None:
    assert core.refused("/ostiary/discover") == (404, "http.not_found")


def test_the_feed_is_what_embedded_pages_read(make_core: MakeCore) -> None:
    logo = Logo("https://1.example/logo.png", 80, 60, "en")
    shown = {
        "descriptions": (LocalizedText("About one", "en"),),
        "information_urls": (LocalizedText("https://1.example/", "en"),),
        "logos": (logo,),
    }
    site = site_with(make_core(), home(1, ("en", "One"), ("de", "Eins"), display=shown))
    answer = site.browser().get(site.handler("discofeed"))
    assert answer.header("Content-Type") == "application/json"
    entries = {entry["entityID"]: entry for entry in json.loads(answer.body)}
    assert list(entries) == sorted(entries)
    assert entries["https://1.example/idp"] == {
        "entityID": "https://1.example/idp",
        "DisplayNames": [{"value": "One", "lang": "en"}, {"value": "Eins", "lang": "de"}],
        "Descriptions": [{"value": "About one", "lang": "en"}],
        "InformationURLs": [{"value": "https://1.example/", "lang": "en"}],
        "Logos": [{"value": "https://1.example/logo.png", "height": "60", "width": "80", "lang": "en"}],
    }
    assert len(entries) == 3


def test_the_feed_is_sent_once(core: Core) -> None:
    first = core.ask("/ostiary/discofeed")
    assert isinstance(first, Reply)
    tag = header(first, "ETag")
    assert tag is not None
    for condition in (tag, f'W/{tag}, "other"', "*"):
        again = core.ask("/ostiary/discofeed", if_none_match=condition)
        assert isinstance(again, Reply)
        assert (again.status, again.body, header(again, "ETag")) == (304, b"", tag)
    head = core.ask("/ostiary/discofeed", method="HEAD")
    assert isinstance(head, Reply)
    assert (head.status, header(head, "ETag")) == (200, tag)
    other = core.ask("/ostiary/discofeed", if_none_match='"other"')
    assert isinstance(other, Reply)
    assert (other.status, other.body) == (200, first.body)


def test_the_page_has_a_script_of_this_site_and_works_without(site: Site) -> None:
    page = site.browser().get(f"{ORIGIN}/library/")
    soup = BeautifulSoup(page.text, "html.parser")
    (script,) = soup.select("script")
    path = str(script["src"])
    served = site.browser().get(ORIGIN + path)
    assert (served.status, served.header("Content-Type")) == (200, "text/javascript; charset=utf-8")
    policy = page.header("Content-Security-Policy") or ""
    assert "script-src 'self'; connect-src 'self'" in policy
    assert "form-action" not in policy
    assert [label.get_text(strip=True) for label in soup.select("label")] == [
        "Find your organisation",
        "Remember my choice in this browser",
    ]
    assert len(soup.select("h1")) == 1
