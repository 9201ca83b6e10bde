"""The state of a member by pure rules: which of suspension, end, grace and policy counts, until when she acts, and what she is told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.voms_members.test_when_the_policy_counts_as_accepted import FIRST, day
from voms.members.acceptance import Undertaking
from voms.members.situation import Situation, State
from voms.members.states import Life, Suspension, situation, with_link

SUSPENSION = Suspension("security_incident", "Lost her key.", "operator", day(3))


def test_a_member_without_end_and_policy_is_active_for_good() -> None:
    assert situation(Life(), day(1)) == Situation(State.ACTIVE, acts=True)


def test_a_suspended_member_is_told_why_and_managers_by_whom() -> None:
    life = Life(valid_to=day(1), suspension=SUSPENSION, undertaking=Undertaking((FIRST,)))
    assert situation(life, day(200)) == Situation(
        State.SUSPENDED,
        acts=False,
        since=day(3),
        code="security_incident",
        reason="Lost her key.",
        by="operator",
    )


@pytest.mark.parametrize(("code", "state"), [("expired", State.EXPIRED), ("aup", State.AUP_DUE)])
def test_whom_time_has_suspended_is_in_the_state_that_time_brought(code: str, state: State) -> None:
    found = situation(Life(suspension=Suspension(code, "Words.", "jobs", day(3))), day(4))
    assert (found.state, found.acts, found.reason, found.by) == (state, False, "Words.", "jobs")


def test_a_membership_ends_to_the_instant() -> None:
    life = Life(valid_to=day(5))
    assert situation(life, day(5) - timedelta(seconds=1)) == Situation(State.ACTIVE, acts=True, until=day(5))
    assert situation(life, day(5)) == Situation(
        State.EXPIRED, acts=False, since=day(5), code="expired", reason="User membership has expired."
    )


def test_in_the_time_of_grace_an_expired_member_goes_on() -> None:
    life = Life(valid_to=day(5), grace=timedelta(days=7))
    assert situation(life, day(4)) == Situation(State.ACTIVE, acts=True, until=day(5))
    assert situation(life, day(5)) == Situation(State.EXPIRED, acts=True, since=day(5), until=day(12))
    assert not situation(life, day(12)).acts


def test_who_has_a_policy_to_sign_goes_on_for_its_grace() -> None:
    life = Life(undertaking=Undertaking((FIRST,), member_since=day(0)))
    assert situation(life, day(9)) == Situation(State.ACTIVE, acts=True, until=day(10))
    assert situation(life, day(10)) == Situation(State.AUP_DUE, acts=True, since=day(10), until=day(25))
    assert situation(life, day(25)) == Situation(
        State.AUP_DUE, acts=False, since=day(10), code="aup", reason="User failed to sign the AUP in time."
    )


def test_nothing_outlives_the_acceptance_of_the_policy() -> None:
    life = Life(valid_to=day(300), undertaking=Undertaking((FIRST,), {1: day(12)}, member_since=day(0)))
    assert situation(life, day(13)) == Situation(State.ACTIVE, acts=True, until=day(112))


def test_the_earlier_of_two_ends_counts_in_grace_too() -> None:
    due = Undertaking((FIRST,), member_since=day(0))
    assert situation(Life(valid_to=day(14), undertaking=due), day(13)).until == day(14)
    both = situation(Life(valid_to=day(14), grace=timedelta(days=90), undertaking=due), day(15))
    assert (both.state, both.acts, both.until) == (State.EXPIRED, True, day(25))


def test_the_end_of_grace_for_the_policy_counts_also_while_the_membership_has_its_own() -> None:
    life = Life(valid_to=day(14), grace=timedelta(days=90), undertaking=Undertaking((FIRST,), member_since=day(0)))
    assert (situation(life, day(25)).state, situation(life, day(25)).acts) == (State.AUP_DUE, False)


def test_a_service_signs_nothing() -> None:
    life = Life(signs=False, undertaking=Undertaking((FIRST,), member_since=day(0)))
    assert situation(life, day(200)) == Situation(State.ACTIVE, acts=True)


def test_one_certificate_can_be_suspended_by_itself() -> None:
    active = situation(Life(valid_to=day(5)), day(1))
    own = replace(SUSPENSION, code="certificate")
    assert with_link(active, None) == active
    assert with_link(active, own) == Situation(
        State.SUSPENDED, acts=False, since=day(3), code="certificate", reason="Lost her key.", by="operator"
    )


def test_what_refuses_the_member_goes_before_what_refuses_her_certificate() -> None:
    expired = situation(Life(valid_to=day(5)), day(6))
    assert with_link(expired, replace(SUSPENSION, code="certificate")) == expired
