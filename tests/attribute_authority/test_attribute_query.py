"""The SOAP endpoint: each bad query beside its valid twin, which differs in that one thing and is answered."""

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from attribute_authority.authority import Authority
from attribute_authority.connectors.sources import Source
from attribute_authority.metadata import aa_role
from attribute_authority.requesters import find_requester_in
from attribute_authority.resolver.definitions import Definition
from attribute_authority.resolver.resolver import Resolver
from attribute_authority.service import make_attribute_authority
from attribute_authority.settings import AttributeAuthoritySettings
from ostiary import audit
from ostiary.attributes import make_attribute
from ostiary.audit.tables import MIGRATIONS
from ostiary.config import Holder
from ostiary.errors import Denied, Unavailable
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import (
    AttributeConsumingService,
    Endpoint,
    Entity,
    EntityKey,
    RequestedAttribute,
    Scope,
    SpRole,
)
from ostiary.federation.registry import Registry
from ostiary.handle import HandleKey, mint
from ostiary.policy.release_document import load_release_policies
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, NameId
from ostiary.saml.bindings import decode_soap, encode_soap
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import AttributeQuery
from ostiary.saml.signature import sign
from ostiary.saml.validate import accept_query_response, verify_response
from ostiary.saml.xml import Element
from ostiary.storage.engine import open_engine, reading
from ostiary.storage.memory import MemoryReplayStore
from ostiary.storage.migrate import upgrade
from ostiary.web.log import make_log

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


def make_signer() -> Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return Signer(key, certificate.public_bytes(serialization.Encoding.DER))


LIBRARY_SIGNER, LAB_SIGNER, HOME_SIGNER = make_signer(), make_signer(), make_signer()


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


class Home:
    """One Attribute Authority with its service, on a clock that stands where it is put."""

    def __init__(self, directory: Path, engine: Engine) -> None:
        self.at = NOW
        self.active = {"p1"}
        self.database_answers = True
        self.engine = engine
        self.stream = io.StringIO()
        policies = directory / "release.yaml"
        policies.write_text(POLICIES)
        log = make_log(self, service="aa", stream=self.stream)
        wanted = ("eduPersonScopedAffiliation", "displayName", "mail")
        authority = Authority(
            people=self,
            resolver=Resolver(
                [Source("people", self)],
                [Definition(name, name) for name in wanted],
                issuer=HOME,
                cache_age=timedelta(0),
            ),
            policies=Holder(lambda sources: load_release_policies([policies], sources=sources)),
            find_requester=find_requester_in(lambda: REGISTRY),
            log=log,
        )
        (directory / "keys").mkdir()
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
            },
            context={"directory": directory},
        )
        self.app = make_attribute_authority(
            self.settings,
            registry=lambda: REGISTRY,
            key_ring=lambda: KeyRing(HOME_SIGNER, ()),
            handle_keys=lambda: [KEY],
            authority=authority,
            replays=MemoryReplayStore(),
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
        }

    def post(self, body: bytes, content_type: str = "text/xml; charset=utf-8") -> TestResponse:
        return self.app.test_client().post(
            "/saml/attribute-query", data=body, content_type=content_type, base_url=URL, headers={"SOAPAction": '""'}
        )

    def recorded(self) -> list[tuple[str | None, dict[str, object]]]:
        with reading(self.engine) as connection:
            return [(event.person, dict(event.facts)) for event in audit.events(connection)]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    engine = open_engine(f"sqlite:///{tmp_path}/audit.sqlite")
    upgrade(engine, [MIGRATIONS])
    yield Home(tmp_path, engine)
    engine.dispose()


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
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "text/xml; charset=utf-8"
    proven = verify_response(decode_soap(answer.data), [HOME_SIGNER.public])
    assert proven.signed_response
    return accept_query_response(proven, asked, authority=HOME, audience=asked.issuer, now=NOW)


def texts(answer: TestResponse, asked: AttributeQuery) -> dict[str, tuple[str, ...]]:
    assertion = accepted(answer, asked)
    return {} if assertion is None else {found.name: found.texts() for found in assertion.attributes}


