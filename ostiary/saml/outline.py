"""Writes elements that look alike again and again: the first of a shape is built, each further one is a copy with its own values.

Says nothing about what is written. What is kept between two messages is a tree without any value that an `Outline` was given.
"""

import functools
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Final

from lxml import etree

from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.xml import Element, qname

_KEPT_SHAPES: Final = 256


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One element of a shape: ``depth`` levels below the outermost one, its name in lxml's notation, attributes that are always the same,
    the names of those that are given as values, and whether a text is. Rows are constants, each equal to itself only, so that the
    shape of a message is found quickly."""

    depth: int
    tag: str
    fixed: tuple[tuple[str, str], ...]
    attributes: tuple[str, ...]
    has_text: bool


def row(
    depth: int, namespace: str, name: str, *attributes: str, fixed: Sequence[tuple[str, str]] = (), text: bool = False
) -> Row:
    """A row to be filled with a value for each of ``attributes``, in this order, and then with the text if there is one."""
    return Row(depth, qname(namespace, name), tuple(fixed), attributes, text)


class Outline:
    """An element to be, in document order: its shape (what two messages of a kind have in common) and its values."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.values: list[str | None] = []

    def add(self, row: Row, *values: str | None) -> None:
        """One more element. An attribute whose value is None is left out."""
        self.rows.append(row)
        self.values += values

    def to_xml(self, *prefixes: str) -> Element:
        """The element, which declares these ``prefixes`` (keys of `names.PREFIXES`).

        Text that XML cannot hold is refused (``xml.unwritable``).
        """
        form = _form(tuple(self.rows), prefixes)
        if len(form.places) != len(self.values):
            raise RuntimeError(f"{len(self.values)} values for {len(form.places)} places")
        element = deepcopy(form.blank)
        parts = list(element.iter())
        name: str | None = None
        try:
            for (position, name), value in zip(form.places, self.values, strict=False):
                if name is None:
                    parts[position].text = value
                elif value is not None:
                    parts[position].set(name, value)
        except ValueError:
            raise Refusal(
                "xml.unwritable", expected="characters that XML 1.0 can hold", found=name or "the text of an element"
            ) from None
        return element


@dataclass(frozen=True, slots=True, eq=False)
class _Form:
    """The tree of a shape without values, and where each value goes: which element in document order, which attribute (None: its text)."""

    blank: Element
    places: tuple[tuple[int, str | None], ...]


@functools.lru_cache(maxsize=_KEPT_SHAPES)
def _form(rows: tuple[Row, ...], prefixes: tuple[str, ...]) -> _Form:
    path: list[Element] = []
    places: list[tuple[int, str | None]] = []
    for position, found in enumerate(rows):
        del path[found.depth :]
        if path:
            path.append(etree.SubElement(path[-1], found.tag, dict(found.fixed)))
        else:
            declared = {prefix: names.PREFIXES[prefix] for prefix in prefixes}
            path.append(etree.Element(found.tag, dict(found.fixed), nsmap=declared))
        places += [(position, name) for name in found.attributes]
        if found.has_text:
            places.append((position, None))
    return _Form(path[0], tuple(places))
