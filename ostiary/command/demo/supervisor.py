"""Starts the demo's services as processes of their own, waits until each answers, and stops them all, by their own process ids."""

import contextlib
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

import urllib3

from ostiary.clock import Clock
from ostiary.command.demo.applications import DemoResource, make_demo_application
from ostiary.command.demo.layout import RESOURCES, Layout
from ostiary.command.demo.people import HOMES
from ostiary.command.discovery import make_discovery
from ostiary.command.home import make_home_authority, make_home_idp
from ostiary.command.serving import MakeApplication, refuse_taken_port, serve_made
from ostiary.config import ListenSettings
from ostiary.errors import Unavailable
from ostiary.web.log import Log
from sp_shire.assembly import make_shire
from sp_shire.wsgi import ShireMiddleware

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
    return (*found, *(_resource(layout, resource, clock) for resource in RESOURCES))


def _wayf(layout: Layout, clock: Clock) -> Service:
    def make(*, log: Log) -> "WSGIApplication":
        return make_discovery(layout.directory("wayf") / "wayf.yaml", clock=clock, log=log)

    return Service("wayf", layout.wayf_port, make, f"{layout.wayf_url}/health")


def _resource(layout: Layout, resource: DemoResource, clock: Clock) -> Service:
    def make(*, log: Log) -> "WSGIApplication":
        shire = make_shire(layout.directory(resource.key) / "sp.yaml", clock=clock, log=log)
        homes = {home.entity_id: home.name for home in HOMES}
        return ShireMiddleware(make_demo_application(resource, homes), shire)

    return Service(
        resource.key, layout.resource_port(resource), make, f"{layout.resource_url(resource)}/ostiary/metadata"
    )


def check_ports(layout: Layout) -> None:
    """Raises `Unavailable` (``serve.port``) when another program listens where the demo wants to."""
    for port in layout.ports():
        refuse_taken_port(ListenSettings(port=port))


class Supervisor:
    """The processes of one demo."""

    def __init__(self, layout: Layout, wanted: Sequence[Service]) -> None:
        self._layout = layout
        self._services = wanted
        self._processes: dict[str, BaseProcess] = {}
        self._stopping = False

    def start(self) -> None:
        """Starts everything and returns when all of it answers. Raises `Unavailable` (``demo.start``) when something does not."""
        logs = self._layout.state / "logs"
        logs.mkdir(exist_ok=True)
        signal.signal(signal.SIGTERM, self._stop_on)
        signal.signal(signal.SIGINT, self._stop_on)
        # Forked from a process that has loaded everything, each service is there at once.
        context = multiprocessing.get_context("fork")
        for service in self._services:
            process = context.Process(target=_run, args=(service, logs / f"{service.name}.log"), name=service.name)
            process.start()
            self._processes[service.name] = process
        self._await_answers()

    def _await_answers(self) -> None:
        pool = urllib3.PoolManager(retries=False, timeout=2)
        deadline = time.monotonic() + START_SECONDS
        for service in self._services:
            while not self._stopping:
                if not self._processes[service.name].is_alive() or time.monotonic() > deadline:
                    log = self._layout.state / "logs" / f"{service.name}.log"
                    raise Unavailable(
                        "demo.start",
                        expected=f"{service.name} answers",
                        found="it does not",
                        service=service.name,
                        log=log,
                    )
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


def _run(service: Service, log: Path) -> None:
    """A child: its output goes to its log; it ends with the demo, also when the demo is killed."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A session of its own: Ctrl-C reaches the supervisor only, which then stops the services in order.
    os.setsid()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    _end_with_parent()
    multiprocessing.set_start_method("fork", force=True)
    serve_made(service.name, service.make, ListenSettings(port=service.port))


def _end_with_parent() -> None:
    """A thread-free watch: the kernel signals this process when its parent dies (prctl PR_SET_PDEATHSIG, Linux only)."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def write_ready(path: Path, content: dict[str, object]) -> None:
    """Writes the file that others wait for, whole or not at all."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_text(json.dumps(content, indent=2) + "\n")
    unfinished.replace(path)
