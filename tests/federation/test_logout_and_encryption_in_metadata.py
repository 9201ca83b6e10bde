"""Where logout, artifacts and encryption stand in metadata: read as real partners write it, written in the order of the schema."""

import base64

import pytest

from ostiary.federation.model import Endpoint, Entity, EntityKey, IdpRole, SpRole, endpoint_by_binding
from ostiary.federation.publish.documents import unsigned_entity
from ostiary.federation.read import read_unsigned_local_metadata
from ostiary.federation.recipients import recipient_of
from ostiary.saml import names
from ostiary.saml.encryption_methods import OUR_METHODS, Encryption, EncryptionMethod
from tests.saml.world import IDP, SP, signer

_SIGNING, _ENCRYPTION = (
    base64.b64encode(signer("rsa", whose).certificate).decode() for whose in ("sp", "sp-encryption")
)

# The shape that Shibboleth's metadata generator gives it.
SHIBBOLETH = f"""<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{SP}">
  <md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <md:KeyDescriptor use="signing">
      <ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>
        <ds:X509Certificate>{_SIGNING}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>
    </md:KeyDescriptor>
    <md:KeyDescriptor use="encryption">
      <ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>
        <ds:X509Certificate>{_ENCRYPTION}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>
      <md:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#aes128-gcm"/>
      <md:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#aes256-gcm"/>
      <md:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>
      <md:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#tripledes-cbc"/>
      <md:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#rsa-oaep">
        <ds:DigestMethod xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Algorithm="http://www.w3.org/2001/04/xmlenc#sha512"/>
        <xenc11:MGF xmlns:xenc11="http://www.w3.org/2009/xmlenc11#" Algorithm="http://www.w3.org/2009/xmlenc11#mgf1sha384"/>
      </md:EncryptionMethod>
      <md:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"/>
      <md:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-1_5"/>
    </md:KeyDescriptor>
    <md:ArtifactResolutionService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="{SP}/Artifact/SOAP" index="1"/>
    <md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="{SP}/SLO/SOAP"/>
    <md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{SP}/SLO/Redirect"
      ResponseLocation="{SP}/SLO/Answer"/>
    <md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="{SP}/SAML2/POST" index="1"/>
    <md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST-SimpleSign"
      Location="{SP}/SAML2/POST-SimpleSign" index="2"/>
    <md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact" Location="{SP}/SAML2/Artifact" index="3"/>
    <md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:PAOS" Location="{SP}/SAML2/ECP" index="4"/>
  </md:SPSSODescriptor>
</md:EntityDescriptor>"""


def shibboleth() -> SpRole:
    role = read_unsigned_local_metadata(SHIBBOLETH.encode())[0].sp
    if role is None:
        raise ValueError("no SP")
    return role


def test_the_algorithms_of_a_key_are_read_with_their_parameters() -> None:
    signing, encryption = shibboleth().keys
    assert signing.encryption_methods == ()
    assert encryption.encryption_methods == (
        EncryptionMethod("http://www.w3.org/2009/xmlenc11#aes128-gcm"),
        EncryptionMethod("http://www.w3.org/2009/xmlenc11#aes256-gcm"),
        EncryptionMethod("http://www.w3.org/2001/04/xmlenc#aes128-cbc"),
        EncryptionMethod("http://www.w3.org/2001/04/xmlenc#tripledes-cbc"),
        EncryptionMethod(
            "http://www.w3.org/2009/xmlenc11#rsa-oaep",
            "http://www.w3.org/2001/04/xmlenc#sha512",
            "http://www.w3.org/2009/xmlenc11#mgf1sha384",
        ),
        EncryptionMethod("http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"),
        EncryptionMethod("http://www.w3.org/2001/04/xmlenc#rsa-1_5"),
    )


