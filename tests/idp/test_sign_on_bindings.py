"""Requests and answers by every binding, a start at home, programs, and encrypted assertions: over HTTP, with an SP that reads them."""

import base64
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from werkzeug.test import TestResponse

from idp.accounts.passwords import Passwords
from idp.partners import PartnerSettings
from ostiary.federation.model import Endpoint, Entity, EntityKey
from ostiary.saml import names
from ostiary.saml.artifact import ArtifactResolve, ArtifactResponse, carried
from ostiary.saml.bindings import decode_simple_sign, encode_simple_sign, verify_form
from ostiary.saml.decryption import Decryption
from ostiary.saml.ecp import decode_ecp_response
from ostiary.saml.encrypted_response import verify_response_that_may_be_encrypted
from ostiary.saml.keys import TrustedKey
from ostiary.saml.protocol import RequestedAuthnContext, unproven_envelope
from ostiary.saml.signature import sign, verify_element
from ostiary.saml.soap import decode_soap, encode_soap
from ostiary.saml.validate import accept_response, verify_response
from ostiary.saml.xml import children, parse_xml
from tests.idp.conftest import BASE, IDP, NOW, Home, Resource, form_of, response_element

ACS = "https://modern.example.net/acs"
MODERN = "https://modern.example.net/sp"


@pytest.fixture
def modern(home: Home, lab: Resource) -> Resource:
    """An SP with an endpoint for every binding; it signs what it signs with the lab's key."""
    role = replace(
        lab.entity.sp,
        authn_requests_signed=False,
        assertion_consumers=(
            Endpoint(names.HTTP_POST, ACS, index=0),
            Endpoint(names.HTTP_POST_SIMPLE_SIGN, ACS + "/simple", index=1),
            Endpoint(names.HTTP_ARTIFACT, ACS + "/artifact", index=2),
            Endpoint(names.PAOS, ACS + "/ecp", index=3),
        ),
    )
    resource = Resource(Entity(MODERN, sp=role), lab.signer, ACS)
    home.entities.append(resource.entity)
    return resource


def change(home: Home, resource: Resource, **changes: object) -> None:
    """Another version of the SP's metadata."""
    home.entities.remove(resource.entity)
    resource.entity = replace(resource.entity, sp=replace(resource.entity.sp, **changes))
    home.entities.append(resource.entity)


def soap(home: Home, path: str, message: bytes, **headers: str) -> TestResponse:
    return home.client.post(path, data=message, content_type="text/xml", base_url=BASE, headers=headers)


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


# SimpleSign


def simple_fields(modern: Resource, **changes: object) -> dict[str, str]:
    request = modern.request(**{"destination": f"{BASE}/saml/sso/simple-sign", **changes}).to_xml()
    return encode_simple_sign("SAMLRequest", request, signer=modern.signer, relay_state="state")


def test_a_request_by_simple_sign_is_answered(home, modern) -> None:
    page = home.log_in(home.follow(home.post("/saml/sso/simple-sign", simple_fields(modern))))
    assert home.accept(page, modern).assertion.name_id.format == names.TRANSIENT


def test_a_changed_form_by_simple_sign_is_refused(home, modern) -> None:
    change(home, modern, authn_requests_signed=True)
    fields = simple_fields(modern)
    for changed in ({"RelayState": "another"}, {"Signature": "AAAA"}, {"SigAlg": names.RSA_SHA512}):
        assert home.post("/saml/sso/simple-sign", {**fields, **changed}).status_code == 400
    unsigned = {name: value for name, value in fields.items() if name not in ("Signature", "SigAlg")}
    assert home.post("/saml/sso/simple-sign", unsigned).status_code == 400
    assert home.post("/saml/sso/simple-sign", fields).status_code == 303


