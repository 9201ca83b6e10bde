"""An answer that is given again follows from what holds now: an authority that keeps its conclusions says, after any changes, what one says
that concludes anew each time."""

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from attribute_authority.authority import Authority
from attribute_authority.connectors.computed import NAMES as COMPUTED
from attribute_authority.connectors.computed import ComputedConnector
from attribute_authority.connectors.sources import RequesterSource, Source
from attribute_authority.resolver.definitions import Definition
from attribute_authority.resolver.resolver import Resolution, Resolver
from ostiary.attributes import Attribute, Value, make_attribute
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.config.conclusions import Conclusions
from ostiary.consent.choices import Answer, Mode, Offered, ReadPurpose
from ostiary.consent.general_rule import GeneralRules
from ostiary.consent.personal import Setting, Switch
from ostiary.consent.settings import ConsentSettings
from ostiary.consent.store import Choices, EnforcedChoices
from ostiary.consent.tables import MIGRATIONS
from ostiary.errors import Missing
from ostiary.identifiers.salt import Salt
from ostiary.policy.release import (
    Audience,
    Condition,
    PersonalWish,
    Precedence,
    ReleasePolicies,
    ReleasePolicy,
    ReleaseRule,
    Requester,
    Wish,
    index_policies,
)
from ostiary.ports import Release, ReleaseRequest
from ostiary.web.log import make_log
from tests.databases import upgraded
from tests.policy.test_release_reference import ENTITIES, NAMES, TARGETS, a_policy, a_precedence, a_requester

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
IDP = "https://idp.example"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with upgraded("sqlite", tmp_path_factory.mktemp("choices"), [AUDIT_MIGRATIONS, MIGRATIONS]) as opened:
        yield opened


@dataclass
class World:
    """What an authority looks at; all of it may change."""

    policies: Any
    precedence: Any
    requesters: dict[str, Requester | None]
    person: dict[str, tuple[str, ...]]
    now: datetime = NOW
    active: bool = True
    asked: int = 0

    def is_active(self, _principal: str) -> bool:
        return self.active

    def attributes(self, _principal: str, _at: datetime) -> Mapping[str, Sequence[str]]:
        self.asked += 1
        return self.person

    def close(self) -> None:
        pass


class Fixed:
    """A holder whose value the test replaces."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def poll(self, _now: datetime) -> None:
        return None


class WithoutConclusions:
    """The same resolver, of whose resolutions nobody has concluded anything."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def resolve(self, principal: str, at: datetime, requester: str | None = None) -> Resolution:
        return self._resolver.resolve(principal, at, requester)._replace(conclusions=Conclusions())


def resolver_of(world: World, *, age: timedelta) -> Resolver:
    return Resolver(
        [
            Source("person", world),
            RequesterSource("identifiers", ComputedConnector(Salt(b"s" * 32), "uni.example", {}), COMPUTED),
        ],
        [Definition(name, name) for name in (*NAMES, "pairwise-id", "eduPersonTargetedID")],
        issuer=IDP,
        cache_age=age,
    )


def authority_of(world: World, resolver: Any, choices: Any, log: io.StringIO) -> Authority:
    return Authority(
        people=world,
        resolver=resolver,
        policies=world.policies,
        find_requester=lambda entity_id, _at: world.requesters.get(entity_id),
        log=make_log(SimpleNamespace(now=lambda: world.now), service="aa", stream=log),
        personal_choices=choices,
        precedence=world.precedence,
    )


def told(log: io.StringIO) -> str:
    text = log.getvalue()
    log.seek(0)
    log.truncate()
    return text


def asked_of(authority: Authority, request: ReleaseRequest) -> Release | str:
    try:
        return authority.release(request)
    except Missing as missing:
        return missing.code


def facts_of(answer: Release | str, world: World) -> object:
    """Everything of an answer, the wish by what it says."""
    if isinstance(answer, str):
        return answer
    values = [(name, Value(text)) for name in NAMES for text in (*world.person.get(name, ()), "never seen")]
    said = None if answer.wish is None else [answer.wish(name, value) for name, value in values]
    return without_times(answer._replace(wish=None, conclusions=None)), said


def without_times(answer: Release) -> object:
    """Without the moment at which a value was found out, which an answer may keep while the resolution lasts."""
    attributes = [one._replace(issued_at=None) for one in answer.attributes]
    return attributes, answer.decision.verdicts, answer.notes, answer.has_her_say, dict(answer.wire_names)


