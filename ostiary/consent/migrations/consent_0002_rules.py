"""People's general rules: what holds at a resource for which they have set nothing."""

import sqlalchemy as sa
from alembic import op

from ostiary.storage.types import UtcDateTime, exact_text, serial_number

revision = "consent_0002"
down_revision = "consent_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "consent_rule",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("principal", exact_text(64), nullable=False),
        sa.Column("current_key", exact_text(64), nullable=True),
        sa.Column("rule", exact_text(20), nullable=False),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("deleted_serial", sa.BigInteger, nullable=True),
        sa.Column("valid_from", UtcDateTime, nullable=False),
        sa.Column("valid_to", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_consent_rule"),
        sa.UniqueConstraint("current_key", name="uq_consent_rule_current_key"),
    )
    op.create_index("ix_consent_rule_principal", "consent_rule", ["principal"])
