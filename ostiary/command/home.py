"""Composition of a home organisation: which directory, stores and keys its IdP and its Attribute Authority get."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from flask import Flask
from sqlalchemy import Engine

import attribute_authority.tables
import idp.tables
import ostiary.audit.tables
import ostiary.consent.tables
from attribute_authority.administration.administrators import FindPerson
from attribute_authority.administration.content import release_content, settings_content
from attribute_authority.administration.desk import Desk
from attribute_authority.administration.documents import with_bundles
from attribute_authority.administration.pages import Administration, add_administration
from attribute_authority.administration.records import ChangeWatch, PolicyRecords
from attribute_authority.administration.requests import RememberedRequests
from attribute_authority.authority import Authority
from attribute_authority.metadata import aa_role
from attribute_authority.own_page.pages import add_own_page
from attribute_authority.pages import SignedIn, make_pages
from attribute_authority.queries.identifiers import RemembersIdentifiers, ToldIdentifiers
from attribute_authority.requesters import find_requester_in
from attribute_authority.service import make_attribute_authority
from attribute_authority.settings import AttributeAuthoritySettings, LdapPeopleSettings
from idp.accounts.directory import Directory
from idp.identifiers.stored import PersistentIds
from idp.login.methods import EmbeddedNames
from idp.login.opening import Means, open_login
from idp.metadata import idp_role
from idp.people import LdapPeopleSettings as LdapLogins
from idp.service import make_idp
from idp.settings import IdpSettings
from ostiary.clock import Clock
from ostiary.command.authorities import all_authorities, other_authorities
from ostiary.command.authority_pages import own_page_url, serve_pages, with_own_pages
from ostiary.command.certificate_subjects import certificate_subjects
from ostiary.command.named_people import external_names, principal_names
from ostiary.command.operation import Parts, make_operation, watched_settings
from ostiary.command.own_metadata import add_own_metadata
from ostiary.command.own_page import make_own_page
from ostiary.command.several_people import SeveralPeople
from ostiary.command.watched import (
    BEGIN,
    LOOK_EVERY,
    LOOK_NOW,
    Watching,
    watched,
    watched_keys,
)
from ostiary.config import DatabaseSettings, Holder, Sources, load_document, load_settings
from ostiary.consent.personal import PrecedenceAt
from ostiary.consent.settings import ConsentSettings
from ostiary.consent.store import Choices, EnforcedChoices
from ostiary.errors import ConfigurationError, OstiaryError, Refusal
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import Contact, Entity
from ostiary.federation.publish.about import by_language, contacts_of
from ostiary.federation.registry import Registry
from ostiary.policy.fields import load_documents
from ostiary.policy.release import Precedence, ReleasePolicies
from ostiary.policy.release.document import compile_release_policies
from ostiary.policy.release.precedence import compile_precedence
from ostiary.ports import AttributeSource, People, PersonalChoices, VoMemberships
from ostiary.saml.soap_transport import SoapTransport
from ostiary.storage import migrate
from ostiary.storage.engine import open_database
from ostiary.storage.sql import SqlCounters, SqlReplayStore, SqlSessionStore
from ostiary.web.log import Log
from voms.memberships import Memberships

T = TypeVar("T")

# Every branch of tables that stands in a home organisation's database.
MIGRATIONS: Final = (
    migrate.MIGRATIONS,
    ostiary.audit.tables.MIGRATIONS,
    ostiary.consent.tables.MIGRATIONS,
    idp.tables.MIGRATIONS,
    attribute_authority.tables.MIGRATIONS,
)


def make_home_idp(
    config: Path, authority_config: Path, *, clock: Clock, log: Log, transport: SoapTransport | None = None
) -> Flask:
    """The IdP of ``idp.yaml``, with the Attribute Authority of ``aa.yaml`` in the same process for what it pushes. ``transport`` takes the
    place of HTTP on the way to the organisation's other authorities, and to SPs at logout."""
    watching = Watching(clock, log)
    live = watched_settings(config, watching, log)
    settings = live().settings
    authority_settings = load_settings(authority_config, AttributeAuthoritySettings)
    _refuse_disagreement(config, settings, authority_settings)
    _refuse_unknown_authorities(config, settings, authority_settings)
    settings = settings.model_copy(update={"consent": _sparing_pages(settings.consent, authority_settings)})
    engine = prepared(open_database(settings.database))
    key_ring = watching.keys(settings.trust)
    registry = watching.registry(settings.trust)
    if authority_settings.pages is not None:
        registry = with_own_pages(registry, authority_settings, watched_keys(authority_settings.trust, clock, log))
    space = settings.entity_id
    # One pool of connections, for two would throw each other's pages out of SQLite's caches.
    same = authority_settings.database == settings.database
    changes = watch_changes(engine, authority_settings, "idp")
    authority = make_authority(authority_settings, registry, log, engine=engine if same else None, changes=changes)
    changes.record_due(clock.now())
    others = _others(engine, authority_settings, authority, registry, clock, log, transport)
    opened = open_login(settings.people, settings.login, _means_of_login(settings, engine, clock, log))
    app = make_idp(
        settings,
        registry=registry,
        key_ring=key_ring,
        handle_keys=watching.handle_keys(settings.handle_keys),
        opened=opened,
        sessions=SqlSessionStore(engine, namespace=space),
        counters=SqlCounters(engine, namespace=space),
        attribute_source=RemembersIdentifiers(
            all_authorities(authority_settings, authority, others), ToldIdentifiers(engine, writer="idp")
        ),
        own_attributes=lambda principal: authority.about(principal, clock.now()),
        engine=engine,
        log=log,
        clock=clock,
        transport=transport,
        live=lambda: live().settings,
        branding=lambda: live().derived.branding,
        asked_requests=RememberedRequests(engine, keep=authority_settings.remember_requests),
        own_page_url=own_page_url(authority_settings),
        precedence=authority.precedence,
        operation=make_operation(config, live, watching, Parts(engine, [("people", opened.people.check)]), clock=clock),
    )
    add_own_metadata(
        app,
        lambda: home_entity(live().settings, authority_settings, key_ring(), ""),
        key_ring,
        settings.published.valid_for,
        clock,
    )
    app.extensions[LOOK_NOW] = watching.look_now
    app.extensions[BEGIN] = watching.begin
    return app


