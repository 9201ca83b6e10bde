"""What a resource says about itself in its metadata beside keys and endpoints (``published:`` in ``sp.yaml``)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ostiary.config import Duration, PublicUrl, Settings, WrongSetting

_Text = Annotated[str, Field(min_length=1, max_length=1000)]
_Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]


def _in_english(value: Mapping[str, object]) -> Mapping[str, object]:
    if "en" not in value:
        raise WrongSetting("config.no_english", expected="an entry for en", found=", ".join(sorted(value)) or "nothing")
    return value


class OrganisationSettings(Settings):
    """Who runs the resource (md:Organization), by language; English must be there."""

    name: Annotated[Mapping[_Language, _Text], AfterValidator(_in_english)]
    url: Annotated[Mapping[_Language, PublicUrl], AfterValidator(_in_english)]


class ContactSettings(Settings):
    """Whom partners write to (md:ContactPerson). ``security`` is the contact for incidents that REFEDS defines."""

    kind: Literal["technical", "support", "administrative", "billing", "security", "other"]
    name: str = Field(default="", max_length=200)
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]


class LogoSettings(Settings):
    """A picture for discovery pages (mdui:Logo); ``width`` and ``height`` in pixels."""

    url: PublicUrl
    width: int = Field(ge=1, le=4096)
    height: int = Field(ge=1, le=4096)


class PublishedSettings(Settings):
    """``names`` and ``descriptions``: those of ``display`` in further languages; ``registration_authority``: who has registered the
    resource (mdrpi), a federation's URI; ``valid_for``: how long the document that the resource serves counts."""

    names: Mapping[_Language, _Text] = {}
    descriptions: Mapping[_Language, _Text] = {}
    logos: Annotated[tuple[LogoSettings, ...], Field(max_length=10)] = ()
    organisation: OrganisationSettings | None = None
    contacts: Annotated[tuple[ContactSettings, ...], Field(max_length=20)] = ()
    registration_authority: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    valid_for: Duration = timedelta(days=7)
