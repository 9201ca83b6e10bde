"""``ostiary people import`` and ``export``: many people at a time, all of them or none, tried out before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from idp.accounts import changes
from idp.accounts.changes import Change
from idp.accounts.desk import OPERATOR, Desk
from idp.accounts.directory import Person, attributes_of, find_person, new_principal
from idp.accounts.people_table import (
    LOGIN_NAME,
    MAXIMUM_SIZE,
    PASSWORD,
    Row,
    RowProblem,
    has_passwords,
    raise_problems,
    read_table,
    written_table,
)
from ostiary.config import read_private_file, write_private_file
from ostiary.errors import ConfigurationError, Refusal

# What stands in for a hash while an import is only tried out.
_TRIED_OUT: Final = "-"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import did, or would do; login names."""

    created: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: int


class _TriedOutError(Exception):
    """Rolls everything back."""


_separator = click.option(
    "--separator", default=";", show_default=True, help="What stands between the values of a cell."
)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--csv", "_csv", is_flag=True, help="The file is CSV (the only kind that there is).")
@click.option(
    "--update", is_flag=True, help="Change those who are there already; an empty cell takes the attribute away."
)
@click.option("--apply/--dry-run", "apply_", help="Write it. Without this everything is checked and nothing is kept.")
@click.option("--invite", is_flag=True, help="Send everybody new without a password a link to choose one.")
@_separator
@click.pass_obj
def import_(desk: Desk, file: Path, _csv: bool, update: bool, apply_: bool, invite: bool, separator: str) -> None:
    """Import people from a CSV file: a header, then one person a line.

    The column login_name must be there; password and active (yes or no) may be; every other column is an attribute.
    """
    rows = read_table(_content(file), file, separator=_checked(separator))
    if invite and desk.accounts.letters is None:
        raise Refusal("people.no_mail", expected="mail in the configuration", found="nothing")
    outcome = import_people(desk, rows, file, update=update, apply_=apply_)
    _tell(outcome, applied=apply_)
    if apply_ and invite:
        _invite(desk, outcome.created)


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_separator
@click.pass_obj
def export(desk: Desk, file: Path, separator: str) -> None:
    """Write everybody with all attributes into a CSV file (mode 0600), which import reads again. No passwords."""
    directory = desk.directory
    everybody = [
        (person.login_name, person.active, directory.attributes(person.principal)) for person in directory.all()
    ]
    write_private_file(file, written_table(everybody, separator=_checked(separator)).encode())
    click.echo(f"{len(everybody)} people in {file}")


def import_people(desk: Desk, rows: Sequence[Row], file: Path, *, update: bool, apply_: bool) -> Outcome:
    """Creates and (with ``update``) changes people in one transaction. Without ``apply_`` it is rolled back.

    Raises `DocumentError` with the problems of all lines; then nothing was changed.
    """
    hashes = _hashes(desk, rows, file, apply_=apply_)
    created, changed, problems = list[str](), list[str](), list[RowProblem]()
    try:
        with desk.directory.change(at=desk.clock.now(), by=OPERATOR) as change:
            for row in rows:
                try:
                    done = _import_row(change, row, hashes.get(row.line), update=update)
                except Refusal as problem:
                    problems.append(RowProblem(row.line, LOGIN_NAME, problem))
                    continue
                if done is not None:
                    (created if done else changed).append(row.login_name)
            if problems or not apply_:
                raise _TriedOutError
    except _TriedOutError:
        raise_problems(file, problems)
    return Outcome(tuple(created), tuple(changed), len(rows) - len(created) - len(changed))


def _import_row(change: Change, row: Row, password_hash: str | None, *, update: bool) -> bool | None:
    """True for a new person, False for one that was changed, None for one as she was."""
    known = find_person(change.connection, row.login_name)
    if known is not None and not update:
        raise changes.login_taken()
    if known is not None:
        return False if _update(change, known, row, password_hash) else None
    principal = new_principal()
    attributes = {name: values for name, values in row.attributes.items() if values}
    changes.create_person(
        change, principal, row.login_name, password_hash=password_hash, attributes=attributes, must_change=True
    )
    if row.active is False:
        changes.set_active(change, principal, False)
    return True


def _update(change: Change, known: Person, row: Row, password_hash: str | None) -> bool:
    present = attributes_of(change.connection, known.principal)
    different = {name: values for name, values in row.attributes.items() if present.get(name, ()) != values}
    if different:
        changes.set_attributes(change, known.principal, different)
    if password_hash is not None:
        changes.set_password(change, known.principal, password_hash, must_change=True)
    switched = row.active is not None and row.active != known.active
    if switched:
        changes.set_active(change, known.principal, not known.active)
    return bool(different) or password_hash is not None or switched


def _hashes(desk: Desk, rows: Sequence[Row], file: Path, *, apply_: bool) -> Mapping[int, str]:
    """By line, before the transaction: the work of hashing must not keep the database locked."""
    problems, hashes = [], dict[int, str]()
    for row in rows:
        if row.password is None:
            continue
        about = (row.login_name, *(value for values in row.attributes.values() for value in values))
        try:
            desk.accounts.policy.check(row.password, about)
        except Refusal as problem:
            problems.append(RowProblem(row.line, PASSWORD, problem))
        else:
            hashes[row.line] = _TRIED_OUT
    raise_problems(file, problems)
    if apply_:
        hashes = {row.line: desk.accounts.passwords.hash(row.password) for row in rows if row.password is not None}
    return hashes


def _invite(desk: Desk, login_names: Sequence[str]) -> None:
    sent = 0
    for login_name in login_names:
        person = desk.directory.find(login_name)
        if person is not None and person.active and not person.has_password:
            sent += desk.accounts.send_link(person, "invitation", "en", at=desk.clock.now(), by=OPERATOR)
    click.echo(f"{sent} invited")


def _content(file: Path) -> bytes:
    try:
        content = file.read_bytes()[: MAXIMUM_SIZE + 1]
    except OSError as error:
        raise ConfigurationError("config.file_unreadable", file=file, expected="a readable file") from error
    # Passwords make it a secret.
    return read_private_file(file, max_bytes=MAXIMUM_SIZE) if has_passwords(content) else content


def _checked(separator: str) -> str:
    if len(separator) != 1 or separator in ',"\r\n' or separator.isalnum():
        raise Refusal("people.csv_separator", expected="one sign that is no comma or quote", found=separator[:20])
    return separator


def _tell(outcome: Outcome, *, applied: bool) -> None:
    for word, names in (("new", outcome.created), ("changed", outcome.changed)):
        for name in names:
            click.echo(f"{word}: {name}")
    would = "" if applied else "would be "
    click.echo(
        f"{len(outcome.created)} {would}created, {len(outcome.changed)} {would}changed, {outcome.unchanged} as they are"
    )
    if not applied:
        click.echo("Nothing was written. Say --apply to do it.")
