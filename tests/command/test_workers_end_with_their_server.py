"""A server that is killed outright leaves no worker behind that goes on listening."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tests.running_demo import free_base_port

SERVER = """
import multiprocessing, os, sys
from ostiary.command.serving import serve_made
from ostiary.config import ListenSettings

def make(*, log):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(os.getpid()).encode()]
    return application

multiprocessing.set_start_method("fork")
serve_made("test", make, ListenSettings(host="127.0.0.1", port=int(sys.argv[1])))
"""
PATIENCE = 20.0


def answer(port: int) -> int:
    """The worker's process id."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as told:
                return int(told.read())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def has_ended(process: int) -> bool:
    try:
        # Nobody may be there to take note of its end.
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_worker_ends_with_the_server_that_is_killed() -> None:
    port = free_base_port()
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(port)])
    try:
        worker = answer(port)
        assert worker != server.pid
        server.send_signal(signal.SIGKILL)
        server.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while not has_ended(worker) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert has_ended(worker)
    finally:
        if server.poll() is None:
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
