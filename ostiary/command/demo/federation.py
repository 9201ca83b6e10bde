"""Writes everything that the demo's services read: keys, configuration, policies, people and the signed metadata. Starts nothing.

What is there already is kept (keys, the directories of people); what follows from the ports is written anew at each start.
"""

import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from string import Template
from typing import Any, Final

import yaml

from attribute_authority.settings import AttributeAuthoritySettings
from idp.accounts.directory import ATTRIBUTE_QUERY, Directory
from idp.accounts.passwords import Argon2Parameters, Passwords
from idp.settings import IdpSettings
from ostiary.command.demo.applications import DemoResource
from ostiary.command.demo.collaboration import VO, CollaborationFiles, prepare_collaboration
from ostiary.command.demo.layout import FEDERATION_NAME, RESOURCES, Layout
from ostiary.command.demo.people import HOMES, DemoHome
from ostiary.command.demo.slapd import DemoDirectory
from ostiary.command.home import home_entity, prepared
from ostiary.command.vo_pages import pages_settings, shire_settings
from ostiary.config import load_settings, write_private_file
from ostiary.documents import policies
from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.keys import create_key_ring, load_key_ring
from ostiary.federation.model import Entity
from ostiary.federation.publish.documents import signed_aggregate
from ostiary.federation.read import read_unsigned_local_metadata
from ostiary.federation.rotation import write_published
from ostiary.identifiers.syntax import PAIRWISE_ID
from ostiary.storage.engine import open_database
from sp_shire.metadata import sp_entity
from sp_shire.settings import ShireSettings

METADATA_LIFETIME: Final = timedelta(days=28)
SALT: Final = "identifiers.salt"
DOCUMENTS: Final = Path(__file__).parent / "documents"
# Not the strength for real passwords, which are secret: these are printed at each start.
_HASHING: Final = Argon2Parameters(time_cost=1, memory=8192, parallelism=1)


def prepare(
    layout: Layout, partners: Sequence[Entity], *, now: datetime, directory: DemoDirectory | None = None
) -> None:
    """Writes the state directory. ``partners``: further IdPs or SPs, which join the federation; ``directory``: where the people of
    the home ``in_ldap`` are, None for the embedded one.

    Raises `OstiaryError` where a document or the state directory can't be used.
    """
    layout.state.mkdir(parents=True, exist_ok=True)
    layout.state.chmod(0o700)
    for part in ("federation", "wayf", *(home.key for home in HOMES), *(resource.key for resource in RESOURCES)):
        keys = layout.directory(part) / "keys"
        if not (keys / "current.key").exists():
            create_key_ring(keys, f"Ostiary demo, {part}", now=now)
        write_published(keys)
    # Settings want their files to exist: an empty one stands there until all metadata is known.
    layout.aggregate.touch()
    prepare_collaboration(layout, now=now)
    for home in HOMES:
        _write_home(layout, home, now, directory if home.in_ldap else None)
    for resource in RESOURCES:
        _write_resource(layout, resource)
    _write_wayf(layout)
    write_aggregate(layout, partners, now)


