"""Two Attribute Authorities of one organisation: the one in metadata passes on what the other has to answer, and nobody else may."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine

from attribute_authority.authority import Authority
from attribute_authority.connectors.sources import Source
from attribute_authority.remote import RemoteAuthority, SeveralAuthorities
from attribute_authority.requesters import find_requester_in
from attribute_authority.resolver.definitions import Definition
from attribute_authority.resolver.resolver import Resolver
from attribute_authority.service import make_attribute_authority
from attribute_authority.settings import AttributeAuthoritySettings
from ostiary import audit
from ostiary.attributes import Attribute, Value, make_attribute
from ostiary.audit.tables import MIGRATIONS
from ostiary.config import Holder
from ostiary.errors import Denied, Missing, Unavailable
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import AaRole, Endpoint, Entity, EntityKey, IdpRole, SpRole
from ostiary.federation.registry import Registry
from ostiary.handle import HandleKey, mint
from ostiary.policy.release import PersonalWish, Requester, Wish
from ostiary.policy.release.document import load_release_policies
from ostiary.ports import AttributeSource, NamedPerson, ReleaseRequest
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.bindings import decode_soap, encode_soap
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import AttributeQuery, Response
from ostiary.saml.signature import sign
from ostiary.saml.validate import accept_query_response, verify_response
from ostiary.storage.engine import open_engine, reading
from ostiary.storage.memory import MemoryReplayStore
from ostiary.web.log import make_log
from tests.databases import write_upgraded
from tests.signers import make_signer

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOME = "https://idp.uni.example"
FRONT, OWNER = "https://aa.uni.example", "https://aa.medicine.uni.example"
PATH = "/saml/attribute-query"
LIBRARY, LAB = "https://library.example/shar", "https://lab.example/shar"
KEY = HandleKey(b"k" * 32)
POLICIES = f"""
policies:
  - {{id: all, for: {{requesters: {LIBRARY}}}, rules: [{{id: who, permit: eduPersonPrincipalName}}]}}
  - id: instrument
    for: {{requesters: {LIBRARY}}}
    target: https://library.example/instrument
    rules: [{{id: name, permit: displayName}}]
  - {{id: inside, for: {{requesters: {LAB}}}, when: {{network: 127.0.0.0/8}}, rules: [{{id: name, permit: displayName}}]}}
"""


IDP_SIGNER, FRONT_SIGNER, OWNER_SIGNER, SP_SIGNER = (make_signer(name) for name in ("idp", "front", "owner", "sp"))


def signing(signer: Signer) -> tuple[EntityKey, ...]:
    return (EntityKey(signer.public, "signing"),)


def sp(entity_id: str) -> Entity:
    acs = Endpoint(names.HTTP_POST, f"{entity_id.removesuffix('/shar')}/acs", index=0)
    return Entity(entity_id, sp=SpRole(keys=signing(SP_SIGNER), assertion_consumers=(acs,)))


HOME_ENTITY = Entity(
    HOME,
    idp=IdpRole(keys=signing(IDP_SIGNER)),
    aa=AaRole(keys=signing(FRONT_SIGNER), attribute_services=(Endpoint(names.SOAP, FRONT + PATH),)),
)
REGISTRY = Registry([sp(LIBRARY), sp(LAB), HOME_ENTITY])


@dataclass
class People:
    """One authority's people; ``name`` tells which authority speaks."""

    name: str
    known: set[str]
    answering: bool = True

    def is_active(self, principal: str) -> bool:
        return principal in self.known

    def attributes(self, principal: str, at: datetime) -> Mapping[str, Sequence[str]]:
        if not self.answering:
            raise Unavailable("storage.unavailable")
        return {"displayName": (f"{principal} of {self.name}",), "eduPersonPrincipalName": (f"{self.name}@x",)}

    def close(self) -> None:
        pass


