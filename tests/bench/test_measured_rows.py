"""What `make bench` writes about its rows and its peers, a missing peer included."""

import json
import sys
from pathlib import Path

import pytest

from bench import peer_processes, release_policies
from bench.measure import Row, cpu_milliseconds
from bench.peer_processes import Peer, measure_peers
from bench.resource import Resource, acceptance, megabytes, request
from bench.saml_messages import make_home
from ostiary.errors import Refusal
from ostiary.saml.xml import parse_xml
from tests.saml.world import NOW


def test_a_row_has_the_form_that_scripts_rely_on() -> None:
    row = Row("built", 0.5, "ms CPU", 0.4, 1.25, {"lasso": 2.0, "other": "it is not installed"}).as_json()
    machine = row.pop("machine")
    assert row == {
        "name": "built",
        "value": 0.5,
        "unit": "ms CPU",
        "limit": 0.4,
        "goal": 1.25,
        "ratio_to_limit": 1.25,
        "peers": {
            "lasso": {"value": 2.0, "ratio": 4.0},
            "other": {"value": None, "ratio": None, "not_measured": "it is not installed"},
        },
    }
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}." in str(machine)
    assert json.loads(json.dumps(row)) == row


@pytest.mark.parametrize(("value", "holds"), [(0.5, True), (0.51, False)])
def test_a_row_holds_up_to_its_goal(value: float, holds: bool) -> None:
    assert Row("built", value, "ms CPU", 0.4, 1.25).holds is holds


def test_every_task_is_called_as_often_as_was_asked() -> None:
    calls: list[str] = []
    best = cpu_milliseconds({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2, loops=3)
    assert "".join(calls) == "aaabbbaaabbb"
    assert set(best) == {"a", "b"}


@pytest.mark.parametrize(
    ("peer", "reason"),
    [
        (Peer("x", "x.py", "/nowhere/python3", ()), "/nowhere/python3 is not installed"),
        (Peer("x", "x.py", sys.executable, (), ("/nowhere/program",)), "/nowhere/program is not installed"),
        (Peer("x", "x.py", sys.executable, ("no_such_module",)), "No module named 'no_such_module'"),
        (Peer("x", "fails.py", sys.executable, ("json",)), "RuntimeError: on purpose"),
        (Peer("x", "silent.py", sys.executable, ()), "it did not write its figures"),
    ],
    ids=["interpreter", "program", "module", "fails", "silent"],
)
def test_a_peer_that_is_missing_or_fails_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, peer: Peer, reason: str
) -> None:
    (tmp_path / "fails.py").write_text("raise RuntimeError('on purpose')")
    (tmp_path / "silent.py").write_text("")
    monkeypatch.setattr(peer_processes, "HERE", tmp_path)
    monkeypatch.setattr(peer_processes, "PEERS", (peer,))
    found = measure_peers(tmp_path)["x"]
    assert set(found) == {"build", "accept"}
    assert all(reason in str(why) for why in found.values())


def test_the_messages_with_a_broken_signature_are_refused_here_and_the_right_one_is_accepted() -> None:
    home = make_home(NOW)
    assert len(home.accept(parse_xml(home.build())).assertion.attributes) == 8
    for element in home.broken():
        with pytest.raises(Refusal, match=r"signature\.wrong"):
            home.accept(element)


def test_the_policies_that_are_measured_decide_what_the_row_says(tmp_path: Path) -> None:
    row = release_policies.decision(tmp_path, rounds=1, loops=1)
    assert (row.name, row.limit, row.goal) == ("Release policies: one decision among 1,000", 0.5, 1.0)


def test_what_is_read_anew_are_as_many_policies_as_the_row_says(tmp_path: Path) -> None:
    row = release_policies.reload(tmp_path, files=2, rounds=1)
    assert (row.name, row.limit, row.goal) == ("Release policies: 1,000 read anew", 2.0, 1.0)


def test_a_request_with_a_session_is_let_in_before_it_is_measured(tmp_path: Path) -> None:
    resource = Resource(tmp_path)
    row = request(resource, "memory", {}, rounds=2, loops=5)
    assert (row.name, row.limit, row.goal) == ("Request with a session in memory: more than without", 40.0, 1.0)
    assert row.value > 0
    accepted = acceptance(resource, rounds=1, loops=2)
    assert (accepted.unit, accepted.limit) == ("ms CPU", 6.4)


def test_the_sessions_whose_room_is_measured_are_all_there() -> None:
    """Its own process counts them; each is as large as that of somebody who has logged in."""
    assert 1 < megabytes(2_000) < 12
