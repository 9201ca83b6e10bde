"""The group ``ostiary vo``: opens what the configuration names, and knows the modules whose commands stand in it."""

from collections.abc import Callable
from pathlib import Path

import click
from sqlalchemy import Engine

from ostiary.clock import Clock
from ostiary.storage.engine import open_database
from voms.commands import (
    access_lists,
    attributes,
    aup,
    certificates,
    exchange,
    gridmap,
    groups,
    having,
    history,
    importing,
    issuer,
    jobs,
    members,
    requests,
    vo_itself,
)
from voms.commands.working import FILE, VoGroup, Working
from voms.memberships import Memberships
from voms.several import load_vo

_PARTS = (
    vo_itself,
    groups,
    members,
    certificates,
    having,
    attributes,
    aup,
    access_lists,
    exchange,
    gridmap,
    history,
    importing,
    issuer,
    jobs,
    requests,
)


def vo_commands(*, prepare: Callable[[Engine], None], clock: Clock) -> click.Group:
    """The group ``vo``. ``prepare`` brings the tables of a database up to date; only the roof knows all that live in it.

    The commands raise `OstiaryError`, which the roof puts into words.
    """

    @click.group("vo", cls=VoGroup)
    @click.option("--config", required=True, type=FILE, help="The configuration file of the VO service (voms.yaml).")
    @click.option("--vo", "chosen", metavar="NAME", help="Which VO, where the configuration has several.")
    @click.pass_context
    def vo(context: click.Context, config: Path, chosen: str | None) -> None:
        """A virtual organisation. Every command takes --json."""
        settings = load_vo(config, chosen)
        engine = open_database(settings.database)
        context.call_on_close(engine.dispose)
        prepare(engine)
        context.obj = Working(config, settings, engine, Memberships(engine, settings.vo), clock.now())

    for part in _PARTS:
        for command in part.COMMANDS:
            vo.add_command(command)
    return vo
