"""What is published, when, and when the last one stays."""

import gzip
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from lxml import etree

from ostiary.errors import ConfigurationError
from ostiary.federation.publish.documents import unsigned_entity
from ostiary.federation.publish.publication import Made, Publication
from ostiary.federation.rotation import rotate, waits_of
from ostiary.federation.sources.files import MetadataFile, load_registry
from ostiary.saml import names
from ostiary.saml.schema import check_schema
from ostiary.saml.xml import METADATA, parse_xml
from tests.metadata_service.conftest import NOW, ODD, URL, MakeService, Service, home, resource

IDP1, IDP2, SP1 = "https://idp1.example/saml", "https://idp2.example/saml", "https://sp1.example/saml"


def test_each_selection_is_a_signed_document_with_name_end_and_cache_duration(service: Service) -> None:
    assert service.published() == {IDP1, IDP2, SP1, ODD}
    assert service.published("role/idp") == {IDP1, IDP2, ODD}
    root = parse_xml((service.directory / "published" / "all.xml").read_bytes(), METADATA)
    assert root.get("Name") == "https://federation.example/all"
    assert root.get("validUntil") == "2026-11-29T12:00:00.000Z"
    assert root.get("cacheDuration") == "PT6H"
    assert str(root.get("ID")).startswith("_")
    check_schema(root, "metadata")


def test_who_publishes_stands_in_the_root_of_documents_and_answers(make_service: MakeService) -> None:
    service = make_service(
        publisher={"name": "https://federation.example", "policies": {"en": "https://f.example/terms"}}
    )
    service.publisher.publish_due()
    for octets in (service.get("/all.xml").data, service.get("/entities/" + IDP1).data):
        root = parse_xml(octets, METADATA)
        (told,) = root.iter(f"{{{names.MDRPI}}}PublicationInfo")
        assert told.getparent().getparent() is root
        assert told.get("publisher") == "https://federation.example"
        assert told.get("creationInstant") == "2026-11-22T12:00:00.000Z"
        assert [policy.text for policy in told] == ["https://f.example/terms"]
        check_schema(root, "metadata")


def test_publication_info_of_upstream_does_not_come_along(make_service: MakeService) -> None:
    service = make_service()
    entity = home(7, registration_authority="https://registrar.example")
    told = unsigned_entity(entity).replace(
        b"<mdrpi:RegistrationInfo",
        b'<mdrpi:PublicationInfo xmlns:mdrpi="urn:oasis:names:tc:SAML:metadata:rpi" publisher="https://up.example"/>'
        b"<mdrpi:RegistrationInfo",
    )
    service.write_source(replace(entity, source=told.partition(b"?>\n")[2]))
    service.publisher.publish_due()
    document = (service.directory / "published" / "all.xml").read_bytes()
    assert b"https://registrar.example" in document
    assert b"https://up.example" not in document


def test_the_earlier_end_of_an_entity_is_kept_and_nothing_that_has_ended_is_published(
    make_service: MakeService,
) -> None:
    service = make_service()
    soon = home(4, valid_until=NOW + timedelta(hours=2))
    role = home(5, role_ends=NOW + timedelta(hours=3))
    service.write_source(home(1), home(2), soon, role, until=NOW + timedelta(days=5))
    service.publisher.publish_due()
    root = parse_xml((service.directory / "published" / "all.xml").read_bytes(), METADATA)
    ends = {one.get("entityID"): one.get("validUntil") for one in root.iter(f"{{{names.MD}}}EntityDescriptor")}
    assert ends == {
        IDP1: "2026-11-27T12:00:00.000Z",
        IDP2: "2026-11-27T12:00:00.000Z",
        "https://idp4.example/saml": "2026-11-22T14:00:00.000Z",
        "https://idp5.example/saml": "2026-11-27T12:00:00.000Z",
    }
    service.clock.at += timedelta(hours=2)
    service.publisher.publish_due()
    assert service.published() == {IDP1, IDP2, "https://idp5.example/saml"}
    service.clock.at += timedelta(hours=1, minutes=6)
    service.publisher.publish_due()
    assert service.published() == {IDP1, IDP2}
    assert service.get("/entities/https://idp5.example/saml").status_code == 404


