"""``ostiary explain release``: each value with the rule that releases or withholds it, by the very code that releases."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from idp.accounts.directory import Directory
from ostiary.attributes import make_attribute
from ostiary.command.cli import ostiary
from ostiary.command.demo.layout import Layout
from ostiary.command.demo.people import NORTHGATE
from ostiary.consent.choices import Answer, Mode, Offered, Purpose
from ostiary.consent.store import Choices
from ostiary.identifiers.computed import pairwise_id
from ostiary.identifiers.salt import load_salt
from ostiary.storage.engine import open_engine
from tests.simulator import BASE_PORT, START, MovableClock, Simulation, ask_people, configure

LIBRARY, INSTRUMENT = "https://library.example/shar", "https://instrument.example/shar"
# Where the simulation's instrument is.
PAGE = "http://127.0.0.1:20006/instrument/x"


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands live at the simulation's time, or its metadata would end one day."""
    monkeypatch.setattr("ostiary.clock.SystemClock", MovableClock)


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(ostiary, ["explain", "release", *arguments], catch_exceptions=False)


def values(
    state: Path, user: str, sp: str, *more: str
) -> dict[tuple[str, str], tuple[bool, str, str | None, str | None]]:
    """Released or not, reason, policy and rule, by attribute and value."""
    told = explain("--user", user, "--sp", sp, "--demo", str(state), "--json", *more)
    assert told.exit_code == 0, told.output
    return {
        (value["attribute"], value["value"]): (value["released"], value["reason"], value["policy"], value["rule"])
        for value in json.loads(told.stdout)["values"]
    }


def pairwise_id_of(state: Path, user: str, sp: str) -> str:
    """What northgate calls somebody at a resource."""
    home = state / "northgate"
    engine = open_engine(f"sqlite:///{home}/home.db")
    try:
        person = Directory(engine).find(user)
    finally:
        engine.dispose()
    assert person is not None
    return pairwise_id(load_salt(home / "identifiers.salt"), person.principal, sp, "northgate.example")


def test_each_value_is_told_with_its_policy_and_rule(state: Path) -> None:
    assert values(state, "bob", INSTRUMENT) == {
        ("pairwise-id", pairwise_id_of(state, "bob", INSTRUMENT)): (False, "no_rule", None, None),
        ("displayName", "Bob Brewer"): (True, "permit", "instrument", "person"),
        ("eduPersonEntitlement", "urn:mace:dir:entitlement:common-lib-terms"): (False, "no_rule", None, None),
        ("eduPersonPrincipalName", "bob@northgate.example"): (False, "no_rule", None, None),
        ("eduPersonScopedAffiliation", "member@northgate.example"): (True, "permit", "federation", "membership"),
        ("eduPersonScopedAffiliation", "student@northgate.example"): (True, "permit", "instrument", "affiliation"),
        ("mail", "bob.brewer@northgate.example"): (True, "permit", "instrument", "person"),
        ("schacHomeOrganization", "northgate.example"): (False, "no_rule", None, None),
    }


def test_a_target_brings_in_the_policies_of_its_tree_and_only_at_the_requesters_own_address(state: Path) -> None:
    entitlement = ("eduPersonEntitlement", "urn:x-ostiary:demo:instrument:operate")
    assert values(state, "dora", INSTRUMENT)[entitlement] == (False, "no_rule", None, None)
    assert values(state, "dora", INSTRUMENT, "--target", PAGE)[entitlement] == (
        True,
        "permit",
        "instrument",
        "entitlement",
    )
    foreign = values(state, "dora", INSTRUMENT, "--target", "https://elsewhere.example/")
    assert {reason for _, reason, _, _ in foreign.values()} == {"target_foreign"}


def test_a_denial_names_the_rule_that_denies(state: Path) -> None:
    found = values(state, "dora", INSTRUMENT, "--target", PAGE)[("mail", "dora@southbank.example")]
    assert found == (False, "deny", "mail stays here", "mail")


def test_what_was_not_asked_for_is_told_as_such(state: Path) -> None:
    found = values(state, "bob", INSTRUMENT, "--asks", "displayName")
    assert found[("displayName", "Bob Brewer")][0] is True
    assert {reason for (name, _), (_, reason, _, _) in found.items() if name != "displayName"} == {"not_wanted"}


def test_it_says_what_the_services_do(simulation: Simulation) -> None:
    browser = simulation.browser()
    simulation.log_in(browser, "instrument", "alice")
    session = json.loads(browser.get(simulation.handler("instrument", "session?format=json")).text)
    told = explain("--user", "alice", "--sp", INSTRUMENT, "--demo", str(simulation.layout.state), "--json")
    released: dict[str, list[str]] = {}
    for value in json.loads(told.stdout)["values"]:
        if value["released"]:
            released.setdefault(value["attribute"], []).append(value["value"])
    assert released == session["attributes"]


def test_the_table_names_rule_file_and_what_is_missing(state: Path) -> None:
    told = explain("--user", "carol", "--sp", INSTRUMENT, "--config", str(state / "northgate" / "aa.yaml"))
    assert told.exit_code == 0
    lines = [" ".join(line.split()) for line in told.stdout.splitlines()]
    assert "What https://instrument.example/shar would be told about carol, and why" in lines
    assert "displayName Carol Carver released instrument / person yes" in lines
    assert "eduPersonPrincipalName carol@northgate.example withheld no rule permits it no" in lines
    assert f"in {state}/northgate/release.yaml: instrument" in lines
    [unknown] = [
        line for line in lines if line.startswith("Asked for by its metadata, and not known about this person: ")
    ]
    assert "eduPersonEntitlement" in unknown