@dataclass
class Wire:
    """From an authority to another, without a socket. ``sent`` keeps what went over it, ``tamper`` changes an answer."""

    apps: dict[str, Flask] = field(default_factory=dict)
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    down: bool = False
    tamper: tuple[bytes, bytes] | None = None

    def post(self, url: str, envelope: bytes) -> bytes:
        self.sent.append((url, envelope))
        origin = url.removesuffix(PATH)
        if self.down:
            raise Unavailable("soap.unreachable", expected="an answer", found="nothing")
        answer = self.apps[origin].test_client().post(PATH, data=envelope, content_type="text/xml", base_url=origin)
        if answer.status_code not in (200, 500):
            raise Unavailable("soap.unreachable", expected="HTTP 200", found=f"HTTP {answer.status_code}")
        return answer.data.replace(*self.tamper) if self.tamper is not None else answer.data


class Organisation:
    """Authority 0, which metadata names, and authority 1, each with people, key, database and policies of its own."""

    def __init__(self, directory: Path, engine: Engine) -> None:
        self.at = NOW
        self.engine = engine
        self.wire = Wire()
        self.stream = io.StringIO()
        self.front_people, self.owner_people = People("front", {"p0"}), People("owner", {"p1"})
        self.persistent = {("lasting", LIBRARY): NamedPerson("p1", 1), ("mine", LIBRARY): NamedPerson("p0", 0)}
        (directory / "release.yaml").write_text(POLICIES)
        (directory / "keys").mkdir()
        (directory / "handle.key").write_text("")
        self._directory = directory
        others: dict[int, AttributeSource] = {1: self.remote(FRONT_SIGNER)}
        self.wire.apps[FRONT] = self._service(FRONT, 0, self.front_people, FRONT_SIGNER, others)
        self.wire.apps[OWNER] = self._service(OWNER, 1, self.owner_people, OWNER_SIGNER, {}, accepts_passed_on=True)

    def now(self) -> datetime:
        return self.at

    def person_named(self, value: str, requester: str) -> NamedPerson | None:
        return self.persistent.get((value, requester))

    def remote(self, signer: Signer, *, answer_signer: Signer = OWNER_SIGNER, authority: int = 1) -> RemoteAuthority:
        """Authority 1 as another service of the organisation sees it."""
        return RemoteAuthority(
            entity_id=HOME,
            authority=authority,
            location=OWNER + PATH,
            answer_keys=[answer_signer.public],
            signer=lambda: signer,
            handle_keys=lambda: [KEY],
            transport=self.wire,
            find_requester=find_requester_in(lambda: REGISTRY),
        )

    def ask(self, asked: AttributeQuery, signer: Signer = SP_SIGNER, *, at: str = FRONT) -> bytes:
        """The answer of an authority's endpoint to a query, whatever its status."""
        element = asked.to_xml()
        sign(element, signer)
        client = self.wire.apps[at].test_client()
        return client.post(PATH, data=encode_soap(element), content_type="text/xml", base_url=at).data

    def recorded(self) -> list[dict[str, object]]:
        with reading(self.engine) as connection:
            events = audit.events(connection, action="attributes.released")
            return [{"writer": event.writer, **event.facts} for event in events]

    def _service(
        self,
        url: str,
        index: int,
        people: People,
        signer: Signer,
        others: dict[int, AttributeSource],
        *,
        accepts_passed_on: bool = False,
    ) -> Flask:
        log = make_log(self, service=f"aa{index}", stream=self.stream)
        policies = [self._directory / "release.yaml"]
        definitions = [Definition(name, name) for name in ("displayName", "eduPersonPrincipalName")]
        authority = Authority(
            people=people,
            resolver=Resolver([Source("people", people)], definitions, issuer=HOME, cache_age=timedelta(0)),
            policies=Holder(lambda sources: load_release_policies(policies, sources=sources)),
            find_requester=find_requester_in(lambda: REGISTRY),
            log=log,
        )
        settings = AttributeAuthoritySettings.model_validate(
            {
                "entity_id": HOME,
                "display_name": "University",
                "public_url": url,
                "listen": {"port": 0},
                "database": {"url": "sqlite:///audit.sqlite"},
                "trust": {"keys": "keys", "metadata": []},
                "handle_keys": ["handle.key"],
                "authority_index": index,
                "accepts_passed_on": accepts_passed_on,
                "resolver": {"connectors": [], "definitions": []},
                "release_policies": ["release.yaml"],
            },
            context={"directory": self._directory},
        )
        return make_attribute_authority(
            settings,
            registry=lambda: REGISTRY,
            key_ring=lambda: KeyRing(signer, ()),
            handle_keys=lambda: [KEY],
            authority=authority,
            replays=MemoryReplayStore(),
            engine=self.engine,
            log=log,
            clock=self,
            writer=f"aa{index}",
            others=others,
            persistent=self,
        )


