"""The table of persistent identifiers: each that was given out, the revoked ones too, so that none is ever given again."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, Table

from idp.tables import metadata
from ostiary.storage.types import UtcDateTime, exact_text, serial_number

MAXIMUM_VALUE: Final = 256
"""SAML core 8.3.7."""
MAXIMUM_SP: Final = 1024

persistent_id = Table(
    "persistent_id",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("principal", exact_text(64), nullable=False),
    Column("sp", exact_text(MAXIMUM_SP), nullable=False),
    Column("value", exact_text(MAXIMUM_VALUE), nullable=False),
    Column("authority", Integer, nullable=False),
    Column("origin", exact_text(16), nullable=False),
    # Hashes, because no index of every database takes the columns themselves. Of one person at one SP at most one lives.
    Column("live_key", exact_text(64), nullable=True, unique=True),
    Column("value_key", exact_text(64), nullable=False, unique=True),
    Column("created_serial", BigInteger, nullable=False),
    Column("deleted_serial", BigInteger, nullable=True),
    Column("valid_from", UtcDateTime, nullable=False),
    Column("valid_to", UtcDateTime, nullable=True),
    Index("ix_persistent_id_principal", "principal"),
)
