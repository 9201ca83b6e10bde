"""The Handle Service in front of browsers: requests in, login page, Response out. Who may ask for what is decided in `requests`.

An AuthnRequest that another site posts is verified and put under a ticket; cookies are read only after the redirect that follows, which
is a same-site GET. A ticket ends when its answer goes out, so whatever fails before can be tried again by reloading the page; of a
double click both halves are answered, for the browser shows the second answer and the SP takes only one.
"""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from flask import Flask, Response, after_this_request, request
from sqlalchemy import Engine

from idp.login.methods import Authenticated, LoginMethod, Rejected
from idp.login.throttle import Throttle
from idp.sessions.session import Sessions, SsoSession
from idp.settings import POST_PATH, REDIRECT_PATH, AttributesInResponseSettings
from idp.sign_on.requests import (
    AcceptedRequest,
    Rules,
    WaitingRequest,
    accept_request,
    obstacle,
    resume,
    satisfies,
    waiting,
)
from idp.sign_on.responses import login_response, status_response
from idp.sign_on.tickets import Tickets
from ostiary import audit
from ostiary.attributes import Attributes
from ostiary.errors import NotAuthenticated, Refusal, Unavailable, WrongMethod
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import Display, Entity
from ostiary.federation.registry import Registry
from ostiary.handle import HandleKey, mint
from ostiary.ports import AttributeSource, ReleaseRequest
from ostiary.saml import names
from ostiary.saml.bindings import decode_post, decode_redirect, encode_post
from ostiary.saml.protocol import Status
from ostiary.saml.xml import Element
from ostiary.storage.engine import writing
from ostiary.web import incoming
from ostiary.web.cookies import clear_cookie, read_cookie, set_cookie
from ostiary.web.csrf import cross_site
from ostiary.web.forms import Fields, one, optional
from ostiary.web.log import reference
from ostiary.web.service import auto_post, page, public_url_for, shell

MAXIMUM_MESSAGE: Final = 400_000
MAXIMUM_USERNAME: Final = 256
MAXIMUM_TICKET: Final = 64

# What of the attributes' names fits into an audit row.
_AUDITED_NAMES: Final = 40
_AUDITED_LENGTH: Final = 50
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class CookieNames:
    """``session`` holds the token of the single sign-on session, ``browser`` a random token that binds a login to one browser."""

    session: str
    browser: str


@dataclass(frozen=True, slots=True)
class HandleService:
    """Everything that the Handle Service works with; one for each application. ``writer`` names it in the audit, ``now`` tells the
    time."""

    rules: Rules
    registry: Callable[[], Registry]
    key_ring: Callable[[], KeyRing]
    handle_keys: Sequence[HandleKey]
    sessions: Sessions
    tickets: Tickets
    login: LoginMethod
    throttle: Throttle
    attribute_source: AttributeSource
    attributes_in_response: AttributesInResponseSettings
    cookies: CookieNames
    engine: Engine
    writer: str
    now: Callable[[], datetime]


def add_sso(app: Flask, service: HandleService) -> None:
    """The routes of the Handle Service: one for each binding, the one that a posted request goes on to, and the login page."""
    add = app.add_url_rule
    add(REDIRECT_PATH, "sso_redirect", partial(_redirect, service), methods=["GET"])
    add(POST_PATH, "sso_post", cross_site(partial(_post, service)), methods=["POST"])
    add("/saml/sso/continue", "sso_continue", partial(_continue, service), methods=["GET"])
    add("/saml/sso/login", "sso_login", partial(_login_page, service), methods=["GET"])
    add("/saml/sso/login", "sso_login_post", partial(_log_in, service), methods=["POST"])


def session_of_browser(service: HandleService, now: datetime) -> SsoSession | None:
    """The session whose token the browser sent, if it lives."""
    token = _cookie(service.cookies.session)
    return service.sessions.find(token, now) if token is not None else None


def end_session_of_browser(service: HandleService, now: datetime) -> SsoSession | None:
    """Ends the session whose token the browser sent, and its cookie."""
    token = _cookie(service.cookies.session)
    _send_cookie(clear_cookie(service.cookies.session, https=shell().https))
    session = service.sessions.end(token, now) if token is not None else None
    if session is not None:
        _record(service, "login.ended", now, session.principal, {})
    return session


def _redirect(service: HandleService) -> Response:
    """HTTP-Redirect (SAML bindings 3.4). The request comes as a top-level GET, which carries our cookies."""
    _refuse_head()
    if "SAMLRequest" not in incoming.query():
        raise Refusal("sso.no_request", expected="SAMLRequest", found="a request without it")
    now = service.now()
    received = decode_redirect(request.query_string, "SAMLRequest")
    accepted = accept_request(received, service.registry(), service.rules, now)
    return _refuse_in_response(service, accepted, now) or _proceed(service, waiting(accepted), accepted.sp, None, now)


