"""The end of a login: the same-site step in which the browser shows its cookie, so that an answer is bound to the request that this very
browser made (DESIGN.md rule 13). Opens no session.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ostiary.errors import Refusal
from ostiary.saml.validate import Timing
from ostiary.storage.stores import SessionStore
from ostiary.web.forms import one, parse_query
from sp_shire.login.asking import LOGIN_TIME, pending_key
from sp_shire.login.browser_mark import BrowserMark
from sp_shire.login.pending import PendingTable
from sp_shire.login.records import Intent, PendingLogin, load_pending
from sp_shire.login.targets import Targets
from sp_shire.login.wishes import Wishes, check_context, with_demands
from sp_shire.messages import Request
from sp_shire.sessions.records import Login, load_login
from sp_shire.settings import ShireSettings

MAXIMUM_TICKET: Final = 300


@dataclass(frozen=True, slots=True)
class Finished:
    """Somebody logged in, as it was asked for."""

    login: Login
    intent: Intent


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Nobody could be logged in without showing her a page. ``keeps_cookies`` False: the browser that was asked about shows no cookie."""

    intent: Intent
    keeps_cookies: bool = True


@dataclass(frozen=True, slots=True)
class AnsweredBefore:
    """The answer was used already by this browser, whose login led to ``target``."""

    target: str


class Finishing:
    """``logins`` are those under way, ``tickets`` the accepted answers and what became of them."""

    def __init__(
        self,
        settings: ShireSettings,
        targets: Targets,
        logins: PendingTable,
        mark: BrowserMark,
        tickets: SessionStore,
    ) -> None:
        self._settings = settings
        self._targets = targets
        self._logins = logins
        self._mark = mark
        self._tickets = tickets
        self._timing = Timing(skew=settings.clock_skew)

    def finish(self, request: Request, now: datetime) -> Finished | Unanswered | AnsweredBefore:
        """What came of the login whose ``ticket`` stands in the query, for the browser that began it.

        Raises `Refusal` (``sp.ticket``, ``sp.other_browser``, ``sp.unknown_request``, ``saml.issuer``, ``sp.not_anew``,
        ``sp.other_context``).
        """
        ticket = one(parse_query(request.query), "ticket", max_length=MAXIMUM_TICKET)
        stored = self._tickets.get(answer_key(ticket), now)
        if stored is None:
            return self._without_answer(request, ticket, now)
        login = load_login(stored)
        if login.in_response_to is None:
            done: Finished | Unanswered = Finished(login, self._unasked(login, now))
        else:
            done = self._bound(request, login, login.in_response_to, now)
        # Only now, so that another browser that got hold of a ticket can't use it up either.
        if self._tickets.take(answer_key(ticket), now) is None:
            raise _used_ticket()
        self._note_done(request, ticket, login, done.intent.target, now)
        return done

    def _without_answer(self, request: Request, ticket: str, now: datetime) -> Unanswered | AnsweredBefore:
        """No answer waits under this ticket: it was used, or it names a request that the home organisation could not satisfy."""
        before = self._tickets.get(done_key(ticket), now)
        if before is not None:
            target, browser = json.loads(before)
            if self._mark.fits(request, browser):
                return AnsweredBefore(target)
        kept = self._logins.get(pending_key(ticket), now)
        pending = load_pending(kept) if kept is not None else None
        if pending is None or not pending.intent.wishes.passive:
            raise _used_ticket()
        if not self._is_hers(request, pending):
            return Unanswered(pending.intent, keeps_cookies=False)
        self._take(ticket, now)
        return Unanswered(pending.intent)

    def _bound(self, request: Request, login: Login, request_id: str, now: datetime) -> Finished | Unanswered:
        """The request that this login answers must be this browser's, was for this answer, and is answered once."""
        waiting = self._logins.get(pending_key(request_id), now)
        if waiting is None:
            raise unknown_request(request_id)
        pending = load_pending(waiting)
        if not self._is_hers(request, pending):
            return Unanswered(pending.intent, keeps_cookies=False)
        if pending.identity_provider != login.issuer:
            raise Refusal("saml.issuer", expected=pending.identity_provider, found=login.issuer)
        try:
            check_anew(login, pending.not_before, self._timing)
            check_context(login.authn_context, pending.intent.wishes.requested_context)
        except Refusal as problem:
            # She may try once more, and end where she wanted.
            again = pending.intent.target
            raise Refusal(problem.code, expected=problem.expected, found=problem.found, target=again) from None
        self._take(request_id, now)
        return Finished(login, pending.intent)

    def _is_hers(self, request: Request, pending: PendingLogin) -> bool:
        """Whether it is the browser that made the request. False: nobody asked for it, and this browser has no mark at all, so that it
        seems to keep no cookies. Raises `Refusal` (``sp.other_browser``)."""
        if self._mark.fits(request, pending.browser):
            return True
        if pending.intent.silent and not self._mark.is_known(request):
            return False
        raise Refusal("sp.other_browser", expected="the browser that the request was made with", found="another one")

    def _unasked(self, login: Login, now: datetime) -> Intent:
        """Of a login that nobody asked for the settings demand no less."""
        demanded = with_demands(Wishes(), self._settings.login)
        check_anew(login, now - self._timing.max_age if demanded.force else None, self._timing)
        check_context(login.authn_context, demanded.requested_context)
        return Intent(self._targets.first, demanded)

    def _take(self, request_id: str, now: datetime) -> None:
        if self._logins.take(pending_key(request_id), now) is None:
            raise unknown_request(request_id)

    def _note_done(self, request: Request, ticket: str, login: Login, target: str, now: datetime) -> None:
        """Who comes back with the same answer is led to the page, not told that she did something wrong."""
        browser = self._mark.digest(self._mark.of(request)[0])
        done = json.dumps([target, browser]).encode()
        for name in (ticket, login.in_response_to):
            if name is not None:
                self._tickets.put(done_key(name), done, expires=now + LOGIN_TIME, now=now)


def check_anew(login: Login, not_before: datetime | None, timing: Timing) -> None:
    """Core 3.4.1: with ForceAuthn nobody may be let in by what she proved before. Raises `Refusal` (``sp.not_anew``)."""
    if not_before is not None and login.authenticated_at < not_before - timing.skew:
        raise Refusal("sp.not_anew", expected=f"a login since {not_before}", found=str(login.authenticated_at))


def answer_key(ticket: str) -> str:
    """Under this key of the tickets stands an accepted answer. A name of its own, so that no ticket that somebody makes up is the key of
    anything else in the store: of what is noted about logins, or of an answer that waits in another part of the resource."""
    return f"answer {ticket}"


def held_key(request_id: str) -> str:
    """Under this key of the tickets stands the ticket of the answer to a request."""
    return f"held {request_id}"


def done_key(name: str) -> str:
    """Under this key of the tickets stands where a login led, by its ticket and by its request."""
    return f"done {name}"


def unknown_request(request_id: str) -> Refusal:
    """The refusal of an answer to a request that does not wait."""
    return Refusal("sp.unknown_request", expected="an answer to a request of ours", found=request_id[:300])


def unsolicited(issuer: str) -> Refusal:
    """The refusal of an answer that this home organisation sent without having been asked."""
    return Refusal("sp.unsolicited", expected="an answer to a request of ours", found=f"unsolicited from {issuer}")


def _used_ticket() -> Refusal:
    return Refusal("sp.ticket", expected="a ticket that was just issued", found="an unknown or used one")
