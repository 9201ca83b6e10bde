"""When the last document stays: the rules by themselves."""

from datetime import timedelta
from pathlib import Path

import pytest

from ostiary.errors import Refusal, Unavailable
from ostiary.federation.publish.publication import (
    Made,
    Publication,
    Record,
    SourceState,
    after_failure,
    after_success,
    is_due,
    reason_to_keep,
    record_from,
)
from ostiary.federation.registry import Registry
from ostiary.federation.sources.selection import Selection
from tests.metadata_service.conftest import NOW, UPSTREAM, home
from wayf import whole
from wayf.whole import WholeRegistry

ALL = Publication("all", "urn:x", Selection())
OUT = Record(published_at=NOW, valid_until=NOW + timedelta(days=7), entities=100)
GOOD, ALARM = SourceState("a", 60), SourceState("b", 40, "fetch.unreachable")
GONE, ASKED = SourceState("c", 0, "metadata.expired"), SourceState("d", 0, on_demand=True)


@pytest.mark.parametrize(
    ("made", "after", "code"),
    [
        (Made(100, 0, (GOOD, ASKED)), timedelta(hours=1), None),
        (Made(50, 0, (GOOD,)), timedelta(hours=1), None),
        (Made(49, 0, (GOOD,)), timedelta(hours=1), "publish.shrunk"),
        (Made(49, 0, (GOOD,)), timedelta(days=6, hours=23), "publish.shrunk"),
        (Made(49, 0, (GOOD,)), timedelta(days=7), None),
        (Made(60, 0, (GOOD, GONE)), timedelta(days=6, hours=23), "publish.source_empty"),
        (Made(60, 0, (GOOD, GONE)), timedelta(days=7), None),
        (Made(100, 0, (GOOD, ALARM)), timedelta(days=3, hours=11), "publish.source_alarm"),
        (Made(100, 0, (GOOD, ALARM)), timedelta(days=3, hours=12), None),
        (Made(0, 0, (GOOD,)), timedelta(days=7), "publish.empty"),
    ],
)
def test_the_last_document_stays_while_there_is_a_reason(made: Made, after: timedelta, code: str | None) -> None:
    kept = reason_to_keep(OUT, made, ALL, NOW + after)
    assert (kept.code if kept is not None else None) == code


def test_without_a_last_document_what_there_is_is_published() -> None:
    assert reason_to_keep(Record(), Made(1, 0, (GOOD, GONE, ALARM)), ALL, NOW) is None


def test_what_is_known_comes_back_from_its_file() -> None:
    made = after_success(Made(3, 1), ALL, "f", octets=9, now=NOW, chance=0.5)
    assert made.next_attempt == NOW + timedelta(hours=1, minutes=2, seconds=30)
    failed = after_failure(made, Refusal("publish.unknown", found="x", known="a, b"), ALL, "g", now=NOW, chance=0)
    assert record_from(failed.as_json()) == failed
    assert failed.trouble is not None
    assert failed.trouble.error().params == {"known": "a, b"}
    assert (failed.published_at, failed.entities, failed.failures) == (NOW, 3, 1)
    assert (is_due(failed, "g", NOW), is_due(failed, "h", NOW)) == (False, True)
    assert is_due(failed, "g", NOW + timedelta(minutes=1))


def test_a_whole_federation_that_can_not_be_made_leaves_the_last_one_and_is_not_tried_at_each_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(whole, "MOST_HERE", 0)
    tried: list[Path] = []

    def refuse(publication: Publication, path: Path, now: object) -> Made:
        tried.append(path)
        raise Refusal("metadata.file", file="x")

    document, registry = WholeRegistry(ALL, refuse), Registry([home(1)])
    for _ in range(2):
        with pytest.raises(Unavailable) as refused:
            document.open(registry, UPSTREAM, NOW, gzipped=False)
        assert refused.value.code == "metadata.file"
    assert len(tried) == 1
    monkeypatch.setattr(whole, "MOST_HERE", 5)
    good = document.open(registry, UPSTREAM, NOW + timedelta(minutes=5), gzipped=False)
    monkeypatch.setattr(whole, "MOST_HERE", 0)
    later = document.open(registry, UPSTREAM, NOW + timedelta(hours=5), gzipped=False)
    assert later.etag == good.etag
    for found in (good, later):
        found.close()
