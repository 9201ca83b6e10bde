"""Writes elements that look alike again and again, as a tree or straight as text: what all of a shape have in common is prepared once.

    Outline --to_xml--> a copy of the tree of its shape, with its own values
            --written--> its exclusive canonical form, with no tree at all

Says nothing about what is written. What is kept between two messages holds no value that an `Outline` was given.
"""

import functools
import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import repeat
from operator import is_, itemgetter
from typing import Any, Final, NamedTuple

from lxml import etree

from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.xml import Element, qname

_KEPT_SHAPES: Final = 256
_KEPT_TEXTS: Final = 512
_KEPT_TAGS: Final = 4096
# Of a longer message no second one will have the shape: whoever asks chooses it, and it would take room for nothing.
_KEPT_ROWS: Final = 400
_PREFIX_OF: Final = {uri: prefix for prefix, uri in names.PREFIXES.items()}
_ISSUER: Final = qname(names.SAML, "Issuer")
_ORDINARY: Final = bytes(octet for octet in range(0x20, 0x7F) if octet not in b'&<>"')
# What XML 1.0 (2.2) has no way to write; lxml refuses the same.
_UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# Stands at the place of a signature while values are filled in. None of them has it: XML cannot hold it.
_CUT: Final = b"\x00"


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

    __slots__ = ("rows", "values")

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.values: list[str | None] = []

    def add(self, row: Row, *values: str | None) -> None:
        """One more element. An attribute whose value is None is left out."""
        self.rows.append(row)
        self.values += values

    def add_all(self, rows: tuple[Row, ...], *values: str | None) -> None:
        """Several elements that always stand together, with the values of all."""
        self.rows += rows
        self.values += values

    def to_xml(self, *prefixes: str) -> Element:
        """The element, which declares these ``prefixes`` (keys of `names.PREFIXES`).

        Text that XML cannot hold is refused (``xml.unwritable``).
        """
        rows = tuple(self.rows)
        make = _form if len(rows) <= _KEPT_ROWS else _form.__wrapped__
        form = make(rows, prefixes, len(self.values))
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
            raise _unwritable(name) from None
        return element

    def written(self, *prefixes: str) -> "Written":
        """The element in exclusive canonical form, without comments. ``prefixes`` are those that it declares where it is the outermost, or
        stands in another that does not; what canonical form has no use for, values (``xsi:type``) may have.

        Refuses what `to_xml` refuses. The tests hold it against lxml's canonical form of what that gives.
        """
        rows, values = tuple(self.rows), self.values
        make = _written_form if len(rows) <= _KEPT_ROWS else _written_form.__wrapped__
        absent = tuple(map(is_, values, repeat(None))) if None in values else ()
        form = make(rows, prefixes, len(values), absent)
        chosen = form.choose(values)
        # Almost all of what is written needs no other look: one question about all values takes the place of many about each.
        if _may_need_escapes("".join(chosen)):
            chosen = tuple(map(_escaped, chosen, form.names))
        identifier = values[form.identifier] if form.identifier is not None else None
        return Written(identifier or "", _filled(form.canonical, chosen), chosen, form)


class Written(NamedTuple):
    """An element in exclusive canonical form, and the value of its ID, if any. ``cut`` has a `_CUT` where a signature has its place: behind
    the Issuer that it begins with, or its start tag where it begins with none. A NamedTuple, for one is made for each message."""

    id: str
    cut: bytes
    values: tuple[str, ...]
    form: "WrittenForm"

    @property
    def octets(self) -> bytes:
        """The whole of it, without a signature."""
        return self.cut.replace(_CUT, b"")

    def with_signature(self, signature: bytes) -> bytes:
        """The whole of it, with this signature, if any, in its place."""
        return self.cut.replace(_CUT, signature)

    def in_document(self, signature: bytes = b"") -> bytes:
        """The same as a document has it: every prefix is declared once, in the outermost start tag, not at each element that uses it. A
        thousand values would declare it a thousand times, which readers refuse. Its canonical form is the same."""
        return _filled(self.form.document, self.values).replace(_CUT, signature)


