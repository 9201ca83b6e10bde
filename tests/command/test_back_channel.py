"""The back channel over real TLS: self-signed and expired client certificates, keys in metadata, and nothing but queries."""

import contextlib
import http.client
import io
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from lxml import etree

from attribute_authority.metadata import aa_role
from attribute_authority.settings import QUERY_PATH, AttributeAuthoritySettings
from idp.accounts.directory import Directory
from ostiary import audit
from ostiary.clock import SystemClock
from ostiary.command.back_channel import LIMITS, make_back_channel, required_listen
from ostiary.config import DocumentError, load_settings
from ostiary.errors import ConfigurationError
from ostiary.federation.keys import create_key_ring, load_key_ring
from ostiary.federation.model import Endpoint, Entity, EntityKey, SpRole
from ostiary.federation.publish.documents import unsigned_entity
from ostiary.handle import load_handle_keys, mint
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.bindings import decode_soap, encode_soap
from ostiary.saml.keys import TrustedKey
from ostiary.saml.protocol import AttributeQuery, new_id
from ostiary.saml.validate import accept_query_response, verify_response
from ostiary.storage.engine import open_engine, reading
from ostiary.web.listener import TlsListener
from ostiary.web.log import make_log
from ostiary.x509.certificate_names import CertificateNames
from tests.web.client_certificates import Identity, der, make_identity

HOME, SP = "https://home.example/idp", "https://sp.example/shar"
LOCATION = f"https://localhost:8443{QUERY_PATH}"
DN = "CN=Ada,OU=Grid,O=University"
CA_NAME = "CN=Grid CA,O=University"
CLOCK = SystemClock()


def write_settings(directory: Path, **more: object) -> Path:
    settings: dict[str, Any] = {
        "entity_id": HOME,
        "display_name": "Home",
        "public_url": "https://aa.home.example/authority",
        "listen": {"port": 1},
        "database": {"url": "sqlite:///home.db"},
        "trust": {"keys": "keys", "metadata": [{"file": "sp.xml", "allow_unsigned_local_file": True}]},
        "handle_keys": ["handle.key"],
        "resolver": {
            "connectors": [{"type": "static", "name": "all", "everybody": {"eduPersonAffiliation": ["member"]}}],
            "definitions": [{"attribute": "eduPersonAffiliation"}],
        },
        "release_policies": ["release.yaml"],
        "back_channel": {
            "public_url": "https://localhost:8443",
            "listen": {"port": 0},
            "certificate": "tls.pem",
            "key": "tls.key",
        },
        "certificate_names": {
            "requesters": [SP],
            "registered_from": [CA_NAME],
            "rules": [{"pattern": "CN=(?P<name>[A-Za-z]+),OU=Rule"}],
        },
        **more,
    }
    file = directory / "aa.yaml"
    file.write_text(json.dumps(settings))
    return file


