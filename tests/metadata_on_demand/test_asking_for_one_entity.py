"""Entities that are asked for when somebody needs them, from a server on loopback, through the index."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest

from ostiary.federation.sources.living import IndexedMetadata
from ostiary.federation.sources.mdq import address_of
from tests.federation.entities import END, HOME, LIBRARY
from tests.metadata_on_demand.query_server import World, asking, document
from tests.metadata_sources.servers_that_misbehave import reply
from tests.saml.world import IDP, NOW, SP

Make = Callable[..., World]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    ends: list[Any] = []

    def made(**settings: Any) -> World:
        context = asking(tmp_path, **settings)
        ends.append(context)
        return context.__enter__()

    yield made
    for context in reversed(ends):
        context.__exit__(None, None, None)


@pytest.fixture
def world(make: Make) -> World:
    found = make()
    found.federation.documents |= {IDP: document(HOME), SP: document(LIBRARY)}
    return found


def knows(metadata: IndexedMetadata, entity_id: str, world: World) -> bool:
    return metadata.registry().get(entity_id, world.clock.now()) is not None


def sha1_of(entity_id: str) -> bytes:
    return sha1(entity_id.encode(), usedforsecurity=False).digest()


def until(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within two seconds."""
    end = time.monotonic() + 2
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


# --- asking


def test_an_entity_is_asked_for_once_and_kept(world: World) -> None:
    metadata = world.open()
    for _ in range(3):
        found = metadata.registry().get(IDP, NOW)
        assert found is not None
        assert found.idp is not None
        assert [scope.value for scope in found.idp.scopes] == ["northgate.example", r"^.+\.northgate\.example$"]
    assert world.federation.asked == [IDP]
    assert world.federation.heads[0].startswith("GET /entities/https%3A%2F%2F")


def test_what_is_held_survives_a_restart_and_serves_other_processes(world: World) -> None:
    first, second = world.open(), world.open()
    assert knows(first, IDP, world)
    assert knows(second, IDP, world)
    world.federation.instead = reply("503 Service Unavailable")
    assert knows(world.open(), IDP, world)
    assert world.federation.asked == [IDP]


def test_lists_show_what_is_held(world: World) -> None:
    metadata = world.open()
    assert [one.entity_id for one in metadata.registry().summaries(NOW)] == []
    assert knows(metadata, IDP, world)
    assert [one.entity_id for one in metadata.registry().summaries(NOW)] == [IDP]


def test_an_artifact_asks_by_the_hash_that_stands_in_it(world: World) -> None:
    found = world.open().registry().by_source_id(sha1_of(IDP), NOW)
    assert found is not None
    assert found.entity_id == IDP
    assert world.federation.asked == ["{sha1}" + sha1_of(IDP).hex()]


def test_a_server_may_be_asked_by_hash_alone(make: Make) -> None:
    world = make(ask_by="sha1")
    world.federation.documents[IDP] = document(HOME)
    assert knows(world.open(), IDP, world)
    assert world.federation.asked == ["{sha1}" + sha1_of(IDP).hex()]


@pytest.mark.parametrize(
    ("entity_id", "address"),
    [
        ("https://a.example/x?y=z#f", "https://m/entities/https%3A%2F%2Fa.example%2Fx%3Fy%3Dz%23f"),
        ("urn:x:\"a b'<&>", "https://m/entities/urn%3Ax%3A%22a%20b%27%3C%26%3E"),
        ("../../admin", "https://m/entities/..%2F..%2Fadmin"),
        ("..", "https://m/entities/%7Bsha1%7Dd17cc949b5b9af5c71c39cae94b66e12abf53a59"),
        ("https://ä.example/%2e", "https://m/entities/https%3A%2F%2F%C3%A4.example%2F%252e"),
        ("x" * 3000, "https://m/entities/%7Bsha1%7D" + sha1(b"x" * 3000, usedforsecurity=False).hexdigest()),
        (b"\x01" * 20, "https://m/entities/%7Bsha1%7D" + "01" * 20),
    ],
)
def test_an_entity_id_is_one_step_of_the_path_whatever_stands_in_it(entity_id: str | bytes, address: str) -> None:
    found = address_of("https://m/", entity_id)
    assert found == (address if entity_id != ".." else "https://m/entities/%7Bsha1%7D" + sha1_of("..").hex())


def test_odd_entity_ids_are_found(make: Make) -> None:
    world = make()
    odd = "urn:x:\"a b'<&>/../é%00"
    world.federation.documents[odd] = document(replace(HOME, entity_id=odd))
    assert knows(world.open(), odd, world)


@pytest.mark.parametrize("entity_id", ["", "x" * 1025, "https://a.example/\n", "a\u202eb", " a", "a  b"])
def test_what_is_no_entity_id_is_not_asked_for(world: World, entity_id: str) -> None:
    assert not knows(world.open(), entity_id, world)
    assert world.federation.asked == []


