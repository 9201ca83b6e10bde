"""The adapter against real sockets: a small server, its failures, and servers that are down, slow, silent, or not LDAP at all."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ostiary.command.demo.authority import CertificateFiles, DemoAuthority
from ostiary.errors import OstiaryError, Unavailable
from ostiary.ldap.adapter import Ldap3Directory
from ostiary.ldap.filters import Compare, read_filter
from ostiary.ldap.port import BindOutcome
from ostiary.ldap.settings import LdapSettings
from tests.ldap_directory import BASE, MemoryDirectory
from tests.ldap_server import BindState, LdapServer, Listener, Talk, dripping, listening, silent, speaking

ADA = Compare("uid", b"ada")
ADA_DN = f"uid=ada,{BASE}"
READER = "cn=reader,ou=services,dc=example,dc=org"


@pytest.fixture
def people() -> MemoryDirectory:
    filled = MemoryDirectory()
    filled.add("ada", mail=["ada@example.org", "a.l@example.org"], jpegPhoto=b"\xff\xd8\x00")
    filled.add("reader", "reads all", dn=READER)
    return filled


@pytest.fixture
def serve() -> Iterator[Callable[[Talk], Listener]]:
    with ExitStack() as stack:
        yield lambda talk: stack.enter_context(listening(talk))


@pytest.fixture
def connect() -> Iterator[Callable[..., Ldap3Directory]]:
    """Opens a directory with short time limits. ``told`` gets what is reported."""
    with ExitStack() as stack:

        def make(*servers: str, told: list[OstiaryError] | None = None, **settings: object) -> Ldap3Directory:
            limits = {"connect_time_limit": timedelta(seconds=0.5), "time_limit": timedelta(seconds=0.5)}
            read = LdapSettings.model_validate({"servers": servers, "base_dn": BASE, **limits, **settings})
            directory = Ldap3Directory(read, (told if told is not None else []).append)
            stack.callback(directory.close)
            return directory

        yield make


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> "Certificates":
    return Certificates(tmp_path_factory.mktemp("certificates"))


class Certificates:
    """Two CAs; by the first, certificates for this machine and for another host."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._now = datetime.now(UTC)
        self._ours = self._authority("ours")
        self.ours = self._ours.certificate
        self.other = self._authority("other").certificate

    def _authority(self, name: str) -> DemoAuthority:
        authority = DemoAuthority(self._directory / name)
        authority.prepare(now=self._now)
        return authority

    def server(self, *hosts: str) -> ssl.SSLContext:
        directory = self._directory / "-".join(hosts)
        files = CertificateFiles(directory / "server.crt", directory / "server.key")
        self._ours.issue(files, hosts[0], now=self._now, hosts=hosts)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
        return context


def refusal(act: Callable[[], object]) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        act()
    return caught.value


def password_file(directory: Path, password: str) -> Path:
    path = directory / "reader.password"
    path.write_text(password + "\n")
    path.chmod(0o600)
    return path


def test_an_entry_is_found_with_what_was_asked_for(
    people: MemoryDirectory, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory]
) -> None:
    directory = connect(serve(LdapServer(people).talk).url())
    found = directory.find_one(BASE, ADA, ("mail", "jpegPhoto", "description"))
    assert found is not None
    assert found.dn == ADA_DN
    assert found.texts("MAIL") == ("ada@example.org", "a.l@example.org")
    assert found.values("jpegPhoto") == (b"\xff\xd8\x00",)
    assert found.texts("jpegPhoto") == ()
    assert found.values("uid") == ()
    assert directory.find_one(BASE, Compare("uid", b"eve"), ()) is None


def test_one_connection_serves_many_questions(
    people: MemoryDirectory, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory]
) -> None:
    listener = serve(LdapServer(people).talk)
    directory = connect(listener.url())
    for _ in range(5):
        directory.find_one(BASE, ADA, ())
    assert listener.connections == 1


