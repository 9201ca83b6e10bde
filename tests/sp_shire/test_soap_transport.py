"""The back channel against real servers on loopback: what it sends, what it refuses, and that no server can hold it up."""

import gc
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ostiary.command.demo.authority import CertificateFiles, DemoAuthority
from ostiary.errors import Unavailable
from ostiary.saml.soap_transport import _read_answer, _usual_answer
from sp_shire.shar.transport import HttpSoapTransport
from tests.raw_soap import read_envelope

ENVELOPE = b"<envelope/>"
Behaviour = Callable[[socket.socket], None]


class Server:
    """One thread that serves one connection after the other: reads a request, then does what it is told. ``requests`` keeps them."""

    def __init__(self, behaviour: Behaviour, tls: ssl.SSLContext | None) -> None:
        self.requests: list[bytes] = []
        self._behaviour = behaviour
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/aa"
        self.connections = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with suppress(OSError), self._secured(connection) as connection:
                connection.settimeout(5)
                while (request := read_envelope(connection, ENVELOPE)) and not self._stopping.is_set():
                    self.requests.append(request)
                    self._behaviour(connection)

    def _secured(self, connection: socket.socket) -> socket.socket:
        return connection if self._tls is None else self._tls.wrap_socket(connection, server_side=True)


@contextmanager
def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(behaviour, tls)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def transport(seconds: float = 5, authorities: Path | None = None) -> Iterator[HttpSoapTransport]:
    made = HttpSoapTransport(timedelta(seconds=seconds), authorities)
    try:
        yield made
    finally:
        made.close()


def answering(content: bytes) -> Behaviour:
    return lambda connection: connection.sendall(content)


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def unreachable(behaviour: Behaviour, seconds: float = 5) -> Unavailable:
    with serving(behaviour) as server, transport(seconds) as made:
        with pytest.raises(Unavailable) as refused:
            made.post(server.url, ENVELOPE)
        assert refused.value.code == "shar.unreachable"
        return refused.value


def test_an_envelope_is_posted_as_soap_1_1_wants_it() -> None:
    with serving(answering(answer(b"<answer/>"))) as server, transport() as made:
        assert made.post(server.url, ENVELOPE) == b"<answer/>"
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == ENVELOPE
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /aa HTTP/1.1"
    assert "Content-Type: text/xml; charset=utf-8" in lines
    assert 'SOAPAction: "http://www.oasis-open.org/committees/security"' in lines
    assert "Accept-Encoding: identity" in lines


def test_a_connection_serves_several_queries() -> None:
    with serving(answering(answer(b"<answer/>"))) as server, transport() as made:
        assert [made.post(server.url, ENVELOPE) for _ in range(3)] == [b"<answer/>"] * 3
        assert (len(server.requests), server.connections) == (3, 1)


@pytest.mark.parametrize(
    "content",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\n<answer/>",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n<ans\r\n5\r\nwer/>\r\n0\r\n\r\n",
    ],
    ids=["connection close", "chunked"],
)
def test_answers_of_other_forms_are_read_too(content: bytes) -> None:
    with serving(answering(content)) as server, transport() as made:
        assert made.post(server.url, ENVELOPE) == b"<answer/>"
        assert made.post(server.url, ENVELOPE) == b"<answer/>"


