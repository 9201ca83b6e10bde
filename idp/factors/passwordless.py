"""Signing in with a passkey alone. The authenticator verifies the person, and names her: nobody types a name, and nothing is told about
who has a passkey here."""

from functools import partial

from flask import Flask, Response, jsonify, request

from idp.factors.passkeys import MAXIMUM_CREDENTIAL
from idp.factors.second_factors import SecondFactors
from idp.factors.step import check_passkey
from idp.sign_on.steps import Visit
from ostiary.errors import Missing, NotAuthenticated, Refusal
from ostiary.web import incoming
from ostiary.web.forms import one
from ostiary.web.log import reference
from ostiary.web.service import asset_url, page, public_url_for, shell


def add_passwordless(app: Flask, second: SecondFactors) -> None:
    """The routes behind the button on the login page."""
    add = app.add_url_rule
    add("/login/passkey/options", "passkey_options", partial(_options, second), methods=["POST"])
    add("/login/passkey", "passkey_login", partial(_log_in, second), methods=["POST"])


def passkey_login_values(second: SecondFactors | None) -> dict[str, str] | None:
    """What the part ``factors/passkey_login.html`` of the login page needs as ``passkey``, beside ``ticket``; None where that is not
    offered.

    A page with that part is made with ``own_scripts``, and its field for the user name says ``autocomplete="username webauthn"``.
    """
    if second is None or not second.passwordless:
        return None
    return {
        "action": public_url_for("passkey_login"),
        "options": public_url_for("passkey_options"),
        "script": asset_url(second.script),
    }


def _options(second: SecondFactors) -> Response:
    """What the browser needs, as JSON: the same for everybody but for the challenge."""
    _check_offered(second)
    visit = second.sign_on.visit(incoming.form(), submitted=True)
    challenge = second.challenges.issue("passwordless", visit.ticket or "", visit.now)
    return jsonify(second.party.request_options((), challenge))


def _check_offered(second: SecondFactors) -> None:
    if not second.passwordless:
        raise Missing("http.not_found", expected="passwordless: true", found="false")


def _log_in(second: SecondFactors) -> Response:
    _check_offered(second)
    form = incoming.form()
    visit = second.sign_on.visit(form, submitted=True)
    text = one(form, "credential", max_length=MAXIMUM_CREDENTIAL)
    principal: str | None = None
    try:
        challenge = second.challenges.take("passwordless", visit.ticket or "", visit.now)
        principal = check_passkey(second, text, challenge, None)
        if not second.people.is_active(principal):
            raise Refusal("passkey.disabled", expected="somebody active", found="somebody who is not")
    except Refusal as error:
        return _rejected(second, visit, error, principal)
    second.leave_mark(principal, spared=False, now=visit.now)
    return second.sign_on.logged_in(visit, principal, "passkey")


def _rejected(second: SecondFactors, visit: Visit, cause: Refusal, principal: str | None) -> Response:
    """The same page whatever was wrong; the cause is for the log and the audit."""
    number = reference()
    facts = {"by": "passkey", "reason": cause.code, "for": visit.asked.sp or visit.asked.then}
    second.sign_on.record("login.failed", visit.now, principal, facts, number=number)
    shell().log.info(
        "login_failed",
        reference=number,
        code=cause.code,
        expected=cause.expected,
        found=cause.found,
        client=request.remote_addr,
    )
    catalogue = shell().pages.catalogue
    language = incoming.language(catalogue)
    error = NotAuthenticated("passkey.not_accepted", expected="a passkey of somebody active", found=cause.code)
    message, remedy = catalogue.error(language, error)
    return page(
        "notice.html",
        status=error.status,
        home_url=public_url_for("home"),
        title=catalogue.text(language, "idp.factors.passkey.failed_title"),
        kind="refusal",
        message=message,
        detail=remedy,
        way_on_url=public_url_for("sso_login", ticket=visit.ticket or ""),
        way_on=catalogue.text(language, "idp.factors.passkey.other_way"),
        reference=number,
        at=visit.now,
    )
