"""The cookie of remembered choices: what goes in comes out, and nothing else is believed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.web.remembered import cookie_value, from_cookie, with_choice


def test_a_new_choice_comes_first_and_the_fourth_is_forgotten() -> None:
    assert with_choice(("a", "b", "c"), "d") == ("d", "a", "b")
    assert with_choice(("a", "b", "c"), "b") == ("b", "a", "c")
    assert with_choice((), "a") == ("a",)


def test_the_oldest_are_left_out_where_the_cookie_would_be_too_long() -> None:
    long = tuple(letter * 1024 for letter in "abc")
    assert from_cookie(cookie_value(long)) == long[:2]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=40), max_size=3, unique=True))
def test_what_was_remembered_comes_back(entity_ids: list[str]) -> None:
    assert from_cookie(cookie_value(tuple(entity_ids))) == tuple(entity_ids)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_cookie_is_a_memory_that_we_would_have_written_or_none(value: str) -> None:
    found = from_cookie(value)
    assert found == () or cookie_value(found) == value
