"""The VO in its database: what is written, what of it holds at a moment, and the audit row with each change."""

from datetime import datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from ostiary import audit
from ostiary.errors import Missing, OstiaryError, Refusal
from ostiary.storage.engine import reading
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan
from tests.statements import questions
from tests.voms.conftest import ALICE, NOW, Vo
from voms.directory import FederatedIdentity, VoDirectory, create_vo
from voms.memberships import Memberships
from voms.standing import Standing, Value
from voms.tables import metadata

HOUR = timedelta(hours=1)
AT = {"at": NOW, "by": "operator"}
EMIL = FederatedIdentity("https://home.example/idp", "eduPersonPrincipalName", "emil@home.example")


def standing(vo: Vo, at: datetime = NOW) -> Standing:
    found = vo.memberships.of_certificate(ALICE, at)
    if found is None:
        raise LookupError("alice is no member")
    return found


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(engine: Engine) -> None:
    def ours(item: object, name: str | None, kind: str, reflected: bool, compared: object) -> bool:
        return kind != "table" or name in metadata.tables

    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_new_member_is_in_the_root_group_and_nowhere_else(vo: Vo) -> None:
    found = standing(vo)
    assert (found.member, found.groups, found.roles, found.suspended) == (vo.alice, {"/testvo": None}, {}, None)


def test_whom_nobody_registered_is_nobody(vo: Vo) -> None:
    assert vo.memberships.of_certificate(CertificateNames(ALICE.subject, "CN=Other CA"), NOW) is None
    assert vo.memberships.of_certificate(CertificateNames("CN=Alice", ALICE.issuer), NOW) is None
    assert vo.memberships.of_certificate(CertificateNames(ALICE.issuer, ALICE.subject), NOW) is None


def test_joining_a_group_of_depth_two_joins_those_above(vo: Vo) -> None:
    vo.directory.join(vo.alice, "/testvo/g1/sub", **AT)
    assert sorted(standing(vo).groups) == ["/testvo", "/testvo/g1", "/testvo/g1/sub"]


def test_memberships_and_roles_hold_from_their_beginning_until_just_before_their_end(vo: Vo) -> None:
    vo.directory.join(vo.alice, "/testvo/g2", since=NOW + HOUR, until=NOW + 2 * HOUR, **AT)
    vo.directory.assign_role(vo.alice, "/testvo", "pilot", since=NOW + HOUR, until=NOW + 3 * HOUR, **AT)
    just_before = timedelta(microseconds=1)
    assert "/testvo/g2" not in standing(vo, NOW + HOUR - just_before).groups
    assert standing(vo, NOW + HOUR).groups["/testvo/g2"] == NOW + 2 * HOUR
    assert "/testvo/g2" in standing(vo, NOW + 2 * HOUR - just_before).groups
    assert "/testvo/g2" not in standing(vo, NOW + 2 * HOUR).groups
    assert standing(vo, NOW + 2 * HOUR).roles == {Fqan("/testvo", "pilot"): NOW + 3 * HOUR}
    assert standing(vo, NOW + 3 * HOUR).roles == {}


def test_a_role_ends_with_the_membership_of_its_group(vo: Vo) -> None:
    vo.directory.join(vo.alice, "/testvo/g1", until=NOW + HOUR, **AT)
    vo.directory.assign_role(vo.alice, "/testvo/g1", "admin", **AT)
    assert standing(vo).roles == {Fqan("/testvo/g1", "admin"): NOW + HOUR}
    assert standing(vo, NOW + HOUR).roles == {}


def test_a_membership_with_an_end_ends_everything(vo: Vo) -> None:
    names = CertificateNames("CN=Guest", ALICE.issuer)
    guest = vo.directory.add_member(names, until=NOW + HOUR, **AT)
    vo.directory.join(guest, "/testvo/g1", **AT)
    found = vo.memberships.of_certificate(names, NOW)
    assert found is not None
    assert found.groups == {"/testvo": NOW + HOUR, "/testvo/g1": NOW + HOUR}
    over = vo.memberships.of_certificate(names, NOW + HOUR)
    assert over is not None
    assert (over.suspended, over.groups) == ("User membership has expired.", {})


def test_a_role_is_only_for_members_of_its_group(vo: Vo) -> None:
    with pytest.raises(Refusal) as refused:
        vo.directory.assign_role(vo.alice, "/testvo/g1", "admin", **AT)
    assert refused.value.code == "voms.not_in_group"
    vo.directory.join(vo.alice, "/testvo/g1/sub", **AT)
    vo.directory.assign_role(vo.alice, "/testvo/g1", "admin", **AT)
    assert list(standing(vo).roles) == [Fqan("/testvo/g1", "admin")]


