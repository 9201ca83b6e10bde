"""The page: what it shows, how the search finds, what is remembered."""

import base64
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from bs4 import BeautifulSoup

from ostiary.federation.model import Display, Endpoint, Entity, IdpRole, LocalizedText, Scope
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.web.cookies import cookie_name
from tests.wayf.conftest import cookies_of

if TYPE_CHECKING:
    from tests.wayf.conftest import Wayf

URL = "https://wayf.example.org"
LIBRARY = "https://library.example/sp"
UTRECHT = "https://idp.uu.example/saml"
ZURICH = "https://idp.tuz.example/saml"
LODZ = "https://idp.lodz.example/saml"
COOKIE = cookie_name("home", URL, https=True)


def soup(text: str) -> BeautifulSoup:
    return BeautifulSoup(text, "html.parser")


def encoded(*entity_ids: str) -> str:
    return ".".join(base64.urlsafe_b64encode(entity_id.encode()).decode().rstrip("=") for entity_id in entity_ids)


def test_the_page_names_the_resource_and_escapes_its_name(wayf: "Wayf") -> None:
    answer = wayf.discover()
    assert "The Library &lt;of&gt; Alexandria would like to know" in answer.text


def test_the_page_lists_the_organisations_by_name_and_leaves_out_who_hides(wayf: "Wayf") -> None:
    assert wayf.offered() == [
        "Ending University",
        "Technische Universität Zürich",
        "Uniwersytet Łódzki",
        "Utrecht University",
    ]


def test_an_organisation_disappears_when_its_metadata_expires(wayf: "Wayf") -> None:
    wayf.clock.at += timedelta(hours=1)
    assert "Ending University" not in wayf.offered()


def test_where_her_language_is_not_spoken_page_and_names_are_english(wayf: "Wayf") -> None:
    assert "Utrecht University" in wayf.offered(ui_locales="tlh")


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("zurich", ["Technische Universität Zürich"]),
        ("ZÜRICH", ["Technische Universität Zürich"]),
        ("Zu\u0308rich", ["Technische Universität Zürich"]),
        ("lodzki", ["Uniwersytet Łódzki"]),
        ("universiteit", ["Utrecht University"]),
        ("polytechnic", ["Technische Universität Zürich"]),
        ("tuz.example", ["Technische Universität Zürich"]),
        ("switzerland tech", ["Technische Universität Zürich"]),
        ("uni", ["Uniwersytet Łódzki", "Ending University", "Technische Universität Zürich", "Utrecht University"]),
        ("hidden", []),
        ("pattern", []),
        ("xyzzy", []),
        ("   ", ["Ending University", "Technische Universität Zürich", "Uniwersytet Łódzki", "Utrecht University"]),
    ],
)
def test_the_search_does_not_mind_case_accents_language_or_order(wayf: "Wayf", q: str, found: list[str]) -> None:
    assert wayf.offered(q=q) == found


def test_a_search_without_result_says_so_and_what_to_try(wayf: "Wayf") -> None:
    text = soup(wayf.discover(q="<xyzzy>").text).get_text(" ", strip=True)
    assert "Nothing found for “<xyzzy>”." in text
    assert "Try a shorter word" in text


def test_of_six_thousand_organisations_the_first_page_is_small_and_all_are_searched(wayf: "Wayf") -> None:
    def college(number: int) -> Entity:
        # As long as they are in real life.
        host = f"c{number}.identity-provider.college.example"
        shown = (
            LocalizedText(f"College {number:04}", "en"),
            LocalizedText(f"Collège royal {number:04} des arts", "fr"),
        )
        sso = (Endpoint(names.HTTP_REDIRECT, f"https://{host}/sso"),)
        role = IdpRole(display=Display(names=shown), single_sign_on=sso, scopes=(Scope(host),))
        return Entity(f"https://{host}/idp/shibboleth", idp=role)

    library = wayf.registry.get(LIBRARY, wayf.clock.at)
    assert library is not None
    wayf.registry = Registry([library, *(college(number) for number in range(6000))])
    answer = wayf.discover()
    assert len(soup(answer.text).select("#results button")) == 15
    assert "15 of 6000 organisations" in answer.text
    assert len(answer.data) < 20_000
    assert wayf.offered(q="4711") == ["College 4711"]
    assert wayf.offered(q="college 499")[:10] == [f"College {number}" for number in range(4990, 5000)]


def test_an_idp_without_display_name_is_found_by_its_entity_id(wayf: "Wayf") -> None:
    library = wayf.registry.get(LIBRARY, wayf.clock.at)
    assert library is not None
    role = IdpRole(single_sign_on=(Endpoint(names.HTTP_REDIRECT, "https://plain.example/sso"),))
    wayf.registry = Registry(
        [library, Entity("https://plain.example/idp", idp=role), Entity("https://no-sso.example", idp=IdpRole())]
    )
    assert wayf.offered(q="plain.example") == ["https://plain.example/idp"]
    assert wayf.offered() == ["https://plain.example/idp"]


def test_the_forms_work_without_javascript_and_carry_the_request(wayf: "Wayf") -> None:
    params = {"return": "https://library.example/ds?a=1", "returnIDParam": "idp"}
    page = soup(wayf.discover(**params).text)
    search, choose = page.select("form")
    for form in (search, choose):
        assert form["method"] == "get"
        carried = {field["name"]: field["value"] for field in form.select("input[type=hidden]")}
        assert carried == {"entityID": LIBRARY, **params}
    assert search["action"] == "/discovery"
    assert choose["action"] == "/choose"
    assert [button["value"] for button in choose.select("button[name=choice]")][-1] == UTRECHT


