"""An authority that fails is left alone, tried once after a pause, and asked as usual when it answers."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sp_shire.shar.breaker import Breakers, Circuit, Limits, admitted, asks_again_at, failed

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LIMITS = Limits(failures=3, window=timedelta(minutes=1), pause=timedelta(seconds=30))


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def failing(*seconds: float) -> Circuit:
    circuit = Circuit()
    for at in seconds:
        circuit = failed(circuit, LIMITS, after(at))
    return circuit


@pytest.mark.parametrize(
    ("failures", "at", "state"),
    [
        ((), 0, "closed"),
        ((0, 1), 2, "closed"),
        ((0, 1, 2), 2, "open"),
        ((0, 1, 2), 31.9, "open"),
        ((0, 1, 2), 32, "on_trial"),
        ((0, 1, 60), 60, "closed"),
        ((0, 59, 59.9), 60, "open"),
        ((0, 1, 60, 61, 62), 63, "open"),
    ],
)
def test_so_many_failures_in_a_row_within_the_window_open_it(
    failures: tuple[float, ...], at: float, state: str
) -> None:
    assert failing(*failures).state(after(at)) == state


def test_while_it_is_open_nobody_asks() -> None:
    assert admitted(failing(0, 1, 2), LIMITS, after(10)) is None
    assert asks_again_at(failing(0, 1, 2), after(10)) == after(32)


def test_after_the_pause_one_question_is_asked_and_no_other() -> None:
    trying = admitted(failing(0, 1, 2), LIMITS, after(40))
    assert trying is not None
    assert admitted(trying, LIMITS, after(41)) is None
    assert asks_again_at(trying, after(41)) == after(70)


def test_a_trial_that_never_comes_back_makes_room_for_another() -> None:
    trying = admitted(failing(0, 1, 2), LIMITS, after(40))
    assert trying is not None
    assert admitted(trying, LIMITS, after(69.9)) is None
    assert admitted(trying, LIMITS, after(70)) is not None


def test_a_trial_that_fails_opens_it_for_another_pause() -> None:
    trying = admitted(failing(0, 1, 2), LIMITS, after(40))
    assert trying is not None
    again = failed(trying, LIMITS, after(45))
    assert [again.state(after(at)) for at in (45, 74.9, 75)] == ["open", "open", "on_trial"]


def test_an_answer_forgets_what_was() -> None:
    breakers = Breakers(LIMITS)
    for at in (0, 1):
        breakers.failed("aa", after(at))
    breakers.answered("aa")
    breakers.failed("aa", after(2))
    assert breakers.admits("aa", after(3))
    assert breakers.states()["aa"].failures == 1


def test_one_authority_says_nothing_of_another() -> None:
    breakers = Breakers(LIMITS)
    for at in (0, 1, 2):
        breakers.failed("down", after(at))
    assert not breakers.admits("down", after(3))
    assert breakers.admits("up", after(3))
    assert list(breakers.states()) == ["down"]


def test_of_many_threads_one_gets_the_trial() -> None:
    breakers = Breakers(LIMITS)
    for at in (0, 1, 2):
        breakers.failed("aa", after(at))
    admissions: list[bool] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        admissions.append(breakers.admits("aa", after(40)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(admissions) == [False] * 7 + [True]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["fails", "answers", "never returns"]), st.integers(0, 90)), max_size=30))
def test_it_never_locks_up_and_never_asks_twice_at_a_time_while_open(events: list[tuple[str, int]]) -> None:
    breakers, at, trial_until = Breakers(LIMITS), 0, 0
    for what, passes in events:
        at += passes
        known = breakers.states().get("aa")
        broken = known is not None and known.left_until is not None
        if not breakers.admits("aa", after(at)):
            continue
        if broken:
            assert at >= trial_until, "two questions on trial"
            trial_until = at + 30
        if what == "fails":
            breakers.failed("aa", after(at))
            trial_until = 0
        elif what == "answers":
            breakers.answered("aa")
            trial_until = 0
    assert breakers.admits("aa", breakers.asks_again_at("aa", after(at)))
