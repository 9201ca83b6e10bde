"""The configuration of the discovery service."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from ostiary.config import Duration, ListenSettings, PublicUrl, Settings
from ostiary.federation.settings import TrustSettings
from ostiary.web.branding import BrandingSettings


class WayfSettings(Settings):
    """``federation_name`` is the ``Name`` of the signed aggregate, a URI. ``trust`` has the entities that are offered and
    republished, and the keys that sign them.

    ``validity`` is how long a signed answer may be used, ``remember`` how long a browser keeps a person's choice.
    ``trusted_proxies`` counts the reverse proxies in front whose ``X-Forwarded-For`` is believed.
    """

    service_name: Annotated[str, Field(min_length=1, max_length=100)] = "Ostiary"
    allow_http_beyond_loopback: bool = False
    public_url: PublicUrl
    listen: ListenSettings
    federation_name: Annotated[str, Field(min_length=1, max_length=1024)]
    trust: TrustSettings
    validity: Duration = timedelta(days=7)
    remember: Duration = timedelta(days=365)
    branding: BrandingSettings = BrandingSettings()
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
