"""``ostiary vo aup``, ``set-grace``, ``state`` and ``run-jobs``: what they say, in words and in JSON, and which letters they write."""

import io
import json
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from ostiary.clock import StandingClock
from ostiary.command import vo_service
from ostiary.command.vo_service import upgrade_vo
from ostiary.config import DatabaseSettings
from ostiary.errors import OstiaryError
from ostiary.storage.engine import open_database
from ostiary.web.log import make_log
from ostiary.x509.certificate_names import CertificateNames
from tests.voms.conftest import ALICE, NOW
from voms.administration.callers import OPERATOR
from voms.administration.desk import Desk
from voms.commands.group import vo_commands
from voms.details import Details
from voms.directory import create_vo
from voms.jobs.thread import JobThread
from voms.several import load_vo

DAY = timedelta(days=1)


class Shell:
    """Runs the commands in a directory that has a ``voms.yaml`` and a VO with one member, ``ada``."""

    def __init__(self, directory: Path, *more: str) -> None:
        for name in ("host.pem", "host.key"):
            (directory / name).write_text("not looked at")
        lines = [
            "vo: testvo",
            "host: localhost",
            "port: 15000",
            "listen: {host: 127.0.0.1, port: 15000}",
            f'database: {{url: "sqlite:///{directory}/vo.db"}}',
            "certificate: host.pem",
            "key: host.key",
            "ca_directory: certificates",
            *more,
        ]
        self.config = directory / "voms.yaml"
        self.config.write_text("\n".join(lines) + "\n")
        engine = open_database(DatabaseSettings(url=f"sqlite:///{directory}/vo.db"))
        upgrade_vo(engine)
        create_vo(engine, "testvo", at=NOW, by="operator")
        desk = Desk(engine, "testvo", OPERATOR, NOW)
        about = Details(given_name="Ada", mail="ada@example.org")
        self.ada = desk.add_member(ALICE, about=about, until=NOW + 5 * DAY)
        self.robot = desk.add_member(CertificateNames("CN=robot", "CN=CA"), kind="service")
        engine.dispose()

    def run(self, *words: str, day: float = 0) -> Result:
        commands = vo_commands(prepare=lambda engine: None, clock=StandingClock(NOW + day * DAY))
        return CliRunner().invoke(commands, ["--config", str(self.config), *words])

    def told(self, *words: str, day: float = 0) -> str:
        found = self.run(*words, day=day)
        assert found.exit_code == 0, (found.output, found.exception)
        return found.stdout

    def json(self, *words: str, day: float = 0) -> object:
        return json.loads(self.told(*words, "--json", day=day))


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_the_policy_from_its_first_version_to_a_signature(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "aup.txt").write_text("Be kind.\n")
    shell.told("aup", "add", "1", "--text", str(tmp_path / "aup.txt"), "--grace-days", "3")
    shell.told(
        "aup", "add", "2", "--url", "https://vo.example.org/aup", "--sign-once", "--from", "2027-01-01T00:00:00Z"
    )
    assert shell.told("aup", "list", day=1).splitlines() == [
        "1  from 2026-11-22T12:00:00Z  sign every 365 days, 3 days of grace  text  in force",
        "2  from 2027-01-01T00:00:00Z  sign once, 15 days of grace  https://vo.example.org/aup",
    ]
    assert shell.told("aup", "show", "1") == "Be kind.\n\n"
    assert shell.told("aup", "show", "2") == "https://vo.example.org/aup\n"
    assert shell.json("aup", "missing", day=1) == [
        {
            "member": shell.ada,
            "state": "aup_due",
            "acts": True,
            "since": "2026-11-22T12:00:00Z",
            "until": "2026-11-25T12:00:00Z",
            "code": "",
            "reason": "",
            "by": None,
        }
    ]
    assert shell.told("aup", "sign", shell.ada, day=1) == f"{shell.ada} signed 1\n"
    assert shell.json("aup", "signatures", shell.ada) == [{"version": "1", "signed_at": "2026-11-23T12:00:00Z"}]
    assert shell.json("aup", "missing", day=1.5) == []
    shell.told("aup", "ask", shell.ada, day=2)
    assert shell.told("state", shell.ada, day=2) == (
        "aup_due, since 2026-11-24T12:00:00Z, until 2026-11-27T12:00:00Z\n"
    )
    shell.told("aup", "change", "1", "--grace-days", "1", day=2)
    assert shell.told("state", shell.ada, day=3) == (
        "aup_due, gets nothing, since 2026-11-24T12:00:00Z, reason: User failed to sign the AUP in time.\n"
    )
    shell.told("aup", "remove", "1", day=3)
    assert [each["version"] for each in shell.json("aup", "list")] == ["2"]  # type: ignore[union-attr, attr-defined]


