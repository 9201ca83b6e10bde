"""The discovery service as a Flask application: the page, the JSON feed, the metadata queries."""

import gc
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock, Thread
from typing import Final

from flask import Flask, Response

from ostiary.clock import Clock
from ostiary.federation.directory import Directory
from ostiary.federation.discovery_feed import Feed
from ostiary.federation.discovery_json import listing
from ostiary.federation.keys import KeyRing
from ostiary.federation.publish.publication import Publication
from ostiary.federation.publish.publisher import Make
from ostiary.federation.publish.signed_entities import SignedEntities
from ostiary.federation.registry import Registry
from ostiary.federation.sources.selection import Selection
from ostiary.saml.keys import Signer
from ostiary.web.branding import make_branding
from ostiary.web.log import Log
from ostiary.web.pages import Pages
from ostiary.web.service import make_service, page
from ostiary.web.texts import Catalogue
from wayf.choosing import Choosing, add_choosing
from wayf.logos.serving import add_logos, logo_addresses
from wayf.logos.shelf import Shelf
from wayf.mdq_endpoints import add_entity_queries
from wayf.search import Searching, add_search, send_document
from wayf.settings import WayfSettings
from wayf.whole import WholeRegistry

HERE: Final = Path(__file__).parent
TEXTS: Final = HERE / "texts"
TEMPLATES: Final = HERE / "templates"
_MANY: Final = 500


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """Everything derived from one registry and one key ring; swapped as a whole when either is reloaded."""

    registry: Registry
    keys: KeyRing
    directory: Directory
    feed: Feed
    listing: Feed


class _Metadata:
    """Gives the snapshot that belongs to the registry and the keys of the moment."""

    def __init__(
        self,
        registry: Callable[[], Registry],
        key_ring: Callable[[], KeyRing],
        make: Callable[[Registry, KeyRing, datetime], _Snapshot],
    ) -> None:
        self._registry = registry
        self._key_ring = key_ring
        self._make = make
        self._lock = Lock()
        self._snapshot: _Snapshot | None = None

    def at(self, now: datetime) -> _Snapshot:
        registry, keys = self._registry(), self._key_ring()
        with self._lock:
            kept = self._snapshot
            if kept is None or kept.registry is not registry or kept.keys is not keys:
                kept = self._snapshot = self._make(registry, keys, now)
            return kept


def make_wayf(
    settings: WayfSettings,
    *,
    registry: Callable[[], Registry],
    key_ring: Callable[[], KeyRing],
    log: Log,
    clock: Clock,
    make_whole: Make | None = None,
) -> Flask:
    """The application. ``registry`` and ``key_ring`` give the snapshots of the moment, new objects whenever they were reloaded.
    ``make_whole`` makes the document of a large federation, outside of this process.

    Routes below the public URL: ``/discovery`` and ``/WAYF`` (IdP Discovery Protocol, and the original Shibboleth's request), ``/feed``,
    ``/suggest`` and ``/entities`` (search), ``/logo/<key>.png``, ``/mdq/entities`` and ``/mdq/entities/<identifier>``.
    """

    def snapshot(registry: Registry, keys: KeyRing, now: datetime) -> _Snapshot:
        directory = Directory(registry, now)
        if len(directory) > _MANY:
            # So that nobody's first search waits for it.
            Thread(target=_prepare, args=(directory,), daemon=True).start()
        return _Snapshot(registry, keys, directory, Feed(directory), Feed(directory, listing))

    metadata = _Metadata(registry, key_ring, snapshot)
    shelf = Shelf(settings.logos.directory) if settings.logos is not None else None
    choosing = Choosing(settings, metadata.at, clock, logo_addresses(shelf, clock) if shelf is not None else None)
    pages = Pages(Catalogue.load(TEXTS), [TEMPLATES])
    look = make_branding(settings.branding, pages, file=Path("wayf.yaml"))
    app = make_service(
        __name__,
        service_name=settings.service_name,
        pages=pages,
        public_url=settings.public_url,
        log=log,
        clock=clock,
        # No form of this service posts, so no CSRF token has to outlive the process.
        secret=secrets.token_bytes(32),
        trusted_proxies=settings.trusted_proxies,
        assets=choosing.assets,
        branding=lambda: look,
    )

    @app.get("/")
    def start() -> Response:
        return page("start.html")

    add_choosing(app, choosing)
    if shelf is not None:
        add_logos(app, shelf)
    add_search(app, Searching(settings, metadata.at, choosing, clock))

    @app.get("/feed")
    def feed() -> Response:
        now = clock.now()
        return send_document(metadata.at(now).feed.at(now))

    whole = WholeRegistry(whole_federation(settings), make_whole)

    def moment(now: datetime) -> tuple[Registry, Signer]:
        known = metadata.at(now)
        return known.registry, known.keys.signer

    add_entity_queries(
        app,
        "/mdq",
        moment=moment,
        signed=SignedEntities(validity=settings.validity, cache_duration=settings.cache_duration),
        aggregate=lambda now, gzipped: whole.open(*moment(now), now, gzipped=gzipped),
        clock=clock,
    )
    return app


def _prepare(directory: Directory) -> None:
    directory.prepare()
    # Some hundred thousand objects that stay until the metadata changes, and then go by themselves, as none of them is part of a cycle:
    # whenever cycles are looked for among them all, somebody waits a tenth of a second.
    gc.collect(1)
    gc.freeze()


def whole_federation(settings: WayfSettings) -> Publication:
    """What this service hands out as one document."""
    return Publication(
        "all",
        settings.federation_name,
        Selection(),
        valid_for=settings.validity,
        cache_duration=settings.cache_duration,
    )
