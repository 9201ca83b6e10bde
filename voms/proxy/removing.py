"""Removes a proxy file so that its key is gone from the disk as far as a file system allows that."""

import os
import stat
from pathlib import Path

from ostiary.errors import Missing


def destroy_file(path: Path) -> None:
    """Overwrites the file in place, then removes it. Raises `Missing` (``voms.no_proxy``), also for what is not an ordinary file of this
    user alone: in a directory that all may write to, anybody could have put a FIFO or a second name of another file there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Missing("voms.no_proxy", expected="a proxy file", found=error.strerror, path=path) from None
    with os.fdopen(descriptor, "wb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_nlink != 1:
            raise Missing("voms.no_proxy", expected="a file of yours with one name", found="another", path=path)
        file.write(bytes(status.st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
