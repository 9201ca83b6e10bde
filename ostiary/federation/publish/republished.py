"""An entity of others as it is passed on under our signature: what has ended, and what nobody vouches for, is taken away. Adds nothing."""

from datetime import datetime
from typing import Final

from ostiary.errors import Refusal
from ostiary.federation.model import Entity
from ostiary.federation.publish.descriptors import entity_element
from ostiary.federation.summary import expired
from ostiary.saml import names
from ostiary.saml.xml import Element, child, children, qname, read_boolean, read_instant, text_of

_ROLES: Final = frozenset(
    qname(names.MD, name)
    for name in (
        "RoleDescriptor",
        "IDPSSODescriptor",
        "SPSSODescriptor",
        "AuthnAuthorityDescriptor",
        "AttributeAuthorityDescriptor",
        "PDPDescriptor",
        "AffiliationDescriptor",
    )
)
_EXTENSIONS: Final = qname(names.MD, "Extensions")
_SCOPE: Final = qname(names.SHIBMD, "Scope")


def republished_element(entity: Entity, now: datetime | None) -> Element | None:
    """The descriptor, without roles that have ended at ``now`` (None: all of them stay), without scopes that the entity, as it is trusted,
    does not have (its source may be limited to others), and without mdrpi:PublicationInfo, which is about the document that it came in
    (mdrpi 2.2). None where no role is left.
    """
    element = entity_element(entity)
    if not entity.source:
        return element
    if now is not None:
        for role in [part for part in element if part.tag in _ROLES and _has_ended(part, now)]:
            _remove(role)
        if not any(part.tag in _ROLES for part in element):
            return None
    vouched = {
        (scope.value, scope.is_pattern) for role in (entity.idp, entity.aa) if role is not None for scope in role.scopes
    }
    for scope in [one for one in element.iter(_SCOPE) if not _is_among(one, vouched)]:
        _remove(scope)
    extensions = child(element, names.MD, "Extensions")
    if extensions is not None:
        for told in list(children(extensions, names.MDRPI, "PublicationInfo")):
            _remove(told)
    return element


def _has_ended(role: Element, now: datetime) -> bool:
    text = role.get("validUntil")
    try:
        return text is not None and expired(read_instant(text), now)
    except Refusal:
        # Nobody knows when it ends, so nobody may go on with it.
        return True


def _is_among(scope: Element, vouched: set[tuple[str, bool]]) -> bool:
    try:
        return (text_of(scope), bool(read_boolean(scope.get("regexp")))) in vouched
    except Refusal:
        return False


def _remove(element: Element) -> None:
    """With Extensions that would be empty, which the schema does not allow."""
    parent = element.getparent()
    if parent is None:
        return
    parent.remove(element)
    if parent.tag == _EXTENSIONS and not len(parent):
        _remove(parent)
