"""docs/voms-history.md as it stands: its commands in their order, and what they tell."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.docs.test_documents_work_as_written import commands, run
from tests.docs.vo_of_the_page import make_vo

PAGE = "docs/voms-history.md"
WRITTEN = "2026-11-22T12:00:00Z"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The VO of docs/voms.md, with Ada as it makes her."""
    before = (
        *("create", "add-group /example/data", "add-group /example/data/raw", "add-role reader", "add-role operator"),
        *("add-member ada.pem", "join ada.pem /example/data/raw", "assign-role ada.pem /example/data reader"),
        "assign-role ada.pem /example/data operator",
    )
    make_vo(tmp_path, {"ada": "Ada Adams"}, before)
    return tmp_path


def test_every_command_of_the_page_tells_what_it_says(directory: Path) -> None:
    now = datetime.now(UTC)
    soon = (now + timedelta(seconds=50)).isoformat()
    before = (now - timedelta(hours=1)).isoformat()

    def told(command: str) -> str:
        # The page's instants, as of today.
        command = command.replace("--to 2026-11-22T13:00:00Z", f"--to {soon}").replace(
            f"--at {WRITTEN}", f"--at {soon}"
        )
        return run(command.replace(WRITTEN, before), directory)

    raw, reader, operator, group, done, hers, history, as_json = map(told, commands(PAGE))
    member = raw.split()[1]
    assert raw.startswith(f"yes  {member}  /example/data/raw  at ")
    assert "  /example/data/Role=reader  granted " in reader
    for who in (operator, group):
        assert who.startswith(f"{member}  CN=Ada Adams,O=Ostiary Demo,C=ZZ\n  ")
    assert "  vo.role_assigned  " in done.splitlines()[0]
    assert len(done.splitlines()) == 9
    assert hers == ""
    assert [line.split("  ")[3] for line in history.splitlines()] == [
        *("membership began", "certificate began", "group began", "role began", "role began"),
    ]
    assert [event["what"] for event in json.loads(as_json)] == ["membership", "certificate", "group", "role", "role"]
