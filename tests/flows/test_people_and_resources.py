"""Who gets in where, and how browsers move between home organisations and resources."""

import json

import pytest

from ostiary.command.demo.people import NORTHGATE, SOUTHBANK
from tests.browser import Browser, forms_of
from tests.flows.forging import NUMBER, deliver, response_field, take_apart
from tests.simulator import Simulation

LIBRARY_SESSION = "ost-session-b43dc9a7"
INSTRUMENT_SESSION = "ost-session-d78f5f4b"


def known(simulation: Simulation, browser: Browser, resource: str) -> dict[str, list[str]]:
    """What a resource knows about this browser's person."""
    answer = browser.get(simulation.handler(resource, "session?format=json"))
    assert answer.status == 200
    attributes: dict[str, list[str]] = json.loads(answer.body)["attributes"]
    return attributes


@pytest.mark.parametrize(
    ("resource", "username", "status", "attributes"),
    [
        (
            "library",
            "alice",
            200,
            {"eduPersonScopedAffiliation": ["member@northgate.example", "staff@northgate.example"]},
        ),
        (
            "library",
            "bob",
            200,
            {"eduPersonScopedAffiliation": ["member@northgate.example", "student@northgate.example"]},
        ),
        ("library", "carol", 403, {"eduPersonScopedAffiliation": ["alum@northgate.example"]}),
        (
            "library",
            "dora",
            200,
            {"eduPersonScopedAffiliation": ["member@southbank.example", "faculty@southbank.example"]},
        ),
        (
            "library",
            "emil",
            200,
            {"eduPersonScopedAffiliation": ["member@southbank.example", "student@southbank.example"]},
        ),
        ("library", "fay", 403, {}),
        (
            "instrument",
            "alice",
            200,
            {
                "displayName": ["Alice Archer"],
                "eduPersonEntitlement": ["urn:x-ostiary:demo:instrument:operate"],
                "eduPersonScopedAffiliation": ["member@northgate.example", "staff@northgate.example"],
                "mail": ["alice.archer@northgate.example"],
            },
        ),
        (
            "instrument",
            "bob",
            403,
            {
                "displayName": ["Bob Brewer"],
                "eduPersonScopedAffiliation": ["member@northgate.example", "student@northgate.example"],
                "mail": ["bob.brewer@northgate.example"],
            },
        ),
        (
            "instrument",
            "carol",
            403,
            {
                "displayName": ["Carol Carver"],
                "eduPersonScopedAffiliation": ["alum@northgate.example"],
                "mail": ["carol.carver@alumni.northgate.example"],
            },
        ),
        (
            "instrument",
            "dora",
            200,
            {
                "displayName": ["Dora Draper"],
                "eduPersonEntitlement": ["urn:x-ostiary:demo:instrument:operate"],
                "eduPersonScopedAffiliation": ["member@southbank.example", "faculty@southbank.example"],
            },
        ),
        (
            "instrument",
            "emil",
            200,
            {
                "displayName": ["Emil Éclair"],
                "eduPersonScopedAffiliation": ["member@southbank.example", "student@southbank.example"],
                # What the VO says of him, asked by his home organisation.
                "isMemberOf": [
                    "/microscopy",
                    "/microscopy/imaging",
                    "/microscopy/imaging/cryo",
                    "/microscopy/imaging/Role=operator",
                    "/microscopy/imaging/cryo/Role=operator",
                ],
            },
        ),
        (
            "instrument",
            "fay",
            200,
            {
                "displayName": ["Fay Fisher"],
                "eduPersonEntitlement": ["urn:x-ostiary:demo:instrument:operate"],
                "eduPersonScopedAffiliation": ["affiliate@southbank.example"],
            },
        ),
    ],
)
def test_each_person_enters_where_her_attributes_let_her_and_no_more_is_told(
    federation: Simulation, resource: str, username: str, status: int, attributes: dict[str, list[str]]
) -> None:
    browser = federation.browser()
    answer = federation.log_in(browser, resource, username)
    assert (answer.status, answer.url) == (status, federation.url(resource))
    assert known(federation, browser, resource) == attributes


def test_whoever_is_denied_reads_which_rule_it_was_and_can_name_a_reference(federation: Simulation) -> None:
    browser = federation.browser()
    answer = federation.log_in(browser, "instrument", "bob")
    assert "The instrument is for people whom the laboratory has admitted as operators." in answer.text
    number = NUMBER.findall(answer.text)[0]
    line = next(line for line in federation.events("denied") if line["reference"] == number)
    assert (line["rule"], line["status"], line["idp"]) == ("operators", 403, "https://northgate.example/idp")
    assert line["missing"] == [
        "attribute eduPersonEntitlement value: urn:x-ostiary:demo:instrument:operate",
        "attribute isMemberOf value: /microscopy/imaging/Role=operator",
    ]


