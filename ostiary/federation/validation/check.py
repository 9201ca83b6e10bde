"""Holds metadata against the schema and every rule, one entity after the other. Raises nothing for what it finds."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from lxml import etree

from ostiary.federation.validation.category_rules import category_rules
from ostiary.federation.validation.descriptor import EntityView
from ostiary.federation.validation.display_rules import display_rules
from ostiary.federation.validation.document_rules import (
    ENTITY,
    GROUP,
    LONGEST,
    end_rules,
    form_rules,
    signature_rules,
)
from ostiary.federation.validation.endpoint_rules import endpoint_rules
from ostiary.federation.validation.entity_rules import (
    contact_rules,
    extension_rules,
    name_rules,
    organization_rules,
    registration_rules,
    role_rules,
)
from ostiary.federation.validation.entity_rules import end_rules as entity_end_rules
from ostiary.federation.validation.findings import Complaint, Finding, complain, findings
from ostiary.federation.validation.idp_rules import idp_rules
from ostiary.federation.validation.key_rules import key_fingerprints, key_rules
from ostiary.federation.validation.sp_rules import sp_rules
from ostiary.federation.validation.text_rules import text_rules
from ostiary.saml.keys import TrustedKey
from ostiary.saml.schema import schema_complaints
from ostiary.saml.xml import Element

# What the schema says of a missing xml:lang, a rule of ours says in words.
_SAID_IN_WORDS = "'{http://www.w3.org/XML/1998/namespace}lang' is required"
_MOST_NAMED = 3


def check_document(
    root: Element, now: datetime, *, trusted: Sequence[TrustedKey] = (), longest: timedelta = LONGEST
) -> Iterator[Finding]:
    """Everything that is found in a document of one entity or many: first what concerns all of it, then each entity in turn, then what
    concerns several. ``trusted``: the keys that may have signed it; without, the signature's form is looked at alone. ``longest``: how
    long it may be valid.

    Processing instructions are taken out of the tree once the signature was looked at.
    """
    document = [*form_rules(root), *signature_rules(root, trusted)]
    if root.tag in (ENTITY, GROUP):
        document += end_rules(root, now, longest)
    # `findings` is asked before the tree is changed: lines and paths stay those of the document.
    yield from list(findings(document))
    etree.strip_tags(root, etree.ProcessingInstruction)
    lines: dict[str, int] = {}
    holders: dict[str, list[tuple[str, Element]]] = {}
    for element in root.iter(ENTITY):
        view = EntityView(element)
        again: tuple[Complaint, ...] = ()
        if view.entity_id in lines:
            again = (complain("document.duplicate_entity", element, line=lines[view.entity_id]),)
        lines.setdefault(view.entity_id, element.sourceline or 0)
        yield from findings((*again, *_complaints(view, now)), view.entity_id)
        for fingerprint, certificate in key_fingerprints(view):
            holders.setdefault(fingerprint, []).append((view.entity_id, certificate))
    yield from findings(_shared(holders))


def check_entity(element: Element, now: datetime) -> tuple[Finding, ...]:
    """What is found in one EntityDescriptor, wherever it stands."""
    view = EntityView(element)
    return tuple(findings(_complaints(view, now), view.entity_id))


def _complaints(view: EntityView, now: datetime) -> Iterator[Complaint]:
    for line, message in schema_complaints(view.element, "metadata"):
        if _SAID_IN_WORDS not in message:
            yield Complaint("document.schema", view.element, (("found", message),), line)
    yield from name_rules(view)
    yield from entity_end_rules(view, now)
    yield from role_rules(view)
    yield from registration_rules(view, now)
    yield from organization_rules(view)
    yield from contact_rules(view)
    yield from extension_rules(view)
    yield from text_rules(view)
    yield from key_rules(view, now)
    yield from endpoint_rules(view)
    yield from display_rules(view)
    yield from idp_rules(view)
    yield from sp_rules(view)
    yield from category_rules(view)


def _shared(holders: dict[str, list[tuple[str, Element]]]) -> Iterator[Complaint]:
    """The same key in several entities: each of them can speak as the others (SAML metadata 2.4.1.1)."""
    for fingerprint, found in holders.items():
        entities = list(dict.fromkeys(entity_id for entity_id, _ in found))
        if len(entities) > 1:
            named = ", ".join(entities[:_MOST_NAMED]) + (", …" if len(entities) > _MOST_NAMED else "")
            yield complain(
                "document.shared_key", found[1][1], fingerprint=fingerprint[:16], count=len(entities), entities=named
            )