def test_an_answer_that_ends_with_its_connection_is_read() -> None:
    def close_after(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n<answer/>")
        connection.shutdown(socket.SHUT_RDWR)

    with serving(close_after) as server, transport() as made:
        assert made.post(server.url, ENVELOPE) == b"<answer/>"


OK = b"HTTP/1.1 200 OK\r\n"


def read_at_length(content: bytes) -> tuple[int, bytes | None, bool]:
    """What http.client makes of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(content)
        theirs.shutdown(socket.SHUT_WR)
        ours.settimeout(5)
        return _read_answer(ours, b"", time.monotonic() + 5)


@pytest.mark.parametrize(
    "content",
    [
        answer(b"<answer/>"),
        answer(b""),
        answer(b"<fault/>", "500 Internal Server Error", "Server: x", "Set-Cookie: a=b", "X-Empty:"),
        OK + b"CONTENT-length:\t9 \r\nX: Content-Length: 3\r\n\r\n<answer/>",
        answer(b"a\r\n\r\nb"),
    ],
)
def test_an_answer_in_one_piece_is_read_as_http_client_reads_it(content: bytes) -> None:
    assert _usual_answer(content) == read_at_length(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        answer(b"<answer/>")[:-1],
        answer(b"<answer/>") + b"!",
        answer(b"x" * 262_145),
        answer(b"<answer/>", "200"),
        answer(b"<answer/>", "202 Accepted"),
        answer(b"<answer/>").replace(b"1.1", b"1.0"),
        answer(b"<answer/>", "200 OK", "Connection: close"),
        answer(b"<answer/>", "200 OK", "Transfer-Encoding: chunked"),
        answer(b"<answer/>", "200 OK", "transfer-encoding : chunked"),
        answer(b"<answer/>", "200 OK", "Content-Length: 9"),
        answer(b"<answer/>", "200 OK", "Content-Length: 3"),
        answer(b"<answer/>", "200 OK", "X: a\nTransfer-Encoding: chunked"),
        answer(b"<answer/>", "200 OK", "X: a\rTransfer-Encoding: chunked"),
        answer(b"<answer/>", "200 OK", "X: a\x85Transfer-Encoding: chunked"),
        answer(b"<answer/>", "200 OK", "X: a", " folded: b"),
        answer(b"<answer/>", "200 OK", "no header"),
        OK + b"Content-Length: +9\r\n\r\n<answer/>",
        OK + b"Content-Length: 9, 9\r\n\r\n<answer/>",
        OK + b"Content-Length:\r\n\r\n",
        OK + b"\r\n<answer/>",
        OK + b"Content-Length: 9\n\n<answer/>",
    ],
)
def test_any_other_answer_is_left_to_http_client(content: bytes) -> None:
    assert _usual_answer(content) is None


def test_an_answer_in_pieces_is_read_to_its_end() -> None:
    def in_pieces(connection: socket.socket) -> None:
        for octet in answer(b"<answer/>"):
            connection.sendall(bytes((octet,)))
            time.sleep(0.001)

    with serving(in_pieces) as server, transport() as made:
        assert [made.post(server.url, ENVELOPE) for _ in range(2)] == [b"<answer/>"] * 2
        assert server.connections == 1


def test_a_soap_fault_comes_with_500_and_is_handed_on() -> None:
    with serving(answering(answer(b"<fault/>", "500 Internal Server Error"))) as server, transport() as made:
        assert made.post(server.url, ENVELOPE) == b"<fault/>"


@pytest.mark.parametrize(
    "status",
    ["201 Created", "204 No Content", "400 Bad Request", "401 Unauthorized", "404 Not Found", "503 Unavailable"],
)
def test_any_other_status_is_no_answer(status: str) -> None:
    assert unreachable(answering(answer(b"", status))).found.startswith(f"HTTP {status[:3]} from http://127.0.0.1:")


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_not_followed(status: str) -> None:
    with serving(answering(answer(b"<elsewhere/>"))) as elsewhere:
        refused = unreachable(answering(answer(b"", status, f"Location: {elsewhere.url}")))
        assert elsewhere.requests == []
    assert refused.found.startswith(f"HTTP {status[:3]}")


def test_compressed_content_is_not_unpacked() -> None:
    with serving(answering(answer(b"\x1f\x8b\x08", "200 OK", "Content-Encoding: gzip"))) as server, transport() as made:
        assert made.post(server.url, ENVELOPE) == b"\x1f\x8b\x08"


def test_a_quarter_of_a_megabyte_is_read_and_a_byte_more_is_refused() -> None:
    with serving(answering(answer(b"x" * 262_144))) as server, transport() as made:
        assert len(made.post(server.url, ENVELOPE)) == 262_144
    assert unreachable(answering(answer(b"x" * 262_145))).expected == "at most 262144 bytes"


def test_an_answer_without_end_is_refused_before_it_ends() -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")

    assert unreachable(endless).found == "more"


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["nothing", "status line", "header", "body", "chunk", "body to the end"],
)
def test_a_server_that_drips_is_left_when_the_time_is_over(beginning: bytes) -> None:
    """An octet every 50 ms would keep a timeout for each read alone waiting for ever."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(beginning)
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.05)

    started = time.monotonic()
    unreachable(drip, seconds=0.3)
    assert 0.25 < time.monotonic() - started < 3