def _filled(blank: list[str], values: tuple[str, ...]) -> bytes:
    text = blank.copy()
    text[1::2] = values
    return "".join(text).encode()


@dataclass(frozen=True, slots=True, eq=False)
class WrittenForm:
    """What stands around the values of a shape, in its ``canonical`` form and in a ``document``: with a `_CUT`, and an empty text for each
    value.

    ``choose`` takes the values that are there, in the order in which they are written, and ``names`` are the attributes of which they are
    (None: a text). ``identifier`` is the place of the ID, ``end`` the outermost end tag. ``outermost``: the prefixes that the outermost
    element itself uses, ``used``: those of all elements.
    """

    choose: Callable[[Sequence[Any]], tuple[str, ...]]
    names: tuple[str | None, ...]
    canonical: list[str]
    document: list[str]
    identifier: int | None
    end: bytes
    outermost: frozenset[str]
    used: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class _Form:
    """The tree of a shape without values, and where each value goes: which element in document order, which attribute (None: its text)."""

    blank: Element
    places: tuple[tuple[int, str | None], ...]


@functools.lru_cache(maxsize=_KEPT_SHAPES)
def _form(rows: tuple[Row, ...], prefixes: tuple[str, ...], values: int) -> _Form:
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
    _check_number(values, len(places))
    return _Form(path[0], tuple(places))


@functools.lru_cache(maxsize=_KEPT_TEXTS)
def _written_form(
    rows: tuple[Row, ...], prefixes: tuple[str, ...], values: int, absent: tuple[bool, ...]
) -> WrittenForm:
    """Of a shape with so many ``values``; ``absent`` says of each whether it is None (nothing: of none)."""
    used = frozenset().union(*map(_visible, rows))
    missing = frozenset(place for place, is_absent in enumerate(absent) if is_absent)
    canonical, document = _Making(missing), _Making(missing, frozenset(prefixes) | used)
    for making in (canonical, document):
        for found in rows:
            making.begin(found)
        making.end_all(0)
    _check_number(values, canonical.places)
    first = rows[0]
    return WrittenForm(
        choose=_chooser(canonical.order),
        names=tuple(canonical.names),
        canonical=canonical.blank(),
        document=document.blank(),
        identifier=first.attributes.index("ID") if "ID" in first.attributes else None,
        end=f"</{_name(first.tag)}>".encode(),
        outermost=_visible(first),
        used=used,
    )


def _check_number(values: int, places: int) -> None:
    if values != places:
        raise RuntimeError(f"{values} values for {places} places")


class _Making:
    """A shape while its rows come in, in document order. ``declared`` in its outermost start tag; without: each prefix where it is used, as
    exclusive canonical form has it."""

    def __init__(self, absent: frozenset[int], declared: frozenset[str] = frozenset()) -> None:
        self._absent = absent
        self._declared = declared
        self._open: list[_StartTag] = []
        # Between each two of these pieces there is a value.
        self._pieces: list[str] = [""]
        self._place_of_signature = 0, 0
        self._elements = 0
        self.order: list[int] = []
        self.names: list[str | None] = []
        self.places = 0

    def begin(self, row: Row) -> None:
        """One more element, its attributes and its text; those before that don't hold it end."""
        if len(self._open) > row.depth:
            self.end_all(row.depth)
        place, here = self.places, len(row.attributes)
        absent = tuple([at for at in range(here) if place + at in self._absent]) if self._absent else ()
        tag = _start_tag(row, self._open[-1].declared if self._open else self._declared, not self._open, absent)
        self._pieces[-1] += tag.pieces[0]
        self._pieces += tag.pieces[1:]
        self.order += [place + at for at in tag.order]
        self.names += tag.names
        if not self._open:
            self._place_of_signature = len(self._pieces) - 1, len(self._pieces[-1])
        if row.has_text:
            if place + here not in self._absent:
                self.order.append(place + here)
                self.names.append(None)
                self._pieces.append("")
            here += 1
        self.places += here
        self._open.append(tag)
        self._elements += 1

    def end_all(self, depth: int) -> None:
        """Every element from this depth on ends."""
        while len(self._open) > depth:
            tag = self._open.pop()
            self._pieces[-1] += tag.end
            if self._elements == 2 and len(self._open) == 1 and tag.is_issuer:
                self._place_of_signature = len(self._pieces) - 1, len(self._pieces[-1])

    def blank(self) -> list[str]:
        """All that was written, with a `_CUT`, and an empty text for each value."""
        blank, (place, length) = [""] * (2 * len(self._pieces) - 1), self._place_of_signature
        blank[::2] = self._pieces
        piece = blank[2 * place]
        blank[2 * place] = f"{piece[:length]}{_CUT.decode()}{piece[length:]}"
        return blank


