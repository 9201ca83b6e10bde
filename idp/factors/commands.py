"""``ostiary people factors ...``: somebody's second factors, for the help desk: look at them, and take one away whose phone is lost."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from sqlalchemy import Engine

from idp.factors.recovery import RecoveryCodes
from idp.factors.store import Factors
from idp.settings import IdpSettings
from ostiary.clock import Clock
from ostiary.config import load_settings
from ostiary.errors import Missing
from ostiary.storage.engine import open_database

_OPERATOR = "operator"

FindPrincipal = Callable[[str], str | None]
"""Whose login name this is; None when it is nobody's."""

_user = click.option("--user", required=True, metavar="LOGIN_NAME", help="Whose.")


@dataclass(frozen=True, slots=True)
class _Desk:
    """What every command of the group works with."""

    factors: Factors
    codes: RecoveryCodes
    find: FindPrincipal
    clock: Clock

    def principal(self, login_name: str) -> str:
        found = self.find(login_name)
        if found is None:
            raise Missing("people.unknown", expected="a login name of this directory", found=login_name)
        return found


def factor_commands(
    *,
    prepare: Callable[[Engine], None],
    login_names: Callable[[IdpSettings], AbstractContextManager[FindPrincipal]],
    clock: Clock,
) -> click.Group:
    """The group ``factors`` below ``people``, whose option ``--config`` it reads. ``prepare`` brings the tables of a database up to date;
    ``login_names`` opens the directory that the settings name, to find whose login name something is."""

    @click.group("factors")
    @click.pass_context
    def factors(context: click.Context) -> None:
        """The second factors of people."""
        above = context.parent
        settings = load_settings(above.params["config"] if above is not None else Path(), IdpSettings)
        engine = open_database(settings.database)
        context.call_on_close(engine.dispose)
        prepare(engine)
        find = context.with_resource(login_names(settings))
        context.obj = _Desk(Factors(engine), RecoveryCodes(engine), find, clock)

    for command in (_list, _remove):
        factors.add_command(command)
    return factors


@click.command("list")
@_user
@click.pass_obj
def _list(desk: _Desk, user: str) -> None:
    """Show somebody's second factors and how many recovery codes are left."""
    principal = desk.principal(user)
    table = Table(Column("id", min_width=32, no_wrap=True), "kind", "label", "added", "last used")
    for factor in desk.factors.of(principal):
        table.add_row(factor.id, factor.kind, escape(factor.label), _shown(factor.added), _shown(factor.last_used))
    Console(soft_wrap=not Console().is_terminal).print(table)
    click.echo(f"{desk.codes.state(principal).left} recovery codes left")


@click.command("remove")
@_user
@click.argument("factor_id", required=False)
@click.option("--all", "everything", is_flag=True, help="All of them, and the recovery codes.")
@click.pass_obj
def _remove(desk: _Desk, user: str, factor_id: str | None, everything: bool) -> None:
    """Take away the second factor FACTOR_ID of somebody whose phone or key is lost. Make sure first that it is she who asks."""
    if everything == (factor_id is not None):
        raise click.UsageError("Name one FACTOR_ID (from the list), or give --all.")
    principal = desk.principal(user)
    wanted = [factor.id for factor in desk.factors.of(principal)] if factor_id is None else [factor_id]
    for one in wanted:
        desk.factors.remove(principal, one, at=desk.clock.now(), by=_OPERATOR)
    click.echo(f"{len(wanted)} removed")


def _shown(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at is not None else ""
