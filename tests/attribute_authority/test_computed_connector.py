"""Identifiers that depend on who asks: each requester gets its own, and what is remembered of one never reaches another."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from attribute_authority.connectors.computed import NAMES, ComputedConnector
from attribute_authority.connectors.sources import RequesterSource, Source
from attribute_authority.resolver.definitions import Definition, depending_on, in_order
from attribute_authority.resolver.resolver import Resolution, Resolver
from attribute_authority.resolver.settings import ResolverSettings
from attribute_authority.resolver.transformations import Condition
from ostiary.config import write_private_file
from ostiary.identifiers.computed import pairwise_id, subject_id
from ostiary.identifiers.salt import Salt

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SALT = Salt(b"s" * 32)
LIBRARY, LAB, ARCHIVE = "https://library.example/shar", "https://lab.example/shar", "https://archive.example/shar"
SUBJECT = subject_id(SALT, "p1", "uni.example")


class Directory:
    """A source of attributes that counts how often it is asked."""

    def __init__(self, **attributes: Sequence[str]) -> None:
        self.asked = 0
        self.attributes_of_all = attributes

    def attributes(self, principal: str, at: datetime) -> Mapping[str, Sequence[str]]:
        self.asked += 1
        return self.attributes_of_all

    def close(self) -> None:
        pass


def resolver(directory: Directory, *definitions: Definition, groups: Mapping[str, str] | None = None) -> Resolver:
    computed = ComputedConnector(SALT, "uni.example", groups or {})
    return Resolver(
        [RequesterSource("identifiers", computed, NAMES), Source("directory", directory)],
        definitions or [Definition(name, name) for name in ("mail", "pairwise-id", "subject-id")],
        issuer="https://idp.uni.example",
        cache_age=timedelta(minutes=1),
    )


def texts(resolution: Resolution) -> dict[str, tuple[str, ...]]:
    return {attribute.name: attribute.texts() for attribute in resolution.attributes}


def expected(requester: str) -> dict[str, tuple[str, ...]]:
    return {
        "mail": ("ada@uni.example",),
        "pairwise-id": (pairwise_id(SALT, "p1", requester, "uni.example"),),
        "subject-id": (SUBJECT,),
    }


def test_each_requester_gets_its_own_pairwise_id_and_all_the_same_subject_id() -> None:
    made = resolver(Directory(mail=["ada@uni.example"]))
    assert texts(made.resolve("p1", NOW, LIBRARY)) == expected(LIBRARY)
    assert texts(made.resolve("p1", NOW, LAB)) == expected(LAB)
    assert texts(made.resolve("p1", NOW, LIBRARY)) == expected(LIBRARY)


def test_what_is_remembered_of_a_person_holds_no_requesters_identifier() -> None:
    directory = Directory(mail=["ada@uni.example"])
    made = resolver(directory)
    made.resolve("p1", NOW, LIBRARY)
    again = made.resolve("p1", NOW + timedelta(seconds=30), LAB)
    assert directory.asked == 1
    assert texts(again) == expected(LAB)


def test_two_people_at_one_requester_have_two_identifiers() -> None:
    made = resolver(Directory())
    one, other = made.resolve("p1", NOW, LIBRARY), made.resolve("p2", NOW, LIBRARY)
    assert set(texts(one)) == set(texts(other)) == {"pairwise-id", "subject-id"}
    assert texts(one)["pairwise-id"] != texts(other)["pairwise-id"]
    assert texts(one)["subject-id"] != texts(other)["subject-id"]


def test_without_a_requester_there_is_no_pairwise_id() -> None:
    assert texts(resolver(Directory()).resolve("p1", NOW)) == {"subject-id": (SUBJECT,)}


def test_the_entities_of_a_group_share_their_pairwise_ids() -> None:
    made = resolver(Directory(), groups={LIBRARY: "reading", ARCHIVE: "reading"})
    library, archive, lab = (texts(made.resolve("p1", NOW, who))["pairwise-id"] for who in (LIBRARY, ARCHIVE, LAB))
    assert library == archive == (pairwise_id(SALT, "p1", "group:reading", "uni.example"),)
    assert lab == (pairwise_id(SALT, "p1", LAB, "uni.example"),)


def test_only_what_a_definition_looks_at_is_computed() -> None:
    connector = ComputedConnector(SALT, "uni.example", {})
    everything = connector.attributes_for("p1", LAB, NOW, NAMES)
    assert set(everything) == NAMES
    for name in NAMES:
        assert connector.attributes_for("p1", LAB, NOW, frozenset({name, "mail"})) == {name: everything[name]}
    assert connector.attributes_for("p1", None, NOW, NAMES) == {"subject-id": everything["subject-id"]}
    made = resolver(Directory(), Definition("opaque", "mail", when=(Condition("pairwise-id"),)))
    assert texts(made.resolve("p1", NOW, LAB)) == {}


def test_an_attribute_made_of_a_computed_one_depends_on_the_requester_too() -> None:
    made = resolver(
        Directory(mail=["ada@uni.example"]),
        Definition("eduPersonUniqueId", "subject-id"),
        Definition("subject-id", "subject-id", internal=True),
        Definition("opaque", "pairwise-id"),
        Definition("mail", "mail"),
    )
    assert texts(made.resolve("p1", NOW, LAB)) == {
        "mail": ("ada@uni.example",),
        "eduPersonUniqueId": (SUBJECT,),
        "opaque": (pairwise_id(SALT, "p1", LAB, "uni.example"),),
    }


def test_a_computed_value_is_joined_with_what_a_directory_calls_the_same() -> None:
    made = resolver(Directory(**{"subject-id": ["old@uni.example"]}), Definition("subject-id", "subject-id"))
    assert texts(made.resolve("p1", NOW, LAB)) == {"subject-id": ("old@uni.example", SUBJECT)}


def test_an_identifier_of_another_form_is_left_out_and_noted() -> None:
    made = resolver(Directory(mail=["under_score@uni.example"]), Definition("subject-id", "mail"))
    found = made.resolve("p1", NOW, LAB)
    assert found.attributes == ()
    assert [(note.reason, note.source) for note in found.notes] == [("malformed", "subject-id")]


def test_definitions_that_depend_on_a_source_are_found_through_others() -> None:
    definitions = in_order(
        [Definition("a", "b"), Definition("b", "pairwise-id"), Definition("c", "mail"), Definition("mail", "mail")]
    )
    assert depending_on(definitions, {"pairwise-id"}) == {"a", "b"}
    assert depending_on(definitions, {"mail"}) == {"c", "mail"}
    assert depending_on(definitions, ()) == frozenset()


def settings(path: Path, **more: Any) -> ResolverSettings:
    write_private_file(path / "salt", b"s" * 32)
    connector = {"type": "computed", "name": "identifiers", "salt": "salt", "scope": "uni.example", **more}
    content = {"connectors": [connector], "definitions": [{"attribute": "pairwise-id"}, {"attribute": "subject-id"}]}
    return ResolverSettings.model_validate(content, context={"directory": path})


def test_the_configuration_makes_the_same_identifiers(tmp_path: Path) -> None:
    def no_vo(*_: object) -> Any:
        raise LookupError

    made = settings(tmp_path, groups={"reading": [ARCHIVE]}).resolver("https://idp.uni.example", no_vo)
    assert texts(made.resolve("p1", NOW, LAB)) == {
        "pairwise-id": (pairwise_id(SALT, "p1", LAB, "uni.example"),),
        "subject-id": (SUBJECT,),
    }
    assert texts(made.resolve("p1", NOW, ARCHIVE))["pairwise-id"] == (
        pairwise_id(SALT, "p1", "group:reading", "uni.example"),
    )


def test_an_entity_is_in_one_group(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"aa\.duplicate_group_member"):
        settings(tmp_path, groups={"reading": [ARCHIVE], "writing": [ARCHIVE]})


def test_a_scope_longer_than_the_profile_allows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at most 127"):
        settings(tmp_path, scope="a" * 128)
