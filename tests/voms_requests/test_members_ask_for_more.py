"""A member asks for a group, a role, a certificate, or to leave; who decides that, and who is asked to."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from ostiary.errors import Refusal
from tests.voms.conftest import ALICE, NOW
from tests.voms_requests.conftest import CHIEF, LEADER, OTHER, STRANGER, Requesting, refused
from voms.administration.callers import OPERATOR, Caller
from voms.periods import When
from voms.requests.asked import MAXIMUM_REMARK, Wish

G1, SUB, G2 = "/testvo/g1", "/testvo/g1/sub", "/testvo/g2"
DAY = timedelta(days=1)


def test_a_group_is_asked_for_and_its_manager_lets_the_member_in(requesting: Requesting) -> None:
    made = requesting.applicants.ask(requesting.by(ALICE), Wish(SUB), "We start on Monday.", NOW)
    assert made.state == "confirmed"
    assert {letter.to for letter in requesting.mailbox.letters} == {"chief@example.org", "leader@example.org"}
    [listed] = requesting.desk.waiting(requesting.by(LEADER), NOW)
    assert (listed.request.wish, listed.request.asked.remark) == (Wish(SUB), "We start on Monday.")
    assert (listed.request.asked.details.name, listed.request.applicant.shown()) == ("Alice", ALICE.subject)
    requesting.desk.approve(requesting.by(LEADER), made.id, NOW)
    assert requesting.groups(requesting.vo.alice) == ["/testvo", G1, SUB]
    assert requesting.mailbox.letters[-1].to == "alice@example.org"


def test_a_role_brings_its_group_along(requesting: Requesting) -> None:
    made = requesting.applicants.ask(requesting.by(ALICE), Wish(G1, "pilot"), "", NOW)
    requesting.desk.approve(requesting.by(LEADER), made.id, NOW, when=When(NOW, NOW + DAY))
    assert requesting.groups(requesting.vo.alice) == ["/testvo", G1, f"{G1}/Role=pilot"]
    assert requesting.groups(requesting.vo.alice, NOW + DAY) == ["/testvo"]


def test_the_manager_of_one_group_decides_nothing_of_another(requesting: Requesting) -> None:
    made = requesting.applicants.ask(requesting.by(ALICE), Wish(G2), "", NOW)
    assert requesting.desk.waiting(requesting.by(LEADER), NOW) == ()
    assert refused(requesting.desk.approve, requesting.by(LEADER), made.id, NOW) == "voms.no_request"
    assert refused(requesting.desk.reject, requesting.by(LEADER), made.id, "no", NOW) == "voms.no_request"


def test_who_may_only_look_at_requests_decides_none(requesting: Requesting) -> None:
    requesting.give(requesting.vo.alice, "/testvo", "CONTAINER_READ|REQUESTS_READ")
    bea = requesting.vo.directory.add_member(STRANGER, at=NOW, by="operator")
    made = requesting.applicants.ask(requesting.by(STRANGER), Wish("/testvo", "admin"), "", NOW)
    requesting.give(requesting.vo.alice, "/testvo", "CONTAINER_READ|REQUESTS_READ", "admin")
    [listed] = requesting.desk.waiting(requesting.by(ALICE), NOW)
    assert not listed.decidable
    for decide, more in ((requesting.desk.approve, ()), (requesting.desk.reject, ("no",))):
        assert refused(decide, requesting.by(ALICE), made.id, *more, NOW) == "voms.not_allowed"
    assert requesting.groups(bea) == ["/testvo"]


def test_nobody_lets_another_do_more_than_she_may_herself(requesting: Requesting) -> None:
    """Alice handles requests for roles in the root group; who has VO-Admin there may do everything."""
    requesting.give(requesting.vo.alice, "/testvo", "CONTAINER_READ|REQUESTS_RW")
    requesting.give(requesting.vo.alice, "/testvo", "REQUESTS_RW", "VO-Admin")
    requesting.vo.directory.add_member(STRANGER, at=NOW, by="operator")
    made = requesting.applicants.ask(requesting.by(STRANGER), Wish("/testvo", "VO-Admin"), "", NOW)
    assert refused(requesting.desk.approve, requesting.by(ALICE), made.id, NOW) == "voms.more_than_own"
    requesting.desk.approve(requesting.by(CHIEF), made.id, NOW)


def test_a_certificate_of_an_administrator_is_given_by_administrators_alone(requesting: Requesting) -> None:
    requesting.give(requesting.vo.alice, "/testvo", "CONTAINER_READ|REQUESTS_RW")
    made = requesting.applicants.ask_certificate(requesting.by(CHIEF), OTHER, "", NOW)
    assert refused(requesting.desk.approve, requesting.by(ALICE), made.id, NOW) == "voms.more_than_own"
    assert requesting.by(OTHER).member is None


def test_whoever_gets_into_groups_above_needs_their_managers_too(requesting: Requesting) -> None:
    """The manager of g1/sub alone can't bring somebody into g1 by it."""
    alice = requesting.vo.alice
    requesting.give(alice, "/testvo", "CONTAINER_READ")
    requesting.give(alice, G1, "CONTAINER_READ")
    requesting.give(alice, SUB, "CONTAINER_READ|REQUESTS_RW")
    bea = requesting.vo.directory.add_member(STRANGER, at=NOW, by="operator")
    made = requesting.applicants.ask(requesting.by(STRANGER), Wish(SUB), "", NOW)
    assert refused(requesting.desk.approve, requesting.by(ALICE), made.id, NOW) == "voms.not_allowed"
    requesting.vo.directory.join(bea, G1, at=NOW, by="operator")
    requesting.desk.approve(requesting.by(ALICE), made.id, NOW)
    assert requesting.groups(bea) == ["/testvo", G1, SUB]


