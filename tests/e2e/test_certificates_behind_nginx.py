"""A real nginx ends TLS and passes client certificates on: the block of docs/programs-with-certificates.md, curl as program."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ostiary.federation.keys import create_key_ring
from ostiary.x509.proxy import make_proxy, write_proxy
from tests.docs.followed_page import blocks_of
from tests.running_demo import free_base_port
from tests.x509.authorities import Identity, pem, root

pytestmark = pytest.mark.e2e

SETTINGS = """
entity_id: https://localhost/sp
public_url: https://localhost:{port}
display: {{name: The instrument}}
trust: {{keys: keys, metadata: []}}
identity_provider: https://home.example/idp
accept: [accept.yaml]
access: [access.yaml]
environ: {{certificateSubject: SUBJECT}}
certificates:
  ca_directory: ca
  front_end: {{addresses: [127.0.0.1], certificate_header: ClientCert}}
"""
ACCEPT = """
rules:
  - {id: the CA, attribute: certificateSubject, from: {issuers: "CN=HV Test CA,O=HV Test,C=ZZ"}}
"""
ACCESS = """
rules:
  - {id: alice, paths: /, permit: {attribute: certificateSubject, value: "CN=Alice Member,O=HV Test,C=ZZ"}}
"""
PAGES = """
def pages(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["SUBJECT"].encode(), b" ", environ.get("HTTP_CLIENTCERT", "no header").encode()]
"""
SECONDS_TO_START = 30


@dataclass(frozen=True)
class Site:
    """The resource behind nginx, and the port on which it answers nginx."""

    directory: Path
    port: int
    behind: int

    def curl(self, path: str, *options: str, port: int = 0) -> tuple[int, str]:
        """Status and body."""
        scheme = "http" if port else "https"
        command = ["curl", "--silent", "--show-error", "--max-time", "20", "--cacert", "ca.pem", *options]
        command += ["--write-out", "\n%{http_code}", f"{scheme}://localhost:{port or self.port}{path}"]
        finished = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, timeout=30)
        if finished.returncode != 0:
            raise LookupError(finished.stderr)
        body, _, status = finished.stdout.rpartition("\n")
        return int(status), body

    def code(self, path: str, *options: str) -> tuple[int, str]:
        """Status and code of a refusal."""
        status, body = self.curl(path, *options)
        return status, json.loads(body)["error"]["code"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory, port = tmp_path_factory.mktemp("instrument"), free_base_port()
    site = Site(directory, port, port + 1)
    now = datetime.now(UTC).replace(microsecond=0)
    life = {"not_before": now - timedelta(days=9), "not_after": now + timedelta(days=2)}
    authority = root(**life)  # type: ignore[arg-type]
    (directory / "ca").mkdir()
    crl = authority.crl(0x2002, this_update=now - timedelta(hours=1), next_update=now + timedelta(days=1))
    authority.install(directory / "ca", crl=crl)
    (directory / "ca.pem").write_bytes(pem(authority.certificate))
    _write_people(directory, authority, now, life)
    create_key_ring(directory / "keys", "instrument", now=now)
    settings = SETTINGS.format(port=port)
    for name, text in (("sp.yaml", settings), ("accept.yaml", ACCEPT), ("access.yaml", ACCESS), ("pages.py", PAGES)):
        (directory / name).write_text(text)
    command = [sys.executable, "-m", "ostiary.command", "serve", "sp", "--config", "sp.yaml"]
    command += ["--app", "pages:pages", "--port", str(site.behind)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    serving = subprocess.Popen(command, cwd=directory, env=environment, start_new_session=True)
    nginx = subprocess.Popen(["nginx", "-p", directory, "-c", _nginx(site)])
    try:
        _await(site)
        yield site
    finally:
        for process in (nginx, serving):
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _write_people(directory: Path, authority: "Identity", now: datetime, life: dict[str, datetime]) -> None:
    issue = authority.issue  # type: ignore[attr-defined]
    issue("/C=ZZ/O=HV Test/CN=localhost", **life).write(directory, "host")
    alice = issue("/C=ZZ/O=HV Test/CN=Alice Member", **life)
    alice.write(directory, "alice")
    issue("/C=ZZ/O=HV Test/CN=Rita", serial=0x2002, **life).write(directory, "revoked")
    past = {"not_before": now - timedelta(days=9), "not_after": now - timedelta(days=1)}
    issue("/C=ZZ/O=HV Test/CN=Alice Member", **past).write(directory, "expired")
    # A CA of the same name with a key of its own, sent along.
    other = root("/C=ZZ/O=HV Test/CN=HV Test CA", key=issue("/CN=other key").key, **life)  # type: ignore[arg-type]
    forged = other.issue("/C=ZZ/O=HV Test/CN=Alice Member", **life)  # type: ignore[arg-type]
    Identity(forged.certificate, forged.key, (other.certificate,)).write(directory, "forged")
    elsewhere = root("/C=ZZ/O=Elsewhere/CN=Other CA", **life)  # type: ignore[arg-type]
    elsewhere.issue("/C=ZZ/O=HV Test/CN=Alice Member", **life).write(directory, "stranger")  # type: ignore[arg-type]
    proxy = make_proxy(alice.certificates, alice.key, lifetime=timedelta(hours=5), now=now)
    write_proxy(directory / "proxy", proxy)


def _nginx(site: Site) -> Path:
    [block] = [block.text for block in blocks_of("programs-with-certificates.md") if block.language == "nginx"]
    places = "".join(
        f"{name}_temp_path {site.directory}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # Its workers have to reach the directory, which is ours alone.
    user = "user root root;" if os.geteuid() == 0 else ""
    config = site.directory / "nginx.conf"
    config.write_text(
        f"{user} daemon off; pid {site.directory}/pid; error_log {site.directory}/error.log; events {{}}\n"
        f"http {{ {places} access_log off; server {{ listen 127.0.0.1:{site.port} ssl;\n"
        f"ssl_certificate host.pem; ssl_certificate_key host.key;\n"
        f"{block.replace(':8080', f':{site.behind}')}}} }}\n"
    )
    return config


def _await(site: Site) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            if site.curl("/", *shown("alice"))[0] == 200:
                return
        except LookupError:
            pass
        if time.monotonic() > deadline:
            raise RuntimeError("nginx or the resource does not answer")
        time.sleep(0.1)


def shown(who: str) -> tuple[str, ...]:
    """The options of curl that show somebody's certificate."""
    return ("--cert", f"{who}.pem", "--key", f"{who}.key")


