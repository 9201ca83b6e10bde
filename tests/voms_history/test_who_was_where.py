"""Was somebody in a group at an instant, and who could act in a role between two: rows, hierarchy and states as they were then."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from ostiary.errors import Missing, Refusal
from ostiary.x509.certificate_names import CertificateNames
from tests.voms.conftest import ALICE, NOW, Vo
from voms.directory import create_vo
from voms.history import Past
from voms.members.situation import State
from voms.periods import recurrence

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
BOB = CertificateNames("CN=Bob,O=Test,C=ZZ", "CN=Test CA,O=Test,C=ZZ")


def on(days: float) -> datetime:
    return NOW + days * DAY


def by(days: float, who: str = "operator") -> dict[str, object]:
    return {"at": on(days), "by": who}


@pytest.fixture
def past(vo: Vo) -> Past:
    return Past(vo.engine, "testvo")


def inside(past: Past, vo: Vo, group: str, days: float, role: str | None = None) -> bool:
    return past.was_in(vo.alice, group, on(days), role=role).inside


def test_a_membership_that_ended_held_until_then_and_not_at_that_instant(vo: Vo, past: Past) -> None:
    vo.directory.join(vo.alice, "/testvo/g1", **by(1))
    vo.directory.leave(vo.alice, "/testvo/g1", **by(3))
    assert [inside(past, vo, "/testvo/g1", days) for days in (0.5, 1, 2, 2.999, 3, 4)] == [
        *(False, True, True, True, False, False)
    ]


def test_the_grants_tell_who_wrote_them_and_who_ended_them(vo: Vo, past: Past) -> None:
    vo.directory.join(vo.alice, "/testvo/g1/sub", **by(1, "b" * 32), until=on(9))
    vo.directory.leave(vo.alice, "/testvo/g1/sub", **by(3, "c" * 32))
    [ground] = past.was_in(vo.alice, "/testvo/g1", on(2)).grounds
    assert (ground.group, ground.by, ground.at, ground.ended_by, ground.ended_at, ground.valid_to) == (
        *("/testvo/g1/sub", "b" * 32, on(1), "c" * 32, on(3), on(9)),
    )
    assert ground.ended_serial is not None
    assert ground.ended_serial > ground.serial


def test_a_grant_written_later_for_an_earlier_time_did_not_hold_yet(vo: Vo, past: Past) -> None:
    vo.directory.join(vo.alice, "/testvo/g1", **by(5), since=on(1), until=on(8))
    assert [inside(past, vo, "/testvo/g1", days) for days in (2, 5, 8)] == [False, True, False]


def test_a_further_parent_counts_as_long_as_it_was_one(vo: Vo, past: Past) -> None:
    vo.directory.join(vo.alice, "/testvo/g1/sub", **by(1))
    vo.directory.add_parent("/testvo/g1/sub", "/testvo/g2", **by(2))
    vo.directory.remove_parent("/testvo/g1/sub", "/testvo/g2", **by(4))
    assert [inside(past, vo, "/testvo/g2", days) for days in (1, 2, 3, 4)] == [False, True, True, False]
    assert [inside(past, vo, "/testvo/g1", days) for days in (1, 2, 3, 4)] == [True] * 4


def test_a_group_that_was_removed_and_made_anew_is_found_at_each_time(vo: Vo, past: Past) -> None:
    vo.directory.join(vo.alice, "/testvo/g2", **by(1))
    vo.directory.remove_group("/testvo/g2", **by(2))
    vo.directory.add_group("/testvo/g2", **by(4))
    vo.directory.join(vo.alice, "/testvo/g2", **by(5))
    assert [inside(past, vo, "/testvo/g2", days) for days in (1.5, 4.5, 5)] == [True, False, True]
    with pytest.raises(Missing) as gone:
        past.was_in(vo.alice, "/testvo/g2", on(3))
    assert gone.value.code == "voms.no_group_then"
    vo.directory.assign_role(vo.alice, "/testvo/g2", "pilot", **by(5))
    [actor] = past.who("/testvo/g2", on(0), on(9)).actors
    assert actor.spans == ((on(1), on(2)), (on(5), on(9)))


def test_a_role_held_only_where_its_group_did(vo: Vo, past: Past) -> None:
    vo.directory.join(vo.alice, "/testvo/g1", **by(1), until=on(3))
    vo.directory.assign_role(vo.alice, "/testvo/g1", "pilot", **by(2))
    assert [inside(past, vo, "/testvo/g1", days, "pilot") for days in (1, 2, 2.5, 3)] == [False, True, True, False]
    with pytest.raises(Missing) as unknown:
        past.was_in(vo.alice, "/testvo/g1", on(1), role="captain")
    assert unknown.value.code == "voms.no_role_then"


def test_a_role_came_down_only_while_the_vo_inherited(vo: Vo, past: Past) -> None:
    vo.directory.join(vo.alice, "/testvo/g1/sub", **by(1))
    vo.directory.assign_role(vo.alice, "/testvo/g1", "pilot", **by(1))
    vo.directory.set_inheritance(True, **by(2))
    vo.directory.set_inheritance(False, **by(4))
    assert [inside(past, vo, "/testvo/g1/sub", days, "pilot") for days in (1, 2, 3, 4)] == [False, True, True, False]
    [actor] = past.who("/testvo/g1/sub", on(0), on(9), role="pilot").actors
    assert actor.spans == ((on(2), on(4)),)
    assert [ground.group for ground in actor.grounds] == ["/testvo/g1/sub", "/testvo/g1"]


def test_who_was_suspended_was_inside_and_could_not_act(vo: Vo, past: Past) -> None:
    vo.directory.join(vo.alice, "/testvo/g1", **by(1))
    vo.directory.suspend(vo.alice, "Her key was lost.", **by(2, "d" * 32))
    vo.directory.restore(vo.alice, **by(4))
    then = past.was_in(vo.alice, "/testvo/g1", on(3))
    assert then.situation is not None
    assert (then.inside, then.acted, then.situation.state, then.situation.reason, then.situation.by) == (
        *(True, False, State.SUSPENDED, "Her key was lost.", "d" * 32),
    )
    [actor] = past.who("/testvo/g1", on(0), on(6)).actors
    assert actor.spans == ((on(1), on(2)), (on(4), on(6)))


def test_somebody_who_was_removed_is_found_by_the_certificate_of_that_time(vo: Vo, past: Past) -> None:
    vo.directory.join(vo.alice, "/testvo/g1", **by(1))
    vo.directory.remove_member(vo.alice, **by(2))
    successor = vo.directory.add_member(ALICE, **by(3))
    assert [past.holder(ALICE, on(days)) for days in (1, 3)] == [vo.alice, successor]
    assert past.latest_holder(ALICE) == successor
    vo.directory.remove_member(successor, **by(4))
    assert past.latest_holder(ALICE) == successor
    with pytest.raises(Missing) as nobody:
        past.holder(ALICE, on(2.5))
    assert nobody.value.code == "voms.no_member_then"
    assert past.was_in(vo.alice, "/testvo/g1", on(1)).acted
    gone = past.was_in(vo.alice, "/testvo/g1", on(2))
    assert (gone.inside, gone.situation) == (False, None)
    [actor] = past.who("/testvo/g1", on(0), on(9)).actors
    assert (actor.member, actor.certificates, actor.spans) == (vo.alice, (ALICE.subject,), ((on(1), on(2)),))


def test_everybody_was_in_the_root_as_long_as_a_member(vo: Vo, past: Past) -> None:
    bob = vo.directory.add_member(BOB, **by(2), until=on(5))
    assert [past.was_in(bob, "/testvo", on(days)).inside for days in (1, 2, 4.9, 5)] == [False, True, True, False]
    assert {actor.member: actor.spans for actor in past.who("/testvo", on(0), on(9)).actors} == {
        vo.alice: ((on(0), on(9)),),
        bob: ((on(2), on(5)),),
    }


def test_shifts_are_told_one_by_one_with_their_exceptions(vo: Vo, past: Past) -> None:
    # 22 November 2026 is a Sunday; the clocks of Amsterdam are one hour ahead.
    shifts = recurrence(
        datetime.fromisoformat("2026-11-23T08:00"),
        "Europe/Amsterdam",
        "PT8H",
        "FREQ=WEEKLY;BYDAY=MO,TU",
        (datetime.fromisoformat("2026-12-01"),),
    )
    vo.directory.assign_role(vo.alice, "/testvo", "pilot", **by(0), recurs=shifts)
    monday = datetime(2026, 11, 23, 7, tzinfo=UTC)
    [actor] = past.who("/testvo", monday + HOUR, on(14), role="pilot").actors
    assert actor.spans == (
        (monday + HOUR, monday + 8 * HOUR),
        (monday + DAY, monday + DAY + 8 * HOUR),
        (monday + 7 * DAY, monday + 7 * DAY + 8 * HOUR),
    )
    asked = [monday - HOUR, monday, monday + 8 * HOUR]
    assert [past.was_in(vo.alice, "/testvo", at, role="pilot").inside for at in asked] == [False, True, False]


def test_pages_of_an_answer_hold_everybody_once(vo: Vo, past: Past) -> None:
    members = []
    for number in range(7):
        names = CertificateNames(f"CN=Nr {number},C=ZZ", "CN=Test CA,O=Test,C=ZZ")
        members.append(vo.directory.add_member(names, **by(0)))
        vo.directory.join(members[-1], "/testvo/g1", **by(1))
        vo.directory.assign_role(members[-1], "/testvo/g1", "admin", **by(1))
    # Who was suspended all the time takes no place on a page.
    vo.directory.suspend(sorted(members)[1], "Away.", **by(1))
    pages, after = [], None
    for _ in range(9):
        found = past.who("/testvo/g1", on(2), on(3), role="admin", after=after, most=2)
        pages.append([actor.member for actor in found.actors])
        if (after := found.after) is None:
            break
    assert [each for page in pages for each in page] == sorted({*members} - {sorted(members)[1]})
    assert [len(page) for page in pages[:3]] == [2, 2, 2]


def test_a_window_has_to_be_one_and_no_longer_than_ten_years(past: Past) -> None:
    for until in (on(0), on(-1), on(3_661)):
        with pytest.raises(Refusal) as wrong:
            past.who("/testvo", on(0), until)
        assert wrong.value.code == "voms.window"


def test_another_vo_of_the_same_database_does_not_answer(vo: Vo, past: Past) -> None:
    create_vo(vo.engine, "other", at=on(0), by="operator")
    other = Past(vo.engine, "other")
    assert other.was_in(vo.alice, "/other", on(1)).situation is None
    assert other.who("/other", on(0), on(1)).actors == ()
    with pytest.raises(Missing):
        other.was_in(vo.alice, "/testvo/g1", on(1))
    with pytest.raises(Missing):
        Past(vo.engine, "third").was_in(vo.alice, "/third", on(1))


def test_however_many_members_there_are_the_number_of_questions_stays(vo: Vo, past: Past) -> None:
    def asked() -> int:
        found: list[str] = []

        def note(*parts: object) -> None:
            found.append(str(parts[2]))

        event.listen(vo.engine, "before_cursor_execute", note)
        past.who("/testvo/g1", on(1), on(2), role="admin")
        event.remove(vo.engine, "before_cursor_execute", note)
        return len(found)

    for number in range(3):
        names = CertificateNames(f"CN=Nr {number},C=ZZ", "CN=Test CA,O=Test,C=ZZ")
        member = vo.directory.add_member(names, **by(0))
        vo.directory.join(member, "/testvo/g1/sub", **by(1))
        vo.directory.assign_role(member, "/testvo/g1", "admin", **by(1))
        if number == 0:
            first = asked()
    assert asked() == first
    assert first <= 20
