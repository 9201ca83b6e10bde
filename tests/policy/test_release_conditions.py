"""When a policy applies: time, place, login and person, and what happens where nobody knows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ostiary.attributes import Attribute, Value, make_attribute
from ostiary.config import parse_document
from ostiary.policy.release import NOTHING_KNOWN, Circumstances, Requester, policies_not_applied, release
from ostiary.policy.release.document import compile_release_policies

SP = Requester("https://lab.example.org/shar")
MAIL = (make_attribute("mail", ["ada@uni.example"]),)
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)  # a Sunday
NOWHERE = Circumstances()


def answer(when: str, rule: str = "permit", at: datetime = NOON, around: Circumstances = NOWHERE) -> bool:
    """Whether mail leaves under this condition; for a deny, beside a permit without one."""
    text = f"""
policies:
  - {{id: conditional, for: {{anyone: true}}, when: {{{when}}}, rules: [{{{rule}: mail}}]}}
"""
    if rule == "deny":
        text += "  - {id: open, for: {anyone: true}, rules: [{permit: mail}]}\n"
    policies = compile_release_policies([parse_document(text.encode(), Path("release.yaml"))])
    return bool(release(policies, SP, MAIL, target=None, at=at, wanted=None, circumstances=around).attributes)


@pytest.mark.parametrize(
    ("when", "at", "holds"),
    [
        ("time: {from: '08:00', to: '12:00'}", NOON, False),
        ("time: {from: '08:00', to: '12:00'}", NOON - timedelta(seconds=1), True),
        ("time: {from: 12:00, to: 24:00}", NOON, True),
        ("time: {from: 22:00, to: 6:30}", NOON, False),
        ("time: {from: 22:00, to: 6:30}", NOON + timedelta(hours=10), True),
        ("time: {from: 22:00, to: 6:30}", NOON - timedelta(hours=5, minutes=31), True),
        ("time: {from: 22:00, to: 6:30}", NOON - timedelta(hours=5, minutes=30), False),
        ("time: {from: 13:00, to: 14:00}, time_zone: Europe/Vienna", NOON, True),
        # Summer time has begun: the same clock, another hour of UTC.
        ("time: {from: 14:00, to: 15:00}, time_zone: Europe/Vienna", datetime(2026, 7, 1, 12, tzinfo=UTC), True),
        ("weekdays: sunday", NOON, True),
        ("weekdays: [monday, saturday]", NOON, False),
        ("weekdays: monday, time_zone: Pacific/Auckland", NOON, True),
        ("dates: {from: 2026-11-22}", NOON, True),
        ("dates: {to: 2026-11-22}", NOON, False),
        ("dates: {from: 2026-10-01, to: 2026-11-23}", NOON, True),
        ("dates: {from: 2026-11-23, to: 2026-11-24}, time_zone: Pacific/Auckland", NOON, True),
        ("weekdays: sunday, time: {from: 13:00, to: 14:00}", NOON, False),
    ],
)
def test_times_are_half_open_and_read_in_the_zone(when: str, at: datetime, holds: bool) -> None:
    assert answer(when, at=at) is holds
    assert answer(when, "deny", at=at) is not holds


@pytest.mark.parametrize(
    ("when", "around", "holds"),
    [
        ("network: 192.0.2.0/24", Circumstances(network="192.0.2.9"), True),
        ("network: 192.0.2.0/24", Circumstances(network="::ffff:192.0.2.9"), True),
        ("network: [192.0.2.0/24, '2001:db8::/32']", Circumstances(network="2001:db8::9"), True),
        ("network: 192.0.2.0/24", Circumstances(network="192.0.3.9"), False),
        ("authn_context: [urn:mfa, urn:kerberos]", Circumstances(authn_context="urn:mfa"), True),
        ("authn_context: urn:mfa", Circumstances(authn_context="urn:password"), False),
        (
            "person: {attribute: eduPersonAffiliation, value: [staff, faculty]}",
            Circumstances(person=(make_attribute("eduPersonAffiliation", ["member", "staff"]),)),
            True,
        ),
        ("person: {attribute: eduPersonAffiliation, value: staff}", Circumstances(), False),
        (
            "person: {attribute: isMemberOf, pattern: 'cn=lab-.*'}",
            Circumstances(person=(make_attribute("isMemberOf", ["cn=lab-7"]),)),
            True,
        ),
        (
            "person: [{attribute: a}, {attribute: b, scope: s}]",
            Circumstances(person=(make_attribute("a", ["1"]), Attribute("b", (Value("x", "s"),)))),
            True,
        ),
        ("person: [{attribute: a}, {attribute: b}]", Circumstances(person=(make_attribute("a", ["1"]),)), False),
    ],
)
def test_place_login_and_person_decide(when: str, around: Circumstances, holds: bool) -> None:
    assert answer(when, around=around) is holds
    assert answer(when, "deny", around=around) is not holds


EXPIRED = Attribute("a", (Value("1"),), valid_until=NOON)


@pytest.mark.parametrize(
    ("when", "around"),
    [
        ("network: 192.0.2.0/24", Circumstances()),
        ("authn_context: urn:mfa", Circumstances()),
        ("person: {attribute: a}", Circumstances(uncertain=frozenset({"a"}))),
        ("person: {attribute: a}", Circumstances(person=(EXPIRED,))),
        ("person: {attribute: a, has: false}", Circumstances(uncertain=frozenset({"a"}))),
        ("person: {attribute: a}", NOTHING_KNOWN),
        ("network: 192.0.2.0/24, weekdays: sunday", Circumstances()),
    ],
)
def test_what_nobody_knows_lets_nothing_leave_and_keeps_denials(when: str, around: Circumstances) -> None:
    assert not answer(when, around=around)
    assert not answer(when, "deny", around=around)


def test_a_source_that_did_not_answer_makes_nothing_else_uncertain() -> None:
    around = Circumstances(uncertain=frozenset({"b"}))
    assert answer("person: {attribute: a}", "deny", around=around)
    assert answer("person: {attribute: a, has: false}", around=around)


def test_what_is_known_to_be_false_lifts_a_denial_whatever_else_is_unknown() -> None:
    assert answer("network: 192.0.2.0/24, weekdays: monday", "deny")


@pytest.mark.parametrize(
    ("count", "number", "complete", "permitted", "denied"),
    [
        ("{max: 1}", 1, True, True, True),
        ("{max: 1}", 2, True, False, False),
        ("{min: 2}", 1, True, False, False),
        ("{min: 2, max: 3}", 3, True, True, True),
        # There may be more, in a source that did not answer.
        ("{max: 1}", 1, False, False, True),
        ("{max: 1}", 2, False, False, False),
        ("{min: 2}", 1, False, False, True),
        ("{min: 2}", 2, False, True, True),
    ],
)
def test_a_rule_may_depend_on_how_many_values_there_are(
    count: str, number: int, complete: bool, permitted: bool, denied: bool
) -> None:
    mail = (make_attribute("mail", [f"{n}@uni.example" for n in range(number)]),)
    for rule, rest, leaves in (
        ("permit", "", permitted),
        ("deny", ", {id: rest, permit: mail}", not denied),
    ):
        text = f"policies: [{{id: p, for: {{anyone: true}}, rules: [{{{rule}: mail, count: {count}}}{rest}]}}]"
        policies = compile_release_policies([parse_document(text.encode(), Path("release.yaml"))])
        around = Circumstances(uncertain=frozenset() if complete else frozenset({"mail"}))
        decision = release(policies, SP, mail, target=None, at=NOON, wanted=None, circumstances=around)
        assert bool(decision.attributes) is leaves


def test_a_value_set_holds_the_values_of_several_rules_and_files() -> None:
    documents = [
        b"value_sets: {terms: [urn:a, urn:b], more: urn:c}",
        b"policies: [{id: p, for: {anyone: true}, rules: [{permit: cn, value_set: [terms, more], value: [urn:b, urn:c, urn:d]}]}]",
    ]
    policies = compile_release_policies([parse_document(text, Path(f"{n}.yaml")) for n, text in enumerate(documents)])
    decision = release(
        policies, SP, (make_attribute("cn", ["urn:a", "urn:b", "urn:c", "urn:d"]),), target=None, at=NOON, wanted=None
    )
    assert [attribute.texts() for attribute in decision.attributes] == [("urn:b", "urn:c")]


def test_each_policy_that_plays_no_part_says_why() -> None:
    text = b"""