def test_the_page_may_redirect_to_other_sites_and_runs_only_its_own_script(wayf: "Wayf") -> None:
    answer = wayf.discover()
    policy = answer.headers["Content-Security-Policy"]
    assert "form-action" not in policy
    assert "script-src 'self'" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    script = soup(answer.text).select_one("script")
    assert script is not None
    assert script.get_text() == ""
    assert wayf.get(str(script["src"])).mimetype == "text/javascript"


# --- remembering


def test_a_choice_is_remembered_only_when_the_person_wants_it(wayf: "Wayf") -> None:
    assert cookies_of(wayf.choose(UTRECHT), "home") == []
    (cookie,) = cookies_of(wayf.choose(UTRECHT, remember="yes"), "home")
    assert cookie == f"{COOKIE}={encoded(UTRECHT)}; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=31536000"


def test_the_last_three_choices_are_offered_first_and_newest_first(wayf: "Wayf") -> None:
    for choice in (LODZ, UTRECHT, ZURICH, "https://idp.ending.example/saml", UTRECHT):
        wayf.choose(choice, remember="yes")
    page = soup(wayf.discover().text)
    assert "Continue with Utrecht University" in page.get_text()
    section = page.select_one("section")
    assert section is not None
    offered = [button["value"] for button in section.select("button[name=choice]")]
    assert offered == [UTRECHT, "https://idp.ending.example/saml", ZURICH]


def test_the_choice_can_be_forgotten(wayf: "Wayf") -> None:
    wayf.choose(UTRECHT, remember="yes")
    answer = wayf.get("/forget", entityID=LIBRARY)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/discovery?entityID=https%3A%2F%2Flibrary.example%2Fsp"
    assert "Continue with" not in wayf.discover().text


def test_forgetting_redirects_only_for_a_request_in_order(wayf: "Wayf") -> None:
    answer = wayf.get("/forget", entityID="https://nobody.example")
    assert (answer.status_code, "Location" in answer.headers, "Set-Cookie" in answer.headers) == (400, False, False)


@pytest.mark.parametrize(
    ("site", "stored"), [("same-origin", True), ("none", True), ("cross-site", False), ("same-site", False)]
)
def test_another_site_can_neither_plant_nor_erase_a_choice(wayf: "Wayf", site: str, stored: bool) -> None:
    chosen = wayf.choose(UTRECHT, {"Sec-Fetch-Site": site}, remember="yes")
    assert chosen.status_code == 302
    assert bool(cookies_of(chosen, "home")) is stored
    forgotten = wayf.get("/forget", {"Sec-Fetch-Site": site}, entityID=LIBRARY)
    assert bool(cookies_of(forgotten, "home")) is stored


@pytest.mark.parametrize(
    "value",
    [
        "",
        "nonsense!",
        "A",
        "_w",
        encoded(UTRECHT) + "=",
        encoded(UTRECHT) + ".",
        encoded(UTRECHT, UTRECHT),
        encoded(UTRECHT, ZURICH, LODZ, "https://fourth.example"),
        encoded("https://x.example/\n"),
        encoded("x" * 1025),
        encoded(UTRECHT) + "A" * 5000,
    ],
)
def test_a_forged_or_oversize_cookie_is_ignored(wayf: "Wayf", value: str) -> None:
    bare = wayf.app.test_client(use_cookies=False)
    path = f"/discovery?entityID={LIBRARY}"
    twin = bare.get(path, base_url=URL, headers={"Cookie": f"{COOKIE}={encoded(UTRECHT)}"})
    assert "Continue with Utrecht University" in twin.text
    answer = bare.get(path, base_url=URL, headers={"Cookie": f"{COOKIE}={value}"})
    assert answer.status_code == 200
    assert "Continue with" not in answer.text


def test_a_cookie_that_stands_there_twice_is_ignored(wayf: "Wayf") -> None:
    bare = wayf.app.test_client(use_cookies=False)
    header = f"{COOKIE}={encoded(UTRECHT)}; {COOKIE}={encoded(ZURICH)}"
    answer = bare.get(f"/discovery?entityID={LIBRARY}", base_url=URL, headers={"Cookie": header})
    assert "Continue with" not in answer.text


def test_a_cookie_that_names_an_organisation_which_hides_or_is_unknown_offers_nothing(wayf: "Wayf") -> None:
    bare = wayf.app.test_client(use_cookies=False)
    value = encoded("https://evil.example", "https://idp.hidden.example/saml", ZURICH)
    answer = bare.get(f"/discovery?entityID={LIBRARY}", base_url=URL, headers={"Cookie": f"{COOKIE}={value}"})
    assert "Continue with Technische Universität Zürich" in answer.text
    assert "evil.example" not in answer.text


def test_who_comes_without_a_resource_is_told_what_this_is(wayf: "Wayf") -> None:
    answer = wayf.get("/")
    assert answer.status_code == 200
    assert "Please open the page that you wanted to use." in answer.text


def test_reloaded_metadata_is_used_at_once(wayf: "Wayf") -> None:
    assert wayf.offered(q="lodz") == ["Uniwersytet Łódzki"]
    wayf.registry = Registry([entity for entity in wayf.registry.all(wayf.clock.at) if entity.entity_id != LODZ])
    assert wayf.offered(q="lodz") == []
