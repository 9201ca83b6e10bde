"""A VO's configuration with certificates of its people in a directory, and its commands run there."""

import contextlib
import json
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from click.testing import CliRunner, Result
from sqlalchemy import Engine

from ostiary.clock import Clock
from ostiary.command.vo_service import MIGRATIONS
from ostiary.storage.engine import open_engine
from tests.databases import write_upgraded
from tests.simulator import MovableClock
from tests.x509.authorities import root, signing_policy
from voms.commands.group import vo_commands

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SETTINGS = """\
vo: example
host: voms.example.org
port: 15000
listen: {port: 15000}
database: {url: "sqlite:///vo.db"}
certificate: host.pem
key: host.key
ca_directory: certificates
"""


@dataclass(frozen=True)
class Site:
    """``example`` is configured, but not created. Certificates: ada.pem, ben.pem, robot.pem; stranger.pem is of another CA."""

    directory: Path
    clock: Clock
    engine: Engine

    def run(self, command: str) -> Result:
        """``ostiary vo --config voms.yaml`` with what follows."""
        commands = vo_commands(prepare=lambda engine: None, clock=self.clock)
        # One engine for all commands: most of the time of each would go into statements that the one before knew.
        with contextlib.chdir(self.directory), patch("voms.commands.group.open_database", lambda settings: self.engine):
            return CliRunner().invoke(commands, ["--config", "voms.yaml", *shlex.split(command)])

    def told(self, command: str) -> str:
        """What it says, after it did what it should."""
        result = self.run(command)
        if result.exception is not None:
            raise result.exception
        return result.stdout

    def json(self, command: str) -> Any:
        """The same for programs."""
        return json.loads(self.told(f"{command} --json"))


def make_site(directory: Path) -> Site:
    """In an empty directory."""
    lifetimes: dict[str, Any] = {"not_before": NOW - timedelta(days=1), "not_after": NOW + timedelta(days=300)}
    authority = root()
    for file, name in (("ada", "Ada Adams"), ("ada2", "Ada at home"), ("ben", "Ben"), ("robot", "robot")):
        authority.issue(f"/C=ZZ/O=HV Test/CN={name}", **lifetimes).write(directory, file)
    authority.issue("/C=ZZ/O=HV Test/CN=voms.example.org", **lifetimes).write(directory, "host")
    root("/C=ZZ/O=Other/CN=Other CA").issue("/C=ZZ/O=Other/CN=Stranger", **lifetimes).write(directory, "stranger")
    ca_directory = directory / "certificates"
    ca_directory.mkdir()
    authority.install(ca_directory, policy=signing_policy(authority, "/C=ZZ/O=HV Test/*"))
    (directory / "voms.yaml").write_text(SETTINGS)
    write_upgraded(directory / "vo.db", MIGRATIONS)
    return Site(directory, MovableClock(NOW), open_engine(f"sqlite:///{directory}/vo.db"))
