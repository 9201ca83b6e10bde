"""``ostiary policy lint``, ``dry-run`` and ``history``, and what ``explain release`` says of policies that do not apply."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ostiary.command.cli import ostiary
from tests.simulator import MovableClock, Simulation

INSTRUMENT = "https://instrument.example/shar"


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands live at the simulation's time, or its metadata would end one day."""
    monkeypatch.setattr("ostiary.clock.SystemClock", MovableClock)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(ostiary, ["policy", *arguments], catch_exceptions=False)


def data(*arguments: str) -> Any:
    told = run(*arguments, "--json")
    assert told.exit_code in (0, 1), told.output
    return json.loads(told.stdout)


def config(state: Path) -> tuple[str, str]:
    return "--config", str(state / "northgate" / "aa.yaml")


def spoiled(state: Path, old: str, new: str) -> Path:
    """A copy of the policies with one thing changed, elsewhere."""
    candidate = state / "changed" / "release.yaml"
    candidate.parent.mkdir(exist_ok=True)
    text = (state / "northgate" / "release.yaml").read_text()
    assert old in text
    candidate.write_text(text.replace(old, new))
    return candidate


def test_the_policies_of_the_demo_are_not_wrong(state: Path) -> None:
    told = run("lint", *config(state))
    assert told.exit_code == 0, told.output
    assert "5 policies looked at: 0 wrong, 0 to look at" in told.stdout
    assert "none can take long" in told.stdout


def test_what_is_wrong_is_told_with_file_line_and_code_and_fails(state: Path) -> None:
    candidate = spoiled(state, "permit: [displayName, mail]", "permit: [displayNam, mail]")
    told = run("lint", *config(state), str(candidate))
    assert told.exit_code == 1
    line = next(line for line in told.stdout.splitlines() if "displayNam" in line)
    assert line == f"{candidate}:27: wrong: No definition makes displayNam. displayName was probably meant."
    assert "policy instrument, person  [attribute_meant]" in told.stdout
    [found] = data("lint", *config(state), str(candidate))["findings"]
    assert (found["level"], found["code"], found["line"]) == ("error", "attribute_meant", 27)


def test_what_is_only_to_be_looked_at_fails_where_that_is_asked_for(state: Path) -> None:
    candidate = spoiled(state, "https://library.example/shar", "https://nobody.example/shar")
    assert run("lint", *config(state), str(candidate)).exit_code == 0
    assert run("lint", *config(state), str(candidate), "--strict").exit_code == 1


def test_a_file_that_can_not_be_used_is_wrong_in_each_of_its_faults(state: Path) -> None:
    candidate = spoiled(state, "      anyone: true\n", "      anyoen: true\n")
    told = run("lint", *config(state), str(candidate))
    assert told.exit_code == 1
    assert "Did you mean anyone?" in told.stdout
    assert "looked at" not in told.stdout


def test_a_dry_run_on_no_requests_says_so(state: Path) -> None:
    told = run("dry-run", *config(state))
    assert told.exit_code == 0, told.output
    assert "No requests are remembered" in told.stdout


def test_a_dry_run_tells_who_would_learn_more_and_who_less_and_names_nobody(simulation: Simulation) -> None:
    state = simulation.layout.state
    for username in ("alice", "bob"):
        simulation.log_in(simulation.browser(), "instrument", username)
        simulation.log_in(simulation.browser(), "library", username)
    candidate = spoiled(state, "permit: [displayName, mail]", "permit: [displayName, schacHomeOrganization]")
    found = data("dry-run", *config(state), str(candidate))
    # Northgate sends the library nothing at a sign-on, which asks by itself.
    assert (found["tried"], found["touched"], found["left_out"]) == (4, 2, {"gone": 0, "unknown": 0})
    assert found["replaced"] == [str(state / "northgate" / "release.yaml")]
    [instrument] = found["requesters"]
    assert (instrument["requester"], instrument["people"], instrument["touched"]) == (INSTRUMENT, 2, 2)
    assert [(one["attribute"], one["change"], one["people"], one["rules"]) for one in instrument["changes"]] == [
        ("schacHomeOrganization", "gained", 2, ["instrument/person"]),
        ("mail", "lost", 2, ["no_rule"]),
    ]
    told = run("dry-run", *config(state), str(candidate)).stdout
    assert "2 of 4 requests would be answered differently." in told
    assert "would no longer be told" in told
    assert "northgate.example" not in told.replace(str(state), "")
    nothing = data("dry-run", *config(state), str(candidate), "--alone", "--last", "2")
    assert (nothing["tried"], nothing["replaced"]) == (2, [])


def test_who_is_gone_is_left_out_of_a_dry_run(simulation: Simulation) -> None:
    simulation.log_in(simulation.browser(), "instrument", "bob")
    simulation.disable("bob")
    found = data("dry-run", *config(simulation.layout.state))
    assert (found["tried"], found["left_out"]) == (0, {"gone": 1, "unknown": 0})


def test_the_history_tells_each_change_and_shows_one_before_and_after(simulation: Simulation) -> None:
    simulation.start_all()
    state = simulation.layout.state
    policies = state / "northgate" / "release.yaml"
    policies.write_text(policies.read_text().replace("left: member", "left: [member, alum]"))
    simulation.clock.forward(minutes=1)
    simulation.log_in(simulation.browser(), "instrument", "bob")
    told = run("history", *config(state)).stdout
    assert "changed  policy federation: rules.membership" in told
    assert "first recorded state" in told
    changes = data("history", *config(state))
    assert [one["kind"] for one in changes].count("release_policies") == 2
    newest = next(one for one in changes if one["kind"] == "release_policies")
    assert newest["changes"] == [["changed", "policies", "federation", ["rules.membership"]]]
    shown = run("history", *config(state), "--show", str(newest["serial"])).stdout
    assert "-   left: member" in shown
    assert "+   - alum" in shown
    whole = data("history", *config(state), "--show", str(newest["serial"]))
    assert whole["before_state"]["policies"]["federation"]["rules"][0]["left"] == "member"
    missing = run("history", *config(state), "--show", "999999")
    assert missing.exit_code == 1
    assert "aa.no_such_change" in missing.output


def test_a_policy_that_does_not_apply_is_named_with_the_reason(state: Path) -> None:
    policies = state / "northgate" / "release.yaml"
    policies.write_text(
        policies.read_text()
        + f"  - {{id: campus, for: {{requesters: {INSTRUMENT}}}, strength: mandatory,"
        + " when: {network: 192.0.2.0/24}, rules: [{permit: schacHomeOrganization}]}\n"
    )

    def explained(*more: str) -> Result:
        arguments = ["explain", "release", "--user", "bob", "--sp", INSTRUMENT, *config(state), *more]
        return CliRunner().invoke(ostiary, arguments, catch_exceptions=False)

    told = " ".join(explained().stdout.split())
    assert "The policy campus does not apply: nobody knows from which network it is asked" in told
    elsewhere = json.loads(explained("--network", "198.51.100.1", "--json").stdout)
    assert elsewhere["policies_not_applied"] == [
        {"policy": "campus", "why": "network", "file": str(policies)},
    ]
    inside = json.loads(explained("--network", "192.0.2.7", "--json").stdout)
    assert inside["policies_not_applied"] == []
    [home] = [one for one in inside["values"] if one["attribute"] == "schacHomeOrganization"]
    assert (home["released"], home["bound"], home["policy"]) == (True, True, "campus")
    assert "the person can't change that" in " ".join(explained("--network", "192.0.2.7").stdout.split())
