"""Approvals and invitations give what whoever decided could give at that moment: nothing by an old membership, or from somebody gone."""

from datetime import timedelta

import pytest

from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan
from tests.voms.conftest import ALICE, NOW
from tests.voms_requests.conftest import CA, CHIEF, LEADER, OTHER, Requesting, refused
from voms.administration.acl import AclEntry
from voms.administration.callers import OPERATOR
from voms.administration.desk import Desk
from voms.administration.permissions import Permission, parse_permissions
from voms.administration.who import Who
from voms.details import Details
from voms.periods import When
from voms.requests.asked import Asked, Wish

DAY = timedelta(days=1)
LOW = "/testvo/g2/low"
FORM = Asked(Details("Eve", "Example", "Test Institute", "", "", "eve@example.org"))


def operator(requesting: Requesting) -> Desk:
    return Desk(requesting.vo.engine, "testvo", OPERATOR, NOW)


def test_an_approval_below_brings_nobody_back_into_a_group_above(requesting: Requesting) -> None:
    alice, leader, later = requesting.vo.alice, str(requesting.by(LEADER).member), NOW + 2 * DAY
    operator(requesting).add_group(LOW)
    for group in ("/testvo", "/testvo/g2"):
        requesting.give(leader, group, "CONTAINER_READ")
    requesting.give(leader, LOW, "CONTAINER_READ|REQUESTS_RW")
    operator(requesting).join(alice, "/testvo/g2", When(until=NOW + DAY))
    assert requesting.groups(alice, later) == ["/testvo"]
    made = requesting.applicants.ask(requesting.by(ALICE, later), Wish(LOW), "", later)
    by = requesting.by(LEADER, later)
    assert refused(requesting.desk.approve, by, made.id, later) == "voms.not_allowed"
    assert requesting.groups(alice, later) == ["/testvo"]


def test_where_she_stays_above_as_long_as_below_the_lower_group_is_enough(requesting: Requesting) -> None:
    leader = str(requesting.by(LEADER).member)
    operator(requesting).add_group(LOW)
    for group in ("/testvo", "/testvo/g2"):
        requesting.give(leader, group, "CONTAINER_READ")
    requesting.give(leader, LOW, "CONTAINER_READ|REQUESTS_RW")
    operator(requesting).join(requesting.vo.alice, "/testvo/g2", When(until=NOW + DAY))
    made = requesting.applicants.ask(requesting.by(ALICE), Wish(LOW), "", NOW)
    by = requesting.by(LEADER)
    assert refused(requesting.desk.approve, by, made.id, NOW) == "voms.not_allowed"
    requesting.desk.approve(by, made.id, NOW, when=When(until=NOW + DAY))
    assert LOW in requesting.groups(requesting.vo.alice)


def test_a_certificate_on_a_list_is_added_only_by_who_may_do_as_much(requesting: Requesting) -> None:
    boss = CertificateNames("CN=Boss,O=Test,C=ZZ", CA)
    operator(requesting).set_acl_entry(AclEntry("/testvo", None, Who.certificate(boss), Permission.ALL))
    requesting.give(str(requesting.by(LEADER).member), "/testvo", "CONTAINER_READ|REQUESTS_RW|MEMBERSHIP_RW")
    made = requesting.applicants.ask_certificate(requesting.by(ALICE), boss, "", NOW)
    assert refused(requesting.desk.approve, requesting.by(LEADER), made.id, NOW) == "voms.more_than_own"
    assert requesting.by(boss).member is None


@pytest.mark.parametrize("end", ["removed", "suspended", "no longer trusted"])
def test_an_invitation_is_worth_nothing_when_who_made_it_may_invite_no_longer(requesting: Requesting, end: str) -> None:
    chief = requesting.by(CHIEF)
    made, link = requesting.invitations.invite(chief, "eve@example.org", [Wish("/testvo", "VO-Admin")], NOW, send=False)
    token, by = link.rpartition("token=")[2], str(chief.member)
    match end:
        case "removed":
            operator(requesting).remove_member(by)
        case "suspended":
            operator(requesting).suspend(by, "Took the keys along.", "security_incident")
        case _:
            operator(requesting).dismiss_role(by, "/testvo", "VO-Admin")
    eve = requesting.by(OTHER, NOW + DAY)
    assert refused(requesting.invitations.accept, eve, made.id, token, FORM, NOW + DAY) == "voms.invitation"
    assert requesting.by(OTHER, NOW + DAY).member is None


def test_of_an_invitation_comes_what_who_made_it_may_still_give(requesting: Requesting) -> None:
    leader = str(requesting.by(LEADER).member)
    requesting.give(leader, "/testvo", "CONTAINER_READ|REQUESTS_RW")
    requesting.give(leader, "/testvo/g2", "CONTAINER_READ|REQUESTS_RW")
    wishes = [Wish("/testvo/g1"), Wish("/testvo/g2")]
    made, link = requesting.invitations.invite(requesting.by(LEADER), "eve@example.org", wishes, NOW, send=False)
    requesting.give(leader, "/testvo/g2", "CONTAINER_READ")
    token = link.rpartition("token=")[2]
    granted = requesting.invitations.accept(requesting.by(OTHER), made.id, token, FORM, NOW)
    assert granted.wishes == (Wish("/testvo/g1"),)
    assert requesting.groups(granted.member) == ["/testvo", "/testvo/g1"]


def test_a_manager_who_is_no_member_invites_as_long_as_lists_name_her_certificate(requesting: Requesting) -> None:
    guest = CertificateNames("CN=Guest,O=Test,C=ZZ", CA)
    entry = AclEntry("/testvo", None, Who.certificate(guest), parse_permissions("CONTAINER_READ|REQUESTS_RW"))
    operator(requesting).set_acl_entry(entry)
    first, second = (
        requesting.invitations.invite(requesting.by(guest), address, [], NOW, send=False)
        for address in ("alice@example.org", "eve@example.org")
    )
    token = first[1].rpartition("token=")[2]
    assert requesting.invitations.accept(requesting.by(ALICE), first[0].id, token, Asked(), NOW).wishes == ()
    operator(requesting).remove_acl_entry(entry)
    token = second[1].rpartition("token=")[2]
    eve = requesting.by(OTHER)
    assert refused(requesting.invitations.accept, eve, second[0].id, token, FORM, NOW) == "voms.invitation"


def test_an_invitation_gives_a_member_no_role_that_comes_down_to_more_than_who_made_it_may_do(
    requesting: Requesting,
) -> None:
    desk, leader = operator(requesting), str(requesting.by(LEADER).member)
    desk.set_inheritance(True)
    desk.add_group(LOW)
    for group in ("/testvo", "/testvo/g2", LOW):
        requesting.give(leader, group, "CONTAINER_READ|REQUESTS_RW|MEMBERSHIP_RW")
    desk.set_acl_entry(AclEntry("/testvo", None, Who.fqan(Fqan(LOW, "pilot")), Permission.ALL))
    desk.assign_role(requesting.vo.alice, "/testvo", "pilot")
    by_hand = Desk(requesting.vo.engine, "testvo", requesting.by(LEADER), NOW)
    assert refused(by_hand.join, requesting.vo.alice, LOW) == "voms.more_than_own"
    made, link = requesting.invitations.invite(requesting.by(LEADER), "alice@example.org", [Wish(LOW)], NOW, send=False)
    token = link.rpartition("token=")[2]
    assert requesting.invitations.accept(requesting.by(ALICE), made.id, token, Asked(), NOW).wishes == ()
    assert LOW not in requesting.groups(requesting.vo.alice)
