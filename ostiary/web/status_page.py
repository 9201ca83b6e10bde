"""``/status`` of a service in Flask, for operators alone: everybody else is told that there is no such page."""

from collections.abc import Callable
from urllib.parse import urlsplit

from flask import Flask, Response, jsonify, request

from ostiary.config import networks
from ostiary.errors import Missing, Refusal
from ostiary.web import incoming
from ostiary.web.forms import optional
from ostiary.web.operators import FORWARDING, Asked, StatusSettings, Surroundings, who_asks
from ostiary.web.service import any_host, page, prefers_json, shell
from ostiary.web.status import as_json


def add_status_page(
    app: Flask,
    *,
    settings: Callable[[], StatusSettings],
    token: Callable[[], bytes | None],
    status: Callable[[], object],
    answers: Callable[[object], bool],
    show: Callable[[object, int], Response],
    trusted_proxies: int,
) -> None:
    """The route. ``status`` makes what is told, a dataclass; ``answers`` says whether the service can do its work, ``show`` makes the page
    of it, with an HTTP status."""

    @app.get("/status", endpoint="status")
    @any_host
    def _status() -> Response:
        allowed = settings()
        if who_asks(asked_by(), surroundings(trusted_proxies), networks(allowed.addresses), token()) is None:
            # As for every address that is not there: whoever may not see it does not learn that it is.
            raise Missing(
                "http.not_found", expected="an operator's address or token", found=f"{request.method} {request.path}"
            )
        wanted = optional(incoming.query(), "format", max_length=10)
        if wanted not in (None, "json", "html"):
            raise Refusal("status.format", expected="json or html", found=wanted)
        found = status()
        code = 200 if answers(found) else 503
        if wanted == "json" or (wanted is None and prefers_json()):
            answer = jsonify(as_json(found))
            answer.status_code = code
            return answer
        return show(found, code)


def show_service_status(found: object, code: int) -> Response:
    """The page of a `ServiceStatus`."""
    return page("service_status.html", status=code, found=found, wide=True)


def asked_by() -> Asked:
    """What of this request counts."""
    return Asked(
        request.remote_addr or "",
        request.environ.get("HTTP_HOST", "").lower(),
        any(name in request.headers for name in FORWARDING),
        request.headers.get("Authorization"),
    )


def surroundings(trusted_proxies: int) -> Surroundings:
    """Where this service stands."""
    return Surroundings(urlsplit(shell().origin).netloc, shell().https, trusted_proxies)
