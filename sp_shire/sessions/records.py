"""What the SHIRE remembers between requests, and its form in a store: an accepted Response, a session."""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from ostiary.attributes import Attribute, Attributes, NameIdValue, Value, make_name_id_value
from ostiary.saml.assertion import NameId
from ostiary.web.identity import Person
from sp_shire.sessions.packing import pack, unpack

Withheld = tuple[tuple[str, str, str], ...]
"""What the acceptance policy threw out: name, value, reason."""


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
class Source:
    """What one authority said of a person in one way, and when.

    ``way``: it came with the ``response``, was asked of her home organisation (``query``), or of another authority (``further``).
    ``attributes``, ``withheld`` and ``rules`` as in `Knowledge`. ``at``: when it said so, None while it has not answered yet;
    ``fresh_until``: how long that counts; ``ask_again``: when to ask anew (both None: never). ``problem``: the code of why it said nothing
    at the last attempt, else empty. ``target``: the path for whose application domain it was asked."""

    authority: str
    way: Literal["response", "query", "further"]
    at: datetime | None
    attributes: Attributes = ()
    withheld: Withheld = ()
    rules: tuple[tuple[str, str], ...] = ()
    fresh_until: datetime | None = None
    ask_again: datetime | None = None
    problem: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of a person, as of ``at``. ``attributes`` are what the acceptance policy let through, ``withheld`` what it threw
    out; ``rules`` by which rule each name was accepted; ``queried``: some authority was asked (else all came with the
    Response); ``ask_again`` when to ask anew, or to look at what has run out. ``sources``: who said which part of it, from which all else
    here is made; empty in what was written before there were several."""

    attributes: Attributes
    withheld: Withheld
    rules: tuple[tuple[str, str], ...]
    queried: bool
    at: datetime
    ask_again: datetime
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Session:
    """A person at this resource, from ``started`` until ``ends`` at the latest. ``address``: what her address has to be in, empty where any
    will do; ``used``: when it was last noted that she was here (None: not since it started); ``warned``: she was told that it ends soon."""

    login: Login
    knowledge: Knowledge
    started: datetime
    ends: datetime
    address: str = ""
    used: datetime | None = None
    warned: bool = False

    def last_used(self) -> datetime:
        """When it was last noted that she was here."""
        return self.used or self.started

    def idle_until(self, idle: timedelta) -> datetime:
        """When it ends at the latest if nobody uses it any more, ``idle`` being the time for which a session may lie unused."""
        return min(self.ends, self.last_used() + idle)

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


def dump_login(login: Login) -> bytes:
    """JSON for a store."""
    return _dump(_login_fields(login))


def load_login(data: bytes) -> Login:
    """The inverse of `dump_login`."""
    return _read_login(json.loads(data))


def dump_session(session: Session) -> bytes:
    """For a store: what stays as it is."""
    fields: dict[str, object] = {
        "login": _login_fields(replace(session.login, attributes=())),
        "started": session.started.isoformat(),
        "ends": session.ends.isoformat(),
    }
    if session.address:
        fields["address"] = session.address
    return pack(_dump(fields))


def dump_state(session: Session) -> bytes:
    """For a store: what changes, which is kept apart."""
    fields = _knowledge_fields(session.knowledge) | {"used": session.last_used().isoformat()}
    return pack(_dump(fields | {"warned": True} if session.warned else fields))


def load_session(data: bytes, state: bytes) -> Session:
    """The inverse of `dump_session` and `dump_state`."""
    fields, changing = json.loads(unpack(data)), json.loads(unpack(state))
    return Session(
        login=_read_login(fields["login"]),
        knowledge=_read_knowledge(changing),
        started=datetime.fromisoformat(fields["started"]),
        ends=datetime.fromisoformat(fields["ends"]),
        address=fields.get("address", ""),
        used=datetime.fromisoformat(changing["used"]),
        warned=changing.get("warned", False),
    )


def load_login_of(data: bytes) -> Login:
    """The login of what `dump_session` wrote, without its attributes."""
    return _read_login(json.loads(unpack(data))["login"])


def _knowledge_fields(knowledge: Knowledge) -> dict[str, object]:
    # What one source alone said is written once: as the whole.
    sources = knowledge.sources
    several = len(sources) > 1 or any(source.attributes != knowledge.attributes for source in sources)
    return {
        "attributes": _attribute_fields(knowledge.attributes),
        "withheld": knowledge.withheld,
        "rules": knowledge.rules,
        "queried": knowledge.queried,
        "at": knowledge.at.isoformat(),
        "ask_again": knowledge.ask_again.isoformat(),
        "sources": [_source_fields(source, whole=several) for source in knowledge.sources],
    }


def _source_fields(source: Source, *, whole: bool) -> list[object]:
    said: list[object] = [_attribute_fields(source.attributes), source.withheld, source.rules] if whole else []
    times = (source.at, source.fresh_until, source.ask_again)
    written = [at.isoformat() if at else None for at in times]
    return [source.authority, source.way, source.problem, *written, source.target, *said]


def _read_knowledge(fields: Any) -> Knowledge:
    attributes = _read_attributes(fields["attributes"])
    withheld, rules = _read_withheld(fields["withheld"]), _read_rules(fields["rules"])
    return Knowledge(
        attributes=attributes,
        withheld=withheld,
        rules=rules,
        queried=fields["queried"],
        at=datetime.fromisoformat(fields["at"]),
        ask_again=datetime.fromisoformat(fields["ask_again"]),
        sources=tuple(_read_source(source, attributes, withheld, rules) for source in fields.get("sources", ())),
    )


def _read_source(stored: Any, attributes: Attributes, withheld: Withheld, rules: tuple[tuple[str, str], ...]) -> Source:
    authority, way, problem, at, fresh_until, ask_again, target, *said = stored
    if said:
        attributes, withheld, rules = _read_attributes(said[0]), _read_withheld(said[1]), _read_rules(said[2])
    return Source(
        authority,
        way,
        datetime.fromisoformat(at) if at else None,
        attributes,
        withheld,
        rules,
        datetime.fromisoformat(fresh_until) if fresh_until else None,
        datetime.fromisoformat(ask_again) if ask_again else None,
        problem,
        target,
    )


def _read_withheld(stored: Any) -> Withheld:
    return tuple((name, value, reason) for name, value, reason in stored)


def _read_rules(stored: Any) -> tuple[tuple[str, str], ...]:
    return tuple((name, rule) for name, rule in stored)


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
