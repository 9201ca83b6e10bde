"""Hashes and checks passwords with argon2id (RFC 9106). Never logs a password, never says why a check failed.

A check costs the same whether or not there is somebody to check against, except against a hash of other parameters than the present
ones: until each person has logged in once after a change of parameters (`Checked.replacement`), the time of a wrong answer tells
whoever measures it which names have an old hash, and so exist. Those who never log in need a new password to end that.
"""

import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from ostiary.errors import Refusal, Unavailable

MAXIMUM_PASSWORD: Final = 1_024


@dataclass(frozen=True, slots=True)
class Argon2Parameters:
    """RFC 9106 section 4, second recommended option, unless told otherwise. ``memory`` in KiB."""

    time_cost: int = 3
    memory: int = 65_536
    parallelism: int = 4


@dataclass(frozen=True, slots=True)
class Checked:
    """The answer of a check. ``replacement`` is the same password hashed anew, where the stored hash has other parameters."""

    right: bool
    replacement: str | None = None


class Passwords:
    """Hashes and checks. At most ``concurrent`` of these run at a time, each with ``memory`` KiB; others wait up to ``patience``."""

    def __init__(
        self,
        parameters: Argon2Parameters = Argon2Parameters(),
        *,
        concurrent: int = 4,
        patience: timedelta = timedelta(seconds=10),
    ) -> None:
        self._hasher = PasswordHasher(
            time_cost=parameters.time_cost,
            memory_cost=parameters.memory,
            parallelism=parameters.parallelism,
            type=Type.ID,
        )
        self._places = threading.BoundedSemaphore(concurrent)
        self._patience = patience
        # What a check is made against when there is nobody: nobody knows its password.
        self._dummy = self._hasher.hash(secrets.token_bytes(32))

    def hash(self, password: str) -> str:
        """The argon2id hash to store. Raises `Refusal` (``password.empty``, ``password.too_long``, ``password.unreadable``) before
        any work, `Unavailable` (``password.busy``)."""
        prepared = prepared_password(password)
        if not prepared:
            raise Refusal("password.empty", expected="a password", found="nothing")
        with self._place():
            return self._hasher.hash(prepared)

    def check(self, stored: str | None, password: str) -> Checked:
        """Whether the password belongs to the stored hash; with None (nobody, or no password) it costs what a hash of the present
        parameters costs, and is wrong.

        Raises as `hash`, but for an empty password, which is wrong.
        """
        prepared = prepared_password(password)
        with self._place():
            if not self._verify(stored or self._dummy, prepared) or stored is None:
                return Checked(False)
            if self._hasher.check_needs_rehash(stored):
                return Checked(True, self._hasher.hash(prepared))
            return Checked(True)

    def _verify(self, stored: str, prepared: bytes) -> bool:
        try:
            return self._hasher.verify(stored, prepared)
        except VerificationError:
            return False
        except InvalidHashError:
            # A row that another program wrote: as wrong as any other password, and as slow.
            self._verify(self._dummy, prepared)
            return False

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=self._patience.total_seconds()):
            raise Unavailable("password.busy", expected="a free place for a check", found="all of them taken")
        try:
            yield
        finally:
            self._places.release()


def prepared_password(password: str) -> bytes:
    """RFC 8265 4.2.2: one spelling (NFC) for what two keyboards write differently. Bounded before anything is computed.

    Raises `Refusal` (``password.too_long``, ``password.unreadable``).
    """
    if len(password) > MAXIMUM_PASSWORD:
        raise _too_long()
    try:
        prepared = unicodedata.normalize("NFC", password).encode()
    except UnicodeEncodeError:
        raise Refusal("password.unreadable", expected="Unicode text", found="something else") from None
    if len(prepared) > MAXIMUM_PASSWORD:
        raise _too_long()
    return prepared


def _too_long() -> Refusal:
    return Refusal(
        "password.too_long", expected=f"at most {MAXIMUM_PASSWORD} bytes", found="more", maximum=MAXIMUM_PASSWORD
    )
