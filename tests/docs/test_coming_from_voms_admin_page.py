"""docs/coming-from-voms-admin.md: the walk from the old server, from top to bottom, on an old database in a file."""

import contextlib
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from ostiary.command.cli import ostiary
from ostiary.config import load_settings
from ostiary.storage.engine import open_engine
from tests.docs.followed_page import blocks_of
from tests.voms_administration.site import make_site
from tests.voms_import.old_server import make
from voms.exchange.voms_admin_database import OldDatabase
from voms.settings import VomsSettings

PAGE = "coming-from-voms-admin.md"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """What the page says to copy, and the old database."""
    make_site(tmp_path).engine.dispose()
    for name in ("voms.yaml", "vo.db"):
        (tmp_path / name).unlink()
    (tmp_path / "host.pem").rename(tmp_path / "hostcert.pem")
    (tmp_path / "host.key").rename(tmp_path / "hostkey.pem")
    (tmp_path / "old.password").touch(mode=0o600)
    (tmp_path / "old.password").write_text("a password\n")
    engine = open_engine(f"sqlite:///{tmp_path}/old.db")
    # The commands of the page go by the clock of the system.
    now, month = datetime.now(UTC), timedelta(days=30)
    make(engine, signed=f"{now - month:%Y-%m-%d} 12:00:00", ends=f"{now + month:%Y-%m-%d} 12:00:00")
    engine.dispose()
    return tmp_path


def test_the_walk_from_the_old_server_works_as_it_says(place: Path) -> None:
    told: dict[str, str] = {}
    for block in blocks_of(PAGE):
        for name in block.files():
            (place / name).write_text(block.text)
            if name == "old.yaml":
                where = load_settings(place / name, OldDatabase)
                assert where.url.startswith("mariadb+pymysql://")
                in_a_file = f"url: sqlite:///old.db\ntime_zone: {where.time_zone}\n"
                (place / name).write_text(in_a_file)
        for command in block.lines() if block.language == "sh" else ():
            told[command] = ran(command, place)
    dry, written = (told[f"ostiary vo --config voms.yaml import old.yaml{each}"] for each in (" --dry-run", ""))
    assert dry.endswith("Nothing was written.\n")
    assert written == dry.replace("Nothing was written.\n", "Written.\n")
    assert "members, suspended: 1" in told["ostiary vo --config voms.yaml stats"]
    [shown] = (text for command, text in told.items() if " show " in command)
    assert "/example/data/Role=pilot" in shown
    [lists] = (text for command, text in told.items() if " acl " in command)
    assert "CONTAINER_READ|MEMBERSHIP_READ" in lists
    [lines] = (text for command, text in told.items() if " gridmap " in command)
    assert lines.startswith('"/C=ZZ/O=HV Test/CN=Ada Adams" example')
    assert '"voms.example.org" "15000"' in told["ostiary vo --config voms.yaml vomses"]


def ran(command: str, place: Path) -> str:
    words = shlex.split(command)
    assert words[0] == "ostiary"
    if words[1] == "serve":
        assert load_settings(place / words[-1], VomsSettings).vo == "example"
        return ""
    with contextlib.chdir(place):
        finished = CliRunner().invoke(ostiary, words[1:], catch_exceptions=False)
    assert finished.exit_code == 0, f"{command}\n{finished.output}"
    return finished.stdout


def test_the_reasons_that_it_explains_are_those_of_the_report() -> None:
    told = (Path(__file__).parents[2] / "docs" / PAGE).read_text()
    texts = (Path(__file__).parents[2] / "voms" / "texts" / "en" / "import.yaml").read_text().lower()
    named = re.findall(r"^- \*([^*]+)\*:", told, re.MULTILINE)
    assert len(named) == 5
    assert [each for each in named if each.lower() not in texts] == []