@pytest.mark.parametrize(("username", "password"), [("alice", "wrong"), ("nobody", "alice-opens-doors"), ("alice", "")])
def test_a_wrong_password_opens_nothing(federation: Simulation, username: str, password: str) -> None:
    browser = federation.browser()
    page = federation.to_login_page(browser, "library", NORTHGATE)
    answer = browser.submit(page, {"username": username, "password": password}, having="password")
    assert answer.status == 401
    assert asks_for_login(federation, browser, "library")
    right = browser.submit(answer, {"username": "alice", "password": "alice-opens-doors"}, having="password")
    assert browser.submit(right, having="SAMLResponse").status == 200


def asks_for_login(simulation: Simulation, browser: Browser, resource: str) -> bool:
    answer = browser.request("GET", simulation.url(resource))
    return answer.status == 302 and (answer.header("Location") or "").startswith("http://localhost:20000/discovery?")


# -- single sign-on ----------------------------------------------------------------------------------------------------


def test_the_second_resource_asks_for_no_password(federation: Simulation) -> None:
    browser = federation.browser()
    assert federation.log_in(browser, "library", "alice").status == 200
    page = federation.to_login_page(browser, "instrument", NORTHGATE)
    assert not any(form.has("password") for form in forms_of(page))
    answer = browser.submit(page, having="SAMLResponse")
    assert (answer.status, answer.url) == (200, "http://127.0.0.1:20006/instrument/")
    assert browser.get(federation.url("library")).status == 200


def test_two_resources_are_given_different_handles(federation: Simulation) -> None:
    browser = federation.browser()
    handles = []
    for someone, resource in ((browser, "library"), (browser, "instrument"), (federation.browser(), "library")):
        name_id = take_apart(federation, federation.to_response(someone, resource, "alice")).assertion.name_id
        assert name_id is not None
        handles.append(name_id.value)
    # Version and key id are all that two handles of one organisation have in common: 5 octets, 6 characters of base64url.
    assert len({handle[:6] for handle in handles}) == 1
    assert len({handle[7:20] for handle in handles}) == 3
    assert len({len(handle) for handle in handles}) == 1


def test_one_home_s_session_is_no_session_at_another(federation: Simulation) -> None:
    browser = federation.browser()
    federation.log_in(browser, "library", "alice")
    page = federation.to_login_page(browser, "instrument", SOUTHBANK)
    assert any(form.has("password") for form in forms_of(page))


# -- where the person wanted to go -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/library/?q=a%20b&x=1&x=2&e=%C3%A9",
        "/library/?next=https://elsewhere.example/%3Fa=b",
        "/library/?",
        "/library/?a=%25%26%23",
        "/library/?" + "&".join(f"k{number}=v" for number in range(150)),
    ],
)
def test_the_page_that_was_asked_for_is_shown_with_its_query(federation: Simulation, path: str) -> None:
    browser = federation.browser()
    discovery = browser.get(federation.origin("library") + path)
    page = browser.submit(discovery, {"choice": NORTHGATE.entity_id}, having="choice")
    page = browser.submit(page, {"username": "bob", "password": "bob-reads-books"}, having="password")
    assert browser.submit(page, having="SAMLResponse").url == federation.origin("library") + path.removesuffix("?")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/library/?" + "a" * 3000, None),
        ("/library/?" + "=%26" * 700, None),
        ("/library/?" + "a" * 9000, "/library/"),
    ],
    ids=["long", "escaped", "too long"],
)
def test_an_address_may_be_long_because_it_stays_here(federation: Simulation, path: str, shown: str | None) -> None:
    """What is longer than any page's address loses its query."""
    browser = federation.browser()
    discovery = browser.get(federation.origin("library") + path)
    assert discovery.status == 200
    assert len(discovery.url) < 300
    page = browser.submit(discovery, {"choice": NORTHGATE.entity_id}, having="choice")
    page = browser.submit(page, {"username": "bob", "password": "bob-reads-books"}, having="password")
    assert browser.submit(page, having="SAMLResponse").url == federation.origin("library") + (shown or path)


def test_two_tabs_at_once_both_arrive(federation: Simulation) -> None:
    browser = federation.browser()
    pages = []
    for tab in ("1", "2"):
        discovery = browser.get(f"{federation.url('library')}?tab={tab}")
        pages.append(browser.submit(discovery, {"choice": NORTHGATE.entity_id}, having="choice"))
    credentials = {"username": "alice", "password": "alice-opens-doors"}
    responses = [browser.submit(page, credentials, having="password") for page in pages]
    assert [browser.submit(response, having="SAMLResponse").url for response in responses] == [
        "http://127.0.0.1:20005/library/?tab=1",
        "http://127.0.0.1:20005/library/?tab=2",
    ]
    assert browser.get(federation.url("library")).status == 200


