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
from attribute_authority.resolver.definitions import Definition
from attribute_authority.resolver.resolver import Resolver
from ostiary.attributes import Attribute, make_attribute
from ostiary.config import Holder
from ostiary.errors import Missing, Unavailable
from ostiary.policy.release import Requester
from ostiary.policy.release.document import load_release_policies
from ostiary.ports import AttributeSource, ReleaseRequest
from ostiary.web.log import make_log

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LIBRARY = "https://library.example/shar"
POLICIES = f"""
policies:
  - {{id: library, for: {{requesters: {LIBRARY}}}, rules: [{{id: affiliation, permit: eduPersonScopedAffiliation}}]}}
  - id: instrument
    for: {{requesters: {LIBRARY}}}
    target: https://library.example/instrument
    rules: [{{id: name, permit: cn}}]
  - {{id: open, for: {{anyone: true}}, rules: [{{id: o, permit: o}}]}}
"""


@dataclass
class House:
    """One home organisation in memory."""

    policies: Path
    active: set[str] = field(default_factory=lambda: {"p1"})
    directory_answers: bool = True
    known: dict[str, Requester] = field(
        default_factory=lambda: {LIBRARY: Requester(LIBRARY, origins=frozenset({("https", "library.example", 443)}))}
    )
    log: io.StringIO = field(default_factory=io.StringIO)

    def now(self) -> datetime:
        return NOW

    def is_active(self, principal: str) -> bool:
        if not self.directory_answers:
            raise Unavailable("storage.unavailable")
        return principal in self.active

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def authority(self) -> AttributeSource:
        names = ["cn", "o", "eduPersonScopedAffiliation"]
        person = {"cn": ("Ada",), "o": ("University",), "eduPersonScopedAffiliation": ("member@uni.example",)}
        connector = StaticConnector({}, {"p1": person, "p2": person})
        return Authority(
            people=self,
            resolver=Resolver(
                [Source("fixed", connector)], [Definition(name, name) for name in names], issuer="https://idp.example"
            ),
            policies=Holder(lambda sources: load_release_policies([self.policies], sources=sources)),
            find_requester=lambda entity_id, at: self.known.get(entity_id),
            log=make_log(self, service="aa", stream=self.log),
        )


@pytest.fixture
def house(tmp_path: Path) -> House:
    path = tmp_path / "release.yaml"
    path.write_text(POLICIES)
    return House(path)


Ask = Callable[..., dict[str, tuple[str, ...]]]


@pytest.fixture
def ask(house: House) -> Ask:
    authority = house.authority()

    def ask(
        principal: str = "p1",
        requester: str = LIBRARY,
        *,
        at: datetime = NOW,
        target: str | None = None,
        wanted: tuple[Attribute, ...] | None = None,
    ) -> dict[str, tuple[str, ...]]:
        answer = authority.release(ReleaseRequest(principal, requester, at, target, wanted))
        assert answer.attributes == answer.decision.attributes
        return {attribute.name: attribute.texts() for attribute in answer.attributes}

    return ask


def test_a_requester_gets_what_the_policies_permit(ask: Ask) -> None:
    assert ask() == {"o": ("University",), "eduPersonScopedAffiliation": ("member@uni.example",)}


def test_two_application_domains_of_one_host_get_different_answers(ask: Ask) -> None:
    assert sorted(ask(target="https://library.example/")) == ["eduPersonScopedAffiliation", "o"]
    assert sorted(ask(target="https://library.example/instrument/1")) == ["cn", "eduPersonScopedAffiliation", "o"]


def test_the_log_says_why_a_claimed_application_domain_got_nothing(ask: Ask, house: House) -> None:
    assert ask(target="https://lab.example/instrument") == {}
    (line,) = house.lines()
    assert (line["target"], line["reasons"]) == ("https://lab.example/instrument", ["target_foreign"])


def test_a_query_for_single_attributes_gets_no_others(ask: Ask) -> None:
    assert ask(wanted=(make_attribute("o", []), make_attribute("cn", ["Ada"]))) == {"o": ("University",)}


def test_an_unknown_requester_gets_what_is_for_anyone(ask: Ask, house: House) -> None:
    assert ask(requester="https://stranger.example") == {"o": ("University",)}
    house.known.clear()
    assert ask() == {"o": ("University",)}


@pytest.mark.parametrize("principal", ["p2", "nobody"])
def test_nothing_is_said_about_somebody_who_is_not_active(ask: Ask, house: House, principal: str) -> None:
    with pytest.raises(Missing) as refused:
        ask(principal)
    assert refused.value.code == "aa.unknown_principal"
    assert principal not in str(refused.value)
    assert [line["event"] for line in house.lines()] == ["release_refused"]


def test_activity_is_looked_up_each_time(ask: Ask, house: House) -> None:
    assert ask()
    house.active.clear()
    with pytest.raises(Missing):
        ask()


def test_nothing_is_said_while_the_directory_does_not_answer(ask: Ask, house: House) -> None:
    house.directory_answers = False
    with pytest.raises(Unavailable):
        ask()


def test_a_release_is_logged_with_names_and_rules_and_without_values(ask: Ask, house: House) -> None:
    ask()
    (line,) = house.lines()
    assert line["event"] == "attributes_released"
    assert line["principal"] == "p1"
    assert line["requester"] == LIBRARY
    assert line["attributes"] == ["eduPersonScopedAffiliation", "o"]
    assert line["withheld"] == ["cn"]
    assert line["rules"] == ["library/affiliation", "open/o"]
    assert "University" not in house.log.getvalue()
    assert "Ada" not in house.log.getvalue()


def test_changed_policies_are_in_force_soon_and_broken_ones_never(ask: Ask, house: House) -> None:
    assert sorted(ask()) == ["eduPersonScopedAffiliation", "o"]
    house.policies.write_text("policies: [{id: open, for: {anyone: true}, rules: [{permit: cn}]}]")
    assert sorted(ask(at=NOW + timedelta(minutes=1))) == ["cn"]
    house.policies.write_text("policies: [{id: open, for: {anyone: true}, rules: [{permit: '*', pattern: '('}]}]")
    assert sorted(ask(at=NOW + timedelta(minutes=2))) == ["cn"]
    assert "policy.pattern" in house.log.getvalue()
