"""Requests that wait for their person, each under a one-time ticket in the session store. Whose browser it is stands in the record."""

import hashlib
import hmac
import json
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from idp.handle_service import WaitingRequest
from ostiary.errors import Refusal
from ostiary.saml.protocol import RequestedAuthnContext
from ostiary.storage.stores import SessionStore

PASSING_THROUGH: Final = timedelta(minutes=2)
LOGIN_TIME: Final = timedelta(minutes=30)


class Tickets:
    """Tickets of one IdP. A ticket is 256 random bits in base64url."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    def issue(self, request: WaitingRequest, now: datetime) -> str:
        """A ticket for a request that was just verified; any browser may bring it, once, within `PASSING_THROUGH`."""
        return self._put(request, now, PASSING_THROUGH)

    def issue_to_browser(self, request: WaitingRequest, browser: str, now: datetime) -> str:
        """A ticket that only the browser with this token may use, within `LOGIN_TIME`."""
        return self._put(replace(request, browser=_digest(browser)), now, LOGIN_TIME)

    def look(self, ticket: str, now: datetime, *, browser: str | None = None) -> WaitingRequest:
        """The waiting request; it goes on waiting. ``browser`` is the token that this browser sent.

        Raises `Refusal`: ``sso.ticket`` (unknown, expired or used), ``sso.other_browser``.
        """
        stored = self._store.get(_key(ticket), now)
        if stored is None:
            raise _used_up()
        request = _from_bytes(stored)
        if request.browser is not None and not hmac.compare_digest(request.browser, _digest(browser or "")):
            raise Refusal("sso.other_browser", expected="the browser that began this login", found="another or none")
        return request

    def use_up(self, ticket: str, now: datetime) -> None:
        """Ends the waiting. Raises `Refusal` (``sso.ticket``) when somebody else was first."""
        if self._store.take(_key(ticket), now) is None:
            raise _used_up()

    def _put(self, request: WaitingRequest, now: datetime, lifetime: timedelta) -> str:
        ticket = secrets.token_urlsafe(32)
        self._store.put(_key(ticket), _to_bytes(request), expires=now + lifetime, now=now)
        return ticket


def _key(ticket: str) -> str:
    return f"idp ticket {ticket}"


def _digest(browser: str) -> str:
    return hashlib.sha256(browser.encode()).hexdigest()


def _used_up() -> Refusal:
    return Refusal("sso.ticket", expected="a ticket that waits", found="one that is unknown, expired or used")


def _to_bytes(request: WaitingRequest) -> bytes:
    context = request.requested_context
    return json.dumps(
        {
            "request_id": request.request_id,
            "sp": request.sp,
            "acs_url": request.acs_url,
            "relay_state": request.relay_state,
            "force_authn": request.force_authn,
            "is_passive": request.is_passive,
            "requested_context": [context.comparison, *context.classes] if context is not None else None,
            "target": request.target,
            "browser": request.browser,
        }
    ).encode()


def _from_bytes(stored: bytes) -> WaitingRequest:
    read = json.loads(stored)
    context = read.pop("requested_context")
    requested = RequestedAuthnContext(tuple(context[1:]), context[0]) if context is not None else None
    return WaitingRequest(requested_context=requested, **read)
