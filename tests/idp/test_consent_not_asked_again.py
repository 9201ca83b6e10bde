"""That there is nothing to ask about an answer is known the second time only while everything is as it was."""

import contextlib
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from idp.consent.settings import ConsentPageSettings
from idp.consent.step import ConsentStep, Question
from idp.sessions.session import SsoSession
from idp.sign_on.requests import own_login
from idp.sign_on.steps import Visit
from ostiary.attributes import Attribute, make_attribute
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.config.conclusions import Conclusions
from ostiary.consent.choices import Answer, Mode, must_ask
from ostiary.consent.general_rule import GeneralRules
from ostiary.consent.settings import ConsentSettings
from ostiary.consent.store import Choices, EnforcedChoices
from ostiary.consent.tables import MIGRATIONS
from ostiary.errors import Missing
from ostiary.federation.model import (
    AttributeConsumingService,
    Display,
    Entity,
    LocalizedText,
    RequestedAttribute,
    SpRole,
)
from ostiary.policy.release import Precedence, ReleaseDecision, Requester, Verdict, as_she_wishes
from ostiary.ports import Release
from tests.databases import upgraded

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SP = "https://library.example/shar"
NAMES = ("cn", "mail", "uid")
KINDS = ("answer", "answer", "back", "rule", "time", "metadata", "person", "index", *("precedence", "turn") * 3)
_PEOPLE = iter(range(10**9))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with upgraded("sqlite", tmp_path_factory.mktemp("choices"), [AUDIT_MIGRATIONS, MIGRATIONS]) as opened:
        yield opened


class World:
    """What the page looks at. The answer of the Attribute Authority is the same object while what it follows from is the same; one that
    knows nothing of people's choices (``tells`` False) follows from the attributes alone."""

    def __init__(self, pick: Random, choices: Choices, mode: str, *, always: bool = False, tells: bool = True) -> None:
        self.pick, self.choices, self.principal = pick, choices, f"p{next(_PEOPLE)}"
        self.now, self.precedence, self.sp = NOW, Precedence(), a_resource(pick)
        self.attributes, self.index, self.turn = attributes(pick), None, ""
        settings: Any = {"mode": mode, "ask_again_after": timedelta(days=1)}
        if always:
            settings["always_for"] = (SP,)
        self.enforced = EnforcedChoices(choices, ConsentSettings(**settings), lambda _at: self.precedence)
        self.requester, self.tells = Requester(SP), tells
        sign_on: Any = SimpleNamespace(settings=lambda: SimpleNamespace(sends_attributes_to=lambda sp: True))
        self.step = ConsentStep(sign_on, choices, ConsentPageSettings(**settings), lambda _at: self.precedence)
        self._last: tuple[object, Release] | None = None

    def release(self) -> Release:
        before = self._last[1].wish if self._last is not None else None
        wish = None
        if self.tells:
            wish = self.enforced.wish(self.principal, self.requester, self.now, before=before)
        if self._last is None or self._last[0] is not self.attributes or self._last[1].wish is not wish:
            verdicts = [
                Verdict(one.name, value, True, "p", "r", "permit") for one in self.attributes for value in one.values
            ]
            decision = ReleaseDecision(self.attributes, tuple(verdicts))
            if wish is not None:
                decision = as_she_wishes(decision, wish, self.attributes, requester=self.requester)
            answer = Release(
                decision.attributes, decision, (), wish is not None or not self.tells, {}, wish, Conclusions()
            )
            self._last = self.attributes, answer
        return self._last[1]

    def question(self, release: Release) -> Question | None:
        asked = own_login("", fresh_since=None)._replace(attribute_index=self.index, turn=self.turn)
        session = SsoSession("s", self.principal, (), self.now + timedelta(hours=1))
        return self.step.question(Visit(None, asked, self.sp, session, self.now, lambda: release))

    def change(self, question: Question | None, rules: GeneralRules) -> None:
        pick = self.pick
        match pick.choice(KINDS):
            case "answer" if question is not None:
                shown = question.offered
                allowed = frozenset(one.name for one in shown if one.required or pick.random() < 0.9)
                visit = visit_id(self.turn) if pick.random() < 0.5 else ""
                answer = Answer(
                    self.principal, SP, pick.choice(list(Mode)), shown, allowed, question.purpose.read_in("en"), visit
                )
                self.choices.give(answer, at=self.now, by=self.principal)
            case "back":
                take = pick.choice([self.choices.revoke, self.choices.forget])
                with contextlib.suppress(Missing):
                    take(self.principal, SP, at=self.now, by=self.principal)
            case "rule":
                said = pick.choice(["recommended", "minimal", "ask"])
                rules.say(self.principal, said, at=self.now, by=self.principal)
            case "time":
                self.now += timedelta(seconds=pick.choice([1, 43_200, 86_400]))
            case "metadata":
                self.sp = a_resource(pick)
            case "person":
                self.attributes = attributes(pick)
            case "precedence":
                self.precedence = pick.choice([Precedence(), Precedence(people_may=frozenset({"release"}))])
            case "index":
                self.index = pick.choice([None, 1, 2, 3])
            case "turn":
                self.turn = pick.choice(["", "t1", "t2"])


def visit_id(turn: str) -> str:
    return hashlib.sha256(turn.encode()).hexdigest() if turn else ""


def a_resource(pick: Random) -> Entity:
    services = tuple(
        AttributeConsumingService(
            index, (), tuple(RequestedAttribute(name, required=pick.random() < 0.3) for name in NAMES)
        )
        for index in (1, 2)
    )
    purpose = LocalizedText(pick.choice(["To read books.", "To read all."]), "en")
    return Entity(SP, sp=SpRole(attribute_consuming=services, display=Display(descriptions=(purpose,))))


def attributes(pick: Random) -> tuple[Attribute, ...]:
    chosen = [name for name in NAMES if pick.random() < 0.8]
    return tuple(make_attribute(name, pick.sample(["a", "b", "c"], pick.randint(1, 2))) for name in chosen)


@given(seed=st.integers(0, 2**32), mode=st.sampled_from(["off", "inform", "required"]))
def test_what_was_settled_is_what_would_be_found_anew(engine: Engine, seed: int, mode: str) -> None:
    pick, choices = Random(seed), Choices(engine, writer="idp")
    world, rules = (
        World(pick, choices, mode, always=pick.random() < 0.1, tells=pick.random() < 0.7),
        GeneralRules(engine, writer="idp"),
    )
    for _ in range(50):
        release = world.release()
        anew = world.question(release._replace(conclusions=None))
        assert world.question(release) == anew
        # Known by now, where it can be.
        assert world.question(release) == anew
        if pick.random() < 0.8:
            world.change(anew, rules)


def test_nothing_is_looked_through_twice(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []

    def counted(*arguments: object, **named: object) -> object:
        looked.append(arguments)
        return must_ask(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("idp.consent.step.must_ask", counted)
    world = World(Random(1), Choices(engine, writer="idp"), "required")
    first = world.question(world.release())
    assert first is not None
    assert first.reason is not None
    names = frozenset(one.name for one in first.offered)
    answer = Answer(world.principal, SP, Mode.REMEMBER, first.offered, names, first.purpose.read_in("en"))
    world.choices.give(answer, at=NOW, by=world.principal)
    looked.clear()
    questions = [world.question(world.release()) for _ in range(3)]
    assert [question.reason for question in questions if question is not None] == [None] * 3
    assert len(looked) == 1
