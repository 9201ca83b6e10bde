"""Identifiers from a principal and a salt: always the same, different where they must be, in the profile's form."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.attributes import make_value
from ostiary.config import write_private_file
from ostiary.errors import ConfigurationError, Refusal
from ostiary.identifiers.computed import pairwise_id, persistent_value, subject_id
from ostiary.identifiers.salt import Salt, load_salt
from ostiary.identifiers.syntax import check_identifier, is_identifier

SALT = Salt(bytes(range(32)))
ALICE = "5f0c7c3b0a9e4f6d8b2a1c3d4e5f6071"
ENCODABLE = st.characters(exclude_categories=["Cs"])
LIBRARY = "https://library.example/shar"


def test_a_pairwise_id_is_the_same_for_ever() -> None:
    assert (
        pairwise_id(SALT, ALICE, LIBRARY, "uni.example")
        == "oo6c6svdotw5cvcgcvclzwlkewl2kbsx2fpzt7apy3fb3vocw3ea@uni.example"
    )


def test_a_subject_id_is_the_same_for_ever() -> None:
    assert subject_id(SALT, ALICE, "uni.example") == "a6nkgoipzxx6vgms4jw5raudxctfvt3tqflhl6vjxxqcxsl5koqa@uni.example"


def test_a_persistent_value_is_the_same_for_ever() -> None:
    assert persistent_value(SALT, ALICE, LIBRARY, 0) == "g3zwui5zhi7oiyv5ki6f6nejnfvwcb2lkhcsmd3omrjplyywmxbq"


def test_every_input_makes_another_identifier() -> None:
    made = [
        pairwise_id(SALT, ALICE, LIBRARY, "uni.example"),
        pairwise_id(Salt(bytes(range(1, 33))), ALICE, LIBRARY, "uni.example"),
        pairwise_id(SALT, ALICE + "0", LIBRARY, "uni.example"),
        pairwise_id(SALT, ALICE, LIBRARY + "2", "uni.example"),
        pairwise_id(SALT, ALICE, LIBRARY, "other.example"),
        subject_id(SALT, ALICE, "uni.example"),
        persistent_value(SALT, ALICE, LIBRARY, 0),
        persistent_value(SALT, ALICE, LIBRARY, 1),
    ]
    assert len(set(made)) == 8


def test_what_moves_from_one_input_to_the_next_makes_another_identifier() -> None:
    assert pairwise_id(SALT, "ab", "c", "uni.example") != pairwise_id(SALT, "a", "bc", "uni.example")


def test_the_scope_is_written_in_lower_case() -> None:
    assert subject_id(SALT, ALICE, "Uni.Example").endswith("@uni.example")


@settings(max_examples=50)
@given(st.text(ENCODABLE, min_size=1, max_size=64), st.text(ENCODABLE, min_size=1, max_size=1024))
def test_every_computed_identifier_has_the_form_of_the_profile(principal: str, relying_party: str) -> None:
    value = pairwise_id(SALT, principal, relying_party, "uni.example")
    assert re.fullmatch(r"[a-z2-7]{52}@uni\.example", value)
    assert is_identifier(value)


def test_a_scope_that_is_none_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        subject_id(SALT, ALICE, "uni example")
    assert caught.value.code == "identifiers.syntax"


GOOD = ["a@b", "A=-0@9.example-x", "a" * 127 + "@" + "b" * 127]
BAD = [
    "",
    "alice",
    "@uni.example",
    "alice@",
    "=a@uni.example",
    "-a@uni.example",
    "al.ice@uni.example",
    "alice@.example",
    "alice@uni_example",
    "alice@uni.example\n",
    "älice@uni.example",
    "alice@a@uni.example",
    "a" * 128 + "@uni.example",
    "a@" + "b" * 128,
    "alice @uni.example",
]


@pytest.mark.parametrize("value", GOOD)
def test_a_value_of_the_profiles_form_is_one(value: str) -> None:
    assert is_identifier(value)
    assert check_identifier(value) == value


@pytest.mark.parametrize("value", BAD)
def test_a_value_of_another_form_is_none(value: str) -> None:
    assert not is_identifier(value)
    with pytest.raises(Refusal) as caught:
        check_identifier(value)
    assert caught.value.code == "identifiers.syntax"


def test_values_that_are_read_compare_without_regard_to_case() -> None:
    assert make_value("pairwise-id", "ABC@Uni.Example") == make_value("pairwise-id", "abc@uni.example")
    assert make_value("subject-id", "ABC@Uni.Example") == make_value("subject-id", "abc@uni.example")
    assert make_value("eduPersonPrincipalName", "ABC@x") != make_value("eduPersonPrincipalName", "abc@x")


def test_a_salt_is_all_the_bytes_of_a_private_file(tmp_path: Path) -> None:
    write_private_file(tmp_path / "salt", bytes(range(48)))
    assert load_salt(tmp_path / "salt") == Salt(bytes(range(48)))


def test_a_salt_that_others_can_read_is_refused(tmp_path: Path) -> None:
    write_private_file(tmp_path / "salt", bytes(48))
    (tmp_path / "salt").chmod(0o644)
    with pytest.raises(ConfigurationError) as caught:
        load_salt(tmp_path / "salt")
    assert caught.value.code == "config.private_file_mode"


@pytest.mark.parametrize(("size", "code"), [(31, "identifiers.salt_file"), (1025, "config.private_file_too_large")])
def test_a_salt_of_another_size_is_refused(tmp_path: Path, size: int, code: str) -> None:
    write_private_file(tmp_path / "salt", bytes(size))
    with pytest.raises(ConfigurationError) as caught:
        load_salt(tmp_path / "salt")
    assert caught.value.code == code


def test_a_short_salt_is_refused_and_never_shown() -> None:
    with pytest.raises(Refusal) as caught:
        Salt(b"0123456789")
    assert caught.value.code == "identifiers.salt"
    assert "abc" not in repr(Salt(b"abc" * 20))
