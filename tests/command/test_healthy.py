"""``ostiary healthy``: what answers, what does not, and what must not pass for an answer."""

import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ostiary.command.cli import ostiary
from ostiary.command.demo.authority import CertificateFiles, DemoAuthority
from tests.ldap_directory import MemoryDirectory
from tests.ldap_server import LdapServer, Talk, listening, silent, speaking


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``ca.pem``, a server's certificate for 127.0.0.1, and another authority's."""
    directory = tmp_path_factory.mktemp("site")
    now = datetime.now(UTC)
    for name in ("ca", "other"):
        authority = DemoAuthority(directory / name)
        authority.prepare(now=now)
        files = CertificateFiles(directory / name / "server.pem", directory / name / "server.key")
        authority.issue(files, "127.0.0.1", now=now, hosts=("127.0.0.1",))
    return directory


def ask(url: str, *options: str | Path) -> Result:
    return CliRunner().invoke(ostiary, ["healthy", url, *map(str, options)], catch_exceptions=False)


def refused(result: Result, code: str) -> str:
    assert result.exit_code == 1
    assert code in result.stderr
    return result.stderr


def answering(status: str) -> Talk:
    return speaking(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


def over_tls(site: Path, talk: Talk) -> Talk:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(site / "ca" / "server.pem", site / "ca" / "server.key")
    context.load_verify_locations(site / "ca" / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED

    def wrapped(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as inside:
            talk(inside)

    return wrapped


@pytest.fixture
def shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.command.healthy._SECONDS", 0.2)


def test_a_service_that_answers_200_is_healthy() -> None:
    with listening(answering("200 OK")) as service:
        result = ask(f"{service.url('http')}/health")
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize("status", ["302 Found", "404 Not Found", "503 Service Unavailable"])
def test_another_answer_is_not_enough(status: str) -> None:
    with listening(answering(status)) as service:
        assert f"HTTP {status[:3]}" in refused(ask(f"{service.url('http')}/health"), "healthy.silent")


@pytest.mark.parametrize("scheme", ["http", "ldap"])
def test_a_service_that_says_nothing_is_not_waited_for(scheme: str, shortly: None) -> None:
    with listening(silent) as service:
        refused(ask(service.url(scheme)), "healthy.silent")


@pytest.mark.parametrize("scheme", ["http", "https", "ldap"])
def test_a_port_where_nobody_listens_is_told(scheme: str, site: Path) -> None:
    with listening(silent) as service:
        url = service.url(scheme)
    refused(ask(url, "--ca", site / "ca" / "ca.pem"), "healthy.silent")


def test_a_service_that_asks_for_certificates_is_shown_one(site: Path) -> None:
    mine = ("--certificate", site / "ca" / "server.pem", "--key", site / "ca" / "server.key")
    with listening(over_tls(site, answering("200 OK"))) as service:
        url = f"{service.url('https')}/health"
        assert ask(url, "--ca", site / "ca" / "ca.pem", *mine).exit_code == 0
        refused(ask(url, "--ca", site / "ca" / "ca.pem"), "healthy.silent")
        refused(ask(url, "--ca", site / "other" / "ca.pem", *mine), "healthy.silent")
        refused(ask(url, *mine), "healthy.silent")


def test_a_directory_is_healthy_when_it_offers_tls_that_is_trusted(site: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(site / "ca" / "server.pem", site / "ca" / "server.key")
    with listening(LdapServer(MemoryDirectory(), tls=context).talk) as directory:
        assert ask(directory.url(), "--ca", site / "ca" / "ca.pem").exit_code == 0
        refused(ask(directory.url(), "--ca", site / "other" / "ca.pem"), "healthy.silent")


def test_a_directory_without_tls_is_not(site: Path) -> None:
    with listening(LdapServer(MemoryDirectory()).talk) as directory:
        refused(ask(directory.url(), "--ca", site / "ca" / "ca.pem"), "healthy.silent")


@pytest.mark.parametrize("nonsense", [b"", b"\x30", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_nonsense_is_no_directory(nonsense: bytes, site: Path) -> None:
    with listening(speaking(nonsense)) as service:
        refused(ask(service.url(), "--ca", site / "ca" / "ca.pem"), "healthy.silent")


@pytest.mark.parametrize(
    "url", ["", "localhost:8400", "ftp://localhost/", "http:///health", "http://a:b/", "http://[::1/"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    refused(ask(url), "healthy.url")


def test_certificates_that_can_not_be_used_are_refused(site: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate\n")
    key = site / "ca" / "server.key"
    for options in (("--ca", broken), ("--certificate", broken, "--key", key), ("--certificate", key)):
        refused(ask("https://127.0.0.1:1/", *options), "healthy.certificates")
    other = ("--certificate", site / "ca" / "server.pem", "--key", site / "other" / "server.key")
    refused(ask("https://127.0.0.1:1/", *other), "healthy.certificates")


def test_a_key_that_others_may_read_is_refused(site: Path, tmp_path: Path) -> None:
    key = tmp_path / "server.key"
    key.write_bytes((site / "ca" / "server.key").read_bytes())
    key.chmod(0o644)
    refused(
        ask("https://127.0.0.1:1/", "--certificate", site / "ca" / "server.pem", "--key", key), "config.private_file"
    )
