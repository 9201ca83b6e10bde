"""What managers and members see and do on the pages of a VO."""

from datetime import timedelta

from sqlalchemy import func, select

from ostiary.attributes import make_attribute
from ostiary.storage.engine import reading
from ostiary.web.identity import PERSON_KEY, Person
from ostiary.web.listener import PEER_CHAIN
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.proxy import make_proxy
from tests.voms_pages.conftest import HOME, NOW, ORIGIN, Pages
from tests.x509.authorities import pem, root
from voms.administration.acl import AclEntry
from voms.administration.callers import caller_of_certificate
from voms.administration.permissions import Permission
from voms.administration.who import Who
from voms.memberships import Memberships
from voms.requests.applicants import Applicants
from voms.requests.asked import Wish
from voms.tables import vo_change


def fqans(pages: Pages, name: str) -> list[str]:
    standing = Memberships(pages.engine, "testvo").of_member(pages.members[name], pages.clock.now())
    return [fqan.short() for fqan in standing.fqans()] if standing is not None else []


def test_every_page_is_shown_to_who_may_do_everything(pages: Pages) -> None:
    chief, alice = pages.by("chief"), pages.members["alice"]
    paths = ("", "groups", "group", "roles", "members", "members/add", "access", "policy", "requests", "history", "me")
    statuses = {path: chief.get(f"/voms/testvo/{path}").status for path in paths}
    for path in ("member", "member/history"):
        statuses[path] = chief.get(f"/voms/testvo/{path}?id={alice}").status
    assert statuses == dict.fromkeys(statuses, 200)


def test_a_stranger_sees_that_she_is_one_and_nothing_else(pages: Pages) -> None:
    nora = pages.by("nora").get("/voms/testvo/")
    assert "You are not a member." in nora.text
    assert [link.text for link in nora.page.xpath("//nav/a")] == ["Overview", "My membership"]
    alice = pages.members["alice"]
    for path in ("group", "roles", "members", "members/add", "access", "policy", "requests", "history"):
        assert nora.get(f"/voms/testvo/{path}").status == 403
    assert nora.get(f"/voms/testvo/member?id={alice}").status == 403
    # Not even whether there is such a member.
    assert nora.get(f"/voms/testvo/member?id={'0' * 32}").status == 403
    assert nora.get("/voms/testvo/group?path=/testvo/nothing").status == 403
    assert (
        nora.get("/voms/testvo/groups").text
        == "Groups Part of a group's name or description Search There is no group that you may see."
    )


def test_nobody_comes_in_without_a_certificate_nor_with_a_proxy(pages: Pages) -> None:
    nobody = pages.by("nora")
    nobody.environ.clear()
    assert nobody.get("/voms/testvo/").status == 401
    chief = pages.people["chief"]
    proxy = make_proxy(chief.certificates, chief.key, lifetime=timedelta(hours=1), now=NOW, key_size="ec")
    nobody.environ[PEER_CHAIN] = tuple(proxy.ders)
    assert (nobody.get("/voms/testvo/").status, "proxy certificate" in nobody.text) == (403, True)


def test_who_logged_in_is_known_by_what_her_home_organisation_says(pages: Pages) -> None:
    alice = pages.logged_in(eduPersonPrincipalName="alice@home.example", displayName="Alice Aliceson")
    assert "You are a member." in alice.get("/voms/testvo/").text
    assert "/testvo/g1/sub" in alice.text
    unknown = pages.logged_in(eduPersonPrincipalName="eve@home.example")
    assert "You are not a member." in unknown.get("/voms/testvo/").text
    nameless = pages.logged_in(displayName="Alice Aliceson")
    assert (nameless.get("/voms/testvo/").status, "pairwise-id, eduPersonPrincipalName" in nameless.text) == (403, True)


def test_a_login_name_of_another_authority_is_not_believed(pages: Pages) -> None:
    browser = pages.logged_in()
    told = (make_attribute("eduPersonPrincipalName", ["alice@home.example"], issuer="https://elsewhere.example/aa"),)
    browser.environ[PERSON_KEY] = Person(HOME, "handle", told, NOW)
    assert browser.get("/voms/testvo/").status == 403


def test_a_member_who_is_suspended_is_told_so_and_sees_nothing_more_than_a_stranger(pages: Pages) -> None:
    pages.desk.suspend(pages.members["chief"], "Lost her key.")
    chief = pages.by("chief").get("/voms/testvo/")
    assert "Your membership gives you nothing at the moment." in chief.text
    assert chief.get("/voms/testvo/members").status == 403


