"""A real slapd that a test starts, holds still, kills and fills; its files are those of the demo's directory."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import ldap3

from ostiary.command.demo.slapd import HOST, DemoDirectory


def hold(pid: int) -> None:
    """Stops a process until it gets SIGCONT; returns once each of its threads stands still."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        states = [file.read_text().rpartition(")")[2].split()[0] for file in Path(f"/proc/{pid}/task").glob("*/stat")]
        if states and set(states) == {"T"}:
            return
        time.sleep(0.01)
    raise RuntimeError(f"process {pid} does not stop")


class RunningSlapd:
    """The slapd of a `DemoDirectory`. ``process`` is the one that runs now."""

    def __init__(self, directory: DemoDirectory) -> None:
        self.directory = directory
        self.log = directory.directory / "log"
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.directory.command(), stderr=log)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(OSError):
                socket.create_connection((HOST, self.directory.port), timeout=1).close()
                return
            time.sleep(0.05)
        raise RuntimeError(self.log.read_text())

    def stop(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(how)
        self.process.wait(timeout=20)

    @contextmanager
    def held(self) -> Iterator[None]:
        """It stands still: connections are taken by the system, and nobody answers."""
        hold(self.process.pid)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    @contextmanager
    def as_administrator(self) -> Iterator[ldap3.Connection]:
        with administrator(
            self.directory.port, self.directory.administrator_dn, self.directory.directory
        ) as connection:
            yield connection

    def person(self, name: str) -> str:
        return f"uid={name},{self.directory.people_dn}"


@contextmanager
def administrator(port: int, dn: str, directory: Path) -> Iterator[ldap3.Connection]:
    """Somebody with the administrator's password, from ``directory``."""
    password = (directory / "administrator.password").read_text()
    server = ldap3.Server(HOST, port=port, get_info=ldap3.NONE)
    connection = ldap3.Connection(server, dn, password, auto_bind=ldap3.AUTO_BIND_TLS_BEFORE_BIND)
    try:
        yield connection
    finally:
        connection.unbind()
