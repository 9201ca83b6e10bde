"""Archives for what has ended or was changed, who did it on every row, and the tables for people, policies, requests and what was issued.

The tables that were there are made anew, and filled again: until now a row that had ended stood among the others.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from ostiary.storage.types import UtcDateTime, exact_text, serial_number

revision = "voms_0003"
down_revision = "voms_0002"
branch_labels = None
depends_on = None

# In the order in which they can be filled.
_BEFORE = (
    ("vo", ("id", "name", "inherits")),
    ("vo_group", ("id", "vo_id", "path", "description", "optional")),
    ("vo_group_parent", ("id", "group_id", "parent_id")),
    ("vo_role", ("id", "vo_id", "name")),
    ("vo_member", ("id", "vo_id", "suspended_reason", "valid_from", "valid_to")),
    (
        "vo_member_certificate",
        ("id", "vo_id", "member_id", "names_key", "subject", "issuer", "suspended_reason"),
    ),
    (
        "vo_member_identity",
        ("id", "vo_id", "member_id", "identity_key", "asserted_by", "attribute", "value"),
    ),
    ("vo_group_membership", ("id", "member_id", "group_id", "valid_from", "valid_to", "recurs")),
    ("vo_role_assignment", ("id", "member_id", "group_id", "role_id", "valid_from", "valid_to", "recurs")),
    (
        "vo_attribute",
        ("id", "vo_id", "member_id", "group_id", "role_id", "name", "value", "valid_from", "valid_to", "recurs"),
    ),
)
_INSTANTS = frozenset({"valid_from", "valid_to", "created_at", "deleted_at", "suspended_at", "made_at"})
_WRITTEN = ("created_serial", "created_at")
_ENDED = ("deleted_serial", "deleted_at")


# What a row tells now and did not before.
_ALSO = {"vo_member": ("suspended_code", "suspended_by", "suspended_at")}
# What rows in an archive need that had no such column: there, nothing is filled in by itself.
_NEW: dict[str, dict[str, str | int]] = {
    "vo": {"grace_days": 0},
    "vo_role": {"description": ""},
    "vo_member": {"kind": "person"},
}
_NO_CHANGE = "vo.certificate_issued"
_INHERITANCE = ("vo.created", "vo.inheritance_changed")
_SUSPENSION = ("vo.member_suspended", "vo.member_restored")


def upgrade() -> None:
    held = {name: _rows(name, columns) for name, columns in _BEFORE}
    trail = _trail() if held["vo"] else []
    held["vo"] = [version for row in held["vo"] for version in _of_a_vo(row, trail)]
    held["vo_member"] = [version for row in held["vo_member"] for version in _of_a_member(row, trail)]
    by = {event.serial: event.actor for event in trail}
    for name, _columns in reversed(_BEFORE):
        op.drop_table(name)
    _create()
    for name, columns in _BEFORE:
        _fill(name, (*columns, *_ALSO.get(name, ())), held[name], by)
    _fill_changes(held["vo"], trail)


@dataclass(frozen=True)
class _Event:
    """A change of a VO, as the audit trail has it, which stands in the same database. ``person``: None once erased."""

    serial: int
    at: datetime
    actor: str
    action: str
    vo: str
    facts: dict[str, Any]
    person: str | None


def _trail() -> list[_Event]:
    event = sa.table(
        "audit_event",
        *(sa.column(name) for name in ("serial", "actor", "action", "facts", "subject", "writer")),
        sa.column("at", UtcDateTime),
    )
    person = sa.table("audit_person", sa.column("commitment"), sa.column("name"))
    wanted = (
        sa.select(event, person.c.name)
        .select_from(event.outerjoin(person, event.c.subject == person.c.commitment))
        .where(event.c.writer == "voms", event.c.action.like("vo.%"), event.c.action != _NO_CHANGE)
        .order_by(event.c.serial)
    )
    found = []
    for row in op.get_bind().execute(wanted):
        facts = json.loads(row.facts)
        found.append(_Event(row.serial, row.at, row.actor, row.action, facts.get("vo", ""), facts, row.name))
    return found


def _of_a_vo(row: dict[str, Any], trail: list[_Event]) -> list[dict[str, Any]]:
    """The row as it was each time until what a group gives went to those below it, or no longer; the last one is as it stands."""
    events = [each for each in trail if each.vo == row["name"] and each.action in _INHERITANCE]
    states = [{"inherits": bool(each.facts.get("inherits", False))} for each in events]
    return _versions(row, events[1:], states)


def _of_a_member(row: dict[str, Any], trail: list[_Event]) -> list[dict[str, Any]]:
    """The row as it was each time until she was suspended or restored; why, is known only of the last time."""
    events = [each for each in trail if each.person == row["id"] and each.action in _SUSPENSION]
    none: dict[str, Any] = {
        "suspended_reason": None,
        "suspended_code": None,
        "suspended_by": None,
        "suspended_at": None,
    }
    states: list[dict[str, Any]] = [none]
    for each in events:
        suspended = each.action == _SUSPENSION[0]
        told = {"suspended_code": "other", "suspended_by": each.actor, "suspended_at": each.at}
        states.append({"suspended_reason": "", **told} if suspended else none)
    if row["suspended_reason"] is None:
        states[-1] = none
    else:
        states[-1] = {**states[-1], "suspended_code": "other", "suspended_reason": row["suspended_reason"]}
    return _versions(row, events, states, last=states[-1])


def _versions(
    row: dict[str, Any],
    events: list[_Event],
    states: list[dict[str, Any]],
    *,
    last: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """One more than there are ``events``: what each of them ended, and the row itself, which the last one began."""
    found, begun = [], {name: row[name] for name in _WRITTEN}
    for event, state in zip(events, states, strict=False):
        found.append({**row, **state, **begun, "deleted_serial": event.serial, "deleted_at": event.at})
        begun = {"created_serial": event.serial, "created_at": event.at}
    return [*found, {**row, **(last or {}), **begun}]


def _fill_changes(vos: list[dict[str, Any]], trail: list[_Event]) -> None:
    numbers = {row["name"]: row["id"] for row in vos}
    names = ("serial", "vo_id", "made_by", "made_at")
    rows = [
        dict(zip(names, (each.serial, numbers[each.vo], each.actor, each.at), strict=True))
        for each in trail
        if each.vo in numbers
    ]
    if rows:
        op.get_bind().execute(sa.insert(_table("vo_change", names)), rows)


def _rows(name: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    ended = _ENDED if name != "vo" else ()
    old = _table(name, (*columns, *_WRITTEN, *ended))
    return [dict(row._mapping) for row in op.get_bind().execute(sa.select(old).order_by(old.c.id))]


def _fill(name: str, columns: Sequence[str], rows: Sequence[dict[str, Any]], by: dict[int, str]) -> None:
    """What has not ended into the table, the rest into its archive."""
    live, archived = [], []
    for row in rows:
        new = {column: row[column] for column in (*columns, *_WRITTEN)}
        new["created_by"] = by.get(row["created_serial"], "unknown")
        if row.get("deleted_serial") is None:
            live.append(new)
        else:
            ended = {column: row[column] for column in _ENDED}
            archived.append(
                {**new, **ended, "deleted_by": by.get(row["deleted_serial"], "unknown"), **_NEW.get(name, {})}
            )
    written = (*columns, *_WRITTEN, "created_by")
    connection = op.get_bind()
    if live:
        connection.execute(sa.insert(_table(name, written)), live)
    if archived:
        whole = (*written, *_ENDED, "deleted_by", *_NEW.get(name, {}))
        connection.execute(sa.insert(_table(f"{name}_archive", whole)), archived)
    if name != "vo_member" and rows:
        _count_on(connection, name, max(row["id"] for row in rows))


def _count_on(connection: sa.Connection, name: str, last: int) -> None:
    """No number is given twice: also not one that only the archive has."""
    match connection.dialect.name:
        case "postgresql":
            connection.execute(sa.text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {int(last)})"))
        case "sqlite":
            counted = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))
            connection.execute(sa.delete(counted).where(counted.c.name == name))
            connection.execute(sa.insert(counted).values(name=name, seq=last))
        case _:
            connection.execute(sa.text(f"ALTER TABLE {name} AUTO_INCREMENT = {int(last) + 1}"))


def _create() -> None:
    _kept(
        "vo",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("name", exact_text(128), nullable=False),
        sa.Column("inherits", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("grace_days", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_vo"),
        sa.UniqueConstraint("name", name="uq_vo_name"),
    )
    op.create_index("ix_vo_archive_id", "vo_archive", ["id"])
    _kept(
        "vo_attribute_class",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("name", exact_text(255), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("unique_values", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("id", name="pk_vo_attribute_class"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_attribute_class_vo_id_vo"),
        sa.UniqueConstraint("vo_id", "name", name="uq_vo_attribute_class_vo_id_name"),
    )
    op.create_index("ix_vo_attribute_class_archive_id", "vo_attribute_class_archive", ["id"])
    _kept(
        "vo_aup_version",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("version", exact_text(64), nullable=False),
        sa.Column("url", sa.Text, nullable=True),
        sa.Column("text", sa.Text, nullable=True),
        sa.Column("sign_again_days", sa.Integer, nullable=True),
        sa.Column("grace_days", sa.Integer, nullable=False),
        sa.Column("in_force_from", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vo_aup_version"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_aup_version_vo_id_vo"),
        sa.UniqueConstraint("vo_id", "version", name="uq_vo_aup_version_vo_id_version"),
    )
    op.create_index("ix_vo_aup_version_archive_id", "vo_aup_version_archive", ["id"])
    op.create_index("ix_vo_aup_version_archive_vo_id", "vo_aup_version_archive", ["vo_id"])
    op.create_table(
        "vo_change",
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("made_by", exact_text(255), nullable=False),
        sa.Column("made_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("serial", name="pk_vo_change"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_change_vo_id_vo"),
    )
    op.create_index("ix_vo_change_vo_id_made_at_serial", "vo_change", ["vo_id", "made_at", "serial"])
    op.create_index("ix_vo_change_vo_id_made_by_made_at_serial", "vo_change", ["vo_id", "made_by", "made_at", "serial"])
    _kept(
        "vo_group",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("path", exact_text(255), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("optional", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("id", name="pk_vo_group"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_group_vo_id_vo"),
        sa.UniqueConstraint("vo_id", "path", name="uq_vo_group_vo_id_path"),
    )
    op.create_index("ix_vo_group_archive_id", "vo_group_archive", ["id"])
    op.create_index("ix_vo_group_archive_vo_id_path", "vo_group_archive", ["vo_id", "path"])
    _kept(
        "vo_invitation",
        sa.Column("id", exact_text(32), nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("secret_key", exact_text(64), nullable=False),
        sa.Column("mail", sa.Text, nullable=False),
        sa.Column("grants", sa.Text, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vo_invitation"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_invitation_vo_id_vo"),
        sa.UniqueConstraint("vo_id", "secret_key", name="uq_vo_invitation_vo_id_secret_key"),
    )
    op.create_index("ix_vo_invitation_archive_id", "vo_invitation_archive", ["id"])
    op.create_table(
        "vo_issued",
        sa.Column("serial", exact_text(40), nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("kind", exact_text(16), nullable=False),
        sa.Column("member_id", exact_text(32), nullable=False),
        sa.Column("names_key", exact_text(64), nullable=True),
        sa.Column("issued_at", UtcDateTime, nullable=False),
        sa.Column("not_after", UtcDateTime, nullable=False),
        sa.Column("revoked_at", UtcDateTime, nullable=True),
        sa.Column("revoked_for", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("serial", name="pk_vo_issued"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_issued_vo_id_vo"),
    )
    op.create_index("ix_vo_issued_not_after", "vo_issued", ["not_after"])
    op.create_index("ix_vo_issued_vo_id_member_id", "vo_issued", ["vo_id", "member_id"])
    op.create_index("ix_vo_issued_vo_id_revoked_at", "vo_issued", ["vo_id", "revoked_at"])
    _kept(
        "vo_member",
        sa.Column("id", exact_text(32), nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("kind", exact_text(16), nullable=False, server_default="person"),
        sa.Column("suspended_code", exact_text(32), nullable=True),
        sa.Column("suspended_reason", sa.Text, nullable=True),
        sa.Column("suspended_by", exact_text(255), nullable=True),
        sa.Column("suspended_at", UtcDateTime, nullable=True),
        sa.Column("valid_from", UtcDateTime, nullable=False),
        sa.Column("valid_to", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_vo_member"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_member_vo_id_vo"),
    )
    op.create_index("ix_vo_member_vo_id_valid_to", "vo_member", ["vo_id", "valid_to"])
    op.create_index("ix_vo_member_archive_id", "vo_member_archive", ["id"])
    op.create_table(
        "vo_notice",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("about", exact_text(64), nullable=False),
        sa.Column("kind", exact_text(32), nullable=False),
        sa.Column("step", exact_text(64), nullable=False),
        sa.Column("sent_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vo_notice"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_notice_vo_id_vo"),
        sa.UniqueConstraint("vo_id", "about", "kind", "step", name="uq_vo_notice_vo_id_about_kind_step"),
    )
    op.create_index("ix_vo_notice_sent_at", "vo_notice", ["sent_at"])
    _kept(
        "vo_request",
        sa.Column("id", exact_text(32), nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("kind", exact_text(32), nullable=False),
        sa.Column("state", exact_text(16), nullable=False),
        sa.Column("member_id", exact_text(32), nullable=True),
        sa.Column("group_id", sa.BigInteger, nullable=True),
        sa.Column("role_id", sa.BigInteger, nullable=True),
        sa.Column("who_key", exact_text(64), nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("mail", sa.Text, nullable=False),
        sa.Column("confirm_key", exact_text(64), nullable=True),
        sa.Column("submitted_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=True),
        sa.Column("handed_to", sa.Text, nullable=True),
        sa.Column("decided_by", exact_text(255), nullable=True),
        sa.Column("decided_at", UtcDateTime, nullable=True),
        sa.Column("reason", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_vo_request"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_request_vo_id_vo"),
    )
    op.create_index("ix_vo_request_member_id", "vo_request", ["member_id"])
    op.create_index("ix_vo_request_vo_id_state_submitted_at", "vo_request", ["vo_id", "state", "submitted_at"])
    op.create_index("ix_vo_request_vo_id_who_key", "vo_request", ["vo_id", "who_key"])
    op.create_index("ix_vo_request_archive_id", "vo_request_archive", ["id"])
    _kept(
        "vo_role",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("name", exact_text(128), nullable=False),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_vo_role"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_role_vo_id_vo"),
        sa.UniqueConstraint("vo_id", "name", name="uq_vo_role_vo_id_name"),
    )
    op.create_index("ix_vo_role_archive_id", "vo_role_archive", ["id"])
    op.create_index("ix_vo_role_archive_vo_id_name", "vo_role_archive", ["vo_id", "name"])
    _kept(
        "vo_acl_entry",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("group_id", sa.BigInteger, nullable=False),
        sa.Column("role_id", sa.BigInteger, nullable=True),
        sa.Column("for_new_groups", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("who_kind", exact_text(16), nullable=False),
        sa.Column("who_key", exact_text(64), nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("permissions", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vo_acl_entry"),
        sa.ForeignKeyConstraint(["group_id"], ["vo_group.id"], name="fk_vo_acl_entry_group_id_vo_group"),
        sa.ForeignKeyConstraint(["role_id"], ["vo_role.id"], name="fk_vo_acl_entry_role_id_vo_role"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_acl_entry_vo_id_vo"),
    )
    op.create_index("ix_vo_acl_entry_group_id_role_id", "vo_acl_entry", ["group_id", "role_id"])
    op.create_index("ix_vo_acl_entry_vo_id_who_key", "vo_acl_entry", ["vo_id", "who_key"])
    op.create_index("ix_vo_acl_entry_archive_id", "vo_acl_entry_archive", ["id"])
    _kept(
        "vo_attribute",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("member_id", exact_text(32), nullable=True),
        sa.Column("group_id", sa.BigInteger, nullable=True),
        sa.Column("role_id", sa.BigInteger, nullable=True),
        sa.Column("name", exact_text(255), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("valid_from", UtcDateTime, nullable=True),
        sa.Column("valid_to", UtcDateTime, nullable=True),
        sa.Column("recurs", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_vo_attribute"),
        sa.ForeignKeyConstraint(["group_id"], ["vo_group.id"], name="fk_vo_attribute_group_id_vo_group"),
        sa.ForeignKeyConstraint(["member_id"], ["vo_member.id"], name="fk_vo_attribute_member_id_vo_member"),
        sa.ForeignKeyConstraint(["role_id"], ["vo_role.id"], name="fk_vo_attribute_role_id_vo_role"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_attribute_vo_id_vo"),
    )
    op.create_index("ix_vo_attribute_group_id_role_id", "vo_attribute", ["group_id", "role_id"])
    op.create_index("ix_vo_attribute_member_id", "vo_attribute", ["member_id"])
    op.create_index("ix_vo_attribute_archive_group_id_role_id", "vo_attribute_archive", ["group_id", "role_id"])
    op.create_index("ix_vo_attribute_archive_id", "vo_attribute_archive", ["id"])
    op.create_index("ix_vo_attribute_archive_member_id", "vo_attribute_archive", ["member_id"])
    _kept(
        "vo_aup_demand",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("member_id", exact_text(32), nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vo_aup_demand"),
        sa.ForeignKeyConstraint(["member_id"], ["vo_member.id"], name="fk_vo_aup_demand_member_id_vo_member"),
        sa.UniqueConstraint("member_id", name="uq_vo_aup_demand_member_id"),
    )
    op.create_index("ix_vo_aup_demand_archive_id", "vo_aup_demand_archive", ["id"])
    op.create_index("ix_vo_aup_demand_archive_member_id", "vo_aup_demand_archive", ["member_id"])
    _kept(
        "vo_aup_signature",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("member_id", exact_text(32), nullable=False),
        sa.Column("version_id", sa.BigInteger, nullable=False),
        sa.Column("signed_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vo_aup_signature"),
        sa.ForeignKeyConstraint(["member_id"], ["vo_member.id"], name="fk_vo_aup_signature_member_id_vo_member"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["vo_aup_version.id"], name="fk_vo_aup_signature_version_id_vo_aup_version"
        ),
        sa.UniqueConstraint("member_id", "version_id", name="uq_vo_aup_signature_member_id_version_id"),
    )
    op.create_index("ix_vo_aup_signature_archive_id", "vo_aup_signature_archive", ["id"])
    op.create_index("ix_vo_aup_signature_archive_member_id", "vo_aup_signature_archive", ["member_id"])
    _kept(
        "vo_group_membership",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("member_id", exact_text(32), nullable=False),
        sa.Column("group_id", sa.BigInteger, nullable=False),
        sa.Column("valid_from", UtcDateTime, nullable=False),
        sa.Column("valid_to", UtcDateTime, nullable=True),
        sa.Column("recurs", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_vo_group_membership"),
        sa.ForeignKeyConstraint(["group_id"], ["vo_group.id"], name="fk_vo_group_membership_group_id_vo_group"),
        sa.ForeignKeyConstraint(["member_id"], ["vo_member.id"], name="fk_vo_group_membership_member_id_vo_member"),
        sa.UniqueConstraint("member_id", "group_id", name="uq_vo_group_membership_member_id_group_id"),
    )
    op.create_index("ix_vo_group_membership_group_id", "vo_group_membership", ["group_id"])
    op.create_index(
        "ix_vo_group_membership_archive_group_id_deleted_at_created_at",
        "vo_group_membership_archive",
        ["group_id", "deleted_at", "created_at"],
    )
    op.create_index("ix_vo_group_membership_archive_id", "vo_group_membership_archive", ["id"])
    op.create_index(
        "ix_vo_group_membership_archive_member_id_group_id", "vo_group_membership_archive", ["member_id", "group_id"]
    )
    _kept(
        "vo_group_parent",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("group_id", sa.BigInteger, nullable=False),
        sa.Column("parent_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vo_group_parent"),
        sa.ForeignKeyConstraint(["group_id"], ["vo_group.id"], name="fk_vo_group_parent_group_id_vo_group"),
        sa.ForeignKeyConstraint(["parent_id"], ["vo_group.id"], name="fk_vo_group_parent_parent_id_vo_group"),
        sa.UniqueConstraint("group_id", "parent_id", name="uq_vo_group_parent_group_id_parent_id"),
    )
    op.create_index("ix_vo_group_parent_parent_id", "vo_group_parent", ["parent_id"])
    op.create_index("ix_vo_group_parent_archive_group_id", "vo_group_parent_archive", ["group_id"])
    op.create_index("ix_vo_group_parent_archive_id", "vo_group_parent_archive", ["id"])
    op.create_index("ix_vo_group_parent_archive_parent_id", "vo_group_parent_archive", ["parent_id"])
    _kept(
        "vo_member_certificate",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("member_id", exact_text(32), nullable=False),
        sa.Column("names_key", exact_text(64), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("suspended_reason", sa.Text, nullable=True),
        sa.Column("suspended_by", exact_text(255), nullable=True),
        sa.Column("suspended_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_vo_member_certificate"),
        sa.ForeignKeyConstraint(["member_id"], ["vo_member.id"], name="fk_vo_member_certificate_member_id_vo_member"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_member_certificate_vo_id_vo"),
        sa.UniqueConstraint("vo_id", "names_key", name="uq_vo_member_certificate_vo_id_names_key"),
    )
    op.create_index("ix_vo_member_certificate_member_id", "vo_member_certificate", ["member_id"])
    op.create_index("ix_vo_member_certificate_archive_id", "vo_member_certificate_archive", ["id"])
    op.create_index("ix_vo_member_certificate_archive_member_id", "vo_member_certificate_archive", ["member_id"])
    op.create_index(
        "ix_vo_member_certificate_archive_vo_id_names_key", "vo_member_certificate_archive", ["vo_id", "names_key"]
    )
    _kept(
        "vo_member_details",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("member_id", exact_text(32), nullable=False),
        sa.Column("given_name", sa.Text, nullable=False, server_default=""),
        sa.Column("surname", sa.Text, nullable=False, server_default=""),
        sa.Column("institution", sa.Text, nullable=False, server_default=""),
        sa.Column("phone", sa.Text, nullable=False, server_default=""),
        sa.Column("address", sa.Text, nullable=False, server_default=""),
        sa.Column("mail", sa.Text, nullable=False, server_default=""),
        sa.Column("folded", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_vo_member_details"),
        sa.ForeignKeyConstraint(["member_id"], ["vo_member.id"], name="fk_vo_member_details_member_id_vo_member"),
        sa.UniqueConstraint("member_id", name="uq_vo_member_details_member_id"),
    )
    op.create_index("ix_vo_member_details_archive_id", "vo_member_details_archive", ["id"])
    op.create_index("ix_vo_member_details_archive_member_id", "vo_member_details_archive", ["member_id"])
    _kept(
        "vo_member_identity",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("member_id", exact_text(32), nullable=False),
        sa.Column("identity_key", exact_text(64), nullable=False),
        sa.Column("asserted_by", sa.Text, nullable=False),
        sa.Column("attribute", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vo_member_identity"),
        sa.ForeignKeyConstraint(["member_id"], ["vo_member.id"], name="fk_vo_member_identity_member_id_vo_member"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_member_identity_vo_id_vo"),
        sa.UniqueConstraint("vo_id", "identity_key", name="uq_vo_member_identity_vo_id_identity_key"),
    )
    op.create_index("ix_vo_member_identity_member_id", "vo_member_identity", ["member_id"])
    op.create_index("ix_vo_member_identity_archive_id", "vo_member_identity_archive", ["id"])
    op.create_index("ix_vo_member_identity_archive_member_id", "vo_member_identity_archive", ["member_id"])
    _kept(
        "vo_role_assignment",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("member_id", exact_text(32), nullable=False),
        sa.Column("group_id", sa.BigInteger, nullable=False),
        sa.Column("role_id", sa.BigInteger, nullable=False),
        sa.Column("valid_from", UtcDateTime, nullable=False),
        sa.Column("valid_to", UtcDateTime, nullable=True),
        sa.Column("recurs", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_vo_role_assignment"),
        sa.ForeignKeyConstraint(["group_id"], ["vo_group.id"], name="fk_vo_role_assignment_group_id_vo_group"),
        sa.ForeignKeyConstraint(["member_id"], ["vo_member.id"], name="fk_vo_role_assignment_member_id_vo_member"),
        sa.ForeignKeyConstraint(["role_id"], ["vo_role.id"], name="fk_vo_role_assignment_role_id_vo_role"),
        sa.UniqueConstraint(
            "member_id", "group_id", "role_id", name="uq_vo_role_assignment_member_id_group_id_role_id"
        ),
    )
    op.create_index("ix_vo_role_assignment_group_id_role_id", "vo_role_assignment", ["group_id", "role_id"])
    op.create_index("ix_vo_role_assignment_role_id", "vo_role_assignment", ["role_id"])
    op.create_index("ix_vo_role_assignment_archive_id", "vo_role_assignment_archive", ["id"])
    op.create_index("ix_vo_role_assignment_archive_member_id", "vo_role_assignment_archive", ["member_id"])
    op.create_index(
        "ix_vo_role_assignment_archive_role_id_group_id_deleted_at_creat",
        "vo_role_assignment_archive",
        ["role_id", "group_id", "deleted_at", "created_at"],
    )


def _kept(name: str, *items: sa.Column[Any] | sa.Constraint) -> None:
    """A table, who wrote its rows and when, and its archive. On SQLite, too, no number is given twice."""
    columns = [item for item in items if isinstance(item, sa.Column)]
    op.create_table(name, *items, *_stamps("created"), sqlite_autoincrement=True)
    op.create_table(
        f"{name}_archive",
        sa.Column("archive_id", serial_number(), autoincrement=True, nullable=False),
        *(sa.Column(column.name, column.type, nullable=column.nullable) for column in columns),
        *_stamps("created"),
        *_stamps("deleted"),
        sa.PrimaryKeyConstraint("archive_id", name=f"pk_{name}_archive"),
    )


def _stamps(what: str) -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column(f"{what}_serial", sa.BigInteger, nullable=False),
        sa.Column(f"{what}_at", UtcDateTime, nullable=False),
        sa.Column(f"{what}_by", exact_text(255), nullable=False),
    )


def _table(name: str, columns: Sequence[str]) -> sa.TableClause:
    return sa.table(
        name,
        *(sa.column(column, UtcDateTime) if column in _INSTANTS else sa.column(column) for column in columns),
    )
