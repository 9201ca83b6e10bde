"""Composition of the discovery service."""

from pathlib import Path

from flask import Flask

from ostiary.clock import Clock
from ostiary.command.watched import watched_keys, watched_registry
from ostiary.config import load_settings
from ostiary.web.log import Log
from wayf.service import make_wayf
from wayf.settings import WayfSettings


def make_discovery(config: Path, *, clock: Clock, log: Log) -> Flask:
    """The WAYF of ``wayf.yaml``."""
    settings = load_settings(config, WayfSettings)
    return make_wayf(
        settings,
        registry=watched_registry(settings.trust, clock, log),
        key_ring=watched_keys(settings.trust, clock, log),
        log=log,
        clock=clock,
    )
