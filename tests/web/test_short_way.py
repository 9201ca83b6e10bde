"""The short way past Flask: whoever asks can't tell it from the long one, and what is unusual does not take it."""

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask, Response, request, request_started
from werkzeug.test import TestResponse

from ostiary.errors import Refusal
from ostiary.web import csrf, service
from ostiary.web.log import make_log
from ostiary.web.pages import Pages
from ostiary.web.service import add_short_way, make_service, raised_before
from ostiary.web.short_way import Document
from ostiary.web.texts import Catalogue

URL = "https://aa.example.org/home"
NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
LIMIT = 1_000


class Still:
    def now(self) -> datetime:
        return NOW


class House:
    """A service with one route, and the short way to it or not. ``answered`` keeps what got to the answer, ``by_flask`` counts requests."""

    def __init__(self, *, short: bool, trusted_proxies: int = 0) -> None:
        self.stream = io.StringIO()
        self.answered: list[tuple[bytes, str]] = []
        self.by_flask = 0
        self.app = self._made(trusted_proxies)
        # It holds no more than a weak reference.
        self._counting = lambda _app: self._count()
        request_started.connect(self._counting, self.app)
        self.app.add_url_rule("/ask", view_func=self._view(), methods=["POST"])
        if short:
            add_short_way(self.app, "/ask", "text/xml", self._answer, self._respond)

    def _made(self, trusted_proxies: int) -> Flask:
        return make_service(
            "house",
            service_name="The lodge",
            pages=Pages(Catalogue.load()),
            public_url=URL,
            log=make_log(Still(), service="test", stream=self.stream),
            clock=Still(),
            secret=b"s" * 32,
            max_body=LIMIT,
            trusted_proxies=trusted_proxies,
        )

    def _count(self) -> None:
        self.by_flask += 1

    def _view(self) -> Any:
        @csrf.cross_site
        def ask() -> Response:
            raised_before()
            if request.mimetype != "text/xml":
                raise Refusal("aa.content_type", expected="text/xml (SOAP 1.1)", found=request.mimetype or "none")
            return self._respond(self._answer(request.environ, request.get_data()))

        return ask

    def _answer(self, environ: Any, body: bytes) -> Document:
        self.answered.append((body, environ.get("REMOTE_ADDR", "")))
        if b"refuse" in body:
            raise Refusal("http.bad_request", expected="something else", found="this")
        if b"crash" in body:
            raise RuntimeError("boom-secret")
        return Document(body, 500 if b"fault" in body else 200)

    def _respond(self, document: Document) -> Response:
        headers = {"Pragma": "no-cache", "X-Status": str(document.status)}
        return Response(document.body, document.status, headers=headers, content_type="text/xml; charset=utf-8")

    def ask(self, **options: Any) -> TestResponse:
        given = {"method": "POST", "data": b"<a/>", "content_type": "text/xml; charset=utf-8", "base_url": URL}
        return self.app.test_client().open("/ask", **{**given, **options})

    def lines(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [{name: value for name, value in line.items() if name != "traceback"} for line in lines]


USUAL: dict[str, dict[str, Any]] = {
    "an answer": {},
    "no parameter of the type": {"content_type": "text/xml"},
    "a fault": {"data": b"fault"},
    "as large as may be": {"data": b"x" * LIMIT},
    "with a query": {"query_string": "ui_locales=de"},
}
RAISING: dict[str, dict[str, Any]] = {
    "refused": {"data": b"refuse"},
    "crashed": {"data": b"crash"},
    "refused in German": {"data": b"refuse", "headers": {"Accept-Language": "de"}},
    "refused for a program": {"data": b"refuse", "headers": {"Accept": "application/json"}},
}
UNUSUAL: dict[str, dict[str, Any]] = {
    "another host": {"headers": {"Host": "aa.example.net"}},
    "the host in capitals": {"headers": {"Host": "AA.example.org"}},
    "the host with its port": {"headers": {"Host": "aa.example.org:443"}},
    "another type": {"content_type": "text/plain"},
    "the type in capitals": {"content_type": "Text/XML"},
    "no type": {"content_type": ""},
    "too large": {"data": b"x" * (LIMIT + 1)},
    "a length that is none": {"environ_overrides": {"CONTENT_LENGTH": "+4"}},
    "a length in other digits": {"environ_overrides": {"CONTENT_LENGTH": "٤"}},
    "a length that goes on": {"environ_overrides": {"CONTENT_LENGTH": "0000000004"}},
    "in chunks": {"headers": {"Transfer-Encoding": "chunked"}},
    "another method": {"method": "GET"},
    "forwarded": {"headers": {"X-Forwarded-For": "192.0.2.7"}},
    "another path": {"environ_overrides": {"PATH_INFO": "/home/ask/"}},
}


def seen(house: House, options: dict[str, Any]) -> tuple[object, ...]:
    answer = house.ask(**options)
    return answer.status, answer.headers.to_wsgi_list(), answer.data, house.lines(), house.answered


@pytest.mark.parametrize("options", [*USUAL.values(), *RAISING.values(), *UNUSUAL.values()])
def test_nobody_can_tell_the_ways_apart(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "reference", lambda: "7F3A-91C2")
    assert seen(House(short=True), options) == seen(House(short=False), options)


@pytest.mark.parametrize("options", USUAL.values(), ids=USUAL)
def test_the_usual_passes_flask_by(options: dict[str, Any]) -> None:
    house = House(short=True)
    answer = house.ask(**options)
    assert (house.by_flask, len(house.answered)) == (0, 1)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("options", RAISING.values(), ids=RAISING)
def test_what_raised_is_not_answered_a_second_time(options: dict[str, Any]) -> None:
    house = House(short=True)
    assert house.ask(**options).status_code in (400, 500)
    assert (house.by_flask, len(house.answered)) == (1, 1)


@pytest.mark.parametrize("options", UNUSUAL.values(), ids=UNUSUAL)
def test_the_unusual_goes_to_flask(options: dict[str, Any]) -> None:
    house = House(short=True)
    house.ask(**options)
    assert house.by_flask == 1


def test_a_body_that_is_cut_goes_to_flask() -> None:
    short, long = House(short=True), House(short=False)
    cut = [
        house.ask(environ_overrides={"wsgi.input": io.BytesIO(b"<a"), "CONTENT_LENGTH": "4"}) for house in (short, long)
    ]
    assert [answer.status_code for answer in cut] == [400, 400]
    assert (short.by_flask, short.answered) == (1, [])


def test_behind_a_trusted_proxy_the_usual_comes_from_the_client_that_it_names() -> None:
    house = House(short=True, trusted_proxies=1)
    assert house.ask(headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 200
    assert (house.by_flask, house.answered) == (0, [(b"<a/>", "192.0.2.7")])


def test_only_a_service_has_short_ways() -> None:
    with pytest.raises(TypeError):
        add_short_way(Flask("other"), "/ask", "text/xml", lambda _environ, body: Document(body), lambda _: Response())