policies:
  - {id: works, for: {anyone: true}, rules: [{permit: cn}]}
  - {id: others, for: {requesters: https://other.example}, when: {weekdays: monday}, rules: [{permit: mail}]}
  - {id: late, for: {anyone: true}, when: {time: {from: 22:00, to: 6:00}, weekdays: monday}, rules: [{permit: mail}]}
  - {id: inside, for: {anyone: true}, when: {network: 192.0.2.0/24}, rules: [{permit: mail}]}
  - {id: strong, for: {anyone: true}, when: {authn_context: urn:mfa}, rules: [{permit: mail}]}
  - {id: staff, for: {anyone: true}, when: {person: {attribute: a}}, rules: [{permit: mail}]}
  - {id: tree, for: {anyone: true}, target: https://lab.example.org/x, rules: [{permit: mail}]}
  - {id: named, for: {requesters: https://lab.example.org/shar}, rules: [{permit: mail}]}
  - {id: quiet, for: {anyone: true}, when: {network: 192.0.2.0/24}, rules: [{deny: mail}]}
  - {id: past, for: {anyone: true}, when: {dates: {to: 2026-01-01}}, rules: [{deny: mail}]}
"""
    policies = compile_release_policies([parse_document(text, Path("release.yaml"))])
    unknown = Requester("https://lab.example.org/shar", known=False)
    around = Circumstances(authn_context="urn:password")
    assert policies_not_applied(policies, unknown, target=None, at=NOON, circumstances=around) == (
        ("late", "weekday"),
        ("late", "time"),
        ("inside", "network_unknown"),
        ("strong", "authn_context"),
        ("staff", "person"),
        ("tree", "target"),
        ("named", "requester_unknown"),
        ("past", "date"),
    )
