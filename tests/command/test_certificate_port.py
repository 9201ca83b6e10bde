"""The port that asks browsers for their certificates, with real TLS: who is logged in there, and that it does nothing else."""

import http.client
import re
import shutil
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from idp.settings import IdpSettings
from ostiary.command.certificate_port import CertificateServing, make_certificate_port, required_port
from ostiary.command.demo.people import NORTHGATE
from ostiary.command.home import make_home_idp
from ostiary.config import DocumentError, load_settings
from ostiary.errors import ConfigurationError
from ostiary.web.listener import TlsListener
from ostiary.web.log import make_log
from tests.browser import WsgiTransport
from tests.simulator import configure, state_of_today
from tests.x509.authorities import CertificateAuthority, Extra, Identity, pem, root

NOW = datetime.now(UTC)
SERVICE, PORT = "https://localhost:9443", "https://localhost:8443"


class Now:
    def now(self) -> datetime:
        return datetime.now(UTC)


def authority(name: str = "/O=Northgate/CN=People CA") -> CertificateAuthority:
    return root(name, not_before=NOW - timedelta(days=10), not_after=NOW + timedelta(days=100))


CA = authority()


def issued(name: str, *names: x509.GeneralName, by: CertificateAuthority = CA) -> Identity:
    extra = (Extra(x509.SubjectAlternativeName(names)),) if names else ()
    return by.issue(name, not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=1), extra=extra)


def crl(*serials: int) -> bytes:
    return CA.crl(*serials, this_update=NOW - timedelta(hours=1), next_update=NOW + timedelta(days=1))


