"""A past request is decided by what is known now, and at its own time, from its own network, after its own login; nothing is released."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attribute_authority.authority import Authority
from attribute_authority.connectors.protocol import Found
from attribute_authority.connectors.sources import Source
from attribute_authority.resolver.definitions import Definition
from attribute_authority.resolver.resolver import Resolver
from ostiary.config import Holder, parse_document
from ostiary.errors import Missing, Unavailable
from ostiary.policy.release import Requester
from ostiary.policy.release.document import compile_release_policies
from ostiary.ports import ReleaseRequest
from ostiary.web.log import make_log

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LAST_NIGHT = NOW - timedelta(hours=10)
SP = "https://sp.example"
POLICIES = """
policies:
  - {id: night, for: {anyone: true}, when: {time: {from: "22:00", to: "06:00"}}, rules: [{permit: cn}]}
  - {id: campus, for: {anyone: true}, when: {network: 192.0.2.0/24}, rules: [{permit: mail}]}
  - {id: sure, for: {anyone: true}, when: {authn_context: urn:x:card}, rules: [{permit: title}]}
"""


@dataclass
class House:
    """People, a source and metadata that change with time."""

    known: dict[str, tuple[str, ...]]
    active: bool = True
    asked_about: list[datetime] = field(default_factory=list)
    log: io.StringIO = field(default_factory=io.StringIO)
    recorded: list[datetime] = field(default_factory=list)
    record: Callable[[datetime], None] | None = None

    def now(self) -> datetime:
        return NOW

    def is_active(self, principal: str) -> bool:
        return self.active

    def attributes(self, principal: str, at: datetime) -> Found:
        self.asked_about.append(at)
        return self.known

    def close(self) -> None: ...

    def authority(self) -> Authority:
        policies = compile_release_policies([parse_document(POLICIES.encode(), Path("p.yaml"))])
        return Authority(
            people=self,
            resolver=Resolver(
                [Source("fixed", self)],
                [Definition(name, name) for name in ("cn", "mail", "title")],
                issuer="https://home.example",
            ),
            policies=Holder(lambda sources: policies),
            find_requester=lambda entity_id, at: Requester(entity_id) if at == NOW else None,
            log=make_log(self, service="aa", stream=self.log),
            record_changes=self.record or self.recorded.append,
        )


@pytest.fixture
def house() -> House:
    return House({"cn": ("Ada",), "mail": ("ada@x.example",), "title": ("Dr",)})


def names(house: House, request: ReleaseRequest) -> list[list[str]]:
    authority = house.authority()
    nothing = compile_release_policies([])
    decided = authority.compared(request, (authority.policies(NOW), nothing), NOW)
    return [[attribute.name for attribute in one.attributes] for one in decided]


def test_conditions_look_at_the_time_of_the_request_and_values_are_those_of_now(house: House) -> None:
    assert names(house, ReleaseRequest("p1", SP, LAST_NIGHT)) == [["cn"], []]
    assert names(house, ReleaseRequest("p1", SP, NOW - timedelta(hours=2))) == [[], []]
    assert set(house.asked_about) == {NOW}
    house.known = {"cn": ("Ada King",)}
    decided = house.authority().compared(ReleaseRequest("p1", SP, LAST_NIGHT), (house.authority().policies(NOW),), NOW)
    assert decided[0].attributes[0].texts() == ("Ada King",)


def test_network_and_login_of_the_request_count(house: House) -> None:
    day = NOW - timedelta(hours=1)
    assert names(house, ReleaseRequest("p1", SP, day, network="192.0.2.9"))[0] == ["mail"]
    assert names(house, ReleaseRequest("p1", SP, day, network="198.51.100.9"))[0] == []
    assert names(house, ReleaseRequest("p1", SP, day, authn_context="urn:x:card"))[0] == ["title"]


def test_nothing_is_told_about_who_is_gone_and_nothing_is_logged_as_released(house: House) -> None:
    names(house, ReleaseRequest("p1", SP, LAST_NIGHT))
    assert "attributes_released" not in house.log.getvalue()
    house.active = False
    with pytest.raises(Missing):
        house.authority().compared(ReleaseRequest("p1", SP, LAST_NIGHT), (), NOW)


def test_what_is_in_force_is_recorded_before_anything_is_released(house: House) -> None:
    house.authority().release(ReleaseRequest("p1", SP, NOW))
    assert house.recorded == [NOW]

    def fails(at: datetime) -> None:
        raise Unavailable("storage.unavailable")

    house.record = fails
    with pytest.raises(Unavailable):
        house.authority().release(ReleaseRequest("p1", SP, NOW))
    assert house.log.getvalue().count("attributes_released") == 1
