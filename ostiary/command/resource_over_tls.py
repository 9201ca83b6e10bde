"""Composition of a protected resource that speaks TLS itself and asks for client certificates.

The handshake takes any certificate: whom it stands for is found out afterwards, so that a program is told in words what is wrong with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.clock import Clock
from ostiary.command.resource import make_resource
from ostiary.command.watched import LOOK_EVERY, watched
from ostiary.config import Holder, ListenSettings, Sources
from ostiary.web.listener import ListenerLimits, serve_tls
from ostiary.web.log import Log
from sp_shire.certificates.settings import TlsSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from ostiary.web.any_peer import AnyPeerContext

REQUEST_SECONDS: Final = 60.0
"""How long a whole request may take to arrive: here are uploads among them."""


@dataclass(frozen=True, slots=True)
class ResourceServing:
    """Everything that a listener needs."""

    application: "WSGIApplication"
    context: "Callable[[], AnyPeerContext]"
    limits: ListenerLimits


def serve_resource_over_tls(
    config: Path, application: str, tls: TlsSettings, listen: ListenSettings, *, clock: Clock, log: Log
) -> None:
    """Serves the application ``module:attribute`` behind the SHIRE of ``sp.yaml`` until SIGTERM or SIGINT: one process, with threads.

    Raises `ConfigurationError` for what can't be used.
    """
    made = make_resource_over_tls(config, application, tls, clock=clock, log=log)
    serve_tls(made.application, listen, made.context, log=log, limits=made.limits, clock=clock)


def make_resource_over_tls(
    config: Path, application: str, tls: TlsSettings, *, clock: Clock, log: Log
) -> ResourceServing:
    """The same, before anything listens. The server's certificate is looked at again while it runs."""
    # Here, so that resources without certificates need no library for it.
    from ostiary.web.any_peer import AnyPeerContext, make_any_peer_context

    def load(sources: Sources) -> AnyPeerContext:
        for path in (tls.certificate, tls.key):
            sources.note(path)
        return make_any_peer_context(tls.certificate, tls.key, whole_chain=True)

    return ResourceServing(
        make_resource(config, application, log=log, clock=clock),
        watched(Holder(load, every=LOOK_EVERY), clock, log),
        ListenerLimits(body_bytes=tls.largest_body, request_seconds=REQUEST_SECONDS),
    )
