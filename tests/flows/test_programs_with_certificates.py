"""A program gets a proxy from a VO and enters a Flask application over real TLS, by ``ostiary proxy init`` and ``ostiary serve sp``."""

import contextlib
import http.client
import io
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

import ostiary.audit.tables
import voms.tables
from ostiary.clock import SystemClock
from ostiary.command.resource_over_tls import make_resource_over_tls
from ostiary.config import ListenSettings, load_settings
from ostiary.federation.keys import create_key_ring
from ostiary.storage.migrate import MIGRATIONS
from ostiary.web.listener import TlsListener
from ostiary.web.log import make_log
from sp_shire.settings import ShireSettings
from tests.databases import upgraded
from tests.voms.served import Site, served_vo
from tests.x509.authorities import Identity, pem, root

HOST = "instrument.example"
SETTINGS = """
entity_id: https://instrument.example/sp
public_url: https://instrument.example
display: {name: The instrument}
trust: {keys: keys, metadata: []}
identity_provider: https://home.example/idp
accept: [accept.yaml]
access: [access.yaml]
protected: [/data]
environ: {isMemberOf: GROUPS}
certificates:
  ca_directory: certificates
  vomsdir: vomsdir
  tls: {certificate: host.pem, key: host.key}
"""
ACCEPT = """
rules:
  - {id: the VO, attribute: isMemberOf, from: {issuers: testvo}}
  - {id: the CA, attribute: certificateSubject, from: {issuers: "CN=HV Test CA,O=HV Test,C=ZZ"}}
"""
ACCESS = """
rules:
  - id: members of the VO
    paths: /
    permit: {fqan: /testvo}
    because: Only members of testvo.
  - id: administrators
    paths: /data/settings
    permit: {fqan: /testvo/g1/Role=admin}
    because: Only administrators of g1.
"""
APPLICATION = """
from flask import Flask, request

app = Flask(__name__)


@app.route("/<path:path>", methods=["GET", "POST"])
def told(path):
    ostiary = request.environ["ostiary"]
    return {
        "who": ostiary.person.name_id if ostiary.is_logged_in else None,
        "groups": request.environ.get("GROUPS", ""),
        "sent": len(request.get_data()),
        "subject": ostiary.one("certificateSubject"),
    }
"""


@dataclass
class Instrument:
    """The application behind the listener, beside the VO."""

    site: Site
    port: int
    log: io.StringIO

    def ask(
        self, path: str, credential: Path | tuple[str, str] | None = None, *, body: bytes | None = None
    ) -> tuple[int, dict[str, object]]:
        """One request, as a program makes it; ``credential`` is a proxy file, or a certificate and its key."""
        context = ssl.create_default_context(cadata=pem(self.site.grid.authority.certificate).decode())
        context.check_hostname = False
        # From Python 3.13 on the default is stricter than grid certificates are.
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        if isinstance(credential, Path):
            context.load_cert_chain(credential)
        elif credential is not None:
            context.load_cert_chain(*credential)
        with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)) as to:
            to.request("GET" if body is None else "POST", path, body, {"Host": HOST, "Accept": "*/*"})
            answer = to.getresponse()
            return answer.status, json.loads(answer.read())

    def code(self, path: str, credential: Path | tuple[str, str] | None = None) -> tuple[int, str]:
        status, told = self.ask(path, credential)
        error = told["error"]
        if not isinstance(error, dict):
            raise LookupError(told)
        return status, error["code"]

    def proxy(self, *options: str) -> Path:
        """A new proxy by ``ostiary proxy init``."""
        made = self.site.init("--voms", "testvo", *options)
        if made.exit_code != 0:
            raise LookupError(f"{made.output} {made.exception!r}")
        return self.site.directory / "proxy"


@contextlib.contextmanager
def served_resource(site: Site, log: io.StringIO) -> Iterator[Instrument]:
    """What ``ostiary serve sp`` serves for the files in the site's directory."""
    directory, clock = site.directory, SystemClock()
    certificates = load_settings(directory / "sp.yaml", ShireSettings).certificates
    if certificates is None or certificates.tls is None:
        raise LookupError("sp.yaml has no certificates.tls")
    written = make_log(clock, service="sp", stream=log)
    made = make_resource_over_tls(
        directory / "sp.yaml", "instrument_pages:app", certificates.tls, clock=clock, log=written
    )
    listener = TlsListener(made.application, ListenSettings(port=0), made.context, log=written, limits=made.limits)
    listener.start()
    try:
        yield Instrument(site, listener.port, log)
    finally:
        listener.stop()


@pytest.fixture
def instrument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Instrument]:
    monkeypatch.chdir(tmp_path)
    migrations = [MIGRATIONS, ostiary.audit.tables.MIGRATIONS, voms.tables.MIGRATIONS]
    log = io.StringIO()
    with upgraded("sqlite", tmp_path, migrations) as engine, served_vo(engine, tmp_path) as site:
        create_key_ring(tmp_path / "keys", "instrument", now=datetime.now(UTC))
        for name, text in (("sp.yaml", SETTINGS), ("accept.yaml", ACCEPT), ("access.yaml", ACCESS)):
            (tmp_path / name).write_text(text)
        (tmp_path / "instrument_pages.py").write_text(APPLICATION)
        with served_resource(site, log) as instrument:
            yield instrument


