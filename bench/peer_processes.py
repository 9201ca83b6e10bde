"""Runs the peers, each in a process and with an interpreter of its own, on one task that stands in a directory."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent / "peers"
# Debian's own interpreter, whose packages lasso is one of.
SYSTEM_PYTHON = "/usr/bin/python3"
TIME_LIMIT = 120


@dataclass(frozen=True)
class Peer:
    """``modules``: those that its interpreter must find; ``programs`` must be there, too. ``tasks``: what it is asked to do."""

    name: str
    script: str
    interpreter: str
    modules: tuple[str, ...]
    programs: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ("build", "accept")


PEERS = (
    Peer("pysaml2", "pysaml2_peer.py", sys.executable, ("saml2",), ("/usr/bin/xmlsec1",)),
    Peer("python3-saml", "python3_saml_peer.py", sys.executable, ("onelogin.saml2.response",)),
    Peer("lasso", "lasso_peer.py", SYSTEM_PYTHON, ("lasso",)),
)
QUERY_PEERS = (
    Peer(
        "pysaml2, without HTTP", "pysaml2_query_peer.py", sys.executable, ("saml2",), ("/usr/bin/xmlsec1",), ("query",)
    ),
)


def measure_peers(directory: Path, peers: Sequence[Peer] | None = None) -> dict[str, dict[str, float | str]]:
    """For each peer (those for Responses unless told) what it measured, by task: milliseconds of CPU, or why there is no figure."""
    return {peer.name: _missing(peer) or _run(peer, directory) for peer in (PEERS if peers is None else peers)}


def _missing(peer: Peer) -> dict[str, float | str]:
    for program in (peer.interpreter, *peer.programs):
        if not Path(program).exists():
            return _nothing(peer, f"{program} is not installed")
    for module in peer.modules:
        command = [peer.interpreter, "-c", f"import {module}"]
        found = subprocess.run(command, check=False, capture_output=True, text=True)
        if found.returncode:
            reason = (found.stderr.strip().splitlines() or ["unknown"])[-1]
            return _nothing(peer, f"{peer.interpreter} can't import {module}: {reason}"[:200])
    return {}


def _run(peer: Peer, directory: Path) -> dict[str, float | str]:
    command = [peer.interpreter, str(HERE / peer.script), str(directory)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, check=True)
        found: dict[str, float | str] = json.loads(ended.stdout)
    except subprocess.TimeoutExpired:
        return _nothing(peer, f"it did not end within {TIME_LIMIT} s")
    except subprocess.CalledProcessError as error:
        return _nothing(peer, (error.stderr.strip().splitlines() or ["it failed without a word"])[-1][:200])
    except ValueError:
        return _nothing(peer, "it did not write its figures")
    for task, value in found.items():
        if isinstance(value, str):
            print(f"{peer.name}, {task}: {value}\n{ended.stderr}", file=sys.stderr)
    return found


def _nothing(peer: Peer, reason: str) -> dict[str, float | str]:
    return dict.fromkeys(peer.tasks, reason)
