"""People who are sent back and forth: what the short-lived cookie says, and when it is enough."""

from datetime import UTC, datetime, timedelta

import pytest

from wayf.trips import Trips, came_back, goes_round, one_more, read_trips

NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
SP = "https://library.example/sp"


def after(number: int, entity_id: str = SP, *, every: timedelta = timedelta(seconds=1)) -> Trips | None:
    trips = None
    for place in range(number):
        trips = one_more(trips, entity_id, NOW + place * every)
    return trips


def test_six_answers_within_two_minutes_go_round_and_two_make_one_wonder() -> None:
    at = NOW + timedelta(seconds=10)
    assert [goes_round(after(number), SP, at) for number in (0, 1, 5, 6, 7)] == [False, False, False, True, True]
    assert [came_back(after(number), SP, at) for number in (0, 1, 2, 3)] == [False, False, True, True]


def test_what_was_longer_ago_counts_no_more() -> None:
    trips = after(6)
    assert goes_round(trips, SP, NOW + timedelta(seconds=119))
    assert not goes_round(trips, SP, NOW + timedelta(seconds=120))
    assert one_more(trips, SP, NOW + timedelta(seconds=120)).count == 1
    assert not goes_round(trips, SP, NOW - timedelta(seconds=1))


def test_another_resource_is_another_matter() -> None:
    trips = after(6)
    assert not goes_round(trips, "https://other.example/sp", NOW)
    assert one_more(trips, "https://other.example/sp", NOW).count == 1


def test_the_cookie_names_no_resource_and_reads_back() -> None:
    trips = after(3)
    assert trips is not None
    value = trips.cookie_value()
    assert value.partition(".")[2] == "1795318200.3"
    assert "library" not in value
    assert read_trips(value) == trips


def test_the_count_has_an_end() -> None:
    trips = after(150, every=timedelta(milliseconds=1))
    assert trips is not None
    assert trips.count == 99
    assert read_trips(trips.cookie_value()) == trips


@pytest.mark.parametrize(
    "value",
    [None, "", "a", "a.b", "a.b.c", "a.1.0", "a.1.100", "a.-1.1", "a.1.1.1", "a.9999999999999.1", "é.1.1", "a.1.٣"],
)
def test_what_we_did_not_write_is_nothing(value: str | None) -> None:
    assert read_trips("a.1.1") is not None
    assert read_trips(value) is None
