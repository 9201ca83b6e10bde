"""What a manager may not do straight, she may not do by a detour: by ending and making anew, by the hierarchy, by another VO's ids."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from ostiary.errors import Denied, Missing, OstiaryError, Refusal
from ostiary.x509.fqan import Fqan
from tests.voms_administration.conftest import NOW, Managed, names
from voms.administration.acl import AclEntry
from voms.administration.callers import OPERATOR
from voms.administration.desk import Desk
from voms.administration.permissions import Permission
from voms.administration.who import Who
from voms.directory import create_vo
from voms.members import desk as life
from voms.memberships import Memberships

MANAGES = "CONTAINER_RW|MEMBERSHIP_RW"


def held(vo: Managed, member: str) -> list[str]:
    standing = Memberships(vo.engine, "testvo").of_member(member, NOW)
    return [fqan.short() for fqan in standing.fqans()] if standing is not None else []


def refusal(action: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(OstiaryError) as caught:
        action(*arguments)
    return caught.value.code


def test_a_group_whose_list_keeps_her_out_is_not_hers_by_ending_and_making_it_anew(vo: Managed) -> None:
    ada = vo.add("Ada")
    vo.shows_the_way_to("/testvo/g", Who.member(ada))
    vo.allow(Who.member(ada), MANAGES, "/testvo/g")
    assert refusal(vo.desk("Ada").join, ada, "/testvo/g/sub") == "voms.not_allowed"
    vo.allow(Who.member(ada), "CONTAINER_RW", "/testvo/g/sub")
    assert refusal(vo.desk("Ada").remove_group, "/testvo/g/sub") == "voms.more_than_own"
    vo.allow(Who.member(ada), MANAGES, "/testvo/g/sub")
    assert refusal(vo.desk("Ada").remove_group, "/testvo/g/sub") == "voms.more_than_own"
    for role in ("pilot", "VO-Admin"):
        vo.allow(Who.member(ada), "MEMBERSHIP_RW", "/testvo/g/sub", role)
    vo.desk("Ada").remove_group("/testvo/g/sub")


def test_the_list_for_new_groups_says_what_a_group_made_anew_would_give(vo: Managed) -> None:
    ada = vo.add("Ada")
    vo.shows_the_way_to("/testvo/g", Who.member(ada))
    vo.allow(Who.member(ada), "CONTAINER_RW", "/testvo/g")
    vo.allow(Who.member(ada), "CONTAINER_RW", "/testvo/g/sub")
    vo.operator.set_acl_entry(AclEntry("/testvo/g", None, Who.member(ada), Permission.ALL, True))
    assert refusal(vo.desk("Ada").remove_group, "/testvo/g/sub") == "voms.more_than_own"


def test_a_role_whose_list_keeps_her_out_is_not_hers_by_ending_and_making_it_anew(vo: Managed) -> None:
    ada = vo.add("Ada")
    vo.allow(Who.member(ada), MANAGES, "/testvo")
    assert refusal(vo.desk("Ada").assign_role, ada, "/testvo", "pilot") == "voms.not_allowed"
    assert refusal(vo.desk("Ada").remove_role, "pilot") == "voms.more_than_own"
    vo.allow(Who.member(ada), "MEMBERSHIP_RW", "/testvo", "pilot")
    vo.desk("Ada").remove_role("pilot")


def test_who_may_do_less_than_the_holders_of_a_role_does_not_end_it(vo: Managed) -> None:
    vo.operator.add_manager("/testvo", Who.member(vo.add("Ada")))
    assert refusal(vo.desk("Ada").remove_role, "VO-Admin") == "voms.more_than_own"
    vo.operator.assign_role(vo.add("Boss"), "/testvo", "VO-Admin")
    assert vo.desk("Boss").allows(Permission.ALL)


def test_a_role_that_she_may_not_give_in_a_group_does_not_come_down_to_it_by_a_further_parent(vo: Managed) -> None:
    ada = vo.add("Ada")
    vo.allow(Who.member(ada), "CONTAINER_READ", "/testvo")
    for group in ("/testvo/g", "/testvo/g/sub", "/testvo/other"):
        vo.allow(Who.member(ada), MANAGES, group)
    vo.allow(Who.member(ada), "MEMBERSHIP_RW", "/testvo/other", "pilot")
    desk = vo.desk("Ada")
    desk.join(ada, "/testvo/g")
    assert refusal(desk.assign_role, ada, "/testvo/g", "pilot") == "voms.not_allowed"
    assert refusal(desk.add_parent, "/testvo/g", "/testvo/other") == "voms.not_allowed"
    for group in ("/testvo/g", "/testvo/g/sub"):
        vo.allow(Who.member(ada), "MEMBERSHIP_RW", group, "pilot")
    desk = vo.desk("Ada")
    desk.add_parent("/testvo/g", "/testvo/other")
    desk.assign_role(ada, "/testvo/other", "pilot")
    assert "/testvo/g/Role=pilot" in held(vo, ada)


def test_a_role_that_somebody_has_above_counts_too(vo: Managed) -> None:
    ada, ben = vo.add("Ada"), vo.add("Ben")
    vo.allow(Who.member(ada), "CONTAINER_READ", "/testvo")
    for group in ("/testvo/g", "/testvo/g/sub", "/testvo/other"):
        vo.allow(Who.member(ada), MANAGES, group)
    vo.operator.join(ben, "/testvo/other")
    vo.operator.assign_role(ben, "/testvo/other", "pilot")
    assert refusal(vo.desk("Ada").add_parent, "/testvo/g", "/testvo/other") == "voms.not_allowed"


def test_another_vo_in_the_same_database_keeps_its_members_signatures(vo: Managed) -> None:
    create_vo(vo.engine, "neighbours", at=NOW, by="operator", inherits=True)
    neighbours = Desk(vo.engine, "neighbours", OPERATOR, NOW)
    bob = neighbours.add_member(names("Bob"))
    life.add_version(neighbours, "1", text="Be kind.")
    life.record_signature(neighbours, bob)
    vo.allow(Who.member(vo.add("Ada")), "MEMBERSHIP_READ", "/testvo")
    with pytest.raises(Missing, match=r"voms\.no_member"):
        life.signatures(vo.desk("Ada"), bob)
    assert [each.version for each in life.signatures(neighbours, bob)] == ["1"]


@pytest.mark.parametrize("text", ["two\nlines", "\x1b[2J", "nul\0", "\u202eright to left", "x" * 1001])
def test_what_other_managers_read_is_one_visible_line(vo: Managed, text: str) -> None:
    for act in (
        lambda: vo.operator.add_group("/testvo/new", description=text),
        lambda: vo.operator.change_group("/testvo/g", description=text),
        lambda: vo.operator.add_role("new", description=text),
    ):
        with pytest.raises(Refusal, match=r"voms\.description"):
            act()
    with pytest.raises(Refusal, match=r"voms\.reason"):
        vo.operator.suspend(vo.add("Ada"), text)


def test_who_may_not_is_refused_before_it_is_said_whether_a_group_is_there(vo: Managed) -> None:
    vo.add("Ada")
    with pytest.raises(Denied):
        vo.desk("Ada").remove_group("/testvo/g/none")


def test_a_certificate_that_two_vos_know_is_not_taken_away_by_the_id_of_the_other_ones_member(vo: Managed) -> None:
    create_vo(vo.engine, "neighbours", at=NOW, by="operator", inherits=True)
    neighbours = Desk(vo.engine, "neighbours", OPERATOR, NOW)
    there = neighbours.add_member(names("Ada"), names("Ada at home"))
    here = vo.add("Ada")
    for act in (
        lambda: vo.operator.remove_certificate(there, names("Ada")),
        lambda: vo.operator.suspend_certificate(there, names("Ada"), "x"),
        lambda: vo.operator.restore_certificate(there, names("Ada")),
    ):
        assert refusal(act) == "voms.no_member"
    assert [each.suspended for each in vo.operator.certificates(here)] == [None]
    assert refusal(vo.operator.remove_certificate, here, names("Ada")) == "voms.last_name"


def test_the_end_of_a_membership_is_put_off_only_by_who_may_do_as_much(vo: Managed) -> None:
    boss, ben = vo.add("Boss"), vo.add("Ben")
    vo.operator.assign_role(boss, "/testvo", "VO-Admin")
    for member in (boss, ben):
        vo.operator.set_end(member, NOW + timedelta(days=1))
    vo.allow(Who.member(vo.add("Ada")), MANAGES, "/testvo")
    desk, later = vo.desk("Ada"), NOW + timedelta(days=2)
    for until in (later, None):
        assert refusal(desk.set_end, boss, until) == "voms.more_than_own"
        desk.set_end(ben, until)
    desk.set_end(boss, NOW + timedelta(hours=1))
    assert refusal(desk.set_end, "0" * 32, later) == "voms.no_member"


def test_who_may_do_everything_in_the_vo_ends_what_others_hid_from_her(vo: Managed) -> None:
    vo.operator.assign_role(vo.add("Boss"), "/testvo", "VO-Admin")
    admins = Who.fqan(Fqan("/testvo", "VO-Admin"))
    vo.operator.remove_acl_entry(AclEntry("/testvo/g/sub", None, admins, Permission.ALL), below=True)
    vo.operator.remove_acl_entry(AclEntry("/testvo/other", "pilot", admins, Permission.ALL))
    assert not vo.desk("Boss").allows(Permission.CONTAINER_READ, "/testvo/g/sub")
    vo.desk("Boss").remove_group("/testvo/g/sub")
    vo.desk("Boss").remove_role("pilot")
