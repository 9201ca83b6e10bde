"""Where a resource has attributes from: the Response, its home's authority, both; what it does while the authority is silent, and when
something has changed at home."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ostiary.command.demo.people import NORTHGATE
from tests.browser import Answer, Browser, forms_of
from tests.flows.forging import log_line
from tests.simulator import Simulation, configure

Make = Callable[..., Simulation]
STAFF = ["member@northgate.example", "staff@northgate.example"]


@pytest.fixture
def make(state: Path) -> Iterator[Make]:
    """The federation with other settings at one resource."""
    made: list[Simulation] = []

    def simulated(resource: str = "instrument", **settings: object) -> Simulation:
        configure(state / resource / "sp.yaml", **settings)
        made.append(Simulation(state))
        return made[-1]

    yield simulated
    for one in made:
        one.close()


def session_of(simulation: Simulation, browser: Browser, resource: str = "instrument") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(browser.get(simulation.handler(resource, "session?format=json")).body)
    return found


def sources_of(simulation: Simulation, browser: Browser, resource: str = "instrument") -> list[tuple[str, str]]:
    return [(source["way"], source["problem"]) for source in session_of(simulation, browser, resource)["sources"]]


def set_at_home(simulation: Simulation, username: str, **attributes: list[str]) -> None:
    with simulation.directory(NORTHGATE) as directory:
        person = directory.find(username)
        assert person is not None
        directory.set_attributes(person.principal, attributes, at=simulation.clock.now(), by="test")


@contextmanager
def silent(simulation: Simulation) -> Iterator[None]:
    simulation.soap.down = True
    yield
    simulation.soap.down = False


def pressed(simulation: Simulation, browser: Browser, resource: str = "library") -> Answer:
    """After the button on the session page."""
    page = browser.get(simulation.handler(resource, "session"))
    (form,) = [form for form in forms_of(page) if form.action.endswith("/refresh")]
    return browser.post(simulation.handler(resource, "refresh"), form.fields)


# -- from where --------------------------------------------------------------------------------------------------------


def test_with_query_the_authority_is_asked_whatever_came_along(make: Make) -> None:
    simulation = make(attributes_from="query")
    browser = simulation.browser()
    page = simulation.to_response(browser, "instrument", "alice")
    set_at_home(simulation, "alice", displayName=["Alice, renamed"])
    browser.submit(page, having="SAMLResponse")
    assert session_of(simulation, browser)["attributes"]["displayName"] == ["Alice, renamed"]
    assert sources_of(simulation, browser) == [("query", "")]
    assert len(simulation.soap.sent) == 1


def test_with_both_values_are_united_and_each_is_told_from_where(make: Make) -> None:
    simulation = make(attributes_from="response_and_query")
    browser = simulation.browser()
    page = simulation.to_response(browser, "instrument", "alice")
    set_at_home(simulation, "alice", displayName=["Alice, renamed"], mail=["new@northgate.example"])
    browser.submit(page, having="SAMLResponse")
    session = session_of(simulation, browser)
    first, second = session["attributes"]["displayName"]
    assert (first == "Alice, renamed", second) == (False, "Alice, renamed")
    assert [(source["way"], source["authority"]) for source in session["sources"]] == [
        ("response", NORTHGATE.entity_id),
        ("query", NORTHGATE.entity_id),
    ]
    response, query = session["sources"]
    assert (response["asked_again_at"], query["asked_again_at"]) == (None, "2026-11-22T09:30:00+00:00")


def test_with_both_only_what_was_asked_is_renewed(make: Make) -> None:
    simulation = make(attributes_from="response_and_query")
    browser = simulation.browser()
    simulation.log_in(browser, "instrument", "alice")
    before = session_of(simulation, browser)["attributes"]["displayName"]
    set_at_home(simulation, "alice", displayName=["Alice, renamed"])
    simulation.clock.forward(minutes=30)
    assert session_of(simulation, browser)["attributes"]["displayName"] == [*before, "Alice, renamed"]


def test_the_query_can_name_what_is_wanted(make: Make) -> None:
    simulation = make(
        attributes_from="query",
        query_attributes="requested",
        requested_attributes=[{"name": "eduPersonScopedAffiliation"}],
    )
    browser = simulation.browser()
    simulation.log_in(browser, "instrument", "alice")
    _, envelope = simulation.soap.sent[0]
    assert re.findall(rb' Name="([^"]+)"', envelope) == [b"urn:oid:1.3.6.1.4.1.5923.1.1.1.9"]
    assert session_of(simulation, browser)["attributes"] == {"eduPersonScopedAffiliation": STAFF}


def test_what_is_for_one_application_domain_is_there_after_a_renewal_too(state: Path, make: Make) -> None:
    release = state / "northgate" / "release.yaml"
    content = release.read_text().replace(
        "      requesters: https://instrument.example/shar\n",
        "      requesters: https://instrument.example/shar\n    target: http://127.0.0.1:20006/instrument\n",
    )
    simulation = make(attributes_from="query")
    simulation.start_all()
    origin = simulation.origin("instrument")
    release.write_text(content.replace("http://127.0.0.1:20006", origin))
    simulation.clock.forward(seconds=10)
    browser = simulation.browser()
    simulation.log_in(browser, "instrument", "alice")
    told = session_of(simulation, browser)["attributes"]
    assert "displayName" in told
    simulation.clock.forward(minutes=30)
    assert session_of(simulation, browser)["attributes"] == told
    assert len(simulation.soap.sent) == 2


def test_an_answer_serves_no_longer_than_it_says(state: Path, make: Make) -> None:
    configure(state / "northgate" / "aa.yaml", answer_lifetime="5m")
    simulation = make("library")
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    simulation.clock.forward(minutes=4, seconds=59)
    session_of(simulation, browser, "library")
    assert len(simulation.soap.sent) == 1
    simulation.clock.forward(seconds=1)
    session_of(simulation, browser, "library")
    assert len(simulation.soap.sent) == 2


# -- while the authority is silent -------------------------------------------------------------------------------------


def test_a_login_that_needs_the_authority_says_whose_does_not_answer_and_when_to_try_again(make: Make) -> None:
    simulation = make("library")
    browser = simulation.browser()
    page = simulation.to_response(browser, "library", "alice")
    with silent(simulation):
        answer = browser.submit(page, having="SAMLResponse")
    assert (answer.status, answer.header("Retry-After")) == (503, "60")
    assert "Northgate University does not answer our question about you at the moment." in answer.text
    assert "try again in 60 seconds" in answer.text
    line = log_line(simulation, answer)
    assert (line["code"], line["found"]) == ("sp.authority_down", "shar.unreachable")


@pytest.mark.parametrize("mode", ["query", "response_and_query"])
def test_who_goes_on_does_so_with_what_came_along_until_the_authority_answers(make: Make, mode: str) -> None:
    simulation = make(attributes_from=mode, when_authority_is_down="go_on")
    browser = simulation.browser()
    page = simulation.to_response(browser, "instrument", "dora")
    with silent(simulation):
        assert browser.submit(page, having="SAMLResponse").status == 200
        assert sources_of(simulation, browser) == [("response", ""), ("query", "shar.unreachable")]
        assert [line["code"] for line in simulation.events("authority_down")] == ["shar.unreachable"]
        simulation.clock.forward(minutes=50)
        assert browser.get(simulation.url("instrument")).status == 200
    simulation.clock.forward(minutes=1)
    assert browser.get(simulation.url("instrument")).status == 200
    after = [("query", "")] if mode == "query" else [("response", ""), ("query", "")]
    assert sources_of(simulation, browser) == after


def test_who_goes_on_with_nothing_does_not_get_in(make: Make) -> None:
    simulation = make("library", when_authority_is_down="go_on")
    browser = simulation.browser()
    page = simulation.to_response(browser, "library", "alice")
    with silent(simulation):
        answer = browser.submit(page, having="SAMLResponse")
    assert (answer.status, log_line(simulation, answer)["code"]) == (503, "sp.authority_down")


def test_where_a_silent_authority_is_not_borne_nobody_goes_on_after_the_answer_has_run_out(make: Make) -> None:
    simulation = make("library", when_authority_is_down="refuse")
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    with silent(simulation):
        simulation.clock.forward(minutes=29, seconds=59)
        assert browser.get(simulation.url("library")).status == 200
        simulation.clock.forward(seconds=1)
        answer = browser.get(simulation.url("library"))
        assert (answer.status, log_line(simulation, answer)["code"]) == (503, "sp.authority_down")
        simulation.clock.forward(seconds=20)
        answer = browser.get(simulation.url("library"))
        assert (answer.status, answer.header("Retry-After")) == (503, "40")
    simulation.clock.forward(seconds=40)
    assert browser.get(simulation.url("library")).status == 200


def test_what_was_asked_for_goes_when_it_is_too_old_and_what_came_along_stays(make: Make) -> None:
    simulation = make(attributes_from="response_and_query")
    browser = simulation.browser()
    page = simulation.to_response(browser, "instrument", "dora")
    browser.submit(page, having="SAMLResponse")
    with silent(simulation):
        for _ in range(4):
            simulation.clock.forward(minutes=30)
            assert browser.get(simulation.url("instrument")).status == 200
        session = session_of(simulation, browser)
    response, query = session["sources"]
    assert (bool(response["attributes"]), query["attributes"]) == (True, [])


def test_after_some_failures_nobody_waits_for_a_silent_authority(make: Make) -> None:
    simulation = make("library", query={"breaker": {"failures": 2, "pause": "30s"}})
    codes = []
    with silent(simulation):
        for _ in range(3):
            browser = simulation.browser()
            answer = browser.submit(simulation.to_response(browser, "library", "alice"), having="SAMLResponse")
            codes.append(log_line(simulation, answer)["found"])
    assert codes == ["shar.unreachable", "shar.unreachable", "shar.paused"]
    assert len(simulation.soap.sent) == 2
    simulation.clock.forward(seconds=30)
    assert simulation.log_in(simulation.browser(), "library", "alice").status == 200


# -- asked for anew ----------------------------------------------------------------------------------------------------


def test_the_button_on_the_session_page_asks_anew(make: Make) -> None:
    simulation = make("library")
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    set_at_home(simulation, "alice", eduPersonScopedAffiliation=["alum@northgate.example"])
    simulation.clock.forward(seconds=30)
    answer = pressed(simulation, browser)
    assert (answer.status, answer.url) == (200, simulation.handler("library", "session"))
    assert session_of(simulation, browser, "library")["attributes"] == {
        "eduPersonScopedAffiliation": ["alum@northgate.example"]
    }
    assert len(simulation.events("attributes_asked_for_by_person")) == 1


def test_who_presses_it_again_and_again_is_not_asked_about_each_time(make: Make) -> None:
    simulation = make("library")
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    for _ in range(5):
        assert pressed(simulation, browser).status == 200
    assert len(simulation.soap.sent) == 1
    simulation.clock.forward(seconds=30)
    pressed(simulation, browser)
    pressed(simulation, browser)
    assert len(simulation.soap.sent) == 2


def test_there_is_no_button_where_nothing_is_asked(make: Make) -> None:
    simulation = make()
    browser = simulation.browser()
    simulation.log_in(browser, "instrument", "alice")
    page = browser.get(simulation.handler("instrument", "session"))
    assert "/refresh" not in page.text
    assert "With your sign-in" in page.text
    assert browser.post(simulation.handler("instrument", "refresh"), []).status == 200
    assert simulation.soap.sent == []


def test_another_site_can_not_press_it(make: Make) -> None:
    simulation = make("library")
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    simulation.clock.forward(minutes=5)
    answer = browser.post(simulation.handler("library", "refresh"), [], site="https://elsewhere.example")
    assert answer.status == 400
    assert len(simulation.soap.sent) == 1
    assert browser.get(simulation.handler("library", "refresh")).status == 405


def test_who_has_left_is_out_when_asked_anew(make: Make) -> None:
    simulation = make("library")
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    simulation.disable("alice")
    simulation.clock.forward(seconds=30)
    assert pressed(simulation, browser).status == 401
    assert [line["code"] for line in simulation.events("session_ended_by_authority")] == ["saml.status"]


def test_the_session_page_tells_who_said_what_and_when(make: Make) -> None:
    simulation = make("library")
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    page = browser.get(simulation.handler("library", "session")).text
    for text in ("Where it comes from", "Northgate University", "Asked for", "2026-11-22 09:00", "2026-11-22 09:30"):
        assert text in page, text