AFFILIATION = {"eduPersonScopedAffiliation": ("member@uni.example", "staff@uni.example")}


def test_a_proven_query_gets_what_the_policies_permit(home: Home) -> None:
    answer = home.post(envelope(query()))
    assertion = accepted(answer, query())
    assert assertion is not None
    assert texts(answer, query()) == AFFILIATION
    assert assertion.name_id == query().name_id
    assert assertion.conditions is not None
    assert assertion.conditions.audiences == ((LIBRARY,),)
    assert assertion.conditions.not_on_or_after == NOW + timedelta(minutes=5)
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_release_is_recorded_with_rules_and_without_values(home: Home) -> None:
    home.post(envelope(query()))
    assert home.recorded() == [
        (
            "p1",
            {
                "requester": LIBRARY,
                "query": "_q1",
                "attributes": ["eduPersonScopedAffiliation"],
                "rules": ["all/who"],
            },
        )
    ]
    assert "attributes_released" in home.stream.getvalue()
    assert "staff@uni.example" not in home.stream.getvalue()


def test_the_target_chooses_the_application_domain(home: Home) -> None:
    asked = query(target="https://library.example/instrument/7")
    assert texts(home.post(envelope(asked)), asked) == {**AFFILIATION, "displayName": ("Ada",)}
    asked = query(id="_q2", target="https://library.example/instrument/../x")
    assert accepted(home.post(envelope(asked)), asked) is None


def test_the_target_of_another_resource_opens_nothing(home: Home) -> None:
    target = "https://library.example/instrument/7"
    asked = query(issuer=LAB, name_id=NameId(handle(LAB), names.TRANSIENT), target=target)
    assert accepted(home.post(envelope(asked, LAB_SIGNER)), asked) is None
    assert [facts["attributes"] for _, facts in home.recorded()] == [[]]
    own = query(id="_q2", target=target)
    assert texts(home.post(envelope(own)), own) == {**AFFILIATION, "displayName": ("Ada",)}


def test_a_query_for_single_attributes_and_values_gets_no_others(home: Home) -> None:
    wanted = (make_attribute("eduPersonScopedAffiliation", ["staff@uni.example"]), make_attribute("displayName", []))
    asked = query(attributes=wanted)
    assert texts(home.post(envelope(asked)), asked) == {"eduPersonScopedAffiliation": ("staff@uni.example",)}


def test_what_metadata_requires_reaches_the_policies(home: Home) -> None:
    asked = query(issuer=LAB, name_id=NameId(handle(LAB), names.TRANSIENT))
    assert texts(home.post(envelope(asked, LAB_SIGNER)), asked) == {**AFFILIATION, "mail": ("ada@uni.example",)}


def test_an_empty_release_is_a_success_without_an_assertion_and_is_recorded(home: Home) -> None:
    asked = query(attributes=(make_attribute("displayName", []),))
    assert accepted(home.post(envelope(asked)), asked) is None
    assert [facts["attributes"] for _, facts in home.recorded()] == [[]]


def test_a_query_without_destination_is_answered(home: Home) -> None:
    asked = query(destination=None)
    assert texts(home.post(envelope(asked)), asked) == AFFILIATION


def tampered(asked: AttributeQuery) -> bytes:
    return envelope(asked).replace(b'"_q1"', b'"_q1" Consent="urn:x"', 1)


REFUSED: list[tuple[str, Callable[[], bytes], str]] = [
    ("unsigned", lambda: envelope(query(), None), "signature.missing"),
    ("signed by another key", lambda: envelope(query(), LAB_SIGNER), "signature.wrong"),
    ("changed after signing", lambda: tampered(query()), "signature.wrong"),
    ("from nobody in metadata", lambda: envelope(query(issuer="https://stranger.example")), "aa.requester_unknown"),
    ("from expired metadata", lambda: envelope(query(issuer=OLD)), "aa.requester_unknown"),
    ("in the name of another", lambda: envelope(query(issuer=LAB)), "signature.wrong"),
    ("for another address", lambda: envelope(query(destination=URL)), "saml.destination"),
    ("too old", lambda: envelope(query(issue_instant=NOW - timedelta(minutes=8, seconds=1))), "saml.too_old"),
    ("too new", lambda: envelope(query(issue_instant=NOW + timedelta(minutes=3, seconds=1))), "saml.from_the_future"),
]


