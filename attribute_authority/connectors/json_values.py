"""Reads a JSON document of a stranger within bounds, and picks values out of it by simple paths. Pure."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from attribute_authority.connectors.protocol import MAX_VALUE_LENGTH
from ostiary.config import WrongSetting
from ostiary.errors import Unavailable

MAX_DEPTH: Final = 32
MAX_VALUES: Final = 1000
"""Values under one path."""

_MAX_PATH: Final = 500
# A string that does not end goes on to the end of the text: each character is looked at once.
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
_KEY: Final = re.compile(r"[A-Za-z0-9_$@:-]+")
_QUOTED: Final = re.compile(r'\["((?:[^"\\]|\\["\\])+)"\]')
_INDEX: Final = re.compile(r"\[([0-9]{1,6})\]")


class _Number(str):
    """A number as it was written: none is rounded."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Each:
    """Every member of a list."""


Step = str | int | Each
"""A key of an object, a place in a list (from 0), or each of its members."""

Path = tuple[Step, ...]


def read_path(text: str) -> Path:
    """``name``, ``person.mail``, ``roles[].name``, ``mails[0]``, ``["a key with dots.in it"].x``; a first ``[]`` is for a document that
    is a list. Raises `WrongSetting` (``aa.json_path``)."""
    steps: list[Step] = []
    at = 0
    while at < len(text):
        key_may_follow = not steps or text[at] == "."
        start = at + 1 if steps and text[at] == "." else at
        if text.startswith("[]", at):
            steps.append(Each())
            at += 2
        elif found := _INDEX.match(text, at):
            steps.append(int(found[1]))
            at = found.end()
        elif found := _QUOTED.match(text, at):
            steps.append(re.sub(r"\\(.)", r"\1", found[1]))
            at = found.end()
        elif key_may_follow and (found := _KEY.match(text, start)):
            steps.append(found[0])
            at = found.end()
        else:
            break
    if at < len(text) or not steps or len(text) > _MAX_PATH:
        raise WrongSetting("aa.json_path", expected="a path such as mail, person.name or roles[].name", found=text)
    return tuple(steps)


def read_json(data: bytes) -> Any:
    """The document; numbers are text. Raises `Unavailable` (``aa.connector_json``) for what is no JSON (RFC 8259), is nested deeper than
    `MAX_DEPTH`, or has a key twice in one object."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Unavailable("aa.connector_json", expected="JSON in UTF-8", found="other bytes") from None
    depth = 0
    for token in _TOKEN.finditer(text):
        sign = token[0][0]
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(sign, 0)
        if depth > MAX_DEPTH:
            raise Unavailable("aa.connector_json", expected=f"at most {MAX_DEPTH} brackets in each other", found="more")
    try:
        return json.loads(
            text,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_no_constant,
            object_pairs_hook=_each_key_once,
        )
    except (ValueError, RecursionError) as error:
        # The words of the decoder say where, and nothing of what stands there.
        raise Unavailable("aa.connector_json", expected="JSON", found=error) from None


def values_at(document: Any, path: Path) -> tuple[str, ...]:
    """The values under the path as text, each once: ``true`` and ``false`` in these words, null and empty ones left out. What is not there
    has no values.

    Raises `Unavailable`: ``aa.connector_json`` where the document has another form than the path, ``aa.connector_value`` for too many or
    too long values.
    """
    here: list[Any] = [document]
    for step in path:
        here = [inner for outer in here if outer is not None for inner in _inside(outer, step)]
        if len(here) > MAX_VALUES:
            raise Unavailable("aa.connector_value", expected=f"at most {MAX_VALUES} values", found="more")
    return tuple(dict.fromkeys(text for value in here if (text := _text(value))))


def _inside(outer: Any, step: Step) -> Sequence[Any]:
    match step:
        case str() if isinstance(outer, dict):
            return [outer[step]] if step in outer else []
        case int() if isinstance(outer, list):
            return outer[step : step + 1]
        case Each() if isinstance(outer, list):
            return outer
    expected = f"an object with {step}" if isinstance(step, str) else "a list"
    raise Unavailable("aa.connector_json", expected=expected, found=_kind(outer))


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str() if len(value) <= MAX_VALUE_LENGTH:
            return str(value)
        case str():
            raise Unavailable("aa.connector_value", expected=f"at most {MAX_VALUE_LENGTH} characters", found=len(value))
    raise Unavailable("aa.connector_json", expected="text, a number, true or false", found=_kind(value))


def _kind(value: Any) -> str:
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case _Number():
            return "a number"
        case str():
            return "text"
    return "true or false"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return made
