"""The jobs: who is suspended and removed, which letters go out and only once, what is swept up; one process at a time."""

import io
import json
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from ostiary import audit
from ostiary.config.alone import alone
from ostiary.errors import Refusal, Unavailable
from ostiary.mail import Message
from ostiary.storage.engine import open_engine, reading, writing
from ostiary.web.log import make_log
from ostiary.web.texts import Catalogue
from ostiary.x509.certificate_names import CertificateNames
from tests.simulator import MovableClock
from tests.voms.conftest import ALICE, NOW, Vo
from voms.administration.callers import OPERATOR
from voms.administration.desk import Desk
from voms.details import Details
from voms.jobs.letters import Reminders
from voms.jobs.running import Jobs, Report
from voms.jobs.thread import JobThread, lock_path
from voms.members import desk as life
from voms.members.settings import MembersSettings
from voms.service import TEXTS
from voms.tables import ARCHIVES, vo_issued, vo_member, vo_notice

DAY = timedelta(days=1)
CATALOGUE = Catalogue.load(TEXTS)


@dataclass
class Post:
    """Takes letters, or fails."""

    sent: list[Message] = field(default_factory=list)
    problem: Exception | None = None

    def send(self, message: Message) -> None:
        if self.problem is not None:
            raise self.problem
        self.sent.append(message)

    def subjects(self) -> list[str]:
        found, self.sent = [each.subject for each in self.sent], []
        return found


@dataclass
class Office:
    """The jobs of the VO, and a member ``ada`` who has an address."""

    vo: Vo
    post: Post
    jobs: Jobs
    ada: str
    log: io.StringIO

    def desk(self, at: datetime = NOW) -> Desk:
        return Desk(self.vo.engine, "testvo", OPERATOR, at)

    def code(self) -> str | None:
        with reading(self.vo.engine) as connection:
            found: str | None = connection.execute(
                select(vo_member.c.suspended_code).where(vo_member.c.id == self.ada)
            ).scalar_one()
        return found


@pytest.fixture
def office(vo: Vo) -> Office:
    return made(vo, MembersSettings(contact="managers@example.org"))


def made(vo: Vo, settings: MembersSettings) -> Office:
    post, stream = Post(), io.StringIO()
    log = make_log(MovableClock(NOW), service="voms", stream=stream)
    reminders = Reminders(
        vo.engine,
        "testvo",
        CATALOGUE,
        post,
        log,
        page="https://vo.example.org/me",
        contact=settings.contact,
    )
    ada = Desk(vo.engine, "testvo", OPERATOR, NOW).add_member(
        CertificateNames("CN=Ada", ALICE.issuer),
        about=Details(given_name="Ada", surname="L", mail="ada@example.org"),
    )
    return Office(vo, post, Jobs(vo.engine, "testvo", settings, log, reminders), ada, stream)


def test_before_the_end_each_step_brings_one_letter(office: Office) -> None:
    office.desk().set_end(office.ada, NOW + 40 * DAY)
    told = {day: [] for day in range(41)}  # type: ignore[var-annotated]
    for day in range(40):
        for _ in range(2):
            office.jobs.run(NOW + day * DAY)
        told[day] = office.post.subjects()
    ending = ["Your membership of testvo ends on 2027-01-01"]
    assert {day: subjects for day, subjects in told.items() if subjects} == {10: ending, 33: ending, 39: ending}


def test_a_letter_says_until_when_where_to_look_and_whom_to_ask(office: Office) -> None:
    office.desk().set_end(office.ada, NOW + 7 * DAY)
    office.jobs.run(NOW)
    (letter,) = office.post.sent
    assert (letter.to, letter.language) == ("ada@example.org", "en")
    assert letter.body.startswith("Hello Ada L,\n\nyour membership of the VO testvo ends on 2026-11-29 12:00 UTC.\n")
    assert letter.body.endswith(
        "You see your membership here: https://vo.example.org/me\n\nQuestions? Write to managers@example.org."
    )


def test_a_later_end_brings_its_own_letters(office: Office) -> None:
    office.desk().set_end(office.ada, NOW + DAY)
    office.jobs.run(NOW)
    office.desk().set_end(office.ada, NOW + 30 * DAY)
    office.jobs.run(NOW)
    assert len(office.post.sent) == 2


def test_at_the_end_she_is_suspended_and_told_and_a_later_end_brings_her_back(office: Office) -> None:
    office.desk().set_end(office.ada, NOW + DAY)
    office.jobs.run(NOW)
    office.post.subjects()
    assert office.jobs.run(NOW + DAY) == Report(expired=1, letters=1)
    assert (office.code(), office.post.subjects()) == ("expired", ["Your membership of testvo has ended"])
    assert office.jobs.run(NOW + 2 * DAY) == Report()
    with reading(office.vo.engine) as connection:
        last = audit.events(connection)[-1]
    assert (last.actor, last.action) == ("jobs", "vo.member_suspended")
    office.desk(NOW + 2 * DAY).set_end(office.ada, NOW + 90 * DAY)
    assert office.code() is None


def test_in_the_time_of_grace_she_is_told_and_goes_on(office: Office) -> None:
    life.set_grace(office.desk(), 7)
    office.desk().set_end(office.ada, NOW - DAY)
    assert office.jobs.run(NOW) == Report(letters=1)
    (letter,) = office.post.sent
    assert "You can go on until 2026-11-28 12:00 UTC." in letter.body
    assert office.code() is None
    assert office.jobs.run(NOW + 6 * DAY) == Report(expired=1, letters=1)


def test_who_was_over_long_before_the_jobs_first_ran_gets_no_letter(office: Office) -> None:
    office.desk().set_end(office.ada, NOW - 90 * DAY)
    assert office.jobs.run(NOW) == Report(expired=1)


def test_a_policy_is_announced_reminded_of_and_in_the_end_enforced(office: Office) -> None:
    life.add_version(office.desk(), "1", url="https://vo.example.org/aup", grace_days=20)
    office.desk().suspend(office.vo.alice, "Not here.")
    told = {}
    for day in range(22):
        report = office.jobs.run(NOW + day * DAY)
        if subjects := office.post.subjects():
            told[day] = (report.aup_missed, subjects)
    please = ["Please sign the rules of testvo by 2026-12-12"]
    assert told == {
        0: (0, please),
        6: (0, please),
        17: (0, please),
        19: (0, please),
        20: (1, ["Your membership of testvo waits for your signature"]),
    }
    assert office.code() == "aup"
    assert life.record_signature(office.desk(NOW + 30 * DAY), office.ada) == "1"
    assert office.code() is None


def test_a_signature_that_lapses_is_asked_for_before(office: Office) -> None:
    life.add_version(office.desk(), "1", text="Be kind.", sign_again_days=100)
    for member in (office.ada, office.vo.alice):
        life.record_signature(office.desk(), member)
    assert office.jobs.run(NOW + 80 * DAY) == Report()
    assert office.jobs.run(NOW + 86 * DAY) == Report(letters=1)
    (letter,) = office.post.sent
    assert "has to be signed anew by 2027-03-02 12:00 UTC.\nVersion 1 is in force." in letter.body


def test_a_version_to_come_can_be_signed_before(office: Office) -> None:
    life.add_version(office.desk(), "1", url="https://vo.example.org/1")
    for member in (office.ada, office.vo.alice):
        life.record_signature(office.desk(), member)
    life.add_version(office.desk(), "2", url="https://vo.example.org/2", in_force_from=NOW + 10 * DAY)
    assert office.jobs.run(NOW) == Report(letters=1)
    assert office.post.subjects() == ["Please sign the rules of testvo by 2026-12-02"]


