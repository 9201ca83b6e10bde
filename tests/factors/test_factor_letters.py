"""What people are written when something happens to their second factors."""

import time
from pathlib import Path

from ostiary.command.demo.people import NORTHGATE
from tests.browser import forms_of
from tests.factors.walk import Member, is_response
from tests.simulator import Simulation

PATIENCE = 10


def subjects(simulation: Simulation, number: int) -> list[str]:
    """The subjects of the letters, in any order, once there are so many: they are written after the answer."""
    directory: Path = simulation.layout.directory(NORTHGATE.key) / "mail"
    deadline = time.monotonic() + PATIENCE
    while len(letters := sorted(directory.glob("*.eml"))) < number and time.monotonic() < deadline:
        time.sleep(0.02)
    lines = (line for letter in letters for line in letter.read_text().splitlines())
    return sorted(line.removeprefix("Subject: ") for line in lines if line.startswith("Subject: "))


def test_she_learns_of_everything_that_she_may_not_have_done_herself(simulation: Simulation) -> None:
    alice = Member(simulation)
    alice.set_up_app()
    assert subjects(simulation, 1) == ["A second factor was added at Northgate University"]
    simulation.clock.forward(minutes=5)
    other = alice.elsewhere()
    assert is_response(other.prove(other.to_resource(), "recovery_code", alice.codes[0]))
    assert subjects(simulation, 2)[0] == "A recovery code was used at Northgate University"
    page = alice.own_page()
    forms = {form.action.rpartition("/")[2]: form for form in forms_of(page)}
    alice.send(forms["codes"])
    alice.browser.submit(alice.send(forms["remove"]), having="sure")
    assert subjects(simulation, 4) == [
        "A recovery code was used at Northgate University",
        "A second factor was added at Northgate University",
        "A second factor was removed at Northgate University",
        "New recovery codes at Northgate University",
    ]
    letters = [path.read_text() for path in (simulation.layout.directory(NORTHGATE.key) / "mail").glob("*.eml")]
    assert all("To: alice.archer@northgate.example" in letter for letter in letters)
    assert not any(code in letter for letter in letters for code in alice.codes)


def test_a_code_that_was_not_right_is_no_occasion_for_a_letter(simulation: Simulation) -> None:
    alice = Member(simulation)
    alice.set_up_app()
    assert len(subjects(simulation, 1)) == 1
    simulation.clock.forward(minutes=5)
    other = alice.elsewhere()
    page = other.prove(other.to_resource(), "recovery_code", "AAAA-AAAA-AAAA-AAAA")
    assert page.status == 401
    # They are written one after the other, so a letter about the wrong one would be there before that about the right one.
    assert is_response(other.prove(page, "recovery_code", alice.codes[0]))
    assert len(subjects(simulation, 2)) == 2
