"""``vomses`` lines: where a client finds the Attribute Authority of a VO. Reads and writes; contacts nobody."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary.errors import ConfigurationError

MAX_BYTES: Final = 256 * 1024

_FIELD: Final = re.compile(r'\s*"([^"]*)"')


@dataclass(frozen=True, slots=True)
class VomsServer:
    """One line. ``subject`` is the server certificate's name, slash form; several lines of one ``alias`` are replicas."""

    alias: str
    host: str
    port: int
    subject: str
    vo: str

    def line(self) -> str:
        """The line as clients read it, without the end of line."""
        return f'"{self.alias}" "{self.host}" "{self.port}" "{self.subject}" "{self.vo}"'


def parse_vomses(text: str, file: str | Path) -> tuple[VomsServer, ...]:
    """Every server of a file's text, in order. ``#`` starts a comment line; a sixth field (a Globus version) is ignored.

    Raises `ConfigurationError` (``x509.vomses``) that names the line.
    """
    servers = []
    for number, line in enumerate(text.splitlines(), start=1):
        plain = line.strip()
        if plain and not plain.startswith("#"):
            servers.append(_server(plain, file, number))
    return tuple(servers)


def load_vomses(path: Path) -> tuple[VomsServer, ...]:
    """The servers of a file, or of every file of a directory (by name; hidden files are left out), as clients look them up.

    Raises `ConfigurationError` (``x509.vomses``).
    """
    try:
        files = sorted(file for file in path.iterdir() if not file.name.startswith(".")) if path.is_dir() else [path]
        found: list[VomsServer] = []
        for file in files:
            if file == path or file.is_file():
                with file.open("rb") as opened:
                    data = opened.read(MAX_BYTES + 1)
                if len(data) > MAX_BYTES:
                    raise ConfigurationError(
                        "x509.vomses", file=file, expected=f"at most {MAX_BYTES} bytes", found="more"
                    )
                found += parse_vomses(data.decode(), file)
    except (OSError, UnicodeError) as error:
        raise ConfigurationError("x509.vomses", file=path, expected="readable text", found=error) from None
    return tuple(found)


def _server(line: str, file: str | Path, number: int) -> VomsServer:
    fields: list[str] = []
    at = 0
    while (matched := _FIELD.match(line, at)) is not None:
        fields.append(matched[1])
        at = matched.end()
    port = fields[2] if len(fields) > 2 else ""
    usable = port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536
    if line[at:].strip() or len(fields) not in (5, 6) or not all(fields[:5]) or not usable:
        raise ConfigurationError(
            "x509.vomses",
            file=file,
            line=number,
            expected='"alias" "host" "port" "subject" "vo"',
            found=line[:300],
        )
    return VomsServer(fields[0], fields[1], int(port), fields[3], fields[4])
