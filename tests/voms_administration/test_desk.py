"""The desk: each change wants its permission in its place, nobody hands on more than she has, and a refusal leaves nothing behind."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from ostiary.audit import events
from ostiary.errors import Denied, Missing, Refusal
from ostiary.x509.fqan import Fqan
from tests.voms_administration.conftest import NOW, Managed, names
from voms.administration.acl import AclEntry
from voms.administration.desk import Desk
from voms.administration.permissions import Permission, parse_permissions
from voms.administration.who import Who
from voms.details import Details
from voms.grants import Whose
from voms.identities import FederatedIdentity
from voms.memberships import Memberships
from voms.periods import When

HOME = FederatedIdentity("https://home.example/idp", "pairwise-id", "new@home.example")
BEN = "b" * 32
BENS = names("Ben")
ENTRY = AclEntry("/testvo/g", None, Who.certificate(names("Cleo")), Permission.CONTAINER_READ)
DEFAULT = AclEntry("/testvo/g", None, Who.certificate(names("Cleo")), Permission.CONTAINER_READ, True)


def what_each_wants() -> dict[str, tuple[Callable[[Desk], object], list[tuple[str, str | None, str]]]]:
    """Each operation of the desk, and all that it needs: where, for which role, what."""
    root = "/testvo"
    group = "/testvo/g"
    return {
        "add_group": (lambda desk: desk.add_group("/testvo/g/new"), [(group, None, "CONTAINER_WRITE")]),
        "remove_group": (
            lambda desk: desk.remove_group("/testvo/g/sub"),
            [(group, None, "CONTAINER_WRITE"), ("/testvo/g/sub", None, "CONTAINER_WRITE")],
        ),
        "change_group": (lambda desk: desk.change_group(group, description="x"), [(group, None, "CONTAINER_WRITE")]),
        "add_parent": (
            lambda desk: desk.add_parent("/testvo/g/sub", "/testvo/other"),
            [
                ("/testvo/g/sub", None, "CONTAINER_WRITE"),
                ("/testvo/other", None, "CONTAINER_WRITE"),
                ("/testvo/other", None, "MEMBERSHIP_WRITE"),
            ],
        ),
        "set_inheritance": (lambda desk: desk.set_inheritance(False), [(root, None, "ALL")]),
        "add_role": (lambda desk: desk.add_role("reader"), [(root, None, "CONTAINER_WRITE")]),
        "remove_role": (lambda desk: desk.remove_role("pilot"), [(root, None, "CONTAINER_WRITE")]),
        "add_member": (lambda desk: desk.add_member(names("Cleo")), [(root, None, "MEMBERSHIP_WRITE")]),
        "add_member_with_details": (
            lambda desk: desk.add_member(names("Cleo"), about=Details(surname="C")),
            [(root, None, "MEMBERSHIP_WRITE"), (root, None, "PERSONAL_INFO_WRITE")],
        ),
        "add_certificate": (
            lambda desk: desk.add_certificate(BEN, names("Ben at home")),
            [(root, None, "MEMBERSHIP_WRITE")],
        ),
        "remove_certificate": (
            lambda desk: desk.remove_certificate(BEN, names("Ben 2")),
            [(root, None, "MEMBERSHIP_WRITE")],
        ),
        "suspend_certificate": (lambda desk: desk.suspend_certificate(BEN, BENS, "x"), [(root, None, "SUSPEND")]),
        "restore_certificate": (lambda desk: desk.restore_certificate(BEN, BENS), [(root, None, "SUSPEND")]),
        "link_identity": (lambda desk: desk.link_identity(BEN, HOME), [(root, None, "MEMBERSHIP_WRITE")]),
        "suspend": (lambda desk: desk.suspend(BEN, "x"), [(root, None, "SUSPEND")]),
        "restore": (lambda desk: desk.restore(BEN), [(root, None, "SUSPEND")]),
        "restore_all": (lambda desk: desk.restore_all(), [(root, None, "SUSPEND")]),
        "set_end": (lambda desk: desk.set_end(BEN, None), [(root, None, "MEMBERSHIP_WRITE")]),
        "set_details": (lambda desk: desk.set_details(BEN, Details()), [(root, None, "PERSONAL_INFO_WRITE")]),
        "remove_member": (lambda desk: desk.remove_member(BEN), [(root, None, "MEMBERSHIP_WRITE")]),
        "join": (lambda desk: desk.join(BEN, "/testvo/other"), [("/testvo/other", None, "MEMBERSHIP_WRITE")]),
        "leave": (lambda desk: desk.leave(BEN, group), [(group, None, "MEMBERSHIP_WRITE")]),
        "assign_role": (lambda desk: desk.assign_role(BEN, group, "pilot"), [(group, "pilot", "MEMBERSHIP_WRITE")]),
        "dismiss_role": (lambda desk: desk.dismiss_role(BEN, group, "pilot"), [(group, "pilot", "MEMBERSHIP_WRITE")]),
        "set_attribute_of_a_member": (
            lambda desk: desk.set_attribute("a", "b", Whose(BEN)),
            [(root, None, "ATTRIBUTES_WRITE")],
        ),
        "set_attribute_of_a_group": (
            lambda desk: desk.set_attribute("a", "b", Whose(group=group)),
            [(group, None, "ATTRIBUTES_WRITE")],
        ),
        "set_attribute_of_a_role": (
            lambda desk: desk.set_attribute("a", "b", Whose(group=group, role="pilot")),
            [(group, "pilot", "ATTRIBUTES_WRITE")],
        ),
        "add_attribute_class": (lambda desk: desk.add_attribute_class("a"), [(root, None, "ATTRIBUTES_WRITE")]),
        "attribute_classes": (lambda desk: desk.attribute_classes(), [(root, None, "ATTRIBUTES_READ")]),
        "attributes": (lambda desk: desk.attributes(Whose(group=group)), [(group, None, "ATTRIBUTES_READ")]),
        "certificates": (lambda desk: desk.certificates(BEN), [(root, None, "MEMBERSHIP_READ")]),
        "details": (lambda desk: desk.details(BEN), [(root, None, "PERSONAL_INFO_READ")]),
        "acl": (lambda desk: desk.acl(group), [(group, None, "ACL_READ")]),
        "set_acl_entry": (lambda desk: desk.set_acl_entry(ENTRY), [(group, None, "ACL_WRITE")]),
        "set_default_entry": (lambda desk: desk.set_acl_entry(DEFAULT), [(group, None, "ACL_DEFAULT")]),
    }


@pytest.mark.parametrize("operation", sorted(what_each_wants()))
def test_an_operation_is_done_with_all_that_it_wants_and_refused_without_one_of_it(vo: Managed, operation: str) -> None:
    act, wanted = what_each_wants()[operation]
    made = iter([BEN])
    Desk(vo.engine, "testvo", vo.operator.caller, NOW, make_id=lambda: next(made)).add_member(BENS)
    vo.operator.add_certificate(BEN, names("Ben 2"))
    vo.operator.join(BEN, "/testvo/g")
    ada = Who.member(vo.add("Ada"))
    needed: dict[tuple[str, str | None], Permission] = {
        (group, None): Permission.CONTAINER_READ for group in ("/testvo", "/testvo/g", "/testvo/g/sub", "/testvo/other")
    }
    for group, role, name in wanted:
        needed[(group, role)] = needed.get((group, role), Permission.NONE) | parse_permissions(name)
    for (group, role), permissions in needed.items():
        vo.operator.set_acl_entry(AclEntry(group, role, ada, permissions))
    for group, role, name in wanted:
        without = needed[(group, role)] & ~(Permission.SUSPEND if name == "ALL" else parse_permissions(name))
        vo.operator.set_acl_entry(AclEntry(group, role, ada, without))
        with pytest.raises(Denied) as denied:
            act(vo.desk("Ada"))
        assert denied.value.code == "voms.not_allowed"
        vo.operator.set_acl_entry(AclEntry(group, role, ada, needed[(group, role)]))
    act(vo.desk("Ada"))


def test_a_refusal_leaves_no_trace(vo: Managed) -> None:
    vo.add("Ada")
    with vo.engine.connect() as connection:
        before = len(events(connection))
    with pytest.raises(Denied):
        vo.desk("Ada").add_role("mine")
    with vo.engine.connect() as connection:
        assert len(events(connection)) == before


def test_rows_name_the_manager_by_her_id(vo: Managed) -> None:
    ada = vo.add("Ada")
    vo.operator.assign_role(ada, "/testvo", "VO-Admin")
    vo.desk("Ada").add_role("reader")
    with vo.engine.connect() as connection:
        assert events(connection, action="vo.role_added")[-1].actor == ada


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda desk: desk.join("x" * 32, "/testvo/g"), "voms.no_member"),
        (lambda desk: desk.join("0\0" * 16, "/testvo/g"), "voms.no_member"),
        (lambda desk: desk.join("0" * 32, "/testvo/g\0"), "voms.no_group"),
        (lambda desk: desk.join("0" * 32, "/testvo/g/Role=pilot"), "voms.no_group"),
        (lambda desk: desk.join("0" * 32, "g" * 100_000), "voms.no_group"),
        (lambda desk: desk.assign_role("0" * 32, "/testvo/g", "r" * 100_000), "voms.no_role"),
        (lambda desk: desk.add_parent("/testvo/g", "\ud800"), "voms.no_group"),
        (lambda desk: desk.acl("/testvo/g\0"), "voms.no_group"),
        (lambda desk: desk.details("../etc"), "voms.no_member"),
    ],
)
def test_names_of_a_wrong_form_never_reach_the_database(vo: Managed, act: Callable[[Desk], object], code: str) -> None:
    with pytest.raises(Missing) as missing:
        act(vo.operator)
    assert missing.value.code == code


def test_a_manager_of_a_lower_group_takes_in_only_who_is_in_the_groups_above(vo: Managed) -> None:
    ada, ben, cleo = (vo.add(person) for person in ("Ada", "Ben", "Cleo"))
    vo.operator.add_manager("/testvo/g/sub", Who.member(ada))
    vo.operator.join(ben, "/testvo/g", When(until=NOW + timedelta(days=30)))
    desk = vo.desk("Ada")
    desk.join(ben, "/testvo/g/sub", When(until=NOW + timedelta(days=30)))
    desk.leave(ben, "/testvo/g/sub")
    for member, when in ((cleo, When()), (ben, When()), (ben, When(until=NOW + timedelta(days=31)))):
        with pytest.raises(Denied) as denied:
            desk.join(member, "/testvo/g/sub", when)
        assert denied.value.params["group"] == "/testvo/g"
    vo.operator.add_manager("/testvo/g", Who.member(ada))
    desk.join(cleo, "/testvo/g/sub")
    at_once = Memberships(vo.engine, "testvo").of_member(cleo, NOW)
    assert at_once is not None
    assert sorted(at_once.groups) == ["/testvo", "/testvo/g", "/testvo/g/sub"]


def test_groups_above_by_a_further_parent_count_as_well(vo: Managed) -> None:
    ada, ben = vo.add("Ada"), vo.add("Ben")
    vo.operator.add_parent("/testvo/g/sub", "/testvo/other")
    vo.operator.add_manager("/testvo/g", Who.member(ada))
    with pytest.raises(Denied) as denied:
        vo.desk("Ada").join(ben, "/testvo/g/sub")
    assert denied.value.params["group"] == "/testvo/other"


def test_a_member_moves_with_the_times_that_she_had(vo: Managed) -> None:
    ben = vo.add("Ben")
    begin, end = NOW + timedelta(days=1), NOW + timedelta(days=9)
    vo.operator.join(ben, "/testvo/g", When(begin, end))
    vo.operator.move(ben, "/testvo/g", "/testvo/g/sub")
    vo.operator.move(ben, "/testvo/g/sub", "/testvo/other")
    memberships = Memberships(vo.engine, "testvo")
    before, during = (memberships.of_member(ben, at) for at in (NOW, begin))
    assert before is not None
    assert during is not None
    assert dict(before.groups) == {"/testvo": None}
    assert dict(during.groups) == {"/testvo": None, "/testvo/other": end}
    with pytest.raises(Missing) as missing:
        vo.operator.move(ben, "/testvo/g", "/testvo/other")
    assert missing.value.code == "voms.not_joined"


def test_a_manager_moves_people_between_the_groups_that_she_has_and_no_others(vo: Managed) -> None:
    """Who is in a group above only by the lower one that she leaves is there throughout."""
    ada, ben = vo.add("Ada"), vo.add("Ben")
    vo.operator.add_group("/testvo/g/other")
    vo.operator.join(ben, "/testvo/g/sub")
    for group in ("/testvo/g/sub", "/testvo/g/other"):
        vo.operator.add_manager(group, Who.member(ada))
    desk = vo.desk("Ada")
    desk.move(ben, "/testvo/g/sub", "/testvo/g/other")
    for to in ("/testvo/g", "/testvo/other"):
        with pytest.raises(Denied):
            desk.move(ben, "/testvo/g/other", to)
    standing = Memberships(vo.engine, "testvo").of_member(ben, NOW)
    assert standing is not None
    assert sorted(standing.groups) == ["/testvo", "/testvo/g", "/testvo/g/other"]


def test_nobody_makes_a_role_more_powerful_than_herself_hers_or_anybodys(vo: Managed) -> None:
    ada, ben = vo.add("Ada"), vo.add("Ben")
    everything_but = Permission.ALL & ~Permission.SUSPEND
    vo.operator.set_acl_entry(AclEntry("/testvo", None, Who.member(ada), everything_but), below=True)
    desk = vo.desk("Ada")
    for member in (ada, ben):
        with pytest.raises(Denied) as denied:
            desk.assign_role(member, "/testvo", "VO-Admin")
        assert denied.value.code == "voms.more_than_own"
        assert denied.value.params["permission"] == "SUSPEND"
    desk.assign_role(ben, "/testvo", "pilot")


def test_nobody_gives_more_by_a_list_than_she_has_nor_takes_it_from_others(vo: Managed) -> None:
    ada = Who.member(vo.add("Ada"))
    admins = Who.fqan(Fqan("/testvo", "VO-Admin"))
    cleo = Who.certificate(names("Cleo"))
    vo.shows_the_way_to("/testvo/g", ada)
    vo.allow(ada, "CONTAINER_RW|ACL_RW", "/testvo/g")
    desk = vo.desk("Ada")
    desk.set_acl_entry(AclEntry("/testvo/g", None, cleo, parse_permissions("CONTAINER_RW")))
    refused = [
        lambda: desk.set_acl_entry(AclEntry("/testvo/g", None, ada, Permission.ALL)),
        lambda: desk.set_acl_entry(AclEntry("/testvo/g", None, cleo, Permission.SUSPEND)),
        lambda: desk.set_acl_entry(AclEntry("/testvo/g", None, admins, Permission.NONE)),
        lambda: desk.remove_acl_entry(AclEntry("/testvo/g", None, admins, Permission.NONE)),
        # Below, she may not change lists at all.
        lambda: desk.set_acl_entry(AclEntry("/testvo/g", None, cleo, Permission.CONTAINER_READ), below=True),
    ]
    for act in refused:
        with pytest.raises(Denied) as denied:
            act()
        assert denied.value.code == "voms.more_than_own"
    desk.remove_acl_entry(AclEntry("/testvo/g", None, cleo, Permission.NONE))


def test_nobody_becomes_somebody_who_may_more_by_a_second_certificate(vo: Managed) -> None:
    ada, chief = vo.add("Ada"), vo.add("Chief")
    vo.operator.assign_role(chief, "/testvo", "VO-Admin")
    vo.allow(Who.member(ada), "CONTAINER_READ|MEMBERSHIP_RW", "/testvo")
    desk = vo.desk("Ada")
    for act in (
        lambda: desk.add_certificate(chief, names("Mine")),
        lambda: desk.link_identity(chief, HOME),
    ):
        with pytest.raises(Denied) as denied:
            act()
        assert denied.value.code == "voms.more_than_own"
    desk.add_certificate(ada, names("Mine"))
    vo.desk("Chief").add_certificate(chief, names("Chief at home"))


def test_nobody_ends_entries_of_others_by_way_of_what_they_name(vo: Managed) -> None:
    """A certificate on a list that becomes a member's would lose its entries when it is taken away again."""
    ada, chief = vo.add("Ada"), vo.add("Chief")
    vo.allow(Who.member(ada), "CONTAINER_READ|MEMBERSHIP_RW", "/testvo")
    vo.allow(Who.certificate(names("Outside")), "SUSPEND", "/testvo")
    vo.allow(Who.certificate(names("Chief")), "SUSPEND", "/testvo")
    vo.allow(Who.identity(HOME), "SUSPEND", "/testvo")
    vo.operator.link_identity(chief, HOME)
    vo.operator.add_certificate(chief, names("Chief at home"))
    desk = vo.desk("Ada")
    for act in (
        lambda: desk.add_certificate(ada, names("Outside")),
        lambda: desk.add_member(names("Outside")),
        lambda: desk.remove_certificate(chief, names("Chief")),
        lambda: desk.unlink_identity(chief, HOME),
        lambda: desk.remove_member(chief),
    ):
        with pytest.raises(Denied) as denied:
            act()
        assert denied.value.code == "voms.more_than_own"
    desk.remove_certificate(chief, names("Chief at home"))


