"""THE XML parser: bytes to one lxml tree, hardened and bounded. Everything that speaks XML comes through here, and only once.

Refused before or right after parsing: anything but UTF-8, DOCTYPE (so no entities), too many bytes, too deep, processing
instructions in protocol messages. Comments are dropped while parsing, so a value never breaks in two at a comment.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from lxml import etree

from ostiary.errors import Refusal, TooLarge
from ostiary.saml import names

Element = etree._Element

# No mark of an encoding, no declaration: in UTF-8 (XML 1.0, 4.3.3).
_BEGINS_WITH_A_TAG: Final = re.compile(rb"<[A-Za-z][^\x00]{2}")
_DECLARED_ENCODING: Final = re.compile(rb"\sencoding\s*=\s*[\"']([^\"']*)[\"']")
_MAXIMUM_DECLARATION: Final = 200
_NAMESPACE_DECLARATION: Final = re.compile(rb"xmlns(?::[^\s=]*)?\s*=\s*(?:\"[^\"]*\"|'[^']*')")
# Below, not even what is made for it comes near the limit.
_NEEDS_COUNTING: Final = 16_384
# With its space: <?xml-stylesheet is an instruction like any other.
_DECLARATION: Final = b"<?xml "
_MOST_LOOKED_AT: Final = 10_000
_INSTANT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z")
_DURATION: Final = re.compile(
    r"P(?=[0-9T])(?:([0-9]{1,6})Y)?(?:([0-9]{1,6})M)?(?:([0-9]{1,7})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,10})(?:\.([0-9]{1,9}))?S)?)?"
)

# Evaluated in C: a message is measured in microseconds, a federation's metadata in seconds.
_COUNT_ELEMENTS: Final = etree.XPath("count(//*)")
_HAS_INSTRUCTION: Final = etree.XPath("boolean(//processing-instruction())")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of the document, nesting depth, number of elements, of one element's attributes and of namespace declarations (counted as the
    word ``xmlns``), and bytes of declarations that its canonical form may have to write, which says them again at each element that uses
    them (None: any number); ``huge`` lifts libxml2's own limits (metadata sources only)."""

    max_bytes: int
    max_depth: int = 50
    max_elements: int = 5_000
    max_attributes: int = 100
    max_namespaces: int = 200
    max_declared: int | None = 16_000_000
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
    max_declared=None,
    huge=True,
    processing_instructions=True,
)


def parse_xml(data: bytes, limits: Limits = MESSAGE) -> Element:
    """The root element of ``data``. Raises `TooLarge` (``xml.too_large``) or `Refusal` (``xml.*``)."""
    if len(data) > limits.max_bytes:
        raise TooLarge("xml.too_large", expected=f"at most {limits.max_bytes} bytes", found=f"{len(data)} bytes")
    _refuse_other_encodings(data)
    # Looking for one octet that messages do without takes a twentieth of the time that looking for a word takes.
    if b"!" in data and (b"<!DOCTYPE" in data or b"<!ENTITY" in data):
        raise Refusal("xml.doctype", expected="no document type declaration", found="<!DOCTYPE")
    # Exclusive c14n costs elements times declarations in scope (times prefixes): bounded before anything is computed.
    namespaces = data.count(b"xmlns")
    if namespaces > limits.max_namespaces:
        raise TooLarge("xml.too_many_namespaces", expected=f"at most {limits.max_namespaces}", found=namespaces)
    if limits.max_declared is not None and namespaces and len(data) > _NEEDS_COUNTING:
        declared = data.count(b"<") * sum(map(len, set(_NAMESPACE_DECLARATION.findall(data))))
        if declared > limits.max_declared:
            found = f"{declared} bytes in its canonical form"
            raise TooLarge("xml.too_many_namespaces", expected=f"at most {limits.max_declared}", found=found)
    root = _parsed(data, huge=limits.huge)
    try:
        _measure(root, data, limits)
    except etree.XPathError as error:
        # libxml2 counts no further than ten million nodes.
        raise TooLarge("xml.too_many_elements", expected=f"at most {limits.max_elements}", found=error) from None
    return root


def parse_large(data: bytes) -> Element:
    """The root of a document of a metadata source, of up to 1 GiB. `parse_xml` for those of many megabytes, whose checks would cost more
    than reading: nesting (256 levels), texts (10 MB) and names are bounded by libxml2, the number of elements by that of the tags; the
    caller bounds memory and CPU time. Raises `TooLarge` or `Refusal` as `parse_xml`."""
    if len(data) > METADATA.max_bytes:
        raise TooLarge("xml.too_large", expected=f"at most {METADATA.max_bytes} bytes", found=f"{len(data)} bytes")
    _refuse_other_encodings(data)
    if _holds(data, b"!DOCTYPE", b"!") or _holds(data, b"!ENTITY", b"!"):
        raise Refusal("xml.doctype", expected="no document type declaration", found="!DOCTYPE")
    tags = data.count(b"<")
    if tags > 2 * METADATA.max_elements:
        raise TooLarge("xml.too_many_elements", expected=f"at most {METADATA.max_elements}", found=f"{tags} tags")
    return _parsed(data, huge=False)


def may_have_instructions(data: bytes) -> bool:
    """Whether a processing instruction may stand in these octets, behind the XML declaration."""
    declared = data.startswith((_DECLARATION, b"\xef\xbb\xbf" + _DECLARATION))
    return _holds(data, b"?>", b"?", data.find(b"?>") + 2 if declared else 0)


