"""The login page: what is typed in, and what it comes to. Knows methods and the throttle; sessions and answers are the sign-on's."""

from dataclasses import dataclass
from functools import partial
from typing import Final

from flask import Flask, Response, request

from idp.login.contexts import PRIMARY, achieved, choose, counted
from idp.login.methods import LoginMethod, Rejected
from idp.login.throttle import Throttle
from idp.sessions.session import LoginProof
from idp.sign_on.endpoints import refuse_head
from idp.sign_on.sign_on import SignOn, see_other
from idp.sign_on.steps import Visit
from ostiary.errors import NotAuthenticated, Unavailable
from ostiary.federation.model import Display
from ostiary.web import incoming
from ostiary.web.forms import Fields, one, optional
from ostiary.web.log import reference
from ostiary.web.service import page, public_url_for, shell

MAXIMUM_USERNAME: Final = 256
MAXIMUM_PASSWORD: Final = 400_000


@dataclass(frozen=True, slots=True, eq=False)
class LoginPage:
    """The first `Step`: nobody is there yet, or not freshly enough, or not by a method that leads to what was asked for."""

    sign_on: SignOn
    method: LoginMethod
    throttle: Throttle

    def is_due(self, visit: Visit) -> bool:
        """Whether she has to log in. A second factor alone may do for what is still missing; that is another step's."""
        if visit.session is None:
            return True
        proofs = counted(visit.session, visit.asked)
        if not any(proof.method in PRIMARY for proof in proofs):
            return True
        with_factor = (*proofs, LoginProof("totp", visit.now, visit.asked.turn))
        assurance = self.sign_on.rules.assurance
        return choose(visit.asked.requested_context, achieved(with_factor, assurance)) is None

    def show(self, visit: Visit) -> Response:
        """The redirect to the form."""
        return see_other("sso_login", ticket=visit.ticket or "")


def add_login_page(app: Flask, login: LoginPage) -> None:
    """The login form and where it goes."""
    app.add_url_rule("/saml/sso/login", "sso_login", partial(_show, login), methods=["GET"])
    app.add_url_rule("/saml/sso/login", "sso_login_post", partial(_log_in, login), methods=["POST"])


def _show(login: LoginPage) -> Response:
    """The login form, or straight on when she logged in meanwhile in another window."""
    refuse_head()
    visit = login.sign_on.visit(incoming.query())
    return _form(visit) if login.is_due(visit) else login.sign_on.onward(visit)


def _log_in(login: LoginPage) -> Response:
    """Checks what was typed in. A wrong answer shows the form again, the same for every reason."""
    form = incoming.form()
    visit = login.sign_on.visit(form, submitted=True)
    username, password = _typed(form, "username"), _typed(form, "password")
    address = request.remote_addr or ""
    login.throttle.attempt(username, address, visit.now)
    try:
        outcome = login.method.authenticate(username, password, visit.now)
    except Unavailable:
        login.throttle.unanswered(username, address, visit.now)
        raise
    if isinstance(outcome, Rejected):
        return _rejected(login, outcome, visit, username)
    login.throttle.succeeded(username, address, visit.now)
    return login.sign_on.logged_in(visit, outcome.principal, "password")


def _typed(form: Fields, name: str) -> str:
    """A field of the login form: it must be there, but may be empty, which is as wrong as any other text."""
    value = optional(form, name, max_length=MAXIMUM_USERNAME if name == "username" else MAXIMUM_PASSWORD)
    return one(form, name) if value is None else value


def _rejected(login: LoginPage, outcome: Rejected, visit: Visit, username: str) -> Response:
    number = reference()
    error = NotAuthenticated(
        "login.wrong_credentials", expected="the password of somebody active", found=outcome.reason
    )
    facts = {"reason": outcome.reason, "for": visit.asked.sp or visit.asked.then}
    login.sign_on.record("login.failed", visit.now, outcome.principal, facts, number=number)
    shell().log.info(
        "login_failed", reference=number, code=error.code, reason=outcome.reason, client=request.remote_addr
    )
    return _form(visit, error, username, number)


def _form(
    visit: Visit, error: NotAuthenticated | None = None, username: str = "", number: str | None = None
) -> Response:
    catalogue = shell().pages.catalogue
    language = incoming.language(catalogue)
    message, remedy = catalogue.error(language, error) if error is not None else ("", "")
    role = visit.sp.sp if visit.sp is not None else None
    return page(
        "login.html",
        status=error.status if error is not None else 200,
        home_url=public_url_for("home"),
        action=public_url_for("sso_login_post"),
        ticket=visit.ticket,
        resource=visit.sp.name(language) if visit.sp is not None else shell().service_name,
        description=Display(names=role.display.descriptions).name(language) if role is not None else None,
        privacy_url=Display(names=role.display.privacy_statement_urls).name(language) if role is not None else None,
        host=shell().origin.partition("://")[2],
        again=visit.asked.force_authn or visit.asked.fresh_since is not None,
        username=username,
        message=message,
        remedy=remedy,
        reference=number,
        at=visit.now if number is not None else None,
    )
