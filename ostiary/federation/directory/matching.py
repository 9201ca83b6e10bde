"""Who has all the words that a person typed, as whole words, as beginnings, as parts, or with a typing error. Pure."""

from collections.abc import Callable
from typing import Final

from ostiary.federation.directory.indexing import Index

# Shorter parts of a word than this are looked for at its beginning only.
_SHORTEST_PART: Final = 3
_MOST_MISTYPED: Final = 3


class Matched:
    """The organisations of an index that have these folded words, in each sense when it is asked for."""

    def __init__(self, index: Index, words: tuple[str, ...]) -> None:
        self._index: Final = index
        # The rarest first: whoever does not have it need not be looked at for the others.
        counts = {word: index.names.count(word) + index.others.count(word) for word in words}
        self._words: Final = sorted(counts, key=counts.__getitem__)
        self._beginnings_of_names: dict[str, set[int]] = {}
        self._beginnings: dict[str, set[int]] = {}
        self._parts: dict[str, set[int]] = {}

    def begun(self) -> list[set[int]]:
        """Who has these very words; who has words in its names that begin so; who has any words that begin so."""
        all_begin = self._all(self._beginning)
        if not all_begin:
            return []
        return [
            self._all(self._whole),
            self._all(self._beginning_of_name),
            all_begin,
        ]

    def contained(self) -> set[int]:
        """Who has words of which these are parts."""
        return self._all(self._part)

    def mistyped(self, shortest: int) -> set[int]:
        """Each word as it is where anybody has it, else with an error, if it has ``shortest`` letters; if then nobody has all, each with or
        without one."""
        tried = [word for word in self._words[:_MOST_MISTYPED] if len(word) >= shortest]
        meant = {word: self._alike(word) for word in tried if not self._known(word)}
        found = self._all(lambda word: self._known(word) or meant.get(word, set()))
        if not found and len(self._words) > 1:
            meant |= {word: self._alike(word) for word in tried if word not in meant}
            found = self._all(lambda word: self._known(word) | meant.get(word, set()))
        return found

    def _alike(self, word: str) -> set[int]:
        return self._index.names.alike(word) | self._index.others.alike(word)

    def _beginning_of_name(self, word: str) -> set[int]:
        return _made(self._beginnings_of_names, word, self._index.names.beginning)

    def _beginning(self, word: str) -> set[int]:
        return _made(
            self._beginnings,
            word,
            lambda word: self._beginning_of_name(word) | self._index.others.beginning(word),
        )

    def _part(self, word: str) -> set[int]:
        if len(word) < _SHORTEST_PART and word.isascii():
            return self._beginning(word)
        return _made(
            self._parts,
            word,
            lambda word: (
                self._beginning(word) | self._index.names.containing(word) | self._index.others.containing(word)
            ),
        )

    def _known(self, word: str) -> set[int]:
        return self._beginning(word) or self._part(word)

    def _whole(self, word: str) -> set[int]:
        return self._index.names.whole(word) | self._index.others.whole(word)

    def _all(self, having: Callable[[str], set[int]]) -> set[int]:
        found: set[int] | None = None
        for word in self._words:
            found = having(word) if found is None else found & having(word)
            if not found:
                break
        return found or set()


def _made(known: dict[str, set[int]], word: str, make: Callable[[str], set[int]]) -> set[int]:
    """What is known of the word, made when it is first asked for."""
    found = known.get(word)
    if found is None:
        found = known[word] = make(word)
    return found
