"""``request.ostiary`` in Flask, Django, FastAPI and Starlette, after real logins."""

import asyncio
import json
from typing import Any

import django.conf
import pytest
from django.contrib.auth import get_user
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path as django_path
from fastapi import FastAPI, Request
from flask import Flask, jsonify, render_template_string, request
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from ostiary.command.demo.people import NORTHGATE
from sp_shire import Ostiary, ShireAsgiMiddleware, ShireMiddleware
from sp_shire.django import ostiary as of_django
from sp_shire.fastapi import CurrentOstiary
from sp_shire.flask import ostiary as of_flask
from sp_shire.flask import protect
from tests.browser import Browser
from tests.flows.test_asgi_applications import AsWsgi, exchange
from tests.simulator import Simulation, configure

AFFILIATIONS = ["member@northgate.example", "staff@northgate.example"]


def said(ostiary: Ostiary) -> dict[str, Any]:
    """What an application finds."""
    return {
        "in": ostiary.is_logged_in,
        "issuer": ostiary.issuer,
        "affiliation": ostiary.values("eduPersonScopedAffiliation"),
        "ends": ostiary.session_ends.isoformat() if ostiary.session_ends is not None else None,
        "rule": ostiary.decision.reasons[0].rule if ostiary.decision is not None else None,
        "login": ostiary.login_url(),
        "logout": ostiary.logout_url(),
    }


def expected(simulation: Simulation, target: str, *, known: bool = True) -> dict[str, Any]:
    handlers = simulation.handler("library", "")
    return {
        "in": known,
        "issuer": NORTHGATE.entity_id if known else None,
        "affiliation": AFFILIATIONS if known else [],
        "ends": "2026-11-22T17:00:00+00:00" if known else None,
        "rule": None,
        "login": f"{handlers}login?target={target}",
        "logout": f"{handlers}logout",
    }


def seen_by_alice(simulation: Simulation, application: Any) -> tuple[dict[str, Any], dict[str, Any], Browser]:
    """What the application says of the protected page and of an open one, to somebody who is logged in."""
    simulation.serve(simulation.origin("library"), application)
    browser = simulation.browser()
    protected = json.loads(simulation.log_in(browser, "library", "alice").text)
    return protected, json.loads(browser.get(simulation.origin("library") + "/open").text), browser


def check(simulation: Simulation, application: Any) -> None:
    protected, open_page, _ = seen_by_alice(simulation, application)
    rule = protected.pop("rule")
    assert rule == "members"
    assert {**protected, "rule": None} == expected(simulation, "%2Flibrary%2F")
    assert open_page == expected(simulation, "%2Fopen")
    stranger = simulation.browser().get(simulation.origin("library") + "/open")
    assert json.loads(stranger.text) == expected(simulation, "%2Fopen", known=False)


def test_flask(simulation: Simulation) -> None:
    app = Flask(__name__)

    @app.get("/library/")
    @app.get("/open")
    def page() -> Any:
        assert request.ostiary is of_flask()  # type: ignore[attr-defined]
        return jsonify(said(of_flask()))

    @app.get("/template")
    def template() -> str:
        return render_template_string("{{ ostiary.issuer }} {{ request.ostiary.has('mail') }}")

    protect(app, simulation.shires["library"])
    check(simulation, app)
    assert simulation.browser().get(simulation.origin("library") + "/template").text == "None False"


def test_flask_is_protected_once_and_never_half(simulation: Simulation) -> None:
    app = Flask(__name__)
    protect(app, simulation.shires["library"])
    with pytest.raises(ValueError, match="already"):
        protect(app, simulation.shires["library"])
    with Flask("bare").test_request_context(), pytest.raises(LookupError):
        of_flask()


def test_fastapi_and_its_dependency(simulation: Simulation) -> None:
    app = FastAPI()
    app.add_middleware(ShireAsgiMiddleware, config=simulation.shires["library"])

    @app.get("/library/")
    @app.get("/open")
    def page(who: CurrentOstiary, request: Request) -> dict[str, Any]:
        assert request.state.ostiary is who
        return said(who)

    check(simulation, AsWsgi(app))


def test_starlette(simulation: Simulation) -> None:
    async def page(request: Any) -> JSONResponse:
        return JSONResponse(said(request.state.ostiary))

    app = Starlette(routes=[Route("/library/", page), Route("/open", page)])
    check(simulation, AsWsgi(ShireAsgiMiddleware(app, simulation.shires["library"])))


