"""What the SHIRE remembers between requests, and its form in a store: a login under way, an accepted Response, a session."""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ostiary.attributes import Attribute, Attributes, NameIdValue, Value, make_name_id_value
from ostiary.saml.assertion import NameId
from ostiary.web.identity import Person


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """An AuthnRequest that was sent. ``browser`` is a hash of the cookie of the browser that it was sent with; ``not_before``: she has to
    prove who she is anew, no earlier than this (None: whenever)."""

    identity_provider: str
    target: str
    browser: str
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """What a proven and accepted Response says."""

    issuer: str
    name_id: NameId
    authenticated_at: datetime
    in_response_to: str | None
    session_index: str | None
    authn_context: str | None
    session_ends: datetime | None
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of a person, as of ``at``. ``attributes`` are what the acceptance policy let through; ``withheld`` is what it threw
    out (name, value, reason), ``rules`` by which rule each name was accepted; ``queried``: they were asked for (else they came with the
    Response); ``ask_again`` when to ask anew."""

    attributes: Attributes
    withheld: tuple[tuple[str, str, str], ...]
    rules: tuple[tuple[str, str], ...]
    queried: bool
    at: datetime
    ask_again: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A person at this resource, from ``started`` until ``ends`` at the latest."""

    login: Login
    knowledge: Knowledge
    started: datetime
    ends: datetime

    def person(self) -> Person:
        """The same for the application."""
        return Person(
            issuer=self.login.issuer,
            name_id=self.login.name_id.value,
            attributes=self.knowledge.attributes,
            authenticated_at=self.login.authenticated_at,
            session_index=self.login.session_index,
            authn_context=self.login.authn_context,
        )


def dump_pending(pending: PendingLogin) -> bytes:
    """JSON for a store."""
    not_before = pending.not_before.isoformat() if pending.not_before else None
    return _dump([pending.identity_provider, pending.target, pending.browser, not_before])


def load_pending(data: bytes) -> PendingLogin:
    """The inverse of `dump_pending`."""
    identity_provider, target, browser, not_before = json.loads(data)
    return PendingLogin(
        identity_provider, target, browser, datetime.fromisoformat(not_before) if not_before is not None else None
    )


def dump_login(login: Login) -> bytes:
    """JSON for a store."""
    return _dump(_login_fields(login))


def load_login(data: bytes) -> Login:
    """The inverse of `dump_login`."""
    return _read_login(json.loads(data))


def dump_session(session: Session) -> bytes:
    """JSON for a store, all but the knowledge, which changes and is kept apart."""
    return _dump(
        {
            "login": _login_fields(replace(session.login, attributes=())),
            "started": session.started.isoformat(),
            "ends": session.ends.isoformat(),
        }
    )


def load_session(data: bytes, knowledge: bytes) -> Session:
    """The inverse of `dump_session` and `dump_knowledge`."""
    fields = json.loads(data)
    return Session(
        login=_read_login(fields["login"]),
        knowledge=_read_knowledge(json.loads(knowledge)),
        started=datetime.fromisoformat(fields["started"]),
        ends=datetime.fromisoformat(fields["ends"]),
    )


def load_login_of(data: bytes) -> Login:
    """The login of what `dump_session` wrote, without its attributes."""
    return _read_login(json.loads(data)["login"])


def dump_knowledge(knowledge: Knowledge) -> bytes:
    """JSON for a store."""
    return _dump(
        {
            "attributes": _attribute_fields(knowledge.attributes),
            "withheld": knowledge.withheld,
            "rules": knowledge.rules,
            "queried": knowledge.queried,
            "at": knowledge.at.isoformat(),
            "ask_again": knowledge.ask_again.isoformat(),
        }
    )


def _read_knowledge(fields: Any) -> Knowledge:
    return Knowledge(
        attributes=_read_attributes(fields["attributes"]),
        withheld=tuple((name, value, reason) for name, value, reason in fields["withheld"]),
        rules=tuple((name, rule) for name, rule in fields["rules"]),
        queried=fields["queried"],
        at=datetime.fromisoformat(fields["at"]),
        ask_again=datetime.fromisoformat(fields["ask_again"]),
    )


def _dump(fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def _login_fields(login: Login) -> dict[str, object]:
    name_id = login.name_id
    return {
        "issuer": login.issuer,
        "name_id": [name_id.value, name_id.format, name_id.name_qualifier, name_id.sp_name_qualifier],
        "authenticated_at": login.authenticated_at.isoformat(),
        "in_response_to": login.in_response_to,
        "session_index": login.session_index,
        "authn_context": login.authn_context,
        "session_ends": login.session_ends.isoformat() if login.session_ends else None,
        "attributes": _attribute_fields(login.attributes),
    }


def _read_login(fields: Any) -> Login:
    ends = fields["session_ends"]
    return Login(
        issuer=fields["issuer"],
        name_id=NameId(*fields["name_id"]),
        authenticated_at=datetime.fromisoformat(fields["authenticated_at"]),
        in_response_to=fields["in_response_to"],
        session_index=fields["session_index"],
        authn_context=fields["authn_context"],
        session_ends=datetime.fromisoformat(ends) if ends else None,
        attributes=_read_attributes(fields["attributes"]),
    )


def _attribute_fields(attributes: Attributes) -> list[object]:
    return [
        [
            attribute.name,
            [_value_fields(value) for value in attribute.values],
            attribute.issuer,
            attribute.valid_until.isoformat() if attribute.valid_until else None,
        ]
        for attribute in attributes
    ]


def _value_fields(value: Value) -> list[object]:
    held = value.name_id
    if held is None:
        return [value.text, value.scope]
    return [held.value, held.name_qualifier, held.sp_name_qualifier]


def _read_value(stored: Any) -> Value:
    # Two fields for a text, three for a persistent name.
    return Value(*stored) if len(stored) == 2 else make_name_id_value(NameIdValue(*stored))


def _read_attributes(stored: Any) -> Attributes:
    return tuple(
        Attribute(
            name,
            tuple(_read_value(value) for value in values),
            issuer=issuer,
            valid_until=datetime.fromisoformat(valid_until) if valid_until else None,
        )
        for name, values, issuer, valid_until in stored
    )
