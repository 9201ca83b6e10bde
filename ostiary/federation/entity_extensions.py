"""Extensions of entities and roles: who registered and published (MDRPI), entity attributes, scopes, algorithms. Data only; what a value
means is decided elsewhere."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.display_extensions import read_links
from ostiary.federation.model import LocalizedText, Publication, Scope, SigningMethod
from ostiary.policy.patterns import check_pattern
from ostiary.saml import names
from ostiary.saml.xml import Children, Element, qname, read_boolean, read_instant, text_of

Notice = Callable[[OstiaryError], None]
"""Is told what is wrong with a part that is left out, or that counts for nothing, while its entity stays."""

MOST_PATTERNS: Final = 100
"""Expressions for scopes of one entity: each is an automaton that every value is tried on."""
MOST_METHODS: Final = 50

_REGISTRATION_INFO: Final = qname(names.MDRPI, "RegistrationInfo")
_REGISTRATION_POLICY: Final = qname(names.MDRPI, "RegistrationPolicy")
_PUBLICATION_INFO: Final = qname(names.MDRPI, "PublicationInfo")
_USAGE_POLICY: Final = qname(names.MDRPI, "UsagePolicy")
_ENTITY_ATTRIBUTES: Final = qname(names.MDATTR, "EntityAttributes")
_ATTRIBUTE: Final = qname(names.SAML, "Attribute")
_ATTRIBUTE_VALUE: Final = qname(names.SAML, "AttributeValue")
_SCOPE: Final = qname(names.SHIBMD, "Scope")
_DIGEST_METHOD: Final = qname(names.ALG, "DigestMethod")
_SIGNING_METHOD: Final = qname(names.ALG, "SigningMethod")


def read_registration(
    extensions: Children,
) -> tuple[str | None, datetime | None, tuple[LocalizedText, ...]]:
    """Who registered the entity, when, and under which policies (links). An instant that can't be read is none."""
    found = extensions.one(_REGISTRATION_INFO)
    if found is None:
        return None, None, ()
    policies = read_links(Children(found).all(_REGISTRATION_POLICY))
    return found.get("registrationAuthority"), _instant(found.get("registrationInstant")), policies


def read_publication(root: Element) -> Publication | None:
    """Who published this document: the PublicationInfo of an aggregate or of a single entity, as it stands on its root."""
    extensions = next(root.iterchildren(qname(names.MD, "Extensions")), None)
    found = Children(extensions if extensions is not None else ()).one(_PUBLICATION_INFO)
    if found is None:
        return None
    return Publication(
        found.get("publisher", ""),
        _instant(found.get("creationInstant")),
        found.get("publicationId"),
        read_links(Children(found).all(_USAGE_POLICY)),
    )


def _instant(text: str | None) -> datetime | None:
    try:
        return read_instant(text.strip()) if text is not None else None
    except Refusal:
        return None


def read_entity_attributes(extensions: Children) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """SAML V2.0 Metadata Extension for Entity Attributes 1.0: each attribute's name and values. Assertions in there are not looked at."""
    holder = extensions.one(_ENTITY_ATTRIBUTES)
    if holder is None:
        return ()
    return tuple(
        (attribute.get("Name", ""), tuple(text_of(value) for value in attribute if is_plain(value, _ATTRIBUTE_VALUE)))
        for attribute in holder.iterchildren(_ATTRIBUTE)
    )


def is_plain(element: Element, name: str) -> bool:
    """Whether this is such an element, and has nothing but text."""
    return element.tag == name and not len(element)


def read_scopes(extensions: Children, notice: Notice | None = None) -> tuple[Scope, ...]:
    """shibmd:Scope. Expressions are data here: `ostiary.policy.acceptance.Scope` matches them in linear time, those that its language does
    not have cover nothing, and ``notice`` is told of these. Of too many, only the first count."""
    found = extensions.all(_SCOPE)
    return tuple(_scopes(found, notice)) if found else ()


def _scopes(found: Sequence[Element], notice: Notice | None) -> Iterator[Scope]:
    patterns = 0
    for element in found:
        value = (element.text or "").strip() if not len(element) else ""
        if not value:
            continue
        is_pattern = bool(read_boolean(element.get("regexp")))
        patterns += is_pattern
        if patterns > MOST_PATTERNS:
            if notice is not None:
                notice(Refusal("metadata.scope_patterns", expected=f"at most {MOST_PATTERNS}", found="more"))
            return
        if is_pattern and notice is not None:
            _try_pattern(value, notice)
        yield Scope(value, is_pattern)


def _try_pattern(value: str, notice: Notice) -> None:
    try:
        check_pattern(value)
    except Refusal as error:
        notice(Refusal("metadata.scope_pattern", expected=error.expected, found=value[:200]))


def read_algorithms(extensions: Children) -> tuple[tuple[str, ...], tuple[SigningMethod, ...]]:
    """Metadata Profile for Algorithm Support 1.0: digest and signature algorithms that are supported, most wanted first."""
    digests = extensions.all(_DIGEST_METHOD)[:MOST_METHODS]
    methods = extensions.all(_SIGNING_METHOD)[:MOST_METHODS]
    if not digests and not methods:
        return (), ()
    return (
        tuple([one.get("Algorithm", "") for one in digests]),
        tuple(
            [
                SigningMethod(one.get("Algorithm", ""), _bits(one.get("MinKeySize")), _bits(one.get("MaxKeySize")))
                for one in methods
            ]
        ),
    )


def _bits(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else None