def _means_of_login(settings: IdpSettings, engine: Engine, clock: Clock, log: Log) -> Means:
    def watch(load: Callable[[Sources], T]) -> Callable[[], T]:
        return watched(Holder(load, every=LOOK_EVERY), clock, log)

    return Means(
        engine=engine,
        make_passwords=settings.password_hashing.passwords,
        report=ldap_trouble(log),
        watch=watch,
        replays=SqlReplayStore(engine, namespace=settings.entity_id),
        log=log,
    )


def make_home_authority(config: Path, *, clock: Clock, log: Log, transport: SoapTransport | None = None) -> Flask:
    """The Attribute Authority of ``aa.yaml`` behind SOAP. ``transport`` as for the IdP."""
    settings = load_settings(config, AttributeAuthoritySettings)
    engine = prepared(open_database(settings.database))
    watching = Watching(clock, log)
    key_ring, handle_keys = watching.keys(settings.trust), watching.handle_keys(settings.handle_keys)
    registry = watching.registry(settings.trust)
    if settings.pages is not None:
        registry = with_own_pages(registry, settings, key_ring)
    changes = watch_changes(engine, settings, "aa")
    authority = make_authority(settings, registry, log, engine=engine, changes=changes)
    changes.record_due(clock.now())
    asked_requests = RememberedRequests(engine, keep=settings.remember_requests)
    app = make_attribute_authority(
        settings,
        authority=authority,
        registry=registry,
        key_ring=key_ring,
        handle_keys=handle_keys,
        others=_others(engine, settings, authority, registry, clock, log, transport),
        persistent=PersistentIds(engine),
        identifiers=ToldIdentifiers(engine),
        certificates=certificate_subjects(config, settings, engine),
        principals=principal_names(config, settings, engine),
        externals=external_names(config, settings, engine, log),
        asked_requests=asked_requests,
        engine=engine,
        log=log,
        clock=clock,
    )
    if settings.pages is not None:
        pages = make_pages(settings, handle_keys=handle_keys, log=log, clock=clock)
        signed_in = SignedIn(
            settings.pages_entity_id, settings.entity_id, handle_keys, authority.people, settings.authority_index
        )
        add_own_page(pages, make_own_page(settings, authority, signed_in, registry, engine, clock))
        desk = Desk(
            settings=settings,
            authority=authority,
            registry=registry,
            requests=(asked_requests,),
            records=policy_records(engine, settings, "aa"),
            find_person=_person_finder(config, settings, engine, log),
            engine=engine,
        )
        add_administration(pages, Administration(desk, lambda: signed_in.visitor().principal, clock))
        serve_pages(app, pages, settings, registry=registry, engine=engine, clock=clock, log=log)
    app.extensions[LOOK_NOW] = watching.look_now
    app.extensions[BEGIN] = watching.begin
    return app


