"""A document that somebody has written or received is signed as it is: nothing is added to what it says, and its end is never put off."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ostiary.errors import Refusal
from ostiary.federation.summary import expired
from ostiary.saml import names
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import new_id
from ostiary.saml.schema import check_schema
from ostiary.saml.signature import sign
from ostiary.saml.xml import (
    METADATA,
    Element,
    children,
    parse_xml,
    qname,
    read_instant,
    to_bytes,
    write_duration,
    write_instant,
)

_ROOTS: Final = frozenset({qname(names.MD, "EntityDescriptor"), qname(names.MD, "EntitiesDescriptor")})


@dataclass(frozen=True, slots=True)
class SignedText:
    """``own_end``: the document itself ended earlier than was asked for, and still does."""

    octets: bytes
    valid_until: datetime
    own_end: bool


def sign_document(
    data: bytes, signer: Signer, *, now: datetime, valid_for: timedelta, cache_duration: timedelta | None = None
) -> SignedText:
    """The document with a signature over its root, in place of one that it has; it ends after ``valid_for``, or when it ends by itself.

    Raises `Refusal`: ``xml.*`` (``xml.schema`` among them), ``metadata.root``, ``metadata.expired``, and ``publish.ended_inside`` for an
    entity, group or role in it that has ended.
    """
    root = parse_xml(data, METADATA)
    if root.tag not in _ROOTS:
        raise Refusal("metadata.root", expected="EntityDescriptor or EntitiesDescriptor", found=root.tag)
    for signature in list(children(root, names.DS, "Signature")):
        root.remove(signature)
    end = now + valid_for
    own = read_instant(root.get("validUntil", "")) if "validUntil" in root.attrib else None
    if expired(own, now):
        raise Refusal("metadata.expired", expected=f"validUntil after {now.isoformat()}", found=root.get("validUntil"))
    _refuse_ended(root, now)
    valid_until = min(end, own) if own is not None else end
    root.set("ID", new_id())
    root.set("validUntil", write_instant(valid_until))
    if cache_duration is not None:
        root.set("cacheDuration", write_duration(cache_duration))
    sign(root, signer)
    check_schema(root, "metadata")
    octets = b'<?xml version="1.0" encoding="UTF-8"?>\n' + to_bytes(root)
    return SignedText(octets, valid_until, own is not None and own < end)


def _refuse_ended(root: Element, now: datetime) -> None:
    for element in root.iter("*"):
        text = element.get("validUntil")
        if element is root or text is None or not str(element.tag).startswith(f"{{{names.MD}}}"):
            continue
        if expired(read_instant(text), now):
            named = next(
                (one.get("entityID") for one in (element, *element.iterancestors()) if one.get("entityID")), ""
            )
            expected = f"validUntil after {now.isoformat()}"
            raise Refusal("publish.ended_inside", expected=expected, found=f"{named} {text}".strip())
