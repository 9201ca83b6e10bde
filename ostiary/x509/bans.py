"""Local ban lists (LCAS's ``ban_users.db``): names and VO attributes that a site lets in nowhere, whatever a VO says of them.

Decides wide: case and the spellings of names do not save anybody.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ostiary.config import Sources
from ostiary.errors import ConfigurationError
from ostiary.x509.names import normal_slash_form

MAX_BYTES: Final = 4 * 1024 * 1024
_CODE: Final = "x509.ban_list"
_MOST_WILDCARDS: Final = 8
_QUOTED: Final = re.compile(r'"([^"]+)"(?:\s.*)?')
_OF_A_NAME: Final = re.compile(r"/[^/=]+=")
_OF_A_VO: Final = re.compile(r"(?:/[A-Za-z0-9_.*-]+)+(?:/Role=[A-Za-z0-9_.*-]+)?(?:/Capability=NULL)?")


@dataclass(frozen=True, slots=True)
class BanList:
    """What is banned: lines as compared, those without ``*`` and those with it, each with itself as it was written."""

    exact: Mapping[str, str]
    patterns: tuple[tuple[re.Pattern[str], str], ...] = ()

    def name(self, subject: str) -> str | None:
        """The line that bans the holder of a certificate (slash form); None: there is none."""
        return self._find(_comparable_name(subject))

    def fqans(self, stated: Iterable[str]) -> str | None:
        """The line that bans one of the names that VOs state (short or long form)."""
        return next((line for fqan in stated if (line := self._find(_comparable_fqan(fqan))) is not None), None)

    def _find(self, text: str) -> str | None:
        if text in self.exact:
            return self.exact[text]
        return next((line for pattern, line in self.patterns if pattern.fullmatch(text)), None)


NO_BANS: Final = BanList(MappingProxyType({}))


def parse_ban_list(text: str, file: str | Path) -> BanList:
    """Reads a file's text. Each line is a name (``/C=ZZ/O=Example/CN=Mallory``), or a group or role of a VO (``/vo/group``,
    ``/vo/group/Role=r``), in quotation marks or by itself; ``*`` stands for anything; ``#`` starts a comment line.

    Raises `ConfigurationError` (``x509.ban_list``) that names the line: one that means nobody might be meant to stop somebody.
    """
    exact: dict[str, str] = {}
    patterns: list[tuple[re.Pattern[str], str]] = []
    for number, line in _lines(text):
        quoted = _QUOTED.fullmatch(line)
        entry = quoted[1] if quoted is not None else line
        if _OF_A_NAME.match(entry):
            comparable = _comparable_name(entry)
        elif _OF_A_VO.fullmatch(entry):
            comparable = _comparable_fqan(entry)
        else:
            raise _unusable(file, number, line)
        if "*" not in comparable:
            exact[comparable] = entry
        elif comparable.count("*") > _MOST_WILDCARDS:
            raise _unusable(file, number, line)
        else:
            parts = map(re.escape, comparable.split("*"))
            patterns.append((re.compile(".*".join(parts), re.DOTALL), entry))
    return BanList(MappingProxyType(exact), tuple(patterns))


def load_ban_list(path: Path, *, sources: Sources | None = None) -> BanList:
    """Reads a file. Raises `ConfigurationError` (``x509.ban_list``), also where there is none: nobody is let in by a lost list."""
    if sources is not None:
        sources.note(path)
    try:
        with path.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigurationError(_CODE, file=path, expected=f"at most {MAX_BYTES} bytes", found="more")
        return parse_ban_list(data.decode(), path)
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(_CODE, file=path, expected="a readable text file", found=error) from None


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        plain = line.strip()
        if plain and not plain.startswith("#"):
            yield number, plain


def _comparable_name(subject: str) -> str:
    return normal_slash_form(subject).casefold()


def _comparable_fqan(fqan: str) -> str:
    return fqan.removesuffix("/Capability=NULL").removesuffix("/Role=NULL").casefold()


def _unusable(file: str | Path, number: int, line: str) -> ConfigurationError:
    return ConfigurationError(
        _CODE, file=file, line=number, expected='"/C=.../CN=...", /vo/group or /vo/group/Role=name', found=line[:300]
    )
