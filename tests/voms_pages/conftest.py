"""The pages of the VO of tests/voms, in process: for people with certificates and people who logged in, in a browser without JavaScript."""

import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from lxml import html
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from ostiary.attributes import make_attribute
from ostiary.command.vo_pages import BLUEPRINTS
from ostiary.command.vo_service import upgrade_vo
from ostiary.mail import Message
from ostiary.storage.engine import open_engine
from ostiary.web.identity import PERSON_KEY, Person
from ostiary.web.listener import PEER_CHAIN
from ostiary.web.log import make_log
from ostiary.web.texts import Catalogue
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.trust import load_trust_directory
from tests.simulator import MovableClock
from tests.x509.authorities import NOW, CertificateAuthority, Identity, root, signing_policy
from voms.administration.callers import OPERATOR
from voms.administration.desk import Desk
from voms.administration.who import Who
from voms.details import Details
from voms.directory import create_vo
from voms.identities import FederatedIdentity
from voms.pages.frame import make_pages
from voms.pages.visitors import BySession, ServedVo, WhoIsThere, by_certificate
from voms.requests.letters import Letters
from voms.requests.office import Office
from voms.requests.settings import RequestsSettings
from voms.service import TEXTS
from voms.settings import VomsSettings

HOME = "https://home.example/idp"
ORIGIN = "https://vo.example.org:15000"


@dataclass
class Mailbox:
    """Every letter, in order."""

    letters: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        self.letters.append(message)


@dataclass
class Browser:
    """Somebody's browser at the pages: knows the page that it shows, and sends its forms as they stand there."""

    client: FlaskClient
    environ: dict[str, object]
    page: html.HtmlElement = field(default_factory=lambda: html.fromstring("<html></html>"))
    status: int = 0
    where: str = ""

    def get(self, path: str) -> "Browser":
        return self._show(self.client.get(path, base_url=ORIGIN, environ_overrides=dict(self.environ)), path)

    def send(self, to: str, /, **values: str | None) -> "Browser":
        """The first form of the page whose address ends so (before its query); ``values`` are typed in, None: left out, or unticked."""
        [form, *_] = [each for each in self.page.forms if urlsplit(each.action).path.endswith(to)]
        filled = {name: value for name, value in form.form_values() if name not in values}
        unknown = set(values) - set(form.fields.keys())
        assert not unknown, unknown
        filled |= {name: value for name, value in values.items() if value is not None}
        target = urlsplit(form.action)
        path = f"{target.path}?{target.query}" if form.method == "POST" else f"{target.path}?{urlencode(filled)}"
        if form.method == "GET":
            return self.get(path)
        return self._show(
            self.client.post(path, data=filled, base_url=ORIGIN, environ_overrides=dict(self.environ)), path
        )

    def _show(self, response: TestResponse, path: str) -> "Browser":
        self.status, self.where = response.status_code, path
        if response.status_code == 303:
            target = urlsplit(response.headers["Location"])
            return self.get(f"{target.path}?{target.query}")
        self.page = html.fromstring(response.get_data(as_text=True))
        return self

    @property
    def heading(self) -> str:
        [found] = self.page.xpath("//h1")
        return " ".join(found.text_content().split())

    @property
    def text(self) -> str:
        return " ".join(self.page.xpath("//main")[0].text_content().split())

    @property
    def told(self) -> str:
        """What stands in the banner at the top."""
        return " ".join(
            " ".join(self.page.xpath("//*[contains(@class,'banner')][@role]")[0].text_content().split()).split()
        )

    def links(self, part: str) -> list[str]:
        return [link.text_content().strip() for link in self.page.xpath("//main//a[@href]") if part in link.get("href")]

    def offers(self, to: str) -> bool:
        """Whether there is a form that goes there."""
        return any(urlsplit(each.action).path.endswith(to) for each in self.page.forms)


