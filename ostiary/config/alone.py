"""A lock that one process of a machine holds at a time. The system takes it back when the process ends, however it ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def alone(lock: Path, *, wait: bool) -> Iterator[bool]:
    """While the file ``lock`` is held nobody else holds it; gives whether we do, which is always so with ``wait``. Raises `OSError` where
    the file can't be made."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
