"""``ostiary maintenance``: puts the flag of a service there and takes it away. The service notices within seconds."""

import re
from datetime import UTC, datetime
from pathlib import Path

import click

from ostiary.clock import SystemClock
from ostiary.config import WrongSetting, parse_duration

_CONFIG = click.Path(exists=True, dir_okay=False, path_type=Path)
_MESSAGE = re.compile(r"([A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*)=(.+)", re.DOTALL)


@click.group()
def maintenance() -> None:
    """Show people a page that says when to come back, instead of the service."""


@maintenance.command("on")
@click.argument("config", type=_CONFIG)
@click.option(
    "--until", help="When it will be over: 2h, or 2026-11-22T18:00Z. An estimate: it ends with `maintenance off`."
)
@click.option(
    "--message", multiple=True, help="What to tell people, as TEXT in English or LANGUAGE=TEXT; may be repeated."
)
def maintenance_on(config: Path, until: str | None, message: tuple[str, ...]) -> None:
    """Begin: CONFIG is the idp.yaml of the service."""
    from ostiary.web.maintenance import Maintenance, write_flag

    now = SystemClock().now()
    flag = _flag(config)
    write_flag(flag, Maintenance(now, _until(until, now) if until is not None else None, _messages(message)))
    click.echo(f"{flag} is written. People are told to come back later, within seconds.")


@maintenance.command("off")
@click.argument("config", type=_CONFIG)
def maintenance_off(config: Path) -> None:
    """End it."""
    flag = _flag(config)
    if not flag.exists():
        click.echo("No maintenance is on.")
        return
    flag.unlink()
    click.echo(f"{flag} is removed. The service goes on within seconds.")


def _flag(config: Path) -> Path:
    from idp.settings import IdpSettings
    from ostiary.command.operation import maintenance_flag
    from ostiary.config import load_settings

    return maintenance_flag(config, load_settings(config, IdpSettings))


def _until(text: str, now: datetime) -> datetime:
    try:
        return now + parse_duration(text)
    except WrongSetting:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            "a duration such as 2h, or a moment such as 2026-11-22T18:00Z", param_hint="--until"
        ) from None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    if at <= now:
        raise click.BadParameter("a moment that is still to come", param_hint="--until")
    return at


def _messages(given: tuple[str, ...]) -> dict[str, str]:
    messages = {}
    for text in given:
        found = _MESSAGE.fullmatch(text)
        language, message = (found[1], found[2]) if found else ("en", text)
        messages[language] = message
    if messages and "en" not in messages:
        raise click.BadParameter("English has to be there", param_hint="--message")
    return messages
