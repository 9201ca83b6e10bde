"""Who may decide a request, and who hears of it. Only reads."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Select, select

from ostiary.storage.engine import reading
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan
from voms import grants
from voms.administration.acl import way_to
from voms.administration.callers import OPERATOR, Caller, caller_of_certificate, caller_of_identities
from voms.administration.permissions import Permission
from voms.administration.reach import (
    groups_over,
    groups_throughout,
    inherits,
    keys_of_member,
    keys_of_role,
    paths_of,
    roles_of_member,
)
from voms.administration.rights import Rights
from voms.administration.who import Who, WhoKind, read_who
from voms.changes import Change
from voms.identities import FederatedIdentity
from voms.memberships import Memberships
from voms.periods import ALWAYS, When
from voms.requests.asked import Request, Wish
from voms.rows import group_number, vo_number
from voms.standing import Standing
from voms.tables import (
    vo_acl_entry,
    vo_group,
    vo_group_membership,
    vo_member_certificate,
    vo_member_details,
    vo_member_identity,
    vo_role,
    vo_role_assignment,
)

MAXIMUM_TOLD: Final = 20
"""Letters about one request; where whole groups may decide, not everybody hears of everything."""


def place_of(vo: str, request: Request) -> tuple[str, str | None]:
    """The group, or role in it, whose list says who may decide: the VO itself where no group or role was asked for."""
    return (request.wish.group, request.wish.role) if request.wish is not None else (f"/{vo}", None)


def may_decide(rights: Rights, vo: str, request: Request, permission: Permission) -> bool:
    """Whether the caller may see (``REQUESTS_READ``), or decide (``REQUESTS_WRITE``), the request."""
    return rights.allows(permission, *place_of(vo, request))


def require_to_give(rights: Rights, change: Change, member: str, wish: Wish, when: When = ALWAYS) -> None:
    """Raises `Denied` (``voms.not_allowed``, ``voms.more_than_own``) where the caller may not let the member into the group or give her the
    role ``when``, for want of REQUESTS_WRITE there; where that brings her into groups above in which she is not during all of that time
    anyway, of it or of MEMBERSHIP_WRITE in each of them; or where lists would let the member do there what the caller may not. Raises
    `Missing` (``voms.no_group``)."""
    rights.require(Permission.REQUESTS_WRITE, wish.group, wish.role)
    if rights.caller.operator:
        return
    connection, root = change.connection, f"/{change.name}"
    number = group_number(connection, change.vo, wish.group)
    over: set[int] = set()
    if not grants.is_in(change, member, wish.group):
        anyway = groups_throughout(connection, member, when.since or change.at, when.until)
        over = groups_over(connection, [number]) - anyway
    new = [path for path in paths_of(connection, over) if path != root]
    for path in new:
        if not rights.allows(Permission.MEMBERSHIP_WRITE, path):
            rights.require(Permission.REQUESTS_WRITE, path)
    keys = {Who.fqan(Fqan(path)).key for path in new}
    if wish.role is not None:
        keys |= keys_of_role(connection, change.vo, number, wish.role)
    if inherits(connection, change.vo):
        keys |= {Who.fqan(Fqan(path, role)).key for path in new for role in roles_of_member(connection, member)}
    rights.require_no_more_than_own(keys)


def require_to_admit(rights: Rights, vo: str) -> None:
    """The same for somebody who becomes a member. What lists say of her certificate, she may do already."""
    rights.require(Permission.REQUESTS_WRITE, f"/{vo}")
    rights.require_no_more_than_own({Who.fqan(Fqan(f"/{vo}")).key})


def require_to_be(rights: Rights, change: Change, member: str, names: CertificateNames) -> None:
    """The same for a certificate by which its holder becomes this member: both are one from now on."""
    rights.require(Permission.REQUESTS_WRITE, f"/{change.name}")
    if not rights.caller.operator:
        keys = keys_of_member(change.connection, change.vo, f"/{change.name}", member)
        rights.require_no_more_than_own({*keys, Who.certificate(names).key})


def deciders(connection: Connection, vo_id: int, vo: str, request: Request, at: datetime) -> tuple[str, ...]:
    """Members whom the list in question lets decide, `MAXIMUM_TOLD` at most; whom it means as one of everybody hears nothing."""
    group, role = place_of(vo, request)
    entry = vo_acl_entry
    wanted = (
        select(entry.c.who_kind, entry.c.who, entry.c.permissions)
        .join(vo_group, vo_group.c.id == entry.c.group_id)
        .outerjoin(vo_role, vo_role.c.id == entry.c.role_id)
        .where(entry.c.vo_id == vo_id, vo_group.c.path == group, entry.c.for_new_groups.is_(False))
        .where(entry.c.role_id.is_(None) if role is None else vo_role.c.name == role)
        .order_by(entry.c.id)
    )
    found: dict[str, None] = {}
    for row in connection.execute(wanted):
        if Permission(row.permissions) & Permission.REQUESTS_WRITE:
            for members in _meant(vo_id, read_who(row.who_kind, row.who), at):
                found |= dict.fromkeys(connection.execute(members.limit(MAXIMUM_TOLD)).scalars().all())
    return tuple(found)[:MAXIMUM_TOLD]


def addresses_of(connection: Connection, members: tuple[str, ...]) -> dict[str, str]:
    """The mail addresses of those who have one, in this order."""
    held = vo_member_details
    wanted = select(held.c.member_id, held.c.mail).where(held.c.member_id.in_(members), held.c.mail != "")
    found = {row.member_id: row.mail for row in connection.execute(wanted)}
    return {member: found[member] for member in members if member in found}


def callers_of_member(connection: Connection, member: str, standing: Standing | None) -> tuple[Caller, ...]:
    """The member as she may come: with each of her certificates, and with her identities. Nobody where she is barred."""
    if standing is None or standing.suspended is not None:
        return ()
    link, certificate = vo_member_identity, vo_member_certificate
    named = select(link.c.asserted_by, link.c.attribute, link.c.value).where(link.c.member_id == member)
    identities = tuple(FederatedIdentity(*row) for row in connection.execute(named))
    wanted = select(certificate.c.subject, certificate.c.issuer).where(
        certificate.c.member_id == member, certificate.c.suspended_at.is_(None)
    )
    found = [
        Caller(member, certificate=CertificateNames(*row), member=member, standing=standing)
        for row in connection.execute(wanted)
    ]
    if identities:
        found.append(Caller(member, identities=identities, member=member, standing=standing))
    return tuple(found)


def callers_recorded_as(engine: Engine, vo: str, by: str, at: datetime) -> tuple[Caller, ...]:
    """Whom records call ``by``, in each way in which she may come at this moment; nobody where she is gone, or barred."""
    if by == OPERATOR.by:
        return (OPERATOR,)
    if ":" not in by:
        standing = Memberships(engine, vo).of_member(by, at)
        with reading(engine) as connection:
            return callers_of_member(connection, by, standing)
    # No member then: she could do what lists say of her certificate or identity.
    entry = vo_acl_entry
    named = (WhoKind.CERTIFICATE.value, WhoKind.IDENTITY.value)
    with reading(engine) as connection:
        wanted = select(entry.c.who_kind, entry.c.who, entry.c.who_key).distinct()
        wanted = wanted.where(entry.c.vo_id == vo_number(connection, vo), entry.c.who_kind.in_(named))
        listed = {row.who_key: read_who(row.who_kind, row.who) for row in connection.execute(wanted)}
    found: dict[str, Caller] = {}
    for key, who in listed.items():
        if who.kind is WhoKind.CERTIFICATE:
            names = CertificateNames(*who.value)
            if by == f"certificate:{names.key[:16]}":
                found[key] = caller_of_certificate(engine, vo, names, at)
        else:
            identity = FederatedIdentity(*who.value)
            if by == f"person:{identity.key[:16]}":
                found[key] = caller_of_identities(engine, vo, [identity], at)
    return tuple(each for each in found.values() if not each.barred)


def _meant(vo_id: int, who: Who, at: datetime) -> Iterator[Select[Any]]:
    match who.kind:
        case WhoKind.MEMBER:
            held = vo_member_details.c.member_id
            yield select(held).where(held == who.value[0])
        case WhoKind.CERTIFICATE:
            link = vo_member_certificate
            key = CertificateNames(*who.value).key
            yield select(link.c.member_id).where(link.c.vo_id == vo_id, link.c.names_key == key)
        case WhoKind.IDENTITY:
            named = vo_member_identity
            key = FederatedIdentity(*who.value).key
            yield select(named.c.member_id).where(named.c.vo_id == vo_id, named.c.identity_key == key)
        case WhoKind.GROUP if len(way_to(who.value[0])) > 1:
            joined = vo_group_membership
            wanted = select(joined.c.member_id).join(vo_group, vo_group.c.id == joined.c.group_id)
            yield wanted.where(vo_group.c.vo_id == vo_id, vo_group.c.path == who.value[0]).order_by(joined.c.id)
        case WhoKind.ROLE:
            fqan, given = who.as_fqan(), vo_role_assignment
            if fqan is not None:
                holders = (
                    select(given.c.member_id)
                    .join(vo_group, vo_group.c.id == given.c.group_id)
                    .join(vo_role, vo_role.c.id == given.c.role_id)
                    .where(vo_group.c.vo_id == vo_id, vo_group.c.path == fqan.group, vo_role.c.name == fqan.role)
                )
                over = given.c.valid_to.is_(None) | (given.c.valid_to > at)
                yield holders.where(given.c.valid_from <= at, over).order_by(given.c.id)
