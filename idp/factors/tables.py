"""The tables of second factors. Intervals are half-open; a row carries the audit serials that made and ended it."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, Table, Text

from idp.tables import metadata
from ostiary.storage.types import UtcDateTime, exact_text, serial_number

MAXIMUM_LABEL: Final = 64

# A person of another directory has no row in ``person``, so nothing refers to it. Of a factor that was removed, secret and key are gone.
factor = Table(
    "factor",
    metadata,
    Column("id", exact_text(32), primary_key=True),
    Column("principal", exact_text(64), nullable=False),
    Column("kind", exact_text(16), nullable=False),
    Column("label", exact_text(MAXIMUM_LABEL), nullable=False),
    Column("sealed_secret", LargeBinary, nullable=True),
    Column("last_step", BigInteger, nullable=True),
    Column("credential_key", exact_text(64), nullable=True, unique=True),
    Column("credential_id", Text, nullable=True),
    Column("public_key", LargeBinary, nullable=True),
    Column("sign_count", BigInteger, nullable=True),
    Column("transports", exact_text(128), nullable=True),
    Column("discoverable", Boolean, nullable=True),
    Column("last_used", UtcDateTime, nullable=True),
    Column("created_serial", BigInteger, nullable=False),
    Column("deleted_serial", BigInteger, nullable=True),
    Column("valid_from", UtcDateTime, nullable=False),
    Column("valid_to", UtcDateTime, nullable=True),
    Index("ix_factor_principal_valid_to", "principal", "valid_to"),
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("principal", exact_text(64), nullable=False),
    Column("code_hash", exact_text(64), nullable=False),
    Column("used_at", UtcDateTime, nullable=True),
    Column("used_serial", BigInteger, nullable=True),
    Column("created_serial", BigInteger, nullable=False),
    Column("deleted_serial", BigInteger, nullable=True),
    Column("valid_from", UtcDateTime, nullable=False),
    Column("valid_to", UtcDateTime, nullable=True),
    Index("ix_recovery_code_principal_valid_to", "principal", "valid_to"),
)
