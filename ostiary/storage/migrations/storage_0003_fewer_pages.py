"""A used message costs a page less on SQLite: the key is the row."""

import sqlalchemy as sa
from alembic import op

from ostiary.storage.types import UtcDateTime, exact_text

revision = "storage_0003"
down_revision = "storage_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name != "sqlite":
        return
    op.drop_index("ix_replay_entry_expires", "replay_entry")
    op.create_table(
        "replay_entry_new",
        sa.Column("key", exact_text(64), nullable=False),
        sa.Column("expires", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_replay_entry"),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO replay_entry_new (key, expires) SELECT key, expires FROM replay_entry")
    op.drop_table("replay_entry")
    op.rename_table("replay_entry_new", "replay_entry")
    op.create_index("ix_replay_entry_expires", "replay_entry", ["expires"])
