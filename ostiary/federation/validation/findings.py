"""What is found in metadata, with its place in the document. Data only."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from lxml import etree

from ostiary.federation.validation.rules import RULES, SEVERITIES, Severity
from ostiary.saml import names
from ostiary.saml.xml import Element, qname

MOST_OF_ONE_RULE: Final = 20
_MAX_FACT: Final = 200
_STOP = (qname(names.MD, "EntityDescriptor"), qname(names.MD, "EntitiesDescriptor"))


@dataclass(frozen=True, slots=True, eq=False)
class Complaint:
    """A rule that an element breaks. ``facts`` fill the placeholders of the rule's words. ``line``: where it is known better than by the
    element."""

    code: str
    element: Element
    facts: tuple[tuple[str, str], ...] = ()
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """The same without the tree. ``line`` counts from 1; ``path`` leads from the entity to the element, for documents without lines;
    ``more``: in how many further places of the same entity the rule is broken, which are not listed."""

    code: str
    severity: Severity
    section: str
    entity_id: str
    line: int
    path: str
    facts: tuple[tuple[str, str], ...] = ()
    more: int = 0


def complain(code: str, element: Element, **facts: object) -> Complaint:
    """A complaint; facts come from elsewhere and are cut to a bounded length."""
    return Complaint(code, element, tuple((name, _short(str(fact))) for name, fact in facts.items()))


def findings(complaints: Iterable[Complaint], entity_id: str = "") -> Iterator[Finding]:
    """Complaints about one entity, or about the document as a whole, in the order of the document; of one rule a bounded number."""
    by_code: dict[str, list[Complaint]] = {}
    counts: Counter[str] = Counter()
    for one in complaints:
        counts[one.code] += 1
        if counts[one.code] <= MOST_OF_ONE_RULE:
            by_code.setdefault(one.code, []).append(one)
    found = (
        (one, counts[code] - len(listed) if one is listed[-1] else 0)
        for code, listed in by_code.items()
        for one in listed
    )
    made = (_finding(one, entity_id, more) for one, more in found)
    yield from sorted(made, key=lambda finding: (finding.line, SEVERITIES.index(finding.severity)))


def _finding(one: Complaint, entity_id: str, more: int) -> Finding:
    rule = RULES[one.code]
    line = one.element.sourceline if one.line is None else one.line
    return Finding(
        one.code, rule.severity, rule.section, _short(entity_id), line or 0, path_of(one.element), one.facts, more
    )


def path_of(element: Element) -> str:
    """The way to an element from its entity: ``SPSSODescriptor/AssertionConsumerService[2]``; empty for the entity itself."""
    parts: list[str] = []
    at: Element | None = element
    while at is not None and at.tag not in _STOP:
        before = sum(1 for _ in at.itersiblings(str(at.tag), preceding=True))
        after = next(at.itersiblings(str(at.tag)), None) is not None
        local = etree.QName(at).localname
        parts.append(f"{local}[{before + 1}]" if before or after else local)
        at = at.getparent()
    return "/".join(reversed(parts))


def _short(text: str) -> str:
    return text if len(text) <= _MAX_FACT else f"{text[:_MAX_FACT]}…"
