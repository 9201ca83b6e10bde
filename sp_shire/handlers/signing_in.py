"""``login``, ``switch``, ``again`` and ``form``: where a login begins, and where a form waits that was sent without one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final
from urllib.parse import unquote, urlencode

from ostiary.errors import NotAuthenticated
from ostiary.policy.access import Decision
from ostiary.web.forms import one, parse_query
from ostiary.web.log import Log
from sp_shire.addresses import Addresses
from sp_shire.handlers.leaving import leave
from sp_shire.handlers.routes import Routes, own_form
from sp_shire.login.asking import Asking
from sp_shire.login.browser_mark import BrowserMark
from sp_shire.login.finishing import AnsweredBefore, Unanswered
from sp_shire.login.kept_forms import KeptForms
from sp_shire.login.records import Intent
from sp_shire.login.silent import SilentTries
from sp_shire.login.step_up import step_up
from sp_shire.login.targets import MAXIMUM_TARGET, Targets
from sp_shire.login.wishes import Wishes, check_not_weaker, read_wishes
from sp_shire.messages import Reply, Request
from sp_shire.pages.replies import Replies
from sp_shire.sessions.visitor import Visitor
from sp_shire.sessions.visits import Visits
from sp_shire.settings import ShireSettings
from sp_shire.snapshot import Snapshot

Decide = Callable[[Request, Visitor, Snapshot, datetime], Decision]
"""What the access policy says of a visitor's request."""


