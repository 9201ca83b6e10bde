"""The stores: sessions, used messages, counters."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from ostiary.storage.types import UtcDateTime, exact_text

revision = "storage_0001"
down_revision = None
branch_labels = ("storage",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "session_entry",
        sa.Column("key", exact_text(64), nullable=False),
        sa.Column("value", sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb"), nullable=False),
        sa.Column("expires", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_session_entry"),
    )
    op.create_table(
        "replay_entry",
        sa.Column("key", exact_text(64), nullable=False),
        sa.Column("expires", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_replay_entry"),
    )
    op.create_table(
        "counter",
        sa.Column("key", exact_text(64), nullable=False),
        sa.Column("hits", sa.Integer, nullable=False),
        sa.Column("expires", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_counter"),
    )
    for table in ("session_entry", "replay_entry", "counter"):
        op.create_index(f"ix_{table}_expires", table, ["expires"])
