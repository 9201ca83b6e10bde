"""The metadata that a resource publishes: each endpoint that is open and none that is not, what it can decrypt, who runs it; read by our
own federation reader and by pysaml2 as it was meant, valid by the schemas of OASIS."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from lxml import etree

from ostiary.command.cli import ostiary
from ostiary.config import load_settings
from ostiary.errors import ConfigurationError
from ostiary.federation.keys import load_key_ring
from ostiary.federation.model import Entity, LocalizedText, Logo, SpRole
from ostiary.federation.read import read_signed_metadata, read_unsigned_local_metadata
from ostiary.saml import names
from ostiary.saml.schema import check_schema
from ostiary.saml.xml import METADATA, parse_xml
from sp_shire.messages import Reply
from sp_shire.metadata import signed_metadata, sp_entity
from sp_shire.settings import ShireSettings
from tests.flows.forging import signer_of
from tests.simulator import START, Simulation
from tests.sp_shire.answering import keys_that_decrypt
from tests.sp_shire.conftest import Core

HERE = "http://127.0.0.1:20005/ostiary"
NORTHGATE = "https://northgate.example/idp"
FULL: dict[str, Any] = {
    "names": {"de": "Die gemeinsame Bibliothek"},
    "descriptions": {"de": "Zeitschriften und Bücher."},
    "logos": [{"url": "https://library.example/logo.png", "width": 80, "height": 60}],
    "organisation": {
        "name": {"en": "The Common Library", "de": "Die gemeinsame Bibliothek"},
        "url": {"en": "https://library.example/en", "de": "https://library.example/de"},
    },
    "contacts": [
        {"kind": "technical", "name": "Operations", "email": "operations@library.example"},
        {"kind": "security", "name": "Incidents", "email": "cert@library.example"},
    ],
    "registration_authority": "https://federation.example",
    "valid_for": "2d",
}


@pytest.fixture(scope="module")
def keys(federation: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The resource's key directory, with a key to encrypt to."""
    return keys_that_decrypt(federation, tmp_path_factory.mktemp("published") / "keys")


@pytest.fixture
def published(library_settings: ShireSettings, keys: Path) -> Callable[..., bytes]:
    """The signed document of a resource with some settings changed."""

    def document(*, at: datetime = START, **changes: Any) -> bytes:
        settings = ShireSettings.model_validate({**library_settings.model_dump(), **changes})
        return signed_metadata(settings, load_key_ring(keys), at)

    return document


def read(document: bytes) -> Entity:
    [entity] = read_unsigned_local_metadata(document)
    return entity


def role_of(document: bytes) -> SpRole:
    sp = read(document).sp
    if sp is None:
        raise ValueError("no SP role")
    return sp


def test_it_names_every_endpoint_that_is_open(published: Callable[..., bytes]) -> None:
    role = role_of(published())
    assert [(one.binding, one.location, one.index, one.is_default) for one in role.assertion_consumers] == [
        (names.HTTP_POST, f"{HERE}/acs", 0, True),
        (names.HTTP_ARTIFACT, f"{HERE}/acs/artifact", 1000, False),
        (names.PAOS, f"{HERE}/acs/paos", 2000, False),
    ]
    assert [(one.binding, one.location) for one in role.single_logout] == [
        (names.SOAP, f"{HERE}/slo/soap"),
        (names.HTTP_REDIRECT, f"{HERE}/slo/redirect"),
        (names.HTTP_POST, f"{HERE}/slo/post"),
    ]
    assert [(one.location, one.index) for one in role.artifact_resolution] == [(f"{HERE}/artifact", 0)]
    assert [(one.binding, one.location) for one in role.discovery_responses] == [(names.IDPDISC, f"{HERE}/discovered")]
    assert [(one.friendly_name, one.required) for service in role.attribute_consuming for one in service.requested] == [
        ("eduPersonScopedAffiliation", True)
    ]


