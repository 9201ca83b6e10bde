"""Selection and order of names, ends, generic attributes: the rules behind every certificate, as measured from the original."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ostiary.errors import Denied, Refusal
from ostiary.x509.attribute_certificate import GenericAttribute
from ostiary.x509.fqan import Fqan, parse_fqan
from voms.asking import Asked, read_query
from voms.selection import ORDER, SHORTENED, SUBSET, UNKNOWN_PARAMETER, Bounds, Grant, Warned, grant
from voms.standing import Standing, Value

NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
SECOND = NOW.replace(microsecond=0)
ALICE = Standing(
    vo="testvo",
    member="a" * 32,
    groups=dict.fromkeys(("/testvo", "/testvo/g1", "/testvo/g1/sub", "/testvo/g2")),
    roles={Fqan("/testvo/g1", "admin"): None, Fqan("/testvo", "pilot"): None, Fqan("/testvo/g2", "pilot"): None},
    attributes=(Value("nickname", "alice"),),
    group_attributes={
        Fqan("/testvo/g1"): (Value("grpattr", "gval"),),
        Fqan("/testvo/g1", "admin"): (Value("roleattr", "rval"),),
    },
)
DAY = Bounds(timedelta(hours=24))


def granted(query: str, standing: Standing = ALICE, bounds: Bounds = DAY, **more: frozenset[Fqan]) -> Grant:
    return grant(standing, read_query(query), bounds, NOW, **more)


def names(query: str, standing: Standing = ALICE) -> list[str]:
    return [fqan.short() for fqan in granted(query, standing).fqans]


ALL_GROUPS = ["/testvo", "/testvo/g1", "/testvo/g1/sub", "/testvo/g2"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ALL_GROUPS),
        ("fqans=/testvo", ALL_GROUPS),
        ("fqans=/testvo/g2", ["/testvo/g2", "/testvo", "/testvo/g1", "/testvo/g1/sub"]),
        ("fqans=/testvo/g1/Role=admin", ["/testvo/g1/Role=admin", *ALL_GROUPS]),
        (
            "fqans=/testvo/g2,/testvo/g1/Role=admin",
            ["/testvo/g2", "/testvo/g1/Role=admin", "/testvo", "/testvo/g1", "/testvo/g1/sub"],
        ),
        (
            "fqans=/testvo/g1/Role=admin&order=/testvo/g1",
            ["/testvo/g1", "/testvo/g1/Role=admin", "/testvo", "/testvo/g1/sub", "/testvo/g2"],
        ),
        ("fqans=/Role=pilot", ["/testvo/Role=pilot", "/testvo/g2/Role=pilot", *ALL_GROUPS]),
        ("fqans=all", [*ALL_GROUPS, "/testvo/Role=pilot", "/testvo/g1/Role=admin", "/testvo/g2/Role=pilot"]),
    ],
)
def test_all_groups_and_only_the_roles_asked_for_in_the_order_wished(query: str, expected: list[str]) -> None:
    assert names(query) == expected


def test_order_never_adds_a_role_that_was_not_asked_for_and_the_client_is_warned() -> None:
    answer = granted("fqans=/testvo&order=/testvo/g1/Role=admin")
    assert Fqan("/testvo/g1", "admin") not in answer.fqans
    assert answer.warnings == (Warned(ORDER, "/testvo/g1/Role=admin"),)


@pytest.mark.parametrize(
    ("query", "command"),
    [
        ("fqans=/testvo/g3", "G/testvo/g3"),
        ("fqans=/testvo,/testvo/g2/Role=admin", "B/testvo/g2:admin"),
        ("fqans=/Role=king", "Rking"),
        ("fqans=/othervo", "G/othervo"),
        ("fqans=/testvo/g1/Role=admin,/othervo/g1/Role=admin", "B/othervo/g1:admin"),
        ("fqans=/testvo2", "G/testvo2"),
    ],
)
def test_one_name_that_is_not_held_refuses_it_all(query: str, command: str) -> None:
    with pytest.raises(Refusal) as refused:
        granted(query)
    assert (refused.value.code, refused.value.params["command"]) == ("voms.not_held", command)


def test_a_name_of_another_vo_is_never_stated_whatever_the_database_holds() -> None:
    broken = Standing("testvo", "b" * 32, groups={"/testvo": None, "/othervo": None}, roles={})
    with pytest.raises(Denied) as refused:
        granted("", broken)
    assert refused.value.code == "voms.other_namespace"


def test_a_suspended_member_gets_nothing_and_is_told_why() -> None:
    suspended = Standing("testvo", "c" * 32, groups={"/testvo": None}, roles={}, suspended="lost her laptop")
    with pytest.raises(Denied) as refused:
        granted("", suspended)
    assert (refused.value.code, refused.value.found) == ("voms.suspended", "lost her laptop")


def test_without_a_wish_for_its_lifetime_it_lasts_as_long_as_the_vo_gives() -> None:
    answer = granted("")
    assert (answer.not_before, answer.not_after) == (SECOND, SECOND + timedelta(hours=24))
    assert answer.warnings == ()


def test_a_lifetime_within_bounds_is_given_to_the_second() -> None:
    assert granted("lifetime=3600").not_after == SECOND + timedelta(hours=1)


def test_a_lifetime_beyond_the_vos_is_shortened_with_a_warning() -> None:
    answer = granted("lifetime=999999")
    assert answer.not_after == SECOND + timedelta(hours=24)
    assert answer.warnings == (Warned(SHORTENED, "86400"),)


def test_it_never_outlives_the_certificates_that_it_rests_on() -> None:
    bounds = Bounds(timedelta(hours=24), (NOW + timedelta(hours=2), NOW + timedelta(hours=9)))
    answer = granted("lifetime=43200", bounds=bounds)
    assert answer.not_after == SECOND + timedelta(hours=2)
    assert answer.warnings == (Warned(SHORTENED, "7200"),)


def test_it_never_outlives_a_grant_that_it_states_but_one_that_it_does_not() -> None:
    until = NOW + timedelta(minutes=30)
    standing = Standing(
        "testvo",
        "d" * 32,
        groups={"/testvo": None},
        roles={Fqan("/testvo", "shift"): until, Fqan("/testvo", "boss"): None},
    )
    assert granted("fqans=/testvo/Role=shift&lifetime=3600", standing).not_after == SECOND + timedelta(minutes=30)
    assert granted("fqans=/testvo/Role=boss&lifetime=3600", standing).not_after == SECOND + timedelta(hours=1)


def test_it_ends_with_the_membership() -> None:
    standing = Standing("testvo", "e" * 32, groups={"/testvo": None}, roles={}, ends=NOW + timedelta(minutes=5))
    assert granted("", standing).not_after == SECOND + timedelta(minutes=5)


def test_what_ends_within_this_second_is_refused_instead_of_issued_empty() -> None:
    with pytest.raises(Refusal) as refused:
        granted("", bounds=Bounds(timedelta(hours=1), (NOW + timedelta(milliseconds=400),)))
    assert refused.value.code == "voms.too_late"


def test_attributes_of_stated_roles_of_all_groups_and_of_the_member_go_along() -> None:
    assert granted("fqans=/testvo/g1/Role=admin").attributes == (
        GenericAttribute("roleattr", "rval", "/testvo/g1/Role=admin"),
        GenericAttribute("grpattr", "gval", "/testvo/g1"),
        GenericAttribute("nickname", "alice", "testvo"),
    )


def test_attributes_of_a_role_that_is_not_stated_stay_behind() -> None:
    assert [attribute.name for attribute in granted("").attributes] == ["grpattr", "nickname"]


def test_a_proxy_that_states_names_already_gets_no_others() -> None:
    carried = frozenset({Fqan("/testvo"), Fqan("/testvo/g2")})
    answer = granted("fqans=/testvo/g1/Role=admin", carried=carried)
    assert answer.fqans == (Fqan("/testvo"), Fqan("/testvo/g2"))
    assert Warned(SUBSET) in answer.warnings
    assert [attribute.name for attribute in answer.attributes] == ["nickname"]


def test_a_proxy_that_states_nothing_of_what_is_left_gets_nothing() -> None:
    with pytest.raises(Refusal) as refused:
        granted("", carried=frozenset({Fqan("/testvo/gone")}))
    assert refused.value.code == "voms.nothing_left"


def test_an_unknown_parameter_is_a_warning() -> None:
    assert granted("colour=blue").warnings == (Warned(UNKNOWN_PARAMETER, "colour"),)


def test_an_optional_group_is_stated_only_when_asked_for() -> None:
    shy = replace(ALICE, optional=frozenset({"/testvo/g2"}))
    assert names("", shy) == ["/testvo", "/testvo/g1", "/testvo/g1/sub"]
    assert names("fqans=/testvo/g2", shy) == ["/testvo/g2", "/testvo", "/testvo/g1", "/testvo/g1/sub"]
    assert "/testvo/g2" in names("fqans=all", shy)
    assert names("fqans=/testvo/g2/Role=pilot", shy)[0] == "/testvo/g2/Role=pilot"
    assert "/testvo/g2" not in names("fqans=/testvo/g2/Role=pilot", shy)


def test_what_came_down_is_stated_only_where_the_name_that_gives_it_is_not() -> None:
    given = Value("quota", "7", None, Fqan("/testvo/g1"))
    below = replace(ALICE, attributes=(), group_attributes={Fqan("/testvo/g1/sub"): (given,)})
    assert granted("", below).attributes == ()
    shy = replace(below, optional=frozenset({"/testvo/g1"}))
    assert granted("", shy).attributes == (GenericAttribute("quota", "7", "/testvo/g1/sub"),)


def test_a_statement_ends_with_the_first_of_its_attributes() -> None:
    soon = SECOND + timedelta(hours=1)
    limited = replace(ALICE, attributes=(Value("badge", "x", soon),))
    assert granted("", limited).not_after == soon
    grouped = replace(ALICE, group_attributes={Fqan("/testvo/g2"): (Value("quota", "1", soon),)})
    assert granted("", grouped).not_after == soon
    elsewhere = replace(ALICE, group_attributes={Fqan("/testvo/g2", "pilot"): (Value("quota", "1", soon),)})
    assert granted("", elsewhere).not_after == SECOND + timedelta(hours=24)


@pytest.mark.parametrize(
    ("text", "fqan"),
    [
        ("/vo", Fqan("/vo")),
        ("/vo/Role=NULL/Capability=NULL", Fqan("/vo")),
        ("/vo/g/Role=r", Fqan("/vo/g", "r")),
        ("/vo/g/Role=r/Capability=NULL", Fqan("/vo/g", "r")),
    ],
)
def test_both_forms_of_a_name_mean_the_same(text: str, fqan: Fqan) -> None:
    assert parse_fqan(text) == fqan
    assert parse_fqan(fqan.long()) == fqan


def test_a_wish_for_nothing_is_no_wish() -> None:
    assert Asked() == read_query("")
