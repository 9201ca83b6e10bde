"""Composition of the port that asks browsers for their certificates: the identity provider's application behind our own TLS listener."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from idp.login.certificate_port import CertificatePort
from idp.login.settings import CertificateMethodSettings, CertificatePortSettings
from idp.settings import IdpSettings
from ostiary.clock import Clock
from ostiary.command.home import make_home_idp
from ostiary.command.watched import LOOK_EVERY, watched
from ostiary.config import Holder, ListenSettings, Sources, load_settings
from ostiary.errors import ConfigurationError
from ostiary.web.listener import make_context, serve_tls
from ostiary.web.log import Log
from ostiary.x509.trust import TrustDirectory, load_trust_directory


@dataclass(frozen=True, slots=True)
class CertificateServing:
    """Everything that a listener needs."""

    application: CertificatePort
    listen: ListenSettings
    context: Callable[[], ssl.SSLContext]


def serve_certificate_port(config: Path, authority: Path, *, clock: Clock, log: Log) -> None:
    """Serves the port of ``idp.yaml`` that asks for certificates until SIGTERM or SIGINT. Raises as `make_certificate_port`."""
    made = make_certificate_port(config, authority, clock=clock, log=log)
    serve_tls(made.application, made.listen, made.context, log=log, clock=clock)


def make_certificate_port(config: Path, authority: Path, *, clock: Clock, log: Log) -> CertificateServing:
    """The application behind that port. Its certificate, the CA directory and the CRLs are looked at again while it runs.

    Raises `ConfigurationError` (``login.no_certificate_port``, and for what can't be used).
    """
    settings = load_settings(config, IdpSettings)
    method, port = required_port(settings, config)
    application = CertificatePort(
        make_home_idp(config, authority, clock=clock, log=log),
        public_url=port.public_url,
        service_url=settings.public_url,
    )

    def load(sources: Sources) -> ssl.SSLContext:
        trust: TrustDirectory = load_trust_directory(
            method.ca_directory, sources=sources, require_crl=method.require_crl
        )
        for path in (port.certificate, port.key):
            sources.note(path)
        # Not required in the handshake: who has none is told so on a page, with the way back to the form.
        return make_context(port.certificate, port.key, trust.certificates(), require_client_certificate=False)

    return CertificateServing(application, port.listen, watched(Holder(load, every=LOOK_EVERY), clock, log))


def required_port(settings: IdpSettings, config: Path) -> tuple[CertificateMethodSettings, CertificatePortSettings]:
    """The port of the settings. Raises `ConfigurationError` (``login.no_certificate_port``)."""
    method = settings.login.certificates()
    if method is None or method.port is None:
        raise ConfigurationError(
            "login.no_certificate_port", file=config, key="login.methods", expected="type: certificate with port"
        )
    return method, method.port
