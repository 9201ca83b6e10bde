"""How a site makes the pages its own: a logo, a colour, texts and links. What can't be used is refused as a whole."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from ostiary.config import DirectoryFromHere, FileFromHere, Settings, Sources, WrongSetting
from ostiary.errors import ConfigurationError, Refusal
from ostiary.web.assets import STATIC, Asset, asset_of, load_asset
from ostiary.web.colours import HEX, accent_for, accent_in_the_dark, accent_rules, style_colours
from ostiary.web.pages import Pages, is_web_address

MAXIMUM_LOGO: Final = 200_000

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_RUNS: Final = re.compile(rb"<script|<foreignObject|<!ENTITY|javascript:|[\s/]on[a-z]+\s*=", re.IGNORECASE)


def _in_english(value: Mapping[str, str]) -> Mapping[str, str]:
    if "en" not in value:
        raise WrongSetting("config.no_english", expected="an entry for en", found=", ".join(sorted(value)) or "nothing")
    return value


def _web_address(value: str) -> str:
    if not is_web_address(value):
        raise WrongSetting("branding.link", expected="an http or https URL", found=f'"{value[:80]}"')
    return value


_Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]
_Label = Annotated[str, Field(min_length=1, max_length=80)]
_Colour = Annotated[str, Field(pattern=HEX)]


class FooterLinkSettings(Settings):
    """A link below each page, for instance to help or to the privacy statement; ``label`` by language."""

    label: Annotated[Mapping[_Language, _Label], AfterValidator(_in_english)]
    url: Annotated[str, Field(max_length=1000), AfterValidator(_web_address)]


class BrandingSettings(Settings):
    """How the pages look and speak. ``logo``: a PNG or SVG of at most 200 kB, shown 32 pixels high. ``accent`` (``#rrggbb``): the
    colour of buttons and links; ``accent_dark`` the same for dark pages, made from ``accent`` where it is left out. ``texts``: a directory
    of texts (``LANGUAGE/*.yaml``) that take the place of those with the same keys."""

    logo: FileFromHere | None = None
    accent: _Colour | None = None
    accent_dark: _Colour | None = None
    texts: DirectoryFromHere | None = None
    links: Annotated[tuple[FooterLinkSettings, ...], Field(max_length=8)] = ()


@dataclass(frozen=True, slots=True)
class Branding:
    """What `BrandingSettings` came to, ready to be served. ``pages`` None: those of the service, unchanged."""

    pages: Pages | None = None
    stylesheet: Asset | None = None
    logo: Asset | None = None
    links: tuple[tuple[Mapping[str, str], str], ...] = ()

    @property
    def assets(self) -> tuple[Asset, ...]:
        """The files to serve."""
        return tuple(asset for asset in (self.stylesheet, self.logo) if asset is not None)


PLAIN: Final = Branding()


def make_branding(settings: BrandingSettings, pages: Pages, *, file: Path, sources: Sources | None = None) -> Branding:
    """Reads the files; ``pages`` are those of the service, ``file`` is the configuration that errors name.

    Raises `ConfigurationError`: ``branding.logo``, ``branding.contrast``, ``branding.accent_missing``, ``texts.*``.
    """
    if sources is not None and settings.logo is not None:
        sources.note(settings.logo)
    return Branding(
        pages.with_texts(settings.texts, sources=sources) if settings.texts is not None else None,
        _stylesheet(settings, file),
        _logo(settings.logo) if settings.logo is not None else None,
        tuple((link.label, link.url) for link in settings.links),
    )


def in_language(texts: Mapping[str, str], language: str) -> str:
    """The text in this language, else in English."""
    return texts.get(language) or texts.get(language.partition("-")[0]) or texts["en"]


def _logo(path: Path) -> Asset:
    asset = load_asset(path)
    good = asset.content.startswith(_PNG) if asset.suffix == ".png" else _is_still_svg(asset)
    if not good or len(asset.content) > MAXIMUM_LOGO:
        expected = f"a PNG, or an SVG without scripts, of at most {MAXIMUM_LOGO} bytes"
        raise ConfigurationError("branding.logo", file=path, expected=expected, found=f"{len(asset.content)} bytes")
    return asset


def _is_still_svg(asset: Asset) -> bool:
    # Shown as an image it runs nothing anyway, and opened by itself its headers forbid it: this only tells early.
    return asset.suffix == ".svg" and b"<svg" in asset.content and not _RUNS.search(asset.content)


def _stylesheet(settings: BrandingSettings, file: Path) -> Asset | None:
    if settings.accent is None:
        if settings.accent_dark is not None:
            raise ConfigurationError(
                "branding.accent_missing", file=file, key="branding.accent", expected="accent", found="accent_dark only"
            )
        return None
    colours = style_colours(load_asset(STATIC / "style.css").content.decode())
    try:
        light = accent_for(settings.accent, "light", colours["light"])
        dark = (
            accent_for(settings.accent_dark, "dark", colours["dark"])
            if settings.accent_dark is not None
            else accent_in_the_dark(settings.accent, colours["dark"])
        )
    except Refusal as problem:
        key = "branding.accent_dark" if problem.params.get("scheme") == "dark" else "branding.accent"
        raise ConfigurationError(
            "branding.contrast", file=file, key=key, expected=problem.expected, found=problem.found
        ) from problem
    return asset_of("brand", ".css", accent_rules(light, dark).encode())