@pytest.fixture
def organisation(tmp_path: Path) -> Iterator[Organisation]:
    write_upgraded(tmp_path / "audit.sqlite", [MIGRATIONS])
    engine = open_engine(f"sqlite:///{tmp_path}/audit.sqlite")
    yield Organisation(tmp_path, engine)
    engine.dispose()


def handle(principal: str, authority: int, requester: str = LIBRARY) -> NameId:
    value = mint(KEY, principal=principal, requester=requester, expires=NOW + timedelta(hours=1), authority=authority)
    return NameId(value, names.TRANSIENT, HOME, requester)


HERS, HIS = ("p1", 1), ("p0", 0)


def query(name_id: NameId, *, issuer: str = LIBRARY, at: str = FRONT, **more: object) -> AttributeQuery:
    given: dict[str, object] = {
        "id": "_q1",
        "issuer": issuer,
        "issue_instant": NOW,
        "name_id": name_id,
        "destination": at + PATH,
        **more,
    }
    return AttributeQuery(**given)  # type: ignore[arg-type]


def told(answer: bytes, asked: AttributeQuery, *, by: Signer = FRONT_SIGNER) -> dict[str, tuple[str, ...]]:
    """The attributes of an answer that is believed as every SP believes it."""
    proven = verify_response(decode_soap(answer), [by.public])
    assertion = accept_query_response(proven, asked, authority=HOME, audience=asked.issuer, now=NOW)
    return {} if assertion is None else {found.name: found.texts() for found in assertion.attributes}


def status(answer: bytes) -> tuple[str, str | None]:
    proven = verify_response(decode_soap(answer), [FRONT_SIGNER.public, OWNER_SIGNER.public])
    return proven.envelope.status.code, proven.envelope.status.detail


UNKNOWN = (names.REQUESTER, names.UNKNOWN_PRINCIPAL)


def test_the_endpoint_in_metadata_answers_for_both_authorities(organisation: Organisation) -> None:
    his, hers = query(handle(*HIS)), query(handle(*HERS), id="_q2")
    assert told(organisation.ask(his), his) == {"eduPersonPrincipalName": ("front@x",)}
    assert organisation.wire.sent == []
    assert told(organisation.ask(hers), hers) == {"eduPersonPrincipalName": ("owner@x",)}
    assert [url for url, _ in organisation.wire.sent] == [OWNER + PATH]


def test_target_and_single_attributes_are_passed_on(organisation: Organisation) -> None:
    asked = query(handle(*HERS), target="https://library.example/instrument/7")
    assert told(organisation.ask(asked), asked) == {
        "displayName": ("p1 of owner",),
        "eduPersonPrincipalName": ("owner@x",),
    }
    asked = query(
        handle(*HERS),
        id="_q2",
        target="https://library.example/instrument/7",
        attributes=(make_attribute("displayName", []),),
    )
    assert told(organisation.ask(asked), asked) == {"displayName": ("p1 of owner",)}


def test_the_owners_policies_decide_by_the_true_requester(organisation: Organisation) -> None:
    asked = query(handle("p1", 1, LAB), issuer=LAB)
    assert told(organisation.ask(asked), asked) == {}


def test_the_address_of_the_first_authority_is_not_taken_for_that_of_who_asks(organisation: Organisation) -> None:
    straight, passed_on = query(handle("p0", 0, LAB), issuer=LAB), query(handle("p1", 1, LAB), issuer=LAB, id="_q2")
    assert told(organisation.ask(straight), straight) == {"displayName": ("p0 of front",)}
    assert told(organisation.ask(passed_on), passed_on) == {}


