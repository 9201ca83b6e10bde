"""attribute-filter.xml: what becomes of the types of rules, what is listed, and what is no such file."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from attribute_authority.shibboleth import rule_types
from attribute_authority.shibboleth.import_filter import ImportedFilter, import_filter
from attribute_authority.shibboleth.names import AttributeIds
from attribute_authority.shibboleth.rule_types import Translation
from ostiary.config import parse_document
from ostiary.errors import ConfigurationError
from ostiary.policy.release.document import compile_release_policies

FIXTURES = Path(__file__).parent / "fixtures"
FILE = Path("attribute-filter.xml")


def group(policies: str, more: str = "") -> bytes:
    return (
        '<AttributeFilterPolicyGroup xmlns="urn:mace:shibboleth:2.0:afp"'
        f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"{more}>\n{policies}\n</AttributeFilterPolicyGroup>'
    ).encode()


def policy(requirement: str, rules: str, id_: str = "p") -> str:
    return (
        f'<AttributeFilterPolicy id="{id_}">\n<PolicyRequirementRule {requirement}\n{rules}\n</AttributeFilterPolicy>'
    )


def permit(what: str, attribute: str = "mail") -> str:
    return f'<AttributeRule attributeID="{attribute}"><PermitValueRule {what}</AttributeRule>'


def deny(what: str, attribute: str = "mail") -> str:
    return f'<AttributeRule attributeID="{attribute}"><DenyValueRule {what}</AttributeRule>'


ANY = 'xsi:type="ANY"/>'
SCRIPT = 'xsi:type="Script"/>'


def imported(document: bytes, **translation: Any) -> ImportedFilter:
    return import_filter(document, FILE, Translation(**translation))


def policies_of(found: ImportedFilter) -> list[dict[str, Any]]:
    return yaml.safe_load(found.document)["policies"]


def test_a_file_with_the_types_of_today_is_translated() -> None:
    found = import_filter((FIXTURES / "attribute-filter.xml").read_bytes(), FILE, Translation())

    by_id = {one["id"]: one for one in policies_of(found)}
    assert (found.policies, found.translated) == (6, 10)
    assert by_id["everybody"] == {
        "id": "everybody",
        "for": {"anyone": True},
        "rules": [
            {"permit": "schacHomeOrganization"},
            {"permit": "eduPersonScopedAffiliation", "left": ["library-walk-in", "member"]},
        ],
    }
    assert by_id["publishers"]["for"] == {
        "requesters": ["https://books.example.net/sp", "https://journals.example.com/shibboleth"]
    }
    assert by_id["publishers 2"]["for"] == {"requester_pattern": r"https://[a-z]+\.press\.example/.*"}
    assert by_id["research-and-scholarship"]["for"] == {
        "entity_category": "http://refeds.org/category/research-and-scholarship",
        "registration_authority": ["https://federation.example", "https://other-federation.example"],
    }
    assert by_id["requested by our own"]["only"] == "requested"
    assert by_id["requested by our own 2"]["only"] == "required"
    assert by_id["requested by our own 3"]["rules"] == [
        {"permit": "eduPersonEntitlement", "pattern": r"urn:mace:uni\.example:[^:]+", "count": {"max": 3}}
    ]
    assert by_id["staff of the wiki"]["when"] == {
        "authn_context": "https://refeds.org/profile/mfa",
        "person": {"attribute": "eduPersonAffiliation", "value": "staff"},
    }


def test_what_is_not_translated_is_listed_by_line_with_what_it_means() -> None:
    found = import_filter((FIXTURES / "attribute-filter.xml").read_bytes(), FILE, Translation())

    assert [(part.line, part.type, part.reason, part.attribute, part.effect) for part in found.missing] == [
        (76, "Script", "script", "displayName", "not_permitted"),
        (76, "Script", "script", "uid", "denied_more"),
        (81, "ValueRegex", "regex", "uid", "denied_more"),
    ]


def test_types_and_references_of_version_2_are_translated_with_the_names_of_the_resolver() -> None:
    found = import_filter(
        (FIXTURES / "attribute-filter-v2.xml").read_bytes(),
        FILE,
        Translation(
            AttributeIds({"email": "mail"}),
            principal_name="uid",
            groups={"urn:mace:federation.example": frozenset({"https://federation.example"})},
        ),
    )

    one, two, requested, terms, person = policies_of(found)
    assert found.missing == ()
    assert (one["for"], one["rules"]) == ({"requesters": "https://one.example/sp"}, [{"permit": "mail"}])
    assert two["for"]["requester_pattern"].startswith("[Hh][Tt][Tt][Pp][Ss\u017f]://[Tt][Ww][Oo]")
    assert requested["for"]["registration_authority"] == "https://federation.example"
    assert requested["for"]["unless"] == two["for"]
    assert (requested["only"], requested["rules"]) == ("requested", [{"permit": "eduPersonPrincipalName"}])
    assert terms["rules"] == [
        {"deny": "eduPersonEntitlement", "unless": {"value": "urn:mace:dir:entitlement:common-lib-terms"}}
    ]
    assert person["when"] == {"person": {"attribute": "uid", "value": "jdoe"}}


def test_a_permit_with_a_requirement_that_can_not_be_said_is_left_out() -> None:
    found = imported(group(policy(SCRIPT, permit(ANY))))

    assert policies_of(found) == []
    assert [part.effect for part in found.missing] == ["not_permitted"]


def test_a_denial_with_a_requirement_that_can_not_be_said_holds_for_everybody() -> None:
    found = imported(group(policy(SCRIPT, deny(ANY))))

    assert policies_of(found) == [{"id": "p", "for": {"anyone": True}, "rules": [{"deny": "mail"}]}]
    assert [part.effect for part in found.missing] == ["denied_more"]


def test_of_several_alternatives_those_that_can_be_said_stay_permitted() -> None:
    either = 'xsi:type="OR"><Rule xsi:type="Script"/><Rule xsi:type="Requester" value="https://a.example"/></PolicyRequirementRule>'

    found = imported(group(policy(either, permit(ANY))))

    assert [one["for"] for one in policies_of(found)] == [{"requesters": "https://a.example"}]
    assert len(found.missing) == 1


def test_what_metadata_does_not_say_never_widens_a_permit_and_never_narrows_a_denial() -> None:
    silent = 'xsi:type="RegistrationAuthority" registrars="https://f.example" matchIfMetadataSilent="true"/>'

    found = imported(group(policy(silent, permit(ANY) + deny(ANY, "uid"))))

    assert policies_of(found) == [
        {
            "id": "p",
            "for": {"registration_authority": "https://f.example"},
            "rules": [{"permit": "mail"}, {"deny": "uid"}],
        },
        {"id": "p 2", "for": {"anyone": True}, "rules": [{"deny": "uid"}]},
    ]


def test_too_many_combinations_permit_nothing_and_deny_without_the_condition() -> None:
    def several(letter: str) -> str:
        rules = "".join(
            f'<Rule xsi:type="EntityAttributeExactMatch" attributeName="{letter}{number}" attributeValue="x"/>'
            for number in range(20)
        )
        return f'<Rule xsi:type="OR">{rules}</Rule>'

    required = f'xsi:type="AND">{several("a")}{several("b")}</PolicyRequirementRule>'

    found = imported(group(policy(required, permit(ANY) + deny(ANY, "uid"))))

    assert policies_of(found) == [{"id": "p", "for": {"anyone": True}, "rules": [{"deny": "uid"}]}]
    assert {part.reason for part in found.missing} == {"too_many"}


def test_a_hundred_requesters_are_one_policy() -> None:
    rules = "".join(f'<Rule xsi:type="Requester" value="https://sp{number}.example"/>' for number in range(300))

    found = imported(group(policy(f'xsi:type="OR">{rules}</PolicyRequirementRule>', permit(ANY))))

    assert [len(one["for"]["requesters"]) for one in policies_of(found)] == [300]


def test_requesters_that_a_pattern_does_not_match_are_sorted_out_at_once() -> None:
    both = (
        'xsi:type="AND"><Rule xsi:type="RequesterRegex" regex="https://a.*"/><Rule xsi:type="OR">'
        '<Rule xsi:type="Requester" value="https://a.example"/><Rule xsi:type="Requester" value="https://b.example"/>'
        "</Rule></PolicyRequirementRule>"
    )

    found = imported(group(policy(both, permit(ANY))))

    assert [one["for"] for one in policies_of(found)] == [{"requesters": "https://a.example"}]


def test_an_attribute_whose_scope_nobody_knows_is_not_compared_by_value() -> None:
    rule = permit('xsi:type="Value" value="x"/>', "localRole")

    assert [part.reason for part in imported(group(policy(ANY, rule))).missing] == ["scope_unknown"]
    known = imported(group(policy(ANY, rule)), ids=AttributeIds(scoped={"localRole": True}))
    assert policies_of(known)[0]["rules"] == [{"permit": "localRole", "pattern": "(x)@[^@]*"}]
    plain = imported(group(policy(ANY, rule)), ids=AttributeIds(scoped={"localRole": False}))
    assert policies_of(plain)[0]["rules"] == [{"permit": "localRole", "value": "x"}]


def test_the_scope_of_an_attribute_without_scopes_matches_nothing() -> None:
    assert policies_of(imported(group(policy(ANY, permit('xsi:type="Scope" value="uni.example"/>'))))) == []


def test_an_attribute_that_can_not_be_called_so_is_listed() -> None:
    found = imported(group(policy(ANY, permit(ANY, "löwe"))))

    assert [(part.reason, part.detail) for part in found.missing] == [("name", "löwe")]


def test_ids_of_policies_become_ids_that_are_taken_once() -> None:
    document = group(policy(ANY, permit(ANY), "Käse/1") + policy(ANY, permit(ANY), "K se/1"))

    assert [one["id"] for one in policies_of(imported(document))] == ["K se/1", "K se/1 2"]


def test_a_single_policy_may_be_the_whole_file() -> None:
    document = group("").replace(b"AttributeFilterPolicyGroup", b"AttributeFilterPolicy")
    document = document.replace(
        b">\n\n<", b'><PolicyRequirementRule xsi:type="ANY"/><AttributeRule attributeID="mail" permitAny="1"/><'
    )

    assert policies_of(imported(document))[0]["rules"] == [{"permit": "mail"}]


WRONG = [
    (b"<a", "xml.not_well_formed", 1),
    (b'<!DOCTYPE a [\n<!ENTITY b "c">]>\n<a>&b;</a>', "xml.doctype", 1),
    (b"<a>\n</b>", "xml.not_well_formed", 2),
    (b'<?xml version="1.0" encoding="UTF-16"?><a/>', "xml.encoding", None),
    (b"<a>" * 70 + b"</a>" * 70, "xml.too_deep", None),
    (b"<a>" + b" " * 16_777_216 + b"</a>", "xml.too_large", None),
    (b"<a>" + b"<b/>" * 300_001 + b"</a>", "xml.too_many_elements", None),
    (b"<a/>", "aa.shibboleth_root", 1),
    (group("\n<Filter/>"), "aa.shibboleth_element", 3),
    (group(policy(ANY, "<Rule/>")), "aa.shibboleth_element", 4),
    (
        group(policy(ANY, permit(ANY)).replace("<PolicyRequirementRule", "<other:x xmlns:other='urn:o'")),
        "aa.shibboleth_element",
        3,
    ),
    (group('<AttributeFilterPolicy id="p"/>'), "aa.shibboleth_missing", 2),
    (group(policy(ANY, '<AttributeRule attributeID="mail"/>')), "aa.shibboleth_missing", 4),
    (group(policy(ANY, f"<AttributeRule><PermitValueRule {ANY}</AttributeRule>")), "aa.shibboleth_missing", 4),
    (group(policy(ANY, permit("/>"))), "aa.shibboleth_missing", 4),
    (group(policy('xsi:type="Requester"/>', permit(ANY))), "aa.shibboleth_missing", 3),
    (group(policy('xsi:type="AND"/>', permit(ANY))), "aa.shibboleth_missing", 3),
    (group(policy('xsi:type="Requestor" value="x"/>', permit(ANY))), "aa.shibboleth_type", 3),
    (group(policy('xsi:type="basic:ANY"/>', permit(ANY))), "aa.shibboleth_type", 3),
    (
        group(policy('xsi:type="RegistrationAuthority" registrars="x" matchIfMetadataSilent="%{a}"/>', permit(ANY))),
        "aa.shibboleth_value",
        3,
    ),
    (
        group(policy('xsi:type="NumberOfAttributeValues" attributeID="m" minimum="-1" maximum="2"/>', permit(ANY))),
        "aa.shibboleth_value",
        3,
    ),
    (
        group(policy('xsi:type="AND"><RuleReference ref="gone"/></PolicyRequirementRule>', permit(ANY))),
        "aa.shibboleth_reference",
        3,
    ),
    (
        group(policy(ANY, '<AttributeRule attributeID="m"><PermitValueRuleReference ref="p"/></AttributeRule>')),
        "aa.shibboleth_reference",
        4,
    ),
    (group(policy(ANY, permit(ANY)) + policy(ANY, permit(ANY))), "aa.shibboleth_duplicate", 5),
    (
        group(
            policy(
                'xsi:type="AND" id="a"><Rule xsi:type="OR" id="b"><RuleReference ref="b"/></Rule></PolicyRequirementRule>',
                permit(ANY),
            )
        ),
        "aa.shibboleth_circle",
        3,
    ),
    (
        group(
            policy(
                'xsi:type="OR">'
                + '<Rule xsi:type="OR">' * 42
                + f"<Rule {ANY}"
                + "</Rule>" * 42
                + "</PolicyRequirementRule>",
                "",
            )
        ),
        "aa.shibboleth_nesting",
        3,
    ),
]


@pytest.mark.parametrize(
    ("document", "code", "line"), WRONG, ids=[f"{number}-{wrong[1]}" for number, wrong in enumerate(WRONG)]
)
def test_what_is_no_such_file_is_refused_by_line(document: bytes, code: str, line: int | None) -> None:
    with pytest.raises(ConfigurationError) as refused:
        imported(document)

    assert (refused.value.code, refused.value.line, refused.value.file) == (code, line, "attribute-filter.xml")


def test_types_of_extensions_are_listed_and_never_permit() -> None:
    document = group(policy('xsi:type="x:OIDCScope" value="a"/>', permit(ANY)), ' xmlns:x="org.example.filter"')

    found = imported(document)

    assert policies_of(found) == []
    assert [(part.type, part.reason) for part in found.missing] == [("OIDCScope", "extension")]


@pytest.mark.parametrize(
    "text", ["1e3", "0o17", "~", "null", "yes", ".inf", "2026-01-01", "- a", "a: b", "x\u2028y", "@", "é", "*", "#"]
)
def test_texts_that_look_like_something_else_stay_texts(text: str) -> None:
    found = imported(group(policy(ANY, permit(f'xsi:type="Value" value="{text}"/>'))))

    loaded = compile_release_policies([parse_document(found.document.encode(), Path("release.yaml"))])
    assert [rule.test.exact for one in loaded.policies for rule in one.rules] == [frozenset({text})]


def test_what_is_too_long_for_a_policy_is_listed() -> None:
    long = "x" * 4097
    rules = [
        permit(f'xsi:type="Value" value="{long}"/>'),
        permit(f'xsi:type="RegistrationAuthority" registrars="{long}"/>'),
        permit(f'xsi:type="EntityAttributeExactMatch" attributeName="{long}" attributeValue="x"/>'),
        permit('xsi:type="Value" attributeID="löwe" value="x"/>', "uid"),
        permit('xsi:type="NumberOfAttributeValues" attributeID="löwe" minimum="1" maximum="2"/>', "uid"),
    ]

    found = imported(group(policy(ANY, "".join(rules))), ids=AttributeIds(scoped={"löwe": False}))

    assert policies_of(found) == []
    assert sorted({part.reason for part in found.missing}) == ["name", "regex"]


def test_references_that_multiply_are_refused_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_types, "MAX_RULES", 1000)
    rules = "".join(
        f'<PermitValueRule id="r{number}" xsi:type="OR">'
        + f'<RuleReference ref="r{number + 1}"/>' * 8
        + "</PermitValueRule>"
        for number in range(20)
    )
    reference = '<AttributeRule attributeID="mail"><PermitValueRuleReference ref="r0"/></AttributeRule>'

    with pytest.raises(ConfigurationError) as refused:
        imported(group(f'{rules}<PermitValueRule id="r20" {ANY}{policy(ANY, reference)}'))

    assert (refused.value.code, refused.value.expected) == ("aa.shibboleth_rules", "at most 1000 rules")


def test_a_whole_value_of_an_attribute_that_standards_give_a_scope_needs_the_resolver() -> None:
    rule = permit('xsi:type="Value" value="ada@uni.example"/>', "eduPersonPrincipalName")

    assert [part.reason for part in imported(group(policy(ANY, rule))).missing] == ["scope_unknown"]
    plain = imported(group(policy(ANY, rule)), ids=AttributeIds(scoped={"eduPersonPrincipalName": False}))
    assert policies_of(plain)[0]["rules"] == [{"permit": "eduPersonPrincipalName", "value": "ada@uni.example"}]


def test_values_of_subject_identifiers_are_compared_in_lower_case_as_they_are_kept() -> None:
    rules = (
        deny('xsi:type="Value" value="ADA"/>', "subject-id")
        + deny('xsi:type="Scope" value="Uni.Example"/>', "subject-id")
        + deny('xsi:type="ValueRegex" regex="B.*"/>', "pairwise-id")
    )

    found = imported(group(policy(ANY, rules)))

    assert policies_of(found)[0]["rules"] == [
        {"deny": "subject-id", "left": "ada"},
        {"deny": "subject-id", "scope": "uni.example"},
        {"deny": "pairwise-id"},
    ]
    assert [part.reason for part in found.missing] == ["lower_case"]


def test_two_things_that_can_not_be_said_are_not_taken_for_one() -> None:
    both = (
        'xsi:type="AND"><Rule xsi:type="Script"/><Rule xsi:type="NOT"><Rule xsi:type="Script"/></Rule></DenyValueRule>'
    )

    found = imported(group(policy(ANY, deny(both))))

    assert policies_of(found) == [{"id": "p", "for": {"anyone": True}, "rules": [{"deny": "mail"}]}]


def test_patterns_about_the_same_thing_become_one() -> None:
    either = (
        'xsi:type="OR"><Rule xsi:type="RequesterRegex" regex="https://a.*"/>'
        '<Rule xsi:type="RequesterRegex" regex="https://b.*"/></PolicyRequirementRule>'
    )
    neither = (
        'xsi:type="NOT"><Rule xsi:type="OR"><Rule xsi:type="ValueRegex" regex="urn:x:[a-z]+"/>'
        '<Rule xsi:type="Value" value="urn:y" caseSensitive="false"/><Rule xsi:type="Value" value="urn:z"/></Rule></PermitValueRule>'
    )

    found = imported(group(policy(either, permit(neither, "eduPersonEntitlement"))))

    assert found.missing == ()
    assert policies_of(found) == [
        {
            "id": "p",
            "for": {"requester_pattern": "https://a.*|https://b.*"},
            "rules": [
                {"permit": "eduPersonEntitlement", "unless": {"pattern": "urn:x:[a-z]+|[Uu][Rr][Nn]:[Yy]|urn:z"}}
            ],
        }
    ]


def test_patterns_that_would_be_too_long_together_stay_apart() -> None:
    rules = "".join(f'<Rule xsi:type="RequesterRegex" regex="https://[a-z]+{"x" * 300}{end}"/>' for end in "abc")

    found = imported(group(policy(f'xsi:type="OR">{rules}</PolicyRequirementRule>', permit(ANY))))

    assert len(policies_of(found)) == 3
    assert found.missing == ()


@pytest.mark.parametrize(
    ("minimum", "maximum", "count"),
    [
        (0, 1, {"max": 1}),
        (2, 2147483, {"min": 2}),
        (2, 3, {"min": 2, "max": 3}),
        (3, 2, None),
        (1_000_001, 9_999_999, None),
    ],
)
def test_numbers_of_values_are_counted(minimum: int, maximum: int, count: dict[str, int] | None) -> None:
    rule = f'xsi:type="NumberOfAttributeValues" attributeID="mail" minimum="{minimum}" maximum="{maximum}"/>'

    found = policies_of(imported(group(policy(ANY, permit(rule)))))

    assert [one["count"] for policy_ in found for one in policy_["rules"]] == ([] if count is None else [count])


def test_an_exception_that_there_is_not_is_listed() -> None:
    other = 'xsi:type="NOT"><Rule xsi:type="AuthenticationMethod" value="x"/></PolicyRequirementRule>'

    found = imported(group(policy(other, permit(ANY))))

    assert policies_of(found) == []
    assert [(part.reason, part.detail) for part in found.missing] == [("negation", "AuthenticationMethod")]
