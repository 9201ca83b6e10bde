"""The end of somebody's factors with herself, in the transaction that ends her. Writes no audit row of its own."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection, delete, update

from idp.factors.tables import factor, recovery_code

GONE: Final[Mapping[str, None]] = MappingProxyType(
    {"sealed_secret": None, "public_key": None, "credential_key": None, "credential_id": None}
)
"""What is not kept of a factor that is over."""


def end_factors(connection: Connection, principal: str, *, at: datetime, serial: int) -> None:
    """From now on this person has neither factors nor recovery codes; ``serial`` is the audit row that ended her."""
    for table, more in ((factor, GONE), (recovery_code, {})):
        present = update(table).where(table.c.principal == principal, table.c.valid_to.is_(None))
        connection.execute(present.values(valid_to=at, deleted_serial=serial, **more))


def forget_factors(connection: Connection, principal: str) -> None:
    """Nothing of them is left, not even what she called them."""
    for table in (factor, recovery_code):
        connection.execute(delete(table).where(table.c.principal == principal))
