"""What stands beside a person of the embedded directory: her certificates, one-time links, and those who want to become people.

A registration or a link is gone once it was used, refused or expired; that it was there stays in the audit.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table, Text, UniqueConstraint

from idp.tables import metadata
from ostiary.storage.types import UtcDateTime, exact_text, serial_number

person_certificate = Table(
    "person_certificate",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("principal", exact_text(32), ForeignKey("person.principal"), nullable=False),
    Column("names_key", exact_text(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    # True or NULL, so that the unique constraint binds only what has not ended.
    Column("live", Boolean, nullable=True),
    Column("created_serial", BigInteger, nullable=False),
    Column("deleted_serial", BigInteger, nullable=True),
    Column("valid_from", UtcDateTime, nullable=False),
    Column("valid_to", UtcDateTime, nullable=True),
    UniqueConstraint("names_key", "live"),
    Index("ix_person_certificate_principal", "principal"),
)

password_link = Table(
    "password_link",
    metadata,
    Column("principal", exact_text(32), ForeignKey("person.principal"), primary_key=True),
    Column("token_hash", exact_text(64), nullable=False, unique=True),
    Column("expires", UtcDateTime, nullable=False),
)

registration = Table(
    "registration",
    metadata,
    Column("principal", exact_text(32), primary_key=True),
    Column("mail_key", exact_text(256), nullable=False, unique=True),
    Column("mail", exact_text(128), nullable=False),
    Column("display_name", exact_text(128), nullable=False),
    Column("remark", Text, nullable=False),
    Column("language", exact_text(16), nullable=False),
    # The link that proves the mail address; NULL once it was followed, and the registration waits for its approval.
    Column("token_hash", exact_text(64), nullable=True, unique=True),
    Column("password_hash", exact_text(512), nullable=True),
    Column("subject", Text, nullable=True),
    Column("issuer", Text, nullable=True),
    Column("begun", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=False),
    Index("ix_registration_expires", "expires"),
)
