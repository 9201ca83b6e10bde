"""What a person chose herself narrows what the organisation's policies let go, and each value says so."""

import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attribute_authority.authority import Authority
from attribute_authority.connectors.fixed import StaticConnector
from attribute_authority.connectors.sources import Source
from attribute_authority.resolver.definitions import Definition
from attribute_authority.resolver.resolver import Resolver
from ostiary.attributes import Value, make_attribute
from ostiary.config import Holder
from ostiary.errors import Unavailable
from ostiary.policy.release import HER_OWN, PersonalWish, ReleaseDecision, Requester, Verdict, Wish, as_she_wishes
from ostiary.policy.release.document import load_release_policies
from ostiary.ports import Release, ReleaseRequest
from ostiary.web.log import make_log

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SP = "https://library.example/shar"
CATEGORY = "https://refeds.org/category/research-and-scholarship"
POLICIES = "policies: [{id: open, for: {anyone: true}, rules: [{id: some, permit: [cn, mail]}]}]"


@dataclass
class Chosen:
    """A `PersonalChoices` that wants what it is told to, and remembers who asked."""

    wishes: dict[tuple[str, str], PersonalWish] = field(default_factory=dict)
    decides: bool = True
    broken: bool = False
    asked: list[tuple[str, str, tuple[str, ...], datetime]] = field(default_factory=list)

    def now(self) -> datetime:
        return NOW

    def wish(self, principal: str, requester: Requester, at: datetime, *, before: Wish | None = None) -> Wish | None:
        self.asked.append((principal, requester.entity_id, requester.entity_categories, at))
        if self.broken:
            raise Unavailable("storage.unavailable")
        return (lambda name, value: self.wishes.get((name, str(value)))) if self.decides else None

    def is_active(self, principal: str) -> bool:
        return principal == "p1"


@pytest.fixture
def chosen() -> Chosen:
    return Chosen()


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def authority(chosen: Chosen, tmp_path: Path, log: io.StringIO) -> Authority:
    (tmp_path / "release.yaml").write_text(POLICIES)
    person = {"cn": ("Ada",), "mail": ("ada@a.example", "ada@b.example"), "uid": ("ada",)}
    return Authority(
        people=chosen,
        resolver=Resolver(
            [Source("fixed", StaticConnector(person, {}))],
            [Definition(name, name) for name in person],
            issuer="https://idp.example",
        ),
        policies=Holder(lambda sources: load_release_policies([tmp_path / "release.yaml"], sources=sources)),
        find_requester=lambda entity_id, _at: Requester(entity_id, entity_categories=(CATEGORY,)),
        log=make_log(chosen, service="aa", stream=log),
        personal_choices=chosen,
    )


def reasons(answer: Release) -> dict[tuple[str, str], str]:
    return {(verdict.attribute, str(verdict.value)): verdict.reason for verdict in answer.decision.verdicts}


def values(answer: Release) -> dict[str, tuple[str, ...]]:
    return {attribute.name: attribute.texts() for attribute in answer.attributes}


def ask(authority: Authority, wanted: tuple[str, ...] | None = None) -> Release:
    asked = tuple(make_attribute(name, ()) for name in wanted) if wanted is not None else None
    return authority.release(ReleaseRequest("p1", SP, NOW, wanted=asked))


def test_what_she_withholds_stays_with_the_reason_in_each_verdict(authority: Authority, chosen: Chosen) -> None:
    chosen.wishes = {("cn", "Ada"): "withheld", ("mail", "ada@b.example"): "not_asked"}
    answer = ask(authority)
    assert values(answer) == {"mail": ("ada@a.example",)}
    assert reasons(answer) == {
        ("cn", "Ada"): "withheld",
        ("mail", "ada@a.example"): "permit",
        ("mail", "ada@b.example"): "not_asked",
        ("uid", "ada"): "no_rule",
    }
    [verdict] = [verdict for verdict in answer.decision.verdicts if verdict.reason == "withheld"]
    assert (verdict.released, verdict.policy, verdict.rule) == (False, "", "no rule")


def test_her_choice_is_asked_for_this_resource_and_its_categories(authority: Authority, chosen: Chosen) -> None:
    ask(authority)
    assert chosen.asked == [("p1", SP, (CATEGORY,), NOW)]


def test_where_the_organisation_does_not_leave_it_to_her_policies_alone_decide(
    authority: Authority, chosen: Chosen
) -> None:
    chosen.wishes, chosen.decides = {("cn", "Ada"): "withheld"}, False
    assert values(ask(authority)) == {"cn": ("Ada",), "mail": ("ada@a.example", "ada@b.example")}


def test_she_lets_go_what_no_rule_permits(authority: Authority, chosen: Chosen) -> None:
    chosen.wishes = {("uid", "ada"): "chosen", ("mail", "ada@b.example"): "withheld"}
    answer = ask(authority)
    assert values(answer) == {"cn": ("Ada",), "mail": ("ada@a.example",), "uid": ("ada",)}
    [hers] = [verdict for verdict in answer.decision.verdicts if verdict.reason == "chosen"]
    assert (hers.released, hers.policy) == (True, HER_OWN)


def test_what_was_not_asked_for_does_not_leave_because_she_wants_it_to(authority: Authority, chosen: Chosen) -> None:
    chosen.wishes = {("uid", "ada"): "chosen"}
    assert values(ask(authority, ("cn",))) == {"cn": ("Ada",)}


def test_when_her_choice_can_not_be_found_out_nothing_leaves(authority: Authority, chosen: Chosen) -> None:
    chosen.broken = True
    with pytest.raises(Unavailable):
        ask(authority)


def test_the_log_says_that_she_withheld_it(authority: Authority, chosen: Chosen, log: io.StringIO) -> None:
    chosen.wishes = {("cn", "Ada"): "withheld"}
    ask(authority)
    line = json.loads(log.getvalue().splitlines()[-1])
    assert (line["attributes"], line["reasons"]) == (["mail"], ["no_rule", "withheld"])
    assert "Ada" not in log.getvalue()


def test_a_choice_never_lets_go_what_is_forbidden_and_never_keeps_what_is_mandatory() -> None:
    [attribute] = known = (make_attribute("mail", ["x", "y"]),)
    forbidden = Verdict("mail", Value("x"), False, "p", "r", "deny", bound=True)
    mandatory = Verdict("mail", Value("y"), True, "p", "r", "permit", bound=True)
    decision = ReleaseDecision((attribute.keeping([Value("y")]),), (forbidden, mandatory))
    assert as_she_wishes(decision, lambda _name, _value: None, known) == decision
    assert as_she_wishes(decision, lambda _name, _value: "withheld", known) == decision
    assert as_she_wishes(decision, lambda _name, _value: "chosen", known) == decision
