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
from ostiary.federation.sources.living import read_files
from ostiary.policy.acceptance_document import load_acceptance_policy
from ostiary.policy.access_document import load_access_policy
from ostiary.storage.memory import MemoryGroups, MemoryReplayStore, MemorySessionStore
from ostiary.storage.stores import Groups, ReplayStore, SessionStore
from ostiary.web.log import Log, left_out, make_log
from ostiary.web.metadata_log import trusted_metadata
from ostiary.web.pages import Pages
from ostiary.web.texts import Catalogue
from sp_shire.applications import domains_of
from sp_shire.certificates.grid import watched_grid
from sp_shire.certificates.visitors import CertificateVisitors
from sp_shire.handlers.status import Reading
from sp_shire.pages.replies import Replies
from sp_shire.settings import ShireSettings
from sp_shire.shar.query import SoapTransport
from sp_shire.shar.transport import HttpSoapTransport
from sp_shire.shire import Shire
from sp_shire.snapshot import Snapshot, Stores, inside

if TYPE_CHECKING:
    import redis
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
    common: SessionStore | None = None,
) -> Shire:
    """A resource from its configuration. Raises `ConfigurationError` where a file, policy, key or metadata can't be used.

    What is not given is made: the system's clock, a log on standard error, HTTP(S), the store that the settings name, and the registry of
    their metadata (a service that has read it already gives its own). ``common`` as for `Shire`.
    """
    settings = config if isinstance(config, ShireSettings) else load_settings(config, ShireSettings)
    clock = clock or SystemClock()
    log = log or make_log(clock, service=settings.entity_id)

    read_at: list[datetime] = []
    indexed = None
    if registry is None and settings.trust.state is not None:
        indexed = trusted_metadata(settings.trust, clock, log)
        registry = indexed.registry

    def load(sources: Sources) -> Snapshot:
        if indexed is not None:
            # No thread yet: a server may fork its workers after this.
            known = indexed.held()
        elif registry is not None:
            known = registry()
        else:
            known = read_files(settings.trust, clock.now(), sources, left_out(log))
        loaded = load_snapshot(settings, sources, known)
        read_at[:] = [clock.now()]
        return loaded

    holder = Holder(load, every=_LOOK_EVERY)

    def snapshot(now: datetime) -> Snapshot:
        if (problem := holder.poll(now)) is not None:
            log.error("reload_refused", code=problem.code, found=str(problem))
        return holder.value if registry is None else replace(holder.value, registry=registry())

    stores = stores or make_stores(settings)
    transport = transport or HttpSoapTransport(settings.query_time, settings.tls_authorities)
    return Shire(
        settings,
        snapshot=snapshot,
        stores=stores,
        transport=transport,
        replies=Replies(settings, make_pages(), log),
        clock=clock,
        log=log,
        domains=[
            make_shire(
                domain,
                clock=clock,
                log=log,
                transport=transport,
                stores=inside(stores, domain.space),
                registry=lambda: snapshot(clock.now()).registry,
                common=stores.logins if domain.shared_index is not None else None,
            )
            for domain in domains_of(settings)
        ],
        common=common,
        reading=lambda: Reading(read_at[0], holder.problem),
        certificates=_certificates(settings, clock.now(), log),
    )


def _certificates(settings: ShireSettings, now: datetime, log: Log) -> CertificateVisitors | None:
    if settings.certificates is None:
        return None
    grid = watched_grid(settings.certificates, now, log)
    return CertificateVisitors(settings, settings.certificates, grid=grid, log=log)


def load_snapshot(settings: ShireSettings, sources: Sources, registry: Registry) -> Snapshot:
    """Everything that may change while the resource runs, read anew and as a whole."""
    return Snapshot(
        registry=registry,
        accept=load_acceptance_policy(settings.accept, sources=sources),
        access=load_access_policy(settings.access, sources=sources),
        keys=load_key_ring(settings.trust.keys, sources),
        token_keys=load_key_ring(settings.jwt.keys, sources) if settings.jwt and settings.jwt.keys else None,
    )


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
        from ostiary.storage.valkey import open_valkey

        return stores_in_valkey(open_valkey(settings.store), settings.space)
    from ostiary.storage.engine import open_database
    from ostiary.storage.migrate import MIGRATIONS, upgrade

    engine = open_database(settings.store)
    upgrade(engine, [MIGRATIONS])
    return stores_in(engine, settings.space)


def stores_in_valkey(client: "redis.Redis", space: str) -> Stores:
    """In a Valkey server, as `open_valkey` opened it; ``space`` as for `stores_in`."""
    from ostiary.storage.valkey import ValkeyGroups, ValkeyReplayStore, ValkeySessionStore

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