def test_what_a_server_keeps_for_requests_stays_beside_ours_and_is_not_changed(simulation: Simulation) -> None:
    seen: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["state"])

    kept = {"pool": "a database"}
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "state": kept, "ostiary": "forged"}
    asyncio.run(exchange(ShireAsgiMiddleware(application, simulation.shires["library"]), scope, []))
    assert seen[0]["pool"] == "a database"
    assert isinstance(seen[0]["ostiary"], Ostiary)
    assert kept == {"pool": "a database"}


# -- Django, whose settings are one for a process ----------------------------------------------------------------------


def django_page(request: HttpRequest) -> JsonResponse:
    user = get_user(request)
    return JsonResponse({**said(of_django(request)), "user": user.get_username(), "account": user.is_authenticated})


async def async_django_page(request: HttpRequest) -> JsonResponse:
    user = await request.auser()
    return JsonResponse({"issuer": of_django(request).issuer, "user": user.get_username()})


urlpatterns = [
    django_path("library/", django_page),
    django_path("open", django_page),
    django_path("instrument/", django_page),
    django_path("instrument/asynchronous", async_django_page),
]


@pytest.fixture(scope="session")
def django_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An ordinary Django project whose accounts are those of people who log in by way of their home organisation."""
    file = tmp_path_factory.mktemp("django") / "accounts.db"
    django.conf.settings.configure(
        SECRET_KEY="of the tests",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        MIDDLEWARE=[
            "sp_shire.django.OstiaryMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.auth.middleware.RemoteUserMiddleware",
        ],
        AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.RemoteUserBackend"],
        USE_TZ=True,
    )
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


@pytest.mark.usefixtures("django_settings")
def test_django(simulation: Simulation) -> None:
    def without_account(environ: Any, start_response: Any) -> Any:
        return ShireMiddleware(get_wsgi_application(), simulation.shires["library"])(environ, start_response)

    protected, open_page, _ = seen_by_alice(simulation, without_account)
    assert (protected.pop("user"), protected.pop("account"), protected.pop("rule")) == ("", False, "members")
    assert {**protected, "rule": None} == expected(simulation, "%2Flibrary%2F")
    del open_page["user"], open_page["account"]
    assert open_page == expected(simulation, "%2Fopen")


@pytest.mark.usefixtures("django_settings")
def test_django_over_asgi(simulation: Simulation) -> None:
    application = AsWsgi(ShireAsgiMiddleware(get_asgi_application(), simulation.shires["library"]))
    protected, _, _ = seen_by_alice(simulation, application)
    assert (protected["issuer"], protected["affiliation"]) == (NORTHGATE.entity_id, AFFILIATIONS)


@pytest.mark.usefixtures("django_settings")
def test_django_without_the_shire_answers_no_request() -> None:
    from django.test import RequestFactory

    from sp_shire.django import OstiaryMiddleware

    with pytest.raises(LookupError):
        OstiaryMiddleware(lambda request: None)(RequestFactory().get("/"))


@pytest.mark.usefixtures("django_settings")
@pytest.mark.parametrize("asynchronous", [False, True], ids=["wsgi", "asgi"])
def test_django_knows_people_by_their_remote_user(simulation: Simulation, asynchronous: bool) -> None:
    configure(simulation.layout.directory("instrument") / "sp.yaml", remote_user=["mail"])
    shire = simulation.resource_node("instrument")
    protected: Any = (
        AsWsgi(ShireAsgiMiddleware(get_asgi_application(), shire))
        if asynchronous
        else ShireMiddleware(get_wsgi_application(), shire)
    )
    simulation.serve(simulation.origin("instrument"), protected)
    browser = simulation.browser()
    told = json.loads(simulation.log_in(browser, "instrument", "alice").text)
    assert (told["user"], told["account"]) == ("alice.archer@northgate.example", True)
    again = browser.get(simulation.origin("instrument") + "/instrument/asynchronous")
    assert json.loads(again.text) == {"issuer": NORTHGATE.entity_id, "user": "alice.archer@northgate.example"}
    forged = {"Remote-User": "root"}
    stranger = simulation.browser().request("GET", simulation.origin("instrument") + "/open", headers=forged)
    assert json.loads(stranger.text)["user"] == ""
