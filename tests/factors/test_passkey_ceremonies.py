"""Passkeys: registration and authentication against a software authenticator, honest and not."""

import json
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.factors.passkeys import Presented, RelyingParty, read_presented
from idp.factors.store import StoredPasskey
from ostiary.errors import Refusal
from tests.software_authenticator import Credential, SoftwareAuthenticator, to_bytes, to_text

PARTY = RelyingParty.of("https://login.example.org:8443/idp", entity_id="https://example.org/idp", name="Example")
CHALLENGE, ANOTHER = b"c" * 32, b"d" * 32
ADA, BOB = "a" * 32, "b" * 32


@pytest.fixture
def authenticator() -> SoftwareAuthenticator:
    return SoftwareAuthenticator("https://login.example.org:8443")


def registration(principal: str = ADA) -> dict[str, Any]:
    return PARTY.registration_options(principal, "ada", (), CHALLENGE)


def enrolled(authenticator: SoftwareAuthenticator, principal: str = ADA) -> StoredPasskey:
    made = PARTY.registered(read_presented(authenticator.create(registration(principal))), CHALLENGE)
    return StoredPasskey("f" * 32, principal, made.credential_id, made.public_key, made.sign_count, made.transports)


def code_of(presented: str, stored: StoredPasskey, challenge: bytes = CHALLENGE) -> str:
    with pytest.raises(Refusal) as refused:
        PARTY.asserted(read_presented(presented), challenge, stored)
    return refused.value.code


def test_the_relying_party_is_the_host_and_the_origin_has_the_port_but_no_path() -> None:
    assert (PARTY.id, PARTY.origin) == ("login.example.org", "https://login.example.org:8443")
    assert RelyingParty.of("http://localhost:8401", entity_id="e", name="n").origin == "http://localhost:8401"


def test_registration_asks_for_a_verified_user_and_for_no_attestation() -> None:
    known = StoredPasskey("f", ADA, b"known", b"key", 0, ("usb",))
    options = PARTY.registration_options(ADA, "ada", (known,), CHALLENGE)
    assert options["rp"] == {"id": "login.example.org", "name": "Example"}
    assert options["challenge"] == to_text(CHALLENGE)
    assert options["attestation"] == "none"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "preferred"
    assert options["excludeCredentials"] == [{"id": to_text(b"known"), "type": "public-key", "transports": ["usb"]}]
    assert options["user"]["name"] == "ada"


def test_authenticators_know_her_by_an_opaque_handle_that_stays_the_same() -> None:
    handle = to_bytes(registration()["user"]["id"])
    assert handle == to_bytes(registration()["user"]["id"])
    assert len(handle) == 32
    assert ADA.encode() not in handle
    assert handle != to_bytes(registration(BOB)["user"]["id"])


def test_a_login_asks_for_a_verified_user_and_names_nobody() -> None:
    options = PARTY.request_options((), CHALLENGE)
    assert options["userVerification"] == "required"
    assert options["allowCredentials"] == []
    assert options["rpId"] == "login.example.org"


def test_a_passkey_is_registered_and_used(authenticator: SoftwareAuthenticator) -> None:
    stored = enrolled(authenticator)
    assert stored.transports == ("hybrid", "internal")
    answer = authenticator.get(PARTY.request_options((stored,), ANOTHER))
    assert PARTY.asserted(read_presented(answer), ANOTHER, stored) == 1


def test_what_the_browser_says_of_discoverability_is_kept(authenticator: SoftwareAuthenticator) -> None:
    presented = json.loads(authenticator.create(registration()))
    for said, kept in (({"credProps": {"rk": False}}, False), ({}, None), ({"credProps": 1}, None), ([], None)):
        changed = {**presented, "clientExtensionResults": said}
        assert PARTY.registered(read_presented(json.dumps(changed)), CHALLENGE).discoverable is kept


def test_an_attestation_statement_is_not_looked_at(authenticator: SoftwareAuthenticator) -> None:
    presented = json.loads(authenticator.create(registration()))
    content = cbor2.loads(to_bytes(presented["response"]["attestationObject"]))
    content |= {"fmt": "tpm", "attStmt": {"x5c": [b"no certificate"], "ver": "2.0"}}
    presented["response"]["attestationObject"] = to_text(cbor2.dumps(content))
    made = PARTY.registered(read_presented(json.dumps(presented)), CHALLENGE)
    assert made.credential_id == authenticator.credentials[-1].id


@pytest.mark.parametrize(
    "origin",
    [
        "https://login.example.org",
        "http://login.example.org:8443",
        "https://login.example.org:8443/",
        "https://login.example.org.evil.example",
        "https://evil.example",
        "https://LOGIN.example.org:8443",
        "null",
        "",
        7,
        None,
    ],
)
def test_another_origin_is_refused_at_registration_and_at_login(
    authenticator: SoftwareAuthenticator, origin: object
) -> None:
    stored = enrolled(authenticator)
    answer = authenticator.get(PARTY.request_options((), CHALLENGE), origin=origin)
    assert code_of(answer, stored) == "passkey.other_origin"
    with pytest.raises(Refusal) as refused:
        PARTY.registered(read_presented(authenticator.create(registration(), origin=origin)), CHALLENGE)
    assert refused.value.code == "passkey.other_origin"


def test_a_frame_in_another_site_is_refused(authenticator: SoftwareAuthenticator) -> None:
    stored = enrolled(authenticator)
    authenticator.cross_origin = True
    assert code_of(authenticator.get(PARTY.request_options((), CHALLENGE)), stored) == "passkey.other_origin"


