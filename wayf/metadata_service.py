"""The metadata service as a Flask application: published documents, signed answers about single entities, a page and a status. Offers no
discovery, and makes no document in the process that serves.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from flask import Flask, Response, url_for

from ostiary.clock import Clock
from ostiary.errors import Unavailable
from ostiary.federation.keys import KeyRing
from ostiary.federation.publish.publication import Publication, Record
from ostiary.federation.publish.published import OpenDocument, Place, open_document
from ostiary.federation.publish.signed_entities import SignedEntities
from ostiary.federation.registry import Registry
from ostiary.saml.keys import Signer
from ostiary.web.branding import make_branding
from ostiary.web.log import Log
from ostiary.web.operators import StatusSettings
from ostiary.web.pages import Pages
from ostiary.web.service import make_service, page
from ostiary.web.status import MetadataLine, Problem, Watched
from ostiary.web.status_page import add_status_page
from ostiary.web.texts import Catalogue
from wayf.mdq_endpoints import add_aggregate, add_entity_queries
from wayf.metadata_settings import MetadataServiceSettings
from wayf.whole import Aggregate

HERE: Final = Path(__file__).parent
TEXTS: Final = HERE / "texts"
TEMPLATES: Final = HERE / "templates"


@dataclass(frozen=True, slots=True)
class PublicationLine:
    """How one publication stands; see `Record`. ``problem``: why the last attempt did not publish."""

    name: str
    url: str
    entities: int
    left_out: int
    octets: int
    published_at: datetime | None
    valid_until: datetime | None
    attempted_at: datetime | None
    next_attempt: datetime | None
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class MetadataServiceStatus:
    """The service at one moment."""

    version: str
    now: datetime
    started: datetime
    publications: tuple[PublicationLine, ...]
    watched: tuple[Watched, ...]
    metadata: tuple[MetadataLine, ...]

    @property
    def good(self) -> bool:
        """Whether nothing waits for the operator."""
        return (
            all(line.problem is None and line.valid_until is not None for line in self.publications)
            and all(watched.problem is None for watched in self.watched)
            and all(line.problem is None for line in self.metadata)
        )

    @property
    def serves(self) -> bool:
        """Whether each publication has a document that counts."""
        return all(line.valid_until is not None and self.now < line.valid_until for line in self.publications)


@dataclass(frozen=True, slots=True)
class Operation:
    """What operators see, each of the moment. ``token`` is that of the status page."""

    settings: StatusSettings
    token: Callable[[], bytes | None]
    status: Callable[[], MetadataServiceStatus]


def make_metadata_service(
    settings: MetadataServiceSettings,
    *,
    registry: Callable[[], Registry],
    key_ring: Callable[[], KeyRing],
    records: Callable[[], tuple[tuple[Publication, Record], ...]],
    operation: Operation,
    log: Log,
    clock: Clock,
) -> Flask:
    """The application. ``registry`` and ``key_ring`` give the snapshots of the moment, ``records`` what is known of the publications.

    Routes below the public URL, for a selection called ``name``: ``/name.xml`` (its document), ``/name/entities`` (the same, by the
    Metadata Query Protocol) and ``/name/entities/<identifier>``; and ``/entities`` with ``/entities/<identifier>`` for the first selection.
    """
    pages = Pages(Catalogue.load(TEXTS), [TEMPLATES])
    look = make_branding(settings.branding, pages, file=Path("metadata.yaml"))
    publications = settings.publications()

    def check_health() -> None:
        now = clock.now()
        missing = [publication.name for publication, record in records() if not record.is_out(now)]
        if missing:
            raise Unavailable("publish.nothing_out", expected="a valid document each", found=", ".join(missing))

    app = make_service(
        __name__,
        service_name=settings.service_name,
        pages=pages,
        public_url=settings.public_url,
        log=log,
        clock=clock,
        # No form of this service posts.
        secret=secrets.token_bytes(32),
        trusted_proxies=settings.trusted_proxies,
        check_health=check_health,
        branding=lambda: look,
    )

    def moment(now: datetime) -> tuple[Registry, Signer]:
        return registry(), key_ring().signer

    for number, publication in enumerate(publications):
        document = _document_of(Place(settings.published, publication.name))
        signed = SignedEntities(
            validity=publication.valid_for,
            cache_duration=publication.cache_duration,
            publisher=publication.publisher,
        )
        path = f"/{publication.name}.xml"
        add_aggregate(app, path, document, clock=clock, cache_duration=publication.cache_duration)
        for base in (f"/{publication.name}", *([""] if number == 0 else [])):
            add_entity_queries(
                app,
                base,
                moment=moment,
                signed=signed,
                aggregate=document,
                clock=clock,
                keeps=publication.selection.keeps,
            )

    @app.get("/")
    def start() -> Response:
        now = clock.now()
        shown = [
            (publication.name, url_for(f"all:/{publication.name}.xml"), record if record.is_out(now) else None)
            for publication, record in records()
        ]
        return page("published.html", shown=shown, queries=f"{settings.public_url}/")

    def show(found: object, code: int) -> Response:
        return page("published_status.html", status=code, found=found, wide=True)

    add_status_page(
        app,
        settings=lambda: operation.settings,
        token=operation.token,
        status=operation.status,
        answers=lambda found: isinstance(found, MetadataServiceStatus) and found.serves,
        show=show,
        trusted_proxies=settings.trusted_proxies,
    )
    return app


def _document_of(place: Place) -> Aggregate:
    def opened(now: datetime, gzipped: bool) -> OpenDocument | None:
        return open_document(place.compressed if gzipped else place.document, now)

    return opened
