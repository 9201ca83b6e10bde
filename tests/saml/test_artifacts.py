"""Artifacts are what SAML bindings 3.6.4.2 says, octet by octet; what resolves them arrives as sent, and each rule refuses what differs."""

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.errors import Denied
from ostiary.federation.model import Endpoint, Entity, IdpRole
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.artifact import (
    Artifact,
    ArtifactResolve,
    ArtifactResponse,
    carried,
    check_artifact_resolve,
    check_artifact_response,
    encode_artifact,
    new_artifact,
    parse_artifact,
    source_id,
)
from ostiary.saml.bindings import decode_soap, encode_soap
from ostiary.saml.message import Status
from ostiary.saml.protocol import AuthnRequest
from ostiary.saml.schema import check_schema
from ostiary.saml.signature import Authenticated, SignedElement, TlsPeer, sign, verify_element
from ostiary.saml.validate import verify_response
from ostiary.saml.xml import Element, parse_xml, to_bytes
from tests.saml.world import ACS, ASSERTION, IDP, NOW, REQUEST, SP, refusal_code, response_element, signer

MINUTE = timedelta(minutes=1)
RESOLVER = f"{IDP}/artifact"
KNOWN = Artifact(source_id(IDP), 1, bytes(range(20)))
TEXT = "AAQAAa44znGPSVaaiEEfE75BtwsgsWwLAAECAwQFBgcICQoLDA0ODxAREhM="
RESOLVE = ArtifactResolve(id=REQUEST, issuer=SP, issue_instant=NOW, artifact=str(KNOWN), destination=RESOLVER)
ANSWER = ArtifactResponse(id="_answer", issuer=IDP, issue_instant=NOW, in_response_to=REQUEST)


def test_an_artifact_is_made_of_type_index_source_and_handle() -> None:
    assert source_id(IDP).hex() == "ae38ce718f49569a88411f13be41b70b20b16c0b"
    octets = base64.b64decode(TEXT)
    assert octets == b"\x00\x04\x00\x01" + source_id(IDP) + bytes(range(20))
    assert str(KNOWN) == TEXT
    assert parse_artifact(TEXT) == KNOWN


def test_new_artifacts_cannot_be_guessed() -> None:
    made = {new_artifact(IDP, 7).handle for _ in range(10)}
    assert len(made) == 10
    assert new_artifact(IDP, 7).endpoint_index == 7


@given(st.binary(min_size=20, max_size=20), st.integers(0, 65_535), st.binary(min_size=20, max_size=20))
def test_any_artifact_survives_writing_and_reading(source: bytes, index: int, handle: bytes) -> None:
    artifact = Artifact(source, index, handle)
    assert len(str(artifact)) == 60
    assert parse_artifact(str(artifact)) == artifact


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A" * 60,
        TEXT[:-1],
        TEXT + "A",
        TEXT + "\n",
        TEXT.replace("AAQ", "AAE", 1),
        TEXT[:-1] + " ",
        TEXT[:-2] + "N=",
        TEXT.replace("/", "_").replace("4", "-", 1),
        "ü" + TEXT[1:],
        TEXT[:30] + "=" + TEXT[31:],
    ],
)
def test_anything_else_is_no_artifact(text: str) -> None:
    assert refusal_code(lambda: parse_artifact(text)) == "artifact.form"


def test_an_artifact_travels_in_a_url() -> None:
    url = encode_artifact(f"{ACS}?tenant=north", KNOWN, "a state & more")
    assert url.startswith(f"{ACS}?tenant=north&SAMLart=AAQAAa44")
    assert parse_qs(urlsplit(url).query)["SAMLart"] == [TEXT]
    assert parse_qs(urlsplit(url).query)["RelayState"] == ["a state & more"]
    assert "RelayState" not in encode_artifact(ACS, KNOWN)


def over_soap(message: Element, by: str = "idp") -> SignedElement:
    sign(message, signer("rsa", by))
    return verify_element(decode_soap(encode_soap(message)), [signer("rsa", by).public])


def over_tls(message: Element) -> TlsPeer:
    return TlsPeer(decode_soap(encode_soap(message)), signer().public)


@pytest.mark.parametrize("carry", [over_soap, over_tls])
def test_request_and_answer_arrive_as_they_were_sent(carry: Callable[[Element], Authenticated]) -> None:
    assert ArtifactResolve.from_proof(carry(RESOLVE.to_xml())) == RESOLVE
    for answer in (ANSWER, replace(ANSWER, status=Status(names.REQUESTER, None, "no"), destination=SP)):
        proof = carry(answer.to_xml())
        assert ArtifactResponse.from_proof(proof) == answer
        assert carried(proof) is None
    asked = partial(ArtifactResolve.from_proof, carry(ANSWER.to_xml()))
    assert refusal_code(asked) == "saml.other_message"