def test_another_relying_party_is_refused(authenticator: SoftwareAuthenticator) -> None:
    stored = enrolled(authenticator)
    answer = authenticator.get(PARTY.request_options((), CHALLENGE), rp_id="example.org")
    assert code_of(answer, stored) == "passkey.refused"
    with pytest.raises(Refusal) as refused:
        PARTY.registered(read_presented(authenticator.create(registration(), rp_id="example.org")), CHALLENGE)
    assert refused.value.code == "passkey.refused"


def test_an_answer_to_another_challenge_is_refused(authenticator: SoftwareAuthenticator) -> None:
    stored = enrolled(authenticator)
    answer = authenticator.get(PARTY.request_options((), ANOTHER))
    assert code_of(answer, stored) == "passkey.refused"
    with pytest.raises(Refusal):
        PARTY.registered(read_presented(authenticator.create(registration())), ANOTHER)


def test_a_user_who_was_not_verified_is_refused(authenticator: SoftwareAuthenticator) -> None:
    stored = enrolled(authenticator)
    authenticator.verifies_user = False
    assert code_of(authenticator.get(PARTY.request_options((), CHALLENGE)), stored) == "passkey.refused"
    with pytest.raises(Refusal):
        PARTY.registered(read_presented(authenticator.create(registration())), CHALLENGE)


def test_a_signature_by_another_key_is_refused(authenticator: SoftwareAuthenticator) -> None:
    stored = enrolled(authenticator)
    forger = Credential("login.example.org", PARTY.user_handle(ADA), id=stored.credential_id)
    answer = authenticator.get(PARTY.request_options((), CHALLENGE), forger)
    assert code_of(answer, stored) == "passkey.refused"


def test_the_user_handle_of_somebody_else_is_refused(authenticator: SoftwareAuthenticator) -> None:
    stored = enrolled(authenticator)
    answer = authenticator.get(PARTY.request_options((), CHALLENGE))
    assert code_of(answer, replace(stored, principal=BOB)) == "passkey.refused"


def test_a_registration_is_no_login_and_a_login_no_registration(authenticator: SoftwareAuthenticator) -> None:
    stored = enrolled(authenticator)
    answer = authenticator.get(PARTY.request_options((), CHALLENGE), type="webauthn.create")
    assert code_of(answer, stored) == "passkey.refused"
    created = authenticator.create(registration(), type="webauthn.get")
    with pytest.raises(Refusal):
        PARTY.registered(read_presented(created), CHALLENGE)


def test_an_answer_without_a_user_handle_is_good_for_whoever_is_known_already(
    authenticator: SoftwareAuthenticator,
) -> None:
    stored = enrolled(authenticator)
    answer = json.loads(authenticator.get(PARTY.request_options((stored,), CHALLENGE)))
    answer["response"]["userHandle"] = None
    presented = read_presented(json.dumps(answer))
    assert presented.user_handle is None
    assert PARTY.asserted(presented, CHALLENGE, stored) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"text"',
        "7",
        "{}",
        '{"rawId": "AA"}',
        '{"rawId": "AA", "response": []}',
        '{"rawId": "AA", "response": 1}',
        '{"rawId": 7, "response": {}}',
        '{"rawId": "not base64!", "response": {}}',
        '{"rawId": "AA", "response": {"userHandle": 7}}',
        '{"rawId": "ä", "response": {}}',
        "[" * 15_000,
        "{",
        '{"rawId": "' + "A" * 1368 + '", "response": {}}',
    ],
)
def test_what_is_no_credential_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_presented(text)
    assert refused.value.code == "passkey.malformed"


WRONG = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=40),
    st.lists(st.text(max_size=5), max_size=3),
    st.just({}),
    st.booleans(),
)


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(["clientDataJSON", "authenticatorData", "signature", "attestationObject", "transports"]),
    WRONG,
    st.sampled_from([b"", b"\x00", b"null", b"[]", b"{}", b"\xa0", b"\xff" * 60, bytes(37), bytes(200)]),
    st.booleans(),
)
def test_whatever_stands_in_a_credential_is_a_refusal_and_never_a_crash(
    name: str, wrong: object, octets: bytes, as_octets: bool
) -> None:
    authenticator = SoftwareAuthenticator("https://login.example.org:8443")
    stored = enrolled(authenticator)
    value = to_text(octets) if as_octets else wrong
    answers = [
        (authenticator.get(PARTY.request_options((), CHALLENGE)), lambda one: PARTY.asserted(one, CHALLENGE, stored)),
        (authenticator.create(registration()), lambda one: PARTY.registered(one, CHALLENGE)),
    ]
    for text, check in answers:
        content = json.loads(text)
        if name not in content["response"]:
            continue
        content["response"][name] = value
        if name == "transports":
            check(read_presented(json.dumps(content)))
            continue
        with pytest.raises(Refusal):
            check(read_presented(json.dumps(content)))


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=1, max_size=300))
def test_authenticator_data_of_any_octets_is_a_refusal(octets: bytes) -> None:
    authenticator = SoftwareAuthenticator("https://login.example.org:8443")
    content = json.loads(authenticator.create(registration()))
    for broken in (octets, cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": octets})):
        content["response"]["attestationObject"] = to_text(broken)
        presented = Presented(content, to_bytes(content["rawId"]), None)
        with pytest.raises(Refusal) as refused:
            PARTY.registered(presented, CHALLENGE)
        assert refused.value.code == "passkey.refused"


def test_a_credential_id_that_is_too_long_is_refused(authenticator: SoftwareAuthenticator) -> None:
    stored = enrolled(authenticator)
    content = json.loads(authenticator.get(PARTY.request_options((), CHALLENGE)))
    content["rawId"] = content["id"] = to_text(bytes(1024))
    assert stored.credential_id != bytes(1024)
    with pytest.raises(Refusal) as refused:
        read_presented(json.dumps(content))
    assert refused.value.code == "passkey.malformed"