def test_a_shibboleth_sp_gets_what_it_asks_for_first() -> None:
    recipient = recipient_of(SP, shibboleth())
    assert recipient is not None
    assert recipient.key == signer("rsa", "sp-encryption").public
    assert recipient.encryption == Encryption(
        names.AES128_GCM, names.RSA_OAEP, names.SHA512, "http://www.w3.org/2009/xmlenc11#mgf1sha384"
    )


def test_the_endpoints_of_logout_and_artifacts_are_read() -> None:
    role = shibboleth()
    assert role.single_logout == (
        Endpoint(names.SOAP, f"{SP}/SLO/SOAP"),
        Endpoint(names.HTTP_REDIRECT, f"{SP}/SLO/Redirect", response_location=f"{SP}/SLO/Answer"),
    )
    assert [endpoint.answers_to for endpoint in role.single_logout] == [f"{SP}/SLO/SOAP", f"{SP}/SLO/Answer"]
    assert role.artifact_resolver(1) == Endpoint(names.SOAP, f"{SP}/Artifact/SOAP", index=1)
    assert [endpoint.binding for endpoint in role.assertion_consumers] == [
        names.HTTP_POST,
        names.HTTP_POST_SIMPLE_SIGN,
        names.HTTP_ARTIFACT,
        names.PAOS,
    ]


@pytest.mark.parametrize(
    ("bindings", "location"),
    [
        ((names.HTTP_REDIRECT, names.HTTP_POST), "/SLO/Redirect"),
        ((names.HTTP_POST, names.SOAP), "/SLO/SOAP"),
        ((names.SOAP, names.HTTP_REDIRECT), "/SLO/SOAP"),
    ],
)
def test_an_endpoint_is_chosen_by_the_asking_sides_preference(bindings: tuple[str, ...], location: str) -> None:
    found = endpoint_by_binding(shibboleth().single_logout, *bindings)
    assert found is not None
    assert found.location == SP + location


def test_no_endpoint_is_made_up() -> None:
    assert endpoint_by_binding(shibboleth().single_logout, names.HTTP_POST) is None
    assert endpoint_by_binding((), names.SOAP) is None


@pytest.mark.parametrize(
    "location",
    ["http://library.example/slo", "javascript:alert(1)", "https://user@library.example/", "/slo", "https://a b/"],
)
def test_an_endpoint_for_logout_that_cannot_be_used_is_left_out_alone(location: str) -> None:
    text = SHIBBOLETH.replace(f'Location="{SP}/SLO/SOAP"', f'Location="{location}"')
    text = text.replace(f'Location="{SP}/Artifact/SOAP"', f'Location="{location}"')
    role = read_unsigned_local_metadata(text.encode())[0].sp
    assert role is not None
    assert [endpoint.binding for endpoint in role.single_logout] == [names.HTTP_REDIRECT]
    assert role.artifact_resolution == ()
    assert len(role.assertion_consumers) == 4


def test_a_key_to_encrypt_to_is_published_with_its_algorithms() -> None:
    one = signer("rsa", "sp-encryption")
    home = Entity(
        IDP,
        idp=IdpRole(
            keys=(EntityKey(one.public, "encryption", one.certificate, OUR_METHODS),),
            nameid_formats=(names.TRANSIENT,),
            artifact_resolution=(Endpoint(names.SOAP, f"{IDP}/artifact", index=1, is_default=True),),
            single_logout=(Endpoint(names.HTTP_POST, f"{IDP}/slo"),),
            single_sign_on=(Endpoint(names.HTTP_POST, f"{IDP}/sso"),),
        ),
    )
    document = unsigned_entity(home)
    role = read_unsigned_local_metadata(document)[0].idp
    assert role == home.idp
    assert document.count(b"md:EncryptionMethod Algorithm=") == 5
    assert b'Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"/>' in document
    assert b"cbc" not in document
    order = [
        document.index(b"<md:" + name) for name in (b"ArtifactRes", b"SingleLogout", b"NameIDFormat", b"SingleSign")
    ]
    assert order == sorted(order)
