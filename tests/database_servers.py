"""PostgreSQL and MariaDB from Debian, as processes of our own on loopback, with everything that they write in one directory each."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.running_demo import free_base_port

START_SECONDS = 60
NAME = "ostiary_test"


def as_system_user(name: str) -> dict[str, Any]:
    """Arguments of `subprocess` by which root starts a server that refuses to run as root; nothing for anybody else."""
    return {"user": name, "group": name, "extra_groups": []} if os.geteuid() == 0 else {}


def postgresql_programs() -> Path:
    """Where the newest PostgreSQL server of this machine has its programs."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


@contextmanager
def running_postgresql() -> Iterator[str]:
    """The SQLAlchemy URL of an empty database, whose user may do everything."""
    with _directory("postgres") as directory:
        programs, port, password = postgresql_programs(), free_base_port(1), secrets.token_hex(16)
        data, first = directory / "data", directory / "password"
        first.write_text(password)
        initdb = ("initdb", f"--pgdata={data}", f"--username={NAME}", f"--pwfile={first}", "--auth=scram-sha-256")
        _finish([programs / initdb[0], *initdb[1:], "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"], "postgres")
        command = [programs / "postgres", "-D", data, "-p", port, "-k", directory, "-c", "listen_addresses=127.0.0.1"]
        # What a power cut would cost is nothing here.
        command += ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        with _running(command, directory, "postgres", signal.SIGINT):
            # It is asked without a password: whether it takes connections, not whether it lets anybody in.
            _await([programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", port], directory)
            environment = {"PGPASSWORD": password, "PATH": os.environ["PATH"]}
            _finish([programs / "createdb", "-h", "127.0.0.1", "-p", port, "-U", NAME, NAME], "postgres", environment)
            yield f"postgresql+psycopg://{NAME}:{password}@127.0.0.1:{port}/{NAME}"


@contextmanager
def running_mariadb() -> Iterator[str]:
    """The SQLAlchemy URL of an empty database, whose user may do everything in it."""
    with _directory("mysql") as directory:
        port, password, data, sock = free_base_port(1), secrets.token_hex(16), directory / "data", directory / "socket"
        own = ("--no-defaults", f"--datadir={data}")
        _finish(["mariadb-install-db", *own, "--auth-root-authentication-method=normal", "--skip-test-db"], "mysql")
        command = ["/usr/sbin/mariadbd", *own, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={sock}"]
        command += [f"--pid-file={directory / 'pid'}", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"]
        with _running(command, directory, "mysql", signal.SIGTERM):
            client = ["mariadb", "--no-defaults", f"--socket={sock}", "--user=root"]
            _await([*client, "--execute=SELECT 1"], directory)
            statements = (
                f"CREATE DATABASE {NAME} CHARACTER SET utf8mb4",
                f"CREATE USER {NAME}@localhost IDENTIFIED BY '{password}'",
                f"GRANT ALL ON {NAME}.* TO {NAME}@localhost",
            )
            _finish([*client, f"--execute={'; '.join(statements)}"], "mysql")
            yield f"mariadb+pymysql://{NAME}:{password}@127.0.0.1:{port}/{NAME}"


@contextmanager
def running_valkey(*more: str, at: int | None = None) -> Iterator[str]:
    """The URL of an empty Redis server, Debian 12's stand-in for Valkey. ``more``: options of its command; ``at`` which port, else a free
    one."""
    with _directory("redis") as directory:
        port = at or free_base_port(1)
        command = ["redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", directory, "--save", "", *more]
        with _running(command, directory, "redis", signal.SIGTERM):
            _await(["redis-cli", "-h", "127.0.0.1", "-p", port, "PING"], directory)
            yield f"valkey://127.0.0.1:{port}/0"


@contextmanager
def _directory(user: str) -> Iterator[Path]:
    # Not below pytest's directory, which other users may not enter; short, because it holds a socket.
    directory = Path(tempfile.mkdtemp(prefix="ostiary-db-"))
    if os.geteuid() == 0:
        shutil.chown(directory, user, user)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@contextmanager
def _running(command: Sequence[object], directory: Path, user: str, how: signal.Signals) -> Iterator[None]:
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(word) for word in command], cwd=directory, stdout=log, stderr=log, **as_system_user(user)
        )
    try:
        yield
    finally:
        process.send_signal(how)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(command: Sequence[object], directory: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run([str(word) for word in command], cwd=directory, capture_output=True).returncode:
        if time.monotonic() > deadline:
            raise RuntimeError((directory / "log").read_text())
        time.sleep(0.1)


def _finish(command: Sequence[object], user: str, environment: dict[str, str] | None = None) -> None:
    finished = subprocess.run(
        [str(word) for word in command],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        **as_system_user(user),
    )
    if finished.returncode:
        raise RuntimeError(f"{command[0]}: {finished.stdout}{finished.stderr}")
