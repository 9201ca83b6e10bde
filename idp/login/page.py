"""The login page: what is typed in, what the request itself brings, and what it comes to. Sessions and answers are the sign-on's.

What goes wrong shows the form again, the same for every reason that a stranger must not learn.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from flask import Flask, Response, current_app, request

from idp.login.contexts import PRIMARY, SECOND, achievable, achieved, choose, counted
from idp.login.device import KNOWN_FOR, DeviceMarks
from idp.login.methods import (
    AmbientMethod,
    AmbientName,
    Arrival,
    Authenticated,
    Challenge,
    NotOffered,
    PasswordMethod,
    Reason,
    Rejected,
)
from idp.login.throttle import Throttle
from idp.sessions.session import LoginProof
from idp.sign_on.endpoints import refuse_head
from idp.sign_on.sign_on import SignOn, see_other
from idp.sign_on.steps import Visit
from ostiary.errors import NotAuthenticated, OstiaryError, Unavailable
from ostiary.federation.model import Display
from ostiary.saml import names
from ostiary.saml.protocol import Status
from ostiary.web import incoming
from ostiary.web.connection import PEER_CHAIN
from ostiary.web.cookies import read_cookie, set_cookie
from ostiary.web.forms import Fields, one, optional
from ostiary.web.log import reference
from ostiary.web.service import page, public_url_for, shell

LOGIN_PATH: Final = "/saml/sso/login"
CERTIFICATE_PATH: Final = "/saml/sso/login/certificate"
MAXIMUM_USERNAME: Final = 256
MAXIMUM_PASSWORD: Final = 400_000

_PATHS: Final[Mapping[AmbientName, tuple[str, str]]] = {
    "kerberos": ("/saml/sso/login/negotiate", "sso_login_negotiate"),
    "certificate": (CERTIFICATE_PATH, "sso_login_certificate"),
    "front_end": ("/saml/sso/login/front-end", "sso_login_front_end"),
}
# What rests on an earlier login elsewhere is no new one.
_NOT_ANEW: Final = ("kerberos", "front_end")
_TOLD: Final[Mapping[Reason, str]] = {
    "disabled": "login.disabled",
    "expired": "login.expired",
    "locked": "login.locked",
    "password_expired": "login.password_expired",
    "must_change": "login.must_change",
    "not_now": "login.not_now",
}
_NOT_VALID: Final[Mapping[AmbientName, str]] = {
    "kerberos": "login.ticket_not_valid",
    "certificate": "login.certificate_not_valid",
    "front_end": "login.not_known_here",
}
_NOT_OFFERED: Final[Mapping[AmbientName, str]] = {
    "kerberos": "login.no_ticket",
    "certificate": "login.no_certificate",
    "front_end": "login.no_front_end",
}


def _no_passkey() -> Mapping[str, str] | None:
    return None


@dataclass(frozen=True, slots=True, eq=False)
class LoginPage:
    """The first `Step`: nobody is there yet, or not freshly enough, or not by a method that leads to what was asked for.

    ``marks`` and ``known_cookie`` remember browsers; without ``marks`` none is. ``certificate_origin`` is that of the port which asks for
    certificates, empty where that is this one. ``passkey`` gives what the page needs to offer a login by passkey alone.
    """

    sign_on: SignOn
    password: PasswordMethod | None
    throttle: Throttle
    ambient: tuple[AmbientMethod, ...] = ()
    marks: DeviceMarks | None = None
    known_cookie: str = ""
    certificate_origin: str = ""
    password_change_url: str | None = None
    passkey: Callable[[], Mapping[str, str] | None] = _no_passkey

    def is_due(self, visit: Visit) -> bool:
        """Whether she has to log in. A second factor alone may do for what is still missing; that is another step's."""
        if visit.session is None:
            return True
        proofs = counted(visit.session, visit.asked)
        if PRIMARY.isdisjoint([proof.method for proof in proofs]):
            return True
        if visit.asked.requested_context is None:
            # Any class will do, and a first factor amounts to one, at the latest with a second.
            return False
        with_factor = (*proofs, LoginProof("totp", visit.now, visit.asked.turn))
        assurance = self.sign_on.rules.assurance
        return choose(visit.asked.requested_context, achieved(with_factor, assurance)) is None

    def show(self, visit: Visit) -> Response:
        """The redirect to the form."""
        return see_other("sso_login", ticket=visit.ticket or "")

    def leads_on(self, method: str, visit: Visit) -> bool:
        """Whether a login by this method is new enough, and may amount to what was asked for."""
        if method in _NOT_ANEW and (visit.asked.force_authn or visit.asked.fresh_since is not None):
            return False
        rules = self.sign_on.rules
        best = achievable({method, *(rules.methods & SECOND)}, rules.assurance, visit.now)
        return choose(visit.asked.requested_context, best) is not None

    def offered(self, visit: Visit) -> tuple[AmbientMethod, ...]:
        """The methods beside the password that would do."""
        return tuple(method for method in self.ambient if self.leads_on(method.name, visit))


