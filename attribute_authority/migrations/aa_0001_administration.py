"""Which release policies were in force when, and the latest requests."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from ostiary.storage.types import UtcDateTime, exact_text, serial_number

revision = "aa_0001"
down_revision = None
branch_labels = ("attribute_authority",)
depends_on = "audit_0001"


def upgrade() -> None:
    op.create_table(
        "policy_version",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("owner", exact_text(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", exact_text(32), nullable=False),
        sa.Column("digest", exact_text(64), nullable=False),
        sa.Column("content", sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_policy_version"),
        sa.UniqueConstraint("owner", "number", name="uq_policy_version_owner_number"),
        sa.UniqueConstraint("serial", name="uq_policy_version_serial"),
    )
    op.create_table(
        "release_request",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("whose", exact_text(64), nullable=False),
        sa.Column("authority", sa.Integer, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("requester", exact_text(1024), nullable=False),
        sa.Column("anonymous", sa.Boolean, nullable=False),
        sa.Column("pushed", sa.Boolean, nullable=False),
        sa.Column("target", sa.Text, nullable=True),
        sa.Column("wanted", sa.Text, nullable=True),
        sa.Column("network", exact_text(64), nullable=True),
        sa.Column("authn_context", sa.Text, nullable=True),
        sa.Column("ends", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_release_request"),
        sa.ForeignKeyConstraint(
            ["whose"], ["audit_person.lookup"], name="fk_release_request_whose_audit_person", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_release_request_whose", "release_request", ["whose"])
    op.create_index("ix_release_request_ends", "release_request", ["ends"])
