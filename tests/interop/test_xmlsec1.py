"""The program xmlsec1 (Debian) as judge of what we sign: metadata, and Responses of a whole login."""

import base64
import subprocess
from pathlib import Path

import pytest

from tests.browser import Browser, HttpTransport, forms_of
from tests.running_demo import RunningDemo

pytestmark = pytest.mark.interop

NAMES = {
    "Response": "urn:oasis:names:tc:SAML:2.0:protocol:Response",
    "Assertion": "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
    "EntitiesDescriptor": "urn:oasis:names:tc:SAML:2.0:metadata:EntitiesDescriptor",
    "EntityDescriptor": "urn:oasis:names:tc:SAML:2.0:metadata:EntityDescriptor",
}


def xmlsec1_verifies(document: Path, element: str, certificate: Path) -> bool:
    identifiers = [part for name in NAMES.values() for part in ("--id-attr:ID", name)]
    # With several signatures in a document, the one of this element.
    node = f"//*[local-name()='{element}']/*[local-name()='Signature']"
    finished = subprocess.run(
        [
            "xmlsec1",
            "--verify",
            *identifiers,
            "--node-xpath",
            node,
            "--pubkey-cert-pem",
            str(certificate),
            str(document),
        ],
        capture_output=True,
        text=True,
    )
    return finished.returncode == 0


@pytest.fixture
def response(demo: RunningDemo, tmp_path: Path) -> Path:
    transport = HttpTransport()
    browser = Browser(transport)
    home = demo.ready["idp"][0]
    discovery = browser.get(demo.ready["sp"][1]["url"])
    page = browser.submit(discovery, {"choice": home["entity_id"]}, having="choice")
    user = home["users"][0]
    page = browser.submit(page, {"username": user["username"], "password": user["password"]}, having="password")
    transport.close()
    [form] = [form for form in forms_of(page) if form.has("SAMLResponse")]
    path = tmp_path / "response.xml"
    path.write_bytes(base64.b64decode(dict(form.fields)["SAMLResponse"]))
    return path


def test_both_signatures_of_a_response_verify(demo: RunningDemo, response: Path) -> None:
    certificate = demo.state / "northgate" / "keys" / "current.crt"
    assert xmlsec1_verifies(response, "Response", certificate)
    assert xmlsec1_verifies(response, "Assertion", certificate)
    other = demo.state / "southbank" / "keys" / "current.crt"
    assert not xmlsec1_verifies(response, "Response", other)


def test_a_changed_value_breaks_both_signatures(demo: RunningDemo, response: Path) -> None:
    changed = response.read_text().replace("Alice Archer", "Alice Butler")
    response.write_text(changed)
    certificate = demo.state / "northgate" / "keys" / "current.crt"
    assert not xmlsec1_verifies(response, "Response", certificate)
    assert not xmlsec1_verifies(response, "Assertion", certificate)


def test_the_aggregate_and_each_entity_verify(demo: RunningDemo, tmp_path: Path) -> None:
    transport = HttpTransport()
    certificate = Path(demo.ready["ca_cert"])
    for number, (url, element) in enumerate(
        [
            (demo.ready["federation"]["aggregate"], "EntitiesDescriptor"),
            (demo.ready["idp"][0]["metadata"], "EntityDescriptor"),
        ]
    ):
        path = tmp_path / f"metadata{number}.xml"
        path.write_bytes(transport.send("GET", url, {}, b"").body)
        assert xmlsec1_verifies(path, element, certificate)
    transport.close()
