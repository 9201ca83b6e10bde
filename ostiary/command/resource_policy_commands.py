"""``ostiary explain accept``, ``ostiary explain access`` and ``ostiary policy check``: read options and print what is found out."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from ostiary.errors import Refusal

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NO_COLOUR = click.option(
    "--no-colour", "--no-color", is_flag=True, help="No colours; NO_COLOR in the environment does the same."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="For programs.")
_CONFIG = click.option("--config", type=_FILE, required=True, help="sp.yaml of the resource.")
_APPLICATION = click.option("--application", default="", help="An application domain of it, by name.")
_ATTRIBUTES = click.option(
    "--attribute",
    "attributes",
    multiple=True,
    metavar="NAME=VALUE",
    help="What is said of the person; may be repeated.",
)


@click.command("accept")
@_CONFIG
@_APPLICATION
@click.option("--issuer", required=True, metavar="ENTITY_ID", help="The home organisation that says so.")
@_ATTRIBUTES
@_JSON
@_NO_COLOUR
def explain_accept_command(
    config: Path, application: str, issuer: str, attributes: tuple[str, ...], as_json: bool, no_colour: bool
) -> None:
    """Which values a resource believes, each with the rule that accepts it or came near."""
    from ostiary.clock import SystemClock
    from ostiary.command.resource_policies import explain_acceptance
    from ostiary.command.resource_policy_reports import acceptance_as_data, print_acceptance
    from ostiary.command.terminal import make_console
    from ostiary.command.wording import catalogue
    from ostiary.web.log import make_log

    clock = SystemClock()
    log = make_log(clock, service="explain", style="console", level="warning")
    explained = explain_acceptance(config, issuer, attributes, application=application, now=clock.now(), log=log)
    if as_json:
        click.echo(json.dumps(acceptance_as_data(explained), indent=2))
        return
    print_acceptance(explained, make_console(sys.stdout, plain=no_colour), catalogue())


@click.command("access")
@_CONFIG
@_APPLICATION
@click.option("--path", required=True, help="The page, such as /reports/1; percent-decoded.")
@click.option("--method", default="GET", show_default=True)
@_ATTRIBUTES
@click.option("--fqan", "fqans", multiple=True, metavar="FQAN", help="A group or role of a VO; may be repeated.")
@click.option("--issuer", metavar="ENTITY_ID", help="Her home organisation.")
@click.option("--authn-context", metavar="URI", help="How she logged in.")
@click.option(
    "--age", default="0s", show_default=True, metavar="DURATION", help="How long ago she logged in, such as 30m."
)
@click.option("--at", "moment", metavar="TIME", help="When, such as 2026-12-24T18:30+01:00; now by default.")
@click.option("--network", metavar="ADDRESS", help="The address that she comes from.")
@click.option("--host", help="The host name of the request; that of the public URL by default.")
@_JSON
@_NO_COLOUR
def explain_access_command(
    config: Path,
    application: str,
    path: str,
    method: str,
    attributes: tuple[str, ...],
    fqans: tuple[str, ...],
    issuer: str | None,
    authn_context: str | None,
    age: str,
    moment: str | None,
    network: str | None,
    host: str | None,
    as_json: bool,
    no_colour: bool,
) -> None:
    """Whether somebody may open a page, by which rule, and how each of its conditions came out. Attributes are those that the acceptance
    policy has let through."""
    from ostiary.clock import SystemClock
    from ostiary.command.resource_policies import explain_access
    from ostiary.command.resource_policy_reports import access_as_data, print_access
    from ostiary.command.terminal import make_console
    from ostiary.command.wording import catalogue
    from ostiary.config.values import parse_duration

    explained = explain_access(
        config,
        path,
        method=method,
        told=attributes,
        fqans=fqans,
        issuer=issuer,
        authn_context=authn_context,
        age=parse_duration(age),
        at=SystemClock().now() if moment is None else _moment(moment),
        network=network,
        host=host,
        application=application,
    )
    if as_json:
        click.echo(json.dumps(access_as_data(explained), indent=2))
        return
    print_access(explained, make_console(sys.stdout, plain=no_colour), catalogue())


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal("explain.time", expected="a time such as 2026-12-24T18:30+01:00", found=text[:80]) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


@click.command("check")
@click.argument("kind", type=click.Choice(["release", "precedence", "accept", "access"]))
@click.argument("files", type=click.Path(exists=True, path_type=Path), nargs=-1)
@click.option(
    "--config", type=_FILE, help="sp.yaml of the resource: for accept and access tells more, and which files."
)
@click.option("--strict", is_flag=True, help="Fail where there is something to look at.")
def policy_check(kind: str, files: tuple[Path, ...], config: Path | None, strict: bool) -> None:
    """Read policy FILES (or directories) as a service would, and say what is wrong with them, or can hardly be meant."""
    from ostiary.clock import SystemClock
    from ostiary.command.terminal import make_console
    from ostiary.command.wording import catalogue
    from ostiary.policy.release.document import load_release_policies
    from ostiary.policy.release.precedence import load_precedence
    from ostiary.web.log import make_log

    if not files and (config is None or kind not in ("accept", "access")):
        raise click.UsageError("Missing argument 'FILES...'.")
    paths, doubted = tuple(files), False
    if kind == "accept" or kind == "access":
        from ostiary.command.resource_policies import find_doubts
        from ostiary.command.resource_policy_reports import print_doubts

        clock = SystemClock()
        log = make_log(clock, service="policy", style="console", level="warning")
        paths, doubts = find_doubts("accept" if kind == "accept" else "access", files, config, now=clock.now(), log=log)
        print_doubts(doubts, make_console(sys.stderr, plain=False), catalogue())
        doubted = bool(doubts)
    elif kind == "precedence":
        for file in files:
            load_precedence(file)
    else:
        load_release_policies(files)
    click.echo("good: " + ", ".join(str(path) for path in paths))
    if strict and doubted:
        sys.exit(1)
