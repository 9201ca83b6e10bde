"""Texts of metadata as people may be shown them: in one line, bounded, without characters that nobody sees but that move others. Pure."""

import unicodedata
from typing import Final

LONGEST_NAME: Final = 200
LONGEST_TEXT: Final = 2_000

# Persian, Urdu and the scripts of India are not spelled without them.
_JOINERS: Final = frozenset("\u200c\u200d")
# Control, format (the bidi overrides among them), line and paragraph separators.
_UNSEEN: Final = frozenset(("Cc", "Cf", "Zl", "Zp"))


def shown_text(text: str, longest: int = LONGEST_NAME) -> str:
    """The text with its white space collapsed, without control and format characters (U+202E would turn the rest round, so that a name
    looks like another's), cut to ``longest`` characters with an ellipsis. May be empty."""
    # Of all white space the blank alone is printable. Nearly every text is as it should be.
    if text.isprintable() and "  " not in text and text[:1] != " " != text[-1:] and len(text) <= longest:
        return text
    if not text.isprintable() or "  " in text or text[:1] == " " or text[-1:] == " ":
        text = " ".join(text.split())
    if not text.isprintable():
        text = "".join(one for one in text if one in _JOINERS or unicodedata.category(one) not in _UNSEEN)
        text = " ".join(text.split()) if text.strip("".join(_JOINERS) + " ") else ""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
