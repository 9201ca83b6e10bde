"""Runs the peers, each in a process and with an interpreter of its own, on one task that stands in a directory."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent / "peers"
# Debian's own interpreter, whose packages lasso is one of.
SYSTEM_PYTHON = "/usr/bin/python3"
TIME_LIMIT = 120


@dataclass(frozen=True)
class Peer:
    """``needs``: modules that its interpreter must find, and programs."""

    name: str
    script: str
    interpreter: str
    modules: tuple[str, ...]
    programs: tuple[str, ...] = ()


PEERS = (
    Peer("pysaml2", "pysaml2_peer.py", sys.executable, ("saml2",), ("/usr/bin/xmlsec1",)),
    Peer("python3-saml", "python3_saml_peer.py", sys.executable, ("onelogin.saml2.response",)),
    Peer("lasso", "lasso_peer.py", SYSTEM_PYTHON, ("lasso",)),
)


def measure_peers(directory: Path) -> dict[str, dict[str, float | str]]:
    """For each peer what it measured, by task: milliseconds of CPU, or why there is no figure."""
    return {peer.name: _missing(peer) or _run(peer, directory) for peer in PEERS}


def _missing(peer: Peer) -> dict[str, float | str]:
    for program in (peer.interpreter, *peer.programs):
        if not Path(program).exists():
            return _nothing(f"{program} is not installed")
    for module in peer.modules:
        command = [peer.interpreter, "-c", f"import {module}"]
        found = subprocess.run(command, check=False, capture_output=True, text=True)
        if found.returncode:
            reason = (found.stderr.strip().splitlines() or ["unknown"])[-1]
            return _nothing(f"{peer.interpreter} can't import {module}: {reason}"[:200])
    return {}


def _run(peer: Peer, directory: Path) -> dict[str, float | str]:
    command = [peer.interpreter, str(HERE / peer.script), str(directory)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, check=True)
        found: dict[str, float | str] = json.loads(ended.stdout)
    except subprocess.TimeoutExpired:
        return _nothing(f"it did not end within {TIME_LIMIT} s")
    except subprocess.CalledProcessError as error:
        return _nothing((error.stderr.strip().splitlines() or ["it failed without a word"])[-1][:200])
    except ValueError:
        return _nothing("it did not write its figures")
    for task, value in found.items():
        if isinstance(value, str):
            print(f"{peer.name}, {task}: {value}\n{ended.stderr}", file=sys.stderr)
    return found


def _nothing(reason: str) -> dict[str, float | str]:
    return {"build": reason, "accept": reason}
