"""Versions, signatures and demands as managers and members make them, and what they do to a standing and to what is issued."""

from datetime import datetime, timedelta

import pytest

from ostiary import audit
from ostiary.errors import Denied, Missing, OstiaryError, Refusal
from ostiary.storage.engine import reading
from ostiary.x509.certificate_names import CertificateNames
from tests.statements import questions
from tests.voms.conftest import ALICE, NOW, Vo
from voms.administration.callers import NOBODY, OPERATOR, caller_of_certificate
from voms.administration.desk import Desk
from voms.asking import Asked
from voms.members import desk as life
from voms.members.situation import State
from voms.selection import Bounds, grant
from voms.standing import Standing

DAY = timedelta(days=1)
URL = "https://vo.example.org/aup"


def operator(vo: Vo, at: datetime = NOW) -> Desk:
    return Desk(vo.engine, "testvo", OPERATOR, at)


def herself(vo: Vo, at: datetime) -> Desk:
    return Desk(vo.engine, "testvo", caller_of_certificate(vo.engine, "testvo", ALICE, at), at)


def standing(vo: Vo, at: datetime, names: CertificateNames = ALICE) -> Standing:
    found = vo.memberships.of_certificate(names, at)
    assert found is not None
    return found


def code_of(refused: pytest.ExceptionInfo[OstiaryError]) -> str:
    return refused.value.code


def test_a_new_policy_is_due_and_its_grace_bounds_what_is_issued(vo: Vo) -> None:
    life.add_version(operator(vo), "1", url=URL, grace_days=15)
    found = standing(vo, NOW)
    assert (found.situation.state, found.suspended, found.ends) == (State.AUP_DUE, None, NOW + 15 * DAY)
    granted = grant(found, Asked(), Bounds(100 * DAY), NOW)
    assert granted.not_after == NOW + 15 * DAY


def test_after_the_grace_she_gets_nothing_until_she_signs(vo: Vo) -> None:
    life.add_version(operator(vo), "1", url=URL, grace_days=15, sign_again_days=100)
    late = NOW + 15 * DAY
    found = standing(vo, late)
    assert found.suspended == "User failed to sign the AUP in time."
    with pytest.raises(Denied) as refused:
        grant(found, Asked(), Bounds(DAY), late)
    assert (code_of(refused), refused.value.found) == ("voms.aup_due", "User failed to sign the AUP in time.")
    assert life.sign(herself(vo, late)) == "1"
    signed = standing(vo, late)
    assert (signed.situation.state, signed.ends) == (State.ACTIVE, late + 100 * DAY)


def test_nothing_issued_outlives_the_signature_nor_the_version_in_force(vo: Vo) -> None:
    life.add_version(operator(vo), "1", url=URL, sign_again_days=365)
    life.sign(herself(vo, NOW))
    life.add_version(operator(vo), "2", text="Be kind.", in_force_from=NOW + 2 * DAY, grace_days=0)
    assert standing(vo, NOW).ends == NOW + 2 * DAY
    assert standing(vo, NOW + 2 * DAY).suspended is not None
    assert life.sign(herself(vo, NOW + DAY), "2") == "2"
    assert standing(vo, NOW + 2 * DAY).ends == NOW + 366 * DAY


def test_asking_anew_ends_what_was_signed_and_asking_twice_gives_no_more_time(vo: Vo) -> None:
    life.add_version(operator(vo), "1", url=URL, grace_days=15)
    life.sign(herself(vo, NOW))
    life.ask_to_sign(operator(vo, NOW + DAY), vo.alice)
    assert standing(vo, NOW + 2 * DAY).situation.state is State.AUP_DUE
    life.ask_to_sign(operator(vo, NOW + 10 * DAY), vo.alice)
    assert standing(vo, NOW + 10 * DAY).ends == NOW + 16 * DAY
    life.sign(herself(vo, NOW + 11 * DAY))
    assert standing(vo, NOW + 11 * DAY).situation.state is State.ACTIVE
    life.ask_to_sign(operator(vo, NOW + 12 * DAY), vo.alice)
    assert standing(vo, NOW + 12 * DAY).ends == NOW + 27 * DAY


