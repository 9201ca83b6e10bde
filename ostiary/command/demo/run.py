"""``ostiary demo``: prepares the state directory, starts the federation, announces it, and waits."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import urllib3
from rich.console import Console

from ostiary.clock import SystemClock
from ostiary.command.demo.announce import announce, ready_content
from ostiary.command.demo.federation import prepare
from ostiary.command.demo.layout import Layout
from ostiary.command.demo.supervisor import Supervisor, check_ports, services, write_ready
from ostiary.errors import OstiaryError, Refusal

_MAXIMUM_METADATA: Final = 10_000_000


def run_demo(state: Path, ready: Path | None, base_port: int, trust: Sequence[str]) -> int:
    """Runs until Ctrl-C or SIGTERM; returns the exit status. Raises `OstiaryError` when it can't start."""
    clock = SystemClock()
    layout = Layout(state.absolute(), base_port)
    if ready is not None:
        ready.unlink(missing_ok=True)
    check_ports(layout)
    prepare(layout, [_read(source) for source in trust], now=clock.now())
    supervisor = Supervisor(layout, services(layout, clock))
    try:
        supervisor.start()
        if ready is not None:
            write_ready(ready, ready_content(layout))
        console = Console(file=sys.stdout)
        # Into a file or a narrow pipe the table keeps its columns.
        announce(Console(file=sys.stdout, width=max(console.width, 110)), layout)
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