def test_a_member_sees_her_own_page_and_may_change_nothing_there(pages: Pages) -> None:
    alice = pages.by("alice").get(f"/voms/testvo/member?id={pages.members['alice']}")
    assert alice.heading == "Alice Aliceson"
    assert "/testvo/g1/sub" in alice.text
    assert "alice@home.example" in alice.text
    assert not alice.page.xpath("//main//form")
    assert alice.get(f"/voms/testvo/member?id={pages.members['leader']}").status == 403


def test_the_manager_of_a_group_sees_its_members_and_no_others(pages: Pages) -> None:
    leader = pages.by("leader").get("/voms/testvo/members?group=/testvo/g1")
    assert leader.links("/member?") == ["Alice Aliceson", "Leader Leaderson"]
    assert leader.get("/voms/testvo/members").status == 403
    assert leader.get("/voms/testvo/members?group=/testvo/g2").status == 403
    seen = leader.get(f"/voms/testvo/member?id={pages.members['alice']}")
    assert (seen.heading, seen.offers("/member/leave"), seen.offers("/member/suspend")) == (
        "Alice Aliceson",
        True,
        False,
    )
    assert leader.get(f"/voms/testvo/member?id={pages.members['chief']}").status == 403


def test_groups_that_she_may_not_see_are_left_out(pages: Pages) -> None:
    leader = pages.by("leader").get("/voms/testvo/groups")
    assert leader.links("/group?") == ["/testvo", "/testvo/g1", "/testvo/g1/sub"]
    chief = pages.by("chief").get("/voms/testvo/groups?q=SUB")
    assert chief.links("/group?") == ["/testvo/g1/sub"]


def test_a_new_member_is_known_by_the_certificate_that_was_pasted(pages: Pages) -> None:
    nora = pages.people["nora"]
    chief = pages.by("chief").get("/voms/testvo/members/add")
    chief.send(
        "/members/add",
        certificate=pem(nora.certificate).decode(),
        given_name="Nora",
        surname="Newcomer",
        mail="nora@example.org",
        until="2027-01-01T00:00",
    )
    assert (chief.heading, chief.told) == ("Nora Newcomer", "The new member is there.")
    assert "2027-01-01 00:00:00 UTC" in chief.text
    assert "You are a member." in pages.by("nora").get("/voms/testvo/").text


def test_what_was_wrong_with_a_new_member_is_told_and_what_was_typed_stays(pages: Pages) -> None:
    chief = pages.by("chief").get("/voms/testvo/members/add")
    chief.send("/members/add", surname="Newcomer")
    assert (chief.status, "something by which she is known" in chief.told) == (400, True)
    assert chief.page.xpath("//input[@id='surname']")[0].get("value") == "Newcomer"
    chief.send("/members/add", certificate="-----BEGIN NONSENSE-----")
    assert (chief.status, chief.told.startswith("This is not a certificate.")) == (400, True)
    chief.send("/members/add", certificate=None, asserted_by=HOME)
    assert (chief.status, "named by three things" in chief.told) == (400, True)
    chief.send("/members/add", asserted_by=HOME, attribute="mail", value="x@home.example", until="tomorrow")
    assert (chief.status, "not a moment" in chief.told) == (400, True)


def test_a_certificate_of_an_unknown_authority_makes_nobody_a_member(pages: Pages) -> None:
    stranger = root("/C=ZZ/O=Elsewhere/CN=CA", not_before=NOW, not_after=NOW + timedelta(days=9))
    chief = pages.by("chief").get("/voms/testvo/members/add")
    chief.send("/members/add", certificate=pem(stranger.issue("/C=ZZ/O=Elsewhere/CN=Eve").certificate).decode())
    assert chief.status == 400
    assert not chief.links("/member?")


