"""The rules of the schedule: bounds of cacheDuration, before validUntil runs out, back-off, and jitter that is told."""

from datetime import UTC, datetime, timedelta

import pytest

from ostiary.federation.sources.schedule import Rhythm, after_failure, after_success

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RHYTHM = Rhythm(6 * HOUR, 5 * MINUTE, DAY)


@pytest.mark.parametrize(
    ("cache_duration", "wait"),
    [(None, 6 * HOUR), (HOUR, HOUR), (timedelta(seconds=1), 5 * MINUTE), (30 * DAY, DAY)],
    ids=["says nothing", "an hour", "too eager", "too lazy"],
)
def test_the_document_says_how_often_within_bounds(cache_duration: timedelta | None, wait: timedelta) -> None:
    assert after_success(NOW, RHYTHM, cache_duration=cache_duration, valid_until=None, random=0) == NOW + wait


def test_jitter_makes_it_at_most_a_tenth_earlier_and_never_later() -> None:
    times = [
        after_success(NOW, RHYTHM, cache_duration=10 * HOUR, valid_until=None, random=random) for random in (0, 0.5, 1)
    ]
    assert times == [NOW + 10 * HOUR, NOW + 9.5 * HOUR, NOW + 9 * HOUR]


def test_a_document_is_asked_for_again_while_half_of_its_validity_is_left() -> None:
    assert after_success(NOW, RHYTHM, cache_duration=None, valid_until=NOW + 2 * HOUR, random=0) == NOW + HOUR


def test_one_that_ends_in_a_moment_is_not_asked_for_without_a_pause() -> None:
    assert after_success(NOW, RHYTHM, cache_duration=None, valid_until=NOW + MINUTE, random=0) == NOW + 5 * MINUTE


def test_after_failures_the_wait_doubles_up_to_an_hour() -> None:
    waits = [after_failure(NOW, RHYTHM, failures=n, random=0) - NOW for n in (1, 2, 3, 6, 7, 8, 1_000_000)]
    assert waits == [MINUTE, 2 * MINUTE, 4 * MINUTE, 32 * MINUTE, HOUR, HOUR, HOUR]


def test_after_a_failure_half_of_the_wait_is_chance() -> None:
    assert after_failure(NOW, RHYTHM, failures=3, random=1) == NOW + 2 * MINUTE


def test_a_failure_is_never_waited_for_longer_than_a_success() -> None:
    often = Rhythm(10 * MINUTE, 5 * MINUTE, DAY)
    assert after_failure(NOW, often, failures=20, random=0) == NOW + 10 * MINUTE
