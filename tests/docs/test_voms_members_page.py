"""docs/voms-members.md as it stands: its commands in their order, its configuration, and what they lead to."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.docs.test_documents_work_as_written import blocks, commands, run
from tests.docs.vo_of_the_page import make_vo
from voms.several import load_vo

PAGE = "docs/voms-members.md"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The VO of docs/voms.md with Ada in it, and the files that the page names."""
    people = {"ada": "Ada Adams", "laptop": "Ada Adams at her laptop", "robot": "robot.example.org"}
    (tmp_path / "aup.txt").write_text("Be kind.\n")
    make_vo(tmp_path, people, ("create", "add-group /example/data", "add-member ada.pem"))
    return tmp_path


def test_every_command_of_the_page_does_what_it_says(directory: Path) -> None:
    told = [(command, run(command, directory)) for command in commands(PAGE) if " vo --config voms.yaml " in command]
    states = [text.partition(",")[0].strip() for command, text in told if command.endswith("state ada.pem")]
    assert states == ["active", "aup_due"]
    said = dict(told)
    listed = said["ostiary vo --config voms.yaml aup list"].splitlines()
    assert [line.partition(" ")[0] for line in listed] == ["1.0", "2.0"]
    assert listed[0].endswith("https://vo.example.org/aup  in force")
    assert "aup_due, since" in said["ostiary vo --config voms.yaml aup missing"]
    assert "1.0" in said["ostiary vo --config voms.yaml aup signatures ada.pem"]
    assert "letters: 0" in said["ostiary vo --config voms.yaml run-jobs"]
    state = json.loads(run("ostiary vo --config voms.yaml state ada.pem --json", directory))
    assert (state["state"], state["acts"]) == ("active", True)
    ends = datetime.fromisoformat(state["until"]) - datetime.now(UTC)
    assert timedelta(days=364) < ends <= timedelta(days=365)
    robot = json.loads(run("ostiary vo --config voms.yaml state robot.pem --json", directory))
    assert (robot["state"], robot["until"]) == ("active", None)


def test_the_configuration_of_the_page_is_understood(directory: Path) -> None:
    [mail, *_] = blocks(PAGE, "yaml")
    with (directory / "voms.yaml").open("a") as file:
        file.write(mail)
    found = load_vo(directory / "voms.yaml").members
    assert (found.remind, found.remind_to_sign, found.remove_after) == ((30, 7, 1), (14, 3, 1), timedelta(days=180))
