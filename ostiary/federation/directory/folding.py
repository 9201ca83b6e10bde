"""How texts are made alike before they are compared: without case, accents and punctuation. Pure; knows no organisation."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

# Letters that have no decomposition but that people type without their stroke, and Arabic ones that are written either way.
_STROKES: Final = dict(
    zip("øłđðþæœıħŧةى", ("o", "l", "d", "d", "th", "ae", "oe", "i", "h", "t", "ه", "ي"), strict=True)
)
_STROKE: Final = re.compile(f"[{''.join(_STROKES)}]")
# As people write them where a keyboard has no such letter.
_SPELLED: Final = {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae"}
_SPELT: Final = re.compile(f"[{''.join(_SPELLED)}]")
_SPELT_OR_MARKS: Final = re.compile(f"[{''.join(_SPELLED)}{''.join(_SPELLED).upper()}\u0300-\u036f\u212b]")
# Accents, vowel points and what nobody sees: gone. Voicing marks of kana and the vowel signs of India and its neighbours are letters, and
# stay.
_GONE: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+"
)
_NO_LETTERS: Final = re.compile("[^\\w \n\u0900-\u109f\u1780-\u17ff\u3099\u309a]+|_")
_NO_ASCII_LETTERS: Final = re.compile("[^a-z0-9 \n]+")
_AFTER_THE_FIRST: Final = re.compile(r"\B\w+")
# Words that initials leave out: the Technical University *of* Denmark is DTU and TUD.
_SMALL_WORDS: Final = re.compile(
    r"\b(?:a|al|and|at|da|das|de|degli|del|della|den|der|des|di|do|dos|du|e|el|en|et|for|fur|fuer|i|in|la|le|les|of|og|och|oth|the|u|und|van"
    r"|voor|y|za|zu)\b ?"
)
_ONE_LETTER: Final = zip(
    "абвгдезийклмнопрстуфыэіјћџљњґαβγδεζηικλμνξοπρστυφω",
    "abvgdezijklmnoprstufyeijcdlngavgdeziiklmnxoprstyfo",
    strict=True,
)
_SEVERAL: Final = zip(
    "жхцчшщъьюяєθχψ", ("zh", "kh", "ts", "ch", "sh", "shch", "", "", "yu", "ya", "ye", "th", "ch", "ps"), strict=True
)
_LATIN: Final = str.maketrans({**dict(_ONE_LETTER), **dict(_SEVERAL)})
_GREEK_OR_CYRILLIC: Final = re.compile("[\u0370-\u03ff\u0400-\u04ff]")


def fold(text: str) -> str:
    """The text without case, accents and punctuation, its words separated by single blanks."""
    return fold_lines([text])[0]


def fold_spelled_out(text: str) -> str:
    """The same with ä as ae, ø as oe and so on."""
    return fold(spelled_out(text))


def fold_lines(texts: Sequence[str]) -> list[str]:
    """`fold` for each of one or more texts; many at once take a fifth of the time."""
    joined = "\n".join(texts)
    if joined.count("\n") >= max(1, len(texts)):
        joined = "\n".join(text.replace("\n", " ") for text in texts)
    if joined.isascii():
        folded = _NO_ASCII_LETTERS.sub(" ", joined.lower())
    else:
        decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", joined).casefold())
        plain = _STROKE.sub(lambda found: _STROKES[found[0]], _GONE.sub("", decomposed))
        folded = _NO_LETTERS.sub(" ", plain)
    while "  " in folded:
        folded = folded.replace("  ", " ")
    return [line.strip() for line in folded.split("\n")]


def spelled_out(text: str) -> str:
    """The text with ä as ae, ø as oe and so on, not folded yet."""
    return _SPELT.sub(lambda found: _SPELLED[found[0]], unicodedata.normalize("NFC", text).casefold())


def may_be_spelled_out(text: str) -> bool:
    """Whether `spelled_out` may make a difference; quicker."""
    return _SPELT_OR_MARKS.search(text) is not None


def latin(folded: str) -> str:
    """A folded text with Cyrillic and Greek letters in Latin ones, roughly; the same text where it has none."""
    return folded.translate(_LATIN) if _GREEK_OR_CYRILLIC.search(folded) is not None else folded


def initials(folded: Sequence[str]) -> list[str]:
    """Of each folded text the first letters of its words."""
    return _AFTER_THE_FIRST.sub("", "\n".join(folded)).replace(" ", "").split("\n")


def without_small_words(folded: Sequence[str]) -> list[str]:
    """The folded texts without articles and the like."""
    return _SMALL_WORDS.sub("", "\n".join(folded)).split("\n")
