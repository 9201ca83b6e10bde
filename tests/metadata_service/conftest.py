"""A federation in files, the metadata service before it, and a clock that the test moves."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ostiary.command.metadata_child import make_here
from ostiary.command.metadata_service import PUBLISHER, make_metadata
from ostiary.config import load_settings
from ostiary.federation.keys import create_key_ring, load_key_ring
from ostiary.federation.model import Display, Endpoint, Entity, EntityKey, IdpRole, LocalizedText, Scope, SpRole
from ostiary.federation.publish.documents import signed_aggregate
from ostiary.federation.publish.publication import Made, Publication
from ostiary.federation.publish.publisher import Publisher
from ostiary.federation.read import read_signed_metadata
from ostiary.saml import names
from ostiary.saml.keys import Signer
from ostiary.web.log import make_log
from tests.signers import make_signer
from wayf.metadata_settings import MetadataServiceSettings

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
URL = "http://localhost:8480"
ODD = "https://idp.example/a//b/../c?x=1&y=%2F#ü"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def home(number: int, **more: Any) -> Entity:
    """An IdP."""
    base = f"https://idp{number}.example"
    entity_id = more.pop("entity_id", f"{base}/saml")
    key = EntityKey(UPSTREAM.public, "signing", UPSTREAM.certificate)
    role = IdpRole(
        keys=(key,),
        display=Display(names=(LocalizedText(f"University {number}", "en"),)),
        single_sign_on=(Endpoint(names.HTTP_REDIRECT, f"{base}/sso"),),
        scopes=(Scope(f"idp{number}.example"),),
        valid_until=more.pop("role_ends", None),
    )
    return Entity(entity_id, idp=role, **more)


def resource(number: int, **more: Any) -> Entity:
    """An SP."""
    base = f"https://sp{number}.example"
    key = EntityKey(UPSTREAM.public, "signing", UPSTREAM.certificate)
    consumer = Endpoint(names.HTTP_POST, f"{base}/acs", index=1)
    return Entity(f"{base}/saml", sp=SpRole(keys=(key,), assertion_consumers=(consumer,)), **more)


UPSTREAM: Signer = make_signer("upstream")


class Service:
    """The service of a ``metadata.yaml`` in a directory; documents are made in this process unless a test says otherwise."""

    def __init__(self, directory: Path, *, now: datetime = NOW, **settings: Any) -> None:
        self.directory = directory
        self.clock = Clock(now)
        self.stream = io.StringIO()
        create_key_ring(directory / "keys", "metadata", now=now)
        self.write_source(home(1), home(2), resource(1), home(3, entity_id=ODD), until=now + timedelta(days=30))
        self.file = directory / "metadata.yaml"
        told = {
            "public_url": URL,
            "listen": {"port": 0},
            "published": "published",
            "trust": {
                "keys": "keys",
                "metadata": [{"file": "source.xml", "allow_unsigned_local_file": False, "trusted_keys": ["up.pem"]}],
            },
            "selections": [
                {"name": "all", "aggregate_name": "https://federation.example/all"},
                {
                    "name": "role/idp",
                    "aggregate_name": "https://federation.example/idp",
                    "include": {"roles": ["idp"]},
                },
            ],
            **settings,
        }
        self.file.write_text(yaml.safe_dump(told))
        self.app = self.started()
        self.client: FlaskClient = self.app.test_client()

    def write_source(self, *entities: Entity, until: datetime = NOW + timedelta(days=30)) -> None:
        public = serialization.load_der_public_key(UPSTREAM.public.spki)
        (self.directory / "up.pem").write_bytes(
            public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        document = signed_aggregate(entities, UPSTREAM, name="https://upstream.example", valid_until=until)
        (self.directory / "source.xml").write_bytes(document)

    def started(self) -> Any:
        log = make_log(self.clock, service="metadata", stream=self.stream)
        return make_metadata(self.file, clock=self.clock, log=log, make=self.make, on_timer=False)

    def make(self, publication: Publication, path: Path, now: datetime) -> Made:
        settings = load_settings(self.file, MetadataServiceSettings)
        return make_here(settings.trust, publication, path, now)

    @property
    def publisher(self) -> Publisher:
        found: Publisher = self.app.extensions[PUBLISHER]
        return found

    def signer(self) -> Signer:
        return load_key_ring(self.directory / "keys").signer

    def get(self, path: str, **headers: str) -> TestResponse:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.get(path, base_url=URL, headers=given, buffered=True)

    def published(self, name: str = "all") -> set[str]:
        """The entityIDs in the document that is out, after its signature was verified."""
        octets = (self.directory / "published" / f"{name}.xml").read_bytes()
        entities = read_signed_metadata(octets, [self.signer().public], now=self.clock.at)
        return {entity.entity_id for entity in entities}

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [line for line in lines if line["event"] == name]


def path_of(entity_id: str, base: str = "") -> str:
    return f"{base}/entities/{quote(entity_id, safe='')}"


def sha1_path(entity_id: str, base: str = "") -> str:
    return path_of("{sha1}" + sha1(entity_id.encode(), usedforsecurity=False).hexdigest(), base)


MakeService = Callable[..., Service]


@pytest.fixture
def make_service(tmp_path: Path) -> MakeService:
    return lambda **settings: Service(tmp_path, **settings)


@pytest.fixture
def service(make_service: MakeService) -> Service:
    made = make_service()
    made.publisher.publish_due()
    return made