@pytest.mark.parametrize(("make", "code"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_query_that_is_not_proven_fresh_and_ours_is_refused(home: Home, make: Callable[[], bytes], code: str) -> None:
    answer = home.post(make())
    assert answer.status_code == 400
    assert code in home.stream.getvalue()
    assert re.search(r"[0-9A-F]{4}-[0-9A-F]{4}", answer.text)
    assert "member" not in answer.text
    assert home.recorded() == []
    assert home.post(envelope(query())).status_code == 200


@pytest.mark.parametrize(
    "age", [timedelta(minutes=8), timedelta(minutes=-3), timedelta(0)], ids=["old", "early", "now"]
)
def test_a_query_at_the_edge_of_time_is_answered(home: Home, age: timedelta) -> None:
    asked = query(issue_instant=NOW - age)
    assert texts(home.post(envelope(asked)), asked) == AFFILIATION


def test_a_query_is_answered_once_for_as_long_as_it_is_fresh(home: Home) -> None:
    body = envelope(query())
    assert home.post(body).status_code == 200
    assert home.post(body).status_code == 400
    home.at = NOW + timedelta(minutes=7, seconds=59)
    assert home.post(body).status_code == 400
    assert "aa.query_replayed" in home.stream.getvalue()
    assert len(home.recorded()) == 1


def test_two_requesters_may_use_the_same_id(home: Home) -> None:
    asked = query(issuer=LAB, name_id=NameId(handle(LAB), names.TRANSIENT))
    assert home.post(envelope(query())).status_code == 200
    assert home.post(envelope(asked, LAB_SIGNER)).status_code == 200


def body_of(text: str) -> bytes:
    return f'<e:Envelope xmlns:e="{names.SOAP11}">{text}</e:Envelope>'.encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no xml",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        body_of(""),
        body_of("<e:Body/>"),
        body_of("<e:Body><a/><b/></e:Body>"),
        body_of(f'<e:Body><q:AttributeQuery xmlns:q="{names.SAMLP}"/></e:Body>'),
        body_of('<e:Header><a e:mustUnderstand="1"/></e:Header><e:Body/>'),
    ],
)
def test_a_broken_envelope_gets_a_soap_fault(home: Home, body: bytes) -> None:
    answer = home.post(body)
    assert answer.status_code == 500
    assert answer.content_type == "text/xml; charset=utf-8"
    assert b"Fault" in answer.data
    assert b"soap11:Client" in answer.data
    assert b"Traceback" not in answer.data
    assert home.recorded() == []


def test_another_message_than_a_query_is_refused(home: Home) -> None:
    element = query().to_xml()
    authn = element.makeelement(f"{{{names.SAMLP}}}AuthnRequest", dict(element.attrib), nsmap=element.nsmap)
    authn.append(element[0])
    sign(authn, LIBRARY_SIGNER)
    assert home.post(encode_soap(authn)).status_code == 400
    assert "saml.other_message" in home.stream.getvalue()


def test_only_posted_soap_is_taken(home: Home) -> None:
    assert home.post(envelope(query()), "application/x-www-form-urlencoded").status_code == 400
    assert home.app.test_client().get("/saml/attribute-query", base_url=URL).status_code == 405
    assert home.post(b" " * 262_145).status_code == 413
    assert home.post(envelope(query())).status_code == 200


