"""An Attribute Authority with the person's pages before it, in memory: real policies, a real SQLite database, three resources."""

import functools
import io
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from lxml import html
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from attribute_authority.authority import Authority
from attribute_authority.connectors.fixed import StaticConnector
from attribute_authority.connectors.sources import Source
from attribute_authority.own_page.page import OwnPage
from attribute_authority.own_page.pages import add_own_page
from attribute_authority.own_page.releases import Trail
from attribute_authority.pages import TEMPLATES, TEXTS
from attribute_authority.requesters import find_requester_in
from attribute_authority.resolver.definitions import Definition
from attribute_authority.resolver.resolver import Resolver
from ostiary import audit
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.config import Holder
from ostiary.consent.general_rule import GeneralRules
from ostiary.consent.settings import ConsentSettings
from ostiary.consent.store import Choices, EnforcedChoices
from ostiary.consent.tables import MIGRATIONS as CONSENT_MIGRATIONS
from ostiary.federation.model import (
    AttributeConsumingService,
    Display,
    Endpoint,
    Entity,
    LocalizedText,
    RequestedAttribute,
    SpRole,
)
from ostiary.federation.registry import Registry
from ostiary.policy.release.document import load_release_policies
from ostiary.policy.release.precedence import DEFAULT_PRECEDENCE, Precedence
from ostiary.ports import Release, ReleaseRequest
from ostiary.saml import names
from ostiary.saml.attribute_names import wire_name
from ostiary.storage.engine import open_engine, writing
from ostiary.storage.migrate import upgrade
from ostiary.web.log import make_log
from ostiary.web.pages import Pages
from ostiary.web.service import make_service
from ostiary.web.texts import Catalogue

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BASE = "http://localhost:8002"
LIBRARY, LAB, PAYROLL = "https://library.example/shar", "https://lab.example/shar", "https://payroll.example/shar"
PAGES = f"{BASE}/pages"
_texts = functools.cache(Catalogue.load)

POLICIES = """
policies:
  - id: everybody
    description: Every website of the federation learns who belongs here.
    for: {anyone: true}
    rules: [{id: role, permit: [eduPersonScopedAffiliation]}]
  - id: library
    for: {requesters: [https://library.example/shar]}
    rules:
      - {id: person, permit: [mail, displayName]}
      - {id: cautious, deny: [uid]}
  - id: law
    description: The law asks for it.
    strength: mandatory
    for: {requesters: [https://library.example/shar]}
    rules: [{id: organisation, permit: [schacHomeOrganization]}]
  - id: secrets
    description: Nobody outside needs it.
    strength: forbidden
    for: {anyone: true}
    rules: [{id: number, deny: [employeeNumber]}]
"""

ADA = {
    "eduPersonScopedAffiliation": ("member@home.example", "staff@home.example"),
    "mail": ("ada@home.example",),
    "displayName": ("Ada Lovelace",),
    "uid": ("ada",),
    "schacHomeOrganization": ("home.example",),
    "employeeNumber": ("1815",),
    "isMemberOf": tuple(f"group-{number:02}" for number in range(60)),
}


def resource(entity_id: str, name: str, *requested: tuple[str, bool]) -> Entity:
    asked = tuple(RequestedAttribute(wire_name(one), required=required) for one, required in requested)
    service = AttributeConsumingService(0, (LocalizedText(name, "en"),), asked)
    host = entity_id.removesuffix("/shar")
    return Entity(
        entity_id,
        sp=SpRole(
            display=Display(
                names=(LocalizedText(name, "en"),),
                descriptions=(LocalizedText(f"What {name} is for.", "en"),),
                privacy_statement_urls=(LocalizedText(f"{host}/privacy", "en"),),
            ),
            assertion_consumers=(Endpoint(names.HTTP_POST, f"{host}/acs", index=0),),
            attribute_consuming=(service,) if asked else (),
        ),
    )


@dataclass
class Clock:
    at: datetime = NOW

    def now(self) -> datetime:
        return self.at

    def is_active(self, principal: str) -> bool:
        return True


@dataclass
class Person:
    """The pages and whoever is in front of them, with everything around that a test looks at."""

    client: FlaskClient
    engine: Engine
    clock: Clock
    authority: Authority
    choices: Choices
    rules: GeneralRules
    entities: list[Entity]
    who: list[str]
    known: dict[str, tuple[str, ...]]
    log: io.StringIO
    page: OwnPage = field(repr=False)

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, base_url=BASE)

    def text(self, path: str) -> str:
        return text_of(self.follow(self.get(path)))

    def follow(self, answer: TestResponse) -> TestResponse:
        while answer.status_code == 303:
            answer = self.get(answer.headers["Location"].removeprefix(BASE))
        return answer

    def send(self, page: TestResponse, action: str, **changes: object) -> TestResponse:
        """The form of the page that goes to this path, with some fields changed: a list sends one several times, None leaves it out."""
        form = form_to(page, action)
        fields: dict[str, list[str]] = {}
        for name, value in form.form_values():
            fields.setdefault(name, []).append(value)
        for name, value in changes.items():
            given = value if isinstance(value, list) else [value]
            fields[name] = [one for one in given if one is not None]
        return self.client.post(action, data=fields, base_url=BASE)

    def released(self, entity_id: str = LIBRARY, target: str | None = None) -> dict[str, tuple[str, ...]]:
        """What the Attribute Authority lets go there now."""
        answer: Release = self.authority.release(ReleaseRequest(self.who[0], entity_id, self.clock.at, target))
        return {attribute.name: attribute.texts() for attribute in answer.attributes}

    def was_told(self, entity_id: str, *attributes: str, at: datetime | None = None, query: bool = False) -> None:
        """As the identity provider writes it down at a sign-on, or the Attribute Authority after a query."""
        facts = {"requester" if query else "for": entity_id, "attributes": list(attributes)}
        with writing(self.engine) as connection:
            audit.record(
                connection,
                at=at or self.clock.at,
                writer="idp",
                actor=self.who[0],
                action="attributes.released" if query else "handle.minted",
                subject=self.who[0],
                facts=facts,
            )