def test_both_authorities_record_for_whom_it_was(organisation: Organisation) -> None:
    organisation.ask(query(handle(*HERS)))
    owner, front = organisation.recorded()
    assert (owner["writer"], owner["requester"], owner["passed_on"], owner["rules"]) == (
        "aa1",
        LIBRARY,
        True,
        ["all/who"],
    )
    assert (front["writer"], front["requester"], front["authority"], front["query"]) == ("aa0", LIBRARY, 1, "_q1")
    assert front["rules"] == ["authority 1/its own policies"]


def test_what_is_passed_on_says_nothing_of_the_first_query(organisation: Organisation) -> None:
    asked = query(handle(*HERS))
    organisation.ask(asked)
    _, envelope = organisation.wire.sent[0]
    assert b"_q1" not in envelope
    assert asked.name_id.value.encode() not in envelope


def test_a_persistent_name_leads_to_the_authority_that_knows_her(organisation: Organisation) -> None:
    hers = query(NameId("lasting", names.PERSISTENT, HOME, LIBRARY))
    assert told(organisation.ask(hers), hers) == {"eduPersonPrincipalName": ("owner@x",)}
    his = query(NameId("mine", names.PERSISTENT), id="_q2")
    assert told(organisation.ask(his), his) == {"eduPersonPrincipalName": ("front@x",)}


def test_a_persistent_name_of_another_resource_names_nobody(organisation: Organisation) -> None:
    asked = query(NameId("lasting", names.PERSISTENT, HOME, LAB), issuer=LAB)
    assert status(organisation.ask(asked)) == UNKNOWN
    asked = query(NameId("revoked", names.PERSISTENT, HOME, LIBRARY), id="_q2")
    assert status(organisation.ask(asked)) == UNKNOWN


@pytest.mark.parametrize("trouble", ["down", "source", "tampered", "not signed by it"])
def test_an_owner_that_fails_is_unavailable_and_never_somebody_unknown(
    organisation: Organisation, trouble: str
) -> None:
    match trouble:
        case "down":
            organisation.wire.down = True
        case "source":
            organisation.owner_people.answering = False
        case "tampered":
            organisation.wire.tamper = (b"owner@x", b"admin@x")
        case "not signed by it":
            organisation.wire.tamper = (b"<ds:SignatureValue>", b"<ds:SignatureValue>AAAA")
    asked = query(handle(*HERS))
    answer = organisation.ask(asked)
    assert status(answer) == (names.RESPONDER, None)
    assert b"@x" not in answer
    assert not [facts for facts in organisation.recorded() if facts["writer"] == "aa0"]
    other = query(handle(*HIS), id="_q2")
    assert told(organisation.ask(other), other) == {"eduPersonPrincipalName": ("front@x",)}


def test_somebody_whom_the_owner_does_not_know_is_unknown(organisation: Organisation) -> None:
    assert status(organisation.ask(query(handle("p9", 1)))) == UNKNOWN
    assert status(organisation.ask(query(handle("p0", 1), id="_q2"))) == UNKNOWN
    assert status(organisation.ask(query(handle("p1", 0), id="_q3"))) == UNKNOWN


def test_an_authority_that_nobody_configured_is_unknown(organisation: Organisation) -> None:
    assert status(organisation.ask(query(handle("p1", 2)))) == UNKNOWN
    assert "aa.no_such_authority" in organisation.stream.getvalue()


def test_the_identity_provider_asks_the_owner_with_its_own_key(organisation: Organisation) -> None:
    released = organisation.remote(IDP_SIGNER).release(ReleaseRequest("p1", LIBRARY, NOW, authority=1))
    assert [(found.name, found.texts()) for found in released.attributes] == [("eduPersonPrincipalName", ("owner@x",))]
    assert [(verdict.released, verdict.policy) for verdict in released.decision.verdicts] == [(True, "authority 1")]


def test_who_asks_for_nothing_is_told_nothing(organisation: Organisation) -> None:
    released = organisation.remote(IDP_SIGNER).release(ReleaseRequest("p1", LIBRARY, NOW, wanted=(), authority=1))
    assert (released.attributes, released.decision.verdicts) == ((), ())
    assert organisation.wire.sent == []


