"""Composition of what administrators ask an Attribute Authority: its settings, metadata, remembered requests, records. Decides nothing."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attribute_authority.administration.administrators import FindPerson
from attribute_authority.administration.desk import Desk
from attribute_authority.administration.records import PolicyRecords
from attribute_authority.administration.requests import RememberedRequests
from attribute_authority.settings import AttributeAuthoritySettings
from idp.settings import IdpSettings
from ostiary.clock import Clock
from ostiary.command.home import make_authority, policy_records, prepared, principal_of
from ostiary.command.watched import watched_registry
from ostiary.config import Document, load_settings
from ostiary.policy.fields import load_documents
from ostiary.storage.engine import open_database
from ostiary.web.log import Log


def person_finder(settings: AttributeAuthoritySettings, idp_settings: IdpSettings | None, log: Log) -> FindPerson:
    """Finds whose login name something is. It raises `Refusal` (``explain.idp_needed``) where people are in LDAP and nobody said how login
    names are found there."""
    return lambda login_name: principal_of(login_name, idp_settings, settings, log)


@contextmanager
def open_desk(config: Path, idp_config: Path | None, *, clock: Clock, log: Log) -> Iterator[Desk]:
    """For a command: everything that it needs, closed afterwards. ``idp_config``: where the identity provider has another database, its
    requests count too. Raises `ConfigurationError`, `Unavailable`."""
    settings = load_settings(config, AttributeAuthoritySettings)
    idp_settings = load_settings(idp_config, IdpSettings) if idp_config is not None else None
    registry = watched_registry(settings.trust, clock, log)
    with ExitStack() as closing:
        engines = [prepared(open_database(settings.database))]
        if idp_settings is not None and idp_settings.database != settings.database:
            engines.append(prepared(open_database(idp_settings.database)))
        for engine in engines:
            closing.callback(engine.dispose)
        authority = make_authority(settings, registry, log, engine=engines[0])
        closing.callback(authority.close)
        yield Desk(
            settings=settings,
            authority=authority,
            registry=registry,
            requests=tuple(RememberedRequests(engine, keep=settings.remember_requests) for engine in engines),
            records=policy_records(engines[0], settings, "aa"),
            find_person=person_finder(settings, idp_settings, log),
            engine=engines[0],
        )


@contextmanager
def open_records(config: Path) -> Iterator[PolicyRecords]:
    """For a command: what was in force when, from the audit's database. Raises `ConfigurationError`, `Unavailable`."""
    settings = load_settings(config, AttributeAuthoritySettings)
    engine = prepared(open_database(settings.database))
    try:
        yield policy_records(engine, settings, "aa")
    finally:
        engine.dispose()


def read_candidates(paths: tuple[Path, ...]) -> list[Document]:
    """Changed policy files that are not in force yet; a directory stands for the files in it. Raises `ConfigurationError`."""
    return load_documents(paths, None)
