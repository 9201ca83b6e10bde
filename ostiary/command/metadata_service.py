"""Composition of the metadata service: what is published by whom, and what its operators see."""

import functools
from datetime import datetime
from pathlib import Path
from random import SystemRandom

from flask import Flask

from ostiary.clock import Clock
from ostiary.command.metadata_child import MakeApart
from ostiary.command.watched import LOOK_NOW, Watching
from ostiary.command.wording import catalogue
from ostiary.config import load_settings
from ostiary.federation.keys import load_key_ring
from ostiary.federation.publish.publication import Publication, Record
from ostiary.federation.publish.publisher import Happened, Make, Publisher
from ostiary.web.log import Log
from ostiary.web.status import Watched, metadata_lines, own_version, problem_of
from ostiary.web.texts import Catalogue
from wayf.metadata_service import MetadataServiceStatus, Operation, PublicationLine, make_metadata_service
from wayf.metadata_settings import MetadataServiceSettings

PUBLISHER = "ostiary.publisher"
"""Under this name the application's ``extensions`` hold its `Publisher`."""


def make_metadata(config: Path, *, clock: Clock, log: Log, make: Make | None = None, on_timer: bool = True) -> Flask:
    """The metadata service of ``metadata.yaml``. ``make`` makes documents in place of a process of their own; ``on_timer``: this process
    takes its part in publishing."""
    settings = load_settings(config, MetadataServiceSettings)
    watching = Watching(clock, log)
    registry, key_ring = watching.registry(settings.trust), watching.keys(settings.trust)
    publisher = make_publisher(settings, config, clock=clock, log=log, make=make)
    started, token = clock.now(), settings.status.token()

    def status() -> MetadataServiceStatus:
        texts = _texts()
        return MetadataServiceStatus(
            version=own_version(),
            now=clock.now(),
            started=started,
            publications=tuple(_line(settings, one, record, texts) for one, record in publisher.records()),
            watched=tuple(Watched(one.name, one.read_at, problem_of(one.problem, texts)) for one in watching.reports()),
            metadata=metadata_lines(watching.sources(), texts),
        )

    app = make_metadata_service(
        settings,
        registry=registry,
        key_ring=key_ring,
        records=publisher.records,
        operation=Operation(settings.status, lambda: token, status),
        log=log,
        clock=clock,
    )
    app.extensions[LOOK_NOW] = watching.look_now
    app.extensions[PUBLISHER] = publisher
    if on_timer:
        # Whoever has only the files served by a web server asks this process nothing, so nothing else would begin to refresh.
        publisher.start(before=registry)
    return app


def make_publisher(
    settings: MetadataServiceSettings, config: Path, *, clock: Clock, log: Log, make: Make | None = None
) -> Publisher:
    """What publishes the selections of a configuration."""
    said: set[str] = set()

    def report(happened: Happened) -> None:
        name, record = happened.publication.name, happened.record
        if happened.withdrawn:
            log.error("publication_ended", publication=name, valid_until=_iso(record.valid_until))
        elif happened.problem is not None:
            log.error(
                "publication_kept",
                publication=name,
                code=happened.problem.code,
                problem=str(happened.problem),
                valid_until=_iso(record.valid_until),
                again_at=_iso(record.next_attempt),
            )
        else:
            log.info(
                "published",
                publication=name,
                entities=record.entities,
                left_out=record.left_out,
                octets=record.octets,
                valid_until=_iso(record.valid_until),
                again_at=_iso(record.next_attempt),
            )

    def broken(defect: Exception) -> None:
        # Once for each: the thread looks every few seconds.
        if str(defect) not in said:
            said.add(str(defect))
            log.error("publisher_failed", problem=str(defect), kind=type(defect).__name__)

    return Publisher(
        settings.published,
        settings.publications(),
        make or MakeApart(config, "metadata"),
        certificate=lambda: load_key_ring(settings.trust.keys).signer.certificate,
        clock=clock,
        report=report,
        broken=broken,
        chance=SystemRandom().random,
    )


def _line(
    settings: MetadataServiceSettings, publication: Publication, record: Record, texts: Catalogue
) -> PublicationLine:
    return PublicationLine(
        publication.name,
        f"{settings.public_url}/{publication.name}.xml",
        record.entities,
        record.left_out,
        record.octets,
        record.published_at,
        record.valid_until,
        record.attempted_at,
        record.next_attempt,
        problem_of(record.trouble.error(), texts) if record.trouble is not None else None,
    )


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


@functools.cache
def _texts() -> Catalogue:
    return catalogue()
