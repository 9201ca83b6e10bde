"""What becomes of accepted values: other names, other values, one attribute of several; and what has to be there."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.attributes import Attribute, Attributes, Value, make_attribute, texts_of
from ostiary.policy.acceptance import AcceptanceDecision, AcceptancePolicy, Issuer, Scope, accept
from ostiary.policy.acceptance_changes import Combination, Requirement, combined, missing
from ostiary.policy.acceptance_document import load_acceptance_policy

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
UNI = Issuer("https://idp.uni.example", scopes=(Scope("uni.example"),))
Load = Callable[[str], AcceptancePolicy]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(text: str) -> AcceptancePolicy:
        path = tmp_path / "acceptance.yaml"
        path.write_text(text)
        return load_acceptance_policy([path])

    return load


def decide(policy: AcceptancePolicy, *attributes: Attribute) -> AcceptanceDecision:
    return accept(policy, UNI, attributes, at=NOW)


def known(decision: AcceptanceDecision) -> dict[str, tuple[str, ...]]:
    return {attribute.name: attribute.texts() for attribute in decision.attributes}


def test_a_table_makes_other_values_and_refuses_what_it_does_not_name(load: Load) -> None:
    policy = load("rules: [{id: r, attribute: eduPersonAffiliation, as: role, map: {faculty: staff, staff: staff}}]")
    decision = decide(policy, make_attribute("eduPersonAffiliation", ["faculty", "staff", "alum"]))
    assert known(decision) == {"role": ("staff",)}
    assert [(str(v.value), v.reason, str(v.becomes or "")) for v in decision.verdicts] == [
        ("faculty", "accepted", "staff"),
        ("staff", "accepted", ""),
        ("alum", "not_mapped", ""),
    ]


def test_what_a_table_does_not_name_may_stay_as_it_is(load: Load) -> None:
    policy = load("rules: [{attribute: o, map: {Uni: University}, otherwise: keep}]")
    assert known(decide(policy, make_attribute("o", ["Uni", "College"]))) == {"o": ("University", "College")}


def test_of_a_scoped_value_the_scope_stays_and_is_looked_at_as_it_came(load: Load) -> None:
    policy = load("rules: [{attribute: eduPersonScopedAffiliation, map: {faculty: staff, x: 'a@evil.example'}}]")
    decision = decide(
        policy,
        make_attribute("eduPersonScopedAffiliation", ["faculty@uni.example", "faculty@evil.example", "x@uni.example"]),
    )
    assert known(decision) == {"eduPersonScopedAffiliation": ("staff@uni.example",)}
    assert [v.reason for v in decision.verdicts] == ["accepted", "scope", "not_mapped"]


def test_a_pattern_takes_a_part_out_and_puts_it_into_another_text(load: Load) -> None:
    policy = load(
        """
rules:
  - attribute: eduPersonEntitlement
    as: isMemberOf
    rewrite: {pattern: 'urn:mace:example\\.org:group:([a-z]+)', to: '/example/{}/Role=member'}
"""
    )
    decision = decide(policy, make_attribute("eduPersonEntitlement", ["urn:mace:example.org:group:bio", "urn:x"]))
    assert known(decision) == {"isMemberOf": ("/example/bio/Role=member",)}
    assert [v.reason for v in decision.verdicts] == ["accepted", "not_mapped"]


def test_a_changed_identifier_has_to_be_one_still(load: Load) -> None:
    policy = load("rules: [{attribute: pairwise-id, rewrite: {pattern: '(.*)', to: '-{}'}}]")
    decision = decide(policy, make_attribute("pairwise-id", ["abc@uni.example"]))
    assert decision.attributes == ()
    assert [v.reason for v in decision.verdicts] == ["not_mapped"]


def test_what_goes_on_as_an_identifier_is_one_and_in_lower_case(load: Load) -> None:
    policy = load("rules: [{attribute: eduPersonPrincipalName, as: subject-id}]")
    told = make_attribute("eduPersonPrincipalName", ["Ada@uni.example", "-ada@uni.example", "a_b@uni.example"])
    decision = decide(policy, told)
    assert known(decision) == {"subject-id": ("ada@uni.example",)}
    assert [v.reason for v in decision.verdicts] == ["accepted", "not_mapped", "not_mapped"]


def test_a_value_that_one_rule_makes_nothing_of_is_left_to_the_next(load: Load) -> None:
    policy = load("rules: [{id: a, attribute: cn, map: {x: y}}, {id: b, attribute: cn, as: other}]")
    assert known(decide(policy, make_attribute("cn", ["x", "z"]))) == {"cn": ("y",), "other": ("z",)}


def test_several_attributes_under_one_name_are_united(load: Load) -> None:
    policy = load("rules: [{attribute: [cn, displayName], as: name}]")
    decision = decide(policy, make_attribute("cn", ["Ada", "A."]), make_attribute("displayName", ["Ada"]))
    assert decision.attributes == (Attribute("name", (Value("Ada"), Value("A.")), issuer=UNI.entity_id),)


def test_a_name_may_be_written_as_the_wire_has_it(load: Load) -> None:
    policy = load("rules: [{attribute: 'urn:oid:0.9.2342.19200300.100.1.3', as: 'urn:oid:2.5.4.3'}]")
    assert known(decide(policy, make_attribute("mail", ["a@b.example"]))) == {"cn": ("a@b.example",)}


def test_one_attribute_is_made_of_the_first_that_there_is_or_of_all(load: Load) -> None:
    policy = load(
        """
