"""A home organisation in memory: its IdP with a real SQLite database, two resources with keys of their own, a clock that tests move."""

import base64
import functools
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from lxml import html
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from idp.accounts.directory import Directory
from idp.accounts.passwords import Passwords
from idp.people import OpenedPeople
from idp.service import make_idp
from idp.settings import IdpSettings
from idp.tables import MIGRATIONS as IDP_MIGRATIONS
from ostiary import audit
from ostiary.attributes import Attributes, make_attribute
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.config import load_settings
from ostiary.consent.tables import MIGRATIONS as CONSENT_MIGRATIONS
from ostiary.errors import Unavailable
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import Display, Endpoint, Entity, EntityKey, LocalizedText, SpRole
from ostiary.federation.registry import Registry
from ostiary.handle import load_handle_keys
from ostiary.policy.release import ReleaseDecision, Requester, Verdict, as_she_wishes
from ostiary.policy.release.precedence import DEFAULT_PRECEDENCE, Precedence
from ostiary.ports import PersonalChoices, Release, ReleaseRequest
from ostiary.saml import names
from ostiary.saml.bindings import encode_post, encode_redirect
from ostiary.saml.keys import Signer, TrustedKey
from ostiary.saml.protocol import AuthnRequest
from ostiary.saml.signature import sign
from ostiary.saml.validate import AcceptedResponse, accept_response, verify_response
from ostiary.saml.xml import Element, parse_xml
from ostiary.storage.engine import open_engine, reading
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from ostiary.storage.migrate import upgrade
from ostiary.storage.sql import SqlCounters, SqlSessionStore
from ostiary.web.errands import ErrandsAtOnce
from ostiary.web.log import make_log
from ostiary.web.texts import Catalogue
from tests.signers import make_signer

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_load_texts = functools.cache(Catalogue.load)
IDP = "https://home.example.org/idp"
BASE = "http://localhost:8001"
LIBRARY = "https://library.example.net/sp"
LIBRARY_ACS = "https://library.example.net/acs"
LAB = "https://lab.example.com/sp"
LAB_ACS = "https://lab.example.com/acs"


class MovableClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def move(self, by: timedelta) -> datetime:
        self.at += by
        return self.at


class KnownAttributes:
    """An `AttributeSource` that says the same of everybody, remembers who asked, and can be out of order; with ``choices`` it keeps to
    them, as an Attribute Authority does."""

    def __init__(self) -> None:
        self.attributes: Attributes = (
            make_attribute("eduPersonScopedAffiliation", ["member@example.org"], issuer=IDP),
            make_attribute("mail", ["ada@example.org"], issuer=IDP),
        )
        self.asked: list[ReleaseRequest] = []
        self.out_of_order = False
        self.choices: PersonalChoices | None = None
        self.tells_wish = True

    def release(self, request: ReleaseRequest) -> Release:
        self.asked.append(request)
        if self.out_of_order:
            raise Unavailable("aa.connector", expected="an answer", found="a secret connection string")
        permitted = [(one.name, value) for one in self.attributes for value in one.values]
        verdicts = tuple(Verdict(name, value, True, "policy", "rule", "permit") for name, value in permitted)
        decision = ReleaseDecision(self.attributes, verdicts)
        wish = None
        if self.choices is not None:
            wish = self.choices.wish(request.principal, Requester(request.requester), request.at)
        if wish is not None:
            decision = as_she_wishes(decision, wish)
        return Release(decision.attributes, decision, wish=wish if self.tells_wish else None)


@dataclass
class Resource:
    """A service provider of the test: its metadata, and its key to sign with."""

    entity: Entity
    signer: Signer
    acs: str

    def request(self, **changes: object) -> AuthnRequest:
        """A good request for the Redirect endpoint, with these changes."""
        good = AuthnRequest(
            id="_request1",
            issuer=self.entity.entity_id,
            issue_instant=NOW,
            destination=f"{BASE}/saml/sso/redirect",
            acs_url=self.acs,
            protocol_binding=names.HTTP_POST,
        )
        return good._replace(**changes)  # type: ignore[arg-type]

    def redirect(self, *, signed: bool = False, relay_state: str | None = "state", **changes: object) -> str:
        """Path and query of a request by HTTP-Redirect."""
        return self.redirect_element(self.request(**changes).to_xml(), signed=signed, relay_state=relay_state)

    def redirect_element(self, element: Element, *, signed: bool = False, relay_state: str | None = "state") -> str:
        signer = self.signer if signed else None
        return encode_redirect("/saml/sso/redirect", "SAMLRequest", element, relay_state=relay_state, signer=signer)

    def form(self, *, signed: bool = False, relay_state: str | None = "state", **changes: object) -> dict[str, str]:
        """The fields of a request by HTTP-POST."""
        element = self.request(**{"destination": f"{BASE}/saml/sso/post", **changes}).to_xml()
        if signed:
            sign(element, self.signer)
        fields = {"SAMLRequest": encode_post(element)}
        return fields if relay_state is None else {**fields, "RelayState": relay_state}


