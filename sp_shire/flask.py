"""A Flask application behind the SHIRE: ``protect(app, "sp.yaml")`` and ``request.ostiary``. Decides nothing of its own."""

from pathlib import Path
from typing import Final

import flask
from flask import Flask

from sp_shire.adapters.doorkeeper import Ostiary
from sp_shire.adapters.wsgi import ShireMiddleware
from sp_shire.settings import ShireSettings
from sp_shire.shire import Shire

__all__ = ["Ostiary", "ostiary", "protect"]

_EXTENSION: Final = "ostiary"


def protect(app: Flask, config: str | Path | ShireSettings | Shire) -> None:
    """Puts ``app`` behind the SHIRE of ``config`` (as `ShireMiddleware` takes it), once: call it last, when every other middleware is in
    place. Then ``flask.request.ostiary`` is an `Ostiary`, and templates know it as ``ostiary``.

    Raises `ConfigurationError` for a configuration that can't be used, `ValueError` for an application that is protected already.
    """
    if _EXTENSION in app.extensions:
        raise ValueError(f"{app.name} is protected already")
    app.wsgi_app = ShireMiddleware(app.wsgi_app, config)  # type: ignore[method-assign]
    app.request_class = type("Request", (app.request_class,), {"ostiary": property(_of_request)})
    app.extensions[_EXTENSION] = app.wsgi_app
    app.context_processor(_for_templates)


def ostiary() -> Ostiary:
    """The same for the request at hand, for those who check types. Raises `LookupError` where the application is not protected."""
    return Ostiary.of(flask.request.environ)


def _of_request(request: flask.Request) -> Ostiary:
    return Ostiary.of(request.environ)


def _for_templates() -> dict[str, object]:
    return {"ostiary": ostiary()} if flask.has_request_context() else {}
