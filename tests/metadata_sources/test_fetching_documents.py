"""Fetching: conditional, bounded in size and time, never led away from https; against servers that misbehave on purpose."""

import gzip
import io
import socket
import ssl
import time
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ostiary.command.demo.authority import CertificateFiles, DemoAuthority
from ostiary.errors import Refusal
from ostiary.federation.sources.fetching import Fetched, FetchLimits, NotModified, fetch
from tests.metadata_sources.servers_that_misbehave import reply, serving, serving_connections

LIMITS = FetchLimits(max_bytes=200_000, within=timedelta(seconds=5))
SHORT = FetchLimits(max_bytes=200_000, within=timedelta(seconds=0.3))


def refused(url: str, limits: FetchLimits = LIMITS, **options: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        fetch(url, limits=limits, **options)  # type: ignore[arg-type]
    return caught.value


def test_a_document_comes_with_what_the_server_says_of_it() -> None:
    with serving(reply(body=b"<x/>", ETag='"1"', Last_Modified="Sun, 22 Nov 2026 10:00:00 GMT")) as server:
        found = fetch(server.url, limits=LIMITS)
    assert found == Fetched(b"<x/>", 4, '"1"', "Sun, 22 Nov 2026 10:00:00 GMT", "", server.url)
    assert server.asked[0].startswith("GET /metadata HTTP/1.1\r\nHost: 127.0.0.1:")
    assert "If-None-Match" not in server.asked[0]


def test_an_unchanged_document_costs_one_conditional_request() -> None:
    with serving(reply("304 Not Modified", ETag='"1"')) as server:
        found = fetch(server.url, limits=LIMITS, etag='"1"', last_modified="Sun, 22 Nov 2026 10:00:00 GMT")
    assert found == NotModified('"1"', None)
    (asked,) = server.asked
    assert 'If-None-Match: "1"\r\n' in asked
    assert "If-Modified-Since: Sun, 22 Nov 2026 10:00:00 GMT\r\n" in asked


def test_not_modified_is_no_answer_to_a_question_that_did_not_ask_for_it() -> None:
    with serving(reply("304 Not Modified")) as server:
        assert refused(server.url).code == "fetch.status"


def test_a_changed_etag_brings_the_new_document() -> None:
    with serving(reply(body=b"<y/>", ETag='"2"')) as server:
        found = fetch(server.url, limits=LIMITS, etag='"1"')
    assert isinstance(found, Fetched)
    assert (found.content, found.etag) == (b"<y/>", '"2"')


@pytest.mark.parametrize(
    ("status", "code"),
    [("500 Oops", "fetch.status"), ("404 Not Found", "fetch.missing"), ("410 Gone", "fetch.missing")],
)
def test_an_error_is_no_document(status: str, code: str) -> None:
    with serving(reply(status, b"<x/>")) as server:
        problem = refused(server.url)
        assert (problem.code, problem.found) == (code, f"HTTP {status[:3]}")
        server.answer = reply(body=b"<x/>")
        assert isinstance(fetch(server.url, limits=LIMITS), Fetched)


def test_a_server_that_drips_is_given_up_when_the_time_is_over() -> None:
    def drip(connection: socket.socket, _request: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.05)

    with serving(drip) as server:
        before = time.monotonic()
        assert refused(server.url, SHORT).code == "fetch.too_slow"
        assert time.monotonic() - before < 2


def test_a_server_that_says_nothing_is_given_up() -> None:
    with serving(lambda connection, _request: time.sleep(0.6)) as server:
        assert refused(server.url, SHORT).code == "fetch.too_slow"


def test_an_endless_document_is_cut_off() -> None:
    def endless(connection: socket.socket, _request: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65_536)

    with serving(endless) as server:
        assert refused(server.url).code == "fetch.too_large"


def test_a_document_that_says_that_it_is_too_large_is_not_read() -> None:
    with serving(reply(body=b"<x/>", length=200_001)) as server:
        problem = refused(server.url)
    assert (problem.code, problem.found) == ("fetch.too_large", "200001 bytes")


def test_a_compressed_document_is_inflated() -> None:
    document = b"<x>" + b"metadata " * 20_000 + b"</x>"
    with serving(reply(body=gzip.compress(document), Content_Encoding="gzip")) as server:
        found = fetch(server.url, limits=LIMITS)
    assert isinstance(found, Fetched)
    assert found.content == document
    assert "Accept-Encoding: gzip" in server.asked[0]


def test_a_gzip_bomb_goes_off_in_small_pieces() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 60_000
    into = io.BytesIO()
    with serving(reply(body=bomb, Content_Encoding="gzip")) as server:
        assert refused(server.url, into=into).code == "fetch.too_large"
    assert len(into.getvalue()) <= 200_000


@pytest.mark.parametrize(
    ("encoding", "body", "code"),
    [
        ("gzip", gzip.compress(b"<x/>" * 1_000)[:-12], "fetch.incomplete"),
        ("gzip", b"no gzip", "fetch.encoding"),
        ("deflate", zlib.compress(b"<x/>"), "fetch.encoding"),
        ("br", b"<x/>", "fetch.encoding"),
    ],
    ids=["cut", "no gzip", "deflate", "br"],
)
def test_a_broken_or_unknown_encoding_is_refused(encoding: str, body: bytes, code: str) -> None:
    with serving(reply(body=body, Content_Encoding=encoding)) as server:
        assert refused(server.url).code == code


def test_a_document_that_ends_too_early_is_refused() -> None:
    with serving(reply(body=b"<x/>", length=10)) as server:
        assert refused(server.url).code == "fetch.incomplete"


def test_a_redirect_is_followed_three_times() -> None:
    def onwards(connection: socket.socket, request: str) -> None:
        step = request.split()[1]
        answers = {"/metadata": "/a", "/a": "/b", "/b": "/c"}
        if step in answers:
            reply("302 Found", Location=answers[step])(connection, request)
        else:
            reply(body=b"<x/>")(connection, request)

    with serving(onwards) as server:
        found = fetch(server.url, limits=LIMITS)
        assert isinstance(found, Fetched)
        assert found.url.endswith("/c")
        assert refused(server.url, FetchLimits(1_000, redirects=2)).code == "fetch.redirect"


def test_a_redirect_that_leads_to_itself_ends() -> None:
    with serving(reply("302 Found", Location="/metadata")) as server:
        assert refused(server.url).code == "fetch.redirect"
    assert len(server.asked) == 4


@pytest.mark.parametrize("location", ["http://federation.example/x", "ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_a_redirect_to_plain_http_elsewhere_is_not_followed(location: str) -> None:
    with serving(reply("302 Found", Location=location)) as server:
        assert refused(server.url).code == "fetch.address"


def test_a_redirect_never_leads_from_https_to_http(tmp_path: Path) -> None:
    authority = DemoAuthority(tmp_path)
    authority.prepare(now=datetime.now(UTC))
    file, files = authority.certificate, CertificateFiles(tmp_path / "server.crt", tmp_path / "server.key")
    authority.issue(files, "localhost", now=datetime.now(UTC), hosts=("localhost",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)

    def over_tls(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            request = secured.recv(65_536).decode()
            onwards = {"/down": "http://localhost:1/x"}.get(request.split()[1])
            answer = reply("302 Found", Location=onwards) if onwards else reply(body=b"<x/>")
            answer(secured, request)

    with serving_connections(over_tls) as port:
        found = fetch(f"https://localhost:{port}/", limits=LIMITS, authorities=file)
        assert isinstance(found, Fetched)
        down = refused(f"https://localhost:{port}/down", authorities=file)
        assert (down.code, down.found) == ("fetch.redirect", "http://localhost:1/x")
        # The certificate names localhost alone, and no other authority vouches for it.
        assert refused(f"https://127.0.0.1:{port}/", authorities=file).code == "fetch.unreachable"
        assert refused(f"https://localhost:{port}/").code == "fetch.unreachable"


@pytest.mark.parametrize(
    "url",
    [
        "http://federation.example/metadata",
        "ftp://127.0.0.1/metadata",
        "https://user:secret@federation.example/metadata",
        "https:///metadata",
        "https://federation.example/a b",
        "https://federation.example/\r\nX-Injected: 1",
        "https://federation.example\\@127.0.0.1/",
        "not a URL",
        "",
    ],
)
def test_nothing_is_asked_of_an_address_that_is_not_safe(url: str) -> None:
    assert refused(url).code == "fetch.address"


def test_an_error_does_not_tell_the_password_of_an_address() -> None:
    assert "secret" not in refused("https://user:secret@federation.example/x").found


def test_a_server_that_is_not_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert refused(f"http://127.0.0.1:{port}/x").code == "fetch.unreachable"


def test_an_answer_that_is_no_http_is_unreachable() -> None:
    with serving(lambda connection, _request: connection.sendall(b"220 mail.example ESMTP\r\n")) as server:
        assert refused(server.url).code == "fetch.unreachable"


def test_whoever_asks_may_refuse_an_address_before_it_is_connected_to() -> None:
    seen: list[str] = []

    def permits(address: str) -> bool:
        seen.append(address)
        return False

    with serving(reply(body=b"<x/>")) as server:
        assert refused(server.url, permits=permits).code == "fetch.address"
    assert seen == ["127.0.0.1"]
    # Not even a TLS greeting: there may be anything.
    assert server.asked == []


def test_a_large_document_goes_to_a_file_as_it_comes(tmp_path: Path) -> None:
    with serving(reply(body=b"x" * 150_000)) as server, (tmp_path / "copy").open("wb") as file:
        found = fetch(server.url, limits=LIMITS, into=file)
    assert isinstance(found, Fetched)
    assert (found.content, found.size) == (b"", 150_000)
    assert (tmp_path / "copy").stat().st_size == 150_000


@pytest.mark.parametrize("etag", ['"' + "x" * 2_000 + '"', '"\u00e9"'])
def test_a_validator_that_no_request_could_carry_is_forgotten(etag: str) -> None:
    with serving(reply(body=b"<x/>", ETag=etag)) as server:
        found = fetch(server.url, limits=LIMITS)
    assert isinstance(found, Fetched)
    assert found.etag is None


def test_an_ipv6_address_on_loopback_is_asked_as_written() -> None:
    """Nothing listens there: what counts is that it is asked, not refused."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert refused(f"http://[::1]:{port}/ipv6").code == "fetch.unreachable"
