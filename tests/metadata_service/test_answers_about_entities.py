"""The Metadata Query Protocol of the metadata service: names, encodings, conditions, what is signed once."""

import gzip
import threading
from datetime import timedelta
from hashlib import sha1
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from ostiary.federation.publish import signed_entities
from ostiary.federation.publish.documents import signed_aggregate, signed_entity
from ostiary.federation.publish.signed_entities import SignedEntities
from ostiary.federation.read import read_signed_metadata, read_unsigned_local_metadata
from ostiary.federation.registry import Registry
from ostiary.saml.signature import verify_element
from ostiary.saml.xml import METADATA, parse_xml
from tests.metadata_service.conftest import (
    NOW,
    ODD,
    UPSTREAM,
    URL,
    Service,
    home,
    path_of,
    resource,
    sha1_path,
)
from wayf.mdq import answer

IDP1, IDP2, SP1 = "https://idp1.example/saml", "https://idp2.example/saml", "https://sp1.example/saml"
MEDIA_TYPE = "application/samlmetadata+xml"


def entity_ids(service: Service, octets: bytes) -> list[str]:
    entities = read_signed_metadata(octets, [service.signer().public], now=service.clock.at)
    return [entity.entity_id for entity in entities]


@pytest.mark.parametrize("entity_id", [IDP1, SP1, ODD])
@pytest.mark.parametrize("path", [path_of, sha1_path])
@pytest.mark.parametrize("base", ["", "/all"])
def test_an_entity_is_found_by_its_name_and_by_its_hash(service: Service, entity_id: str, path: Any, base: str) -> None:
    found = service.get(path(entity_id, base))
    assert (found.status_code, found.content_type) == (200, MEDIA_TYPE)
    assert entity_ids(service, found.data) == [entity_id]


def test_the_hash_is_found_with_the_suffix_of_pyff_too(service: Service) -> None:
    digest = sha1(IDP1.encode(), usedforsecurity=False).hexdigest()
    assert entity_ids(service, service.get(path_of(f"{{sha1}}{digest}.xml")).data) == [IDP1]
    assert entity_ids(service, service.get(path_of(f"{{sha1}}{digest.upper()}")).data) == [IDP1]


def test_a_selection_answers_for_its_own_entities_alone(service: Service) -> None:
    assert service.get(path_of(IDP1, "/role/idp")).status_code == 200
    assert service.get(path_of(SP1, "/role/idp")).status_code == 404
    assert service.get(sha1_path(SP1, "/role/idp")).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        path_of("https://nobody.example/"),
        "/entities/%7Bsha1%7D" + "0" * 40,
        "/entities/%7Bsha1%7Dxyz",
        "/entities/%7Bsha256%7D" + "0" * 64,
        "/entities/..%2F..%2Fkeys%2Fcurrent.key",
        "/entities/%2e%2e/%2e%2e/source.xml",
        "/entities/%00",
        "/entities/%ff%fe",
        "/entities/" + "a" * 5000,
        "/entities/<script>alert(1)</script>",
    ],
)
def test_what_is_not_there_is_answered_without_a_word(service: Service, path: str) -> None:
    found = service.get(path)
    assert (found.status_code, found.data, found.content_type) == (404, b"", MEDIA_TYPE)
    assert found.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/all.xml", "/all/entities", "/all/entities/", "/entities", "/entities/"])
def test_all_entities_are_the_published_document(service: Service, path: str) -> None:
    found = service.get(path)
    assert found.content_type == MEDIA_TYPE
    assert found.data == (service.directory / "published" / "all.xml").read_bytes()
    assert found.content_length == len(found.data)
    assert service.get("/role/idp.xml").data != found.data


@pytest.mark.parametrize("path", ["/all.xml", "/entities/" + IDP1])
def test_conditional_and_compressed_answers_are_right_together(service: Service, path: str) -> None:
    plain, packed = service.get(path), service.get(path, Accept_Encoding="gzip, deflate, br")
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert packed.content_length == len(packed.data) < len(plain.data)
    assert packed.headers["ETag"] != plain.headers["ETag"]
    for found, how in ((plain, {}), (packed, {"Accept_Encoding": "gzip"})):
        assert found.headers["Vary"] == "Accept, Accept-Encoding"
        assert found.headers["Cache-Control"] == "public, max-age=21600"
        assert found.headers["Last-Modified"] == "Sun, 22 Nov 2026 12:00:00 GMT"
        unchanged: TestResponse = service.get(path, If_None_Match=found.headers["ETag"], **how)
        assert (unchanged.status_code, unchanged.data) == (304, b"")
        assert unchanged.headers["ETag"] == found.headers["ETag"]
        assert unchanged.headers["Vary"] == "Accept, Accept-Encoding"
        since = service.get(path, If_Modified_Since=found.headers["Last-Modified"], **how)
        assert since.status_code == 304
        head = service.client.head(path, base_url=URL, headers={k.replace("_", "-"): v for k, v in how.items()})
        assert (head.status_code, head.data, head.content_length) == (200, b"", found.content_length)
    # The octets that somebody has in one encoding say nothing about those in the other.
    assert service.get(path, If_None_Match=plain.headers["ETag"], Accept_Encoding="gzip").status_code == 200
    assert service.get(path, If_None_Match='"other"').status_code == 200
    assert service.get(path, Accept_Encoding="gzip;q=0, identity").data == plain.data