def test_each_request_goes_to_the_authority_of_its_person(organisation: Organisation) -> None:
    both = SeveralAuthorities({0: organisation.remote(IDP_SIGNER, authority=1), 1: organisation.remote(IDP_SIGNER)})
    assert both.release(ReleaseRequest("p1", LIBRARY, NOW, authority=1)).attributes
    with pytest.raises(Missing) as caught:
        both.release(ReleaseRequest("p1", LIBRARY, NOW, authority=2))
    assert caught.value.code == "aa.no_such_authority"


@pytest.mark.parametrize(
    ("signer", "code"),
    [(SP_SIGNER, "signature.wrong"), (OWNER_SIGNER, "signature.wrong")],
    ids=["an SP's key", "a key not in metadata"],
)
def test_nobody_else_may_ask_in_the_name_of_others(organisation: Organisation, signer: Signer, code: str) -> None:
    with pytest.raises(Unavailable):
        organisation.remote(signer).release(ReleaseRequest("p1", LIBRARY, NOW, authority=1))
    assert code in organisation.stream.getvalue()
    assert organisation.recorded() == []


def test_an_answer_with_another_key_is_not_believed(organisation: Organisation) -> None:
    remote = organisation.remote(IDP_SIGNER, answer_signer=FRONT_SIGNER)
    with pytest.raises(Unavailable) as caught:
        remote.release(ReleaseRequest("p1", LIBRARY, NOW, authority=1))
    assert caught.value.code == "aa.authority_failed"


def test_an_answer_to_another_question_is_not_believed(organisation: Organisation) -> None:
    class Confusing:
        """Asks another question than it is given."""

        def post(self, url: str, envelope: bytes) -> bytes:
            return organisation.ask(query(handle(*HERS), issuer=HOME, at=OWNER), IDP_SIGNER, at=OWNER)

    with pytest.raises(Unavailable) as caught:
        replace(organisation.remote(IDP_SIGNER), transport=Confusing()).release(
            ReleaseRequest("p1", LIBRARY, NOW, authority=1)
        )
    assert caught.value.code == "aa.authority_failed"
    assert "saml.in_response_to" in caught.value.found
    assert organisation.remote(IDP_SIGNER).release(ReleaseRequest("p1", LIBRARY, NOW, authority=1)).attributes


def test_an_unsigned_answer_is_not_taken_for_nothing_to_tell(organisation: Organisation) -> None:
    class Unsigned:
        """Says that all is well and that there is nothing to tell."""

        def post(self, url: str, envelope: bytes) -> bytes:
            asked = decode_soap(envelope)
            return encode_soap(Response("_r", HOME, NOW, in_response_to=asked.get("ID")).to_xml())

    with pytest.raises(Unavailable) as caught:
        replace(organisation.remote(IDP_SIGNER), transport=Unsigned()).release(
            ReleaseRequest("p1", LIBRARY, NOW, authority=1)
        )
    assert "signature.missing" in caught.value.found


def test_a_query_that_was_passed_on_goes_no_further(organisation: Organisation) -> None:
    hers = query(handle("p1", 0), issuer=HOME, at=OWNER)
    assert status(organisation.ask(hers, FRONT_SIGNER, at=OWNER)) == UNKNOWN
    assert organisation.wire.sent == []


def test_an_authority_that_takes_none_passed_on_refuses_them(organisation: Organisation) -> None:
    asked = query(handle(*HIS), issuer=HOME)
    assert status(organisation.ask(query(handle(*HIS), id="_q2"))) == (names.SUCCESS, None)
    answer = organisation.ask(asked, FRONT_SIGNER)
    assert b"Response" not in answer
    assert "aa.requester_unknown" in organisation.stream.getvalue()


NOT_IN_A_NAME = [
    ("nobody named", NameId(handle("p1", 1).value, names.TRANSIENT, HOME)),
    ("a lasting name", NameId("lasting", names.PERSISTENT, HOME, LIBRARY)),
]


