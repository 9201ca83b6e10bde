"""What an SP says in its own metadata about the IdPs that it wants offered (entity attribute ``entity-selection-profile``, in the JSON of
SeamlessAccess). Pure. A profile that is not understood says nothing: it must not hide a person's home organisation.
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ostiary.federation.endpoints import is_link
from ostiary.federation.summary import Summary
from ostiary.saml import names

MAXIMUM: Final = 100_000
"""Characters of all values of the entity attribute together, in Base64: they are read with each request."""
_MOST_NAMED: Final = 2_000
# Each is asked about each home organisation.
_MOST_CLAUSES: Final = 50
_MOST_PROFILES: Final = 50

# What a clause may look at, by the name that SeamlessAccess gives it.
_MATCHES: Final[Mapping[str, Callable[[Summary], tuple[str, ...]]]] = {
    "registrationAuthority": lambda idp: (idp.registration_authority,) if idp.registration_authority else (),
    "entity_category": lambda idp: idp.entity_categories,
    "entity_category_support": lambda idp: idp.values_of(names.ENTITY_CATEGORY_SUPPORT),
    "assurance_certification": lambda idp: idp.values_of(names.ASSURANCE_CERTIFICATION),
}


@dataclass(frozen=True, slots=True)
class Clause:
    """IdPs of which the property ``match`` has the value ``select``; with ``include`` False those of which it has not."""

    match: str
    select: str
    include: bool = True

    def holds(self, idp: Summary) -> bool:
        """Whether this IdP is among them."""
        return (self.select in _MATCHES[self.match](idp)) is self.include


@dataclass(frozen=True, slots=True)
class SelectionProfile:
    """One trust profile. ``strict``: others are not offered at all, else they come later. An IdP is selected if it stands in
    ``included``, or if all ``clauses`` hold and it does not stand in ``excluded``. ``fallback``: where another way in is, or nothing."""

    name: str
    strict: bool = True
    included: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    clauses: tuple[Clause, ...] = ()
    fallback: str = ""

    def selects(self, idp: Summary) -> bool:
        """Whether this IdP is one of those that the SP wants."""
        if idp.entity_id in self.included:
            return True
        # Who names single IdPs and no property wants just these.
        named_only = bool(self.included) and not self.clauses and not self.excluded
        return not named_only and idp.entity_id not in self.excluded and all(one.holds(idp) for one in self.clauses)


def read_profiles(values: Iterable[str], entity_id: str) -> tuple[SelectionProfile, ...]:
    """The profiles in the values of the entity attribute, each Base64 of a JSON object. One that names an SP names this (``entity_id``).

    What is broken, too long, or looks at something that we do not know is left out.
    """
    found: dict[str, SelectionProfile] = {}
    left = MAXIMUM
    for value in values:
        if len(value) > left:
            continue
        left -= len(value)
        try:
            described = _described(value, entity_id)
        except (ValueError, RecursionError):  # neither Base64 nor UTF-8 nor JSON, or nested beyond reason
            continue
        for name, profile in described.items():
            read = _profile(name, profile)
            if read is not None and len(found) < _MOST_PROFILES:
                found.setdefault(name, read)
    return tuple(found.values())


def _described(value: str, entity_id: str) -> Mapping[str, Any]:
    content = json.loads(base64.b64decode("".join(value.split()), validate=True).decode())
    if not isinstance(content, dict) or content.get("entityID", entity_id) != entity_id:
        raise ValueError("of another SP")
    profiles = content.get("profiles")
    return profiles if isinstance(profiles, dict) else {}


def _profile(name: str, content: object) -> SelectionProfile | None:
    if not isinstance(content, dict):
        return None
    strict, single, several = content.get("strict", True), content.get("entity", []), content.get("entities", [])
    if not isinstance(strict, bool) or not isinstance(single, list) or not isinstance(several, list):
        return None
    if len(single) > _MOST_NAMED or len(several) > _MOST_CLAUSES:
        return None
    named: dict[bool, set[str]] = {True: set(), False: set()}
    clauses = []
    for one in single:
        match one:
            case {"entity_id": str(entity_id)} if isinstance(one.get("include", True), bool):
                named[one.get("include", True)].add(entity_id)
            case _:
                return None
    for one in several:
        match one:
            case {"match": str(match), "select": str(select)} if match in _MATCHES and isinstance(
                one.get("include", True), bool
            ):
                clauses.append(Clause(match, select, one.get("include", True)))
            case _:
                return None
    return SelectionProfile(
        name, strict, frozenset(named[True]), frozenset(named[False]), tuple(clauses), _fallback(content)
    )


def _fallback(content: Mapping[str, Any]) -> str:
    match content.get("fallback_handler"):
        case {"handler": str(url), **more} if more.get("profile", "href") == "href" and url.startswith("https://"):
            return url if is_link(url) else ""
        case _:
            return ""