def test_several_threads_ask_at_the_same_time(
    people: MemoryDirectory, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory]
) -> None:
    for number in range(20):
        people.add(f"p{number}")
    directory = connect(
        serve(LdapServer(people).talk).url(),
        concurrent=8,
        connect_time_limit=timedelta(seconds=5),
        time_limit=timedelta(seconds=5),
    )

    def ask(number: int) -> str:
        found = directory.find_one(BASE, Compare("uid", f"p{number % 20}".encode()), ("uid",))
        assert directory.bind(f"uid=p{number % 20},{BASE}", b"right horse") == "accepted"
        return found.texts("uid")[0] if found is not None else ""

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(60))) == [f"p{number % 20}" for number in range(60)]


def test_a_connection_that_the_server_ended_is_made_anew(
    people: MemoryDirectory, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory]
) -> None:
    told: list[OstiaryError] = []
    listener = serve(LdapServer(people).talk)
    directory = connect(listener.url(), told=told)
    assert directory.find_one(BASE, ADA, ()) is not None
    listener.hang_up()
    assert directory.find_one(BASE, ADA, ()) is not None
    assert (listener.connections, told) == (2, [])


def test_the_account_that_searches_logs_in_once_for_each_connection(
    tmp_path: Path, people: MemoryDirectory, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory]
) -> None:
    server = LdapServer(people)
    secret = password_file(tmp_path, "reads all")
    directory = connect(serve(server.talk).url(), bind_dn=READER, password_file=secret)
    for _ in range(3):
        assert directory.find_one(BASE, ADA, ()) is not None
    assert server.bound == [READER]


def test_an_account_that_is_not_let_in_is_named_and_no_other_server_is_tried(
    tmp_path: Path, people: MemoryDirectory, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory]
) -> None:
    first, second = serve(LdapServer(people).talk), serve(LdapServer(people).talk)
    secret = password_file(tmp_path, "reads nothing")
    directory = connect(first.url(), second.url(), bind_dn=READER, password_file=secret)
    problem = refusal(lambda: directory.find_one(BASE, ADA, ()))
    assert problem.code == "ldap.bind_account"
    assert READER in problem.expected
    assert "reads nothing" not in str(problem)
    assert second.connections == 0


@pytest.mark.parametrize(
    ("password", "outcome"),
    [(b"right horse", "accepted"), (b"wrong", "wrong_password"), ("\0é".encode(), "wrong_password")],
)
def test_a_password_is_proved_by_a_bind(
    people: MemoryDirectory, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory],
    password: bytes, outcome: str,
) -> None:  # fmt: skip
    assert connect(serve(LdapServer(people).talk).url()).bind(ADA_DN, password) == outcome
    assert people.binds == [(ADA_DN, password)]


def test_an_entry_that_the_directory_keeps_out_is_disabled(
    people: MemoryDirectory, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory]
) -> None:
    people.entries[0].locked = True
    assert connect(serve(LdapServer(people).talk).url()).bind(ADA_DN, b"right horse") == "disabled"


def test_an_empty_password_or_name_never_reaches_the_server(
    people: MemoryDirectory, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory]
) -> None:
    listener = serve(LdapServer(people).talk)
    directory = connect(listener.url())
    assert directory.bind(ADA_DN, b"") == "wrong_password"
    assert directory.bind("", b"right horse") == "wrong_password"
    assert listener.connections == 0


def test_two_entries_for_one_question_are_none(
    people: MemoryDirectory, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory]
) -> None:
    people.add("ada", dn=f"uid=ada,ou=retired,{BASE}")
    directory = connect(serve(LdapServer(people).talk).url())
    problem = refusal(lambda: directory.find_one(BASE, ADA, ()))
    assert problem.code == "ldap.ambiguous"
    assert ADA_DN in problem.found
    people.add("ada", dn=f"uid=ada,ou=left,{BASE}")
    assert refusal(lambda: directory.find_one(BASE, ADA, ())).code == "ldap.ambiguous"


