"""Entities as search APIs of discovery services give them: the JSON of thiss-mdq and pyFF, which other discovery pages read. Pure."""

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha1
from typing import Any

from ostiary.federation.directory import HomeOrganisation
from ostiary.federation.directory.nearby import position_of
from ostiary.federation.discovery_feed import as_json
from ostiary.federation.model import Display, Entity, LocalizedText, Role, localized
from ostiary.federation.summary import Summary, summary_of
from ostiary.saml import names

Logos = Callable[[HomeOrganisation], str | None]
"""The address at which this service itself has the logo; None where it has none."""


def home_as_json(summary: Summary, logos: Logos | None = None) -> dict[str, Any]:
    """One home organisation, as far as a search tells of it. Without ``logos`` the picture is where its owner has it."""
    entity_id = summary.entity_id
    entry: dict[str, Any] = {
        "id": "{sha1}" + sha1(entity_id.encode(), usedforsecurity=False).hexdigest(),
        "entity_id": entity_id,
        "entityID": entity_id,
        "auth": "saml",
        "type": "idp" if any(span.name == "idp" for span in summary.roles) else "sp",
        "hidden": "true" if names.HIDE_FROM_DISCOVERY in summary.entity_categories else "false",
        "title": summary.name("en"),
        "title_langs": _by_language(summary.names),
    }
    if summary.keywords:
        entry["keywords"] = ",".join(text.text for text in summary.keywords)
    if summary.domains:
        entry["scope"] = ",".join(summary.domains)
        # Of whom there are several, none is the one.
        if len(summary.domains) == 1:
            entry["domain"] = summary.domains[0]
            entry["name_tag"] = summary.domains[0].partition(".")[0].upper()
    for key, value in (
        ("registrationAuthority", summary.registration_authority),
        ("entity_categories", list(summary.entity_categories)),
        ("entity_icon_url", _icon(summary, logos)),
        ("geo", _position(summary)),
    ):
        if value:
            entry[key] = value
    return entry


def homes_as_json(homes: Iterable[HomeOrganisation], logos: Logos | None = None) -> bytes:
    """A JSON array of these."""
    return as_json([home_as_json(home.summary, logos) for home in homes])


def listing(homes: Iterable[HomeOrganisation], _displays: Mapping[str, Display]) -> bytes:
    """All of them, as a `Feed` writes it."""
    return homes_as_json(homes)


def entity_as_json(entity: Entity, logos: Logos | None = None) -> dict[str, Any]:
    """One entity with what only its whole metadata tells: descriptions and where it explains itself."""
    entry = home_as_json(summary_of(entity), logos)
    role: Role | None = entity.idp or entity.sp or entity.aa
    display = role.display if role is not None else None
    if display is not None and display.descriptions:
        entry["descr"] = localized(display.descriptions, "en")
        entry["descr_langs"] = _by_language(display.descriptions)
    if display is not None and display.privacy_statement_urls:
        entry["privacy_statement_url"] = localized(display.privacy_statement_urls, "en")
    return entry


def _by_language(texts: Iterable[LocalizedText]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        found.setdefault(text.lang.lower(), text.text)
    return found


def _icon(summary: Summary, logos: Logos | None) -> dict[str, str] | None:
    if logos is not None:
        own = logos(HomeOrganisation(summary))
        return {"url": own} if own is not None else None
    largest = max(summary.logos, key=lambda logo: logo.width * logo.height, default=None)
    if largest is None:
        return None
    return {"url": largest.url, "width": str(largest.width), "height": str(largest.height)}


def _position(summary: Summary) -> dict[str, str] | None:
    position = next(filter(None, map(position_of, summary.geolocation_hints)), None)
    return {"lat": str(position[0]), "long": str(position[1])} if position is not None else None
