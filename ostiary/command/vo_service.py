"""Composition of the VO service: which database, CA directory and signature each VO gets, and the listener in front of it."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Engine

import ostiary.audit.tables
import voms.tables
from ostiary.clock import Clock
from ostiary.command.vo_api import api_parts
from ostiary.command.vo_gridmap import gridmap_parts
from ostiary.command.vo_parts import OneVo, Part
from ostiary.command.vo_status import status_parts
from ostiary.command.vo_tokens import token_parts
from ostiary.command.watched import LOOK_EVERY, watched
from ostiary.config import DatabaseSettings, Holder, ListenSettings, Sources
from ostiary.storage import migrate
from ostiary.storage.engine import open_database
from ostiary.web.by_path import ByPath
from ostiary.web.listener import ListenerLimits, TlsListener, make_context, serve_listeners
from ostiary.web.log import Log
from ostiary.x509.trust import TrustDirectory, load_trust_directory
from voms.issuing import Issuer
from voms.jobs.opening import job_thread
from voms.memberships import Memberships
from voms.renewal import load_issuer
from voms.service import VoAuthority, VomsService, require_vo
from voms.settings import VomsSettings
from voms.several import load_vos

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# Every branch of tables that stands in a VO's database.
MIGRATIONS: Final = (migrate.MIGRATIONS, ostiary.audit.tables.MIGRATIONS, voms.tables.MIGRATIONS)


def upgrade_vo(engine: Engine) -> None:
    """Brings a VO's database to the present state of its tables."""
    migrate.upgrade(engine, MIGRATIONS)


# As much as the most that may be asked for: 100 names in fqans and in order, and 100 targets, of 255 characters each.
LIMITS: Final = ListenerLimits(line_bytes=80 * 1024, head_bytes=96 * 1024, body_bytes=256 * 1024)


def _pages(one: OneVo) -> "Mapping[str, WSGIApplication]":
    # Commands that work on the database need no pages: loading them would take a quarter of each command's time.
    from ostiary.command.vo_pages import pages_parts

    return pages_parts(one)


PARTS: Final[tuple[Part, ...]] = (status_parts, token_parts, gridmap_parts, api_parts, _pages)


@dataclass(frozen=True, slots=True)
class VoServing:
    """Everything that a listener needs. ``service`` is the one that answers for attribute certificates, ``application`` everything."""

    vo: OneVo
    service: VomsService
    application: "WSGIApplication"
    listen: ListenSettings
    context: Callable[[], ssl.SSLContext]


def serve_vo(config: Path, *, clock: Clock, log: Log) -> None:
    """Serves every VO of ``voms.yaml`` until SIGTERM or SIGINT."""
    made = make_vo_services(config, clock=clock, log=log)
    beside = [job_thread(each.vo.settings, each.vo.engine, clock, log) for each in made]
    for thread in beside:
        if thread is not None:
            thread.start()
    serve_listeners([listener_of(each, clock=clock, log=log) for each in made], log=log)


def listener_of(made: VoServing, *, clock: Clock, log: Log) -> TlsListener:
    """The listener of one VO, not yet started."""
    return TlsListener(
        made.application,
        made.listen,
        made.context,
        log=log,
        limits=LIMITS,
        legacy=made.service.legacy,
        refusal=made.service.refusal,
        clock=clock,
    )


def make_vo_services(config: Path, *, clock: Clock, log: Log) -> tuple[VoServing, ...]:
    """The service of each VO of ``voms.yaml``. Certificates, CA directories and CRLs are looked at again while it runs.

    Raises `ConfigurationError` for what can't be used, `Unavailable` for a database that does not answer.
    """
    engines: dict[DatabaseSettings, Engine] = {}
    made = []
    for settings in load_vos(config):
        if settings.database not in engines:
            engines[settings.database] = open_database(settings.database)
            upgrade_vo(engines[settings.database])
        made.append(_vo_service(config, settings, engines[settings.database], clock, log))
    return tuple(made)


def _vo_service(config: Path, settings: VomsSettings, engine: Engine, clock: Clock, log: Log) -> VoServing:
    memberships = Memberships(engine, settings.vo)
    require_vo(memberships, config)

    def load_trust(sources: Sources) -> TrustDirectory:
        return load_trust_directory(settings.ca_directory, sources=sources, require_crl=settings.require_crl)

    trust = watched(Holder(load_trust, every=LOOK_EVERY), clock, log)
    issuer = watched(Holder(lambda sources: load_issuer(settings, sources), every=LOOK_EVERY), clock, log)
    authority = VoAuthority(memberships, trust=trust, issuer=issuer, engine=engine, longest=settings.longest_lifetime)
    service = VomsService(authority, log=log, clock=clock)
    vo = OneVo(config, settings, engine, memberships, authority, trust, issuer, clock, log)
    parts = {path: application for part in PARTS for path, application in part(vo).items()}
    context = _RenewedContext(settings, trust, issuer)
    return VoServing(vo, service, ByPath(parts, service), settings.listen, context)


class _RenewedContext:
    """The TLS context of the moment: made anew when the certificate or the CA directory has changed."""

    def __init__(
        self, settings: VomsSettings, trust: Callable[[], TrustDirectory], issuer: Callable[[], Issuer]
    ) -> None:
        self._settings = settings
        self._trust = trust
        self._issuer = issuer
        self._made: tuple[TrustDirectory, Issuer, ssl.SSLContext] | None = None

    def __call__(self) -> ssl.SSLContext:
        trust, issuer, made = self._trust(), self._issuer(), self._made
        if made is not None and made[0] is trust and made[1] is issuer:
            return made[2]
        # Not required in the handshake: what is for everybody (the list of what was revoked, for instance) needs none.
        context = make_context(
            self._settings.certificate, self._settings.key, trust.certificates(), require_client_certificate=False
        )
        self._made = (trust, issuer, context)
        return context
