"""The tables of the VO service. What has ended, or was changed, stands in the archive of its table, with who did that and when.

``valid_from`` and ``valid_to`` are what a manager grants, half-open, and within it perhaps only the times of ``recurs``
(`voms.periods`); ``created_*`` and ``deleted_*`` are when and by whom that was written, with the serial of the audit row: one transaction,
one serial. Only `voms.changes` writes the tables that have an archive.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.schema import SchemaItem

from ostiary.storage.types import UtcDateTime, exact_text, make_metadata, serial_number

MIGRATIONS: Final = Path(__file__).parent / "migrations"
"""The alembic branch ``voms``."""

metadata: Final[MetaData] = make_metadata()
_archives: Final[dict[str, Table]] = {}


def _number() -> Column[int]:
    return Column("id", serial_number(), primary_key=True, autoincrement=True)


def _kept(name: str, *items: SchemaItem, archive_indexes: tuple[tuple[str, ...], ...] = ()) -> Table:
    """A table with an archive. On SQLite, too, no number is ever given twice: archives go on naming them."""
    table = Table(
        name,
        metadata,
        *items,
        Column("created_serial", BigInteger, nullable=False),
        Column("created_at", UtcDateTime, nullable=False),
        Column("created_by", exact_text(255), nullable=False),
        sqlite_autoincrement=True,
    )
    _archives[name] = Table(
        f"{name}_archive",
        metadata,
        Column("archive_id", serial_number(), primary_key=True, autoincrement=True),
        *(Column(column.name, column.type, nullable=column.nullable) for column in table.columns),
        Column("deleted_serial", BigInteger, nullable=False),
        Column("deleted_at", UtcDateTime, nullable=False),
        Column("deleted_by", exact_text(255), nullable=False),
        Index(f"ix_{name}_archive_id", "id"),
        # PostgreSQL takes names of 63 characters.
        *(Index(f"ix_{name}_archive_{'_'.join(columns)}"[:63], *columns) for columns in archive_indexes),
    )
    return table


vo = _kept(
    "vo",
    _number(),
    Column("name", exact_text(128), nullable=False, unique=True),
    # Whether what a group gives goes to the members of the groups below it. The original VOMS has no such thing.
    Column("inherits", Boolean, nullable=False, server_default=false()),
    # For how many days after the end of her membership a member goes on.
    Column("grace_days", Integer, nullable=False, server_default="0"),
)

# Every change of a VO under the serial of its audit row, so that it is found by who made it and when.
vo_change = Table(
    "vo_change",
    metadata,
    Column("serial", BigInteger, primary_key=True, autoincrement=False),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("made_by", exact_text(255), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Index("ix_vo_change_vo_id_made_by_made_at_serial", "vo_id", "made_by", "made_at", "serial"),
    Index("ix_vo_change_vo_id_made_at_serial", "vo_id", "made_at", "serial"),
)

vo_group = _kept(
    "vo_group",
    _number(),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("path", exact_text(255), nullable=False),
    Column("description", Text, nullable=False),
    Column("optional", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("vo_id", "path"),
    archive_indexes=(("vo_id", "path"),),
)

# Every line from a group to one directly above it: that of its path, and those to further parents.
vo_group_parent = _kept(
    "vo_group_parent",
    _number(),
    Column("group_id", BigInteger, ForeignKey("vo_group.id"), nullable=False),
    Column("parent_id", BigInteger, ForeignKey("vo_group.id"), nullable=False),
    UniqueConstraint("group_id", "parent_id"),
    Index("ix_vo_group_parent_parent_id", "parent_id"),
    archive_indexes=(("group_id",), ("parent_id",)),
)

vo_role = _kept(
    "vo_role",
    _number(),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("name", exact_text(128), nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    UniqueConstraint("vo_id", "name"),
    archive_indexes=(("vo_id", "name"),),
)

# ``kind``: "person", or "service" for a host or robot that gets its credentials unattended.
vo_member = _kept(
    "vo_member",
    Column("id", exact_text(32), primary_key=True),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("kind", exact_text(16), nullable=False, server_default="person"),
    Column("suspended_code", exact_text(32), nullable=True),
    Column("suspended_reason", Text, nullable=True),
    Column("suspended_by", exact_text(255), nullable=True),
    Column("suspended_at", UtcDateTime, nullable=True),
    Column("valid_from", UtcDateTime, nullable=False),
    Column("valid_to", UtcDateTime, nullable=True),
    Index("ix_vo_member_vo_id_valid_to", "vo_id", "valid_to"),
)

# Who she is, for the managers' eyes. ``folded``: all of it without case and accents, for the search.
vo_member_details = _kept(
    "vo_member_details",
    _number(),
    Column("member_id", exact_text(32), ForeignKey("vo_member.id"), nullable=False),
    Column("given_name", Text, nullable=False, server_default=""),
    Column("surname", Text, nullable=False, server_default=""),
    Column("institution", Text, nullable=False, server_default=""),
    Column("phone", Text, nullable=False, server_default=""),
    Column("address", Text, nullable=False, server_default=""),
    Column("mail", Text, nullable=False, server_default=""),
    Column("folded", Text, nullable=False, server_default=""),
    UniqueConstraint("member_id"),
    archive_indexes=(("member_id",),),
)

vo_member_certificate = _kept(
    "vo_member_certificate",
    _number(),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("member_id", exact_text(32), ForeignKey("vo_member.id"), nullable=False),
    Column("names_key", exact_text(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("suspended_reason", Text, nullable=True),
    Column("suspended_by", exact_text(255), nullable=True),
    Column("suspended_at", UtcDateTime, nullable=True),
    UniqueConstraint("vo_id", "names_key"),
    Index("ix_vo_member_certificate_member_id", "member_id"),
    archive_indexes=(("vo_id", "names_key"), ("member_id",)),
)

vo_member_identity = _kept(
    "vo_member_identity",
    _number(),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("member_id", exact_text(32), ForeignKey("vo_member.id"), nullable=False),
    Column("identity_key", exact_text(64), nullable=False),
    Column("asserted_by", Text, nullable=False),
    Column("attribute", Text, nullable=False),
    Column("value", Text, nullable=False),
    UniqueConstraint("vo_id", "identity_key"),
    Index("ix_vo_member_identity_member_id", "member_id"),
    archive_indexes=(("member_id",),),
)

vo_group_membership = _kept(
    "vo_group_membership",
    _number(),
    Column("member_id", exact_text(32), ForeignKey("vo_member.id"), nullable=False),
    Column("group_id", BigInteger, ForeignKey("vo_group.id"), nullable=False),
    Column("valid_from", UtcDateTime, nullable=False),
    Column("valid_to", UtcDateTime, nullable=True),
    Column("recurs", Text, nullable=True),
    UniqueConstraint("member_id", "group_id"),
    Index("ix_vo_group_membership_group_id", "group_id"),
    archive_indexes=(("member_id", "group_id"), ("group_id", "deleted_at", "created_at")),
)

vo_role_assignment = _kept(
    "vo_role_assignment",
    _number(),
    Column("member_id", exact_text(32), ForeignKey("vo_member.id"), nullable=False),
    Column("group_id", BigInteger, ForeignKey("vo_group.id"), nullable=False),
    Column("role_id", BigInteger, ForeignKey("vo_role.id"), nullable=False),
    Column("valid_from", UtcDateTime, nullable=False),
    Column("valid_to", UtcDateTime, nullable=True),
    Column("recurs", Text, nullable=True),
    UniqueConstraint("member_id", "group_id", "role_id"),
    Index("ix_vo_role_assignment_group_id_role_id", "group_id", "role_id"),
    Index("ix_vo_role_assignment_role_id", "role_id"),
    archive_indexes=(("member_id",), ("role_id", "group_id", "deleted_at", "created_at")),
)

# A name that generic attributes may have; ``unique_values``: no two members have the same value of it.
vo_attribute_class = _kept(
    "vo_attribute_class",
    _number(),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("name", exact_text(255), nullable=False),
    Column("description", Text, nullable=False),
    Column("unique_values", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("vo_id", "name"),
)

vo_attribute = _kept(
    "vo_attribute",
    _number(),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("member_id", exact_text(32), ForeignKey("vo_member.id"), nullable=True),
    Column("group_id", BigInteger, ForeignKey("vo_group.id"), nullable=True),
    Column("role_id", BigInteger, ForeignKey("vo_role.id"), nullable=True),
    Column("name", exact_text(255), nullable=False),
    Column("value", Text, nullable=False),
    Column("valid_from", UtcDateTime, nullable=True),
    Column("valid_to", UtcDateTime, nullable=True),
    Column("recurs", Text, nullable=True),
    Index("ix_vo_attribute_member_id", "member_id"),
    Index("ix_vo_attribute_group_id_role_id", "group_id", "role_id"),
    archive_indexes=(("member_id",), ("group_id", "role_id")),
)

# Acceptable-use policy. The version in force is the one that began last; ``sign_again_days``: how long a signature counts (NULL: for good);
# ``grace_days``: how long a member who ought to sign may still go on.
vo_aup_version = _kept(
    "vo_aup_version",
    _number(),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("version", exact_text(64), nullable=False),
    Column("url", Text, nullable=True),
    Column("text", Text, nullable=True),
    Column("sign_again_days", Integer, nullable=True),
    Column("grace_days", Integer, nullable=False),
    Column("in_force_from", UtcDateTime, nullable=False),
    UniqueConstraint("vo_id", "version"),
    archive_indexes=(("vo_id",),),
)

# Her newest signature of each version; earlier ones are in the archive.
vo_aup_signature = _kept(
    "vo_aup_signature",
    _number(),
    Column("member_id", exact_text(32), ForeignKey("vo_member.id"), nullable=False),
    Column("version_id", BigInteger, ForeignKey("vo_aup_version.id"), nullable=False),
    Column("signed_at", UtcDateTime, nullable=False),
    UniqueConstraint("member_id", "version_id"),
    archive_indexes=(("member_id",),),
)

# A manager wants her to sign anew: signatures before ``asked_at`` count no longer.
vo_aup_demand = _kept(
    "vo_aup_demand",
    _number(),
    Column("member_id", exact_text(32), ForeignKey("vo_member.id"), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    UniqueConstraint("member_id"),
    archive_indexes=(("member_id",),),
)

# Who may do what with a group, or (``role_id``) with a role in it. ``who_kind``, ``who_key`` (for comparison) and ``who`` (JSON, for
# people) say who; ``permissions`` are the original's bits. ``for_new_groups``: an entry of the default list, which new groups below get.
vo_acl_entry = _kept(
    "vo_acl_entry",
    _number(),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("group_id", BigInteger, ForeignKey("vo_group.id"), nullable=False),
    Column("role_id", BigInteger, ForeignKey("vo_role.id"), nullable=True),
    Column("for_new_groups", Boolean, nullable=False, server_default=false()),
    Column("who_kind", exact_text(16), nullable=False),
    Column("who_key", exact_text(64), nullable=False),
    Column("who", Text, nullable=False),
    Column("permissions", Integer, nullable=False),
    Index("ix_vo_acl_entry_group_id_role_id", "group_id", "role_id"),
    Index("ix_vo_acl_entry_vo_id_who_key", "vo_id", "who_key"),
)

# Somebody asks for something: to join, a group, a role, another certificate, to leave. ``who`` and ``asked`` are JSON;
# ``who_key``: by what the applicant is known, hashed. ``confirm_key``: hash of the secret in the confirmation letter.
vo_request = _kept(
    "vo_request",
    Column("id", exact_text(32), primary_key=True),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("kind", exact_text(32), nullable=False),
    Column("state", exact_text(16), nullable=False),
    Column("member_id", exact_text(32), nullable=True),
    Column("group_id", BigInteger, nullable=True),
    Column("role_id", BigInteger, nullable=True),
    Column("who_key", exact_text(64), nullable=False),
    Column("who", Text, nullable=False),
    Column("asked", Text, nullable=False),
    Column("mail", Text, nullable=False),
    Column("confirm_key", exact_text(64), nullable=True),
    Column("submitted_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=True),
    Column("handed_to", Text, nullable=True),
    Column("decided_by", exact_text(255), nullable=True),
    Column("decided_at", UtcDateTime, nullable=True),
    Column("reason", Text, nullable=True),
    Index("ix_vo_request_vo_id_state_submitted_at", "vo_id", "state", "submitted_at"),
    Index("ix_vo_request_vo_id_who_key", "vo_id", "who_key"),
    Index("ix_vo_request_member_id", "member_id"),
)

vo_invitation = _kept(
    "vo_invitation",
    Column("id", exact_text(32), primary_key=True),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("secret_key", exact_text(64), nullable=False),
    Column("mail", Text, nullable=False),
    Column("grants", Text, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    UniqueConstraint("vo_id", "secret_key"),
)

# Letters that were sent, so that nobody gets one twice: about what, of which kind, at which step.
vo_notice = Table(
    "vo_notice",
    metadata,
    _number(),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("about", exact_text(64), nullable=False),
    Column("kind", exact_text(32), nullable=False),
    Column("step", exact_text(64), nullable=False),
    Column("sent_at", UtcDateTime, nullable=False),
    UniqueConstraint("vo_id", "about", "kind", "step"),
    Index("ix_vo_notice_sent_at", "sent_at"),
)

# What was issued and may still be valid: attribute certificates by their serial, tokens by their id. Removed some time after ``not_after``.
vo_issued = Table(
    "vo_issued",
    metadata,
    Column("serial", exact_text(40), primary_key=True),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("kind", exact_text(16), nullable=False),
    Column("member_id", exact_text(32), nullable=False),
    Column("names_key", exact_text(64), nullable=True),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime, nullable=True),
    Column("revoked_for", Text, nullable=True),
    Index("ix_vo_issued_vo_id_member_id", "vo_id", "member_id"),
    Index("ix_vo_issued_vo_id_revoked_at", "vo_id", "revoked_at"),
    Index("ix_vo_issued_not_after", "not_after"),
)

ARCHIVES: Final[Mapping[str, Table]] = MappingProxyType(_archives)
"""The archive of each table that has one, by the name of that table."""
