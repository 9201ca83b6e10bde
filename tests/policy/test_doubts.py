"""What policy documents say that can hardly be meant: told with the rule, and never about what is right."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ostiary.documents import policies
from ostiary.policy.acceptance import Scope
from ostiary.policy.acceptance_document import load_acceptance_policy
from ostiary.policy.acceptance_doubts import acceptance_doubts, given_names
from ostiary.policy.access_document import load_access_policy
from ostiary.policy.access_doubts import access_doubts
from ostiary.policy.doubts import Doubt

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def acceptance(tmp_path: Path, text: str) -> list[tuple[str, str, str, str]]:
    path = tmp_path / "accept.yaml"
    path.write_text(text)
    return [plain(doubt) for doubt in acceptance_doubts(load_acceptance_policy([path]))]


def access(tmp_path: Path, text: str, accepted: frozenset[str] | None = None) -> list[tuple[str, str, str, str]]:
    path = tmp_path / "access.yaml"
    path.write_text(text)
    return [plain(doubt) for doubt in access_doubts(load_access_policy([path]), NOW, accepted)]


def permits(condition: str) -> str:
    return f"rules: [{{id: r, paths: /, permit: {condition}}}]"


def plain(doubt: Doubt) -> tuple[str, str, str, str]:
    return doubt.code, doubt.rule, doubt.about, doubt.other


@pytest.mark.parametrize(
    ("text", "doubts"),
    [
        ("rules: []", [("no_rules", "", "", "")]),
        ("rules: [{id: r, attribute: mail}]", []),
        ("rules: [{id: r, attribute: 'urn:oid:1.2.3'}]", []),
        ("rules: [{id: r, attribute: 'voms:nickname'}]", []),
        (
            "rules: [{id: r, attribute: eduPersonAfiliation}]",
            [("misspelt_name", "r", "eduPersonAfiliation", "eduPersonAffiliation")],
        ),
        ("rules: [{id: r, attribute: MAIL}]", [("misspelt_name", "r", "MAIL", "mail")]),
        ("rules: [{id: r, attribute: favouriteColour}]", [("unknown_name", "r", "favouriteColour", "")]),
        (
            "rules: [{id: r, attribute: eduPersonPrincipalName, value: [ada, a@b.example]}]",
            [("value_never", "r", "ada", "eduPersonPrincipalName")],
        ),
        (
            "rules: [{id: r, attribute: eduPersonScopedAffiliation, left: staff, value: x@a.example}]",
            [("value_never", "r", "x@a.example", "eduPersonScopedAffiliation")],
        ),
        (
            "rules: [{id: r, attribute: pairwise-id, value: '-x@a.example'}]",
            [("value_never", "r", "-x@a.example", "pairwise-id")],
        ),
        ("rules: [{id: r, attribute: cn, value: [a, b], pattern: a}]", [("value_never", "r", "b", "cn")]),
        ("rules: [{id: r, attribute: subject-id, value_is_scope: metadata}]", [("scope_never", "r", "subject-id", "")]),
        ("rules: [{id: a, attribute: cn}, {id: b, attribute: cn, value: x, as: y}]", [("shadowed", "b", "cn", "a")]),
        ("rules: [{id: a, attribute: cn, value: x}, {id: b, attribute: cn}]", []),
        ("rules: [{id: a, attribute: cn, from: {issuers: x}}, {id: b, attribute: cn}]", []),
        ("rules: [{id: a, attribute: cn, map: {x: y}}, {id: b, attribute: cn}]", []),
        ("rules: [{id: a, attribute: subject-id}, {id: b, attribute: subject-id, scope: any}]", []),
        ("rules: [{id: r, attribute: cn}]\nrequired: [mail, {any: [sn, cn]}]", [("required_never", "", "mail", "")]),
        (
            "rules: [{id: r, attribute: cn}]\ncombine: [{as: u, first_of: [cn, uid]}]\nrequired: [u]",
            [("source_never", "u", "uid", "")],
        ),
    ],
)
def test_doubts_about_an_acceptance_policy(tmp_path: Path, text: str, doubts: list[tuple[str, str, str, str]]) -> None:
    assert acceptance(tmp_path, text) == doubts


@pytest.mark.parametrize(
    ("text", "doubts"),
    [
        ("rules: []", [("no_rules", "", "", "")]),
        (permits("{attribute: mail}"), []),
        (permits("{attribute: user}"), []),
        (
            permits("{not: {any: [{attribute: eduPersonEntitlemnt}]}}"),
            [("misspelt_name", "r", "eduPersonEntitlemnt", "eduPersonEntitlement")],
        ),
        (
            permits("{attribute: eduPersonScopedAffiliation, value: member}"),
            [("value_never", "r", "member", "eduPersonScopedAffiliation")],
        ),
        (permits("{all: [{authn_context: a}, {authn_context: [b, c]}]}"), [("disjoint", "r", "a & b | c", "")]),
        (permits("{all: [{authn_context: [a, b]}, {authn_context: [b, c]}]}"), []),
        (permits("{all: [{issuer: a}, {issuer: b}]}"), [("disjoint", "r", "a & b", "")]),
        (permits("{when: {dates: {to: 2026-11-22}}}"), [("dates_over", "r", "2026-11-22", "")]),
        (permits("{when: {dates: {to: 2026-11-23}}}"), []),
        (
            "rules: [{id: a, paths: [/x, /y], permit: {authenticated: true}}, {id: b, paths: /x, methods: GET, permit: {attribute: mail}}]",
            [("shadowed", "b", "/x", "a")],
        ),
        (
            "rules: [{id: a, paths: /x, methods: GET, permit: {authenticated: true}}, {id: b, paths: /x, permit: {attribute: mail}}]",
            [],
        ),
        (
            "rules: [{id: a, paths: /x, permit: {authenticated: true}}, {id: b, paths: [/x, /z], permit: {attribute: mail}}]",
            [],
        ),
    ],
)
def test_doubts_about_access_rules(tmp_path: Path, text: str, doubts: list[tuple[str, str, str, str]]) -> None:
    assert access(tmp_path, text) == doubts


def test_what_is_never_accepted_is_told_where_the_acceptance_policy_is_known(tmp_path: Path) -> None:
    known = frozenset({"mail", "user"})
    assert access(tmp_path, permits("{attribute: user}"), known) == []
    assert access(tmp_path, permits("{attribute: usr}"), frozenset({"user"})) == [("misspelt_name", "r", "usr", "user")]
    assert access(tmp_path, permits("{attribute: cn}"), known) == [("not_accepted", "r", "cn", "")]
    assert access(tmp_path, permits("{fqan: /bio}"), known) == [("not_accepted", "r", "isMemberOf", "")]


def test_names_that_a_policy_gives_are_those_after_renaming_and_combining(tmp_path: Path) -> None:
    path = tmp_path / "accept.yaml"
    path.write_text("rules: [{attribute: [mail, cn]}, {attribute: uid, as: user}]\ncombine: [{as: x, all_of: user}]")
    assert given_names(load_acceptance_policy([path])) == {"mail", "cn", "user", "x"}


@pytest.mark.parametrize("folder", ["acceptance/default.yaml"])
def test_what_ships_raises_no_doubt(folder: str) -> None:
    assert acceptance_doubts(load_acceptance_policy([policies() / folder])) == ()


@pytest.mark.parametrize(
    ("scope", "covers_nothing"), [("(?i)uni\\.example", True), ("(a", True), ("^.+\\.uni\\.example$", False)]
)
def test_an_expression_in_metadata_that_is_not_understood_covers_nothing(scope: str, covers_nothing: bool) -> None:
    assert Scope(scope, is_pattern=True).covers_nothing is covers_nothing
    assert not Scope(scope).covers_nothing
