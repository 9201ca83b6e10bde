"""What somebody changed, and all that ever became of one member."""

from datetime import timedelta

import pytest

from ostiary import audit
from ostiary.errors import Missing
from ostiary.storage.engine import writing
from ostiary.x509.certificate_names import CertificateNames
from tests.voms.conftest import ALICE, NOW, Vo
from voms import people
from voms.changes import changing
from voms.directory import FederatedIdentity, create_vo
from voms.history import Place, deeds, history_of, known_as
from voms.history.json_form import deeds_json, events_json

DAY = timedelta(days=1)
BEA = "b" * 32
LAPTOP = CertificateNames("CN=Alice Laptop,O=Test,C=ZZ", "CN=Test CA,O=Test,C=ZZ")


def stamp(days: float, who: str = "operator") -> dict[str, object]:
    return {"at": NOW + days * DAY, "by": who}


def test_what_an_administrator_did_is_told_newest_first_with_whom_it_was_about(vo: Vo) -> None:
    vo.directory.join(vo.alice, "/testvo/g1", **stamp(1, BEA))
    vo.directory.assign_role(vo.alice, "/testvo/g1", "pilot", **stamp(2, BEA))
    vo.directory.leave(vo.alice, "/testvo/g1", **stamp(3))
    found = deeds(vo.engine, "testvo", [BEA])
    assert found.before is None
    assert [(deed.at, deed.action, deed.member, deed.facts) for deed in found.deeds] == [
        (NOW + 2 * DAY, "vo.role_assigned", vo.alice, {"vo": "testvo", "group": "/testvo/g1", "role": "pilot"}),
        (NOW + 1 * DAY, "vo.group_joined", vo.alice, {"vo": "testvo", "group": "/testvo/g1"}),
    ]
    assert {deed.by for deed in deeds(vo.engine, "testvo").deeds} == {BEA, "operator"}


def test_only_what_falls_into_the_time_is_told(vo: Vo) -> None:
    for day in (1, 2, 3):
        vo.directory.add_role(f"r{day}", **stamp(day, BEA))
    between = deeds(vo.engine, "testvo", [BEA], since=NOW + DAY, until=NOW + 3 * DAY).deeds
    assert [deed.facts["role"] for deed in between] == ["r2", "r1"]


def test_pages_of_deeds_miss_none_and_repeat_none_also_of_one_instant(vo: Vo) -> None:
    for number in range(7):
        vo.directory.add_role(f"r{number}", **stamp(1, BEA if number % 2 else "c" * 32))
    told, before = [], None
    while True:
        page = deeds(vo.engine, "testvo", [BEA, "c" * 32], before=before, most=2)
        told += [deed.facts["role"] for deed in page.deeds]
        before = page.before
        if before is None:
            break
        assert isinstance(before, Place)
    assert told == [f"r{number}" for number in reversed(range(7))]


def test_what_was_done_in_another_vo_is_not_told_and_neither_is_what_was_refused(vo: Vo) -> None:
    create_vo(vo.engine, "other", **stamp(1, BEA))
    with pytest.raises(Missing):
        vo.directory.remove_role("nobody", **stamp(2, BEA))
    assert deeds(vo.engine, "testvo", [BEA]).deeds == ()
    assert [deed.action for deed in deeds(vo.engine, "other", [BEA]).deeds] == ["vo.created"]
    with pytest.raises(Missing) as unknown:
        deeds(vo.engine, "third", [BEA])
    assert unknown.value.code == "voms.no_vo"


def test_of_somebody_who_was_erased_it_is_not_told_who_she_was(vo: Vo) -> None:
    vo.directory.join(vo.alice, "/testvo/g1", **stamp(1, BEA))
    with writing(vo.engine) as connection:
        audit.erase_person(connection, vo.alice, at=NOW, writer="voms", actor="operator")
    [deed] = deeds(vo.engine, "testvo", [BEA]).deeds
    assert (deed.action, deed.member) == ("vo.group_joined", None)


