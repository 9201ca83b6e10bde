"""Requests that wait for their person, each under a ticket in the session store. Whose browser it is stands in the record.

One browser has one ticket for one request, however often it brings that request. Once answered, the ticket is good for nothing but
the second half of a double click.
"""

import base64
import hashlib
import hmac
import json
import secrets
from datetime import datetime, timedelta
from typing import Final

from idp.identifiers.rules import NameIdPolicy
from idp.sign_on.requests import WaitingRequest
from ostiary.errors import Refusal
from ostiary.saml.protocol import RequestedAuthnContext
from ostiary.storage.stores import SessionStore

PASSING_THROUGH: Final = timedelta(minutes=2)
LOGIN_TIME: Final = timedelta(minutes=30)
DOUBLE_CLICK: Final = timedelta(seconds=10)


class Tickets:
    """Tickets of one IdP. A ticket is 256 bits in base64url that nobody but its browser can know."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    def issue(self, request: WaitingRequest, now: datetime) -> str:
        """A ticket for a request that was just verified; any browser may bring it, once, within `PASSING_THROUGH`."""
        ticket = secrets.token_urlsafe(32)
        self._put(ticket, request, now, PASSING_THROUGH)
        return ticket

    def issue_to_browser(self, request: WaitingRequest, browser: str, now: datetime) -> str:
        """The ticket of this request, by its ID and SP, for the browser with this (secret) token, to be used within `LOGIN_TIME`.

        The same request of the same browser takes the place of the one before, whether or not that was answered.
        """
        ticket = _ticket_of(request, browser)
        mine = request._replace(browser=_digest(browser), turn=secrets.token_hex(8), answered=False)
        self._put(ticket, mine, now, LOGIN_TIME)
        return ticket

    def look(
        self, ticket: str, now: datetime, *, browser: str | None = None, submitted: bool = False
    ) -> WaitingRequest:
        """The waiting request; it goes on waiting. ``browser`` is the token that this browser sent.

        ``submitted``: for a login form that was sent, so only a ticket of one browser, and even one that was answered less than
        `DOUBLE_CLICK` ago. Raises `Refusal`: ``sso.ticket`` (unknown, expired or used), ``sso.other_browser``.
        """
        stored = self._store.get(_key(ticket), now)
        if stored is None:
            raise _used_up()
        request = _from_bytes(stored)
        if request.browser is not None and not hmac.compare_digest(request.browser, _digest(browser or "")):
            raise Refusal("sso.other_browser", expected="the browser that began this login", found="another or none")
        if submitted and request.browser is None:
            # It could be gone by the time that her password is checked.
            raise _used_up()
        if request.answered and not submitted:
            raise _used_up()
        return request

    def use_up(self, ticket: str, request: WaitingRequest, now: datetime) -> None:
        """Ends the waiting of the request that `look` gave. Raises `Refusal` (``sso.ticket``) for a ticket that any browser may bring
        when somebody else was first; that of one browser stays for `DOUBLE_CLICK` after its first answer."""
        if request.browser is None:
            if self._store.take(_key(ticket), now) is None:
                raise _used_up()
        elif not request.answered:
            # Replaced at one stroke: the other half of a double click finds it waiting or answered, never gone.
            self._put(ticket, request._replace(answered=True), now, DOUBLE_CLICK)

    def _put(self, ticket: str, request: WaitingRequest, now: datetime, lifetime: timedelta) -> None:
        self._store.put(_key(ticket), _to_bytes(request), expires=now + lifetime, now=now)


def _ticket_of(request: WaitingRequest, browser: str) -> str:
    """Keyed with what only this browser knows, so that whoever knows the request can't guess its ticket."""
    named = json.dumps([request.request_id, request.sp, request.then, request.target]).encode()
    return base64.urlsafe_b64encode(hmac.digest(browser.encode(), named, hashlib.sha256)).rstrip(b"=").decode("ascii")


def _key(ticket: str) -> str:
    return f"idp ticket {ticket}"


def _digest(browser: str) -> str:
    return hashlib.sha256(browser.encode()).hexdigest()


def _used_up() -> Refusal:
    return Refusal("sso.ticket", expected="a ticket that waits", found="one that is unknown, expired or used")


def _to_bytes(request: WaitingRequest) -> bytes:
    context = request.requested_context
    kept = request._asdict()
    policy = request.name_id_policy
    kept["name_id_policy"] = list(policy) if policy is not None else None
    kept["requested_context"] = [context.comparison, *context.classes] if context is not None else None
    kept["fresh_since"] = request.fresh_since.isoformat() if request.fresh_since is not None else None
    return json.dumps(kept).encode()


def _from_bytes(stored: bytes) -> WaitingRequest:
    read = json.loads(stored)
    context = read.pop("requested_context")
    requested = RequestedAuthnContext(tuple(context[1:]), context[0]) if context is not None else None
    policy = read.pop("name_id_policy")
    named = NameIdPolicy(*policy) if policy is not None else None
    since = read.pop("fresh_since")
    fresh_since = datetime.fromisoformat(since) if since is not None else None
    return WaitingRequest(requested_context=requested, name_id_policy=named, fresh_since=fresh_since, **read)
