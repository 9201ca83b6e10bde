"""The identity provider as a Flask application: the Handle Service, the page of the person's session, and signing out."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from flask import Flask, Response
from sqlalchemy import Engine

from idp.login.page import LoginPage, add_login_page
from idp.login.throttle import Throttle
from idp.people import OpenedPeople, PeopleOfIdp
from idp.sessions.session import Sessions
from idp.settings import IdpSettings
from idp.sign_on.browser import BrowserCookies
from idp.sign_on.endpoints import add_sso
from idp.sign_on.sign_on import SignOn
from idp.sign_on.tickets import Tickets
from ostiary.clock import Clock
from ostiary.federation.keys import KeyRing
from ostiary.federation.registry import Registry
from ostiary.handle import HandleKey
from ostiary.ports import AttributeSource
from ostiary.storage.stores import Counters, SessionStore
from ostiary.web.log import Log
from ostiary.web.pages import Pages
from ostiary.web.service import make_service, page, public_url_for
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
    handle_keys: Sequence[HandleKey],
    opened: OpenedPeople,
    sessions: SessionStore,
    counters: Counters,
    attribute_source: AttributeSource,
    engine: Engine,
    log: Log,
    clock: Clock,
    writer: str = "idp",
) -> Flask:
    """The application. ``registry`` and ``key_ring`` give the snapshots of the moment; ``engine`` is the database of the audit,
    ``writer`` the name of this service or node in it; ``opened`` are the people whom it authenticates.

    Routes below the public URL: ``/`` (who is signed in), ``/logout``, ``/signed-out``, and those of `add_sso`. Its metadata is
    the roof's to publish. Nodes that share ``handle_keys``, ``sessions`` and ``counters`` are interchangeable at every request.
    """
    app = make_service(
        __name__,
        service_name=settings.organisation.name["en"],
        pages=Pages(Catalogue.load(TEXTS), [TEMPLATES]),
        public_url=settings.public_url,
        log=log,
        clock=clock,
        # Derived, so that every node checks the forms of every other.
        secret=hmac.digest(handle_keys[0].secret, b"ostiary idp forms", hashlib.sha256),
        entity_id=settings.entity_id,
        max_body=MAXIMUM_BODY,
        trusted_proxies=settings.trusted_proxies,
        check_health=opened.people.check,
    )
    sign_on = SignOn(
        rules=settings.rules(),
        registry=registry,
        key_ring=key_ring,
        handle_keys=tuple(handle_keys),
        sessions=Sessions(sessions, opened.people, settings.sessions.lifetimes()),
        tickets=Tickets(sessions),
        attribute_source=attribute_source,
        attributes_in_response=settings.attributes_in_response,
        cookies=BrowserCookies.of(settings.entity_id, https=settings.https),
        engine=engine,
        writer=writer,
        now=clock.now,
    )
    login_page = LoginPage(sign_on, opened.login, Throttle(counters, settings.throttle.limits()))
    sign_on.steps = (login_page,)
    add_sso(app, sign_on)
    add_login_page(app, login_page)
    _add_own_pages(app, sign_on, opened.people)
    return app


def _add_own_pages(app: Flask, sign_on: SignOn, people: PeopleOfIdp) -> None:
    @app.get("/")
    def home() -> Response:
        session = sign_on.session()
        login_name = people.login_name(session.principal) if session is not None else None
        return page(
            "home.html",
            home_url=public_url_for("home"),
            logout_url=public_url_for("logout"),
            session=session,
            login_name=login_name,
        )

    @app.post("/logout")
    def logout() -> Response:
        sign_on.end_session()
        return Response(status=303, headers={"Location": public_url_for("signed_out")})

    @app.get("/signed-out")
    def signed_out() -> Response:
        return page("signed_out.html", home_url=public_url_for("home"))
