"""What an administrator writes about definitions, and what is wrong with it: file, line and key, and what was meant."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attribute_authority.explained import explain_release
from attribute_authority.resolver.settings import ResolverSettings
from ostiary.attributes import Attribute
from ostiary.config import DatabaseSettings, DocumentError, load_settings
from ostiary.policy.release import (
    NO_POLICIES,
    Audience,
    ReleaseDecision,
    ReleasePolicies,
    ReleasePolicy,
    ReleaseRule,
    RequestedAttribute,
    Requester,
    index_policies,
    release,
)
from ostiary.ports import Release, ReleaseRequest, VoMemberships

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOME = "https://idp.uni.example"
CONNECTORS = """\
connectors:
  - type: static
    name: fixed
    everybody:
      givenName: [Ada]
      sn: [Lovelace]
      mail: [ada@uni.example]
      kind: [S]
      shoes: ['37']
definitions:
"""
Load = Callable[[str], ResolverSettings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(definitions: str) -> ResolverSettings:
        path = tmp_path / "aa.yaml"
        path.write_text(CONNECTORS + definitions)
        return load_settings(path, ResolverSettings)

    return load


def no_vo(_database: DatabaseSettings, name: str) -> VoMemberships:
    raise AssertionError(f"nobody asked for the VO {name}")


def made(settings: ResolverSettings) -> dict[str, tuple[str, ...]]:
    resolution = settings.resolver(HOME, no_vo).resolve("p1", NOW, "https://sp.example")
    assert resolution.notes == ()
    return {attribute.name: attribute.texts() for attribute in resolution.attributes}


def test_each_kind_of_definition_is_written_in_one_line(load: Load) -> None:
    settings = load(
        """\
  - {attribute: mail}
  - {attribute: displayName, template: "{givenName} {sn}"}
  - {attribute: uid, from: mail, split: "([^@]+)@.*", internal: true}
  - {attribute: eduPersonPrincipalName, from: uid, scope: uni.example}
  - attribute: eduPersonAffiliation
    from: kind
    map: {table: {S: [student, member]}, patterns: [{pattern: "E.*", to: staff}], otherwise: keep}
  - {attribute: eduPersonEntitlement, value: "urn:x:library", when: {attribute: eduPersonAffiliation, value: member}}
  - {attribute: description, value: [guest, visitor], when_not: [eduPersonAffiliation, {attribute: mail, pattern: ".*@uni.example"}]}
  - {attribute: cn, from: [none, displayName, sn], merge: first}
  - {attribute: none, value: x, when: {attribute: kind, value: [T]}, internal: true}
"""
    )
    assert made(settings) == {
        "mail": ("ada@uni.example",),
        "displayName": ("Ada Lovelace",),
        "eduPersonPrincipalName": ("ada@uni.example",),
        "eduPersonAffiliation": ("student", "member"),
        "eduPersonEntitlement": ("urn:x:library",),
        "cn": ("Ada Lovelace",),
    }


def test_an_oid_means_the_attribute_that_standards_give_it(load: Load) -> None:
    settings = load(
        """\
  - {attribute: "urn:oid:0.9.2342.19200300.100.1.3", when: "urn:oid:2.5.4.4"}
  - {attribute: "urn:mace:dir:attribute-def:displayName", template: "{urn:oid:2.5.4.42}"}
  - {attribute: cn, from: "urn:oid:2.16.840.1.113730.3.1.241"}
"""
    )
    assert made(settings) == {"mail": ("ada@uni.example",), "displayName": ("Ada",), "cn": ("Ada",)}


def test_what_a_connector_calls_by_an_oid_is_found_under_it(tmp_path: Path) -> None:
    path = tmp_path / "aa.yaml"
    path.write_text(
        """
