"""Composition of the VO service: which database, CA directory and signature it gets, and the listener in front of it."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

import ostiary.audit.tables
import voms.tables
from ostiary.clock import Clock
from ostiary.command.watched import LOOK_EVERY, watched
from ostiary.config import Holder, ListenSettings, Sources, load_settings
from ostiary.storage import migrate
from ostiary.storage.engine import open_database
from ostiary.web.listener import make_context, serve_tls
from ostiary.web.log import Log
from ostiary.x509.issuer_key import IssuerKey, load_issuer_key
from ostiary.x509.trust import TrustDirectory, load_trust_directory
from voms.issuing import Issuer
from voms.memberships import Memberships
from voms.service import VoAuthority, VomsService, require_vo
from voms.settings import VomsSettings

# Every branch of tables that stands in a VO's database.
MIGRATIONS: Final = (migrate.MIGRATIONS, ostiary.audit.tables.MIGRATIONS, voms.tables.MIGRATIONS)


def upgrade_vo(engine: Engine) -> None:
    """Brings a VO's database to the present state of its tables."""
    migrate.upgrade(engine, MIGRATIONS)


@dataclass(frozen=True, slots=True)
class VoServing:
    """Everything that a listener needs."""

    service: VomsService
    listen: ListenSettings
    context: Callable[[], ssl.SSLContext]


def serve_vo(config: Path, *, clock: Clock, log: Log) -> None:
    """Serves the VO of ``voms.yaml`` until SIGTERM or SIGINT."""
    made = make_vo_service(config, clock=clock, log=log)
    serve_tls(made.service, made.listen, made.context, log=log, legacy=made.service.legacy, clock=clock)


def make_vo_service(config: Path, *, clock: Clock, log: Log) -> VoServing:
    """The VO service of ``voms.yaml``. Certificates, the CA directory and its CRLs are looked at again while it runs.

    Raises `ConfigurationError` for what can't be used, `Unavailable` for a database that does not answer.
    """
    settings = load_settings(config, VomsSettings)
    engine = open_database(settings.database)
    upgrade_vo(engine)
    memberships = Memberships(engine, settings.vo)
    require_vo(memberships, config)

    def load_trust(sources: Sources) -> TrustDirectory:
        return load_trust_directory(settings.ca_directory, sources=sources, require_crl=settings.require_crl)

    def load_key(sources: Sources) -> IssuerKey:
        return load_issuer_key(settings.certificate, settings.key, sources)

    trust = watched(Holder(load_trust, every=LOOK_EVERY), clock, log)
    key = watched(Holder(load_key, every=LOOK_EVERY), clock, log)
    service = VomsService(
        VoAuthority(
            memberships,
            trust=trust,
            issuer=lambda: Issuer(key(), settings.host, settings.port, settings.name_form),
            engine=engine,
            longest=settings.longest_lifetime,
        ),
        log=log,
        clock=clock,
    )
    return VoServing(service, settings.listen, _RenewedContext(settings, trust, key))


class _RenewedContext:
    """The TLS context of the moment: made anew when the certificate or the CA directory has changed."""

    def __init__(
        self, settings: VomsSettings, trust: Callable[[], TrustDirectory], key: Callable[[], IssuerKey]
    ) -> None:
        self._settings = settings
        self._trust = trust
        self._key = key
        self._made: tuple[TrustDirectory, IssuerKey, ssl.SSLContext] | None = None

    def __call__(self) -> ssl.SSLContext:
        trust, key, made = self._trust(), self._key(), self._made
        if made is not None and made[0] is trust and made[1] is key:
            return made[2]
        context = make_context(self._settings.certificate, self._settings.key, trust.certificates())
        self._made = (trust, key, context)
        return context
