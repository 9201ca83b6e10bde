"""What people have said about what may be told about them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from ostiary.storage.types import UtcDateTime, exact_text, serial_number

revision = "consent_0001"
down_revision = None
branch_labels = ("consent",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "consent_choice",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("principal", exact_text(64), nullable=False),
        sa.Column("entity_id", exact_text(1024), nullable=False),
        sa.Column("current_key", exact_text(64), nullable=True),
        sa.Column("mode", exact_text(20), nullable=False),
        sa.Column("attributes", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("text_language", exact_text(64), nullable=False),
        sa.Column("url_language", exact_text(64), nullable=False),
        sa.Column("purpose", exact_text(64), nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("visit", exact_text(64), nullable=False),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("deleted_serial", sa.BigInteger, nullable=True),
        sa.Column("valid_from", UtcDateTime, nullable=False),
        sa.Column("valid_to", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_consent_choice"),
        sa.UniqueConstraint("current_key", name="uq_consent_choice_current_key"),
    )
    op.create_index("ix_consent_choice_principal", "consent_choice", ["principal"])
