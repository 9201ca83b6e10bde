"""Cookie names, the Set-Cookie line, and reading one cookie from a header that may hold anything."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.web.cookies import clear_cookie, cookie_name, read_cookie, set_cookie

ENTITY = "https://sp.example.org/saml"


def test_the_name_tells_services_on_one_host_apart() -> None:
    assert cookie_name("session", ENTITY, https=False) == "ost-session-94a32e0b"
    assert cookie_name("session", ENTITY + "2", https=False) != cookie_name("session", ENTITY, https=False)


def test_with_https_the_cookie_is_bound_to_its_host() -> None:
    name = cookie_name("session", ENTITY, https=True)
    assert name == "__Host-ost-session-94a32e0b"
    assert (
        set_cookie(name, "abc", https=True) == "__Host-ost-session-94a32e0b=abc; Path=/; HttpOnly; SameSite=Lax; Secure"
    )


def test_a_cookie_of_one_path_is_not_sent_to_others() -> None:
    name = cookie_name("session", ENTITY, https=True, path="/wiki")
    assert name == "__Secure-ost-session-94a32e0b"
    assert (
        set_cookie(name, "abc", https=True, path="/wiki")
        == "__Secure-ost-session-94a32e0b=abc; Path=/wiki; HttpOnly; SameSite=Lax; Secure"
    )
    assert clear_cookie("a", https=False, path="/wiki") == "a=; Path=/wiki; HttpOnly; SameSite=Lax; Max-Age=0"


@pytest.mark.parametrize("path", ["", "wiki", "/a;b", "/a b", "/a\r\nX: y"])
def test_a_path_that_would_break_the_header_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path of cookie"):
        set_cookie("a", "b", https=False, path=path)


def test_without_https_there_is_no_secure_flag_and_an_age_is_given_in_seconds() -> None:
    assert (
        set_cookie("a", "b", https=False, max_age=timedelta(days=1))
        == "a=b; Path=/; HttpOnly; SameSite=Lax; Max-Age=86400"
    )
    assert clear_cookie("a", https=False) == "a=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"


@pytest.mark.parametrize("value", ["a b", "a;b", 'a"b', "a,b", "a\\b", "a\r\nSet-Cookie: x=y", "é", "x" * 4001])
def test_a_value_that_would_break_the_header_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        set_cookie("a", value, https=False)


@pytest.mark.parametrize("purpose", ["", "Session", "a-b", "a b"])
def test_a_purpose_is_lower_case_letters(purpose: str) -> None:
    with pytest.raises(ValueError, match="lower-case"):
        cookie_name(purpose, ENTITY, https=False)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("a=1", "1"),
        ("b=2; a=1", "1"),
        ("a=1;b=2", "1"),
        ("a=x=y", "x=y"),
        ("a=", ""),
        (None, None),
        ("", None),
        ("b=2", None),
        ("a", None),
        ("aa=1", None),
        ("a=1; a=2", None),
        ("a=1; a=1", None),
        ("a=x y", None),
        ("a=" + "x" * 4001, None),
        ("a=1; b=" + "x" * 70_000, None),
    ],
)
def test_a_cookie_is_read_only_when_it_is_there_once_and_looks_like_ours(header: str | None, value: str | None) -> None:
    assert read_cookie(header, "a") == value


@settings(max_examples=80, deadline=None)
@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_what_was_set_is_read_again(value: str) -> None:
    try:
        header = set_cookie("a", value, https=False)
    except ValueError:
        return
    assert read_cookie(header.split("; ", 1)[0], "a") == value
