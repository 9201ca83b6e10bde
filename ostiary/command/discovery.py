"""Composition of the discovery service."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

from flask import Flask

from ostiary.clock import Clock
from ostiary.command.metadata_child import MakeApart
from ostiary.command.watched import BEGIN, LOOK_NOW, Watching
from ostiary.command.wording import catalogue
from ostiary.config import load_settings
from ostiary.federation.registry import Registry
from ostiary.federation.summary import Summary
from ostiary.web.log import Log
from ostiary.web.status import ServiceStatus, Watched, metadata_lines, own_version, problem_of
from ostiary.web.status_page import add_status_page, show_service_status
from wayf.logos.collecting import Collecting
from wayf.logos.shelf import Shelf
from wayf.service import make_wayf
from wayf.settings import WayfSettings


def make_discovery(config: Path, *, clock: Clock, log: Log) -> Flask:
    """The WAYF of ``wayf.yaml``."""
    settings = load_settings(config, WayfSettings)
    watching = Watching(clock, log)
    registry = watching.registry(settings.trust)
    app = make_wayf(
        settings,
        registry=registry,
        key_ring=watching.keys(settings.trust),
        log=log,
        clock=clock,
        make_whole=MakeApart(config, "wayf"),
    )
    app.extensions[LOOK_NOW] = watching.look_now
    app.extensions[BEGIN] = watching.begin
    if settings.logos is not None:
        shelf = Shelf(settings.logos.directory)
        offered = partial(_identity_providers, registry)
        Collecting(settings.logos, shelf, offered, clock=clock, log=log).start()
    started, texts, token = clock.now(), catalogue(), settings.status.token()

    def status() -> ServiceStatus:
        sources = metadata_lines(watching.sources(), texts)
        watched = tuple(Watched(one.name, one.read_at, problem_of(one.problem, texts)) for one in watching.reports())
        return ServiceStatus(own_version(), clock.now(), started, watched, sources)

    add_status_page(
        app,
        settings=lambda: settings.status,
        token=lambda: token,
        status=status,
        answers=lambda found: True,
        show=show_service_status,
        trusted_proxies=settings.trusted_proxies,
    )
    return app


def _identity_providers(registry: Callable[[], Registry], now: datetime) -> Iterator[Summary]:
    return registry().summaries(now, "idp")
