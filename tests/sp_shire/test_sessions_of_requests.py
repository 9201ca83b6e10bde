"""From a request to its session: what is asked of the store each time, addresses, cookies of one path, stores that fail meanwhile."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from ostiary.errors import Unavailable
from ostiary.storage.engine import open_engine
from ostiary.storage.memory import MemorySessionStore
from ostiary.storage.migrate import MIGRATIONS, upgrade
from sp_shire.assembly import stores_in
from sp_shire.messages import Passage, Reply, Request
from sp_shire.sessions import keeper
from sp_shire.sessions.client_address import bound_to, client_behind
from sp_shire.sessions.keeper import session_key
from sp_shire.settings import ShireSessionSettings
from sp_shire.snapshot import Stores
from tests.simulator import START
from tests.sp_shire.conftest import BROWSER, Core, header, memory_stores


def enters(core: Core, cookie: str, **how: Any) -> bool:
    answer = core.ask("/library/", cookie=cookie, **how)
    if isinstance(answer, Reply):
        assert answer.status == 302
    return isinstance(answer, Passage)


class Counting(MemorySessionStore):
    """Notes what is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def get_many(self, keys: Sequence[str], now: datetime) -> list[bytes | None]:
        self.asked.append(f"get {len(keys)}")
        return super().get_many(keys, now)

    def put(self, key: str, value: bytes, *, expires: datetime, now: datetime) -> None:
        self.asked.append("put")
        super().put(key, value, expires=expires, now=now)


@pytest.fixture
def counting(make_core: Callable[..., Core]) -> tuple[Core, Counting]:
    store, others = Counting(), memory_stores()
    core = make_core(Stores(store, others.logins, others.tickets, others.replay, others.groups))
    return core, store


# -- what is remembered, and what is asked -----------------------------------------------------------------------------


