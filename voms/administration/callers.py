"""Who wants something of a VO, and by what lists may mean her. Reads; the proof (certificate chain, login) was looked at by who asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Engine, Table, select

from ostiary.storage.engine import reading
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan
from voms.administration.who import Who, WhoKind
from voms.identities import FederatedIdentity
from voms.memberships import Memberships
from voms.standing import End, Standing
from voms.tables import vo, vo_member_certificate, vo_member_identity


@dataclass(frozen=True, slots=True)
class Caller:
    """``by`` goes into rows and the audit trail: "operator", a member's id, or a hash of what she is known by, never a name.

    ``member``: the id, also of one who may do nothing (``barred``: suspended, over, or another reason); ``standing``: what a member has at
    the moment, None for others.
    """

    by: str
    operator: bool = False
    certificate: CertificateNames | None = None
    identities: tuple[FederatedIdentity, ...] = ()
    member: str | None = None
    standing: Standing | None = None
    barred: bool = False

    @property
    def authenticated(self) -> bool:
        """Whether she has proved to be somebody."""
        return self.operator or self.member is not None or self.certificate is not None or bool(self.identities)

    def whos(self, at: datetime) -> frozenset[Who]:
        """All that lists may call her at a moment not before that of her standing.

        Who is barred counts as anyone, and nothing else: what she was trusted with waits, too. So is a member whose time is over.
        """
        anyone = Who.of_kind(WhoKind.ANYONE)
        if self.barred or (self.standing is not None and not _goes_on(self.standing.ends, at)):
            return frozenset((anyone,))
        if not self.authenticated:
            return frozenset((anyone, Who.of_kind(WhoKind.UNAUTHENTICATED)))
        found = {anyone, Who.of_kind(WhoKind.AUTHENTICATED), *map(Who.identity, self.identities)}
        if self.certificate is not None:
            found.add(Who.certificate(self.certificate))
        if self.standing is not None:
            found.add(Who.member(self.standing.member))
            groups = (Fqan(path) for path, end in self.standing.groups.items() if _goes_on(end, at))
            roles = (fqan for fqan, end in self.standing.roles.items() if _goes_on(end, at))
            found |= {Who.fqan(fqan) for fqan in (*groups, *roles)}
        return frozenset(found)

    def keys(self, at: datetime) -> frozenset[str]:
        """The same as the table of lists has them."""
        return frozenset(who.key for who in self.whos(at))


OPERATOR: Final = Caller("operator", operator=True)
"""Whoever can run commands beside the database: may do everything."""

NOBODY: Final = Caller("nobody")
"""Who has proved nothing."""


def caller_of_certificate(engine: Engine, vo_name: str, names: CertificateNames, at: datetime) -> Caller:
    """Who holds a certificate whose chain was verified. Raises `Unavailable`."""
    standing = Memberships(engine, vo_name).of_certificate(names, at)
    owner = standing.member if standing is not None else owner_of_certificate(engine, vo_name, names)
    unknown = "certificate:" + names.key[:16]
    return _caller(unknown, owner, [standing] if standing is not None else [], certificate=names)


def caller_of_identities(engine: Engine, vo_name: str, identities: Sequence[FederatedIdentity], at: datetime) -> Caller:
    """Whom her home organisation names by all of these (at least one). Where they belong to two members, she is neither, and barred.

    Raises `Unavailable`, ValueError for no identity.
    """
    if not identities:
        raise ValueError("a person without an identity is nobody")
    memberships = Memberships(engine, vo_name)
    standings = [found for each in identities if (found := memberships.of_identity(each, at)) is not None]
    owners = {owner_of_identity(engine, vo_name, each) for each in identities} - {None}
    if len(owners) > 1:
        return Caller("person:" + _short(identities), identities=tuple(identities), barred=True)
    return _caller("person:" + _short(identities), next(iter(owners), None), standings, identities=tuple(identities))


def caller_of_member(engine: Engine, vo_name: str, member: str, at: datetime) -> Caller:
    """A member who showed a token of the VO's own: by her id, with no certificate or login beside it. Raises `Unavailable`."""
    standing = Memberships(engine, vo_name).of_member(member, at)
    return _caller(member, member, [standing] if standing is not None else [])


def _caller(
    unknown: str,
    owner: str | None,
    standings: Sequence[Standing],
    *,
    certificate: CertificateNames | None = None,
    identities: tuple[FederatedIdentity, ...] = (),
) -> Caller:
    if owner is None:
        return Caller(unknown, certificate=certificate, identities=identities)
    active = standings[0] if standings and all(each.suspended is None for each in standings) else None
    return Caller(owner, False, certificate, identities, owner, active, barred=active is None)


def owner_of_certificate(engine: Engine, vo_name: str, names: CertificateNames) -> str | None:
    """The id of the member whose the certificate is, in whatever state she is; None: nobody's. Raises `Unavailable`."""
    link = vo_member_certificate
    return _owner(engine, vo_name, link, link.c.names_key == names.key)


def owner_of_identity(engine: Engine, vo_name: str, identity: FederatedIdentity) -> str | None:
    """The same of whom a home organisation names so."""
    link = vo_member_identity
    return _owner(engine, vo_name, link, link.c.identity_key == identity.key)


def _owner(engine: Engine, vo_name: str, link: Table, found: ColumnElement[bool]) -> str | None:
    wanted = select(link.c.member_id).join(vo, vo.c.id == link.c.vo_id).where(vo.c.name == vo_name, found)
    with reading(engine) as connection:
        member: str | None = connection.execute(wanted).scalar_one_or_none()
    return member


def _goes_on(end: End, at: datetime) -> bool:
    return end is None or end > at


def _short(identities: Sequence[FederatedIdentity]) -> str:
    """Of the one that comes first in the order of keys: the same person is the same each time."""
    return min(each.key for each in identities)[:16]
