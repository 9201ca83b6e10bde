"""Single sign-on sessions, the SPs that took part in them, logouts under way."""

import sqlalchemy as sa
from alembic import op

from ostiary.storage.types import UtcDateTime, exact_text, serial_number

revision = "idp_0005"
down_revision = "idp_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sso_session",
        sa.Column("id", exact_text(32), nullable=False),
        sa.Column("token_hash", exact_text(64), nullable=False),
        sa.Column("principal", exact_text(64), nullable=False),
        sa.Column("authority", sa.Integer, nullable=False),
        sa.Column("proofs", sa.Text, nullable=False),
        sa.Column("started", UtcDateTime, nullable=False),
        sa.Column("used", UtcDateTime, nullable=False),
        sa.Column("expires", UtcDateTime, nullable=False),
        sa.Column("ends", UtcDateTime, nullable=False),
        sa.Column("idle_seconds", sa.Integer, nullable=False),
        sa.Column("shared", sa.Boolean, nullable=False),
        sa.Column("browser", exact_text(64), nullable=False),
        sa.Column("network", exact_text(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sso_session"),
        sa.UniqueConstraint("token_hash", name="uq_sso_session_token_hash"),
    )
    op.create_index("ix_sso_session_principal", "sso_session", ["principal"])
    op.create_index("ix_sso_session_ends", "sso_session", ["ends"])
    op.create_table(
        "sso_participant",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("session_id", exact_text(32), nullable=False),
        sa.Column("sp", exact_text(1024), nullable=False),
        sa.Column("subject_hash", exact_text(64), nullable=False),
        *_subject(),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sso_participant"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sso_session.id"], name="fk_sso_participant_session_id_sso_session", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_sso_participant_session_id", "sso_participant", ["session_id"])
    op.create_index("ix_sso_participant_subject_hash", "sso_participant", ["subject_hash"])
    op.create_table(
        "logout_run",
        sa.Column("id", exact_text(43), nullable=False),
        sa.Column("browser", exact_text(64), nullable=True),
        sa.Column("started", UtcDateTime, nullable=False),
        sa.Column("expires", UtcDateTime, nullable=False),
        sa.Column("asked_by", exact_text(1024), nullable=True),
        sa.Column("request_id", exact_text(256), nullable=True),
        sa.Column("binding", exact_text(128), nullable=True),
        sa.Column("relay_state", sa.Text, nullable=True),
        sa.Column("asynchronous", sa.Boolean, nullable=False),
        sa.Column("found", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_logout_run"),
    )
    op.create_index("ix_logout_run_expires", "logout_run", ["expires"])
    op.create_table(
        "logout_step",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("run_id", exact_text(43), nullable=False),
        sa.Column("sp", exact_text(1024), nullable=False),
        *_subject(),
        sa.Column("state", exact_text(16), nullable=False),
        sa.Column("request_id", exact_text(64), nullable=True),
        sa.Column("asked_at", UtcDateTime, nullable=True),
        sa.Column("elsewhere", sa.Boolean, nullable=False),
        sa.Column("back_tried", sa.Boolean, nullable=False),
        sa.Column("front_tried", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_logout_step"),
        sa.ForeignKeyConstraint(
            ["run_id"], ["logout_run.id"], name="fk_logout_step_run_id_logout_run", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("request_id", name="uq_logout_step_request_id"),
    )
    op.create_index("ix_logout_step_run_id", "logout_step", ["run_id"])


def _subject() -> list[sa.Column[str]]:
    """Whom a LogoutRequest names, and which of her sessions."""
    return [
        sa.Column("name_id", exact_text(1024), nullable=False),
        sa.Column("name_id_format", exact_text(256), nullable=True),
        sa.Column("name_qualifier", exact_text(1024), nullable=True),
        sa.Column("sp_name_qualifier", exact_text(1024), nullable=True),
        sa.Column("session_index", exact_text(256), nullable=False),
    ]
