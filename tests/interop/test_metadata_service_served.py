"""``ostiary metadata serve`` as it is started, with two workers, asked over HTTP by pysaml2, by a Shibboleth SP, and for odd names."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import urllib3
import yaml

from ostiary.federation.keys import create_key_ring
from tests.metadata_service.conftest import ODD, Service, home, resource
from tests.metadata_service.pysaml2_reader import store
from tests.running_demo import free_base_port
from tests.shibboleth_server import ShibbolethServer, documented

pytestmark = pytest.mark.interop

IDP1, SP1 = "https://idp1.example/saml", "https://sp1.example/saml"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``ostiary metadata serve`` with two workers; its base URL."""
    directory = tmp_path_factory.mktemp("running")
    port = free_base_port()
    service = Service(directory)
    now = datetime.now(UTC)
    service.write_source(home(1), home(2), resource(1), home(3, entity_id=ODD), until=now + timedelta(days=20))
    told = yaml.safe_load(service.file.read_text())
    told.update({"public_url": f"http://127.0.0.1:{port}", "listen": {"port": port, "workers": 2}})
    service.file.write_text(yaml.safe_dump(told))
    with (directory / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ostiary.command", "metadata", "serve", "--config", str(service.file)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path)),
        )
    base = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 40
        while True:
            try:
                if urllib3.request("GET", f"{base}/health", retries=False).status == 200:
                    break
            except urllib3.exceptions.HTTPError:
                pass
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((directory / "output").read_text())
            time.sleep(0.1)
        (directory / "url").write_text(base)
        yield str(directory)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def test_pysaml2_reads_the_published_document_and_verifies_its_signature(running: str) -> None:
    base, certificate = Path(running, "url").read_text(), f"{running}/keys/current.crt"
    for path, expected in (("/all.xml", {IDP1, "https://idp2.example/saml", SP1, ODD}), ("/role/idp.xml", None)):
        known = store("/usr/bin/xmlsec1")
        known.load("remote", url=base + path, cert=certificate)
        found = set(known.keys())
        assert found == expected if expected is not None else found == {IDP1, "https://idp2.example/saml", ODD}
        assert known.service(IDP1, "idpsso_descriptor", "single_sign_on_service")


def test_pysaml2_asks_for_single_entities(running: str) -> None:
    base, certificate = Path(running, "url").read_text(), f"{running}/keys/current.crt"
    known = store("/usr/bin/xmlsec1")
    known.load("mdq", url=base, cert=certificate)
    assert known[IDP1]["entity_id"] == IDP1
    assert known[SP1]["spsso_descriptor"]
    with pytest.raises(KeyError):
        known["https://nobody.example"]


@pytest.mark.parametrize("written", [quote(ODD, safe=""), quote(ODD, safe="/"), quote(ODD, safe=":/=&")])
def test_odd_names_come_through_the_real_server(running: str, written: str) -> None:
    base = Path(running, "url").read_text()
    pool = urllib3.PoolManager(retries=False)
    found = pool.request(
        "GET", f"{base}/entities/{written.replace('..', '%2E%2E')}", headers={"Accept-Encoding": "gzip"}
    )
    assert found.status == 200
    assert quote(ODD[:20], safe=":/").encode() in found.data
    assert pool.request("HEAD", f"{base}/all.xml").status == 200
    unchanged = pool.request("GET", f"{base}/all.xml", headers={"If-None-Match": found.headers["ETag"]})
    assert unchanged.status == 200
    etag = unchanged.headers["ETag"]
    assert pool.request("GET", f"{base}/all.xml", headers={"If-None-Match": etag}).status == 304
    pool.clear()


def test_of_two_workers_one_published_each_document_once(running: str) -> None:
    lines = [json.loads(line) for line in Path(running, "output").read_text().splitlines() if line.startswith("{")]
    assert sorted(line["publication"] for line in lines if line["event"] == "published") == ["all", "role/idp"]


_PROVIDERS = {
    "MDQ": (
        '<MetadataProvider type="MDQ" validate="true" ignoreTransport="true" baseUrl="{base}/" cacheDirectory="{directory}/mdq">'
    ),
    "XML": (
        '<MetadataProvider type="XML" validate="true" url="{base}/all.xml" backingFilePath="{directory}/all.xml"'
        ' maxRefreshDelay="7200">'
    ),
}
_FILTERS = """
      <MetadataFilter type="RequireValidUntil" maxValidityInterval="2592000"/>
      <MetadataFilter type="Signature" certificate="{certificate}" verifyBackup="false"/>
    </MetadataProvider>"""


@pytest.mark.parametrize("kind", ["MDQ", "XML"])
def test_a_shibboleth_sp_finds_a_home_organisation_here(running: str, kind: str) -> None:
    server = ShibbolethServer(free_base_port())
    try:
        create_key_ring(server.keys, "shibboleth", now=datetime.now(UTC))
        facts = {
            "base": Path(running, "url").read_text(),
            "directory": str(server.directory),
            "certificate": f"{running}/keys/current.crt",
        }
        text = documented("xml")
        [provider] = re.findall(r"<MetadataProvider.*?</MetadataProvider>", text, re.DOTALL)
        text = text.replace(provider, (_PROVIDERS[kind] + _FILTERS).format(**facts))
        (server.directory / "mdq").mkdir()
        server.page("secure", "nobody comes this far")
        server.run(text, {}, "")
        pool = urllib3.PoolManager(retries=False)
        target = quote(f"{server.origin}/secure/", safe="")

        def login(entity_id: str) -> urllib3.BaseHTTPResponse:
            return pool.request(
                "GET",
                f"{server.origin}/Shibboleth.sso/Login?entityID={quote(entity_id, safe='')}&target={target}",
                redirect=False,
            )

        for entity_id, host in ((IDP1, "idp1.example"), (ODD, "idp3.example")):
            found = login(entity_id)
            assert found.status == 302, server.told()
            assert found.headers["Location"].startswith(f"https://{host}/sso?SAMLRequest=")
        assert not login("https://nobody.example/saml").headers.get("Location", "").startswith("https://nobody.example")
        pool.clear()
    finally:
        server.stop()
        server.remove()