@dataclass
class Home:
    """The organisation, its IdP as an application, and everything around it that a test looks at."""

    current: list[IdpSettings]
    clock: MovableClock
    engine: Engine
    directory: Directory
    attribute_source: KnownAttributes
    signer: Signer
    client: FlaskClient
    make_client: Callable[[], FlaskClient]
    log: StringIO
    entities: list[Entity]
    people: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> IdpSettings:
        return self.current[0]

    def reload(self, **changes: object) -> None:
        """Its configuration was changed while it ran."""
        self.current[0] = self.settings.model_copy(update=changes)

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, base_url=BASE)

    def post(self, path: str, fields: dict[str, str]) -> TestResponse:
        return self.client.post(path, data=fields, base_url=BASE)

    def follow(self, answer: TestResponse) -> TestResponse:
        """Goes where a 303 leads, as a browser does."""
        while answer.status_code == 303:
            location = urlsplit(answer.headers["Location"])
            assert f"{location.scheme}://{location.netloc}" == BASE
            answer = self.get(f"{location.path}?{location.query}")
        return answer

    def log_in(self, page: TestResponse, **typed: str) -> TestResponse:
        """Fills in the login form that the page shows; as Ada, with the right password, unless told otherwise."""
        form = login_form(page)
        right = {"username": "ada", "password": "right horse"}
        return self.post(urlsplit(form.action).path, {**dict(form.fields), **right, **typed})

    def whole_login(self, path: str, **typed: str) -> TestResponse:
        return self.log_in(self.follow(self.get(path)), **typed)

    def accept(self, page: TestResponse, resource: Resource) -> AcceptedResponse:
        """What the resource makes of the Response in this page, by the profile's rules."""
        proven = verify_response(response_element(page), [self.signer.public])
        assert proven.signed_response
        return accept_response(
            proven, issuer=IDP, audience=resource.entity.entity_id, recipient=resource.acs, now=self.clock.now()
        )

    def events(self, action: str) -> list[audit.Event]:
        with reading(self.engine) as connection:
            return audit.events(connection, action=action)

    def session_cookie(self) -> str | None:
        cookies = [cookie for cookie in self.client._cookies.values() if "-session-" in cookie.key]
        return cookies[0].value if cookies else None


def form_of(page: TestResponse) -> html.FormElement:
    return html.document_fromstring(page.get_data(as_text=True)).forms[0]


def login_form(page: TestResponse) -> html.FormElement:
    form = form_of(page)
    assert {"csrf_token", "ticket", "username", "password"} <= set(form.fields), page.get_data(as_text=True)
    return form


def response_element(page: TestResponse) -> Element:
    return parse_xml(base64.b64decode(form_of(page).fields["SAMLResponse"]))


def entity_key(signer: Signer) -> EntityKey:
    return EntityKey(TrustedKey.from_certificate(signer.certificate), "signing", signer.certificate)


@pytest.fixture(scope="session")
def idp_signer() -> Signer:
    return make_signer("home", kind="rsa")


@pytest.fixture(scope="session")
def library() -> Resource:
    """Signs no requests; has two HTTP-POST endpoints and one of another binding."""
    signer = make_signer("library")
    role = SpRole(
        keys=(entity_key(signer),),
        display=Display(
            names=(LocalizedText("The <Old> Library", "en"),),
            descriptions=(LocalizedText("Books & maps since 1512.", "en"),),
        ),
        assertion_consumers=(
            Endpoint("urn:oasis:names:tc:SAML:2.0:bindings:PAOS", "https://library.example.net/paos", index=0),
            Endpoint(names.HTTP_POST, LIBRARY_ACS, index=1),
            Endpoint(names.HTTP_POST, "https://library.example.net/acs2", index=2),
        ),
    )
    return Resource(Entity(LIBRARY, sp=role), signer, LIBRARY_ACS)


