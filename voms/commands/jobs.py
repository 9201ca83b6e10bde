"""``ostiary vo run-jobs``: what the service does by itself every so often, once and now."""

from typing import Final

import click

from ostiary.clock import StandingClock
from ostiary.web.log import make_log
from voms.commands.working import VoCommand, Working, answer
from voms.jobs.opening import open_jobs
from voms.jobs.thread import JobThread


@click.command("run-jobs", cls=VoCommand)
@click.pass_obj
def run_jobs(working: Working) -> None:
    """Suspend whose time is over, send the letters that are due, end requests that nobody confirmed."""
    clock = StandingClock(working.now)
    log = make_log(clock, service="vo")
    jobs = open_jobs(working.settings, working.engine, clock.now, log)
    report = JobThread(jobs, every=working.settings.members.every, clock=clock, log=log).run_once(working.now)
    if report is None:
        answer({"ran": False}, ["The service is at it right now."])
        return
    facts = report.facts()
    answer({"ran": True, **facts}, (f"{name}: {value}" for name, value in facts.items()))


COMMANDS: Final = (run_jobs,)
