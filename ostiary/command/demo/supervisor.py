"""Starts the demo's services as processes of their own, waits until each answers, and stops them all, by their own process ids."""

import contextlib
import gc
import json
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

import urllib3

from ostiary.child_process import end_with_parent
from ostiary.clock import Clock
from ostiary.command.demo.applications import DemoResource
from ostiary.command.demo.collaboration import CollaborationFiles
from ostiary.command.demo.layout import RESOURCES, Layout
from ostiary.command.demo.people import HOMES
from ostiary.command.demo.wsgi import application_of
from ostiary.command.discovery import make_discovery
from ostiary.command.home import make_home_authority, make_home_idp
from ostiary.command.serving import MakeApplication, refuse_taken_port, serve_made
from ostiary.command.vo_pages import make_vo_pages
from ostiary.command.vo_service import serve_vo, upgrade_vo
from ostiary.config import ListenSettings
from ostiary.errors import Unavailable
from ostiary.web.log import Log, make_log
from sp_shire.adapters.wsgi import ShireMiddleware
from sp_shire.assembly import make_shire

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

START_SECONDS: Final = 40.0
STOP_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Service:
    """One process. ``probe`` answers 200 once it serves."""

    name: str
    port: int
    make: MakeApplication
    probe: str


@dataclass(frozen=True, slots=True)
class Program:
    """A process that speaks no plain HTTP. ``run`` comes to no end while it serves; ``port`` takes connections once it does."""

    name: str
    port: int
    run: Callable[[], object]


def services(layout: Layout, clock: Clock) -> tuple[Service, ...]:
    """Every service of the demo."""
    found = [_wayf(layout, clock)]
    for home in HOMES:
        directory = layout.directory(home.key)
        idp_config, authority_config = directory / "idp.yaml", directory / "aa.yaml"

        def make_idp(*, log: Log, idp: Path = idp_config, authority: Path = authority_config) -> "WSGIApplication":
            return make_home_idp(idp, authority, clock=clock, log=log)

        def make_aa(*, log: Log, authority: Path = authority_config) -> "WSGIApplication":
            return make_home_authority(authority, clock=clock, log=log)

        found.append(Service(f"{home.key}-idp", layout.idp_port(home), make_idp, f"{layout.idp_url(home)}/health"))
        found.append(Service(f"{home.key}-aa", layout.aa_port(home), make_aa, f"{layout.aa_url(home)}/health"))
    return (*found, *(_resource(layout, resource, clock) for resource in RESOURCES), _vo_pages(layout, clock))


def _wayf(layout: Layout, clock: Clock) -> Service:
    def make(*, log: Log) -> "WSGIApplication":
        return make_discovery(layout.directory("wayf") / "wayf.yaml", clock=clock, log=log)

    return Service("wayf", layout.wayf_port, make, f"{layout.wayf_url}/health")


def _resource(layout: Layout, resource: DemoResource, clock: Clock) -> Service:
    def make(*, log: Log) -> "WSGIApplication":
        shire = make_shire(layout.directory(resource.key) / "sp.yaml", clock=clock, log=log)
        return ShireMiddleware(application_of(resource), shire)

    return Service(
        resource.key, layout.resource_port(resource), make, f"{layout.resource_url(resource)}/ostiary/metadata"
    )


def _vo_pages(layout: Layout, clock: Clock) -> Service:
    def make(*, log: Log) -> "WSGIApplication":
        return make_vo_pages(CollaborationFiles(layout).config, upgrade=upgrade_vo, clock=clock, log=log)

    return Service("vo-pages", layout.vo_pages_port, make, f"{layout.vo_pages_url}/health")


def vo_program(layout: Layout, clock: Clock) -> Program:
    """The VO service, which speaks TLS itself."""

    def run() -> None:
        serve_vo(CollaborationFiles(layout).config, clock=clock, log=make_log(clock, service="voms"))

    return Program("voms", layout.voms_port, run)


