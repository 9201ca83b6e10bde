"""``ostiary metadata``: reads options; what is done stands in `ostiary.command.metadata`. Its commands that publish are added elsewhere."""

from pathlib import Path

import click

from ostiary.command.metadata.document_commands import diff_command, fetch_command, validate_command, verify_command
from ostiary.command.metadata.looking_commands import search_command, show_command, status_command

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def metadata() -> None:
    """Metadata: what you hand to partners and federations, and what you get from them."""


@metadata.command("home")
@click.option("--config", type=_FILE, required=True, help="idp.yaml")
@click.option("--authority", type=_FILE, required=True, help="aa.yaml")
@click.option("--support-email", default="", help="Whom people write to for help.")
def home_command(config: Path, authority: Path, support_email: str) -> None:
    """Print the entity of a home organisation: its IdP and its Attribute Authority."""
    from attribute_authority.settings import AttributeAuthoritySettings
    from idp.settings import IdpSettings
    from ostiary.command.home import home_entity
    from ostiary.config import load_settings
    from ostiary.federation.keys import load_key_ring
    from ostiary.federation.publish.documents import unsigned_entity

    settings = load_settings(config, IdpSettings)
    ring = load_key_ring(settings.trust.keys)
    entity = home_entity(settings, load_settings(authority, AttributeAuthoritySettings), ring, support_email)
    click.echo(unsigned_entity(entity))


@metadata.command("sp")
@click.option("--config", type=_FILE, required=True, help="sp.yaml")
@click.option("--application", default="", help="An application domain with an entityID of its own, by name.")
@click.option("--signed", is_flag=True, help="With signature and dates, as the resource itself serves it.")
def sp_command(config: Path, application: str, signed: bool) -> None:
    """Print the entity of a protected resource, or of one of its application domains."""
    from ostiary.clock import SystemClock
    from ostiary.config import load_settings
    from ostiary.federation.keys import load_key_ring
    from ostiary.federation.publish.documents import unsigned_entity
    from sp_shire.applications import domain_named
    from sp_shire.metadata import signed_metadata, sp_entity
    from sp_shire.settings import ShireSettings

    settings = load_settings(config, ShireSettings)
    if application:
        settings = domain_named(settings, application, config).published_as
    ring = load_key_ring(settings.trust.keys)
    click.echo(
        signed_metadata(settings, ring, SystemClock().now()) if signed else unsigned_entity(sp_entity(settings, ring))
    )


for command in (
    fetch_command,
    verify_command,
    show_command,
    search_command,
    validate_command,
    diff_command,
    status_command,
):
    metadata.add_command(command)
