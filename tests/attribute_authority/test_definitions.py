from datetime import UTC, datetime

import pytest

from attribute_authority.resolver.definitions import Definition, Note, find_cycle, in_order, make_attributes
from ostiary.attributes import Attribute, Value

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOME = "https://idp.uni.example"


def make(
    definitions: list[Definition], *found: dict[str, tuple[str, ...]]
) -> tuple[dict[str, tuple[str, ...]], tuple[Note, ...]]:
    attributes, notes = make_attributes(in_order(definitions), found, issuer=HOME, at=NOW)
    return {attribute.name: attribute.texts() for attribute in attributes}, notes


def test_only_what_is_defined_is_an_attribute() -> None:
    made, _ = make([Definition("mail", "mail")], {"mail": ("a@b",), "password": ("secret",)})
    assert made == {"mail": ("a@b",)}


def test_an_attribute_says_who_asserts_it_and_when() -> None:
    attributes, _ = make_attributes([Definition("mail", "mail")], [{"mail": ("a@b",)}], issuer=HOME, at=NOW)
    assert attributes == (Attribute("mail", (Value("a@b"),), issuer=HOME, issued_at=NOW),)


def test_a_scope_is_appended_and_split_off() -> None:
    definitions = [Definition("eduPersonScopedAffiliation", "affiliation", scope="uni.example")]
    attributes, _ = make_attributes(definitions, [{"affiliation": ("member", "staff")}], issuer=HOME, at=NOW)
    assert attributes[0].values == (Value("member", "uni.example"), Value("staff", "uni.example"))


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
    found: tuple[dict[str, tuple[str, ...]], ...] = ({"mail": ("b", "a")}, {}, {"mail": ("a", "c")})
    assert make([Definition("mail", "mail")], *found)[0] == {"mail": ("b", "a", "c")}


def test_the_first_connector_that_knows_can_count_alone() -> None:
    found: tuple[dict[str, tuple[str, ...]], ...] = ({"mail": ()}, {"mail": ("b",)}, {"mail": ("a",)})
    assert make([Definition("mail", "mail", first_only=True)], *found)[0] == {"mail": ("b",)}


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