def check_ports(layout: Layout) -> None:
    """Raises `Unavailable` (``serve.port``) when another program listens where the demo wants to."""
    for port in layout.ports():
        refuse_taken_port(ListenSettings(host=layout.host, port=port))


class Supervisor:
    """The processes of one demo."""

    def __init__(self, layout: Layout, wanted: Sequence[Service], programs: Sequence[Program] = ()) -> None:
        """``programs`` are started before the services, which need them."""
        self._layout = layout
        self._services = wanted
        self._programs = programs
        self._processes: dict[str, BaseProcess] = {}
        self._stopping = False

    def start(self) -> None:
        """Starts everything and returns when all of it answers. Raises `Unavailable` (``demo.start``) when something does not."""
        logs = self._layout.state / "logs"
        logs.mkdir(exist_ok=True)
        signal.signal(signal.SIGTERM, self._stop_on)
        signal.signal(signal.SIGINT, self._stop_on)
        # Forked from a process that has loaded everything, each service is there at once; what they share is theirs to read, and no
        # collector walks through it in each of them (half of what a start takes).
        gc.collect()
        gc.freeze()
        context = multiprocessing.get_context("fork")
        for program in self._programs:
            target = partial(_run_program, program, logs / f"{program.name}.log")
            self._begin(context.Process(target=target, name=program.name))
        self._await_programs()
        for service in self._services:
            listen = ListenSettings(host=self._layout.host, port=service.port)
            target = partial(_run, service, listen, logs / f"{service.name}.log")
            self._begin(context.Process(target=target, name=service.name))
        self._await_answers()

    def _begin(self, process: BaseProcess) -> None:
        process.start()
        self._processes[process.name] = process

    def _await_programs(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        for program in self._programs:
            while not self._stopping:
                self._check_started(program.name, deadline)
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", program.port), timeout=2).close()
                    break
                time.sleep(0.05)

    def _check_started(self, name: str, deadline: float) -> None:
        if not self._processes[name].is_alive() or time.monotonic() > deadline:
            log = self._layout.state / "logs" / f"{name}.log"
            raise Unavailable("demo.start", expected=f"{name} answers", found="it does not", service=name, log=log)

    def _await_answers(self) -> None:
        pool = urllib3.PoolManager(retries=False, timeout=2)
        deadline = time.monotonic() + START_SECONDS
        for service in self._services:
            while not self._stopping:
                self._check_started(service.name, deadline)
                with contextlib.suppress(urllib3.exceptions.HTTPError):
                    if pool.request("GET", service.probe).status == 200:
                        break
                time.sleep(0.05)
        pool.clear()

    def wait(self) -> str | None:
        """Waits for the end. Returns the name of a service that ended by itself, None when the demo was told to stop."""
        while not self._stopping:
            for name, process in self._processes.items():
                if not process.is_alive():
                    return name
            time.sleep(0.2)
        return None

    def stop(self) -> None:
        """Stops every process that this supervisor started, gently first."""
        self._stopping = True
        for process in self._processes.values():
            if process.is_alive():
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in self._processes.values():
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()

    def _stop_on(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True


def _run(service: Service, listen: ListenSettings, log: Path) -> None:
    """A child that serves."""
    _become_child(log)
    multiprocessing.set_start_method("fork", force=True)
    serve_made(service.name, service.make, listen)


def _run_program(program: Program, log: Path) -> None:
    """A child that does something else; that it ends with the demo outlives its becoming another program."""
    _become_child(log)
    program.run()


def execute(command: Sequence[str]) -> NoReturn:
    """Becomes another program."""
    os.execv(command[0], list(command))  # noqa: S606 - no shell is wanted


def _become_child(log: Path) -> None:
    """Output goes to its log; it ends with the demo, also when the demo is killed."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A session of its own: Ctrl-C reaches the supervisor only, which then stops the services in order.
    os.setsid()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    end_with_parent()


def write_ready(path: Path, content: dict[str, object]) -> None:
    """Writes the file that others wait for, whole or not at all."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_text(json.dumps(content, indent=2) + "\n")
    unfinished.replace(path)
