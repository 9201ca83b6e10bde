"""The configuration of the pages to which people log in through a federation (key ``pages`` of ``voms.yaml``)."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from ostiary.config import ListenSettings, PathFromHere, PublicUrl, Settings, StoreSettings, WrongSetting
from ostiary.federation.settings import TrustSettings

PAGES_PATH: Final = "/voms"
"""Below it are the pages of all VOs, each below its name."""

HANDLER_PATH: Final = "/ostiary"
"""Below it the SP middleware answers itself: login, logout and what belongs to them."""

IDENTIFIERS: Final = ("subject-id", "pairwise-id", "eduPersonPrincipalName")


def _at_least_one(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or len(set(names)) != len(names):
        raise WrongSetting("config.wrong_value", expected="at least one attribute, each once", found=", ".join(names))
    return names


class PagesSettings(Settings):
    """The pages as a resource of a federation, which ``ostiary serve vo-pages`` serves on plain HTTP at ``listen``; browsers find them at
    ``public_url``. With several VOs it stands beside ``vos``: they have their pages in common.

    ``identifiers``: attributes of which each value names one person for good, by friendly name. People say where they are from at
    ``discovery_url``, or come from ``identity_provider`` alone; without either a page of the resource's own asks them. ``accept``:
    attribute acceptance policies; unless they are given, the default one that comes with Ostiary. Sessions are kept in the database of the
    first VO, or in a ``store`` of their own.
    """

    entity_id: str = Field(min_length=1, max_length=1024)
    public_url: PublicUrl
    listen: ListenSettings
    display_name: str = Field(min_length=1, max_length=200)
    support_email: str = Field(default="", max_length=200)
    trust: TrustSettings
    discovery_url: PublicUrl | None = None
    identity_provider: str | None = None
    accept: tuple[PathFromHere, ...] | None = None
    identifiers: Annotated[tuple[str, ...], AfterValidator(_at_least_one)] = IDENTIFIERS
    store: StoreSettings | None = None
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0

    @field_validator("identity_provider")
    @classmethod
    def _one_way_to_choose(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("discovery_url") is not None:
            raise WrongSetting("config.one_of", expected="one of discovery_url, identity_provider")
        return value
