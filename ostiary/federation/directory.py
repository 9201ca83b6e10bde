"""The home organisations that a person may choose from, and the search among them. Pure; made once per metadata snapshot."""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from heapq import nsmallest
from typing import Final

from ostiary.federation.model import Entity, IdpRole
from ostiary.federation.registry import Registry
from ostiary.saml import names

# Letters that have no decomposition but that people type without their stroke.
_STROKES: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"}
)


@dataclass(frozen=True, slots=True)
class HomeOrganisation:
    """One IdP as it can be found: ``words`` is everything that it is known by, folded, each word after a blank.

    ``sort_names`` are its names folded, by language; under the empty string the one for every other language.
    """

    entity: Entity
    role: IdpRole
    words: str
    sort_names: Mapping[str, str]

    @property
    def entity_id(self) -> str:
        """The IdP's entityID."""
        return self.entity.entity_id

    def sort_name(self, language: str) -> str:
        """The name that a person of this language reads, folded."""
        return self.sort_names.get(language.lower().split("-")[0], self.sort_names[""])

    @property
    def domain(self) -> str:
        """The first scope that is no pattern: tells organisations of similar name apart. Empty when there is none."""
        return next((scope.value for scope in self.role.scopes if not scope.is_pattern), "")


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a search: ``shown`` in order, ``total`` how many there were."""

    shown: tuple[HomeOrganisation, ...]
    total: int


class Directory:
    """All IdPs of one registry that want to be found. Those whose metadata has expired are left out at each question."""

    def __init__(self, registry: Registry, now: datetime) -> None:
        self.registry = registry
        self._all = {
            entity.entity_id: HomeOrganisation(
                entity, entity.idp, _words(entity, entity.idp), _sort_names(entity, entity.idp)
            )
            for entity in registry.all(now)
            if entity.idp is not None
            and entity.idp.single_sign_on
            and names.HIDE_FROM_DISCOVERY not in entity.entity_categories
        }

    def get(self, entity_id: str, now: datetime) -> HomeOrganisation | None:
        """The organisation if it may be chosen now."""
        found = self._all.get(entity_id)
        return found if found is not None and self.registry.idp(entity_id, now) is not None else None

    def all(self, now: datetime) -> Iterator[HomeOrganisation]:
        """Everyone who may be chosen now, in no particular order."""
        return (found for entity_id, found in self._all.items() if self.registry.idp(entity_id, now) is not None)

    def search(self, text: str, now: datetime, *, language: str, most: int) -> Found:
        """The organisations of which every word of ``text`` is part, by name; those whose name or word begins so come first.

        Case and accents make no difference. A mail address finds by its domain. An empty text finds all. At most ``most`` are shown.
        """
        # Of a mail address, what is behind the @.
        wanted = fold(text.rpartition("@")[2]).split()
        matches = [found for found in self.all(now) if all(word in found.words for word in wanted)]
        first = nsmallest(most, matches, key=lambda found: _rank(found, wanted, language))
        return Found(tuple(first), len(matches))


def fold(text: str) -> str:
    """The text without case, accents and punctuation, its words separated by single blanks."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_STROKES))
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join("".join(character if character.isalnum() else " " for character in plain).split())


def _rank(found: HomeOrganisation, wanted: list[str], language: str) -> tuple[int, str, str]:
    name = found.sort_name(language)
    begins = bool(wanted) and name.startswith(" ".join(wanted))
    words_begin = all(f" {word}" in found.words for word in wanted)
    return (0 if begins else 1 if words_begin else 2), name, found.entity_id


def _sort_names(entity: Entity, role: IdpRole) -> dict[str, str]:
    languages = {text.lang.lower().split("-")[0] for text in (*role.display.names, *entity.organization_names)}
    return {language: fold(entity.name(language)) for language in languages} | {"": fold(entity.name())}


def _words(entity: Entity, role: IdpRole) -> str:
    texts = [text.text for text in (*role.display.names, *entity.organization_names, *role.display.keywords)]
    texts += [scope.value for scope in role.scopes if not scope.is_pattern]
    texts += role.display.domain_hints
    return " " + " ".join(fold(text) for text in texts or [entity.entity_id])
