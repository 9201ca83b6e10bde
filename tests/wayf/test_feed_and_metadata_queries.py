"""The JSON feed and the signed metadata answers."""

from datetime import timedelta
from hashlib import sha1
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from ostiary.errors import Refusal
from ostiary.federation.keys import KeyRing
from ostiary.federation.read import read_signed_metadata
from ostiary.federation.registry import Registry
from ostiary.saml.keys import Signer
from tests.signers import make_signer

if TYPE_CHECKING:
    from tests.wayf.conftest import Wayf

UTRECHT = "https://idp.uu.example/saml"
ZURICH = "https://idp.tuz.example/saml"
HIDDEN = "https://idp.hidden.example/saml"
ENDING = "https://idp.ending.example/saml"
LIBRARY = "https://library.example/sp"


def path_of(entity_id: str) -> str:
    return "/mdq/entities/" + quote(entity_id, safe="")


def sha1_path(entity_id: str) -> str:
    return "/mdq/entities/" + quote("{sha1}" + sha1(entity_id.encode(), usedforsecurity=False).hexdigest(), safe="")


# --- feed


def test_the_feed_lists_those_who_may_be_chosen(wayf: "Wayf") -> None:
    answer = wayf.get("/feed")
    assert answer.mimetype == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.json is not None
    assert [entry["entityID"] for entry in answer.json] == [ENDING, "https://idp.lodz.example/saml", ZURICH, UTRECHT]
    assert answer.json[2] == {
        "entityID": ZURICH,
        "DisplayNames": [{"value": "Technische Universität Zürich", "lang": "de"}],
        "Keywords": [{"value": "polytechnic Switzerland", "lang": "en"}],
        "Logos": [{"value": "https://tuz.example/logo.png", "height": "60", "width": "80", "lang": "de"}],
    }


def test_the_feed_is_sent_again_only_when_it_changed(wayf: "Wayf") -> None:
    first = wayf.get("/feed")
    unchanged = wayf.get("/feed", {"If-None-Match": first.headers["ETag"]})
    assert (unchanged.status_code, unchanged.data) == (304, b"")
    wayf.clock.at += timedelta(hours=1)
    changed = wayf.get("/feed", {"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    assert ENDING not in changed.text


# --- metadata queries


@pytest.mark.parametrize("entity_id", [UTRECHT, HIDDEN, LIBRARY])
@pytest.mark.parametrize("address", [path_of, sha1_path])
def test_one_entity_is_answered_signed_by_its_name_or_its_hash(
    wayf: "Wayf", signer: Signer, entity_id: str, address: object
) -> None:
    assert callable(address)
    answer = wayf.get(address(entity_id))
    assert answer.status_code == 200
    assert answer.content_type == "application/samlmetadata+xml"
    (entity,) = read_signed_metadata(answer.data, [signer.public], now=wayf.clock.at)
    assert entity.entity_id == entity_id
    assert entity.valid_until == wayf.clock.at + timedelta(days=7)


def test_an_answer_that_was_changed_on_the_way_does_not_verify(wayf: "Wayf", signer: Signer) -> None:
    octets = wayf.get(path_of(UTRECHT)).data
    assert read_signed_metadata(octets, [signer.public], now=wayf.clock.at)
    with pytest.raises(Refusal):
        read_signed_metadata(
            octets.replace(b"Utrecht University", b"Utrecht Univers1ty"), [signer.public], now=wayf.clock.at
        )


def test_an_upper_case_hash_names_the_same_entity(wayf: "Wayf") -> None:
    identifier = "{sha1}" + sha1(UTRECHT.encode(), usedforsecurity=False).hexdigest().upper()
    assert wayf.get("/mdq/entities/" + quote(identifier, safe="")).status_code == 200


@pytest.mark.parametrize(
    "identifier", ["https://nobody.example", "{sha1}" + "0" * 40, "{sha1}", "{sha256}00", "x", "../entities", "a//b"]
)
def test_an_unknown_entity_is_not_found_and_the_answer_says_nothing(wayf: "Wayf", identifier: str) -> None:
    answer = wayf.get("/mdq/entities/" + quote(identifier, safe=""))
    assert (answer.status_code, answer.data) == (404, b"")


def test_an_expired_entity_is_not_found(wayf: "Wayf") -> None:
    assert wayf.get(path_of(ENDING)).status_code == 200
    wayf.clock.at += timedelta(hours=1)
    assert wayf.get(path_of(ENDING)).status_code == 404
    assert wayf.get(sha1_path(ENDING)).status_code == 404


def test_an_entity_is_signed_once_until_half_of_its_validity_has_passed(wayf: "Wayf") -> None:
    first = wayf.get(path_of(UTRECHT))
    assert first.headers["Cache-Control"] == "public, max-age=21600"
    wayf.clock.at += timedelta(days=3, hours=11)
    same = wayf.get(path_of(UTRECHT), {"If-None-Match": first.headers["ETag"]})
    assert (same.status_code, same.data) == (304, b"")
    assert wayf.get(path_of(UTRECHT)).data == first.data
    wayf.clock.at += timedelta(hours=2)
    fresh = wayf.get(path_of(UTRECHT), {"If-None-Match": first.headers["ETag"]})
    assert fresh.status_code == 200
    assert fresh.data != first.data


def test_an_answer_is_never_kept_longer_than_the_entity_itself(wayf: "Wayf") -> None:
    assert wayf.get(path_of(ENDING)).headers["Cache-Control"] == "public, max-age=3600"


def test_all_entities_are_answered_in_one_signed_document(wayf: "Wayf", signer: Signer) -> None:
    answer = wayf.get("/mdq/entities")
    assert answer.content_type == "application/samlmetadata+xml"
    entities = read_signed_metadata(answer.data, [signer.public], now=wayf.clock.at)
    assert {entity.entity_id for entity in entities} == {
        LIBRARY,
        UTRECHT,
        ZURICH,
        "https://idp.lodz.example/saml",
        HIDDEN,
        ENDING,
    }
    assert b'Name="https://federation.example.org"' in answer.data
    again = wayf.get("/mdq/entities", {"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    wayf.clock.at += timedelta(hours=1)
    later = read_signed_metadata(wayf.get("/mdq/entities").data, [signer.public], now=wayf.clock.at)
    assert ENDING not in {entity.entity_id for entity in later}


def test_the_answers_change_with_the_metadata(wayf: "Wayf") -> None:
    assert wayf.get(path_of(UTRECHT)).status_code == 200
    wayf.registry = Registry([entity for entity in wayf.registry.all(wayf.clock.at) if entity.entity_id != UTRECHT])
    assert wayf.get(path_of(UTRECHT)).status_code == 404


def test_the_answers_are_signed_anew_when_the_keys_change(wayf: "Wayf") -> None:
    first = wayf.get(path_of(UTRECHT)).data
    everything = wayf.get("/mdq/entities").data
    wayf.keys = KeyRing(wayf.keys.signer, ())
    assert wayf.get(path_of(UTRECHT)).data == first
    other = make_signer("the next one")
    wayf.keys = KeyRing(other, ())
    for before, now in ((first, wayf.get(path_of(UTRECHT)).data), (everything, wayf.get("/mdq/entities").data)):
        assert read_signed_metadata(now, [other.public], now=wayf.clock.at)
        assert now != before


def test_programs_may_ask_for_the_head_only(wayf: "Wayf") -> None:
    answer = wayf.client.head(path_of(UTRECHT), base_url="https://wayf.example.org")
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["ETag"]
