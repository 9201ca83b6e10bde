"""Logouts under way, in the database: any node goes on with what another began. Each step is claimed before its SP is asked."""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, insert, select, update

from idp.logout.rules import MOST_OF_ONE_SP, Asker, Channel, Run, State, Step
from idp.logout.tables import logout_run, logout_step
from idp.sessions.participants import Participant
from ostiary.saml.assertion import NameId
from ostiary.storage.engine import reading, writing
from ostiary.storage.sweeping import Sweeper

RUN_TIME: Final = timedelta(minutes=30)


class Runs:
    """Each method raises `Unavailable` while the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sweeper = Sweeper(engine, logout_run.c.id, logout_run.c.expires, one_by_one=True)

    def begin(
        self,
        connection: Connection,
        participants: Iterable[tuple[Participant, bool]],
        now: datetime,
        *,
        found: bool,
        browser: str | None,
        asker: Asker | None = None,
    ) -> str:
        """A new logout, in the transaction that ends the sessions; returns its id, which is no secret where ``browser`` (the token) is
        given: only that browser sees it. ``participants``, each with whether it is of another browser's session: of each SP the newest
        are told."""
        run = secrets.token_urlsafe(32)
        connection.execute(
            insert(logout_run).values(
                id=run,
                browser=digest(browser) if browser is not None else None,
                started=now,
                expires=now + RUN_TIME,
                asked_by=asker.sp if asker is not None else None,
                request_id=asker.request_id if asker is not None else None,
                binding=asker.binding if asker is not None else None,
                relay_state=asker.relay_state if asker is not None else None,
                asynchronous=asker is not None and asker.asynchronous,
                found=found,
            )
        )
        rows = [
            {
                "run_id": run,
                "sp": one.sp,
                "name_id": one.name_id.value,
                "name_id_format": one.name_id.format,
                "name_qualifier": one.name_id.name_qualifier,
                "sp_name_qualifier": one.name_id.sp_name_qualifier,
                "session_index": one.session_index,
                "state": State.WAITING.value,
                "elsewhere": elsewhere,
                "back_tried": False,
                "front_tried": False,
            }
            for one, elsewhere in _newest(participants)
        ]
        if rows:
            connection.execute(insert(logout_step), rows)
        return run

    def get(self, run_id: str, now: datetime) -> Run | None:
        """The logout as it stands; None when there is none, or it is long over."""
        wanted = select(logout_run).where(logout_run.c.id == run_id, logout_run.c.expires > now)
        steps = select(logout_step).where(logout_step.c.run_id == run_id).order_by(logout_step.c.id)
        with reading(self._engine, consistent=True) as connection:
            row = connection.execute(wanted).one_or_none()
            if row is None:
                return None
            return Run(row.id, row.browser, _asker(row), row.found, tuple(map(_step, connection.execute(steps))))

    def asked_in(self, request_id: str, now: datetime) -> tuple[str, Step] | None:
        """The run's id and the step whose last LogoutRequest had this ID."""
        joined = logout_step.join(logout_run, logout_run.c.id == logout_step.c.run_id)
        wanted = select(logout_step).select_from(joined)
        with reading(self._engine) as connection:
            row = connection.execute(
                wanted.where(logout_step.c.request_id == request_id, logout_run.c.expires > now)
            ).one_or_none()
        return (row.run_id, _step(row)) if row is not None else None

    def claim(self, step: Step, channel: Channel, request_id: str, now: datetime) -> bool:
        """Whether it is for this request to ask this SP by this channel: of all who try, one gets it."""
        values = {
            "state": State.ASKED.value,
            "request_id": request_id,
            "asked_at": now,
            "back_tried": step.back_tried or channel == "back",
            "front_tried": step.front_tried or channel == "front",
        }
        return self._change(step.id, State.WAITING, **values)

    def settle(self, step_id: int, request_id: str, state: State) -> bool:
        """What the SP said to the LogoutRequest with this ID; also when nobody waited for it any more."""
        known = (logout_step.c.id == step_id, logout_step.c.request_id == request_id)
        with writing(self._engine) as connection:
            changed = connection.execute(update(logout_step).where(*known).values(state=state.value))
            return changed.rowcount == 1

    def give_up(self, step: Step, state: State) -> bool:
        """There is no way to tell this SP, or it did not answer; whether that still was how things stood."""
        return self._change(step.id, step.state, state=state.value)

    def wait_again(self, step: Step, request_id: str) -> bool:
        """No answer came by this channel: the step waits for the next one."""
        known = (
            logout_step.c.id == step.id,
            logout_step.c.request_id == request_id,
            logout_step.c.state == State.ASKED.value,
        )
        with writing(self._engine) as connection:
            waiting = update(logout_step).where(*known).values(state=State.WAITING.value)
            return connection.execute(waiting).rowcount == 1

    def sweep(self, now: datetime) -> None:
        """Clears away what is long over."""
        self._sweeper.sweep(now)

    def _change(self, step_id: int, before: State, **values: Any) -> bool:
        known = (logout_step.c.id == step_id, logout_step.c.state == before.value)
        with writing(self._engine) as connection:
            return connection.execute(update(logout_step).where(*known).values(**values)).rowcount == 1


def digest(browser: str) -> str:
    """What is kept of a browser's token."""
    return sha256(browser.encode()).hexdigest()


def _newest(participants: Iterable[tuple[Participant, bool]]) -> list[tuple[Participant, bool]]:
    kept: dict[str, list[tuple[Participant, bool]]] = {}
    for one in participants:
        kept.setdefault(one[0].sp, []).append(one)
    return [one for of_sp in kept.values() for one in of_sp[-MOST_OF_ONE_SP:]]


def _asker(row: "Row[tuple[object, ...]]") -> Asker | None:
    if row.asked_by is None:
        return None
    return Asker(row.asked_by, row.request_id, row.binding, row.relay_state, row.asynchronous)


def _step(row: "Row[tuple[object, ...]]") -> Step:
    return Step(
        row.id,
        row.sp,
        NameId(row.name_id, row.name_id_format, row.name_qualifier, row.sp_name_qualifier),
        row.session_index,
        row.elsewhere,
        State(row.state),
        row.request_id,
        row.asked_at,
        row.back_tried,
        row.front_tried,
    )
