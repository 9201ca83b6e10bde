"""Second factors: one-time codes and passkeys of people, and their recovery codes."""

import sqlalchemy as sa
from alembic import op

from ostiary.storage.types import UtcDateTime, exact_text, serial_number

revision = "idp_0003"
down_revision = "idp_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "factor",
        sa.Column("id", exact_text(32), nullable=False),
        sa.Column("principal", exact_text(64), nullable=False),
        sa.Column("kind", exact_text(16), nullable=False),
        sa.Column("label", exact_text(64), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary, nullable=True),
        sa.Column("last_step", sa.BigInteger, nullable=True),
        sa.Column("credential_key", exact_text(64), nullable=True),
        sa.Column("credential_id", sa.Text, nullable=True),
        sa.Column("public_key", sa.LargeBinary, nullable=True),
        sa.Column("sign_count", sa.BigInteger, nullable=True),
        sa.Column("transports", exact_text(128), nullable=True),
        sa.Column("discoverable", sa.Boolean, nullable=True),
        sa.Column("last_used", UtcDateTime, nullable=True),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("deleted_serial", sa.BigInteger, nullable=True),
        sa.Column("valid_from", UtcDateTime, nullable=False),
        sa.Column("valid_to", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_factor"),
        sa.UniqueConstraint("credential_key", name="uq_factor_credential_key"),
    )
    op.create_index("ix_factor_principal_valid_to", "factor", ["principal", "valid_to"])
    op.create_table(
        "recovery_code",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("principal", exact_text(64), nullable=False),
        sa.Column("code_hash", exact_text(64), nullable=False),
        sa.Column("used_at", UtcDateTime, nullable=True),
        sa.Column("used_serial", sa.BigInteger, nullable=True),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("deleted_serial", sa.BigInteger, nullable=True),
        sa.Column("valid_from", UtcDateTime, nullable=False),
        sa.Column("valid_to", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_recovery_code"),
    )
    op.create_index("ix_recovery_code_principal_valid_to", "recovery_code", ["principal", "valid_to"])
