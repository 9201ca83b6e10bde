"""Single logout at a resource (SAML profiles 4.4): asks the home organisation to log out everywhere, and does what it asks for.

A LogoutRequest names its sessions by NameID and session index, so no cookie is read for it and any node can answer. Writes no page.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Literal

from ostiary.errors import Denied, Refusal
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import Endpoint, IdpRole
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.bindings import ReceivedMessage, decode_post, decode_redirect, encode_soap, prove
from ostiary.saml.decryption import Decryption, decrypt_name_id
from ostiary.saml.logout import LogoutRequest, LogoutResponse, check_logout_request, check_logout_response
from ostiary.saml.message import claimed_issuer, new_id
from ostiary.saml.signature import sign
from ostiary.saml.validate import Timing
from ostiary.saml.xml import Element
from ostiary.storage.stores import ReplayStore, SessionStore
from ostiary.web.forms import one, optional, parse_form, parse_query
from sp_shire.addresses import Addresses
from sp_shire.departures import Departure, departure_by
from sp_shire.login.answers import FORM, TICKET_TIME
from sp_shire.login.homes import home_called
from sp_shire.messages import Request
from sp_shire.metadata import LOGOUT_ENDPOINTS
from sp_shire.sessions.keeper import SessionKeeper
from sp_shire.sessions.records import Login
from sp_shire.settings import ShireSettings

LOGOUT_TIME: Final = timedelta(minutes=30)
_REQUEST_LIFETIME: Final = timedelta(minutes=5)
_FRONT: Final = (names.HTTP_REDIRECT, names.HTTP_POST)

Outcome = Literal["everywhere", "partly", "refused"]
"""What the home organisation says about a logout everywhere."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A LogoutRequest that was obeyed. ``answer`` is where the browser takes the LogoutResponse; None where the home organisation wants
    none, or has no place for it."""

    issuer: str
    ended: int
    answer: Departure | None


@dataclass(frozen=True, slots=True)
class Answered:
    """The home organisation has answered a LogoutRequest of ours."""

    issuer: str
    outcome: Outcome


class LogoutFlow:
    """Logouts of one resource. ``siblings`` hold the sessions of its other application domains under the same entityID. ``pending`` keeps
    the LogoutRequests that it has sent; ``replay`` those that it has obeyed."""

    def __init__(
        self,
        settings: ShireSettings,
        addresses: Addresses,
        keeper: SessionKeeper,
        pending: SessionStore,
        replay: ReplayStore,
        siblings: Sequence[SessionKeeper] = (),
    ) -> None:
        self._entity_id = settings.entity_id
        self._keepers = (keeper, *siblings)
        self._pending = pending
        self._replay = replay
        self._locations = {binding: addresses.handler(path) for binding, path in LOGOUT_ENDPOINTS.items()}
        self._timing = Timing(skew=settings.clock_skew)

    def can_ask(self, issuer: str, registry: Registry, now: datetime) -> bool:
        """Whether this home organisation can be asked to log somebody out everywhere."""
        role = registry.idp(issuer, now)
        return role is not None and _front_endpoint(role) is not None

    def ask(self, login: Login, registry: Registry, keys: KeyRing, now: datetime) -> Departure | None:
        """A signed LogoutRequest to the home organisation, whose session here has been ended; None when it can't be asked."""
        role = registry.idp(login.issuer, now)
        endpoint = _front_endpoint(role) if role is not None else None
        if endpoint is None:
            return None
        message = LogoutRequest(
            id=new_id(),
            issuer=self._entity_id,
            issue_instant=now,
            name_id=login.name_id,
            session_indexes=(login.session_index,) if login.session_index is not None else (),
            destination=endpoint.location,
            not_on_or_after=now + _REQUEST_LIFETIME,
            reason=names.LOGOUT_USER,
        )
        waiting = json.dumps({"idp": login.issuer}).encode()
        self._pending.put(_key(message.id), waiting, expires=now + LOGOUT_TIME, now=now)
        return departure_by(endpoint.binding, endpoint.location, "SAMLRequest", message.to_xml(), None, keys.signer)

    def by_redirect(self, request: Request, registry: Registry, keys: KeyRing, now: datetime) -> Asked | Answered:
        """HTTP-Redirect (SAML bindings 3.4): a LogoutRequest, or the answer to ours."""
        fields = parse_query(request.query)
        if "SAMLResponse" in fields:
            return self._answered(decode_redirect(request.query, "SAMLResponse"), registry, now)
        return self._asked(decode_redirect(request.query, "SAMLRequest"), registry, keys, now)

    def by_post(self, request: Request, registry: Registry, keys: KeyRing, now: datetime) -> Asked | Answered:
        """HTTP-POST (SAML bindings 3.5). Reads no cookie."""
        form = parse_form(request.headers.get("content-type"), request.body, FORM)
        relay_state = optional(form, "RelayState", max_length=FORM.total)
        if "SAMLResponse" in form:
            value = one(form, "SAMLResponse", max_length=FORM.total)
            return self._answered(decode_post(value, relay_state), registry, now)
        value = one(form, "SAMLRequest", max_length=FORM.total)
        return self._asked(decode_post(value, relay_state), registry, keys, now)

    def by_soap(self, message: Element, registry: Registry, keys: KeyRing, now: datetime) -> tuple[Asked, bytes]:
        """SOAP (SAML bindings 3.2), ``message`` out of its envelope: what was done, and the envelope of the answer."""
        received = ReceivedMessage(message, None, names.SOAP)
        request, _ = self._proven_request(received, registry, keys, now)
        ended = self._obey(request, now)
        answer = self._response(request, None, now).to_xml()
        sign(answer, keys.signer)
        return Asked(request.issuer, ended, None), encode_soap(answer)

    def _asked(self, received: ReceivedMessage, registry: Registry, keys: KeyRing, now: datetime) -> Asked:
        message, role = self._proven_request(received, registry, keys, now)
        ended = self._obey(message, now)
        endpoint = _front_endpoint(role, prefer=received.binding)
        if endpoint is None or message.asynchronous:
            return Asked(message.issuer, ended, None)
        location = endpoint.response_location or endpoint.location
        answer = self._response(message, location, now).to_xml()
        way = departure_by(endpoint.binding, location, "SAMLResponse", answer, received.relay_state, keys.signer)
        return Asked(message.issuer, ended, way)

    def _proven_request(
        self, received: ReceivedMessage, registry: Registry, keys: KeyRing, now: datetime
    ) -> tuple[LogoutRequest, IdpRole]:
        """Who asks, proven by the keys of that home organisation, for the first time, and in time."""
        issuer, role = _known_issuer(received.element, registry, now)
        decryption = Decryption(self._entity_id, keys.decrypting)
        decrypt = partial(decrypt_name_id, decryption=decryption) if keys.decrypting else None
        message = LogoutRequest.from_proof(prove(received, role.signing_keys()), decrypt)
        check_logout_request(
            message,
            issuer=issuer,
            location=self._locations[received.binding],
            front_channel=received.binding != names.SOAP,
            now=now,
            timing=self._timing,
        )
        until = message.issue_instant + self._timing.max_age + 2 * self._timing.skew
        if not self._replay.first_use(f"logout {len(issuer)} {issuer} {message.id}", expires=until, now=now):
            raise Refusal("sp.logout_repeated", expected="a LogoutRequest that was not obeyed before", found=message.id)
        return message, role

    def _obey(self, message: LogoutRequest, now: datetime) -> int:
        # As long as an assertion from before could still be accepted, and wait for its browser.
        until = now + self._timing.max_age + 2 * self._timing.skew + TICKET_TIME
        return sum(
            keeper.end_all_of(
                message.issuer,
                message.name_id,
                message.session_indexes,
                asked_at=message.issue_instant,
                until=until,
                now=now,
            )
            for keeper in self._keepers
        )

    def _response(self, message: LogoutRequest, location: str | None, now: datetime) -> LogoutResponse:
        return LogoutResponse(new_id(), self._entity_id, now, message.id, destination=location)

    def _answered(self, received: ReceivedMessage, registry: Registry, now: datetime) -> Answered:
        issuer, role = _known_issuer(received.element, registry, now)
        answer = LogoutResponse.from_proof(prove(received, role.signing_keys()))
        asked = answer.in_response_to or ""
        waiting = self._pending.get(_key(asked), now)
        if waiting is None:
            raise _unknown(asked)
        if json.loads(waiting)["idp"] != issuer:
            raise Refusal("saml.issuer", expected=json.loads(waiting)["idp"], found=issuer)
        outcome: Outcome
        try:
            complete = check_logout_response(
                answer,
                request=asked,
                issuer=issuer,
                location=self._locations[received.binding],
                front_channel=True,
                now=now,
                timing=self._timing,
            )
            outcome = "everywhere" if complete else "partly"
        except Denied:
            outcome = "refused"
        if self._pending.take(_key(asked), now) is None:
            raise _unknown(asked)
        return Answered(issuer, outcome)


def _known_issuer(element: Element, registry: Registry, now: datetime) -> tuple[str, IdpRole]:
    issuer = claimed_issuer(element)
    if not issuer:
        raise Refusal("saml.issuer_missing", expected="an Issuer", found="none")
    return issuer, home_called(issuer, registry, now)


def _front_endpoint(role: IdpRole, prefer: str = names.HTTP_REDIRECT) -> Endpoint | None:
    """The SingleLogoutService that a browser can be sent to."""
    offered = [endpoint for endpoint in role.single_logout if endpoint.binding in _FRONT]
    return next((endpoint for endpoint in offered if endpoint.binding == prefer), offered[0] if offered else None)


def _key(request_id: str) -> str:
    return f"logout {request_id}"


def _unknown(request_id: str) -> Refusal:
    return Refusal("sp.unknown_logout", expected="an answer to a LogoutRequest of ours", found=request_id[:200])