rules: [{attribute: [mail, uid, cn]}]
combine:
  - {as: user, first_of: [uid, mail]}
  - {as: everything, all_of: [cn, user]}
"""
    )
    told: Attributes = (make_attribute("mail", ["m@x.example"]), make_attribute("cn", ["Ada", "m@x.example"]))
    made = combined(policy.combinations, told, NOW)
    assert texts_of(made, "user") == ("m@x.example",)
    assert texts_of(made, "everything") == ("Ada", "m@x.example")
    assert texts_of(made, "mail") == ("m@x.example",)
    assert combined(policy.combinations, made, NOW) == made


def test_what_has_run_out_is_not_the_first_that_there_is() -> None:
    gone = Attribute("uid", (Value("ada"),), valid_until=NOW)
    made = combined((Combination("user", ("uid", "mail"), True),), (gone, make_attribute("mail", ["m@x.example"])), NOW)
    assert texts_of(made, "user") == ("m@x.example",)


def test_what_is_required_is_missing_unless_one_of_the_alternatives_has_a_value_that_holds(load: Load) -> None:
    policy = load("required: [mail, {any: [subject-id, pairwise-id], because: To know you again.}]")
    [mail, identifier] = policy.required
    assert (mail, identifier) == (
        Requirement(("mail",)),
        Requirement(("subject-id", "pairwise-id"), "To know you again."),
    )
    assert missing(policy.required, (), NOW) == (mail, identifier)
    told = (make_attribute("mail", ["a@b.example"]), make_attribute("pairwise-id", ["x@b.example"]))
    assert missing(policy.required, told, NOW) == ()
    assert missing(policy.required, (make_attribute("mail", []), told[1]), NOW) == (mail,)
    ending = Attribute("mail", (Value("a"),), valid_until=NOW + timedelta(seconds=1))
    assert missing(policy.required, (ending, told[1]), NOW) == ()
    assert missing(policy.required, (ending, told[1]), NOW + timedelta(seconds=1)) == (mail,)


# --- the same by the document alone, as slowly and plainly as can be ---

TEXTS = ("a", "b", "ab", "urn:x:a", "urn:x:b")
PLAIN = ("cn", "o")
SCOPED_NAME = "eduPersonScopedAffiliation"

rules = st.fixed_dictionaries(
    {"attribute": st.sampled_from((*PLAIN, SCOPED_NAME))},
    optional={
        "value": st.lists(st.sampled_from((*TEXTS, "a@uni.example")), min_size=1, max_size=3),
        "as": st.just("made"),
        "from": st.sampled_from([{"issuers": UNI.entity_id}, {"issuers": "https://other.example"}]),
        "map": st.dictionaries(st.sampled_from(TEXTS), st.sampled_from(TEXTS), min_size=1, max_size=2),
        "otherwise": st.sampled_from(["keep", "refuse"]),
        "rewrite": st.sampled_from([{"pattern": "urn:x:(.*)", "to": "y{}"}, {"pattern": "(a|b)b?", "to": "{}c"}]),
    },
)
values = st.one_of(
    st.sampled_from(TEXTS).map(lambda text: (text, None)),
    st.tuples(st.sampled_from(TEXTS), st.sampled_from(["uni.example", "evil.example"])),
)


def allowed(rule: dict[str, object]) -> bool:
    changes = ("map" in rule) + ("rewrite" in rule)
    return changes < 2 and (changes == 1 or "otherwise" not in rule)


def naively(
    documents: list[dict[str, object]], told: list[tuple[str, list[tuple[str, str | None]]]]
) -> set[tuple[str, str]]:
    """Name and value of all that is believed."""
    believed = set()
    for name, several in told:
        for text, scope in several:
            written = text if scope is None else f"{text}@{scope}"
            if (scope is None) == (name == SCOPED_NAME):
                continue
            for rule in documents:
                if rule["attribute"] != name or rule.get("from", {}).get("issuers") == "https://other.example":
                    continue
                if (scope is not None and scope != "uni.example") or written not in rule.get("value", [written]):
                    continue
                becomes = text
                if "map" in rule:
                    becomes = rule["map"].get(text, text if rule.get("otherwise") == "keep" else None)
                if "rewrite" in rule:
                    found = re.fullmatch(rule["rewrite"]["pattern"], text)
                    kept = text if rule.get("otherwise") == "keep" else None
                    becomes = rule["rewrite"]["to"].replace("{}", found[1]) if found else kept
                if becomes is None:
                    continue
                believed.add((rule.get("as", name), becomes if scope is None else f"{becomes}@{scope}"))
                break
    return believed


@settings(max_examples=50, deadline=None)
@given(
    st.lists(rules.filter(allowed), max_size=4),
    st.lists(st.tuples(st.sampled_from((*PLAIN, SCOPED_NAME)), st.lists(values, max_size=3)), max_size=3),
)
def test_rules_and_changes_give_what_the_document_says(
    tmp_path_factory: pytest.TempPathFactory,
    documents: list[dict[str, object]],
    told: list[tuple[str, list[tuple[str, str | None]]]],
) -> None:
    path = tmp_path_factory.getbasetemp() / "generated.yaml"
    path.write_text(yaml.safe_dump({"rules": documents}))
    attributes = [Attribute(name, tuple(Value(text, scope) for text, scope in several)) for name, several in told]
    decision = decide(load_acceptance_policy([path]), *attributes)
    found = [(attribute.name, text) for attribute in decision.attributes for text in attribute.texts()]
    assert set(found) == naively(documents, told)
    assert len(found) == len(set(found))
