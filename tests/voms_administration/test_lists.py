"""Access-control lists: what new groups and roles get, how entries are set and removed, and what is forgotten with what is removed."""

import pytest
from sqlalchemy import Engine, func, select

from ostiary.errors import Denied, Missing
from ostiary.x509.fqan import Fqan
from tests.voms_administration.conftest import Managed, names
from voms.administration.acl import AclEntry
from voms.administration.permissions import Permission, permissions_text
from voms.administration.who import Who, WhoKind
from voms.identities import FederatedIdentity
from voms.tables import ARCHIVES, vo_acl_entry

ADMINS = Who.fqan(Fqan("/testvo", "VO-Admin"))
BEN = Who.certificate(names("Ben"))


def told(vo: Managed, group: str, role: str | None = None, *, for_new_groups: bool = False) -> dict[Who, str]:
    found = vo.operator.acl(group, role, for_new_groups=for_new_groups)
    return {entry.who: permissions_text(entry.permissions) for entry in found}


def entries(engine: Engine, table: str = "live") -> int:
    counted = vo_acl_entry if table == "live" else ARCHIVES["vo_acl_entry"]
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(counted)).scalar_one())


def test_every_list_of_a_new_vo_names_only_the_role_vo_admin(vo: Managed) -> None:
    for group in ("/testvo", "/testvo/g", "/testvo/g/sub", "/testvo/other"):
        for role in (None, "pilot", "VO-Admin"):
            assert told(vo, group, role) == {ADMINS: "ALL"}
        assert told(vo, group, for_new_groups=True) == {}


def test_a_new_group_gets_a_copy_of_its_parents_list_and_each_role_in_it_too(vo: Managed) -> None:
    vo.allow(BEN, "CONTAINER_RW", "/testvo/g")
    vo.operator.add_group("/testvo/g/new")
    assert told(vo, "/testvo/g/new") == {ADMINS: "ALL", BEN: "CONTAINER_RW"}
    assert told(vo, "/testvo/g/new", "pilot") == {ADMINS: "ALL", BEN: "CONTAINER_RW"}
    # A copy: the parent's list goes its own way.
    vo.allow(BEN, "NONE", "/testvo/g")
    assert told(vo, "/testvo/g/new")[BEN] == "CONTAINER_RW"


def test_a_new_group_gets_the_default_list_where_its_parent_has_one(vo: Managed) -> None:
    default = AclEntry("/testvo/g", None, BEN, Permission.MEMBERSHIP_READ, for_new_groups=True)
    vo.operator.set_acl_entry(default)
    assert told(vo, "/testvo/g", for_new_groups=True) == {BEN: "MEMBERSHIP_READ"}
    assert BEN not in told(vo, "/testvo/g")
    vo.operator.add_group("/testvo/g/new")
    assert told(vo, "/testvo/g/new") == told(vo, "/testvo/g/new", "pilot") == {BEN: "MEMBERSHIP_READ"}
    assert told(vo, "/testvo/g/new", for_new_groups=True) == {}
    vo.operator.remove_acl_entry(default)
    vo.operator.add_group("/testvo/g/newer")
    assert told(vo, "/testvo/g/newer") == {ADMINS: "ALL"}


def test_a_new_role_has_the_list_of_each_group(vo: Managed) -> None:
    vo.allow(BEN, "SUSPEND", "/testvo/other")
    vo.operator.add_role("reader")
    assert told(vo, "/testvo/other", "reader") == {ADMINS: "ALL", BEN: "SUSPEND"}
    assert told(vo, "/testvo/g", "reader") == {ADMINS: "ALL"}


def test_an_entry_that_is_set_again_is_replaced_and_kept_in_the_archive(vo: Managed) -> None:
    before, archived = entries(vo.engine), entries(vo.engine, "archive")
    vo.allow(BEN, "CONTAINER_READ", "/testvo/g")
    vo.allow(BEN, "ACL_READ", "/testvo/g")
    assert told(vo, "/testvo/g")[BEN] == "ACL_READ"
    assert entries(vo.engine) == before + 1
    assert entries(vo.engine, "archive") == archived + 1


