"""A server that does not answer is left alone; strangers have so many questions."""

from datetime import timedelta

from ostiary.federation.sources.breaker import Allowance, Breaker
from tests.saml.world import NOW


def test_a_server_that_fails_is_left_alone_for_longer_each_time_and_tried_by_one() -> None:
    breaker = Breaker()
    moment, pauses = NOW, []
    for _ in range(9):
        assert breaker.lets_through(moment)
        breaker.failed(moment)
        assert breaker.is_open(moment)
        began = moment
        while breaker.is_open(moment):
            moment += timedelta(seconds=1)
        pauses.append((moment - began).total_seconds())
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert breaker.lets_through(moment)
    assert not breaker.lets_through(moment)
    breaker.answered()
    assert breaker.lets_through(moment)
    assert breaker.lets_through(moment)


def test_a_clock_that_is_turned_back_does_not_lengthen_the_pause() -> None:
    breaker = Breaker()
    breaker.failed(NOW + timedelta(days=1))
    assert not breaker.is_open(NOW)


def test_questions_come_back_with_time() -> None:
    allowance = Allowance(6)
    assert [allowance.takes(NOW) for _ in range(8)] == [True] * 6 + [False] * 2
    assert [allowance.takes(NOW + timedelta(seconds=20)) for _ in range(3)] == [True, True, False]
    assert [allowance.takes(NOW - timedelta(days=1)) for _ in range(1)] == [False]
    assert sum(allowance.takes(NOW + timedelta(days=1)) for _ in range(20)) == 6
