"""The members, groups, roles and attributes of one VO in a database: each change by itself, with its audit row, in one transaction.

Several changes in one transaction: open `voms.changes.changing` and use the functions of `voms.structure`, `voms.people`, `voms.grants`.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import Engine, insert
from sqlalchemy.exc import IntegrityError

from ostiary import audit
from ostiary.errors import Refusal
from ostiary.storage.engine import writing
from ostiary.x509.certificate_names import CertificateNames
from voms import grants, people, structure
from voms.administration.lists import give_first_list
from voms.changes import Change, changing, write_change
from voms.grants import Whose
from voms.people import FederatedIdentity, Kind, new_member_id
from voms.periods import Recurrence, When
from voms.tables import vo, vo_group

__all__ = ["FederatedIdentity", "VoDirectory", "create_vo"]

_VO_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def create_vo(engine: Engine, name: str, *, at: datetime, by: str, inherits: bool = True) -> None:
    """A new VO with its root group. ``inherits``: what a group gives goes to the members of the groups below it (the original VOMS has no
    such thing). Raises `Refusal` (``voms.vo_name``, ``voms.taken``)."""
    if _VO_NAME.fullmatch(name) is None:
        raise Refusal("voms.vo_name", expected="letters, digits, - _ .", found=name[:80])
    try:
        with writing(engine) as connection:
            facts = {"vo": name, "inherits": inherits}
            serial = audit.record(connection, at=at, writer="voms", actor=by, action="vo.created", facts=facts)
            written = {"created_serial": serial, "created_at": at, "created_by": by}
            created = connection.execute(insert(vo).values(name=name, inherits=inherits, **written))
            key = created.inserted_primary_key
            if key is None:
                raise RuntimeError("the database told no number")
            root = {"vo_id": key[0], "path": f"/{name}", "description": ""}
            change = Change(connection, key[0], name, serial, at, by)
            give_first_list(change, change.add(vo_group, **root))
            write_change(connection, key[0], serial, at=at, by=by)
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
        """See `structure.add_group`."""
        structure.check_group_path(self._name, path)
        facts = {"group": path, "optional": optional}
        with changing(self._engine, self._name, "vo.group_added", at=at, by=by, facts=facts) as change:
            structure.add_group(change, path, description=description, optional=optional)

    def remove_group(self, path: str, *, at: datetime, by: str) -> None:
        """See `structure.remove_group`."""
        with changing(self._engine, self._name, "vo.group_removed", at=at, by=by, facts={"group": path}) as change:
            structure.remove_group(change, path)

    def add_parent(self, group: str, parent: str, *, at: datetime, by: str) -> None:
        """A further group directly above: who is in ``group`` is in ``parent``, too, and has what that gives. The name of ``group`` stays.

        Refused (``voms.circle``) where ``parent`` is the group itself or stands below it.
        """
        facts = {"group": group, "parent": parent}
        with changing(self._engine, self._name, "vo.parent_added", at=at, by=by, facts=facts, alone=True) as change:
            structure.add_parent(change, group, parent)

    def remove_parent(self, group: str, parent: str, *, at: datetime, by: str) -> None:
        """Takes back `add_parent`. The parent of which the group's path is a continuation stays (``voms.own_parent``)."""
        facts = {"group": group, "parent": parent}
        with changing(self._engine, self._name, "vo.parent_removed", at=at, by=by, facts=facts, alone=True) as change:
            structure.remove_parent(change, group, parent)

    def set_optional(self, group: str, optional: bool, *, at: datetime, by: str) -> None:
        """Whether the group is stated only when asked for."""
        facts = {"group": group, "optional": optional}
        with changing(self._engine, self._name, "vo.group_changed", at=at, by=by, facts=facts) as change:
            structure.change_group(change, group, optional=optional)

    def set_inheritance(self, inherits: bool, *, at: datetime, by: str) -> None:
        """Whether what a group gives goes to the members of the groups below it; for all groups of the VO."""
        facts = {"inherits": inherits}
        action = "vo.inheritance_changed"
        with changing(self._engine, self._name, action, at=at, by=by, facts=facts, alone=True) as change:
            change.alter(vo, {"inherits": inherits}, id=change.vo)

    def add_role(self, role: str, *, at: datetime, by: str) -> None:
        """See `structure.add_role`."""
        with changing(self._engine, self._name, "vo.role_added", at=at, by=by, facts={"role": role[:80]}) as change:
            structure.add_role(change, role)

    def remove_role(self, role: str, *, at: datetime, by: str) -> None:
        """See `structure.remove_role`."""
        with changing(self._engine, self._name, "vo.role_removed", at=at, by=by, facts={"role": role}) as change:
            structure.remove_role(change, role)

    def add_member(
        self,
        names: CertificateNames,
        *,
        at: datetime,
        by: str,
        until: datetime | None = None,
        kind: Kind = "person",
    ) -> str:
        """A new member known by one certificate, in the root group; returns her id."""
        member = self._make_id()
        with changing(self._engine, self._name, "vo.member_added", at=at, by=by, subject=member) as change:
            people.add_member(change, member, kind=kind, until=until)
            people.add_certificate(change, member, names)
        return member

    def add_certificate(self, member: str, names: CertificateNames, *, at: datetime, by: str) -> None:
        """One more certificate of a member."""
        with changing(self._engine, self._name, "vo.certificate_added", at=at, by=by, subject=member) as change:
            people.add_certificate(change, member, names)

    def link_identity(self, member: str, identity: FederatedIdentity, *, at: datetime, by: str) -> None:
        """The member is also who a home organisation names so."""
        with changing(self._engine, self._name, "vo.identity_linked", at=at, by=by, subject=member) as change:
            people.link_identity(change, member, identity)

    def suspend(self, member: str, reason: str, *, at: datetime, by: str) -> None:
        """From now on she gets nothing, until `restore`. The reason is told to her."""
        with changing(self._engine, self._name, "vo.member_suspended", at=at, by=by, subject=member) as change:
            people.suspend(change, member, reason)

    def restore(self, member: str, *, at: datetime, by: str) -> None:
        """Takes back `suspend`."""
        with changing(self._engine, self._name, "vo.member_restored", at=at, by=by, subject=member) as change:
            people.restore(change, member)

    def remove_member(self, member: str, *, at: datetime, by: str) -> None:
        """Ends the membership and all that goes with it; the certificates may be registered anew."""
        with changing(self._engine, self._name, "vo.member_removed", at=at, by=by, subject=member) as change:
            people.remove_member(change, member)

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
        """See `grants.join`."""
        action, facts = "vo.group_joined", {"group": group}
        with changing(self._engine, self._name, action, at=at, by=by, subject=member, facts=facts) as change:
            grants.join(change, member, group, When(since, until, recurs))

    def leave(self, member: str, group: str, *, at: datetime, by: str) -> None:
        """See `grants.leave`."""
        action, facts = "vo.group_left", {"group": group}
        with changing(self._engine, self._name, action, at=at, by=by, subject=member, facts=facts) as change:
            grants.leave(change, member, group)

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
        """See `grants.assign_role`."""
        action, facts = "vo.role_assigned", {"group": group, "role": role}
        with changing(self._engine, self._name, action, at=at, by=by, subject=member, facts=facts) as change:
            grants.assign_role(change, member, group, role, When(since, until, recurs))

    def dismiss_role(self, member: str, group: str, role: str, *, at: datetime, by: str) -> None:
        """See `grants.dismiss_role`."""
        action, facts = "vo.role_dismissed", {"group": group, "role": role}
        with changing(self._engine, self._name, action, at=at, by=by, subject=member, facts=facts) as change:
            grants.dismiss_role(change, member, group, role)

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
        """See `grants.set_attribute`; of a member, of a group, or of a role in a group."""
        whose = Whose(member, group, role)
        action, facts = "vo.attribute_set", {"attribute": name[:255], "group": group, "role": role}
        with changing(self._engine, self._name, action, at=at, by=by, subject=member, facts=facts) as change:
            grants.set_attribute(change, name, value, whose, When(since, until, recurs))
