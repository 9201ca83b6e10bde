"""Composition of a protected resource."""

from pathlib import Path
from typing import TYPE_CHECKING

from ostiary.clock import Clock
from ostiary.command.serving import load_application
from ostiary.errors import ConfigurationError
from ostiary.web.log import Log
from sp_shire.adapters.asgi import ShireAsgiMiddleware
from sp_shire.adapters.forward_auth import ForwardAuth, Server
from sp_shire.adapters.wsgi import ShireMiddleware
from sp_shire.assembly import make_shire

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from sp_shire.proxy.backend import Address


def make_forward_auth(config: Path, server: Server, *, log: Log) -> ForwardAuth:
    """What answers a web server about the resource of ``sp.yaml``."""
    return ForwardAuth(make_shire(config, log=log), server=server)


def make_proxy(config: Path, address: "Address", *, log: Log) -> ShireAsgiMiddleware:
    """The application at ``address`` behind the SHIRE of ``sp.yaml``."""
    from sp_shire.proxy.application import protected

    return protected(make_shire(config, log=log), address, log)


def make_resource(config: Path, application: str, *, log: Log, clock: Clock | None = None) -> "WSGIApplication":
    """The application ``module:attribute`` behind the SHIRE of ``sp.yaml``."""
    found = load_application(application)
    # Twice protected, the inner one would never see the attributes that the outer one hands in: an endless loop of logins.
    if isinstance(found, ShireMiddleware) or isinstance(getattr(found, "wsgi_app", None), ShireMiddleware):
        raise ConfigurationError(
            "serve.already_protected", file=application, expected="a bare application", found="ShireMiddleware"
        )
    return ShireMiddleware(found, make_shire(config, log=log, clock=clock))
