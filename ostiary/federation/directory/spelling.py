"""Words that differ by a small typing error: a letter too many, missing, wrong, or two in the wrong order. Pure, with bounded work."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

# One error from four letters on, a second from eight on; what is longer than a name's word can be is not corrected.
ONE_ERROR: Final = 4
TWO_ERRORS: Final = 8
_LONGEST: Final = 32
# From here on the beginning of a word is enough, as she is still typing it.
_UNFINISHED: Final = 6

_LAST: Final = "\U0010ffff"
_MOST_LETTERS: Final = 48
_MOST_OF_A_PART: Final = 200
_MOST_COMPARED: Final = 120


def alike(word: str, words: Sequence[str], joined: bytes, starts: Sequence[int]) -> list[tuple[int, int]]:
    """Stretches ``[low, high)`` of the sorted ``words`` that ``word`` may be meant for; those with one error, else those with two.

    ``joined`` are the words in UTF-8 with a line feed between them, ``starts`` where each begins in it.
    """
    if not ONE_ERROR <= len(word) <= _LONGEST:
        return []
    if len(word) < _UNFINISHED:
        whole = ((bisect_left(words, one), one) for one in _with_one_error(word, words))
        return [(at, at + 1) for at, one in whole if at < len(words) and words[at] == one]
    stretches = [
        (low, high)
        for one in _with_one_error(word, words)
        if (low := bisect_left(words, one)) < (high := bisect_left(words, one + _LAST, low))
    ]
    if stretches or len(word) < TWO_ERRORS:
        return stretches
    return [(at, at + 1) for at in _with_two_errors(word, words, joined, starts)]


def _with_one_error(word: str, words: Sequence[str]) -> set[str]:
    """What she may have meant. Only letters that some word has at that place are tried."""
    meant: set[str] = set()
    for at in range(len(word) + 1):
        head, tail = word[:at], word[at:]
        low, high = bisect_left(words, head), bisect_left(words, head + _LAST)
        if low == high:
            break
        if tail:
            meant.add(head + tail[1:])
        if len(tail) > 1:
            meant.add(head + tail[1] + tail[0] + tail[2:])
        for letter in _letters(words, low, high, head, ascii_only=word.isascii()):
            meant.add(head + letter + tail)
            if tail:
                meant.add(head + letter + tail[1:])
    meant.discard(word)
    return meant


def _letters(words: Sequence[str], low: int, high: int, head: str, *, ascii_only: bool) -> Iterator[str]:
    """The letters that follow ``head`` in the words from ``low`` to ``high``."""
    at = len(head)
    for _ in range(_MOST_LETTERS):
        while low < high and len(words[low]) == at:
            low += 1
        if low >= high or (ascii_only and words[low][at] > "z"):
            return
        letter = words[low][at]
        yield letter
        low = bisect_left(words, head + letter + _LAST, low, high)


def _with_two_errors(word: str, words: Sequence[str], joined: bytes, starts: Sequence[int]) -> list[int]:
    """Of three parts of a word with two errors, one is mostly as it should be: words that have one about there are compared."""
    octets = word.encode()
    third = len(word) // 3
    seen: dict[int, None] = {}
    for begin, end in ((0, third), (third, 2 * third), (2 * third, len(word))):
        part, before = word[begin:end].encode(), len(word[:begin].encode())
        slack = 2 * len(octets) // len(word)
        at = joined.find(part)
        for _ in range(_MOST_OF_A_PART):
            if at < 0:
                break
            number = bisect_right(starts, at) - 1
            if abs(at - starts[number] - before) <= slack and len(words[number]) >= len(word) - 2:
                seen[number] = None
            at = joined.find(part, at + 1)
    letters = set(word)
    near = [number for number in seen if len(letters.difference(words[number])) <= 2]
    return [number for number in near[:_MOST_COMPARED] if differs_by_two(word, words[number])]


def differs_by_two(word: str, other: str) -> bool:
    """Whether ``word`` becomes a beginning of ``other`` by at most two errors (optimal string alignment)."""
    width = min(len(other), len(word) + 2)
    before_that: list[int] = []
    before = list(range(width + 1))
    for row, letter in enumerate(word, 1):
        # What is further than two off the diagonal has more than two errors anyway.
        now = [row] + [9] * width
        for column in range(max(1, row - 2), min(width, row + 2) + 1):
            cost = before[column - 1] if letter == other[column - 1] else 1 + before[column - 1]
            cost = min(cost, before[column] + 1, now[column - 1] + 1)
            if row > 1 and column > 1 and letter == other[column - 2] and word[row - 2] == other[column - 1]:
                cost = min(cost, before_that[column - 2] + 1)
            now[column] = cost
        before_that, before = before, now
        if min(before) > 2:
            return False
    return min(before[max(0, len(word) - 2) :]) <= 2
