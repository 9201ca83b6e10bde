import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ostiary.errors import Unavailable
from ostiary.storage.memory import MemoryCounters, MemoryReplayStore, MemorySessionStore

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_the_memory_stores_pull_in_no_database() -> None:
    source = (
        "import sys\nimport ostiary.storage.stores, ostiary.storage.memory\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'sqlalchemy', 'alembic', 'pydantic', 'yaml', 'flask'}))"
    )
    result = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_a_full_session_store_drops_the_expired_first() -> None:
    store = MemorySessionStore(max_entries=3)
    store.put("old", b"1", expires=NOON + 60 * SECOND, now=NOON)
    store.put("short", b"2", expires=NOON + SECOND, now=NOON)
    store.put("new", b"3", expires=NOON + 60 * SECOND, now=NOON)
    store.put("newest", b"4", expires=NOON + 60 * SECOND, now=NOON + SECOND)
    assert [store.get(key, NOON) for key in ("old", "short", "new", "newest")] == [b"1", None, b"3", b"4"]


def test_a_full_session_store_then_drops_the_oldest() -> None:
    """What is put again keeps its age: entries that belong together go together, and not those of many others."""
    store = MemorySessionStore(max_entries=2)
    store.put("a", b"1", expires=NOON + 9 * SECOND, now=NOON)
    store.put("b", b"2", expires=NOON + 5 * SECOND, now=NOON)
    store.put("a", b"3", expires=NOON + 9 * SECOND, now=NOON)
    store.put("c", b"4", expires=NOON + 9 * SECOND, now=NOON)
    assert [store.get(key, NOON) for key in ("a", "b", "c")] == [None, b"2", b"4"]
    assert len(store) == 2


def test_of_a_large_store_that_is_full_the_oldest_hundredth_goes() -> None:
    store = MemorySessionStore(max_entries=1_000)
    for number in range(1_001):
        store.put(str(number), b"x", expires=NOON + 60 * SECOND, now=NOON)
    assert len(store) == 991
    assert [store.get(str(number), NOON) for number in (9, 10, 1_000)] == [None, b"x", b"x"]


def test_a_session_store_that_holds_too_much_drops_the_oldest() -> None:
    store = MemorySessionStore(max_bytes=100_000)
    for number in range(10):
        store.put(str(number), b"x" * 30_000, expires=NOON + 60 * SECOND, now=NOON)
    assert [store.get(str(number), NOON) is not None for number in range(10)] == [False] * 7 + [True] * 3
    store.put("9", b"y" * 10, expires=NOON + 60 * SECOND, now=NOON)
    store.put("small", b"x" * 30_000, expires=NOON + 60 * SECOND, now=NOON)
    assert [store.get(key, NOON) is not None for key in ("7", "8", "9", "small")] == [True] * 4
    store.put("large", b"x" * 300_000, expires=NOON + 60 * SECOND, now=NOON)
    assert (store.get("large", NOON), len(store)) == (b"x" * 300_000, 1)


def test_what_has_expired_goes_while_others_are_only_read() -> None:
    store = MemorySessionStore()
    for number in range(1_000):
        store.put(str(number), b"x", expires=NOON + 60 * SECOND, now=NOON)
    store.put("lasting", b"x", expires=NOON + 7_200 * SECOND, now=NOON)
    for _ in range(70):
        assert store.get("lasting", NOON + 600 * SECOND) == b"x"
    assert len(store) == 1


def test_what_is_put_again_with_a_later_end_stays_when_its_first_is_over() -> None:
    store = MemorySessionStore()
    store.put("used", b"1", expires=NOON + 60 * SECOND, now=NOON)
    store.put("used", b"2", expires=NOON + 600 * SECOND, now=NOON + 30 * SECOND)
    for minute in range(1, 10):
        assert store.get("other", NOON + minute * 60 * SECOND) is None
    assert store.get("used", NOON + 599 * SECOND) == b"2"
    assert store.get("other", NOON + 660 * SECOND) is None
    assert len(store) == 0


def test_what_is_put_again_with_an_earlier_end_goes_then() -> None:
    store = MemorySessionStore()
    store.put("a", b"1", expires=NOON + 6_000 * SECOND, now=NOON)
    store.put("a", b"2", expires=NOON + 60 * SECOND, now=NOON)
    assert store.get("other", NOON + 120 * SECOND) is None
    assert len(store) == 0


def test_a_replaced_entry_drops_no_other() -> None:
    store = MemorySessionStore(max_entries=2)
    for value in (b"1", b"2", b"3"):
        store.put("a", value, expires=NOON + SECOND, now=NOON)
        store.put("b", value, expires=NOON + SECOND, now=NOON)
    assert [store.get(key, NOON) for key in ("a", "b")] == [b"3", b"3"]


def test_an_entry_put_again_with_a_later_end_outlives_its_first_end() -> None:
    store = MemorySessionStore(max_entries=2)
    store.put("a", b"1", expires=NOON + SECOND, now=NOON)
    store.put("a", b"2", expires=NOON + 9 * SECOND, now=NOON)
    store.put("b", b"3", expires=NOON + 9 * SECOND, now=NOON + 2 * SECOND)
    assert store.get("a", NOON + 2 * SECOND) == b"2"


def test_a_full_replay_store_refuses_rather_than_forgets() -> None:
    store = MemoryReplayStore(max_entries=2)
    assert store.first_use("a", expires=NOON + SECOND, now=NOON)
    assert store.first_use("b", expires=NOON + 9 * SECOND, now=NOON)
    with pytest.raises(Unavailable) as caught:
        store.first_use("c", expires=NOON + 9 * SECOND, now=NOON)
    assert caught.value.code == "storage.replay_full"
    assert not store.first_use("a", expires=NOON + SECOND, now=NOON)
    assert store.first_use("c", expires=NOON + 9 * SECOND, now=NOON + SECOND)
    assert len(store) == 2


def test_a_full_counter_drops_the_oldest() -> None:
    counters = MemoryCounters(max_entries=2)
    for key in ("a", "b", "b", "c"):
        counters.hit(key, window=60 * SECOND, now=NOON)
    assert len(counters) == 2
    assert counters.hit("b", window=60 * SECOND, now=NOON) == 3
    assert counters.hit("a", window=60 * SECOND, now=NOON) == 1


def test_what_expires_unseen_takes_no_room() -> None:
    store = MemorySessionStore(max_entries=50)
    for number in range(5_000):
        now = NOON + number * SECOND
        store.put(str(number), b"x", expires=now + 10 * SECOND, now=now)
        store.put("always the same", b"x", expires=now + 10 * SECOND, now=now)
    assert len(store) <= 50
    assert len(store._entries._calendar) <= 200


def test_what_is_put_again_with_ever_earlier_ends_takes_no_room() -> None:
    store = MemorySessionStore()
    for number in range(1_000):
        store.put("always the same", b"x", expires=NOON + (2_000 - number) * SECOND, now=NOON)
    assert len(store._entries._calendar) <= 100
    assert store._entries.size < 300


def test_used_messages_and_counters_that_are_over_go_while_others_come() -> None:
    replays, counters = MemoryReplayStore(), MemoryCounters()
    for number in range(100):
        assert replays.first_use(str(number), expires=NOON + 60 * SECOND, now=NOON)
        counters.hit(str(number), window=60 * SECOND, now=NOON)
    for number in range(20):
        assert replays.first_use(f"later {number}", expires=NOON + 9_000 * SECOND, now=NOON + 600 * SECOND)
        counters.hit(f"later {number}", window=9_000 * SECOND, now=NOON + 600 * SECOND)
    assert (len(replays), len(counters)) == (20, 20)
