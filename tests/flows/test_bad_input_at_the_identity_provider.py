"""What a resource's browser may bring to the Handle Service that is bad, each beside the request that the resource really made."""

import base64
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

import pytest

from ostiary.command.demo.people import NORTHGATE
from ostiary.saml.bindings import encode_redirect
from ostiary.saml.protocol import AuthnRequest, new_id
from ostiary.saml.signature import UnsignedAllowedByMetadata
from ostiary.saml.xml import parse_xml, to_bytes
from tests.browser import Browser, forms_of
from tests.flows.forging import log_line, signer_of, take_apart
from tests.simulator import START, Simulation

SSO = "http://localhost:20001/saml/sso/redirect"
LIBRARY = "https://library.example/shar"


@dataclass(frozen=True)
class Asked:
    """A browser that the library sent off to Northgate."""

    simulation: Simulation
    browser: Browser
    request: AuthnRequest
    url: str

    def signed(self, part: str | None = "library", **changes: Any) -> str:
        """The request, with other fields or by another key."""
        signer = signer_of(self.simulation, part) if part is not None else None
        return encode_redirect(SSO, "SAMLRequest", self.request._replace(**changes).to_xml(), signer=signer)


@pytest.fixture
def asked(federation: Simulation) -> Asked:
    browser = federation.browser()
    begun = browser.request("GET", federation.handler("library", "login?entityID=https://northgate.example/idp"))
    url = begun.header("Location") or ""
    message = parse_xml(inflated(url))
    return Asked(federation, browser, AuthnRequest.from_proof(UnsignedAllowedByMetadata(message, LIBRARY)), url)


def inflated(url: str) -> bytes:
    return zlib.decompress(base64.b64decode(parse_qs(urlsplit(url).query)["SAMLRequest"][0]), -15)


def deflated(content: bytes) -> str:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return quote_plus(base64.b64encode(compressor.compress(content) + compressor.flush()))


BAD: dict[str, tuple[str, int, Callable[[Asked], str]]] = {
    "a deflate bomb": (
        "binding.too_large",
        413,
        lambda asked: f"{SSO}?SAMLRequest={deflated(b'<a>' + b' ' * 20_000_000 + b'</a>')}",
    ),
    "a bomb around the real request": (
        "binding.too_large",
        413,
        lambda asked: f"{SSO}?SAMLRequest={deflated(inflated(asked.url) + b' ' * 20_000_000)}",
    ),
    "two deflate streams": (
        "binding.deflate",
        400,
        lambda asked: f"{SSO}?SAMLRequest={quote_plus(base64.b64encode(zlib.compress(inflated(asked.url))))}",
    ),
    "a query of a megabyte": ("http.too_large", 413, lambda asked: f"{asked.url}&x={'x' * 1_000_000}"),
    "not XML": ("xml.not_well_formed", 400, lambda _: f"{SSO}?SAMLRequest={deflated(b'alice')}"),
    "a DOCTYPE": (
        "xml.doctype",
        400,
        lambda asked: f"{SSO}?SAMLRequest={deflated(b'<!DOCTYPE a>' + inflated(asked.url))}",
    ),
    "another message": (
        "saml.other_message",
        400,
        lambda asked: (
            f"{SSO}?SAMLRequest="
            + deflated(
                to_bytes(
                    take_apart(
                        asked.simulation, asked.simulation.to_response(asked.simulation.browser(), "library", "bob")
                    ).response.to_xml()
                )
            )
        ),
    ),
    "unsigned, though metadata says signed": ("signature.missing", 400, lambda asked: asked.signed(None)),
    "signed by another resource": ("signature.wrong", 400, lambda asked: asked.signed("instrument")),
    "signed by the home itself": ("signature.wrong", 400, lambda asked: asked.signed("northgate")),
    "a signature over other octets": (
        "signature.wrong",
        400,
        lambda asked: asked.url.replace("&SigAlg=", "&RelayState=added&SigAlg="),
    ),
    "a request taken twice in one address": (
        "http.parameter_repeated",
        400,
        lambda asked: f"{asked.url}&SAMLRequest=x",
    ),
    "for another home": (
        "saml.destination",
        400,
        lambda asked: asked.signed(destination="http://localhost:20003/saml/sso/redirect"),
    ),
    "without destination": ("saml.destination", 400, lambda asked: asked.signed(destination=None)),
    "the answer to another resource": (
        "sso.acs_unregistered",
        400,
        lambda asked: asked.signed(acs_url="http://127.0.0.1:20006/ostiary/acs"),
    ),
    "the answer to a thief": (
        "sso.acs_unregistered",
        400,
        lambda asked: asked.signed(acs_url="https://evil.example/acs"),
    ),
    "from nobody": ("sso.unknown_sp", 400, lambda asked: asked.signed(issuer="https://evil.example/sp")),
    "in another's name": (
        "signature.wrong",
        400,
        lambda asked: asked.signed(issuer="https://instrument.example/shar"),
    ),
    "too old": ("saml.too_old", 400, lambda asked: asked.signed(issue_instant=START - timedelta(minutes=8, seconds=1))),
    "from the future": (
        "saml.from_the_future",
        400,
        lambda asked: asked.signed(issue_instant=START + timedelta(minutes=3, seconds=1)),
    ),
}


