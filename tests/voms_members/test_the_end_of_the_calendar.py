"""An end, or a policy, in the last year that there is stops nobody before."""

from datetime import UTC, datetime, timedelta

from tests.voms.conftest import NOW, Vo
from voms.administration.callers import OPERATOR
from voms.administration.desk import Desk
from voms.history.past import Past
from voms.members import desk as life
from voms.members.acceptance import later_by

LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_nothing_comes_after_the_last_year() -> None:
    assert later_by(NOW, timedelta(days=1)) == NOW + timedelta(days=1)
    assert later_by(LAST, timedelta(days=366)) == datetime.max.replace(tzinfo=UTC)


def test_a_policy_of_the_last_year_leaves_members_their_grace(vo: Vo) -> None:
    desk = Desk(vo.engine, "testvo", OPERATOR, NOW)
    life.add_version(desk, "1", text="Be kind.", grace_days=15)
    life.add_version(desk, "2", text="Be kinder.", grace_days=366, in_force_from=LAST)
    standing = vo.memberships.of_member(vo.alice, NOW)
    assert standing is not None
    assert (standing.suspended, standing.ends) == (None, NOW + timedelta(days=15))


def test_a_membership_till_the_last_year_has_its_grace(vo: Vo) -> None:
    desk = Desk(vo.engine, "testvo", OPERATOR, NOW)
    life.set_grace(desk, 30)
    desk.set_end(vo.alice, LAST)
    standing = vo.memberships.of_member(vo.alice, NOW)
    assert standing is not None
    assert standing.suspended is None
    assert Past(vo.engine, "testvo").was_in(vo.alice, "/testvo", NOW).inside
