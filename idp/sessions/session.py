"""The single sign-on session: who logged in, when and how, under a random token that only her browser holds.

The record is written once and never again, so a session that was ended can't come back by a request that was under way. When it
was last used stands beside it.
"""

import json
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ostiary.ports import People
from ostiary.storage.stores import SessionStore

_COARSE: Final = 20
"""The time of the last use is written at most this often in one idle period."""


@dataclass(frozen=True, slots=True)
class LoginProof:
    """She proved who she is, or that she still is, by one method (``password``, ``kerberos``, ``certificate``, ``front_end``, ``passkey``,
    ``totp``, ``recovery_code``). ``turn`` names the sign-on during which she did, for requests that force a login."""

    method: str
    at: datetime
    turn: str | None = None


@dataclass(frozen=True, slots=True)
class SsoSession:
    """``id`` stays the same when a proof is added under a new token; ``proofs`` holds the latest of each method; ``ends`` (exclusive):
    when the session ends however much it is used; ``authority``: index of the Attribute Authority that knows her."""

    id: str
    principal: str
    proofs: tuple[LoginProof, ...]
    ends: datetime
    authority: int = 0

    @property
    def authn_instant(self) -> datetime:
        """The latest of the proofs."""
        return max(proof.at for proof in self.proofs)


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

    def start(self, principal: str, proof: LoginProof, *, now: datetime) -> tuple[str, SsoSession]:
        """A new session and its token (256 random bits, base64url). A token is never used for a second login."""
        session = SsoSession(secrets.token_hex(16), principal, (proof,), now + self._lifetimes.absolute)
        return self._keep(session, now), session

    def add_proof(self, token: str, session: SsoSession, proof: LoginProof, *, now: datetime) -> tuple[str, SsoSession]:
        """The same session with one more proof, under a new token; the old one ends. A proof of the same method takes the other's place."""
        kept = tuple(known for known in session.proofs if known.method != proof.method)
        stronger = replace(session, proofs=(*kept, proof))
        self.end(token, now)
        return self._keep(stronger, now), stronger

    def _keep(self, session: SsoSession, now: datetime) -> str:
        token = secrets.token_urlsafe(32)
        self._store.put(_record(token), _to_bytes(session), expires=session.ends, now=now)
        self._note_use(token, session, now)
        return token

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
            "id": session.id,
            "principal": session.principal,
            "proofs": [[proof.method, proof.at.isoformat(), proof.turn] for proof in session.proofs],
            "ends": session.ends.isoformat(),
            "authority": session.authority,
        }
    ).encode()


def _from_bytes(stored: bytes) -> SsoSession:
    read = json.loads(stored)
    return SsoSession(
        read["id"],
        read["principal"],
        tuple(LoginProof(method, datetime.fromisoformat(at), turn) for method, at, turn in read["proofs"]),
        datetime.fromisoformat(read["ends"]),
        read["authority"],
    )
