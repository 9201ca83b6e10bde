"""The identity provider as a Flask application: the Handle Service, the page of the person's session, and signing out."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from flask import Flask
from sqlalchemy import Engine

from idp.accounts.opening import add_account_pages, open_accounts, open_letters
from idp.authorities import Authorities
from idp.consent.account import ConsentList, add_consent_list
from idp.consent.step import ConsentStep, add_consent_page
from idp.factors.account import add_account
from idp.factors.enrolment import add_enrolment
from idp.factors.letters import FactorLetters
from idp.factors.passkeys import RelyingParty
from idp.factors.passwordless import add_passwordless, passkey_login_values
from idp.factors.rules import PersonAttributes
from idp.factors.second_factors import load_script, open_second_factors
from idp.factors.step import SecondFactorStep, add_second_factor
from idp.identifiers.name_ids import NameIds
from idp.identifiers.stored import PersistentIds
from idp.login.device import DeviceMarks
from idp.login.page import LoginPage, add_login_page
from idp.login.throttle import Limits, Throttle
from idp.logout.endpoints import LogoutEndpoints, add_logout_endpoints
from idp.logout.pages import LogoutPages, add_logout_pages
from idp.logout.runs import Runs
from idp.logout.settings import logout_rules
from idp.logout.telling import Telling
from idp.operate.endpoints import Operation, add_operation
from idp.own_pages import add_own_pages
from idp.people import OpenedPeople
from idp.portal.page import add_portal, make_portal
from idp.sessions.session import Lifetimes, Sessions
from idp.settings import IdpSettings
from idp.sign_on.answering import Answering
from idp.sign_on.artifacts import waiting_responses
from idp.sign_on.back_channel import BackChannel, add_back_channel
from idp.sign_on.browser import BrowserCookies
from idp.sign_on.endpoints import add_sso
from idp.sign_on.outgoing import Outgoing
from idp.sign_on.sign_on import SignOn
from idp.sign_on.steps import Step
from idp.sign_on.tickets import Tickets
from idp.terms.step import TermsStep, add_terms_pages
from idp.terms.store import Acceptances
from ostiary.clock import Clock
from ostiary.consent.personal import PrecedenceAt
from ostiary.consent.store import Choices
from ostiary.federation.keys import KeyRing
from ostiary.federation.registry import Registry
from ostiary.handle import HandleKey, derived_secrets
from ostiary.policy.release.precedence import DEFAULT_PRECEDENCE
from ostiary.ports import NOTHING_ASKED, AskedRequests, AttributeSource
from ostiary.saml.soap_transport import SoapTransport
from ostiary.storage.sql import SqlReplayStore
from ostiary.storage.stores import Counters, SessionStore
from ostiary.web.branding import PLAIN, Branding
from ostiary.web.cookies import cookie_name
from ostiary.web.errands import Errands, ErrandsAfterwards
from ostiary.web.log import Log
from ostiary.web.pages import Pages
from ostiary.web.service import make_service
from ostiary.web.texts import Catalogue

HERE: Final = Path(__file__).parent
TEXTS: Final = HERE / "texts"
TEMPLATES: Final = HERE / "templates"
# A posted message of the largest size that is parsed, in base64 and percent-encoded.
MAXIMUM_BODY: Final = 512 * 1024


def make_idp(
    settings: IdpSettings,
    *,
    registry: Callable[[], Registry],
    key_ring: Callable[[], KeyRing],
    handle_keys: Callable[[], Sequence[HandleKey]],
    opened: OpenedPeople,
    sessions: SessionStore,
    counters: Counters,
    attribute_source: AttributeSource,
    own_attributes: Callable[[str], PersonAttributes],
    engine: Engine,
    log: Log,
    clock: Clock,
    writer: str = "idp",
    errands: Errands | None = None,
    transport: SoapTransport | None = None,
    live: Callable[[], IdpSettings] | None = None,
    branding: Callable[[], Branding] = lambda: PLAIN,
    operation: Operation | None = None,
    own_page_url: str | None = None,
    asked_requests: AskedRequests = NOTHING_ASKED,
    precedence: PrecedenceAt = lambda at: DEFAULT_PRECEDENCE,
) -> Flask:
    """The application. ``registry``, ``key_ring``, ``handle_keys`` and ``branding`` give the snapshots of the moment, and so does
    ``live`` the settings, of which some may change while it runs (`idp.operate.live`); ``operation`` is what operators see, if
    anything. ``engine`` is the database of the audit, ``writer`` the name of this service or node in it; ``opened`` are the people
    whom it authenticates; ``own_attributes`` says what is known about one of them, whoever may learn it (it raises `Unavailable`).
    ``transport`` takes the place of HTTP on the way to SPs. ``own_page_url`` is where a person sees what leaves about her, if anywhere.
    ``asked_requests`` remembers what the Attribute Authority was asked; ``precedence`` gives what it leaves to people at a moment.

    Routes below the public URL: ``/`` (who is signed in), and those of the parts that are put together here. Its metadata is the
    roof's to publish. Nodes that share ``handle_keys``, ``sessions`` and ``counters`` are interchangeable at every request.
    """
    script, catalogue = load_script(), Catalogue.load(TEXTS)
    app = make_service(
        __name__,
        service_name=settings.organisation.name,
        pages=Pages(catalogue, [TEMPLATES]),
        public_url=settings.public_url,
        log=log,
        clock=clock,
        # Derived, so that every node checks the forms of every other.
        secret=lambda: derived_secrets(handle_keys(), b"idp forms"),
        entity_id=settings.entity_id,
        max_body=MAXIMUM_BODY,
        trusted_proxies=settings.trusted_proxies,
        assets=(script,),
        check_health=opened.people.check,
        branding=branding,
    )
    if operation is not None:
        add_operation(app, operation, trusted_proxies=settings.trusted_proxies)
    current = live or (lambda: settings)

    def lifetimes() -> Lifetimes:
        return current().sessions.lifetimes()

    own_sessions = Sessions(engine, opened.people, lifetimes, embedded=opened.all_embedded_in(engine))
    artifacts = waiting_responses(sessions, settings.entity_id)
    name_ids = NameIds(
        settings.identifiers,
        entity_id=settings.entity_id,
        handle_keys=handle_keys,
        stored=PersistentIds(engine, writer=writer),
        source=attribute_source,
    )
    sign_on = SignOn(
        settings=current,
        registry=registry,
        key_ring=key_ring,
        handle_keys=handle_keys,
        sessions=own_sessions,
        tickets=Tickets(sessions),
        attribute_source=attribute_source,
        answering=Answering(
            current, key_ring, name_ids, own_sessions, Outgoing(artifacts), engine, writer, asked_requests
        ),
        authority_of=Authorities(
            settings.authorities, login_name=opened.people.login_name, own_attributes=own_attributes
        ).of,
        cookies=BrowserCookies.of(settings.entity_id, https=settings.https),
        engine=engine,
        writer=writer,
        now=clock.now,
    )
    errands = errands or ErrandsAfterwards(log)
    second = None
    if settings.second_factor is not None:
        name, letters = settings.organisation.name["en"], open_letters(settings, catalogue, clock.now)
        second = open_second_factors(
            settings.second_factor,
            sign_on,
            party=RelyingParty.of(settings.public_url, entity_id=settings.entity_id, name=name),
            engine=engine,
            kept=sessions,
            counters=counters,
            people=opened.people,
            own_attributes=own_attributes,
            tell=FactorLetters(letters, errands, own_attributes, log).tell,
            script=script,
            https=settings.https,
        )
    login_page = _login_page(settings, sign_on, opened, counters, lambda: passkey_login_values(second))
    factor_step = (SecondFactorStep(second),) if second is not None else ()
    accounts: tuple[Step, ...] = ()
    if opened.embedded is not None:
        own = open_accounts(
            settings,
            opened.embedded,
            catalogue=catalogue,
            counters=counters,
            errands=errands,
            now=clock.now,
        )
        accounts = add_account_pages(app, own, sign_on, login_page.throttle, opened.ambient)
    own_say = _add_own_say(app, sign_on, settings, Choices(engine, writer=writer), precedence, own_page_url)
    sign_on.steps = (login_page, *factor_step, *accounts, *own_say)
    add_sso(app, sign_on)
    add_back_channel(app, BackChannel(sign_on, artifacts, opened.login, login_page.throttle))
    add_login_page(app, login_page)
    for step in factor_step:
        _add_second_factors(app, step)
    add_own_pages(app, sign_on, opened.people, own_page_url)
    _add_logout(app, sign_on, settings, sessions, transport, log)
    return app


def _add_own_say(
    app: Flask,
    sign_on: SignOn,
    settings: IdpSettings,
    choices: Choices,
    precedence: PrecedenceAt,
    own_page_url: str | None,
) -> tuple[Step, ...]:
    """Terms of use, consent, and the portal; the steps among them, in their order."""
    steps: list[Step] = []
    if settings.terms_of_use is not None:
        terms = TermsStep(sign_on, Acceptances(sign_on.engine, writer=sign_on.writer), settings.terms_of_use.read())
        add_terms_pages(app, terms)
        steps.append(terms)
    consent = ConsentStep(sign_on, choices, settings.consent, precedence)
    add_consent_page(app, consent)
    add_consent_list(app, ConsentList(sign_on, choices, settings.consent, precedence, own_page_url))
    if settings.portal is not None:
        add_portal(app, make_portal(sign_on, settings.portal))
    return (*steps, consent)


def _login_page(
    settings: IdpSettings,
    sign_on: SignOn,
    opened: OpenedPeople,
    counters: Counters,
    passkey: Callable[[], Mapping[str, str] | None],
) -> LoginPage:
    login, certificates = settings.login, settings.login.certificates()

    def limits() -> Limits:
        return sign_on.settings().throttle.limits()

    return LoginPage(
        sign_on,
        opened.login,
        Throttle(counters, limits),
        ambient=opened.ambient,
        marks=DeviceMarks(lambda: derived_secrets(sign_on.handle_keys(), b"known browsers"))
        if login.known_browsers
        else None,
        known_cookie=cookie_name("known", settings.entity_id, https=settings.https),
        certificate_origin=certificates.port.public_url if certificates is not None and certificates.port else "",
        password_change_url=login.password_change_url,
        passkey=passkey,
    )


def _add_second_factors(app: Flask, step: SecondFactorStep) -> None:
    add_second_factor(app, step)
    add_enrolment(app, step)
    add_account(app, step.second)
    add_passwordless(app, step.second)


def _add_logout(
    app: Flask, sign_on: SignOn, settings: IdpSettings, tickets: SessionStore, transport: SoapTransport | None, log: Log
) -> None:
    telling = Telling(
        rules=logout_rules(settings.entity_id, settings.public_url),
        runs=Runs(sign_on.engine),
        registry=sign_on.registry,
        key_ring=sign_on.key_ring,
        soap=transport or settings.logout.transport(),
        patience=settings.logout.patience,
        engine=sign_on.engine,
        writer=sign_on.writer,
        log=log,
    )
    add_logout_pages(app, LogoutPages(sign_on, telling))
    replay = SqlReplayStore(sign_on.engine, namespace=settings.entity_id)
    add_logout_endpoints(app, LogoutEndpoints(sign_on, telling, tickets, replay))
