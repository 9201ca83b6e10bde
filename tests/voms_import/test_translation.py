"""From rows of VOMS-Admin to what the VO will have: rules only, no database."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ostiary.errors import Refusal
from ostiary.web.texts import Catalogue
from ostiary.x509.certificate_names import CertificateNames
from tests.x509.authorities import root
from voms.administration.permissions import Permission
from voms.administration.who import Who, WhoKind
from voms.exchange.voms_admin_names import OldNames
from voms.exchange.voms_admin_plan import Kind, PlannedMember
from voms.exchange.voms_admin_rows import (
    OldAdmin,
    OldCertificate,
    OldClass,
    OldGroup,
    OldList,
    OldManager,
    OldMapping,
    OldPermissions,
    OldPolicy,
    OldSignature,
    OldUser,
    OldValue,
    OldVersion,
    OldVo,
)
from voms.exchange.voms_admin_translation import Circumstances, Translation, translate

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HERE = Circumstances("vo", NOW)
OWN = "/O=VOMS/O=System/CN="
ISSUER = "CN=Test CA,O=Test,C=ZZ"
GROUPS = (
    OldGroup(1, "/vo", 1, None, False),
    OldGroup(2, "/vo/g", 1, "G", False),
    OldGroup(3, "/vo/g/h", 2, None, None),
)
AUTHORITIES = {1: "/C=ZZ/O=Test/CN=Test CA", 5: f"{OWN}Dummy Certificate Authority", 6: f"{OWN}VOMS Group"}
AUTHORITIES |= {7: f"{OWN}VOMS Role", 9: f"{OWN}VOMS Admin Tag"}
POLICY = (OldPolicy(1, "VO-AUP", 365),)
VERSION = OldVersion(1, 1, "1.0", "https://vo.example/aup", None, NOW - 400 * DAY, None, True)


def user(number: int = 1, **more: Any) -> OldUser:
    nothing: dict[str, Any] = dict.fromkeys(OldUser.__slots__)
    return OldUser(**{**nothing, "number": number, "created": NOW - 500 * DAY, "suspended": False, **more})


def certificate(number: int = 1, user: int = 1, subject: str = "/C=ZZ/O=Test/CN=Ada", **more: Any) -> OldCertificate:
    usual: dict[str, Any] = {"authority": 1, "suspended": False, "reason": None, "code": None}
    return OldCertificate(number, user, subject=subject, **{**usual, **more})


ADA = OldVo(
    authorities=AUTHORITIES,
    groups=GROUPS,
    roles={1: "VO-Admin", 2: "pilot"},
    users=(user(),),
    certificates=(certificate(),),
    mappings=(OldMapping(1, 1, None),),
    lists=tuple(OldList(number, number, None, False) for number in (1, 2, 3)),
    admins=(OldAdmin(4, f"{OWN}Any Authenticated User", 5),),
    permissions=tuple(OldPermissions(number, 4, 5) for number in (1, 2, 3)),
)


def translated(old: OldVo, here: Circumstances = HERE, names: OldNames | None = None) -> Translation:
    trusted = OldNames([root("/C=ZZ/O=Test/CN=Test CA").certificate])
    return translate(old, names or trusted, here)


def remarks(found: Translation) -> list[tuple[str, str, str]]:
    return [(each.kind.value, each.code, each.what) for each in found.remarks]


def only_member(found: Translation) -> PlannedMember:
    [member] = found.plan.members
    return member


def test_a_vo_in_good_order_leaves_nothing_to_say() -> None:
    found = translated(ADA)
    assert remarks(found) == []
    assert found.plan.groups == {"/vo": "", "/vo/g": "G", "/vo/g/h": ""}
    assert found.plan.roles == ("VO-Admin", "pilot")
    assert only_member(found).certificates == ((CertificateNames("CN=Ada,O=Test,C=ZZ", ISSUER), None),)
    assert only_member(found).since == NOW - 500 * DAY


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        ("/C=ZZ/O=Test/CN=host/a.example", "CN=host/a.example,O=Test,C=ZZ"),
        ("/C=ZZ/O=Test/CN=host\\/a.example", "CN=host/a.example,O=Test,C=ZZ"),
        ("/DC=org/DC=example/CN=Robot: copies/CN=12", "CN=12,CN=Robot: copies,DC=example,DC=org"),
        ("/C=ZZ/O=A, B + C/CN=(Ada)", "CN=(Ada),O=A\\, B \\+ C,C=ZZ"),
        ("/C=ZZ/CN=Ren\\xC3\\xA9", "CN=René,C=ZZ"),
        ("/C=ZZ/CN=René", "CN=René,C=ZZ"),
        ("/c=ZZ/o=Test/cn=Ada", "CN=Ada,O=Test,C=ZZ"),
        ("/C=ZZ/S=Somewhere/CN=Ada", "CN=Ada,ST=Somewhere,C=ZZ"),
        ("CN=Ada,O=Test,C=ZZ", "CN=Ada,O=Test,C=ZZ"),
    ],
)
def test_names_of_people_become_those_of_their_certificates(written: str, subject: str) -> None:
    assert OldNames().subject(written) == subject


@pytest.mark.parametrize("key", ["emailAddress", "Email", "E", "EMAIL", "EMAILADDRESS", "EmailAddress", "emailaddress"])
def test_each_spelling_of_a_mail_address_in_a_name_is_the_same(key: str) -> None:
    assert OldNames().subject(f"/C=ZZ/CN=Ada/{key}=a@example.org") == OldNames().subject(
        "/C=ZZ/CN=Ada/1.2.840.113549.1.9.1=a@example.org"
    )


@pytest.mark.parametrize("key", ["UID", "USERID", "userId", "UserId", "userid"])
def test_each_spelling_of_a_user_id_in_a_name_is_the_same(key: str) -> None:
    assert OldNames().subject(f"/DC=org/{key}=ada/CN=Ada") == "CN=Ada,UID=ada,DC=org"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "/",
        "Ada",
        "/C=ZZ/CN=Ada+UID=ada",
        "/C=ZZ/CN=\\xE9",
        "/C=ZZ/CN=a\nb",
        "/C=Zed/CN=Ada",
        f"/CN={'a' * 3000}",
        "/C=ZZ/CN=",
    ],
)
def test_names_that_can_not_be_read_without_doubt_are_told(written: str) -> None:
    found = translated(replace(ADA, certificates=(certificate(subject=written),)))
    shown = " ".join(written.split())[:600]
    told = f"{written} (1)".replace("\n", " ").strip()[:600]
    assert remarks(found) == [("left", "certificate_name", shown), ("changed", "member_without_certificate", told)]
    assert only_member(found).certificates == ()


def test_a_trusted_authority_is_named_as_its_certificate_does() -> None:
    trusted = root("/C=ZZ/O=Example/emailAddress=ca@example.org").certificate
    names = OldNames([trusted])
    authority = names.authority("/C=ZZ/O=Example/Email=ca@example.org")
    assert authority == trusted.subject.rfc4514_string()
    assert names.trusts(authority)


def test_an_authority_that_is_not_trusted_is_told_once_with_how_many_it_concerns() -> None:
    people = (user(), user(2))
    held = (certificate(), certificate(2, 2, "/C=ZZ/O=Test/CN=Ben"))
    in_root = (OldMapping(1, 1, None), OldMapping(2, 1, None))
    found = translated(replace(ADA, users=people, certificates=held, mappings=in_root), names=OldNames())
    assert remarks(found) == [("changed", "authority_not_trusted", "/C=ZZ/O=Test/CN=Test CA (2)")]
    assert [len(each.certificates) for each in found.plan.members] == [1, 1]


@pytest.mark.parametrize(
    ("code", "reason", "suspended"),
    [
        ("FAILED_TO_SIGN_AUP", None, ("aup", "User failed to sign the AUP in time.")),
        ("MEMBERSHIP_EXPIRATION", "", ("expired", "User membership has expired.")),
        ("SECURITY_INCIDENT", "Key lost.", ("security_incident", "Key lost.")),
        ("OTHER", "Left.", ("other", "Left.")),
        (None, None, ("other", "User membership has been suspended for another unknown reason.")),
    ],
)
def test_suspensions_keep_code_and_reason(code: str | None, reason: str | None, suspended: tuple[str, str]) -> None:
    found = translated(replace(ADA, users=(user(suspended=True, code=code, reason=reason),)))
    assert only_member(found).suspended == suspended
    assert remarks(found) == []


def test_a_reason_that_is_not_known_here_is_told() -> None:
    found = translated(replace(ADA, users=(user(suspended=True, code="HR_DB_VALIDATION", reason="Not in HR."),)))
    assert only_member(found).suspended == ("other", "Not in HR.")
    assert remarks(found) == [("changed", "suspension_code", "/C=ZZ/O=Test/CN=Ada (1): HR_DB_VALIDATION")]


def test_a_certificate_suspended_with_its_user_is_not_suspended_by_itself() -> None:
    held = (
        certificate(1, subject="/C=ZZ/CN=A", suspended=True, code="OTHER", reason="Left."),
        certificate(2, subject="/C=ZZ/CN=B", suspended=True, code="SECURITY_INCIDENT", reason="Key lost."),
    )
    people = (user(suspended=True, code="OTHER", reason="Left."),)
    member = only_member(translated(replace(ADA, users=people, certificates=held)))
    assert [reason for _, reason in member.certificates] == [None, "Key lost."]


def test_a_user_outside_the_root_group_got_nothing_and_gets_nothing() -> None:
    found = translated(replace(ADA, mappings=(OldMapping(1, 2, None),)))
    assert only_member(found).suspended == ("other", "User is not in the root group of the VO.")
    assert remarks(found) == [("changed", "member_not_in_root", "/C=ZZ/O=Test/CN=Ada (1)")]


def test_one_certificate_under_two_spellings_is_one() -> None:
    held = (
        certificate(1, subject="/C=ZZ/CN=Ada/Email=a@example.org"),
        certificate(2, subject="/C=ZZ/CN=Ada/emailAddress=a@example.org", suspended=True, reason="Key lost."),
    )
    found = translated(replace(ADA, certificates=held))
    assert remarks(found) == [("changed", "certificate_twice", "/C=ZZ/CN=Ada/emailAddress=a@example.org")]
    # What was suspended under one of them stays so.
    assert [reason for _, reason in only_member(found).certificates] == ["Key lost."]


def test_a_certificate_that_two_users_have_is_nobodys() -> None:
    held = (
        certificate(1, 1, "/C=ZZ/CN=Ada/Email=a@example.org"),
        certificate(2, 2, "/C=ZZ/CN=Ada/emailAddress=a@example.org"),
    )
    in_root = (OldMapping(1, 1, None), OldMapping(2, 1, None))
    found = translated(replace(ADA, users=(user(), user(2)), certificates=held, mappings=in_root))
    assert [len(each.certificates) for each in found.plan.members] == [0, 0]
    assert [(kind, code) for kind, code, _ in remarks(found)] == [
        ("left", "certificate_of_two"),
        ("changed", "member_without_certificate"),
    ] * 2


def test_the_certificate_of_a_release_before_3_counts_where_no_other_stands() -> None:
    found = translated(replace(ADA, users=(user(subject="/C=ZZ/O=Test/CN=Ada", authority=1),), certificates=()))
    assert [names.subject for names, _ in only_member(found).certificates] == ["CN=Ada,O=Test,C=ZZ"]
    assert remarks(found) == [("changed", "certificate_of_old_release", "/C=ZZ/O=Test/CN=Ada (1)")]


def test_rows_that_name_nothing_are_told_one_by_one() -> None:
    broken = replace(
        ADA,
        certificates=(certificate(), certificate(2, 77), certificate(3, subject="/C=ZZ/CN=B", authority=99)),
        mappings=(*ADA.mappings, OldMapping(77, 1, None), OldMapping(1, 77, None), OldMapping(1, 1, 77), *ADA.mappings),
        classes=(OldClass(1, "nick", None, False),),
        values=(OldValue(9, "x", user=1), OldValue(1, "x", user=77), OldValue(1, "x", group=1, role=77)),
        lists=(*ADA.lists, OldList(9, 77, None, False)),
        permissions=(*ADA.permissions, OldPermissions(88, 4, 5), OldPermissions(1, 88, 5), OldPermissions(9, 4, 5)),
        policies=POLICY,
        versions=(VERSION, replace(VERSION, number=2, policy=7)),
        signatures=(OldSignature(1, 77, NOW, True), OldSignature(99, 1, NOW, True), OldSignature(1, 1, NOW, True)),
    )
    found = translated(broken)
    assert [code for kind, code, _ in remarks(found) if kind == "left"] == [
        "certificate_of_nobody",
        "certificate_without_authority",
        *["mapping_of_nothing"] * 3,
        *["attribute_of_nothing"] * 3,
        "version_of_no_policy",
        *["signature_of_nobody"] * 2,
        "list_of_nothing",
        *["entry_of_nothing"] * 2,
    ]
    assert [code for kind, code, _ in remarks(found) if kind == "changed"] == ["mapping_twice"]
    assert only_member(found).signed == {"1.0": NOW}


def test_groups_and_roles_that_can_not_be_named_here_are_left_with_what_hangs_on_them() -> None:
    groups = (
        *GROUPS,
        OldGroup(4, "/vo/a b", 1, None, False),
        OldGroup(5, "/vo/a b/c", 4, None, False),
        OldGroup(6, "/vo/x/y", 1, None, False),
        OldGroup(7, "/vo/i", 3, None, True),
    )
    mappings = (*ADA.mappings, OldMapping(1, 4, None), OldMapping(1, 1, 3))
    found = translated(replace(ADA, groups=groups, roles={**ADA.roles, 3: "a b"}, mappings=mappings))
    assert remarks(found)[:8] == [
        ("left", "group_name", "/vo/a b"),
        ("changed", "group_parent", "/vo/i"),
        ("changed", "group_restricted", "/vo/i"),
        ("left", "group_name", "/vo/a b/c"),
        ("left", "group_without_parent", "/vo/x/y"),
        ("left", "role_name", "a b"),
        ("left", "mapping_of_left", "/C=ZZ/O=Test/CN=Ada (1)"),
        ("left", "mapping_of_left", "/C=ZZ/O=Test/CN=Ada (1)"),
    ]
    assert list(found.plan.groups) == ["/vo", "/vo/g", "/vo/i", "/vo/g/h"]


def test_a_role_is_for_members_of_its_group() -> None:
    mappings = (*ADA.mappings, OldMapping(1, 1, 2), OldMapping(1, 2, 2))
    found = translated(replace(ADA, mappings=mappings))
    assert [each.short() for each in only_member(found).roles] == ["/vo/Role=pilot"]
    told = "/C=ZZ/O=Test/CN=Ada (1): /vo/g/Role=pilot"
    assert remarks(found) == [("left", "role_without_membership", told)]


def test_a_membership_below_brings_that_above_and_says_so() -> None:
    found = translated(replace(ADA, mappings=(*ADA.mappings, OldMapping(1, 3, None))))
    assert only_member(found).groups == ("/vo/g/h",)
    assert remarks(found) == [("changed", "membership_above", "/C=ZZ/O=Test/CN=Ada (1): /vo/g")]


def test_attributes_of_people_groups_and_roles() -> None:
    classes = (OldClass(1, "nick", "A\nname", True), OldClass(2, "a b", None, False))
    values = (
        OldValue(1, "ada", user=1),
        OldValue(1, "g", group=2),
        OldValue(1, "p", group=2, role=2),
        OldValue(1, None, group=1),
        OldValue(2, "x", user=1),
    )
    found = translated(replace(ADA, classes=classes, values=values))
    assert only_member(found).attributes == (("nick", "ada"),)
    assert [(fqan.short(), value) for fqan, _, value in found.plan.values] == [
        ("/vo/g", "g"),
        ("/vo/g/Role=pilot", "p"),
    ]
    assert [(each.name, each.description, each.unique) for each in found.plan.classes] == [("nick", "A name", True)]
    assert remarks(found) == [
        ("left", "attribute_name", "a b"),
        ("left", "attribute_value", "/vo: nick"),
        ("left", "attribute_of_nothing", "attributes 2, usr 1, groups None, roles None"),
        ("changed", "description", "nick"),
    ]


def test_values_that_were_shared_go_before_the_promise_that_they_are_not() -> None:
    old = replace(
        ADA,
        users=(user(), user(2)),
        certificates=(certificate(), certificate(2, 2, "/C=ZZ/O=Test/CN=Ben")),
        mappings=(OldMapping(1, 1, None), OldMapping(2, 1, None)),
        classes=(OldClass(1, "nick", "", True),),
        values=(OldValue(1, "same", user=1), OldValue(1, "same", user=2)),
    )
    found = translated(old)
    assert [each.unique for each in found.plan.classes] == [False]
    assert [each.attributes for each in found.plan.members] == [(("nick", "same"),)] * 2
    assert remarks(found) == [("changed", "attribute_not_unique", "nick")]


ADMINS = (
    OldAdmin(1, f"{OWN}Internal VOMS Process", 5),
    OldAdmin(2, f"{OWN}Local Database Administrator", 5),
    OldAdmin(3, f"{OWN}Absolutely Anyone", 5),
    OldAdmin(4, f"{OWN}Any Authenticated User", 5),
    OldAdmin(5, f"{OWN}Unauthenticated Client", 5),
    OldAdmin(6, "/vo/Role=VO-Admin", 7),
    OldAdmin(7, "/vo/g", 6),
    OldAdmin(8, "/C=ZZ/O=Test/CN=Manager/Email=m@example.org", 1),
    OldAdmin(9, "/vo/Role=nobody", 7),
    OldAdmin(10, "/vo/gone", 6),
    OldAdmin(11, "/vo/tag", 9),
    OldAdmin(12, "/vo/g", 7),
    OldAdmin(13, f"{OWN}Any Authenticated User", 1),
    OldAdmin(14, "/C=ZZ/CN=Nobody's", 77),
)


def test_administrators_become_whom_they_mean_or_are_told() -> None:
    entries = tuple(OldPermissions(1, each.number, 5) for each in ADMINS)
    found = translated(replace(ADA, admins=ADMINS, permissions=entries, lists=ADA.lists[:1]))
    subject = "1.2.840.113549.1.9.1=m@example.org,CN=Manager,O=Test,C=ZZ"
    assert [(each.who.kind, each.who.shown() if each.who.value else "") for each in found.plan.entries] == [
        (WhoKind.ANYONE, ""),
        (WhoKind.AUTHENTICATED, ""),
        (WhoKind.UNAUTHENTICATED, ""),
        (WhoKind.ROLE, "/vo/Role=VO-Admin"),
        (WhoKind.GROUP, "/vo/g"),
        (WhoKind.CERTIFICATE, subject),
    ]
    assert found.plan.entries[-1].who == Who.certificate(CertificateNames(subject, ISSUER))
    assert [(kind, code) for kind, code, _ in remarks(found)][:8] == [
        *[("changed", "admin_is_operator")] * 2,
        *[("left", "admin")] * 6,
    ]


def test_lists_keep_their_place_and_their_bits() -> None:
    lists = (*ADA.lists, OldList(4, 2, 2, False), OldList(5, 2, None, True), OldList(6, 2, 2, True))
    bits = ((1, 16383), (2, 16384 | 5), (3, 0), (4, 8), (5, None), (6, 5))
    found = translated(
        replace(ADA, lists=lists, permissions=tuple(OldPermissions(each, 4, mask) for each, mask in bits))
    )
    assert [(each.group, each.role, each.for_new_groups, each.permissions) for each in found.plan.entries] == [
        ("/vo", None, False, Permission.ALL),
        ("/vo/g", None, False, Permission.CONTAINER_READ | Permission.MEMBERSHIP_READ),
        ("/vo/g", "pilot", False, Permission.MEMBERSHIP_WRITE),
    ]
    assert remarks(found) == [
        ("left", "list_for_new_of_role", "acl2 6"),
        ("changed", "entry_bits", f"/vo/g: {OWN}Any Authenticated User (16389)"),
        ("left", "entry_of_no_permission", f"/vo/g/h: {OWN}Any Authenticated User"),
        ("left", "entry_of_no_permission", f"/vo/g: {OWN}Any Authenticated User"),
        ("changed", "group_without_list", "/vo/g/h"),
    ]


def test_two_spellings_of_one_administrator_get_what_both_allow() -> None:
    admins = (OldAdmin(1, "/C=ZZ/CN=M/Email=m@example.org", 1), OldAdmin(2, "/C=ZZ/CN=M/E=m@example.org", 1))
    entries = (*ADA.permissions, OldPermissions(1, 1, 7), OldPermissions(1, 2, 5))
    found = translated(replace(ADA, admins=(*ADA.admins, *admins), permissions=entries))
    assert int(found.plan.entries[-1].permissions) == 5
    assert remarks(found) == [("changed", "entry_twice", "/vo: /C=ZZ/CN=M/E=m@example.org")]


def policy(
    *versions: OldVersion, signed: Iterable[OldSignature] = (), policies: tuple[OldPolicy, ...] = POLICY
) -> OldVo:
    return replace(ADA, policies=policies, versions=versions, signatures=tuple(signed))


def test_the_version_that_was_active_is_in_force_and_later_drafts_are_not() -> None:
    first = replace(VERSION, number=5, version="0.9", created=NOW - 600 * DAY, active=False)
    draft = replace(VERSION, number=9, version="2.0", created=NOW - 10 * DAY, active=False)
    signed = [
        OldSignature(5, 1, NOW - 590 * DAY, True),
        OldSignature(9, 1, NOW, True),
        OldSignature(1, 1, NOW - DAY, True),
    ]
    found = translated(policy(draft, first, VERSION, signed=signed))
    assert [(each.version, each.in_force_from, each.sign_again_days) for each in found.plan.versions] == [
        ("0.9", NOW - 600 * DAY, 365),
        ("1.0", NOW - 400 * DAY, 365),
    ]
    assert only_member(found).signed == {"0.9": NOW - 590 * DAY, "1.0": NOW - DAY}
    assert remarks(found) == [("left", "version_not_in_force", "2.0"), ("left", "signatures_of_version", "2.0 (1)")]


def test_only_the_policy_of_the_vo_counts() -> None:
    grid = OldPolicy(2, "GRID-AUP", 365)
    found = translated(policy(replace(VERSION, active=False), policies=(*POLICY, grid)))
    assert found.plan.versions == ()
    assert remarks(found) == [("left", "policy", "GRID-AUP"), ("left", "version_not_in_force", "1.0")]


def test_names_days_and_addresses_of_versions_become_possible_ones() -> None:
    odd = replace(VERSION, version="v1/é", url="file:/etc/aup.txt")
    found = translated(policy(odd, signed=[OldSignature(1, 1, NOW, True)], policies=(OldPolicy(1, "VO-AUP", 0),)))
    [version] = found.plan.versions
    assert (version.version, version.url, version.text, version.sign_again_days) == (
        "v1",
        None,
        "file:/etc/aup.txt",
        None,
    )
    assert [(kind, code) for kind, code, _ in remarks(found)] == [
        ("changed", "sign_again"),
        ("changed", "version_name"),
        ("changed", "version_address"),
    ]


def test_the_words_that_somebody_gives_are_those_of_the_version_in_force() -> None:
    old = replace(VERSION, number=5, version="0.9", created=NOW - 600 * DAY, active=False)
    found = translated(policy(old, VERSION), replace(HERE, policy_text="Be nice."))
    assert [each.text for each in found.plan.versions] == [None, "Be nice."]
    assert remarks(translated(ADA, replace(HERE, policy_text="Be nice."))) == [("left", "policy_text", "Be nice.")]


def test_who_was_asked_to_sign_again_has_the_days_of_grace() -> None:
    found = translated(policy(VERSION, signed=[OldSignature(1, 1, NOW - DAY, False)]))
    assert only_member(found).asked_at == NOW
    assert remarks(found) == [("changed", "signs_again", "/C=ZZ/O=Test/CN=Ada (1)")]


def test_signatures_before_a_new_one_was_forced_count_until_then() -> None:
    forced = replace(VERSION, forced=NOW - 3 * DAY)
    found = translated(policy(forced, signed=[OldSignature(1, 1, NOW - 9 * DAY, True)]))
    assert only_member(found).asked_at == NOW - 3 * DAY
    after = translated(policy(forced, signed=[OldSignature(1, 1, NOW - DAY, True)]))
    assert only_member(after).asked_at is None


def test_a_signature_of_the_future_is_none() -> None:
    found = translated(policy(VERSION, signed=[OldSignature(1, 1, NOW + DAY, True)]))
    assert only_member(found).signed == {}
    assert remarks(found)[0] == ("left", "signature_time", "/C=ZZ/O=Test/CN=Ada (1)")


def test_who_will_get_nothing_though_the_old_server_still_gave_is_told_before() -> None:
    unsigned = translated(policy(VERSION))
    assert remarks(unsigned) == [("changed", "has_not_signed", "/C=ZZ/O=Test/CN=Ada (1)")]
    over = replace(ADA, users=(user(ends=NOW - DAY),))
    assert remarks(translated(over)) == [("changed", "is_over", "/C=ZZ/O=Test/CN=Ada (1)")]
    assert remarks(translated(over, replace(HERE, grace=7 * DAY))) == []
    suspended = replace(ADA, users=(user(ends=NOW - DAY, suspended=True, code="MEMBERSHIP_EXPIRATION"),))
    assert remarks(translated(suspended)) == []


def test_details_that_do_not_fit_are_cleaned_and_told() -> None:
    ada = user(given_name="A" * 250, surname="B\tC", mail="nobody", phone=None, institution="Università")
    found = translated(replace(ADA, users=(ada,)))
    details = only_member(found).details
    assert (details.given_name, details.surname, details.mail) == ("A" * 200, "B C", "")
    assert details.institution == "Università"
    assert [(kind, code) for kind, code, _ in remarks(found)] == [("left", "mail"), *[("changed", "detail")] * 2]


def test_what_no_terminal_and_no_answer_should_hold_is_cleaned_and_told() -> None:
    groups = (replace(GROUPS[0], description="A\x1b[2Jb"), *GROUPS[1:])
    old = replace(ADA, groups=groups, users=(user(suspended=True, code="OTHER", reason="Left\x07\nus. "),))
    found = translated(old)
    assert only_member(found).suspended == ("other", "Left us.")
    assert found.plan.groups["/vo"] == "A [2Jb"
    assert remarks(found) == [
        ("changed", "detail", "/C=ZZ/O=Test/CN=Ada (1): Left us."),
        ("changed", "description", "/vo"),
    ]


def test_what_is_not_taken_over_at_all_is_counted() -> None:
    besides = {"requests_waiting": 2, "requests_ended": 0, "audit_event": 400}
    found = translated(replace(ADA, managers=(OldManager("Gm", "gm@example.org", (2, 9)),), besides=besides))
    assert remarks(found) == [
        ("left", "group_manager", "Gm <gm@example.org>: /vo/g, 9"),
        ("left", "requests_waiting", "2"),
        ("left", "audit_event", "400"),
    ]


def test_an_empty_database_is_that_of_another_vo() -> None:
    with pytest.raises(Refusal) as raised:
        translated(OldVo())
    assert (raised.value.code, raised.value.expected) == ("voms.import_other_vo", "/vo")


def test_every_remark_has_its_sentence_and_every_sentence_its_remark() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "voms" / "exchange").glob("voms_admin_*.py"))
    used = set(re.findall(r'remarks\.(?:changed|left)\(\s*"(\w+)"', sources))
    used |= {"list_of_nothing", "list_for_new_of_role", "is_over", "has_not_signed", "inheritance"}
    used |= {"requests_waiting", "requests_ended", "audit_event", "personal_info", "orgdb"}
    texts = Catalogue.load(ROOT / "voms" / "texts")
    assert [each for each in used if not texts.has(f"vo_import.{each}")] == []
    written = re.findall(r"^    (\w+): ", (ROOT / "voms" / "texts" / "en" / "import.yaml").read_text(), re.MULTILINE)
    others = {"from", "more", "written", "not_written", *(f"heading_{kind.value}" for kind in Kind)}
    assert set(written) - others - {"message", "remedy"} == used
