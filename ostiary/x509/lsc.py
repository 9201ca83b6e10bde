"""LSC files (``vomsdir/<vo>/<host>.lsc``): by their names, which certificates a site trusts to sign attribute certificates for a VO."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cryptography import x509

from ostiary.config import Sources
from ostiary.errors import ConfigurationError
from ostiary.x509.names import issuer_bytes, normal_slash_form, slash_form_of, subject_bytes

MAX_BYTES: Final = 256 * 1024

_NEXT_CHAIN: Final = re.compile(r"-+\s*NEXT CHAIN\s*-*")


@dataclass(frozen=True, slots=True)
class Names:
    """Subject and issuer of one certificate, slash form."""

    subject: str
    issuer: str

    @classmethod
    def of(cls, certificate: x509.Certificate) -> "Names":
        """Those of a certificate. Raises `Refusal` (``x509.malformed``) where they can't be read."""
        return cls(slash_form_of(subject_bytes(certificate)), slash_form_of(issuer_bytes(certificate)))

    def same_as(self, other: "Names") -> bool:
        """Equal but for the spellings that `normal_slash_form` evens out."""
        return all(
            normal_slash_form(mine) == normal_slash_form(theirs)
            for mine, theirs in ((self.subject, other.subject), (self.issuer, other.issuer))
        )


Chain = tuple[Names, ...]


@dataclass(frozen=True, slots=True)
class Lsc:
    """The alternatives of one file; in each, the AA's certificate first, then its issuer's, and so on."""

    chains: tuple[Chain, ...]

    def matches(self, certificates: Chain) -> bool:
        """Whether a certificate list is one of the alternatives, pair by pair. A root at the end may be there or not, on either side."""
        listed = _without_root(certificates)
        return any(
            len(chain) == len(listed) and all(a.same_as(b) for a, b in zip(chain, listed, strict=True))
            for chain in map(_without_root, self.chains)
        )


@dataclass(frozen=True, slots=True)
class VomsDirectory:
    """Every LSC file of a ``vomsdir``, by VO and host. PEM files of an AA, the older way, are not looked at."""

    files: Mapping[tuple[str, str], Lsc]

    def of(self, vo: str, host: str) -> Lsc | None:
        """The LSC of an Attribute Authority; None when this site does not trust it."""
        return self.files.get((vo, host))


def parse_lsc(text: str, file: str | Path) -> Lsc:
    """Reads a file's text: two lines for each certificate, subject and issuer; ``#`` starts a comment line; alternatives are
    separated by ``------ NEXT CHAIN ------``.

    Raises `ConfigurationError` (``x509.lsc``) for an odd number of lines, a line that is no name, or no certificate at all.
    """
    chains: list[Chain] = []
    lines: list[str] = []
    for number, line in enumerate([*text.splitlines(), "-NEXT CHAIN-"], start=1):
        plain = line.strip()
        if _NEXT_CHAIN.fullmatch(plain):
            if len(lines) % 2:
                raise ConfigurationError(
                    "x509.lsc",
                    file=file,
                    line=number,
                    expected="a subject and an issuer each",
                    found=f"{len(lines)} lines",
                )
            if lines:
                chains.append(tuple(Names(*pair) for pair in zip(lines[::2], lines[1::2], strict=True)))
            lines = []
        elif plain.startswith("/"):
            lines.append(plain)
        elif plain and not plain.startswith("#"):
            raise ConfigurationError("x509.lsc", file=file, line=number, expected="/C=.../CN=...", found=plain[:200])
    if not chains:
        raise ConfigurationError("x509.lsc", file=file, expected="at least one subject and its issuer", found="none")
    return Lsc(tuple(chains))


def write_lsc(lsc: Lsc, *, comment: str = "") -> str:
    """The text of a file, each line of ``comment`` as a comment first."""
    lines = [f"# {line}" for line in comment.splitlines()]
    for place, chain in enumerate(lsc.chains):
        if place:
            lines.append("------ NEXT CHAIN ------")
        for names in chain:
            lines += [names.subject, names.issuer]
    return "\n".join(lines) + "\n"


def load_vomsdir(path: Path, *, sources: Sources | None = None) -> VomsDirectory:
    """Reads every ``<vo>/<host>.lsc`` below a directory. Raises `ConfigurationError` (``x509.vomsdir``, ``x509.lsc``)."""
    sources = sources or Sources()
    files: dict[tuple[str, str], Lsc] = {}
    for vo in _listed(path, sources):
        if vo.is_dir():
            for file in _listed(vo, sources):
                if file.suffix == ".lsc":
                    files[vo.name, file.stem] = parse_lsc(_read(file, sources), file)
    return VomsDirectory(MappingProxyType(files))


def _listed(directory: Path, sources: Sources) -> Iterable[Path]:
    sources.note(directory)
    try:
        return sorted(directory.iterdir())
    except OSError as error:
        raise ConfigurationError(
            "x509.vomsdir", file=directory, expected="a readable directory", found=error.strerror
        ) from None


def _read(file: Path, sources: Sources) -> str:
    sources.note(file)
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigurationError("x509.lsc", file=file, expected=f"at most {MAX_BYTES} bytes", found="more")
        return data.decode()
    except (OSError, UnicodeError) as error:
        raise ConfigurationError("x509.lsc", file=file, expected="a readable text file", found=error) from None


def _without_root(chain: Chain) -> Chain:
    if len(chain) > 1 and normal_slash_form(chain[-1].subject) == normal_slash_form(chain[-1].issuer):
        return chain[:-1]
    return chain
