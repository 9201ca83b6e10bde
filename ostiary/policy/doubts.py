"""What a policy document says that can hardly be meant: attributes that no standard knows, rules that can never hold. Refuses nothing: a
doubt is for the author to look at."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal

from ostiary.attributes import NAME_ID_VALUED, SCOPED, make_value
from ostiary.identifiers.syntax import SUBJECT_IDENTIFIERS, is_identifier
from ostiary.policy.values import ValueTest
from ostiary.saml.attribute_names import is_known, known_names

DoubtCode = Literal[
    "no_rules",
    "unknown_name",
    "misspelt_name",
    "value_never",
    "scope_never",
    "shadowed",
    "required_never",
    "source_never",
    "scope_covers_nothing",
    "disjoint",
    "dates_over",
    "not_accepted",
]


@dataclass(frozen=True, slots=True)
class Doubt:
    """``code`` is a key of the texts, filled by ``about`` (what it is about), ``rule`` (empty: the document) and ``other``."""

    code: DoubtCode
    rule: str = ""
    about: str = ""
    other: str = ""


def name_doubts(rule: str, names: Iterable[str], own: Iterable[str] = (), *, only_near: bool = False) -> list[Doubt]:
    """About names that no standard knows, that are no URIs, and that are not among ``own``; with ``only_near`` only where another name is
    near."""
    local = frozenset(own)
    doubts: list[Doubt] = []
    for name in names:
        # URIs and what VOs say go by names that no map knows.
        if name in local or ":" in name or is_known(name):
            continue
        near = _near(name, known_names() | local)
        if near:
            doubts.append(Doubt("misspelt_name", rule, name, near))
        elif not only_near:
            doubts.append(Doubt("unknown_name", rule, name))
    return doubts


_NEAR: Final = 0.85


def _near(name: str, names: Iterable[str]) -> str:
    by_lower = {known.lower(): known for known in names}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=_NEAR)
    return by_lower[found[0]] if found else ""


def value_doubts(rule: str, attribute: str, test: ValueTest) -> list[Doubt]:
    """About listed values that can't be values of the attribute, or that the other tests beside the list leave out."""
    # A local name may stand for scoped values or for others.
    if attribute in NAME_ID_VALUED or not (is_known(attribute) or ":" in attribute):
        return []
    return [
        Doubt("value_never", rule, text, attribute)
        for text in sorted(test.exact or ())
        if _is_left_out(attribute, text, test)
    ]


def _is_left_out(attribute: str, text: str, test: ValueTest) -> bool:
    value = make_value(attribute, text)
    if attribute in SCOPED and not value.scope:
        return True
    if attribute in SUBJECT_IDENTIFIERS and not is_identifier(str(value)):
        return True
    return not test.holds(value)
