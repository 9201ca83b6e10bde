"""``ostiary keys``: makes keys, shows them, and moves them on step by step. What may be done when is decided in `ostiary.rotation`."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import click
from pydantic import ValidationError

from ostiary.clock import SystemClock
from ostiary.config import (
    DatabaseSettings,
    WrongSetting,
    load_document,
    parse_duration,
    write_private_file,
)
from ostiary.errors import ConfigurationError
from ostiary.federation.keys import PREFIXES, Use, create_key_ring
from ostiary.federation.rotation import key_states, rotate, waits_of, write_published
from ostiary.federation.settings import TrustSettings
from ostiary.handle import KEY_BYTES
from ostiary.handle_rotation import create_handle_keys, handle_key_states, rotate_handle_keys, waits_of_handles
from ostiary.rotation import KeyState, Step, Waits, next_step

SALT_BYTES: Final = 48
Kind = Literal["signing", "encryption", "handle"]

KINDS: Final[tuple[Kind, ...]] = ("signing", "encryption", "handle")
DEFAULT_REFRESH: Final = TrustSettings.model_fields["partners_refresh_within"].default
DEFAULT_HANDLE_LIFETIME: Final = timedelta(hours=4)

_PATH = click.Path(exists=True, path_type=Path)


class _Duration(click.ParamType[timedelta]):
    """``7d``, ``12h``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """As `parse_duration`."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(value)
        except WrongSetting as error:
            self.fail(f"expected {error.expected}", param, ctx)


DURATION: Final = _Duration()
"""The type of an option that is a length of time."""


@dataclass(frozen=True, slots=True)
class Keys:
    """One kind of keys of a service: where they are, how long its steps wait. ``database``: where changes are audited, if anywhere."""

    kind: Kind
    path: Path
    waits: Waits
    database: DatabaseSettings | None = None

    def states(self) -> tuple[KeyState, ...]:
        """The keys there are."""
        return handle_key_states(self.path) if self.kind == "handle" else key_states(self.path, self.kind)

    def take(self, step: Step | None, *, now: datetime, force: bool) -> tuple[Step, tuple[KeyState, ...]]:
        """A step, on the files. Raises as `ostiary.federation.rotation.rotate`."""
        if self.kind == "handle":
            return rotate_handle_keys(self.path, self.waits, now=now, step=step, force=force)
        if not self.states():
            raise ConfigurationError("keys.nothing_here", file=self.path, expected=f"a {self.kind} key", found="none")
        return rotate(self.path, self.kind, self.waits, now=now, step=step, force=force)


def keys_at(path: Path, kind: Kind, *, refresh: timedelta | None = None) -> Keys:
    """The keys of a directory, or of the service whose configuration ``path`` is. ``refresh`` in place of what the configuration says.

    Raises `ConfigurationError` (``keys.which_file``, and those of reading the file).
    """
    if path.is_dir():
        if kind == "handle":
            return Keys(kind, path, waits_of_handles(DEFAULT_HANDLE_LIFETIME))
        return Keys(kind, path, waits_of(kind, refresh or DEFAULT_REFRESH))
    content = load_document(path).data
    context = {"directory": path.absolute().parent}
    database = None
    try:
        if "handle_keys" in content and "database" in content:
            # Only a home organisation's database has the tables of the audit.
            database = DatabaseSettings.model_validate(content["database"], context=context)
        if kind == "handle":
            return Keys(kind, _handle_directory(path, content), waits_of_handles(_handle_lifetime(content)), database)
        trust = TrustSettings.model_validate(content.get("trust"), context=context)
    except (ValidationError, WrongSetting):
        raise ConfigurationError(
            "keys.which_file", file=path, expected="trust.keys", found="none that is good"
        ) from None
    return Keys(kind, trust.keys, waits_of(kind, refresh or trust.partners_refresh_within), database)


def _handle_directory(path: Path, content: dict[str, Any]) -> Path:
    named = content.get("handle_keys")
    if not isinstance(named, list) or not named:
        raise ConfigurationError("keys.which_file", file=path, expected="handle_keys", found="none")
    return path.absolute().parent / str(named[0])


def _handle_lifetime(content: dict[str, Any]) -> timedelta:
    """The longest that a handle of this service may live, partners with a longer one included."""
    partners = content.get("partners")
    written = [content.get("handle_lifetime", "4h")]
    written += [entry.get("handle_lifetime") for entry in partners or () if isinstance(entry, dict)]
    return max((parse_duration(text) for text in written if isinstance(text, str)), default=DEFAULT_HANDLE_LIFETIME)


def rotate_keys(
    keys: Keys,
    step: Step | None,
    *,
    now: datetime,
    force: bool = False,
    open_audit: Callable[[DatabaseSettings], Any] | None = None,
) -> tuple[Step, tuple[KeyState, ...]]:
    """Takes a step, and audits it in the service's database where there is one. ``open_audit`` opens that."""
    if keys.database is None or open_audit is None:
        return keys.take(step, now=now, force=force)
    # Not every installation has a database.
    from ostiary import audit
    from ostiary.storage.engine import writing

    # Opened first, so that nothing changes where nothing can be recorded; not held, for making a key takes a while.
    engine = open_audit(keys.database)
    try:
        before = keys.states()
        taken, after = keys.take(step, now=now, force=force)
        with writing(engine) as connection:
            audit.record(
                connection,
                at=now,
                writer="keys",
                actor="operator",
                action=f"keys.{_PAST[taken]}",
                facts={"kind": keys.kind, "forced": force, "before": _facts(before), "after": _facts(after)},
            )
        return taken, after
    finally:
        engine.dispose()


