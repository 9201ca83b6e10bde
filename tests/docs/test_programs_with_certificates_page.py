"""docs/programs-with-certificates.md, followed over a resource: its files, its table of answers, and a member who enters."""

import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ostiary.command.resource_over_tls import make_resource_over_tls
from ostiary.command.wording import catalogue
from ostiary.config import load_settings
from ostiary.federation.keys import create_key_ring
from ostiary.web.connection import PEER_CHAIN
from ostiary.web.log import make_log
from ostiary.web.texts import Catalogue
from ostiary.x509.lsc import write_lsc
from ostiary.x509.proxy import make_proxy
from sp_shire.certificates import believing
from sp_shire.certificates.settings import CertificateSettings
from sp_shire.settings import ShireSettings
from tests.docs.followed_page import READ_ONCE, blocks_of, inline_code, text_of
from tests.simulator import MovableClock
from tests.x509.authorities import attribute_authority, attribute_certificate, lsc_for, root

PAGE = "programs-with-certificates.md"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
# What docs/protect-your-application.md has made before.
BEFORE = """
entity_id: https://instrument.example.org/sp
public_url: https://instrument.example.org
display: {name: The instrument}
trust: {keys: keys, metadata: []}
identity_provider: https://home.example.org/idp
accept: [accept.yaml]
access: [access.yaml]
"""
VISITORS = """
def visitors(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["ostiary"].issuer.encode()]
"""
AUTHORITY = root("/C=ZZ/O=Example/CN=Example CA")
ALICE = AUTHORITY.issue("/C=ZZ/O=Example/CN=Alice Member")
VO = attribute_authority(AUTHORITY, "/C=ZZ/O=Example/CN=voms.example.org")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the resource, with what an administrator of a grid site has."""
    monkeypatch.setattr(Catalogue, "load", READ_ONCE)
    monkeypatch.chdir(tmp_path)
    certificates, lsc = tmp_path / "certificates", tmp_path / "vomsdir" / "testvo" / "voms.example.org.lsc"
    certificates.mkdir()
    AUTHORITY.install(certificates, crl=AUTHORITY.crl())
    lsc.parent.mkdir(parents=True)
    lsc.write_text(write_lsc(lsc_for(VO)))
    create_key_ring(tmp_path / "keys", "instrument", now=NOW)
    AUTHORITY.issue("/C=ZZ/O=Example/CN=instrument.example.org").write(tmp_path, "host")
    (tmp_path / "host.pem").rename(tmp_path / "host.crt")
    (tmp_path / "sp.yaml").write_text(BEFORE)
    (tmp_path / "visitors.py").write_text(VISITORS)
    return tmp_path


def put(place: Path, number: int) -> None:
    """Does what the first blocks say; of the two about sp.yaml the one with this number."""
    written = [block for block in blocks_of(PAGE) if block.language == "yaml"]
    [first, second] = [block for block in written if block.files() == ["sp.yaml"]]
    for block in written:
        if block in (first, second):
            continue
        [name] = block.files()
        (place / name).write_text(block.text)
    said = (first, second)[number].text.replace("/etc/grid-security", str(place))
    (place / "sp.yaml").write_text(BEFORE + said)


def ask(place: Path, path: str, chain: tuple[bytes, ...]) -> tuple[str, str]:
    """Status and body of what ``ostiary serve sp`` of the page would answer."""
    tls = load_settings(place / "sp.yaml", ShireSettings).certificates
    assert tls is not None
    assert tls.tls is not None
    clock = MovableClock(NOW)
    [command] = [line for block in blocks_of(PAGE) for line in block.lines() if line.startswith("ostiary serve sp")]
    application = re.search(r"--app (\S+)", command)
    assert application is not None
    log = make_log(clock, service="sp", stream=io.StringIO())
    made = make_resource_over_tls(place / "sp.yaml", application[1], tls.tls, clock=clock, log=log)
    assert made.context() is not None
    told: list[str] = []
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "HTTP_HOST": "instrument.example.org",
        PEER_CHAIN: chain,
    }
    body = b"".join(made.application(environ, lambda status, *_: told.append(status)))  # type: ignore[arg-type, func-returns-value]
    return told[0], body.decode()


def proxy(*fqans: str) -> tuple[bytes, ...]:
    said = attribute_certificate(VO, ALICE.certificate, host="voms.example.org", fqans=fqans)
    made = make_proxy(
        ALICE.certificates,
        ALICE.key,
        lifetime=timedelta(hours=12),
        now=NOW,
        attribute_certificates=[said],
        key_size="ec",
    )
    return made.ders


def test_the_page_can_be_followed_and_a_member_enters(place: Path) -> None:
    put(place, 0)
    assert ask(place, "/", proxy("/testvo")) == ("200 OK", "CN=Example CA,O=Example,C=ZZ")
    status, body = ask(place, "/settings", proxy("/testvo"))
    assert status == "403 Forbidden"
    assert json.loads(body)["error"]["message"] == "Only administrators of g1 change settings."
    assert ask(place, "/settings", proxy("/testvo/g1/Role=admin", "/testvo"))[0] == "200 OK"
    assert ask(place, "/", ALICE.ders)[0] == "403 Forbidden"
    assert ask(place, "/", ())[0] == "401 Unauthorized"


def test_the_way_behind_a_web_server_is_accepted(place: Path) -> None:
    put(place, 1)
    certificates = load_settings(place / "sp.yaml", ShireSettings).certificates
    assert certificates is not None
    assert certificates.front_end is not None
    header = certificates.front_end.certificate_header
    [nginx] = [block.text for block in blocks_of(PAGE) if block.language == "nginx"]
    assert f"proxy_set_header {header} $ssl_client_escaped_cert;" in nginx


def test_every_code_of_the_table_is_one_of_ours() -> None:
    cells = re.findall(r"^\| 40[13] \| (.+?) \|", text_of(PAGE), re.MULTILINE)
    codes = {code for cell in cells for code in re.findall(r"`([a-z0-9_.]+)`", cell)}
    assert len(codes) == 13
    # What a rule denies is told in the rule's own words.
    assert codes - set(catalogue().error_codes) == {"sp.denied"}


def test_the_names_of_the_page_are_those_of_the_code() -> None:
    code = set(inline_code(PAGE))
    assert {believing.SUBJECT, believing.SUBJECT_SLASH} <= code
    assert {"limited_proxies: true", "most_proxies", "host_names", "require_crl: false", "largest_body"} <= code
    assert CertificateSettings.model_fields["most_proxies"].default == 10


def test_every_block_says_what_it_is() -> None:
    others = [block.text.splitlines()[0] for block in blocks_of(PAGE) if block.language not in ("yaml", "sh")]
    assert others == ["ssl_verify_client optional_no_ca;"]
    assert all(yaml.safe_load(block.text) for block in blocks_of(PAGE) if block.language == "yaml")