def test_a_manager_records_a_signature_and_everybody_sees_what_was_signed(vo: Vo) -> None:
    life.add_version(operator(vo), "1", url=URL)
    assert life.record_signature(operator(vo, NOW + DAY), vo.alice) == "1"
    life.record_signature(operator(vo, NOW + 3 * DAY), vo.alice)
    (signed,) = life.signatures(herself(vo, NOW + 4 * DAY), vo.alice)
    assert (signed.version, signed.at) == ("1", NOW + 3 * DAY)


def test_an_older_version_can_no_longer_be_signed_and_an_unknown_one_not_at_all(vo: Vo) -> None:
    with pytest.raises(Missing) as refused:
        life.sign(herself(vo, NOW))
    assert code_of(refused) == "voms.no_aup"
    life.add_version(operator(vo), "1", url=URL)
    life.add_version(operator(vo, NOW + DAY), "2", url=URL)
    with pytest.raises(Refusal) as old:
        life.sign(herself(vo, NOW + 2 * DAY), "1")
    assert code_of(old) == "voms.aup_superseded"
    with pytest.raises(Missing) as unknown:
        life.sign(herself(vo, NOW + 2 * DAY), "3")
    assert code_of(unknown) == "voms.no_aup"


def test_a_removed_version_takes_its_signatures_along_and_the_one_before_counts_again(vo: Vo) -> None:
    life.add_version(operator(vo), "1", url=URL)
    life.sign(herself(vo, NOW))
    life.add_version(operator(vo, NOW + DAY), "2", url=URL)
    life.sign(herself(vo, NOW + DAY))
    life.remove_version(operator(vo, NOW + 2 * DAY), "2")
    assert standing(vo, NOW + 2 * DAY).ends == NOW + 365 * DAY
    assert [each.version for each in life.signatures(operator(vo), vo.alice)] == ["1"]


def test_other_days_for_a_version(vo: Vo) -> None:
    life.add_version(operator(vo), "1", url=URL)
    life.sign(herself(vo, NOW))
    life.change_version(operator(vo), "1", sign_again_days=10, grace_days=1)
    assert standing(vo, NOW).ends == NOW + 10 * DAY
    with pytest.raises(Missing):
        life.change_version(operator(vo), "9", sign_again_days=10, grace_days=1)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"version": "1/2", "url": URL}, "voms.aup_version"),
        ({"version": "", "url": URL}, "voms.aup_version"),
        ({"version": "1"}, "voms.aup_version"),
        ({"version": "1", "url": "javascript:alert(1)"}, "voms.aup_version"),
        ({"version": "1", "url": "https://" + "a" * 2_000}, "voms.aup_version"),
        ({"version": "1", "url": "https://"}, "voms.aup_version"),
        ({"version": "1", "text": ""}, "voms.aup_version"),
        ({"version": "1", "text": "x" * 200_001}, "voms.aup_version"),
        ({"version": "1", "url": URL, "grace_days": -1}, "voms.aup_days"),
        ({"version": "1", "url": URL, "grace_days": 367}, "voms.aup_days"),
        ({"version": "1", "url": URL, "sign_again_days": 0}, "voms.aup_days"),
        ({"version": "1", "url": URL, "in_force_from": NOW - DAY}, "voms.aup_past"),
    ],
)
def test_what_can_not_be_a_version_is_refused(vo: Vo, values: dict[str, object], code: str) -> None:
    with pytest.raises(Refusal) as refused:
        life.add_version(operator(vo), **values)  # type: ignore[arg-type]
    assert code_of(refused) == code
    assert life.versions(operator(vo)) == ()


def test_a_version_is_there_once(vo: Vo) -> None:
    life.add_version(operator(vo), "1", url=URL)
    with pytest.raises(Refusal) as refused:
        life.add_version(operator(vo), "1", url=URL)
    assert code_of(refused) == "voms.taken"


def test_a_service_signs_nothing_and_goes_on(vo: Vo) -> None:
    names = CertificateNames("CN=host/robot.example.org", ALICE.issuer)
    vo.directory.add_member(names, at=NOW, by="operator", kind="service")
    life.add_version(operator(vo), "1", url=URL, grace_days=0)
    assert standing(vo, NOW + DAY).suspended is not None
    robot = standing(vo, NOW + 1_000 * DAY, names)
    assert (robot.suspended, robot.ends) == (None, None)


