"""The handle: an opaque name for a person, minted by the Handle Service for one requester and a short time.

AES-256-GCM with a random nonce, so that any node with the key opens it without shared state and nobody else learns anything from
it: two handles of one person have nothing in common but the key id. Opening says who is meant; whether that person is still
active is the opener's question to the directory, at each use.
"""

import base64
import binascii
import hashlib
import hmac
import os
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ostiary.config import Sources, key_of_file, read_private_file
from ostiary.errors import ConfigurationError, Refusal

VERSION: Final = 1
KEY_BYTES: Final = 32
MAXIMUM_PRINCIPAL: Final = 64
_ATTEMPTS: Final = 10
_PAUSE: Final = 0.02
_NONCE: Final = 12
_PREFIX: Final = struct.Struct(">B4s")  # version, key id: in the clear, authenticated
_CONTENT: Final = struct.Struct(f">16sHQB{MAXIMUM_PRINCIPAL}s")  # requester, AA index, expiry, length, principal padded


@dataclass(frozen=True, slots=True)
class HandleKey:
    """A 32-byte secret. Its ``id``, four bytes of a hash, says which key opens a handle; ``cipher`` is ready to use, by any thread."""

    secret: bytes
    id: bytes = field(init=False, compare=False)
    cipher: AESGCM = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise Refusal("handle.key", expected=f"{KEY_BYTES} bytes", found=f"{len(self.secret)} bytes")
        # Once for each key, not for each handle.
        object.__setattr__(self, "id", hashlib.sha256(b"ostiary handle key\x00" + self.secret).digest()[:4])
        object.__setattr__(self, "cipher", AESGCM(self.secret))


@dataclass(frozen=True, slots=True)
class Handle:
    """What a handle says to those who can open it. ``expires`` is exclusive."""

    principal: str
    authority: int
    expires: datetime


def mint(
    key: HandleKey,
    *,
    principal: str,
    requester: str,
    expires: datetime,
    authority: int = 0,
    random: Callable[[int], bytes] = os.urandom,
) -> str:
    """A handle for ``requester`` (entityID). ``principal`` has at most 64 bytes; ``authority`` is the index of the owning AA."""
    encoded = principal.encode()
    if not 0 < len(encoded) <= MAXIMUM_PRINCIPAL:
        raise Refusal("handle.principal", expected=f"1 to {MAXIMUM_PRINCIPAL} bytes", found=len(encoded))
    prefix = _PREFIX.pack(VERSION, key.id)
    nonce = random(_NONCE)
    content = _CONTENT.pack(_requester_hash(requester), authority, int(expires.timestamp()), len(encoded), encoded)
    sealed = key.cipher.encrypt(nonce, content, prefix)
    return base64.urlsafe_b64encode(prefix + nonce + sealed).rstrip(b"=").decode("ascii")


def open_handle(keys: Sequence[HandleKey], handle: str, *, requester: str, now: datetime) -> Handle:
    """What the handle says. Raises `Refusal`: ``handle.forged``, ``handle.other_requester`` or ``handle.expired``; the difference is for
    the log, a requester is told only that the principal is unknown."""
    sealed = _decode(handle)
    prefix, nonce, sealed = (
        sealed[: _PREFIX.size],
        sealed[_PREFIX.size : _PREFIX.size + _NONCE],
        sealed[_PREFIX.size + _NONCE :],
    )
    _, key_id = _PREFIX.unpack(prefix)
    key = next((key for key in keys if key.id == key_id), None)
    if key is None or prefix[0] != VERSION:
        raise Refusal("handle.forged", expected="a handle of this organisation", found="an unknown version or key id")
    try:
        content = key.cipher.decrypt(nonce, sealed, prefix)
    except InvalidTag:
        raise Refusal(
            "handle.forged", expected="a handle of this organisation", found="a handle that does not open"
        ) from None
    owner, authority, expires, length, padded = _CONTENT.unpack(content)
    if owner != _requester_hash(requester):
        raise Refusal("handle.other_requester", expected="the requester for which it was minted", found=requester)
    end = datetime.fromtimestamp(expires, UTC)
    if now >= end:
        raise Refusal("handle.expired", expected=f"before {end.isoformat()}", found=now.isoformat())
    return Handle(padded[:length].decode(), authority, end)


def _decode(handle: str) -> bytes:
    size = _PREFIX.size + _NONCE + _CONTENT.size + 16
    if len(handle) <= 256:
        try:
            raw = base64.b64decode(handle.encode("ascii") + b"=" * (-len(handle) % 4), altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error):
            raw = b""
        # One handle has one spelling: trailing bits that base64 would ignore are refused.
        if len(raw) == size and base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") == handle:
            return raw
    raise Refusal("handle.forged", expected=f"{size} bytes in base64url", found="something else")


def _requester_hash(requester: str) -> bytes:
    return hashlib.sha256(requester.encode()).digest()[:16]


def derived_secrets(keys: Sequence[HandleKey], purpose: bytes) -> tuple[bytes, ...]:
    """A secret of 32 bytes from each key, for another purpose of the same nodes: that of the minting key first."""
    return tuple(hmac.digest(key.secret, b"ostiary " + purpose, hashlib.sha256) for key in keys)


def load_handle_keys(paths: Sequence[Path], sources: Sources | None = None) -> tuple[HandleKey, ...]:
    """The handle keys in their order. A path is a file with one key, or a directory with ``current.key`` and perhaps ``next.key`` and
    ``retired-*.key``, in this order (`ostiary.handle_rotation` moves them on). Raises `ConfigurationError` (``handle.key_file``,
    ``config.private_file_*``)."""
    if sources is not None:
        for path in paths:
            _note(path, sources)
    for attempt in range(_ATTEMPTS):
        before = Sources()
        for path in paths:
            _note(path, before)
        files = [file for path in paths for file in handle_key_files(path)]
        try:
            keys = [
                HandleKey(key_of_file(file, read_private_file(file, max_bytes=1024), code="handle.key_file"))
                for file in files
            ]
        except ConfigurationError:
            # One that was renamed while we read has a new name by now.
            if not before.changed() or attempt == _ATTEMPTS - 1:
                raise
        else:
            if not before.changed() or attempt == _ATTEMPTS - 1:
                break
        time.sleep(_PAUSE)
    return tuple(dict.fromkeys(keys))


def handle_key_files(path: Path) -> tuple[Path, ...]:
    """The files of a path that the configuration names: itself, or those of a directory."""
    if not path.is_dir():
        return (path,)
    following = path / "next.key"
    retired = sorted(path.glob("retired-*.key"), reverse=True)
    return (path / "current.key", *((following,) if following.exists() else ()), *retired)


def _note(path: Path, sources: Sources) -> None:
    sources.note(path)
    if path.is_dir():
        sources.note(path / "next.key")
        for file in handle_key_files(path):
            sources.note(file)
