"""Lasting identifiers from home to resource: a resource that asks for one in its metadata gets its own, another one nothing."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from attribute_authority.service import QUERY_PATH
from idp.identifiers.stored import PersistentIds
from ostiary.command.cli import ostiary
from ostiary.command.demo.federation import write_aggregate
from ostiary.command.demo.layout import Layout
from ostiary.command.demo.people import NORTHGATE
from ostiary.federation.keys import load_key_ring
from ostiary.identifiers.syntax import is_identifier
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.bindings import decode_soap, encode_soap
from ostiary.saml.protocol import AttributeQuery
from ostiary.saml.signature import sign
from ostiary.saml.validate import accept_query_response, verify_response
from ostiary.storage.engine import open_engine
from tests.simulator import BASE_PORT, START, MovableClock, Simulation, configure

LIBRARY, INSTRUMENT = "https://library.example/shar", "https://instrument.example/shar"


def require(state: Path, **requirements: str) -> None:
    """Lets resources say in their metadata which identifier they need."""
    layout = Layout(state, BASE_PORT)
    for resource, wanted in requirements.items():
        configure(layout.directory(resource) / "sp.yaml", subject_identifier=wanted)
    write_aggregate(layout, [], START)


def known(simulation: Simulation, resource: str, username: str) -> dict[str, list[str]]:
    browser = simulation.browser()
    simulation.log_in(browser, resource, username)
    attributes: dict[str, list[str]] = json.loads(
        browser.get(simulation.handler(resource, "session?format=json")).text
    )["attributes"]
    return attributes


def test_a_resource_that_asks_gets_its_own_identifier_asked_for_or_pushed(state: Path) -> None:
    require(state, library="pairwise-id", instrument="any")
    simulation = Simulation(state)
    try:
        queried = known(simulation, "library", "alice")["pairwise-id"]
        again = known(simulation, "library", "alice")["pairwise-id"]
        pushed = known(simulation, "instrument", "alice")["pairwise-id"]
        other = known(simulation, "library", "bob")["pairwise-id"]
    finally:
        simulation.close()
    assert queried == again
    assert len({*queried, *pushed, *other}) == 3
    assert all(is_identifier(value) and value.endswith("@northgate.example") for value in (*queried, *pushed, *other))


@pytest.mark.parametrize("requirement", ["none", "subject-id"])
def test_a_resource_that_needs_none_or_another_one_gets_none(state: Path, requirement: str) -> None:
    require(state, library=requirement)
    simulation = Simulation(state)
    try:
        assert known(simulation, "library", "alice") == {
            "eduPersonScopedAffiliation": ["member@northgate.example", "staff@northgate.example"]
        }
    finally:
        simulation.close()


def test_explain_tells_why_an_identifier_leaves_or_stays(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.clock.SystemClock", MovableClock)
    # A policy that is more generous than the resource needs.
    document = state / "northgate" / "release.yaml"
    document.write_text(document.read_text().replace("    only: requested\n", ""))
    require(state, library="pairwise-id", instrument="none")

    def told(sp: str) -> tuple[bool, str, str]:
        command = ["explain", "release", "--user", "alice", "--sp", sp, "--demo", str(state), "--json"]
        answer = CliRunner().invoke(ostiary, command, catch_exceptions=False)
        (value,) = [one for one in json.loads(answer.stdout)["values"] if one["attribute"] == "pairwise-id"]
        return value["released"], value["reason"], value["asked_for"]

    assert told(LIBRARY) == (True, "permit", "required")
    assert told(INSTRUMENT) == (False, "identifier_not_needed", "no")


def test_a_resource_may_ask_by_the_persistent_name_that_it_got(simulation: Simulation) -> None:
    home = simulation.layout.directory("northgate")
    with simulation.directory(NORTHGATE) as directory:
        person = directory.find("alice")
    assert person is not None
    engine = open_engine(f"sqlite:///{home / 'home.db'}")
    stored = PersistentIds(engine)
    value = stored.issue(
        person.principal, LIBRARY, lambda _: "hers", authority=0, origin="random", at=simulation.clock.now()
    ).value
    location = simulation.layout.aa_url(NORTHGATE) + QUERY_PATH
    signer = load_key_ring(simulation.layout.directory("library") / "keys").signer

    def ask(id_: str) -> tuple[str, tuple[str, ...]]:
        query = AttributeQuery(
            id_,
            LIBRARY,
            simulation.clock.now(),
            NameId(value, names.PERSISTENT, NORTHGATE.entity_id, LIBRARY),
            destination=location,
        )
        element = query.to_xml()
        sign(element, signer)
        answer = decode_soap(simulation.soap.post(location, encode_soap(element)))
        proven = verify_response(answer, [load_key_ring(home / "keys").signer.public])
        if proven.envelope.status.code != names.SUCCESS:
            return proven.envelope.status.detail or "", ()
        assertion = accept_query_response(
            proven, query, authority=NORTHGATE.entity_id, audience=LIBRARY, now=simulation.clock.now()
        )
        attributes = assertion.attributes if assertion is not None else ()
        return "", tuple(text for attribute in attributes for text in attribute.texts())

    assert ask("_one") == ("", ("member@northgate.example", "staff@northgate.example"))
    simulation.disable("alice")
    assert ask("_two") == (names.UNKNOWN_PRINCIPAL, ())
    with simulation.directory(NORTHGATE) as directory:
        directory.enable(person.principal, at=simulation.clock.now(), by="test")
    assert ask("_three")[1] != ()
    stored.revoke(person.principal, LIBRARY, at=simulation.clock.now(), by="test")
    assert ask("_four") == (names.UNKNOWN_PRINCIPAL, ())
    engine.dispose()
