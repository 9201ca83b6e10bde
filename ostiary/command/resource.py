"""Composition of a protected resource."""

from pathlib import Path
from typing import TYPE_CHECKING

from ostiary.command.serving import load_application
from ostiary.web.log import Log
from sp_shire.assembly import make_shire
from sp_shire.wsgi import ShireMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def make_resource(config: Path, application: str, *, log: Log) -> "WSGIApplication":
    """The application ``module:attribute`` behind the SHIRE of ``sp.yaml``."""
    return ShireMiddleware(load_application(application), make_shire(config, log=log))