def test_an_answer_by_simple_sign_is_signed_beside_the_message(home, modern) -> None:
    url = modern.redirect(acs_url=f"{ACS}/simple", protocol_binding=names.HTTP_POST_SIMPLE_SIGN)
    form = form_of(home.whole_login(url))
    assert form.action == f"{ACS}/simple"
    fields = dict(form.fields)
    received = decode_simple_sign(
        "SAMLResponse",
        fields["SAMLResponse"],
        relay_state=fields["RelayState"],
        signature=fields["Signature"],
        algorithm=fields["SigAlg"],
    )
    assert verify_form(received, [home.signer.public]).relay_state == "state"
    proven = verify_response(received.element, [home.signer.public])
    assert not proven.signed_response
    accept_response(proven, issuer=IDP, audience=MODERN, recipient=f"{ACS}/simple", now=NOW)


def test_an_error_by_simple_sign_is_signed_beside_the_message_too(home, modern) -> None:
    url = modern.redirect(acs_url=f"{ACS}/simple", protocol_binding=names.HTTP_POST_SIMPLE_SIGN, is_passive=True)
    fields = dict(form_of(home.get(url)).fields)
    received = decode_simple_sign(
        "SAMLResponse",
        fields["SAMLResponse"],
        relay_state="state",
        signature=fields["Signature"],
        algorithm=fields["SigAlg"],
    )
    verify_form(received, [home.signer.public])
    assert unproven_envelope(received.element).status.detail == names.NO_PASSIVE


# Artifact


def artifact_of(home: Home, modern: Resource) -> str:
    answer = home.whole_login(modern.redirect(acs_url=f"{ACS}/artifact", protocol_binding=names.HTTP_ARTIFACT))
    assert answer.status_code == 303
    location = urlsplit(answer.headers["Location"])
    assert location._replace(query="").geturl() == f"{ACS}/artifact"
    query = parse_qs(location.query)
    assert query["RelayState"] == ["state"]
    return query["SAMLart"][0]


def resolve(home: Home, resource: Resource, artifact: str, *, signed: bool = True, **changes: object) -> TestResponse:
    message = ArtifactResolve(
        "_resolve", resource.entity.entity_id, home.clock.now(), artifact, f"{BASE}/saml/artifact"
    )
    element = replace(message, **changes).to_xml()
    if signed:
        sign(element, resource.signer)
    return soap(home, "/saml/artifact", encode_soap(element))


def fetched(home: Home, answer: TestResponse):
    assert answer.status_code == 200, answer.get_data(as_text=True)
    proof = verify_element(decode_soap(answer.data), [home.signer.public])
    response = ArtifactResponse.from_proof(proof)
    assert (response.issuer, response.in_response_to, response.status.code) == (IDP, "_resolve", names.SUCCESS)
    return carried(proof)


def test_a_response_is_fetched_once_by_its_artifact(home, modern) -> None:
    artifact = artifact_of(home, modern)
    inside = fetched(home, resolve(home, modern, artifact))
    proven = verify_response(inside.element, [home.signer.public])
    accepted = accept_response(proven, issuer=IDP, audience=MODERN, recipient=f"{ACS}/artifact", now=NOW)
    assert accepted.assertion.attributes != ()
    assert fetched(home, resolve(home, modern, artifact)) is None


def test_another_resource_fetches_nothing_and_takes_nothing_away(home, modern, library) -> None:
    artifact = artifact_of(home, modern)
    assert fetched(home, resolve(home, library, artifact)) is None
    assert fetched(home, resolve(home, modern, artifact)) is not None


def test_an_artifact_is_good_for_five_minutes(home, modern) -> None:
    artifact = artifact_of(home, modern)
    home.clock.move(timedelta(minutes=5))
    assert fetched(home, resolve(home, modern, artifact)) is None


def test_who_does_not_prove_who_asks_fetches_nothing(home, modern, library) -> None:
    artifact = artifact_of(home, modern)
    assert resolve(home, modern, artifact, signed=False).status_code == 400
    assert resolve(home, replace(modern, signer=library.signer), artifact).status_code == 400
    assert resolve(home, modern, artifact, issuer="https://nobody.example").status_code == 400
    assert resolve(home, modern, artifact, destination=f"{BASE}/elsewhere").status_code == 400
    assert resolve(home, modern, "A" * 60).status_code == 400
    assert fetched(home, resolve(home, modern, artifact)) is not None


# Programs (ECP)