# --- what is believed


@pytest.mark.parametrize(
    "answer",
    [
        document(HOME, by="somebody else"),
        document(HOME).replace(b"northgate.example/", b"evil.example/"),
        document(HOME, until=NOW),
        document(HOME, until=NOW + timedelta(days=29)),
        document(LIBRARY),
        b"<md:EntityDescriptor",
        b" ",
        b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>",
    ],
    ids=["other key", "changed", "expired", "valid too long", "other entity", "cut", "empty", "entities"],
)
def test_an_answer_that_can_not_be_believed_is_refused_and_not_asked_for_again_at_once(
    world: World, answer: bytes
) -> None:
    world.federation.documents[IDP] = answer
    metadata = world.open()
    assert not knows(metadata, IDP, world)
    assert not knows(metadata, IDP, world)
    assert world.federation.asked.count(IDP) == 1
    world.clock.forward(minutes=1)
    world.federation.documents[IDP] = document(HOME)
    assert knows(metadata, IDP, world)


def test_the_last_good_answer_stays_when_a_bad_one_comes(world: World) -> None:
    metadata = world.open()
    assert knows(metadata, IDP, world)
    world.federation.documents[IDP] = document(HOME, by="somebody else")
    world.clock.forward(hours=7)
    assert knows(metadata, IDP, world)
    assert world.service.told[-1][1] == "signature.wrong"


def test_an_answer_that_is_too_large_is_refused(make: Make) -> None:
    world = make(max_bytes=4096)
    world.federation.documents[IDP] = document(HOME) + b"<!-- -->" * 1000
    assert not knows(world.open(), IDP, world)


# --- for how long


def test_what_is_not_there_is_asked_for_again_after_a_while(world: World) -> None:
    metadata = world.open()
    del world.federation.documents[IDP]
    for _ in range(3):
        assert not knows(metadata, IDP, world)
    assert world.federation.asked == [IDP]
    world.federation.documents[IDP] = document(HOME)
    world.clock.forward(minutes=10)
    assert knows(metadata, IDP, world)
    assert world.federation.asked == [IDP, IDP]


def test_who_is_taken_out_of_the_federation_is_believed_no_more(world: World) -> None:
    metadata = world.open()
    assert knows(metadata, IDP, world)
    del world.federation.documents[IDP]
    world.clock.forward(hours=7)
    assert not knows(metadata, IDP, world)


@pytest.mark.parametrize(
    ("headers", "cache_duration", "good_for"),
    [
        ({}, "", timedelta(hours=6)),
        ({"Cache-Control": "max-age=3600"}, "", timedelta(hours=1)),
        ({"Cache-Control": "public, max-age=3600"}, "PT2H", timedelta(hours=1)),
        ({"Cache-Control": "max-age=7200"}, "PT1H", timedelta(hours=1)),
        ({}, "P1Y", timedelta(days=1)),
        ({"Cache-Control": "no-store"}, "", timedelta(minutes=5)),
        ({"Cache-Control": "max-age=-1"}, "PT1S", timedelta(minutes=5)),
    ],
)
def test_an_answer_is_good_for_as_long_as_it_says_within_bounds(
    make: Make, headers: dict[str, str], cache_duration: str, good_for: timedelta
) -> None:
    world = make()
    world.federation.documents[IDP] = document(HOME, cache_duration=cache_duration)
    world.federation.headers = headers
    metadata = world.open()
    assert knows(metadata, IDP, world)
    world.clock.at = NOW + good_for * 0.64
    assert knows(metadata, IDP, world)
    assert world.federation.asked == [IDP]
    world.clock.at = NOW + good_for
    assert knows(metadata, IDP, world)
    assert world.federation.asked == [IDP, IDP]


def test_an_answer_that_did_not_change_costs_a_conditional_request(world: World) -> None:
    world.federation.headers = {"ETag": '"1"'}
    metadata = world.open()
    assert knows(metadata, IDP, world)
    world.clock.forward(seconds=2)
    assert knows(metadata, IDP, world)
    version = metadata.version
    world.clock.forward(hours=6)
    assert knows(metadata, IDP, world)
    assert 'If-None-Match: "1"' in world.federation.heads[1]
    assert metadata.version == version
    world.clock.forward(hours=3)
    assert knows(metadata, IDP, world)
    assert len(world.federation.asked) == 2


def test_an_entity_in_use_is_renewed_in_the_background_before_it_is_old(world: World) -> None:
    metadata = world.open()
    assert knows(metadata, IDP, world)
    going_on = threading.Event()
    answered = document(replace(HOME, registration_authority="https://new.example"))

    def slow(connection: Any, head: str) -> None:
        going_on.wait(2)
        reply(body=answered)(connection, head)

    world.federation.instead = slow
    world.clock.forward(hours=5)
    for _ in range(3):
        assert knows(metadata, IDP, world)
    assert until(lambda: len(world.federation.asked) == 2)
    going_on.set()

    def is_new() -> bool:
        world.clock.forward(seconds=2)
        found = metadata.registry().get(IDP, world.clock.now())
        return found is not None and found.registration_authority == "https://new.example"

    assert until(is_new)
    assert len(world.federation.asked) == 2


