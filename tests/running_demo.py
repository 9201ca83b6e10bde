"""``ostiary demo`` as a process of its own, stopped by the process id that belongs to it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

START_SECONDS = 60


# What this process has claimed, until it ends: names of sockets that the system takes back by itself.
_CLAIMED: list[socket.socket] = []


def free_base_port(count: int = 10) -> int:
    """The first of ``count`` ports in a row that nobody uses now, and that no other test process has claimed."""
    for base in range(21_000 + os.getpid() % 500 * 10, 60_000, 10):
        try:
            claim = socket.socket(socket.AF_UNIX)
            claim.bind(f"\0ostiary-tests-{base}")
        except OSError:
            claim.close()
            continue
        try:
            for port in range(base, base + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _CLAIMED.append(claim)
        return base
    raise RuntimeError("no free ports")


class RunningDemo:
    """``ostiary demo`` as a child process. ``ready`` is the content of its ready file; ``module`` is what runs the command."""

    def __init__(self, directory: Path, *arguments: str, module: Sequence[str] = ("ostiary.command",)) -> None:
        self.ready_file = directory / "ready.json"
        self.state = directory / "state"
        command = [sys.executable, "-m", *module, "demo", "--state", str(self.state)]
        command += ["--ready", str(self.ready_file), "--base-port", str(free_base_port()), *arguments]
        self.output = directory / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS
        while not self.ready_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the demo did not start:\n{self.output.read_text()}")
            time.sleep(0.05)
        self.ready: dict[str, Any] = json.loads(self.ready_file.read_text())

    def stop(self) -> int:
        """SIGTERM to the process id that the ready file names; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)
