"""The tables of people's choices and general rules. A row is never changed but for its end; ``current_key`` is NULL in all but the latest
of one person (and resource)."""

from pathlib import Path
from typing import Final

from sqlalchemy import BigInteger, Column, LargeBinary, Table, Text
from sqlalchemy.dialects import mysql

from ostiary.storage.types import UtcDateTime, exact_text, make_metadata, serial_number

MIGRATIONS: Final = Path(__file__).parent / "migrations"
"""The alembic branch ``consent``."""

metadata = make_metadata()

consent_choice = Table(
    "consent_choice",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("principal", exact_text(64), nullable=False, index=True),
    Column("entity_id", exact_text(1024), nullable=False),
    # SHA-256 of both: MariaDB can't index an entityID in full.
    Column("current_key", exact_text(64), nullable=True, unique=True),
    Column("mode", exact_text(20), nullable=False),
    Column("attributes", Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
    Column("text_language", exact_text(64), nullable=False),
    Column("url_language", exact_text(64), nullable=False),
    Column("purpose", exact_text(64), nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("visit", exact_text(64), nullable=False),
    Column("created_serial", BigInteger, nullable=False),
    Column("deleted_serial", BigInteger, nullable=True),
    Column("valid_from", UtcDateTime, nullable=False),
    Column("valid_to", UtcDateTime, nullable=True),
)

# What holds at a resource for which a person has set nothing.
consent_rule = Table(
    "consent_rule",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("principal", exact_text(64), nullable=False, index=True),
    # The principal again, in the latest row alone.
    Column("current_key", exact_text(64), nullable=True, unique=True),
    Column("rule", exact_text(20), nullable=False),
    Column("created_serial", BigInteger, nullable=False),
    Column("deleted_serial", BigInteger, nullable=True),
    Column("valid_from", UtcDateTime, nullable=False),
    Column("valid_to", UtcDateTime, nullable=True),
)