def add_login_page(app: Flask, login: LoginPage) -> None:
    """The login form and where it goes, and an address for each method that looks at the request."""
    app.add_url_rule(LOGIN_PATH, "sso_login", partial(_show, login), methods=["GET"])
    if login.password is not None:
        app.add_url_rule(LOGIN_PATH, "sso_login_post", partial(_log_in, login, login.password), methods=["POST"])
    for method in login.ambient:
        path, endpoint = _PATHS[method.name]
        app.add_url_rule(path, endpoint, partial(_look, login, method), methods=["GET"])


def arrival() -> Arrival:
    """The request at hand as ambient methods may see it."""
    environ = request.environ
    before_proxies = environ.get("werkzeug.proxy_fix.orig", environ)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Arrival(
        peer=before_proxies.get("REMOTE_ADDR") or "",
        client=request.remote_addr or "",
        headers=headers,
        chain=tuple(environ.get(PEER_CHAIN, ())),
    )


def _show(login: LoginPage) -> Response:
    """The login form; or straight on when she logged in meanwhile in another window, or where a method needs no form."""
    refuse_head()
    visit = login.sign_on.visit(incoming.query())
    if not login.is_due(visit):
        return login.sign_on.onward(visit)
    offered, here = login.offered(visit), arrival()
    wants_form = optional(incoming.query(), "by", max_length=8) == "form"
    at_once = next((method for method in offered if not wants_form and method.is_at_once(here)), None)
    if at_once is not None:
        return see_other(_PATHS[at_once.name][1], ticket=visit.ticket or "")
    if not offered and login.password is None and login.passkey() is None:
        return login.sign_on.refuse(visit, Status(names.RESPONDER, names.NO_AUTHN_CONTEXT))
    return _form(login, visit)


def _log_in(login: LoginPage, method: PasswordMethod) -> Response:
    """Checks what was typed in."""
    form = incoming.form()
    visit = login.sign_on.visit(form, submitted=True)
    username, password = _typed(form, "username"), _typed(form, "password")
    shared = optional(form, "shared", max_length=8) == "yes"
    cookie = read_cookie(request.headers.get("Cookie"), login.known_cookie) if login.known_cookie else None
    known = login.marks.known(cookie, username, visit.now) if login.marks is not None else None
    attempt = login.throttle.attempt(username, request.remote_addr or "", visit.now, browser=known)
    try:
        outcome = method.authenticate(username, password, visit.now)
    except Unavailable as problem:
        login.throttle.unanswered(attempt, visit.now)
        return _try_again(login, visit, problem, username, shared)
    if isinstance(outcome, Rejected):
        told = (
            _TOLD.get(outcome.reason) if outcome.proven or (known is not None and outcome.reason == "locked") else None
        )
        error = NotAuthenticated(
            told or "login.wrong_credentials", expected="the password of somebody active", found=outcome.reason
        )
        number = _record_failure(login, visit, outcome, error, "password")
        return _form(login, visit, error, username=username, number=number, shared=shared)
    login.throttle.succeeded(attempt, visit.now)
    answer = login.sign_on.logged_in(visit, outcome.principal, "password", shared=shared)
    if login.marks is not None and not shared:
        value = login.marks.remembered(cookie, username, visit.now)
        answer.headers.add("Set-Cookie", set_cookie(login.known_cookie, value, https=shell().https, max_age=KNOWN_FOR))
    return answer


def _look(login: LoginPage, method: AmbientMethod) -> Response:
    """Asks a method what it makes of the request."""
    refuse_head()
    visit = login.sign_on.visit(incoming.query(), submitted=True)
    if not login.is_due(visit):
        return login.sign_on.onward(visit)
    if not login.leads_on(method.name, visit):
        return see_other("sso_login", ticket=visit.ticket or "")
    attempt = login.throttle.knock(request.remote_addr or "", visit.now)
    try:
        outcome = method.look(arrival(), visit.now)
    except Unavailable as problem:
        login.throttle.unanswered(attempt, visit.now)
        return _try_again(login, visit, problem)
    match outcome:
        case Authenticated():
            login.throttle.succeeded(attempt, visit.now)
            answer = login.sign_on.logged_in(visit, outcome.principal, method.name)
            answer.headers.extend(outcome.reply)
            return answer
        case Challenge():
            # The browser that has no ticket shows the form below the challenge; it has not tried anything.
            login.throttle.unanswered(attempt, visit.now)
            answer = _form(login, visit, status=401)
            answer.headers.extend(outcome.headers)
            return answer
        case NotOffered():
            error = NotAuthenticated(_NOT_OFFERED[method.name], expected=method.name, found=outcome.detail)
            shell().log.info("login_not_offered", by=method.name, code=error.code, found=outcome.detail)
            return _other_way(login, visit, error)
        case Rejected():
            error = NotAuthenticated(_told_of(method.name, outcome), expected=method.name, found=outcome.reason)
            return _other_way(login, visit, error, _record_failure(login, visit, outcome, error, method.name))