def test_nobody_gets_power_from_a_role_that_comes_down_into_a_group_that_she_joins(
    make_vo: Callable[[bool], Managed],
) -> None:
    vo = make_vo(True)
    ada = vo.add("Ada")
    vo.operator.assign_role(ada, "/testvo", "pilot")
    vo.allow(Who.fqan(Fqan("/testvo/g", "pilot")), "ALL", "/testvo")
    vo.allow(Who.member(ada), "CONTAINER_READ", "/testvo")
    vo.allow(Who.member(ada), "MEMBERSHIP_RW", "/testvo/g")
    with pytest.raises(Denied) as denied:
        vo.desk("Ada").join(ada, "/testvo/g")
    assert denied.value.code == "voms.more_than_own"
    assert denied.value.params["group"] == "/testvo"


def test_nobody_gets_power_by_putting_a_group_below_another(vo: Managed) -> None:
    ada = Who.member(vo.add("Ada"))
    vo.allow(Who.fqan(Fqan("/testvo/other")), "SUSPEND", "/testvo")
    vo.shows_the_way_to("/testvo/g", ada)
    for group in ("/testvo/g", "/testvo/other"):
        vo.allow(ada, "CONTAINER_RW|MEMBERSHIP_RW", group)
    with pytest.raises(Denied) as denied:
        vo.desk("Ada").add_parent("/testvo/g", "/testvo/other")
    assert denied.value.code == "voms.more_than_own"
    assert denied.value.params == {"group": "/testvo", "permission": "SUSPEND"}