def test_scopes_beyond_what_a_source_may_speak_for_are_not_passed_on(make_service: MakeService) -> None:
    service = make_service(
        trust={
            "keys": "keys",
            "metadata": [{"file": "source.xml", "trusted_keys": ["up.pem"], "scopes": ["idp1.example"]}],
        }
    )
    service.publisher.publish_due()
    for octets in ((service.directory / "published" / "all.xml").read_bytes(), service.get(f"/entities/{IDP2}").data):
        assert b"University 2" in octets
        assert b">idp2.example<" not in octets
    assert b">idp1.example<" in service.get("/all.xml").data


def test_it_is_published_anew_when_its_time_has_come(service: Service) -> None:
    first = (service.directory / "published" / "all.xml").read_bytes()
    service.clock.at += timedelta(minutes=59)
    assert service.publisher.publish_due()
    assert (service.directory / "published" / "all.xml").read_bytes() == first
    service.clock.at += timedelta(minutes=6)
    service.publisher.publish_due()
    assert (service.directory / "published" / "all.xml").read_bytes() != first
    root = parse_xml(service.get("/all.xml").data, METADATA)
    assert root.get("validUntil") == "2026-11-29T13:05:00.000Z"


def test_the_gzip_beside_a_document_is_the_same_document(service: Service) -> None:
    published = service.directory / "published"
    for name in ("all", "role/idp"):
        plain, packed = published / f"{name}.xml", published / f"{name}.xml.gz"
        assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
        assert (plain.stat().st_mode & 0o777, packed.stat().st_mode & 0o777) == (0o644, 0o644)
    assert (published / ".state").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("what", ["broken", "half", "expired"])
def test_a_document_stays_until_its_end_when_its_source_fails(service: Service, what: str) -> None:
    last = (service.directory / "published" / "all.xml").read_bytes()
    if what == "broken":
        (service.directory / "source.xml").write_bytes(b"<md:EntitiesDescriptor")
        code = "metadata.file"
    elif what == "half":
        service.write_source(home(1))
        code = "publish.shrunk"
    else:
        service.write_source(home(1), home(2), resource(1), until=NOW + timedelta(minutes=30))
        code = "metadata.file"
    service.clock.at += timedelta(hours=1, minutes=6)
    service.publisher.publish_due()
    assert (service.directory / "published" / "all.xml").read_bytes() == last
    alarm = service.events("publication_kept")[0]
    assert (alarm["level"], alarm["code"], alarm["publication"]) == ("error", code, "all")
    assert service.get("/health").status_code == 200
    page = service.get("/status", Accept="text/html")
    assert "Something needs your attention." in page.text
    (line, _) = service.get("/status?format=json").json["publications"]
    assert (line["problem"]["code"], line["entities"], line["name"]) == (code, 4, "all")
    service.clock.at = NOW + timedelta(days=7)
    service.publisher.publish_due()
    if what == "half":
        assert service.published() == {IDP1}
    else:
        assert not (service.directory / "published" / "all.xml").exists()
        assert not (service.directory / "published" / "all.xml.gz").exists()
        assert service.get("/all.xml").status_code == 503
        assert service.get("/health").status_code == 503
        assert [one["publication"] for one in service.events("publication_ended")] == ["all", "role/idp"]


def test_keys_that_cannot_be_read_any_more_are_told_to_operators(service: Service) -> None:
    for path in (service.directory / "keys").iterdir():
        if path.is_file():
            path.write_text("broken")
    service.clock.at += timedelta(seconds=10)
    assert service.get("/entities/" + quote(IDP1, safe="")).status_code == 200
    page = service.get("/status", Accept="text/html")
    assert "A newer one was refused" in page.text


def test_what_has_ended_is_not_handed_out_even_if_nobody_took_it_away(service: Service) -> None:
    service.clock.at = NOW + timedelta(days=7) - timedelta(seconds=1)
    assert service.get("/all.xml").status_code == 200
    service.clock.at += timedelta(seconds=1)
    assert (service.directory / "published" / "all.xml").exists()
    assert service.get("/all.xml").status_code == 503
    assert service.get("/entities", Accept_Encoding="gzip").status_code == 503


def test_an_empty_selection_is_never_published(make_service: MakeService) -> None:
    service = make_service(
        selections=[{"name": "aa", "aggregate_name": "urn:x", "include": {"roles": ["aa"]}}],
    )
    service.publisher.publish_due()
    assert service.get("/aa.xml").status_code == 503
    assert [one["code"] for one in service.events("publication_kept")] == ["publish.empty"]


