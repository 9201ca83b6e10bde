"""TLS with client certificates over loopback: whom it lets in, what it answers, and that nobody slow or silent keeps others out."""

import contextlib
import io
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ostiary.clock import SystemClock
from ostiary.config import ListenSettings
from ostiary.errors import ConfigurationError, Unavailable
from ostiary.web.listener import PEER_CHAIN, ListenerLimits, TlsListener, make_context
from ostiary.web.log import make_log
from ostiary.web.texts import Catalogue
from tests.web.client_certificates import (
    Identity,
    client_context,
    der,
    make_identity,
    make_proxy,
    read_to_end,
    talk,
)
from tests.web.running_listener import HONEST, Answer, Running, running_listener

QUICK = replace(HONEST, handshake_seconds=0.4, request_seconds=0.4, answer_seconds=0.4)
GET = b"GET /generate-ac?fqans=/vo/g/Role=r,/vo HTTP/1.1\r\nHost: localhost\r\n\r\n"


class World:
    """A CA, its service and its people."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ca = make_identity("CA", ca=True)
        self.other_ca = make_identity("Other CA", ca=True)
        self.server = make_identity("localhost", self.ca).write(directory, "server")
        self.alice = make_identity("Alice", self.ca)
        # OpenSSL's client completes a chain of one from the authorities that it trusts.
        self.alice_chain = (der(self.alice.certificate), der(self.ca.certificate))
        self.proxy = make_proxy(self.alice, 1001)
        self.proxy_of_proxy = make_proxy(self.proxy, 1002)

    def context(self, *, required: bool = True) -> ssl.SSLContext:
        return make_context(*self.server, [der(self.ca.certificate)], require_client_certificate=required)

    def client(self, who: Identity | None, **options: Any) -> ssl.SSLContext:
        own = None
        if who is not None:
            own = who.write(self.directory, f"{who.certificate.serial_number:x}-{len(who.chain)}")
        return client_context(self.ca, own, **options)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def texts() -> Catalogue:
    return Catalogue.load()


Start = Callable[..., Running]


@pytest.fixture
def start(world: World, texts: Catalogue) -> Iterator[Start]:
    with contextlib.ExitStack() as stack:

        def begin(
            answer: Answer = lambda _: ("200 OK", [("X-Test", "yes")], b"hello"),
            *,
            context: Callable[[], ssl.SSLContext] = world.context,
            limits: ListenerLimits = HONEST,
            legacy: Callable[[bytes, tuple[bytes, ...]], bytes] | None = None,
        ) -> Running:
            return stack.enter_context(
                running_listener(answer, context, service="voms", limits=limits, legacy=legacy, texts=texts)
            )

        yield begin


def status_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n")[0]


# Whom it lets in


@pytest.mark.parametrize("tls12", [False, True], ids=["TLS 1.3", "TLS 1.2"])
def test_a_request_with_a_certificate_is_answered_over_both_versions(world: World, start: Start, tls12: bool) -> None:
    running = start()
    answer = talk(running.port, world.client(world.alice, tls12=tls12), [GET])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"HTTP/1.1 200 OK"
    assert {b"X-Test: yes", b"Content-Length: 5", b"Connection: close"} <= set(head.split(b"\r\n"))
    assert body == b"hello"
    assert running.seen[0][PEER_CHAIN] == world.alice_chain
    assert running.seen[0]["wsgi.url_scheme"] == "https"
    assert running.seen[0]["PATH_INFO"] == "/generate-ac"
    assert running.seen[0]["QUERY_STRING"] == "fqans=/vo/g/Role=r,/vo"


@pytest.mark.parametrize("tls12", [False, True], ids=["TLS 1.3", "TLS 1.2"])
def test_a_proxy_of_a_proxy_arrives_with_its_whole_chain_in_order(world: World, start: Start, tls12: bool) -> None:
    running = start()
    answer = talk(running.port, world.client(world.proxy_of_proxy, tls12=tls12), [GET])
    assert status_of(answer) == b"HTTP/1.1 200 OK"
    assert running.seen[0][PEER_CHAIN] == tuple(
        der(found.certificate) for found in (world.proxy_of_proxy, world.proxy, world.alice)
    )


def test_the_log_has_one_line_for_a_request_with_the_subject_and_without_the_query(world: World, start: Start) -> None:
    running = start()
    talk(running.port, world.client(world.proxy), [GET])
    (line,) = running.events("request")
    assert line["subject"] == "CN=1001,CN=Alice,O=Test"
    assert (line["method"], line["path"], line["status"], line["bytes"]) == ("GET", "/generate-ac", 200, 5)
    assert "fqans" not in json.dumps(line)
    assert running.events("connection_refused", 0) == []


def test_a_tls_session_is_never_resumed(world: World, start: Start) -> None:
    served = world.context()
    running = start(context=lambda: served)
    context = world.client(world.alice, tls12=True)
    session = None
    for _ in range(2):
        raw = socket.create_connection(("127.0.0.1", running.port), timeout=5)
        with context.wrap_socket(raw, session=session) as tls:
            assert tls.session_reused is False
            tls.sendall(GET)
            assert status_of(read_to_end(tls)) == b"HTTP/1.1 200 OK"
            session = tls.session
            assert session is not None
            assert not session.has_ticket


def test_without_a_client_certificate_the_handshake_fails_with_an_alert(world: World, start: Start) -> None:
    running = start()
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate.required"):
        talk(running.port, world.client(None), [GET])
    assert running.refusal() == "listener.no_certificate"
    assert running.seen == []


@pytest.mark.parametrize("tls12", [False, True], ids=["TLS 1.3", "TLS 1.2"])
def test_a_certificate_of_an_untrusted_ca_is_refused_with_an_alert(world: World, start: Start, tls12: bool) -> None:
    running = start()
    with pytest.raises(ssl.SSLError, match=r"(?i)unknown.ca"):
        talk(running.port, world.client(make_identity("Mallory", world.other_ca), tls12=tls12), [GET])
    assert running.refusal() == "listener.certificate_refused"
    assert running.events("connection_refused")[0]["found"] == "unable to get local issuer certificate"
    assert running.seen == []


def test_an_expired_certificate_is_refused_with_an_alert_and_the_log_says_that_it_has_expired(
    world: World, start: Start
) -> None:
    running = start()
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate.expired"):
        talk(running.port, world.client(make_identity("Late", world.ca, days=(-3, -1))), [GET])
    assert running.events("connection_refused")[0]["found"] == "certificate has expired"
    assert running.seen == []


def test_a_proxy_signed_by_somebody_else_is_refused(world: World, start: Start) -> None:
    running = start()
    forger = Identity(world.alice.certificate, make_identity("Forger", world.ca).key)
    with pytest.raises(ssl.SSLError):
        talk(running.port, world.client(make_proxy(forger, 7)), [GET])
    assert running.refusal() == "listener.certificate_refused"


def test_where_a_certificate_is_optional_nobody_needs_one_and_a_wrong_one_is_refused(
    world: World, start: Start
) -> None:
    running = start(context=lambda: world.context(required=False))
    assert status_of(talk(running.port, world.client(None), [GET])) == b"HTTP/1.1 200 OK"
    assert running.seen[0][PEER_CHAIN] == ()
    with pytest.raises(ssl.SSLError):
        talk(running.port, world.client(make_identity("Mallory", world.other_ca)), [GET])
    talk(running.port, world.client(world.alice), [GET])
    assert running.seen[1][PEER_CHAIN] == world.alice_chain


def test_no_header_can_claim_a_certificate_or_pass_for_another_header(world: World, start: Start) -> None:
    running = start(context=lambda: world.context(required=False))
    forged = b"GET / HTTP/1.1\r\nostiary.tls.peer_chain: x\r\nX-A: 1\r\nX_A: 2\r\nX-B: 1\r\nX-B: 2\r\n\r\n"
    talk(running.port, world.client(None), [forged])
    assert running.seen[0][PEER_CHAIN] == ()
    assert running.seen[0]["HTTP_X_A"] == "1"
    assert running.seen[0]["HTTP_X_B"] == "1, 2"


def test_a_context_that_changes_holds_for_the_next_connection(world: World, start: Start) -> None:
    trusted = [der(world.other_ca.certificate)]
    running = start(context=lambda: make_context(*world.server, trusted))
    with pytest.raises(ssl.SSLError):
        talk(running.port, world.client(world.alice), [GET])
    trusted[:] = [der(world.ca.certificate)]
    assert status_of(talk(running.port, world.client(world.alice), [GET])) == b"HTTP/1.1 200 OK"


def test_a_context_that_breaks_while_running_closes_connections_and_says_why(world: World, start: Start) -> None:
    trusted = [der(world.ca.certificate)]
    running = start(context=lambda: make_context(*world.server, trusted))
    trusted.clear()
    with pytest.raises(OSError):  # noqa: PT011  # whichever way the connection ends
        talk(running.port, world.client(world.alice), [GET])
    assert running.refusal() == "listener.authorities"
    trusted.append(der(world.ca.certificate))
    assert status_of(talk(running.port, world.client(world.alice), [GET])) == b"HTTP/1.1 200 OK"


# What grid clients really send


@pytest.mark.parametrize(
    "records",
    [
        [b"0", GET],
        [b"0" + GET],
        [b"0", b"\r\n", GET],
        [GET.replace(b"\r\n", b"\n")],
        [b"0", b"GET /generate-ac?fqans=/vo/g/Role=r,/vo HTTP/1.0\nUser-Agent: voms APIs 2.0\nAccept: */*\nHost: localhost\n\n"],
        [b"GET https://localhost/generate-ac?fqans=/vo/g/Role=r,/vo HTTP/1.1\r\nHost: x\r\n\r\n"],
        [b"GET /gener%61te-ac?fqans=/vo/g/Role=r,/vo HTTP/1.1\r\n\r\n"],
        [bytes([octet]) for octet in GET],
    ],
    ids=["0 alone", "0 glued", "0 and an empty line", "bare LF", "the C client", "absolute", "encoded", "byte by byte"],
)  # fmt: skip
def test_each_way_to_write_the_same_request_is_understood(world: World, start: Start, records: list[bytes]) -> None:
    running = start()
    answer = talk(running.port, world.client(world.alice), records)
    assert status_of(answer) == b"HTTP/1.1 200 OK"
    assert answer.endswith(b"\r\n\r\nhello")
    assert running.seen[0]["PATH_INFO"] == "/generate-ac"
    assert running.seen[0]["QUERY_STRING"] == "fqans=/vo/g/Role=r,/vo"


def test_a_client_that_closes_its_half_after_the_request_is_answered(world: World, start: Start) -> None:
    answer = talk(start().port, world.client(world.alice), [GET], half_close=True)
    assert answer.endswith(b"hello")


def test_a_body_arrives_whole_also_after_100_continue(world: World, start: Start) -> None:
    running = start()
    head = b"POST /x HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n"
    with (
        socket.create_connection(("127.0.0.1", running.port), timeout=5) as raw,
        world.client(world.alice).wrap_socket(raw) as tls,
    ):
        tls.sendall(head)
        assert tls.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        tls.sendall(b"abcdefGET /second HTTP/1.1\r\n\r\n")
        assert status_of(read_to_end(tls)) == b"HTTP/1.1 200 OK"
    assert [found["body"] for found in running.seen] == [b"abcdef"]
    assert running.seen[0]["CONTENT_TYPE"] == "text/plain"


def test_an_answer_to_head_has_the_length_and_no_body(world: World, start: Start) -> None:
    answer = talk(start().port, world.client(world.alice), [b"HEAD / HTTP/1.1\r\n\r\n"])
    assert b"Content-Length: 5\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_what_the_application_says_about_the_connection_is_replaced(world: World, start: Start) -> None:
    fields = [("Transfer-Encoding", "chunked"), ("Connection", "keep-alive"), ("Content-Length", "999")]
    answer = talk(start(lambda _: ("403 Forbidden", fields, b"no")).port, world.client(world.alice), [GET])
    assert status_of(answer) == b"HTTP/1.1 403 Forbidden"
    assert b"chunked" not in answer
    assert b"keep-alive" not in answer
    assert b"Content-Length: 2\r\n" in answer


@pytest.mark.parametrize(
    "broken",
    [
        lambda _: 1 / 0,
        lambda _: ("200 OK", [("X", "a\r\nSet-Cookie: b")], b""),
        lambda _: ("200 OK\r\nX: y", [], b""),
        lambda _: ("sure", [], b""),
    ],
    ids=["raises", "header injection", "status injection", "no status"],
)
def test_an_application_that_breaks_gives_500_with_a_reference_that_the_log_has(
    world: World, start: Start, broken: Any
) -> None:
    running = start(broken)
    answer = talk(running.port, world.client(world.alice), [GET])
    assert status_of(answer) == b"HTTP/1.1 500 Internal Server Error"
    assert b"Set-Cookie" not in answer
    (line,) = running.events("crashed")
    assert line["reference"].encode() in answer


def test_a_large_answer_arrives_whole(world: World, start: Start) -> None:
    running = start(lambda _: ("200 OK", [], b"x" * 1_000_000))
    answer = talk(running.port, world.client(world.alice), [GET])
    assert len(answer.partition(b"\r\n\r\n")[2]) == 1_000_000


# The old protocol

LEGACY = b'<?xml version="1.0" encoding="US-ASCII"?><voms><command>G/vo</command></voms>'


@pytest.mark.parametrize("records", [[LEGACY], [b"0", LEGACY], [LEGACY[:30], LEGACY[30:]]], ids=["one", "0", "two"])
def test_a_legacy_document_reaches_its_handler_with_the_chain(world: World, start: Start, records: list[bytes]) -> None:
    asked: list[tuple[bytes, tuple[bytes, ...]]] = []

    def answer(document: bytes, chain: tuple[bytes, ...]) -> bytes:
        asked.append((document, chain))
        return b"<vomsans/>"

    running = start(legacy=answer)
    assert talk(running.port, world.client(world.alice), records) == b"<vomsans/>"
    assert asked == [(LEGACY, world.alice_chain)]
    assert running.events("legacy_request")[0]["subject"] == "CN=Alice,O=Test"


def test_a_legacy_handler_that_breaks_closes_the_connection(world: World, start: Start) -> None:
    def broken(_document: bytes, _chain: tuple[bytes, ...]) -> bytes:
        raise TimeoutError("of its own")

    running = start(legacy=broken)
    assert talk(running.port, world.client(world.alice), [LEGACY]) == b""
    assert len(running.events("crashed")) == 1


def test_without_a_handler_a_legacy_document_is_closed_at_once(world: World, start: Start) -> None:
    running = start()
    begin = time.monotonic()
    assert talk(running.port, world.client(world.alice), [b"0", LEGACY[:20]]) == b""
    assert time.monotonic() - begin < 0.5
    assert running.refusal() == "listener.legacy"


def test_a_legacy_document_without_end_is_bounded(world: World, start: Start) -> None:
    running = start(legacy=lambda document, chain: str(65_536 < len(document) < 131_073).encode())
    assert talk(running.port, world.client(world.alice), [b"<" * 60_000, b"<" * 60_000]) == b"True"
    assert running.events("legacy_too_long")[0]["most"] == 65_536


# What is no proper request


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 9_000 + b"\r\n\r\n", b"413", "listener.line"),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n", b"413", "listener.line"),
        (b"GET /" + b"a" * 40_000, b"413", "listener.head"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5_500, b"413", "listener.head"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 65 + b"\r\n", b"413", "listener.fields"),
        (b"POST / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", b"413", "listener.body"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400", "listener.framing"),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", b"400", "listener.field"),
        (b"POST / HTTP/1.1\r\nContent-Length: 9999999999999\r\n\r\n", b"400", "listener.framing"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400", "listener.framing"),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"400", "listener.field"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", b"400", "listener.field"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", b"400", "listener.field"),
        (b"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", b"400", "listener.field"),
        (b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n", b"400", "listener.field"),
        (b"GET /\r\n\r\n", b"400", "listener.request_line"),
        (b"GET / HTTP/2.0\r\n\r\n", b"400", "listener.request_line"),
        (b"GET  / HTTP/1.1\r\n\r\n", b"400", "listener.request_line"),
        (b"GET * HTTP/1.1\r\n\r\n", b"400", "listener.request_line"),
        (b"GET /a b HTTP/1.1\r\n\r\n", b"400", "listener.request_line"),
        (b"hello, anybody there?\n\n", b"400", "listener.request_line"),
    ],
    ids=lambda value: value.decode("latin-1")[:24] if isinstance(value, bytes) else value,
)
def test_a_request_that_is_not_acceptable_is_told_so_and_the_log_has_the_same_reference(
    world: World, start: Start, sent: bytes, status: bytes, code: str
) -> None:
    running = start()
    answer = talk(running.port, world.client(world.alice), [sent])
    assert status_of(answer).startswith(b"HTTP/1.1 " + status)
    assert running.refusal() == code
    assert running.events("connection_refused")[0]["reference"].encode() in answer
    assert running.seen == []


@pytest.mark.parametrize(
    "sent", [b"\x00\x01\x02", b"00GET / HTTP/1.1\r\n\r\n", b"\r\n\r\n\r\n\r\n", b" GET / HTTP/1.1\n\n"]
)
def test_garbage_inside_tls_is_closed_without_an_answer(world: World, start: Start, sent: bytes) -> None:
    running = start()
    assert talk(running.port, world.client(world.alice), [sent]) == b""
    assert running.refusal() == "listener.not_http"


@pytest.mark.parametrize("records", [[b"0"], [b"GET / HT"], [b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab"], []])
def test_half_a_request_and_the_end_is_closed_without_an_answer(
    world: World, start: Start, records: list[bytes]
) -> None:
    running = start()
    assert talk(running.port, world.client(world.alice), records, half_close=True) == b""
    assert running.refusal() == "listener.incomplete"


def test_plain_http_is_told_that_this_port_speaks_tls(start: Start) -> None:
    running = start()
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as plain:
        plain.sendall(GET)
        begin = time.monotonic()
        answer = plain.recv(4096)
        assert status_of(answer) == b"HTTP/1.1 400 Bad Request"
        assert b"This port speaks TLS only." in answer
        assert read_to_end(plain) == b""
        assert time.monotonic() - begin < 0.5
    assert running.refusal() == "listener.plain_http"


@pytest.mark.parametrize("sent", [b"\x00", b"0", b"\x80\x2e\x01", b"\xff" * 5000])
def test_what_is_neither_tls_nor_text_is_closed_at_once(start: Start, sent: bytes) -> None:
    running = start()
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as plain:
        plain.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            assert read_to_end(plain) == b""
    assert running.refusal() == "listener.not_tls"


@pytest.mark.parametrize("sent", [b"\x16", b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x01\xff\xff" + b"\xff" * 9_000])
def test_a_broken_handshake_is_one_line_in_the_log_and_the_next_one_succeeds(
    world: World, start: Start, sent: bytes
) -> None:
    running = start()
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as plain:
        plain.sendall(sent)
        plain.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            read_to_end(plain)
    assert running.refusal() in ("listener.broken", "listener.handshake")
    assert status_of(talk(running.port, world.client(world.alice), [GET])) == b"HTTP/1.1 200 OK"


def test_a_client_that_resets_the_connection_harms_nobody(world: World, start: Start) -> None:
    running = start(lambda _: ("200 OK", [], b"x" * 300_000))
    raw = socket.create_connection(("127.0.0.1", running.port), timeout=5)
    tls = world.client(world.alice).wrap_socket(raw)
    tls.sendall(GET)
    # Lingering for no time turns the close into a reset.
    tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    tls.close()
    assert running.events("listener_failed", 0) == []
    assert status_of(talk(running.port, world.client(world.alice), [GET])) == b"HTTP/1.1 200 OK"


# Slow and silent


def elapsed_until_closed(connection: socket.socket) -> float:
    begin = time.monotonic()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        read_to_end(connection)
    return time.monotonic() - begin


def test_a_client_that_only_connects_is_let_go(start: Start) -> None:
    running = start(limits=QUICK)
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as silent:
        assert 0.2 < elapsed_until_closed(silent) < 2
    assert running.refusal() == "listener.silent"


def test_a_handshake_that_trickles_in_is_cut_when_its_whole_time_is_up(start: Start) -> None:
    running = start(limits=QUICK)
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as slow:
        ends = time.monotonic() + 3
        with contextlib.suppress(ConnectionError):
            for octet in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 500:
                slow.sendall(bytes([octet]))
                time.sleep(0.05)
                assert time.monotonic() < ends
    assert running.refusal() == "listener.silent"


def test_a_request_that_trickles_in_is_cut_when_its_whole_time_is_up(world: World, start: Start) -> None:
    running = start(limits=QUICK)
    with (
        socket.create_connection(("127.0.0.1", running.port), timeout=5) as raw,
        world.client(world.alice).wrap_socket(raw) as slow,
    ):
        ends = time.monotonic() + 3
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for octet in b"GET /" + b"a" * 500:
                slow.sendall(bytes([octet]))
                time.sleep(0.05)
                assert time.monotonic() < ends
    assert running.refusal() == "listener.slow"


def test_a_client_that_does_not_read_the_answer_is_let_go(world: World, start: Start) -> None:
    running = start(lambda _: ("200 OK", [], b"x" * 30_000_000), limits=QUICK)
    with (
        socket.create_connection(("127.0.0.1", running.port), timeout=5) as raw,
        world.client(world.alice).wrap_socket(raw) as lazy,
    ):
        lazy.sendall(GET)
        assert running.refusal() == "listener.slow_reader"


def test_a_client_that_stays_after_the_answer_does_not_hold_a_thread(world: World, start: Start) -> None:
    running = start()
    with (
        socket.create_connection(("127.0.0.1", running.port), timeout=5) as raw,
        world.client(world.alice).wrap_socket(raw) as staying,
    ):
        staying.sendall(GET)
        read_to_end(staying)
        deadline = time.monotonic() + 3
        while any(thread.name == f"tls-127.0.0.1:{raw_port(staying)}" for thread in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def raw_port(connection: socket.socket) -> int:
    port: int = connection.getsockname()[1]
    return port


def test_a_hundred_silent_peers_do_not_keep_an_honest_one_waiting(world: World, start: Start) -> None:
    patient = replace(HONEST, connections=60, patience_seconds=0.1)
    running = start(limits=patient)
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    with contextlib.ExitStack() as stack:
        for number in range(100):
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=5))
            if number % 2:
                silent.sendall(hello)
        begin = time.monotonic()
        assert status_of(talk(running.port, world.client(world.alice), [GET])) == b"HTTP/1.1 200 OK"
        assert time.monotonic() - begin < 1.5
        assert {line["code"] for line in running.events("connection_refused", 41)} == {"listener.crowded"}


def test_whoever_shows_a_certificate_is_not_pushed_out_by_those_who_do_not(world: World, start: Start) -> None:
    running = start(limits=replace(HONEST, connections=4, patience_seconds=0.05))
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=5))
        thinking = stack.enter_context(world.client(world.alice).wrap_socket(raw))
        thinking.sendall(GET[:10])
        for _ in range(20):
            stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=5))
        assert len(running.events("connection_refused", 17)) >= 17
        thinking.sendall(GET[10:])
        assert status_of(read_to_end(thinking)) == b"HTTP/1.1 200 OK"


def test_those_with_a_certificate_who_say_nothing_do_not_keep_everybody_else_out(world: World, start: Start) -> None:
    running = start(limits=replace(HONEST, connections=20, patience_seconds=0.2))
    client = world.client(world.alice)
    with contextlib.ExitStack() as stack:
        for _ in range(19):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=5))
            stack.enter_context(client.wrap_socket(raw))
        for _ in range(60):
            stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=5))
        begin = time.monotonic()
        assert status_of(talk(running.port, client, [GET])) == b"HTTP/1.1 200 OK"
        assert time.monotonic() - begin < 4


def test_when_every_place_is_taken_by_a_running_request_the_next_one_waits_for_its_turn(
    world: World, start: Start
) -> None:
    go_on = threading.Event()

    def slowly(environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        go_on.wait(5)
        return "200 OK", [], environ["PATH_INFO"].encode()

    running = start(slowly, limits=replace(HONEST, connections=2))
    answers: list[bytes] = []
    client = world.client(world.alice)
    threads = [
        threading.Thread(target=lambda: answers.append(talk(running.port, client, [GET])), daemon=True)
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
        while len(running.seen) < min(2, threads.index(thread) + 1):
            time.sleep(0.01)
    assert len(running.events("listener_full")) == 1
    assert len(running.seen) == 2
    go_on.set()
    for thread in threads:
        thread.join(5)
    assert [status_of(answer) for answer in answers] == [b"HTTP/1.1 200 OK"] * 3


def test_no_more_requests_than_allowed_are_in_the_application_at_once(world: World, start: Start) -> None:
    inside = [0, 0]

    def counted(_environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        inside[0] += 1
        inside[1] = max(inside)
        time.sleep(0.05)
        inside[0] -= 1
        return "200 OK", [], b""

    running = start(counted, limits=replace(HONEST, requests=1))
    client = world.client(world.alice)
    threads = [threading.Thread(target=talk, args=(running.port, client, [GET]), daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(running.seen) == 4
    assert inside == [0, 1]


# Start and stop


def test_stopping_lets_a_running_request_finish(world: World, start: Start) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slowly(_environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        entered.set()
        go_on.wait(5)
        return "200 OK", [], b"finished"

    running = start(slowly)
    answers: list[bytes] = []
    client = world.client(world.alice)
    asking = threading.Thread(target=lambda: answers.append(talk(running.port, client, [GET])), daemon=True)
    asking.start()
    assert entered.wait(5)
    stopped: list[bool] = []
    stopping = threading.Thread(target=lambda: stopped.append(running.listener.stop()), daemon=True)
    stopping.start()
    # Longer than those are given who keep us waiting.
    time.sleep(0.5)
    go_on.set()
    asking.join(5)
    stopping.join(5)
    assert answers[0].endswith(b"finished")
    assert stopped == [True]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", running.port), timeout=5)


def test_stopping_does_not_wait_for_a_request_without_end_nor_for_the_silent(world: World, start: Start) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def endless(_environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        entered.set()
        go_on.wait(10)
        return "200 OK", [], b""

    running = start(endless)
    client = world.client(world.alice)
    with (
        socket.create_connection(("127.0.0.1", running.port), timeout=5),
        socket.create_connection(("127.0.0.1", running.port), timeout=5) as raw,
        client.wrap_socket(raw) as asking,
    ):
        asking.sendall(GET)
        assert entered.wait(5)
        begin = time.monotonic()
        assert running.listener.stop() is False
        assert time.monotonic() - begin < 2
    go_on.set()


def test_serve_tls_ends_on_sigterm_with_status_0(world: World, tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from ostiary.clock import SystemClock
from ostiary.config import ListenSettings
from ostiary.web.listener import make_context, serve_tls
from ostiary.web.log import make_log

def application(environ, start_response):
    start_response("200 OK", [])
    return [b"served"]

certificate, key, ca = map(Path, sys.argv[1:])
log = make_log(SystemClock(), service="voms", stream=sys.stdout)
finished = serve_tls(application, ListenSettings(port=0), lambda: make_context(certificate, key, [ca.read_bytes()]), log=log)
sys.exit(0 if finished else 3)
"""
    ca = tmp_path / "ca.der"
    ca.write_bytes(der(world.ca.certificate))
    command = [sys.executable, "-u", "-c", program, *map(str, world.server), str(ca)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        try:
            assert process.stdout is not None
            line = json.loads(process.stdout.readline())
            assert line["event"] == "listening"
            assert talk(line["port"], world.client(world.alice), [GET]).endswith(b"served")
        finally:
            process.send_signal(signal.SIGTERM)
        output = process.stdout.read()
        assert process.wait(10) == 0
    assert [json.loads(found)["event"] for found in output.splitlines()] == ["request", "stopped"]


def test_a_taken_port_is_refused_at_the_start(world: World, start: Start) -> None:
    log = make_log(SystemClock(), service="voms", stream=io.StringIO())
    listener = TlsListener(lambda *_: [], ListenSettings(port=start().port), world.context, log=log)
    with pytest.raises(Unavailable, match=r"listener\.port"):
        listener.start()


def test_certificates_that_cannot_serve_are_refused_with_their_file(world: World, tmp_path: Path) -> None:
    certificate, key = world.server
    other = world.alice.write(tmp_path, "other")
    ca = [der(world.ca.certificate)]
    (tmp_path / "empty.pem").touch()
    for arguments, code in (
        ((certificate, other[1], ca), "listener.certificate"),
        ((tmp_path / "empty.pem", key, ca), "listener.certificate"),
        ((tmp_path / "missing.pem", key, ca), "listener.certificate"),
        ((certificate, key, [b"rubbish"]), "listener.authorities"),
        ((certificate, key, []), "listener.authorities"),
    ):
        with pytest.raises(ConfigurationError) as refused:
            make_context(*arguments)
        assert (refused.value.code, refused.value.file) == (code, str(arguments[0]))


def test_a_private_key_that_others_may_read_is_refused(world: World, tmp_path: Path) -> None:
    certificate, key = make_identity("x", world.ca).write(tmp_path, "x")
    os.chmod(key, 0o644)
    with pytest.raises(ConfigurationError, match=r"config\.private_file_mode"):
        make_context(certificate, key, [der(world.ca.certificate)])


def test_a_broken_context_is_told_before_anything_listens(start: Start, world: World) -> None:
    with pytest.raises(ConfigurationError, match=r"listener\.authorities"):
        start(context=lambda: make_context(*world.server, []))
