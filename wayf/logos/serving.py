"""Hands out small logos. What is asked for by another name than that of a kept one is not there."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from flask import Flask, Response, request, url_for

from ostiary.clock import Clock
from ostiary.federation.directory import HomeOrganisation
from wayf.logos.shelf import Shelf
from wayf.logos.which import chosen, kept_as

_WEEK: Final = 7 * 86_400


def add_logos(app: Flask, shelf: Shelf) -> None:
    """The route ``/logo/<key>.png``."""

    @app.get("/logo/<key>.png")
    def logo(key: str) -> Response:
        picture = shelf.read(key)
        if picture is None:
            return Response(b"", 404, content_type="text/plain")
        answer = Response(picture, content_type="image/png")
        answer.headers["Cache-Control"] = f"public, max-age={_WEEK}"
        answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.add_etag()
        answer.make_conditional(request)
        return answer


def logo_addresses(shelf: Shelf, clock: Clock) -> Callable[[HomeOrganisation], str | None]:
    """Gives the address of an organisation's logo on this service, None while there is none."""

    def address(home: HomeOrganisation) -> str | None:
        return _address(shelf, home, clock.now())

    return address


def _address(shelf: Shelf, home: HomeOrganisation, now: datetime) -> str | None:
    logo = chosen(home.summary)
    if logo is None or not shelf.has(key := kept_as(logo), now):
        return None
    return url_for("logo", key=key)
