"""A policy as short statements, each of which has its text."""

from pathlib import Path

from attribute_authority.administration.plain import PolicyInWords, Statement, in_words
from attribute_authority.service import TEXTS
from ostiary.config import load_document, parse_document
from ostiary.policy.release.document import compile_release_policies

EVERYTHING = """
value_sets: {terms: [x, y]}
policies:
  - id: p
    for:
      requesters: [https://b.example, https://a.example]
      requester_pattern: "https://.*"
      entity_category: https://c.example
      entity_attribute: [{name: level, value: [1a, 2b]}, {name: other, pattern: "x.*"}]
      registration_authority: https://r.example
      unless: {requesters: https://b.example}
    target: https://a.example/x
    only: required
    when:
      time: {from: "22:00", to: "06:00"}
      weekdays: [monday, sunday]
      dates: {from: 2026-10-01, to: 2027-02-01}
      time_zone: Europe/Vienna
      network: 192.0.2.0/24
      authn_context: urn:x
      person: [{attribute: role, value: [staff]}, {attribute: sealed, has: false}]
    rules:
      - {id: one, permit: [mail, cn], value: [a, b], count: {min: 1, max: 3}}
      - {id: two, deny: "*", pattern: "z.*", unless: {value: zz}}
      - {id: three, permit: eduPersonScopedAffiliation, left: staff, scope: x.example}
      - {id: four, permit: cn, value_set: terms}
  - {id: q, for: {anyone: true}, only: requested, rules: [{permit: o}]}
  - {id: r, for: {anonymous: true}, rules: [{permit: o}]}
"""


def words() -> list[PolicyInWords]:
    policies = compile_release_policies([parse_document(EVERYTHING.encode(), Path("p.yaml"))]).policies
    return [in_words(policy, _name) for policy in policies]


def _name(entity_id: str) -> str:
    return {"https://a.example": "The A"}.get(entity_id, entity_id)


def test_everything_that_a_policy_says_is_told() -> None:
    first, second, third = words()
    assert first.who == (
        Statement("requesters", ("The A", "https://b.example")),
        Statement("requester_pattern", ("https://.*",)),
        Statement("entity_category", ("https://c.example",)),
        Statement("registration_authority", ("https://r.example",)),
        Statement("entity_attribute", ("level = 1a | 2b",)),
        Statement("entity_attribute", ("other = x.*",)),
        Statement("unless", inner=(Statement("requesters", ("https://b.example",)),)),
    )
    assert first.when == (
        Statement("target", ("https://a.example/x",)),
        Statement("required"),
        Statement("time", ("22:00–06:00 Europe/Vienna",)),
        Statement("weekday_0"),
        Statement("weekday_6"),
        Statement("date_from", ("2026-10-01",)),
        Statement("date_to", ("2027-02-01",)),
        Statement("network", ("192.0.2.0/24",)),
        Statement("authn_context", ("urn:x",)),
        Statement("person", ("role",), (Statement("value", ("staff",)),)),
        Statement("person_without", ("sealed",)),
    )
    one, two, three, four = first.rules
    assert (one.permits, one.attributes) == (True, ("cn", "mail"))
    assert one.limits == (Statement("value", ("a", "b")), Statement("at_least", ("1",)), Statement("at_most", ("3",)))
    assert (two.permits, two.attributes) == (False, ())
    assert two.limits == (
        Statement("pattern", ("z.*",)),
        Statement("unless", inner=(Statement("value", ("zz",)),)),
    )
    assert three.limits == (Statement("left", ("staff",)), Statement("scope", ("x.example",)))
    assert four.limits == (Statement("value", ("x", "y")),)
    assert (second.who, second.when) == ((Statement("anyone"),), (Statement("requested"),))
    assert third.who == (Statement("anonymous"),)


def keys(statements: tuple[Statement, ...]) -> set[str]:
    return {one.key for one in statements} | {key for one in statements for key in keys(one.inner)}


def test_every_statement_has_its_text_and_every_text_is_used() -> None:
    texts = set(load_document(TEXTS / "en" / "administration.yaml").data["pages"]["admin"]["says"])
    used = {
        key
        for policy in words()
        for key in keys((*policy.who, *policy.when, *(limit for r in policy.rules for limit in r.limits)))
    }
    assert used | {f"weekday_{day}" for day in range(1, 6)} == texts
