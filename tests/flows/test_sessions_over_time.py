"""What happens while the clock runs: sessions end, attributes are asked for anew, trust and policies change."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ostiary.command.demo.layout import FEDERATION_NAME
from ostiary.command.demo.people import NORTHGATE, SOUTHBANK
from ostiary.federation.keys import load_key_ring
from ostiary.federation.model import Entity
from ostiary.federation.publish.documents import signed_aggregate
from ostiary.federation.read import read_signed_metadata
from tests.browser import Browser, forms_of
from tests.flows.forging import log_line, take_apart
from tests.simulator import START, Simulation, configure

HOUR = timedelta(hours=1)


def enters(simulation: Simulation, browser: Browser, resource: str) -> bool:
    """True: the page is shown; False: a login is asked for. Anything else is a failure."""
    answer = browser.request("GET", simulation.url(resource))
    assert answer.status in (200, 302), answer.text
    return answer.status == 200


def is_warned(simulation: Simulation, browser: Browser, resource: str) -> bool:
    """Whether she is told that her session ends, on her way to the page."""
    answer = browser.request("GET", simulation.url(resource))
    return answer.status == 303 and "/ostiary/expiring?" in (answer.header("Location") or "")


def queries(simulation: Simulation) -> int:
    """How many attribute queries the resources have sent."""
    return len(simulation.soap.sent)


# -- the session at the resource ---------------------------------------------------------------------------------------


def test_a_session_that_nobody_uses_for_an_hour_ends(simulation: Simulation) -> None:
    used, unused = simulation.browser(), simulation.browser()
    for browser in (used, unused):
        simulation.log_in(browser, "instrument", "dora")
    simulation.clock.forward(minutes=59, seconds=59)
    assert enters(simulation, used, "instrument")
    simulation.clock.forward(seconds=1)
    assert not enters(simulation, unused, "instrument")
    simulation.clock.forward(minutes=59)
    assert enters(simulation, used, "instrument")
    simulation.clock.forward(minutes=60)
    assert not enters(simulation, used, "instrument")


def test_a_session_ends_after_eight_hours_however_much_it_is_used(simulation: Simulation) -> None:
    browser = simulation.browser()
    simulation.log_in(browser, "instrument", "dora")
    for _ in range(15):
        simulation.clock.forward(minutes=30)
        assert enters(simulation, browser, "instrument")
    simulation.clock.forward(minutes=29, seconds=59)
    assert is_warned(simulation, browser, "instrument")
    assert enters(simulation, browser, "instrument")
    simulation.clock.forward(seconds=1)
    assert not enters(simulation, browser, "instrument")


def test_a_session_does_not_outlive_the_session_at_home_that_it_came_from(simulation: Simulation) -> None:
    """Nine hours after the password single sign-on still works; the session that it opens ends with the tenth."""
    browser = simulation.browser()
    simulation.log_in(browser, "library", "dora")
    for _ in range(9):
        simulation.clock.forward(hours=1)
        browser.get(simulation.layout.idp_url(SOUTHBANK) + "/")
    page = simulation.to_login_page(browser, "instrument", SOUTHBANK)
    assert browser.submit(page, having="SAMLResponse").status == 200
    simulation.clock.forward(minutes=59, seconds=59)
    assert is_warned(simulation, browser, "instrument")
    assert enters(simulation, browser, "instrument")
    simulation.clock.forward(seconds=1)
    assert not enters(simulation, browser, "instrument")
    page = simulation.to_login_page(browser, "instrument", SOUTHBANK)
    assert any(form.has("password") for form in forms_of(page))


# -- attributes are asked for anew -------------------------------------------------------------------------------------


def test_attributes_are_asked_for_again_after_half_an_hour(simulation: Simulation) -> None:
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    assert queries(simulation) == 1
    simulation.clock.forward(minutes=29, seconds=59)
    assert enters(simulation, browser, "library")
    assert queries(simulation) == 1
    simulation.clock.forward(seconds=1)
    assert enters(simulation, browser, "library")
    assert enters(simulation, browser, "library")
    assert queries(simulation) == 2


def test_attributes_that_came_with_the_login_are_not_asked_for(simulation: Simulation) -> None:
    browser = simulation.browser()
    simulation.log_in(browser, "instrument", "alice")
    simulation.clock.forward(minutes=45)
    assert enters(simulation, browser, "instrument")
    assert queries(simulation) == 0


def test_who_is_no_member_any_more_is_denied_after_the_next_query(simulation: Simulation) -> None:
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    with simulation.directory(NORTHGATE) as directory:
        alice = directory.find("alice")
        assert alice is not None
        alumna = {"eduPersonScopedAffiliation": ["alum@northgate.example"]}
        directory.set_attributes(alice.principal, alumna, at=simulation.clock.now(), by="test")
    simulation.clock.forward(minutes=29, seconds=59)
    assert enters(simulation, browser, "library")
    simulation.clock.forward(seconds=1)
    assert browser.get(simulation.url("library")).status == 403
    session = json.loads(browser.get(simulation.handler("library", "session?format=json")).body)
    assert session["attributes"] == {"eduPersonScopedAffiliation": ["alum@northgate.example"]}
    assert session["attributes_at"] == "2026-11-22T09:30:00+00:00"


def test_an_authority_that_does_not_answer_is_borne_for_two_hours(simulation: Simulation) -> None:
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    simulation.soap.down = True
    simulation.clock.forward(minutes=30)
    assert enters(simulation, browser, "library")
    assert queries(simulation) == 2
    assert enters(simulation, browser, "library")
    assert queries(simulation) == 2, "asked again before a minute had passed"
    simulation.clock.forward(minutes=1)
    assert enters(simulation, browser, "library")
    assert queries(simulation) == 3
    assert [line["code"] for line in simulation.events("attributes_not_renewed")] == ["shar.unreachable"] * 2
    simulation.clock.forward(minutes=50)
    assert enters(simulation, browser, "library")
    simulation.clock.forward(minutes=38, seconds=59)
    assert enters(simulation, browser, "library")
    asked = queries(simulation)

    simulation.clock.forward(seconds=1)
    answer = browser.get(simulation.url("library"))
    assert (answer.status, log_line(simulation, answer)["code"]) == (503, "sp.attributes_too_old")
    assert queries(simulation) == asked, "who asks in vain again and again only waits"
    assert browser.get(simulation.origin("library") + "/").status == 200
    simulation.soap.down = False
    simulation.clock.forward(minutes=1)
    assert enters(simulation, browser, "library")


def test_signing_out_works_while_the_authority_does_not_answer(simulation: Simulation) -> None:
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    simulation.soap.down = True
    for _ in range(3):
        simulation.clock.forward(minutes=50)
        browser.get(simulation.url("library"))
    assert browser.get(simulation.url("library")).status == 503
    page = browser.get(simulation.handler("library", "logout"))
    assert (page.status, len(forms_of(page))) == (200, 2)
    assert browser.post(simulation.handler("library", "logout"), []).status == 200
    assert not enters(simulation, browser, "library")


def test_a_login_needs_the_authority_where_attributes_do_not_come_along(simulation: Simulation) -> None:
    browser = simulation.browser()
    page = simulation.to_response(browser, "library", "alice")
    simulation.soap.down = True
    answer = browser.submit(page, having="SAMLResponse")
    assert answer.status == 503
    assert answer.header("Set-Cookie") is None
    assert not enters(simulation, browser, "library")
    simulation.soap.down = False
    assert simulation.log_in(browser, "library", "alice").status == 200


def test_an_authority_in_trouble_is_no_authority_that_refuses(simulation: Simulation) -> None:
    """Its database is away: it answers, signed, that the trouble is on its own side."""
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    elsewhere = simulation.layout.directory("northgate") / "elsewhere.db"
    with sqlite3.connect(elsewhere) as connection:
        connection.execute("CREATE TABLE known (principal, name, value)")
    connection.close()
    configure(
        simulation.layout.directory("northgate") / "aa.yaml",
        resolver={
            "connectors": [
                {
                    "type": "sql",
                    "name": "directory",
                    "database": {"url": f"sqlite:///{elsewhere}"},
                    "query": "SELECT name, value FROM known WHERE principal = :principal",
                    "name_column": "name",
                    "value_column": "value",
                }
            ],
            "definitions": [{"attribute": "eduPersonScopedAffiliation"}],
        },
    )
    simulation.serve(simulation.layout.aa_url(NORTHGATE), simulation.authority_node(NORTHGATE))
    with sqlite3.connect(elsewhere) as connection:
        connection.execute("DROP TABLE known")
    connection.close()
    simulation.clock.forward(minutes=30)
    assert enters(simulation, browser, "library")
    warned = simulation.events("attributes_not_renewed")
    assert [(line["code"], line["found"].split()[0]) for line in warned] == [
        ("shar.unreachable", "urn:oasis:names:tc:SAML:2.0:status:Responder")
    ]


# -- the person leaves -------------------------------------------------------------------------------------------------


def test_who_is_disabled_at_home_is_out_at_the_next_query_and_at_home_at_once(simulation: Simulation) -> None:
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    simulation.clock.forward(minutes=29)
    simulation.disable("alice")

    page = simulation.to_login_page(browser, "instrument", NORTHGATE)
    refused = browser.submit(page, {"username": "alice", "password": "alice-opens-doors"}, having="password")
    assert refused.status == 401

    assert enters(simulation, browser, "library")
    simulation.clock.forward(minutes=1)
    assert not enters(simulation, browser, "library")
    assert [line["code"] for line in simulation.events("session_ended_by_authority")] == ["saml.status"]
    simulation.clock.forward(seconds=1)
    assert not enters(simulation, browser, "library")


def test_who_is_disabled_between_password_and_attribute_query_gets_no_session(simulation: Simulation) -> None:
    browser = simulation.browser()
    page = simulation.to_response(browser, "library", "alice")
    simulation.disable("alice")
    answer = browser.submit(page, having="SAMLResponse")
    assert answer.status == 403
    assert log_line(simulation, answer)["code"] == "saml.status"
    assert not enters(simulation, browser, "library")


def test_a_handle_serves_four_hours(simulation: Simulation) -> None:
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    for _ in range(7):
        simulation.clock.forward(minutes=30)
        assert enters(simulation, browser, "library")
    assert queries(simulation) == 8
    simulation.clock.forward(minutes=29)
    assert enters(simulation, browser, "library")
    simulation.clock.forward(minutes=1)
    assert not enters(simulation, browser, "library")
    assert simulation.events("attribute_query_failed")[-1]["code"] == "handle.expired"
    # Single sign-on gives a fresh one without a password.
    assert simulation.log_in(browser, "library", "alice").status == 200


# -- trust ends --------------------------------------------------------------------------------------------------------


def republish(simulation: Simulation, change: Callable[[Entity], Entity | None], *, at: datetime = START) -> None:
    """The federation's metadata anew, each entity changed or left out."""
    keys = load_key_ring(simulation.layout.directory("federation") / "keys")
    known = read_signed_metadata(simulation.layout.aggregate.read_bytes(), [keys.signer.public], now=at)
    entities = [changed for entity in known if (changed := change(entity)) is not None]
    document = signed_aggregate(entities, keys.signer, name=FEDERATION_NAME, valid_until=at + timedelta(days=28))
    simulation.layout.aggregate.write_bytes(document)
    simulation.clock.forward(seconds=5)


