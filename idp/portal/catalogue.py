"""Which resources the portal shows, in which groups and in which order. Pure; only resources with valid metadata are shown."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from idp.portal.settings import PortalResource, PortalSettings
from ostiary.federation.model import Display, Entity, LocalizedText

MAXIMUM_SHOWN: Final = 300
"""Resources on one page; whoever looks for more has to search."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One link. ``group`` is empty for what belongs to none; ``target`` None: the resource's own beginning; ``is_plain``: the link is no
    sign-on, but leads to ``target``."""

    entity_id: str
    title: str
    description: str
    group: str
    target: str | None
    is_plain: bool
    logo: str
    words: str
    """Everything that a search looks at, case-folded."""


def entries(
    settings: PortalSettings,
    described: Sequence[tuple[PortalResource, str]],
    known: Iterable[Entity],
    language: str,
) -> tuple[Entry, ...]:
    """What is shown to somebody who reads ``language``: first what the site describes, in its order of groups, then everything else by
    title. ``known`` are the entities whose metadata is valid now."""
    resources = {entity.entity_id: entity for entity in known if entity.sp is not None}
    shown = [
        _entry(resources[resource.entity_id], language, resource, logo)
        for resource, logo in described
        if resource.entity_id in resources and not _listed(resources[resource.entity_id], settings.hide)
    ]
    if settings.all_in_metadata:
        described_already = {resource.entity_id for resource, _ in described}
        shown += [
            _entry(entity, language)
            for entity in resources.values()
            if entity.entity_id not in described_already
            and not _listed(entity, settings.hide)
            and (not settings.only or _listed(entity, settings.only))
        ]
    order = {
        group: position for position, group in enumerate(dict.fromkeys(entry.group for entry in shown if entry.group))
    }
    last = len(order)
    return tuple(
        sorted(shown, key=lambda entry: (order.get(entry.group, last), entry.title.casefold(), entry.entity_id))
    )


def search(found: Iterable[Entry], wanted: str) -> tuple[Entry, ...]:
    """Those that have every word of ``wanted`` somewhere in their title, description, group, keywords or address."""
    words = wanted.casefold().split()
    return tuple(entry for entry in found if all(word in entry.words for word in words))


def grouped(shown: Iterable[Entry]) -> Mapping[str, Sequence[Entry]]:
    """The same by group, in their order."""
    groups: dict[str, list[Entry]] = {}
    for entry in shown:
        groups.setdefault(entry.group, []).append(entry)
    return groups


def _entry(entity: Entity, language: str, resource: PortalResource | None = None, logo: str = "") -> Entry:
    display = entity.sp.display if entity.sp is not None else Display()
    own_title = _in_language(resource.title, language) if resource is not None else ""
    own_description = _in_language(resource.description, language) if resource is not None else ""
    title = own_title or entity.name(language)
    description = own_description or _one(display.descriptions, language)
    group = _in_language(resource.group, language) if resource is not None else ""
    # In every language: who reads one may know the name in another.
    names = (text.text for text in (*display.names, *display.keywords, *entity.organization_names))
    words = " ".join((title, description, group, entity.entity_id, *names)).casefold()
    target = resource.target if resource is not None else None
    is_plain = resource is not None and resource.starts_at == "resource"
    return Entry(entity.entity_id, title, description, group, target, is_plain, logo, words)


def _listed(entity: Entity, uris: Collection[str]) -> bool:
    return entity.entity_id in uris or any(category in uris for category in entity.entity_categories)


def _in_language(texts: Mapping[str, str] | None, language: str) -> str:
    if texts is None:
        return ""
    for tag, text in texts.items():
        if tag.lower().partition("-")[0] == language.lower().partition("-")[0]:
            return text
    return texts["en"]


def _one(texts: tuple[LocalizedText, ...], language: str) -> str:
    return Display(names=texts).name(language) or ""
