"""One sign-on from its request to its answer: what has to come first is asked of the steps, in order; then the Response goes out.

A ticket ends when its answer goes out, so whatever fails before can be tried again by reloading the page; of a double click both halves
are answered, for the browser shows the second answer and the SP takes only one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from flask import Response, request
from sqlalchemy import Engine

from idp.login.contexts import Achieved, achieved, choose, counted
from idp.sessions.session import LoginProof, Sessions, SsoSession
from idp.sessions.whereabouts import whereabouts
from idp.settings import IdpSettings
from idp.sign_on.answering import Answering
from idp.sign_on.browser import BrowserCookies
from idp.sign_on.requests import Rules, WaitingRequest, own_login, resume
from idp.sign_on.steps import Step, Visit
from idp.sign_on.tickets import Tickets
from ostiary import audit
from ostiary.config.derived import Once
from ostiary.errors import Refusal
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import Entity
from ostiary.federation.registry import Registry
from ostiary.handle import HandleKey
from ostiary.policy.release.application_domain import domain_of_consumer
from ostiary.ports import AttributeSource, Release, ReleaseRequest
from ostiary.saml import names
from ostiary.saml.protocol import Status
from ostiary.storage.engine import writing
from ostiary.web.at_hand import current_request
from ostiary.web.forms import Fields, one
from ostiary.web.service import public_url_for

MAXIMUM_TICKET: Final = 64


@dataclass(slots=True, eq=False)
class SignOn:
    """Everything that a sign-on works with; one for each application. ``authority_of`` gives the index of the Attribute Authority that
    knows a person, ``writer`` names the service in the audit, ``now`` tells the time.

    ``steps`` are set once, before the first request (they know the sign-on, too).
    """

    settings: Callable[[], IdpSettings]
    registry: Callable[[], Registry]
    key_ring: Callable[[], KeyRing]
    handle_keys: Callable[[], Sequence[HandleKey]]
    sessions: Sessions
    tickets: Tickets
    attribute_source: AttributeSource
    answering: Answering
    authority_of: Callable[[str], int]
    cookies: BrowserCookies
    engine: Engine
    writer: str
    now: Callable[[], datetime]
    steps: tuple[Step, ...] = field(default=())
    _known_rules: tuple[IdpSettings, Rules] | None = field(default=None, init=False)

    @property
    def rules(self) -> Rules:
        """The rules of the moment."""
        settings, known = self.settings(), self._known_rules
        if known is None or known[0] is not settings:
            known = self._known_rules = (settings, settings.rules())
        return known[1]

    # --- the visit

    def begin(self, asked: WaitingRequest, sp: Entity | None, now: datetime) -> Response:
        """A request that this very browser brought: the answer, or what has to come before it."""
        return self.onward(self._visit(None, asked, sp, self._session(now), now))

    def visit(self, fields: Fields, *, submitted: bool = False) -> Visit:
        """The sign-on whose ticket stands in a query or form. ``submitted``: of a form that a person sent; both halves of a double click
        are answered.

        Raises `Refusal` (``sso.ticket``, ``sso.other_browser``, and as `resume`).
        """
        ticket, now = one(fields, "ticket", max_length=MAXIMUM_TICKET), self.now()
        asked = self.tickets.look(ticket, now, browser=self.cookies.browser_token(), submitted=submitted)
        return self._visit(ticket, asked, resume(asked, self.registry(), now), self._session(now), now)

    def onward(self, visit: Visit) -> Response:
        """The first step that is due; the answer, when none is."""
        for step in self.steps:
            if step.is_due(visit):
                return self._stop(step, visit)
        return self._answer(visit)

    def has_reached(self, step: Step, visit: Visit) -> bool:
        """Whether nothing is due that comes before this step. Its pages ask: anybody may go straight to one with the ticket, and what they
        show and keep is for whoever passed the steps before. Raises `Unavailable`."""
        before = self.steps[: self.steps.index(step)]
        return not any(one.is_due(visit) for one in before)

    def logged_in(self, visit: Visit, principal: str, method: str, *, shared: bool = False) -> Response:
        """She proved who she is by this method: the session begins, or a proof is added to it; then onward. ``shared``: others use this
        computer.

        A session of somebody else in this browser ends. Raises as the steps and the answer do.
        """
        token, before, proof = (
            self.cookies.session_token(),
            visit.session,
            LoginProof(method, visit.now, visit.asked.turn),
        )
        if token is not None and before is not None and before.principal == principal:
            new, session = self.sessions.add_proof(token, before, proof, now=visit.now)
        else:
            where = whereabouts(request.headers.get("User-Agent", ""), request.remote_addr or "")
            new, session = self.sessions.start(
                principal,
                proof,
                now=visit.now,
                authority=self.authority_of(principal),
                shared=shared,
                where=where,
                instead_of=token,
            )
        self.cookies.send_session(new)
        self.record("login.succeeded", visit.now, principal, {"for": visit.asked.sp or visit.asked.then, "by": method})
        return self.onward(self._visit(visit.ticket, visit.asked, visit.sp, session, visit.now))

    def refuse(self, visit: Visit, status: Status) -> Response:
        """Ends the sign-on with a Response that says why there is no assertion. Raises `Refusal` (``sso.ended``) where it leads to a page
        of this service, for which no SP waits."""
        if visit.ticket is not None:
            self.tickets.use_up(visit.ticket, visit.asked, visit.now)
        if visit.sp is None:
            raise Refusal("sso.ended", expected="somebody who may go on", found=status.detail or status.code)
        return self.send_status(visit.asked, visit.sp, status, visit.now)

    def send_status(self, asked: WaitingRequest, sp: Entity, status: Status, now: datetime) -> Response:
        """A Response without an assertion; needs no session."""
        return self.answering.refuse(asked, sp, status, now)

    def answer_program(self, asked: WaitingRequest, sp: Entity, session: SsoSession, now: datetime) -> Response:
        """The Response for a program, whose ``session`` is for this answer alone; what a step would ask of a person makes it a refusal."""
        visit = self._visit(None, asked, sp, session, now)
        context = visit.context
        if context is None:
            return self.send_status(asked, sp, Status(names.RESPONDER, names.NO_AUTHN_CONTEXT), now)
        if any(step.is_due(visit) for step in self.steps):
            return self.send_status(asked, sp, Status(names.RESPONDER, names.REQUEST_DENIED), now)
        return self.answering.answer(visit, sp, session, context, before=lambda: None)

    # --- the person at the browser

    def session(self) -> SsoSession | None:
        """The session whose token this browser sent, if it lives. Raises `Unavailable`."""
        return self._session(self.now())

    def end_session(self) -> SsoSession | None:
        """Ends the session whose token this browser sent, and its cookie; what it was."""
        token, now = self.cookies.session_token(), self.now()
        self.cookies.clear_session()
        session = self.sessions.end(token, now) if token is not None else None
        if session is not None:
            self.record("login.ended", now, session.principal, {})
        return session

    def require(self, endpoint: str, *, fresh: timedelta | None = None) -> SsoSession | Response:
        """For a page of this service: the session of this browser, or the redirect to a login that comes back to ``endpoint`` (by GET).

        ``fresh``: a first factor must have been proven within this time.
        """
        now = self.now()
        asked = own_login(endpoint, fresh_since=now - fresh if fresh is not None else None)
        visit = self._visit(None, asked, None, self._session(now), now)
        if visit.session is not None and not any(step.is_due(visit) for step in self.steps):
            return visit.session
        return self.onward(visit)

    def record(
        self,
        action: str,
        now: datetime,
        principal: str | None,
        facts: Mapping[str, object],
        *,
        number: str | None = None,
    ) -> None:
        """One audit row of its own. ``number``: the reference that a person was shown, when it was not she who acted."""
        with writing(self.engine) as connection:
            audit.record(
                connection,
                at=now,
                writer=self.writer,
                actor=principal if principal is not None and number is None else "anybody",
                action=action,
                subject=principal,
                facts=facts,
                reference=number,
            )

    # --- inside

    def _session(self, now: datetime) -> SsoSession | None:
        token = self.cookies.session_token()
        return self.sessions.find(token, now) if token is not None else None

    def _visit(
        self, ticket: str | None, asked: WaitingRequest, sp: Entity | None, session: SsoSession | None, now: datetime
    ) -> Visit:
        question = context = None
        if session is not None:
            context = choose(asked.requested_context, achieved(counted(session, asked), self.rules.assurance))
            if sp is not None:
                question = _question(asked, session, context, now)

        def release() -> Release:
            if question is None:
                raise Refusal("sso.ended", expected="somebody who logged in to a resource", found="nobody")
            return self.attribute_source.release(question)

        return Visit(ticket, asked, sp, session, now, Once(release), question, context)

    def _stop(self, step: Step, visit: Visit) -> Response:
        """Shows what is due, under a ticket of this browser."""
        asked, now, ticket = visit.asked, visit.now, visit.ticket
        if asked.is_passive:
            return self.refuse(visit, Status(names.RESPONDER, names.NO_PASSIVE))
        if ticket is None or asked.browser is None:
            if ticket is not None:
                self.tickets.use_up(ticket, asked, now)
            ticket = self.tickets.issue_to_browser(asked, self.cookies.keep_browser_token(), now)
        return step.show(visit._replace(ticket=ticket))

    def _answer(self, visit: Visit) -> Response:
        """Resolves, mints and sends. Nothing leaves, and the ticket stays, when the attributes can't be found out."""
        asked, session, sp, now = visit.asked, visit.session, visit.sp, visit.now
        context = visit.context
        if session is None or context is None:
            # No step was due, so none of the methods leads to what was asked for.
            return self.refuse(visit, Status(names.RESPONDER, names.NO_AUTHN_CONTEXT))
        if sp is None:
            if visit.ticket is not None:
                self.tickets.use_up(visit.ticket, asked, now)
            return Response(status=303, headers={"Location": public_url_for(asked.then or "home")})

        def use_up() -> None:
            if visit.ticket is not None:
                self.tickets.use_up(visit.ticket, asked, now)

        return self.answering.answer(visit, sp, session, context, before=use_up)


def _question(asked: WaitingRequest, session: SsoSession, context: Achieved | None, now: datetime) -> ReleaseRequest:
    """What the Attribute Authority is asked. Where the SP names no target, the assertion consumer service to which the answer goes stands
    for the application domain."""
    return ReleaseRequest(
        principal=session.principal,
        requester=asked.sp,
        at=now,
        target=asked.target if asked.target is not None else domain_of_consumer(asked.acs_url),
        authority=session.authority,
        network=current_request().remote_addr,
        authn_context=context.context_class if context is not None else None,
    )


def see_other(endpoint: str, *, ticket: str) -> Response:
    """303 to a page of this service that goes on with a ticket."""
    return Response(status=303, headers={"Location": public_url_for(endpoint, ticket=ticket)})
