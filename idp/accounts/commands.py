"""``ostiary people ...``: who is in the embedded directory. Passwords come from a prompt or a private file, never from an argument."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Engine

from idp.accounts.directory import Directory, Person
from idp.accounts.passwords import MAXIMUM_PASSWORD, Passwords
from idp.settings import IdpSettings
from ostiary.clock import Clock
from ostiary.config import load_settings, read_private_file
from ostiary.errors import ConfigurationError, Missing, Refusal
from ostiary.storage.engine import open_database

_OPERATOR = "operator"

_password_file = click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A private file (mode 0600) whose first line is the password. Without it you are asked.",
)


@dataclass(frozen=True, slots=True)
class _Desk:
    """What every command of the group works with."""

    directory: Directory
    passwords: Passwords
    clock: Clock

    def person(self, login_name: str) -> Person:
        found = self.directory.find(login_name)
        if found is None:
            raise Missing("people.unknown", expected="a login name of this directory", found=login_name)
        return found


def people_commands(*, prepare: Callable[[Engine], None], clock: Clock) -> click.Group:
    """The group ``people``. ``prepare`` brings the tables of a database up to date; only the roof knows all that live in it.

    The commands raise `OstiaryError`, which the roof puts into words.
    """

    @click.group("people")
    @click.option(
        "--config",
        required=True,
        type=click.Path(path_type=Path, dir_okay=False),
        help="The configuration file of the identity provider.",
    )
    @click.pass_context
    def people(context: click.Context, config: Path) -> None:
        """The people of the embedded directory."""
        settings = load_settings(config, IdpSettings)
        if settings.people.type != "embedded":
            raise Refusal("people.elsewhere", expected="people: {type: embedded}", found=settings.people.type)
        engine = open_database(settings.database)
        context.call_on_close(engine.dispose)
        prepare(engine)
        hashing = settings.password_hashing
        context.obj = _Desk(Directory(engine), Passwords(hashing.parameters(), concurrent=1), clock)

    for command in (_add, _disable, _enable, _set_password, _rename, _set_attribute, _list):
        people.add_command(command)
    return people


@click.command("add")
@click.argument("login_name")
@_password_file
@click.option(
    "--attribute", "-a", "assignments", multiple=True, metavar="NAME=VALUE", help="An attribute; may be repeated."
)
@click.pass_obj
def _add(desk: _Desk, login_name: str, password_file: Path | None, assignments: Sequence[str]) -> None:
    """Add a person, and print her principal."""
    attributes = _assigned(assignments)
    principal = desk.directory.create(
        login_name,
        password_hash=desk.passwords.hash(_password(password_file)),
        attributes=attributes,
        at=desk.clock.now(),
        by=_OPERATOR,
    )
    click.echo(principal)


@click.command("disable")
@click.argument("login_name")
@click.pass_obj
def _disable(desk: _Desk, login_name: str) -> None:
    """Keep a person out, and end her sessions and handles."""
    desk.directory.disable(desk.person(login_name).principal, at=desk.clock.now(), by=_OPERATOR)


@click.command("enable")
@click.argument("login_name")
@click.pass_obj
def _enable(desk: _Desk, login_name: str) -> None:
    """Let a disabled person in again."""
    desk.directory.enable(desk.person(login_name).principal, at=desk.clock.now(), by=_OPERATOR)


@click.command("set-password")
@click.argument("login_name")
@_password_file
@click.pass_obj
def _set_password(desk: _Desk, login_name: str, password_file: Path | None) -> None:
    """Give a person another password."""
    person = desk.person(login_name)
    password_hash = desk.passwords.hash(_password(password_file))
    desk.directory.set_password(person.principal, password_hash, at=desk.clock.now(), by=_OPERATOR)


@click.command("rename")
@click.argument("login_name")
@click.argument("new_login_name")
@click.pass_obj
def _rename(desk: _Desk, login_name: str, new_login_name: str) -> None:
    """Give a person another login name; who she is for others does not change."""
    principal = desk.person(login_name).principal
    desk.directory.rename_login(principal, new_login_name, at=desk.clock.now(), by=_OPERATOR)


@click.command("set-attribute")
@click.argument("login_name")
@click.argument("name")
@click.argument("values", nargs=-1)
@click.pass_obj
def _set_attribute(desk: _Desk, login_name: str, name: str, values: tuple[str, ...]) -> None:
    """Replace the values of an attribute; without values, take it away."""
    principal = desk.person(login_name).principal
    desk.directory.set_attributes(principal, {name: values}, at=desk.clock.now(), by=_OPERATOR)


@click.command("list")
@click.pass_obj
def _list(desk: _Desk) -> None:
    """Show everybody, with attributes."""
    table = Table("login name", "principal", "active", "attributes")
    for person in desk.directory.all():
        attributes = desk.directory.attributes(person.principal)
        shown = "\n".join(f"{name}: {', '.join(values)}" for name, values in attributes.items())
        active = "yes" if person.active else "no"
        table.add_row(escape(person.login_name), person.principal, active, escape(shown))
    Console(soft_wrap=not Console().is_terminal).print(table)


def _assigned(assignments: Sequence[str]) -> dict[str, list[str]]:
    attributes: dict[str, list[str]] = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator:
            raise Refusal("people.assignment", expected="NAME=VALUE", found=assignment[:80], given=assignment[:80])
        attributes.setdefault(name, []).append(value)
    return attributes


def _password(file: Path | None) -> str:
    if file is None:
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    content = read_private_file(file, max_bytes=4 * MAXIMUM_PASSWORD)
    try:
        return content.decode().partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError as error:
        raise ConfigurationError("people.password_file", file=file, expected="UTF-8 text") from error
