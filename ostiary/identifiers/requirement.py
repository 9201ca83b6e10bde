"""Which subject identifier a relying party wants, by the entity attribute in its metadata (SAML V2.0 Subject Identifier Attributes
Profile 1.0). Pure; releases nothing: what no policy permits stays.
"""

from collections.abc import Iterable
from typing import Final, Literal

from ostiary.identifiers.syntax import PAIRWISE_ID, SUBJECT_ID, SUBJECT_IDENTIFIERS

REQUIREMENT: Final = "urn:oasis:names:tc:SAML:profiles:subject-id:req"
"""The name of the entity attribute."""

Requirement = Literal["subject-id", "pairwise-id", "none", "any"]

_REQUIREMENTS: Final[dict[str, Requirement]] = {
    "subject-id": "subject-id",
    "pairwise-id": "pairwise-id",
    "none": "none",
    "any": "any",
}


def read_requirement(entity_attributes: Iterable[tuple[str, tuple[str, ...]]]) -> Requirement | None:
    """What metadata says; None where it says nothing. It has one value: where it has none that the profile knows, or different ones, it
    says nothing that can be followed."""
    found = {value.strip() for name, values in entity_attributes if name == REQUIREMENT for value in values}
    return _REQUIREMENTS.get(found.pop()) if len(found) == 1 else None


def identifiers_asked(requirement: Requirement | None) -> tuple[str, ...]:
    """The attributes that a requirement asks for, the preferred one first."""
    match requirement:
        case "subject-id":
            return (SUBJECT_ID,)
        case "pairwise-id":
            return (PAIRWISE_ID,)
        case "any":
            return (PAIRWISE_ID, SUBJECT_ID)
        case _:
            return ()


def identifiers_withheld(requirement: Requirement | None, permitted: Iterable[str]) -> frozenset[str]:
    """Of the identifiers that policies permit, those that stay because the relying party does not need them.

    Without a requirement none does. ``any`` gets one: ``pairwise-id`` where it may leave, which tells the least.
    """
    if requirement is None:
        return frozenset()
    allowed = SUBJECT_IDENTIFIERS.intersection(permitted)
    chosen = next((name for name in identifiers_asked(requirement) if name in allowed), None)
    return allowed - {chosen}