def _refuse_disagreement(config: Path, settings: IdpSettings, authority: AttributeAuthoritySettings) -> None:
    """One of them asks people, the other keeps to the answers: they have to mean the same."""
    asks = ConsentSettings.model_validate(settings.consent.model_dump(include=set(ConsentSettings.model_fields)))
    if asks != authority.consent:
        raise ConfigurationError(
            "consent.disagree",
            file=config,
            key="consent",
            expected=f"the same as in aa.yaml: mode {authority.consent.mode}",
            found=f"mode {asks.mode}" + ("" if asks.mode != authority.consent.mode else ", and other exceptions"),
        )


def _refuse_unknown_authorities(config: Path, settings: IdpSettings, authority: AttributeAuthoritySettings) -> None:
    """A person whom a rule sends to an authority that is nowhere would be nobody to every resource."""
    known = {authority.authority_index, *(other.index for other in authority.others)}
    unknown = settings.authorities.indexes() - known
    if unknown:
        raise ConfigurationError(
            "idp.authority_unknown",
            file=config,
            key="authorities",
            expected=", ".join(str(index) for index in sorted(known)),
            found=", ".join(str(index) for index in sorted(unknown)),
        )


_Consent = TypeVar("_Consent", bound=ConsentSettings)


def _sparing_pages(consent: _Consent, settings: AttributeAuthoritySettings) -> _Consent:
    """Nobody is asked on the way to the page where she sees what she may be asked about."""
    if settings.pages is None:
        return consent
    return consent.model_copy(update={"never_for": (*consent.never_for, settings.pages_entity_id)})


def _choices(engine: Engine, settings: AttributeAuthoritySettings, precedence: PrecedenceAt) -> PersonalChoices:
    return EnforcedChoices(Choices(engine, writer="aa"), _sparing_pages(settings.consent, settings), precedence)


def _others(
    engine: Engine,
    settings: AttributeAuthoritySettings,
    authority: Authority,
    registry: Callable[[], Registry],
    clock: Clock,
    log: Log,
    transport: SoapTransport | None,
) -> dict[int, AttributeSource]:
    """The organisation's other authorities; what people said to ``authority`` holds for what these answer, too."""
    choices = _choices(engine, settings, authority.precedence)
    return other_authorities(settings, choices, registry=registry, clock=clock, log=log, transport=transport)


def _person_finder(config: Path, settings: AttributeAuthoritySettings, engine: Engine, log: Log) -> FindPerson:
    """Finds people by login name for the administrators' pages. Raises `ConfigurationError` where administrators are named so, and nobody
    says how they are found."""
    administrators = settings.administrators
    if administrators.identity_provider is not None:
        idp_settings = load_settings(administrators.identity_provider, IdpSettings)
        return lambda login_name: principal_of(login_name, idp_settings, settings, log)
    if isinstance(settings.people, LdapPeopleSettings):
        if administrators.login_names:
            raise ConfigurationError(
                "aa.administrators_by_login",
                file=config,
                key="administrators.identity_provider",
                expected="idp.yaml, because people are in a directory that speaks LDAP",
            )

        def unknown(login_name: str) -> str | None:
            raise Refusal("aa.no_login_names", expected="administrators.identity_provider", found=login_name)

        return unknown
    return EmbeddedNames(Directory(engine)).principal_of


def watch_changes(engine: Engine, settings: AttributeAuthoritySettings, writer: str) -> ChangeWatch:
    """Writes into the audit of ``engine``, in the chain of ``writer``, what comes into force in this process."""
    changes = ChangeWatch(policy_records(engine, settings, writer))
    changes.loaded("administrators", settings_content(settings.administrators.model_dump(mode="json")))
    return changes


def policy_records(engine: Engine, settings: AttributeAuthoritySettings, writer: str) -> PolicyRecords:
    """What was in force when at this authority."""
    return PolicyRecords(engine, entity_id=settings.entity_id, authority_index=settings.authority_index, writer=writer)


def _precedence(settings: AttributeAuthoritySettings, changes: ChangeWatch | None) -> Holder[Precedence] | None:
    file = settings.precedence
    if file is None:
        if changes is not None:
            changes.loaded("precedence", settings_content({}))
        return None

    def load(sources: Sources) -> Precedence:
        document = load_document(file, sources=sources)
        precedence = compile_precedence(document)
        if settings.consent.mode == "required" and not precedence.may_withhold():
            # To ask people for a consent that they can't refuse would be a lie.
            raise ConfigurationError(
                "aa.precedence_and_consent",
                file=file,
                key="people_may",
                expected="withhold among it, because consent is required",
                found=", ".join(sorted(precedence.people_may)) or "nothing",
            )
        if changes is not None:
            changes.loaded("precedence", settings_content(document.data))
        return precedence

    return Holder(load, every=LOOK_EVERY)


