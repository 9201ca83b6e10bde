"""A row costs fewer pages: no index that nothing asks, and on SQLite no second tree for what waits."""

import sqlalchemy as sa
from alembic import op

from ostiary.storage.types import exact_text, serial_number

revision = "audit_0002"
down_revision = "audit_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_audit_event_writer_serial", "audit_event")
    if op.get_context().dialect.name != "sqlite":
        return
    op.create_table(
        "audit_waiting_new",
        sa.Column("writer", exact_text(64), nullable=False),
        sa.Column("serial", serial_number(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("writer", "serial", name="pk_audit_waiting"),
        sa.ForeignKeyConstraint(["serial"], ["audit_event.serial"], name="fk_audit_waiting_serial_audit_event"),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO audit_waiting_new (writer, serial) SELECT writer, serial FROM audit_waiting")
    op.drop_table("audit_waiting")
    op.rename_table("audit_waiting_new", "audit_waiting")