@dataclass
class Served:
    """The port, who may ask at it, and a person of the home."""

    directory: Path
    config: Path
    port: int
    known: Identity
    tls: Identity
    principal: str
    stream: io.StringIO

    def ask(
        self, who: Identity | None, body: bytes, *, path: str = QUERY_PATH, method: str = "POST", host: str = ""
    ) -> tuple[int, bytes]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        # As a real SP would: the server is known by its certificate in metadata.
        context.load_verify_locations(cadata=der(self.tls.certificate))
        if who is not None:
            context.load_cert_chain(*who.write(self.directory, f"{who.certificate.serial_number:x}"))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=20)
        try:
            headers = {"Host": host or "localhost:8443", "Content-Type": "text/xml"}
            connection.request(method, path, body, {**headers, "X-Forwarded-For": "192.0.2.99"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def query(self, name_id: NameId | None = None) -> AttributeQuery:
        now = CLOCK.now()
        key = load_handle_keys([self.directory / "handle.key"])[0]
        handle = mint(key, principal=self.principal, requester=SP, expires=now + timedelta(hours=1))
        found = name_id if name_id is not None else NameId(handle, names.TRANSIENT, HOME, SP)
        return AttributeQuery(new_id(), SP, now, found, destination=LOCATION)

    def told(self, query: AttributeQuery, answer: tuple[int, bytes]) -> list[tuple[str, ...]]:
        status, body = answer
        if status != 200:
            raise RuntimeError(f"{status}: {body!r}")
        keys = [load_key_ring(self.directory / "keys").signer.public]
        proven = verify_response(decode_soap(body), keys)
        assertion = accept_query_response(proven, query, authority=HOME, audience=SP, now=CLOCK.now())
        return [found.texts() for found in assertion.attributes] if assertion is not None else []

    def refused(self) -> list[object]:
        engine = open_engine(f"sqlite:///{self.directory / 'home.db'}")
        try:
            with reading(engine) as connection:
                return [event.facts["code"] for event in audit.events(connection, action="attributes.refused")]
        finally:
            engine.dispose()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("home")
    # Self-signed, and over: metadata alone says whose key it is.
    known, tls = make_identity("SP", days=(-20, -10)), make_identity("localhost", ca=True)
    tls.write(directory, "tls")
    create_key_ring(directory / "keys", "home", now=CLOCK.now())
    (directory / "handle.key").touch(0o600)
    (directory / "handle.key").write_bytes(b"k" * 32)
    (directory / "release.yaml").write_text(
        f"policies: [{{id: sp, for: {{requesters: {SP}}}, rules: [{{id: who, permit: eduPersonAffiliation}}]}}]"
    )
    role = SpRole(
        keys=(EntityKey(TrustedKey.from_certificate(der(known.certificate)), "signing", der(known.certificate)),),
        assertion_consumers=(Endpoint(names.HTTP_POST, "https://sp.example/acs", index=0),),
    )
    (directory / "sp.xml").write_bytes(unsigned_entity(Entity(SP, sp=role)))
    config, stream = write_settings(directory), io.StringIO()
    log = make_log(CLOCK, service="aa", stream=stream)
    made = make_back_channel(config, clock=CLOCK, log=log)
    engine = open_engine(f"sqlite:///{directory / 'home.db'}")
    people = Directory(engine)
    principal = people.create("ada", password_hash=None, attributes={}, at=CLOCK.now(), by="test")
    people.add_certificate(principal, CertificateNames(DN, CA_NAME), at=CLOCK.now(), by="test")
    engine.dispose()
    listener = TlsListener(made.application, made.listen, made.context, log=log, limits=LIMITS)
    with contextlib.ExitStack() as stack:
        listener.start()
        stack.callback(listener.stop)
        yield Served(directory, config, listener.port, known, tls, principal, stream)


def test_an_unsigned_query_is_proven_by_the_key_of_an_expired_self_signed_certificate(served: Served) -> None:
    query = served.query()
    assert served.told(query, served.ask(served.known, encode_soap(query.to_xml()))) == [("member",)]


def test_another_certificate_and_none_at_all_are_refused_and_recorded(served: Served) -> None:
    before = len(served.refused())
    body = encode_soap(served.query().to_xml())
    status, page = served.ask(make_identity("SP"), body)
    assert status == 400
    assert b"certificate of this connection" in page
    assert served.ask(None, body)[0] == 400
    assert served.refused()[before:] == ["aa.peer_unknown", "signature.missing"]


def test_nothing_but_queries_is_answered_there(served: Served) -> None:
    body = encode_soap(served.query().to_xml())
    assert served.ask(None, b"", path="/health", method="GET", host="127.0.0.1")[0] == 200
    for path, method, host in (
        ("/", "GET", ""),
        (QUERY_PATH, "GET", ""),
        ("/my", "GET", ""),
        (f"/authority{QUERY_PATH}", "POST", ""),
        (f"/x{QUERY_PATH}", "POST", ""),
        (QUERY_PATH, "POST", "aa.home.example"),
    ):
        assert served.ask(served.known, body, path=path, method=method, host=host)[0] == 400, (path, method, host)


def test_whoever_a_certificate_names_may_be_asked_about_there(served: Served) -> None:
    for subject in (DN, "CN=ada,OU=Rule"):
        query = served.query(NameId(subject, names.X509_SUBJECT_NAME))
        assert served.told(query, served.ask(served.known, encode_soap(query.to_xml()))) == [("member",)]
    query = served.query(NameId("CN=eve,OU=Rule", names.X509_SUBJECT_NAME))
    assert names.UNKNOWN_PRINCIPAL.encode() in served.ask(served.known, encode_soap(query.to_xml()))[1]


def test_metadata_names_the_port_and_the_key_of_its_tls(served: Served) -> None:
    settings = load_settings(served.config, AttributeAuthoritySettings)
    ring = load_key_ring(served.directory / "keys")
    role = aa_role(settings, ring, ["home.example"])
    assert [endpoint.location for endpoint in role.attribute_services] == [LOCATION]
    tls = TrustedKey.from_certificate(der(served.tls.certificate))
    assert role.signing_keys() == (ring.signer.public, tls)
    assert names.X509_SUBJECT_NAME in role.nameid_formats
    document = etree.fromstring(unsigned_entity(Entity(HOME, aa=role)))
    descriptors = document.findall(f".//{{{names.MD}}}KeyDescriptor")
    assert [found.get("use") for found in descriptors][:1] == ["signing"]
    certificate = served.tls.certificate.public_bytes(serialization.Encoding.PEM).decode().split("\n")[1]
    assert certificate in unsigned_entity(Entity(HOME, aa=role)).decode()


def test_a_key_that_signs_and_speaks_tls_is_listed_once(served: Served, tmp_path: Path) -> None:
    create_key_ring(tmp_path / "keys", "home", now=CLOCK.now())
    for name in ("handle.key", "sp.xml", "release.yaml"):
        (tmp_path / name).write_bytes((served.directory / name).read_bytes())
    channel = {
        "public_url": "https://localhost:8443",
        "certificate": "keys/current.crt",
        "next_certificate": str(served.directory / "tls.pem"),
        "from_front_end": {"addresses": ["127.0.0.1"]},
    }
    settings = load_settings(write_settings(tmp_path, back_channel=channel), AttributeAuthoritySettings)
    role = aa_role(settings, load_key_ring(tmp_path / "keys"), [])
    own = TrustedKey.from_certificate(
        x509.load_pem_x509_certificate((tmp_path / "keys" / "current.crt").read_bytes()).public_bytes(
            serialization.Encoding.DER
        )
    )
    assert role.signing_keys() == (own, TrustedKey.from_certificate(der(served.tls.certificate)))
    with pytest.raises(ConfigurationError) as caught:
        required_listen(settings, tmp_path / "aa.yaml")
    assert caught.value.code == "aa.no_back_channel"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (
            {"back_channel": {"public_url": "http://localhost:1", "listen": {"port": 1}, "certificate": "tls.pem"}},
            "aa.back_channel_url",
        ),
        (
            {"back_channel": {"public_url": "https://a", "listen": {"port": 1}, "certificate": "tls.pem"}},
            "aa.back_channel",
        ),
        ({"back_channel": {"public_url": "https://a", "certificate": "tls.pem"}}, "aa.back_channel"),
        ({"certificate_names": {"requesters": [SP]}}, "aa.certificate_names"),
        ({"certificate_names": {"requesters": [SP], "registered_from": ["no name"]}}, "aa.certificate_subject"),
        ({"certificate_names": {"requesters": [SP], "rules": [{"pattern": "CN=(.*)"}]}}, "aa.certificate_pattern"),
        ({"certificate_names": {"requesters": [SP], "rules": [{"pattern": "CN=("}]}}, "aa.certificate_pattern"),
        (
            {
                "certificate_names": {
                    "requesters": [SP],
                    "rules": [{"pattern": "CN=(?P<name>.*)", "login_name": "everybody"}],
                }
            },
            "aa.certificate_pattern",
        ),
    ],
)
def test_settings_that_contradict_themselves_are_refused(
    served: Served, tmp_path: Path, more: dict[str, object], code: str
) -> None:
    (tmp_path / "keys").symlink_to(served.directory / "keys")
    for name in ("handle.key", "sp.xml", "release.yaml", "tls.pem", "tls.key"):
        (tmp_path / name).write_bytes((served.directory / name).read_bytes())
    with pytest.raises(DocumentError) as caught:
        load_settings(write_settings(tmp_path, **more), AttributeAuthoritySettings)
    assert [problem.code for problem in caught.value.problems] == [code]