@pytest.mark.parametrize(
    ("answers_by", "open_ones"),
    [
        (("post",), [(names.HTTP_POST, True)]),
        (("artifact",), [(names.HTTP_ARTIFACT, True)]),
        (("artifact", "post"), [(names.HTTP_ARTIFACT, True), (names.HTTP_POST, False)]),
        (("paos", "artifact"), [(names.PAOS, False), (names.HTTP_ARTIFACT, True)]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value[0], str) else None,
)
def test_it_names_no_consumer_that_is_closed_and_the_first_for_browsers_is_the_default(
    published: Callable[..., bytes], answers_by: tuple[str, ...], open_ones: list[tuple[str, bool]]
) -> None:
    found = role_of(published(answers_by=answers_by)).assertion_consumers
    assert [(one.binding, one.is_default) for one in found] == open_ones


def test_the_consumers_of_application_domains_count_on(published: Callable[..., bytes]) -> None:
    role = role_of(published(applications=({"name": "maps", "path": "/library/maps"},)))
    assert [(one.location.removeprefix("http://127.0.0.1:20005"), one.index) for one in role.assertion_consumers] == [
        ("/ostiary/acs", 0),
        ("/library/maps/ostiary/acs", 1),
        ("/ostiary/acs/artifact", 1000),
        ("/library/maps/ostiary/acs/artifact", 1001),
        ("/ostiary/acs/paos", 2000),
        ("/library/maps/ostiary/acs/paos", 2001),
    ]
    assert [one.is_default for one in role.assertion_consumers] == [True, False, False, False, False, False]
    # What waits anywhere is fetched at the one address of the entity.
    assert [one.location for one in role.artifact_resolution] == [f"{HERE}/artifact"]


def test_each_published_address_answers(core: Core) -> None:
    """Whatever it says to a message that is none, it is not that there is nothing."""
    role = sp_entity(core.settings, load_key_ring(core.settings.trust.keys)).sp
    assert role is not None
    for endpoint in (*role.assertion_consumers, *role.single_logout, *role.artifact_resolution):
        path = endpoint.location.removeprefix("http://127.0.0.1:20005")
        method = "GET" if endpoint.binding == names.HTTP_REDIRECT else "POST"
        assert core.refused(path, method=method, body=b"x", content_type="text/plain")[0] in (400, 500)


def test_it_says_what_it_can_decrypt_and_cbc_only_where_a_partner_is_named(published: Callable[..., bytes]) -> None:
    gcm = [names.AES256_GCM, names.AES192_GCM, names.AES128_GCM]
    transports = [names.RSA_OAEP, names.RSA_OAEP_MGF1P]

    def methods(document: bytes) -> list[str]:
        [key] = role_of(document).encryption_keys()
        return [method.algorithm for method in key.encryption_methods]

    assert methods(published()) == [*gcm, *transports]
    with_legacy = published(allow_aes_cbc_from_legacy_partners=(NORTHGATE,))
    assert methods(with_legacy) == [*gcm, names.AES256_CBC, names.AES128_CBC, *transports]
    check_schema(parse_xml(with_legacy, METADATA), "metadata")


def test_it_says_who_runs_it_and_whom_to_write_to(published: Callable[..., bytes]) -> None:
    document = published(published=FULL)
    entity, role = read(document), role_of(document)
    assert [(one.kind, one.name, one.emails, one.for_security) for one in entity.contacts] == [
        ("support", "", ("help@library.example",), False),
        ("technical", "Operations", ("operations@library.example",), False),
        ("other", "Incidents", ("cert@library.example",), True),
    ]
    assert (
        b'<md:ContactPerson xmlns:remd="http://refeds.org/metadata" contactType="other" '
        b'remd:contactType="http://refeds.org/metadata/contactType/security">'
    ) in document
    assert entity.registration_authority == "https://federation.example"
    assert entity.organization_names == (
        LocalizedText("The Common Library", "en"),
        LocalizedText("Die gemeinsame Bibliothek", "de"),
    )
    assert entity.organization_urls[1] == LocalizedText("https://library.example/de", "de")
    assert role.display.names[1] == LocalizedText("Die gemeinsame Bibliothek", "de")
    assert role.display.logos == (Logo("https://library.example/logo.png", 80, 60),)
    assert entity.valid_until == START + timedelta(days=2)


@pytest.mark.parametrize("changes", [{}, {"published": FULL}], ids=["least", "full"])
def test_it_follows_the_schemas(published: Callable[..., bytes], changes: dict[str, Any]) -> None:
    check_schema(parse_xml(published(**changes), METADATA), "metadata")


def test_pysaml2_reads_it_as_it_was_meant(published: Callable[..., bytes], library_settings: ShireSettings) -> None:
    # It asks the clock of the machine whether metadata has ended.
    document = published(at=datetime.now(UTC), published=FULL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from saml2.attribute_converter import ac_factory
        from saml2.mdstore import InMemoryMetaData

        store = InMemoryMetaData(ac_factory())
        store.parse(document)
        own = library_settings.entity_id

        def locations(service: str, binding: str) -> list[str]:
            return [one["location"] for one in store.service(own, "spsso_descriptor", service, binding)]

        assert locations("assertion_consumer_service", names.HTTP_POST) == [f"{HERE}/acs"]
        assert locations("assertion_consumer_service", names.HTTP_ARTIFACT) == [f"{HERE}/acs/artifact"]
        assert locations("assertion_consumer_service", names.PAOS) == [f"{HERE}/acs/paos"]
        assert locations("artifact_resolution_service", names.SOAP) == [f"{HERE}/artifact"]
        assert [one["friendly_name"] for one in store.attribute_requirement(own)["required"]] == [
            "eduPersonScopedAffiliation"
        ]
        assert len(store.certs(own, "spsso", "signing")) == 1
        assert len(store.certs(own, "spsso", "encryption")) == 1


def test_the_handler_serves_it_signed_and_our_own_reader_trusts_it(core: Core) -> None:
    reply = core.ask("/ostiary/metadata")
    assert isinstance(reply, Reply)
    assert ("Content-Type", "application/samlmetadata+xml") in reply.headers
    key = signer_of(core.federation, "library").public
    [entity] = read_signed_metadata(reply.body, [key], now=core.clock.now())
    expected = sp_entity(core.settings, load_key_ring(core.settings.trust.keys))
    assert entity == replace(expected, valid_until=START + timedelta(days=7), source=entity.source)


def without_what_changes(document: bytes) -> bytes:
    element = etree.fromstring(document)
    for signature in element.findall("{http://www.w3.org/2000/09/xmldsig#}Signature"):
        element.remove(signature)
    for name in ("ID", "validUntil", "cacheDuration"):
        element.attrib.pop(name, None)
    return etree.tostring(element, method="c14n")


def test_the_command_prints_what_the_handler_serves(core: Core) -> None:
    served = core.ask("/ostiary/metadata")
    assert isinstance(served, Reply)
    config = core.federation.layout.directory("library") / "sp.yaml"
    for signed in (True, False):
        words = ["metadata", "sp", "--config", str(config), *(["--signed"] if signed else [])]
        done = CliRunner().invoke(ostiary, words, catch_exceptions=False)
        assert without_what_changes(done.stdout_bytes.strip()) == without_what_changes(served.body)
        assert (b"<ds:Signature" in done.stdout_bytes) == signed


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"answers_by": []}, "answers_by"),
        ({"answers_by": ["paos"]}, "answers_by"),
        ({"answers_by": ["post", "post"]}, "answers_by"),
        ({"answers_by": ["redirect"]}, "answers_by"),
        ({"published": {"organisation": {"name": {"de": "B"}, "url": {"en": "https://b.example"}}}}, "published"),
        ({"published": {"contacts": [{"kind": "boss", "email": "a@b.example"}]}}, "published"),
        ({"published": {"contacts": [{"kind": "technical", "email": "nobody"}]}}, "published"),
        ({"published": {"logos": [{"url": "javascript:alert(1)", "width": 1, "height": 1}]}}, "published"),
        ({"sessions": {"largest": {"bytes": 10}}}, "sessions"),
    ],
    ids=["none", "no_browser", "twice", "unknown", "no_english", "kind", "email", "logo", "size"],
)
def test_a_wrong_setting_is_named(core: Core, tmp_path: Path, changes: dict[str, Any], key: str) -> None:
    source = core.federation.layout.directory("library") / "sp.yaml"
    path = tmp_path / "sp.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(source.read_text()), **changes}))
    with pytest.raises(ConfigurationError) as problem:
        load_settings(path, ShireSettings)
    assert problem.value.key.startswith(key)
