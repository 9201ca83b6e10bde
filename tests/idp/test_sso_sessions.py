"""The single sign-on session: its lifetimes, its token, and that it ends with the person."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from idp.sessions.session import Lifetimes, LoginProof, Sessions
from ostiary.errors import Unavailable
from ostiary.storage.memory import MemorySessionStore
from ostiary.storage.sql import SqlSessionStore
from ostiary.storage.stores import SessionStore

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
PASSWORD = LoginProof("password", NOW)


class Everybody:
    """People who are all active, but for those named."""

    def __init__(self) -> None:
        self.inactive: set[str] = set()
        self.answers = True

    def is_active(self, principal: str) -> bool:
        if not self.answers:
            raise Unavailable("storage.unavailable")
        return principal not in self.inactive


@pytest.fixture
def people() -> Everybody:
    return Everybody()


@pytest.fixture(params=["memory", "sql"])
def store(request: pytest.FixtureRequest, engine: Engine) -> SessionStore:
    return MemorySessionStore() if request.param == "memory" else SqlSessionStore(engine)


@pytest.fixture
def sessions(store: SessionStore, people: Everybody) -> Sessions:
    return Sessions(store, people, Lifetimes(idle=HOUR, absolute=8 * HOUR))


def test_a_session_is_found_by_its_token_with_what_it_was_started_with(sessions: Sessions) -> None:
    token, started = sessions.start("ada", PASSWORD, now=NOW)
    assert sessions.find(token, NOW + timedelta(minutes=1)) == started
    assert (started.principal, started.authn_instant, started.proofs, started.ends) == (
        "ada",
        NOW,
        (PASSWORD,),
        NOW + 8 * HOUR,
    )


def test_another_token_finds_nothing(sessions: Sessions) -> None:
    token, _ = sessions.start("ada", PASSWORD, now=NOW)
    assert sessions.find("A" * 43, NOW) is None
    assert sessions.find(token[:-1], NOW) is None


def test_each_login_has_a_new_token_of_256_bits(sessions: Sessions) -> None:
    tokens = {sessions.start("ada", PASSWORD, now=NOW)[0] for _ in range(20)}
    assert len(tokens) == 20
    assert {len(token) for token in tokens} == {43}


def test_a_session_that_nobody_uses_ends(sessions: Sessions) -> None:
    token, _ = sessions.start("ada", PASSWORD, now=NOW)
    assert sessions.find(token, NOW + HOUR - timedelta(seconds=1)) is not None
    token, _ = sessions.start("ada", PASSWORD, now=NOW)
    assert sessions.find(token, NOW + HOUR) is None


def test_a_session_that_is_used_lives_on_until_its_absolute_end(sessions: Sessions) -> None:
    token, _ = sessions.start("ada", PASSWORD, now=NOW)
    at = NOW
    while at < NOW + 8 * HOUR:
        assert sessions.find(token, at) is not None, at
        at += timedelta(minutes=50)
    assert sessions.find(token, NOW + 8 * HOUR - timedelta(seconds=1)) is not None
    assert sessions.find(token, NOW + 8 * HOUR) is None


def test_an_ended_session_is_gone_and_says_once_what_it_was(sessions: Sessions) -> None:
    token, started = sessions.start("ada", PASSWORD, now=NOW)
    assert sessions.end(token, NOW) == started
    assert sessions.end(token, NOW) is None
    assert sessions.find(token, NOW) is None


def test_a_use_that_was_under_way_does_not_bring_an_ended_session_back(store: SessionStore, people: Everybody) -> None:
    class Slow(Everybody):
        def is_active(self, principal: str) -> bool:
            # Meanwhile, in another window, she signs out.
            quick.end(token, later)
            return True

    quick = Sessions(store, people, Lifetimes(idle=HOUR, absolute=8 * HOUR))
    slow = Sessions(store, Slow(), Lifetimes(idle=HOUR, absolute=8 * HOUR))
    token, _ = quick.start("ada", PASSWORD, now=NOW)
    later = NOW + timedelta(minutes=30)
    slow.find(token, later)
    assert quick.find(token, later) is None


def test_the_session_of_somebody_who_is_no_longer_active_ends_for_good(sessions: Sessions, people: Everybody) -> None:
    token, _ = sessions.start("ada", PASSWORD, now=NOW)
    people.inactive.add("ada")
    assert sessions.find(token, NOW) is None
    people.inactive.clear()
    assert sessions.find(token, NOW) is None


def test_a_directory_that_does_not_answer_ends_no_session(sessions: Sessions, people: Everybody) -> None:
    token, _ = sessions.start("ada", PASSWORD, now=NOW)
    people.answers = False
    with pytest.raises(Unavailable):
        sessions.find(token, NOW)
    people.answers = True
    assert sessions.find(token, NOW) is not None


def test_one_persons_end_leaves_the_other_sessions(sessions: Sessions) -> None:
    first, _ = sessions.start("ada", PASSWORD, now=NOW)
    second, _ = sessions.start("ada", PASSWORD, now=NOW)
    sessions.end(first, NOW)
    assert sessions.find(second, NOW) is not None