def test_when_the_metadata_of_a_home_expires_its_sessions_and_logins_end(simulation: Simulation) -> None:
    simulation.start_all()

    def only_an_hour(entity: Entity) -> Entity:
        return replace(entity, valid_until=START + HOUR) if entity.entity_id == NORTHGATE.entity_id else entity

    alice, dora, waiting = simulation.browser(), simulation.browser(), simulation.browser()
    republish(simulation, only_an_hour)
    simulation.log_in(alice, "library", "alice")
    simulation.log_in(dora, "library", "dora")
    simulation.clock.at = START + timedelta(minutes=59, seconds=59)
    assert enters(simulation, alice, "library")
    assert enters(simulation, dora, "library")
    page = simulation.to_response(waiting, "library", "bob")
    message = take_apart(simulation, page)

    simulation.clock.forward(seconds=1)
    assert not enters(simulation, alice, "library")
    assert enters(simulation, dora, "library")
    answer = waiting.submit(page, having="SAMLResponse")
    assert (answer.status, log_line(simulation, answer)["code"]) == (400, "sp.unknown_idp")
    assert message.response.issue_instant == START + timedelta(minutes=59, seconds=59)
    assert "Northgate University" not in alice.get(simulation.url("library")).text
    answer = alice.get(simulation.handler("library", "login?entityID=https://northgate.example/idp"))
    assert (answer.status, log_line(simulation, answer)["code"]) == (400, "sp.unknown_idp")


