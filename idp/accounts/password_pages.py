"""The pages on which people set their own passwords: by choice, because it is due at a login, because the old one is forgotten.

What is right, `Accounts` decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from flask import Flask, Response, request

from idp.accounts.accounts import Accounts
from idp.accounts.directory import Person
from idp.accounts.letters import FORGOTTEN_PATH, RESET_PATH, minutes
from idp.accounts.links import MAXIMUM_TOKEN
from idp.accounts.page_parts import notice, typed
from idp.login.throttle import Throttle
from idp.sessions.session import SsoSession
from idp.sign_on.sign_on import SignOn, see_other
from idp.sign_on.steps import Visit
from ostiary.errors import NotAuthenticated, OstiaryError, Refusal, TooMany, Unavailable
from ostiary.web import incoming
from ostiary.web.forms import Fields, one
from ostiary.web.log import reference
from ostiary.web.service import page, public_url_for, shell

PASSWORD_PATH: Final = "/account/password"  # noqa: S105 (a path)
RENEW_PATH: Final = "/account/password/renew"
CHANGE_ENDPOINT: Final = "account_password"
MAXIMUM_WHO: Final = 254
# Sessions, for each worker.
_REMEMBERED: Final = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class PasswordMustBeChanged:
    """A `Step` after the login: who logged in by a password that somebody else set chooses another one first.

    Whatever makes a change due ends all sessions of the person (`idp.accounts.changes`), so a session to which it was not due once is not
    asked about again.
    """

    accounts: Accounts
    _passed: set[str] = field(default_factory=set)

    def is_due(self, visit: Visit) -> bool:
        """Whether she came by such a password. The page that changes it is open to her. Raises `Unavailable`."""
        session = visit.session
        if session is None or visit.asked.then == CHANGE_ENDPOINT:
            return False
        if session.id in self._passed or not any(proof.method == "password" for proof in session.proofs):
            return False
        if self.accounts.directory.must_change_password(session.principal):
            return True
        # A program's session has no id that could be known again.
        if session.id:
            if len(self._passed) >= _REMEMBERED:
                self._passed.clear()
            self._passed.add(session.id)
        return False

    def show(self, visit: Visit) -> Response:
        """The redirect to the page."""
        return see_other("account_password_renew", ticket=visit.ticket or "")


@dataclass(frozen=True, slots=True, eq=False)
class PasswordPages:
    """What they work with. ``throttle`` is that of the login: whoever sits at somebody's open session has no more attempts here."""

    accounts: Accounts
    sign_on: SignOn
    throttle: Throttle
    step: PasswordMustBeChanged


def add_password_pages(app: Flask, pages: PasswordPages) -> None:
    """``/account/password``, ``/account/password/renew``, and where letters can be sent ``/account/forgotten`` and ``/account/reset``."""
    add = app.add_url_rule
    add(PASSWORD_PATH, CHANGE_ENDPOINT, partial(_change_page, pages), methods=["GET"])
    add(PASSWORD_PATH, "account_password_post", partial(_change, pages), methods=["POST"])
    add(RENEW_PATH, "account_password_renew", partial(_renew_page, pages), methods=["GET"])
    add(RENEW_PATH, "account_password_renew_post", partial(_renew, pages), methods=["POST"])
    # An operator may print a link where no letter can be sent.
    add(RESET_PATH, "account_reset", partial(_reset_page, pages), methods=["GET"])
    add(RESET_PATH, "account_reset_post", partial(_reset, pages), methods=["POST"])
    if pages.accounts.letters is not None:
        add(FORGOTTEN_PATH, "account_forgotten", partial(_forgotten_page, pages), methods=["GET"])
        add(FORGOTTEN_PATH, "account_forgotten_post", partial(_forgotten, pages), methods=["POST"])


# --- a change, by choice or because it is due


def _change_page(pages: PasswordPages) -> Response:
    session = pages.sign_on.require(CHANGE_ENDPOINT)
    if isinstance(session, Response):
        return session
    person = pages.accounts.directory.get(session.principal)
    if person is None or not person.has_password:
        # Somebody of another directory, or who signs in another way.
        return notice("idp.password.none")
    return _form(pages, person)


def _change(pages: PasswordPages) -> Response:
    session = pages.sign_on.require(CHANGE_ENDPOINT)
    if isinstance(session, Response):
        return session
    refused = _try_to_change(pages, session, None)
    if refused is not None:
        return refused
    return notice("idp.password.done", detail=True)


def _renew_page(pages: PasswordPages) -> Response:
    visit = pages.sign_on.visit(incoming.query())
    person = pages.accounts.directory.get(visit.session.principal) if visit.session is not None else None
    if person is None or not _is_renewal(pages, visit):
        return pages.sign_on.onward(visit)
    return _form(pages, person, ticket=visit.ticket)


def _renew(pages: PasswordPages) -> Response:
    visit = pages.sign_on.visit(incoming.form(), submitted=True)
    if visit.session is None or not _is_renewal(pages, visit):
        # The second half of a double click, or the session has ended.
        return pages.sign_on.onward(visit)
    refused = _try_to_change(pages, visit.session, visit.ticket)
    return refused if refused is not None else pages.sign_on.onward(visit)


