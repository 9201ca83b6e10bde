"""``logout``, ``slo/...`` and ``signed-out``: single logout, asked here or by the home organisation."""

import secrets
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from ostiary.errors import Refusal
from ostiary.saml.xml import Element
from ostiary.storage.stores import SessionStore
from ostiary.web.forms import one, optional, parse_query
from ostiary.web.log import Log
from sp_shire.addresses import Addresses
from sp_shire.handlers.routes import Routes, over_soap, own_form
from sp_shire.login.answers import TICKET_TIME
from sp_shire.logout.flow import Answered, Asked, LogoutFlow
from sp_shire.messages import Reply, Request
from sp_shire.pages.replies import Replies
from sp_shire.sessions.visits import Visits
from sp_shire.snapshot import Snapshot


class SigningOut:
    """The handlers of logouts at one resource."""

    def __init__(
        self,
        addresses: Addresses,
        logouts: LogoutFlow,
        tickets: SessionStore,
        visits: Visits,
        replies: Replies,
        log: Log,
    ) -> None:
        self._addresses = addresses
        self._logouts = logouts
        self._tickets = tickets
        self._visits = visits
        self._replies = replies
        self._log = log
        self.routes: Final[Routes] = {
            "logout": {"GET": self._ask, "POST": self._logout},
            "slo/redirect": {"GET": self._message},
            "slo/post": {"POST": self._message},
            "slo/soap": {"POST": over_soap(replies, self._by_back_channel)},
            "signed-out": {"GET": self._signed_out},
        }

    def _ask(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        login = self._visits.login_of(request, now)
        everywhere = login is not None and self._logouts.can_ask(login.issuer, snapshot.registry, now)
        home = snapshot.registry.name_of(login.issuer, now) if login is not None else None
        return self._replies.ask_logout(request, home, everywhere=everywhere)

    def _logout(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """Ends the session here; with ``scope=everywhere`` the home organisation is asked to end all others."""
        form = own_form(request, self._addresses)
        scope = optional(form, "scope", max_length=20) or "here"
        if scope not in ("here", "everywhere"):
            raise Refusal("sp.logout_scope", expected="here or everywhere", found=scope)
        login = self._visits.end(request, now)
        cookies = (self._visits.clear_cookie(),)
        if login is not None:
            self._log.info("session_ended_by_person", scope=scope)
            if scope == "everywhere":
                way = self._logouts.ask(login, snapshot.registry, snapshot.keys, now)
                if way is not None:
                    return self._replies.departure(request, way, snapshot.registry.name_of(login.issuer, now), cookies)
        return self._replies.signed_out(request, "here", None, cookies)

    def _message(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """A LogoutRequest or LogoutResponse through the browser. It is signed, and what it ends it names itself: no cookie counts."""
        receive = self._logouts.by_post if request.method == "POST" else self._logouts.by_redirect
        done = receive(request, snapshot.registry, snapshot.keys, now)
        home = snapshot.registry.name_of(done.issuer, now)
        if isinstance(done, Answered):
            self._log.info("logout_answered", idp=done.issuer, outcome=done.outcome)
            # The next page is one of this site, so that reloading it sends nothing again.
            ticket = secrets.token_urlsafe(32)
            content = f"{done.outcome} {home}".encode()
            self._tickets.put(f"signed out {ticket}", content, expires=now + TICKET_TIME, now=now)
            url = f"{self._addresses.handler('signed-out')}?{urlencode({'ticket': ticket})}"
            return self._replies.redirect(url, status=303)
        self._note_ended(done)
        if done.answer is None:
            return self._replies.signed_out(request, "by_home", home)
        return self._replies.departure(request, done.answer, home)

    def _by_back_channel(self, message: Element, snapshot: Snapshot, now: datetime) -> bytes:
        """The home organisation itself asks."""
        done, answer = self._logouts.by_soap(message, snapshot.registry, snapshot.keys, now)
        self._note_ended(done)
        return answer

    def _note_ended(self, done: Asked) -> None:
        self._log.info("sessions_ended_by_home", idp=done.issuer, sessions=done.ended)

    def _signed_out(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """What came of a logout everywhere."""
        ticket = one(parse_query(request.query), "ticket", max_length=100)
        stored = self._tickets.get(f"signed out {ticket}", now)
        if stored is None:
            raise Refusal("sp.signed_out_ticket", expected="a ticket that was just issued", found="an unknown one")
        outcome, _, home = stored.decode().partition(" ")
        return self._replies.signed_out(request, outcome, home)
