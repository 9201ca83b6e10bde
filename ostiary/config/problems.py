"""How a problem in a configuration or policy file is named: file, line, dotted key, and the nearest key that exists."""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from ostiary.errors import ConfigurationError

KeyPath = tuple[str | int, ...]

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


class Place(TypedDict):
    """Where something stands; unpacks into `ConfigurationError`."""

    file: str | Path
    line: int | None
    key: str


class DocumentError(ConfigurationError):
    """A `ConfigurationError` that may know its fellows.

    ``problems`` holds everything that is wrong with the file, this one first. ``nearest`` is the valid key that was
    probably meant, empty when none is close; the catalogue's sentences may name it as ``{nearest}``.
    """

    def __init__(
        self,
        code: str,
        *,
        file: str | Path,
        line: int | None = None,
        key: str = "",
        expected: object = "",
        found: object = "",
        nearest: str = "",
    ) -> None:
        super().__init__(code, file=file, line=line, key=key, expected=expected, found=found)
        self.nearest = nearest
        self.params = {**self.params, "nearest": nearest}
        self.problems: tuple[ConfigurationError, ...] = (self,)


class WrongSetting(ValueError):
    """What a validator of a settings model raises; `settings_from` adds file, line and key.

    ``code`` is a dotted code with its text in the catalogue, ``expected`` a short phrase. ``found`` is filled in from
    the file where it is left empty. ``at`` is where in the model the mistake stands, as the file spells the keys; ``nearest`` what was
    probably meant.
    """

    def __init__(
        self, code: str, *, expected: object = "", found: object = "", at: KeyPath = (), nearest: str = ""
    ) -> None:
        super().__init__(code)
        self.code = code
        self.expected = str(expected)
        self.found = str(found)
        self.at = at
        self.nearest = nearest


def dotted(path: KeyPath) -> str:
    """A key path as people write it: ``listen.port``, ``sources[0].url``, ``limits["a.b"]``; indices count from 0."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.match(step):
            text += f".{step}" if text else step
        else:
            quoted = step.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{quoted}"]'
    return text


def nearest_key(key: str, valid: Iterable[str]) -> str:
    """The one of ``valid`` that ``key`` was probably meant to be, whatever its case or hyphens; empty when none is close."""
    by_plain = {_plain(name): name for name in valid}
    close = difflib.get_close_matches(_plain(key), by_plain, n=1, cutoff=0.6)
    return by_plain[close[0]] if close else ""


def _plain(key: str) -> str:
    return key.lower().replace("-", "_")
