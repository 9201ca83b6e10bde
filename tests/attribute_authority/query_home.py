"""One Attribute Authority with its SOAP endpoint, resources that ask it, and a clock that stands where it is put. Decides nothing."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import Engine
from werkzeug.test import TestResponse

import attribute_authority.tables as authority_tables
from attribute_authority.authority import Authority
from attribute_authority.connectors.sources import Source
from attribute_authority.queries.identifiers import ToldIdentifiers
from attribute_authority.requesters import find_requester_in
from attribute_authority.resolver.definitions import Definition
from attribute_authority.resolver.resolver import Resolver
from attribute_authority.service import make_attribute_authority
from attribute_authority.settings import AttributeAuthoritySettings
from ostiary import audit
from ostiary.audit.tables import MIGRATIONS
from ostiary.config import Holder
from ostiary.errors import Unavailable
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import (
    AttributeConsumingService,
    Endpoint,
    Entity,
    EntityKey,
    RequestedAttribute,
    SpRole,
)
from ostiary.federation.registry import Registry
from ostiary.handle import HandleKey, mint
from ostiary.policy.release.document import load_release_policies
from ostiary.ports import NamedPerson
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, NameId
from ostiary.saml.bindings import decode_soap, encode_soap
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import AttributeQuery
from ostiary.saml.signature import sign
from ostiary.saml.validate import accept_query_response, verify_response
from ostiary.storage import migrate as storage
from ostiary.storage.engine import open_engine, reading
from ostiary.web.log import make_log
from tests.databases import write_upgraded
from tests.signers import make_signer

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOME = "https://idp.uni.example"
URL = "https://aa.uni.example"
LOCATION = "https://aa.uni.example/saml/attribute-query"
LIBRARY = "https://library.example/shar"
LAB = "https://lab.example/shar"
OLD = "https://old.example/shar"
KEY = HandleKey(b"k" * 32)
POLICIES = f"""
policies:
  - {{id: all, for: {{requesters: [{LIBRARY}, {LAB}, {OLD}]}}, rules: [{{id: who, permit: eduPersonScopedAffiliation}}]}}
  - id: instrument
    for: {{requesters: {LIBRARY}}}
    target: https://library.example/instrument
    rules: [{{id: name, permit: displayName}}]
  - id: anyone at the instrument
    for: {{anyone: true}}
    target: https://library.example/instrument
    rules: [{{id: name, permit: displayName}}]
  - {{id: asked, for: {{requesters: {LAB}}}, only: required, rules: [{{id: mail, permit: '*'}}]}}