def test_the_last_thing_by_which_a_member_is_known_stays(vo: Managed) -> None:
    ada = vo.add("Ada")
    with pytest.raises(Refusal) as refused:
        vo.operator.remove_certificate(ada, names("Ada"))
    assert refused.value.code == "voms.last_name"
    vo.operator.link_identity(ada, HOME)
    vo.operator.remove_certificate(ada, names("Ada"))
    with pytest.raises(Refusal) as refused:
        vo.operator.unlink_identity(ada, HOME)
    assert refused.value.code == "voms.last_name"


def test_a_certificate_is_looked_for_only_at_the_member_who_is_named(vo: Managed) -> None:
    ada, ben = vo.add("Ada"), vo.add("Ben")
    for act in (
        lambda: vo.operator.suspend_certificate(ben, names("Ada"), "x"),
        lambda: vo.operator.remove_certificate(ben, names("Ada")),
    ):
        with pytest.raises(Missing) as missing:
            act()
        assert missing.value.code == "voms.no_certificate"
    assert [each.suspended for each in vo.operator.certificates(ada)] == [None]


def test_several_steps_are_one_transaction(vo: Managed) -> None:
    ada = vo.add("Ada")

    def prepare() -> None:
        with vo.operator.acting("vo.prepared") as acting:
            acting.add_group("/testvo/new")
            acting.join(ada, "/testvo/new")
            acting.join(ada, "/testvo/none")

    with pytest.raises(Missing):
        prepare()
    with pytest.raises(Missing):
        vo.operator.acl("/testvo/new")


