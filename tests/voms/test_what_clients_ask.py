"""Requests as the real clients write them, and as nobody should: REST queries and the legacy protocol's commands."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.errors import Refusal
from ostiary.x509.fqan import Fqan
from voms.asking import Asked, Everything, RoleAnywhere, read_legacy, read_query


def test_a_query_of_the_c_client_is_read_raw_as_it_is_sent() -> None:
    asked = read_query("fqans=/testvo/g1/Role=admin,/testvo&lifetime=43200&order=/testvo/g1/Role=admin")
    assert asked == Asked(
        wishes=(Fqan("/testvo/g1", "admin"), Fqan("/testvo")), order=(Fqan("/testvo/g1", "admin"),), lifetime=43200
    )


def test_an_escaped_query_means_the_same() -> None:
    assert read_query("fqans=%2Ftestvo%2Fg1%2FRole%3Dadmin").wishes == (Fqan("/testvo/g1", "admin"),)


def test_the_java_clients_comma_after_the_last_target_names_no_target() -> None:
    assert read_query("fqans=/testvo&targets=host.a.org,").targets == ("host.a.org",)


def test_nothing_asked_for_is_an_empty_wish() -> None:
    assert read_query("") == Asked()
    assert read_query("fqans=") == Asked()


def test_all_and_a_role_anywhere_are_understood() -> None:
    assert read_query("fqans=all,/Role=pilot").wishes == (Everything(), RoleAnywhere("pilot"))


@pytest.mark.parametrize("lifetime", ["0", "-1", "-99999", ""])
def test_no_lifetime_zero_and_less_leave_it_to_the_vo(lifetime: str) -> None:
    assert read_query(f"lifetime={lifetime}").lifetime is None


def test_a_huge_lifetime_is_bounded_before_anything_is_added_to_a_date() -> None:
    assert read_query("lifetime=999999999999999999").lifetime == 10 * 366 * 24 * 3600


def test_a_parameter_that_nobody_knows_is_remembered_for_a_warning() -> None:
    assert read_query("fqans=/testvo&colour=blue").unknown == ("colour",)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("fqans=testvo", "voms.request_name"),
        ("fqans=/testvo/", "voms.request_name"),
        ("fqans=/testvo//g", "voms.request_name"),
        ("fqans=/testvo/g:admin", "voms.request_name"),
        ("fqans=/testvo/Role=", "voms.request_name"),
        ("fqans=/testvo/Role=a/Role=b", "voms.request_name"),
        ("fqans=/testvo/Role=a/Capability=NULL", "voms.request_name"),
        ("fqans=/testvo/g%00", "voms.request_name"),
        ("fqans=/testvo/g%0A", "voms.request_name"),
        ("fqans=/testvo/%C3%A9", "voms.request_name"),
        ("fqans=/testvo/g'%20OR%201=1", "voms.request_name"),
        ("fqans=/" + "a" * 300, "voms.request_name"),
        ("fqans=%FF%FE", "voms.request"),
        ("fqans=" + ",".join(["/testvo/g"] * 10_000), "voms.request_too_many"),
        ("targets=" + ",".join(["h"] * 101), "voms.request_too_many"),
        ("targets=a%20b", "voms.request_target"),
        ("fqans=/testvo&fqans=/testvo/g1", "voms.request_twice"),
        ("lifetime=soon", "voms.request_lifetime"),
        ("lifetime=1.5", "voms.request_lifetime"),
        ("lifetime=1" + "0" * 30, "voms.request_lifetime"),
        ("&".join(f"a{number}=1" for number in range(60)), "voms.request"),
    ],
)
def test_what_is_malformed_is_refused(query: str, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_query(query)
    assert refused.value.code == code


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_no_query_at_all_does_more_than_be_refused(query: str) -> None:
    try:
        asked = read_query(query)
    except Refusal:
        return
    assert all(isinstance(wish, Fqan | RoleAnywhere | Everything) for wish in asked.wishes)


def legacy(inner: str) -> bytes:
    return f'<?xml version="1.0" encoding="US-ASCII"?><voms>{inner}</voms>'.encode()


@pytest.mark.parametrize(
    ("command", "wish"),
    [
        ("G/testvo/g1", Fqan("/testvo/g1")),
        ("G/testvo", Fqan("/testvo")),
        ("B/testvo/g1:admin", Fqan("/testvo/g1", "admin")),
        ("B/testvo/g1/Role=admin", Fqan("/testvo/g1", "admin")),
        ("G/testvo/g1/Role=admin", Fqan("/testvo/g1", "admin")),
        ("Rpilot", RoleAnywhere("pilot")),
        ("A", Everything()),
        ("Gall", Everything()),
    ],
)
def test_each_legacy_command_has_its_meaning(command: str, wish: object) -> None:
    asked = read_legacy(
        legacy(f"<command>{command}</command><base64>1</base64><version>4</version><lifetime>0</lifetime>")
    )
    assert asked.wishes == (wish,)
    assert asked.plain_base64
    assert asked.lifetime is None


def test_a_legacy_request_lists_names_and_says_how_to_write_them() -> None:
    asked = read_legacy(legacy("<command>N</command>"))
    assert asked.list_only
    assert not asked.plain_base64


def test_a_legacy_request_with_everything() -> None:
    asked = read_legacy(
        legacy(
            "<command>G/testvo/g1</command><command>B/testvo:boss</command><order>/testvo:boss</order>"
            "<targets>a.org,b.org</targets><base64>1</base64><version>4</version><lifetime>3600</lifetime>"
        ).replace(b"/testvo:boss</order>", b"/testvo/Role=boss</order>")
    )
    assert asked == Asked(
        wishes=(Fqan("/testvo/g1"), Fqan("/testvo", "boss")),
        order=(Fqan("/testvo", "boss"),),
        lifetime=3600,
        targets=("a.org", "b.org"),
    )


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<voms/>",
        b"<voms>",
        b"<other><command>A</command></other>",
        legacy("<command>M</command>"),
        legacy("<command>S1</command>"),
        legacy("<command></command>"),
        legacy("<command>B/testvo:</command>"),
        legacy("<command>G/testvo</command><lifetime>x</lifetime>"),
        legacy("<command>A</command>" * 200),
        b'<!DOCTYPE voms [<!ENTITY a "b">]><voms><command>&a;</command></voms>',
        b'<?xml version="1.0" encoding="UTF-16"?>' + "<voms><command>A</command></voms>".encode("utf-16"),
    ],
)
def test_a_legacy_request_that_is_none_is_refused(document: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        read_legacy(document)
    assert refused.value.code.startswith("voms.request")