def test_a_further_certificate_makes_its_holder_the_same_member(requesting: Requesting) -> None:
    made = requesting.applicants.ask_certificate(requesting.by(ALICE), STRANGER, "my new one", NOW)
    assert made.asked.certificate == STRANGER
    requesting.desk.approve(requesting.by(CHIEF), made.id, NOW)
    assert requesting.by(STRANGER).member == requesting.vo.alice


def test_a_certificate_that_belongs_to_a_member_is_refused_when_asked_and_when_decided(requesting: Requesting) -> None:
    ask = requesting.applicants.ask_certificate
    assert refused(ask, requesting.by(ALICE), CHIEF, "", NOW) == "voms.certificate_known"
    made = ask(requesting.by(ALICE), STRANGER, "", NOW)
    requesting.vo.directory.add_member(STRANGER, at=NOW, by="operator")
    assert refused(requesting.desk.approve, requesting.by(CHIEF), made.id, NOW) == "voms.certificate_known"


def test_leaving_ends_the_membership_and_all_other_requests(requesting: Requesting) -> None:
    alice = requesting.by(ALICE)
    other = requesting.applicants.ask(alice, Wish(G1), "", NOW)
    made = requesting.applicants.ask_to_leave(alice, "", NOW)
    requesting.desk.approve(requesting.by(CHIEF), made.id, NOW)
    assert requesting.by(ALICE).member is None
    assert requesting.desk.one(requesting.by(CHIEF), other.id, NOW).request.state == "withdrawn"
    assert requesting.mailbox.to("alice@example.org")[-1].subject == "testvo: your membership has ended"


def test_what_she_has_and_what_there_is_not_is_not_asked_for(requesting: Requesting) -> None:
    ask, alice = requesting.applicants.ask, requesting.by(ALICE)
    requesting.vo.directory.join(requesting.vo.alice, SUB, at=NOW, by="operator")
    assert refused(ask, alice, Wish(G1), "", NOW) == "voms.has_already"
    assert refused(ask, alice, Wish("/testvo/nowhere"), "", NOW) == "voms.no_group"
    assert refused(ask, alice, Wish(G1, "nothing"), "", NOW) == "voms.no_role"
    assert refused(ask, alice, Wish("/testvo"), "", NOW) == "voms.request_group"
    assert refused(ask, alice, Wish(G2), "x" * (MAXIMUM_REMARK + 1), NOW) == "voms.remark"


def test_the_same_is_asked_for_once_at_a_time(requesting: Requesting) -> None:
    ask, alice = requesting.applicants.ask, requesting.by(ALICE)
    made = ask(alice, Wish(G1), "", NOW)
    assert refused(ask, alice, Wish(G1), "", NOW) == "voms.request_open"
    assert ask(alice, Wish(G2), "", NOW).state == "confirmed"
    requesting.applicants.withdraw(alice, made.id, NOW)
    assert ask(alice, Wish(G1), "", NOW).state == "confirmed"


def test_a_suspended_member_asks_for_nothing_but_to_leave(requesting: Requesting) -> None:
    requesting.vo.directory.suspend(requesting.vo.alice, "looked odd", at=NOW, by="operator")
    alice = requesting.by(ALICE)
    assert refused(requesting.applicants.ask, alice, Wish(G1), "", NOW) == "voms.no_active_member"
    assert refused(requesting.applicants.ask_certificate, alice, OTHER, "", NOW) == "voms.no_active_member"
    assert requesting.applicants.ask_to_leave(alice, "", NOW).state == "confirmed"