def _write_home(layout: Layout, home: DemoHome, now: datetime, ldap: DemoDirectory | None) -> None:
    directory = layout.directory(home.key)
    for secret in ("handle.key", "factors.key", *((SALT,) if home.computes_identifiers else ())):
        if not (directory / secret).exists():
            write_private_file(directory / secret, secrets.token_bytes(32))
    instrument = next(layout.resource_url(resource) for resource in RESOURCES if resource.key == "instrument")
    document = Template((DOCUMENTS / f"{home.key}-release.yaml").read_text()).substitute(instrument=instrument)
    _write_unless_changed(directory / "release.yaml", document)
    database = layout.database(home.key, "home.db")
    shared: dict[str, Any] = {"entity_id": home.entity_id, "database": database, "trust": _trust(layout)}
    shared |= {"handle_keys": ["handle.key"]}
    if home.asks_about:
        shared["consent"] = {"mode": "required", "only_for": list(home.asks_about)}
    if home.has_portal:
        _write_portal(layout, home)
    people: dict[str, Any] = {"type": "embedded"}
    if ldap is not None:
        people = {"type": "ldap", "directory": "ldap.yaml"}
        _write_yaml(directory / "ldap.yaml", f"{home.name}: the directory of its people.", ldap.settings())
    _write_yaml(
        directory / "idp.yaml",
        f"{home.name}: the identity provider.",
        {
            **shared,
            "people": people if ldap is None else {**people, "decoy_dn": ldap.decoy_dn},
            "public_url": layout.idp_url(home),
            "listen": layout.listen(layout.idp_port(home)),
            "organisation": {"name": {"en": home.name}, "domains": [home.scope]},
            "scopes": [home.scope],
            "password_hashing": {"time_cost": 1, "memory": 8192, "parallelism": 1},
            "second_factor": {"secret_keys": ["factors.key"], "remember_browser": "30d"},
            "attributes_in_response": {"never_for": list(home.never_push_to)},
            **_look(home),
            "mail": {"type": "files", "directory": "mail", "sender": f"help@{home.scope}"},
            "registration": {"by": ["password"] if home.registers else [], "attributes": _of_newcomers(home)},
            **({"portal": {"resources": "portal.yaml"}} if home.has_portal else {}),
        },
    )
    _write_yaml(
        directory / "aa.yaml",
        f"{home.name}: the Attribute Authority.",
        {
            **shared,
            "people": people,
            "display_name": home.name,
            "public_url": layout.aa_url(home),
            "listen": layout.listen(layout.aa_port(home)),
            "resolver": {
                "connectors": [
                    _sql_connector(database) if ldap is None else _ldap_connector(home),
                    {"type": "static", "name": "organisation", "everybody": {"schacHomeOrganization": [home.scope]}},
                    {"type": "vo", "name": VO, "vo": VO, "database": CollaborationFiles(layout).database},
                    *([_identifiers(home)] if home.computes_identifiers else []),
                ],
                "definitions": [{"attribute": name} for name in _attribute_names(home)],
                "cache_age": "10s",
            },
            "release_policies": ["release.yaml"],
            # Resources ask again as often as their own settings say.
            "answer_lifetime": "30m",
            "pages": {},
            "administrators": {"login_names": [home.administrator], "identity_provider": "idp.yaml"},
        },
    )
    if ldap is None:
        _write_people(layout, home, now)


def _identifiers(home: DemoHome) -> dict[str, Any]:
    return {"type": "computed", "name": "identifiers", "salt": SALT, "scope": home.scope}


def _write_portal(layout: Layout, home: DemoHome) -> None:
    resources = [
        {
            "entity_id": resource.entity_id,
            "group": resource.group,
            "target": f"{layout.resource_url(resource)}/{resource.key}/",
            # What leaves for the instrument depends on the page that it asks for, so it has to ask.
            "starts_at": "resource" if resource.entity_id in home.asks_about else "home",
        }
        for resource in RESOURCES
    ]
    _write_yaml(
        layout.directory(home.key) / "portal.yaml",
        f"{home.name}: what its people find in their portal.",
        {"resources": resources},
    )


def _of_newcomers(home: DemoHome) -> dict[str, list[str]]:
    return {"eduPersonScopedAffiliation": [f"affiliate@{home.scope}"]}


def _look(home: DemoHome) -> dict[str, Any]:
    """One home has a colour and a logo of its own, so that people see where they are; the other shows what ships."""
    logo = DOCUMENTS / f"{home.key}-logo.svg"
    return {"branding": {"logo": str(logo), "accent": home.accent}} if home.accent else {}


def _sql_connector(database: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "sql",
        "name": "directory",
        "database": database,
        "query": ATTRIBUTE_QUERY,
        "name_column": "name",
        "value_column": "value",
    }


def _ldap_connector(home: DemoHome) -> dict[str, Any]:
    return {"type": "ldap", "name": "directory", "directory": "ldap.yaml", "attributes": _person_attributes(home)}


def _write_unless_changed(path: Path, document: str) -> None:
    """A policy that somebody has edited stays; one that differs from what we wrote in nothing but ports is written anew."""
    ours = path.with_name(f".{path.name}.as-written")
    known = ours.read_text() if ours.exists() else document
    if path.exists() and _without_ports(path.read_text()) != _without_ports(known):
        return
    path.write_text(document)
    ours.write_text(document)


def _without_ports(document: str) -> str:
    return re.sub(r"(http://127\.0\.0\.1):\d+", r"\1", document)


def _attribute_names(home: DemoHome) -> list[str]:
    computed = {PAIRWISE_ID} if home.computes_identifiers else set()
    return sorted({*_person_attributes(home), "schacHomeOrganization", "isMemberOf", *computed})


def _person_attributes(home: DemoHome) -> list[str]:
    return sorted({name for person in home.people for name in person.attributes})