def _post(service: HandleService) -> Response:
    """HTTP-POST (SAML bindings 3.5). Reads no cookie: browsers send none that we could trust with a cross-site POST."""
    form = incoming.form()
    if "SAMLRequest" not in form:
        raise Refusal("sso.no_request", expected="SAMLRequest", found="a form without it")
    now = service.now()
    relay_state = optional(form, "RelayState", max_length=MAXIMUM_MESSAGE)
    received = decode_post(one(form, "SAMLRequest", max_length=MAXIMUM_MESSAGE), relay_state)
    accepted = accept_request(received, service.registry(), service.rules, now)
    refused = _refuse_in_response(service, accepted, now)
    if refused is not None:
        return refused
    return _see_other("sso_continue", ticket=service.tickets.issue(waiting(accepted), now))


def _continue(service: HandleService) -> Response:
    """Where a posted request goes on."""
    _refuse_head()
    ticket, now = _ticket(incoming.query()), service.now()
    asked = service.tickets.look(ticket, now, browser=_cookie(service.cookies.browser))
    return _proceed(service, asked, resume(asked, service.registry(), now), ticket, now)


def _proceed(service: HandleService, asked: WaitingRequest, sp: Entity, ticket: str | None, now: datetime) -> Response:
    """Answers from the session if there is one that will do, else asks for a login."""
    session = None if asked.force_authn else session_of_browser(service, now)
    if session is not None and satisfies(asked.requested_context, session.context_class):
        return _answer(service, asked, sp, session, ticket, now)
    if ticket is not None:
        service.tickets.use_up(ticket, asked, now)
    if asked.is_passive:
        return _send_status(service, asked, sp, Status(names.RESPONDER, names.NO_PASSIVE), now)
    return _see_other("sso_login", ticket=service.tickets.issue_to_browser(asked, _browser_token(service), now))


def _login_page(service: HandleService) -> Response:
    """The login form, or straight on when she logged in meanwhile in another window."""
    _refuse_head()
    ticket, now = _ticket(incoming.query()), service.now()
    asked = service.tickets.look(ticket, now, browser=_cookie(service.cookies.browser))
    sp = resume(asked, service.registry(), now)
    session = None if asked.force_authn else session_of_browser(service, now)
    if session is not None and satisfies(asked.requested_context, session.context_class):
        return _answer(service, asked, sp, session, ticket, now)
    return _show_login(asked, sp, ticket)


def _log_in(service: HandleService) -> Response:
    """Checks what was typed in. A wrong answer shows the form again, the same for every reason."""
    form, now = incoming.form(), service.now()
    ticket = _ticket(form)
    # Nothing stands between this ticket and its answer any more, so a session may begin when the password is right.
    asked = service.tickets.look(ticket, now, browser=_cookie(service.cookies.browser), with_password=True)
    sp = resume(asked, service.registry(), now)
    username, password = _typed(form, "username"), _typed(form, "password")
    address = request.remote_addr or ""
    service.throttle.attempt(username, address, now)
    try:
        outcome = service.login.authenticate(username, password, now)
    except Unavailable:
        service.throttle.unanswered(username, address, now)
        raise
    if isinstance(outcome, Rejected):
        return _show_rejection(service, outcome, asked, sp, ticket, username, now)
    service.throttle.succeeded(username, address, now)
    return _answer(service, asked, sp, _start_session(service, outcome, sp, now), ticket, now)


def _typed(form: Fields, name: str) -> str:
    """A field of the login form: it must be there, but may be empty, which is as wrong as any other text."""
    value = optional(form, name, max_length=MAXIMUM_USERNAME if name == "username" else MAXIMUM_MESSAGE)
    return one(form, name) if value is None else value


def _start_session(service: HandleService, who: Authenticated, sp: Entity, now: datetime) -> SsoSession:
    """A new session under a new token; what this browser had before ends."""
    before = _cookie(service.cookies.session)
    if before is not None:
        service.sessions.end(before, now)
    token, session = service.sessions.start(who.principal, service.rules.context_class, now=now)
    # Also with an error page: the login happened, whatever goes wrong with the answer.
    _send_cookie(set_cookie(service.cookies.session, token, https=shell().https))
    _record(service, "login.succeeded", now, who.principal, {"for": sp.entity_id, "context": session.context_class})
    return session


def _show_rejection(
    service: HandleService,
    outcome: Rejected,
    asked: WaitingRequest,
    sp: Entity,
    ticket: str,
    username: str,
    now: datetime,
) -> Response:
    number = reference()
    error = NotAuthenticated(
        "login.wrong_credentials", expected="the password of somebody active", found=outcome.reason
    )
    facts = {"reason": outcome.reason, "for": sp.entity_id}
    _record(service, "login.failed", now, outcome.principal, facts, number=number)
    shell().log.info(
        "login_failed", reference=number, code=error.code, reason=outcome.reason, client=request.remote_addr
    )
    message, remedy = shell().pages.catalogue.error(incoming.language(shell().pages.catalogue), error)
    return _show_login(asked, sp, ticket, error.status, username, message, remedy, number, now)


