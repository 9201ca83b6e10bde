"""The SHIRE: ``handle(Request) -> Reply | Passage``, the whole behaviour of a protected resource without any web framework.

Nothing reaches the application from a request that was refused or that made something fail.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode, urlsplit

from ostiary.clock import Clock
from ostiary.errors import Missing, NotAuthenticated, OstiaryError, Refusal, Unavailable, WrongMethod
from ostiary.federation.keys import KeyRing
from ostiary.federation.publish import signed_entity
from ostiary.federation.registry import Registry
from ostiary.policy.acceptance import AcceptancePolicy
from ostiary.policy.access import AccessDecider, Decision, Environment, Resource, Subject
from ostiary.policy.urltree import Segments, begins_with, read_path
from ostiary.saml.bindings import decode_soap
from ostiary.saml.validate import Timing
from ostiary.storage.stores import Groups, ReplayStore, SessionStore
from ostiary.web.cookies import clear_cookie, cookie_name, read_cookie, set_cookie
from ostiary.web.forms import Fields, FormLimits, one, optional, parse_form, parse_query
from ostiary.web.log import Log
from sp_shire.exports import exports_of
from sp_shire.login_flow import MAXIMUM_TARGET, TICKET_TIME, LoginFlow
from sp_shire.logout_flow import Answered, Asked, LogoutFlow
from sp_shire.messages import Passage, Reply, Request
from sp_shire.metadata import origin_of, sp_entity
from sp_shire.records import Session
from sp_shire.replies import Replies
from sp_shire.session_keeper import SessionKeeper
from sp_shire.settings import ShireSettings
from sp_shire.shar import Shar, SoapTransport

METADATA_LIFETIME: Final = timedelta(days=7)
_READING: Final = frozenset({"session", "logout", "signed-out", "metadata"})
_OWN_FORM: Final = FormLimits(total=8 * 1024, fields=8)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What may change while the resource runs; swapped as a whole."""

    registry: Registry
    accept: AcceptancePolicy
    access: AccessDecider
    keys: KeyRing


