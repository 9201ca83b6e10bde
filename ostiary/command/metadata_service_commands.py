"""``ostiary metadata sign | aggregate | serve``: metadata goes out. Reads options; what is done stands in `ostiary.federation.publish`."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ostiary.command.keys_commands import DURATION

if TYPE_CHECKING:
    from ostiary.federation.publish.publication import Made, Publication
    from ostiary.federation.publish.publisher import Make
    from ostiary.saml.keys import Signer

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)


@click.command("sign")
@click.argument("file", type=_FILE)
@click.option("--keys", type=_DIRECTORY, help="The key directory of a service; its current key signs.")
@click.option("--key", type=_FILE, help="A private key, PEM, in place of a key directory.")
@click.option("--certificate", type=_FILE, help="The certificate of that key, PEM.")
@click.option("--out", type=_OUT, required=True, help="Where the signed document goes.")
@click.option("--valid-for", type=DURATION, default="7d", show_default=True, help="How long it counts.")
@click.option("--cache-duration", type=DURATION, help="After how long to ask for a newer one.")
def sign_command(
    file: Path,
    keys: Path | None,
    key: Path | None,
    certificate: Path | None,
    out: Path,
    valid_for: timedelta,
    cache_duration: timedelta | None,
) -> None:
    """Sign the metadata in FILE. A document that ends earlier by itself goes on to end then."""
    from ostiary.clock import SystemClock
    from ostiary.federation.publish.published import put_in_place, unfinished
    from ostiary.federation.publish.signing import sign_document

    now = SystemClock().now()
    signed = sign_document(
        file.read_bytes(), _signer(keys, key, certificate), now=now, valid_for=valid_for, cache_duration=cache_duration
    )
    with unfinished(out) as path:
        path.write_bytes(signed.octets)
        put_in_place(path, out, now, with_gzip=False)
    if signed.own_end:
        click.echo(f"{file} says itself when it ends, and that is earlier.", err=True)
    click.echo(f"{out} is signed; valid until {signed.valid_until.isoformat(timespec='seconds')}.")


@click.command("aggregate")
@click.option("--config", type=_FILE, required=True, help="metadata.yaml")
@click.option("--selection", help="The selection to publish, by name; all of them when left out.")
@click.option("--out", type=_OUT, help="Write it into this file, in place of the directory of the service.")
@click.option("--allow-shrinking", is_flag=True, help="Publish even if much of what was in the last one is gone.")
def aggregate_command(config: Path, selection: str | None, out: Path | None, allow_shrinking: bool) -> None:
    """Publish now, once: what `ostiary metadata serve` does on its timer."""
    from dataclasses import replace

    from ostiary.clock import SystemClock
    from ostiary.command.metadata_child import make_here
    from ostiary.command.metadata_service import make_publisher
    from ostiary.config import load_settings
    from ostiary.errors import Refusal
    from ostiary.web.log import make_log
    from wayf.metadata_settings import MetadataServiceSettings

    clock = SystemClock()
    settings = load_settings(config, MetadataServiceSettings)
    wanted = [one for one in settings.publications() if selection in (None, one.name)]
    if not wanted:
        known = ", ".join(one.name for one in settings.publications())
        raise Refusal("publish.unknown", expected=known, found=selection, known=known)
    if out is not None and len(wanted) > 1:
        raise click.UsageError("--out takes one document: name its selection with --selection")

    def make(publication: "Publication", path: Path, now: datetime) -> "Made":
        return make_here(settings.trust, publication, path, now)

    if out is not None:
        count = _write_one(wanted[0], out, make, clock.now(), allow_shrinking)
        click.echo(f"{out} is published; entities: {count}.")
        return
    log = make_log(clock, service="metadata", style="console", level="error")
    publisher = make_publisher(settings, config, clock=clock, log=log, make=make)
    problems = []
    for one in wanted:
        happened = publisher.publish_now(replace(one, may_shrink=one.may_shrink or allow_shrinking))
        if happened.problem is not None:
            problems.append(happened.problem)
        else:
            click.echo(f"{publisher.place(one).document} is published; entities: {happened.record.entities}.")
    if problems:
        raise problems[0]


@click.command("serve")
@click.option("--config", type=_FILE, required=True, help="metadata.yaml")
def serve_command(config: Path) -> None:
    """Publish on a timer, and answer the Metadata Query Protocol."""
    from functools import partial

    from ostiary.clock import SystemClock
    from ostiary.command.metadata_service import make_metadata
    from ostiary.command.serving import serve_checked
    from ostiary.config import load_settings
    from wayf.metadata_settings import MetadataServiceSettings

    listen = load_settings(config, MetadataServiceSettings).listen
    serve_checked("metadata", partial(make_metadata, config, clock=SystemClock()), listen)


def _signer(keys: Path | None, key: Path | None, certificate: Path | None) -> "Signer":
    from ostiary.federation.keys import load_certificate, load_key_ring, load_signer

    if keys is not None and key is None and certificate is None:
        return load_key_ring(keys).signer
    if keys is None and key is not None and certificate is not None:
        return load_signer(key, load_certificate(certificate))
    raise click.UsageError("give --keys, or --key together with --certificate")


def _write_one(publication: "Publication", out: Path, make: "Make", now: datetime, allow_shrinking: bool) -> int:
    """Into a file of its own, of which only the file itself is known."""
    from dataclasses import replace

    from ostiary.federation.publish.publication import Record, reason_to_keep
    from ostiary.federation.publish.published import entities_in, open_document, put_in_place, unfinished

    last = Record()
    there = open_document(out, now)
    if there is not None:
        last = Record(valid_until=there.valid_until, entities=entities_in(out))
        there.close()
    with unfinished(out) as path:
        made = make(publication, path, now)
        kept = reason_to_keep(
            last, made, replace(publication, may_shrink=publication.may_shrink or allow_shrinking), now
        )
        if kept is not None:
            raise kept
        put_in_place(path, out, now)
    return made.entities
