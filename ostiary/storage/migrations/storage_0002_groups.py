"""Groups: which sessions belong to one NameID."""

import sqlalchemy as sa
from alembic import op

from ostiary.storage.types import UtcDateTime, exact_text

revision = "storage_0002"
down_revision = "storage_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "group_member",
        sa.Column("key", exact_text(64), nullable=False),
        sa.Column("group_key", exact_text(64), nullable=False),
        sa.Column("member", exact_text(64), nullable=False),
        sa.Column("expires", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_group_member"),
    )
    op.create_index("ix_group_member_group_key", "group_member", ["group_key"])
    op.create_index("ix_group_member_expires", "group_member", ["expires"])