@dataclass(frozen=True, slots=True)
class Stores:
    """Where the SHIRE keeps what it must remember: sessions, pending logins and logouts, answers on their way from the ACS, messages used,
    which sessions a NameID has."""

    sessions: SessionStore
    logins: SessionStore
    tickets: SessionStore
    replay: ReplayStore
    groups: Groups


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
        self._snapshot = snapshot
        self._flow = LoginFlow(settings, stores.logins, stores.tickets, stores.replay)
        self._keeper = SessionKeeper(settings, stores.sessions, stores.groups, log)
        self._logouts = LogoutFlow(settings, self._keeper, stores.logins, stores.replay)
        self._tickets = stores.tickets
        self._transport = transport
        self._replies = replies
        self._clock = clock
        self._log = log
        self._https = settings.public_url.startswith("https:")
        self._cookie = cookie_name("session", settings.entity_id, https=self._https)
        self._origin = origin_of(settings.public_url)
        self._host = self._origin.partition("://")[2]
        base_path = urlsplit(settings.public_url).path.rstrip("/")
        self._handler_prefix = f"{base_path}{settings.handler_path}/"
        self._protected = tuple(_segments(base_path + prefix) for prefix in settings.protected)
        self._routes: Mapping[str, Mapping[str, Callable[[Request, Snapshot, datetime], Reply]]] = {
            "login": {"GET": self._login},
            "discovered": {"GET": self._discovered},
            "acs": {"POST": self._consume},
            "finish": {"GET": self._finish},
            "session": {"GET": self._show_session},
            "logout": {"GET": self._ask_logout, "POST": self._logout},
            "switch": {"POST": self._switch},
            "slo/redirect": {"GET": self._logout_message},
            "slo/post": {"POST": self._logout_message},
            "slo/soap": {"POST": self._logout_over_soap},
            "signed-out": {"GET": self._signed_out},
            "metadata": {"GET": self._metadata},
        }

    @property
    def origin(self) -> str:
        """Scheme, host and port of the public URL, as browsers write them."""
        return self._origin

    def now(self) -> datetime:
        """The time by its clock."""
        return self._clock.now()

    def refuse(self, request: Request, error: OstiaryError) -> Reply:
        """The error page for what an adapter refuses."""
        return self._replies.refused(request, error, self._clock.now())

    def login_url(self, request: Request) -> str:
        """Where a person who wants this page begins to log in. Raises `Refusal` (``sp.target``)."""
        target = self._flow.target_back_to(request.path, request.query)
        return f"{self._origin}{self._handler_prefix}login?{urlencode({'target': target})}"

    def is_handler(self, path: str) -> bool:
        """Whether this path belongs to the handlers: then the adapter reads the body of a POST."""
        return path.startswith(self._handler_prefix)

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
            if (asset := self._replies.asset(request.path.removeprefix(self._handler_prefix))) is not None:
                return asset
            self._check_host(request)
            return self._handler(request)(request, snapshot, now)
        if not any(begins_with(reading, prefix) for reading in readings for prefix in self._protected):
            return self._passage(self._visitor(request, snapshot, now), None)
        self._check_host(request)
        session = self._session(request, snapshot, now)
        if session is None:
            return self._start(request, snapshot, now)
        decision = self._decide(request, session, snapshot, now)
        if not decision.allow:
            target = self._flow.target_back_to(request.path, request.query)
            return self._replies.denied(request, session, decision, snapshot.registry, target, now)
        return self._passage(session, decision)

    def _handler(self, request: Request) -> Callable[[Request, Snapshot, datetime], Reply]:
        name = request.path.removeprefix(self._handler_prefix)
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
        if found.lower() != self._host:
            raise Refusal("http.host", expected=self._host, found=found[:200] or "no Host header")

    def _visitor(self, request: Request, snapshot: Snapshot, now: datetime) -> Session | None:
        """Who it is on a page that is open to everybody; when that can't be found out, nobody."""
        try:
            return self._session(request, snapshot, now)
        except Unavailable as error:
            self._log.warning("visitor_unknown", code=error.code, found=error.found)
            return None

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
        host = urlsplit(self._origin).hostname or ""
        resource = Resource(request.path, host, self.settings.application)
        return snapshot.access.decide(subject, request.method, resource, Environment(now))

    def _session(self, request: Request, snapshot: Snapshot, now: datetime) -> Session | None:
        token = self._token(request)
        if token is None:
            return None
        return self._keeper.find(token, snapshot.registry, snapshot.accept, self._shar(snapshot), now)

    def _token(self, request: Request) -> str | None:
        return read_cookie(request.headers.get("cookie"), self._cookie) or None

    def _shar(self, snapshot: Snapshot) -> Shar:
        timing = Timing(skew=self.settings.clock_skew)
        keys = snapshot.keys
        return Shar(self.settings.entity_id, keys.signer, self._transport, timing, keys.decrypting)

    # -- login ---------------------------------------------------------------------------------------------------------

    def _start(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """Nobody is logged in. A browser that goes to a page is sent off to log in; a form, a script or a program is told so."""
        if request.method not in ("GET", "HEAD") or not _navigates(request):
            raise NotAuthenticated("sp.login_needed", expected="a session", found="none")
        target = self._flow.target_back_to(request.path, request.query)
        return self._replies.redirect(*self._flow.begin(request, target, None, snapshot.registry, snapshot.keys, now))

    def _login(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """The session initiator: ``target`` (a path of this site) and optionally ``entityID`` and ``forceAuthn``."""
        chosen = optional(parse_query(request.query), "entityID", max_length=1024)
        target, force = self._flow.target_of(request), self._flow.forces(request)
        begun = self._flow.begin(request, target, chosen, snapshot.registry, snapshot.keys, now, force=force)
        return self._replies.redirect(*begun)

    def _discovered(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        return self._replies.redirect(*self._flow.discovered(request, snapshot.registry, snapshot.keys, now))

    def _consume(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        return self._replies.redirect(*self._flow.consume(request, snapshot.registry, snapshot.keys, now), status=303)

    def _finish(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        login, target = self._flow.finish(request, now)
        token, session = self._keeper.open(login, target, snapshot.registry, snapshot.accept, self._shar(snapshot), now)
        # A session that this browser had before ends here, so that a planted cookie never becomes hers.
        if (old := self._token(request)) is not None:
            self._keeper.end(old, now)
        self._log.info(
            "session_started",
            idp=login.issuer,
            attributes=[attribute.name for attribute in session.knowledge.attributes],
            withheld=[f"{name}: {reason}" for name, _, reason in session.knowledge.withheld],
            asked_for=session.knowledge.queried,
        )
        cookie = set_cookie(self._cookie, token, https=self._https)
        return self._replies.redirect(self._origin + target, (cookie,), status=303)

    # -- the other handlers --------------------------------------------------------------------------------------------

    def _show_session(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        session = self._session(request, snapshot, now)
        wants_json = optional(parse_query(request.query), "format") == "json"
        if wants_json or "text/html" not in request.headers.get("accept", ""):
            return self._replies.session_json(session)
        if session is None:
            raise NotAuthenticated("sp.login_needed", expected="a session", found="none")
        return self._replies.session_page(request, session, snapshot.registry, now)

    def _ask_logout(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        token = self._token(request)
        login = self._keeper.login_of(token, now) if token is not None else None
        everywhere = login is not None and self._logouts.can_ask(login.issuer, snapshot.registry, now)
        home = self._name(login.issuer, snapshot, now) if login is not None else None
        return self._replies.ask_logout(request, home, everywhere=everywhere)

    def _logout(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """Ends the session here; with ``scope=everywhere`` the home organisation is asked to end all others."""
        form = self._own_form(request)
        scope = optional(form, "scope", max_length=20) or "here"
        if scope not in ("here", "everywhere"):
            raise Refusal("sp.logout_scope", expected="here or everywhere", found=scope)
        token = self._token(request)
        login = self._keeper.end(token, now) if token is not None else None
        cookie = clear_cookie(self._cookie, https=self._https)
        if login is not None:
            self._log.info("session_ended_by_person", scope=scope)
            if scope == "everywhere":
                way = self._logouts.ask(login, snapshot.registry, snapshot.keys, now)
                if way is not None:
                    return self._replies.departure(request, way, self._name(login.issuer, snapshot, now), (cookie,))
        return self._replies.signed_out(request, "here", None, (cookie,))

    def _switch(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """Ends the session here and begins a login in which the person has to prove anew who she is: with another account, if she likes."""
        target = self._flow.checked_target(one(self._own_form(request), "target", max_length=MAXIMUM_TARGET))
        if (token := self._token(request)) is not None and self._keeper.end(token, now) is not None:
            self._log.info("session_ended_by_person", scope="switch")
        url, cookies = self._flow.begin(request, target, None, snapshot.registry, snapshot.keys, now, force=True)
        return self._replies.redirect(url, (*cookies, clear_cookie(self._cookie, https=self._https)), status=303)

    def _logout_message(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """A LogoutRequest or LogoutResponse through the browser. It is signed, and what it ends it names itself: no cookie counts."""
        receive = self._logouts.by_post if request.method == "POST" else self._logouts.by_redirect
        done = receive(request, snapshot.registry, snapshot.keys, now)
        home = self._name(done.issuer, snapshot, now)
        if isinstance(done, Answered):
            self._log.info("logout_answered", idp=done.issuer, outcome=done.outcome)
            # The next page is one of this site, so that reloading it sends nothing again.
            ticket = secrets.token_urlsafe(32)
            content = f"{done.outcome} {home}".encode()
            self._tickets.put(f"signed out {ticket}", content, expires=now + TICKET_TIME, now=now)
            return self._replies.redirect(f"{self._origin}{self._handler_prefix}signed-out?ticket={ticket}", status=303)
        self._note_ended(done)
        if done.answer is None:
            return self._replies.signed_out(request, "by_home", home)
        return self._replies.departure(request, done.answer, home)

    def _logout_over_soap(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """The back channel of single logout: the home organisation itself asks."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "text/xml":
            raise Refusal("sp.soap_content_type", expected="text/xml (SOAP 1.1)", found=media_type[:100] or "none")
        try:
            message = decode_soap(request.body)
        except Refusal as problem:
            return self._replies.soap_fault(request, problem)
        done, answer = self._logouts.by_soap(message, snapshot.registry, snapshot.keys, now)
        self._note_ended(done)
        return self._replies.soap(answer)

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

    def _own_form(self, request: Request) -> Fields:
        """A POST from another site carries no Lax cookie; one that says where it is from is checked, too."""
        origin = request.headers.get("origin")
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin" or origin not in (None, self._origin):
            raise Refusal("sp.logout_elsewhere", expected="a form of this site", found=origin or "another site")
        if not request.body:
            return parse_query(b"")
        return parse_form(request.headers.get("content-type"), request.body, _OWN_FORM)

    def _name(self, entity_id: str, snapshot: Snapshot, now: datetime) -> str:
        home = snapshot.registry.get(entity_id, now)
        return home.name() if home is not None else entity_id

    def _metadata(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        entity = sp_entity(self.settings, snapshot.keys)
        document = signed_entity(entity, snapshot.keys.signer, valid_until=now + METADATA_LIFETIME)
        return Reply(
            200, (("Content-Type", "application/samlmetadata+xml"), ("X-Content-Type-Options", "nosniff")), document
        )


def _navigates(request: Request) -> bool:
    """Whether somebody goes to a page, as opposed to a script that fetches data and could not follow a login."""
    headers = request.headers
    if headers.get("sec-fetch-mode", "navigate") != "navigate" or "x-requested-with" in headers:
        return False
    accepted = headers.get("accept") or "*/*"
    return "text/html" in accepted or ("*/*" in accepted and "application/json" not in accepted)


def _segments(path: str) -> Segments:
    readings = read_path(path)
    if len(readings) != 1:
        raise Refusal("sp.protected", expected="plain path prefixes", found=path)
    return readings[0]
