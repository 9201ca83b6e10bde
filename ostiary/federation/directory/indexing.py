"""What organisations are found by, taken from their summaries: words of names, other words, domains, and their order by name. Pure."""

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final
from urllib.parse import urlsplit

from ostiary.federation.directory.domains import Domains
from ostiary.federation.directory.folding import (
    fold_lines,
    initials,
    latin,
    may_be_spelled_out,
    spelled_out,
    without_small_words,
)
from ostiary.federation.directory.words import Words
from ostiary.federation.summary import Summary

_LAST: Final = "\U0010ffff"
# Of one organisation, so many words at most: metadata is written by strangers.
_MOST_WORDS: Final = 400


@dataclass(frozen=True, slots=True)
class Turns:
    """All in the order in which they are shown: ``numbers``; ``places`` says by number where each stands."""

    numbers: Sequence[int]
    places: Sequence[int]

    def by_rank(self, ranks: bytes) -> "Turns":
        """Those with a lower rank first (one octet for each); among equals as here."""
        return turns_of(sorted(self.numbers, key=ranks.__getitem__))


@dataclass(frozen=True, slots=True)
class ByName:
    """All by the name that people of one language read: ``names`` folded and sorted, ``turns`` whose they are."""

    names: tuple[str, ...]
    turns: Turns

    def beginning(self, folded: str) -> Sequence[int]:
        """Whose name begins so, in order."""
        return self.turns.numbers[bisect_left(self.names, folded) : bisect_left(self.names, folded + _LAST)]


def by_name(homes: Sequence[Summary], language: str) -> ByName:
    """The order for people of this language."""
    names = fold_lines([home.name(language) for home in homes]) if homes else []
    entries = sorted(zip(names, (home.entity_id for home in homes), range(len(homes)), strict=True))
    return ByName(tuple(name for name, _, _ in entries), turns_of([number for _, _, number in entries]))


def turns_of(numbers: Sequence[int]) -> Turns:
    """The turns of all, in this order."""
    places = array("I", [0]) * len(numbers)
    for place, number in enumerate(numbers):
        places[number] = place
    return Turns(array("I", numbers), places)


@dataclass(frozen=True, slots=True)
class Index:
    """``names``: the words of their names; ``others``: keywords, parts of domains, initials, and names as they are spelled elsewhere."""

    names: Words
    others: Words
    domains: Domains


def indexed(homes: Sequence[Summary]) -> Index:
    """What these are found by, each under its number: its place here."""
    named, others = _Texts(), _Texts()
    scopes, told = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for number, home in enumerate(homes):
        named.add(number, {text.text for text in home.names} or {home.entity_id})
        if home.keywords:
            others.add(number, [text.text for text in home.keywords])
        vouched = {domain.lower() for domain in home.domains}
        named_itself = {domain.lower() for domain in home.domain_hints} - vouched
        if not vouched and not named_itself:
            named_itself = {_host(home.entity_id)}
        others.add(number, vouched | named_itself)
        for kind, domains in ((scopes, vouched), (told, named_itself)):
            for domain in domains:
                kind[domain].append(number)
    names = fold_lines(named.texts) if homes else []
    found, elsewhere = _words(named, names), _words(others, fold_lines(others.texts) if homes else [])
    for respelled in (_initials(names), _respelled(named.texts, names), _in_latin(names)):
        for line, word in respelled:
            having = elsewhere[word]
            number = named.numbers[line]
            if not having or having[-1] != number:
                having.append(number)
    return Index(Words(found), Words(elsewhere), Domains(scopes, told))


class _Texts:
    """Texts and whose they are, to be folded together. Those of one organisation stand together."""

    def __init__(self) -> None:
        self.numbers: Final[list[int]] = []
        self.texts: Final[list[str]] = []

    def add(self, number: int, texts: Collection[str]) -> None:
        self.numbers.extend([number] * len(texts))
        self.texts.extend(texts)


def _words(texts: _Texts, folded: Sequence[str]) -> defaultdict[str, list[int]]:
    """Who has which word."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for number, lines in groupby(zip(texts.numbers, folded, strict=True), key=itemgetter(0)):
        for word in set(" ".join([line for _, line in lines]).split(None, _MOST_WORDS)[:_MOST_WORDS]):
            found[word].append(number)
    return found


def _initials(names: Sequence[str]) -> Iterator[tuple[int, str]]:
    for texts in (names, without_small_words(names)):
        for line, short in enumerate(initials(texts)):
            # One letter is nobody's abbreviation, and neither is a sentence.
            if 1 < len(short) <= 10:
                yield line, short


def _respelled(texts: Sequence[str], names: Sequence[str]) -> Iterator[tuple[int, str]]:
    lines = [line for line, text in enumerate(texts) if not text.isascii() and may_be_spelled_out(text)]
    for line, folded in zip(
        lines, fold_lines([spelled_out(texts[line]) for line in lines]) if lines else (), strict=True
    ):
        for word in set(folded.split()).difference(names[line].split()):
            yield line, word


def _in_latin(names: Sequence[str]) -> Iterator[tuple[int, str]]:
    for line, name in enumerate(names):
        if not name.isascii() and (respelled := latin(name)) != name:
            for word in set(respelled.split()).difference(name.split()):
                yield line, word


def _host(entity_id: str) -> str:
    """Where nothing better is known, where the IdP is."""
    try:
        return urlsplit(entity_id).hostname or entity_id.lower()
    except ValueError:
        return entity_id.lower()
