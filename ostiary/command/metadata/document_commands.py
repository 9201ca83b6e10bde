"""``ostiary metadata fetch``, ``verify``, ``validate`` and ``diff``: reads options, and prints what is found about whole documents."""

import json
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from ostiary.command.metadata.options import (
    AS_JSON,
    FILE,
    PEM,
    PLAIN,
    pin_options,
    pins_of,
    quiet,
    speaker,
)
from ostiary.errors import ConfigurationError, OstiaryError, Refusal

if TYPE_CHECKING:
    from ostiary.command.metadata.checked import Checked
    from ostiary.command.metadata.fetched import Unpinned
    from ostiary.command.metadata.opened import OpenedDocument, Pins
    from ostiary.command.metadata.said import Said
    from ostiary.federation.sources.fetching import FetchLimits

_NO_KEY = 3
"""Exit status of a fetch that only showed what is there."""


@click.command("fetch")
@click.argument("url", required=False)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write the verified document here."
)
@click.option(
    "--config", type=PEM, help="Any service's configuration: keys and limits are those of its source with this URL."
)
@pin_options
@click.option("--tls-authorities", type=PEM, help="PEM certificates that the server's TLS must chain to.")
@click.option("--allow-http", is_flag=True, help="Plain http beyond this machine; the signature still counts.")
@click.option("--allow-shrinking", is_flag=True, help="Also when more than half of the entities are gone.")
@click.option(
    "--save-certificate",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Without a key: write the certificate that was found here.",
)
@PLAIN
def fetch_command(
    url: str | None,
    output: Path | None,
    config: Path | None,
    certificates: tuple[Path, ...],
    keys: tuple[Path, ...],
    fingerprints: tuple[str, ...],
    tls_authorities: Path | None,
    allow_http: bool,
    allow_shrinking: bool,
    save_certificate: Path | None,
    no_colour: bool,
) -> None:
    """Fetch the signed metadata at URL, verify it, tell what changed, and write it into a file.

    Without --certificate, --key or --fingerprint nothing is written: the certificate that was found is shown with its fingerprint, to be
    compared with what the federation publishes elsewhere.
    """
    from ostiary.clock import SystemClock
    from ostiary.command.metadata.fetched import fetch_octets, look_at, write_new
    from ostiary.command.metadata.opened import opened
    from ostiary.federation.sources.fetching import FetchLimits
    from ostiary.saml.xml import METADATA

    said, now = speaker(no_colour), SystemClock().now()
    limits = FetchLimits(METADATA.max_bytes, timedelta(minutes=5), allow_http_beyond_loopback=allow_http)
    pins = pins_of(certificates, keys, fingerprints)
    longest = None
    if config is not None:
        url, limits, tls_authorities, pins, longest = _source(config, url, pins)
    if url is None:
        raise click.UsageError("Missing argument 'URL'.")
    octets = fetch_octets(url, limits, tls_authorities)
    if not pins:
        found = look_at(octets)
        _tell_unpinned(url, found, said)
        if save_certificate is not None and found.certificate is not None:
            write_new(save_certificate, found.certificate.pem.encode())
            said.line("fetch.saved", file=save_certificate)
        sys.exit(_NO_KEY)
    try:
        document = opened(url, octets, pins)
    except ConfigurationError:
        raise
    except OstiaryError as error:
        if error.code.startswith("metadata."):
            raise
        # What XML and signatures are told of otherwise is for people who log in.
        raise ConfigurationError("metadata.file", file=url, expected="usable metadata", found=error) from error
    _check_end(document, now, longest)
    _tell_verified(document, said, now, ())
    if output is None:
        said.line("fetch.no_output", style="dim")
        return
    _tell_changes(output, document, said, allow_shrinking)
    write_new(output, octets)
    said.line("fetch.written", style="bold green", file=output)


def _source(
    config: Path, url: str | None, pins: "Pins"
) -> "tuple[str, FetchLimits, Path | None, Pins, timedelta | None]":
    """The source of a configuration: the one with this URL, or the only one there is."""
    from ostiary.command.metadata.opened import Pins, trust_of
    from ostiary.federation.settings import MetadataUrlSettings

    known = [entry for entry in trust_of(config).metadata if isinstance(entry, MetadataUrlSettings)]
    wanted = [entry for entry in known if url is None or entry.url == url]
    if len(wanted) != 1:
        expected = ", ".join(entry.url for entry in known) or "a source with url:"
        raise ConfigurationError(
            "metadata.which_source", file=config, key="trust.metadata", expected=expected, found=url or "none named"
        )
    entry = wanted[0]
    configured = Pins(entry.trusted_certificates, entry.trusted_keys)
    return entry.url, entry.limits(), entry.tls_authorities, pins or configured, entry.maximum_validity


def _check_end(document: "OpenedDocument", now: datetime, longest: timedelta | None) -> None:
    from ostiary.federation.read import check_validity

    check_validity(document.valid_until, now, longest)


