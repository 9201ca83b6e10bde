"""Passwords that were found in stolen data, looked up in a file on this machine. Nothing about a password ever leaves it.

The file is what the download of Pwned Passwords makes: one ``SHA-1:COUNT`` a line, in the order of the hashes. A file of prefixes of the
hashes does as well, in a tenth of the room.
"""

import hashlib
import re
from pathlib import Path
from typing import BinaryIO, Final

from ostiary.errors import ConfigurationError, Unavailable

# 40 bits: of ten thousand passwords that are on no list, one is refused for looking like one of a billion.
_SHORTEST: Final = 10
_LINE: Final = re.compile(rb"(?P<hash>[0-9A-Fa-f]{10,40})(?::(?P<count>[0-9]{1,12}))?\s*")
_LONGEST_LINE: Final = 64
_PROBES: Final = 16


class BreachedPasswords:
    """A file of SHA-1 hashes, or of their first 10 or more digits, sorted. ``from_count``: a password that was found less often is let
    through; one whose hash has no count is not."""

    def __init__(self, file: Path, *, from_count: int = 1) -> None:
        """Looks at a few lines. Raises `ConfigurationError` (``password.breached_file``) for a file that is no such list."""
        self._file = file
        self._from_count = from_count
        try:
            with file.open("rb") as opened:
                size = opened.seek(0, 2)
                lines = [_line_at(opened, size * part // _PROBES) for part in range(_PROBES)]
        except (OSError, ValueError) as error:
            raise _unusable(file, error) from error
        hashes = [line[0] for line in lines if line is not None]
        if not hashes or hashes != sorted(hashes):
            raise _unusable(file, "hashes that are not in order" if hashes else "no hashes")

    def count(self, password: str) -> int:
        """How often the password was found; 0 for one that was not, or less often than counts. Raises `Unavailable`
        (``password.breached_unreadable``)."""
        wanted = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
        try:
            with self._file.open("rb") as opened:
                found = _last_not_after(opened, wanted)
        except (OSError, ValueError) as error:
            raise Unavailable(
                "password.breached_unreadable", expected="a readable list of breached passwords", found=error
            ) from error
        if found is None or not wanted.startswith(found[0]):
            return 0
        # A list without counts says nothing about how often: what stands there counts.
        count = found[1] if found[1] is not None else self._from_count
        return count if count >= self._from_count else 0


def _last_not_after(opened: BinaryIO, wanted: bytes) -> tuple[bytes, int | None] | None:
    """The last line whose hash is not greater: the only one that can be equal, or the beginning of what is wanted."""
    low, high = 0, opened.seek(0, 2)
    best: tuple[bytes, int | None] | None = None
    while low < high:
        middle = (low + high) // 2
        line = _line_at(opened, middle)
        if line is not None and line[0] <= wanted:
            best, low = line, max(opened.tell(), middle + 1)
        else:
            high = middle
    return best


def _line_at(opened: BinaryIO, place: int) -> tuple[bytes, int | None] | None:
    """The line in which the octet at ``place`` stands, or the next where that ends there; None behind the last. Leaves the file at
    the line's end. Raises ValueError for what is no line of such a list."""
    start = max(0, place - _LONGEST_LINE)
    opened.seek(start)
    before = opened.read(place - start)
    cut = before.rfind(b"\n")
    if cut < 0 and start > 0:
        raise ValueError("a line that is too long")
    opened.seek(start + cut + 1)
    line = opened.readline(2 * _LONGEST_LINE)
    if not line.strip():
        return None
    read = _LINE.fullmatch(line)
    if read is None:
        raise ValueError("a line that is not HASH:COUNT")
    return read["hash"].upper(), int(read["count"]) if read["count"] is not None else None


def _unusable(file: Path, found: object) -> ConfigurationError:
    return ConfigurationError(
        "password.breached_file",
        file=file,
        expected=f"lines of SHA-1 ({_SHORTEST} to 40 digits) and count",
        found=found,
    )
