"""From a URL to a file: fetched into a file beside it, verified, compared with what is there, and only then put in its place.

Without a key nothing is written: what is found is shown, so that somebody compares the fingerprint with one that came by another way.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ostiary.command.metadata.changes import Changes, compare
from ostiary.command.metadata.opened import OpenedDocument, Pins, opened
from ostiary.command.metadata.pinning import Carried, signing_certificate
from ostiary.command.metadata.sides import side_of
from ostiary.errors import ConfigurationError, OstiaryError, Refusal
from ostiary.federation.sources.fetching import Fetched, FetchLimits, fetch
from ostiary.saml.signature import check_signature_form
from ostiary.saml.xml import METADATA, parse_xml


@dataclass(frozen=True, slots=True)
class Unpinned:
    """What was found where no key was named. ``algorithm`` of the signature; ``certificate``: what it carries, if anything."""

    size: int
    algorithm: str
    certificate: Carried | None


def fetch_octets(url: str, limits: FetchLimits, authorities: Path | None) -> bytes:
    """Raises `Refusal` (``fetch.*``)."""
    answer = fetch(url, limits=limits, authorities=authorities)
    if not isinstance(answer, Fetched):
        raise Refusal("fetch.status", expected="a document", found="304", url=url)
    return answer.content


def look_at(octets: bytes) -> Unpinned:
    """What a document says of its own signature; nothing of it is believed. Raises `Refusal`: ``signature.*``, ``xml.*``."""
    root = parse_xml(octets, METADATA)
    return Unpinned(len(octets), check_signature_form(root), signing_certificate(root))


def compared_with(path: Path, new: OpenedDocument) -> tuple[Changes, int] | None:
    """What would change in a file, and how many entities it has; None where there is no file, or none that can be read."""
    try:
        before = opened(str(path), path.read_bytes(), Pins())
    except (OSError, OstiaryError):
        return None
    return compare(side_of(before), side_of(new)), len(before.descriptors)


def refuse_shrinking(before: int, now: int) -> None:
    """A document that lost more than half of its entities is a mistake until somebody says otherwise. Raises `Refusal`
    (``metadata.lost_half``)."""
    if now * 2 < before:
        raise Refusal("metadata.lost_half", expected=f"at least {(before + 1) // 2} entities", found=now)


def write_new(path: Path, octets: bytes) -> None:
    """Whole or not at all. Raises `ConfigurationError` (``metadata.not_written``)."""
    try:
        with _beside(path) as (temporary, descriptor):
            with os.fdopen(descriptor, "wb") as file:
                file.write(octets)
                file.flush()
                os.fsync(file.fileno())
            mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
            temporary.chmod(mode)
            temporary.replace(path)
    except OSError as error:
        raise ConfigurationError(
            "metadata.not_written", file=path, expected="a file that can be written", found=error.strerror
        ) from None


@contextmanager
def _beside(path: Path) -> Iterator[tuple[Path, int]]:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
    temporary = Path(name)
    try:
        yield temporary, descriptor
    finally:
        temporary.unlink(missing_ok=True)
