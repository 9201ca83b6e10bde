"""What pages say of a person who is signed in: from where she is, what is known, and whom to ask. Decides nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ostiary.attributes import Attributes, texts_of
from ostiary.federation.contacts import helpful_address
from ostiary.federation.error_url import Happening, filled
from ostiary.federation.registry import Registry
from ostiary.web.identity import Person
from sp_shire.pages.page import Page
from sp_shire.sessions.records import Withheld


@dataclass(frozen=True, slots=True)
class Home:
    """The organisation where she signed in. ``contact``: the mail address of its help desk, ``error_url``: its own page about errors; both
    may be empty."""

    entity_id: str
    name: str
    contact: str = ""
    error_url: str = ""

    def error_page(self, happening: Happening) -> str:
        """The address of that page for what happened; empty where it has none."""
        return filled(self.error_url, happening) if self.error_url else ""


def home_of(issuer: str, registry: Registry, now: datetime) -> Home:
    """What metadata says of whom one may ask."""
    entity = registry.get(issuer, now)
    if entity is None:
        return Home(issuer, issuer)
    pages = (role.error_url for role in (entity.idp, entity.aa) if role is not None and role.error_url)
    return Home(issuer, entity.name(), helpful_address(entity.contacts), next(pages, ""))


def about(page: Page, person: Person, withheld: Withheld, registry: Registry, now: datetime) -> dict[str, Any]:
    """For templates: who she is here, what is known, and whom to ask."""
    return {
        **about_home(page, home_of(person.issuer, registry, now)),
        **about_knowledge(page, person.attributes, withheld),
        "wide": True,
        "logout": page.addresses.handler("logout"),
    }


def about_home(page: Page, home: Home) -> dict[str, Any]:
    """For templates: whom to ask."""
    return {
        "home": home.name,
        "home_id": home.entity_id,
        "home_contact": home.contact,
        "support": page.settings.display.support_email,
    }


def about_knowledge(page: Page, attributes: Attributes, withheld: Withheld) -> dict[str, Any]:
    """For templates: what was told, and what of it is not believed."""
    values = page.settings.show_attribute_values
    return {
        "known": [
            {"name": name, "values": texts if values else (), "count": len(texts)}
            for name, texts in by_name(attributes)
        ],
        "withheld": sorted({(name, reason) for name, _, reason in withheld}),
    }


def by_name(attributes: Attributes) -> list[tuple[str, tuple[str, ...]]]:
    """The names of what is known about her, each with its values."""
    return [(name, texts_of(attributes, name)) for name in dict.fromkeys(attribute.name for attribute in attributes)]
