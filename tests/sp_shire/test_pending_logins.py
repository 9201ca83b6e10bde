"""What strangers can make is bounded, and whoever makes most of it loses his own."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.storage.memory import MemorySessionStore
from sp_shire.login.asking import LOGINS_AT_MOST
from sp_shire.login.pending import PendingTable, holder_of
from sp_shire.messages import Reply, Request
from tests.simulator import START
from tests.sp_shire.conftest import BROWSER, Core

TIME = timedelta(minutes=30)
# An entry of an empty value under a key of three letters.
ENTRY = 203


def table(entries: int) -> tuple[PendingTable, MemorySessionStore]:
    store = MemorySessionStore()
    return PendingTable(store, lifetime=TIME, capacity=entries * ENTRY), store


def test_a_flood_from_one_address_pushes_out_its_own_and_nobody_else_s() -> None:
    pending, store = table(100)
    for number in range(10):
        pending.put(f"a{number:02}", b"", remote=f"198.51.100.{number}", now=START)
    for number in range(1000):
        pending.put(f"{number:03}", b"", remote="192.0.2.1", now=START)
    assert (len(pending), len(store)) == (100, 100)
    assert all(pending.get(f"a{number:02}", START) == b"" for number in range(10))
    # Of the flood the latest are left.
    assert [pending.get(f"{number:03}", START) is not None for number in (909, 910, 999)] == [False, True, True]
    pending.put("new", b"", remote="203.0.113.9", now=START)
    assert pending.get("new", START) == b""
    assert len(pending) == 100


def test_of_many_addresses_the_one_that_holds_most_gives_way() -> None:
    pending, _ = table(12)
    for address, count in (("192.0.2.1", 5), ("192.0.2.2", 4), ("192.0.2.3", 3)):
        for number in range(count):
            pending.put(f"{address[-1]} {number}", b"", remote=address, now=START)
    pending.put("4 0", b"", remote="192.0.2.4", now=START)
    assert pending.get("1 0", START) is None
    assert pending.get("1 1", START) == b""
    assert pending.get("4 0", START) == b""


def test_octets_count_not_entries() -> None:
    pending, _ = table(10)
    pending.put("big", b"x" * 8 * ENTRY, remote="192.0.2.1", now=START)
    for number in range(3):
        pending.put(f"s {number}", b"", remote="192.0.2.2", now=START)
    assert pending.get("big", START) is None
    assert all(pending.get(f"s {number}", START) == b"" for number in range(3))


def test_what_expired_makes_room() -> None:
    pending, _ = table(3)
    for number in range(3):
        pending.put(f"a {number}", b"", remote="192.0.2.1", now=START)
    assert pending.get("a 0", START + TIME) is None
    pending.put("b 0", b"", remote="192.0.2.2", now=START + TIME)
    assert len(pending) == 1


def test_what_was_taken_makes_room_and_is_taken_once() -> None:
    pending, _ = table(3)
    pending.put("a 0", b"", remote="192.0.2.1", now=START)
    pending.put("a 1", b"", remote="192.0.2.1", now=START)
    assert pending.take("a 0", START) == b""
    assert pending.take("a 0", START) is None
    for number in range(2):
        pending.put(f"b {number}", b"", remote="192.0.2.2", now=START)
    assert pending.get("a 1", START) == b""


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30), st.integers(0, 400), st.booleans()), max_size=60))
def test_it_never_holds_more_than_its_capacity(steps: list[tuple[int, int, int, bool]]) -> None:
    pending, store = table(10)
    sizes: dict[str, int] = {}
    for address, key, size, take in steps:
        name = f"{key:03}"
        if take:
            pending.take(name, START)
        else:
            pending.put(name, b"x" * size, remote=f"192.0.2.{address}", now=START)
            sizes[name] = size
        held = [one for one in sizes if store.get(one, START) is not None]
        assert sum(sizes[one] + ENTRY for one in held) <= 10 * ENTRY
        assert len(held) == len(pending)


@pytest.mark.parametrize(
    ("remote", "holder"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("2001:db8:1:ffff::9", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("", ""),
        ("unix:", ""),
    ],
)
def test_who_holds_what(remote: str, holder: str) -> None:
    assert holder_of(remote) == holder


def test_a_thousand_logins_of_one_address_leave_those_of_another_and_logins_still_work(core: Core) -> None:
    assert LOGINS_AT_MOST == 16 * 1024 * 1024
    first = core.ask("/library/", query=b"mine")
    for number in range(1000):
        query = f"entityID=https://northgate.example/idp&target=/library/{number}".encode()
        request = Request("GET", "/ostiary/login", query, BROWSER, b"", "198.51.100.66")
        reply = core.shire.handle(request)
        assert isinstance(reply, Reply)
        assert reply.status == 302
    assert core.target_of(first) == "/library/?mine"
    assert core.session()
