"""Pages that need nobody to be logged in: open ones, the login that an application asks for, and the one that nobody asked for."""

from collections.abc import Callable

import pytest

from ostiary.command.demo.people import NORTHGATE
from sp_shire.messages import Passage, Reply
from tests.browser import Answer, Browser, forms_of
from tests.sp_shire.conftest import Core
from tests.sp_shire.signing_in import NAVIGATION, NORTHGATE_ID, ORIGIN, Site, asked_of, query_of

MakeCore = Callable[..., Core]
ONE_HOME = {"discovery_url": None, "identity_provider": NORTHGATE.entity_id}


def trying(make_core: MakeCore, **changes: object) -> Site:
    """A resource that is open but for one corner, and tries to find out who comes."""
    return Site(make_core(**{"login": {"try_silently": True}, **ONE_HOME, **changes}))


def visit(browser: Browser, path: str, **headers: str) -> Answer:
    """Goes there as browsers do and follows."""
    return browser.get(ORIGIN + path, headers={**NAVIGATION, **headers})


# -- what is open ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "is_open"),
    [
        ("/", False),
        ("/about", True),
        ("/about/us", True),
        ("/about;x=1", False),
        ("//about", False),
        ("/aboutx", False),
        ("/about/team", False),
        ("/about/team/list", False),
        ("/about/team/list/public", True),
        ("/about%2fteam", False),
    ],
)
def test_the_longest_prefix_says_whether_a_page_is_open(make_core: MakeCore, path: str, is_open: bool) -> None:
    """A path that may be read in two ways is open when it is in both."""
    core = make_core(protected=("/", "/about/team"), lazy=("/about", "/about/team/list/public"))
    assert isinstance(core.ask(path), Passage) is is_open


def test_a_path_is_protected_or_lazy(make_core: MakeCore) -> None:
    with pytest.raises(ValueError, match=r"config\.wrong_value"):
        make_core(protected=("/members",), lazy=("/members",))


def test_an_open_page_knows_who_is_logged_in_and_no_rule_is_asked(make_core: MakeCore) -> None:
    core = make_core(protected=("/",), lazy=("/elsewhere",))
    passed = core.ask("/elsewhere", cookie=core.session("bob"))
    assert isinstance(passed, Passage)
    assert passed.person is not None
    assert passed.decision is None
    nobody = core.ask("/elsewhere")
    assert isinstance(nobody, Passage)
    assert nobody.person is None


def test_an_application_asks_for_a_login_and_gets_its_page_back(core: Core) -> None:
    site = Site(core)
    browser = site.browser()
    assert browser.get(f"{ORIGIN}/open?q=1").text == "nobody"
    page = browser.get(site.handler("login", target="/open?q=1"))
    done = site.log_in(browser, page)
    assert (done.url, done.text.partition(" ")[0]) == (f"{ORIGIN}/open?q=1", "somebody")


# -- IsPassive ---------------------------------------------------------------------------------------------------------


def test_a_passive_login_that_needs_a_page_leads_back_to_an_open_page(make_core: MakeCore) -> None:
    site = Site(make_core(**ONE_HOME))
    browser = site.browser()
    page = browser.get(site.handler("login", target="/open?q=1", isPassive="true"))
    back = browser.submit(page, having="SAMLResponse")
    assert (back.url, back.text) == (f"{ORIGIN}/open?q=1", "nobody")
    # An application that asks again at once does not send the browser round and round.
    again = browser.request("GET", site.handler("login", target="/open?q=1", isPassive="true"))
    assert (again.status, again.header("Location")) == (302, f"{ORIGIN}/open?q=1")
    site.core.clock.forward(minutes=1)
    later = browser.request("GET", site.handler("login", target="/open?q=1", isPassive="true"))
    assert asked_of(later).is_passive


def test_a_passive_login_to_a_protected_page_becomes_an_ordinary_one(make_core: MakeCore) -> None:
    site = Site(make_core(**ONE_HOME))
    browser = site.browser()
    page = browser.get(site.handler("login", target="/library/?q=1", isPassive="true"))
    form = browser.submit(page, having="SAMLResponse")
    assert 'name="password"' in form.text
    assert site.log_in(browser, form).url == f"{ORIGIN}/library/?q=1"


def test_a_resource_that_asks_passively_first_still_logs_people_in(make_core: MakeCore) -> None:
    site = Site(make_core(login={"passive": True}, **ONE_HOME))
    browser = site.browser()
    first = browser.request("GET", f"{ORIGIN}/library/?q=1")
    assert asked_of(first).is_passive
    form = browser.submit(browser.get(first.header("Location") or ""), having="SAMLResponse")
    assert site.log_in(browser, form).url == f"{ORIGIN}/library/?q=1"
    # Whoever is logged in at home needs no page.
    browser.post(site.handler("logout"), [])
    assert browser.submit(browser.get(f"{ORIGIN}/library/?q=2"), having="SAMLResponse").url == f"{ORIGIN}/library/?q=2"


def test_a_passive_login_asks_discovery_passively(core: Core) -> None:
    site = Site(core)
    browser = site.browser()
    asked = browser.request("GET", site.handler("login", target="/open", isPassive="true"))
    assert query_of(asked.header("Location"))["isPassive"] == "true"
    # Nobody is remembered there.
    assert browser.get(asked.header("Location") or "").text == "nobody"


def test_a_forged_refusal_ends_nothing_for_anybody_else(make_core: MakeCore) -> None:
    """Nobody signs that a page would have to be shown: it counts for the browser that asked, and leads to no session."""
    core = make_core(**ONE_HOME)
    site = Site(core)
    browser, other = site.browser(), site.browser()
    page = browser.get(site.handler("login", target="/open", isPassive="true"))
    stolen = other.submit(page, having="SAMLResponse")
    assert (stolen.status, core.log_lines()[-1]["code"]) == (400, "sp.other_browser")
    assert browser.submit(page, having="SAMLResponse").text == "nobody"
    assert (browser.submit(page, having="SAMLResponse").status, core.log_lines()[-1]["code"]) == (403, "saml.status")