def _release_policies(settings: AttributeAuthoritySettings, changes: ChangeWatch | None) -> Holder[ReleasePolicies]:
    def load(sources: Sources) -> ReleasePolicies:
        documents = load_documents(settings.release_policies, sources)
        policies = compile_release_policies(documents, sources=sources)
        if changes is not None:
            changes.loaded("release_policies", release_content(with_bundles(documents)))
        return policies

    return Holder(load, every=LOOK_EVERY)


def make_authority(
    settings: AttributeAuthoritySettings,
    registry: Callable[[], Registry],
    log: Log,
    *,
    engine: Engine | None = None,
    changes: ChangeWatch | None = None,
) -> Authority:
    """The Attribute Authority without a wire, over the people that its settings name. ``engine``: somebody else's, for its database.
    ``changes`` writes down what comes into force; left out, for those who only ask, nothing is written."""
    closing = ExitStack()
    if engine is None:
        engine = open_database(settings.database)
        closing.callback(engine.dispose)
    directories: list[People] = []
    for kept in (settings.people, *settings.further_people):
        if isinstance(kept, LdapPeopleSettings):
            in_ldap = kept.open(ldap_trouble(log))
            closing.callback(in_ldap.close)
            directories.append(in_ldap)
        else:
            directories.append(Directory(engine))

    def precedence(at: datetime) -> Precedence:
        # Nobody's choice is asked for before the authority is there.
        return authority.precedence(at)

    authority = Authority(
        people=directories[0] if len(directories) == 1 else SeveralPeople(directories),
        resolver=settings.resolver.resolver(settings.entity_id, open_vo, ldap_trouble(log)),
        policies=_release_policies(settings, changes),
        find_requester=find_requester_in(registry),
        log=log,
        personal_choices=_choices(engine, settings, precedence),
        precedence=_precedence(settings, changes),
        close_people=closing.close,
        record_changes=changes.record_due if changes is not None else lambda at: None,
    )
    return authority


@contextmanager
def login_names(settings: IdpSettings, log: Log) -> Iterator[Callable[[str], str | None]]:
    """Finds whose login name something is, active or not, in the directory that ``people`` names."""
    with ExitStack() as closing:
        if isinstance(settings.people, LdapLogins):
            names = settings.people.names(ldap_trouble(log))
            closing.callback(names.close)
            yield names.principal_of
            return
        engine = open_database(settings.database)
        closing.callback(engine.dispose)
        yield EmbeddedNames(Directory(engine)).principal_of


def principal_of(
    username: str, idp_settings: IdpSettings | None, authority: AttributeAuthoritySettings, log: Log
) -> str | None:
    """Whose login name this is at a home organisation; None when it is nobody's. ``idp_settings`` may be left out where people are in the
    embedded directory. Raises `Unavailable`, `Refusal` (``explain.idp_needed``)."""
    if idp_settings is not None:
        with login_names(idp_settings, log) as principal_named:
            return principal_named(username)
    if isinstance(authority.people, LdapPeopleSettings):
        raise Refusal("explain.idp_needed", expected="--idp, which says how login names are found", found="none")
    engine = open_database(authority.database)
    try:
        return EmbeddedNames(Directory(engine)).principal_of(username)
    finally:
        engine.dispose()


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
    published, organisation = settings.published, settings.published.organisation
    support = (Contact("support", emails=(support_email,)),) if support_email else ()
    return Entity(
        entity_id=settings.entity_id,
        idp=idp_role(settings, key_ring),
        aa=aa_role(authority, key_ring, settings.scopes, settings.identifiers.formats()),
        registration_authority=published.registration_authority,
        entity_attributes=tuple(published.entity_attributes.items()),
        organization_names=by_language(organisation.name if organisation is not None else settings.organisation.name),
        organization_urls=by_language(
            organisation.url
            if organisation is not None
            else dict.fromkeys(settings.organisation.name, settings.public_url)
        ),
        contacts=(*support, *contacts_of(published.contacts)),
    )


def upgrade_home(engine: Engine) -> None:
    """Brings a home organisation's database to the present state of its tables."""
    migrate.upgrade(engine, MIGRATIONS)


def prepared(engine: Engine) -> Engine:
    """The same, and the engine."""
    upgrade_home(engine)
    return engine