@dataclass
class Served:
    """The service itself (``transport``), and its port for certificates behind real TLS."""

    home: Path
    transport: WsgiTransport
    made: CertificateServing
    port: int

    def begin(self) -> tuple[str, str]:
        """The path of the link to the login by certificate, and the cookies of the browser that found it."""
        answer = self.transport.send("GET", f"{SERVICE}/account/sessions", {}, b"")
        cookies = [value.partition(";")[0] for name, value in answer.headers if name.lower() == "set-cookie"]
        location = answer.header("Location")
        assert location is not None
        page = self.transport.send("GET", location, {"Cookie": "; ".join(cookies)}, b"")
        found = re.search(rf'href="{PORT}([^"]+)"', page.text)
        assert found is not None, page.text
        cookies += [value.partition(";")[0] for name, value in page.headers if name.lower() == "set-cookie"]
        return found[1], "; ".join(cookies)

    def ask(
        self,
        path: str,
        cookie: str,
        who: Identity | None,
        *,
        host: str = "localhost:8443",
        method: str = "GET",
        **headers: str,
    ) -> tuple[int, dict[str, str], str]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=pem(CA.certificate).decode())
        if who is not None:
            context.load_cert_chain(*who.write(self.home, "browser"))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=20)
        try:
            connection.request(method, path, headers={"Host": host, "Cookie": cookie, **headers})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def home(state_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a home that takes certificates; the CA has revoked nobody."""
    layout = state_of_today(state_template, tmp_path_factory.mktemp("certificates") / "state")
    directory = layout.directory(NORTHGATE.key)
    (directory / "people-ca").mkdir()
    CA.install(directory / "people-ca", crl=crl())
    server = issued("/O=Northgate/CN=localhost", x509.DNSName("localhost"))
    server.write(directory, "server")
    method: dict[str, Any] = {
        "type": "certificate",
        "ca_directory": "people-ca",
        "rules": [{"field": "mail", "pattern": r"(?P<name>[a-z]+)\.[a-z]+@northgate\.example"}],
        "port": {
            "listen": {"port": 0},
            "public_url": PORT,
            "certificate": "server.pem",
            "key": "server.key",
        },
    }
    configure(directory / "idp.yaml", public_url=SERVICE, login={"methods": [{"type": "password"}, method]})
    return directory


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[Served]:
    log, clock = make_log(Now(), service="idp", stream=StringIO()), Now()
    transport = WsgiTransport()
    transport.applications[SERVICE] = make_home_idp(home / "idp.yaml", home / "aa.yaml", clock=clock, log=log)
    made = make_certificate_port(home / "idp.yaml", home / "aa.yaml", clock=clock, log=log)
    listener = TlsListener(made.application, made.listen, made.context, log=log, clock=clock)
    listener.start()
    yield Served(home, transport, made, listener.port)
    listener.stop()


def alice(**changes: Any) -> Identity:
    return issued("/O=Northgate/CN=Alice Archer", x509.RFC822Name("alice.archer@northgate.example"), **changes)


def test_a_certificate_shown_in_the_handshake_logs_in_and_leads_back_to_the_service(served: Served) -> None:
    path, cookie = served.begin()
    status, headers, _ = served.ask(path, cookie, alice())
    assert (status, headers["Location"]) == (303, f"{SERVICE}/account/sessions")
    session = headers["Set-Cookie"].partition(";")[0]
    page = served.transport.send("GET", f"{SERVICE}/account/sessions", {"Cookie": session}, b"")
    assert page.status == 200


def test_a_browser_without_a_certificate_is_told_so_on_a_page_with_the_way_back(served: Served) -> None:
    path, cookie = served.begin()
    status, _, text = served.ask(path, cookie, None)
    assert status == 401
    assert "Your browser did not show a certificate." in text
    assert f'href="{SERVICE}/saml/sso/login?ticket=' in text


def test_a_header_does_not_pass_for_a_certificate_on_this_port(served: Served) -> None:
    path, cookie = served.begin()
    status, _, _ = served.ask(path, cookie, None, ClientCert=pem(alice().certificate).decode().replace("\n", " "))
    assert status == 401


def test_a_certificate_that_is_revoked_is_refused(served: Served) -> None:
    revoked = alice()
    CA.install(served.home / "people-ca", crl=crl(revoked.certificate.serial_number))
    fresh = make_certificate_port(
        served.home / "idp.yaml",
        served.home / "aa.yaml",
        clock=Now(),
        log=make_log(Now(), service="idp", stream=StringIO()),
    )
    listener = TlsListener(
        fresh.application, fresh.listen, fresh.context, log=make_log(Now(), service="idp", stream=StringIO())
    )
    listener.start()
    try:
        path, cookie = served.begin()
        status, _, text = Served(served.home, served.transport, fresh, listener.port).ask(path, cookie, revoked)
    finally:
        listener.stop()
    assert status == 401
    assert "can&#39;t be used here" in text


def test_a_certificate_of_another_ca_does_not_get_through_the_handshake(served: Served) -> None:
    path, cookie = served.begin()
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        served.ask(path, cookie, alice(by=authority("/O=Elsewhere/CN=Other CA")))


@pytest.mark.parametrize(
    "path", ["/", "/account/sessions", "/saml/sso/login", "/logout", "/health", "/saml/sso/redirect?SAMLRequest=x"]
)
def test_everything_else_is_sent_to_the_service(served: Served, path: str) -> None:
    status, headers, _ = served.ask(path, "", alice())
    assert (status, headers["Location"]) == (303, f"{SERVICE}/")


@pytest.mark.parametrize(
    ("host", "method"),
    [
        ("localhost:9443", "GET"),
        ("evil.example", "GET"),
        ("", "GET"),
        ("localhost:8443", "POST"),
        ("localhost:8443", "PUT"),
    ],
)
def test_another_host_or_method_is_refused(served: Served, host: str, method: str) -> None:
    path, cookie = served.begin()
    assert served.ask(path, cookie, alice(), host=host, method=method)[0] == 400


@pytest.mark.parametrize(
    "query", ["", "?ticket=", "?ticket=a&ticket=b", f"?ticket={'A' * 65}", f"?ticket={'A' * 43}", "?ticket=%ff"]
)
def test_without_a_good_ticket_a_certificate_logs_nobody_in(served: Served, query: str) -> None:
    status, headers, _ = served.ask(f"/saml/sso/login/certificate{query}", "", alice())
    assert status == 400
    assert "Set-Cookie" not in headers


def test_the_ticket_of_another_browser_is_refused(served: Served) -> None:
    path, _ = served.begin()
    status, headers, _ = served.ask(path, "", alice())
    assert status == 400
    assert "Set-Cookie" not in headers


# Settings


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"public_url": "https://other.example:8443"}, "login.certificate_host"),
        ({"public_url": SERVICE}, "login.certificate_host"),
        ({"public_url": "http://localhost:8443"}, "login.certificate_port"),
        ({"public_url": "https://localhost:8443/path"}, "login.certificate_port"),
        ({"key": "missing.key"}, "config.path_file"),
    ],
)
def test_a_port_that_can_not_belong_to_the_login_is_refused(
    home: Path, tmp_path: Path, change: dict[str, str], code: str
) -> None:
    copied = Path(shutil.copytree(home, tmp_path / "home"))
    content = yaml.safe_load((copied / "idp.yaml").read_text())
    content["login"]["methods"][1]["port"].update(change)
    configure(copied / "idp.yaml", login=content["login"])
    with pytest.raises(DocumentError) as caught:
        load_settings(copied / "idp.yaml", IdpSettings)
    assert caught.value.code == code


def test_without_a_port_for_certificates_there_is_nothing_to_serve(home: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(home, tmp_path / "home"))
    configure(copied / "idp.yaml", login=None)
    with pytest.raises(ConfigurationError) as caught:
        required_port(load_settings(copied / "idp.yaml", IdpSettings), copied / "idp.yaml")
    assert caught.value.code == "login.no_certificate_port"