def test_failed_attempts_come_less_and_less_often(service: Service) -> None:
    (service.directory / "source.xml").write_bytes(b"no metadata")
    service.clock.at += timedelta(hours=1, minutes=6)
    waits = []
    for _ in range(8):
        service.publisher.publish_due()
        _, record = service.publisher.records()[0]
        assert record.next_attempt is not None
        waits.append((record.next_attempt - service.clock.at).total_seconds())
        service.clock.at = record.next_attempt
    for wait, least in zip(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600], strict=True):
        assert least <= wait <= least + min(300, least)


def test_a_key_that_was_rolled_signs_at_once(service: Service) -> None:
    keys = service.directory / "keys"
    before, answer = service.get("/all.xml").data, service.get(f"/entities/{IDP1}").data
    first = service.signer().public
    for step in ("prepare", "activate"):
        rotate(
            keys, "signing", waits_of("signing", timedelta(days=1)), now=NOW + timedelta(days=20), step=step, force=True
        )
    assert service.signer().public != first
    service.app.extensions["ostiary.look_now"]()
    service.publisher.publish_due()
    assert service.published() == {IDP1, IDP2, SP1, ODD}
    after, anew = service.get("/all.xml").data, service.get(f"/entities/{IDP1}").data
    assert (after != before, anew != answer) == (True, True)
    # Who trusts the keys that are published trusts the old one and the new one.
    for octets in (before, after, answer, anew):
        (service.directory / "one.xml").write_bytes(octets)
        file = MetadataFile(service.directory / "one.xml", (keys / "published.crt",))
        assert len(load_registry([file], now=NOW)) > 0


def test_other_settings_make_another_document_at_once(service: Service) -> None:
    text = service.file.read_text().replace("https://federation.example/all", "https://federation.example/everybody")
    service.file.write_text(text)
    service.app = service.started()
    service.publisher.publish_due()
    root = etree.fromstring((service.directory / "published" / "all.xml").read_bytes())
    assert root.get("Name") == "https://federation.example/everybody"
    assert len(service.events("published")) == 3


def test_a_document_that_somebody_took_away_is_made_again(service: Service) -> None:
    (service.directory / "published" / "all.xml").unlink()
    service.publisher.publish_due()
    assert service.published() == {IDP1, IDP2, SP1, ODD}


@pytest.mark.parametrize(
    ("settings", "code", "key"),
    [
        ({"selections": []}, "config.wrong_value", "selections"),
        ({"selections": [{"name": "entities", "aggregate_name": "urn:x"}]}, "config.taken_name", "selections[0].name"),
        ({"selections": [{"name": "a", "aggregate_name": "urn:x"}] * 2}, "config.taken_name", "selections[1].name"),
        ({"selections": [{"name": "../etc", "aggregate_name": "urn:x"}]}, "config.wrong_value", "selections[0].name"),
        ({"every": "3d"}, "config.order", "selections[0]"),
        ({"cache_duration": "8d"}, "config.order", "selections[0]"),
    ],
)
def test_settings_that_can_not_be_meant_are_refused(
    make_service: MakeService, settings: dict[str, object], code: str, key: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make_service(**settings)
    assert refused.value.key == key
    assert refused.value.code == code


def test_the_pages_show_what_is_published(service: Service) -> None:
    start = service.get("/")
    assert start.status_code == 200
    assert "4 entities" in start.text
    assert "/role/idp.xml" in start.text
    status = service.get("/status")
    assert status.status_code == 200
    assert "All is well." in status.text
    stranger = service.client.get("/status", base_url=URL, headers={"X-Forwarded-For": "192.0.2.1"})
    assert stranger.status_code == 404


def test_a_disk_that_is_full_changes_nothing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(publication: Publication, path: Path, now: object) -> Made:
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    last = service.published()
    monkeypatch.setattr(service.publisher, "_make", make)
    service.clock.at += timedelta(hours=1, minutes=6)
    service.publisher.publish_due()
    assert service.published() == last
    assert service.events("publication_kept")[0]["code"] == "publish.directory"
    assert [path.name for path in (service.directory / "published").iterdir() if path.name.startswith(".all")] == []