def may_have_references(data: bytes) -> bool:
    """Whether a character may be written as a reference (``&#65;``) in these octets."""
    return _holds(data, b"&#", b"#")


def _holds(data: bytes, word: bytes, rare: bytes, start: int = 0) -> bool:
    """Whether ``word`` is there: looks for that octet of it which is rare in metadata, at the speed of memory."""
    before = word.index(rare)
    at = data.find(rare, start)
    for _ in range(_MOST_LOOKED_AT):
        if at < 0 or data.startswith(word, max(at - before, 0)):
            return at >= 0
        at = data.find(rare, at + 1)
    # Not so rare here.
    return word in data[start:]


def parse_stored(octets: bytes) -> Element:
    """The root of a small document that this software wrote itself, from a tree that was believed."""
    try:
        return etree.fromstring(octets, _parser_of_stored())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Refusal("xml.not_well_formed", expected="well-formed XML", found=error) from None


@functools.cache
def _parser_of_stored() -> etree.XMLParser:
    # Threads take turns: it is a matter of microseconds, and making one costs as many. Nobody looks for an element by its ID, and there is
    # no other encoding to be told: the two would cost a seventh of the time.
    return _parser(huge=False, collect_ids=False, encoding=None)


def _parser(*, huge: bool, collect_ids: bool = True, encoding: str | None = "utf-8") -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        remove_comments=True,
        remove_pis=False,
        huge_tree=huge,
        collect_ids=collect_ids,
        encoding=encoding,
    )


@functools.cache
def _parser_of_messages() -> etree.XMLParser:
    # Threads take turns, as there.
    return _parser(huge=False)


def _parsed(data: bytes, *, huge: bool) -> Element:
    try:
        shared = len(data) <= MESSAGE.max_bytes and not huge
        root = etree.fromstring(data, _parser_of_messages() if shared else _parser(huge=huge))
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Refusal("xml.not_well_formed", expected="well-formed XML", found=error) from None
    if b"!" in data and root.getroottree().docinfo.doctype:
        raise Refusal("xml.doctype", expected="no document type declaration", found="a document type")
    return root


def _refuse_other_encodings(data: bytes) -> None:
    if _BEGINS_WITH_A_TAG.match(data) is not None:
        return
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


def _measure(root: Element, data: bytes, limits: Limits) -> None:
    """Depth, number of elements and attributes, and processing instructions of the whole document.

    Its octets tell of most documents that they keep a limit: UTF-8 writes markup in ASCII, and each element has a ``<``, each attribute a
    ``=``, each instruction a ``?``. Only where they leave it open is the tree asked.
    """
    if not limits.processing_instructions and b"?" in data and _HAS_INSTRUCTION(root):
        raise Refusal("xml.processing_instruction", expected="no processing instruction", found="one or more")
    if b"&" in data and next(root.iter(etree.Entity), None) is not None:
        raise Refusal("xml.doctype", expected="no entity reference", found="an entity reference")
    tags = data.count(b"<")
    # Each level but the innermost has two tags.
    if tags > 2 * limits.max_depth and _deeper_than(limits.max_depth)(root):
        raise Refusal(
            "xml.too_deep", expected=f"at most {limits.max_depth} levels", found=f"more than {limits.max_depth}"
        )
    # Schema validation is slow on a flood of wrong elements, canonicalization on a flood of attributes.
    if tags > limits.max_elements:
        elements = int(_COUNT_ELEMENTS(root))
        if elements > limits.max_elements:
            raise TooLarge("xml.too_many_elements", expected=f"at most {limits.max_elements}", found=elements)
    if data.count(b"=") > limits.max_attributes and _more_attributes_than(limits.max_attributes)(root):
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
    """The direct children of an element by name, found in one pass: for an element of which several kinds are wanted. Of an element that is
    not there: none (``()``)."""

    __slots__ = ("_found",)

    def __init__(self, element: Iterable[Element]) -> None:
        found: dict[object, list[Element]] = {}
        for part in element:
            tag = part.tag
            if tag in found:
                found[tag].append(part)
            else:
                found[tag] = [part]
        self._found = found

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


def read_duration(text: str) -> timedelta:
    """An xs:duration (XML Schema 2, 3.2.6) that is not negative, such as ``PT6H`` of a ``cacheDuration``. A year is counted as 365 days, a
    month as 28: the shortest that it can be. Digits beyond microseconds are cut. Raises `Refusal` (``xml.duration``)."""
    collapsed = text.strip(" \t\r\n")
    found = _DURATION.fullmatch(collapsed)
    if found is None:
        raise Refusal("xml.duration", expected="a duration such as PT6H or P1D", found=text[:60])
    years, months, days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[:6])
    microseconds = int((found[7] or "").ljust(6, "0")[:6])
    try:
        return timedelta(
            days=years * 365 + months * 28 + days,
            hours=hours,
            minutes=minutes,
            seconds=seconds,
            microseconds=microseconds,
        )
    except OverflowError:
        raise Refusal("xml.duration", expected="a duration of less than a million years", found=text[:60]) from None


def write_duration(length: timedelta) -> str:
    """An xs:duration in days, hours, minutes and whole seconds; nothing at all is ``PT0S``."""
    minutes, seconds = divmod(length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days = f"{length.days}D" if length.days else ""
    time = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if number)
    return f"P{days}{'T' + time if time else ''}" if days or time else "PT0S"


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
