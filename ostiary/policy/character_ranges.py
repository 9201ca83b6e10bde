"""Sets of characters as ranges of code points, both ends included, in order and apart from each other."""

from collections.abc import Iterable
from typing import Final

Ranges = tuple[tuple[int, int], ...]

LAST_CODE_POINT: Final = 0x10FFFF

DIGIT: Final[Ranges] = ((48, 57),)
WORD: Final[Ranges] = ((48, 57), (65, 90), (95, 95), (97, 122))
SPACE: Final[Ranges] = ((9, 13), (32, 32))
LINE_FEED: Final[Ranges] = ((10, 10),)


def is_single(ranges: Ranges) -> bool:
    """Whether this is one character."""
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """All characters of these ranges, which may overlap and stand in any order."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple(found)


def complement(ranges: Ranges) -> Ranges:
    """All other characters."""
    others: list[tuple[int, int]] = []
    start = 0
    for low, high in ranges:
        if low > start:
            others.append((start, low - 1))
        start = high + 1
    if start <= LAST_CODE_POINT:
        others.append((start, LAST_CODE_POINT))
    return tuple(others)
