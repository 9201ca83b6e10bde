"""What a VOMS-Admin database (schema of version 3.x) holds of its VO, as plain values; nothing is judged or left out here."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class OldUser:
    """``subject`` and ``authority`` are of older releases, which knew one certificate; ``suspended`` is None where nothing is written."""

    number: int
    subject: str | None
    authority: int | None
    given_name: str | None
    surname: str | None
    institution: str | None
    phone: str | None
    address: str | None
    mail: str | None
    created: datetime | None
    ends: datetime | None
    suspended: bool | None
    reason: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class OldCertificate:
    """Subject as a one-line name; ``authority`` is the number of a CA."""

    number: int
    user: int
    authority: int
    subject: str
    suspended: bool | None
    reason: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class OldGroup:
    """``parent`` of the root is the root."""

    number: int
    path: str
    parent: int | None
    description: str | None
    restricted: bool | None


@dataclass(frozen=True, slots=True)
class OldMapping:
    """That a user is in a group, or (``role``) has a role there."""

    user: int
    group: int
    role: int | None


@dataclass(frozen=True, slots=True)
class OldClass:
    """A name of generic attributes."""

    number: int
    name: str
    description: str | None
    unique: bool | None


@dataclass(frozen=True, slots=True)
class OldValue:
    """A generic attribute of a user, a group, or a role in a group."""

    class_: int
    value: str | None
    user: int | None = None
    group: int | None = None
    role: int | None = None


@dataclass(frozen=True, slots=True)
class OldAdmin:
    """Whom lists call so: a one-line name, or an FQAN or mark where the CA is one of the original's own."""

    number: int
    name: str
    authority: int


@dataclass(frozen=True, slots=True)
class OldList:
    """One access-control list."""

    number: int
    group: int
    role: int | None
    default: bool | None


@dataclass(frozen=True, slots=True)
class OldPermissions:
    """One entry of a list."""

    list_: int
    admin: int
    bits: int | None


@dataclass(frozen=True, slots=True)
class OldPolicy:
    """An acceptable-use policy; ``days``: how long a signature counts."""

    number: int
    name: str
    days: int | None


@dataclass(frozen=True, slots=True)
class OldVersion:
    """One version of it; ``forced``: since when signatures had to be given anew."""

    number: int
    policy: int
    version: str
    url: str | None
    text: str | None
    created: datetime | None
    forced: datetime | None
    active: bool | None


@dataclass(frozen=True, slots=True)
class OldSignature:
    """``valid`` is false where a manager wants a new one."""

    version: int
    user: int
    at: datetime | None
    valid: bool | None


@dataclass(frozen=True, slots=True)
class OldManager:
    """Somebody who got letters about requests for some groups; no list named her."""

    name: str
    mail: str
    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OldVo:
    """A whole database. ``besides``: how many rows there are of kinds that are not read, by kind."""

    release: str = ""
    authorities: dict[int, str] = field(default_factory=dict)
    groups: tuple[OldGroup, ...] = ()
    roles: dict[int, str] = field(default_factory=dict)
    users: tuple[OldUser, ...] = ()
    certificates: tuple[OldCertificate, ...] = ()
    mappings: tuple[OldMapping, ...] = ()
    classes: tuple[OldClass, ...] = ()
    values: tuple[OldValue, ...] = ()
    admins: tuple[OldAdmin, ...] = ()
    lists: tuple[OldList, ...] = ()
    permissions: tuple[OldPermissions, ...] = ()
    policies: tuple[OldPolicy, ...] = ()
    versions: tuple[OldVersion, ...] = ()
    signatures: tuple[OldSignature, ...] = ()
    managers: tuple[OldManager, ...] = ()
    besides: dict[str, int] = field(default_factory=dict)
