"""Templates: escaping, strictness, texts that exist, and the shape of the shared pages."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from jinja2 import Environment, UndefinedError, nodes

from ostiary.web.pages import Pages, is_web_address, stylesheet
from ostiary.web.texts import Catalogue

ROOT = Path(__file__).parents[2]
PACKAGES = ("ostiary", "idp", "attribute_authority", "sp_shire", "wayf", "voms")
SHELL: dict[str, Any] = {"stylesheet": "/style.css", "service_name": "Library <of> Utrecht"}
AT = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)


def pages(*directories: Path) -> Pages:
    return Pages(Catalogue.load(), directories)


def soup(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


def test_what_a_stranger_sends_is_escaped_everywhere() -> None:
    html = pages().render(
        "error.html", "en", **SHELL, message="<script>alert(1)</script>", remedy='"><b>', reference="7F3A-91C2", at=AT
    )
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "Library &lt;of&gt; Utrecht" in html
    assert soup(html).find("b") is None


def test_the_error_page_tells_what_happened_what_to_do_and_the_reference() -> None:
    html = pages().render(
        "error.html", "en", **SHELL, message="Too old.", remedy="Log in again.", reference="7F3A-91C2", at=AT
    )
    text = soup(html).get_text(" ", strip=True)
    for expected in ("That did not work", "Too old.", "Log in again.", "7F3A-91C2", "2026-11-22 03:30:00 UTC"):
        assert expected in text
    assert soup(html).html["lang"] == "en"  # type: ignore[index]


def test_a_missing_value_is_an_exception_and_never_a_blank() -> None:
    with pytest.raises(UndefinedError):
        pages().render("error.html", "en", **SHELL, message="Too old.", reference="7F3A-91C2", at=AT)


def test_times_are_shown_in_utc(tmp_path: Path) -> None:
    (tmp_path / "t.html").write_text("{{ at | moment }}")
    at = datetime(2026, 11, 22, 4, 30, tzinfo=timezone(timedelta(hours=1)))
    html = pages(tmp_path).render("t.html", "en", at=at)
    assert html == '<time datetime="2026-11-22T03:30:00Z">2026-11-22 03:30:00 UTC</time>'


def test_the_auto_post_page_works_with_and_without_javascript() -> None:
    html = pages().render(
        "auto_post.html",
        "en",
        nonce="abc",
        **SHELL,
        action="https://sp.example.org/acs?a=1&b=2",
        fields=[("SAMLResponse", "PHg+"), ("RelayState", '"><script>x</script>')],
        destination="the library",
    )
    page = soup(html)
    form = page.select_one("form")
    assert form is not None
    assert (form["method"], form["action"]) == ("post", "https://sp.example.org/acs?a=1&b=2")
    assert {field["name"]: field["value"] for field in form.select("input")} == {
        "SAMLResponse": "PHg+",
        "RelayState": '"><script>x</script>',
    }
    assert form.select_one("button[type=submit]") is not None
    scripts = page.select("script")
    assert [script["nonce"] for script in scripts] == ["abc"]


def test_the_auto_post_page_never_posts_to_what_a_browser_would_run() -> None:
    html = pages().render(
        "auto_post.html", "en", nonce="n", **SHELL, action="javascript:alert(1)", fields=[], destination="x"
    )
    assert "javascript:" not in html


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://a.example", True),
        ("http://a.example/x", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("//a.example", False),
        ("https://", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_only_http_and_https_addresses_become_links(url: str, safe: bool) -> None:
    assert is_web_address(url) is safe


def test_a_room_may_replace_a_page_of_the_ground_floor(tmp_path: Path) -> None:
    (tmp_path / "notice.html").write_text("ours: {{ title }}")
    assert pages(tmp_path).render("notice.html", "en", title="T") == "ours: T"


def templates() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("templates/**/*.html"))


@pytest.mark.parametrize("path", templates(), ids=lambda path: f"{path.parent.parent.name}-{path.name}")
def test_every_text_that_a_template_asks_for_is_in_the_catalogue(path: Path) -> None:
    catalogue = Catalogue.load(*sorted(path for package in PACKAGES for path in (ROOT / package).rglob("texts")))
    calls = Environment(autoescape=True).parse(path.read_text("utf-8")).find_all(nodes.Call)
    keys = [
        call.args[0].value
        for call in calls
        if isinstance(call.node, nodes.Name) and call.node.name == "text" and isinstance(call.args[0], nodes.Const)
    ]
    assert [key for key in keys if not catalogue.has(key)] == []


@pytest.mark.parametrize("path", templates(), ids=lambda path: f"{path.parent.parent.name}-{path.name}")
def test_no_template_switches_escaping_off_or_styles_inline(path: Path) -> None:
    source = path.read_text("utf-8")
    for forbidden in (
        "| safe",
        "|safe",
        "autoescape false",
        "<style",
        " style=",
        " onclick=",
        " onload=",
        " onsubmit=",
    ):
        assert forbidden not in source


def test_the_style_sheet_is_small_and_asks_nothing_of_the_network() -> None:
    css = stylesheet().decode("utf-8")
    assert len(css.encode()) < 16_000
    assert "@import" not in css
    assert "url(" not in css
    for expected in (
        "prefers-color-scheme: dark",
        "prefers-reduced-motion",
        "@media print",
        ":focus-visible",
        "max-width: 36rem",
    ):
        assert expected in css


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def palettes() -> dict[str, dict[str, str]]:
    css = stylesheet().decode("utf-8")
    light, dark = css.split("@media (prefers-color-scheme: dark)", 1)

    def colours(text: str) -> dict[str, str]:
        pairs = (line.strip().rstrip(";").split(": ", 1) for line in text.splitlines() if line.strip().startswith("--"))
        return {pair[0]: pair[1] for pair in pairs if pair[1].startswith("#")}

    return {"light": colours(light), "dark": colours(dark.split("*, *::before")[0])}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        ("--ink", "--paper", 7.0),
        ("--ink", "--surface", 7.0),
        ("--muted", "--paper", 4.5),
        ("--muted", "--surface", 4.5),
        ("--muted", "--sunk", 4.5),
        ("--accent", "--surface", 4.5),
        ("--accent", "--paper", 4.5),
        ("--accent", "--accent-soft", 4.5),
        ("--accent-strong", "--accent-soft", 4.5),
        ("--on-accent", "--accent", 4.5),
        ("--on-accent", "--accent-strong", 4.5),
        ("--ink", "--accent-soft", 4.5),
        ("--muted", "--accent-soft", 4.5),
        ("--warning", "--warning-soft", 4.5),
        ("--refusal", "--refusal-soft", 4.5),
        ("--refusal", "--surface", 4.5),
        ("--ink", "--warning-soft", 4.5),
        ("--ink", "--refusal-soft", 4.5),
        ("--edge", "--surface", 3.0),
        ("--focus", "--surface", 3.0),
        ("--focus", "--paper", 3.0),
    ],
)
def test_colours_have_the_contrast_that_wcag_aa_asks_for(scheme: str, front: str, back: str, least: float) -> None:
    palette = palettes()[scheme]
    bright, dim = sorted((luminance(palette[front]), luminance(palette[back])), reverse=True)
    assert (bright + 0.05) / (dim + 0.05) >= least