def _write_people(layout: Layout, home: DemoHome, now: datetime) -> None:
    settings = load_settings(layout.directory(home.key) / "idp.yaml", IdpSettings)
    engine = prepared(open_database(settings.database))
    directory, passwords = Directory(engine), Passwords(_HASHING)
    for person in home.people:
        if directory.find(person.username) is None:
            password_hash = passwords.hash(person.password)
            directory.create(
                person.username, password_hash=password_hash, attributes=person.attributes, at=now, by="demo"
            )
    engine.dispose()


def _write_resource(layout: Layout, resource: DemoResource) -> None:
    _write_yaml(
        layout.directory(resource.key) / "sp.yaml",
        f"{resource.name}: the resource's SHIRE and SHAR.",
        {
            "entity_id": resource.entity_id,
            "public_url": layout.resource_url(resource),
            "display": {
                "name": resource.name,
                "description": resource.description,
                "support_email": f"help@{resource.key}.example",
            },
            "trust": _trust(layout),
            "protected": [f"/{resource.key}"],
            "discovery_url": f"{layout.wayf_url}/discovery",
            "allow_unsolicited_from": [home.entity_id for home in HOMES if home.has_portal],
            "accept": [str(policies() / "acceptance" / "default.yaml"), *_own_acceptance(resource)],
            "access": [str(DOCUMENTS / f"{resource.key}-access.yaml")],
            "requested_attributes": [{"name": name, "required": len(resource.wants) == 1} for name in resource.wants],
            "environ": {"eduPersonScopedAffiliation": "affiliation", "displayName": "displayName"},
            "show_attribute_values": True,
        },
    )


def _own_acceptance(resource: DemoResource) -> list[str]:
    own = DOCUMENTS / f"{resource.key}-accept.yaml"
    return [str(own)] if own.exists() else []


def _write_wayf(layout: Layout) -> None:
    _write_yaml(
        layout.directory("wayf") / "wayf.yaml",
        "Where are you from?",
        {
            "service_name": "Where are you from?",
            "public_url": layout.wayf_url,
            "listen": layout.listen(layout.wayf_port),
            "federation_name": FEDERATION_NAME,
            # It publishes the federation's metadata, so it signs with the federation's key.
            "trust": {**_trust(layout), "keys": str(layout.directory("federation") / "keys")},
        },
    )


def _trust(layout: Layout) -> dict[str, Any]:
    source = {"file": str(layout.aggregate), "trusted_certificates": [str(layout.federation_certificates)]}
    return {"keys": "keys", "metadata": [source]}


def _write_yaml(path: Path, title: str, content: dict[str, Any]) -> None:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    path.write_text(f"# {title} Written anew at each start of the demo.\n{text}")


def write_aggregate(layout: Layout, partners: Sequence[Entity], now: datetime) -> None:
    """All metadata, signed by the federation: what its registrar does when a member changed something."""
    known: dict[str, Entity] = {}
    for entity in (*_own_entities(layout), *partners):
        if entity.entity_id in known:
            raise Refusal("metadata.duplicate_entity", expected="each entityID once", found=entity.entity_id)
        known[entity.entity_id] = entity
    signer = load_key_ring(layout.directory("federation") / "keys").signer
    document = signed_aggregate(known.values(), signer, name=FEDERATION_NAME, valid_until=now + METADATA_LIFETIME)
    unfinished = layout.aggregate.with_suffix(".new")
    unfinished.write_bytes(document)
    unfinished.replace(layout.aggregate)


def _own_entities(layout: Layout) -> Iterable[Entity]:
    for home in HOMES:
        directory = layout.directory(home.key)
        settings = load_settings(directory / "idp.yaml", IdpSettings)
        authority = load_settings(directory / "aa.yaml", AttributeAuthoritySettings)
        yield home_entity(settings, authority, load_key_ring(settings.trust.keys), f"help@{home.scope}")
    for resource in RESOURCES:
        shire = load_settings(layout.directory(resource.key) / "sp.yaml", ShireSettings)
        yield sp_entity(shire, load_key_ring(shire.trust.keys))
    pages = shire_settings(pages_settings(CollaborationFiles(layout).config))
    yield sp_entity(pages, load_key_ring(pages.trust.keys))


def foreign_entities(document: bytes) -> tuple[Entity, ...]:
    """The entities of a partner's metadata document. Raises `Refusal` (``demo.trust``)."""
    try:
        return read_unsigned_local_metadata(document)
    except OstiaryError as error:
        raise Refusal("demo.trust", expected="SAML metadata", found=error) from error
