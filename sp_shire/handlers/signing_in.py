"""``login``, ``discovered``, ``acs``, ``finish`` and ``switch``: the addresses that a login passes."""

from datetime import datetime
from typing import Final

from ostiary.errors import NotAuthenticated
from ostiary.web.forms import one, optional, parse_query
from ostiary.web.log import Log
from sp_shire.addresses import Addresses
from sp_shire.handlers.routes import Routes, own_form
from sp_shire.login.answers import Answers
from sp_shire.login.asking import Asking
from sp_shire.login.targets import MAXIMUM_TARGET, Targets
from sp_shire.messages import Reply, Request
from sp_shire.pages.replies import Replies
from sp_shire.sessions.visits import Visits
from sp_shire.snapshot import Snapshot


class SigningIn:
    """The handlers of logins at one resource."""

    def __init__(
        self,
        addresses: Addresses,
        targets: Targets,
        asking: Asking,
        answers: Answers,
        visits: Visits,
        replies: Replies,
        log: Log,
    ) -> None:
        self._addresses = addresses
        self._targets = targets
        self._asking = asking
        self._answers = answers
        self._visits = visits
        self._replies = replies
        self._log = log
        self.routes: Final[Routes] = {
            "login": {"GET": self._login},
            "discovered": {"GET": self._discovered},
            "acs": {"POST": self._consume},
            "finish": {"GET": self._finish},
            "switch": {"POST": self._switch},
        }

    def start(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """Nobody is logged in. A browser that goes to a page is sent off to log in; a form, a script or a program is told so."""
        if request.method not in ("GET", "HEAD") or not _navigates(request):
            raise NotAuthenticated("sp.login_needed", expected="a session", found="none")
        target = self._targets.back_to(request.path, request.query)
        return self._replies.redirect(*self._asking.begin(request, target, None, snapshot.registry, snapshot.keys, now))

    def _login(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """The session initiator: ``target`` (a path of this site) and optionally ``entityID`` and ``forceAuthn``."""
        chosen = optional(parse_query(request.query), "entityID", max_length=1024)
        target, force = self._targets.of(request), self._asking.forces(request)
        begun = self._asking.begin(request, target, chosen, snapshot.registry, snapshot.keys, now, force=force)
        return self._replies.redirect(*begun)

    def _discovered(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        return self._replies.redirect(*self._asking.discovered(request, snapshot.registry, snapshot.keys, now))

    def _consume(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        return self._replies.redirect(
            *self._answers.consume(request, snapshot.registry, snapshot.keys, now), status=303
        )

    def _finish(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        login, target = self._answers.finish(request, now)
        cookie, session = self._visits.begin(request, login, target, snapshot, now)
        self._log.info(
            "session_started",
            idp=login.issuer,
            attributes=[attribute.name for attribute in session.knowledge.attributes],
            withheld=[f"{name}: {reason}" for name, _, reason in session.knowledge.withheld],
            asked_for=session.knowledge.queried,
        )
        return self._replies.redirect(self._addresses.origin + target, (cookie,), status=303)

    def _switch(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """Ends the session here and begins a login in which the person has to prove anew who she is: with another account, if she likes."""
        form = own_form(request, self._addresses)
        target = self._targets.checked(one(form, "target", max_length=MAXIMUM_TARGET))
        if self._visits.end(request, now) is not None:
            self._log.info("session_ended_by_person", scope="switch")
        url, cookies = self._asking.begin(request, target, None, snapshot.registry, snapshot.keys, now, force=True)
        return self._replies.redirect(url, (*cookies, self._visits.clear_cookie()), status=303)


def _navigates(request: Request) -> bool:
    """Whether somebody goes to a page, as opposed to a script that fetches data and could not follow a login."""
    headers = request.headers
    if headers.get("sec-fetch-mode", "navigate") != "navigate" or "x-requested-with" in headers:
        return False
    accepted = headers.get("accept") or "*/*"
    return "text/html" in accepted or ("*/*" in accepted and "application/json" not in accepted)
