"""The stores in a Valkey or Redis server that several processes share (Valkey 7.2, Redis 6.2, or newer).

Each entry carries the instant until which it counts, which is compared with the caller's clock, as in every other store; the server's own
expiry only clears away. A server that may throw entries away while they count is refused: a forgotten replay key would let its message in
again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import redis
from redis.exceptions import RedisError

from ostiary.config import ValkeySettings, read_password
from ostiary.errors import ConfigurationError, Unavailable
from ostiary.storage.stores import MAXIMUM_MEMBERS, stored_key

MINIMUM_VERSION: Final = (6, 2)
"""The first with GETDEL and ZADD GT."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_STAMP: Final = 8

# Numbers travel as texts of digits: what Lua makes of a larger one is no integer any more. Texts of equal length compare as numbers do.
_FIRST_USE: Final = """
local known = redis.call('GET', KEYS[1])
if known and known > ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
_HIT: Final = """
local known = redis.call('GET', KEYS[1])
local hits, ends = 0, ''
if known then ends, hits = string.match(known, '^(%d+) (%d+)$') end
if ends == '' or ends <= ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2] .. ' 1', 'PX', ARGV[3])
  return 1
end
redis.call('SET', KEYS[1], ends .. ' ' .. (hits + 1), 'KEEPTTL')
return hits + 1
"""
_GIVE_BACK: Final = """
local known = redis.call('GET', KEYS[1])
if not known then return 0 end
local ends, hits = string.match(known, '^(%d+) (%d+)$')
if ends > ARGV[1] and tonumber(hits) > 0 then
  redis.call('SET', KEYS[1], ends .. ' ' .. (hits - 1), 'KEEPTTL')
end
return 0
"""
_JOIN: Final = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[3])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 0
"""


def open_valkey(settings: ValkeySettings) -> redis.Redis:
    """A client of the configured server, whose connections are made when they are needed and shared by threads.

    Raises `ConfigurationError` (``storage.valkey_old``, ``storage.valkey_evicts``) for a server that can't keep what it is given, and
    `Unavailable` when it does not answer.
    """
    password = read_password(settings.password_file) if settings.password_file is not None else None
    seconds = settings.time_limit.total_seconds()
    options: dict[str, Any] = {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "max_connections": settings.connections,
        "decode_responses": False,
    }
    if password is not None:
        options["password"] = password
    if settings.tls_authorities is not None:
        options["ssl_ca_certs"] = str(settings.tls_authorities)
    url = settings.url
    for ours, theirs in (("valkeys://", "rediss://"), ("valkey://", "redis://")):
        url = theirs + url.removeprefix(ours) if url.startswith(ours) else url
    pool = redis.BlockingConnectionPool.from_url(url, timeout=seconds, **options)
    # So that closing the client closes its connections.
    client = redis.Redis.from_pool(pool)
    try:
        _check(client, settings)
    except BaseException:
        client.close()
        raise
    return client


def _check(client: redis.Redis, settings: ValkeySettings) -> None:
    with _answering():
        info: dict[str, Any] = {**client.info("server"), **client.info("memory")}
    server = urlsplit(settings.url)
    where = f"{server.hostname or server.path}:{server.port or 6379}"
    version = str(info.get("valkey_version") or info.get("redis_version"))
    if tuple(int(part) for part in version.split(".")[:2]) < MINIMUM_VERSION:
        expected = ".".join(map(str, MINIMUM_VERSION))
        raise ConfigurationError("storage.valkey_old", file=where, expected=f"version {expected}", found=version)
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        raise ConfigurationError("storage.valkey_evicts", file=where, expected="noeviction", found=policy)


