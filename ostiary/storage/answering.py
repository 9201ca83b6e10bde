"""What is raised when a database does not answer, and when SQLite's driver is asked without SQLAlchemy."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ostiary.errors import Unavailable

NO_ANSWER: Final = (OperationalError, InterfaceError, PoolTimeoutError)
"""What SQLAlchemy raises when a database does not answer, or stays locked."""


@contextmanager
def answering() -> Iterator[None]:
    """Turns a database that does not answer, or stays locked, into `Unavailable`."""
    try:
        yield
    except NO_ANSWER as error:
        raise unavailable(error) from error


def unavailable(error: BaseException) -> Unavailable:
    """What a caller is told in place of one of `NO_ANSWER`."""
    cause = getattr(error, "orig", None) or error
    return Unavailable("storage.unavailable", expected="a database that answers", found=cause)


def as_sqlalchemy_has_it(statement: str, error: sqlite3.Error) -> Exception:
    """The driver's error in SQLAlchemy's class for it, without the statement's values."""
    return DBAPIError.instance(statement, None, error, sqlite3.Error, hide_parameters=True)
