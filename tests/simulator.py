"""The whole federation in one process: two homes with their Attribute Authorities, a WAYF and two resources, with a clock that the
test moves. No sockets: browsers and SHARs call the WSGI applications straight. Real composition, real messages, real stores."""

import io
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ostiary.command.demo.applications import make_demo_application
from ostiary.command.demo.federation import prepare
from ostiary.command.demo.layout import RESOURCES, Layout
from ostiary.command.demo.people import HOMES, NORTHGATE, SOUTHBANK, DemoHome
from ostiary.command.discovery import make_discovery
from ostiary.command.home import make_home_authority, make_home_idp
from ostiary.errors import Unavailable
from ostiary.web.log import Log, make_log
from sp_shire.assembly import make_shire
from sp_shire.shire import Shire
from sp_shire.wsgi import ShireMiddleware
from tests.browser import Answer, Browser, WsgiTransport, forms_of

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@dataclass
class MovableClock:
    """Stands still until it is told to move."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def forward(self, **amount: float) -> None:
        self.at += timedelta(**amount)


@dataclass
class SimulatedSoap:
    """The SHAR's back channel. ``down`` makes it fail; ``sent`` keeps every envelope."""

    transport: WsgiTransport
    down: bool = False
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    def post(self, url: str, envelope: bytes) -> bytes:
        self.sent.append((url, envelope))
        if self.down:
            raise Unavailable("shar.unreachable", expected="an answer", found="a simulated failure")
        return self.transport.send("POST", url, {"Content-Type": "text/xml"}, envelope).body


class Simulation:
    """``state`` is a directory made by `prepared_state`."""

    def __init__(self, state: Path) -> None:
        self.clock = MovableClock()
        self.layout = Layout(state, 20_000)
        self.log_stream = io.StringIO()
        self.transport = WsgiTransport()
        self.soap = SimulatedSoap(self.transport)
        self.shires: dict[str, Shire] = {}
        applications = self.transport.applications
        applications[self.layout.wayf_url] = make_discovery(
            self.layout.directory("wayf") / "wayf.yaml", clock=self.clock, log=self.log("wayf")
        )
        for home in HOMES:
            directory = self.layout.directory(home.key)
            applications[self.layout.idp_url(home)] = make_home_idp(
                directory / "idp.yaml", directory / "aa.yaml", clock=self.clock, log=self.log(f"{home.key}-idp")
            )
            applications[self.layout.aa_url(home)] = make_home_authority(
                directory / "aa.yaml", clock=self.clock, log=self.log(f"{home.key}-aa")
            )
        for resource in RESOURCES:
            shire = make_shire(
                self.layout.directory(resource.key) / "sp.yaml",
                clock=self.clock,
                log=self.log(resource.key),
                transport=self.soap,
            )
            self.shires[resource.key] = shire
            names = {home.entity_id: home.name for home in HOMES}
            applications[self.layout.resource_url(resource)] = ShireMiddleware(make_demo_application(resource, names), shire)

    def log(self, service: str) -> Log:
        return make_log(self.clock, service=service, stream=self.log_stream)

    @property
    def logged(self) -> str:
        return self.log_stream.getvalue()

    def browser(self) -> Browser:
        return Browser(self.transport)

    def url(self, resource: str) -> str:
        """The protected page of a resource."""
        found = next(entry for entry in RESOURCES if entry.key == resource)
        return f"{self.layout.resource_url(found)}/{resource}/"

    def handler(self, resource: str, name: str) -> str:
        found = next(entry for entry in RESOURCES if entry.key == resource)
        return f"{self.layout.resource_url(found)}/ostiary/{name}"

    def to_login_page(self, browser: Browser, resource: str, home: DemoHome) -> Answer:
        """From the protected page through the WAYF to the form that asks for a password (or further, with a session)."""
        discovery = browser.get(self.url(resource))
        return browser.submit(discovery, {"choice": home.entity_id}, having="choice")

    def to_response(self, browser: Browser, resource: str, username: str) -> Answer:
        """The page that carries the signed Response, not yet submitted."""
        home, password = home_of(username)
        page = self.to_login_page(browser, resource, home)
        if any(form.has("SAMLResponse") for form in forms_of(page)):
            return page
        return browser.submit(page, {"username": username, "password": password}, having="password")

    def log_in(self, browser: Browser, resource: str, username: str) -> Answer:
        """The whole way; returns the page at its end."""
        return browser.submit(self.to_response(browser, resource, username), having="SAMLResponse")


def home_of(username: str) -> tuple[DemoHome, str]:
    """The home organisation and the password of somebody."""
    for home in (NORTHGATE, SOUTHBANK):
        for person in home.people:
            if person.username == username:
                return home, person.password
    raise KeyError(username)


def prepared_state(template: Path, directory: Path) -> Path:
    """A state directory of one's own. Keys and people are made once, in ``template``; all the rest follows from the place."""
    shutil.copytree(template, directory)
    prepare(Layout(directory, 20_000), [], now=START)
    return directory