def _told_of(method: AmbientName, outcome: Rejected) -> str:
    if outcome.reason == "not_valid":
        return _NOT_VALID[method]
    return _TOLD.get(outcome.reason, "login.not_known_here")


def _typed(form: Fields, name: str) -> str:
    """A field of the login form: it must be there, but may be empty, which is as wrong as any other text."""
    value = optional(form, name, max_length=MAXIMUM_USERNAME if name == "username" else MAXIMUM_PASSWORD)
    return one(form, name) if value is None else value


def _record_failure(login: LoginPage, visit: Visit, outcome: Rejected, error: OstiaryError, method: str) -> str:
    """Writes it down; the reference number."""
    number = reference()
    facts = {"reason": outcome.reason, "by": method, "for": visit.asked.sp or visit.asked.then}
    login.sign_on.record("login.failed", visit.now, outcome.principal, facts, number=number)
    shell().log.info(
        "login_failed",
        reference=number,
        by=method,
        code=error.code,
        reason=outcome.reason,
        found=outcome.detail,
        client=request.remote_addr,
    )
    return number


def _try_again(
    login: LoginPage, visit: Visit, problem: Unavailable, username: str = "", shared: bool = False
) -> Response:
    """The form once more, with what to do: nobody knows whether the password was right."""
    number = reference()
    shell().log.error(
        "refused",
        reference=number,
        status=problem.status,
        code=problem.code,
        expected=problem.expected,
        found=problem.found,
        client=request.remote_addr,
    )
    return _form(login, visit, problem, username=username, number=number, shared=shared)


def _other_way(login: LoginPage, visit: Visit, error: OstiaryError, number: str | None = None) -> Response:
    """What was wrong with what the request brought, and the way to the form. It may be shown on a port where no form can be sent from."""
    catalogue = shell().pages.catalogue
    message, remedy = catalogue.error(incoming.language(catalogue), error)
    return page(
        "login_other_way.html",
        status=error.status,
        home_url=public_url_for("home"),
        message=message,
        remedy=remedy,
        # Said explicitly, or a method that is tried before any form would just fail once more.
        form_url=public_url_for("sso_login", ticket=visit.ticket or "", by="form"),
        reference=number,
        at=visit.now if number is not None else None,
    )


def _form(
    login: LoginPage,
    visit: Visit,
    error: OstiaryError | None = None,
    *,
    status: int = 200,
    username: str = "",
    number: str | None = None,
    shared: bool = False,
) -> Response:
    catalogue = shell().pages.catalogue
    language = incoming.language(catalogue)
    message, remedy = catalogue.error(language, error) if error is not None else ("", "")
    role = visit.sp.sp if visit.sp is not None else None
    passkey = login.passkey()
    changing = error is not None and error.code in ("login.must_change", "login.password_expired")
    return page(
        "login.html",
        status=error.status if error is not None else status,
        own_scripts=passkey is not None,
        home_url=public_url_for("home"),
        action=public_url_for("sso_login_post") if login.password is not None else None,
        ticket=visit.ticket,
        resource=visit.sp.name(language) if visit.sp is not None else shell().service_name,
        own_page=visit.sp is None,
        description=Display(names=role.display.descriptions).name(language) if role is not None else None,
        privacy_url=Display(names=role.display.privacy_statement_urls).name(language) if role is not None else None,
        host=shell().origin.partition("://")[2],
        again=visit.asked.force_authn,
        username=username,
        shared=shared,
        message=message,
        remedy=remedy,
        kind="warning" if error is not None and error.status == 503 else "refusal",
        again_url=public_url_for("sso_login", ticket=visit.ticket or "") if error is not None else None,
        change_url=login.password_change_url if changing else None,
        others=[(method.name, _address_of(login, method.name, visit)) for method in login.offered(visit)],
        forgotten_url=_if_there("account_forgotten"),
        register_url=_if_there("account_register"),
        passkey=passkey,
        reference=number,
        at=visit.now if number is not None else None,
    )


def _address_of(login: LoginPage, method: AmbientName, visit: Visit) -> str:
    url = public_url_for(_PATHS[method][1], ticket=visit.ticket or "")
    if method == "certificate" and login.certificate_origin:
        return login.certificate_origin + url.removeprefix(shell().origin)
    return url


def _if_there(endpoint: str) -> str | None:
    """The address of a page that another part of this service may have."""
    return public_url_for(endpoint) if endpoint in current_app.view_functions else None
