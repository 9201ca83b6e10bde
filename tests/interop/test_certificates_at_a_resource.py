"""Proxies that the VOMS clients in C and in Java make, shown by curl to a resource of ours that speaks TLS itself."""

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
from tests.interop.voms_peers import Grid
from tests.running_demo import RunningDemo, free_base_port
from tests.x509.authorities import root

pytestmark = pytest.mark.interop

CLIENTS = pytest.mark.parametrize("client", ["voms-proxy-init2", "voms-proxy-init3"], ids=["C", "Java"])
SETTINGS = """
entity_id: https://localhost/sp
public_url: https://localhost:{port}
display: {{name: The microscope}}
trust: {{keys: keys, metadata: []}}
identity_provider: https://home.example/idp
accept: [accept.yaml]
access: [access.yaml]
environ: {{isMemberOf: GROUPS}}
certificates:
  ca_directory: {ca_directory}
  require_crl: false
  vomsdir: {vomsdir}
  vos: [microscopy]
  tls: {{certificate: host.pem, key: host.key}}
"""
ACCEPT = """
rules:
  - {id: the VO, attribute: isMemberOf, from: {issuers: microscopy}}
"""
ACCESS = """
rules:
  - {id: members, paths: /, permit: {fqan: /microscopy/imaging}}
  - {id: operators, paths: /move, permit: {fqan: /microscopy/imaging/Role=operator}}
"""
PAGES = """
def pages(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["GROUPS"].encode()]
"""
SECONDS_TO_START = 30


@dataclass(frozen=True)
class Microscope:
    """A resource served by ``ostiary serve sp``, and who asks it."""

    directory: Path
    port: int
    grid: Grid

    def curl(self, path: str, *credential: str) -> tuple[int, str]:
        """Status and body."""
        command = ["curl", "--silent", "--show-error", "--max-time", "20", "--cacert", "ca.pem", *credential]
        command += ["--write-out", "\n%{http_code}", f"https://localhost:{self.port}{path}"]
        finished = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, timeout=30)
        if finished.returncode != 0:
            raise LookupError(finished.stderr)
        body, _, status = finished.stdout.rpartition("\n")
        return int(status), body


@pytest.fixture(scope="module")
def microscope(demo: RunningDemo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Microscope]:
    directory, port = tmp_path_factory.mktemp("microscope"), free_base_port()
    now = datetime.now(UTC)
    authority = root("/CN=Server CA", not_before=now - timedelta(days=1), not_after=now + timedelta(days=2))
    lifetime = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=1)}
    authority.write(directory, "ca")
    authority.issue("/CN=localhost", **lifetime).write(directory, "host")  # type: ignore[arg-type]
    create_key_ring(directory / "keys", "microscope", now=now)
    voms = demo.ready["voms"]
    vomsdir = Path(voms["lsc"]).parent.parent
    settings = SETTINGS.format(port=port, ca_directory=voms["ca_dir"], vomsdir=vomsdir)
    for name, text in (("sp.yaml", settings), ("accept.yaml", ACCEPT), ("access.yaml", ACCESS), ("pages.py", PAGES)):
        (directory / name).write_text(text)
    command = [sys.executable, "-m", "ostiary.command", "serve", "sp", "--config", "sp.yaml"]
    command += ["--app", "pages:pages", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with (directory / "log").open("wb") as log:
        serving = subprocess.Popen(command, cwd=directory, env=environment, stderr=log)
    try:
        served = Microscope(directory, port, Grid(voms, directory))
        _await(served, serving)
        yield served
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.wait(20)


def _await(microscope: Microscope, serving: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            microscope.curl("/")
        except LookupError:
            if serving.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((microscope.directory / "log").read_text()) from None
            time.sleep(0.1)
        else:
            return


@CLIENTS
def test_a_proxy_of_the_well_known_client_enters(microscope: Microscope, tmp_path: Path, client: str) -> None:
    proxy = tmp_path / "proxy"
    made = microscope.grid.init(client, "member", proxy, "-voms", "microscopy")
    assert made.code == 0, made.text
    shown = ("--cert", str(proxy), "--key", str(proxy))
    assert microscope.curl("/", *shown) == (200, "/microscopy;/microscopy/imaging;/microscopy/imaging/cryo")
    status, body = microscope.curl("/move", *shown)
    assert (status, json.loads(body)["error"]["code"]) == (403, "sp.denied")


@CLIENTS
def test_the_role_that_was_asked_for_opens_more(microscope: Microscope, tmp_path: Path, client: str) -> None:
    proxy = tmp_path / "proxy"
    made = microscope.grid.init(client, "member", proxy, "-voms", "microscopy:/microscopy/imaging/Role=operator")
    assert made.code == 0, made.text
    status, groups = microscope.curl("/move", "--cert", str(proxy), "--key", str(proxy))
    assert (status, groups.partition(";")[0]) == (200, "/microscopy/imaging/Role=operator")


@CLIENTS
def test_a_limited_proxy_is_told_that_it_is_one(microscope: Microscope, tmp_path: Path, client: str) -> None:
    proxy = tmp_path / "proxy"
    made = microscope.grid.init(client, "member", proxy, "-voms", "microscopy", "-limited")
    assert made.code == 0, made.text
    status, body = microscope.curl("/", "--cert", str(proxy), "--key", str(proxy))
    assert (status, json.loads(body)["error"]["code"]) == (403, "certificates.limited_proxy")


@pytest.mark.parametrize(
    ("holder", "answer"),
    [("member", (403, "sp.denied")), ("nonmember", (403, "sp.denied")), ("revoked", (401, "x509.revoked"))],
)
def test_a_certificate_without_a_proxy_says_nothing_of_a_vo(
    microscope: Microscope, holder: str, answer: tuple[int, str]
) -> None:
    voms = microscope.grid.voms
    status, body = microscope.curl("/", "--cert", voms[holder]["cert"], "--key", voms[holder]["key"])
    assert (status, json.loads(body)["error"]["code"]) == answer


def test_who_shows_nothing_is_told_both_ways_in(microscope: Microscope) -> None:
    status, body = microscope.curl("/")
    assert (status, json.loads(body)["error"]["code"]) == (401, "certificates.none_shown")
