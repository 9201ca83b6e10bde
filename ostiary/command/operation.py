"""Composition of what an identity provider's operator sees: live settings, status, maintenance."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from idp.operate.endpoints import Operation
from idp.operate.live import FIXED
from idp.operate.sessions import count_sessions
from idp.operate.status import Rest, Status
from idp.service import TEMPLATES, TEXTS
from idp.settings import IdpSettings
from ostiary.clock import Clock
from ostiary.command.live_settings import LiveSettings, settings_loader
from ostiary.command.watched import Watching
from ostiary.command.wording import catalogue
from ostiary.config import Sources, load_settings
from ostiary.errors import OstiaryError
from ostiary.federation.rotation import key_states, waits_of
from ostiary.handle_rotation import handle_key_states, waits_of_handles
from ostiary.rotation import KeyState, Waits, next_step
from ostiary.storage.migrate import heads
from ostiary.web.branding import Branding, make_branding
from ostiary.web.log import Log
from ostiary.web.maintenance import Maintenance, read_flag
from ostiary.web.pages import Pages
from ostiary.web.status import (
    Check,
    KeyLine,
    KeySet,
    Watched,
    check_of,
    metadata_lines,
    own_version,
    problem_of,
)
from ostiary.web.texts import Catalogue

FLAG: Final = "maintenance.yaml"
SETTINGS: Final = "settings"


@dataclass(frozen=True, slots=True)
class Made:
    """What is made of the settings whenever they are read: the site's look, and the token of the status page."""

    branding: Branding
    token: bytes | None


def watched_settings(config: Path, watching: Watching, log: Log) -> Callable[[], LiveSettings[IdpSettings, Made]]:
    """The configuration of the moment. Raises `ConfigurationError` where the file that is there at the start can't be used."""
    plain = Pages(Catalogue.load(TEXTS), [TEMPLATES])

    def read(sources: Sources) -> IdpSettings:
        return load_settings(config, IdpSettings, sources=sources)

    def derive(settings: IdpSettings, sources: Sources) -> Made:
        if settings.status.token_file is not None:
            sources.note(settings.status.token_file)
        branding = make_branding(settings.branding, plain, file=config, sources=sources)
        return Made(branding, settings.status.token())

    return watching.watch(SETTINGS, settings_loader(read, derive, fixed=FIXED, log=log))


def maintenance_flag(config: Path, settings: IdpSettings) -> Path:
    """Where the flag of an identity provider is."""
    return settings.maintenance.file or config.absolute().parent / FLAG


@dataclass(frozen=True, slots=True)
class Parts:
    """What the status looks at. ``checks``: by name, each raises `OstiaryError` while what the service needs does not answer."""

    engine: Engine
    checks: Sequence[tuple[str, Callable[[], None]]]


def make_operation(
    config: Path,
    live: Callable[[], LiveSettings[IdpSettings, Made]],
    watching: Watching,
    parts: Parts,
    *,
    clock: Clock,
) -> Operation:
    """The operator's side of one IdP process."""
    started = clock.now()
    flag = maintenance_flag(config, live().settings)
    maintenance = watching.watch("maintenance", lambda sources: read_flag(flag, sources))

    def status() -> Status:
        return _status(live(), watching, parts, maintenance(), started=started, now=clock.now())

    return Operation(
        status_settings=lambda: live().settings.status,
        maintenance_settings=lambda: live().settings.maintenance,
        token=lambda: live().derived.token,
        maintenance=maintenance,
        status=status,
    )


def _status(
    live: LiveSettings[IdpSettings, Made],
    watching: Watching,
    parts: Parts,
    maintenance: Maintenance | None,
    *,
    started: datetime,
    now: datetime,
) -> Status:
    database, sessions = _database(parts.engine, now)
    return Status(
        version=own_version(),
        now=now,
        started=started,
        keys=tuple(_keys(live.settings)),
        metadata=metadata_lines(watching.sources(), _texts()),
        watched=tuple(Watched(one.name, one.read_at, problem_of(one.problem, _texts())) for one in watching.reports()),
        needs_restart=live.needs_restart,
        checks=(database, *(check_of(name, ask, _texts()) for name, ask in parts.checks)),
        sessions=sessions,
        maintenance=Rest(maintenance.since, maintenance.until) if maintenance is not None else None,
    )


def _keys(settings: IdpSettings) -> Iterator[KeySet]:
    refresh, directory = settings.trust.partners_refresh_within, settings.trust.keys
    longest = max(
        [settings.handle_lifetime, *(one.handle_lifetime for one in settings.partners if one.handle_lifetime)]
    )
    reading: tuple[tuple[str, Callable[[], Sequence[KeyState]], Waits], ...] = (
        ("signing", lambda: key_states(directory, "signing"), waits_of("signing", refresh)),
        ("encryption", lambda: key_states(directory, "encryption"), waits_of("encryption", refresh)),
        ("handle", lambda: handle_key_states(settings.handle_keys[0]), waits_of_handles(longest)),
    )
    for purpose, read, waits in reading:
        try:
            states = read()
        except (OstiaryError, OSError):
            # Broken, or in the middle of a change: what is watched tells which.
            continue
        if states:
            due = next_step(states, waits)
            lines = tuple(KeyLine(key.state, key.kind, key.since, key.fingerprint) for key in states)
            yield KeySet(purpose, lines, due.step, due.at)


def _database(engine: Engine, now: datetime) -> tuple[Check, int | None]:
    try:
        known = heads(engine)
        return Check("database", True, None, ", ".join(known)), count_sessions(engine, now)
    except OstiaryError as problem:
        return Check("database", False, problem_of(problem, _texts())), None


@functools.cache
def _texts() -> Catalogue:
    return catalogue()
