"""What follows from where groups stand, against a naive reference; and the same through the database."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.errors import OstiaryError
from ostiary.x509.fqan import Fqan
from tests.voms.conftest import ALICE, NOW, Vo
from voms.directory import FederatedIdentity
from voms.hierarchy import above, held_groups, inherited_roles, inherited_values, stands_above
from voms.standing import End, Standing, Value

AT = {"at": NOW, "by": "operator"}
HOUR = timedelta(hours=1)
EMIL_NAMED = ("https://home.example/idp", "eduPersonPrincipalName", "emil@home.example")
EMIL = FederatedIdentity(*EMIL_NAMED)
PATHS = ("/v", "/v/a", "/v/a/b", "/v/a/b/c", "/v/d", "/v/d/e", "/v/f")
OF_PATHS = [(path, path.rpartition("/")[0]) for path in PATHS[1:]]

# A further parent stands before its group in the list, so that there is no circle.
further = st.lists(
    st.tuples(st.integers(1, len(PATHS) - 1), st.integers(0, len(PATHS) - 1)).map(
        lambda pair: (PATHS[max(pair)], PATHS[min(pair)])
    ),
    max_size=5,
)
ends = st.none() | st.integers(1, 9).map(lambda hours: datetime(2026, 11, 22, tzinfo=UTC) + hours * HOUR)
memberships = st.dictionaries(st.sampled_from(PATHS), ends, max_size=4)
roles = st.dictionaries(st.tuples(st.sampled_from(PATHS), st.sampled_from(("r", "s"))), ends, max_size=4)


def naively_above(group: str, edges: list[tuple[str, str]]) -> set[str]:
    found: set[str] = set()
    for lower, upper in edges:
        if lower == group and upper != group:
            found |= {upper} | naively_above(upper, edges)
    return found


def as_number(end: End) -> float:
    return float("inf") if end is None else end.timestamp()


@settings(max_examples=50)
@given(further=further, joined=memberships, assigned=roles)
def test_membership_goes_up_and_roles_come_down_as_in_a_naive_reference(
    further: list[tuple[str, str]], joined: dict[str, End], assigned: dict[tuple[str, str], End]
) -> None:
    edges = [(lower, upper) for lower, upper in (*OF_PATHS, *further) if lower != upper]
    ancestors = above(edges)
    groups = held_groups(joined.items(), ancestors)
    for path in PATHS:
        through = [end for start, end in joined.items() if path == start or path in naively_above(start, edges)]
        assert (path in groups) == bool(through)
        if through:
            assert as_number(groups[path]) == max(map(as_number, through))
    own = {Fqan(path, role): end for (path, role), end in assigned.items() if path in groups}
    found = inherited_roles(own, groups, ancestors)
    for path in PATHS:
        for role in ("r", "s"):
            sources = [
                min(as_number(end), as_number(groups[path]) if path != start.group else float("inf"))
                for start, end in own.items()
                if start.role == role
                and path in groups
                and (start.group == path or start.group in naively_above(path, edges))
            ]
            assert (Fqan(path, role) in found) == bool(sources)
            if sources:
                assert as_number(found[Fqan(path, role)]) == max(sources)


def test_nothing_goes_upwards_but_membership() -> None:
    ancestors = above(OF_PATHS)
    groups = held_groups([("/v/a/b", None)], ancestors)
    assert inherited_roles({Fqan("/v/a/b", "r"): None}, groups, ancestors) == {Fqan("/v/a/b", "r"): None}
    own = {Fqan("/v/a/b"): (Value("x", "1"),)}
    assert inherited_values(own, map(Fqan, groups), ancestors) == own


def test_the_nearest_attribute_of_a_name_counts() -> None:
    ancestors = above([*OF_PATHS, ("/v/a/b", "/v/d/e")])
    assert ancestors["/v/a/b"] == ("/v/a", "/v/d/e", "/v", "/v/d")
    own = {Fqan("/v"): (Value("x", "far"), Value("y", "kept")), Fqan("/v/d/e"): (Value("x", "near"),)}
    assert inherited_values(own, [Fqan("/v/a/b")], ancestors) == {
        Fqan("/v/a/b"): (Value("x", "near", None, Fqan("/v/d/e")), Value("y", "kept", None, Fqan("/v")))
    }
    of_roles = {Fqan("/v", "r"): (Value("z", "1"),)}
    assert inherited_values(of_roles, [Fqan("/v/a", "r"), Fqan("/v/a", "s"), Fqan("/v/a")], ancestors) == {
        Fqan("/v/a", "r"): (Value("z", "1", None, Fqan("/v", "r")),)
    }


def test_a_circle_is_seen_and_never_followed_for_ever() -> None:
    lines = {"a": ["b"], "b": ["c"], "c": []}
    assert stands_above("a", "a", lambda each: lines[each])
    assert stands_above("c", "a", lambda each: lines[each])
    assert not stands_above("a", "c", lambda each: lines[each])
    assert above([("a", "b"), ("b", "a")])["a"] == ("b", "a")


def standing(vo: Vo, at: datetime = NOW) -> Standing:
    found = vo.memberships.of_certificate(ALICE, at)
    if found is None:
        raise LookupError("alice is no member")
    return found


def test_who_is_in_a_group_is_in_all_its_parents_and_those_above_them(vo: Vo) -> None:
    vo.directory.add_group("/testvo/g2/deep", **AT)
    vo.directory.add_parent("/testvo/g1/sub", "/testvo/g2/deep", **AT)
    vo.directory.join(vo.alice, "/testvo/g1/sub", until=NOW + HOUR, **AT)
    assert standing(vo).groups == {
        "/testvo": None,
        "/testvo/g1": NOW + HOUR,
        "/testvo/g1/sub": NOW + HOUR,
        "/testvo/g2": NOW + HOUR,
        "/testvo/g2/deep": NOW + HOUR,
    }
    vo.directory.remove_parent("/testvo/g1/sub", "/testvo/g2/deep", **AT)
    assert sorted(standing(vo).groups) == ["/testvo", "/testvo/g1", "/testvo/g1/sub"]


def test_roles_and_attributes_come_down_where_the_vo_says_so(vo: Vo) -> None:
    vo.directory.add_parent("/testvo/g1/sub", "/testvo/g2", **AT)
    vo.directory.join(vo.alice, "/testvo/g1/sub", **AT)
    vo.directory.assign_role(vo.alice, "/testvo/g2", "pilot", until=NOW + HOUR, **AT)
    vo.directory.set_attribute("quota", "7", group="/testvo/g2", **AT)
    vo.directory.set_attribute("desk", "3", group="/testvo/g2", role="pilot", **AT)
    assert standing(vo).roles == {Fqan("/testvo/g2", "pilot"): NOW + HOUR}
    vo.directory.set_inheritance(True, **AT)
    found = standing(vo)
    assert found.roles == {Fqan("/testvo/g2", "pilot"): NOW + HOUR, Fqan("/testvo/g1/sub", "pilot"): NOW + HOUR}
    assert found.group_attributes == {
        Fqan("/testvo/g2"): (Value("quota", "7"),),
        Fqan("/testvo/g1/sub"): (Value("quota", "7", None, Fqan("/testvo/g2")),),
        Fqan("/testvo/g2", "pilot"): (Value("desk", "3"),),
        Fqan("/testvo/g1/sub", "pilot"): (Value("desk", "3", None, Fqan("/testvo/g2", "pilot")),),
    }


@pytest.mark.parametrize("parent", ["/testvo/g1", "/testvo/g1/sub"])
def test_circles_are_refused(vo: Vo, parent: str) -> None:
    with pytest.raises(OstiaryError) as refused:
        vo.directory.add_parent("/testvo/g1", parent, **AT)
    assert refused.value.code == "voms.circle"


def test_a_circle_through_further_parents_is_refused(vo: Vo) -> None:
    vo.directory.add_parent("/testvo/g1", "/testvo/g2", **AT)
    with pytest.raises(OstiaryError) as refused:
        vo.directory.add_parent("/testvo/g2", "/testvo/g1/sub", **AT)
    assert refused.value.code == "voms.circle"
    with pytest.raises(OstiaryError) as root:
        vo.directory.add_parent("/testvo", "/testvo/g2", **AT)
    assert root.value.code == "voms.circle"


def test_the_parent_of_the_path_stays_and_what_is_no_parent_is_said(vo: Vo) -> None:
    for parent, code in (("/testvo/g1", "voms.own_parent"), ("/testvo/g2", "voms.no_parent")):
        with pytest.raises(OstiaryError) as refused:
            vo.directory.remove_parent("/testvo/g1/sub", parent, **AT)
        assert refused.value.code == code


def test_leaving_a_group_leaves_all_below_it_on_every_path(vo: Vo) -> None:
    vo.directory.add_parent("/testvo/g1/sub", "/testvo/g2", **AT)
    vo.directory.join(vo.alice, "/testvo/g1/sub", **AT)
    vo.directory.leave(vo.alice, "/testvo/g2", **AT)
    assert list(standing(vo).groups) == ["/testvo"]


def test_optional_groups_are_told_as_such(vo: Vo) -> None:
    vo.directory.set_optional("/testvo/g1", True, **AT)
    vo.directory.join(vo.alice, "/testvo/g1/sub", **AT)
    assert standing(vo).optional == {"/testvo/g1"}
    vo.directory.link_identity(vo.alice, EMIL, **AT)
    assert vo.memberships.names_of(*EMIL_NAMED, NOW) == ("/testvo", "/testvo/g1/sub")
    vo.directory.set_optional("/testvo/g1", False, **AT)
    assert standing(vo).optional == frozenset()
