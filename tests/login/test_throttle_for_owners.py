"""Who attacks a name slows down herself, not its owner; waits grow, and end."""

from datetime import UTC, datetime, timedelta

import pytest

from idp.login.throttle import Limits, Throttle
from ostiary.errors import TooMany
from ostiary.storage.memory import MemoryCounters

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OWNER = "192.0.2.1"


@pytest.fixture
def throttle() -> Throttle:
    return Throttle(MemoryCounters(), Limits)


def refused(throttle: Throttle, username: str, address: str, at: datetime, browser: str | None = None) -> int | None:
    """The seconds to wait, or None for an attempt that is let through."""
    try:
        throttle.attempt(username, address, at, browser=browser)
    except TooMany as problem:
        return problem.retry_after
    return None


def attacked(throttle: Throttle, addresses: int, at: datetime, tries: int = 1) -> int:
    """How many attempts at Ada's name these addresses get through."""
    return sum(
        refused(throttle, "ada", f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", at) is None
        for _ in range(tries)
        for number in range(addresses)
    )


def test_an_address_that_goes_on_guessing_waits_twice_as_long_each_time(throttle: Throttle) -> None:
    assert [refused(throttle, "ada", OWNER, NOW) for _ in range(10)] == [None] * 10
    at, waits = NOW, []
    for _ in range(6):
        wait = refused(throttle, "ada", OWNER, at)
        assert wait is not None
        waits.append(wait)
        assert refused(throttle, "ada", OWNER, at + timedelta(seconds=wait - 1)) == wait
        at += timedelta(seconds=wait)
        assert refused(throttle, "ada", OWNER, at) is None
    assert waits == [60, 120, 240, 480, 900, 900]


def test_an_hour_after_the_first_attempt_everything_begins_anew(throttle: Throttle) -> None:
    for _ in range(10):
        throttle.attempt("ada", OWNER, NOW)
    assert refused(throttle, "ada", OWNER, NOW) == 60
    later = NOW + timedelta(hours=1)
    assert [refused(throttle, "ada", OWNER, later) for _ in range(10)] == [None] * 10


def test_a_thousand_addresses_do_not_keep_the_owner_out_of_a_browser_that_she_used_before(throttle: Throttle) -> None:
    for minute in range(10):
        attacked(throttle, 1000, NOW + timedelta(minutes=minute))
        assert refused(throttle, "ada", OWNER, NOW + timedelta(minutes=minute), browser="hers") is None


def test_her_browser_has_its_own_attempts_also_where_strangers_share_her_address(throttle: Throttle) -> None:
    for _ in range(200):
        refused(throttle, "ada", OWNER, NOW)
    assert [refused(throttle, "ada", OWNER, NOW, browser="hers") for _ in range(10)] == [None] * 10
    assert refused(throttle, "ada", OWNER, NOW, browser="hers") is not None


def test_a_browser_that_used_up_its_own_attempts_has_those_of_everybody(throttle: Throttle) -> None:
    for _ in range(20):
        assert refused(throttle, "ada", OWNER, NOW, browser="stolen") is None
    assert refused(throttle, "ada", OWNER, NOW, browser="stolen") == 60


def test_a_thousand_addresses_do_not_keep_the_owner_out_of_a_new_browser(throttle: Throttle) -> None:
    """They may go on for a day: each of them is new to the name twice, and all of them together fill no hour."""
    for hour in range(24):
        at = NOW + timedelta(hours=hour)
        attacked(throttle, 1000, at, tries=3)
        assert refused(throttle, "ada", f"192.0.2.{hour + 1}", at) is None


def test_more_addresses_than_that_keep_her_out_only_until_they_are_no_longer_new() -> None:
    """Two hundred addresses have four hundred attempts as new ones, for which they need four hours."""
    throttle = Throttle(MemoryCounters(), lambda: Limits(new_addresses=100))
    assert attacked(throttle, 200, NOW) == 50 + 100
    answers = []
    for hour in range(6):
        at = NOW + timedelta(hours=hour)
        attacked(throttle, 200, at, tries=3)
        answers.append(refused(throttle, "ada", OWNER, at))
    assert answers == [60, 60, 60, 60, None, None]


def test_what_a_flood_gets_through_in_a_day_is_bounded() -> None:
    throttle = Throttle(MemoryCounters(), lambda: Limits(per_name=5, new_addresses=20))
    through = sum(attacked(throttle, 300, NOW + timedelta(minutes=10 * step)) for step in range(24))
    # Five in each of the windows, and twenty in each of the four hours.
    assert through == 24 * 5 + 4 * 20


def test_networks_of_one_ipv6_site_are_new_together(throttle: Throttle) -> None:
    for number in range(50):
        throttle.attempt("ada", f"198.51.100.{number}", NOW)
    through = [refused(throttle, "ada", f"2001:db8:1:{number:x}::1", NOW) for number in range(5)]
    assert through == [None, None, 60, 60, 60]
    assert refused(throttle, "ada", "2001:db8:2::1", NOW) is None


def test_a_right_password_ends_the_waiting(throttle: Throttle) -> None:
    for _ in range(10):
        throttle.attempt("ada", OWNER, NOW)
    later = NOW + timedelta(seconds=60)
    throttle.succeeded(throttle.attempt("ada", OWNER, later), later)
    assert [refused(throttle, "ada", OWNER, later) for _ in range(10)] == [None] * 10


def test_a_right_password_in_a_known_browser_clears_it(throttle: Throttle) -> None:
    for _ in range(30):
        throttle.succeeded(throttle.attempt("ada", OWNER, NOW, browser="hers"), NOW)
    for _ in range(5):
        throttle.attempt("ada", OWNER, NOW, browser="hers")
    throttle.succeeded(throttle.attempt("ada", OWNER, NOW, browser="hers"), NOW)
    assert [refused(throttle, "ada", "198.51.100.7", NOW, browser="hers") for _ in range(10)] == [None] * 10


def test_attempts_that_nobody_could_decide_count_nowhere(throttle: Throttle) -> None:
    for _ in range(200):
        throttle.unanswered(throttle.attempt("ada", OWNER, NOW), NOW)
    for _ in range(200):
        throttle.unanswered(throttle.attempt("ada", OWNER, NOW, browser="hers"), NOW)
    assert refused(throttle, "ada", OWNER, NOW) is None


def test_the_last_free_attempt_begins_no_wait_when_nobody_could_decide_it(throttle: Throttle) -> None:
    for _ in range(9):
        throttle.attempt("ada", OWNER, NOW)
    throttle.unanswered(throttle.attempt("ada", OWNER, NOW), NOW)
    assert refused(throttle, "ada", OWNER, NOW) is None


def test_tickets_and_certificates_count_for_their_address(throttle: Throttle) -> None:
    for _ in range(100):
        throttle.knock(OWNER, NOW)
    with pytest.raises(TooMany):
        throttle.knock(OWNER, NOW)
    throttle.knock("192.0.2.2", NOW)
    throttle.knock(OWNER, NOW + timedelta(minutes=1))
