import pytest

from ostiary.config.derived import Derived, Once


class Snapshot:
    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot)

    __hash__ = None  # type: ignore[assignment]


def test_a_value_is_derived_once_from_the_same_objects_and_again_from_equal_ones() -> None:
    asked: list[tuple[int, int]] = []

    def add(first: Snapshot, second: Snapshot) -> int:
        asked.append((first.number, second.number))
        return first.number + second.number

    derived, one, two = Derived(add), Snapshot(1), Snapshot(2)
    assert [derived(one, two), derived(one, two), derived(two, one), derived(Snapshot(5), two)] == [3, 3, 3, 7]
    assert asked == [(1, 2), (2, 1), (5, 2)]


def test_only_so_many_are_kept() -> None:
    asked: list[int] = []
    derived = Derived(lambda snapshot: asked.append(snapshot.number), most=2)
    snapshots = [Snapshot(number) for number in range(3)]
    for snapshot in (*snapshots, snapshots[0]):
        derived(snapshot)
    assert asked == [0, 1, 2, 0]


def test_what_fails_is_asked_again() -> None:
    asked: list[int] = []

    def find() -> int:
        asked.append(1)
        if len(asked) == 1:
            raise ValueError("not now")
        return 7

    once = Once(find)
    with pytest.raises(ValueError, match="not now"):
        once()
    assert (once(), once(), len(asked)) == (7, 7, 2)


def test_nothing_is_an_answer_too() -> None:
    asked: list[int] = []
    once = Once(lambda: asked.append(1))
    assert (once(), once()) == (None, None)
    assert asked == [1]
