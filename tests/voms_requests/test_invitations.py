"""Managers invite people by mail, with what waits for them there; the answer needs no further decision."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ostiary.errors import Unavailable
from tests.voms.conftest import ALICE, NOW
from tests.voms_requests.conftest import CHIEF, FORM, LEADER, OTHER, STRANGER, Requesting, refused
from voms.administration.callers import NOBODY, OPERATOR
from voms.changes import changing
from voms.members import aup
from voms.requests.asked import Asked, Wish
from voms.requests.invitations import Invitations

G1, SUB, G2 = "/testvo/g1", "/testvo/g1/sub", "/testvo/g2"
DAY = timedelta(days=1)
WISHES = (Wish(SUB), Wish(G2, "pilot"))


def invited(requesting: Requesting, wishes: tuple[Wish, ...] = WISHES, until: object = None) -> tuple[str, str]:
    """Id and secret of the chief's invitation of Bea."""
    made, _ = requesting.invitations.invite(requesting.by(CHIEF), "bea@example.org", wishes, NOW, until=until)  # type: ignore[arg-type]
    return made.id, requesting.mailbox.token()


def test_who_answers_is_a_member_at_once_with_what_was_prepared(requesting: Requesting) -> None:
    number, token = invited(requesting, until=NOW + 100 * DAY)
    [letter] = requesting.mailbox.letters
    assert letter.to == "bea@example.org"
    assert "/testvo/g1/sub, /testvo/g2/Role=pilot" in letter.body
    assert f"https://pages.example.org/voms/testvo/invitation?invitation={number}&token={token}" in letter.body
    assert f"https://vo.example.org:15000/voms/testvo/invitation?invitation={number}&token={token}" in letter.body
    granted = requesting.invitations.accept(requesting.by(STRANGER), number, token, FORM, NOW)
    assert requesting.groups(granted.member) == ["/testvo", G1, SUB, G2, f"{G2}/Role=pilot"]
    [listed] = requesting.vo.memberships.listed(granted.member)
    assert listed.ends == NOW + 100 * DAY
    assert requesting.mailbox.letters[-1].to == "chief@example.org"
    assert refused(requesting.invitations.accept, requesting.by(OTHER), number, token, FORM, NOW) == "voms.invitation"


def test_a_member_who_answers_gets_what_was_prepared_and_stays_who_she_is(requesting: Requesting) -> None:
    number, token = invited(requesting)
    granted = requesting.invitations.accept(requesting.by(ALICE), number, token, Asked(), NOW)
    assert granted.member == requesting.vo.alice
    assert requesting.groups(requesting.vo.alice) == ["/testvo", G1, SUB, G2, f"{G2}/Role=pilot"]


def test_a_wrong_late_or_withdrawn_link_opens_nothing(requesting: Requesting) -> None:
    number, token = invited(requesting)
    look = requesting.invitations.look
    assert look(number, token, NOW).wishes == WISHES
    assert refused(look, number, token + "x", NOW) == "voms.invitation"
    assert refused(look, "0" * 32, token, NOW) == "voms.invitation"
    assert refused(look, number, token, NOW + 14 * DAY) == "voms.invitation"
    requesting.invitations.withdraw(requesting.by(CHIEF), number, NOW)
    assert refused(look, number, token, NOW) == "voms.invitation"
    assert requesting.invitations.waiting(requesting.by(CHIEF), NOW) == ()


def test_nobody_invites_to_more_than_she_could_approve(requesting: Requesting) -> None:
    invite = requesting.invitations.invite
    for caller in (requesting.by(LEADER), requesting.by(ALICE), requesting.by(STRANGER), NOBODY):
        assert refused(invite, caller, "bea@example.org", (), NOW) == "voms.not_allowed"
        assert refused(requesting.invitations.waiting, caller, NOW) == "voms.not_allowed"
    requesting.give(requesting.vo.alice, "/testvo", "CONTAINER_READ|REQUESTS_RW")
    alice = requesting.by(ALICE)
    assert refused(invite, alice, "bea@example.org", (Wish(G1),), NOW) == "voms.not_allowed"
    admin = (Wish("/testvo", "VO-Admin"),)
    assert refused(invite, alice, "bea@example.org", admin, NOW) == "voms.not_allowed"
    requesting.give(requesting.vo.alice, "/testvo", "REQUESTS_RW", "VO-Admin")
    assert refused(invite, alice, "bea@example.org", admin, NOW) == "voms.more_than_own"
    assert requesting.mailbox.letters == []
    invite(alice, "bea@example.org", (), NOW)


