"""The search among the home organisations of one registry. Made once per metadata snapshot; does no I/O but the registry's."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import datetime
from heapq import nsmallest
from itertools import islice
from threading import Lock
from typing import Final

from ostiary.federation.directory.asked import read_asked
from ostiary.federation.directory.homes import Found, HomeOrganisation
from ostiary.federation.directory.indexing import ByName, Index, Turns, by_name, indexed
from ostiary.federation.directory.many_objects import many_objects
from ostiary.federation.directory.matching import Matched
from ostiary.federation.directory.nearby import Nearby, Places
from ostiary.federation.directory.offered import Offer
from ostiary.federation.registry import Registry
from ostiary.federation.summary import Summary
from ostiary.saml import names

# Of a mail address, shorter words than this are not taken for a typing error: gmail is nobody's misspelled university.
_SHORTEST_IN_ADDRESS: Final = 6
# With so many that begin so, those that only contain it are not looked for.
_ENOUGH: Final = 100
# With fewer found than this, walking through everybody in order costs more than sorting those.
_FEW: Final = 2000
_MOST_OFFERS: Final = 128
_MOST_LANGUAGES: Final = 16
_NOT_OFFERED: Final = 255


class _Chosen:
    """Who is offered to one resource: ``ranks`` has for each an octet that says in which turn, 255 for who is not."""

    def __init__(self, ranks: bytes) -> None:
        self.ranks: Final = ranks
        self.count: Final = len(ranks) - ranks.count(_NOT_OFFERED)
        self._in_turns: Final = len(set(ranks) - {_NOT_OFFERED}) > 1
        self._turns: dict[str, Turns] = {}

    def of(self, numbers: Set[int]) -> Set[int]:
        """Those of them who are offered."""
        ranks = self.ranks
        return numbers if self.count == len(ranks) else {number for number in numbers if ranks[number] != _NOT_OFFERED}

    def turns(self, language: str, turns: Turns) -> Turns:
        """All by their rank, and in each by ``turns``, which are those of the language. Two threads may make the same."""
        if not self._in_turns:
            return turns
        made = self._turns.get(language)
        if made is None:
            made = self._turns[language] = turns.by_rank(self.ranks)
        return made


class _Taken:
    """What a search has found so far, the likeliest first."""

    def __init__(self, chosen: _Chosen, turns: Turns, near: Mapping[int, int], most: int) -> None:
        self._chosen = chosen
        self._turns = turns
        self._near = near
        self._most = most
        self._seen: set[int] = set()
        self.shown: list[int] = []

    @property
    def total(self) -> int:
        return len(self._seen)

    def take(self, tier: set[int]) -> None:
        """Those of them who are offered and not found yet, in order."""
        fresh = self._chosen.of(tier - self._seen if self._seen else tier)
        if fresh and len(self.shown) < self._most:
            self.shown += _first(fresh, self._most - len(self.shown), self._turns, self._chosen.ranks, self._near)
        self._seen |= fresh


class Directory:
    """All IdPs of one registry that want to be found. Those whose metadata has expired are left out at each question."""

    def __init__(self, registry: Registry, now: datetime) -> None:
        self.registry = registry
        with many_objects():
            self._homes: Final[Sequence[Summary]] = [
                summary
                for summary in registry.summaries(now, "idp")
                if summary.offers_sign_on and names.HIDE_FROM_DISCOVERY not in summary.entity_categories
            ]
        self._numbers: Final = {summary.entity_id: number for number, summary in enumerate(self._homes)}
        self._everyone: Final = frozenset(range(len(self._homes)))
        self._ends: Final = sorted({end for home in self._homes if (end := _end(home)) is not None})
        # What is made when it is first wanted.
        self._lock = Lock()
        self._index: Index | None = None
        self._indexing = Lock()
        self._places: Places | None = None
        self._ordered: dict[str, ByName] = {}
        self._chosen: dict[tuple[Offer | None, int], _Chosen] = {}

    def __len__(self) -> int:
        return len(self._homes)

    def prepare(self) -> None:
        """Makes what a search needs, which takes some tenths of a second for thousands; else the first search does."""
        self._indexed()

    def get(self, entity_id: str, now: datetime) -> HomeOrganisation | None:
        """The organisation if it may be chosen now."""
        number = self._numbers.get(entity_id)
        summary = self._homes[number] if number is not None else None
        return HomeOrganisation(summary) if summary is not None and summary.has("idp", now) else None

    def all(self, now: datetime) -> Iterator[HomeOrganisation]:
        """Everyone who may be chosen now, in no particular order."""
        return (HomeOrganisation(summary) for summary in self._homes if summary.has("idp", now))

    def search(
        self,
        text: str,
        now: datetime,
        *,
        language: str,
        most: int,
        offer: Offer | None = None,
        nearby: Nearby | None = None,
    ) -> Found:
        """The organisations that ``text`` may mean, the likeliest first; an empty text finds all. At most ``most`` are shown.

        Every word of the text is part of a name (in any language), a keyword or a domain; case, accents and the order of words make no
        difference. What begins so comes before what only contains it, which is left out where very many begin so. A mail address or a
        domain finds whose domain it is, or whose domain is above or below it. When nothing begins so, words with a small typing error are
        looked for. ``offer`` leaves out whom the asking resource does not accept. Among equals, first who gives what the resource needs,
        then who is ``nearby``, then by name.
        """
        chosen = self._chosen_for(offer, now)
        language, order = self._order(language)
        turns = chosen.turns(language, order.turns)
        near = self._near(nearby) if nearby is not None else {}
        asked = read_asked(text)
        if asked.is_nothing:
            everyone = _first(chosen.of(self._everyone), most, turns, chosen.ranks, near)
            return Found(tuple(HomeOrganisation(self._homes[number]) for number in everyone), chosen.count)
        taken = _Taken(chosen, turns, near, most)
        index = self._indexed()
        for tier in index.domains.matching(asked.domain) if asked.domain else ():
            taken.take(tier)
        if not (asked.is_address and taken.total):
            matched = [(words, Matched(index, words)) for words in asked.spellings]
            for words, one in matched:
                for tier in (set(order.beginning(" ".join(words))), *one.begun()):
                    taken.take(tier)
            begun = taken.total
            if begun < _ENOUGH:
                for _, one in matched:
                    taken.take(one.contained())
            if not begun:
                for _, one in matched:
                    taken.take(one.mistyped(_SHORTEST_IN_ADDRESS if asked.is_address else 0))
        return Found(tuple(HomeOrganisation(self._homes[number]) for number in taken.shown), taken.total)

    def _indexed(self) -> Index:
        with self._indexing:
            index = self._index
            if index is None:
                with many_objects():
                    index = self._index = indexed(self._homes)
            return index

    def _order(self, language: str) -> tuple[str, ByName]:
        """The language whose order it is, and the order."""
        language = language.lower().partition("-")[0]
        with self._lock:
            if language not in self._ordered and len(self._ordered) >= _MOST_LANGUAGES:
                language = "en"
            order = self._ordered.get(language)
            if order is None:
                order = self._ordered[language] = by_name(self._homes, language)
            return language, order

    def _near(self, nearby: Nearby) -> Mapping[int, int]:
        places = self._places
        if places is None:
            places = self._places = Places(self._homes)
        return places.near(nearby)

    def _chosen_for(self, offer: Offer | None, now: datetime) -> _Chosen:
        """Made again whenever somebody's metadata has expired since."""
        if offer is not None and offer.accepts_all and not offer.ranks:
            offer = None
        key = offer, bisect_right(self._ends, now)
        chosen = self._chosen.get(key)
        if chosen is None:
            chosen = _Chosen(bytes(_rank(home, offer, now) for home in self._homes))
            with self._lock:
                if len(self._chosen) >= _MOST_OFFERS:
                    self._chosen.clear()
                self._chosen[key] = chosen
        return chosen


def _rank(home: Summary, offer: Offer | None, now: datetime) -> int:
    if not home.has("idp", now):
        return _NOT_OFFERED
    if offer is None:
        return 0
    return min(offer.rank(home), _NOT_OFFERED - 1) if offer.accepts(home) else _NOT_OFFERED


def _first(tier: Set[int], most: int, turns: Turns, ranks: bytes, near: Mapping[int, int]) -> Sequence[int]:
    """The first of those: by the turn in which they are, then how near they are, then by name."""
    places = turns.places
    if len(tier) <= _FEW:
        first = nsmallest(most, tier, key=places.__getitem__)
    else:
        first = list(islice((number for number in turns.numbers if number in tier), most))
    if near:
        far = len(near)
        both = dict.fromkeys((*first, *(number for number in near if number in tier)))
        first = sorted(both, key=lambda number: (ranks[number], near.get(number, far), places[number]))[:most]
    return first


def _end(home: Summary) -> datetime | None:
    return next((span.valid_until for span in home.roles if span.name == "idp"), None)
