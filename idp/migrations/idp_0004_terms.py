"""Who accepted which version of the terms of use."""

import sqlalchemy as sa
from alembic import op

from ostiary.storage.types import UtcDateTime, exact_text, serial_number

revision = "idp_0004"
down_revision = "idp_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "terms_acceptance",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("principal", exact_text(64), nullable=False),
        sa.Column("version", exact_text(64), nullable=False),
        sa.Column("language", exact_text(64), nullable=False),
        sa.Column("digest", exact_text(64), nullable=False),
        sa.Column("accepted_at", UtcDateTime, nullable=False),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_terms_acceptance"),
        sa.UniqueConstraint("principal", "version", name="uq_terms_acceptance_principal_version"),
    )
