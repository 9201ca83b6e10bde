"""What of a request goes on to the application behind the proxy, and what of its answer to the browser."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.errors import BadGateway, HeadersTooLarge, OstiaryError, Refusal, WrongMethod
from ostiary.web.cookies import cookie_name
from sp_shire.header_names import folded_name
from sp_shire.proxy.passing_on import (
    Outside,
    Pairs,
    length_of,
    method_of,
    request_headers,
    response_headers,
    target_of,
)

OUTSIDE = Outside("https", "members.example.org", "192.0.2.7")
SET_BY_US = [
    (b"x-forwarded-for", b"192.0.2.7"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-host", b"members.example.org"),
    (b"via", b"1.1 ostiary"),
]


def ours(name: str) -> bool:
    return folded_name(name) in ("AFFILIATION", "OSTIARY_JWT")


def passed(*headers: tuple[bytes, bytes]) -> Pairs:
    """What goes on besides what the proxy itself says."""
    found = request_headers(list(headers), OUTSIDE, ours, "members.example.org")
    assert found[0] == (b"host", b"members.example.org")
    assert found[-4:] == SET_BY_US
    return found[1:-4]


def test_ordinary_headers_go_on_as_they_are() -> None:
    kept = [(b"accept", b"text/html"), (b"authorization", b"Basic eA=="), (b"accept", b"*/*"), (b"x-kind", b"caf\xe9")]
    assert passed(*kept) == kept


@pytest.mark.parametrize(
    "name",
    [
        *(b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"te", b"trailer", b"upgrade"),
        *(b"transfer-encoding", b"content-length", b"expect", b"host", b"http2-settings"),
        *(b"x-forwarded-for", b"x_forwarded_for", b"x-forwarded-port", b"x.forwarded.host", b"forwarded", b"x-real-ip"),
        *(b"x-original-url", b"x-rewrite-url", b"x_original_url", b"x-http-method-override", b"client-ip"),
        # Gunicorn takes these for parts of the path, of whoever is on its machine; CGI programs take Proxy for theirs (CVE-2016-5385).
        *(b"script_name", b"path_info", b"x-script-name", b"proxy", b"x-cluster-client-ip", b"x-original-host"),
        # Other spellings of what frames a message, or says who asks.
        *(b"transfer_encoding", b"content_length", b"content.length", b"x_kind"),
        *(b"x-sendfile-type", b"x-accel-mapping"),
    ],
)
def test_what_a_client_must_not_say_to_the_application_does_not_go_on(name: bytes) -> None:
    assert passed((name, b"198.51.100.1")) == []


def test_headers_named_by_connection_do_not_go_on_but_ours_do() -> None:
    headers = [
        (b"connection", b"close, X-Private , Affiliation, ostiary-jwt"),
        (b"x-private", b"1"),
        (b"affiliation", b"member"),
        (b"ostiary-jwt", b"a.b.c"),
    ]
    assert passed(*headers) == [(b"affiliation", b"member"), (b"ostiary-jwt", b"a.b.c")]


def test_a_client_adds_itself_to_via_and_the_proxy_after_it() -> None:
    found = request_headers([(b"via", b"1.0 cache")], OUTSIDE, ours, "a")
    assert found[-1] == (b"via", b"1.0 cache, 1.1 ostiary")


@pytest.mark.parametrize("https", [True, False])
@pytest.mark.parametrize("path", ["/", "/club"])
def test_no_cookie_of_ours_goes_on_or_comes_back(https: bool, path: str) -> None:
    for purpose in ("session", "browser"):
        plain = cookie_name(purpose, "https://members.example.org/shar", https=https, path=path).encode()
        for name in (plain, plain + b"-c7392181"):
            _check_cookie(name)
    kept = [(b"set-cookie", b"sessionid=x; Path=/"), (b"set-cookie", b"ost-session=x")]
    assert response_headers(kept) == kept


def _check_cookie(name: bytes) -> None:
    assert passed((b"cookie", b"a=b; " + name + b"=secret; c=d=e")) == [(b"cookie", b"a=b; c=d=e")]
    assert passed((b"cookie", name + b"=secret")) == []
    assert response_headers([(b"set-cookie", name + b"=planted; Path=/")]) == []
    assert response_headers([(b"set-cookie", b" " + name + b" =planted")]) == []
    # A browser sends back what has no name as it stands.
    assert response_headers([(b"set-cookie", b"=" + name + b"=planted")]) == []
    assert response_headers([(b"set-cookie", name)]) == []


def test_of_an_answer_everything_but_the_connection_goes_on() -> None:
    headers = [
        (b"content-type", b"text/html"),
        (b"connection", b"close, x-hop, content-length, set-cookie"),
        (b"x-hop", b"1"),
        (b"keep-alive", b"timeout=5"),
        (b"location", b"http://127.0.0.1:9000/elsewhere"),
        (b"set-cookie", b"a=b"),
        (b"content-length", b"5"),
    ]
    assert response_headers(headers) == [
        (b"content-type", b"text/html"),
        (b"location", b"http://127.0.0.1:9000/elsewhere"),
        (b"set-cookie", b"a=b"),
        (b"content-length", b"5"),
    ]


def test_an_answer_with_two_lengths_is_refused() -> None:
    with pytest.raises(BadGateway) as refused:
        response_headers([(b"content-length", b"5"), (b"transfer-encoding", b"chunked")])
    assert refused.value.code == "proxy.bad_answer"


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-length", b"5"), (b"content-length", b"6")],
        [(b"content-length", b"5"), (b"content-length", b"5")],
        [(b"content-length", b"5"), (b"transfer-encoding", b"chunked")],
        [(b"content-length", b"5, 5")],
        [(b"content-length", b"+5")],
        [(b"content-length", b"-5")],
        [(b"content-length", b"0x5")],
        [(b"content-length", b" 5")],
        [(b"content-length", b"")],
        [(b"content-length", b"9" * 19)],
    ],
)
def test_a_request_that_ends_in_more_than_one_place_is_refused(headers: Pairs) -> None:
    with pytest.raises(Refusal) as refused:
        length_of(headers)
    assert refused.value.code == "proxy.request"


def test_the_length_of_an_ordinary_request_is_read() -> None:
    assert length_of([(b"content-length", b"52428800")]) == 52428800
    assert length_of([(b"transfer-encoding", b"chunked")]) is None
    assert length_of([]) is None


def test_more_headers_than_are_accepted_are_refused() -> None:
    for headers in ([(b"x", b"y")] * 201, [(b"x", b"y" * 65_536)]):
        with pytest.raises(HeadersTooLarge) as refused:
            passed(*headers)
        assert (refused.value.code, refused.value.status) == ("proxy.headers", 431)


def test_the_target_is_what_was_decided_about() -> None:
    assert target_of("/a b/é", b"/a%20b/%C3%A9", b"q=%2F..&r") == b"/a%20b/%C3%A9?q=%2F..&r"
    assert target_of("/a b/é", b"/a%20b/%c3%a9?ignored", b"") == b"/a%20b/%c3%a9"
    assert target_of("/a b/é", None, b"") == b"/a%20b/%C3%A9"


@pytest.mark.parametrize(
    ("path", "raw", "query"),
    [
        ("/a/b", b"/a%2Fb", b""),
        ("/a\\b", b"/a%5cb", b""),
        ("/open", b"/members", b""),
        ("/a", b"/a#b", b""),
        ("/a", b"/a\r\nX: y", b""),
        ("/a", b"/a", b"x HTTP/1.1\r\nX: y"),
        ("/a", b"/a", b"\xc3\xa9"),
        ("*", b"*", b""),
        ("a", b"a", b""),
    ],
)
def test_a_target_that_may_be_read_in_another_way_is_refused(path: str, raw: bytes, query: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        target_of(path, raw, query)
    assert refused.value.code == "http.path"


def test_methods_that_speak_to_proxies_do_not_go_on() -> None:
    assert [method_of(name) for name in ("GET", "PATCH", "PROPFIND", "get")] == [b"GET", b"PATCH", b"PROPFIND", b"get"]
    for name in ("CONNECT", "TRACE", "trace"):
        with pytest.raises(WrongMethod):
            method_of(name)
    for name in ("", "G T", "GET\r\n", "ß"):
        with pytest.raises(Refusal):
            method_of(name)


_OCTETS = st.binary(max_size=20)


@given(st.lists(st.tuples(_OCTETS.map(bytes.lower), _OCTETS), max_size=8))
@settings(max_examples=50)
def test_whatever_a_client_sends_never_speaks_for_the_proxy(headers: list[tuple[bytes, bytes]]) -> None:
    try:
        found = request_headers(headers, OUTSIDE, ours, "members.example.org")
    except OstiaryError:
        return
    assert [value for name, value in found if name == b"host"] == [b"members.example.org"]
    assert [value for name, value in found if folded_name(name.decode("latin-1")) == "X_FORWARDED_FOR"] == [
        b"192.0.2.7"
    ]
