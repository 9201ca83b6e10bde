"""Which organisations have which domains: scopes, and the domains that their metadata names. Made once, never changed."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final

_LAST: Final = "\U0010ffff"


class Domains:
    """The domains of many organisations, which are numbered."""

    def __init__(self, found: Mapping[str, Sequence[int]]) -> None:
        self._found: Final = {domain: tuple(numbers) for domain, numbers in found.items()}
        self._sorted: Final = sorted(found)
        # example.uni.: all below uni.example stand together.
        self._reversed: Final = sorted((f"{_backwards(domain)}.", domain) for domain in found)

    def matching(self, typed: str) -> list[set[int]]:
        """Who has this domain; who has one above it, the nearest first; who has one below it; who has one that begins so."""
        ranks = [set(self._found.get(typed, ()))]
        above = typed
        while (above := above.partition(".")[2]).count("."):
            ranks.append(set(self._found.get(above, ())))
        ranks.append(self._below(typed))
        low, high = bisect_left(self._sorted, typed), bisect_left(self._sorted, typed + _LAST)
        ranks.append({number for domain in self._sorted[low:high] for number in self._found[domain]})
        return [rank for rank in ranks if rank]

    def _below(self, typed: str) -> set[int]:
        backwards = f"{_backwards(typed)}."
        low = bisect_left(self._reversed, (backwards, ""))
        high = bisect_left(self._reversed, (backwards + _LAST, ""))
        return {number for _, domain in self._reversed[low:high] for number in self._found[domain]}


def _backwards(domain: str) -> str:
    return ".".join(reversed(domain.split(".")))