def test_each_query_has_a_time_of_its_own_on_a_kept_connection() -> None:
    def slowly(connection: socket.socket) -> None:
        time.sleep(0.25)
        connection.sendall(answer(b"<answer/>"))

    with serving(slowly) as server, transport(seconds=0.6) as made:
        assert [made.post(server.url, ENVELOPE) for _ in range(3)] == [b"<answer/>"] * 3
        assert server.connections == 1


def test_a_server_that_says_nothing_is_left_when_the_time_is_over() -> None:
    started = time.monotonic()
    unreachable(lambda _connection: time.sleep(0.6), seconds=0.3)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "content",
    [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 xxx\r\n\r\n", b"\x00" * 100],
    ids=["closed", "ssh", "status", "zeros"],
)
def test_what_is_not_http_is_no_answer(content: bytes) -> None:
    def close_after(connection: socket.socket) -> None:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_RDWR)

    unreachable(close_after)


def test_a_body_that_is_cut_is_no_answer() -> None:
    def cut(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<answer/>")
        connection.shutdown(socket.SHUT_RDWR)

    unreachable(cut)


def test_where_nobody_listens_there_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with transport() as made, pytest.raises(Unavailable):
        made.post(f"http://127.0.0.1:{port}/aa", ENVELOPE)


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1/aa",
        "http://aa.example/aa",
        "http://localhost.example/aa",
        "http://127.0.0.1.example/aa",
        "http://127.0.0.1@192.0.2.1/aa",
        "ftp://192.0.2.1/aa",
        "file:///etc/passwd",
        "//192.0.2.1/aa",
        "",
    ],
)
def test_plain_http_stays_on_this_machine(url: str) -> None:
    """Refused by the address: no connection is tried."""
    started = time.monotonic()
    with transport() as made, pytest.raises(Unavailable) as refused:
        made.post(url, ENVELOPE)
    assert (refused.value.expected, refused.value.found) == ("an https address", url)
    assert time.monotonic() - started < 1


def test_https_is_not_spoken_to_a_server_without_it() -> None:
    with serving(answering(answer(b"<answer/>"))) as server, transport(seconds=0.4) as made:
        with pytest.raises(Unavailable):
            made.post(server.url.replace("http:", "https:"), ENVELOPE)
        assert server.requests == []


def test_a_connection_that_the_server_closed_since_is_not_used_again() -> None:
    """Without a word in its answer, as a server does when it has waited long enough."""

    def close_after(connection: socket.socket) -> None:
        connection.sendall(answer(b"<answer/>"))
        connection.shutdown(socket.SHUT_RDWR)

    with serving(close_after) as server, transport() as made:
        for _ in range(3):
            assert made.post(server.url, ENVELOPE) == b"<answer/>"
            time.sleep(0.05)
        assert (len(server.requests), server.connections) == (3, 3)


def test_a_message_that_may_have_arrived_is_not_sent_again() -> None:
    answers = iter([answer(b"<answer/>"), b""])

    def answer_once(connection: socket.socket) -> None:
        content = next(answers)
        connection.sendall(content) if content else connection.shutdown(socket.SHUT_RDWR)

    with serving(answer_once) as server, transport() as made:
        assert made.post(server.url, ENVELOPE) == b"<answer/>"
        with pytest.raises(Unavailable):
            made.post(server.url, ENVELOPE)
        assert (len(server.requests), server.connections) == (2, 1)


