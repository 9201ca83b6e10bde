"""A process of our own beside one that serves: how it is started, what it may use, and that it ends with its parent. Knows no task."""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Mapping
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def command_of(module: str) -> list[str]:
    """The command line that runs a module of ours with this interpreter; nothing is taken from the directory that we happen to be in."""
    return [sys.executable, "-P", "-m", module]


def environment_of(inherited: Mapping[str, str]) -> dict[str, str]:
    """What it is given of ``inherited``, and the same modules as here, wherever they are from."""
    return {**inherited, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def limit(*, memory: int, cpu_seconds: int, for_good: bool = True) -> None:
    """This process may use so many octets of address space and so much CPU time, and leaves no picture of its memory behind.

    ``for_good``: it can't take that back, nor can what it starts."""
    for what, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, cpu_seconds), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (most, most if for_good else resource.getrlimit(what)[1]))


def end_with_parent(parent: int | None = None, *, by: signal.Signals = signal.SIGTERM) -> None:
    """The kernel signals this process when its parent dies, however it dies (prctl PR_SET_PDEATHSIG; nothing happens elsewhere than on
    Linux). ``parent``: the process id of the one that started us: raises SystemExit where it has ended already."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, by)
    if parent is not None and os.getppid() != parent:
        raise SystemExit(1)
