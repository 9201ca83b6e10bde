"""Where logins end: on the page where each of them began, however many there are at once."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from ostiary.command.demo.people import NORTHGATE
from tests.browser import Answer
from tests.sp_shire.conftest import Core
from tests.sp_shire.signing_in import NORTHGATE_ID, ORIGIN, Site, query_of

MakeCore = Callable[..., Core]


@pytest.mark.parametrize(
    "path",
    [
        "/library/?q=caf%C3%A9&page=2&page=3",
        "/library/shelf/3?return=https%3A%2F%2Felsewhere.example%2F",
        "/library/?a=b%26c&d=%2B+e",
        "/library/b%C3%BCcher?",
        "/library/?" + "&".join(f"field{number}=value" for number in range(400)),
    ],
    ids=["accents", "an address", "signs", "a path", "five thousand characters"],
)
def test_a_deep_link_survives_a_login(core: Core, path: str) -> None:
    site = Site(core)
    browser = site.browser()
    done = site.log_in(browser, browser.get(ORIGIN + path))
    assert done.url == ORIGIN + path.removesuffix("?")
    assert done.text.startswith("somebody")


def test_nothing_of_the_target_travels_to_discovery_and_home(core: Core) -> None:
    site = Site(core)
    browser = site.browser()
    discovery = browser.get(f"{ORIGIN}/library/?secret=" + "x" * 1700)
    response = site.to_response(browser, discovery)
    assert "RelayState" not in response.text
    urls = [answer.url for answer in browser.trail] + [answer.header("Location") or "" for answer in browser.trail]
    elsewhere = [url for url in urls if not url.startswith(ORIGIN + "/library/")]
    assert len(elsewhere) > 5
    assert not any("secret" in url for url in elsewhere)


def restored(site: Site, count: int) -> tuple[list[Answer], dict[tuple[str, str], str]]:
    """The first answers to tabs that a browser opens all at once, before any of their cookies is there."""
    browsers = [site.browser() for _ in range(count)]
    pages = [browser.request("GET", f"{ORIGIN}/library/?tab={tab}") for tab, browser in enumerate(browsers, 1)]
    return pages, {name: value for browser in browsers for name, value in browser.cookies.items()}


def test_five_tabs_that_open_at_once_all_end_where_they_began(core: Core) -> None:
    """None has a cookie yet when the requests go out, as when a browser is started again; then they take turns."""
    site = Site(core)
    browser = site.browser()
    opened, browser.cookies = restored(site, 5)
    assert len(browser.cookies) == 5
    at_discovery = [browser.get(answer.header("Location") or "") for answer in opened]
    # The first three choose; the first logs in while the others are still on their way.
    chosen = [browser.submit(page, {"choice": NORTHGATE_ID}, having="choice") for page in at_discovery[:3]]
    first = site.log_in(browser, chosen[0])
    assert first.url == f"{ORIGIN}/library/?tab=1"
    # The fourth chooses now, when there is a session already, and needs no password.
    fourth = browser.submit(at_discovery[3], {"choice": NORTHGATE_ID}, having="choice")
    ends = [site.log_in(browser, page).url for page in (chosen[2], fourth, chosen[1])]
    assert ends == [f"{ORIGIN}/library/?tab={tab}" for tab in (3, 4, 2)]
    # The fifth went back and chose twice.
    browser.submit(at_discovery[4], {"choice": "https://southbank.example/idp"}, having="choice")
    fifth = site.log_in(browser, browser.submit(at_discovery[4], {"choice": NORTHGATE_ID}, having="choice"))
    assert fifth.url == f"{ORIGIN}/library/?tab=5"
    assert fifth.text.startswith("somebody https://northgate.example/idp")


def test_five_tabs_with_one_home_that_open_at_once_all_end_where_they_began(make_core: MakeCore) -> None:
    """Where each tab is bound to its request at once."""
    site = Site(make_core(discovery_url=None, identity_provider=NORTHGATE.entity_id))
    browser = site.browser()
    opened, browser.cookies = restored(site, 5)
    pages = [browser.get(answer.header("Location") or "") for answer in opened]
    ends = [site.log_in(browser, pages[tab - 1]).url for tab in (5, 1, 3, 2, 4)]
    assert ends == [f"{ORIGIN}/library/?tab={tab}" for tab in (5, 1, 3, 2, 4)]


def test_a_browser_that_has_a_mark_keeps_that_one(core: Core) -> None:
    site = Site(core)
    browser = site.browser()
    for _ in range(3):
        browser.get(f"{ORIGIN}/library/")
    assert [name[:12] for _, name in browser.cookies if name.startswith("ost-browser")] == ["ost-browser-"]


def test_a_login_that_began_too_long_ago_is_said_to_be_lost(make_core: MakeCore) -> None:
    core = make_core()
    site = Site(core)
    browser = site.browser()
    page = browser.get(f"{ORIGIN}/library/")
    core.clock.forward(minutes=30)
    late = browser.submit(page, {"choice": NORTHGATE_ID}, having="choice")
    assert (late.status, core.log_lines()[-1]["code"]) == (400, "sp.login_lost")
    assert "Please open the page that you want once more." in late.text


def test_the_number_of_a_login_is_no_login(core: Core) -> None:
    """Somebody else may go on with it, and ends up as herself."""
    site = Site(core)
    browser = site.browser()
    begun = query_of(query_of(browser.request("GET", f"{ORIGIN}/library/?mine").header("Location"))["return"])["login"]
    other = site.browser()
    page = other.get(site.handler("discovered", login=begun, entityID=NORTHGATE_ID))
    done = site.log_in(other, page, "bob")
    assert urlsplit(done.url).path == "/library/"
    assert not any("session" in name for _, name in browser.cookies)


def test_back_to_the_answer_after_the_login_leads_to_the_page(core: Core) -> None:
    site = Site(core)
    browser = site.browser()
    response = site.to_response(browser, browser.get(f"{ORIGIN}/library/?here"))
    assert browser.submit(response, having="SAMLResponse").url == f"{ORIGIN}/library/?here"
    assert browser.submit(response, having="SAMLResponse").url == f"{ORIGIN}/library/?here"
    finish = next(answer.url for answer in browser.trail if "/ostiary/finish?" in answer.url)
    assert browser.get(finish).url == f"{ORIGIN}/library/?here"
