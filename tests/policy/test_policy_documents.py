import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ostiary.config import Sources, load_document
from ostiary.errors import ConfigurationError
from ostiary.policy.acceptance_document import load_acceptance_policy
from ostiary.policy.access_document import load_access_policy
from ostiary.policy.release.document import load_release_policies
from ostiary.policy.release.precedence import load_precedence
from ostiary.policy.schema_documents import schema_texts

ROOT = Path(__file__).parents[2]
LOADERS: dict[str, Callable[[list[Path]], Any]] = {
    "release": load_release_policies,
    "precedence": lambda paths: load_precedence(paths[0]),
    "acceptance": load_acceptance_policy,
    "access": load_access_policy,
}
SHIPPED = sorted(path.relative_to(ROOT) for path in (ROOT / "policies").rglob("*.yaml"))


def schema(kind: str) -> Draft202012Validator:
    name = "precedence" if kind == "precedence" else f"{kind}-policy"
    text = (ROOT / "schemas" / f"{name}.schema.json").read_text()
    return Draft202012Validator(json.loads(text))


@pytest.mark.parametrize("name", sorted(schema_texts()))
def test_the_schema_that_ships_is_that_of_the_models(name: str) -> None:
    assert (ROOT / "schemas" / name).read_text() == schema_texts()[name]
    Draft202012Validator.check_schema(json.loads(schema_texts()[name]))


@pytest.mark.parametrize("path", SHIPPED, ids=str)
def test_a_shipped_document_is_accepted_by_loader_and_schema(path: Path) -> None:
    LOADERS[path.parts[1]]([ROOT / path])
    schema(path.parts[1]).validate(load_document(ROOT / path).data)


def test_every_kind_of_policy_ships_a_document() -> None:
    assert {path.parts[1] for path in SHIPPED} == {"release", "precedence", "acceptance", "access"}


def test_the_shipped_default_releases_nothing() -> None:
    assert load_release_policies([ROOT / "policies" / "release" / "default.yaml"]).policies == ()


def in_policy(text: str) -> str:
    return f"policies: [{{id: p, for: {{anyone: true}}, rules: [{{permit: mail, {text}}}]}}]"


def with_audience(text: str) -> str:
    return f"policies: [{{id: p, for: {text}, rules: [{{permit: mail}}]}}]"


def with_when(text: str) -> str:
    return f"policies: [{{id: p, for: {{anyone: true}}, when: {text}, rules: [{{permit: mail}}]}}]"


def with_condition(text: str) -> str:
    return f"rules: [{{id: r, paths: /, permit: {text}}}]"