def test_the_state_of_a_member_for_programs(shell: Shell) -> None:
    shell.told("suspend", shell.ada, "Lost her key.", "--code", "security_incident")
    assert shell.json("state", shell.ada) == {
        "state": "suspended",
        "acts": False,
        "since": "2026-11-22T12:00:00Z",
        "until": None,
        "code": "security_incident",
        "reason": "Lost her key.",
        "by": "operator",
    }
    assert shell.told("state", shell.robot) == "active\n"


def test_grace_after_the_end(shell: Shell) -> None:
    assert shell.told("state", shell.ada, day=5).startswith("expired, gets nothing, since 2026-11-27T12:00:00Z")
    assert shell.json("set-grace", "7") == {"days": 7}
    assert shell.told("state", shell.ada, day=5) == "expired, since 2026-11-27T12:00:00Z, until 2026-12-04T12:00:00Z\n"


def test_the_jobs_write_letters_into_the_directory_that_the_configuration_names(tmp_path: Path) -> None:
    shell = Shell(
        tmp_path, "mail: {type: files, directory: letters, sender: vo@example.org}", "members: {remind: [5, 1]}"
    )
    assert shell.json("run-jobs") == {
        "ran": True,
        "expired": 0,
        "aup_missed": 0,
        "removed": 0,
        "letters": 1,
        "letters_wait": False,
        "swept": 0,
        "requests_expired": 0,
        "requests_reminded": 0,
        "requests_forgotten": 0,
    }
    (file,) = (tmp_path / "letters").iterdir()
    letter = message_from_bytes(file.read_bytes())
    assert (letter["To"], letter["Subject"]) == ("ada@example.org", "Your membership of testvo ends on 2026-11-27")
    assert "letters: 0" in shell.told("run-jobs").splitlines()
    assert "expired: 1" in shell.told("run-jobs", day=5).splitlines()


def test_without_mail_the_jobs_say_so_in_the_log(shell: Shell) -> None:
    found = shell.run("run-jobs")
    assert "vo_jobs_without_mail" in found.stderr
    assert "letters: 0" in found.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("aup", "add", "1"), "voms.aup_version"),
        (("aup", "show", "9"), "voms.no_aup"),
        (("set-grace", "900"), "voms.grace"),
        (("state", "0" * 32), "voms.no_member"),
    ],
)
def test_what_is_wrong_is_an_error_with_its_code(shell: Shell, words: tuple[str, ...], code: str) -> None:
    found = shell.run(*words)
    assert isinstance(found.exception, OstiaryError)
    assert found.exception.code == code


def test_a_text_that_is_no_text_is_a_usage_error(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "aup.bin").write_bytes(b"\xff\xfe\x00")
    assert shell.run("aup", "add", "1", "--text", str(tmp_path / "aup.bin")).exit_code == 2
    assert shell.run("aup", "add", "1", "--text", str(tmp_path / "none")).exit_code == 2


def test_the_service_runs_the_jobs_beside_itself_where_the_configuration_lets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = "mail: {type: files, directory: letters, sender: vo@example.org}"
    (tmp_path / "by_hand").mkdir()
    by_hand = Shell(tmp_path / "by_hand", "members: {jobs: false}")
    by_itself = Shell(tmp_path, letters, "members: {every: 6h}")
    started: list[JobThread] = []

    def start(thread: JobThread) -> None:
        started.append(thread)

    monkeypatch.setattr(JobThread, "start", start)
    monkeypatch.setattr(vo_service, "serve_listeners", lambda *_, **__: None)
    monkeypatch.setattr(vo_service, "listener_of", lambda *_, **__: None)
    for shell in (by_hand, by_itself):
        settings = load_vo(shell.config)
        engine = open_database(settings.database)
        made = SimpleNamespace(vo=SimpleNamespace(settings=settings, engine=engine))
        monkeypatch.setattr(vo_service, "make_vo_services", lambda *_, made=made, **__: (made,))
        log = make_log(StandingClock(NOW), service="voms", stream=io.StringIO())
        vo_service.serve_vo(shell.config, clock=StandingClock(NOW), log=log)
        engine.dispose()
    (thread,) = started
    report = thread.run_once(NOW)
    assert report is not None
    assert report.letters == 1