UNKNOWN: list[tuple[str, NameId]] = [
    ("another requester's", NameId(handle(LAB), names.TRANSIENT, HOME, LIBRARY)),
    ("expired", NameId(handle(expires=NOW), names.TRANSIENT, HOME, LIBRARY)),
    ("forged", NameId(handle()[:-2] + "AA", names.TRANSIENT, HOME, LIBRARY)),
    (
        "another key's",
        NameId(mint(HandleKey(b"x" * 32), principal="p1", requester=LIBRARY, expires=NOW), names.TRANSIENT),
    ),
    ("no handle", NameId("ada", names.TRANSIENT, HOME, LIBRARY)),
    ("of nobody", NameId(handle(principal="p9"), names.TRANSIENT, HOME, LIBRARY)),
    ("another authority's", NameId(handle(authority=1), names.TRANSIENT, HOME, LIBRARY)),
    ("persistent", NameId(handle(), names.PERSISTENT, HOME, LIBRARY)),
    ("another home's", NameId(handle(), names.TRANSIENT, "https://other.example", LIBRARY)),
    ("another's in words", NameId(handle(), names.TRANSIENT, HOME, LAB)),
]


def without_what_always_differs(body: bytes) -> str:
    text = re.sub(r"_[0-9a-f]{40}", "ID", body.decode())
    return re.sub(r"(<ds:(DigestValue|SignatureValue)>)[^<]+", r"\1", text)


def test_all_unusable_handles_get_the_same_answer_and_nothing_else(home: Home) -> None:
    answers = {
        name: home.post(envelope(query(id=f"_{n:040x}", name_id=name_id))) for n, (name, name_id) in enumerate(UNKNOWN)
    }
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert len({without_what_always_differs(answer.data) for answer in answers.values()}) == 1
    assert len({len(answer.data) for answer in answers.values()}) == 1
    assert len({tuple(sorted(answer.headers.items())) for answer in answers.values()}) == 1
    text = answers["forged"].text
    assert f'<samlp:StatusCode Value="{names.REQUESTER}"><samlp:StatusCode Value="{names.UNKNOWN_PRINCIPAL}"/>' in text
    assert "Assertion " not in text
    assert home.recorded() == []
    with pytest.raises(Denied):
        accepted(answers["expired"], query(id=f"_{1:040x}"))
    log = home.stream.getvalue()
    assert all(code in log for code in ("handle.other_requester", "handle.expired", "handle.forged", "aa.name_id"))


def test_a_person_who_was_disabled_is_unknown_from_then_on(home: Home) -> None:
    assert texts(home.post(envelope(query())), query()) == AFFILIATION
    home.active.clear()
    with pytest.raises(Denied):
        accepted(home.post(envelope(query(id="_q2"))), query(id="_q2"))


def test_a_source_that_does_not_answer_is_a_responder_status(home: Home) -> None:
    home.database_answers = False
    answer = home.post(envelope(query()))
    assert answer.status_code == 200
    assert f'<samlp:StatusCode Value="{names.RESPONDER}"/>' in answer.text
    assert home.recorded() == []


def test_what_cannot_be_recorded_does_not_leave(home: Home) -> None:
    with home.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit_event RENAME TO gone")
    answer = home.post(envelope(query()))
    assert b"member" not in answer.data
    assert f'<samlp:StatusCode Value="{names.RESPONDER}"/>' in answer.text


def test_the_published_role_names_the_endpoint_that_answers(home: Home) -> None:
    role = aa_role(home.settings, KeyRing(HOME_SIGNER, (EntityKey(HOME_SIGNER.public, "signing"),)), ["uni.example"])
    assert [(endpoint.binding, endpoint.location) for endpoint in role.attribute_services] == [(names.SOAP, LOCATION)]
    assert role.scopes == (Scope("uni.example"),)
    assert role.signing_keys() == (HOME_SIGNER.public,)


def found_ids(element: Element) -> list[str]:
    return [identifier for node in element.iter() if (identifier := node.get("ID"))]


def test_each_answer_has_ids_of_its_own(home: Home) -> None:
    first = found_ids(decode_soap(home.post(envelope(query())).data))
    second = found_ids(decode_soap(home.post(envelope(query(id="_q2"))).data))
    assert len({*first, *second}) == 4
