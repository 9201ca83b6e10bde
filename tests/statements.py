"""What a database is asked meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event


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
        # The pool gives the connection that came back last.
        pooled = engine.raw_connection()
        driver: Any = pooled.driver_connection
        driver.set_trace_callback(note)
        pooled.close()
        yield found
        driver.set_trace_callback(None)
    else:
        event.listen(engine, "before_cursor_execute", seen)
        yield found
        event.remove(engine, "before_cursor_execute", seen)