def test_a_table_is_tried_out_before_it_is_brought_in(pages: Pages) -> None:
    lines = ["asserted_by,attribute,value,given_name,surname,mail,groups"]
    lines += [
        f"{HOME},eduPersonPrincipalName,p{n}@home.example,Pat,Person{n},p{n}@example.org,/testvo/g2" for n in (1, 2)
    ]
    chief = pages.by("chief").get("/voms/testvo/import")
    chief.send(
        "/import/try", table="\r\n".join([*lines, f"{HOME},eduPersonPrincipalName,p3@home.example,,,,/testvo/none"])
    )
    assert (chief.status, chief.told) == (400, "Not every line can be used. Nothing was written.")
    assert not chief.offers("/import/write")
    chief.send("/import/try", table="\r\n".join(lines))
    assert (chief.status, chief.told) == (200, "Every line can be used. Nothing has been written yet.")
    assert pages.by("chief").get("/voms/testvo/members?q=person").links("/member?") == []
    chief.send("/import/write")
    assert chief.told == "All lines of the table are in the VO."
    assert chief.get("/voms/testvo/members?q=person&group=/testvo/g2").links("/member?") == [
        "Pat Person1",
        "Pat Person2",
    ]
    assert chief.get("/voms/testvo/import").send("/import/try", table="nonsense").status == 400
    assert pages.by("leader").get("/voms/testvo/import").status == 403


def test_a_member_is_put_into_a_group_for_a_time_and_taken_out_again(pages: Pages) -> None:
    chief = pages.by("chief").get(f"/voms/testvo/member?id={pages.members['alice']}")
    chief.send("/member/join", join_group="/testvo/g2", join_until="2026-12-24T12:00")
    assert chief.told == "The change was made."
    assert "/testvo/g2" in fqans(pages, "alice")
    pages.clock.forward(days=40)
    assert "/testvo/g2" not in fqans(pages, "alice")
    pages.clock.forward(days=-40)
    [row] = [
        each
        for each in chief.page.forms
        if each.action.endswith(pages.members["alice"]) and each.fields.get("group") == "/testvo/g2"
    ]
    assert row.action.split("?")[0].endswith("/member/leave")


def test_a_membership_may_hold_at_times_that_recur(pages: Pages) -> None:
    chief = pages.by("chief").get(f"/voms/testvo/member?id={pages.members['alice']}")
    chief.send(
        "/member/join",
        join_group="/testvo/g2",
        join_rule="FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
        join_first="2026-11-23T08:00",
        join_duration="pt8h",
        join_zone="Europe/Amsterdam",
        join_except="2026-11-24",
    )
    assert chief.told == "The change was made."
    held = []
    for hours in (20, 44, 68, 80):
        pages.clock.forward(hours=hours)
        held.append("/testvo/g2" in fqans(pages, "alice"))
        pages.clock.forward(hours=-hours)
    assert held == [True, False, True, False]


def test_half_a_recurrence_is_refused_and_stays_in_the_form(pages: Pages) -> None:
    chief = pages.by("chief").get(f"/voms/testvo/member?id={pages.members['alice']}")
    chief.send("/member/join", join_group="/testvo/g2", join_rule="FREQ=DAILY")
    assert (chief.status, "need a rule, a first time and a duration" in chief.told) == (400, True)
    assert chief.page.xpath("//input[@id='join_rule']")[0].get("value") == "FREQ=DAILY"
    assert fqans(pages, "alice") == ["/testvo", "/testvo/g1", "/testvo/g1/sub"]


def test_a_member_moves_from_one_group_to_another_with_her_times_at_one_stroke(pages: Pages) -> None:
    chief = pages.by("chief").get(f"/voms/testvo/member?id={pages.members['alice']}")
    chief.send("/member/join", join_group="/testvo/g1", join_until="2026-12-24T12:00")
    chief.send("/member/move", group="/testvo/g1", move_to="/testvo/g2")
    assert chief.told == "The change was made."
    assert fqans(pages, "alice") == ["/testvo", "/testvo/g2"]
    standing = Memberships(pages.engine, "testvo").of_member(pages.members["alice"], NOW)
    assert standing is not None
    assert standing.groups["/testvo/g2"] == NOW.replace(month=12, day=24)
    # What can't be done leaves everything as it was.
    chief.send("/member/move", move_to="/testvo/nowhere")
    assert chief.status == 403
    assert fqans(pages, "alice") == ["/testvo", "/testvo/g2"]


def test_a_role_is_given_and_taken_away(pages: Pages) -> None:
    chief = pages.by("chief").get(f"/voms/testvo/member?id={pages.members['alice']}")
    chief.send("/member/assign", assign_group="/testvo/g2", assign_role="pilot")
    assert chief.status == 400
    chief.send("/member/assign", assign_group="/testvo/g1", assign_role="pilot")
    assert "/testvo/g1/Role=pilot" in fqans(pages, "alice")
    chief.send("/member/dismiss")
    assert "/testvo/g1/Role=pilot" not in fqans(pages, "alice")


