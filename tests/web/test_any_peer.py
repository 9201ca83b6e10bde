"""TLS that takes any client certificate: which key it is that a peer has, and the same limits as everywhere else."""

import contextlib
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ostiary.errors import ConfigurationError
from ostiary.web.any_peer import AnyPeerContext, make_any_peer_context
from ostiary.web.connection import subject_of
from ostiary.web.listener import PEER_CHAIN, ListenerLimits
from ostiary.web.texts import Catalogue
from tests.web.client_certificates import Identity, client_context, der, make_identity, make_proxy, read_to_end, talk
from tests.web.running_listener import HONEST, Running, running_listener

QUICK = replace(HONEST, handshake_seconds=0.3, request_seconds=0.3, answer_seconds=0.3)
GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


class World:
    """A server, and clients that no authority vouches for."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ca = make_identity("CA", ca=True)
        self.server = make_identity("localhost", self.ca).write(directory, "server")
        other_ca = make_identity("Nobody's CA", ca=True)
        self.shown = {
            "self-signed": make_identity("Self"),
            "expired": make_identity("Old", days=(-20, -10)),
            "not yet valid": make_identity("New", days=(10, 20)),
            "of an unknown authority": make_identity("Foreign", other_ca),
            "a proxy": make_proxy(make_identity("Grid", other_ca), 7),
            "of the server's own authority": make_identity("Own", self.ca),
        }

    def client(self, who: Identity | None, **options: Any) -> ssl.SSLContext:
        own = who.write(self.directory, f"{who.certificate.serial_number:x}") if who is not None else None
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

        def begin(*, limits: ListenerLimits = HONEST, body: bytes = b"hello") -> Running:
            context = make_any_peer_context(*world.server)
            return stack.enter_context(
                running_listener(
                    lambda _: ("200 OK", [], body), lambda: context, service="aa", limits=limits, texts=texts
                )
            )

        yield begin


@pytest.mark.parametrize("tls12", [False, True], ids=["1.3", "1.2"])
def test_where_it_is_asked_for_the_whole_chain_is_told_as_it_was_sent(
    world: World, texts: Catalogue, tls12: bool
) -> None:
    context = make_any_peer_context(*world.server, whole_chain=True)
    twice = make_proxy(make_proxy(make_identity("Grid", make_identity("Nobody's CA", ca=True)), 7), 8)
    application = lambda _: ("200 OK", [], b"hello")  # noqa: E731
    with running_listener(application, lambda: context, service="sp", limits=HONEST, texts=texts) as running:
        for who in (twice, None):
            assert talk(running.port, world.client(who, tls12=tls12), [GET]).endswith(b"hello")
    sent = tuple(der(certificate) for certificate in (twice.certificate, *twice.chain))
    assert len(sent) >= 3
    assert [seen[PEER_CHAIN] for seen in running.seen] == [sent, ()]


@pytest.mark.parametrize("tls12", [False, True], ids=["1.3", "1.2"])
def test_any_certificate_is_taken_and_told(world: World, start: Start, tls12: bool) -> None:
    running = start()
    for who in world.shown.values():
        answer = talk(running.port, world.client(who, tls12=tls12), [GET])
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    told = [seen[PEER_CHAIN] for seen in running.seen]
    assert told == [(der(who.certificate),) for who in world.shown.values()]


def test_a_client_without_a_certificate_is_answered_too(world: World, start: Start) -> None:
    running = start()
    assert talk(running.port, world.client(None), [GET]).endswith(b"hello")
    assert running.seen[0][PEER_CHAIN] == ()


def test_a_certificate_without_its_key_gets_nowhere(world: World, start: Start) -> None:
    running = start()
    mine, theirs = make_identity("Mine"), world.shown["self-signed"]
    certificate, _ = theirs.write(world.directory, "stolen")
    _, key = mine.write(world.directory, "mine")
    # Python's own client refuses such a pair, OpenSSL's does too: without the key there is nothing to sign with.
    with pytest.raises(ssl.SSLError):
        client_context(world.ca, (certificate, key))
    assert talk(running.port, world.client(mine), [GET]).endswith(b"hello")
    assert running.seen[0][PEER_CHAIN] == (der(mine.certificate),)


@pytest.mark.parametrize("tls12", [False, True], ids=["1.3", "1.2"])
def test_no_session_is_taken_up_again(world: World, start: Start, tls12: bool) -> None:
    running = start()
    context, session = world.client(world.shown["self-signed"], tls12=tls12), None
    for _ in range(2):
        with (
            socket.create_connection(("127.0.0.1", running.port), timeout=5) as raw,
            context.wrap_socket(raw, session=session) as tls,
        ):
            tls.sendall(GET)
            assert tls.recv(4)
            read_to_end(tls)
            session = tls.session
            assert not tls.session_reused
    assert [len(seen[PEER_CHAIN]) for seen in running.seen] == [1, 1]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_certificate_that_cannot_be_read_has_no_name(world: World) -> None:
    written = der(world.shown["self-signed"].certificate)
    odd = written.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1)
    assert odd != written
    assert subject_of((odd,)) == subject_of((b"\x30\x00",)) == "(unreadable)"


def test_old_versions_of_tls_are_refused(world: World, start: Start) -> None:
    running = start()
    context = world.client(None)
    # Python warns of it, too.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, OSError)):
        talk(running.port, context, [GET])
    assert running.refusal() == "listener.handshake"
    assert running.seen == []


def test_whoever_is_slow_or_silent_is_cut_off(world: World, start: Start) -> None:
    running = start(limits=QUICK)
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as raw:
        raw.sendall(b"\x16\x03\x01\x02\x00")
        assert raw.recv(1) == b""
    assert running.refusal() == "listener.silent"
    slow = start(limits=QUICK)
    answer = talk(slow.port, world.client(None), [b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab"])
    assert answer == b""
    assert slow.refusal() == "listener.slow"
    assert slow.seen == []


def test_a_large_body_goes_both_ways_and_a_larger_one_is_refused(world: World, start: Start) -> None:
    sent = b"q" * 200_000
    running = start(limits=replace(HONEST, body_bytes=len(sent)), body=b"a" * 400_000)
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    answer = talk(running.port, world.client(None), [head % len(sent) + sent])
    assert answer.endswith(b"\r\n\r\n" + b"a" * 400_000)
    assert running.seen[0]["body"] == sent
    assert talk(running.port, world.client(None), [head % (len(sent) + 1)]).startswith(b"HTTP/1.1 413 ")
    assert len(running.seen) == 1


def test_plain_http_is_told_what_this_port_speaks(start: Start) -> None:
    running = start()
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as raw:
        raw.sendall(GET)
        assert raw.recv(12) == b"HTTP/1.1 400"
    assert running.refusal() == "listener.plain_http"


def test_a_broken_certificate_is_a_configuration_error(world: World, tmp_path: Path) -> None:
    certificate, key = world.server
    codes = []
    (tmp_path / "empty.pem").touch()
    other = make_identity("other").write(tmp_path, "other")
    for pair in ((tmp_path / "empty.pem", key), (certificate, other[1]), (certificate, certificate)):
        with pytest.raises(ConfigurationError) as caught:
            make_any_peer_context(*pair)
        codes.append(caught.value.code)
    assert codes == ["listener.certificate", "listener.certificate", "config.private_file_mode"]
    assert isinstance(make_any_peer_context(certificate, key), AnyPeerContext)
