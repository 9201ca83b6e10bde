"""The configuration of the portal, and the document in which a site describes resources."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ostiary.config import FileFromHere, Settings, Sources, WrongSetting, load_settings
from ostiary.errors import ConfigurationError
from ostiary.web.pages import is_web_address

MAXIMUM_LOGO: Final = 100_000
_MEDIA_TYPES: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}


def _by_language(value: Any) -> Any:
    return {"en": value} if isinstance(value, str) else value


def _in_english(value: Mapping[str, str]) -> Mapping[str, str]:
    if "en" not in value:
        raise WrongSetting("config.no_english", expected="an entry for en", found=", ".join(sorted(value)) or "nothing")
    return value


def _web_address(value: str) -> str:
    if not is_web_address(value):
        raise WrongSetting("portal.target", expected="an absolute http or https URL", found=f'"{value[:80]}"')
    return value


def _picture(value: Path) -> Path:
    if value.suffix.lower() not in _MEDIA_TYPES:
        raise WrongSetting("portal.logo", expected="one of " + ", ".join(_MEDIA_TYPES), found=value.name)
    return value


_Uri = Annotated[str, Field(min_length=1, max_length=1024)]
_Text = Annotated[str, Field(min_length=1, max_length=500)]
_Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]
_Texts = Annotated[Mapping[_Language, _Text], BeforeValidator(_by_language), AfterValidator(_in_english)]


class PortalResource(Settings):
    """A resource as the site describes it; what is left out is taken from its metadata.

    ``title``, ``description`` and ``group`` are a text, or texts by language with English among them. ``target`` is the page where the
    resource should begin. ``starts_at: resource`` is for those that take no answer which they did not ask for: the link leads straight to
    ``target``, and the sign-on begins there. ``logo`` is a picture file, which the portal's page carries itself.
    """

    entity_id: _Uri
    title: _Texts | None = None
    description: _Texts | None = None
    group: _Texts | None = None
    target: Annotated[str, Field(max_length=2048), AfterValidator(_web_address)] | None = None
    starts_at: Literal["home", "resource"] = "home"
    logo: Annotated[FileFromHere, AfterValidator(_picture)] | None = None

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        if self.starts_at == "resource" and self.target is None:
            raise WrongSetting("portal.no_target", expected="a target beside starts_at: resource")
        return self

    def logo_url(self) -> str:
        """The picture as a ``data:`` URL, empty without one. Raises `ConfigurationError` (``portal.logo_file``)."""
        if self.logo is None:
            return ""
        try:
            octets = self.logo.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                "portal.logo_file", file=self.logo, expected="a readable file", found=error.strerror
            ) from None
        if not 0 < len(octets) <= MAXIMUM_LOGO:
            raise ConfigurationError(
                "portal.logo_file", file=self.logo, expected=f"1 to {MAXIMUM_LOGO} bytes", found=len(octets)
            )
        media_type = _MEDIA_TYPES[self.logo.suffix.lower()]
        return f"data:{media_type};base64,{base64.b64encode(octets).decode('ascii')}"


class PortalDocument(Settings):
    """The resources in the order in which their groups should stand; the same resource may stand there with several targets."""

    resources: Annotated[tuple[PortalResource, ...], Field(max_length=10_000)]


class PortalSettings(Settings):
    """The page ``/portal`` for members.

    ``resources`` is the file that describes resources. ``all_in_metadata`` adds every other resource that metadata knows; ``hide`` names
    resources that are left out, ``only`` those that are shown alone, by entityID or entity category; what ``resources`` names is shown
    unless it is hidden.
    """

    resources: FileFromHere | None = None
    all_in_metadata: bool = True
    hide: tuple[_Uri, ...] = ()
    only: tuple[_Uri, ...] = ()

    def described(self, sources: Sources) -> tuple[tuple[PortalResource, str], ...]:
        """The resources of the file, each with its picture. Raises `ConfigurationError`; notes every file in ``sources``."""
        if self.resources is None:
            return ()
        document = load_settings(self.resources, PortalDocument, sources=sources)
        for resource in document.resources:
            if resource.logo is not None:
                sources.note(resource.logo)
        return tuple((resource, resource.logo_url()) for resource in document.resources)