def test_a_member_is_suspended_with_a_reason_and_let_go_on(pages: Pages) -> None:
    chief = pages.by("chief").get(f"/voms/testvo/member?id={pages.members['alice']}")
    chief.send("/member/suspend", suspend_reason="Left the door open.", code="security_incident")
    assert "Left the door open." in chief.text
    assert "gives you nothing" in pages.by("alice").get("/voms/testvo/").text
    chief.send("/member/restore")
    assert "You are a member." in pages.by("alice").get("/voms/testvo/").text


def test_one_certificate_of_a_member_is_suspended_and_her_login_goes_on(pages: Pages) -> None:
    chief = pages.by("chief").get(f"/voms/testvo/member?id={pages.members['alice']}")
    chief.send("/member/suspend-certificate", reason="The key was copied.")
    assert "gives you nothing" in pages.by("alice").get("/voms/testvo/").text
    assert "You are a member." in pages.logged_in(eduPersonPrincipalName="alice@home.example").get("/voms/testvo/").text
    chief.send("/member/restore-certificate")
    assert "You are a member." in pages.by("alice").get("/voms/testvo/").text
    chief.send("/member/unlink")
    chief.send("/member/remove-certificate")
    assert (chief.status, "/testvo/g1/sub" in fqans(pages, "alice")) == (400, True)


def test_a_further_certificate_and_login_are_as_good_as_the_first(pages: Pages) -> None:
    chief = pages.by("chief").get(f"/voms/testvo/member?id={pages.members['alice']}")
    chief.send("/member/add-certificate", certificate=pem(pages.people["nora"].certificate).decode())
    chief.send("/member/link", asserted_by=HOME, attribute="pairwise-id", value="x1@home.example")
    assert "You are a member." in pages.by("nora").get("/voms/testvo/").text
    assert "You are a member." in pages.logged_in(**{"pairwise-id": "x1@home.example"}).get("/voms/testvo/").text


def test_details_the_end_of_a_membership_and_attributes_are_changed(pages: Pages) -> None:
    chief = pages.by("chief").get(f"/voms/testvo/member?id={pages.members['alice']}")
    chief.send("/member/details", surname="Größer")
    assert chief.heading == "Alice Größer"
    chief.send("/member/end", end="2027-06-01T00:00")
    assert "2027-06-01 00:00:00 UTC" in chief.text
    chief.send("/member/set-attribute", attribute_name="nickname", attribute_value="al")
    assert "nickname" in chief.text
    chief.send("/member/remove-attribute")
    assert "nickname" not in chief.text
    assert chief.get("/voms/testvo/members?q=grosser").links("/member?") == ["Alice Größer"]


def test_a_membership_ends_only_with_the_box_ticked(pages: Pages) -> None:
    chief = pages.by("chief").get(f"/voms/testvo/member?id={pages.members['alice']}")
    chief.send("/member/remove", sure=None)
    assert (chief.status, "Nothing was changed" in chief.told) == (400, True)
    chief.send("/member/remove", sure="yes")
    assert chief.told == "The membership has ended."
    assert chief.links("/member?") == ["Chief Chiefson", "Leader Leaderson"]


def test_groups_are_made_changed_hung_below_others_and_ended(pages: Pages) -> None:
    chief = pages.by("chief").get("/voms/testvo/group?path=/testvo/g2")
    chief.send("/group/add", name="night", description="The night shift", optional="yes")
    assert (chief.heading, chief.told) == ("/testvo/g2/night", "The group is there.")
    assert "only when asked for" in chief.text
    chief.send("/group/change", about="All nights", group_optional=None)
    assert "All nights" in chief.text
    chief.send("/group/add-parent", parent="/testvo/g1")
    assert chief.links("/group?path=/testvo/g1") == ["/testvo/g1"]
    chief.send("/group/add-parent", parent="/testvo/g2/night")
    assert (chief.status, chief.heading) == (400, "/testvo/g2/night")
    chief.send("/group/remove-parent")
    assert chief.links("/group?path=/testvo/g1") == []
    chief.send("/group/set-attribute", attribute_name="shift", attribute_value="night", attribute_role="pilot")
    assert "Role=pilot" in chief.text
    chief.send("/group/remove-attribute")
    chief.send("/group/remove", sure="yes")
    assert (chief.heading, chief.told) == ("/testvo/g2", "The group is no more.")


