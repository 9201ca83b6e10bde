"""The SHAR against authorities on loopback that hang, hang up, drip, flood or answer nonsense: always an end, and soon."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest

from ostiary.attributes import make_attribute
from ostiary.errors import Denied, OstiaryError, Refusal, Unavailable
from ostiary.federation.model import AaRole, Endpoint, EntityKey
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, AuthnStatement, Conditions, NameId
from ostiary.saml.bindings import encode_soap
from ostiary.saml.protocol import Response, Status, new_id
from ostiary.saml.signature import sign
from ostiary.saml.validate import Timing
from sp_shire.shar.breaker import Breakers, Limits
from sp_shire.shar.query import Answer, Effort, Shar
from sp_shire.shar.transport import HttpSoapTransport
from tests.raw_soap import read_envelope
from tests.signers import make_signer

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
AA, SP = "https://home.example/idp", "https://library.example/shar"
AA_SIGNER, SP_SIGNER, STRANGER = make_signer("aa"), make_signer("sp"), make_signer("stranger")
HER = NameId("a-handle", names.TRANSIENT, AA, SP)
GROUPS = (make_attribute("isMemberOf", ["readers"], issuer=AA),)
SECONDS = 0.4
BOUNDED = 3.0
"""Far more than the time limit, for a machine that has much to do."""

Behaviour = Callable[[socket.socket, bytes], None]


class Authority:
    """Serves each connection in a thread of its own; the next behaviour of the list for each request, the last one for all after it."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._behaviours = behaviours
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/aa"
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def ids(self) -> list[str]:
        """Of the queries that came, in order."""
        return [re.findall(rb' ID="([^"]+)"', request)[0].decode() for request in self.requests]

    def close(self) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while request := read_envelope(connection):
                self.requests.append(request)
                self._behaviours[min(len(self.requests), len(self._behaviours)) - 1](connection, request)


@contextmanager
def serving(*behaviours: Behaviour) -> Iterator[Authority]:
    server = Authority(*behaviours)
    try:
        yield server
    finally:
        server.close()