@pytest.mark.parametrize("name_id", [case[1] for case in NOT_IN_A_NAME], ids=[case[0] for case in NOT_IN_A_NAME])
def test_a_query_in_nobodys_name_is_refused(organisation: Organisation, name_id: NameId) -> None:
    answer = organisation.ask(query(name_id, issuer=HOME, at=OWNER), FRONT_SIGNER, at=OWNER)
    assert b"Response" not in answer
    assert "aa.passed_on" in organisation.stream.getvalue()
    good = query(handle(*HERS), issuer=HOME, at=OWNER, id="_q2")
    assert told(organisation.ask(good, FRONT_SIGNER, at=OWNER), good, by=OWNER_SIGNER) == {
        "eduPersonPrincipalName": ("owner@x",)
    }


def test_a_handle_of_another_requester_opens_in_nobody_elses_name(organisation: Organisation) -> None:
    stolen = NameId(handle("p1", 1, LAB).value, names.TRANSIENT, HOME, LIBRARY)
    asked = query(stolen, issuer=HOME, at=OWNER)
    assert status(organisation.ask(asked, FRONT_SIGNER, at=OWNER)) == UNKNOWN
    assert "handle.other_requester" in organisation.stream.getvalue()


def test_an_sp_that_knows_the_owner_may_ask_it_straight(organisation: Organisation) -> None:
    asked = query(handle(*HERS), at=OWNER)
    assert told(organisation.ask(asked, at=OWNER), asked, by=OWNER_SIGNER) == {"eduPersonPrincipalName": ("owner@x",)}


class NoNames:
    """Somebody who wants her display name kept."""

    def wish(self, principal: str, requester: Requester, at: datetime, *, before: Wish | None = None) -> Wish | None:
        def wanted(name: str, value: Value) -> PersonalWish | None:
            return "withheld" if name == "displayName" else None

        return wanted if (principal, requester.entity_id) == ("p1", LIBRARY) else None


def test_what_she_chose_at_home_holds_for_another_authority_too(organisation: Organisation) -> None:
    remote = organisation.remote(IDP_SIGNER)
    chosen = replace(remote, personal_choices=NoNames())
    request = ReleaseRequest("p1", LIBRARY, NOW, target="https://library.example/instrument", authority=1)
    everything = remote.release(request).attributes
    kept = chosen.release(request)
    assert sorted(attribute.name for attribute in everything) == ["displayName", "eduPersonPrincipalName"]
    assert kept.attributes == tuple(
        Attribute("eduPersonPrincipalName", (Value("owner", "x"),), issuer=HOME)
        for attribute in everything
        if attribute.name != "displayName"
    )
    withheld = [verdict for verdict in kept.decision.verdicts if not verdict.released]
    assert [(verdict.attribute, verdict.reason) for verdict in withheld] == [("displayName", "withheld")]


def test_refusals_never_reach_the_requester_as_something_else(organisation: Organisation) -> None:
    organisation.owner_people.known.clear()
    asked = query(handle(*HERS))
    proven = verify_response(decode_soap(organisation.ask(asked)), [FRONT_SIGNER.public])
    with pytest.raises(Denied):
        accept_query_response(proven, asked, authority=HOME, audience=LIBRARY, now=NOW)


@pytest.mark.parametrize("indexes", [[0], [1, 1]], ids=["its own", "twice"])
def test_each_authority_has_an_index_of_its_own(tmp_path: Path, indexes: list[int]) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "file").write_text("")
    others = [{"index": index, "location": OWNER + PATH, "certificates": ["file"]} for index in indexes]
    with pytest.raises(ValueError, match=r"aa\.duplicate_authority"):
        AttributeAuthoritySettings.model_validate(
            {
                "entity_id": HOME,
                "display_name": "University",
                "public_url": FRONT,
                "listen": {"port": 0},
                "database": {"url": "sqlite:///audit.sqlite"},
                "trust": {"keys": "keys", "metadata": []},
                "handle_keys": ["file"],
                "others": others,
                "resolver": {"connectors": [], "definitions": []},
                "release_policies": ["file"],
            },
            context={"directory": tmp_path},
        )
