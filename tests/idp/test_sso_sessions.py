"""The single sign-on session: its lifetimes, its token, and that it ends with the person."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, insert, select

from idp.accounts.directory import Directory
from idp.sessions.participants import Participant, sessions_of_subject
from idp.sessions.session import Ended, Lifetimes, ListedSession, LoginProof, Sessions
from idp.sessions.tables import sso_session
from idp.sessions.whereabouts import Whereabouts
from idp.tables import MIGRATIONS as IDP_MIGRATIONS
from idp.tables import person
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.errors import NotAuthenticated, Unavailable
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.storage.engine import reading, writing
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from tests.databases import DATABASES, upgraded
from tests.statements import questions

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


@pytest.fixture(params=sorted(DATABASES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with upgraded(request.param, tmp_path, [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, IDP_MIGRATIONS]) as opened:
        yield opened


@pytest.fixture
def sessions(engine: Engine, people: Everybody) -> Sessions:
    return Sessions(engine, people, lambda: Lifetimes(idle=HOUR, absolute=8 * HOUR))


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


def add_person(engine: Engine, principal: str, *, active: bool = True, until: datetime | None = None) -> None:
    row = {"principal": principal, "login_name": principal, "login_key": principal, "active": active}
    with writing(engine) as connection:
        connection.execute(insert(person).values(**row, created_serial=1, valid_from=NOW, valid_to=until))


def test_a_session_and_its_person_of_the_same_database_are_looked_up_at_once(engine: Engine) -> None:
    class Elsewhere:
        def is_active(self, principal: str) -> bool:
            raise AssertionError(f"{principal} was asked for by herself")

    sessions = Sessions(engine, Elsewhere(), lambda: Lifetimes(idle=HOUR, absolute=8 * HOUR), embedded=True)
    add_person(engine, "ada")
    token, started = sessions.start("ada", PASSWORD, now=NOW)
    with questions(engine) as asked:
        assert sessions.find(token, NOW + timedelta(minutes=1)) == started
    assert len(asked) == 1


@pytest.mark.parametrize("state", ["inactive", "deleted", "nobody"])
def test_the_session_of_somebody_who_is_not_active_in_the_same_database_ends(engine: Engine, state: str) -> None:
    sessions = Sessions(engine, Directory(engine), Lifetimes, embedded=True)
    if state != "nobody":
        add_person(engine, "ada", active=state != "inactive", until=NOW if state == "deleted" else None)
    add_person(engine, "bea")
    token, _ = sessions.start("ada", PASSWORD, now=NOW)
    assert sessions.find(token, NOW) is None
    assert sessions.id_of(token) is None


def test_whoever_is_known_elsewhere_is_asked_for_there(engine: Engine, people: Everybody) -> None:
    add_person(engine, "ada")
    people.inactive.add("ada")
    sessions = Sessions(engine, people, Lifetimes)
    token, _ = sessions.start("ada", PASSWORD, now=NOW)
    assert sessions.find(token, NOW) is None


def test_an_ended_session_is_gone_and_says_once_what_it_was(sessions: Sessions) -> None:
    token, started = sessions.start("ada", PASSWORD, now=NOW)
    assert sessions.end(token, NOW) == started
    assert sessions.end(token, NOW) is None
    assert sessions.find(token, NOW) is None


def test_a_use_that_was_under_way_does_not_bring_an_ended_session_back(engine: Engine, people: Everybody) -> None:
    class Slow(Everybody):
        def is_active(self, principal: str) -> bool:
            # Meanwhile, in another window, she signs out.
            quick.end(token, later)
            return True

    quick = Sessions(engine, people, lambda: Lifetimes(idle=HOUR, absolute=8 * HOUR))
    slow = Sessions(engine, Slow(), lambda: Lifetimes(idle=HOUR, absolute=8 * HOUR))
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


def test_another_proof_keeps_the_id_and_changes_the_token(sessions: Sessions) -> None:
    token, session = sessions.start("ada", PASSWORD, now=NOW)
    totp = LoginProof("totp", NOW + timedelta(minutes=1))
    new, stronger = sessions.add_proof(token, session, totp, now=NOW + timedelta(minutes=1))
    assert (stronger.id, stronger.proofs) == (session.id, (PASSWORD, totp))
    assert sessions.find(token, NOW + timedelta(minutes=1)) is None
    assert sessions.find(new, NOW + timedelta(minutes=1)) == stronger


def test_a_proof_brings_no_ended_session_back(sessions: Sessions) -> None:
    token, session = sessions.start("ada", PASSWORD, now=NOW)
    sessions.end_all("ada")
    with pytest.raises(NotAuthenticated) as refused:
        sessions.add_proof(token, session, LoginProof("totp", NOW), now=NOW)
    assert refused.value.code == "session.ended"
    assert sessions.of("ada", NOW) == ()


def test_on_a_shared_computer_a_session_ends_sooner(engine: Engine, people: Everybody) -> None:
    times = Lifetimes(HOUR, 8 * HOUR, timedelta(minutes=10), HOUR)
    sessions = Sessions(engine, people, lambda: times)
    token, session = sessions.start("ada", PASSWORD, now=NOW, shared=True)
    assert session.ends == NOW + HOUR
    assert sessions.find(token, NOW + timedelta(minutes=9)) is not None
    assert sessions.find(token, NOW + timedelta(minutes=19)) is None
    longer = Lifetimes(HOUR, 8 * HOUR, 2 * HOUR, 9 * HOUR)
    assert longer.of(shared=True) == (HOUR, 8 * HOUR)


def test_a_use_is_written_down_coarsely_and_exactly_enough(sessions: Sessions) -> None:
    token, _ = sessions.start("ada", PASSWORD, now=NOW)
    sessions.find(token, NOW + timedelta(minutes=2))
    assert sessions.of("ada", NOW + timedelta(minutes=2))[0].used == NOW
    sessions.find(token, NOW + timedelta(minutes=3))
    assert sessions.of("ada", NOW + timedelta(minutes=3))[0].used == NOW + timedelta(minutes=3)


# -- who took part -----------------------------------------------------------------------------------------------------

LIBRARY, MAP = "https://library.example/shar", "https://map.example/shar"


def name(value: str) -> NameId:
    return NameId(value, names.TRANSIENT, "https://idp.example", LIBRARY)


def test_a_list_of_her_sessions_says_since_when_from_where_and_with_whom(sessions: Sessions) -> None:
    where = Whereabouts("Firefox, Linux", "192.0.2.0/24")
    _, first = sessions.start("ada", PASSWORD, now=NOW, where=where)
    _, second = sessions.start("ada", PASSWORD, now=NOW + timedelta(minutes=5), shared=True)
    sessions.start("bob", PASSWORD, now=NOW)
    for sp in (MAP, LIBRARY, MAP):
        assert sessions.note_participant(first.id, sp, name("h"), "_1", NOW)
    assert sessions.of("ada", NOW + timedelta(minutes=6)) == (
        ListedSession(second.id, NOW + timedelta(minutes=5), NOW + timedelta(minutes=5), True, Whereabouts("", ""), ()),
        ListedSession(first.id, NOW, NOW, False, where, (LIBRARY, MAP)),
    )


def test_an_ended_session_says_who_took_part_and_as_whom_they_know_her(sessions: Sessions) -> None:
    _, session = sessions.start("ada", PASSWORD, now=NOW)
    assert sessions.note_participant(session.id, LIBRARY, name("handle"), "_1", NOW)
    bare = NameId("ada@example.org", names.EMAIL_ADDRESS)
    assert sessions.note_participant(session.id, MAP, bare, "_2", NOW)
    assert sessions.end_one("ada", session.id) == Ended(
        session.id,
        "ada",
        (Participant(LIBRARY, name("handle"), "_1"), Participant(MAP, bare, "_2")),
    )


def test_nobody_takes_part_in_a_session_that_has_ended(sessions: Sessions) -> None:
    token, session = sessions.start("ada", PASSWORD, now=NOW)
    sessions.end(token, NOW)
    assert not sessions.note_participant(session.id, LIBRARY, name("handle"), "_1", NOW)


def test_a_session_of_somebody_else_can_not_be_ended(sessions: Sessions) -> None:
    token, session = sessions.start("ada", PASSWORD, now=NOW)
    assert sessions.end_one("bob", session.id) is None
    assert sessions.find(token, NOW) == session


def test_all_sessions_end_but_for_one_and_but_for_those_of_others(sessions: Sessions) -> None:
    kept, here = sessions.start("ada", PASSWORD, now=NOW)
    others = [sessions.start("ada", PASSWORD, now=NOW)[1].id for _ in range(2)]
    bobs, _ = sessions.start("bob", PASSWORD, now=NOW)
    assert {ended.id for ended in sessions.end_all("ada", except_id=here.id)} == set(others)
    assert sessions.find(kept, NOW) == here
    assert [ended.id for ended in sessions.end_all("ada")] == [here.id]
    assert sessions.end_all("ada") == ()
    assert sessions.find(bobs, NOW) is not None


def test_a_login_after_an_idle_time_takes_over_who_took_part(sessions: Sessions) -> None:
    token, session = sessions.start("ada", PASSWORD, now=NOW)
    sessions.note_participant(session.id, LIBRARY, name("handle"), "_1", NOW)
    later = NOW + 2 * HOUR
    assert sessions.find(token, later) is None
    _, anew = sessions.start("ada", PASSWORD, now=later, instead_of=token)
    assert [one.sps for one in sessions.of("ada", later)] == [(LIBRARY,)]
    ended = sessions.end_one("ada", anew.id)
    assert ended is not None
    assert ended.participants == (Participant(LIBRARY, name("handle"), "_1"),)
    assert sessions.id_of(token) is None


def test_a_login_of_somebody_else_in_the_same_browser_takes_nothing_over(sessions: Sessions) -> None:
    token, session = sessions.start("ada", PASSWORD, now=NOW)
    sessions.note_participant(session.id, LIBRARY, name("handle"), "_1", NOW)
    sessions.start("bob", PASSWORD, now=NOW, instead_of=token)
    assert sessions.find(token, NOW) is None
    assert [one.sps for one in sessions.of("bob", NOW)] == [()]


def test_who_took_part_is_found_by_what_an_sp_knows(sessions: Sessions, engine: Engine) -> None:
    def found(sp: str, value: str, *indexes: str) -> list[str]:
        with reading(engine) as connection:
            return [row.id for row in connection.execute(sessions_of_subject(sp, name(value), indexes))]

    _, one = sessions.start("ada", PASSWORD, now=NOW)
    _, two = sessions.start("ada", PASSWORD, now=NOW)
    sessions.note_participant(one.id, LIBRARY, name("ada"), "_1", NOW)
    sessions.note_participant(two.id, LIBRARY, name("ada"), "_2", NOW)
    assert found(LIBRARY, "ada", "_1") == [one.id]
    assert sorted(found(LIBRARY, "ada")) == sorted([one.id, two.id])
    assert found(LIBRARY, "ada", "_3") == []
    assert found(LIBRARY, "Ada") == []
    assert found(MAP, "ada") == []


def test_what_is_over_is_swept_away_and_what_is_idle_stays_for_a_logout(sessions: Sessions, engine: Engine) -> None:
    sessions.start("ada", PASSWORD, now=NOW)
    sessions.start("bob", PASSWORD, now=NOW + 4 * HOUR)
    assert rows(engine) == 2
    sessions.start("eve", PASSWORD, now=NOW + 8 * HOUR + timedelta(minutes=9))
    assert rows(engine) == 3
    sessions.start("eve", PASSWORD, now=NOW + 8 * HOUR + timedelta(minutes=20))
    assert rows(engine) == 3


def test_the_database_holds_no_token(sessions: Sessions, engine: Engine) -> None:
    token, session = sessions.start("ada", PASSWORD, now=NOW)
    with reading(engine) as connection:
        row = connection.execute(select(sso_session)).one()
    assert session.id in row
    assert token not in row
    assert sessions.find(row.token_hash, NOW) is None


def rows(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(sso_session)).scalar_one()


def test_a_participant_and_a_logout_that_cross_are_both_seen(engine: Engine, people: Everybody) -> None:
    """Either the SP is told, or its Response never goes out."""
    sessions = Sessions(engine, people, Lifetimes)
    for _ in range(10):
        _, session = sessions.start("ada", PASSWORD, now=NOW)
        with ThreadPoolExecutor(2) as pool:
            noted = pool.submit(sessions.note_participant, session.id, LIBRARY, name("h"), "_1", NOW)
            ended = pool.submit(sessions.end_one, "ada", session.id)
        result = ended.result()
        assert result is not None
        assert noted.result() == bool(result.participants)
