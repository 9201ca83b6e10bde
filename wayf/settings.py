"""The configuration of the discovery service."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from ostiary.config import Duration, DurationOrZero, ListenSettings, PathFromHere, PublicUrl, Settings
from ostiary.federation.settings import CriteriaSettings, TrustSettings
from ostiary.federation.sources.selection import Selection
from ostiary.web.branding import BrandingSettings
from ostiary.web.operators import StatusSettings

_EntityId = Annotated[str, Field(min_length=1, max_length=1024)]
_Mail = Annotated[str, Field(pattern=r"^[^@\s?&#%<>\"]{1,64}@[A-Za-z0-9.-]{1,255}$")]


class OfferSettings(Settings):
    """Which home organisations are offered: those that have everything of ``include`` and nothing of ``exclude``."""

    include: CriteriaSettings = CriteriaSettings()
    exclude: CriteriaSettings = CriteriaSettings()

    def selection(self) -> Selection:
        """The same for `Offer`."""
        return Selection(self.include.criteria(), self.exclude.criteria())


class ResourceSettings(OfferSettings):
    """What is offered to the people of one resource, of what ``offer`` leaves of all. ``selection_profile``: which of the profiles in its
    own metadata (``entity-selection-profile``) counts where its request names none. ``guests``: in place of those for all resources."""

    selection_profile: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,255}$")] | None = None
    guests: Annotated[tuple[_EntityId, ...], Field(max_length=5)] | None = None


class FederationHelpSettings(Settings):
    """Whom people can ask whose organisation is not listed, when the resource does not help: ``name`` of the federation, ``email`` of its
    help desk, ``url`` of its page about it."""

    name: Annotated[str, Field(max_length=200)] = ""
    email: _Mail | None = None
    url: PublicUrl | None = None


class LogoSettings(Settings):
    """Organisations' logos, fetched by the service itself and kept small in ``directory``. ``refresh``: after how long one is fetched anew;
    ``max_bytes`` and ``within`` (how long) of one answer; ``pause`` between two. Addresses that are not the Internet's are asked only with
    ``allow_private_addresses``: metadata could name any machine of the inner network."""

    directory: PathFromHere
    refresh: Duration = timedelta(days=14)
    max_bytes: Annotated[int, Field(ge=1_000, le=5_000_000)] = 500_000
    within: Duration = timedelta(seconds=10)
    pause: DurationOrZero = timedelta(seconds=1)
    allow_private_addresses: bool = False


class WayfSettings(Settings):
    """``federation_name`` is the ``Name`` of the signed aggregate, a URI. ``trust`` has the entities that are offered and
    republished, and the keys that sign them.

    ``validity`` is how long a signed answer may be used, ``cache_duration`` when to ask for a newer one, ``remember`` how
    long a browser keeps a person's choice.
    ``offer``: which home organisations are offered to anybody; ``resources``: what is different for one, by its entityID. ``guests``:
    entityIDs of IdPs for people without a home organisation, offered to whom finds hers not listed; ``federation_help``: whom she may ask.
    ``use_network_hints``: organisations come first that say that the network is theirs from which a person comes.
    ``logos``: whether, and from where, organisations are shown with theirs.
    ``trusted_proxies`` counts the reverse proxies in front whose ``X-Forwarded-For`` is believed.
    """

    service_name: Annotated[str, Field(min_length=1, max_length=100)] = "Ostiary"
    allow_http_beyond_loopback: bool = False
    public_url: PublicUrl
    listen: ListenSettings
    federation_name: Annotated[str, Field(min_length=1, max_length=1024)]
    trust: TrustSettings
    validity: Duration = timedelta(days=7)
    cache_duration: Duration = timedelta(hours=6)
    remember: Duration = timedelta(days=365)
    offer: OfferSettings = OfferSettings()
    resources: Mapping[_EntityId, ResourceSettings] = Field(default_factory=dict)
    guests: Annotated[tuple[_EntityId, ...], Field(max_length=5)] = ()
    federation_help: FederationHelpSettings = FederationHelpSettings()
    use_network_hints: bool = True
    logos: LogoSettings | None = None
    branding: BrandingSettings = BrandingSettings()
    status: StatusSettings = StatusSettings()
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