def test_a_changed_document_is_sent_although_the_old_one_was_known(service: Service) -> None:
    known = service.get("/all.xml").headers["ETag"]
    service.clock.at += timedelta(hours=2)
    service.publisher.publish_due()
    assert service.get("/all.xml", If_None_Match=known).status_code == 200


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (MEDIA_TYPE, 200),
        ("*/*", 200),
        ("application/*;q=0.1", 200),
        ("text/html,application/xml;q=0.9,*/*;q=0.8", 200),
        ("text/xml", 200),
        ("application/json", 406),
        (f"{MEDIA_TYPE};q=0", 406),
    ],
)
def test_who_takes_no_metadata_gets_none(service: Service, accept: str, status: int) -> None:
    for path in ("/entities", path_of(IDP1)):
        found = service.get(path, Accept=accept)
        assert found.status_code == status
        assert found.content_type == MEDIA_TYPE


def test_other_methods_are_refused(service: Service) -> None:
    for path in ("/entities", "/all.xml", path_of(IDP1)):
        found = service.client.put(path, base_url=URL, data=b"x")
        assert found.status_code in (400, 403, 405)


def test_what_was_signed_serves_after_a_refresh_that_changed_something_else(service: Service) -> None:
    first, second = service.get(path_of(IDP1)).data, service.get(path_of(IDP2)).data
    service.clock.at += timedelta(minutes=10)
    changed = home(2, registration_authority="https://other.example")
    service.write_source(home(1), changed, resource(1), until=NOW + timedelta(days=40))
    service.app.extensions["ostiary.look_now"]()
    assert service.get(path_of(IDP1)).data == first
    assert service.get(path_of(IDP2)).data != second
    assert service.get(path_of(ODD)).status_code == 404
    # An end that came nearer than what was signed: that may not be handed out any more.
    service.write_source(home(1), changed, resource(1), until=NOW + timedelta(days=3))
    service.app.extensions["ostiary.look_now"]()
    (entity,) = read_signed_metadata(service.get(path_of(IDP1)).data, [service.signer().public], now=service.clock.at)
    assert entity.valid_until == NOW + timedelta(days=3)


def test_the_answers_that_are_kept_are_bounded_in_number_and_octets(monkeypatch: pytest.MonkeyPatch) -> None:
    entities = read_unsigned_local_metadata(
        signed_aggregate([home(n) for n in range(6)], UPSTREAM, name="urn:x", valid_until=NOW + timedelta(days=9))
    )
    registry = Registry(entities)
    signed = SignedEntities(validity=timedelta(days=1), cache_duration=timedelta(hours=1))

    def ask(number: int) -> object:
        return answer(f"https://idp{number}.example/saml", registry, UPSTREAM, signed, NOW)

    monkeypatch.setattr(signed_entities, "MAX_SIGNED", 2)
    first = ask(0)
    ask(1)
    assert ask(0) is first
    ask(2)
    assert ask(0) is first
    assert len(signed) == 2
    monkeypatch.setattr(signed_entities, "MAX_OCTETS", 100)
    assert ask(3) is not None
    assert len(signed) == 0


def test_many_threads_get_answers_that_verify(service: Service) -> None:
    found: list[bytes] = []

    def ask(number: int) -> None:
        client = service.app.test_client()
        entity_id = (IDP1, IDP2, SP1)[number % 3]
        found.append(client.get(path_of(entity_id), base_url=URL).data)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12
    assert {entity_ids(service, octets)[0] for octets in found} == {IDP1, IDP2, SP1}


TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), max_size=40
)
EXTRA = st.sampled_from(
    [
        b"",
        b'<x:y xmlns:x="urn:x"/>',
        b'<y xmlns="urn:other"><z xmlns=""/></y>',
        b'<md:q xmlns:md="urn:not-metadata"/>',
        b'<a:b xmlns:a="urn:a" xmlns:t="urn:t" a:kind="t:name" xml:lang="de"> \r\n&#13;&amp;</a:b>',
        b'<ds:c xmlns:ds="urn:ds"><?target data?></ds:c>',
    ]
)


@given(st.lists(st.tuples(TEXT, EXTRA, st.booleans()), max_size=4))
def test_a_document_written_piece_by_piece_verifies_whatever_is_in_it(parts: list[tuple[str, bytes, bool]]) -> None:
    entities = []
    for number, (text, extra, prefixed) in enumerate(parts):
        document = signed_entity(home(number, registration_authority=f"urn:{text}"), UPSTREAM, valid_until=NOW)
        if not prefixed:
            document = document.replace(b"<md:", b"<").replace(b"</md:", b"</").replace(b"xmlns:md=", b"xmlns=", 1)
        end = b"</md:Extensions>" if prefixed else b"</Extensions>"
        document = document.replace(end, extra + end, 1)
        entities.append(read_unsigned_local_metadata(document)[0])
    octets = signed_aggregate(entities, UPSTREAM, name="urn:x", valid_until=NOW + timedelta(days=1))
    root = parse_xml(octets, METADATA)
    assert verify_element(root, [UPSTREAM.public]).key == UPSTREAM.public
    assert [one.get("entityID") for one in root if one.get("entityID")] == [one.entity_id for one in entities]
