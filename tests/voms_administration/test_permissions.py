"""The original's permissions: bits, names and shorthands."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.errors import Refusal
from voms.administration.permissions import SINGLE, Permission, parse_permissions, permissions_text


def test_the_bits_are_those_of_the_original() -> None:
    assert {str(each.name): int(each) for each in SINGLE} == {
        "CONTAINER_READ": 1,
        "CONTAINER_WRITE": 2,
        "MEMBERSHIP_READ": 4,
        "MEMBERSHIP_WRITE": 8,
        "ACL_READ": 16,
        "ACL_WRITE": 32,
        "ACL_DEFAULT": 64,
        "REQUESTS_READ": 128,
        "REQUESTS_WRITE": 256,
        "ATTRIBUTES_READ": 512,
        "ATTRIBUTES_WRITE": 1024,
        "PERSONAL_INFO_READ": 2048,
        "PERSONAL_INFO_WRITE": 4096,
        "SUSPEND": 8192,
    }
    assert int(Permission.ALL) == 16383


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("ALL", 16383),
        ("NONE", 0),
        ("CONTAINER_RW", 3),
        ("CONTAINER_READ|MEMBERSHIP_READ", 5),
        ("membership_rw , ACL_RW", 60),
        ("ATTRIBUTES_RW|SUSPEND", 9728),
        ("ATTRIBUTE_RW|REQUEST_WRITE", 1792),
        ("PERSONAL_INFO_RW|ACL_DEFAULT", 6208),
    ],
)
def test_names_and_shorthands_are_read(text: str, bits: int) -> None:
    assert int(parse_permissions(text)) == bits


@pytest.mark.parametrize(
    "text", ["", "READ", "CONTAINER", "SUSPEND_READ", "ACL_DEFAULT_RW", "ALL|", "CONTAINER_READ;ACL_READ", "16383"]
)
def test_what_is_no_permission_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_permissions(text)
    assert refused.value.code == "voms.permission"


def test_the_text_is_the_shortest() -> None:
    assert permissions_text(Permission(1 | 2 | 8 | 64)) == "CONTAINER_RW|MEMBERSHIP_WRITE|ACL_DEFAULT"
    assert permissions_text(Permission.NONE) == "NONE"
    assert permissions_text(Permission.ALL) == "ALL"


@settings(max_examples=50)
@given(st.integers(min_value=0, max_value=16383))
def test_what_is_written_is_read_as_the_same(bits: int) -> None:
    assert int(parse_permissions(permissions_text(Permission(bits)))) == bits
