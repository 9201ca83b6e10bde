"""The wait for a source ends in time, whatever its driver does, and a source that hangs does not use up all threads."""

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from attribute_authority.connectors.time_limit import Attempt, FollowingInTime, InTime, TimeLimit
from ostiary.errors import Unavailable

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SHORT, LONG = timedelta(milliseconds=80), timedelta(seconds=10)


@pytest.fixture
def end() -> Iterator[threading.Event]:
    """What hangs goes on when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def refused(limit: TimeLimit, ask: Callable[[Attempt], object]) -> tuple[str, float]:
    begun = time.monotonic()
    with pytest.raises(Unavailable) as problem:
        limit.run(ask)
    return problem.value.code, time.monotonic() - begun


def test_an_answer_in_time_is_given_and_a_problem_is_raised() -> None:
    limit = TimeLimit(LONG)
    assert limit.run(lambda _: 7) == 7
    for problem in (Unavailable("storage.unavailable"), ValueError("x"), TimeoutError("its own")):

        def fail(_: Attempt, problem: Exception = problem) -> None:
            raise problem

        with pytest.raises(type(problem)) as raised:
            limit.run(fail)
        assert raised.value is problem


def test_the_wait_ends_when_the_time_is_up(end: threading.Event) -> None:
    code, seconds = refused(TimeLimit(SHORT), lambda _: end.wait(10))
    assert code == "aa.connector_slow"
    assert 0.07 < seconds < 2


def test_questions_that_hang_keep_their_places_and_no_more_threads_are_used(end: threading.Event) -> None:
    limit, before = TimeLimit(SHORT, places=2), threading.active_count()
    codes = [refused(limit, lambda _: end.wait(10))[0] for _ in range(4)]
    assert codes == ["aa.connector_slow", "aa.connector_slow", "aa.connector_busy", "aa.connector_busy"]
    assert threading.active_count() <= before + 2
    end.set()
    answers: list[int] = []
    deadline = time.monotonic() + 10
    while not answers and time.monotonic() < deadline:
        with contextlib.suppress(Unavailable):
            answers.append(limit.run(lambda _: 7))
    assert answers == [7]


def test_what_hangs_is_broken_off_when_nobody_waits_any_longer(end: threading.Event) -> None:
    cut = threading.Event()

    def ask(attempt: Attempt) -> None:
        with attempt.cutting(cut.set):
            cut.wait(10)

    assert refused(TimeLimit(SHORT), ask)[0] == "aa.connector_slow"
    assert cut.wait(5)


def test_what_ends_in_time_is_never_broken_off() -> None:
    cuts: list[str] = []
    kept: list[Attempt] = []

    def ask(attempt: Attempt) -> None:
        kept.append(attempt)
        with attempt.cutting(lambda: cuts.append("cut")):
            pass

    TimeLimit(LONG).run(ask)
    kept[0].give_up()
    assert cuts == []
    # Who only then says how is told at once.
    with kept[0].cutting(lambda: cuts.append("late")):
        assert cuts == ["late"]


def test_what_is_known_of_the_request_is_known_in_the_thread() -> None:
    reference = contextvars.ContextVar("reference", default="none")
    reference.set("r-1")
    assert TimeLimit(LONG).run(lambda _: reference.get()) == "r-1"


def test_both_kinds_of_connectors_answer_in_time_or_not_at_all(end: threading.Event) -> None:
    class Slow:
        closed = False

        def attributes(self, principal: str, at: datetime) -> Mapping[str, tuple[str, ...]]:
            if principal == "slow":
                end.wait(10)
            return {"id": (principal,)}

        def attributes_given(self, principal: str, found: object, at: datetime) -> Mapping[str, tuple[str, ...]]:
            return self.attributes(principal, at)

        def close(self) -> None:
            self.closed = True

    slow = Slow()
    plain, following = InTime(slow, LONG), FollowingInTime(slow, LONG)
    assert plain.attributes("p1", NOW) == following.attributes_given("p1", {}, NOW) == {"id": ("p1",)}
    plain, following = InTime(slow, SHORT), FollowingInTime(slow, SHORT)
    for ask in (lambda: plain.attributes("slow", NOW), lambda: following.attributes_given("slow", {}, NOW)):
        with pytest.raises(Unavailable) as late:
            ask()
        assert late.value.code == "aa.connector_slow"
    with contextlib.closing(plain):
        pass
    assert slow.closed