_PAST: Final[dict[Step, str]] = {"prepare": "prepared", "activate": "activated", "retire": "removed"}


def _facts(states: Sequence[KeyState]) -> list[str]:
    return [f"{key.state} {key.fingerprint}" for key in states]


def _write_secret(file: Path, length: int) -> None:
    """So many random bytes, in a file that is new. Raises `ConfigurationError` (``key.exists``)."""
    if file.exists():
        raise ConfigurationError("key.exists", file=file, expected="no file here yet", found="a file")
    write_private_file(file, secrets.token_bytes(length))
    click.echo(f"{file} is written.")


@click.group()
def keys() -> None:
    """Keys that sign, decrypt and mint handles: make them, show them, change them without downtime."""


@keys.command("create")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", required=True, help="Who uses the key; stands in its certificate.")
@click.option("--use", type=click.Choice(list(PREFIXES)), default="signing", show_default=True)
def create(directory: Path, name: str, use: Use) -> None:
    """A first key with its certificate, as DIRECTORY/current.key and current.crt (encryption-current.* to decrypt with)."""
    create_key_ring(directory, name, now=SystemClock().now(), use=use)
    if (directory / "current.key").exists():
        write_published(directory)
    first = directory / f"{PREFIXES[use]}current"
    click.echo(f"{first}.key and {first}.crt are written.")


@keys.command("create-handle-key")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def create_handle_key(file: Path) -> None:
    """A single key for handles. The Handle Service and the Attribute Authority of one organisation share it."""
    _write_secret(file, KEY_BYTES)


@keys.command("create-salt")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def create_salt(file: Path) -> None:
    """A salt for computed identifiers. It is never changed, whatever keys are: keep a copy in a safe place."""
    _write_secret(file, SALT_BYTES)


@keys.command("create-factor-key")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def create_factor_key(file: Path) -> None:
    """A key for second factors: it keeps the secrets of authenticator apps closed. All nodes of an identity provider share it."""
    _write_secret(file, KEY_BYTES)


@keys.command("create-handle-keys")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
def create_handle_keys_command(directory: Path) -> None:
    """A directory for handle keys that `ostiary keys rotate` can change, with the first key."""
    create_handle_keys(directory, now=SystemClock().now())
    click.echo(f"{directory / 'current.key'} is written.")


@keys.command("show")
@click.argument("path", type=_PATH)
def show(path: Path) -> None:
    """The keys of PATH (a directory of keys, or a service's configuration), their states, and what may be done next."""
    now = SystemClock().now()
    for kind in KINDS:
        found = _shown(path, kind)
        if found is None:
            continue
        states = found.states()
        for key in states:
            click.echo(f"{kind:<10} {key.state:<8} {key.kind:<14} since {_moment(key.since)}  {key.fingerprint[:16]}")
        if states:
            due = next_step(states, found.waits)
            when = "at any time" if due.at is None or due.at <= now else f"from {_moment(due.at)}"
            click.echo(f"{kind:<10} next step: {due.step}, {when}")


def _shown(path: Path, kind: Kind) -> Keys | None:
    """The keys of this kind at ``path``; None where it can have none: a directory holds handle keys, or keys with certificates."""
    if path.is_dir():
        has_handles = (path / "current.key").exists() and not (path / "current.crt").exists()
        return keys_at(path, kind) if has_handles == (kind == "handle") else None
    return keys_at(path, kind) if kind != "handle" or "handle_keys" in load_document(path).data else None


@keys.command("rotate")
@click.argument("path", type=_PATH)
@click.argument("kind", type=click.Choice(KINDS), default="signing")
@click.option("--prepare", "step", flag_value="prepare", help="Make the next key; partners begin to learn of it.")
@click.option("--activate", "step", flag_value="activate", help="Take the next key into use.")
@click.option("--retire", "step", flag_value="retire", help="Remove keys that nobody needs any more.")
@click.option("--force-now", is_flag=True, help="Do not wait for partners: for a stolen key.")
@click.option(
    "--partners-refresh-within",
    type=DURATION,
    help="In place of what the configuration says (14d for a directory).",
)
def rotate_command(
    path: Path, kind: Kind, step: Step | None, force_now: bool, partners_refresh_within: timedelta | None
) -> None:
    """Take the next step in changing the keys of PATH (a directory of keys, or a service's configuration): prepare, activate, retire.

    Services read the keys anew by themselves. A step that would break a login is refused, and says from when on it is allowed.
    """
    found = keys_at(path, kind, refresh=partners_refresh_within)
    now = SystemClock().now()
    taken, states = rotate_keys(found, step, now=now, force=force_now, open_audit=_open_home)
    click.echo(f"{kind}: {_PAST[taken]}.")
    due = next_step(states, found.waits)
    click.echo(f"Next step: {due.step}, {'at any time' if due.at is None else f'from {_moment(due.at)}'}.")


def _open_home(database: DatabaseSettings) -> Any:
    from ostiary.command.home import prepared
    from ostiary.storage.engine import open_database

    return prepared(open_database(database))


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
