"""Column types that mean the same on SQLite, PostgreSQL and MariaDB; the metadata that rooms start from."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, MetaData, String
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator, TypeEngine


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware datetime in, aware UTC datetime out, to the microsecond; a naive datetime is refused
    (ValueError).

    PostgreSQL keeps it as TIMESTAMP WITH TIME ZONE. SQLite and MariaDB know no zone: there it is UTC without one, on
    SQLite as text of fixed width, so that comparing and ordering in SQL is right everywhere.
    """

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None or value.utcoffset() is None:
            raise ValueError("a naive datetime is no instant")
        instant = value.astimezone(UTC)
        return instant if dialect.name == "postgresql" else instant.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo is not None else value.replace(tzinfo=UTC)


def exact_text(length: int) -> String:
    """A string of at most ``length`` characters that is equal only to itself.

    MariaDB compares other strings without regard to case and to spaces at the end.
    """
    exact = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_nopad_bin")
    return String(length).with_variant(exact, "mysql", "mariadb")


def serial_number() -> BigInteger:
    """A 64-bit primary key that the database counts up (SQLite counts only a column that is INTEGER)."""
    return BigInteger().with_variant(Integer(), "sqlite")


def make_metadata() -> MetaData:
    """Metadata for one room's tables; each constraint gets a name by rule, so that a later migration can drop it."""
    return MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
