"""What time does to requests and invitations, each once whichever process gets there first."""

from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select

from ostiary.errors import Refusal
from ostiary.storage.engine import reading
from tests.voms.conftest import ALICE, NOW
from tests.voms_requests.conftest import CHIEF, FORM, OTHER, STRANGER, Requesting, applied, refused
from voms.requests.asked import Wish, read_applicant, read_asked
from voms.requests.overdue import Swept, sweep
from voms.requests.states import STATES, Event, State, after
from voms.tables import ARCHIVES, vo_request

DAY = timedelta(days=1)
EVENTS: tuple[Event, ...] = ("confirm", "approve", "reject", "withdraw", "expire")


def test_an_application_that_is_not_confirmed_ends_without_a_letter(requesting: Requesting) -> None:
    made = requesting.applicants.apply(requesting.by(STRANGER), FORM, NOW)
    requesting.mailbox.letters.clear()
    assert sweep(requesting.office, NOW + 3 * DAY - timedelta(seconds=1)) == Swept(0, 0, 0)
    assert sweep(requesting.office, NOW + 3 * DAY) == Swept(1, 0, 0)
    assert sweep(requesting.office, NOW + 3 * DAY) == Swept(0, 0, 0)
    [own] = requesting.applicants.own(requesting.by(STRANGER), NOW)
    assert (own.id, own.state, own.decided_by) == (made.id, "expired", "jobs")
    assert requesting.mailbox.letters == []


def test_a_request_that_nobody_decides_ends_and_the_applicant_is_told(requesting: Requesting) -> None:
    applied(requesting)
    requesting.mailbox.letters.clear()
    assert sweep(requesting.office, NOW + 60 * DAY).expired == 1
    assert [letter.subject for letter in requesting.mailbox.to("bea@example.org")] == [
        "testvo: nobody decided your request"
    ]
    assert "2026-11-22" in requesting.mailbox.to("bea@example.org")[0].body


def test_what_waited_too_long_is_over_before_any_job_says_so(requesting: Requesting) -> None:
    made = applied(requesting)
    late, chief = NOW + 60 * DAY, requesting.by(CHIEF)
    assert requesting.desk.waiting(chief, late) == ()
    assert [each.state for each in requesting.desk.ended(chief, late)] == ["expired"]
    assert [each.state for each in requesting.applicants.own(requesting.by(STRANGER), late)] == ["expired"]
    assert refused(requesting.desk.approve, chief, made.id, late) == "voms.request_state"
    assert refused(requesting.desk.reject, chief, made.id, "late", late) == "voms.request_state"
    assert refused(requesting.applicants.withdraw, requesting.by(STRANGER), made.id, late) == "voms.request_state"
    again = requesting.applicants.apply(requesting.by(STRANGER), FORM, late)
    assert again.state == "submitted"


def test_a_member_asks_anew_for_what_nobody_decided(requesting: Requesting) -> None:
    alice = requesting.by(ALICE)
    requesting.applicants.ask(alice, Wish("/testvo/g1"), "", NOW)
    assert requesting.applicants.ask(alice, Wish("/testvo/g1"), "", NOW + 60 * DAY).state == "confirmed"


def test_an_invitation_without_an_answer_ends(requesting: Requesting) -> None:
    requesting.invitations.invite(requesting.by(CHIEF), "bea@example.org", (), NOW)
    assert sweep(requesting.office, NOW + 14 * DAY).expired == 1
    assert sweep(requesting.office, NOW + 14 * DAY).expired == 0


def test_managers_are_reminded_once_a_week(requesting: Requesting) -> None:
    requesting.applicants.ask(requesting.by(ALICE), Wish("/testvo/g1"), "", NOW)
    requesting.mailbox.letters.clear()
    told = [sweep(requesting.office, NOW + timedelta(days=day)).reminded for day in (1, 6, 7, 8, 14)]
    assert told == [0, 0, 1, 0, 1]
    assert {letter.to for letter in requesting.mailbox.letters} == {"chief@example.org", "leader@example.org"}
    assert len(requesting.mailbox.letters) == 4


def test_who_asked_is_forgotten_some_time_after_the_end(requesting: Requesting) -> None:
    made = applied(requesting)
    requesting.desk.reject(requesting.by(CHIEF), made.id, "We do not know Bea.", NOW)
    assert sweep(requesting.office, NOW + 179 * DAY).forgotten == 0
    assert sweep(requesting.office, NOW + 180 * DAY).forgotten == 1
    assert sweep(requesting.office, NOW + 180 * DAY).forgotten == 0
    with reading(requesting.vo.engine) as connection:
        for table in (vo_request, ARCHIVES["vo_request"]):
            rows = connection.execute(select(table)).all()
            assert len(rows) in (1, 2)
            assert "Bea" not in repr(rows)
            assert "bea@" not in repr(rows)
            assert STRANGER.key not in repr(rows)
    [kept] = requesting.desk.ended(requesting.by(CHIEF), NOW)
    assert (kept.id, kept.kind, kept.state, kept.decided_by) == (
        made.id,
        "join",
        "rejected",
        requesting.by(CHIEF).member,
    )


def test_what_waits_is_never_forgotten_and_what_was_asked_for_stays(requesting: Requesting) -> None:
    alice = requesting.by(ALICE)
    made = requesting.applicants.ask(alice, Wish("/testvo/g1"), "please", NOW)
    requesting.applicants.withdraw(alice, made.id, NOW)
    requesting.applicants.apply(requesting.by(OTHER), FORM, NOW + 180 * DAY)
    assert sweep(requesting.office, NOW + 181 * DAY).forgotten == 1
    [kept] = requesting.applicants.own(alice, NOW)
    assert (kept.wish, kept.asked.remark) == (Wish("/testvo/g1"), "")
    [waits] = requesting.applicants.own(requesting.by(OTHER), NOW)
    assert waits.asked.details.name == "Bea Beispiel"


def test_an_erased_request_reads_as_nobody() -> None:
    assert read_applicant("{}").keys == ()
    assert read_asked("{}").details.name == ""


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
def test_only_these_steps_lead_on(state: State, event: Event) -> None:
    known = {
        ("submitted", "confirm"): "confirmed",
        ("submitted", "withdraw"): "withdrawn",
        ("submitted", "expire"): "expired",
        ("confirmed", "approve"): "approved",
        ("confirmed", "reject"): "rejected",
        ("confirmed", "withdraw"): "withdrawn",
        ("confirmed", "expire"): "expired",
    }
    if (state, event) in known:
        assert after(state, event) == known[state, event]
    else:
        with pytest.raises(Refusal) as caught:
            after(state, event)
        assert caught.value.code == "voms.request_state"


def test_each_step_stands_in_the_archive_with_its_own_serial(requesting: Requesting) -> None:
    made = applied(requesting)
    requesting.desk.approve(requesting.by(CHIEF), made.id, NOW)
    archive = ARCHIVES["vo_request"]
    with reading(requesting.vo.engine) as connection:
        rows = connection.execute(select(archive).where(archive.c.id == made.id).order_by(archive.c.archive_id)).all()
    assert [row.state for row in rows] == ["submitted", "confirmed"]
    assert all(one.deleted_serial == other.created_serial for one, other in pairwise(rows))
    assert [row.deleted_by for row in rows] == [f"certificate:{STRANGER.key[:16]}", requesting.by(CHIEF).member]
