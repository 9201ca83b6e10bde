"""lasso, which mod_auth_mellon is made of, as service provider and enhanced client: encryption, artifacts, logout and ECP both ways."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ostiary.federation.model import Endpoint, Entity, EntityKey, IdpRole, SpRole
from ostiary.federation.publish.documents import unsigned_entity
from ostiary.saml import names
from ostiary.saml.artifact import (
    ArtifactResolve,
    ArtifactResponse,
    check_artifact_resolve,
    encode_artifact,
    new_artifact,
)
from ostiary.saml.bindings import decode_redirect, encode_redirect, prove
from ostiary.saml.ecp import (
    PaosResponse,
    check_consumer,
    decode_ecp_response,
    decode_paos_request,
    decode_paos_response,
    encode_ecp_request,
    encode_ecp_response,
    encode_paos_response,
)
from ostiary.saml.encryption import Recipient, encrypt_assertion
from ostiary.saml.keys import TrustedKey
from ostiary.saml.logout import (
    PARTIAL_LOGOUT,
    LogoutRequest,
    LogoutResponse,
    check_logout_request,
    check_logout_response,
)
from ostiary.saml.protocol import AuthnRequest
from ostiary.saml.signature import UnsignedAllowedByMetadata, sign, verify_element
from ostiary.saml.soap import decode_soap, encode_soap
from ostiary.saml.xml import Element, to_bytes
from tests.interop.lasso_process import LassoProcess
from tests.saml.world import (
    ACS,
    ASSERTION,
    HANDLE,
    IDP,
    NOW,
    RESPONSE,
    SP,
    certificate_for,
    private_key,
    private_pem,
    signer,
)

pytestmark = pytest.mark.interop

KEY = TrustedKey.from_public_key(private_key("rsa", "sp").public_key())


@pytest.fixture
def lasso(tmp_path: Path) -> Iterator[LassoProcess]:
    key = private_key("rsa", "sp")
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("an RSA key is needed")
    library = Entity(
        SP,
        sp=SpRole(
            keys=(EntityKey(KEY, None, certificate_for(key)),),
            single_logout=(Endpoint(names.HTTP_REDIRECT, f"{SP}/slo"),),
            nameid_formats=(names.TRANSIENT,),
            assertion_consumers=(
                Endpoint(names.HTTP_POST, ACS, index=0, is_default=True),
                Endpoint(names.HTTP_ARTIFACT, f"{ACS}/artifact", index=1),
                Endpoint(names.PAOS, f"{ACS}/paos", index=2),
            ),
        ),
    )
    home = Entity(
        IDP,
        idp=IdpRole(
            keys=(EntityKey(signer().public, "signing", signer().certificate),),
            artifact_resolution=(Endpoint(names.SOAP, f"{IDP}/artifact", index=1),),
            single_logout=(Endpoint(names.HTTP_REDIRECT, f"{IDP}/slo"),),
            single_sign_on=(Endpoint(names.HTTP_REDIRECT, f"{IDP}/sso"), Endpoint(names.SOAP, f"{IDP}/ecp")),
        ),
    )
    (tmp_path / "sp.xml").write_bytes(unsigned_entity(library))
    (tmp_path / "idp.xml").write_bytes(unsigned_entity(home))
    (tmp_path / "sp.key").write_bytes(private_pem("rsa", "sp"))
    running = LassoProcess("lasso_program.py", tmp_path)
    yield running
    running.stop()


def encrypted_response() -> Element:
    assertion = ASSERTION.to_xml()
    sign(assertion, signer())
    element = RESPONSE._replace(assertions=()).to_xml(encrypt_assertion(assertion, Recipient(SP, KEY)))
    sign(element, signer())
    return element


def logged_in(lasso: LassoProcess) -> None:
    if lasso.say("post", base64.b64encode(to_bytes(encrypted_response())).decode()) != HANDLE:
        raise RuntimeError("lasso did not take the login")


def test_it_opens_an_encrypted_assertion(lasso: LassoProcess) -> None:
    message = encrypted_response()
    assert lasso.say("post", base64.b64encode(to_bytes(message)).decode()) == HANDLE
    changed = to_bytes(message).replace(b"rsa-oaep-mgf1p", b"rsa-1_5")
    assert lasso.say("post", base64.b64encode(changed).decode()).startswith("refused")


def test_it_resolves_an_artifact(lasso: LassoProcess) -> None:
    artifact = new_artifact(IDP, 1)
    location, envelope = lasso.say("artifact", encode_artifact(f"{ACS}/artifact", artifact, "x").partition("?")[2])
    assert location == f"{IDP}/artifact"
    resolve = ArtifactResolve.from_proof(verify_element(decode_soap(envelope.encode()), [KEY]))
    now = resolve.issue_instant
    assert check_artifact_resolve(resolve, issuer=SP, entity_id=IDP, location=location, now=now) == artifact
    answer = ArtifactResponse("_answer", IDP, now, resolve.id).to_xml(encrypted_response())
    sign(answer, signer())
    assert lasso.say("resolved", encode_soap(answer).decode()) == HANDLE


def test_it_logs_out_when_it_is_asked_to(lasso: LassoProcess) -> None:
    logged_in(lasso)
    if ASSERTION.name_id is None:
        raise ValueError("the assertion names nobody")
    request = LogoutRequest("_logout", IDP, NOW, ASSERTION.name_id, ("_session",), f"{SP}/slo")
    url = encode_redirect(f"{SP}/slo", "SAMLRequest", request.to_xml(), relay_state="state", signer=signer())
    answered = lasso.say("asked_to_log_out", url.partition("?")[2])
    received = decode_redirect(answered.partition("?")[2].encode(), "SAMLResponse")
    answer = LogoutResponse.from_proof(prove(received, [KEY]))
    assert received.relay_state == "state"
    assert check_logout_response(
        answer, request="_logout", issuer=SP, location=f"{IDP}/slo", front_channel=True, now=answer.issue_instant
    )


def test_it_asks_to_be_logged_out(lasso: LassoProcess) -> None:
    logged_in(lasso)
    received = decode_redirect(lasso.say("log_out").partition("?")[2].encode(), "SAMLRequest")
    request = LogoutRequest.from_proof(prove(received, [KEY]))
    assert (request.name_id, request.session_indexes) == (ASSERTION.name_id, ("_session",))
    check_logout_request(request, issuer=SP, location=f"{IDP}/slo", front_channel=True, now=request.issue_instant)
    answer = LogoutResponse("_answer", IDP, NOW, request.id, PARTIAL_LOGOUT, f"{SP}/slo")
    url = encode_redirect(f"{SP}/slo", "SAMLResponse", answer.to_xml(), signer=signer())
    assert lasso.say("logged_out", url.partition("?")[2]) == "taken"


def test_it_is_both_ends_of_an_enhanced_clients_round(lasso: LassoProcess) -> None:
    asked = lasso.say("paos_request", IDP, "state")
    assert lasso.say("client_reads_sp", asked) == f"{IDP}/ecp"
    answer = encode_ecp_response(encrypted_response(), f"{ACS}/paos", request_authenticated=True)
    location, brought = lasso.say("client_reads_idp", answer.decode())
    assert location == f"{ACS}/paos"
    assert decode_paos_response(brought.encode()).relay_state == "state"
    assert lasso.say("paos_response", brought) == [HANDLE, "state"]


def test_our_client_stands_between_it_and_an_idp(lasso: LassoProcess) -> None:
    asked = decode_paos_request(lasso.say("paos_request", IDP, "state").encode())
    assert (asked.response_consumer_url, asked.relay_state, asked.issuer) == (f"{ACS}/paos", "state", SP)
    request = AuthnRequest.from_proof(UnsignedAllowedByMetadata(decode_soap(encode_ecp_request(asked)), SP))
    assert (request.issuer, request.protocol_binding) == (SP, names.PAOS)
    answered = decode_ecp_response(encode_ecp_response(encrypted_response(), f"{ACS}/paos"))
    check_consumer(asked, answered)
    brought = encode_paos_response(PaosResponse(answered.message, asked.message_id, asked.relay_state))
    assert lasso.say("paos_response", brought.decode()) == [HANDLE, "state"]
