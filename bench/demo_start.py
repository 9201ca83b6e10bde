"""How long the demo takes to answer: a first start, which makes its keys, and a later one. Wall-clock seconds."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.measure import Row


def rows(*, quick: bool) -> list[Row]:
    """Two rows: the limits are those that the project has set itself, in seconds."""
    with tempfile.TemporaryDirectory() as directory:
        first = _start(Path(directory))
        later = min(_start(Path(directory)) for _ in range(1 if quick else 3))
    return [
        Row("demo: first start, environment installed", first, "s", 60.0, 1.0),
        Row("demo: later start", later, "s", 5.0, 1.0),
    ]


def _start(directory: Path) -> float:
    ready = directory / "ready.json"
    command = [
        sys.executable,
        "-m",
        "ostiary.command",
        "demo",
        "--state",
        str(directory / "state"),
        "--ready",
        str(ready),
    ]
    begin = time.monotonic()
    process = subprocess.Popen([*command, "--base-port", str(free_ports())], stdout=subprocess.DEVNULL)
    while not ready.exists():
        if process.poll() is not None:
            raise RuntimeError("the demo did not start")
        time.sleep(0.01)
    seconds = time.monotonic() - begin
    os.kill(json.loads(ready.read_text())["pid"], signal.SIGTERM)
    process.wait(timeout=20)
    return seconds


def free_ports() -> int:
    for base in range(31_000, 60_000, 20):
        try:
            for port in range(base, base + 8):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise RuntimeError("no free ports")
