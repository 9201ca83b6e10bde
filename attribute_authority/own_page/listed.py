"""The list of her resources: those that learned something about her, and those for which she set something."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from attribute_authority.own_page.page import OwnPage
from attribute_authority.own_page.releases import MAXIMUM_RELEASES, visited
from ostiary.consent.choices import Choice

MAXIMUM_SHOWN: Final = 100
"""Resources on one page; whoever looks for more has to search."""


@dataclass(frozen=True, slots=True)
class Row:
    """One resource. ``latest`` None: it was never told anything. ``names`` are what it was told the latest time; ``state``: ``own`` (she
    set something), ``taken_back``, or empty; ``words`` everything that a search looks at."""

    entity_id: str
    name: str
    is_known: bool
    latest: datetime | None
    times: int
    names: tuple[str, ...]
    state: str
    words: str


@dataclass(frozen=True, slots=True)
class Resources:
    """The rows, the latest visited first; ``is_cut``: there are visits so old that they are not looked at here."""

    rows: tuple[Row, ...]
    is_cut: bool


def resources_of(page: OwnPage, principal: str, language: str) -> Resources:
    """Her resources, as somebody who reads ``language`` sees them. Raises `Unavailable`."""
    told = page.trail.told(principal, limit=MAXIMUM_RELEASES)
    choices = {choice.entity_id: choice for choice in page.choices.all_of(principal)}
    seen = {one.resource: one for one in visited(told)}
    registry, now = page.registry(), page.now()
    rows: list[Row] = []
    for entity_id in dict.fromkeys((*seen, *choices)):
        if not entity_id or entity_id == page.own_entity_id:
            continue
        entity = registry.get(entity_id, now)
        name = entity.name(language) if entity is not None else entity_id
        visit = seen.get(entity_id)
        rows.append(
            Row(
                entity_id,
                name,
                entity is not None,
                visit.latest if visit is not None else None,
                visit.times if visit is not None else 0,
                visit.names if visit is not None else (),
                _state(choices.get(entity_id)),
                f"{name} {entity_id} {page.finder.words(entity) if entity is not None else ''}".casefold(),
            )
        )
    return Resources(tuple(rows), is_cut=len(told) == MAXIMUM_RELEASES)


def _state(choice: Choice | None) -> str:
    if choice is None:
        return ""
    return "taken_back" if choice.revoked_at is not None else "own"
