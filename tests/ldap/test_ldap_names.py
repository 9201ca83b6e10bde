"""Distinguished names: values inside them stay values, and what is none is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ldap3.utils.dn import parse_dn

from ostiary.config import WrongSetting
from ostiary.ldap.dn import check_dn, child

PARENT = "ou=people,dc=example,dc=org"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ada", "uid=ada"),
        ("a,b+c", "uid=a\\,b\\+c"),
        ('"<>;=\\', 'uid=\\"\\<\\>\\;\\=\\\\'),
        ("#a#", "uid=\\#a\\#"),
        (" a b ", "uid=\\ a b\\ "),
        (" ", "uid=\\ "),
        ("a\0b", "uid=a\\00b"),
        ("Éclair", "uid=Éclair"),
    ],
)
def test_a_value_in_a_name_is_written_as_rfc_4514_says(value: str, expected: str) -> None:
    name = child("uid", value, PARENT)
    assert name == f"{expected},{PARENT}"
    assert check_dn(name) == name


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
@settings(max_examples=100)
def test_no_value_adds_a_part_to_a_name(value: str) -> None:
    name = child("uid", value, PARENT)
    assert check_dn(name) == name
    assert [(attribute, separator) for attribute, _, separator in parse_dn(name)] == [
        ("uid", ","),
        ("ou", ","),
        ("dc", ","),
        ("dc", ""),
    ]


@pytest.mark.parametrize("text", ["dc=org", PARENT, "cn=a+sn=b, dc = org", "2.5.4.3=#04024869,dc=org", "cn=,dc=org"])
def test_a_name_is_kept_as_it_is(text: str) -> None:
    assert check_dn(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "people",
        "dc=org,",
        ",dc=org",
        "cn=a;dc=org",
        'cn="a",dc=org',
        "cn=a\0,dc=org",
        "cn=#0,dc=org",
        "cn=\\zz",
        "cn=a" * 1000,
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        check_dn(text)
    assert caught.value.code == "ldap.dn"
