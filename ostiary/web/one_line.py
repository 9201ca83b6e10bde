"""Text of strangers made fit for a line of a log or a terminal: no control character, no reordering, no endless length."""

import unicodedata
from typing import Final

MAX_TEXT: Final = 2000


def one_line(text: str) -> str:
    """The text with everything that could break or reorder a line made visible, cut to a bounded length."""
    if len(text) <= MAX_TEXT and text.isprintable():
        return text
    shown = "".join(_visible(character) for character in text[:MAX_TEXT])
    return shown if len(text) <= MAX_TEXT else f"{shown}… ({len(text)} characters)"


def _visible(character: str) -> str:
    # Cc control, Cf format (bidirectional overrides, zero width), Zl and Zp line separators, Cs lone surrogates.
    if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs"):
        return f"\\u{ord(character):04x}"
    return character
