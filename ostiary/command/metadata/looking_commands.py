"""``ostiary metadata show``, ``search`` and ``status``: reads options, and prints what is found. Changes nothing."""

import json
import sys
from pathlib import Path

import click

from ostiary.command.metadata.options import (
    AS_JSON,
    CONFIG,
    FILE,
    PEM,
    PLAIN,
    collection_of,
    pin_options,
    pins_of,
    quiet,
    readable_xml,
    speaker,
    tell_unverified,
)
from ostiary.errors import Missing, Refusal


@click.command("show")
@click.argument("entity_id", required=False)
@click.option("--file", type=FILE, help="A metadata document; - is the standard input.")
@CONFIG
@pin_options
@click.option("--xml", "as_xml", is_flag=True, help="The descriptor as it stands there.")
@AS_JSON
@PLAIN
def show_command(
    entity_id: str | None,
    file: Path | None,
    config: Path | None,
    certificates: tuple[Path, ...],
    keys: tuple[Path, ...],
    fingerprints: tuple[str, ...],
    as_xml: bool,
    as_json: bool,
    no_colour: bool,
) -> None:
    """Show one entity: names, roles, addresses, keys, scopes, what it asks for and whom to write to.

    In a document of one entity ENTITY_ID can be left out.
    """
    from ostiary.clock import SystemClock
    from ostiary.command.metadata.entity_data import entity_data
    from ostiary.command.metadata.opened import OpenedDocument, nearest
    from ostiary.command.metadata.shown_entity import show_entity

    collection = collection_of(file, config, pins_of(certificates, keys, fingerprints))
    if entity_id is None:
        known = list(collection.descriptors) if isinstance(collection, OpenedDocument) else []
        if len(known) != 1:
            raise Refusal("metadata.which_entity", expected="an ENTITY_ID", found=f"{len(known)} entities")
        entity_id = known[0]
    entity = collection.find(entity_id)
    if entity is None:
        near = ", ".join(nearest(collection, entity_id))
        raise Missing("metadata.unknown_entity", expected=near or "an entityID that is there", found=entity_id)
    tell_unverified(collection)
    if as_xml:
        click.echo(readable_xml(entity.source))
    elif as_json:
        click.echo(json.dumps(entity_data(entity), indent=2))
    else:
        with quiet():
            show_entity(entity, speaker(no_colour), SystemClock().now())


@click.command("search")
@click.argument("words", nargs=-1)
@click.option("--file", type=FILE, help="A metadata document; - is the standard input.")
@CONFIG
@pin_options
@click.option("--role", type=click.Choice(["idp", "sp", "aa"]), help="Only with this role.")
@click.option(
    "--category", metavar="URI", help="Only with (or supporting) this entity category; its last part will do."
)
@click.option("--registration-authority", metavar="TEXT", help="Only registered by whom this text names.")
@click.option(
    "--most", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="List no more than this."
)
@AS_JSON
@PLAIN
def search_command(
    words: tuple[str, ...],
    file: Path | None,
    config: Path | None,
    certificates: tuple[Path, ...],
    keys: tuple[Path, ...],
    fingerprints: tuple[str, ...],
    role: str | None,
    category: str | None,
    registration_authority: str | None,
    most: int,
    as_json: bool,
    no_colour: bool,
) -> None:
    """List entities that have all WORDS in their names, keywords, domains or entityID, in any language; accents and case do not count."""
    from typing import cast

    from ostiary.clock import SystemClock
    from ostiary.command.metadata.searching import Wanted, matching, show_found, summary_data
    from ostiary.federation.summary import RoleName

    collection = collection_of(file, config, pins_of(certificates, keys, fingerprints))
    wanted = Wanted(words, cast("RoleName | None", role), category, registration_authority)
    found = sorted(
        matching(collection.summaries(), wanted, SystemClock().now()),
        key=lambda one: (one.name().lower(), one.entity_id),
    )
    tell_unverified(collection)
    if as_json:
        click.echo(json.dumps([summary_data(one) for one in found[:most]], indent=2))
    else:
        show_found(found[:most], max(0, len(found) - most), speaker(no_colour))
    if not found:
        sys.exit(1)


@click.command("status")
@click.option("--config", type=PEM, required=True, help="Any service's configuration.")
@AS_JSON
@PLAIN
def status_command(config: Path, as_json: bool, no_colour: bool) -> None:
    """Tell how each source of metadata of a service stands; ends with 1 where one raises an alarm."""
    from ostiary.clock import SystemClock
    from ostiary.command.metadata.opened import trust_of
    from ostiary.command.metadata.status import report_data, show_report
    from ostiary.federation.sources.living import all_is_well, metadata_status

    now = SystemClock().now()
    reports = metadata_status(trust_of(config), now)
    if as_json:
        click.echo(json.dumps([report_data(one, now) for one in reports], indent=2))
    else:
        said = speaker(no_colour)
        for one in reports:
            show_report(one, said, now)
        if not reports:
            said.line("status.none")
    if not all_is_well(reports, now):
        sys.exit(1)
