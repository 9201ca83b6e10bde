"""The latest requests: what is kept of them, for how long, and that they go with the person."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from attribute_authority.administration import requests
from attribute_authority.administration.requests import RememberedRequests
from attribute_authority.tables import MIGRATIONS, release_request
from ostiary import audit
from ostiary.attributes import make_attribute
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.ports import ReleaseRequest
from ostiary.storage.engine import reading, writing
from tests.databases import DATABASES, upgraded

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SP = "https://library.example/shar"
KEEP = timedelta(days=14)


@pytest.fixture(params=sorted(DATABASES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with upgraded(request.param, tmp_path, [AUDIT_MIGRATIONS, MIGRATIONS]) as opened:
        yield opened


def answer(engine: Engine, remembered: RememberedRequests, request: ReleaseRequest, *, pushed: bool = False) -> None:
    """As the services do: one transaction with the audit row."""
    with writing(engine) as connection:
        audit.record(
            connection,
            at=request.at,
            writer="aa",
            actor="attribute_authority",
            action="attributes.released",
            subject=request.principal,
        )
        remembered.note(connection, request, pushed=pushed)


def rows(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(release_request)).scalar_one()


def test_a_request_comes_back_as_it_was_asked_without_values(engine: Engine) -> None:
    remembered = RememberedRequests(engine, keep=KEEP)
    asked = ReleaseRequest(
        "p1",
        SP,
        NOW,
        target="https://library.example/instrument",
        wanted=(make_attribute("mail", ["ada@home.example"]), make_attribute("cn", [])),
        network="192.0.2.7",
        authn_context="urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
    )
    answer(engine, remembered, asked, pushed=True)
    answer(engine, remembered, ReleaseRequest("p2", SP, NOW, anonymous=True))
    second, first = remembered.latest(10, authority=0)
    assert first.pushed
    assert first.request == ReleaseRequest(
        "p1",
        SP,
        NOW,
        target="https://library.example/instrument",
        wanted=(make_attribute("mail", []), make_attribute("cn", [])),
        network="192.0.2.7",
        authn_context="urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
    )
    assert (second.request, second.pushed) == (ReleaseRequest("p2", SP, NOW, anonymous=True), False)


def test_the_newest_come_first_and_no_more_than_asked_for(engine: Engine) -> None:
    remembered = RememberedRequests(engine, keep=KEEP)
    for minute in range(4):
        answer(engine, remembered, ReleaseRequest("p1", SP, NOW + timedelta(minutes=minute)))
    assert [one.request.at.minute for one in remembered.latest(3, authority=0)] == [3, 2, 1]


def test_what_another_authority_answered_is_its_own(engine: Engine) -> None:
    remembered = RememberedRequests(engine, keep=KEEP)
    answer(engine, remembered, ReleaseRequest("p1", SP, NOW, authority=1))
    assert remembered.latest(10, authority=0) == ()
    assert len(remembered.latest(10, authority=1)) == 1


def test_her_requests_go_with_the_person(engine: Engine) -> None:
    remembered = RememberedRequests(engine, keep=KEEP)
    answer(engine, remembered, ReleaseRequest("p1", SP, NOW))
    answer(engine, remembered, ReleaseRequest("p2", SP, NOW))
    with writing(engine) as connection:
        audit.erase_person(connection, "p1", at=NOW, writer="aa", actor="operator")
    assert [one.request.principal for one in remembered.latest(10, authority=0)] == ["p2"]
    assert rows(engine) == 1


def test_a_request_is_forgotten_when_its_time_is_over(engine: Engine) -> None:
    remembered = RememberedRequests(engine, keep=KEEP)
    answer(engine, remembered, ReleaseRequest("p1", SP, NOW))
    answer(engine, remembered, ReleaseRequest("p1", SP, NOW + timedelta(days=7)))
    remembered.sweep(NOW + KEEP)
    assert rows(engine) == 2
    remembered.sweep(NOW + KEEP + timedelta(hours=1))
    assert rows(engine) == 1


def test_there_are_never_many_more_than_the_limit(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "KEPT_AT_MOST", 5)
    monkeypatch.setattr(requests, "_ROUND", 4)
    remembered = RememberedRequests(engine, keep=KEEP)
    for _ in range(16):
        answer(engine, remembered, ReleaseRequest("p1", SP, NOW))
    assert rows(engine) == 5


def test_nothing_is_remembered_where_the_settings_say_so(engine: Engine) -> None:
    remembered = RememberedRequests(engine, keep=timedelta(0))
    answer(engine, remembered, ReleaseRequest("p1", SP, NOW))
    assert rows(engine) == 0


def test_an_overlong_target_stays_one_that_nobody_can_read(engine: Engine) -> None:
    remembered = RememberedRequests(engine, keep=KEEP)
    answer(engine, remembered, ReleaseRequest("p1", SP, NOW, target="https://library.example/" + "x" * 3000))
    assert remembered.latest(1, authority=0)[0].request.target == ""
