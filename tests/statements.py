"""What a database is asked meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from ostiary.storage.shelf import Shelf


@contextmanager
def questions(engine: Engine) -> Iterator[list[str]]:
    """The queries that the block sends: on SQLite as the driver sees them, prepared ones do not pass SQLAlchemy there."""
    found: list[str] = []

    def note(statement: str) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            found.append(statement)

    def seen(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        note(statement)

    if engine.dialect.name == "sqlite":
        # The pool gives the connection that came back last, and so does what lies ready of it.
        drivers: list[Any] = []
        if isinstance(engine.pool, Shelf):
            ready = engine.pool.take(engine)
            drivers.append(ready.driver)
        pooled = engine.raw_connection()
        drivers.append(pooled.driver_connection)
        pooled.close()
        if isinstance(engine.pool, Shelf):
            engine.pool.put_back(ready)
        for driver in drivers:
            driver.set_trace_callback(note)
        yield found
        for driver in drivers:
            driver.set_trace_callback(None)
    else:
        event.listen(engine, "before_cursor_execute", seen)
        yield found
        event.remove(engine, "before_cursor_execute", seen)
