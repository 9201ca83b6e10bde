"""Somebody asks to become a member: form, letter, proof, decision, and every way in which that is refused."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from ostiary.audit import events
from ostiary.errors import Unavailable
from ostiary.storage.engine import reading
from tests.voms.conftest import ALICE, NOW
from tests.voms_requests.conftest import CHIEF, FORM, LEADER, OTHER, STRANGER, Requesting, applied, refused
from voms.administration.callers import NOBODY
from voms.changes import changing
from voms.details import Details, details_of
from voms.members import aup
from voms.requests.applicants import Applicants
from voms.requests.asked import Asked, Wish, check_asked
from voms.requests.desk import RequestDesk
from voms.tables import vo_member_identity

G1, SUB, G2 = "/testvo/g1", "/testvo/g1/sub", "/testvo/g2"
DAY = timedelta(days=1)


def test_an_application_waits_until_the_link_in_the_letter_is_followed(requesting: Requesting) -> None:
    bea = requesting.by(STRANGER)
    made = requesting.applicants.apply(bea, FORM, NOW)
    assert made.state == "submitted"
    assert requesting.desk.waiting(requesting.by(CHIEF), NOW) == ()
    [letter] = requesting.mailbox.letters
    assert (letter.to, letter.subject) == ("bea@example.org", "Please confirm: membership of testvo")
    assert f"https://vo.example.org:15000/voms/testvo/confirm?request={made.id}&token=" in letter.body
    requesting.applicants.confirm(bea, made.id, requesting.mailbox.token(), NOW)
    [waits] = requesting.desk.waiting(requesting.by(CHIEF), NOW)
    assert (waits.request.id, waits.request.state, waits.decidable) == (made.id, "confirmed", True)


def test_managers_are_told_that_somebody_waits_and_not_who(requesting: Requesting) -> None:
    office = requesting.make_office(tell=["list@example.org"])
    bea = requesting.by(STRANGER)
    made = Applicants(office).apply(bea, FORM, NOW)
    Applicants(office).confirm(bea, made.id, requesting.mailbox.token(), NOW)
    told = requesting.mailbox.letters[1:]
    assert [letter.to for letter in told] == ["list@example.org", "chief@example.org"]
    assert all("Bea" not in letter.subject + letter.body and made.id in letter.body for letter in told)


def test_whoever_is_approved_is_a_member_with_her_details(requesting: Requesting) -> None:
    made = applied(requesting)
    granted = requesting.desk.approve(requesting.by(CHIEF), made.id, NOW)
    assert requesting.by(STRANGER).member == granted.member == made.id
    assert requesting.groups(made.id) == ["/testvo"]
    with reading(requesting.vo.engine) as connection:
        assert details_of(connection, made.id) == FORM.details
    assert requesting.mailbox.letters[-1].subject == "testvo: your request was approved"
    [own] = requesting.applicants.own(requesting.by(STRANGER), NOW)
    assert (own.state, own.decided_by) == ("approved", requesting.by(CHIEF).member)


def test_somebody_who_logs_in_is_linked_by_every_identity_that_was_asserted(requesting: Requesting) -> None:
    bea = requesting.by_login("bea@example.org")
    made = requesting.applicants.apply(bea, FORM, NOW)
    assert "https://pages.example.org/voms/testvo/confirm?" in requesting.mailbox.letters[0].body
    requesting.applicants.confirm(bea, made.id, requesting.mailbox.token(), NOW)
    requesting.desk.approve(requesting.by(CHIEF), made.id, NOW)
    with reading(requesting.vo.engine) as connection:
        found = connection.execute(select(vo_member_identity.c.member_id, vo_member_identity.c.value)).all()
    assert [tuple(row) for row in found] == [(made.id, "bea@example.org")]


def test_one_audit_row_and_one_serial_stand_for_an_approval(requesting: Requesting) -> None:
    made = applied(requesting, replace(FORM, wishes=(Wish(G1),)))
    with reading(requesting.vo.engine) as connection:
        before = len(list(events(connection, writer="voms")))
    requesting.desk.approve(requesting.by(CHIEF), made.id, NOW)
    with reading(requesting.vo.engine) as connection:
        rows = list(events(connection, writer="voms"))[before:]
    assert [row.action for row in rows] == ["vo.request_approved"]
    assert "Bea" not in repr(rows)
    assert "example.org" not in repr(rows)


def test_the_membership_ends_when_the_configuration_or_the_manager_says(requesting: Requesting) -> None:
    office = requesting.make_office(membership_lasts="365d")
    first = applied(requesting)
    RequestDesk(office).approve(requesting.by(CHIEF), first.id, NOW)
    [listed] = requesting.vo.memberships.listed(first.id)
    assert listed.ends == NOW + 365 * DAY
    other = requesting.by(OTHER)
    second = requesting.applicants.apply(other, FORM, NOW)
    requesting.applicants.confirm(other, second.id, requesting.mailbox.token(), NOW)
    RequestDesk(office).approve(requesting.by(CHIEF), second.id, NOW, until=NOW + 7 * DAY)
    [listed] = requesting.vo.memberships.listed(second.id)
    assert listed.ends == NOW + 7 * DAY


def test_an_end_that_has_passed_leaves_the_request_as_it_was(requesting: Requesting) -> None:
    made = applied(requesting)
    chief = requesting.by(CHIEF)
    assert refused(requesting.desk.approve, chief, made.id, NOW, until=NOW) == "voms.validity"
    assert requesting.desk.one(chief, made.id, NOW).request.state == "confirmed"
    assert requesting.by(STRANGER).member is None


def test_groups_that_the_manager_may_not_give_become_requests_of_their_own(requesting: Requesting) -> None:
    """The leader may decide about g1, not about g2 and not about membership; the chief about all."""
    asked = replace(FORM, wishes=(Wish(SUB), Wish(G2), Wish("/testvo/nowhere"), Wish(G1, "nothing")))
    made = applied(requesting, asked)
    leader, chief = requesting.by(LEADER), requesting.by(CHIEF)
    assert refused(requesting.desk.approve, leader, made.id, NOW) == "voms.no_request"
    granted = requesting.desk.approve(chief, made.id, NOW)
    assert granted.wishes == (Wish(SUB), Wish(G2))
    assert requesting.groups(made.id) == ["/testvo", G1, SUB, G2]


def test_nobody_gets_a_role_by_having_slipped_it_into_her_application(requesting: Requesting) -> None:
    made = applied(requesting, replace(FORM, wishes=(Wish(G1), Wish("/testvo", "VO-Admin"))))
    chief = requesting.by(CHIEF)
    granted = requesting.desk.approve(chief, made.id, NOW)
    assert requesting.groups(made.id) == ["/testvo", G1]
    assert [each.wish for each in granted.waits] == [Wish("/testvo", "VO-Admin")]
    assert [each.request.kind for each in requesting.desk.waiting(chief, NOW)] == ["role"]


def test_what_the_manager_chooses_is_given_and_nothing_else(requesting: Requesting) -> None:
    made = applied(requesting, replace(FORM, wishes=(Wish(G1), Wish(G2), Wish(G2, "pilot"))))
    granted = requesting.desk.approve(requesting.by(CHIEF), made.id, NOW, wishes=(Wish(G2, "pilot"),))
    assert (granted.wishes, granted.waits) == ((Wish(G2, "pilot"),), ())
    assert requesting.groups(made.id) == ["/testvo", G2, f"{G2}/Role=pilot"]


def test_a_letter_to_an_address_that_is_not_proven_holds_nothing_that_was_typed(requesting: Requesting) -> None:
    lure = replace(FORM, details=replace(FORM.details, given_name="You won https://evil.example"))
    requesting.applicants.apply(requesting.by(STRANGER), lure, NOW)
    [letter] = requesting.mailbox.letters
    assert "evil" not in letter.subject + letter.body


def test_a_manager_of_the_vo_alone_leaves_groups_to_their_managers(requesting: Requesting) -> None:
    requesting.give(requesting.vo.alice, "/testvo", "CONTAINER_READ|REQUESTS_RW")
    made = applied(requesting, replace(FORM, wishes=(Wish(G1),)))
    requesting.mailbox.letters.clear()
    granted = requesting.desk.approve(requesting.by(ALICE), made.id, NOW)
    assert granted.wishes == ()
    assert [each.wish for each in granted.waits] == [Wish(G1)]
    assert requesting.groups(made.id) == ["/testvo"]
    told = [letter.to for letter in requesting.mailbox.letters]
    assert told == ["bea@example.org", "chief@example.org", "leader@example.org"]
    requesting.desk.approve(requesting.by(LEADER), granted.waits[0].id, NOW)
    assert requesting.groups(made.id) == ["/testvo", G1]


def test_a_rejection_needs_a_reason_which_the_applicant_reads(requesting: Requesting) -> None:
    made = applied(requesting)
    chief = requesting.by(CHIEF)
    assert refused(requesting.desk.reject, chief, made.id, "", NOW) == "voms.reason"
    requesting.desk.reject(chief, made.id, "We do not know you.", NOW)
    [own] = requesting.applicants.own(requesting.by(STRANGER), NOW)
    assert (own.state, own.reason) == ("rejected", "We do not know you.")
    assert "We do not know you." in requesting.mailbox.to("bea@example.org")[-1].body
    assert requesting.by(STRANGER).member is None
    assert refused(requesting.desk.approve, chief, made.id, NOW) == "voms.request_state"


@pytest.mark.parametrize("decision", ["approve", "reject", "hand_over"])
def test_a_plain_member_and_a_stranger_decide_nothing_and_see_nothing(requesting: Requesting, decision: str) -> None:
    made = applied(requesting)
    more = {"approve": (), "reject": ("no",), "hand_over": (requesting.vo.alice, "")}[decision]
    for caller in (requesting.by(ALICE), requesting.by(OTHER), requesting.by(STRANGER)):
        assert refused(getattr(requesting.desk, decision), caller, made.id, *more, NOW) == "voms.no_request"
        assert requesting.desk.waiting(caller, NOW) == ()


def test_only_who_applied_can_use_the_link(requesting: Requesting) -> None:
    made = requesting.applicants.apply(requesting.by(STRANGER), FORM, NOW)
    token = requesting.mailbox.token()
    confirm = requesting.applicants.confirm
    assert refused(confirm, requesting.by(OTHER), made.id, token, NOW) == "voms.confirm_link"
    assert refused(confirm, requesting.by(STRANGER), made.id, token[:-1], NOW) == "voms.confirm_link"
    assert refused(confirm, requesting.by(STRANGER), "0" * 32, token, NOW) == "voms.confirm_link"
    assert refused(confirm, requesting.by(STRANGER), made.id, token, NOW + 3 * DAY) == "voms.confirm_link"
    confirm(requesting.by(STRANGER), made.id, token, NOW)
    assert refused(confirm, requesting.by(STRANGER), made.id, token, NOW) == "voms.confirm_link"


def test_looking_at_the_link_changes_nothing(requesting: Requesting) -> None:
    made = requesting.applicants.apply(requesting.by(STRANGER), FORM, NOW)
    for _ in range(2):
        seen = requesting.applicants.to_confirm(requesting.by(STRANGER), made.id, requesting.mailbox.token(), NOW)
        assert seen.state == "submitted"


def test_the_database_holds_no_secret_of_a_letter(requesting: Requesting) -> None:
    requesting.applicants.apply(requesting.by(STRANGER), FORM, NOW)
    file = requesting.vo.engine.url.database
    if requesting.vo.engine.dialect.name == "sqlite" and file is not None:
        kept = b"".join(path.read_bytes() for path in Path(file).parent.glob("a.db*"))
        assert requesting.mailbox.token().encode() not in kept
        assert b"bea@example.org" in kept


def test_applying_anew_replaces_what_was_not_confirmed(requesting: Requesting) -> None:
    bea = requesting.by(STRANGER)
    first = requesting.applicants.apply(bea, FORM, NOW)
    token = requesting.mailbox.token()
    second = requesting.applicants.apply(bea, FORM, NOW)
    assert refused(requesting.applicants.confirm, bea, first.id, token, NOW) == "voms.confirm_link"
    requesting.applicants.confirm(bea, second.id, requesting.mailbox.token(), NOW)
    assert refused(requesting.applicants.apply, bea, FORM, NOW) == "voms.request_open"
    assert sorted(each.state for each in requesting.applicants.own(bea, NOW)) == ["confirmed", "withdrawn"]


def test_members_are_told_that_they_are(requesting: Requesting) -> None:
    assert refused(requesting.applicants.apply, requesting.by(ALICE), FORM, NOW) == "voms.already_member"


def test_whoever_became_a_member_meanwhile_is_not_made_one_twice(requesting: Requesting) -> None:
    made = applied(requesting)
    requesting.vo.directory.add_member(STRANGER, at=NOW, by="operator")
    assert refused(requesting.desk.approve, requesting.by(CHIEF), made.id, NOW) == "voms.already_member"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("given_name", "", "voms.detail_missing"),
        ("surname", "", "voms.detail_missing"),
        ("institution", "", "voms.detail_missing"),
        ("mail", "", "voms.detail_missing"),
        ("mail", "no address", "voms.detail_mail"),
        ("mail", "a@example.org\r\nBcc: b@example.org", "voms.detail_mail"),
        ("surname", "B" * 201, "voms.detail"),
        ("address", "a\x00b", "voms.detail"),
    ],
)
def test_what_is_missing_or_too_long_in_the_form_is_told_by_its_field(field: str, value: str, code: str) -> None:
    asked = replace(FORM, details=replace(FORM.details, **{field: value}))
    assert {name: problem.code for name, problem in check_asked(asked).items()} == {field: code}


def test_a_form_with_something_missing_is_not_stored(requesting: Requesting) -> None:
    asked = replace(FORM, details=replace(FORM.details, surname=""))
    assert refused(requesting.applicants.apply, requesting.by(STRANGER), asked, NOW) == "voms.detail_missing"
    assert requesting.applicants.own(requesting.by(STRANGER), NOW) == ()
    assert requesting.mailbox.letters == []


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (replace(FORM, remark="x" * 1001), "voms.remark"),
        (replace(FORM, remark="bell \a"), "voms.remark"),
        (replace(FORM, wishes=(Wish("/othervo/g"),)), "voms.request_group"),
        (replace(FORM, wishes=(Wish("/testvo"),)), "voms.request_group"),
        (replace(FORM, wishes=(Wish("/testvo/g1", "a/b"),)), "voms.request_group"),
        (replace(FORM, wishes=(Wish("/testvo/g1/Role=pilot"),)), "voms.request_group"),
        (replace(FORM, wishes=tuple(Wish(f"/testvo/g{number}") for number in range(21))), "voms.wishes"),
        (replace(FORM, aup="1"), "voms.aup_not_agreed"),
    ],
)
def test_an_application_that_asks_for_what_can_not_be_is_refused(
    requesting: Requesting, asked: Asked, code: str
) -> None:
    assert refused(requesting.applicants.apply, requesting.by(STRANGER), asked, NOW) == code


def test_a_stranger_does_not_learn_which_groups_there_are(requesting: Requesting) -> None:
    known = replace(FORM, wishes=(Wish(G1), Wish("/testvo/nowhere")))
    assert requesting.applicants.apply(requesting.by(STRANGER), known, NOW).state == "submitted"


def test_the_policy_is_agreed_to_with_the_form_and_signed_from_then_on(requesting: Requesting) -> None:
    engine = requesting.vo.engine
    with changing(engine, "testvo", "vo.aup_added", at=NOW, by="operator") as change:
        aup.add_version(change, "1", url="https://vo.example.org/aup")
    later = NOW + DAY
    bea = requesting.by(STRANGER)
    assert refused(requesting.applicants.apply, bea, FORM, later) == "voms.aup_not_agreed"
    made = requesting.applicants.apply(bea, replace(FORM, aup="1"), later)
    requesting.applicants.confirm(bea, made.id, requesting.mailbox.token(), later)
    requesting.desk.approve(requesting.by(CHIEF, later), made.id, later + DAY)
    with reading(engine) as connection:
        assert aup.signatures_of(connection, made.id) == (aup.Signed("1", later),)


def test_a_policy_that_was_taken_back_before_the_decision_hinders_nothing(requesting: Requesting) -> None:
    engine = requesting.vo.engine
    with changing(engine, "testvo", "vo.aup_added", at=NOW, by="operator") as change:
        aup.add_version(change, "1", text="Be good.")
    made = applied(requesting, replace(FORM, aup="1"))
    with changing(engine, "testvo", "vo.aup_removed", at=NOW, by="operator") as change:
        aup.remove_version(change, "1")
    assert requesting.desk.approve(requesting.by(CHIEF), made.id, NOW).member == made.id


def test_nobody_sends_more_than_ten_letters_a_day(requesting: Requesting) -> None:
    bea = requesting.by(STRANGER)
    for _ in range(10):
        requesting.applicants.apply(bea, FORM, NOW)
    assert refused(requesting.applicants.apply, bea, FORM, NOW) == "voms.requests_often"
    assert len(requesting.mailbox.letters) == 10
    assert requesting.applicants.apply(bea, FORM, NOW + DAY).state == "submitted"


def test_a_flood_of_applications_ends_before_managers_drown(
    requesting: Requesting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voms.requests.submitting.MAXIMUM_WAITING", 1)
    requesting.applicants.apply(requesting.by(STRANGER), FORM, NOW)
    assert refused(requesting.applicants.apply, requesting.by(OTHER), FORM, NOW) == "voms.requests_full"


def test_a_vo_by_invitation_and_a_vo_without_mail_take_no_applications(requesting: Requesting) -> None:
    bea = requesting.by(STRANGER)
    invited, silent = requesting.make_office(joining="invited"), requesting.make_office(mail=False)
    assert refused(Applicants(invited).apply, bea, FORM, NOW) == "voms.only_invited"
    assert refused(Applicants(silent).apply, bea, FORM, NOW) == "voms.no_mail"
    assert requesting.applicants.own(bea, NOW) == ()


def test_a_letter_that_can_not_be_sent_is_told_and_the_form_can_be_sent_again(requesting: Requesting) -> None:
    bea = requesting.by(STRANGER)
    requesting.mailbox.refuses = Unavailable("mail.unavailable")
    assert refused(requesting.applicants.apply, bea, FORM, NOW) == "mail.unavailable"
    requesting.mailbox.refuses = None
    made = requesting.applicants.apply(bea, FORM, NOW)
    assert requesting.applicants.confirm(bea, made.id, requesting.mailbox.token(), NOW).state == "confirmed"


def test_managers_that_can_not_be_told_do_not_hinder_the_applicant(requesting: Requesting) -> None:
    bea = requesting.by(STRANGER)
    made = requesting.applicants.apply(bea, FORM, NOW)
    requesting.mailbox.refuses = Unavailable("mail.unavailable")
    assert requesting.applicants.confirm(bea, made.id, requesting.mailbox.token(), NOW).state == "confirmed"


def test_nobody_who_proved_nothing_applies(requesting: Requesting) -> None:
    assert refused(requesting.applicants.apply, NOBODY, FORM, NOW) == "voms.nobody"
    assert requesting.applicants.own(NOBODY, NOW) == ()


def test_what_was_asked_for_is_withdrawn_by_who_asked_and_nobody_else(requesting: Requesting) -> None:
    made = applied(requesting)
    assert refused(requesting.applicants.withdraw, requesting.by(OTHER), made.id, NOW) == "voms.no_request"
    requesting.applicants.withdraw(requesting.by(STRANGER), made.id, NOW)
    assert requesting.desk.waiting(requesting.by(CHIEF), NOW) == ()
    again = requesting.applicants.withdraw
    assert refused(again, requesting.by(STRANGER), made.id, NOW) == "voms.request_state"


def test_details_are_searched_without_case_and_accents() -> None:
    assert Details("Zoë", "Müller", "Institut  für Physik").folded() == "muller zoe institut fur physik"
