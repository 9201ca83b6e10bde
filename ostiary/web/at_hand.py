"""What Flask knows of the request that is being answered, itself: asking through one of its proxies takes five calls each time."""

from typing import Any

from flask import Flask, Request
from flask.globals import _cv_app, _cv_request


def current_request() -> Request:
    """The request. Raises `LookupError` where there is none."""
    return _cv_request.get().request


def application() -> Flask:
    """The application that answers it. Raises `LookupError` outside one."""
    return _cv_app.get().app


def kept() -> dict[str, Any]:
    """What is kept until it is answered, by its name. Raises `LookupError` outside an application."""
    return vars(_cv_app.get().g)
