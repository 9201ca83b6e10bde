"""Which organisations have which domains: scopes, for which the federation vouches, and the domains that they name themselves. Made once,
never changed."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

_LAST: Final = "\U0010ffff"


class Domains:
    """The domains of many organisations, which are numbered: their ``scopes``, and what is ``told`` besides (hints)."""

    def __init__(self, scopes: Mapping[str, Sequence[int]], told: Mapping[str, Sequence[int]]) -> None:
        self._both: Final = (_Domains(scopes), _Domains(told))

    def matching(self, typed: str) -> list[set[int]]:
        """Who has this domain; who has one above it, the nearest first; who has one below it; who has one that begins so. Each of the
        latter two, and the former two together, with scopes first: anybody can name another's domain, and must not come before her."""
        ranks = [rank for one in self._both for rank in one.covering(typed)]
        ranks += [one.below(typed) for one in self._both]
        ranks += [one.beginning(typed) for one in self._both]
        return [rank for rank in ranks if rank]


class _Domains:
    """Those of one kind."""

    def __init__(self, found: Mapping[str, Sequence[int]]) -> None:
        self._found: Final = {domain: tuple(numbers) for domain, numbers in found.items()}
        self._sorted: Final = sorted(found)
        # example.uni.: all below uni.example stand together.
        self._reversed: Final = sorted((f"{_backwards(domain)}.", domain) for domain in found)

    def covering(self, typed: str) -> Iterator[set[int]]:
        """Who has this domain; who has one above it, the nearest first."""
        yield set(self._found.get(typed, ()))
        above = typed
        while (above := above.partition(".")[2]).count("."):
            yield set(self._found.get(above, ()))

    def below(self, typed: str) -> set[int]:
        """Who has one below it."""
        backwards = f"{_backwards(typed)}."
        low = bisect_left(self._reversed, (backwards, ""))
        high = bisect_left(self._reversed, (backwards + _LAST, ""))
        return {number for _, domain in self._reversed[low:high] for number in self._found[domain]}

    def beginning(self, typed: str) -> set[int]:
        """Who has one that begins so."""
        low, high = bisect_left(self._sorted, typed), bisect_left(self._sorted, typed + _LAST)
        return {number for domain in self._sorted[low:high] for number in self._found[domain]}


def _backwards(domain: str) -> str:
    return ".".join(reversed(domain.split(".")))
