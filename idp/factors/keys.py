"""The keys that keep one-time-code secrets closed and browsers' marks honest. The first seals and signs, all open and check.

Each purpose has a key of its own, derived from the secret in a private file.
"""

import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ostiary.config import key_of_file, read_private_file
from ostiary.errors import Unavailable

KEY_BYTES: Final = 32
_VERSION: Final = b"\x01"
_NONCE: Final = 12
_ID: Final = 4


@dataclass(frozen=True, slots=True)
class FactorKey:
    """What is derived from one secret of 32 bytes. ``id`` says which key opens what was sealed."""

    id: bytes
    sealing: bytes
    marking: bytes

    @classmethod
    def from_secret(cls, secret: bytes) -> "FactorKey":
        """HKDF-SHA256 (RFC 5869), one key for each purpose."""
        return cls(_derived(secret, "id")[:_ID], _derived(secret, "sealing"), _derived(secret, "marking"))


class FactorKeys:
    """The keys of one organisation, at least one."""

    def __init__(self, keys: Sequence[FactorKey], *, random: Callable[[int], bytes] = os.urandom) -> None:
        self._keys = tuple(keys)
        self._first = self._keys[0]
        self._random = random

    def seal(self, secret: bytes, context: str) -> bytes:
        """AES-256-GCM under the first key. It opens with the same ``context`` only: whose it is, and what for."""
        head = _VERSION + self._first.id
        nonce = self._random(_NONCE)
        return head + nonce + AESGCM(self._first.sealing).encrypt(nonce, secret, head + context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """What was sealed. Raises `Unavailable` (``factor.sealed``) when no key opens it, which is the operator's to mend."""
        start = len(_VERSION) + _ID
        head, nonce, content = sealed[:start], sealed[start : start + _NONCE], sealed[start + _NONCE :]
        key = next((key for key in self._keys if _VERSION + key.id == head), None)
        if key is None:
            raise Unavailable("factor.sealed", expected="a key of second_factor.secret_keys", found="none that fits")
        try:
            return AESGCM(key.sealing).decrypt(nonce, content, head + context.encode())
        except (InvalidTag, ValueError):
            raise Unavailable("factor.sealed", expected="what was sealed here", found="something else") from None

    def sign(self, message: bytes) -> bytes:
        """HMAC-SHA256 under the first key."""
        return hmac.digest(self._first.marking, message, hashlib.sha256)

    def verifies(self, message: bytes, given: bytes) -> bool:
        """Whether one of the keys signed it; compares in constant time."""
        expected = (hmac.digest(key.marking, message, hashlib.sha256) for key in self._keys)
        return any(hmac.compare_digest(one, given) for one in expected)


def load_factor_keys(paths: Sequence[Path]) -> FactorKeys:
    """The keys in their order, from private files of 32 bytes or 64 hexadecimal digits.

    Raises `ConfigurationError` (``factor.key_file``, ``config.private_file_*``).
    """
    return FactorKeys([FactorKey.from_secret(_secret(path)) for path in paths])


def _secret(path: Path) -> bytes:
    return key_of_file(path, read_private_file(path, max_bytes=1024), code="factor.key_file", length=KEY_BYTES)


def _derived(secret: bytes, purpose: str) -> bytes:
    info = f"ostiary second factors: {purpose}".encode()
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=info).derive(secret)
