"""A site's own colour, made into all the shades that the pages need; refuses one that people could not read (WCAG 2.2, 1.4.3).

Pure. The other colours are read from the style sheet itself, so what is checked is what is shown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ostiary.errors import Refusal

Rgb = tuple[int, int, int]
Scheme = Literal["light", "dark"]

READABLE: Final = 4.5
"""The least contrast of text with what is behind it, level AA."""

HEX: Final = r"^#[0-9a-fA-F]{6}$"
_BLACK: Final = (0, 0, 0)
_WHITE: Final = (255, 255, 255)
_STEPS: Final = 20
_VARIABLE: Final = re.compile(r"--([a-z-]+):\s*(#[0-9a-fA-F]{6})\s*;")
_DARK: Final = "@media (prefers-color-scheme: dark)"
_END_OF_DARK: Final = "\n}"


@dataclass(frozen=True, slots=True)
class Accent:
    """The shades of one colour in one scheme, each ``#rrggbb``, called as in the style sheet."""

    accent: str
    accent_strong: str
    on_accent: str
    accent_soft: str


def style_colours(stylesheet: str) -> dict[Scheme, dict[str, str]]:
    """The colours that a style sheet gives names to, by scheme: those of ``:root``, and those that replace them in the dark."""
    before, _, rest = stylesheet.partition(_DARK)
    light = dict(_VARIABLE.findall(before))
    return {"light": light, "dark": {**light, **dict(_VARIABLE.findall(rest.partition(_END_OF_DARK)[0]))}}


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, 3 Glossary)."""
    lighter, darker = sorted((_luminance(_rgb(one)), _luminance(_rgb(other))), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def accent_for(colour: str, scheme: Scheme, others: Mapping[str, str]) -> Accent:
    """The shades of a colour between the style sheet's ``others`` of that scheme.

    Raises `Refusal` (``branding.contrast``) for a colour that is too near to what stands behind it.
    """
    made = _shades(colour, scheme, others)
    worst, ratio = _worst(made, others)
    if ratio < READABLE:
        raise Refusal(
            "branding.contrast",
            expected=f"a contrast of at least {READABLE}",
            found=f"{ratio:.1f} ({worst}, {scheme})",
            colour=colour,
            scheme=scheme,
            ratio=f"{ratio:.1f}",
        )
    return made


def accent_in_the_dark(colour: str, others: Mapping[str, str]) -> Accent:
    """The same colour for dark pages: as much lighter as it has to be."""
    for step in range(_STEPS):
        made = _shades(_mixed(colour, _WHITE, step / _STEPS), "dark", others)
        if _worst(made, others)[1] >= READABLE:
            return made
    return _shades(_hex(_WHITE), "dark", others)


def accent_rules(light: Accent, dark: Accent) -> str:
    """The style sheet (CSS) that sets them."""
    return f":root {{ {_written(light)} }}\n{_DARK} {{\n  :root {{ {_written(dark)} }}\n}}\n"


def _written(accent: Accent) -> str:
    return (
        f"--accent: {accent.accent}; --accent-strong: {accent.accent_strong}; "
        f"--on-accent: {accent.on_accent}; --accent-soft: {accent.accent_soft};"
    )


def _shades(colour: str, scheme: Scheme, others: Mapping[str, str]) -> Accent:
    strong = _mixed(colour, _BLACK if scheme == "light" else _WHITE, 0.25)
    soft = _mixed(others["surface"], _rgb(colour), 0.1)
    on_accent = max(("#ffffff", "#101413"), key=lambda text: min(contrast(text, colour), contrast(text, strong)))
    return Accent(colour.lower(), strong, on_accent, soft)


def _worst(accent: Accent, others: Mapping[str, str]) -> tuple[str, float]:
    """Where text is hardest to read: what on what, and the contrast."""
    pairs = {
        f"{name} on {behind}": contrast(colour, back)
        for name, colour in (("accent", accent.accent), ("accent-strong", accent.accent_strong))
        for behind, back in (
            ("paper", others["paper"]),
            ("surface", others["surface"]),
            ("sunk", others["sunk"]),
            ("accent-soft", accent.accent_soft),
        )
    }
    pairs["on-accent on accent"] = contrast(accent.on_accent, accent.accent)
    pairs["on-accent on accent-strong"] = contrast(accent.on_accent, accent.accent_strong)
    pairs["ink on accent-soft"] = contrast(others["ink"], accent.accent_soft)
    pairs["muted on accent-soft"] = contrast(others["muted"], accent.accent_soft)
    return min(pairs.items(), key=lambda pair: pair[1])


def _mixed(colour: str, towards: Rgb, part: float) -> str:
    mixed = [round(own + (other - own) * part) for own, other in zip(_rgb(colour), towards, strict=True)]
    return _hex((mixed[0], mixed[1], mixed[2]))


def _rgb(colour: str) -> Rgb:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _hex(rgb: Rgb) -> str:
    return "#" + "".join(f"{part:02x}" for part in rgb)


def _luminance(rgb: Rgb) -> float:
    red, green, blue = (
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in rgb
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
