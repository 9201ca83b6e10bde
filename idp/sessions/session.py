"""The single sign-on session: who logged in, when and how, under a random token that only her browser holds.

A session is one row, made once and deleted when it ends; nothing that was under way brings it back. The SPs that took part stand beside
it and go with it.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, bindparam, delete, insert, null, select, update

from idp.accounts.active import active_of
from idp.sessions.participants import Participant, insert_participant, participants_of
from idp.sessions.tables import sso_participant, sso_session
from idp.sessions.whereabouts import NOWHERE, Whereabouts
from ostiary.errors import NotAuthenticated
from ostiary.ports import People
from ostiary.saml.assertion import NameId
from ostiary.storage.engine import reading, writing
from ostiary.storage.prepared import PreparedSelect
from ostiary.storage.sweeping import Sweeper

_COARSE: Final = 20
"""The time of the last use is written at most this often in one idle period."""

MAXIMUM_LISTED: Final = 100


def _by_token(active: ColumnElement[Any]) -> PreparedSelect:
    """Made once: the look-up stands in the way of every sign-on. ``active``: whether the person is, as far as this database knows."""
    return PreparedSelect(
        select(
            sso_session.c.id,
            sso_session.c.principal,
            sso_session.c.proofs,
            sso_session.c.ends,
            sso_session.c.authority,
            sso_session.c.used,
            sso_session.c.idle_seconds,
            active.label("active"),
        ).where(sso_session.c.token_hash == bindparam("hash"), sso_session.c.expires > bindparam("now"))
    )


_BY_TOKEN: Final = _by_token(null())
_BY_TOKEN_WITH_PERSON: Final = _by_token(active_of(sso_session.c.principal).scalar_subquery())
_NOTE_USE: Final = (
    update(sso_session)
    .where(sso_session.c.id == bindparam("known"))
    .values(used=bindparam("now"), expires=bindparam("until"))
)


# One of each of the next two is made for every sign-on, and a frozen dataclass takes three times as long to be made.
class LoginProof(NamedTuple):
    """She proved who she is, or that she still is, by one method (``password``, ``kerberos``, ``certificate``, ``front_end``, ``passkey``,
    ``totp``, ``recovery_code``). ``turn`` names the sign-on during which she did, for requests that force a login."""

    method: str
    at: datetime
    turn: str | None = None


class SsoSession(NamedTuple):
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
class ListedSession:
    """A session as its owner sees it in a list. ``used`` is right to a twentieth of the idle period."""

    id: str
    started: datetime
    used: datetime
    shared: bool
    where: Whereabouts
    sps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """A session that was just ended, and who took part in it."""

    id: str
    principal: str
    participants: tuple[Participant, ...]


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """``idle``: a session that nobody uses ends after this; ``absolute``: any session ends after this; the same on a shared computer."""

    idle: timedelta = timedelta(hours=2)
    absolute: timedelta = timedelta(hours=10)
    shared_idle: timedelta = timedelta(minutes=10)
    shared_absolute: timedelta = timedelta(hours=2)

    def of(self, *, shared: bool) -> tuple[timedelta, timedelta]:
        """Idle and absolute lifetime. A shared computer never makes a session longer."""
        if not shared:
            return self.idle, self.absolute
        return min(self.idle, self.shared_idle), min(self.absolute, self.shared_absolute)


class Sessions:
    """The sessions of one IdP. Each use asks whether the person is still active. Each method raises `Unavailable` while the database does
    not answer."""

    def __init__(
        self, engine: Engine, people: People, lifetimes: Callable[[], Lifetimes], *, embedded: bool = False
    ) -> None:
        """``embedded``: all of the ``people`` are those of the embedded directory in the same database, which then says of a session and
        of its person at once."""
        self._engine = engine
        self._by_token = _BY_TOKEN_WITH_PERSON if embedded else _BY_TOKEN
        self._people = people
        self._lifetimes = lifetimes
        self._sweeper = Sweeper(engine, sso_session.c.id, sso_session.c.ends, one_by_one=True)

    def start(
        self,
        principal: str,
        proof: LoginProof,
        *,
        now: datetime,
        authority: int = 0,
        shared: bool = False,
        where: Whereabouts = NOWHERE,
        instead_of: str | None = None,
    ) -> tuple[str, SsoSession]:
        """A new session and its token (256 random bits, base64url). A token is never used for a second login.

        ``shared``: others use this computer. ``instead_of``: the token that this browser had before; that session ends. Where it was hers
        (it had merely become idle), the SPs of it are this session's, so that a logout reaches them.
        """
        idle, absolute = self._lifetimes().of(shared=shared)
        session = SsoSession(secrets.token_hex(16), principal, (proof,), now + absolute, authority)
        token = secrets.token_urlsafe(32)
        row = {
            "id": session.id,
            "token_hash": _hash(token),
            "principal": principal,
            "authority": authority,
            "proofs": _dump(session.proofs),
            "started": now,
            "used": now,
            "expires": min(session.ends, now + idle),
            "ends": session.ends,
            "idle_seconds": max(1, int(idle.total_seconds())),
            "shared": shared,
            "browser": where.browser,
            "network": where.network,
        }
        with writing(self._engine) as connection:
            connection.execute(insert(sso_session).values(row))
            if instead_of is not None:
                _replace(connection, instead_of, session)
        self._sweeper.sweep(now)
        return token, session

    def add_proof(self, token: str, session: SsoSession, proof: LoginProof, *, now: datetime) -> tuple[str, SsoSession]:
        """The same session with one more proof, under a new token; the old one ends. A proof of the same method takes the other's place.

        Raises `NotAuthenticated` (``session.ended``) when it was ended meanwhile, from another browser for instance.
        """
        kept = tuple(known for known in session.proofs if known.method != proof.method)
        stronger, new = session._replace(proofs=(*kept, proof)), secrets.token_urlsafe(32)
        # By its id: of a double click both halves get a token, and the browser keeps the second.
        changed = update(sso_session).where(sso_session.c.id == session.id, sso_session.c.ends > now)
        with writing(self._engine) as connection:
            values = {"token_hash": _hash(new), "proofs": _dump(stronger.proofs)}
            if connection.execute(changed.values(values)).rowcount != 1:
                raise NotAuthenticated("session.ended", expected="a session", found="one that was ended meanwhile")
        return new, stronger

    def find(self, token: str, now: datetime) -> SsoSession | None:
        """The session of this token while it lives and its person is active. Raises `Unavailable` when that can't be found out."""
        row = self._by_token.one(self._engine, {"hash": _hash(token), "now": now})
        if row is None:
            return None
        if not (row.active or self._people.is_active(row.principal)):
            self.end_one(row.principal, row.id)
            return None
        idle = timedelta(seconds=row.idle_seconds)
        if now - row.used >= idle / _COARSE:
            with writing(self._engine) as connection:
                # Does nothing where the session was ended meanwhile.
                used = {"known": row.id, "now": now, "until": min(row.ends, now + idle)}
                connection.execute(_NOTE_USE, used)
        return SsoSession(row.id, row.principal, _load(row.proofs), row.ends, row.authority)

    def id_of(self, token: str) -> str | None:
        """The id of this token's session, though nobody may have used it for too long; None when it was ended."""
        wanted = select(sso_session.c.id).where(sso_session.c.token_hash == _hash(token))
        with reading(self._engine) as connection:
            return connection.execute(wanted).scalar_one_or_none()

    def end(self, token: str, now: datetime) -> SsoSession | None:
        """Ends the session; returns what it was, None when there was none."""
        with writing(self._engine) as connection:
            wanted = select(sso_session).where(sso_session.c.token_hash == _hash(token), sso_session.c.ends > now)
            row = connection.execute(wanted.with_for_update()).one_or_none()
            if row is None:
                return None
            connection.execute(delete(sso_session).where(sso_session.c.id == row.id))
        return SsoSession(row.id, row.principal, _load(row.proofs), row.ends, row.authority)

    def end_one(self, principal: str, session_id: str) -> Ended | None:
        """Ends this session if it is this person's."""
        with writing(self._engine) as connection:
            ended = end_sessions(connection, principal, only_id=session_id)
        return ended[0] if ended else None

    def end_all(self, principal: str, *, except_id: str | None = None) -> tuple[Ended, ...]:
        """Ends all sessions of a person, but for the one with this id."""
        with writing(self._engine) as connection:
            return end_sessions(connection, principal, except_id=except_id)

    def of(self, principal: str, now: datetime) -> tuple[ListedSession, ...]:
        """Her sessions that live, the latest used first, at most `MAXIMUM_LISTED`."""
        alive = (sso_session.c.principal == principal, sso_session.c.expires > now)
        wanted = select(sso_session).where(*alive).order_by(sso_session.c.used.desc()).limit(MAXIMUM_LISTED)
        with reading(self._engine) as connection:
            rows = connection.execute(wanted).all()
            took_part = select(sso_participant.c.session_id, sso_participant.c.sp).distinct()
            known = sso_participant.c.session_id.in_([row.id for row in rows])
            sps: dict[str, list[str]] = {}
            for session_id, sp in connection.execute(took_part.where(known).order_by(sso_participant.c.sp)):
                sps.setdefault(session_id, []).append(sp)
        return tuple(_listed(row, tuple(sps.get(row.id, ()))) for row in rows)

    def sps_of(self, session_id: str) -> tuple[str, ...]:
        """The SPs (entityIDs) that took part in a session."""
        wanted = select(sso_participant.c.sp).distinct().where(sso_participant.c.session_id == session_id)
        with reading(self._engine) as connection:
            return tuple(connection.execute(wanted.order_by(sso_participant.c.sp)).scalars())

    def note_participant(
        self,
        session_id: str,
        sp: str,
        name_id: NameId,
        session_index: str,
        now: datetime,
        *,
        connection: Connection | None = None,
    ) -> bool:
        """A Response goes out: this SP (entityID) takes part in the session, and knows her by this NameID and SessionIndex.

        Call it before the Response is sent, in the transaction of ``connection`` where one is open. False when the session was ended
        meanwhile: then nothing may be sent, for no logout would reach it.
        """
        if connection is not None:
            return insert_participant(connection, session_id, sp, name_id, session_index, now)
        with writing(self._engine) as own:
            return insert_participant(own, session_id, sp, name_id, session_index, now)