"""


LIBRARY_SIGNER, LAB_SIGNER, HOME_SIGNER = make_signer("library"), make_signer("lab"), make_signer("home")


def sp(entity_id: str, signer: Signer, **more: object) -> Entity:
    acs = Endpoint(names.HTTP_POST, f"{entity_id.removesuffix('/shar')}/acs", index=0)
    role = SpRole(keys=(EntityKey(signer.public, "signing"),), assertion_consumers=(acs,))
    return replace(Entity(entity_id, sp=role), **more)  # type: ignore[arg-type]


REGISTRY = Registry(
    [
        sp(LIBRARY, LIBRARY_SIGNER),
        sp(
            LAB,
            LAB_SIGNER,
            sp=SpRole(
                keys=(EntityKey(LAB_SIGNER.public, "signing"),),
                assertion_consumers=(Endpoint(names.HTTP_POST, "https://lab.example/acs", index=0),),
                attribute_consuming=(
                    AttributeConsumingService(
                        1, (), (RequestedAttribute("urn:oid:0.9.2342.19200300.100.1.3", required=True),)
                    ),
                ),
            ),
        ),
        sp(OLD, LIBRARY_SIGNER, valid_until=NOW),
    ]
)


NO_HEADERS: Mapping[str, str] = MappingProxyType({})
NO_ENVIRON: Mapping[str, object] = MappingProxyType({})


class Home:
    """One Attribute Authority with its service, on a clock that stands where it is put."""

    def __init__(
        self, directory: Path, engine: Engine, registry: Registry, *, policy_text: str = POLICIES, **settings: object
    ) -> None:
        self.at = NOW
        self.active = {"p1"}
        self.database_answers = True
        self.persistent: dict[tuple[str, str], NamedPerson] = {}
        self.certificates: dict[str, NamedPerson] = {}
        self.principals: dict[str, NamedPerson] = {}
        self.externals: dict[str, NamedPerson] = {}
        self.engine = engine
        self.stream = io.StringIO()
        policies = directory / "release.yaml"
        policies.write_text(policy_text)
        log = make_log(self, service="aa", stream=self.stream)
        wanted = ("eduPersonScopedAffiliation", "displayName", "mail", "subject-id")
        authority = Authority(
            people=self,
            resolver=Resolver(
                [Source("people", self)],
                [Definition(name, name) for name in wanted],
                issuer=HOME,
                cache_age=timedelta(0),
            ),
            policies=Holder(lambda sources: load_release_policies([policies], sources=sources)),
            find_requester=find_requester_in(lambda: registry),
            log=log,
        )
        (directory / "keys").mkdir(exist_ok=True)
        (directory / "handle.key").write_text("")
        self.settings = AttributeAuthoritySettings.model_validate(
            {
                "entity_id": HOME,
                "display_name": "University",
                "public_url": URL,
                "listen": {"port": 0},
                "database": {"url": "sqlite:///audit.sqlite"},
                "trust": {"keys": "keys", "metadata": []},
                "handle_keys": ["handle.key"],
                "resolver": {"connectors": [], "definitions": []},
                "release_policies": ["release.yaml"],
                **settings,
            },
            context={"directory": directory},
        )
        self.app = make_attribute_authority(
            self.settings,
            registry=lambda: registry,
            key_ring=lambda: KeyRing(HOME_SIGNER, ()),
            handle_keys=lambda: [KEY],
            authority=authority,
            persistent=self,
            identifiers=ToldIdentifiers(engine),
            certificates=self,
            principals=self,
            externals=self,
            engine=engine,
            log=log,
            clock=self,
        )

    def now(self) -> datetime:
        return self.at

    def is_active(self, principal: str) -> bool:
        return principal in self.active

    def attributes(self, principal: str, at: datetime) -> Mapping[str, Sequence[str]]:
        if not self.database_answers:
            raise Unavailable("storage.unavailable", found="connection refused")
        return {
            "eduPersonScopedAffiliation": ("member@uni.example", "staff@uni.example"),
            "displayName": ("Ada",),
            "mail": ("ada@uni.example",),
            "subject-id": ("abc-234@uni.example",),
        }

    def person_named(self, value: str, requester: str) -> NamedPerson | None:
        return self.persistent.get((value, requester))

    def person_with(self, subject: str) -> NamedPerson | None:
        return self.certificates.get(subject)

    def person_called(self, name: str) -> NamedPerson | None:
        return self.principals.get(name)

    def person_known_as(self, identifier: str) -> NamedPerson | None:
        return self.externals.get(identifier)

    def post(
        self,
        body: bytes,
        content_type: str = "text/xml; charset=utf-8",
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        environ: Mapping[str, object] = NO_ENVIRON,
    ) -> TestResponse:
        return self.app.test_client().post(
            "/saml/attribute-query",
            data=body,
            content_type=content_type,
            base_url=URL,
            headers={"SOAPAction": '""', **headers},
            environ_overrides=dict(environ),
        )

    def recorded(self, action: str = "attributes.released") -> list[tuple[str | None, dict[str, object]]]:
        with reading(self.engine) as connection:
            return [(event.person, dict(event.facts)) for event in audit.events(connection, action=action)]


def prepared(directory: Path) -> Engine:
    """The database of an authority."""
    write_upgraded(directory / "audit.sqlite", [MIGRATIONS, storage.MIGRATIONS, authority_tables.MIGRATIONS])
    return open_engine(f"sqlite:///{directory}/audit.sqlite")


def handle(requester: str = LIBRARY, **more: object) -> str:
    given: dict[str, object] = {"principal": "p1", "requester": requester, "expires": NOW + timedelta(hours=1), **more}
    return mint(KEY, **given)  # type: ignore[arg-type]


HANDLE = NameId(handle(), names.TRANSIENT, HOME, LIBRARY)


def query(**more: object) -> AttributeQuery:
    given: dict[str, object] = {
        "id": "_q1",
        "issuer": LIBRARY,
        "issue_instant": NOW,
        "name_id": HANDLE,
        "destination": LOCATION,
        **more,
    }
    return AttributeQuery(**given)  # type: ignore[arg-type]


def envelope(asked: AttributeQuery, signer: Signer | None = LIBRARY_SIGNER) -> bytes:
    element = asked.to_xml()
    if signer is not None:
        sign(element, signer)
    return encode_soap(element)


def accepted(answer: TestResponse, asked: AttributeQuery) -> Assertion | None:
    if answer.status_code != 200 or answer.content_type != "text/xml; charset=utf-8":
        raise RuntimeError(f"{answer.status_code} {answer.content_type}: {answer.text}")
    proven = verify_response(decode_soap(answer.data), [HOME_SIGNER.public])
    if not proven.signed_response:
        raise RuntimeError("an answer that is not signed")
    return accept_query_response(proven, asked, authority=HOME, audience=asked.issuer, now=NOW)


def texts(answer: TestResponse, asked: AttributeQuery) -> dict[str, tuple[str, ...]]:
    assertion = accepted(answer, asked)
    return {} if assertion is None else {found.name: found.texts() for found in assertion.attributes}


AFFILIATION = {"eduPersonScopedAffiliation": ("member@uni.example", "staff@uni.example")}
