"""The Attribute Authority's own pages stand behind the SP middleware: she logs in at home, and the authority opens her handle."""

import pytest

from ostiary.command.demo.people import NORTHGATE, SOUTHBANK, DemoHome
from tests.browser import Answer, Browser
from tests.simulator import Simulation


def arrive(simulation: Simulation, browser: Browser, home: DemoHome, username: str, path: str = "/my") -> Answer:
    """At a page of the authority, by way of the login at home."""
    [person] = [person for person in home.people if person.username == username]
    login = browser.get(simulation.layout.aa_url(home) + path)
    answer = browser.submit(login, {"username": username, "password": person.password}, having="password")
    return browser.submit(answer, having="SAMLResponse")


@pytest.mark.parametrize("home", [NORTHGATE, SOUTHBANK], ids=lambda home: home.key)
def test_she_comes_to_her_page_by_the_login_at_home(simulation: Simulation, home: DemoHome) -> None:
    username = home.people[0].username
    answer = arrive(simulation, simulation.browser(), home, username)
    assert (answer.status, answer.url) == (200, simulation.layout.aa_url(home) + "/my")


def test_nobody_comes_to_the_pages_without_a_login(simulation: Simulation) -> None:
    for path in ("/my", "/my/download", "/admin", "/admin/test"):
        answer = simulation.browser().get(simulation.layout.aa_url(SOUTHBANK) + path)
        assert answer.url.startswith(simulation.layout.idp_url(SOUTHBANK))


def test_the_start_page_of_the_identity_provider_leads_there(simulation: Simulation) -> None:
    browser = simulation.browser()
    arrive(simulation, browser, SOUTHBANK, "dora")
    start = browser.get(simulation.layout.idp_url(SOUTHBANK) + "/")
    assert f'href="{simulation.layout.aa_url(SOUTHBANK)}/my"' in start.text


def test_who_was_disabled_meanwhile_sees_nothing_any_more(simulation: Simulation) -> None:
    browser = simulation.browser()
    arrive(simulation, browser, SOUTHBANK, "dora")
    simulation.disable("dora")
    answer = browser.get(simulation.layout.aa_url(SOUTHBANK) + "/my")
    assert (answer.status, "Dora" in answer.text) == (403, False)


def test_people_of_another_organisation_are_not_taken(simulation: Simulation) -> None:
    """Whatever the browser brings from elsewhere, the pages ask their own identity provider."""
    browser = simulation.browser()
    simulation.log_in(browser, "library", NORTHGATE.people[0].username)
    answer = browser.get(simulation.layout.aa_url(SOUTHBANK) + "/my")
    assert answer.url.startswith(simulation.layout.idp_url(SOUTHBANK))
    assert answer.status == 200
    assert 'type="password"' in answer.text


def test_nobody_logs_in_to_the_pages_at_another_organisation(simulation: Simulation) -> None:
    login = f"{simulation.layout.aa_url(SOUTHBANK)}/ostiary/login?target=/my&entityID={NORTHGATE.entity_id}"
    answer = simulation.browser().get(login)
    assert (answer.status, answer.url) == (400, login)
