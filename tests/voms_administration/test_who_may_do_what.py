"""Lists and callers: entries that match count together, the way must be visible, and what was trusted to somebody waits while she does."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.errors import Denied
from ostiary.x509.fqan import Fqan
from tests.voms_administration.conftest import NOW, Managed, names
from voms.administration.acl import Allowed, effective, together, way_to
from voms.administration.callers import NOBODY, OPERATOR, Caller, caller_of_identities
from voms.administration.desk import Desk
from voms.administration.permissions import Permission, permissions_text
from voms.administration.who import Who, WhoKind
from voms.identities import FederatedIdentity
from voms.periods import When

P = Permission
ADA_AT_HOME = FederatedIdentity("https://home.example/idp", "pairwise-id", "abc@home.example")


def of(desk: Desk, group: str, role: str | None = None) -> str:
    with desk.looking() as rights:
        return permissions_text(rights.of(group, role))


def test_a_new_vo_gives_strangers_and_plain_members_nothing(vo: Managed) -> None:
    vo.add("Ada")
    for caller in (NOBODY, vo.caller("Stranger"), vo.caller("Ada")):
        desk = Desk(vo.engine, "testvo", caller, NOW)
        assert [of(desk, group) for group in ("/testvo", "/testvo/g", "/testvo/g/sub")] == ["NONE", "NONE", "NONE"]


def test_who_has_vo_admin_in_the_root_may_do_everything_everywhere(vo: Managed) -> None:
    ada = vo.add("Ada")
    vo.operator.assign_role(ada, "/testvo", "VO-Admin")
    desk = vo.desk("Ada")
    assert of(desk, "/testvo") == of(desk, "/testvo/g/sub") == of(desk, "/testvo/g", "pilot") == "ALL"
    desk.add_group("/testvo/new")
    assert of(desk, "/testvo/new") == of(desk, "/testvo/new", "pilot") == "ALL"


def test_entries_that_match_count_together(vo: Managed) -> None:
    ada = vo.add("Ada")
    vo.operator.join(ada, "/testvo/g")
    vo.allow(Who.member(ada), "CONTAINER_READ", "/testvo")
    vo.allow(Who.fqan(Fqan("/testvo/g")), "MEMBERSHIP_READ", "/testvo")
    vo.allow(Who.certificate(names("Ada")), "ACL_READ", "/testvo")
    vo.allow(Who.of_kind(WhoKind.AUTHENTICATED), "REQUESTS_READ", "/testvo")
    vo.allow(Who.certificate(names("Ben")), "SUSPEND", "/testvo")
    assert of(vo.desk("Ada"), "/testvo") == "CONTAINER_READ|MEMBERSHIP_READ|ACL_READ|REQUESTS_READ"


def test_nothing_is_allowed_behind_a_group_that_can_not_be_seen(vo: Managed) -> None:
    ada = Who.member(vo.add("Ada"))
    vo.allow(ada, "ALL", "/testvo/g/sub")
    vo.allow(ada, "CONTAINER_READ", "/testvo")
    assert of(vo.desk("Ada"), "/testvo/g/sub") == "NONE"
    vo.allow(ada, "MEMBERSHIP_RW", "/testvo/g")
    assert of(vo.desk("Ada"), "/testvo/g/sub") == "NONE"
    vo.allow(ada, "CONTAINER_READ", "/testvo/g")
    assert of(vo.desk("Ada"), "/testvo/g/sub") == "ALL"


def test_a_role_has_its_own_list_behind_that_of_its_group(vo: Managed) -> None:
    ada = Who.member(vo.add("Ada"))
    vo.allow(ada, "CONTAINER_READ", "/testvo")
    vo.allow(ada, "MEMBERSHIP_WRITE", "/testvo/g", "pilot")
    assert of(vo.desk("Ada"), "/testvo/g", "pilot") == "NONE"
    vo.allow(ada, "CONTAINER_READ", "/testvo/g")
    assert of(vo.desk("Ada"), "/testvo/g", "pilot") == "MEMBERSHIP_WRITE"
    assert of(vo.desk("Ada"), "/testvo/g") == "CONTAINER_READ"
    assert of(vo.desk("Ada"), "/testvo/g", "VO-Admin") == "NONE"


@pytest.mark.parametrize(
    "group", ["/other", "/testvo/none", "", "testvo", "/testvo/", "//testvo", "/testvo/g\0", "/testvo/" + "g" * 300]
)
def test_in_groups_that_are_not_there_nothing_is_allowed(vo: Managed, group: str) -> None:
    ada = vo.add("Ada")
    vo.operator.assign_role(ada, "/testvo", "VO-Admin")
    with vo.desk("Ada").looking() as rights:
        assert rights.of(group) == Permission.NONE


def test_a_refusal_names_what_is_missing(vo: Managed) -> None:
    ada = Who.member(vo.add("Ada"))
    vo.allow(ada, "CONTAINER_READ", "/testvo")
    with pytest.raises(Denied) as denied:
        vo.desk("Ada").require(P.CONTAINER_READ | P.MEMBERSHIP_WRITE)
    assert denied.value.code == "voms.not_allowed"
    assert denied.value.params == {"group": "/testvo", "permission": "MEMBERSHIP_WRITE"}


def test_the_operator_may_do_everything_and_nobody_what_anyone_may(vo: Managed) -> None:
    vo.allow(Who.of_kind(WhoKind.ANYONE), "CONTAINER_READ", "/testvo")
    vo.allow(Who.of_kind(WhoKind.UNAUTHENTICATED), "REQUESTS_WRITE", "/testvo")
    vo.allow(Who.of_kind(WhoKind.AUTHENTICATED), "MEMBERSHIP_READ", "/testvo")
    assert of(Desk(vo.engine, "testvo", OPERATOR, NOW), "/testvo/g") == "ALL"
    assert of(Desk(vo.engine, "testvo", NOBODY, NOW), "/testvo") == "CONTAINER_READ|REQUESTS_WRITE"
    assert of(vo.desk("Stranger"), "/testvo") == "CONTAINER_READ|MEMBERSHIP_READ"


def test_a_role_on_duty_manages_only_during_its_time(vo: Managed) -> None:
    ada = vo.add("Ada")
    vo.operator.assign_role(ada, "/testvo", "VO-Admin", When(until=NOW + timedelta(hours=8)))
    assert of(vo.desk("Ada"), "/testvo") == "ALL"
    later = NOW + timedelta(hours=8)
    assert of(vo.desk("Ada", later), "/testvo") == "NONE"
    # A caller who was looked up before, and is used afterwards.
    assert of(Desk(vo.engine, "testvo", vo.caller("Ada"), later), "/testvo") == "NONE"


def test_who_is_suspended_manages_nothing_by_whatever_name(vo: Managed) -> None:
    ada = vo.add("Ada")
    vo.operator.link_identity(ada, ADA_AT_HOME)
    for who in (Who.member(ada), Who.certificate(names("Ada")), Who.identity(ADA_AT_HOME)):
        vo.allow(who, "ALL", "/testvo")
    vo.allow(Who.of_kind(WhoKind.ANYONE), "CONTAINER_READ", "/testvo")
    at_home = caller_of_identities(vo.engine, "testvo", [ADA_AT_HOME], NOW)
    assert at_home.member == ada
    assert of(Desk(vo.engine, "testvo", at_home, NOW), "/testvo") == "ALL"
    vo.operator.suspend(ada, "Lost her laptop.")
    at_home = caller_of_identities(vo.engine, "testvo", [ADA_AT_HOME], NOW)
    assert at_home.barred
    assert at_home.by == ada
    assert of(vo.desk("Ada"), "/testvo") == "CONTAINER_READ"
    assert of(Desk(vo.engine, "testvo", at_home, NOW), "/testvo") == "CONTAINER_READ"


def test_whose_membership_is_over_manages_nothing_though_her_certificate_is_on_a_list(vo: Managed) -> None:
    vo.allow(Who.certificate(names("Ada")), "ALL", "/testvo")
    assert of(vo.desk("Ada"), "/testvo") == "ALL"
    vo.operator.add_member(names("Ada"), until=NOW + timedelta(days=1))
    much_later = NOW + timedelta(days=400)
    caller = vo.caller("Ada", much_later)
    assert (caller.barred, caller.standing) == (True, None)
    assert of(Desk(vo.engine, "testvo", caller, much_later), "/testvo") == "NONE"


def test_one_suspended_certificate_does_not_stop_the_other(vo: Managed) -> None:
    ada = vo.add("Ada")
    vo.operator.add_certificate(ada, names("Ada at home"))
    vo.allow(Who.member(ada), "ALL", "/testvo")
    vo.operator.suspend_certificate(ada, names("Ada"), "Lost.")
    assert of(vo.desk("Ada"), "/testvo") == "NONE"
    assert of(vo.desk("Ada at home"), "/testvo") == "ALL"


def test_identities_of_two_members_are_neither(vo: Managed) -> None:
    other = FederatedIdentity("https://home.example/idp", "eduPersonPrincipalName", "b@home.example")
    ada, ben = vo.add("Ada"), vo.add("Ben")
    vo.operator.link_identity(ada, ADA_AT_HOME)
    vo.operator.link_identity(ben, other)
    vo.allow(Who.member(ada), "ALL", "/testvo")
    caller = caller_of_identities(vo.engine, "testvo", [ADA_AT_HOME, other], NOW)
    assert caller.barred
    assert caller.member is None
    assert of(Desk(vo.engine, "testvo", caller, NOW), "/testvo") == "NONE"


def test_callers_are_recorded_without_names(vo: Managed) -> None:
    stranger = caller_of_identities(vo.engine, "testvo", [ADA_AT_HOME], NOW)
    assert stranger.by == "person:" + ADA_AT_HOME.key[:16]
    assert vo.caller("Ada").by == "certificate:" + names("Ada").key[:16]
    ada = vo.add("Ada")
    assert vo.caller("Ada").by == ada
    with pytest.raises(ValueError, match="nobody"):
        caller_of_identities(vo.engine, "testvo", [], NOW)


def test_groups_in_which_somebody_may_do_something_are_found_at_once(vo: Managed) -> None:
    ada = Who.member(vo.add("Ada"))
    vo.allow(ada, "CONTAINER_READ", "/testvo")
    vo.allow(ada, "CONTAINER_READ|REQUESTS_RW", "/testvo/g")
    vo.allow(ada, "REQUESTS_RW", "/testvo/g/sub")
    vo.allow(ada, "MEMBERSHIP_RW", "/testvo/other", "pilot")
    with vo.desk("Ada").looking() as rights:
        assert rights.groups_with(P.REQUESTS_WRITE) == {"/testvo/g", "/testvo/g/sub"}
        assert rights.groups_with(P.SUSPEND) == frozenset()
        assert rights.anywhere(P.REQUESTS_READ)
        assert not rights.anywhere(P.MEMBERSHIP_WRITE)
        assert not rights.anywhere(P.ACL_WRITE)
    with vo.operator.looking() as rights:
        assert rights.groups_with(P.ALL) is None
        assert rights.anywhere(P.ALL)


@pytest.mark.parametrize("inherits", [True, False])
def test_a_role_that_comes_down_counts_on_lists_only_where_it_does(
    make_vo: Callable[[bool], Managed], inherits: bool
) -> None:
    vo = make_vo(inherits)
    ada = vo.add("Ada")
    vo.operator.join(ada, "/testvo/g")
    vo.operator.assign_role(ada, "/testvo", "pilot")
    vo.allow(Who.fqan(Fqan("/testvo/g", "pilot")), "SUSPEND", "/testvo")
    assert of(vo.desk("Ada"), "/testvo") == ("SUSPEND" if inherits else "NONE")


def test_a_caller_who_is_only_known_means_nobody_of_another_vo(vo: Managed) -> None:
    caller = Caller("x", certificate=names("Ada"))
    assert Who.certificate(names("Ada")) in caller.whos(NOW)
    assert not any(who.kind in (WhoKind.GROUP, WhoKind.ROLE, WhoKind.MEMBER) for who in caller.whos(NOW))


PATHS = ("/v", "/v/a", "/v/a/b", "/v/c")
PLACES = st.tuples(st.sampled_from(PATHS), st.sampled_from((None, "r", "s")))
ENTRIES = st.lists(
    st.builds(
        lambda place, key, bits: Allowed(*place, key, Permission(bits)),
        PLACES,
        st.sampled_from("xyz"),
        st.integers(min_value=0, max_value=7),
    ),
    max_size=20,
)


@settings(max_examples=50)
@given(ENTRIES, st.frozensets(st.sampled_from("xyz")), PLACES)
def test_the_rule_is_that_of_a_naive_reading(
    entries: list[Allowed], keys: frozenset[str], place: tuple[str, str | None]
) -> None:
    group, role = place

    def granted(bit: int, path: str, name: str | None) -> bool:
        return any(
            each.who_key in keys and (each.group, each.role) == (path, name) and int(each.permissions) & bit
            for each in entries
        )

    over = [path for path in PATHS if group.startswith(path + "/")] + ([group] if role else [])
    seen = all(granted(1, path, None) for path in over)
    expected = sum(bit for bit in (1, 2, 4) if seen and granted(bit, group, role))
    assert int(effective(together(entries, keys), way_to(group), role)) == expected
