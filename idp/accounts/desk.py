"""What every command of ``ostiary people`` works with, and the options that several share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from idp.accounts.accounts import Accounts
from idp.accounts.directory import Directory, Person
from idp.accounts.passwords import MAXIMUM_PASSWORD
from idp.settings import IdpSettings
from ostiary.clock import Clock
from ostiary.config import read_private_file
from ostiary.errors import ConfigurationError, Missing, Refusal

_WHOLE_LINES: Final = 1_000
OPERATOR: Final = "operator"
"""Who makes the changes, in the audit."""


@dataclass(frozen=True, slots=True)
class Desk:
    """An operator's desk: the accounts of one configuration."""

    settings: IdpSettings
    accounts: Accounts
    clock: Clock

    @property
    def directory(self) -> Directory:
        """The people."""
        return self.accounts.directory

    def person(self, login_name: str) -> Person:
        """Who has this login name. Raises `Missing` (``people.unknown``)."""
        found = self.directory.find(login_name)
        if found is None:
            raise Missing("people.unknown", expected="a login name of this directory", found=login_name)
        return found


password_file = click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A private file (mode 0600) whose first line is the password. Without it you are asked.",
)
keep_password = click.option(
    "--keep-password",
    is_flag=True,
    help="She chose this password herself. Without this she must choose another one when she first signs in.",
)


def show(table: Table) -> None:
    """Prints a table; whole lines where no person reads along."""
    console = Console()
    (console if console.is_terminal else Console(width=_WHOLE_LINES)).print(table)


def given_password(file: Path | None) -> str:
    """The password of a file, or typed twice. Raises `ConfigurationError` (``people.password_file``, and as `read_private_file`)."""
    if file is None:
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    content = read_private_file(file, max_bytes=4 * MAXIMUM_PASSWORD)
    try:
        return content.decode().partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError as error:
        raise ConfigurationError("people.password_file", file=file, expected="UTF-8 text") from error


def assigned(assignments: tuple[str, ...]) -> dict[str, list[str]]:
    """``NAME=VALUE`` options as attributes. Raises `Refusal` (``people.assignment``)."""
    attributes: dict[str, list[str]] = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator:
            raise Refusal("people.assignment", expected="NAME=VALUE", found=assignment[:80], given=assignment[:80])
        attributes.setdefault(name, []).append(value)
    return attributes


attribute_options = click.option(
    "--attribute", "-a", "assignments", multiple=True, metavar="NAME=VALUE", help="An attribute; may be repeated."
)
