"""``ostiary people persistent-ids ...``: the persistent identifiers that were given out: list, revoke, and take over from another IdP."""

import csv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Engine

from idp.identifiers.stored import ImportedId, PersistentIds
from idp.settings import IdpSettings
from ostiary.clock import Clock
from ostiary.config import load_settings
from ostiary.errors import ConfigurationError, Missing
from ostiary.storage.engine import open_database

_OPERATOR: Final = "operator"
_HEADS: Final = (["login_name", "sp", "value"], ["principal", "sp", "value"])
_REVOKED: Final = {"yes": True, "no": False, "": False}

FindPrincipal = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class _Desk:
    """What every command of the group works with. ``principal_of`` finds whose login name something is."""

    stored: PersistentIds
    principal_of: FindPrincipal
    clock: Clock

    def principal(self, login_name: str) -> str:
        found = self.principal_of(login_name)
        if found is None:
            raise Missing("people.unknown", expected="a login name of this directory", found=login_name)
        return found


def persistent_id_commands(
    *,
    prepare: Callable[[Engine], None],
    login_names: Callable[[IdpSettings], AbstractContextManager[FindPrincipal]],
    clock: Clock,
) -> click.Group:
    """The group ``persistent-ids`` below ``people``, whose option ``--config`` it reads. ``prepare`` brings the tables of a database up to
    date; ``login_names`` opens the directory that the settings name, to find whose login name something is."""

    @click.group("persistent-ids")
    @click.pass_context
    def persistent_ids(context: click.Context) -> None:
        """The persistent identifiers of people at resources."""
        above = context.parent
        settings = load_settings(above.params["config"] if above is not None else Path(), IdpSettings)
        engine = open_database(settings.database)
        context.call_on_close(engine.dispose)
        prepare(engine)
        context.obj = _Desk(PersistentIds(engine), context.with_resource(login_names(settings)), clock)

    for command in (_list, _revoke, _import):
        persistent_ids.add_command(command)
    return persistent_ids


@click.command("list")
@click.option("--login-name", help="Those of one person.")
@click.pass_obj
def _list(desk: _Desk, login_name: str | None) -> None:
    """Show who has which identifier where; the revoked ones, too."""
    principal = desk.principal(login_name) if login_name is not None else None
    table = Table("principal", "resource", "identifier", "from", "issued", "revoked")
    for known in desk.stored.all(principal):
        revoked = known.revoked.isoformat(timespec="seconds") if known.revoked is not None else ""
        issued = known.issued.isoformat(timespec="seconds")
        table.add_row(known.principal, escape(known.sp), escape(known.value), known.origin, issued, revoked)
    Console(soft_wrap=not Console().is_terminal).print(table)


@click.command("revoke")
@click.argument("login_name")
@click.argument("sp")
@click.pass_obj
def _revoke(desk: _Desk, login_name: str, sp: str) -> None:
    """Let the identifier of a person at the resource SP (its entityID) name nobody from now on. Her next login there gives her another."""
    desk.stored.revoke(desk.principal(login_name), sp, at=desk.clock.now(), by=_OPERATOR)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def _import(desk: _Desk, file: Path) -> None:
    """Take over what another identity provider gave out: a CSV FILE (UTF-8) whose first line is login_name,sp,value or
    principal,sp,value, with a further column revoked (yes or no) if you like. All of it is taken, or nothing."""
    taken = desk.stored.import_all(_entries(desk, file), at=desk.clock.now(), by=_OPERATOR)
    click.echo(taken)


def _entries(desk: _Desk, file: Path) -> Iterator[ImportedId]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = csv.reader(opened, strict=True)
            head = next(rows, [])
            if head[:3] not in _HEADS or head[3:] not in ([], ["revoked"]):
                raise _not_a_list(file, ",".join(head)[:200], 1)
            for row in rows:
                revoked = _REVOKED.get(row[3]) if len(row) > 3 else False
                if len(row) != len(head) or revoked is None:
                    raise _not_a_list(file, f"{len(row)} columns, or a word in the fourth", rows.line_num)
                principal = desk.principal(row[0]) if head[0] == "login_name" else row[0]
                yield ImportedId(principal, row[1], row[2], revoked)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _not_a_list(file, str(error), None) from None


def _not_a_list(file: Path, found: str, line: int | None) -> ConfigurationError:
    expected = "CSV with the columns login_name or principal, sp, value, and perhaps revoked"
    return ConfigurationError("identifiers.import_file", file=file, line=line, expected=expected, found=found)