def test_only_who_may_everything_makes_versions_and_grace(vo: Vo) -> None:
    desk = herself(vo, NOW)
    for refused in (
        lambda: life.add_version(desk, "1", url=URL),
        lambda: life.change_version(desk, "1", sign_again_days=None, grace_days=0),
        lambda: life.remove_version(desk, "1"),
        lambda: life.set_grace(desk, 7),
        lambda: life.record_signature(desk, vo.alice),
        lambda: life.ask_to_sign(desk, vo.alice),
        lambda: life.signatures(Desk(vo.engine, "testvo", NOBODY, NOW), vo.alice),
        lambda: life.situation_of(Desk(vo.engine, "testvo", NOBODY, NOW), vo.alice),
        lambda: life.sign(Desk(vo.engine, "testvo", NOBODY, NOW)),
    ):
        with pytest.raises(Denied) as denied:
            refused()
        assert code_of(denied) == "voms.not_allowed"


def test_the_grace_after_the_end_is_a_property_of_the_vo(vo: Vo) -> None:
    guest = CertificateNames("CN=Guest", ALICE.issuer)
    member = vo.directory.add_member(guest, at=NOW, by="operator", until=NOW + DAY)
    vo.directory.join(member, "/testvo/g1", at=NOW, by="operator")
    assert standing(vo, NOW + DAY, guest).suspended == "User membership has expired."
    life.set_grace(operator(vo), 7)
    assert standing(vo, NOW, guest).ends == NOW + DAY
    found = standing(vo, NOW + DAY, guest)
    assert (found.situation.state, found.suspended, found.ends) == (State.EXPIRED, None, NOW + 8 * DAY)
    assert found.groups == {"/testvo": NOW + 8 * DAY, "/testvo/g1": NOW + 8 * DAY}
    assert standing(vo, NOW + 8 * DAY, guest).groups == {}
    with pytest.raises(Denied) as refused:
        grant(standing(vo, NOW + 8 * DAY, guest), Asked(), Bounds(DAY), NOW + 8 * DAY)
    assert code_of(refused) == "voms.expired"
    for days in (-1, 367):
        with pytest.raises(Refusal) as wrong:
            life.set_grace(operator(vo), days)
        assert code_of(wrong) == "voms.grace"


def test_one_suspended_certificate_says_so_and_the_others_go_on(vo: Vo) -> None:
    other = CertificateNames("CN=Alice,O=Laptop", ALICE.issuer)
    vo.directory.add_certificate(vo.alice, other, at=NOW, by="operator")
    operator(vo, NOW + DAY).suspend_certificate(vo.alice, other, "Left on a train.")
    found = standing(vo, NOW + DAY, other)
    assert (found.suspended, found.situation.state, found.situation.code, found.situation.by) == (
        "Left on a train.",
        State.SUSPENDED,
        "certificate",
        "operator",
    )
    assert standing(vo, NOW + DAY).suspended is None
    operator(vo, NOW + DAY).restore_certificate(vo.alice, other)
    assert standing(vo, NOW + DAY, other).suspended is None


def test_a_later_end_takes_back_what_the_end_brought_and_not_what_a_manager_did(vo: Vo) -> None:
    desk = operator(vo)
    desk.suspend(vo.alice, "Lost her key.", "security_incident")
    desk.set_end(vo.alice, NOW + DAY)
    assert standing(vo, NOW).suspended == "Lost her key."
    desk.restore(vo.alice)
    assert standing(vo, NOW).ends == NOW + DAY


def test_everything_is_recorded_without_a_word_of_the_policy(vo: Vo) -> None:
    life.add_version(operator(vo), "1", text="Be kind.")
    life.sign(herself(vo, NOW))
    life.set_grace(operator(vo), 3)
    with reading(vo.engine) as connection:
        found = audit.events(connection)
    actions = [each.action for each in found]
    assert actions[-3:] == ["vo.aup_added", "vo.aup_signed", "vo.grace_changed"]
    assert [each.actor for each in found][-3:] == ["operator", vo.alice, "operator"]
    assert "kind" not in str(found[-3].facts)


def test_a_standing_takes_three_queries_with_a_policy_too(vo: Vo) -> None:
    for number in range(4):
        life.add_version(operator(vo, NOW + number * DAY), str(number), url=URL)
    with questions(vo.engine) as asked:
        standing(vo, NOW + 5 * DAY)
    assert len(asked) == 3
