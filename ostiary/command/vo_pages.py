"""Composition of the VO's pages: for people with a certificate on the VO's own listener, and for people of a federation behind the SP
middleware."""

import secrets
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Flask
from sqlalchemy import Engine

from ostiary.clock import Clock
from ostiary.command.vo_parts import OneVo
from ostiary.command.watched import BEGIN, LOOK_EVERY, LOOK_NOW, Watching, watched
from ostiary.config import DatabaseSettings, Holder, Sources, read_private_file
from ostiary.documents import policies
from ostiary.errors import ConfigurationError
from ostiary.storage.engine import open_database
from ostiary.web.log import Log
from ostiary.web.texts import Catalogue
from ostiary.x509.trust import TrustDirectory, load_trust_directory
from sp_shire.adapters.wsgi import ShireMiddleware
from sp_shire.assembly import make_shire, stores_in
from sp_shire.settings import DisplaySettings, RequestedAttributeSettings, ShireSettings
from voms.memberships import Memberships
from voms.pages.desk import DESK
from voms.pages.frame import make_pages
from voms.pages.groups import GROUPS
from voms.pages.history import HISTORY
from voms.pages.lists import LISTS
from voms.pages.many import MANY
from voms.pages.member import MEMBER
from voms.pages.members import MEMBERS
from voms.pages.overview import OVERVIEW
from voms.pages.own import OWN
from voms.pages.policy import POLICY
from voms.pages.settings import HANDLER_PATH, PAGES_PATH, PagesSettings
from voms.pages.visitors import BySession, ServedVo, by_certificate
from voms.requests.opening import open_office
from voms.service import TEXTS, require_vo
from voms.settings import VomsSettings
from voms.several import load_vos

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


BLUEPRINTS: Final[tuple[Blueprint, ...]] = (
    *(OVERVIEW, OWN, GROUPS, MEMBERS, MANY, MEMBER),
    *(LISTS, POLICY, DESK, HISTORY),
)
"""All pages of a VO, in whatever way people come to them."""

_TOLD: Final = ("displayName", "givenName", "sn", "mail", "o")
"""What a home organisation may tell to fill in forms with; the VO asks for it, and does without."""


def pages_parts(one: OneVo) -> "Mapping[str, WSGIApplication]":
    """The pages for who shows a certificate to the listener of the VO; nothing where the configuration says so."""
    if not one.settings.certificate_pages:
        return {}
    catalogue = Catalogue.load(TEXTS)
    office = open_office(one.settings, one.engine, catalogue, one.clock.now, one.log)
    address = f"https://{one.settings.host}:{one.settings.port}"
    app = make_pages(
        [ServedVo(one.settings, one.engine, one.trust, office)],
        by_certificate,
        BLUEPRINTS,
        service_name=one.settings.vo,
        public_url=address,
        # One process serves them: a form from before its start is sent once more.
        secret=secrets.token_bytes(32),
        log=one.log,
        clock=one.clock,
        entity_id=f"{address} {one.settings.vo}",
        sign_out=False,
    )
    return dict.fromkeys(("/", PAGES_PATH, "/assets"), app)


def pages_settings(config: Path) -> PagesSettings:
    """What ``voms.yaml`` says of the pages to which people log in: once for all its VOs. Raises `ConfigurationError` (``voms.no_pages``,
    ``voms.pages_differ``)."""
    found = [settings.pages for settings in load_vos(config) if settings.pages is not None]
    if not found:
        raise ConfigurationError("voms.no_pages", file=config, key="pages", expected="pages", found="none")
    if any(each != found[0] for each in found):
        raise ConfigurationError(
            "voms.pages_differ", file=config, key="pages", expected="the same for every VO", found="several"
        )
    return found[0]


def shire_settings(pages: PagesSettings, *, workers: int = 1) -> ShireSettings:
    """The pages as a resource: whoever logs in may come, and is known by what her home organisation says of her."""
    chosen = pages.discovery_url is not None or pages.identity_provider is not None
    return ShireSettings(
        entity_id=pages.entity_id,
        public_url=pages.public_url,
        display=DisplaySettings(name=pages.display_name, support_email=pages.support_email),
        trust=pages.trust,
        protected=(PAGES_PATH,),
        handler_path=HANDLER_PATH,
        discovery_url=pages.discovery_url,
        identity_provider=pages.identity_provider,
        discovery=None if chosen else "embedded",
        accept=pages.accept or (policies() / "acceptance" / "default.yaml",),
        access=(policies() / "access" / "own" / "vo-pages.yaml",),
        requested_attributes=tuple(RequestedAttributeSettings(name=name) for name in (*pages.identifiers, *_TOLD)),
        store=pages.store,
        trusted_proxies=pages.trusted_proxies,
        workers=workers if pages.store is not None else 1,
    )


def make_vo_pages(config: Path, *, upgrade: Callable[[Engine], None], clock: Clock, log: Log) -> Flask:
    """The pages of every VO of ``voms.yaml`` that has some, behind the SP middleware. ``upgrade`` brings a database's tables up to date.

    Raises `ConfigurationError` for what can't be used, `Unavailable` for a database that does not answer.
    """
    pages = pages_settings(config)
    catalogue = Catalogue.load(TEXTS)
    engines: dict[DatabaseSettings, Engine] = {}
    served = []
    for settings in load_vos(config):
        if settings.pages is None:
            continue
        if settings.database not in engines:
            engines[settings.database] = open_database(settings.database)
            upgrade(engines[settings.database])
        engine = engines[settings.database]
        require_vo(Memberships(engine, settings.vo), config)
        office = open_office(settings, engine, catalogue, clock.now, log)
        served.append(ServedVo(settings, engine, _trust(settings, clock, log), office))
    watching = Watching(clock, log)
    shire = make_shire(
        shire_settings(pages, workers=pages.listen.workers),
        clock=clock,
        log=log,
        stores=stores_in(served[0].engine, pages.entity_id) if pages.store is None else None,
        registry=watching.registry(pages.trust),
    )
    app = make_pages(
        served,
        BySession(pages.identifiers),
        BLUEPRINTS,
        service_name=pages.display_name,
        public_url=pages.public_url,
        secret=watching.watch("forms", lambda sources: _secrets(pages.trust.keys, sources)),
        log=log,
        clock=clock,
        entity_id=pages.entity_id,
        trusted_proxies=pages.trusted_proxies,
    )
    app.wsgi_app = ShireMiddleware(app.wsgi_app, shire)  # type: ignore[method-assign]
    app.extensions[LOOK_NOW] = watching.look_now
    app.extensions[BEGIN] = watching.begin
    return app


def _trust(settings: VomsSettings, clock: Clock, log: Log) -> Callable[[], TrustDirectory]:
    def load(sources: Sources) -> TrustDirectory:
        return load_trust_directory(settings.ca_directory, sources=sources, require_crl=settings.require_crl)

    return watched(Holder(load, every=LOOK_EVERY), clock, log)


def _secrets(keys: Path, sources: Sources) -> tuple[bytes, ...]:
    """A secret for forms from each signing key of the service, the current one first: the same in every process and on every node."""
    found = []
    for name in ("current.key", "next.key"):
        path = keys / name
        sources.note(path)
        if path.exists():
            found.append(sha256(b"ostiary vo pages\0" + read_private_file(path)).digest())
    return tuple(found)