def test_who_may_do_everything_decides_what_goes_down_to_groups_below(pages: Pages) -> None:
    pages.desk.assign_role(pages.members["alice"], "/testvo/g1", "pilot")
    assert "/testvo/g1/sub/Role=pilot" in fqans(pages, "alice")
    chief = pages.by("chief").get("/voms/testvo/group")
    chief.send("/group/inheritance", inherits=None)
    assert "/testvo/g1/sub/Role=pilot" not in fqans(pages, "alice")
    chief.send("/group/inheritance", inherits="yes")
    assert "/testvo/g1/sub/Role=pilot" in fqans(pages, "alice")


def test_roles_are_added_and_ended(pages: Pages) -> None:
    chief = pages.by("chief").get("/voms/testvo/roles")
    chief.send("/roles/add", role="night-watch", description="Sits up.")
    assert "Sits up." in chief.text
    chief.send("/roles/add", role="not a role")
    assert chief.status == 400
    chief.send("/roles/remove", ended_role="night-watch", sure="yes")
    assert "Sits up." not in chief.text


def test_a_list_lets_a_group_manage_what_it_names_and_no_more(pages: Pages) -> None:
    chief = pages.by("chief").get("/voms/testvo/access?group=/testvo/g2")
    assert "everything" in chief.text
    chief.send(
        "/access/set", kind="member", who=pages.members["leader"], may_CONTAINER_READ="yes", may_MEMBERSHIP_READ="yes"
    )
    assert chief.told == "The change was made."
    # The way there is hidden still.
    chief.get("/voms/testvo/access").send("/access/set", kind="group", who="/testvo/g1", may_CONTAINER_READ="yes")
    assert pages.by("leader").get("/voms/testvo/members?group=/testvo/g2").status == 200
    assert pages.by("leader").get("/voms/testvo/access?group=/testvo/g2").status == 403
    chief.send("/access/set", kind="nobody-knows")
    assert (chief.status, "not clear who is meant" in chief.told) == (400, True)
    chief.get("/voms/testvo/access?group=/testvo/g2")
    chief.send("/access/set", kind="identity", asserted_by=HOME, value="eve@home.example", may_CONTAINER_READ="yes")
    names = CertificateNames.of(pages.people["nora"].certificate)
    chief.send("/access/set", kind="certificate", who=names.subject, issuer=names.issuer, may_SUSPEND="yes")
    assert {entry.who for entry in pages.desk.acl("/testvo/g2")} >= {
        Who.certificate(names),
        Who.member(pages.members["leader"]),
    }


def test_an_entry_is_taken_out_by_its_button(pages: Pages) -> None:
    pages.desk.set_acl_entry(AclEntry("/testvo/g2", None, Who.member(pages.members["leader"]), Permission.ALL))
    chief = pages.by("chief").get("/voms/testvo/access?group=/testvo/g2")
    [form] = [each for each in chief.page.forms if each.fields.get("who") == pages.members["leader"]]
    for other in list(chief.page.forms):
        if other is not form and "/access/remove" in other.action:
            other.getparent().remove(other)
    chief.send("/access/remove")
    assert Who.member(pages.members["leader"]) not in {entry.who for entry in pages.desk.acl("/testvo/g2")}


def test_nobody_gives_on_a_list_what_she_may_not_do_herself(pages: Pages) -> None:
    leader = pages.by("leader").get("/voms/testvo/access?group=/testvo/g1")
    assert leader.status == 200
    assert not leader.offers("/access/set")


def test_a_policy_is_published_and_a_member_asked_to_sign(pages: Pages) -> None:
    chief = pages.by("chief").get("/voms/testvo/policy")
    chief.send("/policy/add", version="1.0", text="Be kind.", grace="soon")
    assert (chief.status, "whole number" in chief.told) == (400, True)
    chief.send("/policy/add", version="1.0", text="Be kind.", grace="14")
    assert "in force" in chief.text
    chief.get(f"/voms/testvo/member?id={pages.members['alice']}")
    assert "policy to be signed" in chief.text
    chief.send("/member/ask-to-sign")
    assert chief.told == "The change was made."
    chief.get("/voms/testvo/policy").send("/policy/remove", sure="yes")
    assert "There is no policy." in chief.text