def http(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def envelope_for(request: bytes, *, status: Status | None = None, signer: object = AA_SIGNER) -> bytes:
    """What an authority answers to the query in this request."""
    asked = re.findall(rb' ID="([^"]+)"', request)[0].decode()
    if status is not None:
        response = Response(new_id(), AA, NOW, status=status, in_response_to=asked).to_xml()
        sign(response, signer)  # type: ignore[arg-type]
        return encode_soap(response)
    assertion = Assertion(
        id=new_id(),
        issuer=AA,
        issue_instant=NOW,
        name_id=HER,
        conditions=Conditions(NOW, NOW + timedelta(minutes=5), ((SP,),)),
        attributes=GROUPS,
    ).to_xml()
    sign(assertion, signer)  # type: ignore[arg-type]
    return encode_soap(Response(new_id(), AA, NOW, in_response_to=asked).to_xml(assertion))


def answers(connection: socket.socket, request: bytes) -> None:
    connection.sendall(http(envelope_for(request)))


def hangs(connection: socket.socket, _request: bytes) -> None:
    connection.recv(1)


def hangs_up(connection: socket.socket, _request: bytes) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def hangs_up_in_the_middle(connection: socket.socket, request: bytes) -> None:
    whole = http(envelope_for(request))
    connection.sendall(whole[: len(whole) // 2])
    connection.shutdown(socket.SHUT_RDWR)


def drips(connection: socket.socket, request: bytes) -> None:
    for octet in http(envelope_for(request)):
        connection.sendall(bytes([octet]))
        time.sleep(0.02)


def floods(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    for _ in range(160):
        connection.sendall(b"x" * 65_536)


def floods_with_length(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n")
    for _ in range(160):
        connection.sendall(b"x" * 65_536)


def says(content: bytes) -> Behaviour:
    return lambda connection, _: connection.sendall(content)


def refuses(status: Status) -> Behaviour:
    return lambda connection, request: connection.sendall(http(envelope_for(request, status=status)))


def role_at(*urls: str) -> AaRole:
    return AaRole(
        keys=(EntityKey(AA_SIGNER.public, "signing"),),
        attribute_services=tuple(Endpoint(names.SOAP, url) for url in urls),
    )


@contextmanager
def asking(seconds: float = SECONDS, *, retries: int = 1, failures: int = 100) -> Iterator[Shar]:
    transport = HttpSoapTransport(timedelta(seconds=seconds))
    limits = Limits(failures, timedelta(minutes=1), timedelta(seconds=30))
    try:
        yield Shar(SP, SP_SIGNER, transport, Timing(), (), Effort(seconds, retries), Breakers(limits))
    finally:
        transport.close()


def ask(shar: Shar, *urls: str, at: datetime = NOW) -> Answer:
    return shar.ask(AA, role_at(*urls), HER, at)


def failure(*behaviours: Behaviour) -> tuple[OstiaryError, Authority]:
    """How asking ends, in time, and the authority as it was then."""
    with serving(*behaviours) as authority, asking() as shar:
        began = time.monotonic()
        with pytest.raises(OstiaryError) as failed:
            ask(shar, authority.url)
        assert time.monotonic() - began < BOUNDED
        return failed.value, authority


def test_an_answer_is_believed_as_long_as_it_says() -> None:
    with serving(answers) as authority, asking() as shar:
        assert ask(shar, authority.url) == Answer(GROUPS, NOW + timedelta(minutes=5))


def test_a_session_that_ends_sooner_ends_the_answer() -> None:
    def briefly(connection: socket.socket, request: bytes) -> None:
        asked = re.findall(rb' ID="([^"]+)"', request)[0].decode()
        statement = AuthnStatement(NOW, session_not_on_or_after=NOW + timedelta(minutes=2))
        conditions = Conditions(NOW, NOW + timedelta(minutes=5), ((SP,),))
        assertion = Assertion(new_id(), AA, NOW, HER, (), conditions, (statement,), GROUPS).to_xml()
        sign(assertion, AA_SIGNER)
        response = Response(new_id(), AA, NOW, in_response_to=asked).to_xml(assertion)
        connection.sendall(http(encode_soap(response)))

    with serving(briefly) as authority, asking() as shar:
        assert ask(shar, authority.url).until == NOW + timedelta(minutes=2)


def test_connections_are_used_again() -> None:
    with serving(answers) as authority, asking() as shar:
        for _ in range(3):
            ask(shar, authority.url)
        assert (authority.connections, len(authority.requests)) == (1, 3)


@pytest.mark.parametrize(
    "behaviour", [hangs, drips, floods, floods_with_length, hangs_up_in_the_middle], ids=lambda one: one.__name__
)
def test_an_authority_in_trouble_is_asked_once_and_given_up_in_time(behaviour: Behaviour) -> None:
    problem, authority = failure(behaviour)
    assert (type(problem), problem.code) == (Unavailable, "shar.unreachable")
    assert len(authority.requests) == 1


@pytest.mark.parametrize(
    "content",
    [
        http(b"<html>Internal Server Error</html>", "500 Internal Server Error"),
        http(b"", "500 Internal Server Error"),
        http(b"<html>Welcome to nginx!</html>"),
        http(b"\x00\xff" * 100),
        http(b"Bad gateway", "502 Bad Gateway"),
        http(b"", "302 Found\r\nLocation: https://elsewhere.example/"),
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
    ids=["500", "empty 500", "a web page", "bytes", "502", "a redirect", "another protocol"],
)
def test_what_is_no_answer_is_an_authority_in_trouble(content: bytes) -> None:
    problem, authority = failure(says(content))
    assert (problem.code, problem.status) == ("shar.unreachable", 503)
    assert len(authority.requests) == 1


def test_trouble_on_its_own_side_is_trouble_and_a_refusal_is_an_answer() -> None:
    trouble, _ = failure(refuses(Status(names.RESPONDER)))
    assert (type(trouble), trouble.code) == (Unavailable, "shar.unreachable")
    for status in (Status(names.RESPONDER, names.REQUEST_DENIED), Status(names.REQUESTER, names.UNKNOWN_PRINCIPAL)):
        refused, _ = failure(refuses(status))
        assert (type(refused), refused.code) == (Denied, "saml.status")


def test_an_answer_of_somebody_else_is_not_believed_and_not_asked_for_again() -> None:
    def forged(connection: socket.socket, request: bytes) -> None:
        connection.sendall(http(envelope_for(request, signer=STRANGER)))

    problem, authority = failure(forged)
    assert isinstance(problem, Refusal)
    assert problem.code.startswith("signature.")
    assert len(authority.requests) == 1


def test_after_a_connection_that_died_before_an_answer_began_a_new_query_is_asked() -> None:
    with serving(hangs_up, answers) as authority, asking() as shar:
        assert ask(shar, authority.url).attributes == GROUPS
        first, second = authority.ids
        assert first != second


def test_a_connection_that_its_authority_closed_meanwhile_costs_nobody_anything() -> None:
    def answers_and_leaves(connection: socket.socket, request: bytes) -> None:
        answers(connection, request)
        connection.shutdown(socket.SHUT_RDWR)

    with serving(answers_and_leaves, answers) as authority, asking(retries=0) as shar:
        ask(shar, authority.url)
        time.sleep(0.05)
        assert ask(shar, authority.url).attributes == GROUPS
        assert authority.connections == 2


def test_it_is_asked_anew_once_and_no_more() -> None:
    problem, authority = failure(hangs_up)
    assert (problem.code, problem.status) == ("shar.unreachable", 503)
    assert len(set(authority.ids)) == 2


def test_where_nothing_is_to_be_repeated_it_is_asked_once() -> None:
    with serving(hangs_up, answers) as authority, asking(retries=0) as shar:
        with pytest.raises(Unavailable):
            ask(shar, authority.url)
        assert len(authority.requests) == 1


def test_the_next_endpoint_is_asked_when_one_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/aa"
    with serving(says(http(b"", "503 Service Unavailable"))) as ill, serving(answers) as well, asking() as shar:
        assert ask(shar, closed, ill.url, well.url).attributes == GROUPS
        assert [len(one.requests) for one in (ill, well)] == [1, 1]
        assert b'Destination="' + well.url.encode() in well.requests[0]


def test_an_endpoint_that_hangs_leaves_time_for_the_next() -> None:
    with serving(hangs) as first, serving(answers) as second, asking() as shar:
        began = time.monotonic()
        assert ask(shar, first.url, second.url).attributes == GROUPS
        assert time.monotonic() - began < BOUNDED


def test_an_authority_that_takes_connections_and_never_speaks_tls_is_given_up_in_time() -> None:
    def never_mind(connection: socket.socket, _request: bytes) -> None:
        connection.recv(1)

    with serving(never_mind) as authority, asking() as shar:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            ask(shar, authority.url.replace("http:", "https:"))
        assert time.monotonic() - began < BOUNDED


def test_after_so_many_failures_nobody_waits_for_it_until_one_question_is_answered() -> None:
    with serving(*[says(http(b"", "503 Service Unavailable"))] * 3, answers) as authority, asking(failures=3) as shar:
        for _ in range(3):
            with pytest.raises(Unavailable, match=r"shar\.unreachable"):
                ask(shar, authority.url)
        with pytest.raises(Unavailable, match=r"shar\.paused"):
            ask(shar, authority.url, at=NOW + timedelta(seconds=29))
        assert len(authority.requests) == 3
        later = NOW + timedelta(seconds=30)
        assert ask(shar, authority.url, at=later).attributes == GROUPS
        assert shar.breakers.states() == {}


def test_refusals_and_forgeries_do_not_count_as_silence() -> None:
    with serving(refuses(Status(names.REQUESTER, names.UNKNOWN_PRINCIPAL))) as authority, asking(failures=1) as shar:
        for _ in range(3):
            with pytest.raises(Denied):
                ask(shar, authority.url)
        assert shar.breakers.states() == {}


def test_an_authority_without_a_soap_endpoint_can_not_be_asked() -> None:
    with asking() as shar, pytest.raises(Unavailable, match=r"shar\.no_endpoint"):
        shar.ask(AA, AaRole(attribute_services=(Endpoint(names.HTTP_POST, "https://aa.example"),)), HER, NOW)


def test_the_query_names_what_is_wanted() -> None:
    with serving(answers) as authority, asking() as shar:
        shar.ask(AA, role_at(authority.url), HER, NOW, wanted=("isMemberOf", "mail"))
        asked = re.findall(rb' Name="([^"]+)"', authority.requests[0])
        assert asked == [b"urn:oid:1.3.6.1.4.1.5923.1.5.1.1", b"urn:oid:0.9.2342.19200300.100.1.3"]
