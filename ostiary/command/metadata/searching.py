"""Looks for entities of every role by words, role, category and who registered them. Home organisations, as people look for them, are the
discovery service's matter."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ostiary.command.metadata.said import Said
from ostiary.federation.directory.folding import fold
from ostiary.federation.summary import RoleName, Summary
from ostiary.saml import names

ROLES: Final[Mapping[RoleName, str]] = {"idp": "IdP", "sp": "SP", "aa": "AA"}
_SIDE_BY_SIDE: Final = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an entity must have: every word (in a name, a keyword, a domain or its entityID), and every other thing that is set. A category
    may also be one that it supports."""

    words: tuple[str, ...] = ()
    role: RoleName | None = None
    category: str | None = None
    registration_authority: str | None = None


def matching(summaries: Iterable[Summary], wanted: Wanted, now: datetime) -> Iterator[Summary]:
    """Those that have it all, as they come."""
    words = [folded for word in wanted.words for folded in fold(word).split()]
    for one in summaries:
        if wanted.role is not None and not one.has(wanted.role, now):
            continue
        authority = one.registration_authority or ""
        if wanted.registration_authority is not None and wanted.registration_authority not in authority:
            continue
        if wanted.category is not None and not _has(one, wanted.category):
            continue
        if words and not all(word in _text_of(one) for word in words):
            continue
        yield one


def _has(one: Summary, category: str) -> bool:
    found = (*one.entity_categories, *one.values_of(names.ENTITY_CATEGORY_SUPPORT))
    return any(category == value or value.endswith(f"/{category}") for value in found)


def _text_of(one: Summary) -> str:
    parts = [text.text for text in (*one.names, *one.keywords)]
    return fold(" ".join((one.entity_id, *parts, *one.domains, *one.domain_hints)))


def summary_data(one: Summary) -> dict[str, Any]:
    """Ready for JSON."""
    return {
        "entity_id": one.entity_id,
        "name": one.name(),
        "names": {text.lang: text.text for text in one.names},
        "roles": [span.name for span in one.roles],
        "domains": list(one.domains),
        "registration_authority": one.registration_authority,
        "entity_attributes": {name: list(values) for name, values in one.entity_attributes},
        "valid_until": one.valid_until.isoformat() if one.valid_until else None,
    }


def show_found(found: list[Summary], more: int, said: Said) -> None:
    """A table where there is room for one, else two lines for each."""
    if said.console.width >= _SIDE_BY_SIDE:
        header = [said.text(f"search.{key}") for key in ("name", "roles", "entity_id", "registered_by")]
        rows = [(one.name(), _roles(one), one.entity_id, one.registration_authority or "-") for one in found]
        said.columns(rows, header=header)
    else:
        for one in found:
            said.plain(f"{one.name()}  ({_roles(one)})", style="bold")
            said.plain(one.entity_id, indent=2)
    said.line("search.found", style="dim", count=len(found) + more)
    if more:
        said.line("search.more", style="dim", count=more)


def _roles(one: Summary) -> str:
    return ", ".join(ROLES[span.name] for span in one.roles) or "-"