def test_a_home_that_leaves_the_federation_is_out_without_a_restart_and_back_with_a_new_login(
    simulation: Simulation,
) -> None:
    browser = simulation.browser()
    simulation.log_in(browser, "instrument", "dora")
    everybody = simulation.layout.aggregate.read_bytes()
    republish(simulation, lambda entity: None if entity.entity_id == SOUTHBANK.entity_id else entity)
    assert not enters(simulation, browser, "instrument")
    simulation.layout.aggregate.write_bytes(everybody)
    simulation.clock.forward(seconds=5)
    assert not enters(simulation, browser, "instrument")
    assert simulation.log_in(browser, "instrument", "dora").status == 200


@pytest.mark.parametrize("content", [b"", b"<xml", b"not xml at all"], ids=["empty", "cut", "text"])
def test_broken_metadata_leaves_what_was_known(simulation: Simulation, content: bytes) -> None:
    simulation.start_all()
    simulation.layout.aggregate.write_bytes(content)
    simulation.clock.forward(seconds=5)
    assert simulation.log_in(simulation.browser(), "library", "alice").status == 200
    assert {line["service"] for line in simulation.events("reload_refused")} >= {"library", "northgate-idp", "wayf"}


def test_metadata_of_another_signer_leaves_what_was_known(simulation: Simulation) -> None:
    simulation.start_all()
    stranger = load_key_ring(simulation.layout.directory("southbank") / "keys").signer
    document = signed_aggregate([], stranger, name=FEDERATION_NAME, valid_until=START + timedelta(days=28))
    simulation.layout.aggregate.write_bytes(document)
    simulation.clock.forward(seconds=5)
    assert simulation.log_in(simulation.browser(), "library", "alice").status == 200


