"""The two demo resources: ordinary Flask applications that know nothing of SAML. They read who is there from their environment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flask import Flask, Response, request

from ostiary.attributes import texts_of
from ostiary.policy.access import Decision
from ostiary.web.assets import STATIC, load_asset
from ostiary.web.headers import page_headers
from ostiary.web.identity import person
from ostiary.web.pages import Pages
from ostiary.web.texts import Catalogue
from sp_shire.pages.replies import expected_in_words

HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class DemoResource:
    """One resource: ``key`` is also the path of its protected page and the prefix of its texts; ``group``: where it stands in the homes'
    portals; ``asks_on_its_page``: people say on its start page where they are from."""

    key: str
    entity_id: str
    name: str
    description: str
    wants: tuple[str, ...]
    group: str = ""
    asks_on_its_page: bool = False


def make_demo_application(resource: DemoResource, home_names: dict[str, str]) -> Flask:
    """A start page that everybody may see and one protected page. ``home_names`` by entityID."""
    app = Flask(__name__, static_folder=None, template_folder=None)
    pages = Pages(Catalogue.load(HERE / "texts"), [HERE / "templates"])
    stylesheet = load_asset(STATIC / "style.css")
    handlers = "/ostiary"

    def show(template: str, **values: object) -> Response:
        html = pages.render(
            template,
            pages.catalogue.choose(accept=request.headers.get("Accept-Language")),
            None,
            stylesheet=f"{handlers}/{stylesheet.file_name}",
            service_name=resource.name,
            home_url="/",
            resource=resource,
            **values,
        )
        response = Response(html, mimetype="text/html")
        for name, value in page_headers(https=False, own_scripts=bool(values.get("widget"))):
            response.headers[name] = value
        return response

    @app.get("/")
    def start() -> Response:
        widget = f"{handlers}/widget.js" if resource.asks_on_its_page else ""
        return show("demo_start.html", protected=f"/{resource.key}/", widget=widget)

    @app.get(f"/{resource.key}/")
    def protected() -> Response:
        environ = request.environ
        who = person(environ)
        decision = environ["ostiary.decision"]
        session = environ["ostiary.session"]
        if who is None or not isinstance(decision, Decision):
            raise RuntimeError("the application was reached without its middleware")
        rules = dict(session.knowledge.rules)
        return show(
            "demo_resource.html",
            greeting=" ".join(texts_of(who.attributes, "displayName")),
            home=home_names.get(who.issuer, who.issuer),
            rows=[
                {"name": name, "values": texts_of(who.attributes, name), "why": rules.get(name, "")}
                for name in dict.fromkeys(attribute.name for attribute in who.attributes)
            ],
            withheld=session.knowledge.withheld,
            reason=decision.reasons[0],
            expected_in_words=expected_in_words,
            queried=session.knowledge.queried,
            handle=who.name_id,
            authenticated_at=who.authenticated_at,
            session_url=f"{handlers}/session",
            logout_url=f"{handlers}/logout",
            wide=True,
        )

    return app
