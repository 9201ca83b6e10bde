"""What a policy excepts: requesters, values, and people who have something."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ostiary.attributes import Attributes, make_attribute
from ostiary.config import DocumentError, parse_document
from ostiary.policy.release import Circumstances, Requester, release
from ostiary.policy.release.document import compile_release_policies

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PERSON: Attributes = (
    make_attribute("mail", ["ada@uni.example"]),
    make_attribute("eduPersonAffiliation", ["member", "student"]),
    make_attribute("eduPersonScopedAffiliation", ["member@uni.example", "member@lab.uni.example"]),
)


def released(
    text: str, requester: Requester, person: Attributes = PERSON, *, complete: bool = True
) -> dict[str, tuple[str, ...]]:
    policies = compile_release_policies([parse_document(text.encode(), Path("release.yaml"))])
    circumstances = Circumstances(person=person, uncertain=frozenset() if complete else None)
    decision = release(policies, requester, person, target=None, at=NOW, wanted=None, circumstances=circumstances)
    return {attribute.name: attribute.texts() for attribute in decision.attributes}


def test_a_rule_does_not_speak_of_the_values_that_it_excepts() -> None:
    text = """
policies:
  - id: p
    for: {anyone: true}
    rules:
      - {permit: [eduPersonAffiliation, eduPersonScopedAffiliation]}
      - {deny: eduPersonAffiliation, unless: {value: member}}
      - {deny: eduPersonScopedAffiliation, unless: {left: member, scope: uni.example}}
"""

    assert released(text, Requester("https://a.example")) == {
        "eduPersonAffiliation": ("member",),
        "eduPersonScopedAffiliation": ("member@uni.example",),
    }


ALL_BUT_ONE = """
policies:
  - id: p
    for: {unless: {requesters: https://b.example}}
    rules: [{permit: mail}]
"""


@pytest.mark.parametrize(
    ("requester", "told"),
    [
        (Requester("https://a.example"), True),
        (Requester("https://b.example"), False),
        (Requester("https://a.example", known=False), False),
        (Requester("https://a.example", anonymous=True, known=False), False),
    ],
)
def test_a_policy_for_all_but_one_is_for_those_that_metadata_knows(requester: Requester, told: bool) -> None:
    assert ("mail" in released(ALL_BUT_ONE, requester)) is told


def test_an_exception_narrows_what_else_says_for_whom_a_policy_is() -> None:
    text = """
groups: {partners: [https://a.example, https://b.example]}
policies:
  - id: p
    for: {group: partners, unless: {entity_category: c, registration_authority: f}}
    rules: [{permit: mail}]
"""

    assert released(text, Requester("https://a.example"))
    assert released(text, Requester("https://b.example", entity_categories=("c",)))
    assert not released(text, Requester("https://b.example", entity_categories=("c",), registration_authority="f"))
    assert not released(text, Requester("https://c.example"))


NOT_FOR_STUDENTS = """
policies:
  - id: p
    for: {anyone: true}
    when: {person: {attribute: eduPersonAffiliation, value: student, has: false}}
    rules: [{permit: mail}]
"""


def test_a_condition_can_ask_that_she_has_no_such_value() -> None:
    staff = (make_attribute("mail", ["b@uni.example"]), make_attribute("eduPersonAffiliation", ["staff"]))

    assert not released(NOT_FOR_STUDENTS, Requester("https://a.example"))
    assert released(NOT_FOR_STUDENTS, Requester("https://a.example"), staff)


def test_that_she_has_no_such_value_is_not_known_while_a_source_does_not_answer() -> None:
    unknown = (make_attribute("mail", ["b@uni.example"]),)
    denying = """
policies:
  - id: all
    for: {anyone: true}
    rules: [{permit: mail}]
  - id: p
    for: {anyone: true}
    when: {person: {attribute: eduPersonAffiliation, value: student, has: false}}
    rules: [{deny: mail}]
"""

    assert not released(NOT_FOR_STUDENTS, Requester("https://a.example"), unknown, complete=False)
    assert not released(denying, Requester("https://a.example"), unknown, complete=False)
    assert released(denying, Requester("https://a.example"), PERSON, complete=False)


@pytest.mark.parametrize(
    ("rule", "audience", "code"),
    [
        ("{permit: mail, unless: {}}", "{anyone: true}", "policy.empty_unless"),
        ("{permit: mail, unless: {sort: x}}", "{anyone: true}", "config.unknown_key"),
        ("{permit: mail}", "{unless: {}}", "policy.audience"),
        ("{permit: mail}", "{unless: {anyone: true}}", "config.unknown_key"),
        ("{permit: mail}", "{anyone: true, unless: {requesters: https://a.example}}", "policy.audience"),
    ],
)
def test_an_exception_that_excepts_nothing_clear_is_refused(rule: str, audience: str, code: str) -> None:
    text = f"policies: [{{id: p, for: {audience}, rules: [{rule}]}}]"

    with pytest.raises(DocumentError) as refused:
        compile_release_policies([parse_document(text.encode(), Path("release.yaml"))])

    assert refused.value.code == code
