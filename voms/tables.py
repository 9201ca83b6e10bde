"""The tables of the VO service. A row carries the audit serials that made and ended it; what has ended stays, with ``live`` empty.

Validity (``valid_from``, ``valid_to``) is what a manager grants, half-open, and within it perhaps only the times of ``recurs``
(`voms.periods`); ``created_at`` and ``deleted_at`` are when that was written.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table, Text, UniqueConstraint, false

from ostiary.storage.types import UtcDateTime, exact_text, make_metadata, serial_number

MIGRATIONS: Final = Path(__file__).parent / "migrations"
"""The alembic branch ``voms``."""

metadata = make_metadata()


def _written() -> tuple[Column[int], Column[int], Column[bool], Column[object], Column[object]]:
    """When a row began and ended. ``live`` is true or NULL, so that a unique constraint binds only what has not ended."""
    return (
        Column("created_serial", BigInteger, nullable=False),
        Column("deleted_serial", BigInteger, nullable=True),
        Column("live", Boolean, nullable=True),
        Column("created_at", UtcDateTime, nullable=False),
        Column("deleted_at", UtcDateTime, nullable=True),
    )


vo = Table(
    "vo",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("name", exact_text(128), nullable=False, unique=True),
    # Whether what a group gives goes to the members of the groups below it. The original VOMS has no such thing.
    Column("inherits", Boolean, nullable=False, server_default=false()),
    Column("created_serial", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

vo_group = Table(
    "vo_group",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("path", exact_text(255), nullable=False),
    Column("description", Text, nullable=False),
    Column("optional", Boolean, nullable=False, server_default=false()),
    *_written(),
    UniqueConstraint("vo_id", "path", "live"),
)

# Every line from a group to one directly above it: that of its path, and those to further parents.
vo_group_parent = Table(
    "vo_group_parent",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("group_id", BigInteger, ForeignKey("vo_group.id"), nullable=False),
    Column("parent_id", BigInteger, ForeignKey("vo_group.id"), nullable=False),
    *_written(),
    UniqueConstraint("group_id", "parent_id", "live"),
    Index("ix_vo_group_parent_parent_id", "parent_id"),
)

vo_role = Table(
    "vo_role",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("name", exact_text(128), nullable=False),
    *_written(),
    UniqueConstraint("vo_id", "name", "live"),
)

vo_member = Table(
    "vo_member",
    metadata,
    Column("id", exact_text(32), primary_key=True),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("suspended_reason", Text, nullable=True),
    Column("valid_from", UtcDateTime, nullable=False),
    Column("valid_to", UtcDateTime, nullable=True),
    *_written(),
)

vo_member_certificate = Table(
    "vo_member_certificate",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("member_id", exact_text(32), ForeignKey("vo_member.id"), nullable=False),
    Column("names_key", exact_text(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("suspended_reason", Text, nullable=True),
    *_written(),
    UniqueConstraint("vo_id", "names_key", "live"),
    Index("ix_vo_member_certificate_member_id", "member_id"),
)

vo_member_identity = Table(
    "vo_member_identity",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("member_id", exact_text(32), ForeignKey("vo_member.id"), nullable=False),
    Column("identity_key", exact_text(64), nullable=False),
    Column("asserted_by", Text, nullable=False),
    Column("attribute", Text, nullable=False),
    Column("value", Text, nullable=False),
    *_written(),
    UniqueConstraint("vo_id", "identity_key", "live"),
    Index("ix_vo_member_identity_member_id", "member_id"),
)

vo_group_membership = Table(
    "vo_group_membership",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("member_id", exact_text(32), ForeignKey("vo_member.id"), nullable=False),
    Column("group_id", BigInteger, ForeignKey("vo_group.id"), nullable=False),
    Column("valid_from", UtcDateTime, nullable=False),
    Column("valid_to", UtcDateTime, nullable=True),
    Column("recurs", Text, nullable=True),
    *_written(),
    UniqueConstraint("member_id", "group_id", "live"),
)

vo_role_assignment = Table(
    "vo_role_assignment",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("member_id", exact_text(32), ForeignKey("vo_member.id"), nullable=False),
    Column("group_id", BigInteger, ForeignKey("vo_group.id"), nullable=False),
    Column("role_id", BigInteger, ForeignKey("vo_role.id"), nullable=False),
    Column("valid_from", UtcDateTime, nullable=False),
    Column("valid_to", UtcDateTime, nullable=True),
    Column("recurs", Text, nullable=True),
    *_written(),
    UniqueConstraint("member_id", "group_id", "role_id", "live"),
)

vo_attribute = Table(
    "vo_attribute",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("vo_id", BigInteger, ForeignKey("vo.id"), nullable=False),
    Column("member_id", exact_text(32), ForeignKey("vo_member.id"), nullable=True),
    Column("group_id", BigInteger, ForeignKey("vo_group.id"), nullable=True),
    Column("role_id", BigInteger, ForeignKey("vo_role.id"), nullable=True),
    Column("name", exact_text(255), nullable=False),
    Column("value", Text, nullable=False),
    Column("valid_from", UtcDateTime, nullable=True),
    Column("valid_to", UtcDateTime, nullable=True),
    Column("recurs", Text, nullable=True),
    *_written(),
    Index("ix_vo_attribute_member_id", "member_id"),
    Index("ix_vo_attribute_group_id_role_id", "group_id", "role_id"),
)
