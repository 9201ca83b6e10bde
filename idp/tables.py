"""The tables of the embedded directory. Intervals are half-open; a row carries the audit serials that made and ended it."""

from pathlib import Path
from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, false

from ostiary.storage.types import UtcDateTime, exact_text, make_metadata, serial_number

MIGRATIONS: Final = Path(__file__).parent / "migrations"
"""The alembic branch ``idp``."""

metadata = make_metadata()

person = Table(
    "person",
    metadata,
    Column("principal", exact_text(32), primary_key=True),
    Column("login_name", exact_text(128), nullable=False),
    Column("login_key", exact_text(256), nullable=False, unique=True),
    Column("password_hash", exact_text(512), nullable=True),
    Column("must_change_password", Boolean, nullable=False, server_default=false()),
    Column("active", Boolean, nullable=False),
    Column("created_serial", BigInteger, nullable=False),
    Column("deleted_serial", BigInteger, nullable=True),
    Column("valid_from", UtcDateTime, nullable=False),
    Column("valid_to", UtcDateTime, nullable=True),
)

person_attribute = Table(
    "person_attribute",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("principal", exact_text(32), ForeignKey("person.principal"), nullable=False),
    Column("name", exact_text(256), nullable=False),
    Column("value", Text, nullable=False),
    # Of identifiers of elsewhere, by which people are found (`idp.accounts.names.external_key`).
    Column("value_key", exact_text(64), nullable=True, index=True),
    Column("position", Integer, nullable=False),
    Column("created_serial", BigInteger, nullable=False),
    Column("deleted_serial", BigInteger, nullable=True),
    Column("valid_from", UtcDateTime, nullable=False),
    Column("valid_to", UtcDateTime, nullable=True),
    Index("ix_person_attribute_principal_valid_to", "principal", "valid_to"),
)