class Changes:
    """What people and administrators do between two questions."""

    def __init__(self, pick: Random, world: World, choices: Choices, rules: GeneralRules, principal: str) -> None:
        self.pick, self.world, self.choices, self.rules, self.principal = pick, world, choices, rules, principal

    def one(self, resolvers: Sequence[Resolver]) -> None:
        pick, world = self.pick, self.world
        change = pick.choice([self.answers, self.sets, self.takes_back, self.says_a_rule, *[None] * 4])
        if change is not None:
            change()
            return
        match pick.choice(["policies", "precedence", "metadata", "metadata", "person", "time", "time", "active"]):
            case "policies":
                world.policies.value = policies(pick)
            case "precedence":
                world.precedence.value = a_precedence(pick)
            case "metadata":
                world.requesters[pick.choice(ENTITIES)] = a_known_requester(pick)
            case "person":
                world.person = a_person(pick)
                for resolver in resolvers:
                    resolver.forget(self.principal)
            case "time":
                # Back, too: a clock may be set.
                world.now += timedelta(seconds=pick.choice([1, 20, 3_600, 86_400, -20]))
            case "active":
                world.active = pick.random() < 0.8

    def offered(self) -> tuple[Offered, ...]:
        return tuple(
            Offered(make_attribute(name, texts))
            for name, texts in self.world.person.items()
            if self.pick.random() < 0.7
        )

    def answers(self) -> None:
        shown = self.offered()
        allowed = frozenset(one.name for one in shown if self.pick.random() < 0.7)
        answer = Answer(
            self.principal, self.pick.choice(ENTITIES), self.pick.choice(list(Mode)), shown, allowed, ReadPurpose()
        )
        self.choices.give(answer, at=self.world.now, by=self.principal)

    def sets(self) -> None:
        entity_id = self.pick.choice(ENTITIES)
        switches = []
        for one in self.offered():
            recommended = frozenset(value for value in one.attribute.values if self.pick.random() < 0.5)
            on = frozenset(value for value in one.attribute.values if self.pick.random() < 0.5)
            switches.append(Switch(Attribute(one.name, one.attribute.values), recommended, on))
        setting = Setting(self.principal, Requester(entity_id), tuple(switches), ReadPurpose())
        self.choices.decide(setting, at=self.world.now, by=self.principal)

    def takes_back(self) -> None:
        entity_id = self.pick.choice(ENTITIES)
        take = self.pick.choice([self.choices.revoke, self.choices.forget, self.choices.stop])
        with contextlib.suppress(Missing):
            take(self.principal, entity_id, at=self.world.now, by=self.principal)

    def says_a_rule(self) -> None:
        rule = self.pick.choice(["recommended", "minimal", "ask"])
        self.rules.say(self.principal, rule, at=self.world.now, by=self.principal)


def policies(pick: Random) -> ReleasePolicies:
    return index_policies([a_policy(pick) for _ in range(pick.randint(1, 6))])


def a_known_requester(pick: Random) -> Requester | None:
    return a_requester(pick) if pick.random() < 0.9 else None


def a_person(pick: Random) -> dict[str, tuple[str, ...]]:
    return {name: tuple(pick.sample(["a", "b", "c", "a@s1", "b@s2"], pick.randint(0, 3))) for name in NAMES}


def a_question(pick: Random, principal: str, at: datetime) -> ReleaseRequest:
    wanted = None
    if pick.random() < 0.3:
        wanted = tuple(make_attribute(name, pick.sample(["a", "b"], pick.choice([0, 0, 1]))) for name in NAMES[:2])
    return ReleaseRequest(
        principal,
        pick.choice(ENTITIES),
        at,
        target=pick.choice([None, None, *TARGETS[:2]]),
        wanted=wanted,
        anonymous=pick.random() < 0.1,
        network=pick.choice([None, "192.0.2.7"]),
        authn_context=pick.choice([None, "password"]),
    )


_PEOPLE = iter(range(10**9))