def test_a_stranger_asks_for_nothing_that_members_have(requesting: Requesting) -> None:
    stranger = requesting.by(STRANGER)
    for ask, what in (
        (requesting.applicants.ask, (Wish(G1),)),
        (requesting.applicants.ask_certificate, (OTHER,)),
        (requesting.applicants.ask_to_leave, ()),
    ):
        assert refused(ask, stranger, *what, "", NOW) == "voms.no_active_member"


def test_a_group_that_went_meanwhile_is_told_and_the_request_stays(requesting: Requesting) -> None:
    made = requesting.applicants.ask(requesting.by(ALICE), Wish(G2), "", NOW)
    chief = requesting.by(CHIEF)
    requesting.vo.directory.remove_group(G2, at=NOW, by="operator")
    assert refused(requesting.desk.approve, chief, made.id, NOW) == "voms.no_request"
    assert refused(requesting.desk.approve, OPERATOR, made.id, NOW) == "voms.no_group"
    requesting.desk.reject(OPERATOR, made.id, "The group is gone.", NOW)


def test_a_request_is_handed_to_somebody_who_may_decide_it(requesting: Requesting) -> None:
    made = requesting.applicants.ask(requesting.by(ALICE), Wish(G1), "", NOW)
    chief, leader = requesting.by(CHIEF), requesting.by(LEADER)
    hand_over = requesting.desk.hand_over
    assert refused(hand_over, chief, made.id, requesting.vo.alice, "", NOW) == "voms.hand_over"
    assert refused(hand_over, chief, made.id, "0" * 32, "", NOW) == "voms.hand_over"
    requesting.mailbox.letters.clear()
    hand_over(chief, made.id, str(leader.member), "Do you know her?", NOW)
    [letter] = requesting.mailbox.letters
    assert letter.to == "leader@example.org"
    assert "Do you know her?" in letter.body
    assert requesting.desk.waiting(leader, NOW)[0].for_her
    assert not requesting.desk.waiting(chief, NOW)[0].for_her
    requesting.desk.approve(chief, made.id, NOW)
    assert refused(hand_over, chief, made.id, str(leader.member), "", NOW) == "voms.request_state"


def test_what_was_handed_over_comes_first(requesting: Requesting) -> None:
    alice = requesting.by(ALICE)
    requesting.applicants.ask(alice, Wish(G1, "admin"), "", NOW)
    second = requesting.applicants.ask(alice, Wish(G1), "", NOW + DAY)
    leader = requesting.by(LEADER)
    assert requesting.desk.waiting(leader, NOW + DAY)[0].request.id != second.id
    requesting.desk.hand_over(requesting.by(CHIEF), second.id, str(leader.member), "", NOW + DAY)
    assert requesting.desk.waiting(leader, NOW + DAY)[0].request.id == second.id


def test_two_managers_decide_and_the_second_is_told(requesting: Requesting) -> None:
    made = requesting.applicants.ask(requesting.by(ALICE), Wish(G1), "", NOW)
    requesting.desk.approve(requesting.by(CHIEF), made.id, NOW)
    for decide, more in ((requesting.desk.approve, ()), (requesting.desk.reject, ("no",))):
        assert refused(decide, requesting.by(LEADER), made.id, *more, NOW) == "voms.request_state"


def test_whoever_is_asked_too_often_is_asked_tomorrow(requesting: Requesting) -> None:
    alice = requesting.by(ALICE)
    for number in range(10):
        made = requesting.applicants.ask(alice, Wish(G1), str(number), NOW)
        requesting.applicants.withdraw(alice, made.id, NOW)
    assert refused(requesting.applicants.ask, alice, Wish(G1), "", NOW) == "voms.requests_often"


@pytest.mark.parametrize("version", ["1", "nothing"])
def test_only_members_sign_and_only_what_there_is(requesting: Requesting, version: str) -> None:
    assert refused(requesting.applicants.sign, requesting.by(STRANGER), version, NOW) == "voms.no_active_member"
    assert refused(requesting.applicants.sign, requesting.by(ALICE), version, NOW) == "voms.no_aup"


def test_of_two_decisions_at_once_one_counts(requesting: Requesting) -> None:
    made = requesting.applicants.ask(requesting.by(ALICE), Wish(G1), "", NOW)
    chief, leader = requesting.by(CHIEF), requesting.by(LEADER)

    def decide(caller: Caller) -> str:
        try:
            requesting.desk.approve(caller, made.id, NOW)
        except Refusal as problem:
            return problem.code
        return "approved"

    with ThreadPoolExecutor(2) as both:
        assert sorted(both.map(decide, (chief, leader))) == ["approved", "voms.request_state"]
    assert requesting.groups(requesting.vo.alice) == ["/testvo", G1]
