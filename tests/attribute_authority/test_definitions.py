from datetime import UTC, datetime
from typing import get_args

import pytest

from attribute_authority.resolver.definitions import (
    Constants,
    Definition,
    Note,
    NoteReason,
    depending_on,
    find_cycle,
    in_order,
    make_attributes,
)
from attribute_authority.resolver.transformations import Condition, ValueMap, read_template
from ostiary.attributes import Attribute, NameIdValue, Value
from ostiary.command.wording import catalogue
from ostiary.policy.captures import compile_capture
from ostiary.policy.patterns import compile_pattern
from ostiary.policy.values import ValueTest

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOME = "https://idp.uni.example"


def make(
    definitions: list[Definition], *found: dict[str, tuple[str, ...]]
) -> tuple[dict[str, tuple[str, ...]], tuple[Note, ...]]:
    made = make_attributes(in_order(definitions), found, issuer=HOME, at=NOW)
    return {attribute.name: attribute.texts() for attribute in made.attributes}, made.notes


def test_only_what_is_defined_is_an_attribute() -> None:
    made, _ = make([Definition("mail", "mail")], {"mail": ("a@b",), "password": ("secret",)})
    assert made == {"mail": ("a@b",)}


def test_an_attribute_says_who_asserts_it_and_when() -> None:
    made = make_attributes([Definition("mail", "mail")], [{"mail": ("a@b",)}], issuer=HOME, at=NOW)
    assert made.attributes == (Attribute("mail", (Value("a@b"),), issuer=HOME, issued_at=NOW),)


def test_a_scope_is_appended_and_split_off() -> None:
    definitions = [Definition("eduPersonScopedAffiliation", "affiliation", scope="uni.example")]
    made = make_attributes(definitions, [{"affiliation": ("member", "staff")}], issuer=HOME, at=NOW)
    assert made.attributes[0].values == (Value("member", "uni.example"), Value("staff", "uni.example"))


def test_a_value_with_a_scope_gets_no_second_one() -> None:
    definitions = [Definition("eduPersonPrincipalName", "uid", scope="uni.example")]
    assert make(definitions, {"uid": ("ada@evil.example", "ada")}) == (
        {"eduPersonPrincipalName": ("ada@uni.example",)},
        (Note("scope_unexpected", "eduPersonPrincipalName"),),
    )


@pytest.mark.parametrize("text", ["ada", "ada@", "@uni.example"])
def test_a_scoped_attribute_without_a_whole_scoped_value_is_left_out(text: str) -> None:
    assert make(
        [Definition("eduPersonPrincipalName", "eduPersonPrincipalName")], {"eduPersonPrincipalName": (text,)}
    ) == (
        {},
        (Note("scope_missing", "eduPersonPrincipalName"),),
    )


def test_a_value_that_xml_cannot_carry_is_left_out_and_noted_once() -> None:
    values = ("a\x00b", "c\x1fd", "\ud800", "\uffff", "two\nlines", "é", "")
    assert make([Definition("cn", "cn")], {"cn": values}) == ({"cn": ("two\nlines", "é")}, (Note("unwritable", "cn"),))


def test_values_of_several_connectors_are_joined_in_their_order_without_repetition() -> None:
    found: tuple[dict[str, tuple[str, ...]], ...] = ({"cn": ("b", "a")}, {}, {"cn": ("a", "c")})
    assert make([Definition("cn", "cn")], *found)[0] == {"cn": ("b", "a", "c")}


def test_the_first_connector_that_knows_can_count_alone() -> None:
    found: tuple[dict[str, tuple[str, ...]], ...] = ({"cn": ()}, {"cn": ("b",)}, {"cn": ("a",)})
    assert make([Definition("cn", "cn", first_only=True)], *found)[0] == {"cn": ("b",)}


def test_a_definition_can_take_from_another_in_any_order_and_hide_it() -> None:
    definitions = [
        Definition("eduPersonUniqueId", "id", scope="uni.example"),
        Definition("id", "number", internal=True),
        Definition("eduPersonPrincipalName", "eduPersonUniqueId"),
    ]
    assert make(definitions, {"number": ("17",), "id": ("wrong",)})[0] == {
        "eduPersonUniqueId": ("17@uni.example",),
        "eduPersonPrincipalName": ("17@uni.example",),
    }


def test_several_names_are_joined_in_their_order() -> None:
    found = ({"work": ("b",), "home": ("c", "a")}, {"work": ("a",)})
    assert make([Definition("cn", ("work", "home"))], *found)[0] == {"cn": ("b", "a", "c")}
    assert make([Definition("cn", ("none", "home", "work"), first_only=True)], *found)[0] == {"cn": ("c", "a")}