def test_who_has_a_certificate_enters_and_the_application_sees_no_header(site: Site) -> None:
    assert site.curl("/", *shown("alice")) == (200, "CN=Alice Member,O=HV Test,C=ZZ no header")


@pytest.mark.parametrize(
    ("who", "code"),
    [("revoked", "x509.revoked"), ("stranger", "x509.untrusted_ca"), ("forged", "x509.signature")],
)
def test_what_nginx_does_not_verify_is_verified_here(site: Site, who: str, code: str) -> None:
    assert site.code("/", *shown(who)) == (401, code)


def test_an_expired_certificate_is_refused_by_nginx_itself(site: Site) -> None:
    status, body = site.curl("/", *shown("expired"))
    assert (status, "The SSL certificate error" in body) == (400, True)


def test_a_certificate_that_a_client_writes_into_the_header_itself_is_taken_away(site: Site) -> None:
    written = "ClientCert: " + (site.directory / "alice.pem").read_text().replace("\n", "%0A").replace(" ", "%20")
    other = written.replace("ClientCert", "Client_Cert")
    for header in (written, other, written.replace("ClientCert", "clientcert")):
        assert site.code("/", "--header", header) == (401, "certificates.none_shown")
    status, body = site.curl("/", *shown("revoked"), "--header", written)
    assert (status, json.loads(body)["error"]["code"]) == (401, "x509.revoked")


def test_nginx_refuses_proxies_as_the_page_says(site: Site) -> None:
    status, body = site.curl("/", "--cert", "proxy", "--key", "proxy")
    assert (status, "The SSL certificate error" in body) == (400, True)


def test_who_shows_nothing_is_told_both_ways_in(site: Site) -> None:
    assert site.code("/") == (401, "certificates.none_shown")
