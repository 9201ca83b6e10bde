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
from attribute_authority.settings import AttributeAuthoritySettings
from idp.directory import Directory
from idp.metadata import idp_role
from idp.service import make_idp
from idp.settings import IdpSettings
from ostiary.clock import Clock
from ostiary.command.watched import LOOK_EVERY, watched_keys, watched_registry
from ostiary.config import Holder, load_settings
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import Contact, Entity, LocalizedText
from ostiary.federation.registry import Registry
from ostiary.handle import load_handle_keys
from ostiary.policy.release_document import load_release_policies
from ostiary.storage import migrate
from ostiary.storage.engine import open_database
from ostiary.storage.sql import SqlCounters, SqlReplayStore, SqlSessionStore
from ostiary.web.log import Log

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
        directory=Directory(engine),
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
    """The Attribute Authority without a wire, over the embedded directory."""
    return Authority(
        people=Directory(open_database(settings.database)),
        resolver=settings.resolver.resolver(settings.entity_id),
        policies=Holder(
            lambda sources: load_release_policies(settings.release_policies, sources=sources), every=LOOK_EVERY
        ),
        find_requester=find_requester_in(registry),
        log=log,
    )


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
