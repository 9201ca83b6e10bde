"""Sessions at one resource: opened after a login, found by their cookie, their attributes renewed, ended. Decides nothing about access.

A session's own entry is written once and taken out when it ends. What changes stands in an entry beside it (``state``), which means
nothing without it, so a late write by another request can't bring an ended session back; it is gone when nobody has used the session
for too long. Both go by a digest of the cookie's token, which is also what the group of a person's sessions holds: who reads a store can
take over none.
"""

import secrets
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from ostiary.errors import Denied, Refusal
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.xml import write_instant
from ostiary.storage.stores import Groups, SessionStore
from ostiary.web.log import Log
from sp_shire.addresses import Addresses
from sp_shire.sessions.records import (
    Login,
    Session,
    dump_session,
    dump_state,
    load_login_of,
    load_session,
)
from sp_shire.sessions.remembered import Read, Remembered
from sp_shire.sessions.visitor import Visitor
from sp_shire.settings import ShireSettings
from sp_shire.shar.learning import ASKED_JUST_NOW, Around, Learning

# How often it is written down that a session was used.
_GRAIN: Final = timedelta(minutes=1)


class SessionKeeper:
    """Authorities are asked as the settings say, and again when attributes have become old. ``visitor`` makes of a session who has it."""

    def __init__(
        self,
        settings: ShireSettings,
        addresses: Addresses,
        store: SessionStore,
        groups: Groups,
        log: Log,
        visitor: Callable[[Session], Visitor],
    ) -> None:
        self._learning = Learning(settings, addresses, log)
        self._groups = groups
        self._times = settings.sessions
        self._store = store
        self._log = log
        self._visitor = visitor
        self._remembered = Remembered()

    def open(self, login: Login, target: str, around: Around, *, address: str = "") -> tuple[str, Session]:
        """A new session and its token (256 random bits); ``address`` is what it is bound to from now on, empty: to nothing.

        Raises what `Learning.at_login` raises.
        """
        now = around.now
        ends = now + self._times.lifetime
        if login.session_ends is not None:
            ends = min(ends, login.session_ends)
        if ends <= now:
            # Within the tolerance for clocks, but no session can be had from it: the browser would go round in circles.
            theirs, ours = write_instant(ends), write_instant(now)
            raise Refusal(
                "saml.expired",
                expected=f"valid at {ours}",
                found=f"SessionNotOnOrAfter {theirs}",
                theirs=theirs,
                ours=ours,
            )
        knowledge = self._learning.at_login(login, target, around)
        session = Session(login, knowledge, now, ends, address)
        token = self.keep(session, now)
        # Last, so that of a login and a logout that cross one sees the other.
        if self._was_logged_out(login, now):
            self.end(token, now)
            raise Refusal("sp.logged_out_meanwhile", expected="an assertion that still counts", found="a LogoutRequest")
        return token, session

    def keep(self, session: Session, now: datetime) -> str:
        """Puts a session into the stores, whatever is known of her; returns its token."""
        token = secrets.token_urlsafe(32)
        key = session_key(token)
        login = session.login
        self._groups.add(_subject(login.issuer, login.name_id), key, expires=session.ends, now=now)
        self._write_state(key, session, now)
        self._store.put(key, dump_session(session), expires=session.ends, now=now)
        return token

    def find(self, token: str, around: Around, *, address: str = "", uses: bool = True) -> Read | None:
        """The session of a cookie's token, its attributes asked for again where they are old; None also where ``address`` is not what the
        session is bound to (empty: that does not count). ``uses``: that is noted, and she may stay longer.

        Raises what `Learning.check` raises.
        """
        now = around.now
        key = session_key(token)
        stored, state = self._store.get_many((key, _state(key)), now)
        if stored is None:
            self._remembered.forget(key)
            return None
        if state is None:
            self._end(key, now)
            return None
        read = self._remembered.get(key, stored, state) or self._read(key, stored, state)
        session = read.session
        if around.registry.idp(session.login.issuer, now) is None:
            # Trust in the home organisation has ended, and with it what it said.
            self._end(key, now)
            return None
        if address and session.address and session.address != address:
            # Whoever holds the cookie there gets nothing; she herself goes on here.
            self._log.warning("session_from_elsewhere", idp=session.login.issuer, bound=session.address, found=address)
            return None
        if now >= session.knowledge.ask_again:
            renewed = self._renewed(key, read, around, uses=uses)
            if renewed is None:
                return None
            read = renewed
        elif uses and now >= session.last_used() + _GRAIN:
            read = self._changed(key, read, replace(session, used=now), now)
        self._learning.check(read.session.knowledge, around.registry, now)
        return read

    def renew(self, token: str, around: Around, *, address: str = "") -> Read | None:
        """As `find`, but all authorities that were asked about this person are asked anew, also before it is time; those that were asked
        just now are not."""
        read = self.find(token, around, address=address)
        if read is None:
            return None
        known = read.session.knowledge
        if not known.queried or around.now < known.at + ASKED_JUST_NOW:
            return read
        renewed = self._renewed(session_key(token), read, around, uses=True, everything=True)
        if renewed is not None:
            self._learning.check(renewed.session.knowledge, around.registry, around.now)
        return renewed

    def stay(self, token: str, now: datetime, *, warned: bool = False) -> None:
        """Notes at once that she is here, and that she was told that the session ends soon (``warned``). Nothing happens without one."""
        key = session_key(token)
        stored, state = self._store.get_many((key, _state(key)), now)
        if stored is not None and state is not None:
            read = self._remembered.get(key, stored, state) or self._read(key, stored, state)
            session = read.session
            self._changed(key, read, replace(session, used=now, warned=warned or session.warned), now)

    def login_of(self, token: str, now: datetime) -> Login | None:
        """The login of the session that there is to end. Asks no Attribute Authority, so signing out works without one."""
        stored = self._store.get(session_key(token), now)
        return load_login_of(stored) if stored is not None else None

    def end(self, token: str, now: datetime) -> Login | None:
        """Ends a session, whatever state it is in; returns the login that began it."""
        return self._end(session_key(token), now)

    def end_all_of(
        self,
        issuer: str,
        name_id: NameId,
        indexes: Collection[str],
        *,
        asked_at: datetime,
        until: datetime,
        now: datetime,
    ) -> int:
        """Ends the sessions of a subject (SAML core 3.7.3.1): those of these session indexes, or with none all of them. Returns how many.

        An assertion that is still on its way begins no session either, until ``until``, if she logged in before ``asked_at``.
        """
        for index in indexes or (None,):
            mark = _logged_out(issuer, name_id, index)
            self._store.put(mark, asked_at.isoformat().encode(), expires=until, now=now)
        ended = 0
        for key in self._groups.members(_subject(issuer, name_id), now):
            stored = self._store.get(key, now)
            login = load_login_of(stored) if stored is not None else None
            if login is None or login.issuer != issuer or not same_subject(login.name_id, name_id):
                continue
            if not indexes or login.session_index in indexes:
                ended += self._end(key, now) is not None
        return ended

    def _was_logged_out(self, login: Login, now: datetime) -> bool:
        indexes = (None,) if login.session_index is None else (None, login.session_index)
        marks = (self._store.get(_logged_out(login.issuer, login.name_id, index), now) for index in indexes)
        return any(
            mark is not None and login.authenticated_at <= datetime.fromisoformat(mark.decode()) for mark in marks
        )

    def _end(self, key: str, now: datetime) -> Login | None:
        stored = self._store.take(key, now)
        self._store.take(_state(key), now)
        self._remembered.forget(key)
        if stored is None:
            return None
        login = load_login_of(stored)
        self._groups.remove(_subject(login.issuer, login.name_id), key)
        return login

    def _read(self, key: str, stored: bytes, state: bytes) -> Read:
        session = load_session(stored, state)
        read = Read(stored, state, session, self._visitor(session))
        self._remembered.put(key, read)
        return read

    def _changed(self, key: str, read: Read, changed: Session, now: datetime) -> Read:
        """Writes down what has changed besides what is known of her; unless somebody else was faster, whose knowledge is newer."""
        if self._store.get(_state(key), now) != read.state:
            return read
        return self._read(key, read.stored, self._write_state(key, changed, now))

    def _renewed(self, key: str, read: Read, around: Around, *, uses: bool, everything: bool = False) -> Read | None:
        """An authority that refuses (the person was disabled, the handle has run out) ends the session."""
        session, now = read.session, around.now
        try:
            knowledge = self._learning.renewed(session.login, session.knowledge, around, everything=everything)
        except Denied as error:
            self._log.info("session_ended_by_authority", idp=session.login.issuer, code=error.code, found=error.found)
            self._end(key, now)
            return None
        changed = replace(session, knowledge=knowledge, used=now if uses else session.used)
        return self._read(key, read.stored, self._write_state(key, changed, now))

    def _write_state(self, key: str, session: Session, now: datetime) -> bytes:
        state = dump_state(session)
        self._store.put(_state(key), state, expires=session.idle_until(self._times.idle), now=now)
        return state


def session_key(token: str) -> str:
    """What a session goes by in the stores: it can't be turned back into the token that the browser holds."""
    return sha256(token.encode()).hexdigest()


def same_subject(ours: NameId, theirs: NameId) -> bool:
    """Whether two NameIDs name the same subject (SAML core 3.3.4); what one of them leaves out counts as said."""
    if ours.value != theirs.value:
        return False
    if (ours.format or names.UNSPECIFIED_NAMEID) != (theirs.format or names.UNSPECIFIED_NAMEID):
        return False
    qualifiers = (
        (ours.name_qualifier, theirs.name_qualifier),
        (ours.sp_name_qualifier, theirs.sp_name_qualifier),
    )
    return all(one is None or other is None or one == other for one, other in qualifiers)


def _subject(issuer: str, name_id: NameId) -> str:
    return f"{len(issuer)} {issuer} {name_id.value}"


def _logged_out(issuer: str, name_id: NameId, index: str | None) -> str:
    subject = _subject(issuer, name_id)
    return f"logged out {len(subject)} {subject} {'all' if index is None else f'index {index}'}"


def _state(key: str) -> str:
    return f"{key} state"
