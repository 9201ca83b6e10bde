"""A client that requires VO attributes of the service that it talks to: what it believes, and that nothing is sent before."""

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from ostiary.errors import OstiaryError
from ostiary.web.any_peer import make_any_peer_context
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.chain import verify_chain
from ostiary.x509.lsc import load_vomsdir, write_lsc
from ostiary.x509.proxy import make_proxy, read_proxy
from ostiary.x509.trust import load_trust_directory
from tests.voms.served import Site
from tests.voms_proxy.conftest import Scripted, refused
from tests.x509.authorities import (
    NOW,
    CertificateAuthority,
    Extra,
    Identity,
    attribute_authority,
    attribute_certificate,
    error_code,
    lsc_for,
    root,
)
from voms.changes import changing
from voms.grants import join
from voms.people import add_certificate, add_member, new_member_id
from voms.proxy.fetch_command import read_url
from voms.proxy.mutual import Required, read_required, verify_service

HOST = "data.example.org"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"


def named(*names: x509.GeneralName) -> Extra:
    return Extra(x509.SubjectAlternativeName(names))


class World:
    """A CA, a VO, and a service whose certificate is for ``HOST``."""

    def __init__(self, directory: Path, *names: x509.GeneralName) -> None:
        self.authority: CertificateAuthority = root()
        self.vo = attribute_authority(self.authority)
        extra = [named(*(names or (x509.DNSName(HOST),)))]
        self.service: Identity = self.authority.issue(f"/C=ZZ/O=HV Test/CN={HOST}", extra=extra)
        (directory / "ca").mkdir()
        self.authority.install(directory / "ca", crl=self.authority.crl())
        (directory / "vomsdir" / "testvo").mkdir(parents=True)
        (directory / "vomsdir" / "testvo" / "localhost.lsc").write_text(write_lsc(lsc_for(self.vo)))
        self.trust, self.vomsdir = load_trust_directory(directory / "ca"), load_vomsdir(directory / "vomsdir")

    def chain(self, *acs: bytes) -> tuple[bytes, ...]:
        """What the service shows."""
        made = make_proxy(
            self.service.certificates,
            self.service.key,
            lifetime=timedelta(hours=2),
            now=NOW,
            attribute_certificates=acs,
            key_size="ec",
        )
        return made.ders

    def ac(self, **changes: object) -> bytes:
        return attribute_certificate(self.vo, self.service.certificate, **changes)

    def code(self, chain: tuple[bytes, ...], *required: str, host: str = HOST) -> str:
        wanted = [read_required(text) for text in required]
        return error_code(lambda: verify_service(chain, host, wanted, self.trust, self.vomsdir, NOW))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_service_is_believed_what_its_vo_states(world: World) -> None:
    chain = world.chain(world.ac())
    proven = verify_service(chain, HOST, [read_required("/testvo/g1/Role=admin")], world.trust, world.vomsdir, NOW)
    assert proven.chain.subject == f"/C=ZZ/O=HV Test/CN={HOST}"
    assert [str(fqan) for each in proven.statements for fqan in each.fqans] == [
        "/testvo/g1/Role=admin",
        "/testvo",
        "/testvo/g1",
    ]
    assert world.code(chain, "/testvo/g1", "/testvo", "testvo:nickname=alice") == "accepted"


@pytest.mark.parametrize(
    "required",
    [
        "/testvo/g2",
        "/testvo/Role=admin",
        "/othervo",
        "testvo:nickname=bob",
        "othervo:nickname=alice",
        "testvo:group-wide=yes",
    ],
)
def test_what_no_vo_states_of_it_is_missing(world: World, required: str) -> None:
    assert world.code(world.chain(world.ac()), required) == "voms.service_not_stated"


def test_a_service_without_attributes_has_none(world: World) -> None:
    assert world.code(world.service.ders) == "accepted"
    assert world.code(world.service.ders, "/testvo") == "voms.service_not_stated"


def test_an_attribute_certificate_that_fails_is_an_error_even_if_nothing_is_required(world: World) -> None:
    over = world.ac(not_before=NOW - timedelta(days=2), not_after=NOW - timedelta(days=1))
    assert world.code(world.chain(over)) == "x509.ac_expired"
    anothers = attribute_certificate(world.vo, world.authority.issue("/C=ZZ/O=HV Test/CN=other").certificate)
    assert world.code(world.chain(anothers)) == "x509.ac_holder"


def test_the_name_of_the_host_stands_in_its_certificate_not_only_in_its_subject(tmp_path: Path, world: World) -> None:
    assert world.code(world.service.ders, host="DATA.example.org.") == "accepted"
    assert world.code(world.service.ders, host="other.example.org") == "voms.service_name"
    plain = world.authority.issue(f"/C=ZZ/O=HV Test/CN={HOST}")
    assert world.code(plain.ders) == "voms.service_name"


@pytest.mark.parametrize(
    ("name", "host", "code"),
    [
        (x509.DNSName("*.example.org"), "data.example.org", "accepted"),
        (x509.DNSName("*.example.org"), "a.data.example.org", "voms.service_name"),
        (x509.DNSName("*.example.org"), "example.org", "voms.service_name"),
        (x509.DNSName("*.org"), "example.org", "voms.service_name"),
        (x509.DNSName("d*.example.org"), "data.example.org", "voms.service_name"),
        (x509.DNSName("127.0.0.1"), "127.0.0.1", "voms.service_name"),
        (x509.IPAddress(ipaddress.ip_address("127.0.0.1")), "127.0.0.1", "accepted"),
        (x509.IPAddress(ipaddress.ip_address("::1")), "0:0:0:0:0:0:0:1", "accepted"),
    ],
)
def test_wildcards_stand_for_one_label_and_addresses_for_themselves(
    tmp_path: Path, name: x509.GeneralName, host: str, code: str
) -> None:
    world = World(tmp_path, name)
    assert world.code(world.service.ders, host=host) == code


