"""Which passwords are too easy to guess (NIST SP 800-63B 5.1.1.2). Pure but for the list of breached ones, which is asked last.

No rule asks for upper case, digits or signs, and none makes a password expire: that only leads to worse ones. The parts of people's names
are compared in lower case and with digits read as the letters that they stand for.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from idp.accounts.passwords import prepared_password
from ostiary.errors import Refusal

MINIMUM_LENGTH: Final = 12
COMMON_PASSWORDS: Final = Path(__file__).parent / "common_passwords.txt"

# Shorter words stand in too many others by chance.
_SHORTEST_WORD: Final = 3
_FEWEST_CHARACTERS: Final = 5
_LONGEST_REPEATED: Final = 7
_MOSTLY: Final = 0.7
_RUNS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "йцукенгшщзхъфывапролджэячсмитьбю",
)
# What is read for a letter; 1, ! and | may stand for i or for l.
_AS_LETTERS: Final = tuple(str.maketrans("034579@$€1!|", f"oeastgase{one * 3}") for one in "il")


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """What a new password must be.

    ``minimum_length`` in code points (NFC); ``common`` as `common_passwords` reads it; ``known_words``: what everybody knows about the
    organisation; ``breaches(password)``: how often it was found in other people's stolen data, None to ask nobody.
    """

    common: frozenset[str]
    minimum_length: int = MINIMUM_LENGTH
    known_words: tuple[str, ...] = ()
    breaches: Callable[[str], int] | None = None

    def check(self, password: str, about: Iterable[str] = ()) -> None:
        """Raises `Refusal` for a password that nobody should have, ``about`` being what is known of the person: login name, mail address,
        names.

        Codes: ``password.empty``, ``password.too_short``, ``password.too_long``, ``password.unreadable``, ``password.monotonous`` (few
        characters, repetitions, runs along the alphabet or the keyboard), ``password.obvious`` (little beside words that are known of
        her), ``password.common``, ``password.breached``. Raises `Unavailable` when the list of breached ones can't be read.
        """
        text = prepared_password(password).decode()
        if not text:
            raise Refusal("password.empty", expected="a password", found="nothing")
        if len(text) < self.minimum_length:
            raise Refusal(
                "password.too_short",
                expected=f"at least {self.minimum_length} characters",
                found=len(text),
                minimum=self.minimum_length,
            )
        folded = _folded(text)
        if _is_monotonous(folded):
            raise Refusal("password.monotonous", expected="something that nobody would try")
        if self._is_obvious(folded, about):
            raise Refusal("password.obvious", expected="more than names and words that belong to her")
        if any(_is_made_of(spelling, self.common) for spelling in _spellings(folded)):
            raise Refusal("password.common", expected="a password that few people have")
        if self.breaches is not None and self.breaches(text) > 0:
            raise Refusal("password.breached", expected="a password that was never stolen")

    def _is_obvious(self, folded: str, about: Iterable[str]) -> bool:
        words = sorted({*_words((*self.known_words, *about))}, key=len, reverse=True)
        return any(self._little_is_left(spelling, words) for spelling in _spellings(folded))

    def _little_is_left(self, spelling: str, words: list[str]) -> bool:
        rest = spelling
        for word in words:
            rest = rest.replace(word, " ")
        return rest != spelling and sum(character.isalnum() for character in rest) < self.minimum_length // 2


def common_passwords(file: Path = COMMON_PASSWORDS) -> frozenset[str]:
    """The list that ships with this program, folded as `PasswordPolicy` compares it."""
    lines = (line.strip() for line in file.read_text("utf-8").splitlines())
    return frozenset(_folded(line) for line in lines if line and not line.startswith("#"))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _spellings(folded: str) -> Iterator[str]:
    """As it is, and with digits and signs read as letters, but for those around it."""
    yield folded
    places = [place for place, character in enumerate(folded) if character.isalpha()]
    core = folded[places[0] : places[-1] + 1] if places else ""
    for table in _AS_LETTERS:
        yield folded.translate(table)
        yield core.translate(table)


def _words(texts: Iterable[str]) -> Iterator[str]:
    """Each text as a whole, and its parts between spaces and signs."""
    for text in texts:
        folded = _folded(text)
        parts = "".join(character if character.isalnum() else " " for character in folded).split()
        for word in (folded.strip(), *parts):
            if len(word) >= _SHORTEST_WORD:
                yield word


def _is_monotonous(folded: str) -> bool:
    if len(set(folded)) < _FEWEST_CHARACTERS or _period(folded) <= _LONGEST_REPEATED:
        return True
    steps = sum(_is_step(one, other) for one, other in pairwise(folded))
    return steps > _MOSTLY * (len(folded) - 1)


def _period(text: str) -> int:
    """The length of what the text is a repetition of; its own, where it is none."""
    return (text + text).find(text, 1)


def _is_step(one: str, other: str) -> bool:
    if one == other:
        return True
    return any(one + other in run or other + one in run for run in _RUNS)


def _is_made_of(spelling: str, common: frozenset[str]) -> bool:
    """Whether it is one or two of these, whatever digits and signs stand between and around."""
    bare = "".join(character for character in spelling if character.isalnum())
    letters = "".join(character for character in bare if character.isalpha())
    for text in (bare, letters):
        if text in common or any(text[:place] in common and text[place:] in common for place in range(1, len(text))):
            return True
    return False
