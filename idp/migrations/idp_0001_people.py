"""The embedded directory: people and what is known about them."""

import sqlalchemy as sa
from alembic import op

from ostiary.storage.types import UtcDateTime, exact_text, serial_number

revision = "idp_0001"
down_revision = None
branch_labels = ("idp",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "person",
        sa.Column("principal", exact_text(32), nullable=False),
        sa.Column("login_name", exact_text(128), nullable=False),
        sa.Column("login_key", exact_text(256), nullable=False),
        sa.Column("password_hash", exact_text(512), nullable=True),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("deleted_serial", sa.BigInteger, nullable=True),
        sa.Column("valid_from", UtcDateTime, nullable=False),
        sa.Column("valid_to", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("principal", name="pk_person"),
        sa.UniqueConstraint("login_key", name="uq_person_login_key"),
    )
    op.create_table(
        "person_attribute",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("principal", exact_text(32), nullable=False),
        sa.Column("name", exact_text(256), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("deleted_serial", sa.BigInteger, nullable=True),
        sa.Column("valid_from", UtcDateTime, nullable=False),
        sa.Column("valid_to", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_person_attribute"),
        sa.ForeignKeyConstraint(["principal"], ["person.principal"], name="fk_person_attribute_principal_person"),
    )
    op.create_index("ix_person_attribute_principal_valid_to", "person_attribute", ["principal", "valid_to"])
