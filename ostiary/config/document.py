"""Reads one YAML file into plain data that knows its lines, or refuses it; never decides what the data means.

YAML 1.2 core schema: ``no``, ``on`` and ``8:30`` are strings, dates are strings. Duplicate keys, keys that are not
strings, tags, merge keys, and more bytes, values or depth than a person writes are refused.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from ostiary.config.problems import DocumentError, KeyPath, Place, dotted
from ostiary.config.sources import Sources

MAX_BYTES = 2 * 1024 * 1024
MAX_VALUES = 100_000
MAX_DEPTH = 40

_TAG = "tag:yaml.org,2002:"


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
    try:
        # The loader is a SafeLoader with fewer types; ruff knows only yaml.safe_load by name.
        loader = _BoundedLoader(text, path)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise _syntax_error(error, path) from error
    return _Reader(path).document(root)


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


_BOUNDS = f"at most {MAX_VALUES} values, nested at most {MAX_DEPTH} deep"


def _core_schema() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Which plain scalars are not strings (YAML 1.2.2 section 10.3.2, without infinity), by their first character."""
    types = (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
        ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
        ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+0123456789."),
        # Not of that schema: recognised only to be refused as a key.
        ("merge", r"<<", "<"),
    )
    resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for name, pattern, first_characters in types:
        for character in first_characters:
            resolvers.setdefault(character, []).append((_TAG + name, re.compile(rf"(?:{pattern})\Z")))
    return resolvers


class _BoundedLoader(yaml.SafeLoader):
    """Composes nodes only, knows no types but those of the core schema, and stops at a depth or number of nodes."""

    yaml_implicit_resolvers = _core_schema()

    def __init__(self, text: str, path: Path) -> None:
        super().__init__(text)
        self._path = path
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        self._nodes += 1
        if self._depth > MAX_DEPTH or self._nodes > 2 * MAX_VALUES:
            line = parent.start_mark.line + 1 if parent is not None else 1
            raise DocumentError("config.too_complex", file=self._path, line=line, expected=_BOUNDS)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Reader:
    """Turns the nodes of one file into data; an alias counts again each time it is used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values = 0
        self._lines: dict[KeyPath, int] = {}

    def document(self, root: yaml.Node | None) -> Document:
        if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == _TAG + "null"):
            return Document(self._path, {}, MappingProxyType({(): 1}))
        if not isinstance(root, yaml.MappingNode):
            raise self._refuse("config.not_a_mapping", root, (), expected="keys with values", found=_kind(root))
        self._lines[()] = root.start_mark.line + 1
        data = self._value(root, (), 0)
        return Document(self._path, data, MappingProxyType(self._lines))

    def _value(self, node: yaml.Node, path: KeyPath, depth: int) -> Any:
        self._values += 1
        # Depth again: an anchor may hold its own alias.
        if self._values > MAX_VALUES or depth > MAX_DEPTH:
            raise self._refuse("config.too_complex", node, path, expected=_BOUNDS)
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return {key: self._value(value, (*path, key), depth + 1) for key, value in self._pairs(node, path)}
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            items = []
            for index, item in enumerate(node.value):
                self._lines[(*path, index)] = item.start_mark.line + 1
                items.append(self._value(item, (*path, index), depth + 1))
            return items
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        raise self._refuse("config.tag", node, path, expected="a value without a tag", found=node.tag)

    def _pairs(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, yaml.Node]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _TAG + "str":
                raise self._refuse(
                    "config.key_not_text", key_node, path, expected="a key that is text", found=_kind(key_node)
                )
            key = key_node.value
            line = key_node.start_mark.line + 1
            if key in seen:
                raise self._refuse(
                    "config.duplicate_key",
                    key_node,
                    (*path, key),
                    expected="each key once",
                    found=f"also in line {seen[key]}",
                )
            seen[key] = line
            self._lines[(*path, key)] = line
            yield key, value_node

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        text: str = node.value
        match node.tag.removeprefix(_TAG):
            case "str" | "merge":
                return text
            case "null":
                return None
            case "bool" if text.lower() in ("true", "false"):
                return text.lower() == "true"
            case "int" | "float" as kind:
                try:
                    return float(text) if kind == "float" else _whole_number(text)
                except ValueError as error:
                    raise self._refuse("config.number", node, path, expected="a number", found=text[:40]) from error
            case _:
                raise self._refuse("config.tag", node, path, expected="a value without a tag", found=node.tag)

    def _refuse(self, code: str, node: yaml.Node, path: KeyPath, *, expected: str, found: object = "") -> DocumentError:
        line = node.start_mark.line + 1
        return DocumentError(code, file=self._path, line=line, key=dotted(path), expected=expected, found=found)


def _whole_number(text: str) -> int:
    if text.startswith("0o"):
        return int(text[2:], 8)
    return int(text[2:], 16) if text.startswith("0x") else int(text)


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return str(node.value)[:40]
