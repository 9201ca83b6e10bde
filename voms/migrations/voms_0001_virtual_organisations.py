"""The VO service: VOs, groups, roles, members and what they have."""

import sqlalchemy as sa
from alembic import op

from ostiary.storage.types import UtcDateTime, exact_text, serial_number

revision = "voms_0001"
down_revision = None
branch_labels = ("voms",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "vo",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("name", exact_text(128), nullable=False),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vo"),
        sa.UniqueConstraint("name", name="uq_vo_name"),
    )
    op.create_table(
        "vo_group",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("path", exact_text(255), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("deleted_serial", sa.BigInteger, nullable=True),
        sa.Column("live", sa.Boolean, nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("deleted_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_vo_group"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_group_vo_id_vo"),
        sa.UniqueConstraint("vo_id", "path", "live", name="uq_vo_group_vo_id_path_live"),
    )
    op.create_table(
        "vo_member",
        sa.Column("id", exact_text(32), nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("suspended_reason", sa.Text, nullable=True),
        sa.Column("valid_from", UtcDateTime, nullable=False),
        sa.Column("valid_to", UtcDateTime, nullable=True),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("deleted_serial", sa.BigInteger, nullable=True),
        sa.Column("live", sa.Boolean, nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("deleted_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_vo_member"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_member_vo_id_vo"),
    )
    op.create_table(
        "vo_role",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("name", exact_text(128), nullable=False),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("deleted_serial", sa.BigInteger, nullable=True),
        sa.Column("live", sa.Boolean, nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("deleted_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_vo_role"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_role_vo_id_vo"),
        sa.UniqueConstraint("vo_id", "name", "live", name="uq_vo_role_vo_id_name_live"),
    )
    op.create_table(
        "vo_attribute",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("member_id", exact_text(32), nullable=True),
        sa.Column("group_id", sa.BigInteger, nullable=True),
        sa.Column("role_id", sa.BigInteger, nullable=True),
        sa.Column("name", exact_text(255), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("deleted_serial", sa.BigInteger, nullable=True),
        sa.Column("live", sa.Boolean, nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("deleted_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_vo_attribute"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_attribute_vo_id_vo"),
        sa.ForeignKeyConstraint(["member_id"], ["vo_member.id"], name="fk_vo_attribute_member_id_vo_member"),
        sa.ForeignKeyConstraint(["group_id"], ["vo_group.id"], name="fk_vo_attribute_group_id_vo_group"),
        sa.ForeignKeyConstraint(["role_id"], ["vo_role.id"], name="fk_vo_attribute_role_id_vo_role"),
    )
    op.create_index("ix_vo_attribute_group_id_role_id", "vo_attribute", ["group_id", "role_id"])
    op.create_index("ix_vo_attribute_member_id", "vo_attribute", ["member_id"])
    op.create_table(
        "vo_group_membership",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("member_id", exact_text(32), nullable=False),
        sa.Column("group_id", sa.BigInteger, nullable=False),
        sa.Column("valid_from", UtcDateTime, nullable=False),
        sa.Column("valid_to", UtcDateTime, nullable=True),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("deleted_serial", sa.BigInteger, nullable=True),
        sa.Column("live", sa.Boolean, nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("deleted_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_vo_group_membership"),
        sa.ForeignKeyConstraint(["member_id"], ["vo_member.id"], name="fk_vo_group_membership_member_id_vo_member"),
        sa.ForeignKeyConstraint(["group_id"], ["vo_group.id"], name="fk_vo_group_membership_group_id_vo_group"),
        sa.UniqueConstraint("member_id", "group_id", "live", name="uq_vo_group_membership_member_id_group_id_live"),
    )
    op.create_table(
        "vo_member_certificate",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("member_id", exact_text(32), nullable=False),
        sa.Column("names_key", exact_text(64), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("suspended_reason", sa.Text, nullable=True),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("deleted_serial", sa.BigInteger, nullable=True),
        sa.Column("live", sa.Boolean, nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("deleted_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_vo_member_certificate"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_member_certificate_vo_id_vo"),
        sa.ForeignKeyConstraint(["member_id"], ["vo_member.id"], name="fk_vo_member_certificate_member_id_vo_member"),
        sa.UniqueConstraint("vo_id", "names_key", "live", name="uq_vo_member_certificate_vo_id_names_key_live"),
    )
    op.create_index("ix_vo_member_certificate_member_id", "vo_member_certificate", ["member_id"])
    op.create_table(
        "vo_member_identity",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("vo_id", sa.BigInteger, nullable=False),
        sa.Column("member_id", exact_text(32), nullable=False),
        sa.Column("identity_key", exact_text(64), nullable=False),
        sa.Column("asserted_by", sa.Text, nullable=False),
        sa.Column("attribute", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("deleted_serial", sa.BigInteger, nullable=True),
        sa.Column("live", sa.Boolean, nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("deleted_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_vo_member_identity"),
        sa.ForeignKeyConstraint(["vo_id"], ["vo.id"], name="fk_vo_member_identity_vo_id_vo"),
        sa.ForeignKeyConstraint(["member_id"], ["vo_member.id"], name="fk_vo_member_identity_member_id_vo_member"),
        sa.UniqueConstraint("vo_id", "identity_key", "live", name="uq_vo_member_identity_vo_id_identity_key_live"),
    )
    op.create_index("ix_vo_member_identity_member_id", "vo_member_identity", ["member_id"])
    op.create_table(
        "vo_role_assignment",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("member_id", exact_text(32), nullable=False),
        sa.Column("group_id", sa.BigInteger, nullable=False),
        sa.Column("role_id", sa.BigInteger, nullable=False),
        sa.Column("valid_from", UtcDateTime, nullable=False),
        sa.Column("valid_to", UtcDateTime, nullable=True),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("deleted_serial", sa.BigInteger, nullable=True),
        sa.Column("live", sa.Boolean, nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("deleted_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_vo_role_assignment"),
        sa.ForeignKeyConstraint(["member_id"], ["vo_member.id"], name="fk_vo_role_assignment_member_id_vo_member"),
        sa.ForeignKeyConstraint(["group_id"], ["vo_group.id"], name="fk_vo_role_assignment_group_id_vo_group"),
        sa.ForeignKeyConstraint(["role_id"], ["vo_role.id"], name="fk_vo_role_assignment_role_id_vo_role"),
        sa.UniqueConstraint(
            "member_id", "group_id", "role_id", "live", name="uq_vo_role_assignment_member_id_group_id_role_id_live"
        ),
    )