def test_a_template_joins_sources() -> None:
    name = Definition("displayName", read_template("{givenName} {sn} ({{{o}}})"))
    found: dict[str, tuple[str, ...]] = {"givenName": ("Ada",), "sn": ("Lovelace",), "o": ("Uni",)}
    assert make([name], found) == ({"displayName": ("Ada Lovelace ({Uni})",)}, ())
    assert make([name], {**found, "sn": ()}) == ({}, ())
    assert make([name], {**found, "o": ("Uni", "Lab")})[0] == {
        "displayName": ("Ada Lovelace ({Uni})", "Ada Lovelace ({Lab})")
    }


def test_sources_of_a_template_with_several_values_are_taken_in_step_or_not_at_all() -> None:
    phone = Definition("phones", read_template("{kind}: {number}"))
    assert make([phone], {"kind": ("home", "work"), "number": ("1", "2")})[0] == {"phones": ("home: 1", "work: 2")}
    assert make([phone], {"kind": ("home", "work", "car"), "number": ("1", "2")}) == ({}, (Note("uneven", "phones"),))


def test_a_text_that_a_template_makes_too_long_is_left_out() -> None:
    twice = Definition("description", read_template("{a}{a}{b}"))
    made = make([twice], {"a": ("x" * 10_000,), "b": ("", "y")})
    assert made == ({}, (Note("too_long", "description"),))
    assert make([twice], {"a": ("x" * 10,), "b": ("y",)})[0] == {"description": ("x" * 20 + "y",)}


def test_a_part_is_split_off_and_what_does_not_match_is_left_out() -> None:
    uid = Definition("uid", "mail", split=compile_capture("([^@]+)@uni\\.example"))
    assert make([uid], {"mail": ("ada@uni.example", "ada@home.example", "")}) == ({"uid": ("ada",)}, ())
    assert make([uid], {"mail": ("a" * 3000 + "@uni.example",)}) == ({}, (Note("too_long", "uid"),))


def test_values_are_mapped_by_table_and_patterns() -> None:
    kinds = ValueMap(
        {"S": ("student", "member"), "prof-guest": ("affiliate",)},
        ((compile_pattern("prof-.*"), ("faculty", "member")),),
        default=("library-walk-in",),
    )
    affiliation = Definition("eduPersonAffiliation", "kind", mapping=kinds)
    assert make([affiliation], {"kind": ("S",)})[0] == {"eduPersonAffiliation": ("student", "member")}
    assert make([affiliation], {"kind": ("prof-guest", "prof-x")})[0] == {
        "eduPersonAffiliation": ("affiliate", "faculty", "member")
    }
    assert make([affiliation], {"kind": ("s",)})[0] == {"eduPersonAffiliation": ("library-walk-in",)}
    assert make([affiliation], {})[0] == {}


def test_what_no_entry_of_a_map_matches_is_dropped_or_kept() -> None:
    found: dict[str, tuple[str, ...]] = {"lang": ("english", "fr")}
    for keep, expected in ((False, ("en",)), (True, ("en", "fr"))):
        mapped = Definition("preferredLanguage", "lang", mapping=ValueMap({"english": ("en",)}, keep=keep))
        assert make([mapped], found)[0] == {"preferredLanguage": expected}


def test_split_map_and_scope_come_in_this_order() -> None:
    definition = Definition(
        "eduPersonScopedAffiliation",
        "dn",
        scope="uni.example",
        split=compile_capture("ou=([a-z]+),.*"),
        mapping=ValueMap({"staff": ("staff", "member"), "guests": ("affiliate",)}),
    )
    assert make([definition], {"dn": ("ou=staff,dc=uni", "ou=guests,dc=uni", "ou=robots,dc=uni")})[0] == {
        "eduPersonScopedAffiliation": ("staff@uni.example", "member@uni.example", "affiliate@uni.example")
    }


STUDENT = Condition("kind", ValueTest(exact=frozenset({"student", "guest student"})))
LICENCE = "urn:mace:dir:entitlement:common-lib-terms"


@pytest.mark.parametrize(
    ("when", "when_not", "kind", "holds"),
    [
        ((), (), (), True),
        ((Condition("kind"),), (), ("x",), True),
        ((Condition("kind"),), (), ("",), False),
        ((Condition("kind"),), (), (), False),
        ((STUDENT,), (), ("staff", "student"), True),
        ((STUDENT,), (), ("staff",), False),
        ((), (STUDENT,), ("staff",), True),
        ((), (STUDENT,), ("staff", "student"), False),
        ((), (Condition("kind"),), (), True),
        ((Condition("kind", ValueTest(pattern=compile_pattern("st.*"))),), (), ("student",), True),
        ((Condition("kind", ValueTest(pattern=compile_pattern("st.*"))),), (), ("a student",), False),
        ((Condition("kind"), STUDENT), (), ("staff",), False),
        ((Condition("kind"),), (STUDENT, Condition("other")), ("staff",), True),
    ],
)
def test_a_condition_says_about_whom(
    when: tuple[Condition, ...], when_not: tuple[Condition, ...], kind: tuple[str, ...], holds: bool
) -> None:
    definition = Definition("eduPersonEntitlement", Constants((LICENCE,)), when=when, when_not=when_not)
    assert make([definition], {"kind": kind}) == ({"eduPersonEntitlement": (LICENCE,)} if holds else {}, ())