@pytest.fixture(scope="session")
def lab() -> Resource:
    """Its metadata says that it signs its requests."""
    signer = make_signer("lab", kind="rsa")
    role = SpRole(
        keys=(entity_key(signer),),
        assertion_consumers=(Endpoint(names.HTTP_POST, LAB_ACS, index=0, is_default=True),),
        authn_requests_signed=True,
    )
    return Resource(Entity(LAB, sp=role), signer, LAB_ACS)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all tables and nobody in it, to copy."""
    path = tmp_path_factory.mktemp("migrated") / "home.db"
    engine = open_engine(f"sqlite:///{path}")
    upgrade(engine, [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, CONSENT_MIGRATIONS, IDP_MIGRATIONS])
    # Closing the last connection moves the write-ahead log into the file.
    engine.dispose()
    return path


@pytest.fixture
def engine(migrated: Path, tmp_path: Path) -> Iterator[Engine]:
    shutil.copy(migrated, tmp_path / "home.db")
    engine = open_engine(f"sqlite:///{tmp_path / 'home.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def directory(engine: Engine) -> Directory:
    return Directory(engine)


CONFIGURATION = f"""
entity_id: {IDP}
public_url: {BASE}
listen: {{port: 8001}}
organisation:
  name: {{en: Example University, nl: Voorbeeld Universiteit}}
  description: {{en: A university for examples.}}
  domains: [example.org]
scopes: [example.org]
database: {{url: "sqlite:///home.db"}}
trust:
  keys: keys
  metadata: []
handle_keys: [handle.key]
password_hashing: {{time_cost: 1, memory: 8, parallelism: 1}}
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """A complete configuration file with the files that it names."""
    (tmp_path / "keys").mkdir()
    key = tmp_path / "handle.key"
    key.write_text("ab" * 32 + "\n")
    os.chmod(key, 0o600)
    path = tmp_path / "idp.yaml"
    path.write_text(CONFIGURATION)
    return path


@pytest.fixture(autouse=True)
def texts_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are the same for every organisation, and reading them is most of the time that one takes to start."""
    monkeypatch.setattr(Catalogue, "load", _load_texts)


@pytest.fixture
def make_home(
    configuration: Path, engine: Engine, directory: Directory, idp_signer: Signer, library: Resource, lab: Resource
) -> Callable[..., Home]:
    """Makes the organisation; keyword arguments change its settings, ``opened`` are its people if not those of the embedded directory."""

    def make(
        opened: OpenedPeople | None = None, precedence: Precedence = DEFAULT_PRECEDENCE, **changes: object
    ) -> Home:
        settings = load_settings(configuration, IdpSettings).model_copy(update=changes)
        clock, source, log = MovableClock(NOW), KnownAttributes(), StringIO()
        entities = [library.entity, lab.entity]
        current = [settings]
        app = make_idp(
            settings,
            live=lambda: current[0],
            registry=lambda: Registry(entities),
            key_ring=lambda: KeyRing(idp_signer, (entity_key(idp_signer),)),
            handle_keys=lambda: load_handle_keys(settings.handle_keys),
            opened=opened or settings.people.open(engine, settings.password_hashing.passwords, lambda _: None),
            sessions=SqlSessionStore(engine),
            counters=SqlCounters(engine),
            attribute_source=source,
            own_attributes=directory.attributes,
            engine=engine,
            log=make_log(clock, service="idp", stream=log),
            clock=clock,
            errands=ErrandsAtOnce(make_log(clock, service="idp", stream=log)),
            precedence=lambda at: precedence,
        )
        return Home(
            current,
            clock,
            engine,
            directory,
            source,
            idp_signer,
            app.test_client(),
            app.test_client,
            log,
            entities,
        )

    return make


@pytest.fixture
def home(make_home: Callable[..., Home]) -> Home:
    """The organisation with two people: Ada, who is active, and Bob, who is disabled."""
    return populated(make_home())


def populated(made: Home) -> Home:
    """The same, with Ada and Bob."""
    passwords = Passwords(made.settings.password_hashing.parameters())
    for name in ("ada", "bob"):
        made.people[name] = made.directory.create(
            name, password_hash=passwords.hash("right horse"), attributes={}, at=NOW, by="operator"
        )
    made.directory.disable(made.people["bob"], at=NOW, by="operator")
    return made


@pytest.fixture
def make_populated_home(make_home: Callable[..., Home]) -> Callable[..., Home]:
    """The organisation with Ada and Bob, with these settings changed."""
    return lambda **changes: populated(make_home(**changes))
