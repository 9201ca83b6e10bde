"""The stores in a database that several processes share: SQLite, PostgreSQL or MariaDB.

Each step is a transaction of its own that touches one row, so that no two processes can wait for each other: a failed
insert keeps a lock on the row until its transaction ends (MariaDB).
"""

from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ostiary.errors import Unavailable
from ostiary.storage.engine import reading, writing
from ostiary.storage.stores import Purged, stored_key
from ostiary.storage.tables import counter, replay_entry, session_entry

# A row may come and go between two steps; that it does so this often is not chance.
_ATTEMPTS = 10


class SqlSessionStore:
    """`SessionStore` in the table ``session_entry``."""

    def __init__(self, engine: Engine, *, namespace: str = "") -> None:
        self._engine = engine
        self._namespace = namespace

    def put(self, key: str, value: bytes, *, expires: datetime, now: datetime) -> None:
        name = stored_key(self._namespace, key)
        if expires <= now:
            with writing(self._engine) as connection:
                connection.execute(delete(session_entry).where(session_entry.c.key == name))
            return
        for _ in range(_ATTEMPTS):
            try:
                with writing(self._engine) as connection:
                    connection.execute(insert(session_entry).values(key=name, value=value, expires=expires))
            except IntegrityError:
                known = update(session_entry).where(session_entry.c.key == name)
                with writing(self._engine) as connection:
                    if connection.execute(known.values(value=value, expires=expires)).rowcount == 1:
                        return
            else:
                return
        raise _contended()

    def get(self, key: str, now: datetime) -> bytes | None:
        name = stored_key(self._namespace, key)
        alive = select(session_entry.c.value).where(session_entry.c.key == name, session_entry.c.expires > now)
        with reading(self._engine) as connection:
            return connection.execute(alive).scalar_one_or_none()

    def take(self, key: str, now: datetime) -> bytes | None:
        name = stored_key(self._namespace, key)
        wanted = select(session_entry.c.value, session_entry.c.expires).where(session_entry.c.key == name)
        with writing(self._engine) as connection:
            row = connection.execute(wanted.with_for_update()).one_or_none()
            if row is None:
                return None
            removed = connection.execute(delete(session_entry).where(session_entry.c.key == name)).rowcount == 1
            value: bytes = row.value
            return value if removed and now < row.expires else None


class SqlReplayStore:
    """`ReplayStore` in the table ``replay_entry``."""

    def __init__(self, engine: Engine, *, namespace: str = "") -> None:
        self._engine = engine
        self._namespace = namespace

    def first_use(self, key: str, *, expires: datetime, now: datetime) -> bool:
        if expires <= now:
            return False
        name = stored_key(self._namespace, key)
        for _ in range(_ATTEMPTS):
            try:
                with writing(self._engine) as connection:
                    connection.execute(insert(replay_entry).values(key=name, expires=expires))
            except IntegrityError:
                known = replay_entry.c.key == name
                with writing(self._engine) as connection:
                    forgotten = update(replay_entry).where(known, replay_entry.c.expires <= now)
                    if connection.execute(forgotten.values(expires=expires)).rowcount == 1:
                        return True
                    if connection.execute(select(replay_entry.c.key).where(known)).one_or_none() is not None:
                        return False
            else:
                return True
        raise _contended()


class SqlCounters:
    """`Counters` in the table ``counter``."""

    def __init__(self, engine: Engine, *, namespace: str = "") -> None:
        self._engine = engine
        self._namespace = namespace

    def hit(self, key: str, *, window: timedelta, now: datetime) -> int:
        name = stored_key(self._namespace, key)
        known = counter.c.key == name
        one_more = update(counter).where(known, counter.c.expires > now).values(hits=counter.c.hits + 1)
        anew = update(counter).where(known, counter.c.expires <= now).values(hits=1, expires=now + window)
        for _ in range(_ATTEMPTS):
            with writing(self._engine) as connection:
                if connection.execute(one_more).rowcount == 1:
                    # The row stays locked until the commit: the number is that of this hit.
                    hits: int = connection.execute(select(counter.c.hits).where(known)).scalar_one()
                    return hits
                if connection.execute(anew).rowcount == 1:
                    return 1
            try:
                with writing(self._engine) as connection:
                    connection.execute(insert(counter).values(key=name, hits=1, expires=now + window))
            except IntegrityError:
                continue
            return 1
        raise _contended()

    def forget(self, key: str) -> None:
        name = stored_key(self._namespace, key)
        with writing(self._engine) as connection:
            connection.execute(delete(counter).where(counter.c.key == name))


def purge(engine: Engine, now: datetime) -> Purged:
    """Remove what has expired, in every namespace. Only for room: what has expired counts as gone anyway."""
    removed = []
    for table in (session_entry, replay_entry, counter):
        with writing(engine) as connection:
            removed.append(connection.execute(delete(table).where(table.c.expires <= now)).rowcount)
    return Purged(sessions=removed[0], replays=removed[1], counters=removed[2])


def _contended() -> Unavailable:
    return Unavailable("storage.contended", expected="an entry that stays for the length of a request")