def test_a_tab_whose_login_page_is_reloaded_after_the_other_logged_in_goes_straight_on(federation: Simulation) -> None:
    browser = federation.browser()
    waiting = federation.to_login_page(browser, "instrument", NORTHGATE)
    federation.log_in(browser, "library", "alice")
    page = browser.get(waiting.url)
    assert browser.submit(page, having="SAMLResponse").url == "http://127.0.0.1:20006/instrument/"


def test_the_home_organisation_is_remembered_where_the_person_wants_it(federation: Simulation) -> None:
    browser = federation.browser()
    discovery = browser.get(federation.url("library"))
    browser.submit(discovery, {"choice": SOUTHBANK.entity_id, "remember": "yes"}, having="choice")
    offered = browser.get(federation.url("instrument"))
    assert "Continue with Southbank Institute" in offered.text
    first = forms_of(offered)[0]
    assert first.buttons == [("choice", "https://southbank.example/idp")]

    forgetful = federation.browser()
    forgetful.submit(forgetful.get(federation.url("library")), {"choice": SOUTHBANK.entity_id}, having="choice")
    assert "Continue with" not in forgetful.get(federation.url("instrument")).text


# -- signing out -------------------------------------------------------------------------------------------------------


def test_signing_out_ends_the_session_here_and_no_other(federation: Simulation) -> None:
    browser = federation.browser()
    federation.log_in(browser, "library", "alice")
    federation.log_in(browser, "instrument", "alice")
    token = browser.cookies["127.0.0.1", LIBRARY_SESSION]
    page = browser.get(federation.handler("library", "logout"))
    assert [(form.method, form.action) for form in forms_of(page)] == [
        ("post", "http://127.0.0.1:20005/ostiary/logout")
    ] * 2
    answer = browser.post(federation.handler("library", "logout"), [])
    assert answer.status == 200
    assert "You are signed out here" in answer.text
    assert ("127.0.0.1", LIBRARY_SESSION) not in browser.cookies
    browser.cookies["127.0.0.1", LIBRARY_SESSION] = token
    assert asks_for_login(federation, browser, "library")
    assert browser.get(federation.url("instrument")).status == 200


def test_signing_out_here_leaves_the_session_at_home(federation: Simulation) -> None:
    browser = federation.browser()
    federation.log_in(browser, "library", "alice")
    browser.post(federation.handler("library", "logout"), [])
    page = federation.to_login_page(browser, "library", NORTHGATE)
    assert browser.submit(page, having="SAMLResponse").status == 200


# -- two resources on one host: cookies ignore ports -------------------------------------------------------------------


def test_two_resources_on_one_host_keep_their_sessions_apart(federation: Simulation) -> None:
    browser = federation.browser()
    federation.log_in(browser, "library", "bob")
    assert ("127.0.0.1", LIBRARY_SESSION) in browser.cookies
    assert asks_for_login(federation, browser, "instrument")
    federation.log_in(browser, "instrument", "bob")
    assert browser.get(federation.url("library")).status == 200
    browser.post(federation.handler("instrument", "logout"), [])
    assert browser.get(federation.url("library")).status == 200


@pytest.mark.parametrize(
    ("entered", "other", "cookie", "other_cookie"),
    [
        ("library", "instrument", LIBRARY_SESSION, INSTRUMENT_SESSION),
        ("instrument", "library", INSTRUMENT_SESSION, LIBRARY_SESSION),
    ],
)
def test_the_cookie_of_one_resource_is_nobody_at_the_other(
    federation: Simulation, entered: str, other: str, cookie: str, other_cookie: str
) -> None:
    browser = federation.browser()
    assert federation.log_in(browser, entered, "alice").status == 200
    token = browser.cookies["127.0.0.1", cookie]
    assert asks_for_login(federation, browser, other)
    thief = federation.browser()
    thief.cookies["127.0.0.1", other_cookie] = token
    assert asks_for_login(federation, thief, other)
    assert json.loads(thief.get(federation.handler(other, "session?format=json")).body) == {"authenticated": False}


def test_a_response_for_one_resource_is_refused_at_the_other(federation: Simulation) -> None:
    browser = federation.browser()
    page = federation.to_response(browser, "library", "alice")
    assert deliver(federation, browser, "instrument", response_field(page)).status == 400
    assert asks_for_login(federation, browser, "instrument")
    assert browser.submit(page, having="SAMLResponse").status == 200
