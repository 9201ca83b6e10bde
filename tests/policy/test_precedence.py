"""What people may decide between mandatory and forbidden policies, and what the document about it may say."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ostiary.attributes import Attribute, make_attribute
from ostiary.config import Sources, parse_document
from ostiary.errors import ConfigurationError
from ostiary.policy.release import HER_OWN, ReleaseDecision, Requester, as_she_wishes, release
from ostiary.policy.release.document import compile_release_policies
from ostiary.policy.release.precedence import DEFAULT_PRECEDENCE, Precedence, compile_precedence, load_precedence

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
SP = Requester("https://library.example.org/shar", registration_authority="https://federation.example.org")
PERSON = (
    make_attribute("mail", ["ada@uni.example"]),
    make_attribute("cn", ["Ada"]),
    make_attribute("sn", ["Lovelace"]),
    make_attribute("uid", ["ada"]),
    make_attribute("subject-id", ["ada@uni.example"]),
)
POLICIES = """
policies:
  - {id: must, for: {anyone: true}, strength: mandatory, rules: [{permit: mail}]}
  - {id: should, for: {anyone: true}, rules: [{permit: cn}]}
  - {id: should not, for: {anyone: true}, rules: [{deny: sn}]}
  - {id: never, for: {anyone: true}, strength: forbidden, rules: [{deny: uid}]}