def test_an_entry_goes_down_to_roles_and_groups_below_when_that_is_wanted(vo: Managed) -> None:
    vo.operator.set_acl_entry(AclEntry("/testvo/g", None, BEN, Permission.MEMBERSHIP_READ), below=True)
    for group in ("/testvo/g", "/testvo/g/sub"):
        for role in (None, "pilot", "VO-Admin"):
            assert told(vo, group, role)[BEN] == "MEMBERSHIP_READ"
    assert BEN not in told(vo, "/testvo")
    assert BEN not in told(vo, "/testvo/other")
    vo.operator.remove_acl_entry(AclEntry("/testvo/g/sub", "pilot", BEN, Permission.NONE))
    vo.operator.remove_acl_entry(AclEntry("/testvo/g", None, BEN, Permission.NONE), below=True)
    assert all(BEN not in told(vo, group, role) for group in ("/testvo/g", "/testvo/g/sub") for role in (None, "pilot"))


def test_an_entry_for_a_role_goes_down_as_one_for_that_role(vo: Managed) -> None:
    vo.operator.set_acl_entry(AclEntry("/testvo/g", "pilot", BEN, Permission.MEMBERSHIP_READ), below=True)
    assert BEN in told(vo, "/testvo/g/sub", "pilot")
    assert BEN not in told(vo, "/testvo/g/sub")
    assert BEN not in told(vo, "/testvo/g/sub", "VO-Admin")


def test_what_is_not_on_the_list_can_not_be_removed(vo: Managed) -> None:
    with pytest.raises(Missing) as missing:
        vo.operator.remove_acl_entry(AclEntry("/testvo/g", None, BEN, Permission.NONE))
    assert missing.value.code == "voms.no_acl_entry"
    for group, role, code in (("/testvo/none", None, "voms.no_group"), ("/testvo/g", "none", "voms.no_role")):
        with pytest.raises(Missing) as missing:
            vo.operator.set_acl_entry(AclEntry(group, role, BEN, Permission.NONE))
        assert missing.value.code == code


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (Who.fqan(Fqan("/testvo/none")), "voms.no_group"),
        (Who.fqan(Fqan("/other")), "voms.no_group"),
        (Who.fqan(Fqan("/testvo/g", "none")), "voms.no_role"),
        (Who.member("0" * 32), "voms.no_member"),
    ],
)
def test_nobody_is_trusted_before_being_there(vo: Managed, who: Who, code: str) -> None:
    with pytest.raises(Missing) as missing:
        vo.allow(who, "ALL", "/testvo")
    assert missing.value.code == code


def test_a_group_of_the_same_name_later_is_another_one(vo: Managed) -> None:
    """Lists that named the old group, or a role in it, say nothing of the new one."""
    vo.allow(Who.fqan(Fqan("/testvo/g/sub")), "ALL", "/testvo")
    vo.allow(Who.fqan(Fqan("/testvo/g/sub", "pilot")), "ALL", "/testvo")
    vo.allow(Who.fqan(Fqan("/testvo/other", "pilot")), "ALL", "/testvo")
    vo.operator.remove_group("/testvo/g/sub")
    assert set(told(vo, "/testvo")) == {ADMINS, Who.fqan(Fqan("/testvo/other", "pilot"))}
    vo.operator.remove_role("pilot")
    assert set(told(vo, "/testvo")) == {ADMINS}


