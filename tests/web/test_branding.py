"""A site's own look: colours that people can read, a logo that runs nothing, texts that fit."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.config import Sources, load_settings
from ostiary.errors import ConfigurationError, Refusal
from ostiary.web.assets import STATIC
from ostiary.web.branding import PLAIN, BrandingSettings, in_language, make_branding
from ostiary.web.colours import (
    READABLE,
    accent_for,
    accent_in_the_dark,
    accent_rules,
    contrast,
    style_colours,
)
from ostiary.web.headers import asset_headers
from ostiary.web.pages import Pages
from ostiary.web.texts import Catalogue

STYLE = (STATIC / "style.css").read_text()
COLOURS = style_colours(STYLE)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9v9z"/></svg>'
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


def branding(directory: Path, text: str) -> BrandingSettings:
    path = directory / "branding.yaml"
    path.write_text(text)
    return load_settings(path, BrandingSettings)


def made(directory: Path, text: str) -> object:
    return make_branding(branding(directory, text), Pages(Catalogue.load()), file=directory / "idp.yaml")


def code(directory: Path, text: str) -> str:
    try:
        made(directory, text)
    except ConfigurationError as error:
        return error.code
    return "accepted"


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#1b5e4e", "#f5f3ec", 6.86),
    ],
)
def test_contrast_is_that_of_the_guidelines(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == contrast(other, one)
    assert abs(contrast(one, other) - ratio) < 0.01


def test_the_colours_are_read_from_the_style_sheet_itself() -> None:
    assert (COLOURS["light"]["paper"], COLOURS["dark"]["paper"]) == ("#f5f3ec", "#141918")
    assert {"paper", "surface", "sunk", "ink", "muted", "accent"} <= set(COLOURS["light"]) & set(COLOURS["dark"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colour_that_ships_would_be_accepted(scheme: str) -> None:
    colours = COLOURS[scheme]  # type: ignore[index]
    assert accent_for(colours["accent"], scheme, colours).accent == colours["accent"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("colour", "scheme"),
    [("#ffff00", "light"), ("#8fb8ff", "light"), ("#767676", "light"), ("#1b5e4e", "dark"), ("#000000", "dark")],
)
def test_a_colour_that_is_hard_to_read_is_refused_with_its_contrast(colour: str, scheme: str) -> None:
    with pytest.raises(Refusal) as refused:
        accent_for(colour, scheme, COLOURS[scheme])  # type: ignore[arg-type,index]
    assert refused.value.code == "branding.contrast"
    assert scheme in refused.value.found


@settings(max_examples=50)
@given(st.from_regex(r"#[0-9a-f]{6}", fullmatch=True))
def test_whatever_colour_is_accepted_can_be_read_in_both_schemes(colour: str) -> None:
    dark = accent_in_the_dark(colour, COLOURS["dark"])
    for back in ("paper", "surface", "sunk"):
        assert contrast(dark.accent, COLOURS["dark"][back]) >= READABLE
    assert contrast(dark.on_accent, dark.accent) >= READABLE
    try:
        light = accent_for(colour, "light", COLOURS["light"])
    except Refusal:
        return
    for back in ("paper", "surface", "sunk"):
        assert contrast(light.accent, COLOURS["light"][back]) >= READABLE
    assert contrast(light.on_accent, light.accent) >= READABLE
    assert f"--accent: {colour};" in accent_rules(light, dark)


def test_a_colour_becomes_a_style_sheet(tmp_path: Path) -> None:
    found = make_branding(branding(tmp_path, 'accent: "#7A1F3D"'), Pages(Catalogue.load()), file=tmp_path)
    assert found.stylesheet is not None
    text = found.stylesheet.content.decode()
    assert "--accent: #7a1f3d;" in text
    assert "@media (prefers-color-scheme: dark)" in text
    assert found.stylesheet.file_name.startswith("brand.")


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ('accent: "#7a1f3d"', "accepted"),
        ('{accent: "#7a1f3d", accent_dark: "#ffb0c8"}', "accepted"),
        ('accent: "#ffff00"', "branding.contrast"),
        ('{accent: "#7a1f3d", accent_dark: "#7a1f3d"}', "branding.contrast"),
        ('accent_dark: "#ffb0c8"', "branding.accent_missing"),
        ('accent: "red"', "config.wrong_value"),
        ('accent: "#7a1f3d; } body { display: none"', "config.wrong_value"),
        ("logo: nowhere.svg", "config.path_file"),
        ("texts: nowhere", "config.path_directory"),
        ('links: [{label: {en: Help}, url: "javascript:alert(1)"}]', "branding.link"),
        ('links: [{label: {nl: Hulp}, url: "https://help.example/"}]', "config.no_english"),
        ('links: [{label: {en: Help}, url: "https://help.example/"}]', "accepted"),
        ("{}", "accepted"),
    ],
)
def test_what_can_not_be_used_is_refused_at_the_start(tmp_path: Path, text: str, outcome: str) -> None:
    assert code(tmp_path, text) == outcome


@pytest.mark.parametrize(
    ("name", "content", "outcome"),
    [
        ("logo.svg", SVG, "accepted"),
        ("logo.png", PNG, "accepted"),
        ("logo.png", SVG, "branding.logo"),
        ("logo.svg", PNG, "branding.logo"),
        ("logo.svg", b"", "branding.logo"),
        ("logo.svg", SVG + b" " * 200_000, "branding.logo"),
        ("logo.svg", SVG.replace(b"<path", b"<script>alert(1)</script><path"), "branding.logo"),
        ("logo.svg", SVG.replace(b"<path", b"<path onload='x()'"), "branding.logo"),
        ("logo.svg", SVG.replace(b"<path", b"<FOREIGNOBJECT/><path"), "branding.logo"),
        ("logo.svg", b'<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG, "branding.logo"),
        ("logo.gif", b"GIF89a", "web.asset"),
    ],
)
def test_a_logo_is_a_picture_and_nothing_else(tmp_path: Path, name: str, content: bytes, outcome: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert code(tmp_path, f"logo: {name}") == outcome


def test_a_picture_that_is_opened_by_itself_is_in_a_sandbox() -> None:
    policy = dict(asset_headers(https=True, fingerprint="x", forever=True, image=True))["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "sandbox" not in dict(asset_headers(https=True, fingerprint="x", forever=True))["Content-Security-Policy"]


def write_texts(directory: Path, language: str, text: str) -> None:
    place = directory / "texts" / language
    place.mkdir(parents=True, exist_ok=True)
    (place / "own.yaml").write_text(text)


def test_a_sites_own_text_takes_the_place_of_the_one_that_ships(tmp_path: Path) -> None:
    write_texts(tmp_path, "en", "pages: {page: {footer: Example University}}")
    write_texts(tmp_path, "nl", "pages: {page: {footer: Voorbeeld}}")
    base, sources = Pages(Catalogue.load()), Sources()
    found = make_branding(branding(tmp_path, "texts: texts"), base, file=tmp_path, sources=sources)
    assert found.pages is not None
    assert found.pages.catalogue.text("en", "page.footer") == "Example University"
    assert found.pages.catalogue.text("nl", "page.footer") == "Voorbeeld"
    assert found.pages.catalogue.text("en", "page.skip") == base.catalogue.text("en", "page.skip")
    assert base.catalogue.text("en", "page.footer") != "Example University"
    (tmp_path / "texts" / "en" / "more.yaml").write_text("pages: {}")
    assert tmp_path / "texts" / "en" in sources.changed()


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("pages: {page: {foter: x}}", "texts.unknown"),
        ("pages: {auto_post: {title: Off we go}}", "accepted"),
        ("pages: {auto_post: {title: 'To {destination}'}}", "accepted"),
        ("pages: {auto_post: {title: 'To {place}'}}", "texts.placeholder"),
        ("pages: {page: {footer: '{reference}'}}", "texts.placeholder"),
        ("pages: {page: {footer: '{0.__class__}'}}", "texts.placeholder"),
        ("pages: {page: {footer: ''}}", "texts.shape"),
        ("footer: x", "texts.shape"),
        ("errors: {http.not_found: {message: Gone., remedy: Look elsewhere.}}", "accepted"),
    ],
)
def test_a_text_that_does_not_fit_is_refused(tmp_path: Path, text: str, outcome: str) -> None:
    write_texts(tmp_path, "en", text)
    assert code(tmp_path, "texts: texts") == outcome


def test_labels_are_in_the_persons_language_or_in_english() -> None:
    label = {"en": "Help", "nl": "Hulp"}
    assert [in_language(label, lang) for lang in ("nl", "nl-BE", "fr", "en")] == ["Hulp", "Hulp", "Help", "Help"]


def test_without_branding_nothing_changes() -> None:
    assert (PLAIN.pages, PLAIN.assets, PLAIN.links) == (None, (), ())
