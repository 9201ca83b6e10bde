"""The stores in a database that several processes share: SQLite, PostgreSQL or MariaDB. Each clears away what has expired.

Each step of a request is a transaction of its own that touches one row, so that no two processes can wait for each other:
a failed insert keeps a lock on the row until its transaction ends (MariaDB).
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ostiary.errors import Unavailable
from ostiary.storage.engine import reading, writing
from ostiary.storage.prepared import PreparedInsert, PreparedSelect
from ostiary.storage.stores import MAXIMUM_MEMBERS, stored_key
from ostiary.storage.sweeping import Sweeper
from ostiary.storage.tables import counter, group_member, replay_entry, session_entry

# A row may come and go between two steps; that it does so this often is not chance.
_ATTEMPTS = 10
# Made once: each message that may come once, and each request with a session.
_REPLAY = PreparedInsert(insert(replay_entry))
_VALUE = PreparedSelect(
    select(session_entry.c.value).where(
        session_entry.c.key == bindparam("name"), session_entry.c.expires > bindparam("now")
    )
)
_ALIVE = select(session_entry.c.key, session_entry.c.value).where(
    session_entry.c.key.in_(bindparam("names", expanding=True)), session_entry.c.expires > bindparam("now")
)


class SqlSessionStore:
    """`SessionStore` in the table ``session_entry``."""

    def __init__(self, engine: Engine, *, namespace: str = "") -> None:
        self._engine = engine
        self._namespace = namespace
        self._sweeper = Sweeper(engine, session_entry.c.key, session_entry.c.expires)

    def put(self, key: str, value: bytes, *, expires: datetime, now: datetime) -> None:
        self._put(stored_key(self._namespace, key), value, expires, now)
        self._sweeper.sweep(now)

    def _put(self, name: str, value: bytes, expires: datetime, now: datetime) -> None:
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
        found = _VALUE.one(self._engine, {"name": stored_key(self._namespace, key), "now": now})
        return found.value if found is not None else None

    def get_many(self, keys: Sequence[str], now: datetime) -> list[bytes | None]:
        names = [stored_key(self._namespace, key) for key in keys]
        with reading(self._engine) as connection:
            found = {row.key: row.value for row in connection.execute(_ALIVE, {"names": names, "now": now})}
        return [found.get(name) for name in names]

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


class SqlGroups:
    """`Groups` in the table ``group_member``."""

    def __init__(self, engine: Engine, *, namespace: str = "") -> None:
        self._engine = engine
        self._namespace = namespace
        self._sweeper = Sweeper(engine, group_member.c.key, group_member.c.expires)

    def add(self, group: str, member: str, *, expires: datetime, now: datetime) -> None:
        if expires > now:
            self._add(self._key(group, member), stored_key(self._namespace, group), member, expires)
        self._sweeper.sweep(now)

    def _add(self, key: str, group: str, member: str, expires: datetime) -> None:
        known = group_member.c.key == key
        for _ in range(_ATTEMPTS):
            try:
                with writing(self._engine) as connection:
                    values = {"key": key, "group_key": group, "member": member, "expires": expires}
                    connection.execute(insert(group_member).values(values))
            except IntegrityError:
                longer = update(group_member).where(known, group_member.c.expires < expires)
                with writing(self._engine) as connection:
                    connection.execute(longer.values(expires=expires))
                    if connection.execute(select(group_member.c.key).where(known)).one_or_none() is not None:
                        return
            else:
                return
        raise _contended()

    def members(self, group: str, now: datetime) -> tuple[str, ...]:
        of_group = group_member.c.group_key == stored_key(self._namespace, group)
        wanted = select(group_member.c.member).where(of_group, group_member.c.expires > now)
        with reading(self._engine) as connection:
            ordered = wanted.order_by(group_member.c.member).limit(MAXIMUM_MEMBERS)
            return tuple(connection.execute(ordered).scalars())

    def remove(self, group: str, member: str) -> None:
        with writing(self._engine) as connection:
            connection.execute(delete(group_member).where(group_member.c.key == self._key(group, member)))

    def _key(self, group: str, member: str) -> str:
        # The length keeps apart what would read the same.
        return stored_key(self._namespace, f"{len(group)} {group} {member}")


class SqlReplayStore:
    """`ReplayStore` in the table ``replay_entry``."""

    def __init__(self, engine: Engine, *, namespace: str = "") -> None:
        self._engine = engine
        self._namespace = namespace
        self._sweeper = Sweeper(engine, replay_entry.c.key, replay_entry.c.expires)

    def first_use(self, key: str, *, expires: datetime, now: datetime) -> bool:
        return self.first_use_with(key, lambda _: None, expires=expires, now=now)

    def first_use_with(
        self, key: str, then: Callable[[Connection], object], *, expires: datetime, now: datetime
    ) -> bool:
        """As `first_use`; where it is the first, ``then`` writes into the same transaction, and what it raises undoes both."""
        if expires <= now:
            return False
        first = self._first_use(stored_key(self._namespace, key), expires, now, then)
        self._sweeper.sweep(now)
        return first

    def _first_use(self, name: str, expires: datetime, now: datetime, then: Callable[[Connection], object]) -> bool:
        for _ in range(_ATTEMPTS):
            try:
                with writing(self._engine) as connection:
                    _reserve(connection, name, expires)
                    then(connection)
                    return True
            except _Known:
                pass
            known = replay_entry.c.key == name
            with writing(self._engine) as connection:
                forgotten = update(replay_entry).where(known, replay_entry.c.expires <= now)
                if connection.execute(forgotten.values(expires=expires)).rowcount == 1:
                    then(connection)
                    return True
                if connection.execute(select(replay_entry.c.key).where(known)).one_or_none() is not None:
                    return False
        raise _contended()


class _Known(Exception):
    """The key is there already, perhaps expired."""


def _reserve(connection: Connection, name: str, expires: datetime) -> None:
    try:
        _REPLAY.run(connection, {"key": name, "expires": expires})
    except IntegrityError:
        raise _Known from None


class SqlCounters:
    """`Counters` in the table ``counter``."""

    def __init__(self, engine: Engine, *, namespace: str = "") -> None:
        self._engine = engine
        self._namespace = namespace
        self._sweeper = Sweeper(engine, counter.c.key, counter.c.expires)

    def hit(self, key: str, *, window: timedelta, now: datetime) -> int:
        hits = self._hit(stored_key(self._namespace, key), window, now)
        self._sweeper.sweep(now)
        return hits

    def _hit(self, name: str, window: timedelta, now: datetime) -> int:
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

    def give_back(self, key: str, now: datetime) -> None:
        counted = (counter.c.key == stored_key(self._namespace, key), counter.c.expires > now, counter.c.hits > 0)
        with writing(self._engine) as connection:
            connection.execute(update(counter).where(*counted).values(hits=counter.c.hits - 1))

    def forget(self, key: str) -> None:
        name = stored_key(self._namespace, key)
        with writing(self._engine) as connection:
            connection.execute(delete(counter).where(counter.c.key == name))


def _contended() -> Unavailable:
    return Unavailable("storage.contended", expected="an entry that stays for the length of a request")
