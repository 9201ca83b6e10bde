"""``ostiary demo``: prepares the state directory, starts the federation, announces it, and waits."""

import fcntl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import urllib3
from rich.console import Console

from ostiary.clock import Clock, SystemClock
from ostiary.command.demo.announce import announce, ready_content
from ostiary.command.demo.databases import write_database_roles
from ostiary.command.demo.federation import foreign_entities, prepare
from ostiary.command.demo.layout import Layout
from ostiary.command.demo.slapd import prepare_directory
from ostiary.command.demo.supervisor import Program, Supervisor, check_ports, execute, services, vo_program, write_ready
from ostiary.errors import OstiaryError, Refusal, Unavailable
from ostiary.federation.model import Entity

_MAXIMUM_METADATA: Final = 10_000_000


def run_demo(layout: Layout, ready: Path | None, trust: Sequence[str]) -> int:
    """Runs until Ctrl-C or SIGTERM; returns the exit status. Raises `OstiaryError` when it can't start."""
    if ready is not None:
        ready.unlink(missing_ok=True)
    check_ports(layout)
    partners = _partners(trust)
    with _alone(layout.state):
        return _run(layout, ready, partners, SystemClock())


def prepare_demo(layout: Layout, trust: Sequence[str]) -> None:
    """Writes the state directory and tells the same, for somebody else to start the services. Raises `OstiaryError`."""
    partners = _partners(trust)
    with _alone(layout.state):
        now = SystemClock().now()
        directory, why_not = prepare_directory(layout, now)
        prepare(layout, partners, now=now, directory=directory)
    announce(_console(), layout, directory, why_not, running=False)


def prepare_databases(layout: Layout, file: Path) -> None:
    """Writes passwords, and into ``file`` the SQL for a PostgreSQL server (`write_database_roles`)."""
    with _alone(layout.state):
        write_database_roles(layout, file)
    print(f"{file} is written.")


def _partners(trust: Sequence[str]) -> list[Entity]:
    """Read before anything is written: bad metadata leaves no trace."""
    documents = [_read(source) for source in trust]
    return [entity for document in documents for entity in foreign_entities(document)]


def _console() -> Console:
    # Into a file or a narrow pipe the table keeps its columns.
    return Console(file=sys.stdout, width=max(Console(file=sys.stdout).width, 110))


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Holds the state directory for this demo. Raises `Unavailable` (``demo.state_in_use``)."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Unavailable(
                "demo.state_in_use", expected="a directory that no demo uses", found=error, state=state
            ) from None
        yield


def _run(layout: Layout, ready: Path | None, partners: Sequence[Entity], clock: Clock) -> int:
    now = clock.now()
    directory, why_not = prepare_directory(layout, now)
    prepare(layout, partners, now=now, directory=directory)
    programs = [vo_program(layout, clock)]
    if directory is not None:
        programs.append(Program(f"{directory.home.key}-slapd", directory.port, partial(execute, directory.command())))
    supervisor = Supervisor(layout, services(layout, clock), programs)
    try:
        supervisor.start()
        if ready is not None:
            write_ready(ready, ready_content(layout))
        announce(_console(), layout, directory, why_not)
        sys.stdout.flush()
        ended = supervisor.wait()
    finally:
        supervisor.stop()
        if ready is not None:
            ready.unlink(missing_ok=True)
    if ended is not None:
        raise OstiaryError(
            "demo.ended",
            expected="all services run",
            found=ended,
            service=ended,
            log=layout.state / "logs" / f"{ended}.log",
        )
    return 0


def _read(source: str) -> bytes:
    """Metadata from a file or an http(s) URL: whoever starts the demo vouches for it."""
    try:
        if urlsplit(source).scheme in ("http", "https"):
            answer = urllib3.PoolManager(retries=False, timeout=10).request("GET", source, preload_content=False)
            if answer.status != 200:
                raise Refusal("demo.trust", expected="HTTP 200", found=f"HTTP {answer.status} from {source}")
            return answer.read(_MAXIMUM_METADATA)
        return Path(source).read_bytes()
    except (OSError, urllib3.exceptions.HTTPError, ValueError) as error:
        raise Refusal("demo.trust", expected="a readable file or URL", found=f"{source}: {error}") from None
