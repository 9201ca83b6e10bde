"""Reads one YAML file into plain data that knows its lines, or refuses it; never decides what the data means.

YAML 1.2 core schema: ``no``, ``on`` and ``8:30`` are strings, dates are strings. Duplicate keys, keys that are not
strings, tags, merge keys, and more bytes, values or depth than a person writes are refused.
"""

import functools
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from ostiary.config.problems import DocumentError, KeyPath, Place, dotted
from ostiary.config.sources import Sources
from ostiary.config.yaml_data import MAX_DEPTH, read_mapping

MAX_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """A file as read. ``data`` holds dict, list, str, int, float, bool and None; ``lines`` the line (1-based) of each
    key path.

    Whoever needs ``data`` frozen builds frozen objects from it: it is handed to validators as it is.
    """

    path: Path
    data: dict[str, Any]
    lines: Mapping[KeyPath, int]

    def line(self, *path: str | int) -> int:
        """The line of that key, or of the nearest enclosing one that the file has; 1 for the whole file."""
        for length in range(len(path), -1, -1):
            line = self.lines.get(path[:length])
            if line is not None:
                return line
        return 1

    def where(self, *path: str | int) -> Place:
        """File, line and dotted key, to unpack: ``ConfigurationError("policy.x", **document.where("rules", 0))``."""
        return Place(file=self.path, line=self.line(*path), key=dotted(path))


def load_document(path: str | Path, *, sources: Sources | None = None, max_bytes: int = MAX_BYTES) -> Document:
    """Read the YAML file ``path`` (UTF-8, one document, a mapping at the top; an empty file is an empty mapping).

    ``sources`` notes the file, for `Holder`. Raises `DocumentError` (a `ConfigurationError`) that names file, line and
    key.
    """
    path = Path(path)
    if sources is not None:
        sources.note(path)
    return parse_document(_read(path, max_bytes), path)


def parse_document(data: bytes, path: Path) -> Document:
    """The same for bytes already read; ``path`` names them in errors and is what relative paths inside start from."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DocumentError("config.not_utf8", file=path, line=line, expected="UTF-8 text") from error
    near: dict[KeyPath, int] = {}
    return Document(path, _data(text, path, near, _NEAR), _Lines(near, text, path))


_NEAR: Final = 2
"""Lines of key paths of so many steps are kept from the beginning: where each policy of a file stands."""


def _data(text: str, path: Path, lines: dict[KeyPath, int], deepest: int) -> dict[str, Any]:
    try:
        loader = _Loader(text)
        try:
            return read_mapping(loader, path, lines, deepest=deepest)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise _syntax_error(error, path) from error


class _Lines(Mapping[KeyPath, int]):
    """The line of each key path. Those of longer ones are read when they are asked for, which seldom happens: nothing is wrong with most
    files."""

    def __init__(self, near: Mapping[KeyPath, int], text: str, path: Path) -> None:
        self._near = near
        self._text = text
        self._path = path

    @functools.cached_property
    def _all(self) -> Mapping[KeyPath, int]:
        lines: dict[KeyPath, int] = {}
        _data(self._text, self._path, lines, MAX_DEPTH)
        return lines

    def __getitem__(self, path: KeyPath) -> int:
        return (self._near if len(path) <= _NEAR else self._all)[path]

    def __iter__(self) -> Iterator[KeyPath]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _file_error("config.file_unreadable", path, "not a regular file")
            data = file.read(max_bytes + 1)
    except OSError as error:
        code = "config.file_missing" if isinstance(error, FileNotFoundError) else "config.file_unreadable"
        raise _file_error(code, path, error.strerror) from error
    if len(data) > max_bytes:
        raise DocumentError(
            "config.file_too_large",
            file=path,
            expected=f"at most {max_bytes} bytes",
            found=f"more than {max_bytes} bytes",
        )
    return data


def _open_without_waiting(path: str, flags: int) -> int:
    # Opening a FIFO must not hang the start.
    return os.open(path, flags | os.O_NONBLOCK)


def _file_error(code: str, path: Path, found: object) -> DocumentError:
    return DocumentError(code, file=path, expected="a readable file", found=found or "")


def _syntax_error(error: yaml.YAMLError, path: Path) -> DocumentError:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else None
        return DocumentError(
            "config.not_yaml", file=path, line=line, expected=error.context or "YAML", found=error.problem or ""
        )
    if isinstance(error, yaml.reader.ReaderError):
        return DocumentError("config.not_yaml", file=path, expected="text", found=f"character {error.character!r}")
    return DocumentError("config.not_yaml", file=path, expected="YAML", found=error)


class _PythonLoader(Reader, Scanner, Parser):
    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)


if yaml.__with_libyaml__:
    from yaml._yaml import CParser as _LibyamlLoader

    # Eight times as fast. The two differ in corners only: a tab before the end of a line, a lone ``!``, a byte order mark in the middle.
    _Loader: type[_PythonLoader | _LibyamlLoader] = _LibyamlLoader
else:
    _Loader = _PythonLoader