@given(seed=st.integers(0, 2**32), mode=st.sampled_from(["off", "inform", "required"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_said_again_is_what_would_be_said_anew(engine: Engine, seed: int, mode: str) -> None:
    pick, principal = Random(seed), f"p{next(_PEOPLE)}"
    world = World(
        Fixed(policies(pick)),
        Fixed(a_precedence(pick)),
        {name: a_known_requester(pick) for name in ENTITIES},
        a_person(pick),
    )
    choices, rules = Choices(engine, writer="aa"), GeneralRules(engine, writer="aa")
    changes = Changes(pick, world, choices, rules, principal)
    consent = ConsentSettings(mode=mode, ask_again_after=timedelta(days=1))

    def enforced() -> EnforcedChoices:
        return EnforcedChoices(choices, consent, lambda _at: world.precedence.value)

    age = pick.choice([timedelta(minutes=1), timedelta(days=30)])
    remembers, forgets = resolver_of(world, age=age), resolver_of(world, age=timedelta(0))
    keeps_log, anew_log = io.StringIO(), io.StringIO()
    keeps = authority_of(world, remembers, enforced(), keeps_log)
    anew = authority_of(world, WithoutConclusions(forgets), enforced(), anew_log)
    questions = [a_question(pick, principal, NOW) for _ in range(3)]
    for _ in range(25):
        request = pick.choice(questions)._replace(at=world.now)
        answer, expected = asked_of(keeps, request), asked_of(anew, request)
        assert facts_of(answer, world) == facts_of(expected, world)
        assert told(keeps_log) == told(anew_log)
        if pick.random() < 0.5:
            changes.one([remembers, forgets])


@pytest.fixture
def world() -> World:
    everything = ReleasePolicy("p", Audience(anyone=True), (ReleaseRule("r", True, None),))
    return World(
        Fixed(index_policies([everything])),
        Fixed(Precedence()),
        {name: Requester(name) for name in ENTITIES},
        {"entitlement": ("a",)},
    )


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def authority(world: World, log: io.StringIO) -> Authority:
    return authority_of(world, resolver_of(world, age=timedelta(minutes=1)), None, log)


ASKED = ReleaseRequest("p1", ENTITIES[0], NOW)


def test_the_same_question_has_the_same_answer_and_is_logged_each_time(authority: Authority, log: io.StringIO) -> None:
    first, again = authority.release(ASKED), authority.release(ASKED._replace(at=NOW + timedelta(seconds=59)))
    assert again is first
    assert len(told(log).splitlines()) == 2
    assert authority.preview(ASKED) is first
    assert told(log) == ""


def test_no_answer_outlives_what_it_was_made_of(authority: Authority) -> None:
    first = authority.release(ASKED)
    assert authority.release(ASKED._replace(at=NOW + timedelta(minutes=1))) is not first


@pytest.mark.parametrize("field", sorted(set(ReleaseRequest._fields) - {"at", "principal"}))
def test_each_part_of_a_question_makes_another_one(authority: Authority, field: str) -> None:
    other = {
        "requester": ENTITIES[1],
        "target": TARGETS[0],
        "wanted": (make_attribute("mail", ()),),
        "authority": 1,
        "anonymous": True,
        "network": "192.0.2.7",
        "authn_context": "password",
    }
    assert authority.release(ASKED._replace(**{field: other[field]})) is not authority.release(ASKED)


class AlwaysTheSame:
    """A person who wants her entitlements kept."""

    def wish(self, principal: str, requester: Requester, at: datetime, *, before: Wish | None = None) -> Wish | None:
        return her_wish


def her_wish(name: str, _value: Value) -> PersonalWish | None:
    return "withheld" if name == "entitlement" else None


def test_what_people_may_decide_counts_as_it_is_now(world: World, log: io.StringIO) -> None:
    authority = authority_of(world, resolver_of(world, age=timedelta(minutes=1)), AlwaysTheSame(), log)
    assert names(authority.release(ASKED)) == {"pairwise-id", "eduPersonTargetedID"}
    world.precedence.value = Precedence(people_may=frozenset())
    assert names(authority.release(ASKED)) == {"entitlement", "pairwise-id", "eduPersonTargetedID"}


def names(release: Release) -> set[str]:
    return {attribute.name for attribute in release.attributes}


def test_a_policy_for_some_hours_ends_with_them(world: World, authority: Authority) -> None:
    noon = Condition(time=(720, 721))
    for_a_minute = ReleasePolicy("p", Audience(anyone=True), (ReleaseRule("r", True, None),), when=noon)
    world.policies.value = index_policies([for_a_minute])
    at = NOW + timedelta(seconds=50)
    assert names(authority.release(ASKED._replace(at=at)))
    assert not names(authority.release(ASKED._replace(at=at + timedelta(seconds=20))))


def test_a_value_that_is_no_longer_valid_stays(world: World, log: io.StringIO) -> None:
    mail = Attribute("mail", (Value("a"),), valid_until=NOW + timedelta(seconds=5))
    resolution = Resolution((mail,), (), frozenset(), (), Conclusions())
    resolver = SimpleNamespace(resolve=lambda *_: resolution)
    authority = authority_of(world, resolver, None, log)
    assert names(authority.release(ASKED)) == {"mail"}
    assert not names(authority.release(ASKED._replace(at=NOW + timedelta(seconds=5))))


@pytest.mark.parametrize(
    "much",
    [
        {"wanted": tuple(make_attribute(f"a{number}", ()) for number in range(100))},
        {"wanted": (make_attribute("mail", ["x" * 4_000]),)},
        {"wanted": (make_attribute("mail", [str(number) for number in range(100)]),)},
        {"wanted": (make_attribute("x" * 4_000, ()),)},
        {"wanted": (make_attribute("mail", ())._replace(wire_name="x" * 4_000),)},
        {"target": "https://h.example/" + "x" * 4_000},
        {"authn_context": "x" * 4_001},
    ],
    ids=["names", "long value", "values", "long name", "wire name", "target", "context"],
)
def test_a_long_question_is_not_kept(authority: Authority, much: dict[str, Any]) -> None:
    asked = ASKED._replace(**much)
    assert authority.release(asked) is not authority.release(asked)


def test_of_many_questions_about_a_person_few_are_kept(authority: Authority) -> None:
    first = authority.release(ASKED)
    for number in range(10):
        authority.release(ASKED._replace(network=f"192.0.2.{number}"))
    assert authority.release(ASKED) is not first


def test_of_people_whose_time_is_over_nothing_is_kept(world: World) -> None:
    resolver = resolver_of(world, age=timedelta(minutes=1))
    for number in range(20):
        resolver.resolve(f"p{number}", NOW + timedelta(seconds=30 * number))
    assert len(resolver._remembered) <= 2
