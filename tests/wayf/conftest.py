"""A small federation, a clock that the test moves, and the discovery service before it."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ostiary.federation.keys import KeyRing
from ostiary.federation.model import Display, Endpoint, Entity, IdpRole, LocalizedText, Logo, Scope, SpRole
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.keys import Signer
from ostiary.web.log import make_log
from tests.signers import make_signer
from wayf.service import make_wayf
from wayf.settings import WayfSettings

NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
URL = "https://wayf.example.org"
LIBRARY = "https://library.example/sp"
UTRECHT = "https://idp.uu.example/saml"
ZURICH = "https://idp.tuz.example/saml"
LODZ = "https://idp.lodz.example/saml"
HIDDEN = "https://idp.hidden.example/saml"
ENDING = "https://idp.ending.example/saml"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at


def home(entity_id: str, *display_names: tuple[str, str], scope: str, **more: Any) -> Entity:
    """An IdP with these (language, name) pairs."""
    texts = tuple(LocalizedText(text, lang) for lang, text in display_names)
    display = Display(
        names=texts, keywords=more.pop("keywords", ()), logos=more.pop("logos", ()), **more.pop("hints", {})
    )
    role = IdpRole(
        display=display,
        single_sign_on=(Endpoint(names.HTTP_REDIRECT, f"{entity_id}/sso"), *more.pop("endpoints", ())),
        scopes=(Scope(r"^.*\.pattern$", is_pattern=True), Scope(scope)),
    )
    return Entity(entity_id, idp=role, **more)


def federation() -> list[Entity]:
    """One resource with two discovery locations, and five home organisations, of which one hides and one ends in an hour."""
    hidden = ((names.ENTITY_CATEGORY, (names.HIDE_FROM_DISCOVERY,)),)
    return [
        Entity(
            LIBRARY,
            sp=SpRole(
                assertion_consumers=(Endpoint(names.HTTP_POST, "https://library.example/acs", index=1),),
                display=Display(names=(LocalizedText("The Library <of> Alexandria", "en"),)),
                discovery_responses=(
                    Endpoint(names.IDPDISC, "https://library.example/ds?app=1", index=1),
                    Endpoint(names.IDPDISC, "https://library.example/other/ds", index=2, is_default=True),
                    Endpoint(names.HTTP_POST, "https://library.example/wrong-binding", index=3),
                ),
            ),
        ),
        home(UTRECHT, ("en", "Utrecht University"), ("nl", "Universiteit Utrecht"), scope="uu.example"),
        home(
            ZURICH,
            ("de", "Technische Universität Zürich"),
            scope="tuz.example",
            keywords=(LocalizedText("polytechnic Switzerland", "en"),),
            logos=(Logo("https://tuz.example/logo.png", 80, 60, "de"),),
        ),
        home(LODZ, ("en", "Uniwersytet Łódzki"), scope="lodz.example"),
        home(HIDDEN, ("en", "Hidden University"), scope="hidden.example", entity_attributes=hidden),
        home(ENDING, ("en", "Ending University"), scope="ending.example", valid_until=NOW + timedelta(hours=1)),
    ]


@pytest.fixture(scope="session")
def signer() -> Signer:
    """A key made for this run, with a certificate."""
    return make_signer("wayf")


class Wayf:
    """The service, its client, its clock, its log, and the registry that the test may replace."""

    def __init__(self, signer: Signer, directory: Path, public_url: str = URL, **more: Any) -> None:
        self.clock = Clock()
        self.registry = Registry(federation())
        self.stream = io.StringIO()
        self.keys = KeyRing(signer, ())
        settings = WayfSettings.model_validate(
            {
                "public_url": public_url,
                "listen": {"port": 0},
                "federation_name": "https://federation.example.org",
                "trust": {"keys": str(directory), "metadata": ()},
                **more,
            }
        )
        log = make_log(self.clock, service="wayf", stream=self.stream)
        self.app = make_wayf(
            settings, registry=lambda: self.registry, key_ring=lambda: self.keys, log=log, clock=self.clock
        )
        self.client: FlaskClient = self.app.test_client()

    def know(self, *entities: Entity) -> None:
        """Adds entities, or puts them in the place of those with the same entityID."""
        new = {entity.entity_id for entity in entities}
        self.registry = Registry(
            [*(known for known in self.registry.all(self.clock.at) if known.entity_id not in new), *entities]
        )

    def get(self, path: str, headers: Any = None, **params: str) -> TestResponse:
        query = f"?{urlencode(params)}" if params else ""
        return self.client.get(path + query, base_url=URL, headers=headers)

    def discover(self, headers: Any = None, **params: str) -> TestResponse:
        return self.get("/discovery", headers, **{"entityID": LIBRARY, **params})

    def choose(self, choice: str, headers: Any = None, **params: str) -> TestResponse:
        return self.get("/choose", headers, **{"entityID": LIBRARY, "choice": choice, **params})

    def offered(self, **params: str) -> list[str]:
        """The names in the list of results, in order."""
        answer = self.discover(**params)
        return [strong.get_text() for strong in BeautifulSoup(answer.text, "html.parser").select("#results strong")]

    def codes(self) -> list[str]:
        return [json.loads(line).get("code", "") for line in self.stream.getvalue().splitlines()]


def cookies_of(answer: TestResponse, purpose: str) -> list[str]:
    """What an answer sets for this purpose."""
    values = answer.headers.getlist("Set-Cookie")
    return [value for value in values if value.startswith(f"__Host-ost-{purpose}-")]


@pytest.fixture
def wayf(signer: Signer, tmp_path: Path) -> Wayf:
    return Wayf(signer, tmp_path)


@pytest.fixture
def make_wayf_with(signer: Signer, tmp_path: Path) -> Callable[..., Wayf]:
    """Makes the service with further settings."""
    return partial(Wayf, signer, tmp_path)
