"""Scopes as clients write them: what is understood, in which order, and which capability covers which."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.errors import Refusal
from voms.tokens.scopes import DEFAULT, Capability, Scopes, is_normal, read_scopes

SEGMENTS = st.lists(st.sampled_from(["a", "b", "ab", "%20", "x.y"]), max_size=4)


def test_groups_keep_the_order_in_which_they_were_asked_for_and_the_usual_ones_come_last() -> None:
    found = read_scopes("wlcg.groups:/cms/uscms wlcg.groups:/cms/ALARM")
    assert found == Scopes(groups=("/cms/uscms", "/cms/ALARM", None))


def test_the_usual_groups_stand_where_they_were_asked_for() -> None:
    assert read_scopes("wlcg.groups wlcg.groups:/cms/uscms").groups == (None, "/cms/uscms")


def test_capabilities_alone_bring_no_groups() -> None:
    found = read_scopes("storage.read:/home/joe compute.create")
    assert found == Scopes(capabilities=(Capability("storage.read", "/home/joe"), Capability("compute.create")))


@pytest.mark.parametrize("text", ["wlcg", "wlcg:1.0", "openid offline_access profile", " "])
def test_who_asks_for_nothing_in_particular_gets_the_groups(text: str) -> None:
    assert read_scopes(text) == DEFAULT


@pytest.mark.parametrize(
    "text",
    [
        "storage.read",
        "storage.read:",
        "storage.read:data",
        "storage.read:/a/../b",
        "storage.read:/./b",
        "storage.read://b",
        "storage.read:/a//",
        "storage.read:/%2e%2e/b",
        "storage.read:/%2E/b",
        "storage.read:/a%2Fb",
        "storage.read:/a%41",
        "storage.read:/a%zz",
        "storage.read:/a%00",
        "storage.read:/a?b",
        "compute.create:/a",
        "compute.destroy",
        "wlcg:2.0",
        "wlcg.groups:",
        "wlcg.groups:cms",
        "wlcg.groups:/cms/",
        "wlcg.groups:/cms/../x",
        'wlcg.groups:/cms"',
        "wlcg.groups:/c\u00e9",
        "tab\there",
        "wlcg.groups:/" + "a" * 300,
        "storage.read:/" + "a" * 9000,
        " ".join(f"wlcg.groups:/g{number}" for number in range(101)),
    ],
)
def test_what_is_no_scope_of_the_profile_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_scopes(text)
    assert caught.value.code == "voms.token_scope"


@pytest.mark.parametrize(
    ("held", "wanted", "covers"),
    [
        ("/foo", "/foo", True),
        ("/foo", "/foo/", True),
        ("/foo", "/foo/bar", True),
        ("/foo", "/foobar", False),
        ("/foo/", "/foo", False),
        ("/foo/", "/foo/bar", True),
        ("/", "/anything/below", True),
        ("/foo/bar", "/foo", False),
    ],
)
def test_a_path_covers_itself_and_what_is_below(held: str, wanted: str, covers: bool) -> None:
    assert Capability("storage.read", held).covers(Capability("storage.read", wanted)) is covers


@pytest.mark.parametrize(
    ("held", "wanted", "covers"),
    [
        ("storage.modify", "storage.create", True),
        ("storage.create", "storage.modify", False),
        ("storage.stage", "storage.read", True),
        ("storage.read", "storage.stage", False),
        ("storage.modify", "storage.read", False),
    ],
)
def test_who_may_change_may_create_and_who_may_stage_may_read(held: str, wanted: str, covers: bool) -> None:
    assert Capability(held, "/d").covers(Capability(wanted, "/d/e")) is covers


def test_a_computing_capability_covers_itself_alone() -> None:
    assert Capability("compute.create").covers(Capability("compute.create"))
    assert not Capability("compute.create").covers(Capability("compute.cancel"))


@settings(max_examples=50, deadline=None)
@given(SEGMENTS, SEGMENTS)
def test_a_path_covers_another_exactly_when_its_segments_begin_it(held: list[str], wanted: list[str]) -> None:
    one, other = "/" + "/".join(held), "/" + "/".join(wanted)
    assert is_normal(one)
    assert is_normal(other)
    covered = Capability("storage.read", one).covers(Capability("storage.read", other))
    assert covered is (wanted[: len(held)] == held)


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="/.%2EeaF05", min_size=1, max_size=12))
def test_a_path_that_is_taken_has_one_spelling_only(tail: str) -> None:
    path = "/" + tail
    if is_normal(path):
        assert "//" not in path
        assert not {".", "..", "%2E", "%2e"} & set(path.split("/"))
        assert "%2F" not in path.upper().replace("%25", "")
