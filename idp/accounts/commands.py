"""``ostiary people ...``: who is in the embedded directory. Passwords come from a prompt or a private file, never from an argument."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Engine

from idp.accounts.certificate_commands import add_certificate, remove_certificate
from idp.accounts.desk import (
    OPERATOR,
    Desk,
    assigned,
    attribute_options,
    given_password,
    keep_password,
    password_file,
    show,
)
from idp.accounts.directory import Directory, Person
from idp.accounts.exchange_commands import export, import_
from idp.accounts.history_commands import history
from idp.accounts.opening import open_accounts
from idp.accounts.password_commands import must_change, reset_link, set_password
from idp.accounts.passwords import Passwords
from idp.accounts.registration_commands import approve, pending, reject
from idp.people import EmbeddedPeople
from idp.settings import IdpSettings
from ostiary.clock import Clock
from ostiary.config import load_settings
from ostiary.errors import Refusal
from ostiary.storage.engine import open_database
from ostiary.storage.sql import SqlCounters
from ostiary.web.errands import ErrandsAtOnce
from ostiary.web.log import make_log
from ostiary.web.texts import Catalogue

TEXTS: Final = Path(__file__).parents[1] / "texts"
# Groups below this one that are about people wherever they are, and open what they need themselves.
_OF_EVERY_DIRECTORY: Final = frozenset({"persistent-ids", "factors"})


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
        if context.invoked_subcommand in _OF_EVERY_DIRECTORY:
            return
        settings = load_settings(config, IdpSettings)
        if settings.people.type != "embedded":
            raise Refusal("people.elsewhere", expected="people: {type: embedded}", found=settings.people.type)
        engine = open_database(settings.database)
        context.call_on_close(engine.dispose)
        prepare(engine)
        catalogue = Catalogue.load(TEXTS)
        passwords = Passwords(settings.password_hashing.parameters(), concurrent=1)
        accounts = open_accounts(
            settings,
            EmbeddedPeople(Directory(engine), passwords),
            catalogue=catalogue,
            counters=SqlCounters(engine, namespace=settings.entity_id),
            errands=ErrandsAtOnce(make_log(clock, service="people", stream=sys.stderr)),
            now=clock.now,
        )
        context.obj = Desk(settings, accounts, clock)

    commands = (
        *(_create, _disable, _enable, _delete, _rename, _set_attribute, _list, _show),
        *(set_password, must_change, reset_link),
        *(add_certificate, remove_certificate),
        *(import_, export),
        history,
        *(pending, approve, reject),
    )
    for command in commands:
        people.add_command(command)
    # What it was called first.
    people.add_command(_create, "add")
    return people


@click.command("create")
@click.argument("login_name")
@password_file
@click.option("--no-password", is_flag=True, help="She gets one by a link, or signs in another way.")
@keep_password
@attribute_options
@click.pass_obj
def _create(
    desk: Desk,
    login_name: str,
    password_file: Path | None,
    no_password: bool,
    keep_password: bool,
    assignments: tuple[str, ...],
) -> None:
    """Create a person, and print her principal."""
    attributes = assigned(assignments)
    about = (login_name, *(value for values in attributes.values() for value in values))
    password_hash = None if no_password else desk.accounts.checked_hash(given_password(password_file), about)
    principal = desk.directory.create(
        login_name,
        password_hash=password_hash,
        attributes=attributes,
        at=desk.clock.now(),
        by=OPERATOR,
        must_change=not keep_password,
    )
    click.echo(principal)


@click.command("disable")
@click.argument("login_name")
@click.pass_obj
def _disable(desk: Desk, login_name: str) -> None:
    """Keep a person out, and end her sessions and handles."""
    desk.directory.disable(desk.person(login_name).principal, at=desk.clock.now(), by=OPERATOR)


@click.command("enable")
@click.argument("login_name")
@click.pass_obj
def _enable(desk: Desk, login_name: str) -> None:
    """Let a disabled person in again."""
    desk.directory.enable(desk.person(login_name).principal, at=desk.clock.now(), by=OPERATOR)


@click.command("delete")
@click.argument("login_name")
@click.option("--erase", is_flag=True, help="Forget who it was, too, and free the login name for somebody else.")
@click.option("--yes", is_flag=True, help="Really.")
@click.pass_obj
def _delete(desk: Desk, login_name: str, erase: bool, yes: bool) -> None:
    """End a person for good. Her login name stays taken, so that nobody is mistaken for her, unless you say --erase."""
    person = desk.person(login_name)
    if not yes:
        raise Refusal("people.confirm_delete", expected="--yes", found="nothing")
    desk.directory.delete(person.principal, at=desk.clock.now(), by=OPERATOR, erase=erase)


@click.command("rename")
@click.argument("login_name")
@click.argument("new_login_name")
@click.pass_obj
def _rename(desk: Desk, login_name: str, new_login_name: str) -> None:
    """Give a person another login name; who she is for others does not change."""
    principal = desk.person(login_name).principal
    desk.directory.rename_login(principal, new_login_name, at=desk.clock.now(), by=OPERATOR)


@click.command("set-attribute")
@click.argument("login_name")
@click.argument("name")
@click.argument("values", nargs=-1)
@click.pass_obj
def _set_attribute(desk: Desk, login_name: str, name: str, values: tuple[str, ...]) -> None:
    """Replace the values of an attribute; without values, take it away."""
    principal = desk.person(login_name).principal
    desk.directory.set_attributes(principal, {name: values}, at=desk.clock.now(), by=OPERATOR)


@click.command("list")
@click.pass_obj
def _list(desk: Desk) -> None:
    """Show everybody, with attributes."""
    table = Table("login name", "principal", "active", "password", "attributes")
    for person in desk.directory.all():
        attributes = desk.directory.attributes(person.principal)
        shown = "\n".join(f"{name}: {', '.join(values)}" for name, values in attributes.items())
        active = "yes" if person.active else "no"
        table.add_row(escape(person.login_name), person.principal, active, _password(person), escape(shown))
    show(table)


@click.command("show")
@click.argument("login_name")
@click.pass_obj
def _show(desk: Desk, login_name: str) -> None:
    """Show one person: state, attributes and certificates."""
    person = desk.person(login_name)
    table = Table("what", "value", show_header=False)
    table.add_row("login name", escape(person.login_name))
    table.add_row("principal", person.principal)
    table.add_row("active", "yes" if person.active else "no")
    table.add_row("since", f"{person.valid_from:%Y-%m-%d %H:%M} UTC")
    table.add_row("password", _password(person))
    for name, values in desk.directory.attributes(person.principal).items():
        table.add_row(escape(name), escape("\n".join(values)))
    for names in desk.directory.certificates(person.principal):
        table.add_row("certificate", escape(f"{names.subject}\nissued by {names.issuer}"))
    show(table)


def _password(person: Person) -> str:
    if person.must_change_password:
        return "must be changed" if person.has_password else "to be chosen"
    return "yes" if person.has_password else "no"
