import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.storage.conformance import KITS, Kit, in_processes

T = TypeVar("T")

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
INSTANT = timedelta(microseconds=1)


@pytest.fixture(params=sorted(KITS))
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    kit = KITS[request.param](tmp_path)
    yield kit
    kit.close()


@pytest.fixture(params=sorted(name for name in KITS if name != "memory"))
def shared_kit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    kit = KITS[request.param](tmp_path)
    yield kit
    kit.close()


def in_threads(number: int, work: Callable[[], T]) -> list[T]:
    barrier = threading.Barrier(number)

    def begin_together() -> T:
        barrier.wait(10)
        return work()

    with ThreadPoolExecutor(number) as pool:
        return [future.result(60) for future in [pool.submit(begin_together) for _ in range(number)]]


def test_what_was_put_is_got_again(kit: Kit) -> None:
    store = kit.sessions("")
    assert store.get("k", NOON) is None
    store.put("k", b"\x00\xffv", expires=NOON + HOUR, now=NOON)
    assert store.get("k", NOON) == b"\x00\xffv"
    assert store.get("k", NOON) == b"\x00\xffv"
    assert store.get("K", NOON) is None


def test_a_large_and_an_empty_value_are_kept(kit: Kit) -> None:
    store = kit.sessions("")
    store.put("large", b"x" * 300_000, expires=NOON + HOUR, now=NOON)
    store.put("empty", b"", expires=NOON + HOUR, now=NOON)
    assert store.get("large", NOON) == b"x" * 300_000
    assert store.get("empty", NOON) == b""
    assert store.take("empty", NOON) == b""


def test_a_second_put_replaces_value_and_expiry(kit: Kit) -> None:
    store = kit.sessions("")
    store.put("k", b"old", expires=NOON + HOUR, now=NOON)
    store.put("k", b"new", expires=NOON + 3 * HOUR, now=NOON)
    assert store.get("k", NOON + 2 * HOUR) == b"new"
    store.put("k", b"newer", expires=NOON + HOUR, now=NOON)
    assert store.get("k", NOON + 2 * HOUR) is None


def test_an_entry_is_there_until_the_instant_it_expires(kit: Kit) -> None:
    store = kit.sessions("")
    store.put("k", b"v", expires=NOON + HOUR, now=NOON)
    assert store.get("k", NOON + HOUR - INSTANT) == b"v"
    assert store.get("k", NOON + HOUR) is None
    assert store.take("k", NOON + HOUR) is None


def test_an_entry_that_has_expired_already_is_not_kept_and_removes_the_old_one(kit: Kit) -> None:
    store = kit.sessions("")
    store.put("k", b"old", expires=NOON + HOUR, now=NOON)
    store.put("k", b"v", expires=NOON, now=NOON)
    assert store.get("k", NOON - HOUR) is None


def test_an_expired_key_can_be_put_again(kit: Kit) -> None:
    store = kit.sessions("")
    store.put("k", b"old", expires=NOON + HOUR, now=NOON)
    store.put("k", b"new", expires=NOON + 3 * HOUR, now=NOON + 2 * HOUR)
    assert store.get("k", NOON + 2 * HOUR) == b"new"


def test_a_taken_entry_is_gone(kit: Kit) -> None:
    store = kit.sessions("")
    store.put("k", b"v", expires=NOON + HOUR, now=NOON)
    assert store.take("k", NOON) == b"v"
    assert store.take("k", NOON) is None
    assert store.get("k", NOON) is None
    store.put("k", b"again", expires=NOON + HOUR, now=NOON)
    assert store.take("k", NOON) == b"again"


def test_namespaces_are_apart(kit: Kit) -> None:
    ticket, session = kit.sessions("ticket"), kit.sessions("session")
    ticket.put("k", b"ticket", expires=NOON + HOUR, now=NOON)
    assert session.get("k", NOON) is None
    assert session.take("k", NOON) is None
    assert ticket.get("k", NOON) == b"ticket"


def test_many_are_got_at_once_as_they_would_be_one_by_one(kit: Kit) -> None:
    store, other = kit.sessions("a"), kit.sessions("b")
    assert store.get_many(("x", "y"), NOON) == [None, None]
    store.put("x", b"\x00x", expires=NOON + HOUR, now=NOON)
    store.put("y", b"", expires=NOON + 2 * HOUR, now=NOON)
    store.put("gone", b"z", expires=NOON + HOUR, now=NOON)
    other.put("elsewhere", b"z", expires=NOON + HOUR, now=NOON)
    store.take("gone", NOON)
    asked = ["y", "nothing", "x", "gone", "x", "elsewhere"]
    assert store.get_many(asked, NOON) == [b"", None, b"\x00x", None, b"\x00x", None]
    assert store.get_many(asked, NOON + HOUR - INSTANT) == [b"", None, b"\x00x", None, b"\x00x", None]
    assert store.get_many(asked, NOON + HOUR) == [b"", None, None, None, None, None]
    assert store.get_many(asked, NOON + 2 * HOUR) == [None] * 6
    assert store.get_many((), NOON) == []