connectors: [{type: static, name: fixed, everybody: {"urn:oid:2.5.4.4": [Lovelace]}}]
definitions: [{attribute: sn, from: "urn:oid:2.5.4.4"}]
"""
    )
    assert made(load_settings(path, ResolverSettings)) == {"sn": ("Lovelace",)}


OWN = '  - {attribute: shoeSize, from: shoes, wire_name: "https://uni.example/shoe-size"}\n'


def test_an_attribute_of_ones_own_is_asked_for_by_its_uri_and_released_by_its_name(load: Load) -> None:
    known = load(OWN).resolver(HOME, no_vo).resolve("p1", NOW).attributes
    assert [attribute.wire_name for attribute in known] == ["https://uni.example/shoe-size"]
    rule = ReleaseRule("r", True, frozenset({"shoeSize"}))
    policies = index_policies([ReleasePolicy("p", Audience(anyone=True), (rule,), only="required")])

    def released(*asked: RequestedAttribute, wanted: str | None = None) -> int:
        requester = Requester("https://sp.example", requested=asked)
        names = (Attribute(wanted, ()),) if wanted is not None else None
        return len(release(policies, requester, known, target=None, at=NOW, wanted=names).attributes)

    by_uri = RequestedAttribute("https://uni.example/shoe-size", required=True)
    assert released() == 0
    assert released(by_uri) == 1
    assert released(by_uri, wanted="https://uni.example/shoe-size") == 1
    assert released(by_uri, wanted="shoeSize") == 1
    assert released(by_uri, wanted="https://uni.example/hat-size") == 0


@pytest.mark.parametrize(
    ("definitions", "code", "key", "line"),
    [
        ("  - {attribute: mail, from: sn, template: '{sn}'}", "aa.definition_origin", "definitions[0]", 11),
        ("  - {attribute: mail, value: x, template: '{sn}'}", "aa.definition_origin", "definitions[0]", 11),
        ("  - {attribute: mail, value: x, merge: first}", "aa.definition_origin", "definitions[0]", 11),
        ("  - attribute: cn\n    template: '{sn'", "aa.template", "definitions[0].template", 12),
        ("  - attribute: cn\n    template: '{sn} {surname}'", "aa.unknown_source", "definitions[0].template", 12),
        ("  - attribute: cn\n    from:\n      - sn\n      - xyz", "aa.unknown_source", "definitions[0].from", 12),
        ("  - attribute: mail\n    when: kindd", "aa.unknown_source", "definitions[0].when", 12),
        ("  - attribute: mail\n    when_not: {attribute: x}", "aa.unknown_source", "definitions[0].when_not", 12),
        ("  - attribute: mail\n    when:", "policy.no_value", "definitions[0].when", 12),
        ("  - attribute: mail\n    when: []", "config.wrong_value", "definitions[0].when", 12),
        (
            "  - attribute: mail\n    when: {attribute: kind, value: []}",
            "config.wrong_value",
            "definitions[0].when.value",
            12,
        ),
        ("  - attribute: mail\n    when: {value: x}", "config.missing_key", "definitions[0].when.attribute", 12),
        ("  - attribute: mail\n    split: '.*@.*'", "policy.pattern", "definitions[0].split", 12),
        ("  - attribute: mail\n    map: {otherwise: keep}", "aa.map", "definitions[0].map", 12),
        (
            "  - attribute: mail\n    map: {table: {a: b}, default: x, otherwise: keep}",
            "aa.map",
            "definitions[0].map",
            12,
        ),
        (
            "  - attribute: mail\n    map: {patterns: [{pattern: '(', to: x}]}",
            "policy.pattern",
            "definitions[0].map.patterns[0].pattern",
            12,
        ),
        ("  - attribute: 'https://uni.example/x'", "aa.attribute_name", "definitions[0].attribute", 11),
        ("  - attribute: mail\n    wire_name: 'urn:x:mail'", "aa.wire_name", "definitions[0].wire_name", 12),
        (
            "  - attribute: kind\n    wire_name: 'urn:oid:0.9.2342.19200300.100.1.3'",
            "aa.wire_name",
            "definitions[0].wire_name",
            12,
        ),
        (
            "  - attribute: kind\n    wire_name: 'urn:mace:dir:attribute-def:mail'",
            "aa.wire_name",
            "definitions[0].wire_name",
            12,
        ),
        ("  - attribute: kind\n    wire_name: kind", "config.wrong_value", "definitions[0].wire_name", 12),
        (
            OWN + "  - {attribute: kind, wire_name: 'https://uni.example/shoe-size'}",
            "aa.wire_name",
            "definitions[1].wire_name",
            12,
        ),
        (
            "  - {attribute: mail}\n  - {attribute: 'urn:oid:0.9.2342.19200300.100.1.3'}",
            "aa.duplicate_definition",
            "definitions[1].attribute",
            12,
        ),
        (
            "  - {attribute: a, when: b}\n  - {attribute: b, template: '{sn} {a}'}",
            "aa.unknown_source",
            "definitions[0].attribute",
            11,
        ),
        (
            "  - {attribute: a, value: x, when: b}\n  - {attribute: b, template: '{sn} {a}'}",
            "aa.definition_cycle",
            "definitions[0].when",
            11,
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_and_key(load: Load, definitions: str, code: str, key: str, line: int) -> None:
    with pytest.raises(DocumentError) as refused:
        load(definitions)
    assert (refused.value.code, refused.value.key, refused.value.line) == (code, key, line)


def test_the_name_that_was_probably_meant_is_told(load: Load) -> None:
    with pytest.raises(DocumentError) as refused:
        load("  - {attribute: cn, template: '{given-name} {sn}'}")
    assert (refused.value.found, refused.value.nearest, refused.value.expected) == (
        "given-name",
        "givenName",
        "givenName",
    )


def test_a_whole_circle_is_told(load: Load) -> None:
    with pytest.raises(DocumentError) as refused:
        load(
            """\
  - {attribute: mail, when_not: c}
  - {attribute: a, from: sn, when: b}
  - {attribute: b, template: "{sn}{c}"}
  - {attribute: c, from: [sn, a]}
"""
        )
    assert refused.value.found == "c -> a -> b -> c"
    assert (refused.value.key, refused.value.line) == ("definitions[3].from", 14)
    assert "c -> a -> b -> c" in str(refused.value)


def test_explanations_call_an_attribute_of_ones_own_by_its_name() -> None:
    answer = Release((), ReleaseDecision((), ()), wire_names={"https://uni.example/shoe-size": "shoeSize"})

    class Authority:
        def preview(self, request: ReleaseRequest) -> Release:
            return answer

        def policies(self, at: datetime) -> ReleasePolicies:
            return NO_POLICIES

    requester = Requester("https://sp.example", requested=(RequestedAttribute("https://uni.example/shoe-size"),))
    request = ReleaseRequest("p1", "https://sp.example", NOW)
    explained = explain_release(Authority(), lambda *_: requester, request)
    assert (explained.asked_for("shoeSize"), explained.unknown_attributes()) == ("requested", ("shoeSize",))
