"""``ostiary explain``: reads options and prints what `ostiary.command.explain` finds out."""

import json
import sys
from pathlib import Path

import click

from ostiary.command.resource_policy_commands import explain_accept_command, explain_access_command
from ostiary.errors import Refusal

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def explain() -> None:
    """Why something is released, believed or allowed."""


explain.add_command(explain_accept_command)
explain.add_command(explain_access_command)


@explain.command("release")
@click.option("--user", required=True, help="The person's user name.")
@click.option("--sp", "requester", required=True, metavar="ENTITY_ID", help="The resource that asks.")
@click.option("--target", metavar="URL", help="The page that the attributes are for.")
@click.option(
    "--asks", multiple=True, metavar="ATTRIBUTE", help="As if it asked for this attribute only; may be repeated."
)
@click.option(
    "--network", metavar="ADDRESS", help="The address from which it is asked, for policies that look at that."
)
@click.option("--authn-context", metavar="URI", help="How the person logged in, for policies that look at that.")
@click.option("--config", type=_FILE, help="aa.yaml of the home organisation.")
@click.option("--idp", type=_FILE, help="Its idp.yaml: needed where people are in a directory that speaks LDAP.")
@click.option(
    "--demo",
    type=click.Path(file_okay=False, path_type=Path),
    help="State directory of a demo: finds the home by the user.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--no-colour", "--no-color", is_flag=True, help="No colours; NO_COLOR in the environment does the same.")
def explain_release_command(
    user: str,
    requester: str,
    target: str | None,
    asks: tuple[str, ...],
    network: str | None,
    authn_context: str | None,
    config: Path | None,
    idp: Path | None,
    demo: Path | None,
    as_json: bool,
    no_colour: bool,
) -> None:
    """Which values a resource would be told about a person now, each with the rule that releases or withholds it."""
    from ostiary.clock import SystemClock
    from ostiary.command.demo.found import find_demo
    from ostiary.command.explain import explain_release, print_release, release_as_data
    from ostiary.command.terminal import make_console
    from ostiary.command.wording import catalogue
    from ostiary.web.log import make_log

    if (config is None) == (demo is None) or (demo is not None and idp is not None):
        raise Refusal("explain.options", expected="either --config (and --idp) or --demo", found="both or neither")
    if demo is not None:
        found = find_demo(demo)
        idp, config = found.home_configs(found.person(user)[0])
    clock = SystemClock()
    explained = explain_release(
        config or Path(),
        idp,
        user,
        requester,
        target=target,
        wanted=asks,
        network=network,
        authn_context=authn_context,
        clock=clock,
        log=make_log(clock, service="explain", style="console", level="warning"),
    )
    if as_json:
        click.echo(json.dumps(release_as_data(explained), indent=2))
        return
    print_release(explained, make_console(sys.stdout, plain=no_colour), catalogue())