def test_leaving_a_group_leaves_those_below_and_the_roles_there(vo: Vo) -> None:
    for group in ("/testvo/g1", "/testvo/g1/sub", "/testvo/g2"):
        vo.directory.join(vo.alice, group, **AT)
    vo.directory.assign_role(vo.alice, "/testvo/g1/sub", "admin", **AT)
    vo.directory.leave(vo.alice, "/testvo/g1", **AT)
    assert sorted(standing(vo).groups) == ["/testvo", "/testvo/g2"]
    assert standing(vo).roles == {}
    vo.directory.join(vo.alice, "/testvo/g1", **AT)
    assert standing(vo).roles == {}


def test_a_group_whose_name_only_begins_alike_is_not_below(vo: Vo) -> None:
    vo.directory.add_group("/testvo/g1_x", **AT)
    vo.directory.join(vo.alice, "/testvo/g1", **AT)
    vo.directory.join(vo.alice, "/testvo/g1_x", **AT)
    vo.directory.leave(vo.alice, "/testvo/g1", **AT)
    assert sorted(standing(vo).groups) == ["/testvo", "/testvo/g1_x"]


def test_a_dismissed_role_is_gone_and_can_be_given_again(vo: Vo) -> None:
    vo.directory.assign_role(vo.alice, "/testvo", "pilot", **AT)
    vo.directory.dismiss_role(vo.alice, "/testvo", "pilot", **AT)
    assert standing(vo).roles == {}
    vo.directory.assign_role(vo.alice, "/testvo", "pilot", **AT)
    assert list(standing(vo).roles) == [Fqan("/testvo", "pilot")]


def test_attributes_of_the_member_of_her_groups_and_of_her_roles(vo: Vo) -> None:
    vo.directory.join(vo.alice, "/testvo/g1/sub", **AT)
    vo.directory.assign_role(vo.alice, "/testvo/g1", "admin", **AT)
    vo.directory.set_attribute("nickname", "ally", member=vo.alice, **AT)
    vo.directory.set_attribute("nickname", "alice", member=vo.alice, **AT)
    vo.directory.set_attribute("grpattr", "gval", group="/testvo/g1", **AT)
    vo.directory.set_attribute("far", "away", group="/testvo/g2", **AT)
    vo.directory.set_attribute("roleattr", "rval", group="/testvo/g1", role="admin", **AT)
    vo.directory.set_attribute("other", "role", group="/testvo/g1", role="pilot", **AT)
    found = standing(vo)
    assert found.attributes == (Value("nickname", "alice"),)
    assert found.group_attributes == {
        Fqan("/testvo/g1"): (Value("grpattr", "gval"),),
        Fqan("/testvo/g1", "admin"): (Value("roleattr", "rval"),),
    }


def test_suspending_and_restoring(vo: Vo) -> None:
    vo.directory.suspend(vo.alice, "lost her laptop", **AT)
    assert standing(vo).suspended == "lost her laptop"
    vo.directory.restore(vo.alice, **AT)
    assert standing(vo).suspended is None


def test_a_removed_member_is_nobody_and_her_certificate_can_come_back(vo: Vo) -> None:
    vo.directory.join(vo.alice, "/testvo/g1", **AT)
    vo.directory.remove_member(vo.alice, **AT)
    assert vo.memberships.of_certificate(ALICE, NOW) is None
    again = vo.directory.add_member(ALICE, **AT)
    assert again != vo.alice
    assert standing(vo).groups == {"/testvo": None}


def test_a_member_may_have_several_certificates(vo: Vo) -> None:
    second = CertificateNames("CN=Alice 2026", ALICE.issuer)
    vo.directory.add_certificate(vo.alice, second, **AT)
    found = vo.memberships.of_certificate(second, NOW)
    assert found is not None
    assert found.member == vo.alice


def test_a_person_is_also_known_as_her_home_organisation_names_her(vo: Vo) -> None:
    vo.directory.link_identity(vo.alice, EMIL, **AT)
    found = vo.memberships.of_identity(EMIL, NOW)
    assert found is not None
    assert found.member == vo.alice
    elsewhere = FederatedIdentity("https://evil.example/idp", EMIL.attribute, EMIL.value)
    assert vo.memberships.of_identity(elsewhere, NOW) is None


def test_nothing_is_registered_twice(vo: Vo) -> None:
    attempts = [
        lambda: create_vo(vo.engine, "testvo", **AT),
        lambda: vo.directory.add_group("/testvo/g1", **AT),
        lambda: vo.directory.add_role("admin", **AT),
        lambda: vo.directory.add_member(ALICE, **AT),
    ]
    for attempt in attempts:
        with pytest.raises(Refusal) as refused:
            attempt()
        assert refused.value.code == "voms.taken"