GOOD = [
    ("release", ""),
    ("release", "{}"),
    ("release", "policies: []"),
    ("release", with_audience("{requesters: urn:x, requester_pattern: 'urn:.*'}")),
    ("release", "policies: [{id: p, for: {anyone: true}, target: 'https://h.example', rules: [{deny: '*'}]}]"),
    ("release", in_policy("value: [a, b], pattern: 'a|b', left: a, scope: [x], id: r")),
    ("release", in_policy("value_set: a") + "\nvalue_sets: {a: x}"),
    ("release", in_policy("count: {max: 0}")),
    ("release", in_policy("count: {min: 1, max: 1}")),
    ("release", "use: anonymous"),
    ("release", with_audience("{anonymous: true}")),
    ("release", with_audience("{entity_attribute: {name: urn:a, value: b}}")),
    ("release", with_audience("{entity_attribute: [{name: urn:a, pattern: b}, {name: urn:a, value: [c]}]}")),
    ("release", with_when("{time: {from: 8:30, to: 24:00}, weekdays: [monday, friday], time_zone: Europe/Vienna}")),
    ("release", with_when("{dates: {to: 2026-12-31}, network: 192.0.2.1, authn_context: urn:x}")),
    ("release", with_when("{person: {attribute: a}}")),
    ("release", with_when("{person: [{attribute: a, value: b}, {attribute: c, left: d, scope: e, has: false}]}")),
    ("release", "policies: [{id: p, for: {anyone: true}, strength: mandatory, rules: [{permit: mail}]}]"),
    (
        "release",
        "policies: [{id: p, for: {anyone: true}, strength: forbidden, rules: [{deny: mail}, {id: q, deny: cn}]}]",
    ),
    ("precedence", ""),
    ("precedence", "{description: d, people_may: [], new_resources: [ask], never_release: mail}"),
    ("precedence", "release_only_to: {entity_category: urn:x, entity_attribute: {name: urn:a, value: b}}"),
    ("acceptance", "rules: []"),
    ("acceptance", "rules: [{attribute: eduPersonPrincipalName, scope: [a.example]}]"),
    ("acceptance", "rules: [{attribute: [mail, cn], from: {issuers: urn:x}, as: person, value: a}]"),
    ("acceptance", "rules: [{attribute: cn, map: {a: b, c: d}, otherwise: keep}]"),
    ("acceptance", "rules: [{attribute: cn, rewrite: {pattern: 'a(.*)', to: 'x{}y'}}]"),
    ("acceptance", "combine: [{as: user, first_of: [uid, mail]}, {as: all, all_of: cn}]"),
    ("acceptance", "required: [mail, {any: [uid, cn], because: b}, {any: sn}]"),
    ("access", "rules: []"),
    ("access", with_condition("{any: [{fqan: /a/b, below: true}, {fqan: [/a/Role=r/Capability=NULL]}]}")),
    ("access", with_condition("{all: [{issuer: urn:x}, {network: [192.0.2.1]}, {when: {weekdays: monday}}]}")),
    ("access", with_condition("{all: [{authenticated: true}, {any: [{not: {attribute: mail, value: a}}]}]}")),
    (
        "access",
        "rules: [{id: r, paths: [/a, /b], methods: [get, POST], hosts: H.example, permit: {authenticated: true}}]",
    ),
    ("access", with_condition("{authenticated_within: 1h30m}")),
]


