from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ostiary.attributes import Attribute, make_attribute
from ostiary.policy.access import Check, Decision, Environment, Obligation, Reason, Resource, Subject
from ostiary.policy.access_document import load_access_policy
from ostiary.policy.access_rules import AccessPolicy, index_rules

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
MFA = "https://refeds.org/profile/mfa"
MEMBER = (make_attribute("eduPersonScopedAffiliation", ["member@uni.example", "student@uni.example"]),)
Load = Callable[[str], AccessPolicy]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(text: str) -> AccessPolicy:
        path = tmp_path / "access.yaml"
        path.write_text(text)
        return load_access_policy([path])

    return load


def decide(
    policy: AccessPolicy,
    path: str = "/",
    *,
    method: str = "GET",
    host: str = "app.example.org",
    attributes: tuple[Attribute, ...] = MEMBER,
    age: timedelta | None = timedelta(minutes=5),
    context: str | None = PASSWORD,
    application: str = "",
) -> Decision:
    subject = Subject(attributes, "https://idp.uni.example", None if age is None else NOW - age, context)
    return policy.decide(subject, method, Resource(path, host, application), Environment(NOW))


def rule_of(decision: Decision) -> tuple[bool, str]:
    return decision.allow, decision.reasons[0].rule


def test_without_rules_the_answer_is_no() -> None:
    assert decide(index_rules(())) == Decision(False, (Reason("access.no_rule"),))


def test_a_permission_names_its_rule_and_what_was_checked(load: Load) -> None:
    policy = load(
        """
rules:
  - id: members
    paths: /
    permit: {attribute: eduPersonScopedAffiliation, left: [member, staff]}
    because: Open to members of the universities.
"""
    )
    check = Check(
        "attribute",
        "eduPersonScopedAffiliation",
        "left: member | staff",
        ("member@uni.example", "student@uni.example"),
        True,
    )
    reason = Reason("access.permitted", "members", "Open to members of the universities.", (check,))
    assert decide(policy) == Decision(True, (reason,), MEMBER)


def test_a_denial_carries_rule_and_reason_and_no_attributes(load: Load) -> None:
    policy = load("rules: [{id: staff, paths: /, permit: {attribute: eduPersonEntitlement}, because: Staff only.}]")
    check = Check("attribute", "eduPersonEntitlement", "", (), False)
    assert decide(policy) == Decision(False, (Reason("access.not_met", "staff", "Staff only.", (check,)),), (), ())


def test_student_does_not_imply_member(load: Load) -> None:
    policy = load("rules: [{id: m, paths: /, permit: {attribute: eduPersonScopedAffiliation, left: member}}]")
    student = (make_attribute("eduPersonScopedAffiliation", ["student@uni.example"]),)
    assert not decide(policy, attributes=student).allow
    assert decide(policy).allow


PATHS = """
rules:
  - {id: root, paths: /, permit: {authenticated: true}}
  - {id: read admin, paths: /admin, methods: get, permit: {authenticated: true}}
  - {id: write admin, paths: [/admin, /root], methods: [POST], permit: {attribute: eduPersonEntitlement}}
  - {id: deep, paths: /admin/keys, permit: {not: {authenticated: true}}}
"""


@pytest.mark.parametrize(
    ("path", "method", "allow", "rule"),
    [
        ("/", "GET", True, "root"),
        ("/page", "POST", True, "root"),
        ("/administration", "POST", True, "root"),
        ("/admin", "GET", True, "read admin"),
        ("/admin/", "get", True, "read admin"),
        ("/admin/x", "HEAD", True, "read admin"),
        ("/admin/x", "POST", False, "write admin"),
        ("/root", "POST", False, "write admin"),
        ("/admin/x", "DELETE", False, ""),
        ("/root/x", "GET", False, ""),
        ("/admin/keys/1", "GET", False, "deep"),
        ("/admin/keys", "DELETE", False, "deep"),
    ],
)
def test_the_deepest_path_owns_the_request_and_a_shorter_one_never_takes_over(
    load: Load, path: str, method: str, allow: bool, rule: str
) -> None:
    assert rule_of(decide(load(PATHS), path, method=method)) == (allow, rule)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/x/../admin", "access.path_unreadable"),
        ("/x/%2e%2e/admin", "access.path_unreadable"),
        ("/x%2fadmin", "access.path_unreadable"),
        ("/x/..;a=b/admin", "access.path_unreadable"),
        ("/x\\..\\admin", "access.path_unreadable"),
        ("/admin\x00", "access.path_unreadable"),
        ("admin", "access.path_unreadable"),
        ("", "access.path_unreadable"),
        ("//admin", "access.path_ambiguous"),
        ("/admin;x=1", "access.path_ambiguous"),
        ("/;/admin", "access.path_ambiguous"),
    ],
)
def test_a_path_that_hides_where_it_leads_is_denied(load: Load, path: str, code: str) -> None:
    assert decide(load(PATHS), path) == Decision(False, (Reason(code),))  # type: ignore[arg-type]


def test_two_readings_under_one_rule_are_no_reason_to_deny(load: Load) -> None:
    assert rule_of(decide(load(PATHS), "/proxy/https://example.org/x;v=1")) == (True, "root")


def test_of_the_rules_for_one_path_the_first_that_names_the_method_decides(load: Load) -> None:
    policy = load(
        """
rules:
  - {id: closed, paths: /a, methods: GET, permit: {not: {authenticated: true}}}
  - {id: open, paths: /a, permit: {authenticated: true}}
"""
    )
    assert rule_of(decide(policy, "/a")) == (False, "closed")
    assert rule_of(decide(policy, "/a", method="POST")) == (True, "open")