# -- policies change ---------------------------------------------------------------------------------------------------


def own_access_policy(state: Path) -> Path:
    """The library's access policy as a file of the test's own."""
    path = state / "library" / "access.yaml"
    write_policy(path, "member")
    configure(state / "library" / "sp.yaml", access=["access.yaml"])
    return path


def write_policy(path: Path, left: str) -> None:
    path.write_text(
        f"rules:\n  - id: readers\n    paths: /library\n    permit:\n"
        f"      attribute: eduPersonScopedAffiliation\n      left: {left}\n"
    )


@pytest.fixture
def access_policy(state: Path) -> Path:
    """Must come before ``simulation``."""
    return own_access_policy(state)


def test_a_new_access_policy_holds_without_a_restart(access_policy: Path, simulation: Simulation) -> None:
    alice, bob = simulation.browser(), simulation.browser()
    assert simulation.log_in(alice, "library", "alice").status == 200
    assert simulation.log_in(bob, "library", "bob").status == 200
    write_policy(access_policy, "staff")
    simulation.clock.forward(seconds=5)
    assert alice.get(simulation.url("library")).status == 200
    assert bob.get(simulation.url("library")).status == 403


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"rules:\n  - id: [", "config.not_yaml"),
        (b"rules: []\nrule: []\n", "config.mistyped_key"),
        (b"\xff\xfe", "config.not_utf8"),
        (b"rules:\n  - id: a\n    paths: /../x\n    permit: {attribute: a}\n", "policy.path"),
        (None, "config.file_missing"),
    ],
    ids=["no YAML", "unknown key", "no text", "wrong path", "no file"],
)
def test_a_broken_access_policy_leaves_the_old_one_in_force(
    access_policy: Path, simulation: Simulation, content: bytes | None, code: str
) -> None:
    alice, carol = simulation.browser(), simulation.browser()
    assert simulation.log_in(alice, "library", "alice").status == 200
    if content is None:
        access_policy.unlink()
    else:
        access_policy.write_bytes(content)
    simulation.clock.forward(seconds=5)
    assert alice.get(simulation.url("library")).status == 200
    simulation.clock.forward(seconds=5)
    assert simulation.log_in(carol, "library", "carol").status == 403
    complaints = simulation.events("reload_refused", service="library")
    assert [line["code"] for line in complaints] == [code]
    assert "access.yaml" in complaints[0]["found"]

    write_policy(access_policy, "alum")
    simulation.clock.forward(seconds=5)
    assert alice.get(simulation.url("library")).status == 403
    assert carol.get(simulation.url("library")).status == 200


def test_a_new_release_policy_holds_without_a_restart_and_a_broken_one_changes_nothing(simulation: Simulation) -> None:
    release = simulation.layout.directory("northgate") / "release.yaml"
    content = release.read_text()
    assert simulation.log_in(simulation.browser(), "library", "alice").status == 200
    release.write_text(content + "rules: [")
    simulation.clock.forward(seconds=5)
    assert simulation.log_in(simulation.browser(), "library", "alice").status == 200
    release.write_text(
        content.replace("requesters: https://library.example/shar", "requesters: https://other.example/sp").replace(
            "anyone: true", "requesters: https://another.example/sp"
        )
    )
    simulation.clock.forward(seconds=5)
    assert simulation.log_in(simulation.browser(), "library", "alice").status == 403
    release.write_text(content)
    simulation.clock.forward(seconds=5)
    assert simulation.log_in(simulation.browser(), "library", "alice").status == 200