@pytest.mark.parametrize(
    ("results", "base", "code"),
    [
        ({"search": 50}, BASE, "ldap.refused"),
        ({"search": 10}, BASE, "ldap.refused"),
        ({"search": 3}, BASE, "ldap.slow"),
        ({"search": 52}, BASE, "ldap.refused"),
        ({}, "ou=people,dc=elsewhere", "ldap.base_dn"),
    ],
)
def test_what_a_server_does_not_answer_is_no_answer(
    people: MemoryDirectory, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory],
    results: dict[str, int], base: str, code: str,
) -> None:  # fmt: skip
    directory = connect(serve(LdapServer(people, results=results).talk).url())
    assert refusal(lambda: directory.find_one(base, ADA, ())).code == code


@pytest.mark.parametrize(("result", "code"), [(13, "ldap.tls"), (8, "ldap.tls"), (51, "ldap.refused")])
def test_a_bind_that_the_server_could_not_decide_is_no_wrong_password(
    people: MemoryDirectory, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory],
    result: int, code: str,
) -> None:  # fmt: skip
    directory = connect(serve(LdapServer(people, results={"bind": result}).talk).url())
    assert refusal(lambda: directory.bind(ADA_DN, b"right horse")).code == code


def test_a_server_that_is_down_is_said_to_be_down(connect: Callable[..., Ldap3Directory]) -> None:
    with listening(silent) as listener:
        url = listener.url()
    told: list[OstiaryError] = []
    directory = connect(url, told=told)
    assert refusal(lambda: directory.find_one(BASE, ADA, ())).code == "ldap.down"
    assert refusal(lambda: directory.bind(ADA_DN, b"right horse")).code == "ldap.down"
    assert [problem.code for problem in told] == ["ldap.down", "ldap.down"]
    assert (
        refusal(
            lambda: connect("ldap://no-such-host.invalid", allow_password_over_plain_ldap=True).find_one(BASE, ADA, ())
        ).code
        == "ldap.down"
    )


@pytest.mark.parametrize("talk", [silent, dripping], ids=["silent", "dripping"])
@pytest.mark.parametrize("kind", ["plain", "StartTLS", "ldaps"])
def test_a_server_that_never_finishes_an_answer_is_slow(
    certificates: Certificates, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory],
    talk: Talk, kind: str,
) -> None:  # fmt: skip
    url = serve(talk).url("ldaps" if kind == "ldaps" else "ldap")
    tls = {} if kind == "plain" else {"ca_file": certificates.ours, "start_tls": kind == "StartTLS"}
    limit = timedelta(seconds=0.25)
    directory = connect(url, connect_time_limit=limit, time_limit=limit, **tls)
    begun = time.monotonic()
    # What drips into a TLS handshake is no TLS, and may be found out at once.
    codes = {"ldap.slow", "ldap.tls"} if (talk, kind) == (dripping, "ldaps") else {"ldap.slow"}
    assert refusal(lambda: directory.find_one(BASE, ADA, ())).code in codes
    assert refusal(lambda: directory.bind(ADA_DN, b"right horse")).code in codes
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("nonsense", "code"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "ldap.broken_off"),
        (b"\x30\x03\x02\x01\x63", "ldap.unreadable"),
        (b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00", "ldap.broken_off"),
        (b"\x30\x05\x02\x01\xff\x65\x00", "ldap.unreadable"),
        (b"\x00" * 64, "ldap.unreadable"),
        (b"\xff" * 64, "ldap.broken_off"),
        (b"\x30\x84\x7f\xff\xff\xff" + bytes(5 * 1024 * 1024), "ldap.unreadable"),
        (b"", "ldap.broken_off"),
    ],
    ids=["http", "no operation", "another id", "empty result", "zeros", "ones", "more than may come", "nothing"],
)
def test_what_is_no_ldap_is_not_understood(
    serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory], nonsense: bytes, code: str
) -> None:
    directory = connect(serve(speaking(nonsense)).url(), time_limit=timedelta(seconds=5))
    assert refusal(lambda: directory.find_one(BASE, ADA, ())).code == code
    assert refusal(lambda: directory.bind(ADA_DN, b"right horse")).code == code


