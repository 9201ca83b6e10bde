"""What a person typed, taken apart: words, and a domain where it is a mail address or one. Pure."""

from dataclasses import dataclass
from typing import Final

from ostiary.federation.directory.folding import fold, fold_spelled_out

MAXIMUM: Final = 200
"""Characters that are looked at."""
_MOST_WORDS: Final = 6


@dataclass(frozen=True, slots=True)
class Asked:
    """``spellings``: the words, folded, in each way they may be spelled. ``domain`` is empty where there is none, else in lower case.
    ``is_address``: of a mail address only what is behind the @ was looked at. ``is_nothing``: there is nothing to look for yet."""

    spellings: tuple[tuple[str, ...], ...]
    domain: str = ""
    is_address: bool = False
    is_nothing: bool = False


def read_asked(text: str) -> Asked:
    """``text`` as it was typed. Never fails."""
    text = text[:MAXIMUM].strip()
    _, at, behind = text.rpartition("@")
    if not behind:
        return Asked((), is_nothing=True)
    domain = _domain(behind) if at or "." in behind else ""
    if at and domain:
        # Names of countries and the like say nothing of an organisation.
        return Asked(_spellings(domain.rpartition(".")[0] or domain), domain, is_address=True)
    return Asked(_spellings(behind), domain)


def _spellings(text: str) -> tuple[tuple[str, ...], ...]:
    folded = [one.split()[:_MOST_WORDS] for one in (fold(text), fold_spelled_out(text))]
    return tuple(tuple(words) for words in dict.fromkeys(map(tuple, folded)) if words)


def _domain(text: str) -> str:
    """The text if it can be a domain or the beginning of one."""
    text = text.strip().lower().strip(".")
    if " " in text:
        return ""
    try:
        # Names as they stand in metadata are ASCII.
        text = text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
    return text if text and all(letter.isalnum() or letter in "-." for letter in text) else ""