@pytest.mark.parametrize("kind", BAD, ids=lambda kind: kind.replace(" ", "_"))
def test_a_bad_request_is_refused_and_the_real_one_logs_in(asked: Asked, kind: str) -> None:
    code, status, make = BAD[kind]
    answer = asked.browser.request("GET", make(asked))
    line = log_line(asked.simulation, answer)
    assert (answer.status, line["code"], line["service"]) == (status, code, "northgate-idp")
    assert line["expected"]
    assert line["found"]
    assert answer.header("Set-Cookie") is None
    assert "Traceback" not in answer.text
    assert "evil.example" not in answer.text

    page = asked.browser.get(asked.url)
    page = asked.browser.submit(page, {"username": "alice", "password": "alice-opens-doors"}, having="password")
    assert asked.browser.submit(page, having="SAMLResponse").status == 200


def test_the_same_request_made_by_hand_logs_in(asked: Asked) -> None:
    """The twin of the forged ones: nothing but the field in question is wrong with them."""
    page = asked.browser.get(asked.signed())
    page = asked.browser.submit(page, {"username": "alice", "password": "alice-opens-doors"}, having="password")
    assert asked.browser.submit(page, having="SAMLResponse").status == 200


def test_a_login_page_is_answered_by_the_browser_that_it_was_shown_in(asked: Asked) -> None:
    page = asked.browser.get(asked.url)
    credentials = {"username": "alice", "password": "alice-opens-doors"}
    stranger = asked.simulation.browser()
    answer = stranger.submit(page, credentials, having="password")
    assert (answer.status, log_line(asked.simulation, answer)["code"]) == (403, "csrf.token")
    assert not stranger.cookies
    page = asked.browser.submit(page, credentials, having="password")
    assert asked.browser.submit(page, having="SAMLResponse").status == 200


def test_a_request_that_a_thief_replays_in_her_own_browser_is_of_no_use_to_either(asked: Asked) -> None:
    """The thief gets an answer about herself, and the resource binds it to the browser that asked."""
    thief = asked.simulation.browser()
    page = thief.get(asked.url)
    response = thief.submit(page, {"username": "bob", "password": "bob-reads-books"}, having="password")
    answer = thief.submit(response, having="SAMLResponse")
    assert (answer.status, log_line(asked.simulation, answer)["code"]) == (400, "sp.other_browser")
    page = asked.browser.get(asked.url)
    page = asked.browser.submit(page, {"username": "alice", "password": "alice-opens-doors"}, having="password")
    assert asked.browser.submit(page, having="SAMLResponse").status == 200


def test_a_passive_request_shows_no_form_and_is_answered_with_a_status(asked: Asked) -> None:
    page = asked.browser.get(asked.signed(is_passive=True, id=new_id()))
    assert [form.has("SAMLResponse") for form in forms_of(page)] == [True]
    answer = asked.browser.submit(page, having="SAMLResponse")
    line = log_line(asked.simulation, answer)
    assert (answer.status, line["code"], line["params"]["status"]) == (403, "saml.status", "NoPassive")
    assert NORTHGATE.entity_id not in line["found"]
