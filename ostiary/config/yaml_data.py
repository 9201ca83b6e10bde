"""Makes plain data of the events of a YAML parser, with the line of each value where it is wanted; knows no files.

PyYAML's own way, by nodes, takes most of the time of reading a large file.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from yaml.composer import ComposerError
from yaml.events import AliasEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, StreamEndEvent

from ostiary.config.problems import DocumentError, KeyPath, dotted

MAX_VALUES: Final = 100_000
MAX_DEPTH: Final = 40

_TAG: Final = "tag:yaml.org,2002:"
_STR, _MAP, _SEQ, _NULL = _TAG + "str", _TAG + "map", _TAG + "seq", _TAG + "null"
_BOUNDS: Final = f"at most {MAX_VALUES} values, nested at most {MAX_DEPTH} deep"


class Events(Protocol):
    """A YAML parser over one text."""

    def get_event(self) -> Any:
        """The next event. Raises `yaml.YAMLError`."""
        ...


def read_mapping(events: Events, path: Path, lines: dict[KeyPath, int], *, deepest: int = MAX_DEPTH) -> dict[str, Any]:
    """The mapping that is the one document of a text; ``{}`` for an empty text. ``lines`` is filled with the line (1-based) of each key
    path of at most ``deepest`` steps. ``path`` names the file in errors.

    Raises `DocumentError` for what `ostiary.config.document` refuses, and `yaml.YAMLError` for what is no YAML.
    """
    return _Reader(events, path, lines, deepest).document()


@dataclass(slots=True)
class _Anchored:
    """The events of a value that aliases repeat; not ``whole`` while the value is still being read."""

    events: list[Any]
    whole: bool = False


class _Reader:
    """An alias counts again each time it is used."""

    def __init__(self, events: Events, path: Path, lines: dict[KeyPath, int], deepest: int) -> None:
        self._file = path
        self._lines = lines
        self._deepest = deepest
        self._source = events.get_event
        self._next: Callable[[], Any] = events.get_event
        self._values = 0
        # Where the present value stands.
        self._path: list[str | int] = []
        self._anchors: dict[str, _Anchored] = {}
        self._recording: list[list[Any]] = []
        self._repeating = False

    def document(self) -> dict[str, Any]:
        self._source()  # the beginning of the stream
        if isinstance(self._source(), StreamEndEvent):
            data: dict[str, Any] = {}
        else:
            root = self._source()
            data = self._root(root)
            self._source()  # the end of the document
            another = self._source()
            if not isinstance(another, StreamEndEvent):
                raise ComposerError(
                    "expected a single document in the stream",
                    root.start_mark,
                    "but found another document",
                    another.start_mark,
                )
        self._lines.setdefault((), 1)
        return data

    def _root(self, event: Any) -> dict[str, Any]:
        kind = type(event)
        if kind is ScalarEvent and _tag_of(event) == _NULL:
            return {}
        if kind is not MappingStartEvent:
            raise self._refuse("config.not_a_mapping", event, expected="keys with values", found=_kind(event))
        self._lines[()] = event.start_mark.line + 1
        data: dict[str, Any] = self._value(event, 1)
        return data

    def _value(self, event: Any, depth: int) -> Any:
        kind = type(event)
        if kind is AliasEvent:
            return self._again(event, depth)
        self._values += 1
        if self._values > MAX_VALUES or depth > MAX_DEPTH:
            raise self._refuse("config.too_complex", event, expected=_BOUNDS)
        if event.anchor is not None and not self._repeating:
            return self._anchored(event, depth)
        return self._plain(event, depth)

    def _plain(self, event: Any, depth: int) -> Any:
        kind = type(event)
        if kind is ScalarEvent:
            return self._scalar(event)
        tag = event.tag
        if kind is MappingStartEvent:
            if tag is None or tag in ("!", _MAP):
                return self._mapping(depth)
        elif tag is None or tag in ("!", _SEQ):
            return self._list(depth)
        raise self._refuse("config.tag", event, expected="a value without a tag", found=tag)

    def _mapping(self, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        places: dict[str, int] = {}
        path, lines = self._path, self._lines
        wanted = depth <= self._deepest
        while type(event := self._next()) is not MappingEndEvent:
            event = self._key(event)
            key = event.value
            if key in data:
                path.append(key)
                raise self._refuse(
                    "config.duplicate_key", event, expected="each key once", found=f"also in line {places[key]}"
                )
            places[key] = event.start_mark.line + 1
            path.append(key)
            if wanted:
                lines[tuple(path)] = places[key]
            data[key] = self._value(self._next(), depth + 1)
            path.pop()
        return data

    def _list(self, depth: int) -> list[Any]:
        items: list[Any] = []
        path, lines = self._path, self._lines
        wanted = depth <= self._deepest
        while type(event := self._next()) is not SequenceEndEvent:
            path.append(len(items))
            if wanted:
                lines[tuple(path)] = self._first(event).start_mark.line + 1
            items.append(self._value(event, depth + 1))
            path.pop()
        return items

    def _key(self, event: Any) -> Any:
        """The event of a key, which must be a text."""
        found = self._first(event)
        if type(found) is not ScalarEvent or _tag_of(found) != _STR:
            raise self._refuse("config.key_not_text", found, expected="a key that is text", found=_kind(found))
        if found is event and event.anchor is not None and not self._repeating:
            self._new_anchor(event).whole = True
        return found

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        tag = _tag_of(event)
        if tag == _STR:
            return text
        match tag.removeprefix(_TAG):
            case "merge":
                return text
            case "null":
                return None
            case "bool" if text.lower() in ("true", "false"):
                return text.lower() == "true"
            case "int" | "float" as kind:
                try:
                    return float(text) if kind == "float" else _whole_number(text)
                except ValueError as error:
                    raise self._refuse("config.number", event, expected="a number", found=text[:40]) from error
            case _:
                raise self._refuse("config.tag", event, expected="a value without a tag", found=tag)

    def _first(self, event: Any) -> Any:
        """The event with which the value begins that an event, if it is an alias, stands for."""
        return self._named(event).events[0] if type(event) is AliasEvent else event

    def _named(self, alias: Any) -> _Anchored:
        found = self._anchors.get(alias.anchor)
        if found is None:
            raise ComposerError(None, None, f"found undefined alias {alias.anchor!r}", alias.start_mark)
        return found

    def _again(self, alias: Any, depth: int) -> Any:
        named = self._named(alias)
        if not named.whole:
            # A value that holds itself is endless.
            raise self._refuse("config.too_complex", alias, expected=_BOUNDS)
        before = self._next, self._repeating
        self._next, self._repeating = iter(named.events).__next__, True
        value = self._value(self._next(), depth)
        self._next, self._repeating = before
        return value

    def _anchored(self, event: Any, depth: int) -> Any:
        named = self._new_anchor(event)
        self._recording.append(named.events)
        self._next = self._recorded
        value = self._plain(event, depth)
        self._recording.pop()
        if not self._recording:
            self._next = self._source
        named.whole = True
        return value

    def _new_anchor(self, event: Any) -> _Anchored:
        before = self._anchors.get(event.anchor)
        if before is not None:
            raise ComposerError(
                f"found duplicate anchor {event.anchor!r}; first occurrence",
                before.events[0].start_mark,
                "second occurrence",
                event.start_mark,
            )
        named = self._anchors[event.anchor] = _Anchored([event])
        return named

    def _recorded(self) -> Any:
        event = self._source()
        for events in self._recording:
            events.append(event)
        return event

    def _refuse(self, code: str, event: Any, *, expected: str, found: object = "") -> DocumentError:
        line = event.start_mark.line + 1
        return DocumentError(
            code, file=self._file, line=line, key=dotted(tuple(self._path)), expected=expected, found=found
        )


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


_CORE_SCHEMA: Final = _core_schema()


def _tag_of(event: Any) -> str:
    """The tag of a scalar, as it is written or follows from a plain one."""
    tag: str | None = event.tag
    if tag is not None and tag != "!":
        return tag
    if event.implicit[0]:
        text: str = event.value
        for found, pattern in _CORE_SCHEMA.get(text[:1], ()):
            if pattern.match(text):
                return found
    return _STR


def _whole_number(text: str) -> int:
    if text.startswith("0o"):
        return int(text[2:], 8)
    return int(text[2:], 16) if text.startswith("0x") else int(text)


def _kind(event: Any) -> str:
    if type(event) is ScalarEvent:
        return str(event.value)[:40]
    return "a mapping" if type(event) is MappingStartEvent else "a list"
