"""``ostiary policy lint``, ``dry-run`` and ``history``: read options and print what the Attribute Authority's administration finds out."""

import sys
from pathlib import Path

import click

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_CONFIG = click.option("--config", type=_FILE, required=True, help="aa.yaml of the home organisation.")
_CANDIDATES = click.argument("files", type=click.Path(exists=True, path_type=Path), nargs=-1)
_ALONE = click.option("--alone", is_flag=True, help="FILES are all policies; nothing that is in force stays.")
_JSON = click.option("--json", "as_json", is_flag=True, help="For programs.")
_PLAIN = click.option("--no-colour", "--no-color", is_flag=True, help="No colours; NO_COLOR does the same.")


@click.command("lint")
@_CONFIG
@_CANDIDATES
@_ALONE
@click.option("--strict", is_flag=True, help="What is only to be looked at makes it fail, too.")
@_JSON
@_PLAIN
def lint_command(
    config: Path, files: tuple[Path, ...], alone: bool, strict: bool, as_json: bool, no_colour: bool
) -> None:
    """Find release policies that do not do what was meant: rules that never match, that others make pointless, misspelt attributes.

    FILES are looked at in place of the files in force that have the same names. The exit status is 1 when something is wrong.
    """
    from attribute_authority.administration.desk import lint_documents
    from attribute_authority.settings import AttributeAuthoritySettings
    from ostiary.clock import SystemClock
    from ostiary.command.policy_desk import read_candidates
    from ostiary.command.policy_reports import lint_as_data, print_json, print_lint
    from ostiary.command.terminal import make_console
    from ostiary.command.watched import watched_registry
    from ostiary.command.wording import catalogue
    from ostiary.config import load_settings
    from ostiary.web.log import make_log

    clock = SystemClock()
    settings = load_settings(config, AttributeAuthoritySettings)
    log = make_log(clock, service="policy", style="console", level="warning")
    registry = watched_registry(settings.trust, clock, log)()
    report = lint_documents(settings, registry, clock.now(), read_candidates(files), alone=alone)
    if as_json:
        print_json(lint_as_data(report, catalogue()))
    else:
        print_lint(report, make_console(sys.stdout, plain=no_colour), catalogue())
    if report.number("error") or (strict and report.number("warning")):
        sys.exit(1)


@click.command("dry-run")
@_CONFIG
@click.option("--idp", type=_FILE, help="idp.yaml: needed where the identity provider has a database of its own.")
@_CANDIDATES
@_ALONE
@click.option("--last", type=click.IntRange(1, 5000), default=500, show_default=True, help="How many requests.")
@_JSON
@_PLAIN
def dry_run_command(
    config: Path, idp: Path | None, files: tuple[Path, ...], alone: bool, last: int, as_json: bool, no_colour: bool
) -> None:
    """Try changed policies out on the last real requests: who would be told more or less, as numbers of people. Changes nothing.

    FILES are tried in place of the files in force that have the same names, or beside them where none has; without FILES the files as
    they are now are tried.
    """
    from ostiary.clock import SystemClock
    from ostiary.command.policy_desk import open_desk, read_candidates
    from ostiary.command.policy_reports import dry_run_as_data, print_dry_run, print_json
    from ostiary.command.terminal import make_console
    from ostiary.command.wording import catalogue
    from ostiary.web.log import make_log

    clock = SystemClock()
    log = make_log(clock, service="policy", style="console", level="warning")
    candidates = read_candidates(files)
    with open_desk(config, idp, clock=clock, log=log) as desk:
        tried = desk.dry_run(candidates, last=last, now=clock.now(), alone=alone)
    if as_json:
        print_json(dry_run_as_data(tried))
    else:
        print_dry_run(tried, make_console(sys.stdout, plain=no_colour), catalogue(), alone=alone)


@click.command("history")
@_CONFIG
@click.option("--show", "serial", type=click.IntRange(1), metavar="SERIAL", help="One change, before and after.")
@click.option("--last", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many changes.")
@_JSON
@_PLAIN
def history_command(config: Path, serial: int | None, last: int, as_json: bool, no_colour: bool) -> None:
    """What came into force when: release policies, what people may decide themselves, and who administers."""
    from ostiary.command.policy_desk import open_records
    from ostiary.command.policy_reports import (
        history_as_data,
        print_history,
        print_json,
        print_step,
        step_as_data,
    )
    from ostiary.command.terminal import make_console
    from ostiary.command.wording import catalogue

    console = make_console(sys.stdout, plain=no_colour)
    with open_records(config) as records:
        if serial is not None:
            step = records.step(serial)
            print_json(step_as_data(step)) if as_json else print_step(step, console, catalogue())
            return
        found = records.history(limit=last)
    print_json(history_as_data(found)) if as_json else print_history(found, console, catalogue())
