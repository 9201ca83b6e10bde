"""The tables of the shared stores. Keys are hashes (`stored_key`), never the session tokens themselves."""

from sqlalchemy import Column, Integer, LargeBinary, Table
from sqlalchemy.dialects import mysql

from ostiary.storage.types import UtcDateTime, exact_text, make_metadata

metadata = make_metadata()

session_entry = Table(
    "session_entry",
    metadata,
    Column("key", exact_text(64), primary_key=True),
    Column("value", LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb"), nullable=False),
    Column("expires", UtcDateTime, nullable=False, index=True),
)

group_member = Table(
    "group_member",
    metadata,
    Column("key", exact_text(64), primary_key=True),
    Column("group_key", exact_text(64), nullable=False, index=True),
    Column("member", exact_text(64), nullable=False),
    Column("expires", UtcDateTime, nullable=False, index=True),
)

replay_entry = Table(
    "replay_entry",
    metadata,
    Column("key", exact_text(64), primary_key=True),
    Column("expires", UtcDateTime, nullable=False, index=True),
    # One tree of pages less for each message that may come once.
    sqlite_with_rowid=False,
)

counter = Table(
    "counter",
    metadata,
    Column("key", exact_text(64), primary_key=True),
    Column("hits", Integer, nullable=False),
    Column("expires", UtcDateTime, nullable=False, index=True),
)
