"""Groups of sessions: what every kind of store must do."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ostiary.storage.memory import MemoryGroups
from tests.storage.conformance import KITS, Kit, in_processes

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
INSTANT = timedelta(microseconds=1)


@pytest.fixture(params=sorted(KITS))
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    kit = KITS[request.param](tmp_path)
    yield kit
    kit.close()


@pytest.fixture(params=sorted(name for name in KITS if name != "memory"))
def shared_kit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    kit = KITS[request.param](tmp_path)
    yield kit
    kit.close()


def test_a_group_has_the_members_that_were_added(kit: Kit) -> None:
    groups = kit.groups("")
    assert groups.members("ada", NOON) == ()
    for member in ("two", "one", "one"):
        groups.add("ada", member, expires=NOON + HOUR, now=NOON)
    groups.add("Ada", "three", expires=NOON + HOUR, now=NOON)
    assert groups.members("ada", NOON) == ("one", "two")
    assert groups.members("Ada", NOON) == ("three",)


def test_a_member_belongs_until_the_instant_it_expires(kit: Kit) -> None:
    groups = kit.groups("")
    groups.add("ada", "one", expires=NOON + HOUR, now=NOON)
    assert groups.members("ada", NOON + HOUR - INSTANT) == ("one",)
    assert groups.members("ada", NOON + HOUR) == ()
    groups.add("ada", "two", expires=NOON, now=NOON)
    assert groups.members("ada", NOON) == ("one",)


def test_added_again_a_member_belongs_until_the_later_time(kit: Kit) -> None:
    groups = kit.groups("")
    groups.add("ada", "one", expires=NOON + HOUR, now=NOON)
    groups.add("ada", "one", expires=NOON + 3 * HOUR, now=NOON)
    groups.add("ada", "one", expires=NOON + HOUR, now=NOON)
    assert groups.members("ada", NOON + 2 * HOUR) == ("one",)


def test_a_member_that_was_removed_is_gone_and_the_others_stay(kit: Kit) -> None:
    groups = kit.groups("")
    for member in ("one", "two"):
        groups.add("ada", member, expires=NOON + HOUR, now=NOON)
    groups.remove("ada", "one")
    groups.remove("ada", "nobody")
    groups.remove("nobody", "one")
    assert groups.members("ada", NOON) == ("two",)
    groups.add("ada", "one", expires=NOON + HOUR, now=NOON)
    assert groups.members("ada", NOON) == ("one", "two")


def test_namespaces_are_kept_apart(kit: Kit) -> None:
    kit.groups("a").add("ada", "one", expires=NOON + HOUR, now=NOON)
    assert kit.groups("b").members("ada", NOON) == ()


def test_names_that_read_the_same_when_joined_are_kept_apart(kit: Kit) -> None:
    groups = kit.groups("")
    groups.add("ada one", "two", expires=NOON + HOUR, now=NOON)
    groups.add("ada", "one two", expires=NOON + HOUR, now=NOON)
    groups.remove("ada one", "two")
    assert groups.members("ada", NOON) == ("one two",)


def test_no_more_than_a_thousand_members_are_told(kit: Kit) -> None:
    groups = kit.groups("")
    for number in range(1_005):
        groups.add("ada", f"{number:04}", expires=NOON + HOUR, now=NOON)
    found = groups.members("ada", NOON)
    assert (len(found), found[0], found[-1]) == (1_000, "0000", "0999")


def test_what_several_processes_add_at_once_is_all_kept(shared_kit: Kit) -> None:
    if shared_kit.opening is None:
        raise RuntimeError("a kind that other processes reach has a way to open it")
    adding = "groups.add('ada', f'{n % 20}', expires=later, now=now)"
    in_processes(shared_kit.opening, adding, 3)
    assert shared_kit.groups("").members("ada", NOON) == tuple(sorted(str(number) for number in range(20)))


def test_a_full_memory_lets_the_oldest_membership_go_and_forgets_what_has_expired() -> None:
    groups = MemoryGroups(max_entries=2)
    groups.add("ada", "one", expires=NOON + HOUR, now=NOON)
    groups.add("bob", "two", expires=NOON + 3 * HOUR, now=NOON)
    groups.add("eve", "three", expires=NOON + 3 * HOUR, now=NOON)
    assert [groups.members(name, NOON) for name in ("ada", "bob", "eve")] == [(), ("two",), ("three",)]
    groups.add("ada", "one", expires=NOON + 5 * HOUR, now=NOON + 3 * HOUR)
    assert len(groups) == 1


def test_memory_does_not_grow_with_what_is_added_again_and_again() -> None:
    groups = MemoryGroups(max_entries=10)
    for number in range(1_000):
        groups.add("ada", "one", expires=NOON + number * INSTANT + HOUR, now=NOON)
    assert len(groups) == 1
    assert len(groups._groups._calendar) < 100


def test_groups_whose_members_have_all_expired_go_while_others_are_read() -> None:
    groups = MemoryGroups()
    for number in range(100):
        groups.add(str(number), "one", expires=NOON + HOUR, now=NOON)
        groups.add(str(number), "two", expires=NOON + 2 * HOUR, now=NOON)
    assert len(groups) == 200
    assert groups.members("0", NOON + 1.5 * HOUR) == ("two",)
    for _ in range(20):
        assert groups.members("nobody", NOON + 3 * HOUR) == ()
    assert len(groups) == 0
