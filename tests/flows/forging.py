"""Messages of a home organisation taken apart, changed in one field, and signed again with the home's real key."""

import base64
import functools
import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ostiary.command.demo.people import HOMES, NORTHGATE, DemoHome
from ostiary.federation.keys import load_key_ring
from ostiary.saml.assertion import Assertion, Conditions
from ostiary.saml.bindings import encode_post
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import Response, new_id
from ostiary.saml.signature import sign
from ostiary.saml.validate import verify_response
from ostiary.saml.xml import Element, parse_xml
from tests.browser import Answer, Browser, forms_of
from tests.simulator import Simulation

NUMBER = re.compile(r"\b[0-9A-F]{4}-[0-9A-F]{4}\b")


@dataclass(frozen=True)
class Message:
    """A Response with one assertion, to be signed by ``signer``."""

    response: Response
    assertion: Assertion
    signer: Signer

    def with_response(self, **changes: Any) -> "Message":
        return replace(self, response=self.response._replace(**changes))

    def with_assertion(self, **changes: Any) -> "Message":
        return replace(self, assertion=self.assertion._replace(**changes))

    def with_conditions(self, **changes: Any) -> "Message":
        conditions = self.assertion.conditions or Conditions()
        return self.with_assertion(conditions=conditions._replace(**changes))

    def with_confirmation(self, **changes: Any) -> "Message":
        return self.with_assertion(confirmations=(self.assertion.confirmations[0]._replace(**changes),))

    def with_statement(self, **changes: Any) -> "Message":
        return self.with_assertion(authn_statements=(self.assertion.authn_statements[0]._replace(**changes),))

    def answering(self, request: str | None) -> "Message":
        return self.with_response(in_response_to=request).with_confirmation(in_response_to=request)

    def issued_at(self, at: datetime) -> "Message":
        return self.with_response(issue_instant=at).with_assertion(issue_instant=at)

    def anew(self) -> "Message":
        """The same under fresh IDs, so that it was never used."""
        return self.with_response(id=new_id()).with_assertion(id=new_id())

    def assertion_element(self, *, signed: bool = True, signer: Signer | None = None) -> Element:
        element = self.assertion.to_xml()
        if signed:
            sign(element, signer or self.signer)
        return element

    def around(self, *assertions: Element, signed: bool = True, signer: Signer | None = None) -> Element:
        """The Response around these."""
        element = self.response.to_xml(*assertions)
        if signed:
            sign(element, signer or self.signer)
        return element

    def encoded(self) -> str:
        """Both signed, as the form field."""
        return encode_post(self.around(self.assertion_element()))


def signer_of(simulation: Simulation, part: str) -> Signer:
    """The key of a home organisation or a resource."""
    return _signer(simulation.layout.directory(part) / "keys")


@functools.cache
def _signer(directory: Path) -> Signer:
    return load_key_ring(directory).signer


def response_field(page: Answer) -> str:
    """The SAMLResponse that a page carries."""
    form = next(form for form in forms_of(page) if form.has("SAMLResponse"))
    return dict(form.fields)["SAMLResponse"]


def take_apart(simulation: Simulation, page: Answer, home: DemoHome = NORTHGATE) -> Message:
    """The message in the page that the Handle Service sent."""
    signer = signer_of(simulation, home.key)
    proven = verify_response(parse_xml(base64.b64decode(response_field(page))), [signer.public])
    if proven.assertion is None:
        raise ValueError("a Response without assertion")
    return Message(proven.envelope, proven.assertion, signer)


def deliver(
    simulation: Simulation, browser: Browser, resource: str, message: str, home: DemoHome = NORTHGATE
) -> Answer:
    """Posts a Response to the assertion consumer, as the home's page would, and follows."""
    return browser.post(
        simulation.handler(resource, "acs"), [("SAMLResponse", message)], site=simulation.layout.idp_url(home)
    )


def log_line(simulation: Simulation, answer: Answer) -> dict[str, Any]:
    """The one line that the log holds under the reference number of an error page."""
    numbers = set(NUMBER.findall(answer.text))
    if len(numbers) != 1:
        raise AssertionError(f"expected one reference number on the page, found {numbers}")
    lines = [line for line in simulation.events("refused") if line["reference"] in numbers]
    if len(lines) != 1:
        raise AssertionError(f"expected one line in the log, found {len(lines)}")
    return lines[0]


def other_home(home: DemoHome) -> DemoHome:
    return next(other for other in HOMES if other is not home)
