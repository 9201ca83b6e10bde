"""The configuration of the terms of use, and their text as it is shown."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from ostiary.config import FileFromHere, Settings, WrongSetting
from ostiary.errors import ConfigurationError

MAXIMUM_TEXT: Final = 200_000
"""Bytes of one text."""

_Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)]


def _in_english(value: Mapping[str, Path]) -> Mapping[str, Path]:
    if "en" not in value:
        raise WrongSetting("config.no_english", expected="an entry for en", found=", ".join(sorted(value)) or "nothing")
    return value


@dataclass(frozen=True, slots=True)
class Terms:
    """One version, by language."""

    version: str
    texts: Mapping[str, str]

    def in_language(self, wanted: str) -> tuple[str, str]:
        """Language and text: in the language that is wanted, else in English."""
        for language, text in self.texts.items():
            if language.lower().partition("-")[0] == wanted.lower().partition("-")[0]:
                return language, text
        return "en", self.texts["en"]


class TermsOfUseSettings(Settings):
    """What everybody has to accept once: again with each new ``version``.

    ``texts`` are files by language; English must be there. They are plain text in UTF-8: an empty line ends a paragraph, and a paragraph
    that begins with ``# `` is a heading.
    """

    version: Annotated[str, Field(min_length=1, max_length=64)]
    texts: Annotated[Mapping[_Language, FileFromHere], AfterValidator(_in_english)]

    def read(self) -> Terms:
        """The texts. Raises `ConfigurationError` (``terms.text``)."""
        return Terms(self.version, {language: _read(path) for language, path in self.texts.items()})


def digest_of(text: str) -> str:
    """SHA-256 of a text, 64 hexadecimal digits: proves later which text somebody accepted."""
    return hashlib.sha256(text.encode()).hexdigest()


def parts_of(text: str) -> tuple[tuple[bool, str], ...]:
    """The paragraphs, each with whether it is a heading."""
    blocks = (" ".join(block.split()) for block in text.replace("\r\n", "\n").split("\n\n"))
    return tuple((block.startswith("# "), block.removeprefix("# ")) for block in blocks if block)


def _read(path: Path) -> str:
    try:
        octets = path.read_bytes()
        text = octets.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError("terms.text", file=path, expected="a readable text in UTF-8", found=error) from None
    if len(octets) > MAXIMUM_TEXT or not text.strip():
        raise ConfigurationError(
            "terms.text", file=path, expected=f"1 to {MAXIMUM_TEXT} bytes", found=f"{len(octets)} bytes"
        )
    return text
