"""Groups with several parents, inheritance downwards, groups that are stated on request, and grants that recur."""

import sqlalchemy as sa
from alembic import op

from ostiary.storage.types import UtcDateTime, serial_number

revision = "voms_0002"
down_revision = "voms_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A VO that is there already goes on as it was.
    op.add_column("vo", sa.Column("inherits", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("vo_group", sa.Column("optional", sa.Boolean, nullable=False, server_default=sa.false()))
    for table in ("vo_group_membership", "vo_role_assignment", "vo_attribute"):
        op.add_column(table, sa.Column("recurs", sa.Text, nullable=True))
    for name in ("valid_from", "valid_to"):
        op.add_column("vo_attribute", sa.Column(name, UtcDateTime, nullable=True))
    op.create_table(
        "vo_group_parent",
        sa.Column("id", serial_number(), autoincrement=True, nullable=False),
        sa.Column("group_id", sa.BigInteger, nullable=False),
        sa.Column("parent_id", sa.BigInteger, nullable=False),
        sa.Column("created_serial", sa.BigInteger, nullable=False),
        sa.Column("deleted_serial", sa.BigInteger, nullable=True),
        sa.Column("live", sa.Boolean, nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("deleted_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_vo_group_parent"),
        sa.ForeignKeyConstraint(["group_id"], ["vo_group.id"], name="fk_vo_group_parent_group_id_vo_group"),
        sa.ForeignKeyConstraint(["parent_id"], ["vo_group.id"], name="fk_vo_group_parent_parent_id_vo_group"),
        sa.UniqueConstraint("group_id", "parent_id", "live", name="uq_vo_group_parent_group_id_parent_id_live"),
    )
    op.create_index("ix_vo_group_parent_parent_id", "vo_group_parent", ["parent_id"])
    _write_the_lines_of_paths()


def _write_the_lines_of_paths() -> None:
    """From each group that lives to the one of which its path is a continuation."""
    connection = op.get_bind()
    group = sa.table(
        "vo_group",
        *(sa.column(name) for name in ("id", "vo_id", "path", "live", "created_serial")),
        sa.column("created_at", UtcDateTime),
    )
    live = connection.execute(sa.select(group).where(group.c.live.is_(sa.true()))).all()
    numbers = {(row.vo_id, row.path): row.id for row in live}
    lines = [
        {
            "group_id": row.id,
            "parent_id": parent,
            "live": True,
            "created_serial": row.created_serial,
            "created_at": row.created_at,
        }
        for row in live
        if (parent := numbers.get((row.vo_id, row.path.rpartition("/")[0]))) is not None
    ]
    if lines:
        parent_table = sa.table(
            "vo_group_parent",
            *(sa.column(name) for name in ("group_id", "parent_id", "live", "created_serial")),
            sa.column("created_at", UtcDateTime),
        )
        connection.execute(sa.insert(parent_table), lines)
