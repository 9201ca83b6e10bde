"""Column types that mean the same on SQLite, PostgreSQL and MariaDB; the metadata that rooms start from."""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, MetaData, String
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator, TypeEngine

_DATE: Final = len("2026-11-22")


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

    def bind_processor(self, dialect: Dialect) -> Any:
        """On SQLite the text at once: each sign-on writes four instants."""
        return _written if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """As `bind_processor`."""
        return _read if dialect.name == "sqlite" else super().result_processor(dialect, coltype)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        instant = _in_utc(value)
        return instant if dialect.name == "postgresql" else instant.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueError("a naive datetime is no instant")
    return value.astimezone(UTC)


def _written(value: datetime | None) -> str | None:
    """As SQLAlchemy writes a DateTime to SQLite."""
    if value is None:
        return None
    return (value if value.tzinfo is UTC else _in_utc(value)).isoformat(" ", "microseconds").removesuffix("+00:00")


def _read(value: str | None) -> datetime | None:
    if value is None:
        return None
    # With the zone in the text: `datetime.replace` takes longer than reading it.
    return datetime.fromisoformat(value + "+00:00" if len(value) > _DATE else f"{value} 00:00+00:00")


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
