"""The SHIRE: ``handle(Request) -> Reply | Passage``, the whole behaviour of a protected resource without any web framework.

Nothing reaches the application from a request that was refused or that made something fail.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final
from urllib.parse import urlencode

from ostiary.clock import Clock
from ostiary.errors import Missing, NotAuthenticated, OstiaryError, Refusal, WrongMethod
from ostiary.policy.access import Decision, Environment, Resource
from ostiary.policy.urltree import Segments, begins_with, read_path
from ostiary.storage.stores import SessionStore
from ostiary.web.log import Log
from sp_shire.adapters.doorkeeper import Doors, Ostiary
from sp_shire.adapters.token import Tokens
from sp_shire.addresses import Addresses
from sp_shire.certificates.visitors import CertificateVisitors
from sp_shire.handlers.routes import Handler
from sp_shire.handlers.status import Reading
from sp_shire.login.targets import Targets
from sp_shire.messages import Passage, Reply, Request
from sp_shire.pages.page import is_program
from sp_shire.pages.replies import Replies
from sp_shire.sessions.client_address import behind_proxies
from sp_shire.sessions.incomplete import AttributesMissing
from sp_shire.sessions.keeper import SessionKeeper
from sp_shire.sessions.visitor import Visitor
from sp_shire.settings import ShireSettings
from sp_shire.shar.query import SoapTransport
from sp_shire.snapshot import Snapshot, Stores
from sp_shire.wiring import make_parts

_READING: Final = frozenset({"session", "expiring", "logout", "signed-out", "metadata", "discofeed", "status", "jwks"})


class Shire:
    """One protected resource. ``snapshot`` gives what is in force at an instant; ``domains`` are its application domains, each of which
    answers for its own tree; ``common`` keeps what is met at one address by all parts of a resource that have its entityID: LogoutRequests
    that wait for their answers, AuthnRequests that wait to be fetched.

    Thread-safe as far as its stores are.
    """

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
        domains: "Sequence[Shire]" = (),
        common: SessionStore | None = None,
        reading: Callable[[], Reading] | None = None,
        certificates: CertificateVisitors | None = None,
    ) -> None:
        self.settings = settings
        self.addresses = addresses = Addresses(settings)
        self._snapshot = snapshot
        self._replies = replies
        self._clock = clock
        self._log = log
        self._targets = targets = Targets(addresses)
        self._doors = Doors(addresses, targets)
        self._tokens = Tokens(settings, settings.jwt, log) if settings.jwt is not None else None
        self._certificates = certificates
        started = clock.now()
        parts = make_parts(
            settings,
            addresses,
            targets,
            stores,
            common=common or stores.logins,
            # Their LogoutRequests go to the endpoints of the entity that all of them are.
            siblings=[domain.keeper for domain in domains if domain.settings.entity_id == settings.entity_id],
            transport=transport,
            certificates=certificates,
            replies=replies,
            log=log,
            started=started,
            reading=reading or (lambda: Reading(started)),
            decide=self._decide,
            is_open=lambda path: not self._needs_somebody(read_path(path)),
        )
        self._visits = parts.visits
        self._signing_in = parts.signing_in
        self._consuming = parts.consuming
        self._expiring = parts.expiring
        self._routes = parts.routes
        self._domains = tuple((_segments(domain.path), domain) for domain in domains)
        self._base = _segments(addresses.base_path) if addresses.base_path else ()
        self._protected = tuple(_segments(addresses.base_path + prefix) for prefix in settings.protected)
        self._lazy = tuple(_segments(addresses.base_path + prefix) for prefix in settings.lazy)

    @property
    def path(self) -> str:
        """Where its tree begins: that of the whole resource, or of an application domain."""
        return self.addresses.base_path + self.settings.below

    @property
    def keeper(self) -> SessionKeeper:
        """Its sessions, without those of its application domains."""
        return self._visits.keeper

    def now(self) -> datetime:
        """The time by its clock."""
        return self._clock.now()

    def refuse(self, request: Request, error: OstiaryError) -> Reply:
        """The error page for what an adapter refuses."""
        return self._replies.refused(request, error, self._clock.now())

    def login_url(self, request: Request) -> str:
        """Where a person who wants this page begins to log in. Raises `Refusal` (``sp.target``)."""
        domain = self._domain(request, read_path(request.path))
        if domain is not None:
            return domain.login_url(request)
        target = self._targets.back_to(request.path, request.query)
        return f"{self.addresses.handler('login')}?{urlencode({'target': target})}"

    def is_handler(self, path: str) -> bool:
        """Whether this path belongs to the handlers: then the adapter reads the body of a POST."""
        return self.addresses.is_handler(path) or any(domain.is_handler(path) for _, domain in self._domains)

    def handle(self, request: Request) -> Reply | Passage:
        """Answers the request, or lets it pass to the application. Never raises: what fails becomes an error page."""
        now = self._clock.now()
        try:
            if self.settings.trusted_proxies:
                request = behind_proxies(request, self.settings.trusted_proxies)
            if self._certificates is not None:
                request = self._certificates.reading(request)
            return self._dispatch(request, self._snapshot(now), now)
        except AttributesMissing as error:
            return self._replies.incomplete(request, error, self._snapshot(now).registry, now)
        except OstiaryError as error:
            return self._replies.refused(request, error, now)
        except Exception as error:  # a defect must not open the door
            return self._replies.crashed(request, error, now)

    def with_body(self, request: Request) -> Reply:
        """The answer to a request whose first answer wanted its body (`Reply.reads`). Never raises, as `handle`."""
        now = self._clock.now()
        try:
            domain = self._domain(request, read_path(request.path))
            if domain is not None:
                return domain.with_body(request)
            if self.settings.trusted_proxies:
                request = behind_proxies(request, self.settings.trusted_proxies)
            return self._signing_in.keep(request, self._snapshot(now), now)
        except OstiaryError as error:
            return self._replies.refused(request, error, now)
        except Exception as error:  # as there
            return self._replies.crashed(request, error, now)

    def goes_on(self, request: Request, passage: Passage) -> bool:
        """Whether a connection that was let through goes on: the session with which it began (or the certificate) is still there, which
        this does not put off. Never raises; what can't be found out ends it."""
        now = self._clock.now()
        if passage.ends is not None and now >= passage.ends:
            return False
        if passage.session is None:
            return True
        try:
            domain = self._domain(request, read_path(request.path))
            if domain is not None:
                return domain.goes_on(request, passage)
            if self.settings.trusted_proxies:
                request = behind_proxies(request, self.settings.trusted_proxies)
            return self._visits.session(request, self._snapshot(now), now) is not None
        except OstiaryError as problem:
            self._log.warning("connection_ended", code=problem.code, found=problem.found)
            return False
        except Exception as error:  # as there
            self._log.error("crashed", status=500, exc_info=error)
            return False

    def _dispatch(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply | Passage:
        readings = read_path(request.path)
        if not readings:
            raise Refusal(
                "http.path", expected="a path without dot segments or hidden separators", found=request.path[:200]
            )
        self._check_inside(readings, request.path)
        if self.addresses.is_handler(request.path):
            return self._at_handler(request, snapshot, now)
        if (domain := self._domain(request, readings)) is not None:
            return domain.handle(request)
        if self._needs_somebody(readings):
            return self._at_protected_page(request, snapshot, now)
        visitor = self._visits.visitor_if_known(request, snapshot, now)
        if visitor is None and (tried := self._try_silently(request, snapshot, now)) is not None:
            return tried
        return self._passage(request, visitor, None, snapshot, now)

    def _check_inside(self, readings: tuple[Segments, ...], path: str) -> None:
        """Nothing is known about what lies outside of the public URL: mostly a web server in front took its path away."""
        if self.settings.allow_unprotected_outside_public_url:
            return
        if not all(begins_with(reading, self._base) for reading in readings):
            raise Missing("sp.outside", expected=f"a path below {self.addresses.base_path}", found=path[:200])

    def _at_handler(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        name = request.path.removeprefix(self.addresses.handler_prefix)
        if (asset := self._replies.asset(name)) is not None:
            return asset
        if name != "status":
            # An operator asks by any address of this machine, and shows otherwise that she is one.
            self._check_host(request)
        if name == "login" and self._consuming.is_program(request):
            return self._consuming.ask_program(request, self._targets.of(request), snapshot, now)
        return self._handler(request, name)(request, snapshot, now)

    def _at_protected_page(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply | Passage:
        """Nobody gets further than this without the access policy's permit."""
        self._check_host(request)
        visitor = self._visits.visitor(request, snapshot, now)
        if visitor is None:
            return self._nobody(request, snapshot, now)
        decision = self._decide(request, visitor, snapshot, now)
        if not decision.allow:
            target = self._targets.back_to(request.path, request.query)
            return self._replies.denied(request, visitor, decision, snapshot.registry, target, now)
        if (warning := self._expiring.warning(request, visitor, now)) is not None:
            return warning
        return self._passage(request, visitor, decision, snapshot, now)

    def _nobody(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """Somebody has to be there, and nobody is."""
        if self._consuming.is_program(request):
            target = self._targets.back_to(request.path, request.query)
            return self._consuming.ask_program(request, target, snapshot, now)
        if self._certificates is not None and is_program(request):
            raise NotAuthenticated("certificates.none_shown", expected="a certificate or a session", found="none")
        return self._signing_in.start(request, snapshot, now)

    def _needs_somebody(self, readings: tuple[Segments, ...]) -> bool:
        """Whether the path is protected, however it is read: of the prefixes that it begins with the longest counts. One that hides where
        it leads is."""
        if not self._lazy:
            return not readings or any(begins_with(reading, one) for reading in readings for one in self._protected)
        return not readings or any(
            _longest(self._protected, reading) >= max(1, _longest(self._lazy, reading)) for reading in readings
        )

    def _try_silently(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply | None:
        """Under another host name nothing begins; when it can't be tried, the page is open all the same."""
        if request.headers.get("host", "").lower() != self.addresses.host:
            return None
        try:
            return self._signing_in.silently(request, snapshot, now)
        except OstiaryError as problem:
            self._log.warning("not_tried_silently", code=problem.code, found=problem.found)
            return None

    def _domain(self, request: Request, readings: tuple[Segments, ...]) -> "Shire | None":
        """The application domain whose tree this path is in; of several the deepest."""
        if not self._domains:
            return None
        found = {
            max(
                ((len(tree), domain) for tree, domain in self._domains if begins_with(reading, tree)),
                key=lambda pair: pair[0],
                default=(0, None),
            )[1]
            for reading in readings
        }
        if len(found) > 1:
            raise Refusal("http.path", expected="a path that belongs to one application", found=request.path[:200])
        return next(iter(found), None)

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

    def _passage(
        self, request: Request, visitor: Visitor | None, decision: Decision | None, snapshot: Snapshot, now: datetime
    ) -> Passage:
        if visitor is None:
            return Passage(ostiary=Ostiary(None, None, decision, self._doors, request.path, request.query))
        person, session = visitor.person, visitor.session
        renew = partial(self._renewed, request, decision is not None)
        ostiary = Ostiary(person, session, decision, self._doors, request.path, request.query, renew)
        token = self._tokens.of(visitor, snapshot.signs_tokens, now) if self._tokens is not None else ""
        return Passage(person, visitor.exports, decision, session, ostiary, token, visitor.ends)

    def _renewed(self, request: Request, decides: bool) -> Ostiary:
        """What the application is told once her attributes have been asked for anew."""
        now = self._clock.now()
        snapshot = self._snapshot(now)
        visitor = self._visits.renew(request, snapshot, now)
        if visitor is None:
            return Ostiary(None, None, None, self._doors, request.path, request.query)
        decision = self._decide(request, visitor, snapshot, now) if decides else None
        renew = partial(self._renewed, request, decides)
        return Ostiary(visitor.person, visitor.session, decision, self._doors, request.path, request.query, renew)

    def _decide(self, request: Request, visitor: Visitor, snapshot: Snapshot, now: datetime) -> Decision:
        resource = Resource(request.path, self.addresses.host_name, self.settings.application)
        return snapshot.access.decide(
            visitor.subject, request.method, resource, Environment(now, request.remote or None)
        )


def _longest(prefixes: tuple[Segments, ...], reading: Segments) -> int:
    """How long the longest prefix of the path is, counted from 1 (a tree's root); 0 where there is none."""
    return max((len(prefix) + 1 for prefix in prefixes if begins_with(reading, prefix)), default=0)


def _segments(path: str) -> Segments:
    readings = read_path(path)
    if len(readings) != 1:
        raise Refusal("sp.protected", expected="plain path prefixes", found=path)
    return readings[0]
