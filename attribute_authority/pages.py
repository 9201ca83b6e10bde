"""The Attribute Authority's pages as a Flask application: for people, and for those who administer what leaves.

Logs nobody in: the application stands behind the SP middleware (docs/decisions/0020), which says who is there by the handle that the Handle
Service made for these pages; the authority opens it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from flask import Flask, Response, request

from attribute_authority.settings import AttributeAuthoritySettings
from ostiary.clock import Clock
from ostiary.errors import Denied, Missing, Refusal
from ostiary.handle import HandleKey, derived_secrets, open_handle
from ostiary.ports import People
from ostiary.web.identity import person
from ostiary.web.log import Log
from ostiary.web.pages import Pages
from ostiary.web.service import make_service, public_url_for, shell
from ostiary.web.texts import Catalogue

HERE: Final = Path(__file__).parent
TEXTS: Final = HERE / "texts"
TEMPLATES: Final = HERE / "templates"

PERSON_PATH: Final = "/my"
ADMINISTRATION_PATH: Final = "/admin"
PROTECTED: Final = (PERSON_PATH, ADMINISTRATION_PATH)
"""Where nobody comes without having logged in."""

HANDLER_PATH: Final = "/ostiary"
"""Below it the SP middleware answers itself: login, logout and what belongs to them."""

MAXIMUM_BODY: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is there: her ``principal``, and when she logged in."""

    principal: str
    authenticated_at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class SignedIn:
    """Says who sent the present request, from what the SP middleware found out. ``entity_id`` is that of the pages, for which the handle
    was made, ``home`` the entityID of the organisation, ``authority_index`` this authority's."""

    entity_id: str
    home: str
    handle_keys: Callable[[], Sequence[HandleKey]]
    people: People
    authority_index: int

    def visitor(self) -> Visitor:
        """Raises `Denied` (``aa.pages_session``) where it can't be told, or she may not be spoken of now, and (``aa.pages_elsewhere``)
        where another authority of the organisation knows her; `Unavailable` when the directory does not answer."""
        who = person(request.environ)
        if who is None or who.issuer != self.home:
            raise Denied("aa.pages_session", expected="somebody who logged in here", found="nobody")
        try:
            # Whether the session may go on is the middleware's business: the handle counted when it began.
            handle = open_handle(self.handle_keys(), who.name_id, requester=self.entity_id, now=who.authenticated_at)
        except Refusal as problem:
            raise Denied("aa.pages_session", expected=problem.expected, found=problem.found) from problem
        if handle.authority != self.authority_index:
            raise Denied(
                "aa.pages_elsewhere",
                expected=f"authority {self.authority_index}",
                found=f"authority {handle.authority}",
            )
        if not self.people.is_active(handle.principal):
            raise Denied("aa.pages_session", expected="an active person", found="one who is not")
        return Visitor(handle.principal, who.authenticated_at)


def sign_out_url() -> str:
    """Where she signs out, here or everywhere."""
    return f"{shell().public_url}{HANDLER_PATH}/logout"


def make_pages(
    settings: AttributeAuthoritySettings, *, handle_keys: Callable[[], Sequence[HandleKey]], log: Log, clock: Clock
) -> Flask:
    """The application without its pages: `own_page.pages.add_own_page` and `administration.pages.add_administration` add them. Its paths
    below the public URL of the authority are `PROTECTED`, and ``/``, which leads to the first of them."""
    app = make_service(
        __name__,
        service_name=settings.display_name,
        pages=Pages(Catalogue.load(TEXTS), [TEMPLATES]),
        public_url=settings.public_url,
        log=log,
        clock=clock,
        secret=lambda: derived_secrets(handle_keys(), b"attribute authority pages"),
        entity_id=settings.pages_entity_id,
        max_body=MAXIMUM_BODY,
        trusted_proxies=settings.trusted_proxies,
    )

    @app.get("/")
    def home() -> Response:
        if "my" not in app.view_functions:
            raise Missing("http.not_found", found="/")
        return Response(status=303, headers={"Location": public_url_for("my")})

    return app
