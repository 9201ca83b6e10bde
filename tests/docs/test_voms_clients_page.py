"""docs/voms-clients.md, followed over a VO that is served with everything: its commands, its addresses, its files."""

import contextlib
import shlex
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from cryptography import x509

from ostiary.clock import SystemClock
from ostiary.command.cli import ostiary
from ostiary.command.vo_service import listener_of, make_vo_services
from ostiary.web.log import make_log
from ostiary.web.texts import Catalogue
from ostiary.x509.bans import parse_ban_list
from ostiary.x509.trust import load_trust_directory
from sp_shire.certificates.settings import CertificateSettings
from tests.docs.followed_page import READ_ONCE, blocks_of, inline_code, text_of
from tests.x509.authorities import Extra, Identity, root
from voms.proxy.credential import load_credential
from voms.proxy.exchange import Answer, Server, exchange, make_client_context

PAGE = "voms-clients.md"
NAMES = Extra(x509.SubjectAlternativeName([x509.DNSName("localhost")]))


class Place:
    """A directory with ``voms.yaml`` of the VO ``example``, its files for clients, and the home of ada, who is a member."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        now = datetime.now(UTC).replace(microsecond=0)
        self.span = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=300)}
        self.authority = root("/C=ZZ/O=Example/CN=Example CA", **self.span)  # type: ignore[arg-type]
        (directory / "certificates").mkdir()
        crl = self.authority.crl(this_update=now - timedelta(hours=1), next_update=now + timedelta(days=9))
        self.authority.install(directory / "certificates", crl=crl)
        self.identity("localhost").write(directory, "host")
        self.identity("site.example.org").write(directory, "site")
        globus = directory / ".globus"
        globus.mkdir()
        certificate, key = self.identity("Ada").write(globus, "usercert")
        key.rename(globus / "userkey.pem")
        self.ada = certificate
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        settings = {
            "vo": "example",
            "host": "localhost",
            "port": self.port,
            "listen": {"host": "127.0.0.1", "port": self.port},
            "database": {"url": "sqlite:///vo.db"},
            "certificate": "host.pem",
            "key": "host.key",
            "ca_directory": "certificates",
        }
        (directory / "voms.yaml").write_text(yaml.safe_dump(settings))

    def identity(self, name: str) -> Identity:
        return self.authority.issue(f"/C=ZZ/O=Example/CN={name}", extra=[NAMES], **self.span)  # type: ignore[arg-type]

    def run(self, command: str) -> Result:
        environment = {
            "HOME": str(self.directory),
            "X509_CERT_DIR": str(self.directory / "certificates"),
            "X509_VOMS_DIR": str(self.directory / "vomsdir"),
            "X509_USER_PROXY": str(self.directory / "proxy"),
            "X509_USER_CERT": None,
            "X509_USER_KEY": None,
            "VOMS_USERCONF": None,
        }
        with contextlib.chdir(self.directory):
            ended = CliRunner(env=environment).invoke(ostiary, shlex.split(command)[1:], catch_exceptions=False)
        assert ended.exit_code == 0, f"{command}\n{ended.output}"
        return ended

    def get(self, path: str) -> Answer:
        """As a site with its own host's certificate."""
        credential = load_credential(self.directory / "site.pem", self.directory / "site.key", str)
        context = make_client_context(credential, load_trust_directory(self.directory / "certificates").certificates())
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        return exchange(Server("localhost", self.port), request, context, lambda _: None)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(Catalogue, "load", READ_ONCE)
    made = Place(tmp_path)
    vo = "ostiary vo --config voms.yaml"
    for command in (
        "create",
        "add-group /example/data",
        "add-role reader",
        "add-role store",
        f"add-member {made.ada}",
        f"join {made.ada} /example/data",
        f"assign-role {made.ada} /example/data reader",
    ):
        made.run(f"{vo} {command}")
    (tmp_path / ".voms").mkdir()
    (tmp_path / ".voms" / "vomses").write_text(made.run(f"{vo} vomses").output)
    (tmp_path / "vomsdir" / "example").mkdir(parents=True)
    (tmp_path / "vomsdir" / "example" / "localhost.lsc").write_text(made.run(f"{vo} lsc").output)
    clock = SystemClock()
    with (tmp_path / "log").open("w") as stream:
        log = make_log(clock, service="voms", stream=stream)
        [serving] = make_vo_services(tmp_path / "voms.yaml", clock=clock, log=log)
        listener = listener_of(serving, clock=clock, log=log)
        listener.start()
        yield made
        listener.stop()
        serving.vo.engine.dispose()


def commands() -> list[str]:
    return [line for block in blocks_of(PAGE) if block.language == "sh" for line in block.lines()]


def test_every_command_of_the_page_does_what_it_says(place: Place) -> None:
    (place.directory / "bin").mkdir()
    said = {command: place.run(command).output for command in commands()}
    assert "attribute : /example/data/Role=NULL/Capability=NULL\n" in said["ostiary proxy info --all"]
    assert said["ostiary proxy verify"] == "good: /C=ZZ/O=Example/CN=Ada; example: /example, /example/data\n"
    assert "/example/data/Role=reader/Capability=NULL\n" in said["ostiary proxy init --voms example --list"]
    lines = said["ostiary proxy info --fqan --actimeleft"].splitlines()
    assert 21_000 < int(lines[0]) <= 21_600
    assert lines[1] == "/example/data/Role=reader/Capability=NULL"
    assert (place.directory / "bin" / "voms-proxy-init").exists()
    assert said["ostiary vo --config voms.yaml gridmap"] == '"/C=ZZ/O=Example/CN=Ada" .example\n'
    assert (place.directory / "grid-mapfile").read_text() == '"/C=ZZ/O=Example/CN=Ada" reader\n'
    # A site that may read memberships by now finds both addresses.
    paths = [code for code in inline_code(PAGE) if code.startswith("/voms/example/")]
    plain, soap = map(place.get, paths)
    assert (plain.status, plain.body) == (200, b'"/C=ZZ/O=Example/CN=Ada" .pool\n')
    assert soap.status == 200
    assert b">/C=ZZ/O=Example/CN=Ada</getGridmapUsersReturn>" in soap.body


def test_a_site_that_was_not_let_reads_nothing(place: Place) -> None:
    answer = place.get("/voms/example/gridmap")
    assert answer.status == 403
    assert b"Ada" not in answer.body


def test_the_files_of_the_page_are_ones_that_are_read(tmp_path: Path) -> None:
    (tmp_path / "host-proxy.pem").touch()
    texts = [block.text.replace("/run/", f"{tmp_path}/") for block in blocks_of(PAGE) if block.language == "yaml"]
    read = [CertificateSettings.model_validate(yaml.safe_load(text)["certificates"]) for text in texts]
    assert read[0].tls is not None
    assert str(read[1].ban_file) == "/etc/grid-security/ban_users.db"
    [listed] = [block.text for block in blocks_of(PAGE) if block.language == "text"]
    bans = parse_ban_list(listed, "ban_users.db")
    assert bans.name("/C=ZZ/O=Example/CN=Mallory") == "/C=ZZ/O=Example/CN=Mallory"
    assert bans.fqans(["/example/data/Role=reader/Capability=NULL"]) == "/example/data/Role=reader"


def test_the_options_that_it_names_are_there() -> None:
    shown = CliRunner().invoke(ostiary, ["proxy", "init", "--help"], env={"COLUMNS": "200"}).output
    for option in ("--unless-valid", "--tries", "--timeout", "--order", "--host", "-conf"):
        assert option in text_of(PAGE)
        assert option == "-conf" or option in shown
