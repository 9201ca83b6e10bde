"""How the command line tells what is wrong: message, place, expected, found, remedy and code; never a traceback for a known error."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ostiary.errors import ConfigurationError, OstiaryError
from ostiary.web.one_line import one_line


@contextmanager
def plain_errors() -> Iterator[None]:
    """Around a command: what it raises is put into words on standard error, and the process ends with status 1."""
    try:
        yield
    except OstiaryError as error:
        # Only now: a command that does what it should needs no texts.
        from ostiary.command.wording import catalogue
        from ostiary.config import DocumentError

        message, remedy = catalogue().error("en", error)
        _tell(f"ostiary: {message}")
        if isinstance(error, ConfigurationError):
            place = error.file if error.line is None else f"{error.file}, line {error.line}"
            _tell(f"  where:    {place}{f', {error.key}' if error.key else ''}")
        for label, text in (("expected", error.expected), ("found", error.found)):
            if text:
                _tell(f"  {label}: {'' if label == 'expected' else '   '}{text}")
        _tell(f"  remedy:   {remedy}")
        _tell(f"  code:     {error.code}")
        for other in error.problems[1:] if isinstance(error, DocumentError) else ():
            place = "" if other.line is None else f"line {other.line}, "
            _tell(f"  and:      {place}{other.key}: {catalogue().error('en', other)[0]}")
        sys.exit(1)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in _EXTRAS:
            raise
        click.echo(
            f"ostiary: this command needs {error.name}; install it with: {_EXTRAS[error.name.split('.')[0]]}", err=True
        )
        sys.exit(1)


@contextmanager
def errors_as_json() -> Iterator[None]:
    """The same for programs: one JSON document on standard error."""
    try:
        yield
    except OstiaryError as error:
        from ostiary.command.wording import catalogue

        message, remedy = catalogue().error("en", error)
        facts: dict[str, object] = {"code": error.code, "message": message, "remedy": remedy}
        facts |= {"expected": error.expected, "found": error.found}
        if isinstance(error, ConfigurationError):
            facts |= {"file": error.file, "line": error.line, "key": error.key}
        click.echo(json.dumps({"error": facts}, indent=2), err=True)
        sys.exit(1)


def _tell(line: str) -> None:
    """What a server or a file says reaches the terminal as text: no control character does, and further lines are indented."""
    click.echo("\n            ".join(map(one_line, line.splitlines())), err=True)


_EXTRAS = {
    "flask": "pip install 'ostiary[all]'",
    "granian": "pip install 'ostiary[all]'",
    "sqlalchemy": "pip install 'ostiary[idp,aa]'",
    "alembic": "pip install 'ostiary[idp,aa]'",
    "argon2": "pip install 'ostiary[idp]'",
    "ldap3": "pip install 'ostiary[idp,aa]'",
    "jose": "pip install 'ostiary[jwt]'",
    "h11": "pip install 'ostiary[proxy]'",
    "OpenSSL": "pip install 'ostiary[all]'",
}
