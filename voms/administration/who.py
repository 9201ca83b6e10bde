"""Whom an entry of an access-control list means: one person, all members of a group, all who have a role, or everybody of a kind. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan, parse_fqan
from voms.identities import FederatedIdentity


class WhoKind(StrEnum):
    """The original's kinds of administrators, and ``member`` and ``identity``."""

    MEMBER = "member"
    CERTIFICATE = "certificate"
    IDENTITY = "identity"
    GROUP = "group"
    ROLE = "role"
    AUTHENTICATED = "authenticated"
    """Whoever proves to be somebody, member or not (the original's "Any Authenticated User")."""
    UNAUTHENTICATED = "unauthenticated"
    """Whoever does not (the original's "Unauthenticated Client")."""
    ANYONE = "anyone"
    """Both (the original's "Absolutely Anyone")."""


_MARKS = frozenset((WhoKind.AUTHENTICATED, WhoKind.UNAUTHENTICATED, WhoKind.ANYONE))


@dataclass(frozen=True, slots=True)
class Who:
    """``value``: a member's id; subject and issuer (RFC 4514); entityID, attribute and value; a group, or a role in one, as a short FQAN;
    nothing for those of a kind. Made by the class methods, which say what belongs where."""

    kind: WhoKind
    value: tuple[str, ...] = ()

    @classmethod
    def member(cls, member: str) -> "Who":
        """A member, by whatever she is known."""
        return cls(WhoKind.MEMBER, (member,))

    @classmethod
    def certificate(cls, names: CertificateNames) -> "Who":
        """Who holds the certificate, member or not."""
        return cls(WhoKind.CERTIFICATE, (names.subject, names.issuer))

    @classmethod
    def identity(cls, identity: FederatedIdentity) -> "Who":
        """Whom a home organisation names so, member or not."""
        return cls(WhoKind.IDENTITY, (identity.asserted_by, identity.attribute, identity.value))

    @classmethod
    def fqan(cls, fqan: Fqan) -> "Who":
        """Who is in a group, or has a role in it, at the moment."""
        return cls(WhoKind.GROUP if fqan.role is None else WhoKind.ROLE, (fqan.short(),))

    @classmethod
    def of_kind(cls, kind: WhoKind) -> "Who":
        """Anyone, any authenticated, any unauthenticated. Raises ValueError for another kind."""
        if kind not in _MARKS:
            raise ValueError("this kind needs to be told who")
        return cls(kind)

    @property
    def key(self) -> str:
        """Kind and value as one bounded text for an index."""
        return hashlib.sha256(json.dumps([self.kind.value, *self.value]).encode()).hexdigest()

    def text(self) -> str:
        """As it is stored beside the key; `read_who` reads it."""
        return json.dumps(list(self.value))

    def shown(self) -> str:
        """For managers' eyes: the name by which they know it, without the kind."""
        return self.value[0] if self.kind is not WhoKind.IDENTITY and self.value else " ".join(self.value)

    def as_fqan(self) -> Fqan | None:
        """The group or role; None for others."""
        return parse_fqan(self.value[0]) if self.kind in (WhoKind.GROUP, WhoKind.ROLE) else None

    def as_json(self) -> Mapping[str, Any]:
        """For machines: the kind, and its parts by name."""
        return {"kind": self.kind.value, **dict(zip(_PARTS.get(self.kind, ()), self.value, strict=True))}


_PARTS: Mapping[WhoKind, tuple[str, ...]] = {
    WhoKind.MEMBER: ("member",),
    WhoKind.CERTIFICATE: ("subject", "issuer"),
    WhoKind.IDENTITY: ("asserted_by", "attribute", "value"),
    WhoKind.GROUP: ("fqan",),
    WhoKind.ROLE: ("fqan",),
}


def read_who(kind: str, text: str) -> Who:
    """What `Who.text` wrote."""
    return Who(WhoKind(kind), tuple(json.loads(text)))