def test_what_is_written_follows_the_schema() -> None:
    for element in (RESOLVE.to_xml(), ANSWER.to_xml(), ANSWER.to_xml(response_element())):
        check_schema(parse_xml(to_bytes(element)), "protocol")


def test_a_response_inside_is_verified_by_its_own_signature() -> None:
    proof = over_soap(ANSWER.to_xml(response_element()))
    inside = carried(proof)
    assert inside is not None
    proven = verify_response(inside.element, [signer().public])
    assert (proven.assertion, proven.signed_response) == (ASSERTION, True)


@pytest.mark.parametrize("carry", [over_soap, over_tls])
def test_a_request_inside_is_proven_by_what_proves_the_whole(carry: Callable[[Element], Authenticated]) -> None:
    request = AuthnRequest(id="_inside", issuer=IDP, issue_instant=NOW, destination=ACS)
    proof = carry(ANSWER.to_xml(request.to_xml()))
    inside = carried(proof)
    assert inside is not None
    assert type(inside) is type(proof)
    assert AuthnRequest.from_proof(inside) == request


def test_two_messages_inside_are_refused() -> None:
    element = ANSWER.to_xml(response_element())
    element.append(AuthnRequest(id="_second", issuer=IDP, issue_instant=NOW).to_xml())
    assert refusal_code(lambda: carried(TlsPeer(element, signer().public))) == "xml.unexpected_element"


@pytest.mark.parametrize(
    ("resolve", "code"),
    [
        (RESOLVE, "accepted"),
        (replace(RESOLVE, destination=None), "accepted"),
        (replace(RESOLVE, destination=f"{IDP}/slo"), "saml.destination"),
        (replace(RESOLVE, issuer="https://other.example/sp"), "saml.issuer"),
        (replace(RESOLVE, issue_instant=NOW - 9 * MINUTE), "saml.too_old"),
        (replace(RESOLVE, issue_instant=NOW + 4 * MINUTE), "saml.from_the_future"),
        (replace(RESOLVE, artifact="AAQAAQ"), "artifact.form"),
        (replace(RESOLVE, artifact=str(new_artifact(SP, 1))), "artifact.other_issuer"),
    ],
)
def test_the_rules_of_a_request(resolve: ArtifactResolve, code: str) -> None:
    def check() -> None:
        found = check_artifact_resolve(resolve, issuer=SP, entity_id=IDP, location=RESOLVER, now=NOW)
        assert found == KNOWN

    assert refusal_code(check) == code


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (ANSWER, "accepted"),
        (replace(ANSWER, issuer=SP), "saml.issuer"),
        (replace(ANSWER, in_response_to="_other"), "saml.in_response_to"),
        (replace(ANSWER, in_response_to=None), "saml.in_response_to"),
        (replace(ANSWER, issue_instant=NOW - 9 * MINUTE), "saml.too_old"),
        (replace(ANSWER, issue_instant=NOW + 4 * MINUTE), "saml.from_the_future"),
        (replace(ANSWER, status=Status(names.REQUESTER)), "saml.status"),
    ],
)
def test_the_rules_of_an_answer(answer: ArtifactResponse, code: str) -> None:
    assert refusal_code(lambda: check_artifact_response(answer, resolve=RESOLVE, issuer=IDP, now=NOW)) == code


def test_an_answer_that_refuses_says_why() -> None:
    answer = replace(ANSWER, status=Status(names.RESPONDER, names.REQUEST_DENIED))
    with pytest.raises(Denied) as denied:
        check_artifact_response(answer, resolve=RESOLVE, issuer=IDP, now=NOW)
    assert denied.value.params["status"] == "RequestDenied"


def test_the_issuer_of_an_artifact_is_found_while_its_metadata_is_valid() -> None:
    resolver = Endpoint(names.SOAP, RESOLVER, index=1)
    front = Endpoint(names.HTTP_POST, f"{IDP}/odd", index=2)
    home = Entity(IDP, idp=IdpRole(artifact_resolution=(front, resolver)), valid_until=NOW + MINUTE)
    registry = Registry([home, Entity(SP)])
    assert registry.by_source_id(KNOWN.source_id, NOW) == home
    assert registry.by_source_id(KNOWN.source_id, NOW + MINUTE) is None
    assert registry.by_source_id(source_id("https://unknown.example"), NOW) is None
    role = registry.idp(IDP, NOW)
    assert role is not None
    assert role.artifact_resolver(1) == resolver
    assert role.artifact_resolver(2) is None
    assert role.artifact_resolver(3) is None


def test_pysaml2_names_the_issuer_in_the_same_way() -> None:
    """Its index is two digits of text instead of a number, so that is not compared."""
    entity = pytest.importorskip("saml2.entity")
    theirs = parse_artifact(entity.create_artifact(IDP, bytes(range(20)), 1))
    assert (theirs.source_id, theirs.handle) == (KNOWN.source_id, KNOWN.handle)