def test_a_service_that_may_only_be_a_client_is_refused(world: World) -> None:
    usage = Extra(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]))
    client = world.authority.issue(f"/C=ZZ/O=HV Test/CN={HOST}", extra=[named(x509.DNSName(HOST)), usage])
    assert world.code(client.ders) == "x509.extended_key_usage"


@pytest.mark.parametrize("text", ["", "nickname=alice", "testvo:nickname", ":a=b", "testvo:=x"])
def test_a_requirement_that_says_nothing_is_refused(text: str) -> None:
    assert error_code(lambda: read_required(text)) == "voms.required"


def test_requirements_are_written_as_they_are_read() -> None:
    for text in ("/testvo/g1/Role=admin", "testvo:nickname=alice"):
        assert str(read_required(text)) == text
    assert read_required("testvo:a=b=c") == Required(vo="testvo", name="a", value="b=c")


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/",
        "https://",
        "https://u:p@a.example/",
        "https://a.example/\r\nX: y",
        "https://a.example:x/",
        "https://ä.example/",
    ],
)
def test_only_plain_https_addresses_are_asked(url: str) -> None:
    assert error_code(lambda: read_url(url)) == "voms.url"


@contextlib.contextmanager
def service(site: Site, *, stated: bool) -> Iterator[tuple[int, list[bytes]]]:
    """A service on this machine that shows a proxy of its host certificate, with what the site's VO says of it if ``stated``; the requests
    that it gets."""
    now, member = datetime.now(UTC), new_member_id()
    name = named(x509.DNSName("localhost"))
    host = site.grid.authority.issue(
        f"/C=ZZ/O=HV Test/CN=store {'with' if stated else 'without'}", not_after=now + timedelta(days=9), extra=[name]
    )
    with changing(site.grid.vo.engine, "testvo", "vo.member_added", at=now, by="operator") as change:
        add_member(change, member, kind="service")
        add_certificate(change, member, CertificateNames.of(host.certificate))
        join(change, member, "/testvo/g2")
    certificate, key = site.write(host, "store")
    shown = site.directory / "store-proxy"
    asked = ("-voms", "testvo") if stated else ()
    made = site.run("init", "-bits", "ec", "-cert", certificate, "-key", key, "-out", str(shown), *asked)
    assert made.exit_code == 0, made.output
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown)
    requests: list[bytes] = []

    def serve(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            with context.wrap_socket(connection, server_side=True) as stream:
                if asked_for := stream.recv(65_536):
                    requests.append(asked_for)
                    stream.sendall(ANSWER)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        yield server.getsockname()[1], requests
        thread.join()


def test_a_service_with_the_vos_word_is_asked_over_tls(shared: Site) -> None:
    shared.init("-voms", "testvo")
    with service(shared, stated=True) as (port, requests):
        fetched = shared.run("fetch", f"https://localhost:{port}/a?b=c", "-require", "/testvo/g2")
    assert fetched.exit_code == 0, fetched.output
    assert "Service: /C=ZZ/O=HV Test/CN=store with; /testvo, /testvo/g2\nStatus: 200\n" in fetched.output
    assert fetched.output.endswith("hello\n")
    assert requests[0].startswith(b"GET /a?b=c HTTP/1.1\r\nHost: localhost:")


def test_a_service_without_it_is_sent_nothing(shared: Site) -> None:
    shared.init("-voms", "testvo")
    with service(shared, stated=False) as (port, requests):
        result = shared.run("fetch", f"https://localhost:{port}/", "-require", "/testvo/g2")
    assert refused(result).code == "voms.service_not_stated"
    assert requests == []


def test_an_answer_can_be_written_to_a_file_and_a_refusal_is_a_status(site: Site) -> None:
    site.init()
    name = named(x509.DNSName("localhost"))
    ends = datetime.now(UTC) + timedelta(days=9)
    site.grid.authority.issue("/C=ZZ/O=HV Test/CN=localhost", not_after=ends, extra=[name]).write(
        site.directory, "host"
    )
    scripted = Scripted(site, [ANSWER, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n"])
    with scripted.serving() as port:
        out = site.directory / "answer"
        assert site.run("fetch", f"https://localhost:{port}/", "-out", str(out), "-quiet").exit_code == 0
        refusal = site.run("fetch", f"https://localhost:{port}/", "-quiet")
    assert out.read_bytes() == b"hello\n"
    assert (refusal.exit_code, refusal.output) == (1, "no\n")


def test_the_listener_of_resources_serves_with_such_a_proxy_file(shared: Site) -> None:
    shared.init("-voms", "testvo")
    path = shared.directory / "proxy"
    make_any_peer_context(path, path, whole_chain=True)
    chain = read_proxy(path).ders
    assert verify_chain(chain, shared.grid.trust(), datetime.now(UTC)).subject == "/C=ZZ/O=HV Test/CN=Alice Member"


def test_errors_name_what_was_required(world: World) -> None:
    with pytest.raises(OstiaryError) as caught:
        verify_service(world.service.ders, HOST, [read_required("/testvo")], world.trust, world.vomsdir, NOW)
    assert dict(caught.value.params) == {"host": HOST, "required": "/testvo", "subject": f"/C=ZZ/O=HV Test/CN={HOST}"}
