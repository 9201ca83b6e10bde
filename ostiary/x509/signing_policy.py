"""EACL files (``HASH.signing_policy``) of a certificates directory: which subjects a CA may sign for. Reads and matches, no more."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary.errors import ConfigurationError
from ostiary.x509.names import normal_slash_form

_CODE: Final = "x509.signing_policy_file"
_TOKEN: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"|(\S+)")
_QUOTED: Final = re.compile(r"\"([^\"]*)\"")


@dataclass(frozen=True, slots=True)
class SigningPolicy:
    """The subjects (slash form; ``*`` stands for any text, ``?`` for one character) for which one CA may sign."""

    patterns: tuple[str, ...]

    def allows(self, subject: str) -> bool:
        """Whether a subject (slash form) fits one of the patterns, in letter case too."""
        wanted = normal_slash_form(subject)
        return any(_fits(pattern, wanted) for pattern in self.patterns)


def parse_signing_policy(text: str, file: str | Path) -> dict[str, SigningPolicy]:
    """The policies of one file, by the CA's name (slash form as `normal_slash_form` makes it).

    Understood is what is in use: ``access_id_CA X509 'dn'``, then ``pos_rights globus CA:sign``, then ``cond_subjects globus '"p" "p"'``.
    Anything else is refused, for it could restrict more than would then be enforced. Raises `ConfigurationError`
    (``x509.signing_policy_file``).
    """
    patterns: dict[str, list[str]] = {}
    authority: str | None = None
    may_sign = False
    for number, (keyword, rest) in _lines(text):
        fields = [next(filter(None, match.groups()), "") for match in _TOKEN.finditer(rest)]
        if keyword == "access_id_CA" and len(fields) == 2 and fields[0] == "X509":
            authority, may_sign = normal_slash_form(fields[1]), False
            patterns.setdefault(authority, [])
        elif keyword == "pos_rights" and authority is not None and fields == ["globus", "CA:sign"]:
            may_sign = True
        elif keyword == "cond_subjects" and authority is not None and may_sign and len(fields) == 2:
            patterns[authority] += _subjects(fields[1])
        else:
            raise ConfigurationError(
                _CODE,
                file=file,
                line=number,
                expected="access_id_CA X509, pos_rights globus CA:sign, cond_subjects globus, in this order",
                found=f"{keyword} {rest}"[:200],
            )
    return {name: SigningPolicy(tuple(allowed)) for name, allowed in patterns.items()}


def _lines(text: str) -> Iterator[tuple[int, tuple[str, str]]]:
    for number, line in enumerate(text.splitlines(), start=1):
        plain = line.strip()
        if plain and not plain.startswith("#"):
            keyword, *rest = plain.split(None, 1)
            yield number, (keyword, rest[0] if rest else "")


def _subjects(field: str) -> list[str]:
    quoted = _QUOTED.findall(field)
    return [normal_slash_form(pattern) for pattern in quoted or [field]]


def _fits(pattern: str, text: str) -> bool:
    """Matches in time proportional to the two lengths multiplied, whatever the pattern: strangers choose the text."""
    at, here, star, resume = 0, 0, -1, 0
    while at < len(text):
        if here < len(pattern) and pattern[here] == "*":
            star, resume = here, at
            here += 1
        elif here < len(pattern) and pattern[here] in ("?", text[at]):
            at, here = at + 1, here + 1
        elif star >= 0:
            resume += 1
            at, here = resume, star + 1
        else:
            return False
    return all(character == "*" for character in pattern[here:])
