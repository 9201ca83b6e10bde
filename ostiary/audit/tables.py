"""The tables of the audit trail. But for ``audit_person`` and ``audit_waiting``, rows are never changed or deleted.

Each index is one page more that every row writes: there is one for times and one for people.
"""

from pathlib import Path

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, Table, Text, UniqueConstraint

from ostiary.storage.types import UtcDateTime, exact_text, make_metadata, serial_number

MIGRATIONS = Path(__file__).parent / "migrations"
"""The alembic branch ``audit``."""

metadata = make_metadata()

audit_event = Table(
    "audit_event",
    metadata,
    Column("serial", serial_number(), primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("writer", exact_text(64), nullable=False),
    Column("actor", exact_text(255), nullable=False),
    Column("action", exact_text(100), nullable=False),
    Column("subject", exact_text(64), nullable=True, index=True),
    Column("facts", Text, nullable=False),
    Column("reference", exact_text(32), nullable=True),
    # A serial is never given twice, even if somebody deletes the last row.
    sqlite_autoincrement=True,
)

audit_person = Table(
    "audit_person",
    metadata,
    Column("lookup", exact_text(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("commitment", exact_text(64), nullable=False, unique=True),
)

# What the sealer has not met yet. A row is here or has a link; one that is neither came in by a back door.
audit_waiting = Table(
    "audit_waiting",
    metadata,
    Column("writer", exact_text(64), primary_key=True),
    Column("serial", serial_number(), ForeignKey("audit_event.serial"), primary_key=True, autoincrement=False),
    # One tree of pages instead of two: every row of the trail is written here first.
    sqlite_with_rowid=False,
)

audit_link = Table(
    "audit_link",
    metadata,
    Column("serial", serial_number(), ForeignKey("audit_event.serial"), primary_key=True, autoincrement=False),
    Column("writer", exact_text(64), nullable=False),
    Column("position", Integer, nullable=False),
    Column("digest", exact_text(64), nullable=False),
    UniqueConstraint("writer", "position"),
)

audit_checkpoint = Table(
    "audit_checkpoint",
    metadata,
    Column("writer", exact_text(64), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("serial", serial_number(), nullable=False),
    Column("digest", exact_text(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)