def test_what_was_is_answered_and_what_is_not_understood_is_told(pages: Pages) -> None:
    pages.clock.forward(days=2)
    chief = pages.by("chief").get("/voms/testvo/history")
    alice = pages.members["alice"]
    chief.send("/history", member=alice, group="/testvo/g1", at="2026-11-23T12:00")
    assert "Yes: she could act so." in chief.text
    chief.get(f"/voms/testvo/history?question=in&member={alice}&group=/testvo/g2&at=2026-11-23T12:00")
    assert "No: she was not." in chief.text
    chief.get("/voms/testvo/history?question=who&who_group=/testvo/g1&since=2026-11-22T00:00&until=2026-11-24T00:00")
    assert chief.links(f"/member?id={alice}") == [alice]
    chief.get("/voms/testvo/history?question=did&by=operator")
    assert "Role given" in chief.text
    assert chief.get("/voms/testvo/history?question=who&since=yesterday").status == 400
    assert chief.get("/voms/testvo/history?question=did&before=x~y").status == 400
    assert chief.get("/voms/testvo/history?question=did&before=0001-01-01T00:00:00%2B14:00~1").status == 400
    # Of a group the manager of that group may ask.
    leader = pages.by("leader")
    assert leader.get("/voms/testvo/history?question=who&who_group=/testvo/g1&since=2026-11-22T00:00").status == 200
    assert leader.get("/voms/testvo/history?question=who&since=2026-11-22T00:00").status == 403
    assert leader.get("/voms/testvo/history?question=did").status == 403


def test_a_member_reads_her_own_history_and_nobody_elses(pages: Pages) -> None:
    alice = pages.by("alice").get(f"/voms/testvo/member/history?id={pages.members['alice']}")
    assert "Login at a home organisation: began" in alice.text
    assert alice.get(f"/voms/testvo/member/history?id={pages.members['leader']}").status == 403


def test_an_invitation_goes_out_and_is_taken_back(pages: Pages) -> None:
    chief = pages.by("chief").get("/voms/testvo/requests")
    chief.send("/invitation/send", mail="new@example.org", groups="/testvo/g1\n/testvo/g2/Role=pilot")
    assert chief.told == "The invitation was sent."
    assert [letter.to for letter in pages.mailbox.letters] == ["new@example.org"]
    chief.send("/invitation/withdraw")
    assert "new@example.org" not in chief.text
    chief.send("/invitation/send", mail="new@example.org", groups="g1")
    assert (chief.status, chief.page.xpath("//input[@id='mail']")[0].get("value")) == (400, "new@example.org")


def test_a_request_is_looked_at_handed_over_and_decided(pages: Pages) -> None:
    caller = caller_of_certificate(pages.engine, "testvo", CertificateNames.of(pages.people["alice"].certificate), NOW)
    applicants = Applicants(pages.served.office)
    for wish in (Wish("/testvo/g2"), Wish("/testvo/g1", "pilot")):
        applicants.ask(caller, wish, "Please.", NOW)
    chief = pages.by("chief").get("/voms/testvo/requests")
    assert len(chief.links("/request?")) == 2
    # The manager of a group sees what is asked for there, and nothing else.
    leader = pages.by("leader").get("/voms/testvo/requests")
    [link] = leader.page.xpath("//main//a[contains(@href, '/request?')]/@href")
    leader.get(link.removeprefix(ORIGIN))
    assert leader.heading == "Wants the role /testvo/g1/Role=pilot"
    leader.send("/request/reject", reason="")
    assert leader.status == 400
    leader.send("/request/reject", reason="Not this year.")
    assert leader.told == "The request was rejected, and the applicant told why."
    [link] = chief.get("/voms/testvo/requests").page.xpath("//main//a[contains(@href, '/request?')]/@href")
    chief.get(link.removeprefix(ORIGIN))
    chief.send("/request/hand-over", to=pages.members["leader"])
    assert chief.status == 400
    assert leader.get(link.removeprefix(ORIGIN)).status == 404
    chief.send("/request/approve", approve_until="2027-01-01T00:00")
    assert chief.told == "The request was approved, and the applicant told."
    assert "/testvo/g2" in fqans(pages, "alice")
    assert "Not this year." in chief.text


