"""The straight way through a service: whoever asks can't tell it from Flask's own, and what is unusual does not take it."""

import io
import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from flask import Flask, Response, after_this_request, request, request_started
from werkzeug.exceptions import Gone
from werkzeug.test import TestResponse

from ostiary.errors import Refusal, TooMany
from ostiary.web import csrf, incoming, service
from ostiary.web.forms import one, optional
from ostiary.web.log import make_log
from ostiary.web.pages import Pages
from ostiary.web.service import auto_post, go_straight, make_service, page, public_url_for
from ostiary.web.texts import Catalogue

URL = "https://idp.example.org/home"
NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
ADDRESS = "192.0.2.5"


class Still:
    def now(self) -> datetime:
        return NOW


class House:
    """A service with a route that does what its query says, and lets it go straight or not. ``asked`` counts questions to the view,
    ``by_flask`` requests that Flask dispatched."""

    def __init__(self, *, straight: bool, public_url: str = URL, trusted_proxies: int = 0) -> None:
        self.stream = io.StringIO()
        self.asked = 0
        self.by_flask = 0
        self.closed = False
        self.app = make_service(
            "house",
            service_name={"en": "The lodge", "de": "Die Pforte"},
            pages=Pages(Catalogue.load()),
            public_url=public_url,
            log=make_log(Still(), service="test", stream=self.stream),
            clock=Still(),
            secret=b"s" * 32,
            trusted_proxies=trusted_proxies,
        )
        self.url = public_url
        # It holds no more than a weak reference.
        self._counting = lambda _app: self._count()
        request_started.connect(self._counting, self.app)
        self.app.add_url_rule("/sso", "sso", self._view, methods=["GET"])
        self.app.add_url_rule("/sso", "posted", csrf.cross_site(partial(self._view)), methods=["POST"])
        self.app.before_request(self._closed)
        self.app.after_request(self._stamped)
        if straight:
            go_straight(self.app, "sso")

    def _count(self) -> None:
        self.by_flask += 1

    def _closed(self) -> Response | None:
        return Response("later", 503, {"Retry-After": "60"}) if self.closed and request.endpoint == "sso" else None

    def _stamped(self, response: Response) -> Response:
        if "stamp" in request.args:
            response.headers.add("X-Stamp", f"{request.endpoint} {request.url_rule} {request.remote_addr}")
        if "late" in request.args:
            raise RuntimeError("after the answer")
        return response

    def _view(self) -> Any:
        self.asked += 1
        query = incoming.query()
        match optional(query, "do") or "post":
            case "post":
                fields = [("SAMLResponse", "PHg+" * 100), ("RelayState", optional(query, "state") or "<&>'\"é")]
                return auto_post(
                    "https://sp.example.org/acs", fields, destination=lambda lang: f"the library in {lang}"
                )
            case "strange":
                return auto_post("javascript:alert(1)", [], destination="<nobody>")
            case "text":
                return f"for {request.remote_addr}, {request.host}, {request.method}, {request.path}, {request.url}"
            case "page":
                return page("error.html", home_url=None, message="a", remedy="b", reference="c", at=NOW)
            case "form":
                return Response(str(csrf.csrf_field()))
            case "onward":
                return Response(status=303, headers={"Location": public_url_for("sso", ticket="ä")})
            case "cookie":
                self._give()
                return auto_post("https://sp.example.org/acs", [], destination="x")
            case "cookie and refuse":
                self._give()
                raise Refusal("http.bad_request", expected="something else", found="this")
            case "slow down":
                raise TooMany("http.too_many", expected="fewer", found="many", retry_after=9)
            case "gone":
                raise Gone("no more")
            case other:
                raise RuntimeError(f"boom-secret {other} {one(query, 'missing')}")

    def _give(self) -> None:
        @after_this_request
        def give(response: Response) -> Response:
            response.headers.add("Set-Cookie", "a=b")
            return response

    def ask(self, **options: Any) -> TestResponse:
        given = {"base_url": self.url, "environ_base": {"REMOTE_ADDR": ADDRESS}}
        return self.app.test_client().open("/sso", **{**given, **options})

    def lines(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [{name: value for name, value in line.items() if name != "traceback"} for line in lines]


def does(what: str, **options: Any) -> dict[str, Any]:
    return {"query_string": {"do": what}, **options}


USUAL: dict[str, dict[str, Any]] = {
    "a page that posts itself": {},
    "the same in German": {"headers": {"Accept-Language": "de"}},
    "the same in another language": {"query_string": "ui_locales=nl+de", "headers": {"Accept-Language": "fr"}},
    "a name that is encoded": {"query_string": "ui%5flocales=de"},
    "a value to escape": {"query_string": {"state": "<\"'&\u2028>"}},
    "an address that is none": does("strange"),
    "a text": does("text"),
    "a page": does("page"),
    "a form with its cookie": does("form"),
    "a form whose cookie is known": does("form", headers={"Cookie": f"x=1; __Host-ost-csrf-0={'c' * 43}"}),
    "a redirect": does("onward"),
    "a cookie": does("cookie"),
    "a broken Accept-Language": {"headers": {"Accept-Language": "de;q=x, " + "nl," * 90}},
    "a header after the answer": {"query_string": "stamp"},
}
REFUSED: dict[str, dict[str, Any]] = {
    "a broken query": {"query_string": "a=%zz"},
    "a broken query in German": {"query_string": "a=%zz&ui_locales=de"},
    "a parameter twice": {"query_string": "do=post&do=post"},
    "a query that is too long": {"query_string": "a=" + "x" * 70_000},
    "refused with a cookie": does("cookie and refuse"),
    "refused for a program": does("cookie and refuse", headers={"Accept": "application/json"}),
    "slower": does("slow down"),
    "of Werkzeug": does("gone"),
    "crashed": does("crash"),
    "crashed afterwards": {"query_string": "late"},
}
UNUSUAL: dict[str, dict[str, Any]] = {
    "HEAD": {"method": "HEAD"},
    "POST": {"method": "POST"},
    "OPTIONS": {"method": "OPTIONS"},
    "PUT": {"method": "PUT"},
    "another host": {"headers": {"Host": "idp.example.net"}},
    "the host in capitals": {"headers": {"Host": "IDP.example.org"}},
    "the host with its port": {"headers": {"Host": "idp.example.org:443"}},
    "a host that is none": {"headers": {"Host": "idp example org"}},
    "no host": {"environ_overrides": {"HTTP_HOST": ""}},
    "with a body": {"data": b"a=1", "content_type": "application/x-www-form-urlencoded"},
    "with a body that is too large": {"environ_overrides": {"CONTENT_LENGTH": "999999999"}},
    "a length that is none": {"environ_overrides": {"CONTENT_LENGTH": "x"}},
    "in chunks": {"headers": {"Transfer-Encoding": "chunked"}},
    "forwarded": {"headers": {"X-Forwarded-For": "192.0.2.7"}},
    "another path": {"environ_overrides": {"PATH_INFO": "/home/sso/"}},
    "two slashes": {"environ_overrides": {"PATH_INFO": "/home//sso"}},
    "another route": {"environ_overrides": {"PATH_INFO": "/home/health"}},
}


@pytest.fixture(autouse=True)
def no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "reference", lambda: "7F3A-91C2")
    monkeypatch.setattr("secrets.token_urlsafe", lambda size: "n" * 43)


