from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.config import WrongSetting, is_loopback, parse_duration, parse_public_url


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("8h", 28_800), ("7d", 604_800), ("1h30m", 5_400), ("1d2h3m4s", 93_784), ("0s", 0)],
)
def test_a_duration_is_numbers_with_units(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "8", "8 h", "h", "-5m", "+5m", "1.5h", "8H", "5m1h", "5m5m", "8h\n", "٣h", "1w", "99999d", "1e3s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        parse_duration(text)
    assert caught.value.code == "config.duration"


@settings(max_examples=100)
@given(st.integers(0, 36_499), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_is_the_sum_of_its_parts(days: int, hours: int, minutes: int, seconds: int) -> None:
    expected = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    assert parse_duration(f"{days}d{hours}h{minutes}m{seconds}s") == expected


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("https://idp.example.org", "https://idp.example.org"),
        ("HTTPS://IdP.Example.org/", "https://idp.example.org"),
        ("https://idp.example.org:443/saml/", "https://idp.example.org/saml"),
        ("https://idp.example.org:8443", "https://idp.example.org:8443"),
        ("https://[2001:DB8::1]:8443/x", "https://[2001:db8::1]:8443/x"),
        ("https://192.0.2.7/a%20b", "https://192.0.2.7/a%20b"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://127.9.8.7:5000/x", "http://127.9.8.7:5000/x"),
        ("http://[::1]:5000", "http://[::1]:5000"),
    ],
)
def test_a_public_url_has_one_spelling(text: str, spelt: str) -> None:
    assert parse_public_url(text) == spelt


@pytest.mark.parametrize(
    "text",
    [
        "",
        "idp.example.org",
        "//idp.example.org",
        "/path",
        "ftp://idp.example.org",
        "https:idp.example.org",
        "https://",
        "https:///x",
        "https://idp.example.org?x=1",
        "https://idp.example.org?",
        "https://idp.example.org#x",
        "https://idp.example.org#",
        "https://user@idp.example.org",
        "https://user:secret@idp.example.org",
        "https://@idp.example.org",
        "https://idp.example.org:0",
        "https://idp.example.org:",
        "https://idp.example.org:65536",
        "https://idp.example.org:x",
        "https://idp.example.org/a/../b",
        "https://idp.example.org/a/%2E%2e/b",
        "https://idp.example.org/./b",
        "https://idp.example.org//b",
        "https://idp.example.org/%zz",
        "https://idp.example.org/a b",
        "https://idp.example.org/a\\b",
        "https://idp.example.org\\@evil.example",
        "https://idp.example.org/\n",
        " https://idp.example.org",
        "https://idp..example.org",
        "https://-idp.example.org",
        "https://idp_1.example.org",
        "https://bücher.example",
        "https://127.1",
        "https://0x7f.0.0.1",
        "https://0x7f000001",
        "https://0177.0.0.1",
        "https://2130706433",
        "https://[::1%25eth0]",
        "https://[::x]",
        "https://[v1.x]",
    ],
)
def test_what_is_no_public_url_is_refused(text: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        parse_public_url(text)
    assert caught.value.code == "config.public_url"
    assert "secret" not in caught.value.found


@pytest.mark.parametrize(
    "text",
    [
        "http://idp.example.org",
        "http://localhost.example.org",
        "http://10.0.0.1",
        "http://128.0.0.1",
        "http://[::2]",
    ],
)
def test_plain_http_stays_on_this_machine_unless_allowed(text: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        parse_public_url(text)
    assert caught.value.code == "config.public_url_http"
    assert parse_public_url(text, allow_http_beyond_loopback=True) == text


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.255.255.255", True),
        ("::1", True),
        ("126.0.0.1", False),
        ("128.0.0.1", False),
        ("::2", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_loopback_is_known_by_its_names(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer
