"""Looks at every member to whom time may have brought something: suspends, removes, writes letters; and sweeps up what is over.

What it writes down held before by itself (`voms.members.states`); it may run at any time, several times, and on several machines.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, delete, select

from ostiary.errors import Missing, Unavailable
from ostiary.storage.engine import reading, writing
from ostiary.web.log import Log
from voms import people
from voms.changes import changing
from voms.jobs.due import PIECE, Candidate, candidates, long_over
from voms.jobs.letters import Reminders
from voms.jobs.reminders import Due, horizon, letters_due
from voms.members.aup import AupVersion, current_version, life_of_member, versions
from voms.members.settings import MembersSettings
from voms.members.situation import Situation, State
from voms.members.states import REASONS, situation
from voms.rows import lock_member, vo_number
from voms.tables import vo_issued, vo_notice

BY: Final = "jobs"
"""Who has done what the jobs do."""

ISSUED_KEPT: Final = timedelta(days=2)
"""How long after its end something issued is still known; relying parties' clocks differ, but not by days."""

NOTICES_KEPT: Final = timedelta(days=800)
"""Longer than any reminder goes ahead of its event."""

_CODES: Final[Mapping[State, people.SuspensionCode]] = {State.EXPIRED: "expired", State.AUP_DUE: "aup"}


@dataclass(frozen=True, slots=True)
class Report:
    """What one run came to, in numbers: of ``expired`` members and those who had ``aup_missed``, ``removed`` ones, ``letters``, and notes
    that were ``swept`` up. ``mail``: False where letters could not be sent: some are still due. ``others``: what further jobs did."""

    expired: int = 0
    aup_missed: int = 0
    removed: int = 0
    letters: int = 0
    mail: bool = True
    swept: int = 0
    others: Mapping[str, int] = field(default_factory=dict)

    def facts(self) -> dict[str, object]:
        """For a log line or JSON."""
        counts = asdict(self)
        named = {name: value for name, value in counts.items() if name not in ("mail", "others")}
        return {**named, "letters_wait": not self.mail, **self.others}


@dataclass(frozen=True, slots=True, eq=False)
class Jobs:
    """The jobs of one VO. ``reminders`` None: nobody is written to. ``others``: further jobs, each of which tells how much it did."""

    engine: Engine
    vo: str
    settings: MembersSettings
    log: Log
    reminders: Reminders | None = None
    others: tuple[Callable[[datetime], Mapping[str, int]], ...] = ()

    def run(self, now: datetime) -> Report:
        """Everything once. Raises `Missing` (``voms.no_vo``), `Unavailable` when the database does not answer."""
        with reading(self.engine) as connection:
            number = vo_number(connection, self.vo)
            known = versions(connection, number)
            policy = current_version(connection, number, now)
        report = self._members(number, known, policy, now)
        report = self._long_over(number, policy, now, report)
        return replace(
            report,
            swept=self._sweep(number, now),
            others={name: count for job in self.others for name, count in job(now).items()},
        )

    def _members(self, number: int, known: Sequence[AupVersion], policy: AupVersion | None, now: datetime) -> Report:
        report = Report()
        terms = [each.terms for each in known]
        end_within, sign_within = horizon(self.settings.remind), horizon(self.settings.remind_to_sign)

        def piece(connection: Connection, after: str | None) -> tuple[Candidate, ...]:
            return candidates(
                connection, number, terms, now, end_within=end_within, sign_within=sign_within, after=after
            )

        for found in self._pieces(piece):
            for each in found:
                code = self._suspend(each, now)
                report = replace(
                    report,
                    expired=report.expired + (code == "expired"),
                    aup_missed=report.aup_missed + (code == "aup"),
                )
            report = self._write(number, found, policy, now, report)
        return report

    def _suspend(self, candidate: Candidate, now: datetime) -> str | None:
        """Writes down that time has suspended a member; the code, or None where it has not."""
        due = _code(situation(candidate.life, now))
        if candidate.life.suspension is not None or due is None:
            return None
        member = candidate.member
        try:
            with changing(
                self.engine, self.vo, "vo.member_suspended", at=now, by=BY, subject=member, facts={"code": due}
            ) as change:
                # She may have signed, or been prolonged, since she was read.
                lock_member(change.connection, change.vo, member)
                code = _code(situation(life_of_member(change.connection, change.vo, member), now))
                if code != due:
                    raise _Changed
                people.suspend(change, member, REASONS[due], due)
        except (_Changed, Missing):
            return None
        return due

    def _write(
        self, number: int, found: Sequence[Candidate], policy: AupVersion | None, now: datetime, report: Report
    ) -> Report:
        """The letters that are due to these members; `report` with them counted."""
        if self.reminders is None or not report.mail:
            return report
        days = {"remind": self.settings.remind, "remind_to_sign": self.settings.remind_to_sign}
        due = [(each, letter) for each in found if each.to for letter in letters_due(each.life, now, **days)]
        sent = self.reminders.already_sent(number, {each.member for each, _ in due}) if due else frozenset()
        for each, letter in due:
            if (each.member, letter.kind, letter.step) not in sent:
                report = self._send(number, each, letter, policy, now, report)
        return report

    def _send(
        self, number: int, to: Candidate, letter: Due, policy: AupVersion | None, now: datetime, report: Report
    ) -> Report:
        if self.reminders is None or to.to is None or not report.mail:
            return report
        try:
            went = self.reminders.send(number, to.to, letter, policy, now)
        except Unavailable as problem:
            self.log.error("vo_letters_wait", vo=self.vo, code=problem.code, problem=str(problem))
            return replace(report, mail=False)
        return replace(report, letters=report.letters + went)

    def _long_over(self, number: int, policy: AupVersion | None, now: datetime, report: Report) -> Report:
        """Removes whose membership ended long ago, where the configuration says so."""
        if self.settings.remove_after is None:
            return report
        before = now - self.settings.remove_after
        for found in self._pieces(lambda connection, after: long_over(connection, number, before, after=after)):
            for each in found:
                if self._remove(each, before, now):
                    report = replace(report, removed=report.removed + 1)
                    letter = Due("removed", now.isoformat(), now)
                    report = self._send(number, each, letter, policy, now, report)
        return report

    def _remove(self, candidate: Candidate, before: datetime, now: datetime) -> bool:
        member = candidate.member
        try:
            with changing(self.engine, self.vo, "vo.member_removed", at=now, by=BY, subject=member) as change:
                lock_member(change.connection, change.vo, member)
                life = life_of_member(change.connection, change.vo, member)
                over = life.valid_to is not None and life.valid_to <= before
                if not over or life.suspension is None or life.suspension.code != "expired":
                    raise _Changed
                people.remove_member(change, member)
        except (_Changed, Missing):
            return False
        return True

    def _pieces(
        self, piece: Callable[[Connection, str | None], tuple[Candidate, ...]]
    ) -> Iterator[tuple[Candidate, ...]]:
        after: str | None = None
        while True:
            with reading(self.engine) as connection:
                found = piece(connection, after)
            if found:
                yield found
            if len(found) < PIECE:
                return
            after = found[-1].member

    def _sweep(self, number: int, now: datetime) -> int:
        """Takes away notes about what is over: nothing that anybody's membership is made of, so it has no archive."""
        over = (
            (vo_issued, vo_issued.c.serial, vo_issued.c.not_after < now - ISSUED_KEPT),
            (vo_notice, vo_notice.c.id, vo_notice.c.sent_at < now - NOTICES_KEPT),
        )
        count = 0
        for table, key, condition in over:
            while True:
                with writing(self.engine) as connection:
                    # In pieces: nobody waits long for the lock. MariaDB takes no LIMIT in a subquery.
                    keys = select(key).where(table.c.vo_id == number, condition).limit(PIECE)
                    gone = connection.execute(keys).scalars().all()
                    if gone:
                        connection.execute(delete(table).where(key.in_(gone)))
                count += len(gone)
                if len(gone) < PIECE:
                    break
        return count


class _Changed(Exception):
    """Things are no longer as they were read: nothing is written."""


def _code(found: Situation) -> people.SuspensionCode | None:
    return None if found.acts else _CODES.get(found.state)
