"""A trace through the simulated federation or a handful of made-up pages, and what it prints."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ostiary.clock import Clock
from ostiary.command.terminal import make_console
from ostiary.command.trace.browser import Answer
from ostiary.command.trace.check import Check
from ostiary.command.trace.printed import Printer
from ostiary.command.trace.report import Report, messages_of, save_messages
from ostiary.command.trace.run import Event, trace
from ostiary.command.trace.shown import Veil
from ostiary.command.trace.sources import Sources, find_sources
from ostiary.command.trace.walk import Hop, Outcome, Visitor
from ostiary.command.wording import catalogue
from ostiary.errors import OstiaryError, Unavailable
from ostiary.federation.sources.files import MetadataFile
from tests.browser import WsgiTransport
from tests.simulator import MovableClock, Simulation, home_of

Change = Callable[[Answer], Answer]
TEXTS = catalogue()
NOTHING_KNOWN = Sources()


@dataclass
class SimulatedNetwork:
    """The simulation's applications; ``change`` may tamper with what comes back."""

    transport: WsgiTransport
    change: Change = lambda answer: answer

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        answer = self.transport.send(method, url, headers, body)
        return self.change(Answer(answer.status, tuple(answer.headers), answer.body, answer.url))


@dataclass
class MadeUpPages:
    """Pages by address without query, as (status, headers, body); ``sent`` keeps what was asked for."""

    pages: Mapping[str, tuple[int, Mapping[str, str], str]]
    sent: list[tuple[str, str, Mapping[str, str], bytes]] = field(default_factory=list)

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.sent.append((method, url, headers, body))
        found = self.pages.get(f"{method} {url.partition('?')[0]}") or self.pages.get(url.partition("?")[0])
        if found is None:
            raise Unavailable("trace.unreachable", expected="a page", found=url, host="nowhere")
        status, more, text = found
        return Answer(status, (("Content-Type", "text/html"), *more.items()), text.encode(), url)


@dataclass
class Traced:
    """What came of it: events, the text on the terminal, the report for programs."""

    events: list[Event]
    printed: str
    report: dict[str, Any]
    error: OstiaryError | None
    asked_at: list[str]

    @property
    def hops(self) -> list[Hop]:
        return [event for event in self.events if isinstance(event, Hop)]

    @property
    def outcome(self) -> Outcome:
        [outcome] = [event for event in self.events if isinstance(event, Outcome)]
        return outcome

    def checks(self, kind: str, number: int = 0) -> dict[str, Check]:
        """Those of the message of that kind, by name."""
        found = [message for event in self.events for message in messages_of(event) if message.kind == kind]
        return {check.name: check for check in found[number].checks}


def known_to(simulation: Simulation, resource: str | None) -> Sources:
    """The federation's metadata, and the key of a resource."""
    layout = simulation.layout
    config = layout.directory(resource) / "sp.yaml" if resource is not None else None
    files = [MetadataFile(layout.aggregate, (layout.federation_certificate,))]
    return find_sources(files, config, now=simulation.clock.now(), transport=simulation.soap)


def traced(
    network: Any,
    url: str,
    *,
    user: str = "alice",
    password: str = "",
    home: str | None = None,
    known: Sources = NOTHING_KNOWN,
    clock: Clock | None = None,
    asks: bool = False,
    login_hosts: frozenset[str] = frozenset(),
    save: Path | None = None,
) -> Traced:
    """A whole trace."""
    asked: list[str] = []
    veil = Veil()
    secret = veil.hide(password)

    def give(host: str) -> str:
        asked.append(host)
        return secret

    verified = known.registry is not None
    stream = io.StringIO()
    printer = Printer(make_console(stream, plain=True), TEXTS, veil, verified=verified)
    report = Report(url, user, TEXTS, veil, verified=verified)
    events: list[Event] = []
    failed: OstiaryError | None = None
    try:
        for event in trace(
            url,
            Visitor(user, give, asks, home, login_hosts),
            transport=network,
            registry=known.registry,
            resource=known.resource,
            clock=clock or MovableClock(),
            timing=known.timing,
        ):
            events.append(event)
            printer.show(event, save_messages(event, save) if save is not None else {})
            report.add(event)
    except OstiaryError as error:
        failed = error
        report.fail(error)
    return Traced(events, stream.getvalue(), json.loads(json.dumps(report.content)), failed, asked)


def traced_login(
    simulation: Simulation,
    resource: str,
    user: str,
    *,
    change: Change = lambda answer: answer,
    password: str | None = None,
    clock: Clock | None = None,
    with_key: bool = True,
    save: Path | None = None,
) -> Traced:
    """Somebody of the simulation at one of its resources, with everything at hand that a demo offers."""
    home, right = home_of(user)
    return traced(
        SimulatedNetwork(simulation.transport, change),
        simulation.url(resource),
        user=user,
        password=right if password is None else password,
        home=home.entity_id,
        known=known_to(simulation, resource if with_key else None),
        clock=clock or simulation.clock,
        save=save,
    )
