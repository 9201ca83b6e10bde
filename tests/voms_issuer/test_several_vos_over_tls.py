"""Two VOs in one process over real TLS: each with its own port and certificate; what goes wrong on the wire, and what anybody may ask."""

import base64
import io
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree

from ostiary.command.vo_service import listener_of, make_vo_services, upgrade_vo
from ostiary.errors import NotAuthenticated, Unavailable
from ostiary.storage.engine import open_engine
from ostiary.web.log import make_log
from ostiary.x509.attribute_certificate import read_attribute_certificate
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.chain import verify_chain
from ostiary.x509.lsc import VomsDirectory
from ostiary.x509.trust import TrustDirectory, load_trust_directory
from ostiary.x509.verify import verify_attribute_certificate
from sp_shire.certificates.settings import VoStatusSettings
from sp_shire.certificates.vo_status import VoStatusLists, fetch_list
from tests.simulator import MovableClock
from tests.x509.authorities import CertificateAuthority, Extra, Identity, private_key, root
from tests.x509.authorities import der as der_of
from voms.directory import VoDirectory, create_vo
from voms.renewal import load_issuer, prepare_next, switch
from voms.several import load_vo

CONFIG = """\
host: localhost
database: {url: "sqlite:///vo.db"}
ca_directory: certificates
vos:
  - {vo: alpha, port: 15001, listen: {port: 0}, certificate: alpha.pem, key: alpha.key}
  - {vo: beta, port: 15002, listen: {port: 0}, certificate: beta.pem, key: beta.key, name_form: short}
"""


