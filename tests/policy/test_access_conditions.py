"""Conditions of access rules: groups and roles of VOs, times, home organisations, networks, and what nobody knows."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ostiary.attributes import Attribute, make_attribute
from ostiary.policy.access import Check, Decision, Environment, Resource, Subject
from ostiary.policy.access_document import load_access_policy
from ostiary.policy.access_rules import AccessPolicy

# A Sunday; in Vienna it is one hour later.
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
UNI = "https://idp.uni.example"
Load = Callable[[str], AccessPolicy]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(condition: str) -> AccessPolicy:
        path = tmp_path / "access.yaml"
        path.write_text(f"rules: [{{id: r, paths: /, permit: {condition}}}]")
        return load_access_policy([path])

    return load


def decide(
    policy: AccessPolicy,
    *attributes: Attribute,
    at: datetime = NOON,
    network: str | None = None,
    issuer: str | None = UNI,
    known_login: bool = True,
) -> Decision:
    subject = Subject(attributes, issuer, NOON if known_login else None, "urn:password" if known_login else None)
    return policy.decide(subject, "GET", Resource("/"), Environment(at, network))


def groups(*fqans: str) -> Attribute:
    return make_attribute("isMemberOf", fqans, issuer="bio")


@pytest.mark.parametrize(
    ("condition", "fqan", "allow"),
    [
        ("{fqan: /bio/analysis}", "/bio/analysis", True),
        ("{fqan: /bio/analysis}", "/bio/analysis/Role=NULL/Capability=NULL", True),
        ("{fqan: /bio/analysis}", "/bio/analysis/Role=manager", False),
        ("{fqan: /bio/analysis}", "/bio/analysis/team", False),
        ("{fqan: /bio/analysis}", "/bio", False),
        ("{fqan: /bio/analysis/Role=NULL}", "/bio/analysis", True),
        ("{fqan: /bio/analysis/Role=manager}", "/bio/analysis/Role=manager/Capability=NULL", True),
        ("{fqan: /bio/analysis/Role=manager}", "/bio/analysis/Role=Manager", False),
        ("{fqan: /bio/analysis/Role=manager}", "/bio/analysis/team/Role=manager", False),
        ("{fqan: [/chem, /bio]}", "/bio", True),
        ("{fqan: /bio/analysis, below: true}", "/bio/analysis", True),
        ("{fqan: /bio/analysis, below: true}", "/bio/analysis/team/Role=x", True),
        ("{fqan: /bio/analysis, below: true}", "/bio/analysis2", False),
        ("{fqan: /bio/analysis, below: true}", "/bio", False),
        ("{fqan: /bio/Role=manager, below: true}", "/bio/analysis/Role=manager", True),
        ("{fqan: /bio/Role=manager, below: true}", "/bio/analysis", False),
        ("{fqan: /bio}", "bio", False),
        ("{fqan: /bio}", "/bio/Capability=other", False),
        ("{not: {fqan: /bio}}", "/chem", True),
    ],
)
def test_a_group_or_role_is_that_very_one_unless_what_is_below_counts_too(
    load: Load, condition: str, fqan: str, allow: bool
) -> None:
    assert decide(load(condition), groups(fqan)).allow is allow


def test_fqans_are_looked_for_in_one_attribute_only(load: Load) -> None:
    assert not decide(load("{fqan: /bio}"), make_attribute("eduPersonEntitlement", ["/bio"])).allow


def test_the_check_of_a_group_names_what_counts_and_what_she_has(load: Load) -> None:
    decision = decide(load("{fqan: [/bio/a, /bio/b/Role=r], below: true}"), groups("/chem", "not a name", "/chem"))
    assert decision.reasons[0].checks == (Check("fqan", "isMemberOf", "/bio/a/* | /bio/b/*/Role=r", ("/chem",), False),)


@pytest.mark.parametrize(
    ("condition", "at", "allow"),
    [
        ("{when: {time: {from: 8:00, to: 18:00}}}", "2026-11-22T12:00Z", True),
        ("{when: {time: {from: 8:00, to: 18:00}}}", "2026-11-22T18:00Z", False),
        ("{when: {time: {from: 8:00, to: 18:00}, time_zone: Europe/Vienna}}", "2026-11-22T07:00Z", True),
        ("{when: {time: {from: 22:00, to: 6:00}}}", "2026-11-22T03:00Z", True),
        ("{when: {weekdays: [saturday, sunday]}}", "2026-11-22T12:00Z", True),
        ("{when: {weekdays: monday, time_zone: Asia/Tokyo}}", "2026-11-22T15:00Z", True),
        ("{when: {weekdays: sunday, time: {from: 8:00, to: 11:00}}}", "2026-11-22T12:00Z", False),
        ("{when: {dates: {from: 2026-11-22, to: 2026-11-23}}}", "2026-11-22T12:00Z", True),
        ("{when: {dates: {to: 2026-11-22}}}", "2026-11-22T12:00Z", False),
        ("{not: {when: {weekdays: sunday, time: {from: 8:00, to: 11:00}}}}", "2026-11-22T12:00Z", True),
    ],
)
def test_times_are_those_of_the_zone_that_is_named(load: Load, condition: str, at: str, allow: bool) -> None:
    assert decide(load(condition), at=datetime.fromisoformat(at)).allow is allow


def test_each_span_of_time_is_a_check_of_its_own(load: Load) -> None:
    condition = "{when: {weekdays: [monday, friday], time: {from: 8:00, to: 18:00}, time_zone: Europe/Vienna}}"
    assert decide(load(condition)).reasons[0].checks == (
        Check("weekday", "", "monday | friday", ("sunday",), False),
        Check("time", "", "8:00 - 18:00 Europe/Vienna", ("13:00",), True),
    )


def test_several_spans_of_time_are_not_one_check_that_is_enough(load: Load) -> None:
    both = "{when: {weekdays: monday, time: {from: 8:00, to: 18:00}}}"
    assert not decide(load(f"{{any: [{{attribute: mail}}, {both}]}}")).reasons[0].one_is_enough
    assert decide(load("{any: [{attribute: mail}, {when: {weekdays: monday}}]}")).reasons[0].one_is_enough


@pytest.mark.parametrize(
    ("condition", "allow"),
    [
        ("{issuer: https://idp.uni.example}", True),
        ("{issuer: [https://other.example]}", False),
        ("{not: {issuer: https://other.example}}", True),
    ],
)
def test_a_rule_may_name_home_organisations(load: Load, condition: str, allow: bool) -> None:
    assert decide(load(condition)).allow is allow


@pytest.mark.parametrize(
    ("network", "allow"),
    [("192.0.2.7", True), ("::ffff:192.0.2.7", True), ("198.51.100.1", False), ("2001:db8::1", False)],
)
def test_a_rule_may_name_networks(load: Load, network: str, allow: bool) -> None:
    assert decide(load("{network: 192.0.2.0/24}"), network=network).allow is allow
    assert decide(load("{not: {network: 192.0.2.0/24}}"), network=network).allow is not allow


@pytest.mark.parametrize(
    "condition",
    [
        "{network: 192.0.2.0/24}",
        "{issuer: https://idp.uni.example}",
        "{authn_context: urn:password}",
        "{authenticated_within: 1h}",
    ],
)
@pytest.mark.parametrize("network", [None, "unix:", "192.0.2.7, 192.0.2.8"])
def test_what_nobody_knows_opens_nothing_not_even_by_not(load: Load, condition: str, network: str | None) -> None:
    for text in (condition, f"{{not: {condition}}}", f"{{not: {{not: {condition}}}}}"):
        decision = decide(load(text), network=network, issuer=None, known_login=False)
        assert not decision.allow
        [check] = decision.reasons[0].checks
        assert check.holds is None
        assert not check.met


def test_something_known_to_be_enough_makes_what_is_unknown_unimportant(load: Load) -> None:
    assert decide(load("{any: [{network: 192.0.2.0/24}, {authenticated: true}]}")).allow
    assert not decide(load("{all: [{network: 192.0.2.0/24}, {authenticated: true}]}")).allow
    assert decide(load("{not: {all: [{network: 192.0.2.0/24}, {attribute: mail}]}}")).allow


def test_an_attribute_may_be_written_by_its_oid(load: Load) -> None:
    policy = load("{attribute: 'urn:oid:0.9.2342.19200300.100.1.3'}")
    assert decide(policy, make_attribute("mail", ["ada@uni.example"])).allow
