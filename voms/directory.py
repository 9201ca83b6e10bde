"""The members, groups, roles and attributes of one VO in a database. Each change writes its audit row in the same transaction.

Nothing is deleted: what ends keeps its row, with who ended it. Decides nothing about what is issued.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from ostiary import audit
from ostiary.errors import Missing, Refusal
from ostiary.storage.engine import writing
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import parse_fqan
from voms.hierarchy import stands_above
from voms.periods import Recurrence
from voms.rows import (
    add_certificate,
    begins,
    end_rows,
    ends,
    group_number,
    groups_from,
    lock_member,
    parents_of,
    role_number,
    validity,
    vo_number,
)
from voms.tables import (
    vo,
    vo_attribute,
    vo_group,
    vo_group_membership,
    vo_group_parent,
    vo_member,
    vo_member_certificate,
    vo_member_identity,
    vo_role,
    vo_role_assignment,
)

MAXIMUM_VALUE: Final = 4_096
_VO_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ROLE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ATTRIBUTE_NAME: Final = re.compile(r"[!-~]{1,255}")
_NO_FACTS: Final[Mapping[str, object]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FederatedIdentity:
    """A person as a home organisation names her: the value of an identifying attribute, and the entityID that asserts it."""

    asserted_by: str
    attribute: str
    value: str

    @property
    def key(self) -> str:
        """The three as one bounded text for an index."""
        return _key(self.asserted_by, self.attribute, self.value)


def _key(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def new_member_id() -> str:
    """128 random bits, 32 hexadecimal digits."""
    return secrets.token_hex(16)


def create_vo(engine: Engine, name: str, *, at: datetime, by: str, inherits: bool = True) -> None:
    """A new VO with its root group. ``inherits``: what a group gives goes to the members of the groups below it (the original VOMS has no
    such thing). Raises `Refusal` (``voms.vo_name``, ``voms.taken``)."""
    if _VO_NAME.fullmatch(name) is None:
        raise Refusal("voms.vo_name", expected="letters, digits, - _ .", found=name[:80])
    try:
        with writing(engine) as connection:
            facts = {"vo": name, "inherits": inherits}
            serial = audit.record(connection, at=at, writer="voms", actor=by, action="vo.created", facts=facts)
            row = {"name": name, "inherits": inherits, "created_serial": serial, "created_at": at}
            created = connection.execute(insert(vo).values(**row))
            key = created.inserted_primary_key
            if key is None:
                raise RuntimeError("the database told no number")
            root = {"vo_id": key[0], "path": f"/{name}", "description": ""}
            connection.execute(insert(vo_group).values(**root, **begins(serial, at)))
    except IntegrityError as error:
        raise Refusal("voms.taken", expected="a name that no VO has", found=name) from error


class VoDirectory:
    """One VO. ``at`` is the instant of a change, ``by`` who makes it (never a name: audit rows can't be erased).

    Raises `Missing` (``voms.no_*``) for what is not there, `Refusal` (``voms.*``) for what does not fit, `Unavailable` when the
    database does not answer.
    """

    def __init__(self, engine: Engine, name: str, *, make_id: Callable[[], str] = new_member_id) -> None:
        self._engine = engine
        self._name = name
        self._make_id = make_id

    @property
    def name(self) -> str:
        """The VO's name."""
        return self._name

    def add_group(self, path: str, *, at: datetime, by: str, description: str = "", optional: bool = False) -> None:
        """A new group; the one above it must exist. ``optional``: stated only when asked for."""
        self._check_path(path)
        with self._changing() as (connection, vo_id):
            parent = group_number(connection, vo_id, path.rpartition("/")[0])
            facts = {"group": path, "optional": optional}
            serial = self._record(connection, "vo.group_added", at, by, facts=facts)
            row = {"vo_id": vo_id, "path": path, "description": description, "optional": optional}
            connection.execute(insert(vo_group).values(**row, **begins(serial, at)))
            line = {"group_id": group_number(connection, vo_id, path), "parent_id": parent}
            connection.execute(insert(vo_group_parent).values(**line, **begins(serial, at)))

    def add_parent(self, group: str, parent: str, *, at: datetime, by: str) -> None:
        """A further group directly above: who is in ``group`` is in ``parent``, too, and has what that gives. The name of ``group`` stays.

        Refused (``voms.circle``) where ``parent`` is the group itself or stands below it.
        """
        with self._changing(alone=True) as (connection, vo_id):
            numbers = [group_number(connection, vo_id, path) for path in (group, parent)]
            if stands_above(numbers[0], numbers[1], lambda each: parents_of(connection, each)):
                raise Refusal("voms.circle", expected=f"a group that is not below {group}", found=parent, group=group)
            facts = {"group": group, "parent": parent}
            serial = self._record(connection, "vo.parent_added", at, by, facts=facts)
            line = {"group_id": numbers[0], "parent_id": numbers[1]}
            connection.execute(insert(vo_group_parent).values(**line, **begins(serial, at)))

    def remove_parent(self, group: str, parent: str, *, at: datetime, by: str) -> None:
        """Takes back `add_parent`. The parent of which the group's path is a continuation stays (``voms.own_parent``)."""
        if group.rpartition("/")[0] == parent:
            raise Refusal("voms.own_parent", expected="a further parent", found=parent, group=group)
        with self._changing(alone=True) as (connection, vo_id):
            numbers = [group_number(connection, vo_id, path) for path in (group, parent)]
            if numbers[1] not in parents_of(connection, numbers[0]):
                raise Missing("voms.no_parent", expected=f"a parent of {group}", found=parent, group=group)
            facts = {"group": group, "parent": parent}
            serial = self._record(connection, "vo.parent_removed", at, by, facts=facts)
            end_rows(connection, vo_group_parent, serial, at, group_id=numbers[0], parent_id=numbers[1])

    def set_optional(self, group: str, optional: bool, *, at: datetime, by: str) -> None:
        """Whether the group is stated only when asked for."""
        with self._changing() as (connection, vo_id):
            number = group_number(connection, vo_id, group)
            self._record(connection, "vo.group_changed", at, by, facts={"group": group, "optional": optional})
            connection.execute(update(vo_group).where(vo_group.c.id == number).values(optional=optional))

    def set_inheritance(self, inherits: bool, *, at: datetime, by: str) -> None:
        """Whether what a group gives goes to the members of the groups below it; for all groups of the VO."""
        with self._changing(alone=True) as (connection, vo_id):
            self._record(connection, "vo.inheritance_changed", at, by, facts={"inherits": inherits})
            connection.execute(update(vo).where(vo.c.id == vo_id).values(inherits=inherits))

    def add_role(self, role: str, *, at: datetime, by: str) -> None:
        """A new role, which can be given in any group."""
        if _ROLE_NAME.fullmatch(role) is None or role == "NULL":
            raise Refusal("voms.role_name", expected="letters, digits, - _ .", found=role[:80])
        with self._changing() as (connection, vo_id):
            serial = self._record(connection, "vo.role_added", at, by, facts={"role": role})
            connection.execute(insert(vo_role).values(vo_id=vo_id, name=role, **begins(serial, at)))

    def add_member(self, names: CertificateNames, *, at: datetime, by: str, until: datetime | None = None) -> str:
        """A new member known by one certificate, in the root group; returns her id."""
        member = self._make_id()
        with self._changing() as (connection, vo_id):
            serial = self._record(connection, "vo.member_added", at, by, subject=member)
            connection.execute(
                insert(vo_member).values(id=member, vo_id=vo_id, valid_from=at, valid_to=until, **begins(serial, at))
            )
            add_certificate(connection, vo_id, member, names, serial, at)
        return member

    def add_certificate(self, member: str, names: CertificateNames, *, at: datetime, by: str) -> None:
        """One more certificate of a member."""
        with self._changing() as (connection, vo_id):
            lock_member(connection, vo_id, member)
            serial = self._record(connection, "vo.certificate_added", at, by, subject=member)
            add_certificate(connection, vo_id, member, names, serial, at)

    def link_identity(self, member: str, identity: FederatedIdentity, *, at: datetime, by: str) -> None:
        """The member is also who a home organisation names so."""
        with self._changing() as (connection, vo_id):
            lock_member(connection, vo_id, member)
            serial = self._record(connection, "vo.identity_linked", at, by, subject=member)
            connection.execute(
                insert(vo_member_identity).values(
                    vo_id=vo_id,
                    member_id=member,
                    identity_key=identity.key,
                    asserted_by=identity.asserted_by,
                    attribute=identity.attribute,
                    value=identity.value,
                    **begins(serial, at),
                )
            )

    def suspend(self, member: str, reason: str, *, at: datetime, by: str) -> None:
        """From now on she gets nothing, until `restore`. The reason is told to her."""
        if not 0 < len(reason) <= 500:
            raise Refusal("voms.reason", expected="a reason of 1 to 500 characters", found=len(reason))
        self._set_suspended(member, reason, "vo.member_suspended", at, by)

    def restore(self, member: str, *, at: datetime, by: str) -> None:
        """Takes back `suspend`."""
        self._set_suspended(member, None, "vo.member_restored", at, by)

    def remove_member(self, member: str, *, at: datetime, by: str) -> None:
        """Ends the membership and all that goes with it; the certificates may be registered anew."""
        with self._changing() as (connection, vo_id):
            lock_member(connection, vo_id, member)
            serial = self._record(connection, "vo.member_removed", at, by, subject=member)
            for table in (
                vo_member_certificate,
                vo_member_identity,
                vo_group_membership,
                vo_role_assignment,
                vo_attribute,
            ):
                end_rows(connection, table, serial, at, member_id=member)
            end_rows(connection, vo_member, serial, at, id=member)

    def join(
        self,
        member: str,
        group: str,
        *,
        at: datetime,
        by: str,
        since: datetime | None = None,
        until: datetime | None = None,
        recurs: Recurrence | None = None,
    ) -> None:
        """Puts the member into a group, and so into those above it, for ``[since, until)``, and within that when it ``recurs``."""
        with self._changing() as (connection, vo_id):
            lock_member(connection, vo_id, member)
            group_id = group_number(connection, vo_id, group)
            serial = self._record(connection, "vo.group_joined", at, by, subject=member, facts={"group": group})
            row = {"member_id": member, "group_id": group_id, **validity(at, since, until, recurs)}
            connection.execute(insert(vo_group_membership).values(**row, **begins(serial, at)))

    def leave(self, member: str, group: str, *, at: datetime, by: str) -> None:
        """Takes the member out of a group, of those below it, and of her roles there."""
        if group == f"/{self._name}":
            raise Refusal("voms.root_group", expected=f"a group below /{self._name}", found=group, group=group)
        with self._changing() as (connection, vo_id):
            below = groups_from(connection, group_number(connection, vo_id, group))
            facts = {"group": group}
            serial = self._record(connection, "vo.group_left", at, by, subject=member, facts=facts)
            for table in (vo_group_membership, vo_role_assignment):
                wanted = update(table).where(table.c.member_id == member, table.c.group_id.in_(below))
                connection.execute(wanted.where(table.c.live.is_(True)).values(**ends(serial, at)))

    def assign_role(
        self,
        member: str,
        group: str,
        role: str,
        *,
        at: datetime,
        by: str,
        since: datetime | None = None,
        until: datetime | None = None,
        recurs: Recurrence | None = None,
    ) -> None:
        """Gives the member a role in a group in which she is; when: as for `join`."""
        with self._changing() as (connection, vo_id):
            lock_member(connection, vo_id, member)
            ids = {"group_id": group_number(connection, vo_id, group), "role_id": role_number(connection, vo_id, role)}
            if not self._is_in(connection, vo_id, member, group):
                raise Refusal("voms.not_in_group", expected=f"a member of {group}", found="somebody else", group=group)
            facts = {"group": group, "role": role}
            serial = self._record(connection, "vo.role_assigned", at, by, subject=member, facts=facts)
            row = {"member_id": member, **ids, **validity(at, since, until, recurs)}
            connection.execute(insert(vo_role_assignment).values(**row, **begins(serial, at)))

    def dismiss_role(self, member: str, group: str, role: str, *, at: datetime, by: str) -> None:
        """Takes the role away."""
        with self._changing() as (connection, vo_id):
            ids = {"group_id": group_number(connection, vo_id, group), "role_id": role_number(connection, vo_id, role)}
            facts = {"group": group, "role": role}
            serial = self._record(connection, "vo.role_dismissed", at, by, subject=member, facts=facts)
            end_rows(connection, vo_role_assignment, serial, at, member_id=member, **ids)

    def set_attribute(
        self,
        name: str,
        value: str,
        *,
        at: datetime,
        by: str,
        member: str | None = None,
        group: str | None = None,
        role: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        recurs: Recurrence | None = None,
    ) -> None:
        """A generic attribute of a member, of a group, or of a role in a group; replaces the value that it had there. When: as for
        `join`."""
        if _ATTRIBUTE_NAME.fullmatch(name) is None or not 0 < len(value) <= MAXIMUM_VALUE:
            raise Refusal("voms.attribute", expected="a name, and a value", found=repr(name[:80]), name=name[:80])
        if (member is None) == (group is None) or (role is not None and group is None):
            raise ValueError("an attribute belongs to a member, a group, or a role in a group")
        with self._changing() as (connection, vo_id):
            if member is not None:
                lock_member(connection, vo_id, member)
            of = {
                "member_id": member,
                "group_id": group_number(connection, vo_id, group) if group is not None else None,
                "role_id": role_number(connection, vo_id, role) if role is not None else None,
            }
            facts = {"attribute": name, "group": group, "role": role}
            serial = self._record(connection, "vo.attribute_set", at, by, subject=member, facts=facts)
            end_rows(connection, vo_attribute, serial, at, vo_id=vo_id, name=name, **of)
            row = {"vo_id": vo_id, "name": name, "value": value, **of, **validity(at, since, until, recurs)}
            connection.execute(insert(vo_attribute).values(**row, **begins(serial, at)))

    @contextmanager
    def _changing(self, *, alone: bool = False) -> Iterator[tuple[Connection, int]]:
        """One transaction on this VO, and the VO's number; ``alone``: one after the other of these. What exists already is `Refusal`
        (``voms.taken``)."""
        try:
            with writing(self._engine) as connection:
                number = vo_number(connection, self._name)
                if alone:
                    connection.execute(select(vo.c.id).where(vo.c.id == number).with_for_update())
                yield connection, number
        except IntegrityError as error:
            raise Refusal("voms.taken", expected="something that is not there yet", found="it is there") from error

    def _record(
        self,
        connection: Connection,
        action: str,
        at: datetime,
        by: str,
        *,
        subject: str | None = None,
        facts: Mapping[str, object] = _NO_FACTS,
    ) -> int:
        told = {"vo": self._name, **facts}
        return audit.record(connection, at=at, writer="voms", actor=by, action=action, subject=subject, facts=told)

    def _set_suspended(self, member: str, reason: str | None, action: str, at: datetime, by: str) -> None:
        with self._changing() as (connection, vo_id):
            lock_member(connection, vo_id, member)
            connection.execute(update(vo_member).where(vo_member.c.id == member).values(suspended_reason=reason))
            self._record(connection, action, at, by, subject=member)

    def _check_path(self, path: str) -> None:
        try:
            fqan = parse_fqan(path)
        except Refusal as problem:
            raise Refusal("voms.group_name", expected=problem.expected, found=problem.found) from None
        if fqan.role is not None or fqan.vo != self._name or fqan.group == f"/{self._name}" or "/Capability=" in path:
            raise Refusal("voms.group_name", expected=f"a group below /{self._name}", found=path)

    def _is_in(self, connection: Connection, vo_id: int, member: str, path: str) -> bool:
        if path == f"/{self._name}":
            return True
        wanted = select(vo_group_membership.c.id).where(
            vo_group_membership.c.member_id == member,
            vo_group_membership.c.live.is_(True),
            vo_group_membership.c.group_id.in_(groups_from(connection, group_number(connection, vo_id, path))),
        )
        return connection.execute(wanted.limit(1)).scalar_one_or_none() is not None
