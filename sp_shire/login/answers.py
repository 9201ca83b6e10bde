"""A login from the Response to the answer that is bound to its request; opens no session and asks for no attributes.

Each state is kept server-side and used once (DESIGN.md rule 13):

    IdP --POST--> consume: verified, replay checked, stored under a ticket --303--> finish: cookie read, answer bound to its request
"""

import secrets
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from ostiary.errors import Refusal
from ostiary.federation.keys import KeyRing
from ostiary.federation.registry import Registry
from ostiary.saml.bindings import decode_post
from ostiary.saml.decryption import Decryption
from ostiary.saml.encrypted_response import verify_response_that_may_be_encrypted
from ostiary.saml.validate import AcceptedResponse, Timing, accept_response, response_issuer
from ostiary.storage.stores import ReplayStore, SessionStore
from ostiary.web.forms import FormLimits, one, optional, parse_form, parse_query
from sp_shire.addresses import Addresses
from sp_shire.login.asking import Redirect
from sp_shire.login.browser_mark import BrowserMark
from sp_shire.login.targets import Targets
from sp_shire.messages import Request
from sp_shire.sessions.records import Login, dump_login, load_login, load_pending
from sp_shire.settings import ShireSettings

TICKET_TIME: Final = timedelta(minutes=2)
_FORM: Final = FormLimits(total=512 * 1024, fields=16)


class Answers:
    """Hears the answers of home organisations. ``logins`` are the pending logins; ``tickets`` keeps accepted answers, which only a home
    organisation can make; ``replay`` the assertions that were used."""

    def __init__(
        self,
        settings: ShireSettings,
        addresses: Addresses,
        targets: Targets,
        logins: SessionStore,
        tickets: SessionStore,
        replay: ReplayStore,
    ) -> None:
        self._settings = settings
        self._addresses = addresses
        self._targets = targets
        self._logins = logins
        self._tickets = tickets
        self._replay = replay
        self._mark = BrowserMark(settings, addresses)
        self._timing = Timing(skew=settings.clock_skew)

    def consume(self, request: Request, registry: Registry, keys: KeyRing, now: datetime) -> Redirect:
        """The assertion consumer service. A cross-site POST: no cookie is read and none is set. What was encrypted for us is opened."""
        fields = parse_form(request.headers.get("content-type"), request.body, _FORM)
        message = decode_post(one(fields, "SAMLResponse", max_length=_FORM.total), optional(fields, "RelayState"))
        issuer = response_issuer(message.element)
        role = registry.idp(issuer, now)
        if role is None:
            raise Refusal("sp.unknown_idp", expected="a home organisation that this resource knows", found=issuer)
        decryption = Decryption(self._settings.entity_id, keys.decrypting)
        accepted = accept_response(
            verify_response_that_may_be_encrypted(message.element, role.signing_keys(), decryption),
            issuer=issuer,
            audience=self._settings.entity_id,
            recipient=self._addresses.handler("acs"),
            now=now,
            timing=self._timing,
        )
        if accepted.in_response_to is None:
            if issuer not in self._settings.allow_unsolicited_from:
                raise Refusal(
                    "sp.unsolicited", expected="an answer to a request of ours", found=f"unsolicited from {issuer}"
                )
        elif self._logins.get(f"request {accepted.in_response_to}", now) is None:
            raise _unknown_request(accepted.in_response_to)
        if not self._replay.first_use(accepted.replay_key, expires=accepted.replay_until, now=now):
            raise Refusal("saml.replayed", expected="an assertion that was not used before", found=accepted.replay_key)
        ticket = secrets.token_urlsafe(32)
        self._tickets.put(ticket, dump_login(_login(accepted)), expires=now + TICKET_TIME, now=now)
        return f"{self._addresses.handler('finish')}?{urlencode({'ticket': ticket})}", ()

    def finish(self, request: Request, now: datetime) -> tuple[Login, str]:
        """Same-site: the browser's cookie is here, so the answer can be bound to the request that this browser made.

        Returns the login and the target of its request.
        """
        ticket = one(parse_query(request.query), "ticket", max_length=100)
        stored = self._tickets.get(ticket, now)
        if stored is None:
            raise _used_ticket()
        login = load_login(stored)
        target = self._bound_target(request, login, now) if login.in_response_to is not None else self._targets.first
        # Only now, so that another browser that got hold of a ticket can't use it up either.
        if self._tickets.take(ticket, now) is None:
            raise _used_ticket()
        return login, target

    def _bound_target(self, request: Request, login: Login, now: datetime) -> str:
        """Where the request that this login answers wanted to go; it must be this browser's, and is answered once."""
        request_id = login.in_response_to or ""
        key = f"request {request_id}"
        waiting = self._logins.get(key, now)
        if waiting is None:
            raise _unknown_request(request_id)
        pending = load_pending(waiting)
        if not self._mark.fits(request, pending.browser):
            raise Refusal(
                "sp.other_browser", expected="the browser that the request was made with", found="another one"
            )
        if pending.identity_provider != login.issuer:
            raise Refusal("saml.issuer", expected=pending.identity_provider, found=login.issuer)
        if pending.not_before is not None and login.authenticated_at < pending.not_before - self._timing.skew:
            # Core 3.4.1: with ForceAuthn nobody may be let in by what she proved before.
            raise Refusal(
                "sp.not_anew", expected=f"a login since {pending.not_before}", found=str(login.authenticated_at)
            )
        if self._logins.take(key, now) is None:
            raise _unknown_request(request_id)
        return pending.target


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


def _used_ticket() -> Refusal:
    return Refusal("sp.ticket", expected="a ticket that was just issued", found="an unknown or used one")


def _unknown_request(request_id: str) -> Refusal:
    return Refusal("sp.unknown_request", expected="an answer to a request of ours", found=request_id)