@pytest.mark.parametrize(("kind", "text"), GOOD)
def test_loader_and_schema_accept_the_same_good_document(tmp_path: Path, kind: str, text: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    LOADERS[kind]([path])
    schema(kind).validate(load_document(path).data)


# kind, text, code, key
BAD = [
    ("release", "policy: []", "config.mistyped_key", "policy"),
    ("release", "policies:", "policy.no_value", "policies"),
    ("release", "policies: [{for: {anyone: true}, rules: [{permit: mail}]}]", "config.missing_key", "policies[0].id"),
    ("release", "policies: [{id: p, for: {anyone: true}, rules: []}]", "config.wrong_value", "policies[0].rules"),
    (
        "release",
        "policies: [{id: p, for: {anyone: true}, rules: [{}]}]",
        "policy.permit_or_deny",
        "policies[0].rules[0]",
    ),
    ("release", in_policy("deny: cn"), "policy.permit_or_deny", "policies[0].rules[0]"),
    ("release", in_policy("value: "), "policy.no_value", "policies[0].rules[0].value"),
    ("release", in_policy("value: []"), "config.wrong_value", "policies[0].rules[0].value"),
    ("release", in_policy("value: 5"), "config.wrong_value", "policies[0].rules[0].value"),
    ("release", in_policy("value: [a, null]"), "config.wrong_value", "policies[0].rules[0].value[1]"),
    ("release", in_policy("values: a"), "config.mistyped_key", "policies[0].rules[0].values"),
    ("release", in_policy("pattern: ''"), "policy.pattern", "policies[0].rules[0].pattern"),
    ("release", in_policy("scope: {a: b}"), "config.wrong_value", "policies[0].rules[0].scope"),
    (
        "release",
        "policies: [{id: p, for: {anyone: true}, rules: [{permit: ['*', mail]}]}]",
        "config.wrong_value",
        "policies[0].rules[0].permit",
    ),
    ("release", with_audience("{}"), "policy.audience", "policies[0].for"),
    ("release", with_audience("{anyone: true, requesters: urn:x}"), "policy.audience", "policies[0].for"),
    ("release", with_audience("{anyone: false}"), "config.wrong_value", "policies[0].for.anyone"),
    ("release", with_audience("{requesters: , entity_category: x}"), "policy.no_value", "policies[0].for.requesters"),
    (
        "release",
        "policies: [{id: p, for: {anyone: true}, target: , rules: [{permit: mail}]}]",
        "policy.no_value",
        "policies[0].target",
    ),
    (
        "release",
        "policies: [{id: p, for: {anyone: true}, target: 'https://u@h.example/', rules: [{permit: mail}]}]",
        "policy.target",
        "policies[0].target",
    ),
    (
        "release",
        "policies: [{id: p, for: {anyone: true}, only: everything, rules: [{permit: mail}]}]",
        "config.wrong_value",
        "policies[0].only",
    ),
    ("release", "groups: {'': urn:x}", "config.wrong_value", 'groups[""]'),
    ("release", with_audience("{anonymous: true, anyone: true}"), "policy.audience", "policies[0].for"),
    ("release", with_audience("{anonymous: true, requesters: urn:x}"), "policy.audience", "policies[0].for"),
    (
        "release",
        with_audience("{entity_attribute: {name: urn:a}}"),
        "policy.entity_attribute",
        "policies[0].for.entity_attribute",
    ),
    (
        "release",
        with_audience("{entity_attribute: [{value: b, pattern: c}]}"),
        "config.missing_key",
        "policies[0].for.entity_attribute[0].name",
    ),
    ("release", with_when("{}"), "policy.empty_condition", "policies[0].when"),
    ("release", with_when("{time_zone: UTC}"), "policy.empty_condition", "policies[0].when"),
    ("release", with_when("{time: {from: 8:30}}"), "config.missing_key", "policies[0].when.time.to"),
    ("release", with_when("{time: {from: 8.30, to: 9:30}}"), "config.wrong_value", "policies[0].when.time.from"),
    ("release", with_when("{time: {from: 8:30, to: 24:01}}"), "policy.time_of_day", "policies[0].when.time.to"),
    ("release", with_when("{time: {from: 8:60, to: 9:00}}"), "policy.time_of_day", "policies[0].when.time.from"),
    ("release", with_when("{weekdays: [mon]}"), "config.wrong_value", "policies[0].when.weekdays[0]"),
    ("release", with_when("{weekdays: []}"), "config.wrong_value", "policies[0].when.weekdays"),
    ("release", with_when("{dates: {}}"), "policy.date", "policies[0].when.dates"),
    ("release", with_when("{dates: {from: 1.10.2026}}"), "policy.date", "policies[0].when.dates.from"),
    ("release", with_when("{network: []}"), "config.wrong_value", "policies[0].when.network"),
    ("release", with_when("{person: {value: a}}"), "config.missing_key", "policies[0].when.person.attribute"),
    ("release", with_when("{person: []}"), "config.wrong_value", "policies[0].when.person"),
    ("release", with_when("{persons: {attribute: a}}"), "config.mistyped_key", "policies[0].when.persons"),
    ("release", in_policy("count: {}"), "policy.count", "policies[0].rules[0].count"),
    ("release", in_policy("count: {min: -1}"), "config.wrong_value", "policies[0].rules[0].count.min"),
    ("release", in_policy("count: 1"), "config.wrong_value", "policies[0].rules[0].count"),
    ("release", in_policy("value_set: []"), "config.wrong_value", "policies[0].rules[0].value_set"),
    ("release", "value_sets: {a: []}", "config.wrong_value", "value_sets.a"),
    ("release", "use: []", "config.wrong_value", "use"),
    (
        "release",
        "policies: [{id: p, for: {anyone: true}, strength: optional, rules: [{permit: mail}]}]",
        "config.wrong_value",
        "policies[0].strength",
    ),
    (
        "release",
        "policies: [{id: p, for: {anyone: true}, strength: mandatory, rules: [{permit: mail}, {deny: cn}]}]",
        "policy.strength",
        "policies[0].rules[1]",
    ),
    (
        "release",
        "policies: [{id: p, for: {anyone: true}, strength: forbidden, rules: [{permit: mail}]}]",
        "policy.strength",
        "policies[0].rules[0]",
    ),
    ("precedence", "people_may: [see]", "config.wrong_value", "people_may[0]"),
    ("precedence", "new_resources: []", "config.wrong_value", "new_resources"),
    ("precedence", "release_only_to: {}", "policy.audience", "release_only_to"),
    ("acceptance", "rules: [{}]", "config.missing_key", "rules[0].attribute"),
    ("acceptance", "rules: [{attribute: mail, from: {}}]", "policy.issuers", "rules[0].from"),
    ("acceptance", "rules: [{attribute: mail, from: }]", "policy.no_value", "rules[0].from"),
    ("acceptance", "rules: [{attribute: eduPersonPrincipalName, scope: none}]", "config.wrong_value", "rules[0].scope"),
    ("acceptance", "rules: [{attribute: eduPersonPrincipalName, scope: []}]", "config.wrong_value", "rules[0].scope"),
    ("acceptance", "rules: [{attribute: mail, value_is_scope: true}]", "config.wrong_value", "rules[0].value_is_scope"),
    ("acceptance", "rules: [{attribute: mail, as: ''}]", "config.wrong_value", "rules[0].as"),
    ("acceptance", "rules: [{attribute: cn, map: {}}]", "config.wrong_value", "rules[0].map"),
    ("acceptance", "rules: [{attribute: cn, map: {a: }}]", "config.wrong_value", "rules[0].map.a"),
    (
        "acceptance",
        "rules: [{attribute: cn, map: {a: b}, rewrite: {pattern: '(a)', to: '{}'}}]",
        "policy.change",
        "rules[0]",
    ),
    ("acceptance", "rules: [{attribute: cn, otherwise: keep}]", "policy.change", "rules[0]"),
    ("acceptance", "rules: [{attribute: cn, map: {a: b}, otherwise: no}]", "config.wrong_value", "rules[0].otherwise"),
    (
        "acceptance",
        "rules: [{attribute: cn, rewrite: {pattern: '(a)', to: 'b'}}]",
        "config.wrong_value",
        "rules[0].rewrite.to",
    ),
    ("acceptance", "combine: [{as: a, first_of: b, all_of: c}]", "policy.combination", "combine[0]"),
    ("acceptance", "combine: [{as: a}]", "policy.combination", "combine[0]"),
    ("acceptance", "required: [{because: b}]", "config.missing_key", "required[0].any"),
    ("acceptance", "required: [{any: []}]", "config.wrong_value", "required[0].any"),
    ("acceptance", "required: mail", "config.wrong_value", "required"),
    ("access", "rules: [{id: r, permit: {authenticated: true}}]", "config.missing_key", "rules[0].paths"),
    ("access", "rules: [{id: r, paths: /}]", "config.missing_key", "rules[0].permit"),
    ("access", "rules: [{id: r, paths: a, permit: {authenticated: true}}]", "policy.path", "rules[0].paths"),
    ("access", "rules: [{id: r, paths: '/a?b', permit: {authenticated: true}}]", "policy.path", "rules[0].paths"),
    ("access", "rules: [{id: r, paths: [], permit: {authenticated: true}}]", "config.wrong_value", "rules[0].paths"),
    (
        "access",
        "rules: [{id: r, paths: /, methods: , permit: {authenticated: true}}]",
        "policy.no_value",
        "rules[0].methods",
    ),
    (
        "access",
        "rules: [{id: r, paths: /, hosts: 'h.example:80', permit: {authenticated: true}}]",
        "config.wrong_value",
        "rules[0].hosts",
    ),
    ("access", with_condition("{}"), "policy.condition", "rules[0].permit"),
    ("access", with_condition("{any: []}"), "config.wrong_value", "rules[0].permit.any"),
    ("access", with_condition("{any: }"), "policy.no_value", "rules[0].permit.any"),
    ("access", with_condition("{all: [{any: [{}]}]}"), "policy.condition", "rules[0].permit.all[0].any[0]"),
    ("access", with_condition("{attribute: mail, authenticated: true}"), "policy.condition", "rules[0].permit"),
    ("access", with_condition("{authenticated: true, value: a}"), "policy.condition", "rules[0].permit"),
    ("access", with_condition("{authenticated: false}"), "config.wrong_value", "rules[0].permit.authenticated"),
    ("access", with_condition("{authenticated_within: 30}"), "config.duration", "rules[0].permit.authenticated_within"),
    ("access", with_condition("{fqan: bio}"), "x509.fqan", "rules[0].permit.fqan"),
    ("access", with_condition("{fqan: []}"), "config.wrong_value", "rules[0].permit.fqan"),
    ("access", with_condition("{authenticated: true, below: true}"), "policy.condition", "rules[0].permit"),
    ("access", with_condition("{when: {time_zone: UTC}}"), "policy.empty_condition", "rules[0].permit.when"),
    ("access", with_condition("{network: []}"), "config.wrong_value", "rules[0].permit.network"),
    ("access", with_condition("{not: {attribut: mail}}"), "config.mistyped_key", "rules[0].permit.not.attribut"),
]


@pytest.mark.parametrize(("kind", "text", "code", "key"), BAD)
def test_loader_and_schema_refuse_the_same_bad_document(
    tmp_path: Path, kind: str, text: str, code: str, key: str
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("# a comment\n" + text + "\n")
    with pytest.raises(ConfigurationError) as refused:
        LOADERS[kind]([path])
    problem = refused.value
    assert (problem.code, problem.key, problem.line, problem.file) == (code, key, 2, str(path))
    assert not schema(kind).is_valid(load_document(path).data)


# What a schema cannot say: the loader alone refuses these. kind, text, code, key, line
REFUSED_BY_MEANING = [
    ("release", in_policy("pattern: '(a'"), "policy.pattern", "policies[0].rules[0].pattern", 1),
    ("release", in_policy("pattern: '(a)\\1'"), "policy.pattern", "policies[0].rules[0].pattern", 1),
    (
        "release",
        with_audience("{requester_pattern: '(?=a)'}"),
        "policy.pattern",
        "policies[0].for.requester_pattern",
        1,
    ),
    ("release", with_audience("\n  {group: nobody}"), "policy.unknown_group", "policies[0].for.group", 2),
    (
        "release",
        "policies: [{id: p, for: {anyone: true}, target: 'https://h.example/../a', rules: [{permit: mail}]}]",
        "policy.target",
        "policies[0].target",
        1,
    ),
    (
        "release",
        "policies:\n- {id: p, for: {anyone: true}, rules: [{permit: cn}]}\n- {id: p, for: {anyone: true}, rules: [{permit: cn}]}",
        "policy.duplicate_id",
        "policies[1].id",
        3,
    ),
    (
        "release",
        "policies: [{id: p, for: {anyone: true}, rules: [{id: a, permit: cn}, {id: a, deny: cn}]}]",
        "policy.duplicate_id",
        "policies[0].rules[1]",
        1,
    ),
    (
        "release",
        "value_sets: {b: x}\n" + in_policy("value_set: a"),
        "policy.unknown_value_set",
        "policies[0].rules[0].value_set",
        2,
    ),
    ("release", in_policy("count: {min: 2, max: 1}"), "policy.count", "policies[0].rules[0].count", 1),
    ("release", with_when("\n  {time: {from: 8:30, to: 08:30}}"), "policy.time_of_day", "policies[0].when.time", 2),
    ("release", with_when("{time: {from: 24:00, to: 8:30}}"), "policy.time_of_day", "policies[0].when.time", 1),
    ("release", with_when("{dates: {from: 2026-02-30}}"), "policy.date", "policies[0].when.dates.from", 1),
    ("release", with_when("{dates: {from: 2026-02-01, to: 2026-02-01}}"), "policy.date", "policies[0].when.dates", 1),
    (
        "release",
        with_when("{weekdays: monday, time_zone: Europe/Wien}"),
        "policy.time_zone",
        "policies[0].when.time_zone",
        1,
    ),
    (
        "release",
        with_when("{weekdays: monday, time_zone: ../zone}"),
        "policy.time_zone",
        "policies[0].when.time_zone",
        1,
    ),
    ("release", with_when("{network: 192.0.2.1/24}"), "config.network", "policies[0].when.network", 1),
    (
        "release",
        with_when("{person: {attribute: a, pattern: 'a**'}}"),
        "policy.pattern",
        "policies[0].when.person.pattern",
        1,
    ),
    ("release", "use: nothing", "policy.unknown_bundle", "use[0]", 1),
    ("precedence", "people_may: [release, release]", "policy.twice", "people_may", 1),
    ("acceptance", "rules: [{attribute: mail, scope: metadata}]", "policy.not_scoped", "rules[0]", 1),
    ("acceptance", "rules: [{attribute: [eduPersonUniqueId, cn], left: a}]", "policy.not_scoped", "rules[0]", 1),
    ("acceptance", "rules: [{id: a, attribute: cn}, {id: a, attribute: sn}]", "policy.duplicate_id", "rules[1]", 1),
    (
        "acceptance",
        "rules: [{attribute: cn, rewrite: {pattern: 'a', to: '{}'}}]",
        "policy.pattern",
        "rules[0].rewrite.pattern",
        1,
    ),
    ("acceptance", "rules: [{attribute: mail, as: eduPersonPrincipalName}]", "policy.not_scoped", "rules[0]", 1),
    ("acceptance", "rules: [{attribute: eduPersonTargetedID, map: {a: b}}]", "policy.change", "rules[0]", 1),
    ("acceptance", "rules: [{attribute: cn, as: eduPersonTargetedID}]", "policy.change", "rules[0]", 1),
    ("acceptance", "combine: [{as: a, all_of: [b, a]}]", "policy.combination", "combine[0]", 1),
    ("acceptance", "combine: [{as: subject-id, first_of: mail}]", "policy.not_scoped", "combine[0]", 1),
    (
        "acceptance",
        "rules: [{attribute: cn}]\ncombine: [{as: cn, all_of: sn}]",
        "policy.combination",
        "combine[0].as",
        2,
    ),
    (
        "acceptance",
        "combine: [{as: a, all_of: b}, {as: a, all_of: c}]",
        "policy.duplicate_id",
        "combine[1].as",
        1,
    ),
    ("access", with_condition("{fqan: /bio/Role=a/Role=b}"), "x509.fqan", "rules[0].permit.fqan", 1),
    ("access", with_condition("{network: 192.0.2.1/24}"), "config.network", "rules[0].permit.network", 1),
    (
        "access",
        "rules: [{id: r, paths: /a/../b, permit: {authenticated: true}}]",
        "policy.path",
        "rules[0].paths",
        1,
    ),
    (
        "access",
        "rules:\n- {id: r, paths: /, permit: {authenticated: true}}\n- {id: r, paths: /, permit: {authenticated: true}}",
        "policy.duplicate_id",
        "rules[1].id",
        3,
    ),
    ("access", with_condition("{attribute: mail, pattern: 'a**'}"), "policy.pattern", "rules[0].permit.pattern", 1),
    (
        "access",
        with_condition("{authenticated_within: 30h30h}"),
        "config.duration",
        "rules[0].permit.authenticated_within",
        1,
    ),
]


@pytest.mark.parametrize(("kind", "text", "code", "key", "line"), REFUSED_BY_MEANING)
def test_what_a_schema_cannot_say_the_loader_refuses(
    tmp_path: Path, kind: str, text: str, code: str, key: str, line: int
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        LOADERS[kind]([path])
    assert (refused.value.code, refused.value.key, refused.value.line) == (code, key, line)


def test_the_files_of_a_directory_are_read_in_order_and_may_share_groups(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(with_audience("{group: g}"))
    (tmp_path / "a.yaml").write_text(
        "groups: {g: urn:x}\npolicies: [{id: a, for: {anyone: true}, rules: [{permit: cn}]}]"
    )
    (tmp_path / "notes.txt").write_text("not: [yaml")
    sources = Sources()
    policies = load_release_policies([tmp_path], sources=sources)
    assert [policy.id for policy in policies.policies] == ["a", "p"]
    assert set(sources.paths()) == {tmp_path, tmp_path / "a.yaml", tmp_path / "b.yaml"}


def test_an_id_is_unique_over_all_files(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(with_audience("{anyone: true}"))
    with pytest.raises(ConfigurationError) as refused:
        load_release_policies([tmp_path])
    assert refused.value.code == "policy.duplicate_id"
    assert refused.value.file == str(tmp_path / "b.yaml")
    assert refused.value.found == "p, also in a.yaml:1"


def test_a_path_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_release_policies([tmp_path / "nothing.yaml"])
    assert refused.value.code == "config.file_missing"