_CHANGES = {
    "/group/<what>": (
        "add",
        "change",
        "add-parent",
        "remove-parent",
        "set-attribute",
        "remove-attribute",
        "inheritance",
        "remove",
    ),
    "/roles/<what>": ("add", "remove"),
    "/member/<what>": (
        *("add-certificate", "remove-certificate", "suspend-certificate", "restore-certificate", "link", "unlink"),
        *("suspend", "restore", "end", "details", "ask-to-sign", "join", "leave", "move", "assign", "dismiss"),
        *("set-attribute", "remove-attribute", "remove"),
    ),
    "/members/add": ("",),
    "/import/<what>": ("try", "write"),
    "/access/<what>": ("set", "remove"),
    "/policy/<what>": ("add", "remove"),
    "/request/<what>": ("approve", "reject", "hand-over"),
    "/invitation/<what>": ("send", "withdraw"),
}


def test_every_change_that_managers_make_is_refused_to_everybody_else(pages: Pages) -> None:
    """Also where somebody sends what no page offered her: all fields that any form has, filled in sensibly."""
    own = {"/me/withdraw", "/apply", "/confirm", "/invitation", "/ask/<what>", "/sign"}
    known = {
        rule.rule.removeprefix("/voms/<vo>")
        for rule in pages.app.url_map.iter_rules()
        if "POST" in (rule.methods or ())
    }
    assert known - own == set(_CHANGES)
    alice, names = pages.members["alice"], CertificateNames.of(pages.people["alice"].certificate)
    values = {
        "name": "x",
        "description": "x",
        "about": "x",
        "parent": "/testvo/g2",
        "sure": "yes",
        "role": "pilot",
        "attribute_name": "x",
        "attribute_value": "x",
        "ended_role": "pilot",
        "reason": "x",
        "suspend_reason": "x",
        "certificate": pem(pages.people["nora"].certificate).decode(),
        "subject": names.subject,
        "issuer": names.issuer,
        "asserted_by": HOME,
        "attribute": "eduPersonPrincipalName",
        "value": "alice@home.example",
        "surname": "X",
        "join_group": "/testvo/g2",
        "group": "/testvo/g1/sub",
        "move_to": "/testvo/g2",
        "assign_group": "/testvo/g1",
        "assign_role": "pilot",
        "kind": "anyone",
        "may_ACL_WRITE": "yes",
        "version": "1.0",
        "text": "x",
        "grace": "1",
        "mail": "x@example.org",
        "groups": "/testvo/g2",
        "to": alice,
        "invitation": "x",
        "end": "2027-01-01T00:00",
        "table": f"asserted_by,attribute,value\n{HOME},mail,x@home.example",
    }
    for who, page in (("nora", "apply"), ("alice", "ask")):
        browser = pages.by(who).get(f"/voms/testvo/{page}")
        token = browser.page.xpath("//input[@name='csrf_token']/@value")[0]
        with reading(pages.engine) as connection:
            before = connection.execute(select(func.count()).select_from(vo_change)).scalar_one()
        for path, changes in _CHANGES.items():
            for what in changes:
                to = f"/voms/testvo{path.replace('<what>', what)}?path=/testvo/g1&id={alice}&group=/testvo/g1"
                sent = browser.client.post(
                    to, data={**values, "csrf_token": token}, base_url=ORIGIN, environ_overrides=browser.environ
                )
                assert sent.status_code in ((403, 404) if "/request/" in to else (403,)), (who, to)
        with reading(pages.engine) as connection:
            assert connection.execute(select(func.count()).select_from(vo_change)).scalar_one() == before


def test_another_website_can_change_nothing(pages: Pages) -> None:
    chief = pages.by("chief").get(f"/voms/testvo/member?id={pages.members['alice']}")
    path, values = f"/voms/testvo/member/remove?id={pages.members['alice']}", {"sure": "yes"}
    sent = chief.client.post(path, data=values, base_url=ORIGIN, environ_overrides=chief.environ)
    assert sent.status_code == 403
    assert fqans(pages, "alice") == ["/testvo", "/testvo/g1", "/testvo/g1/sub"]


def test_there_is_no_such_vo_and_no_such_change(pages: Pages) -> None:
    chief = pages.by("chief")
    assert chief.get("/voms/othervo/").status == 404
    chief.get(f"/voms/testvo/member?id={pages.members['alice']}")
    [form] = [each for each in chief.page.forms if each.action.split("?")[0].endswith("/member/join")]
    form.action = form.action.replace("/member/join", "/member/promote")
    assert chief.send("/member/promote").status == 400
    assert chief.get("/").heading == "The virtual organisation testvo"
    assert chief.get("/voms/").links("/voms/testvo/") == ["testvo"]