def program(home: Home, modern: Resource, credentials: str | None, **changes: object) -> TestResponse:
    request = modern.request(
        **{
            "destination": f"{BASE}/saml/sso/ecp",
            "acs_url": f"{ACS}/ecp",
            "protocol_binding": names.PAOS,
            **changes,
        }
    ).to_xml()
    headers = {} if credentials is None else {"Authorization": credentials}
    return soap(home, "/saml/sso/ecp", encode_soap(request), **headers)


def test_a_program_signs_on_with_its_persons_password(home, modern) -> None:
    answer = program(home, modern, basic("ada", "right horse"))
    assert answer.status_code == 200
    found = decode_ecp_response(answer.data)
    assert (found.acs_url, found.request_authenticated) == (f"{ACS}/ecp", False)
    proven = verify_response(found.message, [home.signer.public])
    accepted = accept_response(proven, issuer=IDP, audience=MODERN, recipient=f"{ACS}/ecp", now=NOW)
    assert accepted.authn.context_class == names.PASSWORD_PROTECTED_TRANSPORT
    assert home.session_cookie() is None


@pytest.mark.parametrize(
    "credentials", [None, "Basic", "Basic !!!", "Bearer abc", basic("", "right horse"), "Basic " + "A" * 9000]
)
def test_a_program_without_readable_credentials_is_told_to_bring_them(home, modern, credentials: str | None) -> None:
    answer = program(home, modern, credentials)
    assert (answer.status_code, answer.headers["WWW-Authenticate"].partition(" ")[0]) == (401, "Basic")


def test_a_program_with_a_wrong_password_is_refused_and_slowed_down(home, modern) -> None:
    wrong = [program(home, modern, basic(name, "wrong")) for name in ("ada", "eve")]
    assert {answer.status_code for answer in wrong} == {401}
    assert len(home.events("login.failed")) == 2
    for _ in range(10):
        last = program(home, modern, basic("ada", "wrong"))
    assert last.status_code == 429


def test_what_would_have_to_be_asked_of_a_person_is_refused_to_a_program(home, modern) -> None:
    wanted = RequestedAuthnContext((names.REFEDS_MFA,))
    answer = program(home, modern, basic("ada", "right horse"), requested_context=wanted)
    status = unproven_envelope(decode_ecp_response(answer.data).message).status
    assert status.detail == names.NO_AUTHN_CONTEXT


def test_a_program_that_has_to_prove_anew_who_its_person_is_does_so(home, modern) -> None:
    answer = program(home, modern, basic("ada", "right horse"), force_authn=True)
    proven = verify_response(decode_ecp_response(answer.data).message, [home.signer.public])
    accepted = accept_response(proven, issuer=IDP, audience=MODERN, recipient=f"{ACS}/ecp", now=NOW)
    assert accepted.authn.authn_instant == NOW


def test_whose_password_must_be_changed_is_refused_as_a_program_whoever_came_before(home, modern) -> None:
    passwords = Passwords(home.settings.password_hashing.parameters())
    bea = {"password_hash": passwords.hash("right horse"), "attributes": {}, "at": NOW, "by": "operator"}
    home.directory.create("bea", must_change=True, **bea)
    for name, detail in (("bea", names.REQUEST_DENIED), ("ada", None), ("bea", names.REQUEST_DENIED)):
        answer = program(home, modern, basic(name, "right horse"))
        assert unproven_envelope(decode_ecp_response(answer.data).message).status.detail == detail


@pytest.mark.parametrize("name", ["ada\0", "ada\r\n", "\x7fada"])
def test_a_name_with_control_characters_is_no_credential_and_asked_of_nobody(home, modern, name: str) -> None:
    answer = program(home, modern, basic(name, "right horse"))
    assert (answer.status_code, home.events("login.failed")) == (401, [])


def test_a_program_gets_no_answer_for_a_browser(home, modern) -> None:
    answer = program(home, modern, basic("ada", "right horse"), acs_url=ACS, protocol_binding=names.HTTP_POST)
    assert answer.status_code == 400