def test_after_a_refused_answer_nothing_of_it_is_taken_for_the_next() -> None:
    answers = iter([answer(b"x" * 262_145), answer(b"<answer/>")])
    with serving(lambda connection: connection.sendall(next(answers))) as server, transport() as made:
        with pytest.raises(Unavailable):
            made.post(server.url, ENVELOPE)
        assert made.post(server.url, ENVELOPE) == b"<answer/>"
        assert server.connections == 2


def test_queries_at_the_same_time_have_connections_of_their_own() -> None:
    with serving(answering(answer(b"<first/>"))) as first, serving(answering(answer(b"<second/>"))) as second:
        with transport() as made:
            assert [made.post(url, ENVELOPE) for url in (first.url, second.url, first.url)] == [
                b"<first/>",
                b"<second/>",
                b"<first/>",
            ]
        assert (first.connections, second.connections) == (1, 1)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/aa?a=b&c=d", "POST /aa?a=b&c=d HTTP/1.1"),
        ("/a b", "POST /a%20b HTTP/1.1"),
        ("/ä", "POST /%C3%A4 HTTP/1.1"),
        ("/aa HTTP/1.1\r\nEvil: yes", "POST /aa%20HTTP/1.1%0D%0AEvil:%20yes HTTP/1.1"),
        ("/aa#part", "POST /aa HTTP/1.1"),
        ("", "POST / HTTP/1.1"),
    ],
)
def test_nothing_in_an_address_ends_the_line_of_the_request(path: str, line: str) -> None:
    with serving(answering(answer(b"<answer/>"))) as server, transport() as made:
        url = server.url.removesuffix("/aa")
        made.post(url + path, ENVELOPE)
        assert server.requests[0].decode().split("\r\n")[:2] == [line, f"Host: {url.removeprefix('http://')}"]


@pytest.mark.parametrize("url", ["https://[", "https://a.example:99999/aa", "https://a b.example/aa", "https:///aa"])
def test_what_is_no_address_is_unreachable(url: str) -> None:
    with transport() as made, pytest.raises(Unavailable):
        made.post(url, ENVELOPE)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> DemoAuthority:
    made = DemoAuthority(tmp_path_factory.mktemp("authority"))
    made.prepare(now=datetime.now(UTC))
    return made


@pytest.fixture
def secured(authority: DemoAuthority, tmp_path: Path) -> ssl.SSLContext:
    files = CertificateFiles(tmp_path / "server.crt", tmp_path / "server.key")
    authority.issue(files, "127.0.0.1", now=datetime.now(UTC), hosts=("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    return context


def test_over_tls_a_connection_serves_several_queries(authority: DemoAuthority, secured: ssl.SSLContext) -> None:
    with (
        serving(answering(answer(b"<answer/>")), secured) as server,
        transport(authorities=authority.certificate) as made,
    ):
        url = server.url.replace("http:", "https:")
        assert [made.post(url, ENVELOPE) for _ in range(3)] == [b"<answer/>"] * 3
        assert server.connections == 1


def test_a_server_whose_certificate_is_not_good_gets_no_message(
    authority: DemoAuthority, secured: ssl.SSLContext
) -> None:
    for host, authorities in (("127.0.0.1", None), ("localhost", authority.certificate)):
        with serving(answering(answer(b"<answer/>")), secured) as server, transport(authorities=authorities) as made:
            with pytest.raises(Unavailable, match=r"(?i)certificate|doesn't match"):
                made.post(server.url.replace("http:", "https:").replace("127.0.0.1", host), ENVELOPE)
            assert server.requests == []


def test_a_transport_that_is_dropped_closes_its_connections() -> None:
    """Otherwise the interpreter would warn of an open socket, which fails the test."""
    with serving(answering(answer(b"<answer/>"))) as server:
        made = HttpSoapTransport(timedelta(seconds=5))
        made.post(server.url, ENVELOPE)
        del made
        gc.collect()