class SigningIn:
    """The beginnings of logins at one resource. ``is_open`` says of a path whether it needs nobody to be logged in."""

    def __init__(
        self,
        settings: ShireSettings,
        addresses: Addresses,
        targets: Targets,
        asking: Asking,
        mark: BrowserMark,
        forms: KeptForms,
        tries: SilentTries,
        visits: Visits,
        replies: Replies,
        log: Log,
        *,
        decide: Decide,
        is_open: Callable[[str], bool],
    ) -> None:
        self._settings = settings
        self._addresses = addresses
        self._targets = targets
        self._asking = asking
        self._mark = mark
        self._forms = forms
        self._tries = tries
        self._visits = visits
        self._replies = replies
        self._log = log
        self._decide = decide
        self._is_open = is_open
        self.routes: Final[Routes] = {
            "login": {"GET": self._login},
            "switch": {"POST": self._switch},
            "again": {"POST": self._again},
            "form": {"GET": self._form},
        }

    def start(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """Nobody is logged in. A browser that goes to a page is sent off to log in, a form of this site waits until that is done; a script
        or a program is told so."""
        if _navigates(request):
            if request.method in ("GET", "HEAD"):
                target = self._targets.back_to(request.path, request.query, kept=True)
                leaving = self._asking.begin(request, target, Wishes(), snapshot, now)
                return leave(self._replies, request, leaving, snapshot, now)
            if self._forms.largest and self._forms.is_own(request):
                if request.body_waits and self._forms.fits(request):
                    return Reply(401, reads=self._forms.largest)
                return self._form_lost(request)
        raise NotAuthenticated("sp.login_needed", expected="a session", found="none")

    def keep(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """A form of this site, now with its body: it is kept, and the login begins."""
        target = self._targets.back_to(request.path, request.query, kept=True)
        # Form and login go by one mark, also in a browser that had none.
        request, cookies = self._mark.marked(request)
        number = self._forms.keep(request, target, now)
        if number is None:
            return self._form_lost(request)
        leaving = self._asking.begin(request, target, Wishes(), snapshot, now, form=number)
        return leave(self._replies, request, leaving, snapshot, now, cookies=cookies)

    def silently(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply | None:
        """Nobody is logged in, and nobody has to be: a try to log her in without showing anything, where one is due."""
        if not self._tries.is_due(request, now):
            return None
        target = self._targets.back_to(request.path, request.query, kept=True)
        leaving = self._asking.begin(request, target, Wishes(passive=True), snapshot, now, silent=True)
        return leave(self._replies, request, leaving, snapshot, now, cookies=(self._tries.cookie(now),))

    def unanswered(self, request: Request, done: Unanswered, snapshot: Snapshot, now: datetime) -> Reply:
        """She could not be logged in without being shown a page: an open page needs nobody, for any other she is asked now."""
        intent = done.intent
        if not done.keeps_cookies:
            self._tries.note_no_cookies(request, now)
            return self._to(intent.target)
        if intent.form or not self._is_open(unquote(intent.target.partition("?")[0])):
            return leave(self._replies, request, self._asking.insist(request, intent, snapshot, now), snapshot, now)
        return self._to(intent.target)

    def answered_before(self, request: Request, done: AnsweredBefore, snapshot: Snapshot, now: datetime) -> Reply:
        """The same answer again (the back button, a form sent twice): on to the page, if she is still logged in."""
        if self._visits.visitor(request, snapshot, now) is not None:
            return self._to(done.target)
        return self._replies.answered_before(request, self._addresses.origin + done.target)

    def after(self, intent: Intent, now: datetime) -> tuple[str, tuple[str, ...]]:
        """Where somebody goes who has logged in, and the cookies to set besides that of her session."""
        cookies = self._tries.cookie_after_login(now)
        if intent.form:
            return f"{self._addresses.handler('form')}?{urlencode({'form': intent.form})}", cookies
        return self._addresses.origin + intent.target, cookies

    def _login(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """The session initiator: ``target`` (a path of this site), and what the login is to be (`read_wishes`)."""
        target, wishes = self._targets.of(request), read_wishes(parse_query(request.query))
        check_not_weaker(wishes, self._settings.login)
        cookies: tuple[str, ...] = ()
        if wishes.passive:
            if self._tries.is_too_soon(request, now):
                return self._to(target)
            cookies = (self._tries.cookie(now),)
        leaving = self._asking.begin(request, target, wishes, snapshot, now)
        return leave(self._replies, request, leaving, snapshot, now, cookies=cookies)

    def _switch(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """Ends the session here and begins a login in which the person has to prove anew who she is: with another account, if she likes."""
        target = self._target_of_form(request)
        if self._visits.end(request, now) is not None:
            self._log.info("session_ended_by_person", scope="switch")
        leaving = self._asking.begin(request, target, Wishes(force=True), snapshot, now)
        return leave(self._replies, request, leaving, snapshot, now, cookies=(self._visits.clear_cookie(),))

    def _again(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """A login at the same home organisation as the page needs it: fresh, or by other means. Which, the access policy says."""
        target = self._target_of_form(request)
        visitor = self._visits.visitor(request, snapshot, now)
        if visitor is None:
            leaving = self._asking.begin(request, target, Wishes(), snapshot, now)
            return leave(self._replies, request, leaving, snapshot, now)
        path, _, query = target.partition("?")
        wanted = replace(request, method="GET", path=unquote(path), query=query.encode(), body=b"")
        wishes = step_up(self._decide(wanted, visitor, snapshot, now), self._settings.login)
        if wishes is None or visitor.session is None:
            # By now she may enter, or no login would help her: the page itself says which.
            return self._to(target, status=303)
        leaving = self._asking.begin(
            request, target, replace(wishes, identity_provider=visitor.person.issuer), snapshot, now
        )
        return leave(self._replies, request, leaving, snapshot, now)

    def _form(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """The form that was kept through a login: she sends it, or not."""
        number = one(parse_query(request.query), "form", max_length=64)
        form = self._forms.take(request, number, now)
        if form is None:
            return self._replies.form_gone(request)
        return self._replies.form_waits(request, form)

    def _form_lost(self, request: Request) -> Reply:
        self._log.info("form_not_kept", path=request.path[:500], length=request.headers.get("content-length", "")[:20])
        # In another tab, where the page of her session tells her that she is signed in.
        here = urlencode({"target": f"{self._addresses.handler_prefix}session"})
        login = f"{self._addresses.handler('login')}?{here}"
        return self._replies.form_lost(request, login)

    def _target_of_form(self, request: Request) -> str:
        return self._targets.checked(one(own_form(request, self._addresses), "target", max_length=MAXIMUM_TARGET))

    def _to(self, target: str, *, status: int = 302) -> Reply:
        return self._replies.redirect(self._addresses.origin + target, status=status)


def _navigates(request: Request) -> bool:
    """Whether somebody goes to a page, as opposed to a script that fetches data and could not follow a login."""
    headers = request.headers
    if headers.get("sec-fetch-mode", "navigate") != "navigate" or "x-requested-with" in headers:
        return False
    accepted = headers.get("accept") or "*/*"
    return "text/html" in accepted or ("*/*" in accepted and "application/json" not in accepted)