@pytest.mark.parametrize(
    "path",
    ["/testvo", "/other/g", "testvo/g", "/testvo/g/Role=x", "/testvo/ü", "/testvo/" + "g" * 255, "/testvo/a b", ""],
)
def test_a_group_stands_below_its_vo_and_has_a_plain_name(vo: Vo, path: str) -> None:
    with pytest.raises(Refusal) as refused:
        vo.directory.add_group(path, **AT)
    assert refused.value.code == "voms.group_name"


def test_what_is_not_there_is_missing(vo: Vo) -> None:
    attempts = [
        (lambda: vo.directory.add_group("/testvo/none/sub", **AT), "voms.no_group"),
        (lambda: vo.directory.join(vo.alice, "/testvo/none", **AT), "voms.no_group"),
        (lambda: vo.directory.join("f" * 32, "/testvo/g1", **AT), "voms.no_member"),
        (lambda: vo.directory.assign_role(vo.alice, "/testvo", "king", **AT), "voms.no_role"),
        (lambda: VoDirectory(vo.engine, "othervo").add_role("king", **AT), "voms.no_vo"),
    ]
    for attempt, code in attempts:
        with pytest.raises(Missing) as missing:
            attempt()
        assert missing.value.code == code


def test_a_grant_that_ends_before_it_begins_is_refused(vo: Vo) -> None:
    with pytest.raises(Refusal) as refused:
        vo.directory.join(vo.alice, "/testvo/g1", until=NOW, **AT)
    assert refused.value.code == "voms.validity"


def test_a_vo_that_the_database_does_not_hold_is_told(vo: Vo) -> None:
    assert vo.memberships.exists()
    assert not Memberships(vo.engine, "othervo").exists()


def test_each_change_leaves_its_audit_row_and_a_refused_one_none(vo: Vo) -> None:
    vo.directory.join(vo.alice, "/testvo/g1", **AT)
    with pytest.raises(OstiaryError):
        vo.directory.join(vo.alice, "/testvo/g1", **AT)
    vo.directory.suspend(vo.alice, "why", **AT)
    with reading(vo.engine) as connection:
        told = [(row.action, row.facts.get("group")) for row in audit.events(connection)]
    assert told[-3:] == [("vo.member_added", None), ("vo.group_joined", "/testvo/g1"), ("vo.member_suspended", None)]


def test_a_standing_takes_three_queries_however_much_there_is(vo: Vo) -> None:
    for number in range(30):
        vo.directory.add_group(f"/testvo/h{number}", **AT)
        vo.directory.join(vo.alice, f"/testvo/h{number}", **AT)
        vo.directory.set_attribute("a", "b", group=f"/testvo/h{number}", **AT)
    with questions(vo.engine) as asked:
        assert len(standing(vo).groups) == 31
    assert len(asked) == 3


def test_the_root_group_is_left_by_nobody_alone(vo: Vo) -> None:
    vo.directory.join(vo.alice, "/testvo/g1", **AT)
    with pytest.raises(Refusal) as refused:
        vo.directory.leave(vo.alice, "/testvo", **AT)
    assert refused.value.code == "voms.root_group"
    assert "/testvo/g1" in standing(vo).groups


def test_members_are_listed_with_all_their_certificates(vo: Vo) -> None:
    second = CertificateNames("CN=Alice 2026", ALICE.issuer)
    vo.directory.add_certificate(vo.alice, second, **AT)
    bob = vo.directory.add_member(CertificateNames("CN=Bob", ALICE.issuer), until=NOW + HOUR, **AT)
    vo.directory.suspend(bob, "why", **AT)
    found = {listed.member: listed for listed in vo.memberships.listed()}
    assert set(found) == {vo.alice, bob}
    assert set(found[vo.alice].certificates) == {ALICE, second}
    assert (found[vo.alice].suspended, found[vo.alice].ends) == (None, None)
    assert (found[bob].suspended, found[bob].ends) == ("why", NOW + HOUR)


def test_a_member_is_found_by_her_id_and_shows_how_homes_name_her(vo: Vo) -> None:
    vo.directory.add_certificate(vo.alice, CertificateNames("CN=Alice 2026", ALICE.issuer), **AT)
    vo.directory.link_identity(vo.alice, EMIL, **AT)
    found = vo.memberships.of_member(vo.alice, NOW)
    assert found is not None
    assert found.member == vo.alice
    assert vo.memberships.identities(vo.alice) == (EMIL,)
    assert vo.memberships.of_member("0" * 32, NOW) is None