def test_a_broken_envelope_gets_a_soap_fault(home) -> None:
    for path in ("/saml/sso/ecp", "/saml/artifact"):
        answer = soap(home, path, b"<not-an-envelope/>")
        assert answer.status_code == 500
        assert b"Fault" in answer.data
        assert home.client.post(path, data=b"x", content_type="text/plain", base_url=BASE).status_code == 400


# A start at home


@pytest.mark.parametrize(
    "query",
    [
        f"providerId={quote(MODERN)}&target=cookie%3A1",
        f"providerId={quote(MODERN)}&shire={quote(ACS)}&target=cookie%3A1&time=1163160000",
        f"entityID={quote(MODERN)}&AssertionConsumerServiceURL={quote(ACS)}&RelayState=cookie%3A1",
    ],
)
def test_a_start_at_home_is_answered_without_a_request(home, modern, query: str) -> None:
    page = home.whole_login(f"/saml/sso/unsolicited?{query}")
    accepted = home.accept(page, modern)
    assert accepted.in_response_to is None
    assert dict(form_of(page).fields)["RelayState"] == "cookie:1"
    # With a session, at once.
    assert home.accept(home.follow(home.get(f"/saml/sso/unsolicited?{query}")), modern).assertion.name_id is not None


@pytest.mark.parametrize(
    "query",
    [
        "",
        "target=x",
        "providerId=",
        f"providerId={quote('https://nobody.example')}",
        f"providerId={quote(MODERN)}&shire={quote('https://evil.example/acs')}",
        f"providerId={quote(MODERN)}&shire={quote(ACS)}/",
        f"providerId={quote(MODERN)}&providerId={quote(MODERN)}",
        f"providerId={quote(MODERN)}&entityID={quote(MODERN)}",
        f"providerId={quote(MODERN)}&target={'x' * 1025}",
        f"providerId={'x' * 1025}",
        f"providerId={quote(MODERN)}&time={'1' * 21}",
    ],
)
def test_a_start_at_home_that_leads_nowhere_is_refused_before_anybody_is_asked(home, modern, query: str) -> None:
    assert home.get(f"/saml/sso/unsolicited?{query}").status_code == 400


# Encryption


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def with_key(home: Home, modern: Resource, private_key: rsa.RSAPrivateKey) -> None:
    key = EntityKey(TrustedKey.from_public_key(private_key.public_key()), "encryption")
    change(home, modern, keys=(*modern.entity.sp.keys, key))


def test_an_assertion_is_encrypted_for_an_sp_that_has_a_key_for_it(home, modern, private_key) -> None:
    with_key(home, modern, private_key)
    page = home.whole_login(modern.redirect())
    element = response_element(page)
    assert list(children(element, names.SAML, "Assertion")) == []
    proven = verify_response_that_may_be_encrypted(element, [home.signer.public], Decryption(MODERN, (private_key,)))
    accepted = accept_response(proven, issuer=IDP, audience=MODERN, recipient=ACS, now=NOW)
    assert accepted.assertion.attributes != ()


def configure(home: Home, **fields: object) -> None:
    home.reload(partners=(PartnerSettings(entity_id=MODERN, **fields),))


def test_a_partner_may_be_configured_to_get_it_in_the_clear(home, modern, private_key) -> None:
    with_key(home, modern, private_key)
    configure(home, encrypt="never")
    assert home.accept(home.whole_login(modern.redirect()), modern).assertion.attributes != ()


def test_where_encryption_is_required_an_sp_without_a_key_gets_a_refusal(home, modern) -> None:
    configure(home, encrypt="required")
    page = home.whole_login(modern.redirect())
    status = unproven_envelope(response_element(page)).status
    assert (status.code, status.detail) == (names.RESPONDER, names.REQUEST_DENIED)


def test_what_is_signed_is_as_the_partner_has_it(home, modern) -> None:
    for sign_what, response_signed in (("response", True), ("assertion", False), ("both", True)):
        configure(home, sign=sign_what)
        page = home.follow(home.get(modern.redirect()))
        if "SAMLResponse" not in page.get_data(as_text=True):
            page = home.log_in(page)
        element = parse_xml(base64.b64decode(form_of(page).fields["SAMLResponse"]))
        proven = verify_response(element, [home.signer.public])
        assert proven.signed_response is response_signed
