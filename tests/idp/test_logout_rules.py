"""Single logout as pure rules: which channel, what an answer comes to, what is said in the end."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from idp.logout.rules import (
    Asker,
    Run,
    State,
    Step,
    by_sp,
    front_endpoint,
    is_complete,
    is_lost,
    is_over,
    said,
    status_of,
    way,
    without_way,
)
from idp.logout.runs import Runs
from idp.logout.tables import logout_run, logout_step
from idp.sessions.participants import Participant
from idp.sessions.tables import sso_participant, sso_session
from idp.tables import MIGRATIONS as IDP_MIGRATIONS
from idp.tables import metadata
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.federation.model import Endpoint, SpRole
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.logout import PARTIAL_LOGOUT, LogoutResponse
from ostiary.saml.message import SUCCEEDED, Status
from ostiary.storage.engine import reading, writing
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from tests.databases import DATABASES, upgraded

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LIBRARY, MAP = "https://library.example/shar", "https://map.example/shar"
SOAP = Endpoint(names.SOAP, "https://library.example/soap")
REDIRECT = Endpoint(names.HTTP_REDIRECT, "https://library.example/redirect")
POST = Endpoint(names.HTTP_POST, "https://library.example/post")
ARTIFACT = Endpoint(names.HTTP_ARTIFACT, "https://library.example/artifact")
STEP = Step(1, LIBRARY, NameId("handle", names.TRANSIENT), "_1")


def role(*offered: Endpoint) -> SpRole:
    return SpRole(single_logout=offered)


def run(*states: State, found: bool = True) -> Run:
    return Run("run", None, None, found, tuple(replace(STEP, id=number, state=s) for number, s in enumerate(states)))


# -- the way ----------------------------------------------------------------------------------------------------------


def test_soap_comes_first_and_the_browser_where_it_brought_no_answer() -> None:
    offered = role(POST, REDIRECT, SOAP)
    assert way(STEP, offered, browser=True) == ("back", SOAP)
    asked = replace(STEP, back_tried=True)
    assert way(asked, offered, browser=True) == ("front", REDIRECT)
    assert way(replace(asked, front_tried=True), offered, browser=True) is None


def test_without_a_browser_there_is_soap_or_nothing() -> None:
    assert way(STEP, role(REDIRECT, SOAP), browser=False) == ("back", SOAP)
    assert way(replace(STEP, back_tried=True), role(REDIRECT, SOAP), browser=False) is None
    assert way(STEP, role(REDIRECT), browser=False) is None


def test_a_session_of_another_browser_is_not_told_through_this_one() -> None:
    assert way(replace(STEP, elsewhere=True), role(REDIRECT), browser=True) is None
    assert way(replace(STEP, elsewhere=True), role(SOAP), browser=True) == ("back", SOAP)


@pytest.mark.parametrize("offered", [None, role(), role(ARTIFACT)])
def test_who_offers_nothing_that_we_speak_can_not_be_told(offered: SpRole | None) -> None:
    assert way(STEP, offered, browser=True) is None
    assert without_way(STEP) == State.UNTOLD


def test_who_was_asked_and_has_no_way_left_did_not_answer() -> None:
    assert without_way(replace(STEP, back_tried=True)) == State.UNANSWERED
    assert without_way(replace(STEP, front_tried=True)) == State.UNANSWERED


def test_an_answer_goes_by_the_binding_of_the_request_where_there_is_one() -> None:
    assert front_endpoint(role(REDIRECT, POST), prefer=names.HTTP_POST) == POST
    assert front_endpoint(role(REDIRECT), prefer=names.HTTP_POST) == REDIRECT
    assert front_endpoint(role(SOAP), prefer=names.SOAP) is None


def test_a_node_that_is_gone_leaves_a_question_that_another_takes_over() -> None:
    asked = replace(STEP, state=State.ASKED, back_tried=True, asked_at=NOW)
    patience = timedelta(seconds=15)
    assert not is_lost(asked, NOW + timedelta(seconds=14), patience)
    assert is_lost(asked, NOW + timedelta(seconds=15), patience)
    assert not is_lost(replace(asked, front_tried=True), NOW + timedelta(hours=1), patience)
    assert not is_lost(STEP, NOW + timedelta(hours=1), patience)


# -- the answer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (SUCCEEDED, State.ENDED),
        (PARTIAL_LOGOUT, State.REFUSED),
        (Status(names.RESPONDER, names.PARTIAL_LOGOUT), State.REFUSED),
        (Status(names.REQUESTER, names.UNKNOWN_PRINCIPAL), State.UNKNOWN),
        (Status(names.RESPONDER), State.REFUSED),
        (Status(names.REQUESTER, names.REQUEST_DENIED), State.REFUSED),
    ],
)
def test_an_answer_is_taken_for_what_it_says(status: Status, state: State) -> None:
    assert said(LogoutResponse("_2", LIBRARY, NOW, "_1", status)) == state


@pytest.mark.parametrize(
    ("states", "over", "complete"),
    [
        ((), True, True),
        ((State.ENDED, State.UNKNOWN), True, True),
        ((State.ENDED, State.REFUSED), True, False),
        ((State.ENDED, State.UNANSWERED), True, False),
        ((State.UNTOLD,), True, False),
        ((State.ENDED, State.WAITING), False, False),
        ((State.ASKED,), False, False),
    ],
)
def test_only_who_has_confirmed_is_called_signed_out(states: tuple[State, ...], over: bool, complete: bool) -> None:
    assert is_over(run(*states)) is over
    assert is_complete(run(*states)) is complete
    assert status_of(run(*states)) == (SUCCEEDED if complete else PARTIAL_LOGOUT)


def test_where_no_session_was_found_nobody_knows_whom_to_tell() -> None:
    assert is_over(run(found=False))
    assert status_of(run(found=False)) == PARTIAL_LOGOUT


def test_of_an_sp_with_several_sessions_the_worst_is_told() -> None:
    steps = (
        replace(STEP, id=1, state=State.ENDED),
        replace(STEP, id=2, sp=MAP, state=State.UNKNOWN),
        replace(STEP, id=3, state=State.UNANSWERED),
    )
    assert by_sp(Run("run", None, None, True, steps)) == ((LIBRARY, State.UNANSWERED), (MAP, State.UNKNOWN))


# -- in the database --------------------------------------------------------------------------------------------------


@pytest.fixture(params=sorted(DATABASES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with upgraded(request.param, tmp_path, [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, IDP_MIGRATIONS]) as opened:
        yield opened


def begin(engine: Engine, *participants: Participant, browser: str | None = "token", asker: Asker | None = None) -> str:
    with writing(engine) as connection:
        taking_part = [(one, False) for one in participants]
        return Runs(engine).begin(connection, taking_part, NOW, found=True, browser=browser, asker=asker)


HANDLE = NameId("handle", names.TRANSIENT, "https://idp.example", LIBRARY)


def test_the_migration_makes_exactly_these_tables(engine: Engine) -> None:
    ours = {table.name for table in (sso_session, sso_participant, logout_run, logout_step)}

    def only_ours(item: object, name: str | None, kind: str, reflected: bool, compared: object) -> bool:
        return kind != "table" or name in ours

    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"include_object": only_ours, "compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_logout_is_read_as_it_was_begun(engine: Engine) -> None:
    asker = Asker(MAP, "_request", names.HTTP_POST, "state", asynchronous=False)
    begun = begin(engine, Participant(LIBRARY, HANDLE, "_1"), asker=asker)
    read = Runs(engine).get(begun, NOW)
    assert read is not None
    assert read.asker == asker
    assert read.browser == "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0"
    assert [(step.sp, step.name_id, step.session_index, step.state) for step in read.steps] == [
        (LIBRARY, HANDLE, "_1", State.WAITING)
    ]
    assert Runs(engine).get("another", NOW) is None
    assert Runs(engine).get(begun, NOW + timedelta(minutes=30)) is None


def test_an_sp_is_asked_by_one_node_alone(engine: Engine) -> None:
    runs = Runs(engine)
    begun = runs.get(begin(engine, Participant(LIBRARY, HANDLE, "_1")), NOW)
    assert begun is not None
    [step] = begun.steps
    assert runs.claim(step, "back", "_a", NOW)
    assert not runs.claim(step, "back", "_b", NOW)
    assert runs.asked_in("_b", NOW) is None
    found = runs.asked_in("_a", NOW)
    assert found is not None
    assert (found[0], found[1].state, found[1].back_tried) == (begun.id, State.ASKED, True)


def test_an_answer_counts_for_the_question_that_it_answers_and_also_when_it_is_late(engine: Engine) -> None:
    runs = Runs(engine)
    run_id = begin(engine, Participant(LIBRARY, HANDLE, "_1"))
    begun = runs.get(run_id, NOW)
    assert begun is not None
    [step] = begun.steps
    runs.claim(step, "front", "_a", NOW)
    assert not runs.settle(step.id, "_b", State.ENDED)
    assert runs.give_up(replace(step, state=State.ASKED), State.UNANSWERED)
    assert runs.settle(step.id, "_a", State.ENDED)
    present = runs.get(run_id, NOW)
    assert present is not None
    assert [one.state for one in present.steps] == [State.ENDED]


def test_of_one_sp_the_eight_newest_sessions_are_told(engine: Engine) -> None:
    many = [Participant(LIBRARY, HANDLE, f"_{number}") for number in range(10)]
    begun = Runs(engine).get(begin(engine, *many, Participant(MAP, HANDLE, "_m")), NOW)
    assert begun is not None
    assert [step.session_index for step in begun.steps] == [*(f"_{number}" for number in range(2, 10)), "_m"]


def test_what_is_long_over_is_swept_away(engine: Engine) -> None:
    runs = Runs(engine)
    begun = begin(engine, Participant(LIBRARY, HANDLE, "_1"))
    runs.sweep(NOW + timedelta(minutes=39))
    assert runs.get(begun, NOW) is not None
    Runs(engine).sweep(NOW + timedelta(minutes=40))
    assert runs.get(begun, NOW) is None