def test_a_member_gets_a_proxy_and_enters_with_it(instrument: Instrument) -> None:
    status, told = instrument.ask("/data/today", instrument.proxy())
    assert status == 200, told
    assert told == {
        "who": "CN=Alice Member,O=HV Test,C=ZZ",
        "groups": "/testvo;/testvo/g1;/testvo/g1/sub;/testvo/g2",
        "sent": 0,
        "subject": "CN=Alice Member,O=HV Test,C=ZZ",
    }
    assert instrument.code("/data/settings", instrument.site.directory / "proxy") == (403, "sp.denied")


def test_a_role_that_is_asked_for_opens_more(instrument: Instrument) -> None:
    made = instrument.site.init("--voms", "testvo:/testvo/g1/Role=admin")
    assert made.exit_code == 0, made.output
    status, told = instrument.ask("/data/settings", instrument.site.directory / "proxy", body=b"x" * 300_000)
    assert (status, told["sent"]) == (200, 300_000)


def test_a_proxy_of_a_proxy_enters_too(instrument: Instrument) -> None:
    instrument.proxy()
    second = instrument.site.directory / "second"
    made = instrument.site.run("init", "-noregen", "--bits", "ec", "--voms", "testvo", "-out", str(second))
    assert made.exit_code == 0, made.output
    status, told = instrument.ask("/data/today", second)
    assert (status, told.get("who")) == (200, "CN=Alice Member,O=HV Test,C=ZZ")


def test_whoever_the_vo_does_not_speak_for_is_told_so(instrument: Instrument) -> None:
    alice = instrument.site.write(instrument.site.grid.alice, "user")
    assert instrument.code("/data/today", alice) == (403, "sp.denied")
    assert instrument.code("/data/today") == (401, "certificates.none_shown")
    assert instrument.ask("/open")[1]["who"] is None
    assert instrument.ask("/open", alice)[1]["who"] == "CN=Alice Member,O=HV Test,C=ZZ"


def test_who_is_suspended_gets_no_new_proxy_and_who_is_revoked_enters_no_more(instrument: Instrument) -> None:
    proxy, grid = instrument.proxy(), instrument.site.grid
    grid.vo.directory.suspend(grid.vo.alice, "left", at=datetime.now(UTC), by="operator")
    assert instrument.site.init("--voms", "testvo").exit_code == 1
    assert instrument.ask("/data/today", proxy)[0] == 200
    now = datetime.now(UTC)
    revoked = grid.authority.crl(
        grid.alice.certificate.serial_number,
        this_update=now - timedelta(minutes=1),
        next_update=now + timedelta(days=1),
    )
    grid.authority.install(grid.ca_directory, crl=revoked)
    # The files are looked at anew in a few seconds; another resource sees it at once.
    with served_resource(instrument.site, instrument.log) as fresh:
        assert fresh.code("/data/today", proxy) == (401, "x509.revoked")


def test_a_certificate_that_is_not_good_is_told_why_and_not_cut_off(instrument: Instrument) -> None:
    now = datetime.now(UTC)
    lifetimes = {"not_before": now - timedelta(days=9), "not_after": now + timedelta(days=9)}
    stranger = root("/C=ZZ/O=Elsewhere/CN=Other CA", **lifetimes).issue("/C=ZZ/O=Elsewhere/CN=Mallory", **lifetimes)  # type: ignore[arg-type]
    assert instrument.code("/data/today", instrument.site.write(stranger, "stranger")) == (401, "x509.untrusted_ca")
    past = {"not_before": now - timedelta(days=9), "not_after": now - timedelta(days=1)}
    old = instrument.site.grid.authority.issue("/C=ZZ/O=HV Test/CN=Olga", **past)  # type: ignore[arg-type]
    assert instrument.code("/data/today", instrument.site.write(old, "old")) == (401, "x509.expired")


def test_somebody_elses_certificate_without_its_key_is_worth_nothing(instrument: Instrument) -> None:
    """The whole chain of a member's proxy is no secret; what follows the certificate of who connects is not proven to be hers."""
    proxy = instrument.proxy()
    grid = instrument.site.grid
    mallory = grid.authority.issue("/C=ZZ/O=HV Test/CN=Mallory", not_after=grid.alice.certificate.not_valid_after_utc)
    hers = x509.load_pem_x509_certificates(proxy.read_bytes())
    posing = Identity(mallory.certificate, mallory.key, tuple(hers))
    status, told = instrument.ask("/data/today", instrument.site.write(posing, "posing"))
    assert (status, told["error"]["code"]) == (403, "sp.denied")  # type: ignore[index]
    assert instrument.ask("/open", instrument.site.write(posing, "posing"))[1]["who"] == "CN=Mallory,O=HV Test,C=ZZ"


def test_plain_http_is_told_what_is_spoken_here(instrument: Instrument) -> None:
    with socket.create_connection(("127.0.0.1", instrument.port), timeout=5) as raw:
        raw.sendall(f"GET /data/today HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        assert b"This port speaks TLS only." in raw.makefile("rb").read()
