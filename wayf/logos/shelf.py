"""Where small logos are kept: one file each, in a directory that all workers of a machine share. Knows nothing of where they come from."""

import contextlib
import os
import re
import secrets
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Final

from ostiary.errors import ConfigurationError

_LOOK_EVERY: Final = timedelta(seconds=30)
_NAME: Final = re.compile(r"([0-9a-f]{32})\.(png|none)")
_KEY: Final = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of one logo: since when, and whether there is a picture (else it could not be had)."""

    at: datetime
    is_there: bool


class Shelf:
    """One directory. Raises `ConfigurationError` (``wayf.logo_directory``) where it can't be used."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = Lock()
        self._there: frozenset[str] = frozenset()
        self._looked_at: datetime | None = None
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                "wayf.logo_directory", file=directory, expected="a directory that takes files", found=error.strerror
            ) from None
        _check_private(directory)

    @property
    def lock(self) -> Path:
        """The file by which one process of the machine collects logos at a time."""
        return self._directory / "collecting.lock"

    def has(self, key: str, now: datetime) -> bool:
        """Whether there is a picture; as of some seconds ago, so that a page with fifty of them asks the disk seldom."""
        if self._looked_at is None or not timedelta(0) <= now - self._looked_at < _LOOK_EVERY:
            with self._lock:
                self._there = frozenset(key for key, kept in self.everything().items() if kept.is_there)
                self._looked_at = now
        return key in self._there

    def everything(self) -> dict[str, Kept]:
        """All that is kept, by key."""
        found: dict[str, Kept] = {}
        with contextlib.suppress(OSError), os.scandir(self._directory) as entries:
            for entry in entries:
                if (match := _NAME.fullmatch(entry.name)) is not None:
                    with contextlib.suppress(OSError):
                        at = datetime.fromtimestamp(entry.stat(follow_symlinks=False).st_mtime, UTC)
                        kept = Kept(at, match[2] == "png")
                        if kept.is_there or match[1] not in found:
                            found[match[1]] = kept
        return found

    def read(self, key: str) -> bytes | None:
        """The PNG; None where there is none."""
        if _KEY.fullmatch(key) is None:
            return None
        try:
            return (self._directory / f"{key}.png").read_bytes()
        except OSError:
            return None

    def put(self, key: str, picture: bytes | None, now: datetime) -> None:
        """Keeps a PNG; with None, that it could not be had: an older picture then stays. Raises `OSError`."""
        path = self._directory / f"{key}.{'png' if picture is not None else 'none'}"
        unfinished = self._directory / f".{key}.{secrets.token_hex(4)}"
        try:
            unfinished.write_bytes(picture or b"")
            os.utime(unfinished, (now.timestamp(), now.timestamp()))
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
        if picture is not None:
            (self._directory / f"{key}.none").unlink(missing_ok=True)

    def drop(self, key: str) -> None:
        """Forgets it."""
        for kind in ("png", "none"):
            (self._directory / f"{key}.{kind}").unlink(missing_ok=True)


def _check_private(directory: Path) -> None:
    """Whoever can put a file, or a link to one of ours, there has it handed out to everybody."""
    status = directory.stat()
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in (os.geteuid(), 0) or mode & 0o022:
        raise ConfigurationError(
            "wayf.logo_directory",
            file=directory,
            expected=f"a directory of user {os.geteuid()} where nobody else may write",
            found=f"owner {status.st_uid}, mode {mode:04o}",
        )