"""


def wished(
    wish: str,
    precedence: Precedence = DEFAULT_PRECEDENCE,
    requester: Requester = SP,
    policies: str = POLICIES,
    known: tuple[Attribute, ...] = PERSON,
    wanted: tuple[Attribute, ...] | None = None,
) -> ReleaseDecision:
    compiled = compile_release_policies([parse_document(policies.encode(), Path("release.yaml"))])
    decision = release(compiled, requester, known, target=None, at=NOW, wanted=wanted)
    return as_she_wishes(decision, lambda _name, _value: wish, known, requester=requester, precedence=precedence)


def names(decision: ReleaseDecision) -> list[str]:
    return [attribute.name for attribute in decision.attributes]


def test_between_the_bounds_she_decides() -> None:
    assert names(wished("withheld")) == ["mail"]
    assert names(wished("not_asked")) == ["mail"]
    hers = wished("chosen")
    assert names(hers) == ["mail", "cn", "sn", "subject-id"]
    assert [(v.attribute, v.policy, v.reason) for v in hers.verdicts] == [
        ("mail", "must", "permit"),
        ("cn", "should", "permit"),
        ("sn", HER_OWN, "chosen"),
        ("uid", "never", "deny"),
        ("subject-id", HER_OWN, "chosen"),
    ]


@pytest.mark.parametrize(
    ("text", "wish", "left"),
    [
        ("people_may: []", "withheld", ["mail", "cn"]),
        ("people_may: []", "chosen", ["mail", "cn"]),
        ("people_may: [release]", "withheld", ["mail", "cn"]),
        ("people_may: [withhold]", "chosen", ["mail", "cn"]),
        # Not to ask her where she has to be asked is no wish of hers.
        ("people_may: [release]", "not_asked", ["mail"]),
        ("never_release: sn", "chosen", ["mail", "cn", "subject-id"]),
        ("never_release: [sn, cn]", "withheld", ["mail"]),
        (
            "release_only_to: {registration_authority: https://federation.example.org}",
            "chosen",
            ["mail", "cn", "sn", "subject-id"],
        ),
        ("release_only_to: {registration_authority: https://other.example}", "chosen", ["mail", "cn"]),
        ("release_only_to: {requester_pattern: 'https://library.*'}", "chosen", ["mail", "cn", "sn", "subject-id"]),
    ],
)
def test_the_document_says_what_people_may_do_at_all(text: str, wish: str, left: list[str]) -> None:
    precedence = compile_precedence(parse_document(text.encode(), Path("precedence.yaml")))
    assert names(wished(wish, precedence)) == left


@pytest.mark.parametrize(
    "requester",
    [
        Requester(SP.entity_id, known=False),
        Requester(SP.entity_id, anonymous=True),
        Requester("", known=False, anonymous=True),
    ],
    ids=["unknown", "anonymous", "nobody"],
)
def test_she_adds_nothing_for_a_requester_that_metadata_does_not_know(requester: Requester) -> None:
    assert [v.attribute for v in wished("chosen", requester=requester).verdicts if v.reason == "chosen"] == []


def test_she_adds_no_identifier_that_the_requester_does_not_need() -> None:
    hers = wished("chosen", requester=Requester(SP.entity_id, identifier="none"))
    assert "subject-id" not in names(hers)
    assert hers.verdicts[-1].reason == "identifier_not_needed"


def test_her_identifier_does_not_take_the_place_of_the_one_that_policies_send() -> None:
    policies = "policies: [{id: must, for: {anyone: true}, strength: STRENGTH, rules: [{permit: subject-id}]}]"
    known = (make_attribute("subject-id", ["ada@uni.example"]), make_attribute("pairwise-id", ["x1@uni.example"]))
    any_one = Requester(SP.entity_id, identifier="any")

    def sent(strength: str, subject: str, pairwise: str) -> list[str]:
        compiled = compile_release_policies(
            [parse_document(policies.replace("STRENGTH", strength).encode(), Path("release.yaml"))]
        )
        decision = release(compiled, any_one, known, target=None, at=NOW, wanted=None)
        wishes = {"subject-id": subject, "pairwise-id": pairwise}
        return names(as_she_wishes(decision, lambda name, _value: wishes[name], known, requester=any_one))

    assert sent("mandatory", "withheld", "chosen") == ["subject-id"]
    assert sent("ordinary", "", "chosen") == ["subject-id"]
    assert sent("ordinary", "withheld", "chosen") == ["pairwise-id"]


def test_she_adds_nothing_that_was_not_asked_for_or_is_no_longer_valid() -> None:
    assert names(wished("chosen", wanted=(Attribute("sn", ()),))) == ["sn"]
    expired = (Attribute("sn", make_attribute("sn", ["Lovelace"]).values, valid_until=NOW),)
    assert names(wished("chosen", known=expired)) == []


def test_values_of_two_issuers_are_kept_apart() -> None:
    known = (make_attribute("sn", ["Byron", "Lovelace"], issuer="a"), make_attribute("sn", ["Lovelace"], issuer="b"))
    hers = wished("chosen", known=known)
    assert [(a.issuer, a.texts()) for a in hers.attributes] == [("a", ("Byron", "Lovelace")), ("b", ("Lovelace",))]


def test_verdicts_about_other_attributes_are_no_decision_about_hers() -> None:
    decision = wished("chosen", known=PERSON[1:3])
    with pytest.raises(ValueError, match="other attributes"):
        as_she_wishes(decision, lambda _name, _value: "withheld", PERSON, requester=SP)


def test_without_a_document_everything_between_the_bounds_is_hers() -> None:
    assert load_precedence(ROOT / "policies" / "precedence" / "default.yaml") == DEFAULT_PRECEDENCE
    assert DEFAULT_PRECEDENCE.people_may == {"withhold", "release"}
    assert DEFAULT_PRECEDENCE.new_resources == ("recommended", "minimal", "ask")
    assert (DEFAULT_PRECEDENCE.release_only_to, DEFAULT_PRECEDENCE.never_release) == (None, frozenset())


BAD: list[tuple[str, str, str]] = [
    ("people_may: everything", "config.wrong_value", "people_may"),
    ("people_may: [withold]", "config.wrong_value", "people_may[0]"),
    ("people_may: [release, release]", "policy.twice", "people_may"),
    ("people_may:", "policy.no_value", "people_may"),
    ("new_resources: []", "config.wrong_value", "new_resources"),
    ("new_resources: [ask, ask]", "policy.twice", "new_resources"),
    ("never_releases: mail", "config.mistyped_key", "never_releases"),
    ("release_only_to: {}", "policy.audience", "release_only_to"),
    ("release_only_to: {anyone: true}", "config.unknown_key", "release_only_to.anyone"),
    ("release_only_to: {requester_pattern: '(a'}", "policy.pattern", "release_only_to.requester_pattern"),
]


@pytest.mark.parametrize(("text", "code", "key"), BAD)
def test_a_document_with_a_mistake_is_refused_by_line_and_key(text: str, code: str, key: str, tmp_path: Path) -> None:
    file = tmp_path / "precedence.yaml"
    file.write_text(f"# who may what\n{text}\n")
    with pytest.raises(ConfigurationError) as refused:
        load_precedence(file)
    assert (refused.value.code, refused.value.key, refused.value.line) == (code, key, 2)


def test_what_was_read_is_noted(tmp_path: Path) -> None:
    file = tmp_path / "precedence.yaml"
    file.write_text("new_resources: [ask]\n")
    sources = Sources()
    assert load_precedence(file, sources=sources).new_resources == ("ask",)
    assert sources.paths() == (file,)
