"""The SHIRE: ``handle(Request) -> Reply | Passage``, the whole behaviour of a protected resource without any web framework.

Nothing reaches the application from a request that was refused or that made something fail.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from ostiary.clock import Clock
from ostiary.errors import Missing, OstiaryError, Refusal, WrongMethod
from ostiary.policy.access import Decision, Environment, Resource, Subject
from ostiary.policy.urltree import Segments, begins_with, read_path
from ostiary.web.log import Log
from sp_shire.adapters.exports import exports_of
from sp_shire.addresses import Addresses
from sp_shire.handlers.routes import Handler, Routes
from sp_shire.handlers.showing import Showing
from sp_shire.handlers.signing_in import SigningIn
from sp_shire.handlers.signing_out import SigningOut
from sp_shire.login.answers import Answers
from sp_shire.login.asking import Asking
from sp_shire.login.targets import Targets
from sp_shire.logout.flow import LogoutFlow
from sp_shire.messages import Passage, Reply, Request
from sp_shire.pages.replies import Replies
from sp_shire.sessions.records import Session
from sp_shire.sessions.visits import Visits
from sp_shire.settings import ShireSettings
from sp_shire.shar.query import SoapTransport
from sp_shire.snapshot import Snapshot, Stores

_READING: Final = frozenset({"session", "logout", "signed-out", "metadata"})


class Shire:
    """One protected resource. ``snapshot`` gives what is in force at an instant. Thread-safe as far as its stores are."""

    def __init__(
        self,
        settings: ShireSettings,
        *,
        snapshot: Callable[[datetime], Snapshot],
        stores: Stores,
        transport: SoapTransport,
        replies: Replies,
        clock: Clock,
        log: Log,
    ) -> None:
        self.settings = settings
        self.addresses = addresses = Addresses(settings)
        self._snapshot = snapshot
        self._replies = replies
        self._clock = clock
        self._targets = targets = Targets(addresses)
        asking = Asking(settings, addresses, targets, stores.logins)
        answers = Answers(settings, addresses, targets, stores.logins, stores.tickets, stores.replay)
        self._visits = Visits(settings, addresses, stores.sessions, stores.groups, transport, log)
        logouts = LogoutFlow(settings, addresses, self._visits.keeper, stores.logins, stores.replay)
        self._signing_in = SigningIn(addresses, targets, asking, answers, self._visits, replies, log)
        signing_out = SigningOut(addresses, logouts, stores.tickets, self._visits, replies, log)
        showing = Showing(settings, self._visits, replies)
        self._routes: Routes = {**self._signing_in.routes, **signing_out.routes, **showing.routes}
        self._protected = tuple(_segments(addresses.base_path + prefix) for prefix in settings.protected)

    def now(self) -> datetime:
        """The time by its clock."""
        return self._clock.now()

    def refuse(self, request: Request, error: OstiaryError) -> Reply:
        """The error page for what an adapter refuses."""
        return self._replies.refused(request, error, self._clock.now())

    def login_url(self, request: Request) -> str:
        """Where a person who wants this page begins to log in. Raises `Refusal` (``sp.target``)."""
        target = self._targets.back_to(request.path, request.query)
        return f"{self.addresses.handler('login')}?{urlencode({'target': target})}"

    def is_handler(self, path: str) -> bool:
        """Whether this path belongs to the handlers: then the adapter reads the body of a POST."""
        return self.addresses.is_handler(path)

    def handle(self, request: Request) -> Reply | Passage:
        """Answers the request, or lets it pass to the application. Never raises: what fails becomes an error page."""
        now = self._clock.now()
        try:
            return self._dispatch(request, self._snapshot(now), now)
        except OstiaryError as error:
            return self._replies.refused(request, error, now)
        except Exception as error:  # a defect must not open the door
            return self._replies.crashed(request, error, now)

    def _dispatch(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply | Passage:
        readings = read_path(request.path)
        if not readings:
            raise Refusal(
                "http.path", expected="a path without dot segments or hidden separators", found=request.path[:200]
            )
        if self.is_handler(request.path):
            name = request.path.removeprefix(self.addresses.handler_prefix)
            if (asset := self._replies.asset(name)) is not None:
                return asset
            self._check_host(request)
            return self._handler(request, name)(request, snapshot, now)
        if not any(begins_with(reading, prefix) for reading in readings for prefix in self._protected):
            return self._passage(self._visits.visitor(request, snapshot, now), None)
        self._check_host(request)
        session = self._visits.session(request, snapshot, now)
        if session is None:
            return self._signing_in.start(request, snapshot, now)
        decision = self._decide(request, session, snapshot, now)
        if not decision.allow:
            target = self._targets.back_to(request.path, request.query)
            return self._replies.denied(request, session, decision, snapshot.registry, target, now)
        return self._passage(session, decision)

    def _handler(self, request: Request, name: str) -> Handler:
        methods = self._routes.get(name)
        if methods is None:
            raise Missing("http.not_found", found=request.path[:200])
        # A HEAD (a link checker, a preview) begins no login and uses no ticket up.
        reads = request.method == "HEAD" and name in _READING
        answer = methods.get("GET" if reads else request.method)
        if answer is None:
            raise WrongMethod("http.method", expected=", ".join(methods), found=request.method[:20])
        return answer

    def _check_host(self, request: Request) -> None:
        found = request.headers.get("host", "")
        if found.lower() != self.addresses.host:
            raise Refusal("http.host", expected=self.addresses.host, found=found[:200] or "no Host header")

    def _passage(self, session: Session | None, decision: Decision | None) -> Passage:
        if session is None:
            return Passage()
        return Passage(session.person(), exports_of(self.settings, session), decision, session)

    def _decide(self, request: Request, session: Session, snapshot: Snapshot, now: datetime) -> Decision:
        subject = Subject(
            session.knowledge.attributes,
            session.login.issuer,
            session.login.authenticated_at,
            session.login.authn_context,
        )
        resource = Resource(request.path, self.addresses.host_name, self.settings.application)
        return snapshot.access.decide(subject, request.method, resource, Environment(now))


def _segments(path: str) -> Segments:
    readings = read_path(path)
    if len(readings) != 1:
        raise Refusal("sp.protected", expected="plain path prefixes", found=path)
    return readings[0]
