"""People who sign out as browsers do it, and messages of single logout, signed with real keys and changed in one field."""

import html
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from ostiary.command.demo.people import NORTHGATE
from ostiary.federation.model import SpRole
from ostiary.federation.registry import Registry
from ostiary.saml.assertion import NameId
from ostiary.saml.bindings import decode_soap, encode_post, encode_redirect, encode_soap
from ostiary.saml.keys import Signer
from ostiary.saml.logout import LogoutRequest, LogoutResponse
from ostiary.saml.message import new_id
from ostiary.saml.signature import sign
from ostiary.saml.xml import Element
from tests.browser import Answer, Browser, forms_of
from tests.flows.forging import signer_of, take_apart
from tests.simulator import Simulation

LIBRARY, INSTRUMENT = "https://library.example/shar", "https://instrument.example/shar"
RESOURCES = ("library", "instrument")
SOAP = {"Content-Type": "text/xml; charset=utf-8"}


def words(answer: Answer) -> str:
    """The page as somebody reads it."""
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", answer.text)).split())


def idp(simulation: Simulation, path: str) -> str:
    return simulation.layout.idp_url(NORTHGATE) + path


def at_both(simulation: Simulation, user: str = "alice") -> Browser:
    """Somebody with a session at both resources."""
    browser = simulation.browser()
    for resource in RESOURCES:
        if simulation.log_in(browser, resource, user).status != 200:
            raise RuntimeError(f"{user} does not get into {resource}")
    return browser


def is_in(simulation: Simulation, browser: Browser, resource: str) -> bool:
    """Whether the resource lets this browser in without asking who it is."""
    answer = browser.request("GET", simulation.url(resource))
    if answer.status not in (200, 302):
        raise RuntimeError(f"{resource} answers {answer.status}")
    return answer.status == 200


def lets_in(simulation: Simulation, browser: Browser) -> list[bool]:
    """The same for library and instrument."""
    return [is_in(simulation, browser, resource) for resource in RESOURCES]


def press(browser: Browser, page: Answer, name: str, value: str) -> Answer:
    """Submits the form whose button this is."""
    form = next(form for form in forms_of(page) if (name, value) in form.buttons)
    return browser.post(form.action, [*form.fields, (name, value)])


def sign_out(simulation: Simulation, browser: Browser, scope: str) -> Answer:
    """By the page of the home organisation, as far as it goes by itself."""
    return to_the_end(browser, press(browser, browser.get(idp(simulation, "/logout")), "scope", scope))


def to_the_end(browser: Browser, answer: Answer) -> Answer:
    """What a browser does without being asked: it follows refreshes, and scripts submit the forms that carry messages."""
    for _ in range(20):
        ahead = refresh(answer)
        carried = next((form for form in forms_of(answer) if form.has("SAMLRequest") or form.has("SAMLResponse")), None)
        if ahead is not None:
            answer = browser.get(ahead)
        elif carried is not None:
            answer = browser.submit(answer, having="SAMLRequest" if carried.has("SAMLRequest") else "SAMLResponse")
        else:
            return answer
    raise RuntimeError("it never ends")


def refresh(answer: Answer) -> str | None:
    """Where the page goes by itself."""
    found = re.search(r'http-equiv="refresh" content="0;url=([^"]*)"', answer.text)
    return html.unescape(found[1]) if found is not None else None


def only_by(monkeypatch: Any, offered: dict[str, tuple[str, ...]]) -> None:
    """From now on the metadata of these SPs (entityID) offers single logout by these bindings only."""
    real = Registry.sp

    def fewer(registry: Registry, entity_id: str, now: Any) -> SpRole | None:
        role = real(registry, entity_id, now)
        if role is None or entity_id not in offered:
            return role
        kept = tuple(one for one in role.single_logout if one.binding in offered[entity_id])
        return replace(role, single_logout=kept)

    monkeypatch.setattr(Registry, "sp", fewer)


@dataclass(frozen=True)
class Known:
    """A session as an SP knows it, and the browser that holds it."""

    browser: Browser
    name_id: NameId
    index: str


def known(simulation: Simulation, resource: str = "library", user: str = "alice") -> Known:
    """Somebody logs in; the session's names are read from the Response."""
    browser = simulation.browser()
    page = simulation.to_response(browser, resource, user)
    assertion = take_apart(simulation, page).assertion
    index = assertion.authn_statements[0].session_index
    if browser.submit(page, having="SAMLResponse").status != 200 or assertion.name_id is None or index is None:
        raise RuntimeError(f"{user} does not get into {resource}")
    return Known(browser, assertion.name_id, index)


@dataclass(frozen=True)
class Asking:
    """A LogoutRequest to ``location``, signed by ``signer`` (None: not at all)."""

    message: LogoutRequest
    location: str
    signer: Signer | None

    def changed(self, **changes: Any) -> "Asking":
        return replace(self, message=replace(self.message, **changes))

    def by_redirect(self, relay_state: str | None = None) -> str:
        """The URL."""
        element = self.message.to_xml()
        return encode_redirect(self.location, "SAMLRequest", element, relay_state=relay_state, signer=self.signer)

    def as_field(self) -> str:
        """The form field."""
        return encode_post(self._signed())

    def as_envelope(self) -> bytes:
        return encode_soap(self._signed())

    def _signed(self) -> Element:
        element = self.message.to_xml()
        if self.signer is not None:
            sign(element, self.signer)
        return element


def to_idp(simulation: Simulation, session: Known, binding: str, resource: str = "library") -> Asking:
    """The resource asks the home organisation."""
    location = idp(simulation, f"/saml/slo/{binding}")
    issuer = {"library": LIBRARY, "instrument": INSTRUMENT}[resource]
    return _asking(simulation, session, issuer, location, signer_of(simulation, resource))


def to_resource(simulation: Simulation, session: Known, binding: str, resource: str = "library") -> Asking:
    """The home organisation asks the resource."""
    location = simulation.handler(resource, f"slo/{binding}")
    return _asking(simulation, session, NORTHGATE.entity_id, location, signer_of(simulation, NORTHGATE.key))


def _asking(simulation: Simulation, session: Known, issuer: str, location: str, signer: Signer) -> Asking:
    message = LogoutRequest(
        id=new_id(),
        issuer=issuer,
        issue_instant=simulation.clock.now(),
        name_id=session.name_id,
        session_indexes=(session.index,),
        destination=location,
    )
    return Asking(message, location, signer)


def over_soap(simulation: Simulation, asking: Asking) -> Answer:
    return simulation.transport.send("POST", asking.location, SOAP, asking.as_envelope())


def soap_status(answer: Answer, signer: Signer) -> tuple[str, str | None]:
    """Both status codes of a signed LogoutResponse over SOAP, by their last words."""
    from ostiary.saml.signature import verify_element

    response = LogoutResponse.from_proof(verify_element(decode_soap(answer.body), [signer.public]))
    detail = response.status.detail
    return response.status.code.rpartition(":")[2], detail.rpartition(":")[2] if detail is not None else None


def answer_url(
    location: str, issuer: str, request_id: str, simulation: Simulation, signer: Signer | None, **changes: Any
) -> str:
    """A LogoutResponse by Redirect."""
    now = simulation.clock.now()
    response = replace(LogoutResponse(new_id(), issuer, now, request_id, destination=location), **changes)
    return encode_redirect(location, "SAMLResponse", response.to_xml(), signer=signer)


def query(**fields: str) -> str:
    return urlencode(fields)
