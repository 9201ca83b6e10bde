"""RRULE, duration, zone and exceptions: spans, against a naive reference; and grants that hold only then."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.errors import Refusal
from ostiary.x509.fqan import Fqan
from tests.voms.conftest import ALICE, NOW, Vo
from voms.periods import read_recurrence, recurrence

AT = {"at": NOW, "by": "operator"}
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
SHIFT = recurrence(
    datetime.fromisoformat("2026-01-05T08:00"),
    "Europe/Amsterdam",
    "PT8H",
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    (datetime.fromisoformat("2026-12-25T00:00"),),
)


def local(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=AMSTERDAM).astimezone(UTC)  # type: ignore[misc, arg-type]


def test_a_shift_holds_on_weekdays_by_the_clocks_of_its_place_in_summer_and_winter() -> None:
    for day in ((2026, 7, 6), (2026, 11, 23)):
        assert SHIFT.at(local(*day, 7, 59)) is None
        assert SHIFT.at(local(*day, 8)) == (local(*day, 8), local(*day, 16))
        assert SHIFT.at(local(*day, 15, 59, 59)) == (local(*day, 8), local(*day, 16))
        assert SHIFT.at(local(*day, 16)) is None
    assert SHIFT.at(local(2026, 11, 22, 12)) is None  # a Sunday
    assert SHIFT.at(local(2026, 1, 2, 12)) is None  # a Friday before the first
    assert SHIFT.at(local(2026, 12, 25, 12)) is None  # left out
    assert SHIFT.at(local(2036, 11, 24, 12)) is not None


def test_a_night_over_the_change_of_clocks_has_its_hours_and_a_day_is_one_of_the_calendar() -> None:
    night = recurrence(datetime.fromisoformat("2026-10-24T22:00"), "Europe/Amsterdam", "PT8H", "FREQ=DAILY")
    assert night.at(local(2026, 10, 25, 1)) == (local(2026, 10, 24, 22), local(2026, 10, 25, 5))
    day = recurrence(datetime.fromisoformat("2026-10-24T22:00"), "Europe/Amsterdam", "P1D", "FREQ=DAILY;INTERVAL=2")
    assert day.at(local(2026, 10, 25, 1)) == (local(2026, 10, 24, 22), local(2026, 10, 25, 22))
    assert day.at(local(2026, 10, 26, 1)) is None


def test_a_beginning_that_the_clocks_skip_is_an_hour_later_and_one_shown_twice_is_the_first() -> None:
    skipped = recurrence(datetime.fromisoformat("2026-03-28T02:30"), "Europe/Amsterdam", "PT1H", "FREQ=DAILY")
    begin = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert skipped.at(begin) == (begin, begin + timedelta(hours=1))
    twice = recurrence(datetime.fromisoformat("2026-10-24T02:30"), "Europe/Amsterdam", "PT30M", "FREQ=DAILY")
    begin = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert twice.at(begin) == (begin, begin + timedelta(minutes=30))
    assert twice.at(begin + timedelta(hours=1)) is None


def test_of_spans_that_overlap_the_one_that_ends_last_counts() -> None:
    long = recurrence(datetime.fromisoformat("2026-11-01T00:00"), "UTC", "P2D", "FREQ=DAILY")
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert long.at(at) == (datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC))


@pytest.mark.parametrize(
    ("until", "last"),
    [("20261130T070000Z", 30), ("20261130T065959Z", 27), ("20261130", 30), ("20261130T080000", 30)],
    ids=["instant", "just before", "day", "by the clocks of the place"],
)
def test_until_is_the_last_beginning(until: str, last: int) -> None:
    found = recurrence(SHIFT.start, SHIFT.zone, SHIFT.duration, f"{SHIFT.rule};UNTIL={until}")
    assert [day for day in range(26, 31) if found.at(local(2026, 11, day, 9))] == [
        day for day in (26, 27, 30) if day <= last
    ]
    assert found.at(local(2026, 12, 1, 9)) is None


@given(
    start=st.dates(date(2020, 1, 1), date(2026, 1, 1)),
    interval=st.integers(1, 4),
    days=st.sets(st.sampled_from(("MO", "TU", "WE", "TH", "FR", "SA", "SU")), min_size=1),
    at=st.dates(date(2026, 1, 2), date(2036, 1, 1)),
)
def test_weeks_are_counted_as_in_a_naive_reference(start: date, interval: int, days: set[str], at: date) -> None:
    rule = f"FREQ=WEEKLY;INTERVAL={interval};BYDAY={','.join(sorted(days))}"
    found = recurrence(datetime.combine(start, time(9)), "UTC", "PT1H", rule)
    weekday = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")[at.weekday()]
    monday = start - timedelta(days=start.weekday())
    expected = weekday in days and (at - monday).days // 7 % interval == 0
    assert (found.at(datetime.combine(at, time(9, 30), UTC)) is not None) == expected


@given(
    start=st.dates(date(2020, 1, 1), date(2025, 12, 31)),
    interval=st.integers(1, 5),
    at=st.dates(date(2026, 1, 1), date(2036, 1, 1)),
)
def test_months_are_counted_as_in_a_naive_reference(start: date, interval: int, at: date) -> None:
    found = recurrence(datetime.combine(start, time(9)), "UTC", "PT1H", f"FREQ=MONTHLY;INTERVAL={interval}")
    passed = (at.year - start.year) * 12 + at.month - start.month
    expected = at.day == start.day and passed % interval == 0
    assert (found.at(datetime.combine(at, time(9, 30), UTC)) is not None) == expected


@pytest.mark.parametrize(
    ("rule", "at", "holds"),
    [
        ("FREQ=MONTHLY;BYDAY=2TU", (2026, 11, 10), True),
        ("FREQ=MONTHLY;BYDAY=2TU", (2026, 11, 17), False),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", (2026, 10, 30), True),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", (2028, 2, 29), True),
        ("FREQ=YEARLY;BYMONTH=6,7", (2030, 7, 1), True),
        ("FREQ=YEARLY", (2030, 1, 1), True),
    ],
)
def test_other_rules_of_the_standard(rule: str, at: tuple[int, int, int], holds: bool) -> None:
    found = recurrence(datetime.fromisoformat("2024-01-01T09:00"), "UTC", "PT1H", rule)
    assert (found.at(datetime(*at, 9, 30, tzinfo=UTC)) is not None) == holds


@pytest.mark.parametrize(
    ("zone", "duration", "rule"),
    [
        ("Europe/Nowhere", "PT8H", "FREQ=DAILY"),
        ("../../etc/passwd", "PT8H", "FREQ=DAILY"),
        ("UTC", "PT0H", "FREQ=DAILY"),
        ("UTC", "P400D", "FREQ=DAILY"),
        ("UTC", "8 hours", "FREQ=DAILY"),
        ("UTC", "PT8H", "FREQ=SECONDLY"),
        ("UTC", "PT8H", "FREQ=DAILY;BYSECOND=1,2,3"),
        ("UTC", "PT8H", "FREQ=DAILY;COUNT=5"),
        ("UTC", "PT8H", "FREQ=DAILY;INTERVAL=0"),
        ("UTC", "PT8H", "FREQ=DAILY;UNTIL=tomorrow"),
        ("UTC", "PT8H", "FREQ=WEEKLY;BYDAY=XX"),
        ("UTC", "PT8H", "FREQ=DAILY;FREQ=DAILY"),
        ("UTC", "PT8H", "DAILY"),
        ("UTC", "PT8H", ""),
        ("UTC", "PT8H", "FREQ=DAILY\nRRULE:FREQ=DAILY"),
        ("UTC", "PT8H", "FREQ=WEEKLY;BYDAY=" + ",".join(["MO"] * 400)),
    ],
)
def test_what_cannot_be_understood_is_refused(zone: str, duration: str, rule: str) -> None:
    with pytest.raises(Refusal) as refused:
        recurrence(datetime.fromisoformat("2026-01-05T08:00"), zone, duration, rule)
    assert refused.value.code == "voms.recurrence"


def test_a_recurrence_is_stored_and_read_as_it_was() -> None:
    assert read_recurrence(SHIFT.text()) == SHIFT
    for broken in ("", "{}", "[]", '{"start": 5}', SHIFT.text().replace("PT8H", "x")):
        with pytest.raises(Refusal) as refused:
            read_recurrence(broken)
        assert refused.value.code == "voms.recurrence"


def standing_at(vo: Vo, at: datetime) -> tuple[dict[str, datetime | None], dict[Fqan, datetime | None], list[str]]:
    found = vo.memberships.of_certificate(ALICE, at)
    if found is None:
        raise LookupError("alice is no member")
    return dict(found.groups), dict(found.roles), [value.name for value in found.attributes]


def test_a_shift_operator_has_her_role_while_the_shift_lasts(vo: Vo) -> None:
    vo.directory.join(vo.alice, "/testvo/g1", **AT)
    vo.directory.assign_role(vo.alice, "/testvo/g1", "pilot", recurs=SHIFT, **AT)
    vo.directory.set_attribute("desk", "3", member=vo.alice, recurs=SHIFT, **AT)
    vo.directory.join(vo.alice, "/testvo/g2", recurs=SHIFT, until=local(2026, 11, 23, 10), **AT)
    on, off = local(2026, 11, 23, 9), local(2026, 11, 23, 7)
    groups, roles, attributes = standing_at(vo, on)
    assert groups == {"/testvo": None, "/testvo/g1": None, "/testvo/g2": local(2026, 11, 23, 10)}
    assert roles == {Fqan("/testvo/g1", "pilot"): local(2026, 11, 23, 16)}
    assert attributes == ["desk"]
    assert standing_at(vo, off) == ({"/testvo": None, "/testvo/g1": None}, {}, [])
    assert list(standing_at(vo, local(2026, 11, 23, 11))[0]) == ["/testvo", "/testvo/g1"]