def test_who_signed_while_the_jobs_looked_at_her_is_not_suspended(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.add_version(office.desk(), "1", url="https://vo.example.org/1", grace_days=0)
    original = Jobs._suspend

    def late(jobs: Jobs, candidate: object, now: datetime) -> str | None:
        for member in (office.ada, office.vo.alice):
            life.record_signature(office.desk(), member)
        return original(jobs, candidate, now)  # type: ignore[arg-type]

    monkeypatch.setattr(Jobs, "_suspend", late)
    assert office.jobs.run(NOW + DAY).aup_missed == 0
    with reading(office.vo.engine) as connection:
        assert "vo.member_suspended" not in [each.action for each in audit.events(connection)]


def test_whom_a_manager_suspended_is_neither_told_nor_touched(office: Office) -> None:
    office.desk().set_end(office.ada, NOW + DAY)
    office.desk().suspend(office.ada, "Lost her key.", "security_incident")
    assert office.jobs.run(NOW) == Report()
    assert office.jobs.run(NOW + 2 * DAY) == Report()
    assert office.code() == "security_incident"


def test_letters_that_could_not_be_sent_are_sent_later(office: Office) -> None:
    office.desk().set_end(office.ada, NOW + DAY)
    office.post.problem = Unavailable("mail.unavailable")
    assert office.jobs.run(NOW) == Report(mail=False)
    assert json.loads(office.log.getvalue().splitlines()[-1])["event"] == "vo_letters_wait"
    office.post.problem = None
    assert office.jobs.run(NOW) == Report(letters=1)


def test_an_address_that_is_refused_is_tried_once(office: Office) -> None:
    office.desk().set_end(office.ada, NOW + DAY)
    office.post.problem = Refusal("mail.refused")
    assert office.jobs.run(NOW) == Report()
    line = json.loads(office.log.getvalue().splitlines()[-1])
    assert (line["event"], line["member"], "example.org" in str(line)) == ("vo_letter_failed", office.ada, False)
    office.post.problem = None
    assert office.jobs.run(NOW) == Report()


def test_a_membership_is_removed_only_where_that_is_configured(vo: Vo) -> None:
    office = made(vo, MembersSettings(remove_after=timedelta(days=90)))
    office.desk().set_end(office.ada, NOW + DAY)
    office.jobs.run(NOW + DAY)
    office.post.subjects()
    assert office.jobs.run(NOW + 90 * DAY) == Report()
    assert office.jobs.run(NOW + 91 * DAY) == Report(removed=1, letters=1)
    assert office.post.subjects() == ["You are no longer a member of testvo"]
    assert vo.memberships.of_member(office.ada, NOW + 91 * DAY) is None
    with reading(vo.engine) as connection:
        kept = ARCHIVES["vo_member"]
        by = connection.execute(select(kept.c.deleted_by).where(kept.c.id == office.ada)).scalars().all()
    assert by[-1] == "jobs"


def test_what_is_over_is_swept_up(office: Office) -> None:
    with writing(office.vo.engine) as connection:
        vo_id = connection.execute(select(vo_member.c.vo_id).where(vo_member.c.id == office.ada)).scalar_one()
        for serial, ended in (("a", NOW - 3 * DAY), ("b", NOW - DAY), ("c", NOW + DAY)):
            row = {"serial": serial, "vo_id": vo_id, "kind": "ac", "member_id": office.ada}
            connection.execute(insert(vo_issued).values(**row, issued_at=NOW - 4 * DAY, not_after=ended))
        for about, sent in (("old", NOW - 801 * DAY), ("new", NOW - DAY)):
            note = {"vo_id": vo_id, "about": about, "kind": "ended", "step": "x"}
            connection.execute(insert(vo_notice).values(**note, sent_at=sent))
    assert office.jobs.run(NOW) == Report(swept=2)
    with reading(office.vo.engine) as connection:
        assert connection.execute(select(vo_issued.c.serial).order_by(vo_issued.c.serial)).scalars().all() == ["b", "c"]
        assert connection.execute(select(vo_notice.c.about)).scalars().all() == ["new"]


def test_without_mail_everything_else_happens(office: Office) -> None:
    office.desk().set_end(office.ada, NOW + DAY)
    silent = Jobs(office.vo.engine, "testvo", office.jobs.settings, office.jobs.log, None)
    assert silent.run(NOW + DAY) == Report(expired=1)


def test_further_jobs_tell_how_much_they_did(office: Office) -> None:
    jobs = Jobs(
        office.vo.engine,
        "testvo",
        office.jobs.settings,
        office.jobs.log,
        others=(lambda now: {"requests": int(now == NOW)},),
    )
    assert jobs.run(NOW).facts() == {
        "expired": 0,
        "aup_missed": 0,
        "removed": 0,
        "letters": 0,
        "letters_wait": False,
        "swept": 0,
        "requests": 1,
    }


def test_many_members_are_looked_at_in_pieces(vo: Vo, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("voms.jobs.due.PIECE", "voms.jobs.running.PIECE"):
        monkeypatch.setattr(name, 2)
    office = made(vo, MembersSettings())
    for number in range(5):
        member = office.desk().add_member(CertificateNames(f"CN={number}", "CN=CA"))
        office.desk().set_end(member, NOW + DAY)
    assert office.jobs.run(NOW + DAY) == Report(expired=5)


def test_only_one_process_of_a_machine_is_at_it(tmp_path: Path, office: Office) -> None:
    clock = MovableClock(NOW)
    thread = JobThread(office.jobs, every=DAY, clock=clock, log=office.jobs.log)
    with alone(lock_path(office.vo.engine, "testvo"), wait=False) as mine:
        assert mine
        assert thread.run_once(NOW) is None
    assert thread.run_once(NOW) == Report()


def test_the_lock_stands_beside_a_file_and_for_a_server_where_the_system_keeps_such_things(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/a.db")
    assert lock_path(engine, "testvo") == tmp_path / "a.db.testvo.jobs"
    engine.dispose()
    server = open_engine("postgresql+psycopg://vo:secret@db.example.org/vo")
    first, other = lock_path(server, "testvo"), lock_path(server, "othervo")
    assert first != other
    assert "secret" not in str(first)
    server.dispose()


def test_a_thread_takes_its_turns_also_after_one_that_failed(office: Office) -> None:
    turns = threading.Semaphore(0)
    problems = [Unavailable("storage.unavailable"), RuntimeError("a defect")]

    def job(_now: datetime) -> dict[str, int]:
        turns.release()
        if problems:
            raise problems.pop(0)
        return {}

    jobs = Jobs(office.vo.engine, "testvo", office.jobs.settings, office.jobs.log, others=(job,))
    thread = JobThread(
        jobs, every=timedelta(milliseconds=1), clock=MovableClock(NOW), log=office.jobs.log, first_after=0
    )
    thread.start()
    thread.start()
    for _ in range(3):
        assert turns.acquire(timeout=10)
    thread.stop()
    events = [json.loads(line)["event"] for line in office.log.getvalue().splitlines()]
    assert events[:2] == ["vo_jobs_failed", "vo_jobs_broken"]
    assert "vo_jobs_ran" in events