def test_a_condition_looks_at_the_values_of_all_connectors_and_at_definitions() -> None:
    definitions = [
        Definition("mail", "mail", first_only=True, when=(Condition("kind", ValueTest(exact=frozenset({"b"}))),)),
        Definition("kind", "kind", internal=True),
    ]
    assert make(definitions, {"kind": ("a",), "mail": ("a@b",)}, {"kind": ("b",)})[0] == {"mail": ("a@b",)}


def test_what_could_still_become_true_is_not_denied() -> None:
    definitions = in_order(
        [
            Definition("guest", Constants(("yes",)), when_not=(Condition("staff"),)),
            Definition("alien", Constants(("yes",)), when_not=(Condition("guest"),)),
            Definition("staff", "number"),
            Definition("known", Constants(("yes",)), when=(Condition("mail"),)),
        ]
    )

    def names(unanswered: frozenset[str]) -> tuple[list[str], list[tuple[str, str]], frozenset[str]]:
        found: list[dict[str, tuple[str, ...]]] = [{"mail": ("a@b",)}]
        made = make_attributes(definitions, found, issuer=HOME, at=NOW, unanswered=unanswered)
        return [a.name for a in made.attributes], [(n.reason, n.source) for n in made.notes], made.uncertain

    assert names(frozenset()) == (["guest", "known"], [], frozenset())
    assert names(frozenset({"mail"})) == (["guest", "known"], [], frozenset({"known"}))
    assert names(frozenset({"number"})) == (
        ["known"],
        [("condition_unknown", "guest"), ("condition_unknown", "alien")],
        frozenset({"guest", "alien", "staff"}),
    )


def test_a_persistent_name_has_its_qualifiers_and_is_made_for_a_requester_only() -> None:
    definitions = in_order([Definition("eduPersonTargetedID", "opaque"), Definition("copy", "eduPersonTargetedID")])
    made = make_attributes(definitions, [{"opaque": ("a1b2",)}], issuer=HOME, at=NOW, requester="https://sp.example")
    targeted, copy = made.attributes
    assert targeted.values == (
        Value(f"{HOME}!https://sp.example!a1b2", None, NameIdValue("a1b2", HOME, "https://sp.example")),
    )
    assert copy.values == (Value(f"{HOME}!https://sp.example!a1b2"),)
    nobody = make_attributes(definitions, [{"opaque": ("a1b2",)}], issuer=HOME, at=NOW)
    assert (nobody.attributes, nobody.notes) == ((), ())
    assert depending_on(definitions, ()) == {"eduPersonTargetedID", "copy"}


@pytest.mark.parametrize("value", ["a!b", "a b", "x" * 257])
def test_a_persistent_name_that_could_be_read_as_another_is_left_out(value: str) -> None:
    made = make_attributes(
        [Definition("eduPersonTargetedID", "opaque")],
        [{"opaque": (value,)}],
        issuer=HOME,
        at=NOW,
        requester="https://sp",
    )
    assert (made.attributes, made.notes) == ((), (Note("malformed", "eduPersonTargetedID"),))


def test_what_was_made_before_is_known_later_hidden_things_too() -> None:
    earlier = make_attributes(
        [Definition("name", "cn", internal=True)], [{"cn": ("Ada",)}], issuer=HOME, at=NOW, unanswered={"cn"}
    )
    later = make_attributes(
        [Definition("label", read_template("{name} for {who}")), Definition("x", Constants(("y",)))],
        [{"cn": ("Ada",)}, {"who": ("sp",)}],
        issuer=HOME,
        at=NOW,
        earlier=earlier,
    )
    assert {a.name: a.texts() for a in later.attributes} == {"label": ("Ada for sp",), "x": ("y",)}
    assert later.uncertain == {"name", "label"}


def test_an_attribute_carries_the_name_that_it_has_on_the_wire() -> None:
    made = make_attributes(
        [Definition("shoeSize", "shoeSize", wire_name="https://uni.example/shoe-size")],
        [{"shoeSize": ("37",)}],
        issuer=HOME,
        at=NOW,
    )
    assert made.attributes[0].wire_name == "https://uni.example/shoe-size"


@pytest.mark.parametrize(
    ("sources", "cycle"),
    [
        ({"a": "a"}, ()),
        ({"a": "b", "b": "c"}, ()),
        ({"a": "b", "b": "b"}, ()),
        ({"a": "b", "b": "a"}, ("a", "b", "a")),
        ({"x": "a", "a": "b", "b": "c", "c": "a"}, ("a", "b", "c", "a")),
    ],
)
def test_a_cycle_is_found_and_named(sources: dict[str, str], cycle: tuple[str, ...]) -> None:
    assert find_cycle([Definition(name, source) for name, source in sources.items()]) == cycle


def test_every_note_has_a_sentence() -> None:
    texts = catalogue()
    assert [reason for reason in get_args(NoteReason) if not texts.has(f"explain.note_{reason}")] == []
