"""Challenges of passkey ceremonies, in the session store: each for one purpose and one sign-on or session, good once."""

import secrets
from datetime import datetime, timedelta
from typing import Final, Literal

from ostiary.errors import Refusal
from ostiary.storage.stores import SessionStore

CHALLENGE_BYTES: Final = 32
# As long as a login page may stay open: its challenge is asked for when it opens (conditional mediation).
LIFETIME: Final = timedelta(minutes=30)

Purpose = Literal["register", "second_factor", "passwordless"]


class Challenges:
    """``bound`` is what nobody else's browser can bring: the ticket of a sign-on, which is checked against the browser, or the id of a
    session. A new challenge takes the place of the one before."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    def issue(self, purpose: Purpose, bound: str, now: datetime) -> bytes:
        """32 random bytes."""
        challenge = secrets.token_bytes(CHALLENGE_BYTES)
        self._store.put(_key(purpose, bound), challenge, expires=now + LIFETIME, now=now)
        return challenge

    def take(self, purpose: Purpose, bound: str, now: datetime) -> bytes:
        """The challenge, which is gone with that. Raises `Refusal` (``passkey.challenge``)."""
        challenge = self._store.take(_key(purpose, bound), now)
        if challenge is None:
            raise Refusal("passkey.challenge", expected="a ceremony under way", found="none, or one that expired")
        return challenge


def _key(purpose: Purpose, bound: str) -> str:
    return f"idp passkey {purpose} {bound}"