def document(page: TestResponse) -> html.HtmlElement:
    return html.document_fromstring(page.get_data(as_text=True))


def text_of(page: TestResponse) -> str:
    return re.sub(r"\s+", " ", " ".join(document(page).get_element_by_id("main").itertext()))


def form_to(page: TestResponse, action: str) -> html.FormElement:
    [form] = [form for form in document(page).forms if form.action == BASE + action and form.method == "POST"]
    return form


def boxes(page: TestResponse, action: str = "/my/resource") -> dict[str, bool]:
    """What stands at each box, and whether it is ticked."""
    main = document(page)
    found = {}
    for box in form_to(page, action).xpath(".//input[@name='send']"):
        [label] = main.xpath(f"//label[@for='{box.get('id')}']")
        found[" ".join(" ".join(label.itertext()).split())] = box.get("checked") is not None
    return found


def box_of(page: TestResponse, label: str, action: str = "/my/resource") -> str:
    main = document(page)
    for box in form_to(page, action).xpath(".//input[@name='send']"):
        [found] = main.xpath(f"//label[@for='{box.get('id')}']")
        if " ".join(" ".join(found.itertext()).split()).startswith(label):
            return str(box.get("value"))
    raise LookupError(label)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "home.db"
    engine = open_engine(f"sqlite:///{path}")
    upgrade(engine, [AUDIT_MIGRATIONS, CONSENT_MIGRATIONS])
    engine.dispose()
    return path


@pytest.fixture
def engine(migrated: Path, tmp_path: Path) -> Iterator[Engine]:
    shutil.copy(migrated, tmp_path / "home.db")
    opened = open_engine(f"sqlite:///{tmp_path / 'home.db'}")
    yield opened
    opened.dispose()


@pytest.fixture
def make_person(engine: Engine, tmp_path: Path) -> Callable[..., Person]:
    def make(
        precedence: Precedence = DEFAULT_PRECEDENCE,
        known: dict[str, tuple[str, ...]] | None = None,
        policies: str = POLICIES,
        **settings: object,
    ) -> Person:
        (tmp_path / "release.yaml").write_text(policies)
        clock, who, log = Clock(), ["p1"], io.StringIO()
        consent = ConsentSettings.model_validate(settings)
        entities = [
            resource(LIBRARY, "The Library", ("mail", True), ("displayName", False)),
            resource(LAB, "The Lab", ("uid", False)),
            resource(PAYROLL, "Payroll"),
            resource(PAGES, "These pages"),
        ]
        values = dict(ADA if known is None else known)
        find = find_requester_in(lambda: Registry(entities))
        authority = Authority(
            people=clock,
            resolver=Resolver(
                [Source("fixed", StaticConnector(values, {}))],
                [Definition(name, name) for name in values],
                issuer="https://idp.home.example",
                cache_age=timedelta(0),
            ),
            policies=Holder(lambda sources: load_release_policies([tmp_path / "release.yaml"], sources=sources)),
            find_requester=find,
            log=make_log(clock, service="aa", stream=log),
            personal_choices=EnforcedChoices(Choices(engine, writer="aa"), consent, lambda at: precedence),
            precedence=Holder(lambda sources: precedence),
        )
        choices = Choices(engine, writer="aa", precedence=authority.precedence)
        rules = GeneralRules(engine, writer="aa", precedence=authority.precedence)
        own = OwnPage(
            signed_in=lambda: who[0],
            authority=authority,
            find_requester=find,
            registry=lambda: Registry(entities),
            choices=choices,
            rules=rules,
            trail=Trail(engine),
            settings=consent,
            own_entity_id=PAGES,
            now=clock.now,
            origins={"mail": {"definition": {"attribute": "mail"}}},
            also_stored={"lasting_names": lambda principal: [{"resource": LIBRARY, "name": f"x-{principal}"}]},
        )
        app = make_service(
            "own_page",
            service_name="Home",
            pages=Pages(_texts(TEXTS), [TEMPLATES]),
            public_url=BASE,
            log=make_log(clock, service="pages", stream=log),
            clock=clock,
            secret=b"s" * 32,
        )
        add_own_page(app, own)
        return Person(app.test_client(), engine, clock, authority, choices, rules, entities, who, values, log, own)

    return make


@pytest.fixture
def ada(make_person: Callable[..., Person]) -> Person:
    return make_person()