class ValkeySessionStore:
    """`SessionStore`: each entry a string, the instant of its end before the value."""

    def __init__(self, client: redis.Redis, *, namespace: str = "") -> None:
        self._client = client
        self._namespace = namespace

    def put(self, key: str, value: bytes, *, expires: datetime, now: datetime) -> None:
        name = _name("s", self._namespace, key)
        with _answering():
            if expires <= now:
                self._client.delete(name)
            else:
                stamp = _microseconds(expires).to_bytes(_STAMP, "big")
                self._client.set(name, stamp + value, px=_lifetime(expires, now))

    def get(self, key: str, now: datetime) -> bytes | None:
        with _answering():
            return _alive(self._client.get(_name("s", self._namespace, key)), now)

    def get_many(self, keys: Sequence[str], now: datetime) -> list[bytes | None]:
        with _answering():
            found = self._client.mget([_name("s", self._namespace, key) for key in keys]) if keys else []
        return [_alive(stored, now) for stored in found]

    def take(self, key: str, now: datetime) -> bytes | None:
        with _answering():
            return _alive(self._client.getdel(_name("s", self._namespace, key)), now)


class ValkeyReplayStore:
    """`ReplayStore`: each key a string with the instant until which it stays used. A server that is full refuses new ones."""

    def __init__(self, client: redis.Redis, *, namespace: str = "") -> None:
        self._namespace = namespace
        self._first_use = client.register_script(_FIRST_USE)

    def first_use(self, key: str, *, expires: datetime, now: datetime) -> bool:
        if expires <= now:
            return False
        with _answering():
            return bool(
                self._first_use(
                    keys=[_name("r", self._namespace, key)],
                    args=[_digits(now), _digits(expires), _lifetime(expires, now)],
                )
            )


class ValkeyGroups:
    """`Groups`: each group a sorted set of its members by the instant until which they belong."""

    def __init__(self, client: redis.Redis, *, namespace: str = "") -> None:
        self._client = client
        self._namespace = namespace
        self._join = client.register_script(_JOIN)

    def add(self, group: str, member: str, *, expires: datetime, now: datetime) -> None:
        if expires <= now:
            return
        with _answering():
            self._join(
                keys=[_name("g", self._namespace, group)],
                args=[_microseconds(now), _microseconds(expires), member, _lifetime(expires, now)],
            )

    def members(self, group: str, now: datetime) -> tuple[str, ...]:
        with _answering():
            found = self._client.zrangebyscore(_name("g", self._namespace, group), f"({_microseconds(now)}", "+inf")
        names = [member.decode() for member in found if isinstance(member, bytes)]
        return tuple(sorted(names)[:MAXIMUM_MEMBERS])

    def remove(self, group: str, member: str) -> None:
        with _answering():
            self._client.zrem(_name("g", self._namespace, group), member)


class ValkeyCounters:
    """`Counters`: each a string with the end of its window and the hits in it."""

    def __init__(self, client: redis.Redis, *, namespace: str = "") -> None:
        self._client = client
        self._namespace = namespace
        self._hit = client.register_script(_HIT)
        self._give_back = client.register_script(_GIVE_BACK)

    def hit(self, key: str, *, window: timedelta, now: datetime) -> int:
        end = now + window
        with _answering():
            return int(
                self._hit(
                    keys=[_name("c", self._namespace, key)], args=[_digits(now), _digits(end), _lifetime(end, now)]
                )
            )

    def give_back(self, key: str, now: datetime) -> None:
        with _answering():
            self._give_back(keys=[_name("c", self._namespace, key)], args=[_digits(now)])

    def forget(self, key: str) -> None:
        with _answering():
            self._client.delete(_name("c", self._namespace, key))


def _name(kind: str, namespace: str, key: str) -> str:
    """The kinds share one server, and one key may mean something to each."""
    return f"ostiary:{kind}:{stored_key(namespace, key)}"


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _digits(at: datetime) -> str:
    return f"{_microseconds(at):020d}"


def _lifetime(expires: datetime, now: datetime) -> int:
    """In whole milliseconds, rather one too many: what has been cleared away can't be compared any more."""
    return (expires - now) // timedelta(milliseconds=1) + 1


def _alive(stored: object, now: datetime) -> bytes | None:
    if not isinstance(stored, bytes) or int.from_bytes(stored[:_STAMP], "big") <= _microseconds(now):
        return None
    return stored[_STAMP:]


@contextmanager
def _answering() -> Iterator[None]:
    """Turns a server that does not answer, or is full, into `Unavailable`; its address and what was asked stay out of it."""
    try:
        yield
    except RedisError as error:
        raise Unavailable(
            "storage.unavailable", expected="an answer of the Valkey server", found=type(error).__name__
        ) from error