@dataclass
class Pages:
    """``testvo``: ``chief`` has VO-Admin in the root, ``leader`` manages /testvo/g1; ``alice`` is a plain member of /testvo/g1/sub, known
    by a certificate and at her home organisation; ``nora`` is nobody."""

    engine: Engine
    authority: CertificateAuthority
    app: Flask
    federated: Flask
    served: ServedVo
    clock: MovableClock
    desk: Desk
    mailbox: Mailbox
    people: dict[str, Identity]
    members: dict[str, str]
    place: Path

    def by(self, name: str) -> Browser:
        """Somebody with her certificate."""
        chain = tuple(self.people[name].ders)
        return Browser(self.app.test_client(), {PEER_CHAIN: chain})

    def logged_in(self, **attributes: str) -> Browser:
        """Somebody of the home organisation."""
        told = tuple(make_attribute(name, [value], issuer=HOME) for name, value in attributes.items())
        return Browser(self.federated.test_client(), {PERSON_KEY: Person(HOME, "handle", told, NOW)})


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """All of it, made once; its database is what each test begins with."""
    place = tmp_path_factory.mktemp("pages")
    engine = open_engine(f"sqlite:///{place / 'vo.db'}")
    upgrade_vo(engine)
    lifetimes = {"not_before": NOW - timedelta(days=1), "not_after": NOW + timedelta(days=300)}
    authority = root(**lifetimes)  # type: ignore[arg-type]

    def issue(name: str) -> Identity:
        return authority.issue(f"/C=ZZ/O=HV Test/CN={name}", **lifetimes)  # type: ignore[arg-type]

    directory = place / "certificates"
    directory.mkdir()
    authority.install(directory, policy=signing_policy(authority, "/C=ZZ/O=HV Test/*"))
    trust = load_trust_directory(directory)
    people = {name: issue(name) for name in ("chief", "leader", "alice", "nora")}
    desk, members = _write_vo(engine, people)
    clock, mailbox = MovableClock(NOW), Mailbox()
    log = make_log(clock, service="voms", stream=io.StringIO())
    letters = Letters(
        Catalogue.load(TEXTS), mailbox, "testvo", pages_url=None, certificate_url=f"{ORIGIN}/voms/testvo", log=log
    )
    office = Office(engine, "testvo", RequestsSettings(), letters)
    settings = VomsSettings.model_construct(vo="testvo", requests=RequestsSettings())
    served = ServedVo(settings, engine, lambda: trust, office)

    def application(who: WhoIsThere, sign_out: bool) -> Flask:
        return make_pages(
            [served],
            who,
            BLUEPRINTS,
            service_name="testvo",
            public_url=ORIGIN,
            secret=b"s" * 32,
            log=log,
            clock=clock,
            sign_out=sign_out,
        )

    federated = application(BySession(("pairwise-id", "eduPersonPrincipalName")), True)
    app = application(by_certificate, False)
    engine.dispose()
    shutil.copy(place / "vo.db", place / "seed.db")
    return Pages(engine, authority, app, federated, served, clock, desk, mailbox, people, members, place)


def _write_vo(engine: Engine, people: dict[str, Identity]) -> tuple[Desk, dict[str, str]]:
    create_vo(engine, "testvo", at=NOW, by="operator")
    desk = Desk(engine, "testvo", OPERATOR, NOW)
    for group in ("/testvo/g1", "/testvo/g1/sub", "/testvo/g2"):
        desk.add_group(group)
    for role in ("admin", "pilot"):
        desk.add_role(role)
    members = {
        name: desk.add_member(
            CertificateNames.of(people[name].certificate),
            about=Details(name.capitalize(), f"{name.capitalize()}son", "Test Institute", mail=f"{name}@example.org"),
        )
        for name in ("chief", "leader", "alice")
    }
    desk.link_identity(members["alice"], FederatedIdentity(HOME, "eduPersonPrincipalName", "alice@home.example"))
    desk.assign_role(members["chief"], "/testvo", "VO-Admin")
    desk.join(members["leader"], "/testvo/g1")
    desk.add_manager("/testvo/g1", Who.member(members["leader"]))
    desk.join(members["alice"], "/testvo/g1/sub")
    return desk, members


@pytest.fixture
def pages(made: Pages) -> Iterator[Pages]:
    """As it was when it was made."""
    yield made
    made.engine.dispose()
    for path in made.place.glob("vo.db*"):
        path.unlink()
    shutil.copy(made.place / "seed.db", made.place / "vo.db")
    made.clock.at = NOW
    made.mailbox.letters.clear()