@dataclass
class Service:
    """What runs, and somebody who is a member of alpha alone."""

    directory: Path
    authority: CertificateAuthority
    alice: Identity
    member: str
    alpha: VoDirectory
    ports: dict[str, int]
    clock: MovableClock
    log: io.StringIO

    @property
    def trust(self) -> TrustDirectory:
        return load_trust_directory(self.directory / "certificates")

    def vomsdir(self, vo: str) -> VomsDirectory:
        return VomsDirectory({(vo, "localhost"): load_issuer(load_vo(self.directory / "voms.yaml", vo)).lsc()})

    def talk(self, vo: str, sent: bytes, *, shown: Identity | None) -> tuple[bytes, bytes]:
        """The whole answer, and the certificate (DER) that the server showed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=b"".join(self.trust.certificates()))
        if shown is not None:
            context.load_cert_chain(*shown.write(self.directory, "client"))
        with (
            socket.create_connection(("127.0.0.1", self.ports[vo]), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as stream,
        ):
            stream.sendall(sent)
            answer = b"".join(iter(lambda: stream.recv(65_536), b""))
            return answer, stream.getpeercert(binary_form=True) or b""

    def get(self, vo: str, query: str, *, shown: Identity | None) -> tuple[str, etree._Element]:
        """Status line and XML of a REST answer."""
        answer, _ = self.talk(vo, f"GET /generate-ac?{query} HTTP/1.0\n\n".encode(), shown=shown)
        head, _, body = answer.partition(b"\r\n\r\n")
        return head.split(b"\r\n")[0].decode(), etree.fromstring(body)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    directory, now = tmp_path_factory.mktemp("vos"), datetime.now(UTC).replace(microsecond=0)
    lifetimes = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=900)}
    authority = root(**lifetimes)  # type: ignore[arg-type]
    (directory / "certificates").mkdir()
    authority.install(directory / "certificates")
    local = [Extra(x509.SubjectAlternativeName([x509.DNSName("localhost")]))]
    for vo, key in (("alpha", ec.generate_private_key(ec.SECP384R1())), ("beta", private_key("rsa", "beta"))):
        made = authority.issue(f"/C=ZZ/O=HV Test/CN=voms {vo}", key=key, extra=local, **lifetimes)  # type: ignore[arg-type]
        made.write(directory, vo)
    config = directory / "voms.yaml"
    config.write_text(CONFIG)
    engine = open_engine(f"sqlite:///{directory}/vo.db")
    upgrade_vo(engine)
    for vo in ("alpha", "beta"):
        create_vo(engine, vo, at=now, by="operator")
    alpha = VoDirectory(engine, "alpha")
    alice = authority.issue("/C=ZZ/O=HV Test/CN=Alice", **lifetimes)  # type: ignore[arg-type]
    member = alpha.add_member(CertificateNames.of(alice.certificate), at=now, by="operator")
    log, clock = io.StringIO(), MovableClock(now)
    telling = make_log(clock, service="voms", stream=log)
    made_services = make_vo_services(config, clock=clock, log=telling)
    listeners = {each.vo.settings.vo: listener_of(each, clock=clock, log=telling) for each in made_services}
    for listener in listeners.values():
        listener.start()
    ports = {vo: listener.port for vo, listener in listeners.items()}
    try:
        yield Service(directory, authority, alice, member, alpha, ports, clock, log)
    finally:
        for listener in listeners.values():
            listener.stop()


def test_each_vo_answers_for_itself_and_signs_with_its_own_key(service: Service) -> None:
    status, answer = service.get("alpha", "", shown=service.alice)
    assert status == "HTTP/1.1 200 OK"
    der = base64.b64decode(answer.findtext("ac") or "")
    chain = verify_chain(service.alice.ders, service.trust, service.clock.now())
    proven = verify_attribute_certificate(
        der, chain, service.vomsdir("alpha"), service.trust, service.clock.now(), host_names=()
    )
    assert (proven.vo, proven.issuer, proven.certificate.port) == ("alpha", "/C=ZZ/O=HV Test/CN=voms alpha", 15001)
    status, answer = service.get("beta", "", shown=service.alice)
    assert (status, answer.findtext("error/message")) == ("HTTP/1.1 403 Forbidden", "beta: User unknown to this VO.")
    status, answer = service.get("alpha", "fqans=/beta", shown=service.alice)
    assert answer.findtext("error/message") == "alpha: Unable to satisfy G/beta request!"


def test_an_rsa_key_and_an_ec_key_serve_beside_each_other(service: Service) -> None:
    kinds = {}
    for vo in ("alpha", "beta"):
        _, shown = service.talk(vo, b"GET /health HTTP/1.0\n\n", shown=None)
        certificate = x509.load_der_x509_certificate(shown)
        kinds[vo] = (certificate.subject.rfc4514_string(), type(certificate.public_key()).__name__)
    assert kinds == {
        "alpha": ("CN=voms alpha,O=HV Test,C=ZZ", "ECPublicKey"),
        "beta": ("CN=voms beta,O=HV Test,C=ZZ", "RSAPublicKey"),
    }


def test_without_a_certificate_nobody_is_anybody(service: Service) -> None:
    status, answer = service.get("alpha", "", shown=None)
    assert (status, answer.findtext("error/code")) == ("HTTP/1.1 403 Forbidden", "SuspendedUser")
    assert "not active" in (answer.findtext("error/message") or "")


def test_ten_thousand_names_are_a_bad_request_also_on_the_wire(service: Service) -> None:
    for size in (4, 40):
        names = ",".join(f"/alpha/{number:0{size}}" for number in range(10_000))
        status, answer = service.get("alpha", f"fqans={names}", shown=service.alice)
        assert (status, answer.findtext("error/code")) == ("HTTP/1.1 400 Bad Request", "BadRequest")
    commands = b"".join(b"<command>G/alpha/%d</command>" % number for number in range(10_000))
    answer, _ = service.talk("alpha", b"0<voms>" + commands + b"</voms>", shown=service.alice)
    assert etree.fromstring(answer).findtext("error/item/number") == "1005"


def test_a_hundred_names_of_full_length_are_read(service: Service) -> None:
    names = ",".join("/alpha/" + f"{number:03}".ljust(248, "x") for number in range(100))
    status, answer = service.get("alpha", f"fqans={names}&order={names}", shown=service.alice)
    assert status == "HTTP/1.1 400 Bad Request"
    assert (answer.findtext("error/message") or "").startswith("alpha: Unable to satisfy G/alpha/000xx")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /generate-ac?fqans=/alpha HTTP/1.0\n\n",
        b"GET /generate-ac HTTP/9\n\n",
        b"GET /generate-ac HTTP/1.1\r\nX\r\n\r\n",
    ],
)
def test_plain_http_and_malformed_http_are_told_in_xml(service: Service, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", service.ports["alpha"]), timeout=10) as raw:
        raw.sendall(sent)
        answer = b"".join(iter(lambda: raw.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert etree.fromstring(body).findtext("error/code") == "BadRequest"
    assert (etree.fromstring(body).findtext("error/message") or "").startswith("alpha: ")


def test_http_that_is_none_within_tls_is_told_in_xml(service: Service) -> None:
    answer, _ = service.talk("alpha", b"GET /generate-ac HTTP/9\n\n", shown=service.alice)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert etree.fromstring(body).findtext("error/code") == "BadRequest"


def test_a_relying_party_hears_over_https_what_was_taken_back(service: Service) -> None:
    _, answer = service.get("alpha", "", shown=service.alice)
    read = read_attribute_certificate(base64.b64decode(answer.findtext("ac") or ""))
    url = f"https://localhost:{service.ports['alpha']}/status/list"
    log = make_log(service.clock, service="sp", stream=service.log)
    lists = VoStatusLists([VoStatusSettings(vo="alpha", url=url)], log)
    now = service.clock.now()
    lists.current(service.trust, service.vomsdir("alpha"), now).check(read, now)
    first = fetch_list(url, "", service.trust.certificates())
    assert fetch_list(url, first.tag, service.trust.certificates()).body is None
    service.alpha.suspend(service.member, "gone", at=now, by="operator")
    service.clock.at = later = now + timedelta(seconds=61)
    lists = VoStatusLists([VoStatusSettings(vo="alpha", url=url)], log)
    with pytest.raises(NotAuthenticated, match=r"x509\.ac_revoked"):
        lists.current(service.trust, service.vomsdir("alpha"), later).check(read, later)
    service.alpha.restore(service.member, at=now, by="operator")
    stranger = der_of(root("/C=ZZ/O=Nowhere/CN=CA").certificate)
    with pytest.raises(Unavailable, match=r"certificates\.vo_status"):
        fetch_list(url, "", [stranger])
    with pytest.raises(Unavailable, match=r"certificates\.vo_status"):
        fetch_list(url.replace("/list", "/nothing"), "", service.trust.certificates())


def test_a_running_service_changes_over_to_the_next_certificate(service: Service) -> None:
    settings = load_vo(service.directory / "voms.yaml", "alpha")
    local = [Extra(x509.SubjectAlternativeName([x509.DNSName("localhost")]))]
    begin = datetime.now(UTC) - timedelta(days=1)
    key = private_key("ec", "of next year")
    new = service.authority.issue(
        "/C=ZZ/O=HV Test/CN=next", key=key, extra=local, not_before=begin, not_after=begin + timedelta(days=100)
    )
    certificate, key_file = new.write(service.directory, "new")
    prepare_next(certificate, key_file, settings, service.trust, service.clock.now())
    switch(settings, service.clock.now())
    service.clock.at += timedelta(seconds=6)
    _, shown = service.talk("alpha", b"GET /health HTTP/1.0\n\n", shown=None)
    assert x509.load_der_x509_certificate(shown) == new.certificate
    _, answer = service.get("alpha", "", shown=service.alice)
    read = read_attribute_certificate(base64.b64decode(answer.findtext("ac") or ""))
    assert read.issuer == new.certificate.subject.public_bytes()