def end_sessions(
    connection: Connection, principal: str, *, only_id: str | None = None, except_id: str | None = None
) -> tuple[Ended, ...]:
    """Ends sessions of a person in the caller's transaction: when she is disabled, for instance."""
    of_person = [sso_session.c.principal == principal]
    if only_id is not None:
        of_person.append(sso_session.c.id == only_id)
    if except_id is not None:
        of_person.append(sso_session.c.id != except_id)
    return end_rows(connection, select(sso_session.c.id, sso_session.c.principal).where(*of_person))


def end_rows(connection: Connection, wanted: "Select[tuple[str, str]]") -> tuple[Ended, ...]:
    """Ends the sessions that ``wanted`` (id and principal) selects, in the caller's transaction.

    Each row is locked first, so that an SP that is noted at the same time is told of the logout, or is never answered.
    """
    rows = connection.execute(wanted.order_by(sso_session.c.id).with_for_update()).all()
    ended = tuple(Ended(row.id, row.principal, participants_of(connection, row.id)) for row in rows)
    if ended:
        connection.execute(delete(sso_session).where(sso_session.c.id.in_([session.id for session in ended])))
    return ended


def _replace(connection: Connection, token: str, session: SsoSession) -> None:
    wanted = select(sso_session.c.id, sso_session.c.principal).where(sso_session.c.token_hash == _hash(token))
    old = connection.execute(wanted.with_for_update()).one_or_none()
    if old is None:
        return
    if old.principal == session.principal:
        hers = update(sso_participant).where(sso_participant.c.session_id == old.id)
        connection.execute(hers.values(session_id=session.id))
    connection.execute(delete(sso_session).where(sso_session.c.id == old.id))


def _listed(row: "Row[tuple[object, ...]]", sps: tuple[str, ...]) -> ListedSession:
    return ListedSession(row.id, row.started, row.used, row.shared, Whereabouts(row.browser, row.network), sps)


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _dump(proofs: tuple[LoginProof, ...]) -> str:
    return json.dumps([[proof.method, proof.at.isoformat(), proof.turn] for proof in proofs])


def _load(proofs: str) -> tuple[LoginProof, ...]:
    return tuple([LoginProof(method, datetime.fromisoformat(at), turn) for method, at, turn in json.loads(proofs)])
