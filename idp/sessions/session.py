"""The single sign-on session: who logged in, when and how, under a random token that only her browser holds.

The record is written once and never again, so a session that was ended can't come back by a request that was under way. When it
was last used stands beside it.
"""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ostiary.ports import People
from ostiary.storage.stores import SessionStore

_COARSE: Final = 20
"""The time of the last use is written at most this often in one idle period."""


@dataclass(frozen=True, slots=True)
class SsoSession:
    """``authn_instant``: when she proved who she is; ``ends`` (exclusive): when the session ends however much it is used."""

    principal: str
    authn_instant: datetime
    context_class: str
    ends: datetime


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """``idle``: a session that nobody uses ends after this; ``absolute``: any session ends after this."""

    idle: timedelta = timedelta(hours=2)
    absolute: timedelta = timedelta(hours=10)


class Sessions:
    """The sessions of one IdP. Each use asks whether the person is still active."""

    def __init__(self, store: SessionStore, people: People, lifetimes: Lifetimes) -> None:
        self._store = store
        self._people = people
        self._lifetimes = lifetimes

    def start(self, principal: str, context_class: str, *, now: datetime) -> tuple[str, SsoSession]:
        """A new session and its token (256 random bits, base64url). A token is never used for a second login."""
        token = secrets.token_urlsafe(32)
        session = SsoSession(principal, now, context_class, now + self._lifetimes.absolute)
        self._store.put(_record(token), _to_bytes(session), expires=session.ends, now=now)
        self._note_use(token, session, now)
        return token, session

    def find(self, token: str, now: datetime) -> SsoSession | None:
        """The session of this token while it lives and its person is active. Raises `Unavailable` when that can't be found out."""
        last_use = self._store.get(_use(token), now)
        stored = self._store.get(_record(token), now) if last_use is not None else None
        if last_use is None or stored is None:
            return None
        session = _from_bytes(stored)
        if not self._people.is_active(session.principal):
            self.end(token, now)
            return None
        if now - datetime.fromisoformat(last_use.decode("ascii")) >= self._lifetimes.idle / _COARSE:
            self._note_use(token, session, now)
        return session

    def end(self, token: str, now: datetime) -> SsoSession | None:
        """Ends the session; returns what it was, None when there was none."""
        stored = self._store.take(_record(token), now)
        self._store.take(_use(token), now)
        return _from_bytes(stored) if stored is not None else None

    def _note_use(self, token: str, session: SsoSession, now: datetime) -> None:
        expires = min(session.ends, now + self._lifetimes.idle)
        self._store.put(_use(token), now.isoformat().encode("ascii"), expires=expires, now=now)


def _record(token: str) -> str:
    return f"idp session {token}"


def _use(token: str) -> str:
    return f"idp session use {token}"


def _to_bytes(session: SsoSession) -> bytes:
    return json.dumps(
        {
            "principal": session.principal,
            "authn_instant": session.authn_instant.isoformat(),
            "context_class": session.context_class,
            "ends": session.ends.isoformat(),
        }
    ).encode()


def _from_bytes(stored: bytes) -> SsoSession:
    read = json.loads(stored)
    return SsoSession(
        read["principal"],
        datetime.fromisoformat(read["authn_instant"]),
        read["context_class"],
        datetime.fromisoformat(read["ends"]),
    )
