"""The audit trail: events, erasable people, chain and checkpoints."""

import sqlalchemy as sa
from alembic import op

from ostiary.storage.types import UtcDateTime, exact_text, serial_number

revision = "audit_0001"
down_revision = None
branch_labels = ("audit",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_event",
        sa.Column("serial", serial_number(), autoincrement=True, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("writer", exact_text(64), nullable=False),
        sa.Column("actor", exact_text(255), nullable=False),
        sa.Column("action", exact_text(100), nullable=False),
        sa.Column("subject", exact_text(64), nullable=True),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("reference", exact_text(32), nullable=True),
        sa.PrimaryKeyConstraint("serial", name="pk_audit_event"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_event_at", "audit_event", ["at"])
    op.create_index("ix_audit_event_subject", "audit_event", ["subject"])
    op.create_index("ix_audit_event_writer_serial", "audit_event", ["writer", "serial"])
    op.create_table(
        "audit_person",
        sa.Column("lookup", exact_text(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("commitment", exact_text(64), nullable=False),
        sa.PrimaryKeyConstraint("lookup", name="pk_audit_person"),
        sa.UniqueConstraint("commitment", name="uq_audit_person_commitment"),
    )
    op.create_table(
        "audit_waiting",
        sa.Column("writer", exact_text(64), nullable=False),
        sa.Column("serial", serial_number(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("writer", "serial", name="pk_audit_waiting"),
        sa.ForeignKeyConstraint(["serial"], ["audit_event.serial"], name="fk_audit_waiting_serial_audit_event"),
    )
    op.create_table(
        "audit_link",
        sa.Column("serial", serial_number(), autoincrement=False, nullable=False),
        sa.Column("writer", exact_text(64), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("digest", exact_text(64), nullable=False),
        sa.PrimaryKeyConstraint("serial", name="pk_audit_link"),
        sa.ForeignKeyConstraint(["serial"], ["audit_event.serial"], name="fk_audit_link_serial_audit_event"),
        sa.UniqueConstraint("writer", "position", name="uq_audit_link_writer_position"),
    )
    op.create_table(
        "audit_checkpoint",
        sa.Column("writer", exact_text(64), nullable=False),
        sa.Column("position", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("serial", serial_number(), nullable=False),
        sa.Column("digest", exact_text(64), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("writer", "position", name="pk_audit_checkpoint"),
    )
