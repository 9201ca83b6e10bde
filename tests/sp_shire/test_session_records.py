"""What of a session goes into a store and comes out again, and what a process remembers of it."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.attributes import Attribute, NameIdValue, Value, make_attribute, make_name_id_value
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from sp_shire.sessions import packing
from sp_shire.sessions.packing import pack, unpack
from sp_shire.sessions.records import (
    Knowledge,
    Login,
    Session,
    Source,
    dump_session,
    dump_state,
    load_login_of,
    load_session,
)
from sp_shire.sessions.remembered import Read, Remembered
from sp_shire.sessions.visitor import visitor_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOME, RESOURCE = "https://home.example/idp", "https://resource.example/shar"


def a_session(**changes: object) -> Session:
    attributes = (
        make_attribute("eduPersonScopedAffiliation", ["member@home.example", "staff@home.example"], issuer=HOME),
        Attribute("eduPersonTargetedID", (make_name_id_value(NameIdValue("opaque", HOME, RESOURCE)),), HOME),
        Attribute("mail", (Value("ö;@home.example"),), "https://other.example/aa", valid_until=NOON + HOUR),
    )
    source = Source(HOME, "query", NOON, fresh_until=NOON + HOUR, ask_again=NOON + HOUR)
    login = Login(
        HOME, NameId("handle", names.TRANSIENT, HOME, RESOURCE), NOON, "_request", "_index", "urn:x", NOON + HOUR, ()
    )
    knowledge = Knowledge(
        attributes,
        (("sn", "Archer", "no_rule"),),
        (("mail", "mail"),),
        True,
        NOON,
        NOON + HOUR,
        (replace(source, attributes=attributes, withheld=(("sn", "Archer", "no_rule"),), rules=(("mail", "mail"),)),),
    )
    return replace(Session(login, knowledge, NOON, NOON + 8 * HOUR, used=NOON), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [{}, {"address": "192.0.2.0/24"}, {"used": NOON + HOUR, "warned": True}],
    ids=["plain", "bound to an address", "warned"],
)
def test_a_session_comes_out_of_a_store_as_it_went_in(changes: dict[str, object]) -> None:
    session = a_session(**changes)
    stored, state = dump_session(session), dump_state(session)
    assert load_session(stored, state) == session
    assert load_login_of(stored) == session.login


def test_a_session_that_was_never_noted_as_used_was_used_when_it_started() -> None:
    session = a_session(used=None)
    assert load_session(dump_session(session), dump_state(session)).last_used() == NOON


def test_only_its_state_changes_while_a_session_goes_on() -> None:
    session = a_session()
    assert dump_session(replace(session, used=NOON + HOUR, warned=True)) == dump_session(session)
    assert dump_state(replace(session, used=NOON + HOUR)) != dump_state(session)


def test_a_record_takes_less_than_half_of_its_room() -> None:
    session = a_session()
    for packed in (dump_session(session), dump_state(session)):
        assert len(packed) < len(unpack(packed)) / 2


def test_what_was_packed_once_can_be_read_for_ever() -> None:
    """Sessions in a store outlive the version that wrote them: these octets are those of the first dictionary."""
    stored = bytes.fromhex("01ab2637ccf17a3d1364517e9a02d035664ab500")
    assert unpack(stored) == (
        b'{"authn_context":"urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport","is":"of 2026"}'
    )


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_whatever_is_packed_is_unpacked(text: str) -> None:
    record = json.dumps([text]).encode()
    assert unpack(pack(record)) == record
    assert unpack(record) == record


@pytest.mark.parametrize(
    "stored",
    [b"", b"\x02abc", b"\x01", b"\x01\xff\xff\xff", pack(b'{"a":1}')[:-1], pack(b'{"a":1}') + b"x"],
    ids=["nothing", "another kind", "empty", "no deflate", "cut off", "followed by something"],
)
def test_what_is_no_record_is_not_read(stored: bytes) -> None:
    with pytest.raises(ValueError, match="record"):
        unpack(stored)


def test_a_small_record_that_becomes_a_large_one_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = pack(b" " * 5_000_000)
    assert len(bomb) < 10_000
    monkeypatch.setattr(packing, "LARGEST", 1_000_000)
    with pytest.raises(ValueError, match="too large"):
        unpack(bomb)


# -- remembered --------------------------------------------------------------------------------------------------------


def a_read(stored: bytes = b"stored", state: bytes = b"state") -> Read:
    session = a_session()
    return Read(stored, state, session, visitor_of(session, {"mail": "x"}))


def test_what_is_remembered_serves_beside_the_same_octets_alone() -> None:
    remembered, read = Remembered(), a_read()
    remembered.put("key", read)
    assert remembered.get("key", b"stored", b"state") is read
    assert remembered.get("key", b"stored", b"changed") is None
    assert remembered.get("key", b"changed", b"state") is None
    assert remembered.get("another", b"stored", b"state") is None
    remembered.forget("key")
    remembered.forget("key")
    assert remembered.get("key", b"stored", b"state") is None


def test_only_the_sessions_read_last_are_remembered() -> None:
    remembered = Remembered(at_most=2)
    for key in ("a", "b", "a", "c"):
        remembered.put(key, a_read())
    assert [remembered.get(key, b"stored", b"state") is not None for key in "abc"] == [True, False, True]
    assert len(remembered) == 2


def test_many_threads_remember_and_forget_at_once() -> None:
    remembered, read, failures = Remembered(at_most=5), a_read(), []

    def work(step: Callable[[str], object]) -> None:
        try:
            for number in range(3_000):
                step(str(number % 11))
        except Exception as error:
            failures.append(error)

    steps = [
        lambda key: remembered.put(key, read),
        lambda key: remembered.get(key, b"stored", b"state"),
        remembered.forget,
    ]
    threads = [threading.Thread(target=work, args=(step,)) for step in steps * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(remembered) <= 5
