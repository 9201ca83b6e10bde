"""From the configuration to what the pages and commands of people's accounts work with. Opens files; sends nothing."""

from collections.abc import Callable, Sequence
from datetime import datetime

from flask import Flask

from idp.accounts.accounts import Accounts
from idp.accounts.letters import Letters
from idp.accounts.limits import LetterLimits
from idp.accounts.password_pages import PasswordMustBeChanged, PasswordPages, add_password_pages
from idp.accounts.registration_pages import RegistrationPages, add_registration_pages
from idp.login.certificate import CertificateLogin
from idp.login.methods import AmbientMethod
from idp.login.page import arrival
from idp.login.throttle import Throttle
from idp.people import EmbeddedPeople
from idp.settings import IdpSettings
from idp.sign_on.sign_on import SignOn
from idp.sign_on.steps import Step
from ostiary.storage.stores import Counters
from ostiary.web.errands import Errands
from ostiary.web.texts import Catalogue
from ostiary.x509.certificate_names import CertificateNames


def open_letters(settings: IdpSettings, catalogue: Catalogue, now: Callable[[], datetime]) -> Letters | None:
    """What writes to people; None where there is no way to send mail. Raises `ConfigurationError`."""
    if settings.mail is None:
        return None
    return Letters(catalogue, settings.mail.open(now), settings.organisation.name, settings.public_url)


def open_accounts(
    settings: IdpSettings,
    embedded: EmbeddedPeople,
    *,
    catalogue: Catalogue,
    counters: Counters,
    errands: Errands,
    now: Callable[[], datetime],
) -> Accounts:
    """The accounts of the embedded directory. Raises `ConfigurationError` where a file can't be used."""
    return Accounts(
        directory=embedded.directory,
        passwords=embedded.passwords,
        policy=settings.password_policy.policy(settings.known_words),
        links=settings.password_links,
        registration=settings.registration,
        limits=LetterLimits(counters),
        errands=errands,
        letters=open_letters(settings, catalogue, now),
    )


def add_account_pages(
    app: Flask, accounts: Accounts, sign_on: SignOn, throttle: Throttle, ambient: Sequence[AmbientMethod]
) -> tuple[Step, ...]:
    """All pages of accounts that this configuration has; the steps among them. ``throttle`` is that of the login; by the login with
    certificates among ``ambient``, certificates are proven for registrations, too."""

    def certificate() -> CertificateNames | None:
        methods = [method for method in ambient if isinstance(method, CertificateLogin)]
        shown = (method.shown(arrival(), sign_on.now()) for method in methods)
        return next((names for names in shown if names is not None), None)

    step = PasswordMustBeChanged(accounts)
    add_password_pages(app, PasswordPages(accounts, sign_on, throttle, step))
    if accounts.registration.by and accounts.letters is not None:
        add_registration_pages(app, RegistrationPages(accounts, certificate, sign_on.now))
    return (step,)
