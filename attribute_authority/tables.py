"""What the Attribute Authority keeps: which policies were in force when, and the latest requests, for trying a change out on them.

A request is forgotten with the person: the database deletes her rows when the audit forgets who she is.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, LargeBinary, Table, Text, UniqueConstraint
from sqlalchemy.dialects import mysql

from ostiary.audit.tables import audit_person
from ostiary.storage.types import UtcDateTime, exact_text, make_metadata, serial_number

MIGRATIONS: Final = Path(__file__).parent / "migrations"
"""The alembic branch ``attribute_authority``. It needs the branch ``audit``."""

metadata = make_metadata()

# Rows are never changed. ``owner`` names one kind of document of one authority: two of them may share a database.
policy_version = Table(
    "policy_version",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("owner", exact_text(64), nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", exact_text(32), nullable=False),
    Column("digest", exact_text(64), nullable=False),
    # JSON, compressed.
    Column("content", LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("serial", BigInteger, nullable=False, unique=True),
    UniqueConstraint("owner", "number"),
)

# ``whose`` is the person as the audit looks her up: no principal stands here. No index: each would cost every request a page, and to read
# through all rows that may be kept (`requests.KEPT_AT_MOST`) takes milliseconds.
release_request = Table(
    "release_request",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("whose", exact_text(64), ForeignKey(audit_person.c.lookup, ondelete="CASCADE"), nullable=False),
    Column("authority", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("requester", exact_text(1024), nullable=False),
    Column("anonymous", Boolean, nullable=False),
    Column("pushed", Boolean, nullable=False),
    Column("target", Text, nullable=True),
    Column("wanted", Text, nullable=True),
    Column("network", exact_text(64), nullable=True),
    Column("authn_context", Text, nullable=True),
    Column("ends", UtcDateTime, nullable=False),
)

# Found by ``key`` alone: a hash of attribute, value and requester. The value itself does not stand here; ``whose`` as above.
told_identifier = Table(
    "told_identifier",
    metadata,
    Column("key", exact_text(64), primary_key=True),
    Column("attribute", exact_text(32), nullable=False),
    Column("requester", exact_text(1024), nullable=False),
    Column("whose", exact_text(64), ForeignKey(audit_person.c.lookup, ondelete="CASCADE"), nullable=False, index=True),
    Column("authority", Integer, nullable=False),
    Column("told", UtcDateTime, nullable=False),
)
