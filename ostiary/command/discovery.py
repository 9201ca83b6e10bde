"""Composition of the discovery service."""

from pathlib import Path

from flask import Flask

from ostiary.clock import Clock
from ostiary.command.watched import LOOK_NOW, Watching
from ostiary.config import load_settings
from ostiary.web.log import Log
from wayf.service import make_wayf
from wayf.settings import WayfSettings


def make_discovery(config: Path, *, clock: Clock, log: Log) -> Flask:
    """The WAYF of ``wayf.yaml``."""
    settings = load_settings(config, WayfSettings)
    watching = Watching(clock, log)
    app = make_wayf(
        settings,
        registry=watching.registry(settings.trust),
        key_ring=watching.keys(settings.trust),
        log=log,
        clock=clock,
    )
    app.extensions[LOOK_NOW] = watching.look_now
    return app