def test_with_a_member_go_the_entries_for_her_and_for_all_that_she_is_known_by(vo: Managed) -> None:
    ada = vo.add("Ada")
    identity = FederatedIdentity("https://home.example/idp", "pairwise-id", "abc@home.example")
    vo.operator.link_identity(ada, identity)
    vo.operator.add_certificate(ada, names("Ada at home"))
    for who in (Who.member(ada), Who.certificate(names("Ada")), Who.identity(identity), BEN):
        vo.allow(who, "ALL", "/testvo")
    vo.allow(Who.certificate(names("Ada at home")), "ALL", "/testvo/g")
    vo.operator.remove_certificate(ada, names("Ada at home"))
    assert told(vo, "/testvo/g") == {ADMINS: "ALL"}
    vo.operator.remove_member(ada)
    assert set(told(vo, "/testvo")) == {ADMINS, BEN}


def test_a_manager_of_a_group_sees_the_way_and_manages_all_below(vo: Managed) -> None:
    ada = vo.add("Ada")
    vo.operator.add_manager("/testvo/g", Who.member(ada))
    assert told(vo, "/testvo")[Who.member(ada)] == "CONTAINER_READ"
    desk = vo.desk("Ada")
    desk.add_group("/testvo/g/new")
    ben = vo.add("Ben")
    desk.join(ben, "/testvo/g")
    desk.join(ben, "/testvo/g/new")
    desk.assign_role(ben, "/testvo/g/new", "pilot")
    assert [entry.who for entry in desk.acl("/testvo/g/new")] == [ADMINS, Who.member(ada)]
    for group in ("/testvo/other", "/testvo"):
        with pytest.raises(Denied):
            desk.add_group(f"{group}/mine")


def test_who_already_sees_the_way_keeps_what_she_may_there(vo: Managed) -> None:
    ada = Who.member(vo.add("Ada"))
    vo.allow(ada, "CONTAINER_READ|SUSPEND", "/testvo")
    vo.allow(ada, "SUSPEND", "/testvo/g")
    vo.operator.add_manager("/testvo/g/sub", ada, Permission.REQUESTS_READ)
    assert told(vo, "/testvo")[ada] == "CONTAINER_READ|SUSPEND"
    assert told(vo, "/testvo/g")[ada] == "CONTAINER_READ|SUSPEND"
    assert told(vo, "/testvo/g/sub")[ada] == "CONTAINER_READ|REQUESTS_READ"


def test_the_audit_trail_names_a_group_but_no_person(vo: Managed) -> None:
    from ostiary.audit import events

    vo.allow(BEN, "SUSPEND", "/testvo/g")
    vo.allow(Who.fqan(Fqan("/testvo/other")), "SUSPEND", "/testvo/g")
    with vo.engine.connect() as connection:
        found = [event.facts for event in events(connection, action="vo.acl_entry_set")]
    assert [facts["who"] for facts in found] == [f"certificate:{BEN.key[:16]}", "group:/testvo/other"]
    assert {facts["permissions"] for facts in found} == {"SUSPEND"}


def test_lists_are_read_only_by_whom_they_let(vo: Managed) -> None:
    ada = Who.member(vo.add("Ada"))
    vo.shows_the_way_to("/testvo/g", ada)
    vo.allow(ada, "ACL_DEFAULT", "/testvo/g")
    desk = vo.desk("Ada")
    with pytest.raises(Denied):
        desk.acl("/testvo/g")
    assert desk.acl("/testvo/g", for_new_groups=True) == ()
    vo.allow(ada, "ACL_READ", "/testvo/g")
    assert len(desk.acl("/testvo/g")) == 2


def test_who_is_written_and_read_as_the_same() -> None:
    from voms.administration.who import read_who

    for who in (
        BEN,
        ADMINS,
        Who.member("0" * 32),
        Who.fqan(Fqan("/testvo/g")),
        Who.identity(FederatedIdentity("a", "b", "c")),
        Who.of_kind(WhoKind.ANYONE),
    ):
        assert read_who(who.kind.value, who.text()) == who
    assert Who.identity(FederatedIdentity("a", "b", "c")).as_json() == {
        "kind": "identity",
        "asserted_by": "a",
        "attribute": "b",
        "value": "c",
    }
    with pytest.raises(ValueError, match="needs to be told"):
        Who.of_kind(WhoKind.MEMBER)
