"""A login from the Response to the answer that is bound to its request; opens no session and asks for no attributes.

Each state is kept server-side and used once (DESIGN.md rule 13):

    IdP --Response--> accept: verified, replay checked --> hold: kept under a ticket --303--> finish: cookie read, bound to its request
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeVar
from urllib.parse import urlencode

from ostiary.errors import Denied, OstiaryError, Refusal
from ostiary.federation.keys import KeyRing
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.bindings import decode_post
from ostiary.saml.decryption import Decryption
from ostiary.saml.encrypted_response import verify_response_that_may_be_encrypted
from ostiary.saml.signature import SignedElement
from ostiary.saml.validate import AcceptedResponse, Timing, accept_response, response_issuer
from ostiary.saml.xml import Element
from ostiary.storage.stores import ReplayStore, SessionStore
from ostiary.web.forms import FormLimits, one, optional, parse_form
from sp_shire.addresses import Addresses
from sp_shire.login.asking import Redirect, pending_key
from sp_shire.login.finishing import answer_key, done_key, held_key, unknown_request, unsolicited
from sp_shire.login.homes import home_called
from sp_shire.login.pending import PendingTable
from sp_shire.login.records import load_pending
from sp_shire.messages import MAXIMUM_BODY, Request
from sp_shire.sessions.bounds import check_bounds
from sp_shire.sessions.records import Login, dump_login
from sp_shire.settings import ShireSettings

TICKET_TIME: Final = timedelta(minutes=2)
FORM: Final = FormLimits(total=MAXIMUM_BODY, fields=16)
_NO_CONTEXT: Final = names.NO_AUTHN_CONTEXT.rpartition(":")[2]
_NO_PASSIVE: Final = names.NO_PASSIVE.rpartition(":")[2]
_CAME_TWICE: Final = frozenset({"saml.replayed", "saml.too_old", "saml.expired", "sp.unknown_request"})


Expected = TypeVar("Expected")


@dataclass(frozen=True, slots=True, eq=False)
class Received:
    """A Response as it came, proven by nobody. ``consumer`` is the handler that it came to. ``sender`` is the home organisation that gave
    it to us itself, None where somebody else carried it; ``carried`` is the proof, by the sender's keys, of the signed message that it
    came in."""

    element: Element
    consumer: Literal["acs", "acs/artifact", "acs/paos"]
    sender: str | None = None
    carried: SignedElement | None = None


def posted_response(request: Request) -> Received:
    """HTTP-POST (SAML bindings 3.5). A cross-site POST: no cookie is read. Raises `Refusal` or `TooLarge`."""
    fields = parse_form(request.headers.get("content-type"), request.body, FORM)
    message = decode_post(one(fields, "SAMLResponse", max_length=FORM.total), optional(fields, "RelayState"))
    return Received(message.element, "acs")


class Answers:
    """Hears the answers of home organisations. ``logins`` are the pending logins; ``tickets`` keeps accepted answers, which only a home
    organisation can make; ``replay`` the assertions that were used."""

    def __init__(
        self,
        settings: ShireSettings,
        addresses: Addresses,
        logins: PendingTable,
        tickets: SessionStore,
        replay: ReplayStore,
    ) -> None:
        self._settings = settings
        self._addresses = addresses
        self._logins = logins
        self._tickets = tickets
        self._replay = replay
        self._timing = Timing(skew=settings.clock_skew)

    def accept(
        self,
        received: Received,
        registry: Registry,
        keys: KeyRing,
        now: datetime,
        *,
        expected: Callable[[str | None, str], Expected],
    ) -> tuple[Login, Expected]:
        """What the Response says, once every rule holds (SAML profiles 4.1.4.3) and it is used for the first time. What was encrypted for
        us is opened. ``expected`` gets the request that it answers and the home organisation, refuses what was not asked for, and says what
        it knows of the request."""
        # What one home organisation signs proves nothing about another one's people, whoever the Response says that it is from.
        issuer = received.sender or response_issuer(received.element)
        role = home_called(issuer, registry, now)
        cbc = issuer in self._settings.allow_aes_cbc_from_legacy_partners
        decryption = Decryption(self._settings.entity_id, keys.decrypting, allow_cbc_for_this_partner=cbc)
        accepted = accept_response(
            verify_response_that_may_be_encrypted(
                received.element, role.signing_keys(), decryption, carried=received.carried
            ),
            issuer=issuer,
            audience=self._settings.entity_id,
            recipient=self._addresses.handler(received.consumer),
            now=now,
            timing=self._timing,
            by_browser=received.consumer == "acs",
        )
        check_bounds(accepted.assertion.attributes, self._settings.sessions.largest)
        known = expected(accepted.in_response_to, issuer)
        if not self._replay.first_use(accepted.replay_key, expires=accepted.replay_until, now=now):
            raise Refusal("saml.replayed", expected="an assertion that was not used before", found=accepted.replay_key)
        return _login(accepted), known

    def hold(self, received: Received, registry: Registry, keys: KeyRing, now: datetime) -> Redirect:
        """Accepts a Response that a browser brought, and sends it on to `finish` with a ticket. No cookie is read and none is set."""
        try:
            login, _ = self.accept(
                received, registry, keys, now, expected=lambda asked, issuer: self._check_asked(asked, issuer, now)
            )
        except OstiaryError as problem:
            known = self._known_to_finish(received, problem, now)
            if known is None:
                if problem.params.get("status") == _NO_CONTEXT:
                    expected = "a login by the means that were asked for"
                    raise Denied("sp.no_such_login", expected=expected, found=problem.found) from None
                raise
            return self._to_finish(known)
        ticket = secrets.token_urlsafe(32)
        expires = now + TICKET_TIME
        self._tickets.put(answer_key(ticket), dump_login(login), expires=expires, now=now)
        if login.in_response_to is not None:
            self._tickets.put(held_key(login.in_response_to), ticket.encode(), expires=expires, now=now)
        return self._to_finish(ticket)

    def _to_finish(self, ticket: str) -> Redirect:
        return f"{self._addresses.handler('finish')}?{urlencode({'ticket': ticket})}", ()

    def _known_to_finish(self, received: Received, problem: OstiaryError, now: datetime) -> str | None:
        """What `Finishing.finish` can tell the person about an answer that is not accepted: it came twice, or says that she would have had
        to be asked. Nobody may have signed that, so it leads to no session."""
        request_id = received.element.get("InResponseTo") or ""
        if problem.code == "saml.status":
            if problem.params.get("status") != _NO_PASSIVE:
                return None
            kept = self._logins.get(pending_key(request_id), now)
            return request_id if kept is not None and load_pending(kept).intent.wishes.passive else None
        if problem.code not in _CAME_TWICE or not request_id:
            return None
        held = self._tickets.get(held_key(request_id), now)
        if held is not None:
            return held.decode()
        return request_id if self._tickets.get(done_key(request_id), now) is not None else None

    def _check_asked(self, request_id: str | None, issuer: str, now: datetime) -> None:
        if request_id is None:
            if issuer not in self._settings.allow_unsolicited_from:
                raise unsolicited(issuer)
        elif self._logins.get(pending_key(request_id), now) is None:
            raise unknown_request(request_id)


def _login(accepted: AcceptedResponse) -> Login:
    return Login(
        issuer=accepted.issuer,
        name_id=accepted.name_id,
        authenticated_at=accepted.authn.authn_instant,
        in_response_to=accepted.in_response_to,
        session_index=accepted.authn.session_index,
        authn_context=accepted.authn.context_class,
        session_ends=accepted.authn.session_not_on_or_after,
        attributes=accepted.assertion.attributes,
    )
