"""What the Attribute Authority tells the release policies about a request, and what people may decide after them."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attribute_authority.authority import Authority
from attribute_authority.connectors.fixed import StaticConnector
from attribute_authority.connectors.sources import Source
from attribute_authority.requesters import requester_of
from attribute_authority.resolver.definitions import Definition
from attribute_authority.resolver.resolver import Resolver
from ostiary.config import Holder
from ostiary.errors import Unavailable
from ostiary.federation.model import AttributeConsumingService, Entity, RequestedAttribute, SpRole
from ostiary.policy import release
from ostiary.policy.release import Requester, Wish
from ostiary.policy.release.document import load_release_policies
from ostiary.policy.release.precedence import load_precedence
from ostiary.ports import Release, ReleaseRequest
from ostiary.web.log import make_log

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SP = "https://lab.example/shar"
POLICIES = """
policies:
  - {id: inside, for: {anyone: true}, when: {network: 192.0.2.0/24}, rules: [{permit: mail}]}
  - {id: strong, for: {anyone: true}, when: {authn_context: urn:mfa}, rules: [{permit: cn}]}
  - {id: group, for: {anyone: true}, when: {person: {attribute: groups, value: lab}}, rules: [{permit: uid}]}
  - {id: not banned, for: {anyone: true}, when: {person: {attribute: flags, value: banned}}, rules: [{deny: sn}]}
  - {id: open, for: {anyone: true}, rules: [{permit: [sn, flags]}]}
  - {id: world, for: {anonymous: true}, rules: [{permit: [mail, o]}]}
