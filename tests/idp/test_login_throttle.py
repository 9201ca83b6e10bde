"""How many attempts a name and an address have."""

from datetime import UTC, datetime, timedelta

import pytest

from idp.login.throttle import Limits, Throttle
from ostiary.errors import TooMany
from ostiary.storage.memory import MemoryCounters

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def throttle() -> Throttle:
    limits = Limits(
        per_name_and_address=3, per_name=8, per_address=5, window=timedelta(seconds=60), for_new_addresses=0
    )
    return Throttle(MemoryCounters(), lambda: limits)


def attempts(throttle: Throttle, username: str, address: str, count: int, at: datetime = NOW) -> None:
    for _ in range(count):
        throttle.attempt(username, address, at)


def test_the_attempt_after_the_last_one_of_an_address_at_a_name_is_refused(throttle: Throttle) -> None:
    attempts(throttle, "ada", "192.0.2.1", 3)
    with pytest.raises(TooMany) as refused:
        throttle.attempt("ada", "192.0.2.1", NOW)
    assert (refused.value.code, refused.value.status, refused.value.retry_after) == ("login.throttled", 429, 60)


def test_a_stranger_at_one_address_does_not_keep_out_the_owner_of_a_name(throttle: Throttle) -> None:
    attempts(throttle, "ada", "192.0.2.1", 3)
    for _ in range(50):
        with pytest.raises(TooMany):
            throttle.attempt("ada", "192.0.2.1", NOW)
    attempts(throttle, "ada", "192.0.2.2", 3)


def test_many_addresses_together_get_no_more_than_the_attempts_of_a_name(throttle: Throttle) -> None:
    for number in range(8):
        throttle.attempt("ada", f"198.51.100.{number}", NOW)
    with pytest.raises(TooMany):
        throttle.attempt("ada", "198.51.100.9", NOW)
    throttle.attempt("bob", "198.51.100.9", NOW)


def test_a_name_can_not_pass_for_another_name_at_another_address(throttle: Throttle) -> None:
    attempts(throttle, "ada' at '192.0.2.2", "192.0.2.1", 3)
    attempts(throttle, "ada", "192.0.2.2' at '192.0.2.1", 3)


def test_every_spelling_of_a_name_counts_for_the_same_name(throttle: Throttle) -> None:
    for spelling in ("ada", "ADA", " ａｄａ "):
        throttle.attempt(spelling, "192.0.2.1", NOW)
    with pytest.raises(TooMany):
        throttle.attempt("Ada", "192.0.2.1", NOW)


def test_the_attempt_after_the_last_one_of_an_address_is_refused(throttle: Throttle) -> None:
    for number in range(5):
        throttle.attempt(f"name{number}", "192.0.2.1", NOW)
    with pytest.raises(TooMany):
        throttle.attempt("another", "192.0.2.1", NOW)
    throttle.attempt("another", "192.0.2.2", NOW)


def test_an_address_that_is_used_up_does_not_keep_out_the_owner_of_the_name(throttle: Throttle) -> None:
    attempts(throttle, "others", "192.0.2.1", 3)
    attempts(throttle, "more", "192.0.2.1", 2)
    for _ in range(20):
        with pytest.raises(TooMany):
            throttle.attempt("ada", "192.0.2.1", NOW)
    throttle.attempt("ada", "192.0.2.2", NOW)


def test_refused_attempts_do_not_make_the_waiting_longer(throttle: Throttle) -> None:
    for number in range(8):
        throttle.attempt("ada", f"203.0.113.{number}", NOW)
    for second in range(1, 60):
        with pytest.raises(TooMany):
            throttle.attempt("ada", f"198.51.100.{second}", NOW + timedelta(seconds=second))
    throttle.attempt("ada", "192.0.2.1", NOW + timedelta(seconds=60))


def test_a_success_clears_the_name_at_its_address_and_not_the_address(throttle: Throttle) -> None:
    attempts(throttle, "ada", "192.0.2.1", 2)
    throttle.succeeded(throttle.attempt("Ada", "192.0.2.1", NOW), NOW)
    attempts(throttle, "ada", "192.0.2.1", 3)
    with pytest.raises(TooMany):
        throttle.attempt("ada", "192.0.2.1", NOW)


def test_right_passwords_never_use_up_a_name_or_an_address(throttle: Throttle) -> None:
    for number in range(100):
        for name in ("ada", f"name{number}"):
            throttle.succeeded(throttle.attempt(name, "192.0.2.1", NOW), NOW)


def test_a_success_at_one_address_clears_nothing_at_another(throttle: Throttle) -> None:
    attempts(throttle, "ada", "192.0.2.1", 3)
    throttle.succeeded(throttle.attempt("ada", "192.0.2.2", NOW), NOW)
    with pytest.raises(TooMany):
        throttle.attempt("ada", "192.0.2.1", NOW)


def test_a_success_does_not_give_strangers_new_attempts_at_the_name(throttle: Throttle) -> None:
    for number in range(7):
        throttle.attempt("ada", f"198.51.100.{number}", NOW)
    throttle.succeeded(throttle.attempt("ada", "192.0.2.1", NOW), NOW)
    throttle.attempt("ada", "198.51.100.8", NOW)
    with pytest.raises(TooMany):
        throttle.attempt("ada", "198.51.100.9", NOW)
    throttle.attempt("ada", "198.51.100.9", NOW + timedelta(seconds=60))


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", "", True),
    ],
)
def test_an_ipv6_network_of_one_customer_counts_as_one_address(
    throttle: Throttle, first: str, second: str, same: bool
) -> None:
    for number in range(5):
        throttle.attempt(f"name{number}", first, NOW)
    if same:
        with pytest.raises(TooMany):
            throttle.attempt("another", second, NOW)
    else:
        throttle.attempt("another", second, NOW)
