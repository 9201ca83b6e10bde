"""Which organisations have which words: sorted, so that a word's beginning is one stretch. Made once, never changed."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Final

from ostiary.federation.directory.spelling import alike

_LAST: Final = "\U0010ffff"
# So many words of the vocabulary at most are looked at for one part of a word: a bound on the work, not on what is found in practice.
_MOST_PARTS: Final = 1000


class Words:
    """The words of many organisations, which are numbered."""

    def __init__(self, found: Mapping[str, Sequence[int]]) -> None:
        self._words: Final = sorted(found)
        self._numbers: Final = array("I")
        self._first: Final = array("I", [0])
        for word in self._words:
            self._numbers.extend(dict.fromkeys(found[word]))
            self._first.append(len(self._numbers))
        # One text, so that a part of a word is looked for without a loop here; in octets, where most letters are one.
        encoded = [word.encode() for word in self._words]
        self._joined: Final = b"\n".join(encoded)
        self._starts: Final = array("I", accumulate((len(word) + 1 for word in encoded[:-1]), initial=0))

    def count(self, part: str) -> int:
        """How many have a word that begins so, roughly: one with several such words counts as often."""
        return self._first[bisect_left(self._words, part + _LAST)] - self._first[bisect_left(self._words, part)]

    def whole(self, word: str) -> set[int]:
        """Who has this word."""
        at = bisect_left(self._words, word)
        return self._between(at, at + 1) if at < len(self._words) and self._words[at] == word else set()

    def beginning(self, part: str) -> set[int]:
        """Who has a word that begins so."""
        return self._between(bisect_left(self._words, part), bisect_left(self._words, part + _LAST))

    def containing(self, part: str) -> set[int]:
        """Who has a word of which this is part."""
        found: set[int] = set()
        wanted = part.encode()
        at = self._joined.find(wanted)
        for _ in range(_MOST_PARTS):
            if at < 0:
                break
            word = bisect_right(self._starts, at)
            found.update(self._numbers[self._first[word - 1] : self._first[word]])
            at = self._joined.find(wanted, self._starts[word]) if word < len(self._starts) else -1
        return found

    def alike(self, word: str) -> set[int]:
        """Who has a word from which this one differs by a small typing error."""
        return self._of(alike(word, self._words, self._joined, self._starts))

    def _of(self, stretches: Iterable[tuple[int, int]]) -> set[int]:
        found: set[int] = set()
        for low, high in stretches:
            found.update(self._numbers[self._first[low] : self._first[high]])
        return found

    def _between(self, low: int, high: int) -> set[int]:
        return set(self._numbers[self._first[low] : self._first[high]])