"""
PERSON = {
    "mail": ("ada@a.example",),
    "cn": ("Ada",),
    "uid": ("ada",),
    "sn": ("Lovelace",),
    "o": ("A",),
    "groups": ("lab",),
}


@dataclass
class House:
    """One home organisation in memory; ``flags`` come from a source of their own."""

    directory: Path
    flags: tuple[str, ...] = ()
    answers: bool = True
    wishes: dict[str, release.PersonalWish] = field(default_factory=dict)
    wish_asked_for: list[Requester] = field(default_factory=list)
    log: io.StringIO = field(default_factory=io.StringIO)

    def now(self) -> datetime:
        return NOW

    def is_active(self, principal: str) -> bool:
        return True

    def wish(self, principal: str, requester: Requester, at: datetime, *, before: Wish | None = None) -> Wish | None:
        self.wish_asked_for.append(requester)
        return (lambda name, _value: self.wishes.get(name)) if self.wishes else None

    def attributes(self, principal: str, at: datetime) -> dict[str, tuple[str, ...]]:
        if not self.answers:
            raise Unavailable("aa.connector_failed")
        return {"flags": self.flags}

    def close(self) -> None:
        pass

    def authority(self) -> Authority:
        (self.directory / "release.yaml").write_text(POLICIES)
        (self.directory / "precedence.yaml").write_text("people_may: [withhold, release]\n")
        definitions = [Definition(name, name, internal=name == "groups") for name in (*PERSON, "flags")]
        sources = [
            Source("fixed", StaticConnector(PERSON, {})),
            Source("flags", self, required=False, names=frozenset({"flags"})),
        ]
        every = timedelta(0)
        return Authority(
            people=self,
            resolver=Resolver(sources, definitions, issuer="https://idp.example", cache_age=every),
            policies=Holder(lambda read: load_release_policies([self.directory / "release.yaml"], sources=read)),
            precedence=Holder(
                lambda read: load_precedence(self.directory / "precedence.yaml", sources=read), every=every
            ),
            find_requester=lambda entity_id, _at: Requester(entity_id),
            log=make_log(self, service="aa", stream=self.log),
            personal_choices=self,
        )


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


ASKED = ReleaseRequest("p1", SP, NOW)
Ask = Callable[..., list[str]]


@pytest.fixture
def ask(house: House) -> Ask:
    authority = house.authority()

    def names(**changes: object) -> list[str]:
        answer: Release = authority.release(ASKED._replace(**changes))
        return [attribute.name for attribute in answer.attributes]

    return names


def test_conditions_see_the_address_the_login_and_what_is_internal(ask: Ask) -> None:
    assert ask() == ["uid", "sn"]
    assert ask(network="192.0.2.7") == ["mail", "uid", "sn"]
    assert ask(authn_context="urn:mfa") == ["cn", "uid", "sn"]


def test_a_source_that_does_not_answer_keeps_the_denial_that_looks_at_it(house: House, ask: Ask) -> None:
    house.flags = ("banned",)
    assert ask() == ["uid", "flags"]
    house.flags = ("good",)
    assert ask() == ["uid", "sn", "flags"]
    house.answers = False
    assert ask() == ["uid"]


def test_an_anonymous_requester_is_nobody_whatever_name_it_gives(house: House, ask: Ask) -> None:
    assert ask(anonymous=True, network="192.0.2.7") == ["mail", "o"]
    assert house.wish_asked_for == [Requester("", known=False, anonymous=True)]


def test_people_decide_within_what_the_document_leaves_them_from_the_next_request_on(house: House, ask: Ask) -> None:
    house.wishes = {"sn": "withheld", "o": "chosen", "mail": "chosen"}
    assert ask() == ["mail", "uid", "o"]
    assert ask(anonymous=True) == ["mail", "o"]
    (house.directory / "precedence.yaml").write_text("people_may: [release]\nnever_release: mail\n")
    assert ask() == ["uid", "sn", "o"]
    (house.directory / "precedence.yaml").write_text("people_may: [relase]\n")
    assert ask() == ["uid", "sn", "o"]
    refused = [json.loads(line) for line in house.log.getvalue().splitlines() if "precedence_refused" in line]
    assert len(refused) == 1


def test_she_can_not_let_go_what_nobody_knows_about_her(house: House, ask: Ask) -> None:
    house.wishes = {"eduPersonOrcid": "chosen", "groups": "chosen"}
    assert ask() == ["uid", "sn"]


def test_what_plays_no_part_in_an_answer_is_told_with_the_reason(house: House) -> None:
    authority = house.authority()
    assert authority.not_applied(ASKED) == (
        ("inside", "network_unknown"),
        ("strong", "authn_context_unknown"),
        ("not banned", "person"),
    )
    house.answers = False
    assert authority.not_applied(ASKED._replace(network="198.51.100.1", authn_context="urn:mfa")) == (
        ("inside", "network"),
    )


def test_the_requester_has_the_entity_attributes_and_requested_values_of_its_metadata() -> None:
    def service(index: int, *requested: RequestedAttribute) -> AttributeConsumingService:
        return AttributeConsumingService(index, (), requested)

    def asked(oid: str, required: bool, *values: str) -> RequestedAttribute:
        return RequestedAttribute(f"urn:oid:{oid}", required=required, values=values)

    affiliation, mail = "1.3.6.1.4.1.5923.1.1.1.1", "0.9.2342.19200300.100.1.3"
    entity = Entity(
        SP,
        sp=SpRole(
            attribute_consuming=(
                service(1, asked(affiliation, True, "member"), asked(mail, False, "a@b")),
                service(2, asked(affiliation, True, "staff"), asked(affiliation, False), asked(mail, False)),
            )
        ),
        entity_attributes=(("https://example.org/level", ("gold", "old")),),
    )
    requester = requester_of(entity)
    assert requester.entity_attributes == (("https://example.org/level", ("gold", "old")),)
    assert requester.requested == (
        release.RequestedAttribute("eduPersonAffiliation", True, frozenset({"member", "staff"})),
        release.RequestedAttribute("mail", False, frozenset()),
        release.RequestedAttribute("eduPersonAffiliation", False, frozenset()),
    )
