"""The mark of a browser in which somebody logged in: whose it is, how long, and that nobody can make one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.login.device import DeviceMarks
from ostiary.web.cookies import MAX_VALUE, set_cookie

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MARKS = DeviceMarks(lambda: [b"k" * 32])


def test_a_browser_is_known_for_the_name_that_was_used_in_it_and_for_no_other() -> None:
    cookie = MARKS.remembered(None, "Ada", NOW)
    known = MARKS.known(cookie, " ADA ", NOW)
    assert known is not None
    assert len(known) == 22
    assert MARKS.known(cookie, "bob", NOW) is None
    assert MARKS.known(None, "ada", NOW) is None


def test_the_name_does_not_stand_in_the_mark() -> None:
    assert "ada" not in MARKS.remembered(None, "ada", NOW).lower().split("-")[0]
    assert MARKS.remembered(None, "ada", NOW) != MARKS.remembered(None, "ada", NOW)


def test_a_mark_is_good_for_half_a_year() -> None:
    cookie = MARKS.remembered(None, "ada", NOW)
    assert MARKS.known(cookie, "ada", NOW + timedelta(days=179)) is not None
    assert MARKS.known(cookie, "ada", NOW + timedelta(days=180)) is None
    assert MARKS.known(cookie, "ada", NOW - timedelta(days=1)) is None


def test_several_people_of_one_browser_are_known_and_the_oldest_gives_way() -> None:
    cookie = None
    for number in range(6):
        cookie = MARKS.remembered(cookie, f"name{number}", NOW)
    assert cookie is not None
    known = [MARKS.known(cookie, f"name{number}", NOW) is not None for number in range(6)]
    assert known == [False, True, True, True, True, True]
    set_cookie("known", cookie, https=True)
    assert len(cookie) < MAX_VALUE


def test_each_login_gives_a_new_mark_in_place_of_the_old_one() -> None:
    first = MARKS.remembered(None, "ada", NOW)
    second = MARKS.remembered(first, "ada", NOW)
    assert second.count(".") == 0
    assert MARKS.known(second, "ada", NOW) != MARKS.known(first, "ada", NOW)


def test_after_a_change_of_keys_the_old_key_still_knows_its_browsers() -> None:
    cookie = MARKS.remembered(None, "ada", NOW)
    assert DeviceMarks(lambda: [b"n" * 32, b"k" * 32]).known(cookie, "ada", NOW) is not None
    assert DeviceMarks(lambda: [b"n" * 32]).known(cookie, "ada", NOW) is None


@pytest.mark.parametrize("place", range(0, 70, 7))
def test_a_mark_that_was_changed_anywhere_is_worth_nothing(place: int) -> None:
    cookie = MARKS.remembered(None, "ada", NOW)
    other = "A" if cookie[place] != "A" else "B"
    changed = cookie[:place] + other + cookie[place + 1 :]
    assert MARKS.known(changed, "ada", NOW) is None


@settings(max_examples=50)
@given(st.text(max_size=300))
def test_no_cookie_breaks_it(cookie: str) -> None:
    assert MARKS.known(cookie, "ada", NOW) is None
    assert MARKS.known(MARKS.remembered(cookie, "ada", NOW), "ada", NOW) is not None