class _StartTag(NamedTuple):
    """One of an element: its ``pieces`` with a value between each two, and which these are (by their places in its row, and by name); its
    end tag, and what is declared inside of it."""

    pieces: tuple[str, ...]
    order: tuple[int, ...]
    names: tuple[str, ...]
    end: str
    declared: frozenset[str]
    is_issuer: bool


# Of each row in its surroundings, so that a shape that was not seen before (a person with one more value) costs little.
@functools.lru_cache(maxsize=_KEPT_TAGS)
def _start_tag(row: Row, declared: frozenset[str], is_outermost: bool, absent: tuple[int, ...]) -> _StartTag:
    """``declared``: the prefixes that are declared around it; if it is the outermost, those to be declared here beside its own."""
    name, visible = _name(row.tag), _visible(row)
    pieces, order, given = [f"<{name}"], [], []
    for prefix in sorted(visible | declared if is_outermost else visible - declared):
        pieces[-1] += f' xmlns:{prefix}="{names.PREFIXES[prefix]}"'
    fixed, places = dict(row.fixed), {name: at for at, name in enumerate(row.attributes)}
    # The order of canonical XML (2.3): those without a namespace come first, each kind by its name.
    for found in sorted({*places, *fixed}, key=lambda found: found[1:].split("}") if found[0] == "{" else ["", found]):
        if found in fixed:
            pieces[-1] += f' {_name(found)}="{_escaped(fixed[found], found)}"'
        elif places[found] not in absent:
            pieces[-1] += f' {_name(found)}="'
            pieces.append('"')
            order.append(places[found])
            given.append(found)
    pieces[-1] += ">"
    return _StartTag(
        tuple(pieces), tuple(order), tuple(given), f"</{name}>", declared | visible, name == _name(_ISSUER)
    )


def _chooser(order: Sequence[int]) -> Callable[[Sequence[Any]], tuple[str, ...]]:
    """Takes these values, in this order."""
    if len(order) > 1:
        return itemgetter(*order)
    return lambda values: tuple([values[place] for place in order])


@functools.lru_cache(maxsize=_KEPT_TAGS)
def _visible(row: Row) -> frozenset[str]:
    """The prefixes that an element itself uses."""
    qualified = [name for name in (*row.attributes, *(name for name, _ in row.fixed)) if name[0] == "{"]
    return frozenset(_name(name).partition(":")[0] for name in (row.tag, *qualified))


def _name(name: str) -> str:
    """A name in lxml's notation as it is written."""
    if name[0] != "{":
        return name
    namespace, _, local = name[1:].partition("}")
    return f"{_PREFIX_OF[namespace]}:{local}"


def _may_need_escapes(text: str) -> bool:
    """Whether a character may be in there that canonical form writes in another way, or not at all. Says so too often rather than too
    seldom, and without looking at each."""
    if text.isascii():
        return bool(text.encode().translate(None, _ORDINARY))
    return not text.isprintable() or "&" in text or "<" in text or ">" in text or '"' in text


def _escaped(value: str, name: str | None) -> str:
    """The value of an attribute, or a text (None), as canonical XML (1.0, 2.3) writes it."""
    if _UNWRITABLE.search(value) is not None:
        raise _unwritable(name)
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace("\r", "&#xD;")
    if name is None:
        return value.replace(">", "&gt;")
    return value.replace('"', "&quot;").replace("\t", "&#x9;").replace("\n", "&#xA;")


def _unwritable(name: str | None) -> Refusal:
    return Refusal(
        "xml.unwritable", expected="characters that XML 1.0 can hold", found=name or "the text of an element"
    )
