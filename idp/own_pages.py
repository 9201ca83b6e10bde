"""The start page of the identity provider: who is signed in, and the way to all that she can look after herself."""

from typing import Final

from flask import Flask, Response

from idp.people import PeopleOfIdp
from idp.sign_on.endpoints import refuse_head
from idp.sign_on.sign_on import SignOn
from ostiary.web.service import page, public_url_for

# What a person may go to from here, where this service has it: endpoint (None: her page at the Attribute Authority), and the text below
# ``idp.home.pages``.
OWN_PAGES: Final[tuple[tuple[str | None, str], ...]] = (
    ("portal", "portal"),
    (None, "own_page"),
    ("account_consents", "consents"),
    ("factors", "factors"),
    ("account_password", "password"),
    ("account_sessions", "sessions"),
)


def add_own_pages(app: Flask, sign_on: SignOn, people: PeopleOfIdp, own_page_url: str | None = None) -> None:
    """``/`` and ``/sign-in``. ``own_page_url`` is where she sees what leaves about her, if anywhere."""

    @app.get("/")
    def home() -> Response:
        session = sign_on.session()
        return page(
            "home.html",
            home_url=public_url_for("home"),
            sign_in_url=public_url_for("sign_in"),
            logout_url=public_url_for("logout"),
            session=session,
            login_name=people.login_name(session.principal) if session is not None else None,
            own_pages=[
                (text, own_page_url if endpoint is None else public_url_for(endpoint))
                for endpoint, text in OWN_PAGES
                if (own_page_url is not None if endpoint is None else endpoint in app.view_functions)
            ],
        )

    @app.get("/sign-in")
    def sign_in() -> Response:
        refuse_head()
        found = sign_on.require("home")
        if isinstance(found, Response):
            return found
        return Response(status=303, headers={"Location": public_url_for("home")})
