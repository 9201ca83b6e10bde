"""Puts the jobs of one VO together from its configuration. Opens nothing but the file of the mail password."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Engine

from ostiary.clock import Clock
from ostiary.web.log import Log
from ostiary.web.texts import Catalogue
from voms.jobs.letters import Reminders
from voms.jobs.running import Jobs
from voms.jobs.thread import JobThread
from voms.requests.letters import OWN_PATH
from voms.requests.office import Office
from voms.requests.opening import open_office
from voms.requests.overdue import sweep
from voms.service import TEXTS
from voms.settings import VomsSettings

NO_MAIL: Final = "vo_jobs_without_mail"


def open_jobs(settings: VomsSettings, engine: Engine, now: Callable[[], datetime], log: Log) -> Jobs:
    """All jobs of the VO. Without ``mail`` in the configuration nobody is written to, which the log says. Raises `ConfigurationError`
    where the mail password can't be read."""
    catalogue = Catalogue.load(TEXTS)
    office = open_office(settings, engine, catalogue, now, log)
    if (mailer := office.letters.mailer) is None:
        log.info(NO_MAIL, vo=settings.vo)
        reminders = None
    else:
        page, contact = office.letters.link(OWN_PATH), settings.members.contact
        reminders = Reminders(engine, settings.vo, catalogue, mailer, log, page=page, contact=contact)
    return Jobs(engine, settings.vo, settings.members, log, reminders, others=(_requests(office),))


def job_thread(settings: VomsSettings, engine: Engine, clock: Clock, log: Log) -> JobThread | None:
    """What runs them beside the service; None where the configuration leaves that to ``ostiary vo run-jobs``."""
    if not settings.members.jobs:
        return None
    return JobThread(open_jobs(settings, engine, clock.now, log), every=settings.members.every, clock=clock, log=log)


def _requests(office: Office) -> Callable[[datetime], Mapping[str, int]]:
    def job(now: datetime) -> Mapping[str, int]:
        found = sweep(office, now)
        return {
            "requests_expired": found.expired,
            "requests_reminded": found.reminded,
            "requests_forgotten": found.forgotten,
        }

    return job
