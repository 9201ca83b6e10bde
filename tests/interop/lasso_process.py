"""A program with lasso at work, in the system's Python, where Debian's python3-lasso is."""

import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
# What a program shares with the peer that is measured.
PEERS: Final = HERE.parents[1] / "bench" / "peers"


class LassoProcess:
    """``program``: the name of a file beside this one; ``directory``: where it finds metadata and key."""

    def __init__(self, program: str, directory: Path) -> None:
        self._process = subprocess.Popen(
            ["/usr/bin/python3", str(HERE / program), str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PEERS)},
        )
        self._turn = threading.Lock()

    def say(self, action: str, *arguments: str) -> Any:
        """Sends an action with its arguments and returns the answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the program has no pipes")
        with self._turn:
            stdin.write(json.dumps([action, *arguments]) + "\n")
            stdin.flush()
            return json.loads(stdout.readline())

    def stop(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(timeout=10)