def seen(house: House, options: dict[str, Any]) -> tuple[object, ...]:
    answer = house.ask(**options)
    return answer.status, answer.headers.to_wsgi_list(), answer.data, house.lines(), house.asked


@pytest.mark.parametrize("url", [URL, "http://localhost:8001"])
@pytest.mark.parametrize("options", [*USUAL.values(), *REFUSED.values(), *UNUSUAL.values()])
def test_nobody_can_tell_the_ways_apart(options: dict[str, Any], url: str) -> None:
    ways = [House(straight=straight, public_url=url) for straight in (True, False)]
    assert seen(ways[0], options) == seen(ways[1], options)


@pytest.mark.parametrize("options", [*USUAL.values(), *REFUSED.values()], ids=[*USUAL, *REFUSED])
def test_the_usual_goes_straight(options: dict[str, Any]) -> None:
    house = House(straight=True)
    answer = house.ask(**options)
    assert house.by_flask == 0
    assert answer.headers["X-Content-Type-Options"] == "nosniff" or answer.status_code == 500


@pytest.mark.parametrize("options", UNUSUAL.values(), ids=UNUSUAL)
def test_the_unusual_goes_to_flask(options: dict[str, Any]) -> None:
    house = House(straight=True)
    house.ask(**options)
    assert house.by_flask == 1


def test_what_a_room_looks_at_before_each_request_holds_on_both_ways() -> None:
    ways = [House(straight=straight) for straight in (True, False)]
    for house in ways:
        house.closed = True
    assert [house.ask().status_code for house in ways] == [503, 503]
    assert [house.asked for house in ways] == [0, 0]
    assert seen(ways[0], {}) == seen(ways[1], {})


@pytest.mark.parametrize("forwarded", ["192.0.2.7", "198.51.100.1, 192.0.2.8", "x", ""])
def test_behind_a_trusted_proxy_both_ways_see_the_client_that_it_names(forwarded: str) -> None:
    options = does("text", headers={"X-Forwarded-For": forwarded})
    ways = [House(straight=straight, trusted_proxies=1) for straight in (True, False)]
    assert seen(ways[0], options) == seen(ways[1], options)
    assert ways[0].by_flask == 0


def test_the_request_is_over_after_the_answer() -> None:
    house = House(straight=True)
    for options in ({}, does("crash"), {"query_string": "late"}):
        house.ask(**options)
        assert not request


def test_an_error_is_raised_where_a_test_wants_it() -> None:
    ways = [House(straight=straight) for straight in (True, False)]
    for house in ways:
        house.app.testing = True
        with pytest.raises(RuntimeError, match="after the answer"):
            house.ask(query_string="late")


def test_only_routes_for_get_without_parameters_go_straight() -> None:
    house = House(straight=False)
    for endpoint in ("posted", "asset"):
        with pytest.raises(ValueError, match="no route for GET"):
            go_straight(house.app, endpoint)
    with pytest.raises(TypeError):
        go_straight(Flask("other"), "sso")