def test_expired_metadata_is_never_given_out(make: Make) -> None:
    world = make()
    world.federation.documents[IDP] = document(HOME, until=NOW + timedelta(hours=1))
    metadata = world.open()
    assert knows(metadata, IDP, world)
    world.federation.instead = reply("503 Service Unavailable")
    world.clock.forward(minutes=59)
    assert knows(metadata, IDP, world)
    world.clock.forward(minutes=1)
    assert not knows(metadata, IDP, world)


# --- when the server is down


def test_a_dead_server_costs_one_wait_and_what_is_held_serves_on(make: Make) -> None:
    world = make(time_limit=timedelta(seconds=0.2))
    world.federation.documents |= {IDP: document(HOME)}
    metadata = world.open()
    assert knows(metadata, IDP, world)

    def never(connection: Any, _head: str) -> None:
        connection.recv(1)

    world.federation.instead = never
    world.clock.at = END - timedelta(minutes=1)
    began = time.monotonic()
    assert knows(metadata, IDP, world)
    assert time.monotonic() - began >= 0.2
    asked = len(world.federation.asked)
    began = time.monotonic()
    for number in range(50):
        assert knows(metadata, IDP, world)
        assert not knows(metadata, f"https://unknown-{number}.example", world)
    assert time.monotonic() - began < 1
    assert len(world.federation.asked) == asked
    world.federation.instead = None
    world.federation.documents[SP] = document(LIBRARY, until=END + timedelta(days=1))
    world.clock.forward(seconds=6)
    assert knows(metadata, SP, world)
    assert [code for _, code in world.service.told] == ["fetch.too_slow", None]


def test_a_name_that_the_server_stumbles_over_does_not_keep_others_from_being_asked_for(world: World) -> None:
    metadata = world.open()
    world.federation.instead = reply("500 Internal Server Error")
    assert not knows(metadata, "https://stumble.example", world)
    world.federation.instead = None
    assert knows(metadata, IDP, world)


def test_strangers_can_cause_so_many_questions_in_a_minute(make: Make) -> None:
    world = make(new_entities_per_minute=3)
    world.federation.documents |= {IDP: document(HOME)}
    metadata = world.open()
    assert knows(metadata, IDP, world)
    for number in range(10):
        assert not knows(metadata, f"https://unknown-{number}.example", world)
    assert len(world.federation.asked) == 3
    # Who was found before is asked for again whatever strangers do.
    world.clock.forward(hours=6)
    for number in range(10):
        assert not knows(metadata, f"https://other-{number}.example", world)
    assert knows(metadata, IDP, world)
    assert world.federation.asked.count(IDP) == 2


def test_no_more_than_so_many_entities_are_kept(make: Make) -> None:
    world = make(most_entities=2)
    names = [f"https://idp-{number}.example/idp" for number in range(66)]
    world.federation.documents |= {name: document(replace(HOME, entity_id=name)) for name in names}
    metadata = world.open()
    for name in names:
        assert knows(metadata, name, world)
        world.clock.forward(seconds=1)
    assert len(list(metadata.registry().summaries(world.clock.now()))) == 4


def test_many_who_want_the_same_at_once_ask_once(world: World) -> None:
    going_on = threading.Event()

    def slow(connection: Any, head: str) -> None:
        going_on.wait(2)
        reply(body=document(HOME))(connection, head)

    world.federation.instead = slow
    processes = [world.open(), world.open()]
    found: list[bool] = []
    threads = [
        threading.Thread(target=lambda metadata: found.append(knows(metadata, IDP, world)), args=(processes[n % 2],))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    assert until(lambda: len(world.federation.asked) == 1)
    time.sleep(0.1)
    going_on.set()
    for thread in threads:
        thread.join()
    assert found == [True] * 8
    assert world.federation.asked == [IDP]


# --- how it stands


def test_the_source_is_reported_with_what_is_held_and_what_is_wrong(world: World) -> None:
    metadata = world.open()
    assert knows(metadata, IDP, world)
    assert knows(metadata, SP, world)
    world.clock.forward(minutes=2)
    world.federation.documents["urn:bad"] = document(HOME)
    assert not knows(metadata, "urn:bad", world)
    (report,) = metadata.reports()
    assert (report.kind, report.entities, report.identity_providers, report.service_providers) == ("mdq", 2, 1, 1)
    assert report.problem is not None
    assert report.problem.code == "metadata.other_entity"
    assert report.last_success == NOW