def test_any_text_is_a_key(kit: Kit) -> None:
    store = kit.sessions("")
    keys = ["", " ", "a", "a ", "A", "ä", "a\u0308", "x" * 5000, "\0", "'; drop table session_entry; --", "%", "_"]
    for number, key in enumerate(keys):
        store.put(key, str(number).encode(), expires=NOON + HOUR, now=NOON)
    assert [store.get(key, NOON) for key in keys] == [str(number).encode() for number in range(len(keys))]


def test_one_thread_of_several_takes_an_entry(kit: Kit) -> None:
    store = kit.sessions("")
    for _ in range(5):
        store.put("k", b"v", expires=NOON + HOUR, now=NOON)
        answers = in_threads(6, lambda: store.take("k", NOON))
        assert sorted(answer or b"" for answer in answers) == [b"", b"", b"", b"", b"", b"v"]


def test_one_process_of_several_takes_an_entry(shared_kit: Kit) -> None:
    store = shared_kit.sessions("")
    for number in range(40):
        store.put(f"k{number}", str(number).encode(), expires=NOON + HOUR, now=NOON)
    assert shared_kit.opening is not None
    taken = in_processes(shared_kit.opening, "sessions.take(f'k{n}', now) is not None", 3)
    assert [sum(bool(process[number]) for process in taken) for number in range(40)] == [1] * 40


def test_threads_that_put_the_same_key_leave_one_of_their_values(kit: Kit) -> None:
    store = kit.sessions("")
    in_threads(6, lambda: store.put("k", b"v", expires=NOON + HOUR, now=NOON))
    assert store.take("k", NOON) == b"v"
    assert store.take("k", NOON) is None


def test_processes_that_put_the_same_keys_all_succeed(shared_kit: Kit) -> None:
    assert shared_kit.opening is not None
    answers = in_processes(shared_kit.opening, "sessions.put(f'k{n}', b'v', expires=later, now=now)", 3)
    assert answers == [[None] * 40] * 3
    store = shared_kit.sessions("")
    assert [store.get(f"k{number}", NOON) for number in range(40)] == [b"v"] * 40


def test_a_message_is_used_for_the_first_time_once(kit: Kit) -> None:
    store = kit.replays("")
    assert store.first_use("m", expires=NOON + HOUR, now=NOON)
    assert not store.first_use("m", expires=NOON + HOUR, now=NOON)
    assert not store.first_use("m", expires=NOON + 2 * HOUR, now=NOON + HOUR - INSTANT)
    assert store.first_use("n", expires=NOON + HOUR, now=NOON)


def test_a_second_use_does_not_move_the_end(kit: Kit) -> None:
    store = kit.replays("")
    assert store.first_use("m", expires=NOON + 2 * HOUR, now=NOON)
    assert not store.first_use("m", expires=NOON + INSTANT, now=NOON)
    assert not store.first_use("m", expires=NOON + 3 * HOUR, now=NOON + HOUR)


def test_a_message_that_was_forgotten_counts_as_new_once(kit: Kit) -> None:
    store = kit.replays("")
    assert store.first_use("m", expires=NOON + HOUR, now=NOON)
    assert store.first_use("m", expires=NOON + 2 * HOUR, now=NOON + HOUR)
    assert not store.first_use("m", expires=NOON + 2 * HOUR, now=NOON + HOUR)


def test_a_message_that_has_expired_is_never_used_for_the_first_time(kit: Kit) -> None:
    store = kit.replays("")
    assert not store.first_use("m", expires=NOON, now=NOON)
    assert not store.first_use("m", expires=NOON - HOUR, now=NOON)
    assert store.first_use("m", expires=NOON + INSTANT, now=NOON)


def test_messages_of_two_namespaces_are_apart(kit: Kit) -> None:
    assert kit.replays("https://sp-1").first_use("m", expires=NOON + HOUR, now=NOON)
    assert kit.replays("https://sp-2").first_use("m", expires=NOON + HOUR, now=NOON)


def test_one_thread_of_several_uses_a_message_first(kit: Kit) -> None:
    store = kit.replays("")
    for number in range(5):
        key = f"m{number}"
        answers = in_threads(6, lambda key=key: store.first_use(key, expires=NOON + HOUR, now=NOON))  # type: ignore[misc]
        assert sorted(answers) == [False, False, False, False, False, True]


