"""The salt from which identifiers are computed: a secret that is never rotated, for every identifier would change with it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ostiary.config import Sources, read_private_file
from ostiary.errors import ConfigurationError, Refusal
from ostiary.identifiers.keyed_hash import KeyedHash

MINIMUM_SALT: Final = 32
MAXIMUM_SALT: Final = 1024


@dataclass(frozen=True, slots=True)
class Salt:
    """At least `MINIMUM_SALT` secret bytes, and the hash that they are the key of. Raises `Refusal` (``identifiers.salt``) for fewer."""

    secret: bytes = field(repr=False)
    hash: KeyedHash = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.secret) < MINIMUM_SALT:
            expected = f"at least {MINIMUM_SALT} bytes"
            raise Refusal("identifiers.salt", expected=expected, found=f"{len(self.secret)} bytes")
        object.__setattr__(self, "hash", KeyedHash(self.secret))


def load_salt(path: Path, sources: Sources | None = None) -> Salt:
    """The salt of a private file, every byte of it. Raises `ConfigurationError` (``identifiers.salt_file``, ``config.private_file_*``)."""
    if sources is not None:
        sources.note(path)
    content = read_private_file(path, max_bytes=MAXIMUM_SALT)
    if len(content) < MINIMUM_SALT:
        expected = f"{MINIMUM_SALT} to {MAXIMUM_SALT} bytes"
        raise ConfigurationError("identifiers.salt_file", file=path, expected=expected, found=f"{len(content)} bytes")
    return Salt(content)
