"""Puts a `Shire` together from its settings: stores, policies, metadata and keys, each reloaded when its file changes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.clock import Clock, SystemClock
from ostiary.config import Holder, Sources, ValkeySettings, load_settings
from ostiary.federation.keys import load_key_ring
from ostiary.federation.registry import Registry
from ostiary.federation.sources import load_registry
from ostiary.policy.acceptance_document import load_acceptance_policy
from ostiary.policy.access_document import load_access_policy
from ostiary.storage.memory import MemoryGroups, MemoryReplayStore, MemorySessionStore
from ostiary.storage.stores import Groups, ReplayStore, SessionStore
from ostiary.web.log import Log, left_out, make_log
from ostiary.web.pages import Pages
from ostiary.web.texts import Catalogue
from sp_shire.pages.replies import Replies
from sp_shire.settings import ShireSettings
from sp_shire.shar.query import SoapTransport
from sp_shire.shar.transport import HttpSoapTransport
from sp_shire.shire import Shire
from sp_shire.snapshot import Snapshot, Stores

if TYPE_CHECKING:
    from sqlalchemy import Engine

HERE: Final = Path(__file__).parent
_LOOK_EVERY: Final = timedelta(seconds=5)


def make_shire(
    config: str | Path | ShireSettings,
    *,
    clock: Clock | None = None,
    log: Log | None = None,
    transport: SoapTransport | None = None,
    stores: Stores | None = None,
    registry: Callable[[], Registry] | None = None,
) -> Shire:
    """A resource from its configuration. Raises `ConfigurationError` where a file, policy, key or metadata can't be used.

    What is not given is made: the system's clock, a log on standard error, HTTP(S), the store that the settings name, and the registry of
    their metadata (a service that has read it already gives its own).
    """
    settings = config if isinstance(config, ShireSettings) else load_settings(config, ShireSettings)
    clock = clock or SystemClock()
    log = log or make_log(clock, service=settings.entity_id)

    def load(sources: Sources) -> Snapshot:
        known = registry() if registry is not None else _registry(settings, sources, clock.now(), log)
        return load_snapshot(settings, sources, known)

    holder = Holder(load, every=_LOOK_EVERY)

    def snapshot(now: datetime) -> Snapshot:
        if (problem := holder.poll(now)) is not None:
            log.error("reload_refused", code=problem.code, found=str(problem))
        return holder.value if registry is None else replace(holder.value, registry=registry())

    pages = make_pages()
    return Shire(
        settings,
        snapshot=snapshot,
        stores=stores or make_stores(settings),
        transport=transport or HttpSoapTransport(settings.query_timeout, settings.tls_authorities),
        replies=Replies(settings, pages, log),
        clock=clock,
        log=log,
    )


def load_snapshot(settings: ShireSettings, sources: Sources, registry: Registry) -> Snapshot:
    """Everything that may change while the resource runs, read anew and as a whole."""
    return Snapshot(
        registry=registry,
        accept=load_acceptance_policy(settings.accept, sources=sources),
        access=load_access_policy(settings.access, sources=sources),
        keys=load_key_ring(settings.trust.keys, sources),
    )


def _registry(settings: ShireSettings, sources: Sources, now: datetime, log: Log) -> Registry:
    files = [entry.source() for entry in settings.trust.metadata]
    return load_registry(files, now=now, sources=sources, leave_out=left_out(log))


def make_pages() -> Pages:
    """The pages of this room over those of the ground floor."""
    return Pages(Catalogue.load(HERE / "texts"), [HERE / "templates"])


def make_stores(settings: ShireSettings) -> Stores:
    """In memory for one process, else the database or Valkey server that the settings name (whose libraries are loaded only then)."""
    if settings.store is None:
        return Stores(
            MemorySessionStore(), MemorySessionStore(), MemorySessionStore(), MemoryReplayStore(), MemoryGroups()
        )
    if isinstance(settings.store, ValkeySettings):
        return _stores_in_valkey(settings.store, settings.entity_id)
    from ostiary.storage.engine import open_database
    from ostiary.storage.migrate import MIGRATIONS, upgrade

    engine = open_database(settings.store)
    upgrade(engine, [MIGRATIONS])
    return stores_in(engine, settings.entity_id)


def _stores_in_valkey(server: ValkeySettings, space: str) -> Stores:
    from ostiary.storage.valkey import ValkeyGroups, ValkeyReplayStore, ValkeySessionStore, open_valkey

    client = open_valkey(server)

    def sessions(namespace: str) -> SessionStore:
        return ValkeySessionStore(client, namespace=namespace)

    return _named_stores(
        space, sessions, ValkeyReplayStore(client, namespace=space), ValkeyGroups(client, namespace=space)
    )


def stores_in(engine: "Engine", space: str) -> Stores:
    """In a database whose tables are there already; ``space`` (the resource's entityID) keeps them apart from what others store there."""
    from ostiary.storage.sql import SqlGroups, SqlReplayStore, SqlSessionStore

    def sessions(namespace: str) -> SessionStore:
        return SqlSessionStore(engine, namespace=namespace)

    return _named_stores(space, sessions, SqlReplayStore(engine, namespace=space), SqlGroups(engine, namespace=space))


def _named_stores(space: str, sessions: Callable[[str], SessionStore], replays: ReplayStore, groups: Groups) -> Stores:
    return Stores(
        sessions(f"{space} session"), sessions(f"{space} login"), sessions(f"{space} ticket"), replays, groups
    )
