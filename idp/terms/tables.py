"""The table of who accepted which version of the terms of use. Rows are never changed."""

from typing import Final

from sqlalchemy import BigInteger, Column, Table, UniqueConstraint

from idp.tables import metadata
from ostiary.storage.types import UtcDateTime, exact_text, serial_number

terms_acceptance: Final = Table(
    "terms_acceptance",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("principal", exact_text(64), nullable=False),
    Column("version", exact_text(64), nullable=False),
    Column("language", exact_text(64), nullable=False),
    # SHA-256 of the text that she was shown, in hexadecimal digits.
    Column("digest", exact_text(64), nullable=False),
    Column("accepted_at", UtcDateTime, nullable=False),
    Column("created_serial", BigInteger, nullable=False),
    UniqueConstraint("principal", "version"),
)