def _tell_unpinned(url: str, found: "Unpinned", said: "Said") -> None:
    from ostiary.command.metadata.pinning import in_pairs

    said.line("fetch.unpinned", style="bold yellow", url=url)
    rows = [(said.text("fetch.algorithm"), found.algorithm.rpartition("#")[2])]
    if found.certificate is not None:
        one = found.certificate
        rows += [
            (said.text("fetch.subject"), one.subject),
            (said.text("fetch.key"), one.key),
            (said.text("fetch.dates"), f"{one.not_before:%Y-%m-%d} - {one.not_after:%Y-%m-%d}"),
            (said.text("fetch.fingerprint"), in_pairs(one.fingerprint)),
        ]
    said.rows([(name, value) for name, value in rows])
    said.line("fetch.compare" if found.certificate is not None else "fetch.no_certificate")


def _tell_changes(output: Path, document: "OpenedDocument", said: "Said", allow_shrinking: bool) -> None:
    from ostiary.command.metadata.fetched import compared_with, refuse_shrinking
    from ostiary.command.metadata.shown_changes import show_changes

    if not output.exists():
        return
    compared = compared_with(output, document)
    if compared is None:
        said.line("fetch.unreadable_before", style="yellow", file=output)
        return
    changes, before = compared
    show_changes(changes, said, everything=False)
    said.console.print()
    if not allow_shrinking:
        refuse_shrinking(before, len(document.descriptors))


@click.command("verify")
@click.argument("file", type=FILE)
@pin_options
@click.option("--list", "listed", is_flag=True, help="Also list the entities.")
@PLAIN
def verify_command(
    file: Path,
    certificates: tuple[Path, ...],
    keys: tuple[Path, ...],
    fingerprints: tuple[str, ...],
    listed: bool,
    no_colour: bool,
) -> None:
    """Verify the signature and the dates of a metadata FILE: who signed it, until when it is valid, how many entities it has."""
    from ostiary.clock import SystemClock
    from ostiary.command.metadata.opened import open_document

    said, now = speaker(no_colour), SystemClock().now()
    pins = pins_of(certificates, keys, fingerprints)
    if not pins:
        raise Refusal("metadata.no_key", expected="--certificate, --key or --fingerprint", found="none")
    document = open_document(file, pins)
    try:
        _check_end(document, now, None)
    except OstiaryError as error:
        raise ConfigurationError(
            "metadata.file", file=file, expected="metadata that is valid now", found=error
        ) from error
    _tell_verified(document, said, now, certificates)
    for problem in _entities(document, said, listed):
        said.plain(problem, style="yellow", indent=2)
    said.line("verify.good", style="bold green", count=len(document.descriptors))


def _entities(document: "OpenedDocument", said: "Said", listed: bool) -> Iterator[str]:
    """Lists them if wanted; gives what is told of those that can't be read."""
    from ostiary.command.metadata.changes import roles_of

    for one in document.descriptors.values():
        try:
            entity = document.read(one)
        except OstiaryError as problem:
            document.left_out.setdefault(one.entity_id, problem)
            continue
        if listed:
            roles = ", ".join(name for name, _ in roles_of(entity)) or "-"
            said.plain(f"{entity.entity_id}  {roles}  {entity.name()}")
    if document.left_out:
        yield said.text("verify.left_out", count=len(document.left_out))
        yield from (
            f"{entity_id}: {said.problem(problem)}" for entity_id, problem in islice(document.left_out.items(), 20)
        )


def _tell_verified(document: "OpenedDocument", said: "Said", now: datetime, certificates: tuple[Path, ...]) -> None:
    """Who signed, with what, until when; how much there is."""
    from ostiary.command.metadata.changes import key_fingerprint
    from ostiary.command.metadata.pinning import in_pairs, signing_certificate
    from ostiary.saml.keys import TrustedKey

    if document.signed is None:
        raise Refusal("metadata.no_key", expected="a key that was verified with", found="none")
    rows = [(said.text("verify.document"), said.text("verify.size", name=document.name, size=document.size))]
    inside = signing_certificate(document.root)
    key = document.signed.key
    if inside is not None and TrustedKey.from_certificate(inside.der) == key:
        rows.append((said.text("verify.signed_by"), inside.subject))
        rows.append((said.text("fetch.fingerprint"), in_pairs(inside.fingerprint)))
    rows.append((said.text("verify.key"), in_pairs(key_fingerprint(key.spki))))
    rows.append((said.text("fetch.algorithm"), document.signed.algorithm.rpartition("#")[2]))
    rows.append((said.text("show.valid_until"), said.moment(document.valid_until, now)))
    roles = {"idp": 0, "sp": 0, "aa": 0}
    for summary in document.summaries():
        for span in summary.roles:
            roles[span.name] += 1
    rows.append((said.text("verify.entities"), said.text("verify.counts", count=len(document.descriptors), **roles)))
    said.rows([(name, value) for name, value in rows])


