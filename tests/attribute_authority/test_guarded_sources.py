"""Memory, pause and stand-ins around a source, with a clock that the test moves."""

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute_authority.connectors.guarded import Care, GuardedSource
from attribute_authority.connectors.protocol import ConnectorFailed
from attribute_authority.connectors.sources import FollowingSource, Source
from attribute_authority.resolver.definitions import Definition, Note
from attribute_authority.resolver.resolver import Resolver
from ostiary.errors import Unavailable

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DOWN = Unavailable("storage.unavailable", found="connection refused")
UNUSABLE = Unavailable("aa.connector_value", expected="text", found="bytes")


class Fake:
    """Says ``mail`` of everybody; counts its questions; raises ``problem`` while there is one."""

    def __init__(self, mail: str = "a@a") -> None:
        self.mail = mail
        self.asked = 0
        self.problem: Unavailable | None = None
        self.closed = False

    def attributes(self, principal: str, at: datetime) -> Mapping[str, Sequence[str]]:
        self.asked += 1
        if self.problem is not None:
            raise self.problem
        return {"mail": [self.mail]}

    def close(self) -> None:
        self.closed = True


class Following:
    """Says of somebody whom others call by a uid what her room is."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, tuple[str, ...]]]] = []

    def attributes_given(
        self, principal: str, found: Mapping[str, Sequence[str]], at: datetime
    ) -> dict[str, list[str]]:
        self.asked.append((principal, {name: tuple(values) for name, values in found.items()}))
        return {"room": [f"room of {uid}" for uid in found.get("uid", ())]}

    def close(self) -> None: ...


def guarded(fake: Fake, *stand_ins: GuardedSource | Source, required: bool = True, **care: object) -> GuardedSource:
    return GuardedSource(Source("people", fake, required), Care(**care), stand_ins)  # type: ignore[arg-type]


def mails(source: GuardedSource, at: datetime = NOW, principal: str = "p1") -> tuple[str, ...]:
    return tuple(source.ask(principal, at, []).found["mail"])


def test_an_answer_serves_for_its_age_and_no_longer() -> None:
    fake = Fake()
    source = guarded(fake, cache_age=60 * SECOND)
    assert mails(source) == ("a@a",)
    fake.mail = "b@b"
    assert mails(source, NOW + 59 * SECOND) == ("a@a",)
    assert mails(source, NOW + 60 * SECOND) == ("b@b",)
    # A clock that was set back makes nothing last longer.
    fake.mail = "c@c"
    assert mails(source, NOW - SECOND) == ("c@c",)


def test_an_answer_says_until_when_it_may_be_used() -> None:
    source = guarded(Fake(), cache_age=60 * SECOND)
    assert source.ask("p1", NOW, []).until == NOW + 60 * SECOND
    assert source.ask("p1", NOW + 50 * SECOND, []).until == NOW + 60 * SECOND
    assert guarded(Fake()).ask("p1", NOW, []).until is None
    assert guarded(Fake(), cache_age=0 * SECOND).ask("p1", NOW, []).until == NOW


def test_without_an_age_nothing_is_remembered() -> None:
    fake = Fake()
    for source in (guarded(fake), guarded(fake, cache_age=0 * SECOND)):
        before = fake.asked
        mails(source)
        mails(source)
        assert fake.asked == before + 2


def test_at_most_so_many_people_are_remembered_and_the_oldest_goes_first() -> None:
    fake = Fake()
    source = guarded(fake, cache_age=60 * SECOND, cache_size=2)
    for principal in ("p1", "p2", "p3", "p2", "p1"):
        mails(source, principal=principal)
    assert fake.asked == 4


def test_what_is_forgotten_is_asked_again_also_of_stand_ins() -> None:
    fake, other = Fake(), Fake("other@b")
    source = guarded(fake, guarded(other, cache_age=60 * SECOND), cache_age=60 * SECOND)
    mails(source)
    source.forget("p1")
    fake.problem = DOWN
    mails(source)
    mails(source)
    assert other.asked == 1
    source.forget("p1")
    mails(source)
    assert other.asked == 2


def test_a_source_that_is_down_serves_nothing_that_it_does_not_know() -> None:
    fake = Fake()
    source = guarded(fake, cache_age=60 * SECOND)
    mails(source)
    fake.problem = DOWN
    with pytest.raises(Unavailable) as down:
        mails(source, NOW + 60 * SECOND)
    assert down.value is DOWN


def test_an_older_answer_serves_a_source_that_is_down_only_as_long_as_its_setting_says() -> None:
    fake = Fake()
    source = guarded(fake, cache_age=60 * SECOND, serve_when_down=timedelta(hours=1))
    mails(source)
    fake.problem = DOWN
    later = NOW + timedelta(minutes=59)
    answer = source.ask("p1", later, [])
    assert dict(answer.found) == {"mail": ("a@a",)}
    assert answer.until == later
    assert [(remark.reason, remark.detail) for remark in answer.remarks] == [
        ("connector_old", "known since 2026-11-22T12:00:00+00:00: storage.unavailable; found connection refused")
    ]
    for at, principal in ((NOW + timedelta(hours=1), "p1"), (NOW, "p2")):
        with pytest.raises(Unavailable):
            mails(source, at, principal)


def test_an_older_answer_never_serves_a_source_that_answers() -> None:
    fake = Fake()
    source = guarded(fake, serve_when_down=timedelta(hours=1))
    mails(source)
    fake.mail = "b@b"
    assert mails(source) == ("b@b",)
    fake.problem = UNUSABLE
    with pytest.raises(Unavailable) as unusable:
        mails(source)
    assert unusable.value.code == "aa.connector_value"


def test_the_first_stand_in_that_answers_is_taken_and_named() -> None:
    fake, broken, other, last = Fake(), Fake(), Fake("other@b"), Fake("last@c")
    fake.problem = broken.problem = DOWN
    stand_ins = [Source("broken", broken), GuardedSource(Source("copy", other), Care()), Source("last", last)]
    source = guarded(fake, *stand_ins)
    answer = source.ask("p1", NOW, [])
    assert dict(answer.found) == {"mail": ("other@b",)}
    assert [(remark.reason, remark.detail) for remark in answer.remarks] == [
        ("connector_failover", "copy answered instead: storage.unavailable; found connection refused")
    ]
    assert (broken.asked, other.asked, last.asked) == (1, 1, 0)
    other.problem = last.problem = Unavailable("ldap.down")
    with pytest.raises(Unavailable) as down:
        mails(source)
    assert down.value is DOWN
    source.close()
    assert all(each.closed for each in (fake, broken, other, last))


def test_what_a_stand_in_says_is_not_remembered_as_the_sources_own() -> None:
    fake, other = Fake(), Fake("other@b")
    fake.problem = DOWN
    source = guarded(fake, Source("copy", other), cache_age=60 * SECOND)
    assert mails(source) == ("other@b",)
    fake.problem = None
    assert mails(source) == ("a@a",)


def test_an_answer_that_cannot_be_used_is_the_last_word() -> None:
    fake, other = Fake(), Fake("other@b")
    fake.problem = UNUSABLE
    source = guarded(fake, Source("copy", other), pause=30 * SECOND)
    for _ in range(10):
        with pytest.raises(Unavailable) as unusable:
            mails(source)
        assert unusable.value.code == "aa.connector_value"
    # One person's odd values do not keep others from being known.
    assert (fake.asked, other.asked) == (10, 0)


@pytest.mark.parametrize(
    ("code", "stands_in"),
    [
        ("aa.connector_busy", True),
        ("aa.connector_failed", True),
        ("aa.connector_http", True),
        ("aa.connector_slow", True),
        ("ldap.down", True),
        ("ldap.slow", True),
        ("storage.unavailable", True),
        ("aa.connector_column", False),
        ("aa.connector_groups", False),
        ("aa.connector_json", False),
        ("aa.connector_parameter", False),
        ("aa.connector_too_many_rows", False),
        ("aa.connector_value", False),
        ("aa.vo_identity", False),
        ("ldap.ambiguous", False),
        ("ldap.no_principal", False),
    ],
)
def test_another_source_is_asked_when_one_is_down_and_not_when_it_answers_badly(code: str, stands_in: bool) -> None:
    fake = Fake()
    fake.problem = Unavailable(code)
    source = guarded(fake, Source("copy", Fake("other@b")))
    if stands_in:
        assert mails(source) == ("other@b",)
    else:
        with pytest.raises(Unavailable) as unusable:
            mails(source)
        assert unusable.value.code == code


def test_a_source_that_failed_three_times_in_a_row_is_left_alone_for_the_pause() -> None:
    fake = Fake()
    fake.problem = DOWN
    source = guarded(fake, pause=10 * SECOND)

    def code(at: datetime) -> str:
        with pytest.raises(Unavailable) as refused:
            mails(source, at)
        return refused.value.code

    assert [code(NOW + second * SECOND) for second in range(5)] == [
        "storage.unavailable",
        "storage.unavailable",
        "storage.unavailable",
        "aa.connector_resting",
        "aa.connector_resting",
    ]
    assert fake.asked == 3
    # One question goes through after the pause; it decides about the next pause.
    assert code(NOW + 12 * SECOND) == "storage.unavailable"
    assert code(NOW + 21 * SECOND) == "aa.connector_resting"
    fake.problem = None
    assert mails(source, NOW + 22 * SECOND) == ("a@a",)
    assert mails(source, NOW + 22 * SECOND) == ("a@a",)
    assert fake.asked == 6


def test_only_failures_in_a_row_count() -> None:
    fake = Fake()
    source = guarded(fake, pause=10 * SECOND)
    for _ in range(5):
        for problem in (DOWN, DOWN, None):
            fake.problem = problem
            if problem is None:
                assert mails(source) == ("a@a",)
            else:
                with pytest.raises(Unavailable) as down:
                    mails(source)
                assert down.value.code == "storage.unavailable"


def test_a_pause_of_nothing_is_none() -> None:
    fake = Fake()
    fake.problem = DOWN
    source = guarded(fake, pause=0 * SECOND)
    for _ in range(6):
        with pytest.raises(Unavailable):
            mails(source)
    assert fake.asked == 6


def test_while_a_source_rests_its_stand_in_answers_without_a_wait() -> None:
    fake = Fake()
    fake.problem = DOWN
    source = guarded(fake, Source("copy", Fake("other@b")), pause=10 * SECOND)
    assert [mails(source) for _ in range(6)] == [("other@b",)] * 6
    assert fake.asked == 3


def test_one_question_at_a_time_tries_a_source_after_its_pause() -> None:
    going, trying = threading.Event(), threading.Event()

    class Slow(Fake):
        def attributes(self, principal: str, at: datetime) -> Mapping[str, Sequence[str]]:
            if self.problem is None:
                trying.set()
                going.wait(5)
            return super().attributes(principal, at)

    fake = Slow()
    source = guarded(fake, pause=10 * SECOND)
    fake.problem = DOWN
    for _ in range(3):
        with pytest.raises(Unavailable):
            mails(source)
    fake.problem = None
    after = NOW + 10 * SECOND
    probe = threading.Thread(target=lambda: mails(source, after))
    probe.start()
    trying.wait(5)
    with pytest.raises(Unavailable) as resting:
        mails(source, after)
    assert resting.value.code == "aa.connector_resting"
    going.set()
    probe.join(5)
    assert mails(source, after) == ("a@a",)


def test_a_follower_is_asked_anew_when_what_it_asks_by_has_changed() -> None:
    following = Following()
    source = GuardedSource(FollowingSource("rooms", following, needs=("uid",)), Care(cache_age=60 * SECOND))
    earlier = [{"uid": ("ada",), "mail": ("x@y",)}, {"uid": ("ada", "al")}]
    assert dict(source.ask("p1", NOW, earlier).found) == {"room": ("room of ada", "room of al")}
    source.ask("p1", NOW, [{"uid": ("ada", "al"), "mail": ("other@y",)}])
    assert following.asked == [("p1", {"uid": ("ada", "al")})]
    assert dict(source.ask("p1", NOW, [{"uid": ("al",)}]).found) == {"room": ("room of al",)}
    assert len(following.asked) == 2
    assert dict(source.ask("p1", NOW, [{"mail": ("x@y",)}]).found) == {}
    assert len(following.asked) == 2


def test_somebody_who_cannot_be_asked_for_says_nothing_about_a_source_that_is_down() -> None:
    class Down(Following):
        def attributes_given(
            self, principal: str, found: Mapping[str, Sequence[str]], at: datetime
        ) -> dict[str, list[str]]:
            self.asked.append((principal, {}))
            raise DOWN if len(found["uid"]) == 1 else Unavailable("aa.connector_parameter")

    down = Down()
    source = GuardedSource(FollowingSource("rooms", down, needs=("uid",)), Care())
    codes = []
    for uids in [("ada",), (), ("ada",), ("a", "b"), ("ada",), (), ("ada",)]:
        try:
            source.ask("p1", NOW, [{"uid": uids}])
        except Unavailable as problem:
            codes.append(problem.code)
    assert codes == [
        "storage.unavailable",
        "storage.unavailable",
        "aa.connector_parameter",
        "storage.unavailable",
        "aa.connector_resting",
    ]


# What it means for a resolution.


def resolver(*sources: Source | GuardedSource | FollowingSource, age: timedelta = 60 * SECOND) -> Resolver:
    definitions = [Definition("mail", "mail"), Definition("room", "room")]
    return Resolver(sources, definitions, issuer="https://idp.example", cache_age=age)


def test_a_resolution_is_remembered_no_longer_than_each_answer_in_it() -> None:
    short, long = Fake("short@a"), Fake("long@b")
    made = resolver(guarded(short, cache_age=20 * SECOND), guarded(long, cache_age=timedelta(hours=1)))
    for second in (0, 19):
        made.resolve("p1", NOW + second * SECOND)
    assert (short.asked, long.asked) == (1, 1)
    made.resolve("p1", NOW + 20 * SECOND)
    assert (short.asked, long.asked) == (2, 1)


def test_an_answer_that_is_some_time_old_makes_the_resolution_as_old() -> None:
    fake, other = Fake(), Fake("b@b")
    made = resolver(guarded(fake, cache_age=40 * SECOND), guarded(other), age=30 * SECOND)
    made.resolve("p1", NOW)
    # The first answer is 30 seconds old now, so this resolution may serve for 10.
    made.resolve("p1", NOW + 30 * SECOND)
    made.resolve("p1", NOW + 40 * SECOND)
    assert (fake.asked, other.asked) == (2, 3)


def test_a_required_connector_that_fails_is_named() -> None:
    fake = Fake()
    fake.problem = DOWN
    with pytest.raises(ConnectorFailed) as failed:
        resolver(guarded(fake)).resolve("p1", NOW)
    assert (failed.value.code, failed.value.connector) == ("storage.unavailable", "people")
    assert failed.value.found == "connection refused (connector people)"


def test_stand_ins_and_old_answers_are_noted_and_old_ones_not_remembered() -> None:
    fake = Fake()
    made = resolver(guarded(fake, serve_when_down=timedelta(hours=1), pause=0 * SECOND), age=0 * SECOND)
    made.resolve("p1", NOW)
    fake.problem = DOWN
    notes = made.resolve("p1", NOW + SECOND).notes
    assert [(note.reason, note.source) for note in notes] == [("connector_old", "people")]
    remembering = resolver(guarded(fake, Source("copy", Fake("b@b"))))
    assert [note.reason for note in remembering.resolve("p1", NOW).notes] == ["connector_failover"]
    asked = fake.asked
    assert [note.reason for note in remembering.resolve("p1", NOW).notes] == ["connector_failover"]
    assert fake.asked == asked


def test_an_optional_connector_that_fails_leaves_uncertain_what_it_may_have_told_and_what_follows_from_that() -> None:
    fake = Fake()
    fake.problem = DOWN
    people = Source("people", fake, required=False, names=frozenset({"uid"}))
    rooms = FollowingSource("rooms", Following(), needs=("uid",), names=frozenset({"room"}))
    resolution = resolver(people, rooms).resolve("p1", NOW)
    assert resolution.uncertain == {"room"}
    assert resolution.notes == (Note("connector_failed", "people", "storage.unavailable; found connection refused"),)
    anything = Source("people", fake, required=False)
    assert resolver(anything).resolve("p1", NOW).uncertain == {"mail", "room"}
    fake.problem = None
    assert resolver(people, rooms).resolve("p1", NOW).uncertain == frozenset()


def test_what_a_stand_in_does_not_know_of_is_uncertain_and_not_remembered() -> None:
    fake = Fake()
    fake.problem = DOWN
    people = Source("people", fake, names=frozenset({"mail", "room"}))
    copy = Source("copy", Fake("b@b"), names=frozenset({"mail"}))
    made = resolver(GuardedSource(people, Care(pause=timedelta(0)), [copy]))
    assert made.resolve("p1", NOW).uncertain == {"room"}
    anything = Source("anything", Fake("b@b"))
    assert resolver(GuardedSource(people, Care(), [anything])).resolve("p1", NOW).uncertain == frozenset()
    unnamed = GuardedSource(Source("people", fake), Care(), [copy])
    assert resolver(unnamed).resolve("p1", NOW).uncertain == {"mail", "room"}
    fake.problem = None
    assert made.resolve("p1", NOW).uncertain == frozenset()


def test_who_has_nobody_to_ask_for_does_not_stand_in() -> None:
    fake = Fake()
    fake.problem = DOWN
    rooms = FollowingSource("rooms", Following(), needs=("uid",), names=frozenset({"room"}))
    source = GuardedSource(Source("people", fake), Care(), [GuardedSource(rooms, Care())])
    with pytest.raises(Unavailable):
        source.ask("p1", NOW, [])
    assert source.ask("p1", NOW, [{"uid": ("ada",)}]).found == {"room": ("room of ada",)}


@settings(max_examples=40)
@given(
    age=st.integers(0, 30),
    down_age=st.none() | st.integers(31, 90),
    steps=st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=12),
)
def test_no_answer_is_ever_older_than_the_settings_allow(
    age: int, down_age: int | None, steps: list[tuple[int, bool]]
) -> None:
    class Telling(Fake):
        def attributes(self, principal: str, at: datetime) -> Mapping[str, Sequence[str]]:
            self.mail = f"{int(at.timestamp())}@uni.example"
            return super().attributes(principal, at)

    fake = Telling()
    down = down_age * SECOND if down_age is not None else None
    made = resolver(guarded(fake, cache_age=age * SECOND, serve_when_down=down, pause=0 * SECOND), age=20 * SECOND)
    at = NOW
    for wait, is_down in steps:
        at += wait * SECOND
        fake.problem = DOWN if is_down else None
        try:
            resolution = made.resolve("p1", at)
        except Unavailable:
            assert is_down
            continue
        [mail] = [value for attribute in resolution.attributes for value in attribute.texts()]
        old = any(note.reason == "connector_old" for note in resolution.notes)
        limit = (down_age or 0) if old else age
        assert int(at.timestamp()) - int(mail.partition("@")[0]) < max(limit, 1)
        assert not old or down_age is not None
