"""Query strings and HTML form bodies, parsed strictly and within bounds. What is doubled, broken or too long is refused.

The octets as received stay available: the HTTP-Redirect binding signs them (SAML bindings 3.4.4.1).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Final
from urllib.parse import unquote_to_bytes

from ostiary.errors import Refusal, TooLarge

FORM_TYPE: Final = "application/x-www-form-urlencoded"

_BROKEN_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# Broken, NUL, or an octet that is not ASCII once it is decoded.
_NEEDS_A_LOOK: Final = re.compile(rb"%(?:(?![0-7][0-9A-Fa-f])|00)")


@dataclass(frozen=True, slots=True)
class FormLimits:
    """Bounds: ``total`` in octets before decoding, ``fields`` in number."""

    total: int = 64 * 1024
    fields: int = 64


class Field:
    """One ``name=value``; ``raw`` is the value's octets as received, still percent-encoded."""

    __slots__ = ("_value", "name", "raw")

    def __init__(self, octets: bytes, *, sound: bool) -> None:
        """``sound``: they were looked through already, and nothing in them is refused. The value is then decoded when somebody asks: a
        signed message is read from its octets. Raises `Refusal` (``http.encoding``)."""
        name, _, self.raw = octets.partition(b"=")
        self.name = name.decode() if name.isalnum() else _decoded(name)
        self._value = None if sound else _decoded(self.raw)

    @property
    def value(self) -> str:
        """What the octets say."""
        value = self._value
        if value is None:
            value = self._value = _decoded(self.raw)
        return value


_NAME: Final[Callable[[Field], str]] = attrgetter("name")


@dataclass(frozen=True, slots=True)
class Fields:
    """All fields in the order of arrival, and the octets they were read from."""

    fields: tuple[Field, ...]
    raw: bytes

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __contains__(self, name: str) -> bool:
        return name in map(_NAME, self.fields)

    def names(self) -> frozenset[str]:
        """The names that occur."""
        return frozenset(map(_NAME, self.fields))


def parse_query(raw: bytes, limits: FormLimits = FormLimits()) -> Fields:
    """A query string without its ``?``.

    Raises `TooLarge` (``http.too_large``), `Refusal` (``http.too_many_parameters``; ``http.encoding`` for a broken percent
    sequence, for what is not UTF-8 and for NUL).
    """
    if len(raw) > limits.total:
        raise TooLarge("http.too_large", expected=f"at most {limits.total} octets", found=len(raw))
    parts = [*filter(None, raw.split(b"&", limits.fields + 1))]
    if len(parts) > limits.fields:
        raise Refusal("http.too_many_parameters", expected=f"at most {limits.fields} parameters", found="more")
    sound = raw.isascii() and b"\0" not in raw and _NEEDS_A_LOOK.search(raw) is None
    return Fields(tuple([Field(part, sound=sound) for part in parts]), raw)


def parse_form(content_type: str | None, body: bytes, limits: FormLimits = FormLimits()) -> Fields:
    """The body of an HTML form's POST. Raises as `parse_query`, and `Refusal` (``http.content_type``) for any other kind of body."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type != FORM_TYPE:
        raise Refusal("http.content_type", expected=FORM_TYPE, found=media_type or "none", expected_type=FORM_TYPE)
    return parse_query(body, limits)


def one(fields: Fields, name: str, *, max_length: int = 4096) -> str:
    """The value of a parameter that must stand there exactly once and not be empty.

    ``max_length`` in characters. Raises `Refusal`: ``http.parameter_missing``, ``http.parameter_repeated``,
    ``http.parameter_too_long``.
    """
    value = optional(fields, name, max_length=max_length)
    if not value:
        raise Refusal("http.parameter_missing", expected=f"the parameter {name}", found=_listed(fields), name=name)
    return value


def optional(fields: Fields, name: str, *, max_length: int = 4096) -> str | None:
    """The value of a parameter that may be absent (None), but not stand there twice. Raises as `one`."""
    field = _single(fields, name)
    if field is None:
        return None
    if len(field.value) > max_length:
        raise Refusal(
            "http.parameter_too_long",
            expected=f"at most {max_length} characters",
            found=len(field.value),
            name=name,
            maximum=max_length,
        )
    return field.value


def raw_value(fields: Fields, name: str) -> bytes | None:
    """The octets of a parameter's value as received, None when absent. Raises `Refusal` (``http.parameter_repeated``)."""
    field = _single(fields, name)
    return None if field is None else field.raw


def _single(fields: Fields, name: str) -> Field | None:
    found = [field for field in fields if field.name == name]
    if len(found) > 1:
        raise Refusal("http.parameter_repeated", expected=f"the parameter {name} once", found=len(found), name=name)
    return found[0] if found else None


def _listed(fields: Fields) -> str:
    return ", ".join(sorted(fields.names())[:10]) or "no parameters"


def _decoded(octets: bytes) -> str:
    if octets.isalnum():
        return octets.decode()
    if _BROKEN_PERCENT.search(octets) is not None:
        found = "a percent sign without two hexadecimal digits"
        raise Refusal("http.encoding", expected="percent-encoded UTF-8", found=found)
    try:
        text = unquote_to_bytes(octets.replace(b"+", b" ")).decode("utf-8")
    except ValueError as error:
        raise Refusal("http.encoding", expected="percent-encoded UTF-8", found=error) from None
    if "\0" in text:
        raise Refusal("http.encoding", expected="text without NUL", found="a NUL character")
    return text
