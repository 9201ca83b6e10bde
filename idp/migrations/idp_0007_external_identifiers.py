"""People can be found by the identifiers that other organisations gave them."""

import hashlib

import sqlalchemy as sa
from alembic import op

from ostiary.storage.types import exact_text

revision = "idp_0007"
down_revision = "idp_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("person_attribute", sa.Column("value_key", exact_text(64), nullable=True))
    op.create_index("ix_person_attribute_value_key", "person_attribute", ["value_key"])
    known = sa.table("person_attribute", sa.column("id"), sa.column("name"), sa.column("value"), sa.column("value_key"))
    there = op.get_bind().execute(sa.select(known.c.id, known.c.value).where(known.c.name == "voPersonExternalID"))
    for row in there.all():
        key = hashlib.sha256(row.value.encode().lower()).hexdigest()
        op.get_bind().execute(sa.update(known).where(known.c.id == row.id).values(value_key=key))
