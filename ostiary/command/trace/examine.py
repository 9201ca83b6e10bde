"""Puts each message of a trace to the rules that belong to it; remembers what later ones have to fit (requests made, assertions used)."""

from dataclasses import replace
from datetime import datetime

from ostiary.command.trace.check import Check, Sheet
from ostiary.command.trace.messages import Message, binding_of
from ostiary.command.trace.request_checks import check_form, request_checks, undecodable
from ostiary.command.trace.response_checks import Expectation, response_checks
from ostiary.errors import OstiaryError
from ostiary.federation.registry import Registry
from ostiary.saml.bindings import ReceivedMessage
from ostiary.saml.protocol import claimed_issuer
from ostiary.saml.validate import AcceptedResponse, Timing


class Examiner:
    """``registry`` None: nobody vouches for any key, so nothing is verified and no check is reported as if it were."""

    def __init__(self, registry: Registry | None, timing: Timing) -> None:
        self.registry = registry
        self._timing = timing
        self._requests: dict[str, int] = {}
        self._ids: list[str] = []
        self._used: list[str] = []
        self._requester = ""
        self.accepted: AcceptedResponse | None = None
        """The last Response that follows every rule."""

    @property
    def audience(self) -> str:
        """The entityID of the resource, as its request and metadata have it."""
        return self._requester

    def examine(self, message: Message, hop: int, now: datetime) -> Message:
        """The message with its checks."""
        received = message.received
        if received is None:
            checks = undecodable(message.error, binding_of(message.carrier)) if message.error is not None else ()
            return replace(message, checks=checks if self.registry is not None else ())
        self.accepted = None
        match message.kind:
            case "AuthnRequest":
                checks = self._request(received, message.sent_to, now)
                self._remember(received, hop)
            case "Response":
                checks = self._response(received, message.sent_to, now)
            case _:
                sheet = Sheet()
                check_form(sheet, received.binding)
                sheet.unknown("content", "SAML core 3", "other_message", kind=message.kind)
                checks = sheet.checks
        return replace(message, checks=checks if self.registry is not None else ())

    def _request(self, received: ReceivedMessage, location: str, now: datetime) -> tuple[Check, ...]:
        if self.registry is None:
            return ()
        return request_checks(received, location, self.registry, self._ids, now, self._timing)

    def _remember(self, received: ReceivedMessage, hop: int) -> None:
        identifier = received.element.get("ID", "")
        self._requests[identifier] = hop
        self._ids.append(identifier)
        try:
            self._requester = claimed_issuer(received.element) or ""
        except OstiaryError:
            self._requester = ""

    def _response(self, received: ReceivedMessage, recipient: str, now: datetime) -> tuple[Check, ...]:
        if self.registry is None:
            return ()
        self._requester = _consumer_at(self.registry, recipient, now) or self._requester
        expected = Expectation(recipient, self._requester, self._requests, self._used)
        checks, accepted = response_checks(received, expected, self.registry, now, self._timing)
        if accepted is not None:
            self._used.append(accepted.replay_key)
            if not any(check.outcome == "bad" for check in checks):
                self.accepted = accepted
        return checks


def _consumer_at(registry: Registry, location: str, now: datetime) -> str | None:
    """Whose assertion consumer service this is, by metadata."""
    for entity in registry.all(now):
        if entity.sp is not None and location in (endpoint.location for endpoint in entity.sp.assertion_consumers):
            return entity.entity_id
    return None
