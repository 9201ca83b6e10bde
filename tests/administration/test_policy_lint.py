"""Policies that do not do what somebody meant by them: each finding with its line, and silence about good ones."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from attribute_authority.administration.lint import LintReport, World, lint, refused
from attribute_authority.administration.lint.coverage import matches_everything
from ostiary.config import parse_document
from ostiary.errors import ConfigurationError
from ostiary.policy.patterns import compile_pattern
from ostiary.policy.release import RequestedAttribute, Requester
from ostiary.policy.release.document import compile_release_policies

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LIBRARY = Requester(
    "https://library.example/shar",
    entity_categories=("https://refeds.org/category/personalized",),
    registration_authority="https://federation.example",
    requested=(RequestedAttribute("mail", required=True), RequestedAttribute("cn")),
    origins=frozenset({("https", "library.example", 443)}),
)
LAB = Requester("https://lab.example/shar", origins=frozenset({("https", "lab.example", 443)}))
WORLD = World(
    (LIBRARY, LAB),
    frozenset({"mail", "cn", "displayName", "eduPersonAffiliation", "eduPersonScopedAffiliation"}),
    NOW,
    frozenset({"employeeNumber"}),
)


def report(text: str, world: World = WORLD) -> LintReport:
    document = parse_document(text.encode(), Path("release.yaml"))
    return lint([document], compile_release_policies([document]), world)


def findings(text: str, world: World = WORLD) -> list[tuple[str, str, int | None]]:
    return [(found.level, found.code, found.line) for found in report(text, world).findings]


def policy(
    audience: str = "requesters: https://library.example/shar", rule: str = "permit: mail", more: str = ""
) -> str:
    return f"policies:\n  - id: p\n    for: {{{audience}}}\n{more}    rules:\n      - {{{rule}}}\n"


def test_nothing_is_said_of_good_policies() -> None:
    assert findings(policy()) == []
    good = report(
        """
        groups: {partners: [https://library.example/shar, https://lab.example/shar]}
        policies:
          - {id: everybody, for: {anyone: true}, rules: [{permit: eduPersonAffiliation, value: [member, staff]}]}
          - {id: partners, for: {group: partners}, rules: [{permit: [cn, displayName]}, {deny: cn, pattern: "x.*"}]}
          - {id: asked, for: {entity_category: https://refeds.org/category/personalized}, only: required,
             target: https://library.example/x, rules: [{permit: mail}]}
          - {id: staff, for: {registration_authority: https://federation.example},
             rules: [{permit: eduPersonScopedAffiliation, left: staff, scope: uni.example}]}
        """
    )
    assert (good.findings, good.policies, good.patterns, good.cut) == ((), 4, 1, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("groups: {none: []}", None),
        (policy('requesters: https://library.example/shar, requester_pattern: "https://lab[.].*"'), "error nobody 3"),
        (policy('requester_pattern: ".*"'), "warning pattern_everybody 3"),
        (policy("requesters: https://libary.example/shar"), "warning requester_meant 3"),
        (policy("requesters: https://elsewhere.example"), "warning requester_unknown 3"),
        (policy("entity_category: https://refeds.org/category/x"), "warning category_unused 3"),
        (policy("registration_authority: https://other.example"), "warning nobody_now 3"),
        (policy(rule="permit: mial"), "error attribute_meant 5"),
        (policy(rule="permit: schacHomeOrganization"), "warning attribute_unknown 5"),
        (policy(rule="deny: schacHomeOrganization"), "hint attribute_unknown 5"),
        (policy(rule="deny: mial"), "error attribute_meant 5"),
        (policy(rule="permit: employeeNumber"), "warning attribute_internal 5"),
        (policy(rule="permit: mail, scope: uni.example"), "error not_scoped 5"),
        (policy(rule="permit: eduPersonScopedAffiliation, value: member"), "error value_without_scope 5"),
        (policy(rule='permit: mail, value: a@b.example, pattern: "x.*"'), "error value_and_pattern 5"),
        (policy(rule='permit: mail, pattern: "^.*$"'), "warning pattern_everything 5"),
        (policy(rule=f'permit: mail, pattern: "{"a|" * 120}b"'), "hint pattern_long 2"),
        (policy("anyone: true", 'permit: "*"'), "warning everything_to_anyone 5"),
        (policy(more="    target: https://elsewhere.example/x\n"), "warning target_foreign 4"),
        (policy(more="    only: required\n", rule="permit: cn"), "warning nobody_needs 6"),
        (policy(more="    only: requested\n", rule="permit: displayName"), "warning nobody_asks 6"),
        (policy(more="    when: {dates: {to: 2026-11-22}}\n"), "warning date_past 4"),
        (policy(more="    when: {person: {attribute: emloyeeNumber, value: x}}\n"), "error condition_meant 4"),
        (policy(more="    when: {person: {attribute: isMemberOf, value: x}}\n"), "warning condition_unknown 4"),
        ("groups: {left-over: https://library.example/shar}\n", "hint unused_groups 1"),
        ("value_sets: {left-over: x}\n", "hint unused_value_sets 1"),
    ],
)
def test_what_is_wrong_is_found_at_its_line(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ConfigurationError):
            findings(text)
        return
    level, code, line = expected.split()
    assert findings(text) == [(level, code, int(line))]


def test_a_value_set_that_shares_nothing_with_the_values_lets_nothing_pass() -> None:
    text = "value_sets: {s: [a]}\n" + policy(rule="permit: cn, value_set: s, value: b")
    assert findings(text) == [("error", "no_value", 6)]


def test_a_permit_that_a_denial_takes_back_does_nothing() -> None:
    denial = "  - {id: no mail, for: {anyone: true}, rules: [{deny: mail}]}\n"
    [found] = report(policy() + denial).findings
    assert (found.level, found.code, found.line, found.policy, found.rule) == ("error", "denied", 5, "p", "rule 1")
    assert found.facts["other"] == "no mail/rule 1"
    [partly] = report(policy(rule="permit: [mail, cn]") + denial).findings
    assert (partly.level, partly.code, partly.facts["attributes"]) == ("warning", "denied_partly", "mail")


@pytest.mark.parametrize(
    "denial",
    [
        "{id: d, for: {requesters: https://lab.example/shar}, rules: [{deny: mail}]}",
        '{id: d, for: {anyone: true}, rules: [{deny: mail, pattern: "x.*"}]}',
        "{id: d, for: {anyone: true}, target: https://library.example/x, rules: [{deny: mail}]}",
        "{id: d, for: {anyone: true}, when: {weekdays: [monday]}, rules: [{deny: mail}]}",
        "{id: d, for: {anyone: true}, rules: [{deny: mail, count: {min: 2}}]}",
        "{id: d, for: {requester_pattern: '.*library.*', unless: {requesters: [x]}}, rules: [{deny: mail}]}",
        "{id: d, for: {anyone: true}, rules: [{deny: mail, unless: {value: a@x.example}}]}",
    ],
)
def test_a_denial_of_something_else_takes_nothing_back(denial: str) -> None:
    assert findings(policy() + f"  - {denial}\n") == []


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ("requesters: https://library.example/shar", "anyone: true"),
        (
            "requesters: https://library.example/shar",
            "requesters: [https://library.example/shar, https://lab.example/shar]",
        ),
        ("requesters: https://library.example/shar", 'requester_pattern: "https://library[.]example/.*"'),
        (
            "entity_category: https://refeds.org/category/personalized, registration_authority: https://federation.example",
            "entity_category: https://refeds.org/category/personalized",
        ),
    ],
)
def test_a_rule_for_some_of_those_for_whom_another_rule_is_says_nothing_new(narrow: str, wide: str) -> None:
    other = f"  - {{id: wide, for: {{{wide}}}, rules: [{{permit: [mail, cn]}}]}}\n"
    assert findings(policy(narrow) + other) == [("hint", "superfluous", 5)]
    assert findings(policy(wide) + other.replace(wide, narrow).replace("[mail, cn]", "[mail, cn]")) in (
        [],
        [("hint", "superfluous", 6)],
    )


def test_of_two_rules_that_say_the_same_the_later_one_is_superfluous() -> None:
    again = "  - {id: again, for: {requesters: https://library.example/shar}, rules: [{permit: mail}]}\n"
    [found] = report(policy() + again).findings
    assert (found.code, found.policy, found.facts["other"]) == ("superfluous", "again", "p/rule 1")


def test_a_mandatory_policy_is_not_superfluous_beside_an_ordinary_one() -> None:
    wide = "  - {id: wide, for: {anyone: true}, rules: [{permit: mail}]}\n"
    assert findings(policy(more="    strength: mandatory\n") + wide) == []


def test_what_must_go_and_must_not_go_is_a_contradiction() -> None:
    text = policy(rule="permit: mail, value: a@x.example", more="    strength: mandatory\n") + (
        "  - {id: never, for: {anyone: true}, strength: forbidden, rules: [{deny: mail, value: [a@x.example, b]}]}\n"
    )
    [_, found] = report(text).findings
    assert (found.level, found.code, found.facts["other"]) == ("error", "bound_twice", "never") or (
        report(text).findings[0].code == "bound_twice"
    )
    apart = text.replace("[a@x.example, b]", "c@x.example")
    assert findings(apart) == []


def test_each_problem_of_a_file_that_can_not_be_used_is_a_finding() -> None:
    document = parse_document(b"policies:\n  - {id: p, fro: {anyone: true}, rules: []}\n", Path("release.yaml"))
    with pytest.raises(ConfigurationError) as refusal:
        compile_release_policies([document])
    found = refused(refusal.value)
    assert found.number("error") == len(found.findings) >= 2
    assert {(one.problem is not None, one.file, one.line) for one in found.findings} == {(True, "release.yaml", 2)}


def test_what_it_sees_in_metadata_changes_with_it() -> None:
    assert [code for _, code, _ in findings(policy(), World((), WORLD.attributes, NOW))] == ["requester_unknown"]


def test_thousands_of_policies_are_looked_through_in_seconds() -> None:
    many = "policies:\n" + "".join(
        f"  - {{id: p{n}, for: {{requesters: https://sp{n}.example/shar}}, rules: [{{permit: [mail, cn]}}]}}\n"
        for n in range(1000)
    )
    world = World(tuple(Requester(f"https://sp{n}.example/shar") for n in range(1000)), WORLD.attributes, NOW)
    assert report(many, world).findings == ()


@pytest.mark.parametrize(
    ("pattern", "everything"),
    [(".*", True), ("^.*$", True), (".+", True), ("(.*)", True), ("[^x]*", False), (".*@uni", False), ("a.*", False)],
)
def test_a_pattern_that_fits_everything_is_known(pattern: str, everything: bool) -> None:
    assert matches_everything(compile_pattern(pattern)) is everything