def test_each_request_asks_the_store_once_and_reads_what_it_says_once(
    counting: tuple[Core, Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    core, store = counting
    read: list[bytes] = []
    real = keeper.load_session
    monkeypatch.setattr(keeper, "load_session", lambda stored, state: (read.append(state), real(stored, state))[1])
    cookie = core.session()
    store.asked.clear()
    answers = [core.ask("/library/", cookie=cookie) for _ in range(5)]
    assert store.asked == ["get 2"] * 5
    assert len(read) == 1
    exports = [answer.exports for answer in answers if isinstance(answer, Passage)]
    assert len(exports) == 5
    assert all(one is exports[0] for one in exports)


def test_its_use_is_written_down_once_a_minute(counting: tuple[Core, Counting]) -> None:
    core, store = counting
    cookie = core.session()
    store.asked.clear()
    for _ in range(12):
        core.clock.forward(seconds=10)
        assert enters(core, cookie)
    assert store.asked.count("put") == 2


def test_a_session_that_another_node_ended_is_over_at_once(make_core: Callable[..., Core]) -> None:
    one = make_core()
    other = make_core(one.stores)
    cookie = one.session()
    assert enters(one, cookie)
    assert enters(other, cookie)
    other.ask("/ostiary/logout", method="POST", cookie=cookie)
    assert not enters(one, cookie)
    assert not enters(other, cookie)


def test_what_another_node_learned_counts_at_once(make_core: Callable[..., Core]) -> None:
    one = make_core(sessions={"attributes": "30m"})
    other = make_core(one.stores, sessions={"attributes": "30m"})
    cookie = one.session()
    assert enters(one, cookie)
    other.clock.forward(minutes=31)
    one.clock.forward(minutes=31)
    assert enters(other, cookie)
    assert enters(one, cookie)
    # The other has asked; this one found what it had heard.
    assert len(other.soap.sent) == 1
    assert len(one.soap.sent) == 1


def test_a_late_note_of_its_use_does_not_undo_what_was_learned_meanwhile(counting: tuple[Core, Counting]) -> None:
    core, store = counting
    cookie = core.session()
    key = f"{session_key(cookie.partition('=')[2])} state"
    assert enters(core, cookie)
    core.clock.forward(minutes=2)
    newer = b"written by another node just now"
    real = store.get_many

    def meanwhile(keys: Sequence[str], now: datetime) -> list[bytes | None]:
        found = real(keys, now)
        if len(keys) == 2:
            store.put(key, newer, expires=START.replace(hour=12), now=now)
        return found

    store.get_many = meanwhile  # type: ignore[method-assign]
    assert enters(core, cookie)
    assert store.get(key, core.clock.now()) == newer


# -- bound to an address -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "address", "bound"),
    [
        ("none", "192.0.2.17", ""),
        ("exact", "192.0.2.17", "192.0.2.17/32"),
        ("prefix", "192.0.2.17", "192.0.2.0/24"),
        ("prefix", "::ffff:192.0.2.17", "192.0.2.0/24"),
        ("prefix", "2001:db8:1:2ff:3::4", "2001:db8:1:200::/56"),
        ("exact", "2001:db8::1", "2001:db8::1/128"),
        ("exact", "fe80::1%eth0", "fe80::1/128"),
        ("exact", "", "unknown"),
        ("prefix", "unix:", "unix:"),
    ],
)
def test_a_session_is_bound_as_the_settings_say(mode: str, address: str, bound: str) -> None:
    assert bound_to(address, ShireSessionSettings(bind_to_address=mode)) == bound  # type: ignore[arg-type]


def test_how_large_a_network_is_can_be_set() -> None:
    times = ShireSessionSettings(bind_to_address="prefix", address_prefix_v4=16, address_prefix_v6=48)
    assert [bound_to(address, times) for address in ("192.0.2.17", "2001:db8:1:2::")] == [
        "192.0.0.0/16",
        "2001:db8:1::/48",
    ]


@pytest.mark.parametrize(
    ("proxies", "header", "client"),
    [
        (0, "198.51.100.1", "192.0.2.1"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        (2, "203.0.113.9, 198.51.100.1 , 192.0.2.5", "198.51.100.1"),
        (2, "198.51.100.1", "192.0.2.1"),
        (1, "", "192.0.2.1"),
    ],
)
def test_of_the_addresses_that_are_told_only_those_of_counted_proxies_count(
    proxies: int, header: str, client: str
) -> None:
    assert client_behind(proxies, "192.0.2.1", header) == client


def from_address(core: Core, cookie: str, remote: str, path: str = "/library/", **headers: str) -> Reply | Passage:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return core.shire.handle(Request("GET", path, b"", {**BROWSER, "cookie": cookie, **given}, b"", remote))


def test_a_session_serves_in_its_network_alone_and_goes_on_there(make_core: Callable[..., Core]) -> None:
    core = make_core(sessions={"bind_to_address": "prefix"})
    cookie = core.session()
    assert isinstance(from_address(core, cookie, "192.0.2.200"), Passage)
    core.target_of(from_address(core, cookie, "192.0.3.1"))
    assert [
        (line["bound"], line["found"]) for line in core.log_lines() if line["event"] == "session_from_elsewhere"
    ] == [("192.0.2.0/24", "192.0.3.0/24")]
    elsewhere = from_address(core, cookie, "192.0.3.1", "/ostiary/session", accept="application/json")
    assert isinstance(elsewhere, Reply)
    assert json.loads(elsewhere.body) == {"authenticated": False}
    open_page = from_address(core, cookie, "192.0.3.1", "/open")
    assert isinstance(open_page, Passage)
    assert (open_page.person, dict(open_page.exports)) == (None, {})
    # Nobody ends it by using it elsewhere.
    assert isinstance(from_address(core, cookie, "192.0.2.1"), Passage)


def test_a_header_that_nobody_vouches_for_moves_no_session(make_core: Callable[..., Core]) -> None:
    core = make_core(sessions={"bind_to_address": "exact"})
    cookie = core.session()
    assert isinstance(from_address(core, cookie, "192.0.2.1", x_forwarded_for="198.51.100.1"), Passage)
    core.target_of(from_address(core, cookie, "198.51.100.1", x_forwarded_for="192.0.2.1"))


def test_behind_a_proxy_the_address_is_the_one_that_it_tells(make_core: Callable[..., Core]) -> None:
    core = make_core(sessions={"bind_to_address": "exact"}, trusted_proxies=1)
    cookie = core.session()
    told = "192.0.2.1"
    assert isinstance(from_address(core, cookie, "127.0.0.1", x_forwarded_for=told), Passage)
    core.target_of(from_address(core, cookie, "127.0.0.1", x_forwarded_for=f"{told}, 198.51.100.1"))


def test_without_the_setting_a_session_moves_with_its_person(make_core: Callable[..., Core]) -> None:
    core = make_core()
    cookie = core.session()
    assert isinstance(from_address(core, cookie, "198.51.100.1"), Passage)


def test_a_session_that_was_bound_serves_everywhere_when_that_is_no_longer_wanted(
    make_core: Callable[..., Core],
) -> None:
    bound = make_core(sessions={"bind_to_address": "exact"})
    cookie = bound.session()
    assert not isinstance(from_address(bound, cookie, "198.51.100.1"), Passage)
    assert isinstance(from_address(make_core(bound.stores), cookie, "198.51.100.1"), Passage)
    # And one that began before it was wanted goes on.
    free = make_core()
    cookie = free.session()
    wanted = make_core(free.stores, sessions={"bind_to_address": "exact"})
    assert isinstance(from_address(wanted, cookie, "198.51.100.1"), Passage)


def test_whoever_holds_the_cookie_can_sign_out_from_anywhere(make_core: Callable[..., Core]) -> None:
    core = make_core(sessions={"bind_to_address": "exact"})
    cookie = core.session()
    core.shire.handle(Request("POST", "/ostiary/logout", b"", {**BROWSER, "cookie": cookie}, b"", "198.51.100.1"))
    core.target_of(from_address(core, cookie, "192.0.2.1"))


# -- cookies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("public_url", "expected"),
    [
        ("http://127.0.0.1:20005", "ost-session-b43dc9a7=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"),
        (
            "https://library.example",
            "__Host-ost-session-b43dc9a7=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0",
        ),
        (
            "https://library.example/wiki",
            "__Secure-ost-session-b43dc9a7=; Path=/wiki; HttpOnly; SameSite=Lax; Secure; Max-Age=0",
        ),
        ("http://127.0.0.1:20005/wiki", "ost-session-b43dc9a7=; Path=/wiki; HttpOnly; SameSite=Lax; Max-Age=0"),
    ],
)
def test_the_cookie_of_a_session_is_for_the_resource_and_nobody_beside_it(
    make_core: Callable[..., Core], public_url: str, expected: str
) -> None:
    core = make_core(public_url=public_url)
    host, _, path = public_url.partition("://")[2].partition("/")
    reply = core.ask(f"{'/' + path if path else ''}/ostiary/logout", method="POST", host=host)
    assert isinstance(reply, Reply)
    assert header(reply, "Set-Cookie") == expected


def test_a_session_of_another_path_of_the_host_is_none_here(make_core: Callable[..., Core]) -> None:
    """Another resource on the same host, whose cookie some browser or proxy brings along."""
    one = make_core()
    cookie = one.session()
    other = make_core(one.stores, entity_id="https://other.example/shar")
    assert enters(one, cookie)
    assert not enters(other, cookie)
    assert enters(one, f"ost-session-0123abcd={'A' * 43}; {cookie}")
    # Nor is it known which of two is hers.
    assert not enters(one, f"ost-session-b43dc9a7={'A' * 43}; {cookie}")


# -- a store that fails ------------------------------------------------------------------------------------------------


@pytest.fixture
def broken_later(make_core: Callable[..., Core], tmp_path: Any) -> Iterator[tuple[Core, Callable[[], None]]]:
    """A resource on a database whose tables go away when they are told to."""
    engine = open_engine(f"sqlite:///{tmp_path}/sessions.db")
    upgrade(engine, [MIGRATIONS])
    core = make_core(stores_in(engine, "https://library.example/shar"))

    def break_it() -> None:
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE session_entry"))

    yield core, break_it
    engine.dispose()


def test_a_database_that_loses_its_tables_lets_nobody_in(broken_later: tuple[Core, Callable[[], None]]) -> None:
    core, break_it = broken_later
    cookie = core.session()
    assert enters(core, cookie)
    break_it()
    assert core.refused("/library/", cookie=cookie) == (503, "storage.unavailable")
    nobody = core.ask("/open", cookie=cookie)
    assert isinstance(nobody, Passage)
    assert (nobody.person, nobody.session, dict(nobody.exports)) == (None, None, {})


class Failing(MemorySessionStore):
    """Answers until it is told to fail."""

    failing = False

    def get_many(self, keys: Sequence[str], now: datetime) -> list[bytes | None]:
        self._check()
        return super().get_many(keys, now)

    def put(self, key: str, value: bytes, *, expires: datetime, now: datetime) -> None:
        self._check()
        super().put(key, value, expires=expires, now=now)

    def _check(self) -> None:
        if self.failing:
            raise Unavailable("storage.unavailable", expected="an answer of the Valkey server", found="TimeoutError")


def test_what_is_remembered_serves_nobody_while_the_store_is_away(make_core: Callable[..., Core]) -> None:
    store, others = Failing(), memory_stores()
    core = make_core(Stores(store, others.logins, others.tickets, others.replay, others.groups))
    cookie = core.session()
    assert enters(core, cookie)
    store.failing = True
    assert core.refused("/library/", cookie=cookie) == (503, "storage.unavailable")
    page = core.ask("/library/", cookie=cookie)
    assert isinstance(page, Reply)
    assert "<h1>" in page.body.decode()
    nobody = core.ask("/open", cookie=cookie)
    assert isinstance(nobody, Passage)
    assert (nobody.person, dict(nobody.exports)) == (None, {})
    assert core.log_lines()[-1]["event"] == "visitor_unknown"
    store.failing = False
    assert enters(core, cookie)
