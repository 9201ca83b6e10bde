"""Attribute queries in a whole federation: encrypted from home to resource, and by an identifier that came with a login."""

import base64
import json
import shutil
from pathlib import Path

from ostiary.command.demo.federation import write_aggregate
from ostiary.command.demo.layout import Layout
from ostiary.command.demo.people import NORTHGATE
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.bindings import decode_soap, encode_soap
from ostiary.saml.protocol import AttributeQuery, new_id
from ostiary.saml.signature import sign
from ostiary.saml.validate import verify_response
from tests.browser import forms_of
from tests.flows.forging import signer_of
from tests.simulator import BASE_PORT, START, Simulation, configure

INSTRUMENT = "https://instrument.example/shar"
PAIRWISE_ID = "urn:oasis:names:tc:SAML:attribute:pairwise-id"


def attributes(simulation: Simulation, resource: str, username: str) -> tuple[dict[str, list[str]], bytes]:
    """What a resource knows after a login, and the Response that brought her there."""
    browser = simulation.browser()
    page = simulation.to_response(browser, resource, username)
    [form] = [form for form in forms_of(page) if form.has("SAMLResponse")]
    browser.submit(page, having="SAMLResponse")
    told = browser.get(simulation.handler(resource, "session?format=json"))
    return json.loads(told.text)["attributes"], base64.b64decode(dict(form.fields)["SAMLResponse"])


def test_resources_with_a_key_to_encrypt_to_get_everything_encrypted(state: Path) -> None:
    layout = Layout(state, BASE_PORT)
    rsa = layout.directory(NORTHGATE.key) / "keys"
    for resource in ("library", "instrument"):
        for suffix in ("key", "crt"):
            shutil.copy(rsa / f"current.{suffix}", layout.directory(resource) / "keys" / f"encryption-current.{suffix}")
    write_aggregate(layout, [], START)
    # An answer that could not be encrypted would be denied.
    configure(layout.directory(NORTHGATE.key) / "aa.yaml", encrypt_answers="always")
    simulation = Simulation(state)
    try:
        asked_for, response = attributes(simulation, "library", "alice")
        assert b"EncryptedAssertion" in response
        assert asked_for == {"eduPersonScopedAffiliation": ["member@northgate.example", "staff@northgate.example"]}
        assert len(simulation.soap.sent) == 1
        pushed, response = attributes(simulation, "instrument", "alice")
        assert b"EncryptedAssertion" in response
        assert b"northgate.example</" not in response.partition(b"EncryptedAssertion")[2]
        assert pushed
    finally:
        simulation.close()


def test_a_resource_asks_by_the_pairwise_id_that_came_with_a_login(state: Path) -> None:
    layout = Layout(state, BASE_PORT)
    configure(layout.directory("instrument") / "sp.yaml", subject_identifier="pairwise-id")
    write_aggregate(layout, [], START)
    simulation = Simulation(state)
    try:
        pushed, _ = attributes(simulation, "instrument", "alice")
        [value] = pushed["pairwise-id"]
        told = ask(simulation, NameId(value.upper(), PAIRWISE_ID))
        assert b"pairwise-id" in told
        assert value.encode() in told
        assert names.UNKNOWN_PRINCIPAL.encode() in ask(simulation, NameId(f"x{value}", PAIRWISE_ID))
    finally:
        simulation.close()


def ask(simulation: Simulation, name_id: NameId) -> bytes:
    """What the instrument's home answers it, signed."""
    location = f"{simulation.layout.aa_url(NORTHGATE)}/saml/attribute-query"
    element = AttributeQuery(new_id(), INSTRUMENT, simulation.clock.now(), name_id, destination=location).to_xml()
    sign(element, signer_of(simulation, "instrument"))
    answer = simulation.transport.send("POST", location, {"Content-Type": "text/xml"}, encode_soap(element)).body
    verify_response(decode_soap(answer), [signer_of(simulation, NORTHGATE.key).public])
    return answer
