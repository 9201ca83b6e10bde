"""Sessions at one resource: opened after a login, found by their cookie, their attributes renewed, ended. Decides nothing about access.

A session's own entry is written once and taken out when it ends. What changes stands in entries beside it (``used``, ``knowledge``),
which mean nothing without it, so a late write by another request can't bring an ended session back. All of them go by a digest of the
cookie's token, which is also what the group of a person's sessions holds: who reads a store can take over none.
"""

import secrets
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from ostiary.attributes import Attributes
from ostiary.errors import Denied, OstiaryError, Refusal, Unavailable
from ostiary.federation.model import Entity
from ostiary.federation.registry import Registry
from ostiary.policy.acceptance import AcceptancePolicy, Issuer, Scope, accept
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.xml import write_instant
from ostiary.storage.stores import Groups, SessionStore
from ostiary.web.log import Log
from sp_shire.addresses import Addresses
from sp_shire.sessions.records import (
    Knowledge,
    Login,
    Session,
    dump_knowledge,
    dump_session,
    load_login_of,
    load_session,
)
from sp_shire.settings import ShireSettings
from sp_shire.shar.query import Shar

# How often it is written down that a session was used.
_GRAIN: Final = timedelta(minutes=1)
_RETRY: Final = timedelta(minutes=1)


class SessionKeeper:
    """``shar`` is asked when a Response brought no attributes, and again when they have become old."""

    def __init__(
        self, settings: ShireSettings, addresses: Addresses, store: SessionStore, groups: Groups, log: Log
    ) -> None:
        self._settings = settings
        self._groups = groups
        self._times = settings.sessions
        self._store = store
        self._log = log
        self._origin = addresses.origin

    def open(
        self, login: Login, target: str, registry: Registry, policy: AcceptancePolicy, shar: Shar, now: datetime
    ) -> tuple[str, Session]:
        """A new session and its token (256 random bits). Raises what the attribute query raises."""
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
        if login.attributes or self._settings.attributes_from == "response":
            knowledge = self._accepted(login.issuer, login.attributes, False, registry, policy, now)
        else:
            found = self._query(login, self._origin + target, registry, shar, now)
            knowledge = self._accepted(login.issuer, found, True, registry, policy, now)
        session = Session(login, knowledge, now, ends)
        token = secrets.token_urlsafe(32)
        key = session_key(token)
        self._groups.add(_subject(login.issuer, login.name_id), key, expires=ends, now=now)
        self._write_knowledge(key, session, now)
        self._store.put(_used(key), now.isoformat().encode(), expires=min(ends, now + self._times.idle), now=now)
        self._store.put(key, dump_session(session), expires=ends, now=now)
        # Last, so that of a login and a logout that cross one sees the other.
        if self._was_logged_out(login, now):
            self._end(key, now)
            raise Refusal("sp.logged_out_meanwhile", expected="an assertion that still counts", found="a LogoutRequest")
        return token, session

    def find(
        self, token: str, registry: Registry, policy: AcceptancePolicy, shar: Shar, now: datetime
    ) -> Session | None:
        """The session of a cookie's token, its use noted, its attributes asked for again where they are old."""
        key = session_key(token)
        stored = self._store.get(key, now)
        if stored is None:
            return None
        used = self._store.get(_used(key), now)
        knowledge = self._store.get(_knowledge(key), now)
        if used is None or knowledge is None:
            self._end(key, now)
            return None
        session = load_session(stored, knowledge)
        if registry.idp(session.login.issuer, now) is None:
            # Trust in the home organisation has ended, and with it what it said.
            self._end(key, now)
            return None
        if now >= datetime.fromisoformat(used.decode()) + _GRAIN:
            expires = min(session.ends, now + self._times.idle)
            self._store.put(_used(key), now.isoformat().encode(), expires=expires, now=now)
        if session.knowledge.queried and now >= session.knowledge.ask_again:
            return self._renewed(key, session, registry, policy, shar, now)
        return self._fresh_enough(session, now)

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
        self._store.take(_knowledge(key), now)
        self._store.take(_used(key), now)
        if stored is None:
            return None
        login = load_login_of(stored)
        self._groups.remove(_subject(login.issuer, login.name_id), key)
        return login

    def _renewed(
        self, key: str, session: Session, registry: Registry, policy: AcceptancePolicy, shar: Shar, now: datetime
    ) -> Session | None:
        """An authority that refuses (the person was disabled, the handle has run out) ends the session; one that does not answer is
        borne for a while."""
        login, known = session.login, session.knowledge
        try:
            found = self._query(login, None, registry, shar, now)
            renewed = self._accepted(login.issuer, found, True, registry, policy, now)
        except Denied as error:
            self._log.info("session_ended_by_authority", idp=login.issuer, code=error.code, found=error.found)
            self._end(key, now)
            return None
        except OstiaryError as error:
            self._log.warning("attributes_not_renewed", idp=login.issuer, code=error.code, found=error.found)
            # Also when they are too old to serve: until the next try nobody waits for an authority that does not answer.
            renewed = replace(known, ask_again=now + _RETRY)
        changed = replace(session, knowledge=renewed)
        self._write_knowledge(key, changed, now)
        return self._fresh_enough(changed, now)

    def _fresh_enough(self, session: Session, now: datetime) -> Session:
        """Raises `Unavailable` (``sp.attributes_too_old``) where the authority has not answered for too long."""
        if session.knowledge.queried and now >= session.knowledge.at + self._times.attributes_at_most:
            raise Unavailable(
                "sp.attributes_too_old", expected=f"an answer since {session.knowledge.at.isoformat()}", found="none"
            )
        return session

    def _query(self, login: Login, target: str | None, registry: Registry, shar: Shar, now: datetime) -> Attributes:
        role = registry.aa(login.issuer, now)
        return shar.query(login.issuer, role, login.name_id, target, now) if role is not None else ()

    def _accepted(
        self, issuer: str, found: Attributes, queried: bool, registry: Registry, policy: AcceptancePolicy, now: datetime
    ) -> Knowledge:
        entity = registry.get(issuer, now)
        believed = accept(policy, _issuer(issuer, entity), found, at=now, audience=self._settings.entity_id)
        return Knowledge(
            attributes=believed.attributes,
            withheld=tuple((v.attribute, str(v.value), v.reason) for v in believed.verdicts if not v.accepted),
            rules=tuple(dict.fromkeys((v.name, v.rule) for v in believed.verdicts if v.accepted)),
            queried=queried,
            at=now,
            ask_again=now + self._times.attributes,
        )

    def _write_knowledge(self, key: str, session: Session, now: datetime) -> None:
        self._store.put(_knowledge(key), dump_knowledge(session.knowledge), expires=session.ends, now=now)


def _issuer(entity_id: str, entity: Entity | None) -> Issuer:
    if entity is None:
        return Issuer(entity_id)
    scopes = {
        (scope.value, scope.is_pattern) for role in (entity.idp, entity.aa) if role is not None for scope in role.scopes
    }
    return Issuer(
        entity_id=entity_id,
        scopes=tuple(Scope(value, is_pattern) for value, is_pattern in sorted(scopes)),
        registration_authority=entity.registration_authority,
        entity_categories=entity.entity_categories,
    )


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


def _used(key: str) -> str:
    return f"{key} used"


def _knowledge(key: str) -> str:
    return f"{key} knowledge"