def _is_renewal(pages: PasswordPages, visit: Visit) -> bool:
    return pages.sign_on.has_reached(pages.step, visit) and pages.step.is_due(visit)


def _try_to_change(pages: PasswordPages, session: SsoSession, ticket: str | None) -> Response | None:
    """None when it is changed, else the form again with what is wrong."""
    form, now = incoming.form(), pages.sign_on.now()
    person = pages.accounts.directory.get(session.principal)
    if person is None or not person.has_password:
        return notice("idp.password.none")
    current = typed(form, "current")
    errors: dict[str, OstiaryError] = {}
    attempt = pages.throttle.attempt(person.login_name, request.remote_addr or "", now)
    try:
        new = _new_password(form)
        pages.accounts.change_password(person, current, new, session_id=session.id, now=now)
    except NotAuthenticated as problem:
        number = reference()
        pages.sign_on.record("person.password_not_changed", now, session.principal, {}, number=number)
        shell().log.info("password_not_changed", reference=number, code=problem.code, client=request.remote_addr)
        errors["current"] = problem
    except (TooMany, Unavailable):
        pages.throttle.unanswered(attempt, now)
        raise
    except Refusal as problem:
        pages.throttle.unanswered(attempt, now)
        errors[_field_of(problem)] = problem
    else:
        pages.throttle.succeeded(attempt, now)
        return None
    return _form(pages, person, ticket=ticket, errors=errors)


def _form(
    pages: PasswordPages, person: Person, *, ticket: str | None = None, errors: Mapping[str, OstiaryError] | None = None
) -> Response:
    return page(
        "account_password.html",
        status=_status(errors),
        home_url=public_url_for("home"),
        action=public_url_for("account_password_post" if ticket is None else "account_password_renew_post"),
        ticket=ticket,
        login_name=person.login_name,
        minimum=pages.accounts.policy.minimum_length,
        errors=told(errors),
    )


# --- a forgotten one


def _forgotten_page(pages: PasswordPages) -> Response:
    return _forgotten_form()


def _forgotten(pages: PasswordPages) -> Response:
    form, now = incoming.form(), pages.sign_on.now()
    who = typed(form, "who").strip()
    pages.accounts.limits.count_address(request.remote_addr or "", now)
    if not 0 < len(who) <= MAXIMUM_WHO:
        problem = Refusal("account.who", expected=f"1 to {MAXIMUM_WHO} characters", found=len(who))
        return _forgotten_form({"who": problem}, who[:MAXIMUM_WHO])
    pages.accounts.ask_for_link(who, incoming.language(shell().pages.catalogue), now)
    return notice("idp.forgotten.sent", detail=True, minutes=minutes(pages.accounts.links.forgotten))


def _forgotten_form(errors: Mapping[str, OstiaryError] | None = None, who: str = "") -> Response:
    return page(
        "account_forgotten.html",
        status=_status(errors),
        home_url=public_url_for("home"),
        action=public_url_for("account_forgotten_post"),
        who=who,
        errors=told(errors),
    )


def _reset_page(pages: PasswordPages) -> Response:
    token = one(incoming.query(), "token", max_length=MAXIMUM_TOKEN)
    return _reset_form(pages, pages.accounts.holder_of_link(token, pages.sign_on.now()), token)


def _reset(pages: PasswordPages) -> Response:
    form, now = incoming.form(), pages.sign_on.now()
    token = one(form, "token", max_length=MAXIMUM_TOKEN)
    pages.accounts.limits.count_address(request.remote_addr or "", now)
    person = pages.accounts.holder_of_link(token, now)
    try:
        pages.accounts.use_link(token, _new_password(form), now)
    except Refusal as problem:
        if not problem.code.startswith("password."):
            raise
        return _reset_form(pages, person, token, {_field_of(problem): problem})
    return notice("idp.reset.done")


def _reset_form(
    pages: PasswordPages, person: Person, token: str, errors: Mapping[str, OstiaryError] | None = None
) -> Response:
    return page(
        "account_reset.html",
        status=_status(errors),
        home_url=public_url_for("home"),
        action=public_url_for("account_reset_post"),
        token=token,
        login_name=person.login_name,
        minimum=pages.accounts.policy.minimum_length,
        errors=told(errors),
    )


# --- what they share


def told(errors: Mapping[str, OstiaryError] | None) -> dict[str, str]:
    """What is wrong with each field of a form, in the person's language."""
    catalogue = shell().pages.catalogue
    language = incoming.language(catalogue)
    return {name: " ".join(catalogue.error(language, error)) for name, error in (errors or {}).items()}


def _status(errors: Mapping[str, OstiaryError] | None) -> int:
    return next((error.status for error in (errors or {}).values()), 200)


def _new_password(form: Fields) -> str:
    """What was typed twice. Raises `Refusal` (``password.differ``)."""
    password, again = typed(form, "password"), typed(form, "again")
    if password != again:
        raise Refusal("password.differ", expected="the same twice", found="two different texts")
    return password


def _field_of(problem: OstiaryError) -> str:
    return "again" if problem.code == "password.differ" else "password"
