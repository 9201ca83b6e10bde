import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from attribute_authority.connectors.sources import Source
from attribute_authority.resolver.definitions import Definition, Note
from attribute_authority.resolver.resolver import Resolver
from ostiary.errors import Unavailable

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Counting:
    """A connector that counts its questions, and that can be out of order."""

    def __init__(self, **values: str) -> None:
        self.values = values
        self.asked: list[str] = []
        self.broken = False

    def attributes(self, principal: str, at: datetime) -> Mapping[str, Sequence[str]]:
        self.asked.append(principal)
        if self.broken:
            raise Unavailable("storage.unavailable", found="connection refused")
        return {name: (value,) for name, value in self.values.items()}


def resolver(*sources: Source, age: timedelta = timedelta(minutes=1), size: int = 10) -> Resolver:
    definitions = [Definition("mail", "mail"), Definition("cn", "cn")]
    return Resolver(sources, definitions, issuer="https://idp.example", cache_age=age, cache_size=size)


def texts(found: Resolver, at: datetime = NOW, principal: str = "p1") -> dict[str, tuple[str, ...]]:
    return {attribute.name: attribute.texts() for attribute in found.resolve(principal, at).attributes}


def test_all_connectors_are_asked_in_their_order() -> None:
    made = resolver(Source("a", Counting(mail="a@a", cn="A")), Source("b", Counting(mail="b@b")))
    assert texts(made) == {"mail": ("a@a", "b@b"), "cn": ("A",)}


def test_a_required_connector_that_fails_makes_the_query_fail() -> None:
    broken = Counting()
    broken.broken = True
    with pytest.raises(Unavailable):
        texts(resolver(Source("a", Counting(mail="a@a")), Source("b", broken, required=True)))


def test_an_optional_connector_that_fails_is_noted_and_not_remembered() -> None:
    broken = Counting(cn="B")
    broken.broken = True
    made = resolver(Source("a", Counting(mail="a@a")), Source("b", broken, required=False))
    resolution = made.resolve("p1", NOW)
    assert [attribute.name for attribute in resolution.attributes] == ["mail"]
    assert resolution.notes == (Note("connector_failed", "b", "storage.unavailable; found connection refused"),)
    broken.broken = False
    assert texts(made) == {"mail": ("a@a",), "cn": ("B",)}


def test_a_resolution_is_remembered_for_its_age_and_no_longer() -> None:
    source = Counting(mail="a@a")
    made = resolver(Source("a", source))
    made.resolve("p1", NOW)
    made.resolve("p1", NOW + timedelta(seconds=59))
    assert source.asked == ["p1"]
    made.resolve("p1", NOW + timedelta(seconds=60))
    assert source.asked == ["p1", "p1"]


def test_a_clock_that_was_set_back_makes_nothing_last_longer() -> None:
    source = Counting(mail="a@a")
    made = resolver(Source("a", source))
    made.resolve("p1", NOW)
    made.resolve("p1", NOW - timedelta(hours=1))
    assert len(source.asked) == 2


def test_people_are_remembered_apart_and_the_oldest_goes_first() -> None:
    source = Counting(mail="a@a")
    made = resolver(Source("a", source), size=2)
    for principal in ("p1", "p2", "p3", "p2", "p1"):
        made.resolve(principal, NOW)
    assert source.asked == ["p1", "p2", "p3", "p1"]


def test_nothing_is_remembered_without_an_age_or_after_forgetting() -> None:
    source = Counting(mail="a@a")
    without = resolver(Source("a", source), age=timedelta(0))
    without.resolve("p1", NOW)
    without.resolve("p1", NOW)
    assert len(source.asked) == 2
    made = resolver(Source("a", source))
    made.resolve("p1", NOW)
    made.forget("p1")
    made.forget("nobody")
    made.resolve("p1", NOW)
    assert len(source.asked) == 4


def test_nothing_is_remembered_where_nobody_may_be() -> None:
    made = resolver(Source("a", Counting(mail="a@a")), size=0)
    assert texts(made) == texts(made) == {"mail": ("a@a",)}


def test_threads_share_one_resolver() -> None:
    made = resolver(Source("a", Counting(mail="a@a")), size=3)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(200):
                assert texts(made, principal=f"p{(number + step) % 7}") == {"mail": ("a@a",)}
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
