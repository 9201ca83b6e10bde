"""A remembered request costs one page: there are never so many that an index would be quicker."""

from alembic import op

revision = "aa_0003"
down_revision = "aa_0002"
branch_labels = None
depends_on = None

_KEY = "fk_release_request_whose_audit_person"


def upgrade() -> None:
    op.drop_index("ix_release_request_ends", "release_request")
    # MariaDB has an index for each foreign key, which gets its name when nobody has made one.
    needs_index = op.get_context().dialect.name in ("mysql", "mariadb")
    if needs_index:
        op.drop_constraint(_KEY, "release_request", type_="foreignkey")
    op.drop_index("ix_release_request_whose", "release_request")
    if needs_index:
        op.create_foreign_key(_KEY, "release_request", "audit_person", ["whose"], ["lookup"], ondelete="CASCADE")