def _show_login(
    asked: WaitingRequest,
    sp: Entity,
    ticket: str,
    status: int = 200,
    username: str = "",
    message: str = "",
    remedy: str = "",
    number: str | None = None,
    at: datetime | None = None,
) -> Response:
    language = incoming.language(shell().pages.catalogue)
    role = sp.sp
    return page(
        "login.html",
        status=status,
        home_url=public_url_for("home"),
        action=public_url_for("sso_login_post"),
        ticket=ticket,
        resource=sp.name(language),
        description=Display(names=role.display.descriptions).name(language) if role is not None else None,
        privacy_url=Display(names=role.display.privacy_statement_urls).name(language) if role is not None else None,
        host=shell().origin.partition("://")[2],
        again=asked.force_authn,
        username=username,
        message=message,
        remedy=remedy,
        reference=number,
        at=at,
    )


def _answer(
    service: HandleService, asked: WaitingRequest, sp: Entity, session: SsoSession, ticket: str | None, now: datetime
) -> Response:
    """Resolves, mints and sends. Nothing leaves, and the ticket stays, when the attributes can't be found out."""
    attributes = _attributes(service, asked, session, now)
    if ticket is not None:
        service.tickets.use_up(ticket, asked, now)
    expires = min(now + service.rules.handle_lifetime, session.ends)
    handle = mint(service.handle_keys[0], principal=session.principal, requester=asked.sp, expires=expires)
    sent = [attribute.name[:_AUDITED_LENGTH] for attribute in attributes[:_AUDITED_NAMES]]
    facts = {"for": asked.sp, "request": asked.request_id, "attributes": sent}
    _record(service, "handle.minted", now, session.principal, facts)
    signer = service.key_ring().signer
    message = login_response(
        asked, rules=service.rules, session=session, handle=handle, attributes=attributes, signer=signer, now=now
    )
    return _send(asked, sp, message)


def _attributes(service: HandleService, asked: WaitingRequest, session: SsoSession, now: datetime) -> Attributes:
    if not service.attributes_in_response.sends_to(asked.sp):
        return ()
    wanted = ReleaseRequest(principal=session.principal, requester=asked.sp, at=now, target=asked.target)
    return service.attribute_source.release(wanted).attributes


def _refuse_in_response(service: HandleService, accepted: AcceptedRequest, now: datetime) -> Response | None:
    """The answer to a request that can't be satisfied; needs no session."""
    status = obstacle(accepted, service.rules)
    return _send_status(service, waiting(accepted), accepted.sp, status, now) if status is not None else None


def _send_status(service: HandleService, asked: WaitingRequest, sp: Entity, status: Status, now: datetime) -> Response:
    shell().log.info("refused_in_response", requester=asked.sp, request=asked.request_id, status=status.detail)
    signer = service.key_ring().signer
    return _send(asked, sp, status_response(asked, status, rules=service.rules, signer=signer, now=now))


def _send(asked: WaitingRequest, sp: Entity, message: Element) -> Response:
    fields = [("SAMLResponse", encode_post(message))]
    if asked.relay_state is not None:
        fields.append(("RelayState", asked.relay_state))
    return auto_post(asked.acs_url, fields, destination=sp.name(incoming.language(shell().pages.catalogue)))


def _record(
    service: HandleService,
    action: str,
    now: datetime,
    principal: str | None,
    facts: Mapping[str, object],
    *,
    number: str | None = None,
) -> None:
    with writing(service.engine) as connection:
        audit.record(
            connection,
            at=now,
            writer=service.writer,
            actor=principal if principal is not None and number is None else "anybody",
            action=action,
            subject=principal,
            facts=facts,
            reference=number,
        )


def _see_other(endpoint: str, *, ticket: str) -> Response:
    return Response(status=303, headers={"Location": public_url_for(endpoint, ticket=ticket)})


def _ticket(fields: Fields) -> str:
    return one(fields, "ticket", max_length=MAXIMUM_TICKET)


def _refuse_head() -> None:
    """A HEAD (a link checker, a preview) must not use anything up."""
    if request.method == "HEAD":
        raise WrongMethod("http.method", expected="GET", found="HEAD")


def _cookie(name: str) -> str | None:
    value = read_cookie(request.headers.get("Cookie"), name)
    return value if value is not None and _TOKEN.fullmatch(value) else None


def _browser_token(service: HandleService) -> str:
    """The token of this browser, kept for its other windows; a new one for a browser that has none."""
    token = _cookie(service.cookies.browser)
    if token is None:
        token = secrets.token_urlsafe(32)
        _send_cookie(set_cookie(service.cookies.browser, token, https=shell().https))
    return token


def _send_cookie(header: str) -> None:
    @after_this_request
    def send(response: Response) -> Response:
        response.headers.add("Set-Cookie", header)
        return response
