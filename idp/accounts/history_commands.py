"""``ostiary people history``: what was known about a person before and after each change of her attributes."""

import click
from rich.markup import escape
from rich.table import Table

from idp.accounts.attribute_history import AttributeChange, Values, attribute_changes
from idp.accounts.desk import Desk, show
from ostiary.storage.engine import reading

_PROVEN = {True: "yes", False: "NO: the values were changed in the database", None: "not recorded"}


@click.command("history")
@click.argument("login_name")
@click.pass_obj
def history(desk: Desk, login_name: str) -> None:
    """Show each change of a person's attributes: when, by whom, before, after, and whether the audit says the same."""
    person = desk.person(login_name)
    with reading(desk.directory.engine, consistent=True) as connection:
        changes = attribute_changes(connection, person.principal)
    table = Table("serial", "at", "by", "before", "after", "proven")
    for change in changes:
        table.add_row(*_cells(change))
    show(table)


def _cells(change: AttributeChange) -> tuple[str, ...]:
    return (
        str(change.serial),
        f"{change.at:%Y-%m-%d %H:%M} UTC",
        escape(change.by),
        _shown(change.before),
        _shown(change.after),
        _PROVEN[change.proven],
    )


def _shown(values: Values) -> str:
    return escape("\n".join(f"{name}: {', '.join(listed)}" for name, listed in values.items()))
