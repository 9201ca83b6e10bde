"""What an entity says about its people and looks, as configuration has it, for the metadata that it publishes about itself."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ostiary.config import PublicUrl, Settings, WrongSetting
from ostiary.federation.model import Contact, LocalizedText, Logo

Text = Annotated[str, Field(min_length=1, max_length=1000)]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]
Uri = Annotated[str, Field(min_length=1, max_length=1024)]


def in_english(value: Mapping[str, object]) -> Mapping[str, object]:
    """The same, if English is among it. Raises `WrongSetting`."""
    if "en" not in value:
        raise WrongSetting("config.no_english", expected="an entry for en", found=", ".join(sorted(value)) or "nothing")
    return value


Links = Annotated[Mapping[Language, PublicUrl], AfterValidator(in_english)]


class OrganisationSettings(Settings):
    """Who runs the service (md:Organization), by language; English must be there."""

    name: Annotated[Mapping[Language, Text], AfterValidator(in_english)]
    url: Links


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


Logos = Annotated[tuple[LogoSettings, ...], Field(max_length=10)]
Contacts = Annotated[tuple[ContactSettings, ...], Field(max_length=20)]


def logos_of(settings: Iterable[LogoSettings]) -> tuple[Logo, ...]:
    """The same in the model."""
    return tuple(Logo(logo.url, logo.width, logo.height) for logo in settings)


def contacts_of(settings: Iterable[ContactSettings]) -> tuple[Contact, ...]:
    """The same in the model."""
    return tuple(
        Contact("other" if one.kind == "security" else one.kind, one.name, (one.email,), one.kind == "security")
        for one in settings
    )


def by_language(texts: Mapping[str, str]) -> tuple[LocalizedText, ...]:
    """Texts or addresses with their languages."""
    return tuple(LocalizedText(text, language) for language, text in texts.items())
