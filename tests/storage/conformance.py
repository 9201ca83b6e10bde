"""What each kind of store must do. A new kind adds a `Kit` to `KITS`, and nothing else."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ostiary.storage.memory import MemoryCounters, MemoryGroups, MemoryReplayStore, MemorySessionStore
from ostiary.storage.stores import Counters, Groups, ReplayStore, SessionStore
from tests.databases import VALKEY, emptied, real_servers

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Kit:
    """One kind of store. ``opening`` is Python source that binds ``sessions``, ``replays``, ``counters`` and ``groups`` in another
    process; None for a kind that does not reach other processes."""

    sessions: Callable[[str], SessionStore]
    replays: Callable[[str], ReplayStore]
    counters: Callable[[str], Counters]
    groups: Callable[[str], Groups]
    opening: str | None = None
    close: Callable[[], None] = lambda: None


def memory_kit(directory: Path) -> Kit:
    return Kit(
        sessions=lambda namespace: MemorySessionStore(namespace=namespace),
        replays=lambda namespace: MemoryReplayStore(namespace=namespace),
        counters=lambda namespace: MemoryCounters(namespace=namespace),
        groups=lambda namespace: MemoryGroups(namespace=namespace),
    )


def sqlite_kit(directory: Path) -> Kit:
    return sql_kit(f"sqlite:///{directory}/stores.db")


def valkey_kit(url: str) -> Kit:
    from ostiary.config import ValkeySettings
    from ostiary.storage.valkey import (
        ValkeyCounters,
        ValkeyGroups,
        ValkeyReplayStore,
        ValkeySessionStore,
        open_valkey,
    )

    client = open_valkey(ValkeySettings(url=url))
    client.flushdb()
    return Kit(
        sessions=lambda namespace: ValkeySessionStore(client, namespace=namespace),
        replays=lambda namespace: ValkeyReplayStore(client, namespace=namespace),
        counters=lambda namespace: ValkeyCounters(client, namespace=namespace),
        groups=lambda namespace: ValkeyGroups(client, namespace=namespace),
        close=client.close,
        opening=(
            "from ostiary.config import ValkeySettings\n"
            "from ostiary.storage.valkey import *\n"
            f"client = open_valkey(ValkeySettings(url={url!r}))\n"
            "sessions, replays, counters = ValkeySessionStore(client), ValkeyReplayStore(client), ValkeyCounters(client)\n"
            "groups = ValkeyGroups(client)\n"
        ),
    )


def sql_kit(url: str) -> Kit:
    from ostiary.storage.migrate import MIGRATIONS, upgrade
    from ostiary.storage.sql import SqlCounters, SqlGroups, SqlReplayStore, SqlSessionStore

    # A database that outlives the test holds what an earlier one left.
    engine = emptied(url)
    upgrade(engine, [MIGRATIONS])
    return Kit(
        sessions=lambda namespace: SqlSessionStore(engine, namespace=namespace),
        replays=lambda namespace: SqlReplayStore(engine, namespace=namespace),
        counters=lambda namespace: SqlCounters(engine, namespace=namespace),
        groups=lambda namespace: SqlGroups(engine, namespace=namespace),
        close=engine.dispose,
        opening=(
            "from ostiary.storage.engine import open_engine\n"
            "from ostiary.storage.sql import SqlCounters, SqlGroups, SqlReplayStore, SqlSessionStore\n"
            f"engine = open_engine({url!r})\n"
            "sessions, replays, counters = SqlSessionStore(engine), SqlReplayStore(engine), SqlCounters(engine)\n"
            "groups = SqlGroups(engine)\n"
        ),
    )


def _kits() -> dict[str, Callable[[Path], Kit]]:
    kits: dict[str, Callable[[Path], Kit]] = {"memory": memory_kit, "sqlite": sqlite_kit}
    if server := os.environ.get(VALKEY):
        kits["valkey"] = lambda directory: valkey_kit(server)
    return kits | {name: lambda directory, url=url: sql_kit(url) for name, url in real_servers().items()}  # type: ignore[misc]


KITS = _kits()


def in_processes(opening: str, expression: str, number: int) -> list[list[object]]:
    """Evaluate ``expression`` for ``n`` in range(40) in several processes that begin together; each one's results."""
    source = (
        "import json, sys\nfrom datetime import UTC, datetime, timedelta\n"
        f"now = datetime(2026, 11, 22, 12, tzinfo=UTC)\nlater = now + timedelta(hours=1)\n{opening}"
        "print('ready', flush=True)\nsys.stdin.readline()\n"
        f"print(json.dumps([{expression} for n in range(40)]))\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", source], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(number)
    ]
    results = []
    try:
        # No `assert` here: under python -O it would not even read the line.
        for process in processes:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise RuntimeError("a process did not begin")
        for process in processes:
            if process.stdin is None:
                raise RuntimeError("a process takes no input")
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            output, _ = process.communicate(timeout=60)
            results.append(json.loads(output))
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return results