def test_everybody_who_is_suspended_goes_on_at_once(vo: Managed) -> None:
    ada, ben, cleo = (vo.add(person) for person in ("Ada", "Ben", "Cleo"))
    for member in (ada, ben):
        vo.operator.suspend(member, "An incident.", "security_incident")
    assert vo.operator.restore_all() == sorted((ada, ben))
    memberships = Memberships(vo.engine, "testvo")
    for member in (ada, ben, cleo):
        standing = memberships.of_member(member, NOW)
        assert standing is not None
        assert standing.suspended is None


def test_attribute_classes_keep_values_apart(vo: Managed) -> None:
    ada, ben = vo.add("Ada"), vo.add("Ben")
    desk = vo.operator
    desk.set_attribute("nickname", "x", Whose(ada))
    desk.set_attribute("nickname", "x", Whose(ben))
    with pytest.raises(Refusal) as refused:
        desk.add_attribute_class("nickname", unique=True)
    assert refused.value.code == "voms.value_taken"
    desk.set_attribute("nickname", "y", Whose(ben))
    desk.add_attribute_class("nickname", description="How she is called.", unique=True)
    with pytest.raises(Refusal):
        desk.set_attribute("nickname", "x", Whose(ben))
    assert [(each.name, each.unique) for each in desk.attribute_classes()] == [("nickname", True)]
    desk.remove_attribute_class("nickname")
    assert desk.attributes(Whose(ada)) == desk.attribute_classes() == ()
    with pytest.raises(Missing) as missing:
        desk.remove_attribute_class("nickname")
    assert missing.value.code == "voms.no_attribute_class"
    for name in ("", "two words", "x" * 256):
        with pytest.raises(Refusal) as refused:
            desk.add_attribute_class(name)
        assert refused.value.code == "voms.attribute_class"


def test_a_member_of_nothing_is_refused() -> None:
    from ostiary.storage.engine import open_engine
    from voms.administration.callers import OPERATOR

    with pytest.raises(ValueError, match="known by"):
        Desk(open_engine("sqlite://"), "testvo", OPERATOR, NOW).add_member()