def test_who_may_not_withdraw_an_invitation_does_not(requesting: Requesting) -> None:
    number, _ = invited(requesting)
    assert refused(requesting.invitations.withdraw, requesting.by(ALICE), number, NOW) == "voms.not_allowed"
    assert refused(requesting.invitations.withdraw, requesting.by(CHIEF), "0" * 32, NOW) == "voms.no_invitation"


@pytest.mark.parametrize(
    ("mail", "wishes", "code"),
    [
        ("no address", (), "voms.detail_mail"),
        ("a@example.org\nBcc: b@example.org", (), "voms.detail_mail"),
        ("bea@example.org", (Wish("/testvo/nowhere"),), "voms.no_group"),
        ("bea@example.org", (Wish(G1, "nothing"),), "voms.no_role"),
        ("bea@example.org", (Wish("/othervo"),), "voms.request_group"),
        ("bea@example.org", tuple(Wish(f"/testvo/g{number}") for number in range(21)), "voms.wishes"),
    ],
)
def test_an_invitation_to_what_there_is_not_is_refused(
    requesting: Requesting, mail: str, wishes: tuple[Wish, ...], code: str
) -> None:
    assert refused(requesting.invitations.invite, OPERATOR, mail, wishes, NOW) == code
    assert requesting.mailbox.letters == []


def test_a_membership_that_ends_before_the_invitation_does_makes_no_sense(requesting: Requesting) -> None:
    invite = requesting.invitations.invite
    assert refused(invite, OPERATOR, "bea@example.org", (), NOW, until=NOW + DAY) == "voms.validity"


def test_the_answer_is_checked_like_an_application(requesting: Requesting) -> None:
    with changing(requesting.vo.engine, "testvo", "vo.aup_added", at=NOW, by="operator") as change:
        aup.add_version(change, "1", text="Be good.")
    number, token = invited(requesting)
    accept, bea = requesting.invitations.accept, requesting.by(STRANGER)
    assert refused(accept, bea, number, token, FORM, NOW) == "voms.aup_not_agreed"
    agreed = replace(FORM, aup="1")
    nameless = replace(agreed, details=replace(FORM.details, surname=""))
    assert refused(accept, bea, number, token, nameless, NOW) == "voms.detail_missing"
    elsewhere = replace(agreed, details=replace(FORM.details, mail="eve@example.org"))
    assert refused(accept, bea, number, token, elsewhere, NOW) == "voms.invited_mail"
    assert refused(accept, NOBODY, number, token, agreed, NOW) == "voms.nobody"
    assert accept(bea, number, token, agreed, NOW).member == number


def test_what_went_meanwhile_is_left_out(requesting: Requesting) -> None:
    number, token = invited(requesting)
    requesting.vo.directory.remove_role("pilot", at=NOW, by="operator")
    granted = requesting.invitations.accept(requesting.by(STRANGER), number, token, FORM, NOW)
    assert granted.wishes == (Wish(SUB),)


def test_without_a_letter_there_is_no_invitation(requesting: Requesting) -> None:
    requesting.mailbox.refuses = Unavailable("mail.unavailable")
    chief = requesting.by(CHIEF)
    assert refused(requesting.invitations.invite, chief, "bea@example.org", (), NOW) == "mail.unavailable"
    assert requesting.invitations.waiting(chief, NOW) == ()
    silent = Invitations(requesting.make_office(mail=False))
    assert refused(silent.invite, chief, "bea@example.org", (), NOW) == "voms.no_mail"
    made, link = silent.invite(chief, "bea@example.org", (), NOW, send=False)
    assert silent.look(made.id, link.rpartition("token=")[2], NOW).mail == "bea@example.org"