@pytest.mark.parametrize("kind", ["StartTLS", "ldaps"])
def test_with_tls_nothing_goes_over_the_wire_in_the_open(
    people: MemoryDirectory, certificates: Certificates, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory],
    kind: str,
) -> None:  # fmt: skip
    server = LdapServer(people, tls=certificates.server("localhost", "127.0.0.1"), at_once=kind == "ldaps")
    listener = serve(server.talk)
    for host in ("localhost", "127.0.0.1"):
        url = listener.url("ldaps" if kind == "ldaps" else "ldap", host)
        directory = connect(url, ca_file=certificates.ours, start_tls=kind == "StartTLS")
        assert directory.find_one(BASE, ADA, ()) is not None
        assert directory.bind(ADA_DN, b"right horse") == "accepted"
    assert [protected for protected, _ in server.searched] == [True, True]
    assert server.passwords_in_the_open == []


@pytest.mark.parametrize("kind", ["StartTLS", "ldaps"])
@pytest.mark.parametrize(
    ("hosts", "trusted", "code"),
    [
        (("localhost", "127.0.0.1"), "other", "ldap.certificate"),
        (("ldap.example.org",), "ours", "ldap.host_name"),
        (("localhost",), "ours", "ldap.host_name"),
    ],
    ids=["another CA", "another host", "name for an address"],
)
def test_a_certificate_of_another_ca_or_host_gets_no_password(
    people: MemoryDirectory, certificates: Certificates, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory],
    kind: str, hosts: tuple[str, ...], trusted: str, code: str,
) -> None:  # fmt: skip
    server = LdapServer(people, tls=certificates.server(*hosts), at_once=kind == "ldaps")
    url = serve(server.talk).url("ldaps" if kind == "ldaps" else "ldap")
    directory = connect(url, ca_file=getattr(certificates, trusted), start_tls=kind == "StartTLS")
    assert refusal(lambda: directory.find_one(BASE, ADA, ())).code == code
    assert refusal(lambda: directory.bind(ADA_DN, b"right horse")).code == code
    assert (server.searched, people.binds) == ([], [])


@pytest.mark.parametrize("tls_at_server", ["none", "refused"])
def test_a_server_without_starttls_gets_no_password(
    people: MemoryDirectory, certificates: Certificates, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory],
    tls_at_server: str,
) -> None:  # fmt: skip
    results = {"starttls": 52} if tls_at_server == "refused" else {}
    server = LdapServer(people, results=results)
    directory = connect(serve(server.talk).url(), ca_file=certificates.ours, start_tls=True)
    assert refusal(lambda: directory.bind(ADA_DN, b"right horse")).code == "ldap.tls"
    assert people.binds == []


def test_the_next_server_answers_for_one_that_failed_and_goes_on_doing_so(
    people: MemoryDirectory, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory]
) -> None:
    broken, working = serve(speaking(b"")), serve(LdapServer(people).talk)
    with listening(silent) as gone:
        down = gone.url()
    told: list[OstiaryError] = []
    directory = connect(down, working.url(), broken.url(), told=told)
    assert directory.find_one(BASE, ADA, ()) is not None
    assert directory.bind(ADA_DN, b"right horse") == "accepted"
    # One attempt at the one that is down; then it rests.
    assert [problem.code for problem in told] == ["ldap.down"]
    assert down in told[0].found
    assert broken.connections == 0


def test_of_several_servers_the_first_ones_problem_is_told(
    certificates: Certificates, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory]
) -> None:
    with listening(silent) as gone:
        down = gone.url("ldaps")
    directory = connect(serve(silent).url("ldaps"), down, ca_file=certificates.ours)
    assert refusal(lambda: directory.find_one(BASE, ADA, ())).code == "ldap.slow"


def test_a_directory_that_hangs_holds_no_more_threads_than_it_may(
    serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory]
) -> None:
    directory = connect(serve(silent).url(), concurrent=1, time_limit=timedelta(seconds=2))
    codes: list[str] = []
    first = threading.Thread(target=lambda: codes.append(refusal(lambda: directory.find_one(BASE, ADA, ())).code))
    first.start()
    time.sleep(0.2)
    begun = time.monotonic()
    assert refusal(lambda: directory.bind(ADA_DN, b"right horse")).code == "ldap.busy"
    assert time.monotonic() - begun < 1.5
    first.join()
    assert codes == ["ldap.slow"]


