"""``ostiary proxy`` as a program of its own: the same as by way of `ostiary.command.cli`, without importing what the services need."""

import sys
from typing import NoReturn

import click

from ostiary.clock import SystemClock
from ostiary.command.plain_errors import plain_errors
from voms.proxy.commands import proxy_commands


def run_proxy_command(arguments: list[str]) -> NoReturn:
    """Does what the arguments say and ends the process."""
    try:
        with plain_errors():
            sys.exit(proxy_status(arguments))
    except click.ClickException as problem:
        problem.show()
        sys.exit(problem.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Aborted!", err=True)
        sys.exit(1)


def proxy_status(arguments: list[str]) -> int:
    """Does it; the status that the process should end with. Raises `OstiaryError` and what click raises."""
    commands = proxy_commands(clock=SystemClock())
    status: int | None = commands.main(arguments, prog_name="ostiary proxy", standalone_mode=False)
    return status or 0
