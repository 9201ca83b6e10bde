"""Requests that would never end: answers that lead back here, and resources that ask again and again."""

from datetime import timedelta

import pytest

from ostiary.federation.model import Endpoint, Entity, SpRole
from ostiary.saml import names
from tests.wayf.conftest import LIBRARY, URL, UTRECHT, Wayf


def registered_at(*locations: str) -> Entity:
    endpoints = tuple(Endpoint(names.IDPDISC, one, index=number) for number, one in enumerate(locations))
    return Entity(LIBRARY, sp=SpRole(discovery_responses=endpoints))


@pytest.mark.parametrize(
    "location",
    [
        f"{URL}/discovery",
        f"{URL}/discovery?entityID=x",
        f"{URL}:443/discovery",
        "https://WAYF.example.org/discovery",
        f"{URL}/WAYF",
        f"{URL}/choose",
        f"{URL}/forget",
    ],
)
def test_an_answer_that_would_come_back_here_is_refused(wayf: Wayf, location: str) -> None:
    wayf.know(registered_at(location))
    for passive in ("true", "false"):
        answer = wayf.discover(isPassive=passive)
        assert (answer.status_code, "Location" in answer.headers) == (400, False)
        assert wayf.codes()[-1] == "wayf.leads_here"
    assert wayf.choose(UTRECHT).status_code == 400


@pytest.mark.parametrize(
    "location", [f"{URL}/application/discovery", f"{URL}:8443/discovery", "https://other.example/discovery"]
)
def test_a_resource_beside_this_service_is_no_loop(wayf: Wayf, location: str) -> None:
    wayf.know(registered_at(location))
    assert wayf.choose(UTRECHT).headers["Location"].startswith(location)


def test_a_resource_that_asks_passively_without_end_is_stopped_with_a_page(wayf: Wayf) -> None:
    for _ in range(6):
        assert wayf.discover(isPassive="true").status_code == 302
        wayf.clock.at += timedelta(seconds=2)
    answer = wayf.discover(isPassive="true")
    assert (answer.status_code, "Location" in answer.headers) == (400, False)
    assert wayf.codes() == ["wayf.goes_round"]
    assert "keep sending you to each other" in answer.text
    # Whoever asks with a page may, and after a while so may the other.
    assert wayf.discover().status_code == 200
    wayf.clock.at += timedelta(minutes=2)
    assert wayf.discover(isPassive="true").status_code == 302


def test_another_browser_and_another_resource_are_not_stopped(wayf: Wayf) -> None:
    other = Entity("https://other.example/sp", sp=registered_at("https://other.example/ds").sp)
    wayf.know(other)
    for _ in range(7):
        last = wayf.discover(isPassive="true")
    assert last.status_code == 400
    assert wayf.discover(isPassive="true", entityID="https://other.example/sp").status_code == 302
    wayf.client = wayf.app.test_client()
    assert wayf.discover(isPassive="true").status_code == 302


def test_a_person_who_comes_back_at_once_is_told_what_may_be_wrong(wayf: Wayf) -> None:
    words = "You have just come back from The Library &lt;of&gt; Alexandria."
    assert words not in wayf.discover().text
    wayf.choose(UTRECHT)
    assert words not in wayf.discover().text
    wayf.choose(UTRECHT)
    assert words in wayf.discover().text
    wayf.clock.at += timedelta(minutes=2)
    assert words not in wayf.discover().text


def test_the_count_is_kept_for_two_minutes_and_names_nothing(wayf: Wayf) -> None:
    (cookie,) = [one for one in wayf.choose(UTRECHT).headers.getlist("Set-Cookie") if "-trips-" in one]
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=120")
    assert "library" not in cookie
    assert "uu.example" not in cookie
