"""The pages on which somebody registers. They answer everybody the same; what is known of somebody, only her mailbox learns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from flask import Flask, Response, request

from idp.accounts.accounts import Accounts
from idp.accounts.letters import PROVE_PATH, REGISTER_PATH
from idp.accounts.links import MAXIMUM_TOKEN
from idp.accounts.names import is_visible
from idp.accounts.page_parts import notice, typed
from idp.accounts.password_pages import told
from idp.accounts.registrations import MAXIMUM_MAIL, MAXIMUM_NAME, MAXIMUM_REMARK, Applicant
from ostiary.errors import OstiaryError, Refusal
from ostiary.mail import is_address
from ostiary.web import incoming
from ostiary.web.forms import Fields, one
from ostiary.web.service import page, public_url_for, shell
from ostiary.x509.certificate_names import CertificateNames

BY_PASSWORD: Final = "password"  # noqa: S105 (the name of a way)
BY_CERTIFICATE: Final = "certificate"


@dataclass(frozen=True, slots=True, eq=False)
class RegistrationPages:
    """What they work with. ``certificate()`` is whose certificate of a trusted authority the request at hand proves, if any."""

    accounts: Accounts
    certificate: Callable[[], CertificateNames | None]
    now: Callable[[], datetime]


def add_registration_pages(app: Flask, pages: RegistrationPages) -> None:
    """``/account/register`` and, for the link in the letter, ``/account/register/confirm``."""
    add = app.add_url_rule
    add(REGISTER_PATH, "account_register", partial(_register_page, pages), methods=["GET"])
    add(REGISTER_PATH, "account_register_post", partial(_register, pages), methods=["POST"])
    add(PROVE_PATH, "account_register_confirm", partial(_prove_page, pages), methods=["GET"])
    add(PROVE_PATH, "account_register_confirm_post", partial(_prove, pages), methods=["POST"])


def _register_page(pages: RegistrationPages) -> Response:
    return _form({}, {})


def _register(pages: RegistrationPages) -> Response:
    form, now = incoming.form(), pages.now()
    typed = {name: _typed(form, name) for name in ("name", "mail", "remark")}
    pages.accounts.limits.count_address(request.remote_addr or "", now)
    language = incoming.language(shell().pages.catalogue)
    applicant = Applicant(typed["mail"], typed["name"], typed["remark"], language)
    errors = wrong_with(applicant)
    if errors:
        return _form(typed, errors)
    pages.accounts.register(applicant, now)
    return notice("idp.register.sent", detail=True, mail=applicant.mail)


def wrong_with(applicant: Applicant) -> dict[str, Refusal]:
    """What can't be accepted, by field. Depends on nothing but what was typed."""
    errors = {}
    if not 0 < len(applicant.display_name) <= MAXIMUM_NAME or not is_visible(applicant.display_name):
        errors["name"] = Refusal("registration.name", expected=f"1 to {MAXIMUM_NAME} visible characters")
    if len(applicant.mail) > MAXIMUM_MAIL or not is_address(applicant.mail):
        errors["mail"] = Refusal("registration.mail", expected="name@domain", found=repr(applicant.mail[:80]))
    if len(applicant.remark) > MAXIMUM_REMARK or not is_visible(applicant.remark):
        errors["remark"] = Refusal("registration.remark", expected=f"at most {MAXIMUM_REMARK} visible characters")
    return errors


def _prove_page(pages: RegistrationPages) -> Response:
    token = one(incoming.query(), "token", max_length=MAXIMUM_TOKEN)
    return _prove_form(pages, token, {})


def _prove(pages: RegistrationPages) -> Response:
    form, now = incoming.form(), pages.now()
    token = one(form, "token", max_length=MAXIMUM_TOKEN)
    way = one(form, "by", max_length=16)
    pages.accounts.limits.count_address(request.remote_addr or "", now)
    if way not in pages.accounts.registration.by:
        raise Refusal("registration.by", expected=", ".join(pages.accounts.registration.by), found=way)
    if way == BY_CERTIFICATE:
        certificate = pages.certificate()
        if certificate is None:
            raise Refusal("registration.no_certificate", expected="a certificate of a trusted authority", found="none")
        login_name = pages.accounts.prove(token, now, certificate=certificate)
    else:
        password, again = typed(form, "password"), typed(form, "again")
        try:
            if password != again:
                raise Refusal("password.differ", expected="the same twice", found="two different texts")
            login_name = pages.accounts.prove(token, now, password=password)
        except Refusal as problem:
            if not problem.code.startswith("password."):
                raise
            field = "again" if problem.code == "password.differ" else "password"
            return _prove_form(pages, token, {field: problem})
    if login_name is None:
        return notice("idp.register.waits", organisation=shell().service_name)
    return notice("idp.register.ready", login_name=login_name)


def _form(typed: Mapping[str, str], errors: Mapping[str, OstiaryError]) -> Response:
    return page(
        "account_register.html",
        status=400 if errors else 200,
        home_url=public_url_for("home"),
        action=public_url_for("account_register_post"),
        display_name=typed.get("name", "")[:MAXIMUM_NAME],
        mail=typed.get("mail", "")[:MAXIMUM_MAIL],
        remark=typed.get("remark", "")[:MAXIMUM_REMARK],
        errors=told(errors),
    )


def _prove_form(pages: RegistrationPages, token: str, errors: Mapping[str, OstiaryError]) -> Response:
    registered = pages.accounts.registration_of(token, pages.now())
    ways = pages.accounts.registration.by
    certificate = pages.certificate() if BY_CERTIFICATE in ways else None
    return page(
        "account_register_confirm.html",
        status=400 if errors else 200,
        home_url=public_url_for("home"),
        action=public_url_for("account_register_confirm_post"),
        token=token,
        display_name=registered.applicant.display_name,
        mail=registered.applicant.mail,
        by_password=BY_PASSWORD in ways,
        by_certificate=BY_CERTIFICATE in ways,
        certificate=certificate.subject if certificate is not None else None,
        minimum=pages.accounts.policy.minimum_length,
        errors=told(errors),
    )


def _typed(form: Fields, name: str) -> str:
    return typed(form, name).strip()
