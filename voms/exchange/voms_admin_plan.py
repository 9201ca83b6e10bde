"""What an import will write, and what there is to say about it. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan
from voms.administration.acl import AclEntry
from voms.attribute_classes import AttributeClass
from voms.details import Details
from voms.members.aup import AupVersion

_LONGEST: Final = 600


class Kind(StrEnum):
    """``CHANGED``: taken over in another form, or something follows from it; ``LEFT``: not taken over."""

    CHANGED = "changed"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Remark:
    """``code``: which sentence says it (`voms/texts/en/import.yaml`); ``what``: of whom or what, as the old database names it."""

    kind: Kind
    code: str
    what: str


def one_line(text: str, most: int) -> str:
    """What of a text people can see: one space for what they can't, at most so many characters."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:most].strip()


class Remarks:
    """Collects them in the order in which things are looked at, in a form that no terminal obeys."""

    def __init__(self) -> None:
        self.found: list[Remark] = []

    def changed(self, code: str, what: str) -> None:
        """Taken over, but not as it was."""
        self.found.append(Remark(Kind.CHANGED, code, one_line(what, _LONGEST)))

    def left(self, code: str, what: str) -> None:
        """Not taken over."""
        self.found.append(Remark(Kind.LEFT, code, one_line(what, _LONGEST)))


@dataclass(frozen=True, slots=True)
class PlannedMember:
    """``suspended``: code and reason; ``certificates``: each with the reason why it is suspended by itself, or None; ``signed``: versions
    of the policy with when; ``asked_at``: since when she has to sign anew."""

    number: int
    since: datetime
    until: datetime | None
    suspended: tuple[str, str] | None
    details: Details
    certificates: tuple[tuple[CertificateNames, str | None], ...]
    groups: tuple[str, ...] = ()
    roles: tuple[Fqan, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    signed: Mapping[str, datetime] = field(default_factory=dict)
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole VO. ``groups``: path to description, those above first, the root among them; ``values``: attributes of groups and roles."""

    groups: Mapping[str, str]
    roles: tuple[str, ...]
    classes: tuple[AttributeClass, ...]
    values: tuple[tuple[Fqan, str, str], ...]
    members: tuple[PlannedMember, ...]
    entries: tuple[AclEntry, ...]
    versions: tuple[AupVersion, ...]

    def counts(self) -> dict[str, int]:
        """How much of what."""
        people = self.members
        return {
            "groups": len(self.groups),
            "roles": len(self.roles),
            "members": len(people),
            "suspended_members": sum(each.suspended is not None for each in people),
            "certificates": sum(len(each.certificates) for each in people),
            "suspended_certificates": sum(reason is not None for each in people for _, reason in each.certificates),
            "group_memberships": sum(len(each.groups) for each in people),
            "role_assignments": sum(len(each.roles) for each in people),
            "attribute_classes": len(self.classes),
            "attributes": len(self.values) + sum(len(each.attributes) for each in people),
            "acl_entries": len(self.entries),
            "policy_versions": len(self.versions),
            "signatures": sum(len(each.signed) for each in people),
        }
