"""THE XML parser: bytes to one lxml tree, hardened and bounded. Everything that speaks XML comes through here, and only once.

Refused before or right after parsing: anything but UTF-8, DOCTYPE (so no entities), too many bytes, too deep, processing
instructions in protocol messages. Comments are dropped while parsing, so a value never breaks in two at a comment.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lxml import etree

from ostiary.errors import Refusal, TooLarge
from ostiary.saml import names

Element = etree._Element

_DECLARED_ENCODING: Final = re.compile(rb"\sencoding\s*=\s*[\"']([^\"']*)[\"']")
_MAXIMUM_DECLARATION: Final = 200
_INSTANT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z")

# Evaluated in C: a message is measured in microseconds, a federation's metadata in seconds.
_COUNT_ELEMENTS: Final = etree.XPath("count(//*)")
_HAS_INSTRUCTION: Final = etree.XPath("boolean(//processing-instruction())")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of the document, nesting depth, number of elements, of one element's attributes and of namespace declarations (counted as the
    word ``xmlns``); ``huge`` lifts libxml2's own limits (metadata sources only)."""

    max_bytes: int
    max_depth: int = 50
    max_elements: int = 5_000
    max_attributes: int = 100
    max_namespaces: int = 200
    huge: bool = False
    processing_instructions: bool = False


MESSAGE: Final = Limits(max_bytes=262_144)
# One member's oddities must not refuse a whole federation, so these are wide; who may fill them is a matter of trust.
METADATA: Final = Limits(
    max_bytes=1_073_741_824,
    max_depth=200,
    max_elements=8_000_000,
    max_attributes=5_000,
    max_namespaces=8_000_000,
    huge=True,
    processing_instructions=True,
)


def parse_xml(data: bytes, limits: Limits = MESSAGE) -> Element:
    """The root element of ``data``. Raises `TooLarge` (``xml.too_large``) or `Refusal` (``xml.*``)."""
    if len(data) > limits.max_bytes:
        raise TooLarge("xml.too_large", expected=f"at most {limits.max_bytes} bytes", found=f"{len(data)} bytes")
    _refuse_other_encodings(data)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise Refusal("xml.doctype", expected="no document type declaration", found="<!DOCTYPE")
    # Exclusive c14n costs elements times declarations in scope (times prefixes): bounded before anything is computed.
    namespaces = data.count(b"xmlns")
    if namespaces > limits.max_namespaces:
        raise TooLarge("xml.too_many_namespaces", expected=f"at most {limits.max_namespaces}", found=namespaces)
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        remove_comments=True,
        remove_pis=False,
        huge_tree=limits.huge,
        encoding="utf-8",
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Refusal("xml.not_well_formed", expected="well-formed XML", found=error) from None
    if root.getroottree().docinfo.doctype:
        raise Refusal("xml.doctype", expected="no document type declaration", found="a document type")
    try:
        _measure(root, limits)
    except etree.XPathError as error:
        # libxml2 counts no further than ten million nodes.
        raise TooLarge("xml.too_many_elements", expected=f"at most {limits.max_elements}", found=error) from None
    return root


def _refuse_other_encodings(data: bytes) -> None:
    if b"\x00" in data[:4] or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Refusal("xml.encoding", expected="UTF-8", found="UTF-16 or UTF-32")
    text = data.removeprefix(b"\xef\xbb\xbf")
    if not text.startswith(b"<?xml"):
        return
    declaration = text[:_MAXIMUM_DECLARATION].partition(b"?>")[0]
    declared = _DECLARED_ENCODING.search(declaration)
    encoding = declared.group(1).decode("ascii", "replace").lower() if declared else "utf-8"
    # A declaration that does not end in time could hide its encoding behind the cut.
    if encoding not in ("utf-8", "us-ascii", "ascii") or len(declaration) == _MAXIMUM_DECLARATION:
        raise Refusal("xml.encoding", expected="UTF-8", found=encoding)


def _measure(root: Element, limits: Limits) -> None:
    """Depth, number of elements and attributes, and processing instructions of the whole document."""
    if not limits.processing_instructions and _HAS_INSTRUCTION(root):
        raise Refusal("xml.processing_instruction", expected="no processing instruction", found="one or more")
    if next(root.iter(etree.Entity), None) is not None:
        raise Refusal("xml.doctype", expected="no entity reference", found="an entity reference")
    if _deeper_than(limits.max_depth)(root):
        raise Refusal(
            "xml.too_deep", expected=f"at most {limits.max_depth} levels", found=f"more than {limits.max_depth}"
        )
    # Schema validation is slow on a flood of wrong elements, canonicalization on a flood of attributes.
    elements = int(_COUNT_ELEMENTS(root))
    if elements > limits.max_elements:
        raise TooLarge("xml.too_many_elements", expected=f"at most {limits.max_elements}", found=elements)
    if _more_attributes_than(limits.max_attributes)(root):
        raise TooLarge(
            "xml.too_many_attributes",
            expected=f"at most {limits.max_attributes} attributes on one element",
            found=f"more than {limits.max_attributes}",
        )


