"""Which subject identifiers were told to whom."""

import sqlalchemy as sa
from alembic import op

from ostiary.storage.types import UtcDateTime, exact_text

revision = "aa_0002"
down_revision = "aa_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "told_identifier",
        sa.Column("key", exact_text(64), nullable=False),
        sa.Column("attribute", exact_text(32), nullable=False),
        sa.Column("requester", exact_text(1024), nullable=False),
        sa.Column("whose", exact_text(64), nullable=False),
        sa.Column("authority", sa.Integer, nullable=False),
        sa.Column("told", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_told_identifier"),
        sa.ForeignKeyConstraint(
            ["whose"], ["audit_person.lookup"], name="fk_told_identifier_whose_audit_person", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_told_identifier_whose", "told_identifier", ["whose"])
