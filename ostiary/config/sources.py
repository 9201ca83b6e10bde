"""Notes which files a piece of configuration was read from, and in which state: a change is then noticed cheaply."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FileStamp:
    """The state of a file or directory (for a symlink: of what it leads to). All zero when there is none."""

    mtime_ns: int = 0
    size: int = 0
    inode: int = 0


def stamp(path: Path) -> FileStamp:
    """The present state of ``path``; never raises for a file that cannot be looked at."""
    try:
        status = os.stat(path)
    except OSError:
        return FileStamp()
    return FileStamp(status.st_mtime_ns, status.st_size, status.st_ino)


class Sources:
    """What one load reads. Note a path BEFORE reading it: a change in between is then seen later, never missed.

    A directory may be noted too: its stamp changes when a file is added, renamed or removed.
    """

    def __init__(self) -> None:
        self._stamps: dict[Path, FileStamp] = {}

    def note(self, path: str | Path) -> Path:
        """Remember the state of ``path`` unless it is known already; returns it as a Path."""
        path = Path(path)
        if path not in self._stamps:
            self._stamps[path] = stamp(path)
        return path

    def changed(self) -> tuple[Path, ...]:
        """The paths whose state is no longer what it was when they were noted."""
        return tuple(path for path, noted in self._stamps.items() if stamp(path) != noted)

    def paths(self) -> tuple[Path, ...]:
        """Everything noted, in order."""
        return tuple(self._stamps)