def test_a_member_is_found_by_all_that_she_was_known_as(vo: Vo) -> None:
    vo.directory.add_certificate(vo.alice, LAPTOP, **stamp(1))
    identity = FederatedIdentity("https://home.example/idp", "eduPersonPrincipalName", "alice@home.example")
    vo.directory.link_identity(vo.alice, identity, **stamp(1))
    vo.directory.remove_member(vo.alice, **stamp(2))
    assert sorted(known_as(vo.engine, "testvo", vo.alice)) == sorted(
        (
            vo.alice,
            f"certificate:{ALICE.key[:16]}",
            f"certificate:{LAPTOP.key[:16]}",
            f"person:{identity.key[:16]}",
        )
    )


def test_a_members_history_has_everything_in_order_and_stays_when_she_is_gone(vo: Vo) -> None:
    vo.directory.join(vo.alice, "/testvo/g1", **stamp(1, BEA), until=NOW + 30 * DAY)
    vo.directory.assign_role(vo.alice, "/testvo/g1", "pilot", **stamp(2))
    vo.directory.suspend(vo.alice, "Her key was lost.", **stamp(3, BEA))
    vo.directory.set_attribute("nickname", "al", **stamp(4), member=vo.alice)
    vo.directory.set_attribute("nickname", "alice", **stamp(5), member=vo.alice)
    vo.directory.remove_member(vo.alice, **stamp(6))
    found = history_of(vo.engine, "testvo", vo.alice)
    assert [((event.at - NOW) / DAY, event.what, event.turn) for event in found] == [
        (0, "membership", "began"),
        (0, "certificate", "began"),
        (1, "group", "began"),
        (2, "role", "began"),
        (3, "membership", "changed"),
        (4, "attribute", "began"),
        (5, "attribute", "ended"),
        (5, "attribute", "began"),
        (6, "membership", "ended"),
        (6, "certificate", "ended"),
        (6, "group", "ended"),
        (6, "role", "ended"),
        (6, "attribute", "ended"),
    ]
    joined, suspended = found[2], found[4]
    assert joined.by == BEA
    assert joined.facts == {"group": "/testvo/g1", "valid_from": NOW + DAY, "valid_to": NOW + 30 * DAY}
    assert suspended.facts == {
        "suspended_code": "other",
        "suspended_reason": "Her key was lost.",
        "suspended_by": BEA,
        "suspended_at": NOW + 3 * DAY,
    }
    assert set(suspended.before.values()) == {None}
    assert found[6].facts["value"] == "al"
    assert len({event.serial for event in found[8:]}) == 1


def test_what_the_end_of_a_group_did_to_her_is_in_her_history(vo: Vo) -> None:
    vo.directory.join(vo.alice, "/testvo/g2", **stamp(1))
    vo.directory.remove_group("/testvo/g2", **stamp(2, BEA))
    last = history_of(vo.engine, "testvo", vo.alice, since=NOW + 2 * DAY)
    assert [(event.what, event.turn, event.facts["group"], event.by) for event in last] == [
        ("group", "ended", "/testvo/g2", BEA)
    ]


def test_what_one_transaction_made_and_ended_again_never_was(vo: Vo) -> None:
    with changing(vo.engine, "testvo", "vo.member_changed", **stamp(1)) as change:
        people.suspend(change, vo.alice, "By mistake.")
        people.restore(change, vo.alice)
        people.add_certificate(change, vo.alice, LAPTOP)
        people.remove_certificate(change, LAPTOP)
    [event] = history_of(vo.engine, "testvo", vo.alice, since=NOW + DAY)
    assert (event.what, event.turn, event.facts, event.before) == ("membership", "changed", {}, {})


def test_somebody_who_never_was_a_member_has_no_history(vo: Vo) -> None:
    create_vo(vo.engine, "other", **stamp(1))
    for name, member in (("testvo", "f" * 32), ("other", vo.alice)):
        with pytest.raises(Missing) as nobody:
            history_of(vo.engine, name, member)
        assert nobody.value.code == "voms.no_member"


def test_answers_are_json_with_instants_in_utc(vo: Vo) -> None:
    vo.directory.join(vo.alice, "/testvo/g1", **stamp(1, BEA))
    [deed] = deeds_json(deeds(vo.engine, "testvo", [BEA]))["changes"]
    assert (deed["at"], deed["member"], deed["facts"]["group"]) == ("2026-11-23T12:00:00Z", vo.alice, "/testvo/g1")
    last = events_json(history_of(vo.engine, "testvo", vo.alice))[-1]
    assert last["facts"] == {"group": "/testvo/g1", "valid_from": "2026-11-23T12:00:00Z"}
