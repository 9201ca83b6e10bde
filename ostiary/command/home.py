"""Composition of a home organisation: which directory, stores and keys its IdP and its Attribute Authority get."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from flask import Flask
from sqlalchemy import Engine

import idp.tables
import ostiary.audit.tables
from attribute_authority.authority import Authority
from attribute_authority.metadata import aa_role
from attribute_authority.requesters import find_requester_in
from attribute_authority.service import make_attribute_authority
from attribute_authority.settings import AttributeAuthoritySettings, LdapPeopleSettings
from idp.accounts.directory import Directory
from idp.metadata import idp_role
from idp.people import LdapPeopleSettings as LdapLogins
from idp.service import make_idp
from idp.settings import IdpSettings
from ostiary.clock import Clock
from ostiary.command.watched import LOOK_EVERY, watched_keys, watched_registry
from ostiary.config import DatabaseSettings, Holder, load_settings
from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import Contact, Entity, LocalizedText
from ostiary.federation.registry import Registry
from ostiary.handle import load_handle_keys
from ostiary.policy.release_document import load_release_policies
from ostiary.ports import People, VoMemberships
from ostiary.storage import migrate
from ostiary.storage.engine import open_database
from ostiary.storage.sql import SqlCounters, SqlReplayStore, SqlSessionStore
from ostiary.web.log import Log
from voms.memberships import Memberships

# Every branch of tables that stands in a home organisation's database.
MIGRATIONS: Final = (
    migrate.MIGRATIONS,
    ostiary.audit.tables.MIGRATIONS,
    idp.tables.MIGRATIONS,
)


def make_home_idp(config: Path, authority_config: Path, *, clock: Clock, log: Log) -> Flask:
    """The IdP of ``idp.yaml``, with the Attribute Authority of ``aa.yaml`` in the same process for what it pushes."""
    settings = load_settings(config, IdpSettings)
    engine = prepared(open_database(settings.database))
    registry = watched_registry(settings.trust, clock, log)
    space = settings.entity_id
    return make_idp(
        settings,
        registry=registry,
        key_ring=watched_keys(settings.trust, clock, log),
        handle_keys=load_handle_keys(settings.handle_keys),
        opened=settings.people.open(engine, settings.password_hashing.passwords, ldap_trouble(log)),
        sessions=SqlSessionStore(engine, namespace=space),
        counters=SqlCounters(engine, namespace=space),
        attribute_source=make_authority(load_settings(authority_config, AttributeAuthoritySettings), registry, log),
        engine=engine,
        log=log,
        clock=clock,
    )


def make_home_authority(config: Path, *, clock: Clock, log: Log) -> Flask:
    """The Attribute Authority of ``aa.yaml`` behind SOAP."""
    settings = load_settings(config, AttributeAuthoritySettings)
    engine = prepared(open_database(settings.database))
    registry = watched_registry(settings.trust, clock, log)
    return make_attribute_authority(
        settings,
        authority=make_authority(settings, registry, log),
        registry=registry,
        key_ring=watched_keys(settings.trust, clock, log),
        handle_keys=load_handle_keys(settings.handle_keys),
        replays=SqlReplayStore(engine, namespace=settings.entity_id),
        engine=engine,
        log=log,
        clock=clock,
    )


def make_authority(settings: AttributeAuthoritySettings, registry: Callable[[], Registry], log: Log) -> Authority:
    """The Attribute Authority without a wire, over the people that its settings name."""
    people: People
    if isinstance(settings.people, LdapPeopleSettings):
        people = settings.people.open(ldap_trouble(log))
        close_people = people.close
    else:
        engine = open_database(settings.database)
        people, close_people = Directory(engine), engine.dispose
    return Authority(
        people=people,
        resolver=settings.resolver.resolver(settings.entity_id, open_vo),
        policies=Holder(
            lambda sources: load_release_policies(settings.release_policies, sources=sources), every=LOOK_EVERY
        ),
        find_requester=find_requester_in(registry),
        log=log,
        close_people=close_people,
    )


def principal_of(
    username: str, idp_settings: IdpSettings | None, authority: AttributeAuthoritySettings, log: Log
) -> str | None:
    """Whose login name this is at a home organisation; None when it is nobody's. ``idp_settings`` may be left out where people are in the
    embedded directory. Raises `Unavailable`, `Refusal` (``explain.idp_needed``)."""
    if idp_settings is not None and isinstance(idp_settings.people, LdapLogins):
        names = idp_settings.people.names(ldap_trouble(log))
        try:
            return names.principal_of(username)
        finally:
            names.close()
    if idp_settings is None and isinstance(authority.people, LdapPeopleSettings):
        raise Refusal("explain.idp_needed", expected="--idp, which says how login names are found", found="none")
    database = idp_settings.database if idp_settings is not None else authority.database
    engine = open_database(database)
    try:
        person = Directory(engine).find(username)
    finally:
        engine.dispose()
    return person.principal if person is not None else None


def open_vo(database: DatabaseSettings, vo: str) -> VoMemberships:
    """The VO of that name in a database."""
    return Memberships(open_database(database), vo)


def ldap_trouble(log: Log) -> Callable[[OstiaryError], None]:
    """Writes down that a server of a directory failed: where there are several, nobody would notice otherwise."""

    def tell(problem: OstiaryError) -> None:
        log.warning("ldap_server_failed", code=problem.code, expected=problem.expected, found=problem.found)

    return tell


def home_entity(
    settings: IdpSettings, authority: AttributeAuthoritySettings, key_ring: KeyRing, support_email: str
) -> Entity:
    """Both roles in one entity: real SPs find the AA only that way."""
    return Entity(
        entity_id=settings.entity_id,
        idp=idp_role(settings, key_ring),
        aa=aa_role(authority, key_ring, settings.scopes),
        organization_names=tuple(LocalizedText(text, lang) for lang, text in settings.organisation.name.items()),
        organization_urls=tuple(LocalizedText(settings.public_url, lang) for lang in settings.organisation.name),
        contacts=(Contact("support", emails=(support_email,)),) if support_email else (),
    )


def upgrade_home(engine: Engine) -> None:
    """Brings a home organisation's database to the present state of its tables."""
    migrate.upgrade(engine, MIGRATIONS)


def prepared(engine: Engine) -> Engine:
    """The same, and the engine."""
    upgrade_home(engine)
    return engine
