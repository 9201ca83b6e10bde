"""Passwords that must be changed, certificates of people, one-time links, self-registration."""

import sqlalchemy as sa
from alembic import op

from ostiary.storage.types import UtcDateTime, exact_text, serial_number

revision = "idp_0002"
down_revision = "idp_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("person", sa.Column("must_change_password", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "person_certificate",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("principal", exact_text(32), nullable=False),
        sa.Column("names_key", exact_text(64), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("live", sa.Boolean, nullable=True),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("deleted_serial", sa.BigInteger, nullable=True),
        sa.Column("valid_from", UtcDateTime, nullable=False),
        sa.Column("valid_to", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_person_certificate"),
        sa.ForeignKeyConstraint(["principal"], ["person.principal"], name="fk_person_certificate_principal_person"),
        sa.UniqueConstraint("names_key", "live", name="uq_person_certificate_names_key_live"),
    )
    op.create_index("ix_person_certificate_principal", "person_certificate", ["principal"])
    op.create_table(
        "password_link",
        sa.Column("principal", exact_text(32), nullable=False),
        sa.Column("token_hash", exact_text(64), nullable=False),
        sa.Column("expires", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("principal", name="pk_password_link"),
        sa.ForeignKeyConstraint(["principal"], ["person.principal"], name="fk_password_link_principal_person"),
        sa.UniqueConstraint("token_hash", name="uq_password_link_token_hash"),
    )
    op.create_table(
        "registration",
        sa.Column("principal", exact_text(32), nullable=False),
        sa.Column("mail_key", exact_text(256), nullable=False),
        sa.Column("mail", exact_text(128), nullable=False),
        sa.Column("display_name", exact_text(128), nullable=False),
        sa.Column("remark", sa.Text, nullable=False),
        sa.Column("language", exact_text(16), nullable=False),
        sa.Column("token_hash", exact_text(64), nullable=True),
        sa.Column("password_hash", exact_text(512), nullable=True),
        sa.Column("subject", sa.Text, nullable=True),
        sa.Column("issuer", sa.Text, nullable=True),
        sa.Column("begun", UtcDateTime, nullable=False),
        sa.Column("expires", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("principal", name="pk_registration"),
        sa.UniqueConstraint("mail_key", name="uq_registration_mail_key"),
        sa.UniqueConstraint("token_hash", name="uq_registration_token_hash"),
    )
    op.create_index("ix_registration_expires", "registration", ["expires"])
