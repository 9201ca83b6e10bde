"""Whatever her pages may have to say has its words."""

import typing

import pytest

from attribute_authority.explained import ExplainedRelease
from attribute_authority.own_page.places import Joined, joined
from attribute_authority.own_page.releases import CHANGES
from attribute_authority.own_page.switches import Fixed, sheet_of
from attribute_authority.pages import TEXTS
from ostiary.attributes import Value
from ostiary.config.conclusions import Conclusions
from ostiary.policy.release import ReleaseDecision, ReleaseReason, Requester, Verdict
from ostiary.policy.release.precedence import ALL_DEFAULTS, DEFAULT_PRECEDENCE, Precedence
from ostiary.ports import Release, ReleaseRequest
from ostiary.web.texts import Catalogue
from tests.own_page.conftest import NOW

CATALOGUE = Catalogue.load(TEXTS)
REQUESTER = Requester("https://sp.example/shar")


def seen(*verdicts: Verdict) -> Joined:
    decision = ReleaseDecision((), verdicts)
    request = ReleaseRequest("p1", REQUESTER.entity_id, NOW)
    return joined([ExplainedRelease("", request, REQUESTER, Release((), decision), {}, {})])


@pytest.mark.parametrize("precedence", [DEFAULT_PRECEDENCE, Precedence(people_may=frozenset())])
@pytest.mark.parametrize("reason", typing.get_args(ReleaseReason))
@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize("spared", [False, True])
def test_every_reason_has_its_words(precedence, reason, bound, spared) -> None:
    released = reason in ("permit", "chosen")
    sheet = sheet_of(
        seen(Verdict("mail", Value("x"), released, "p", "r", reason, bound)), REQUESTER, precedence, spared=spared
    )
    assert len(sheet.fixed) + len(sheet.decided) == 1
    for fixed in sheet.fixed:
        assert isinstance(fixed, Fixed)
        assert CATALOGUE.has(f"my.why.{'sent' if fixed.sent else 'kept'}_{fixed.why}")
    for decided in sheet.decided:
        assert CATALOGUE.has(f"my.advice.{decided.advice}")


def test_every_change_and_every_rule_has_its_words() -> None:
    for action in CHANGES:
        key = "rule_set" if action == "consent.rule_set" else action.replace(".", "_")
        assert CATALOGUE.has(f"my.history.{key}"), action
    for rule in ALL_DEFAULTS:
        assert CATALOGUE.has(f"my.rule.{rule}")
        assert CATALOGUE.has(f"my.rule_hint.{rule}")


def test_what_was_concluded_from_one_answer_is_not_said_of_several() -> None:
    request = ReleaseRequest("p1", REQUESTER.entity_id, NOW)
    one = Release((), ReleaseDecision((), ()), conclusions=Conclusions())
    explained = ExplainedRelease("", request, REQUESTER, one, {}, {})
    assert joined([explained]).explained.release.conclusions is one.conclusions
    assert joined([explained, explained]).explained.release.conclusions is None
