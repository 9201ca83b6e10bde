"""``ostiary trace URL``: reads options, asks for the password, prints or collects what `ostiary.command.trace.run` gives."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ostiary.errors import ConfigurationError, OstiaryError, Refusal

if TYPE_CHECKING:
    from ostiary.command.trace.shown import Veil
    from ostiary.command.trace.sources import Sources
    from ostiary.command.trace.walk import Visitor

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_DIRECTORY = click.Path(file_okay=False, path_type=Path)


@click.command("trace")
@click.argument("url")
@click.option("--user", required=True, help="The user name at the home organisation.")
@click.option("--home", metavar="ENTITY_ID", help="Which home organisation to choose at the discovery service.")
@click.option(
    "--password-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A private file (mode 0600) whose first line is the password. Without it you are asked.",
)
@click.option(
    "--login-at", multiple=True, metavar="HOST", help="A host that may be given the password; may be repeated."
)
@click.option(
    "--demo", type=_DIRECTORY, help="State directory of a running demo: who, where, password and keys are known."
)
@click.option("--metadata", type=_FILE, multiple=True, help="Signed metadata to verify with; may be repeated.")
@click.option(
    "--certificate", type=_FILE, multiple=True, help="PEM certificate of a key that signs it; may be repeated."
)
@click.option("--resource", type=_FILE, help="The resource's own sp.yaml: shows the attribute query, too.")
@click.option("--ca-file", type=_FILE, help="PEM file of certificate authorities for https.")
@click.option("--save", type=_DIRECTORY, metavar="DIR", help="Write each message as XML into DIR.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document at the end.")
@click.option("--no-colour", "--no-color", is_flag=True, help="No colours; NO_COLOR in the environment does the same.")
def trace(
    url: str,
    user: str,
    home: str | None,
    password_file: Path | None,
    login_at: tuple[str, ...],
    demo: Path | None,
    metadata: tuple[Path, ...],
    certificate: tuple[Path, ...],
    resource: Path | None,
    ca_file: Path | None,
    save: Path | None,
    as_json: bool,
    no_colour: bool,
) -> None:
    """Walk a login to URL like a browser, and show every hop, every SAML message and what its verification looks at.

    Exit status 0: the page was reached. 1: it was not.
    """
    from ostiary.clock import SystemClock
    from ostiary.command.terminal import make_console
    from ostiary.command.trace.browser import HttpTransport
    from ostiary.command.trace.printed import Printer
    from ostiary.command.trace.report import Report, save_messages
    from ostiary.command.trace.run import trace as events
    from ostiary.command.trace.shown import Veil
    from ostiary.command.trace.walk import Outcome
    from ostiary.command.wording import catalogue

    clock, veil, texts = SystemClock(), Veil(), catalogue()
    known: Sources
    if demo is not None:
        if metadata or certificate or resource or password_file:
            raise _wrong_options("--demo alone", "--demo with --metadata, --certificate, --resource or --password-file")
        known, visitor = _from_demo(demo, url, user, home, veil)
    else:
        known = _from_options(metadata, certificate, resource)
        visitor = _visitor(user, home, password_file, frozenset(login_at), veil)
    report = Report(url, user, texts, veil, verified=known.registry is not None)
    printer = Printer(make_console(sys.stdout, plain=no_colour), texts, veil, verified=known.registry is not None)
    if not as_json:
        printer.title(url, user)
    transport = HttpTransport(ca_file)
    reached = False
    try:
        for event in events(
            url,
            visitor,
            transport=transport,
            registry=known.registry,
            resource=known.resource,
            clock=clock,
            timing=known.timing,
        ):
            saved = save_messages(event, save) if save is not None else {}
            reached = isinstance(event, Outcome) and event.reached
            if as_json:
                report.add(event)
            else:
                printer.show(event, saved)
    except OstiaryError as error:
        if not as_json:
            raise (error if isinstance(error, ConfigurationError) else veil.over(error)) from None
        report.fail(error)
    finally:
        transport.close()
    if as_json:
        click.echo(json.dumps(report.content, indent=2))
    sys.exit(0 if reached else 1)


def _from_demo(state: Path, url: str, user: str, home: str | None, veil: "Veil") -> "tuple[Sources, Visitor]":
    from ostiary.clock import SystemClock
    from ostiary.command.demo.found import find_demo
    from ostiary.command.trace.sources import find_sources
    from ostiary.command.trace.walk import Visitor

    demo = find_demo(state)
    own, person = demo.person(user)
    veil.hide(person.password)
    known = find_sources([demo.metadata()], demo.resource_config(url), now=SystemClock().now())
    return known, Visitor(user, lambda _host: person.password, False, home or own.entity_id)


def _from_options(metadata: tuple[Path, ...], certificate: tuple[Path, ...], resource: Path | None) -> "Sources":
    from ostiary.clock import SystemClock
    from ostiary.command.trace.sources import find_sources
    from ostiary.federation.sources.files import MetadataFile

    if bool(metadata) != bool(certificate):
        raise _wrong_options("--metadata and --certificate", "one without the other")
    return find_sources([MetadataFile(path, certificate) for path in metadata], resource, now=SystemClock().now())


def _visitor(
    user: str, home: str | None, password_file: Path | None, login_hosts: frozenset[str], veil: "Veil"
) -> "Visitor":
    from ostiary.command.trace.sources import password_from
    from ostiary.command.trace.walk import Visitor

    if password_file is not None:
        password = veil.hide(password_from(password_file))
        return Visitor(user, lambda _host: password, False, home, login_hosts)

    def ask(host: str) -> str:
        question = f"Password of {veil.show(user)} at {veil.show(host)}"
        return veil.hide(str(click.prompt(question, hide_input=True, err=True)))

    return Visitor(user, ask, True, home, login_hosts)


def _wrong_options(expected: str, found: str) -> Refusal:
    return Refusal("trace.options", expected=expected, found=found)