def test_a_filter_arrives_as_it_was_written(
    people: MemoryDirectory, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory]
) -> None:
    server = LdapServer(people)
    wanted = read_filter("(&(|(uid=a\\2a)(cn=b*c\\28*))(!(employeeType=\\00))(mail=*))")
    assert connect(serve(server.talk).url()).find_one(BASE, wanted, ()) is None
    assert server.searched == [(False, wanted)]


# What a server says of an account

ACTIVE_DIRECTORY = {
    state: (
        49,
        f"80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {data}, v1db1".encode(),
        None,
    )
    for state, data in (
        ("inactive", "533"),
        ("expired", "701"),
        ("password_expired", "532"),
        ("must_change", "773"),
        ("not_now", "530"),
        ("locked", "775"),
    )
}
PASSWORD_POLICY = {
    "password_expired": (49, b"", bytes.fromhex("3003810100")),
    "must_change": (0, b"", bytes.fromhex("3003810102")),
    "locked": (49, b"", bytes.fromhex("3003810101")),
}


@pytest.mark.parametrize(
    ("states", "state"),
    [
        *((ACTIVE_DIRECTORY, state) for state in ACTIVE_DIRECTORY),
        *((PASSWORD_POLICY, state) for state in PASSWORD_POLICY),
    ],
)
def test_the_state_of_an_account_is_read_from_the_answer_to_the_right_password(
    people: MemoryDirectory,
    serve: Callable[[Talk], Listener],
    connect: Callable[..., Ldap3Directory],
    states: dict[str, BindState],
    state: BindOutcome,
) -> None:
    people.entries[0].state = state
    directory = connect(serve(LdapServer(people, states=states).talk).url())
    assert directory.bind(ADA_DN, b"right horse") == state
    assert directory.bind(ADA_DN, b"wrong") == "wrong_password"


def test_a_control_with_nonsense_in_it_changes_nothing(
    people: MemoryDirectory, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory]
) -> None:
    people.entries[0].state = "must_change"
    for content in (b"", b"\x30", b"\xff" * 60):
        server = LdapServer(people, states={"must_change": (0, b"", content)})
        assert connect(serve(server.talk).url()).bind(ADA_DN, b"right horse") == "accepted"


def test_several_entries_are_found_and_it_is_told_when_there_are_more(
    people: MemoryDirectory, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory]
) -> None:
    people.add("bob", title="reader")
    people.add("cyd", title="reader")
    directory = connect(serve(LdapServer(people).talk).url())
    readers = Compare("title", b"reader")
    both = directory.find_many(BASE, readers, ("uid",), most=2)
    assert (both.complete, [entry.texts("uid") for entry in both.entries]) == (True, [("bob",), ("cyd",)])
    one = directory.find_many(BASE, readers, ("uid",), most=1)
    assert (one.complete, [entry.texts("uid") for entry in one.entries]) == (False, [("bob",)])
    none = directory.find_many(BASE, Compare("title", b"nobody"), ("uid",), most=1)
    assert (none.complete, none.entries) == (True, ())
    elsewhere = refusal(lambda: directory.find_many("dc=example,dc=net", readers, (), most=1))
    assert elsewhere.code == "ldap.base_dn"


def test_an_entry_is_read_by_its_name_alone(
    people: MemoryDirectory, serve: Callable[[Talk], Listener], connect: Callable[..., Ldap3Directory]
) -> None:
    people.add("below", dn=f"uid=below,{ADA_DN}")
    directory = connect(serve(LdapServer(people).talk).url())
    anything = read_filter("(objectClass=*)")
    entry = directory.read(ADA_DN, anything, ("uid",))
    assert entry is not None
    assert entry.texts("uid") == ("ada",)
    assert directory.read(ADA_DN, Compare("uid", b"below"), ("uid",)) is None
    assert directory.read(f"uid=eve,{BASE}", anything, ("uid",)) is None
    assert directory.read("uid=ada,dc=example,dc=net", anything, ("uid",)) is None