@click.command("validate")
@click.argument("files", type=FILE, nargs=-1)
@click.option("--config", type=PEM, help="Each entity that this service believes at the moment.")
@pin_options
@click.option(
    "--severity",
    type=click.Choice(["error", "warning", "info"]),
    default="warning",
    show_default=True,
    help="Tell what is as grave or graver.",
)
@click.option("--each", is_flag=True, help="List each finding, also where there are many entities.")
@click.option("--strict", is_flag=True, help="Fail on warnings, too.")
@click.option(
    "--longest",
    type=click.IntRange(1, 3650),
    default=28,
    show_default=True,
    metavar="DAYS",
    help="How long a document may be valid.",
)
@AS_JSON
@PLAIN
def validate_command(
    files: tuple[Path, ...],
    config: Path | None,
    certificates: tuple[Path, ...],
    keys: tuple[Path, ...],
    fingerprints: tuple[str, ...],
    severity: Literal["error", "warning", "info"],
    each: bool,
    strict: bool,
    longest: int,
    as_json: bool,
    no_colour: bool,
) -> None:
    """Hold metadata FILES against the schema and the common rules of federations; - is the standard input.

    Each finding has its severity, line and remedy. Ends with 1 where there is an error.
    """
    from ostiary.clock import SystemClock
    from ostiary.command.metadata.checked import Checked, finding_data, show_checked

    if not files and config is None:
        raise click.UsageError("Name FILES or --config.")
    said, now = speaker(no_colour), SystemClock().now()
    pins = pins_of(certificates, keys, fingerprints)
    failed, data = False, []
    for place in (*files, *((config,) if config is not None else ())):
        checked = Checked(str(place), severity)
        with quiet():
            if config is not None and place is config:
                _check_in_force(config, checked)
            else:
                _check_file(place, pins, checked, now, timedelta(days=longest))
        failed = failed or checked.fails(strict)
        if as_json:
            found = [finding_data(one, said.texts) for one in checked.kept]
            counts = dict(checked.counts)
            data.append({"file": str(place), "entities": checked.entities, "counts": counts, "findings": found})
        else:
            show_checked(checked, said, each=each)
    if as_json:
        click.echo(json.dumps(data, indent=2))
    if failed:
        sys.exit(1)


def _check_file(file: Path, pins: "Pins", checked: "Checked", now: datetime, longest: timedelta) -> None:
    from ostiary.command.metadata.opened import read_octets
    from ostiary.federation.validation.check import check_document
    from ostiary.federation.validation.document_rules import ENTITY
    from ostiary.saml.xml import METADATA, parse_xml

    octets = read_octets(file)
    try:
        root = parse_xml(octets, METADATA)
        trusted = pins.trusted(root) if pins else ()
    except ConfigurationError:
        raise
    except OstiaryError as error:
        raise ConfigurationError("metadata.file", file=file, expected="usable metadata", found=error) from error
    checked.entities = sum(1 for _ in root.iter(ENTITY))
    checked.take(check_document(root, now, trusted=trusted, longest=longest))


def _check_in_force(config: Path, checked: "Checked") -> None:
    """Each by itself: documents, signatures and ends were looked at when they were taken."""
    from ostiary.clock import SystemClock
    from ostiary.command.metadata.opened import in_force
    from ostiary.federation.validation.check import check_entity
    from ostiary.saml.xml import METADATA, parse_xml

    believed = in_force(config, SystemClock())
    for entity in believed.registry.all(believed.now):
        checked.entities += 1
        checked.take(check_entity(parse_xml(entity.source, METADATA), believed.now))


@click.command("diff")
@click.argument("old", type=FILE, required=False)
@click.argument("new", type=FILE, required=False)
@click.option("--config", type=PEM, help="In place of OLD: what this service believes at the moment.")
@click.option("--everything", is_flag=True, help="List all entities, however many.")
@click.option("--exit-code", is_flag=True, help="End with 1 where there is a difference.")
@AS_JSON
@PLAIN
def diff_command(
    old: Path | None,
    new: Path | None,
    config: Path | None,
    everything: bool,
    exit_code: bool,
    as_json: bool,
    no_colour: bool,
) -> None:
    """Tell what is different between the metadata in OLD and in NEW: new, gone and changed entities, those with other keys or scopes first.

    With --config one file is named, which is compared with what that service believes. Signatures are not looked at: see verify.
    """
    from ostiary.command.metadata.changes import compare
    from ostiary.command.metadata.opened import Pins, open_document
    from ostiary.command.metadata.shown_changes import changes_data, show_changes
    from ostiary.command.metadata.sides import side_of, sides_in_force

    paths = [path for path in (old, new) if path is not None]
    if len(paths) != (1 if config is not None else 2):
        raise click.UsageError("Name OLD and NEW, or --config and NEW.")
    document = open_document(paths[-1], Pins())
    with quiet():
        if config is not None:
            from ostiary.clock import SystemClock
            from ostiary.command.metadata.opened import in_force

            changes = compare(*sides_in_force(in_force(config, SystemClock()), document))
        else:
            changes = compare(side_of(open_document(paths[0], Pins())), side_of(document))
    if as_json:
        click.echo(json.dumps(changes_data(changes), indent=2))
    else:
        show_changes(changes, speaker(no_colour), everything=everything)
    if exit_code and changes:
        sys.exit(1)
