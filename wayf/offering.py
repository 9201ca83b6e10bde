"""What this site offers to the people of one resource, and whom they may ask. Pure; settings and metadata decide."""

from dataclasses import dataclass

from ostiary.federation.contacts import helpful_address
from ostiary.federation.directory.offered import Offer, offer_for
from ostiary.federation.model import Entity
from wayf.settings import ResourceSettings, WayfSettings

_NOTHING_SPECIAL = ResourceSettings()


@dataclass(frozen=True, slots=True)
class Help:
    """Whom a person may ask whose organisation is not listed; each may be empty. ``resource``: mail address of the resource;
    ``resource_page``: its page about itself; ``elsewhere``: another way in that the resource names; the rest is the federation's."""

    resource: str = ""
    resource_page: str = ""
    elsewhere: str = ""
    federation: str = ""
    federation_mail: str = ""
    federation_page: str = ""

    @property
    def knows_somebody(self) -> bool:
        """Whether there is anybody to ask, or anything to read."""
        return any((self.resource, self.resource_page, self.elsewhere, self.federation_mail, self.federation_page))


def offer_to(resource: Entity, settings: WayfSettings, *, profile: str | None, by_shibboleth_request: bool) -> Offer:
    """Which organisations are offered. ``profile``: which of the resource's own selection profiles its request names."""
    special = settings.resources.get(resource.entity_id, _NOTHING_SPECIAL)
    return offer_for(
        resource,
        (settings.offer.selection(), special.selection()),
        profile=profile or special.selection_profile,
        by_shibboleth_request=by_shibboleth_request,
    )


def guests_of(resource: Entity, settings: WayfSettings) -> tuple[str, ...]:
    """The entityIDs of IdPs for people without a home organisation."""
    special = settings.resources.get(resource.entity_id, _NOTHING_SPECIAL)
    return settings.guests if special.guests is None else special.guests


def help_for(resource: Entity, settings: WayfSettings, offer: Offer, language: str) -> Help:
    """Whom to ask about access to this resource."""
    pages = resource.sp.display.information_urls if resource.sp is not None else ()
    own = [page.text for page in pages if page.lang.lower().partition("-")[0] == language] or [
        page.text for page in pages
    ]
    federation = settings.federation_help
    return Help(
        resource=helpful_address(resource.contacts),
        resource_page=own[0] if own else "",
        elsewhere=offer.profile.fallback if offer.profile is not None else "",
        federation=federation.name,
        federation_mail=federation.email or "",
        federation_page=federation.url or "",
    )
