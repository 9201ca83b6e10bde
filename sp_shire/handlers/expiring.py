"""``expiring``: tells a person that her session is about to end, lets her stay, and tells her when it has ended."""

from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from ostiary.web.forms import one, optional, parse_query
from ostiary.web.log import Log
from sp_shire.addresses import Addresses
from sp_shire.handlers.routes import Routes, own_form
from sp_shire.login.targets import MAXIMUM_TARGET, Targets
from sp_shire.messages import Reply, Request
from sp_shire.pages.replies import Replies
from sp_shire.sessions.ending import WHYS, end_of, is_due, opens_page
from sp_shire.sessions.visitor import Visitor
from sp_shire.sessions.visits import Visits
from sp_shire.settings import ShireSettings
from sp_shire.snapshot import Snapshot


class Expiring:
    """The ends of sessions that nobody asked for."""

    def __init__(
        self,
        settings: ShireSettings,
        addresses: Addresses,
        targets: Targets,
        visits: Visits,
        replies: Replies,
        log: Log,
    ) -> None:
        self._times = settings.sessions
        self._addresses = addresses
        self._targets = targets
        self._visits = visits
        self._replies = replies
        self._log = log
        self.routes: Final[Routes] = {"expiring": {"GET": self._show, "POST": self._stay}}

    def warning(self, request: Request, visitor: Visitor, now: datetime) -> Reply | None:
        """To the page that says so, where her session ends soon however much she uses it: once, and only on her way to a page."""
        session = visitor.session
        if session is None or not is_due(session, self._times, now) or not opens_page(request):
            return None
        self._visits.stay(request, now, warned=True)
        self._log.info("session_end_announced", idp=session.login.issuer, ends=session.ends.isoformat())
        return self._to_page(self._targets.back_to(request.path, request.query))

    def _show(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        target = self._targets.of(request)
        session = self._visits.session(request, snapshot, now)
        if session is None:
            why = optional(parse_query(request.query), "why", max_length=20)
            cookies = (self._visits.clear_cookie(),) if self._visits.token(request) is not None else ()
            return self._replies.session_ended(request, why if why in WHYS else "unknown", target, cookies)
        end = end_of(session, self._times, now)
        return self._replies.session_expiring(request, session, end, target, snapshot.registry, now)

    def _stay(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        form = own_form(request, self._addresses)
        target = self._targets.checked(one(form, "target", max_length=MAXIMUM_TARGET))
        if self._visits.session(request, snapshot, now) is None:
            return self._to_page(target)
        self._visits.stay(request, now)
        return self._replies.redirect(self._addresses.origin + target, status=303)

    def _to_page(self, target: str) -> Reply:
        url = f"{self._addresses.handler('expiring')}?{urlencode({'target': target})}"
        return self._replies.redirect(url, status=303)
