"""The acceptable-use policy by itself: versions, signatures that lapse, demands, and how long somebody without a signature goes on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from voms.members.acceptance import Acceptance, Terms, Undertaking, acceptance, in_force


def day(number: float) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)


FIRST = Terms(1, day(10), timedelta(days=100), timedelta(days=15))
SECOND = Terms(2, day(50), timedelta(days=100), timedelta(days=7))


def test_without_a_policy_nothing_is_due_and_nothing_ends() -> None:
    assert acceptance(Undertaking(), day(5)) == Acceptance(accepted=True)


def test_before_the_first_version_nothing_is_due_but_nothing_outlives_its_beginning() -> None:
    assert acceptance(Undertaking((FIRST,), member_since=day(0)), day(5)) == Acceptance(accepted=True, until=day(10))


def test_a_signature_counts_from_when_it_is_given_until_it_has_to_be_given_again() -> None:
    hers = Undertaking((FIRST,), {1: day(12)}, member_since=day(0))
    assert acceptance(hers, day(11.9)) == Acceptance(accepted=False, since=day(10), until=day(25))
    assert acceptance(hers, day(12)) == Acceptance(accepted=True, until=day(112))
    assert acceptance(hers, day(111.9)) == Acceptance(accepted=True, until=day(112))
    assert acceptance(hers, day(112)) == Acceptance(accepted=False, since=day(112), until=day(127))


def test_a_signature_for_good_has_no_end() -> None:
    hers = Undertaking((replace(FIRST, sign_again=None),), {1: day(12)}, member_since=day(0))
    assert acceptance(hers, day(5_000)) == Acceptance(accepted=True)


def test_a_new_member_has_the_grace_from_the_day_she_came() -> None:
    hers = Undertaking((FIRST,), member_since=day(40))
    assert acceptance(hers, day(40)) == Acceptance(accepted=False, since=day(40), until=day(55))
    assert acceptance(hers, day(70)) == Acceptance(accepted=False, since=day(40), until=day(55))


def test_a_new_version_has_to_be_signed_by_who_signed_the_old_one() -> None:
    hers = Undertaking((SECOND, FIRST), {1: day(12)}, member_since=day(0))
    assert acceptance(hers, day(49)) == Acceptance(accepted=True, until=day(50))
    assert acceptance(hers, day(50)) == Acceptance(accepted=False, since=day(50), until=day(57))


def test_a_version_can_be_signed_before_it_is_in_force() -> None:
    hers = Undertaking((FIRST, SECOND), {1: day(12), 2: day(45)}, member_since=day(0))
    assert acceptance(hers, day(49)) == Acceptance(accepted=True, until=day(145))
    assert acceptance(hers, day(60)) == Acceptance(accepted=True, until=day(145))


def test_a_signature_that_lapses_before_the_next_version_begins_does_not_reach_it() -> None:
    terms = (replace(FIRST, sign_again=timedelta(days=20)), SECOND)
    hers = Undertaking(terms, {1: day(12), 2: day(13)}, member_since=day(0))
    assert acceptance(hers, day(20)) == Acceptance(accepted=True, until=day(32))
    assert acceptance(hers, day(33)) == Acceptance(accepted=False, since=day(32), until=day(47))
    assert acceptance(hers, day(50)) == Acceptance(accepted=True, until=day(113))


def test_a_new_version_gives_nobody_more_time_who_had_not_signed_the_old_one() -> None:
    late = Undertaking((FIRST, replace(SECOND, grace=timedelta(days=60))), member_since=day(0))
    assert acceptance(late, day(51)) == Acceptance(accepted=False, since=day(10), until=day(25))


def test_an_urgent_version_cuts_the_grace_of_the_one_before() -> None:
    urgent = Terms(3, day(20), None, timedelta(0))
    assert acceptance(Undertaking((FIRST, urgent), member_since=day(0)), day(15)) == Acceptance(
        accepted=False, since=day(10), until=day(20)
    )


def test_a_demand_ends_what_was_signed_before_it_and_not_what_is_signed_then() -> None:
    asked = Undertaking((FIRST,), {1: day(12)}, member_since=day(0), asked_at=day(30))
    assert acceptance(asked, day(29)) == Acceptance(accepted=True, until=day(30))
    assert acceptance(asked, day(31)) == Acceptance(accepted=False, since=day(30), until=day(45))
    signed = replace(asked, signed={1: day(30)})
    assert acceptance(signed, day(31)) == Acceptance(accepted=True, until=day(130))


def test_of_two_versions_that_begin_together_the_later_one_counts() -> None:
    other = replace(FIRST, number=9, grace=timedelta(days=1))
    assert in_force((other, FIRST), day(10)) == other
    assert acceptance(Undertaking((FIRST, other), {1: day(12)}, member_since=day(0)), day(13)) == Acceptance(
        accepted=False, since=day(10), until=day(11)
    )


def test_the_version_in_force_is_the_one_that_began_last() -> None:
    assert in_force((SECOND, FIRST), day(9)) is None
    assert in_force((SECOND, FIRST), day(49)) == FIRST
    assert in_force((SECOND, FIRST), day(50)) == SECOND
