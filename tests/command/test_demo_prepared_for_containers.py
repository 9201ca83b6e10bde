"""What ``ostiary demo`` writes for those who start its services themselves: the state directory, and the SQL of a database server."""

import base64
import socket
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

import ostiary.command.demo.run as demo_run
import ostiary.command.demo.slapd as demo_slapd
from ostiary.command.cli import ostiary
from ostiary.command.demo.collaboration import CollaborationFiles
from ostiary.command.demo.databases import scram_verifier
from ostiary.command.demo.layout import Layout
from tests.simulator import MovableClock


@pytest.fixture(autouse=True)
def around(monkeypatch: pytest.MonkeyPatch) -> None:
    """No slapd, and the time at which the state directory that tests share was written."""
    monkeypatch.setattr(demo_slapd, "find_slapd", lambda: None)
    monkeypatch.setattr(demo_run, "SystemClock", MovableClock)


def demo(state: Path, *options: str) -> Result:
    return CliRunner().invoke(ostiary, ["demo", "--state", str(state), *options], catch_exceptions=False)


def test_a_verifier_is_the_one_of_the_standard() -> None:
    # The example of RFC 7677 section 3: password "pencil".
    assert scram_verifier(b"pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )


def test_the_sql_makes_a_role_and_a_database_for_each_part_and_holds_no_password(tmp_path: Path) -> None:
    state, file = tmp_path / "state", tmp_path / "roles.sql"
    assert demo(state, "--write-database-roles", str(file)).exit_code == 0
    text = file.read_text()
    lines = text.splitlines()
    assert len(lines) == 9
    assert lines[1] == "CREATE DATABASE northgate OWNER northgate;"
    assert lines[2] == "REVOKE ALL ON DATABASE northgate FROM PUBLIC;"
    for number, part in enumerate(("northgate", "southbank", "voms")):
        assert lines[3 * number].startswith(f"CREATE ROLE {part} LOGIN PASSWORD 'SCRAM-SHA-256$4096:")
        path = state / part / "database.password"
        assert path.stat().st_mode & 0o777 == 0o600
        assert len(path.read_text()) == 32
        assert path.read_text() not in text
    assert sorted(path.name for path in state.rglob("*") if path.is_file()) == ["database.password"] * 3 + ["lock"]


def test_passwords_stay_when_the_sql_is_written_again(tmp_path: Path) -> None:
    state = tmp_path / "state"
    demo(state, "--write-database-roles", str(tmp_path / "roles.sql"))
    before = (state / "voms" / "database.password").read_text()
    demo(state, "--write-database-roles", str(tmp_path / "roles.sql"))
    assert (state / "voms" / "database.password").read_text() == before


def test_everything_is_written_and_nothing_is_started(state: Path) -> None:
    told = demo(state, "--prepare-only", "--base-port", "20000", "--listen", "0.0.0.0")
    assert told.exit_code == 0, told.output
    assert "The demo federation is prepared." in told.stdout
    assert "http://127.0.0.1:20005/library/" in told.stdout
    assert "alice-opens-doors" in told.stdout
    assert "Ctrl-C" not in told.stdout
    found = {
        name: yaml.safe_load((state / name).read_text())["listen"]
        for name in ("wayf/wayf.yaml", "northgate/idp.yaml", "southbank/aa.yaml", "voms/voms.yaml")
    }
    assert found == {
        "wayf/wayf.yaml": {"host": "0.0.0.0", "port": 20000},
        "northgate/idp.yaml": {"host": "0.0.0.0", "port": 20001},
        "southbank/aa.yaml": {"host": "0.0.0.0", "port": 20004},
        "voms/voms.yaml": {"host": "0.0.0.0", "port": 20007},
    }
    assert yaml.safe_load((state / "wayf/wayf.yaml").read_text())["public_url"] == "http://localhost:20000"
    assert not (state / "logs").exists()


def test_services_listen_on_loopback_when_nothing_is_said(state: Path) -> None:
    assert demo(state, "--prepare-only", "--base-port", "20000").exit_code == 0
    assert yaml.safe_load((state / "wayf/wayf.yaml").read_text())["listen"] == {"host": "127.0.0.1", "port": 20000}


def test_people_and_the_vo_are_in_a_database_of_the_server_each() -> None:
    layout = Layout(Path("/state"), 8400, postgresql="127.0.0.1:8409")
    assert layout.database("northgate", "home.db") == {
        "url": "postgresql+psycopg://northgate@127.0.0.1:8409/northgate",
        "password_file": "/state/northgate/database.password",
    }
    assert CollaborationFiles(layout).database == {
        "url": "postgresql+psycopg://voms@127.0.0.1:8409/voms",
        "password_file": "/state/voms/database.password",
    }
    assert Layout(Path("/state"), 8400).database("northgate", "home.db") == {
        "url": "sqlite:////state/northgate/home.db"
    }


def test_a_server_that_does_not_answer_is_told(state: Path, tmp_path: Path) -> None:
    demo(state, "--write-database-roles", str(tmp_path / "roles.sql"))
    with socket.socket() as taken:
        # Bound, so that nobody else gets it, and not listening.
        taken.bind(("127.0.0.1", 0))
        told = demo(state, "--prepare-only", "--postgresql", f"127.0.0.1:{taken.getsockname()[1]}")
    assert told.exit_code == 1
    assert "storage.unavailable" in told.stderr


@pytest.mark.parametrize("option", [("--prepare-only",), ("--write-database-roles", "roles.sql")])
def test_a_ready_file_is_not_promised_where_nothing_is_started(tmp_path: Path, option: tuple[str, ...]) -> None:
    told = demo(tmp_path / "state", "--ready", str(tmp_path / "ready.json"), *option)
    assert told.exit_code == 2
    assert "--ready waits for services" in told.stderr
    assert not (tmp_path / "state").exists()
