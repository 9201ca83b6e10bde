"""From a parsed document to its entities, each with its effective end, as octets and in short. Reads the tree and changes nothing in it,
so that another thread may verify it meanwhile; nothing of what it gives may be used before that has succeeded.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from lxml import etree

from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.entity_ids import check_entity_id
from ostiary.federation.summary import earliest
from ostiary.saml import names
from ostiary.saml.xml import Element, qname, read_duration, read_instant

_GROUP: Final = qname(names.MD, "EntitiesDescriptor")
_ENTITY: Final = qname(names.MD, "EntityDescriptor")

LeftOutBecause = Callable[[str, OstiaryError], None]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """An EntityDescriptor of a document. ``own_end``: the earliest validUntil of itself and the groups around it, without the root's."""

    entity_id: str
    element: Element
    own_end: datetime | None

    def octets(self) -> bytes:
        """It as a document of its own, with all namespaces that it needs."""
        return etree.tostring(self.element, encoding="utf-8", xml_declaration=False, with_tail=False)


def digest_of(octets: bytes) -> bytes:
    """What tells that a descriptor has changed."""
    return sha256(octets).digest()


def root_end(root: Element) -> datetime | None:
    """The root's validUntil. Raises `Refusal` (``xml.instant``)."""
    text = root.get("validUntil")
    return read_instant(text) if text is not None else None


def root_cache_duration(root: Element) -> timedelta | None:
    """The root's cacheDuration; None, too, for one that can't be read: it is advice, and nobody's trust depends on it."""
    text = root.get("cacheDuration")
    try:
        return read_duration(text) if text is not None else None
    except Refusal:
        return None


def descriptors(root: Element, leave_out: LeftOutBecause) -> Iterator[Descriptor]:
    """Every EntityDescriptor of the document that can be told by its entityID; others are reported. Raises `Refusal`: ``metadata.root``,
    ``metadata.empty`` (an EntitiesDescriptor without any)."""
    if root.tag == _ENTITY:
        # The end of the root is the document's.
        yield from _one(root, None, leave_out)
    elif root.tag == _GROUP:
        yield from _members(root, None, leave_out)
    else:
        raise Refusal("metadata.root", expected="EntityDescriptor or EntitiesDescriptor", found=str(root.tag)[:200])


def _members(group: Element, end: datetime | None, leave_out: LeftOutBecause) -> Iterator[Descriptor]:
    part = None
    for part in group.iterchildren(_ENTITY, _GROUP):
        try:
            own_end = earliest(end, root_end(part))
            if part.tag == _GROUP:
                yield from _members(part, own_end, leave_out)
            else:
                yield from _one(part, own_end, leave_out)
        except Refusal as error:
            leave_out(part.get("entityID", part.get("Name", "?")), error)
    if part is None:
        raise Refusal("metadata.empty", expected="at least one entity in an EntitiesDescriptor", found="none")


def _one(element: Element, own_end: datetime | None, leave_out: LeftOutBecause) -> Iterator[Descriptor]:
    entity_id = element.get("entityID", "")
    try:
        check_entity_id(entity_id)
    except Refusal as problem:
        leave_out(entity_id or "?", problem)
    else:
        yield Descriptor(entity_id, element, own_end)