def test_a_requester_that_metadata_does_not_know_is_told(state: Path) -> None:
    told = explain("--user", "alice", "--sp", "https://nobody.example/sp", "--demo", str(state))
    assert "No valid metadata knows https://nobody.example/sp" in told.stdout
    assert "member@northgate.example" in told.stdout


def test_a_source_that_fails_is_noted(state: Path) -> None:
    config = state / "northgate" / "aa.yaml"
    resolver: dict[str, Any] = yaml.safe_load(config.read_text())["resolver"]
    broken = {
        "type": "sql",
        "name": "broken",
        "required": False,
        "query": "SELECT nothing FROM nowhere WHERE x = :principal",
    }
    database = resolver["connectors"][0]["database"]
    resolver["connectors"].append({**broken, "database": database})
    configure(config, resolver=resolver)
    told = explain("--user", "alice", "--sp", LIBRARY, "--config", str(config))
    assert told.exit_code == 0, told.output
    assert "Note: the source broken did not answer (" in told.stdout


def test_nobody_of_that_name_is_an_error(state: Path) -> None:
    told = explain("--user", "zoe", "--sp", LIBRARY, "--config", str(state / "northgate" / "aa.yaml"))
    assert (told.exit_code, "people.unknown" in told.stderr) == (1, True)


def test_somebody_who_was_disabled_is_not_spoken_of(simulation: Simulation) -> None:
    simulation.disable("bob")
    told = explain("--user", "bob", "--sp", LIBRARY, "--demo", str(simulation.layout.state))
    assert (told.exit_code, "aa.unknown_principal" in told.stderr) == (1, True)


def test_terminal_sequences_in_a_value_never_reach_the_terminal(simulation: Simulation) -> None:
    with simulation.directory(NORTHGATE) as directory:
        person = directory.find("bob")
        assert person is not None
        evil = {"displayName": ["Bob\u202e\u009b2J[bold]"]}
        directory.set_attributes(person.principal, evil, at=simulation.clock.now(), by="test")
    told = explain("--user", "bob", "--sp", INSTRUMENT, "--demo", str(simulation.layout.state))
    assert "Bob\\u202e\\u009b2J[bold]" in told.stdout


@pytest.mark.parametrize("options", [(), ("--config", "aa.yaml", "--demo", "."), ("--demo", ".", "--idp", "aa.yaml")])
def test_options_that_do_not_go_together_are_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "aa.yaml").write_text("{}")
    told = explain(
        "--user", "bob", "--sp", LIBRARY, *(option.replace("aa.yaml", str(tmp_path / "aa.yaml")) for option in options)
    )
    assert (told.exit_code, "explain.options" in told.stderr) == (1, True)


def test_what_a_person_withholds_herself_is_told_as_that(state: Path) -> None:
    ask_people(Layout(state, BASE_PORT), NORTHGATE, "required")
    name, mail = ("displayName", "Bob Brewer"), ("mail", "bob.brewer@northgate.example")
    found = values(state, "bob", INSTRUMENT)
    assert (found[name], found[mail]) == ((False, "not_asked", None, None),) * 2
    engine = open_engine(f"sqlite:///{state}/northgate/home.db")
    try:
        person = Directory(engine).find("bob")
        assert person is not None
        shown = tuple(Offered(make_attribute(*one)) for one in (("displayName", ["Bob Brewer"]), ("mail", [mail[1]])))
        answer = Answer(
            person.principal, INSTRUMENT, Mode.REMEMBER, shown, frozenset({"displayName"}), Purpose().read_in("en")
        )
        Choices(engine, writer="test").give(answer, at=START, by=person.principal)
    finally:
        engine.dispose()
    found = values(state, "bob", INSTRUMENT)
    assert found[name] == (True, "permit", "instrument", "person")
    assert found[mail] == (False, "withheld", None, None)
    printed = explain("--user", "bob", "--sp", INSTRUMENT, "--demo", str(state), "--no-colour").output
    words = " ".join(printed.split())
    assert "withheld by the person herself" in words
    assert "the person was not asked about it yet" in words


def test_settings_name_a_bundle_and_what_people_may_decide(state: Path) -> None:
    config = state / "northgate" / "aa.yaml"
    (state / "northgate" / "precedence.yaml").write_text("people_may: []\n")
    configure(config, release_policies=["bundle:anonymous", "release.yaml"], precedence="precedence.yaml")
    assert values(state, "bob", INSTRUMENT)[("displayName", "Bob Brewer")] == (True, "permit", "instrument", "person")


def test_a_consent_that_can_not_be_refused_is_refused(state: Path) -> None:
    (state / "northgate" / "precedence.yaml").write_text("people_may: [release]\n")
    configure(state / "northgate" / "aa.yaml", precedence="precedence.yaml", consent={"mode": "required"})
    told = explain("--user", "bob", "--sp", INSTRUMENT, "--demo", str(state))
    assert told.exit_code == 1
    assert "aa.precedence_and_consent" in told.stderr
    assert "people may not withhold anything" in told.stderr