def test_one_thread_of_several_uses_a_forgotten_message_first(kit: Kit) -> None:
    store = kit.replays("")
    assert store.first_use("m", expires=NOON + HOUR, now=NOON)
    answers = in_threads(6, lambda: store.first_use("m", expires=NOON + 2 * HOUR, now=NOON + HOUR))
    assert sorted(answers) == [False, False, False, False, False, True]


def test_one_process_of_several_uses_a_message_first(shared_kit: Kit) -> None:
    assert shared_kit.opening is not None
    used = in_processes(shared_kit.opening, "replays.first_use(f'm{n}', expires=later, now=now)", 3)
    assert [sum(bool(process[number]) for process in used) for number in range(40)] == [1] * 40


def test_hits_are_counted_within_a_window(kit: Kit) -> None:
    counters = kit.counters("")
    hits = [counters.hit("k", window=HOUR, now=NOON + minutes * timedelta(minutes=1)) for minutes in (0, 0, 30, 59)]
    assert hits == [1, 2, 3, 4]
    assert counters.hit("other", window=HOUR, now=NOON) == 1


def test_a_new_window_begins_with_the_first_hit_after_the_last_one(kit: Kit) -> None:
    counters = kit.counters("")
    assert counters.hit("k", window=HOUR, now=NOON) == 1
    assert counters.hit("k", window=HOUR, now=NOON + HOUR - INSTANT) == 2
    assert counters.hit("k", window=HOUR, now=NOON + HOUR) == 1
    assert counters.hit("k", window=HOUR, now=NOON + 2 * HOUR - INSTANT) == 2


def test_a_hit_that_is_given_back_does_not_count(kit: Kit) -> None:
    counters = kit.counters("")
    counters.give_back("k", NOON)
    assert [counters.hit("k", window=HOUR, now=NOON) for _ in range(3)] == [1, 2, 3]
    counters.give_back("k", NOON)
    assert counters.hit("k", window=HOUR, now=NOON) == 3
    for _ in range(9):
        counters.give_back("k", NOON)
    assert counters.hit("k", window=HOUR, now=NOON) == 1
    # The window goes on as it began, and what is over can't be given back.
    counters.give_back("k", NOON + HOUR)
    assert counters.hit("k", window=HOUR, now=NOON + HOUR - INSTANT) == 2


def test_a_forgotten_counter_begins_anew(kit: Kit) -> None:
    counters = kit.counters("")
    counters.hit("k", window=HOUR, now=NOON)
    counters.hit("other", window=HOUR, now=NOON)
    counters.forget("k")
    counters.forget("never seen")
    assert counters.hit("k", window=HOUR, now=NOON) == 1
    assert counters.hit("other", window=HOUR, now=NOON) == 2


def test_no_hit_of_several_threads_is_lost(kit: Kit) -> None:
    counters = kit.counters("")
    answers = in_threads(6, lambda: [counters.hit("k", window=HOUR, now=NOON) for _ in range(5)])
    assert sorted(hit for thread in answers for hit in thread) == list(range(1, 31))


def test_no_hit_of_several_processes_is_lost(shared_kit: Kit) -> None:
    assert shared_kit.opening is not None
    hits = in_processes(shared_kit.opening, "counters.hit('k', window=timedelta(hours=1), now=now)", 3)
    assert sorted(int(str(hit)) for process in hits for hit in process) == list(range(1, 121))


class Reference:
    """The rules of `SessionStore`, written as plainly as can be."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[bytes, datetime]] = {}

    def put(self, key: str, value: bytes, expires: datetime) -> None:
        self.entries[key] = (value, expires)

    def get(self, key: str, now: datetime) -> bytes | None:
        value, expires = self.entries.get(key, (None, NOON))
        return value if value is not None and now < expires else None

    def take(self, key: str, now: datetime) -> bytes | None:
        value = self.get(key, now)
        self.entries.pop(key, None)
        return value


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "get", "get_many", "take"]),
        st.sampled_from("abc"),
        st.integers(-2, 6),
        st.integers(0, 4),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_sequence_of_steps_does_what_the_rules_say(kit: Kit, steps: list[tuple[str, str, int, int]]) -> None:
    store, reference = kit.sessions(str(uuid.uuid4())), Reference()
    now = NOON
    for number, (step, key, lifetime, passed) in enumerate(steps):
        now += timedelta(seconds=passed)
        if step == "put":
            value, expires = str(number).encode(), now + timedelta(seconds=lifetime)
            store.put(key, value, expires=expires, now=now)
            reference.put(key, value, expires)
        elif step == "get":
            assert store.get(key, now) == reference.get(key, now)
        elif step == "get_many":
            assert store.get_many("cab", now) == [reference.get(one, now) for one in "cab"]
        else:
            assert store.take(key, now) == reference.take(key, now)