def test_hosts_and_applications_limit_a_rule(load: Load) -> None:
    policy = load(
        """
rules:
  - {id: here, paths: /a, hosts: [App.example.org], permit: {not: {authenticated: true}}}
  - {id: lab, paths: /a/b, applications: lab, permit: {not: {authenticated: true}}}
  - {id: everywhere, paths: /, permit: {authenticated: true}}
"""
    )
    assert rule_of(decide(policy, "/a", host="APP.example.org")) == (False, "here")
    assert rule_of(decide(policy, "/a", host="app.example.org.")) == (False, "here")
    assert rule_of(decide(policy, "/a", host="other.example.org")) == (True, "everywhere")
    assert rule_of(decide(policy, "/a/b", host="other.example.org", application="lab")) == (False, "lab")
    assert rule_of(decide(policy, "/a/b", host="other.example.org", application="library")) == (True, "everywhere")


@pytest.mark.parametrize(
    ("condition", "allow"),
    [
        ("{attribute: eduPersonScopedAffiliation}", True),
        ("{attribute: mail}", False),
        ("{attribute: eduPersonScopedAffiliation, value: member@uni.example}", True),
        ("{attribute: eduPersonScopedAffiliation, value: member}", False),
        ("{attribute: eduPersonScopedAffiliation, scope: [uni.example, other.example]}", True),
        ("{attribute: eduPersonScopedAffiliation, scope: other.example}", False),
        ("{attribute: eduPersonScopedAffiliation, pattern: '(member|staff)@.+\\.example'}", True),
        ("{attribute: eduPersonScopedAffiliation, pattern: 'member'}", False),
        ("{attribute: eduPersonScopedAffiliation, left: member, scope: other.example}", False),
        ("{all: [{authenticated: true}, {attribute: mail}]}", False),
        ("{any: [{authenticated: true}, {attribute: mail}]}", True),
        ("{any: [{attribute: cn}, {attribute: mail}]}", False),
        ("{not: {attribute: mail}}", True),
        ("{not: {attribute: eduPersonScopedAffiliation, left: student}}", False),
        ("{all: [{any: [{attribute: mail}, {authenticated: true}]}, {not: {attribute: mail}}]}", True),
        (f"{{authn_context: '{PASSWORD}'}}", True),
        (f"{{authn_context: ['{MFA}']}}", False),
        ("{authenticated_within: 5m}", True),
        ("{authenticated_within: 299s}", False),
    ],
)
def test_a_condition_holds_or_not(load: Load, condition: str, allow: bool) -> None:
    assert decide(load(f"rules: [{{id: r, paths: /, permit: {condition}}}]")).allow is allow


def test_an_unknown_login_time_or_context_fulfils_no_condition_on_it(load: Load) -> None:
    assert not decide(load("rules: [{id: r, paths: /, permit: {authenticated_within: 10h}}]"), age=None).allow
    assert not decide(load(f"rules: [{{id: r, paths: /, permit: {{authn_context: '{MFA}'}}}}]"), context=None).allow


def test_an_attribute_past_its_validity_counts_no_more_and_is_not_passed_on(load: Load) -> None:
    policy = load(
        "rules: [{id: r, paths: /, permit: {attribute: mail}}, {id: o, paths: /o, permit: {authenticated: true}}]"
    )
    expired = Attribute("mail", make_attribute("mail", ["a@b"]).values, valid_until=NOW)
    assert not decide(policy, attributes=(expired,)).allow
    assert decide(policy, "/o", attributes=(expired, *MEMBER)).attributes == MEMBER


@pytest.mark.parametrize(
    ("condition", "obligations"),
    [
        ("{authenticated_within: 1m}", (Obligation("reauthenticate"),)),
        (f"{{authn_context: '{MFA}'}}", (Obligation("reauthenticate", (MFA,)),)),
        (
            f"{{all: [{{authenticated_within: 1m}}, {{authn_context: ['{MFA}', urn:x]}}]}}",
            (Obligation("reauthenticate", (MFA, "urn:x")),),
        ),
        (f"{{all: [{{attribute: mail}}, {{authn_context: '{MFA}'}}]}}", ()),
        ("{attribute: mail}", ()),
        (f"{{not: {{authn_context: '{PASSWORD}'}}}}", ()),
    ],
)
def test_a_denial_that_a_new_login_would_turn_says_so(
    load: Load, condition: str, obligations: tuple[Obligation, ...]
) -> None:
    decision = decide(load(f"rules: [{{id: r, paths: /, permit: {condition}}}]"))
    assert not decision.allow
    assert decision.obligations == obligations


def test_a_check_under_not_is_met_when_it_does_not_hold(load: Load) -> None:
    policy = load("rules: [{id: m, paths: /, permit: {not: {all: [{attribute: mail}, {not: {authenticated: true}}]}}}]")
    [reason] = decide(policy).reasons
    assert [(check.name, check.holds, check.negated, check.met) for check in reason.checks] == [
        ("mail", False, True, True),
        ("", True, False, True),
    ]


@pytest.mark.parametrize(
    ("condition", "enough"),
    [
        ("{any: [{attribute: mail}, {attribute: cn}]}", True),
        ("{all: [{attribute: mail}, {attribute: cn}]}", False),
        ("{any: [{attribute: mail}, {not: {attribute: cn}}]}", False),
        ("{attribute: mail}", False),
    ],
)
def test_a_reason_says_whether_one_of_its_checks_is_enough(load: Load, condition: str, enough: bool) -> None:
    [reason] = decide(load(f"rules: [{{id: m, paths: /, permit: {condition}}}]")).reasons
    assert reason.one_is_enough is enough