def test_a_refusal_of_a_login_that_was_not_passive_is_told(make_core: MakeCore) -> None:
    core = make_core(**ONE_HOME)
    site = Site(core)
    browser = site.browser()
    browser.get(f"{ORIGIN}/library/")
    passive = browser.get(site.handler("login", target="/open", isPassive="true"))
    core.stores.logins.take(f"request {asked_of(browser.trail[-2]).id}", core.clock.at)
    refused = browser.submit(passive, having="SAMLResponse")
    assert (refused.status, core.log_lines()[-1]["code"]) == (403, "saml.status")


# -- without being asked -----------------------------------------------------------------------------------------------


def test_who_is_logged_in_at_home_is_logged_in_at_an_open_page(make_core: MakeCore) -> None:
    site = trying(make_core)
    browser = site.browser()
    site.log_in(browser, visit(browser, "/library/"))
    fresh = site.browser()
    fresh.cookies = {key: value for key, value in browser.cookies.items() if key[0] == "localhost"}
    done = fresh.submit(visit(fresh, "/open?q=1"), having="SAMLResponse")
    assert (done.url, done.text.partition(" ")[0]) == (f"{ORIGIN}/open?q=1", "somebody")


def test_it_is_tried_once_in_a_browser_session(make_core: MakeCore) -> None:
    site = trying(make_core)
    browser = site.browser()
    back = browser.submit(visit(browser, "/open?q=1"), having="SAMLResponse")
    assert (back.url, back.text) == (f"{ORIGIN}/open?q=1", "nobody")
    count = len(browser.trail)
    assert visit(browser, "/open?q=2").text == "nobody"
    assert len(browser.trail) == count + 1


def test_who_never_comes_back_from_her_home_sees_the_page_the_next_time(make_core: MakeCore) -> None:
    site = trying(make_core)
    browser = site.browser()
    assert visit(browser, "/open").url != f"{ORIGIN}/open"
    assert visit(browser, "/open").text == "nobody"


def test_after_signing_out_nobody_is_signed_in_again_without_asking(make_core: MakeCore) -> None:
    site = trying(make_core)
    browser = site.browser()
    site.log_in(browser, visit(browser, "/library/"))
    browser.post(site.handler("logout"), [])
    assert visit(browser, "/open").text == "nobody"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Mode": ""},
        {"Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Dest": "image", "Sec-Fetch-Mode": "no-cors"},
        {"Host": "elsewhere.example"},
        {"Sec-Purpose": "prefetch"},
    ],
    ids=str,
)
def test_robots_scripts_and_frames_are_left_alone(make_core: MakeCore, headers: dict[str, str]) -> None:
    site = trying(make_core)
    assert visit(site.browser(), "/open", **headers).text == "nobody"


def test_a_form_to_an_open_page_is_left_alone(make_core: MakeCore) -> None:
    site = trying(make_core)
    answer = site.browser().request("POST", f"{ORIGIN}/open", headers={**NAVIGATION, "Origin": ORIGIN}, body=b"a=b")
    assert answer.text == "nobody"


@pytest.mark.parametrize("logged_in", [False, True], ids=["nobody", "logged in at home"])
def test_a_browser_without_cookies_sees_the_page_and_goes_in_no_circle(make_core: MakeCore, logged_in: bool) -> None:
    site = trying(make_core)
    browser = site.browser()
    if logged_in:
        site.log_in(browser, visit(browser, "/library/"))

    def without_cookies() -> None:
        browser.cookies = {key: value for key, value in browser.cookies.items() if key[0] == "localhost"}

    without_cookies()
    page = visit(browser, "/open?q=1")
    without_cookies()
    held = browser.submit_without_following(
        site.handler("acs"), [("SAMLResponse", dict(_fields(page))["SAMLResponse"])], site="http://localhost:20001"
    )
    back = browser.request("GET", held.header("Location") or "", headers=NAVIGATION)
    assert (back.status, back.header("Location")) == (302, f"{ORIGIN}/open?q=1")
    without_cookies()
    assert visit(browser, "/open?q=1").text == "nobody"
    site.core.clock.forward(minutes=30)
    assert visit(browser, "/open?q=1").url != f"{ORIGIN}/open?q=1"


def test_an_open_page_stays_open_when_it_can_not_be_tried(make_core: MakeCore) -> None:
    site = trying(make_core, identity_provider="https://nobody.example/idp")
    assert visit(site.browser(), "/open").text == "nobody"
    assert site.core.log_lines()[-1]["event"] == "not_tried_silently"


def test_nothing_is_tried_unless_the_settings_say_so(make_core: MakeCore) -> None:
    site = Site(make_core(**ONE_HOME))
    assert visit(site.browser(), "/open").text == "nobody"


def test_with_a_page_of_its_own_nobody_is_tried_who_never_chose(make_core: MakeCore) -> None:
    site = trying(make_core, identity_provider=None, discovery="embedded")
    browser = site.browser()
    back = visit(browser, "/open")
    assert (back.url, back.text) == (f"{ORIGIN}/open", "nobody")


def test_a_link_to_a_login_is_no_login_of_a_head_request(core: Core) -> None:
    reply = core.ask("/ostiary/login", method="HEAD", query=f"entityID={NORTHGATE_ID}".encode())
    assert isinstance(reply, Reply)
    assert reply.status == 405


def _fields(page: Answer) -> list[tuple[str, str]]:

    return forms_of(page)[0].fields