@functools.cache
def _deeper_than(levels: int) -> etree.XPath:
    return etree.XPath(f"boolean({'/*' * (levels + 1)})")


@functools.cache
def _more_attributes_than(number: int) -> etree.XPath:
    return etree.XPath(f"boolean(//*/@*[{number + 1}])")


def qname(namespace: str, name: str) -> str:
    """The name in lxml's notation."""
    return f"{{{namespace}}}{name}"


def children(element: Element, namespace: str, name: str) -> Iterator[Element]:
    """Direct children of that name, in document order."""
    return element.iterchildren(f"{{{namespace}}}{name}")


def child(element: Element, namespace: str, name: str) -> Element | None:
    """The only direct child of that name, None if there is none. Two are refused (``xml.repeated_element``)."""
    # Called a dozen times for each message: no call more than needed.
    found = element.iterchildren(f"{{{namespace}}}{name}")
    first = next(found, None)
    if first is not None and next(found, None) is not None:
        raise Refusal("xml.repeated_element", expected=f"at most one {name}", found="several")
    return first


class Children:
    """The direct children of an element by name, found in one pass: for an element of which several kinds are wanted."""

    __slots__ = ("_found",)

    def __init__(self, element: Element) -> None:
        self._found: dict[str, list[Element]] = {}
        for part in element:
            self._found.setdefault(str(part.tag), []).append(part)

    def all(self, name: str) -> Sequence[Element]:
        """Those of this name (in lxml's notation), in document order."""
        return self._found.get(name, ())

    def one(self, name: str) -> Element | None:
        """The only one of that name, None if there is none. Two are refused (``xml.repeated_element``)."""
        found = self._found.get(name)
        if found is None:
            return None
        if len(found) > 1:
            raise Refusal(
                "xml.repeated_element", expected=f"at most one {etree.QName(name).localname}", found="several"
            )
        return found[0]


def required_child(element: Element, namespace: str, name: str) -> Element:
    """The only direct child of that name; refused (``xml.missing_element``) when there is none."""
    found = child(element, namespace, name)
    if found is None:
        raise Refusal("xml.missing_element", expected=name, found=f"no {name} in {etree.QName(element).localname}")
    return found


def text_of(element: Element) -> str:
    """The whole text of an element without child elements, white space at both ends removed (values as people write them).

    An element that has children where text is expected is refused (``xml.unexpected_element``).
    """
    if len(element):
        raise Refusal(
            "xml.unexpected_element", expected="text only", found=f"an element inside {etree.QName(element).localname}"
        )
    return (element.text or "").strip()


def read_instant(text: str) -> datetime:
    """An xs:dateTime in UTC with ``Z`` (SAML core 1.3.3). Digits beyond microseconds are cut. Raises `Refusal` (``xml.instant``)."""
    if _INSTANT.fullmatch(text) is None:
        raise Refusal("xml.instant", expected="a UTC time such as 2026-01-31T12:00:00Z", found=text[:60])
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise Refusal("xml.instant", expected="a time that exists", found=f"{text[:60]} ({error})") from None


# A message says the same few instants several times.
@functools.lru_cache(maxsize=64)
def write_instant(at: datetime) -> str:
    """SAML core 1.3.3: UTC, milliseconds, ``Z``."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return f"{utc.isoformat(timespec='milliseconds')[:-6]}Z"


def read_boolean(text: str | None) -> bool | None:
    """xs:boolean, None where the attribute is absent."""
    if text is None:
        return None
    # The schema collapses white space before it looks at a boolean.
    match text.strip():
        case "true" | "1":
            return True
        case "false" | "0":
            return False
    raise Refusal("xml.boolean", expected="true or false", found=text[:20])


def make(namespace: str, name: str, /, *prefixes: str, **attributes: str) -> Element:
    """A new element that declares its own prefix and the further ``prefixes`` (keys of `names.PREFIXES`)."""
    own = next(prefix for prefix, uri in names.PREFIXES.items() if uri == namespace)
    element = etree.Element(
        qname(namespace, name), nsmap={prefix: names.PREFIXES[prefix] for prefix in (own, *prefixes)}
    )
    for key, value in attributes.items():
        element.set(key, value)
    return element


def add(parent: Element, namespace: str, name: str, text: str | None = None, /, **attributes: str) -> Element:
    """A new child element. Text that XML cannot hold is refused (``xml.unwritable``)."""
    try:
        element = etree.SubElement(parent, f"{{{namespace}}}{name}", attributes)
        if text is not None:
            element.text = text
    except ValueError:
        raise Refusal("xml.unwritable", expected="characters that XML 1.0 can hold", found=name) from None
    return element


def to_bytes(element: Element) -> bytes:
    """The element as a document of its own, UTF-8, without declaration."""
    return etree.tostring(element, encoding="utf-8", xml_declaration=False, with_tail=False)
