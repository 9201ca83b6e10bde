"""Persistent identifiers of people at resources."""

import sqlalchemy as sa
from alembic import op

from ostiary.storage.types import UtcDateTime, exact_text, serial_number

revision = "idp_0006"
down_revision = "idp_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "persistent_id",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("principal", exact_text(64), nullable=False),
        sa.Column("sp", exact_text(1024), nullable=False),
        sa.Column("value", exact_text(256), nullable=False),
        sa.Column("authority", sa.Integer, nullable=False),
        sa.Column("origin", exact_text(16), nullable=False),
        sa.Column("live_key", exact_text(64), nullable=True),
        sa.Column("value_key", exact_text(64), nullable=False),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("deleted_serial", sa.BigInteger, nullable=True),
        sa.Column("valid_from", UtcDateTime, nullable=False),
        sa.Column("valid_to", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_persistent_id"),
        sa.UniqueConstraint("live_key", name="uq_persistent_id_live_key"),
        sa.UniqueConstraint("value_key", name="uq_persistent_id_value_key"),
    )
    op.create_index("ix_persistent_id_principal", "persistent_id", ["principal"])
