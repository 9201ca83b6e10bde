"""An identity provider and a service provider that break no rule, as text, and what is made of them."""

import base64
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ostiary.federation.validation.check import check_document
from ostiary.federation.validation.findings import Finding
from ostiary.saml import names
from ostiary.saml.xml import METADATA, parse_xml
from tests.saml.world import NOW, private_key

NAMESPACES = (
    f'xmlns:md="{names.MD}" xmlns:ds="{names.DS}" xmlns:mdui="{names.MDUI}" xmlns:mdrpi="{names.MDRPI}" xmlns:mdattr="{names.MDATTR}" '
    f'xmlns:shibmd="{names.SHIBMD}" xmlns:saml="{names.SAML}" xmlns:idpdisc="{names.IDPDISC}" xmlns:remd="{names.REMD}" '
    f'xmlns:alg="urn:oasis:names:tc:SAML:metadata:algsupport"'
)
ATTRIBUTE = f'<saml:Attribute Name="{names.ENTITY_CATEGORY}" NameFormat="{names.URI_NAME}">'
ACS = "https://library.northgate.zz/acs"
REQUIREMENT = (
    f'<saml:Attribute Name="urn:oasis:names:tc:SAML:profiles:subject-id:req" NameFormat="{names.URI_NAME}">'
    "<saml:AttributeValue>pairwise-id</saml:AttributeValue></saml:Attribute>"
)


def certificate(key: object, start: datetime, end: datetime, digest: hashes.HashAlgorithm | None) -> str:
    """A self-signed certificate in base64, for a key that can sign itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "northgate")])
    builder = x509.CertificateBuilder(name, name, None, 7, start, end)
    made = builder.public_key(key.public_key()).sign(key, digest)
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


FROM, TO = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
IDP_KEY = certificate(private_key("rsa"), FROM, TO, hashes.SHA256())
SP_KEY = certificate(private_key("p256", "sp"), FROM, TO, hashes.SHA256())
OTHER_KEY = certificate(private_key("p384", "sp"), FROM, TO, hashes.SHA384())
OLD_KEY = certificate(private_key("rsa"), FROM, datetime(2021, 1, 1, tzinfo=UTC), hashes.SHA256())
WEAK_KEY = certificate(ec.generate_private_key(ec.SECP192R1()), FROM, TO, hashes.SHA256())
ODD_CURVE = certificate(ec.generate_private_key(ec.SECP256K1()), FROM, TO, hashes.SHA256())


def key(text: str, use: str = "signing", more: str = "") -> str:
    """A KeyDescriptor."""
    return (
        f'<md:KeyDescriptor use="{use}"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{text}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>'
        f"{more}</md:KeyDescriptor>"
    )


_REGISTRATION = """<mdrpi:RegistrationInfo registrationAuthority="https://federation.zz" registrationInstant="2020-02-03T04:05:06Z">
      <mdrpi:RegistrationPolicy xml:lang="en">https://federation.zz/policy</mdrpi:RegistrationPolicy>
    </mdrpi:RegistrationInfo>"""
_CONTACTS = """  <md:Organization>
    <md:OrganizationName xml:lang="en">Northgate</md:OrganizationName>
    <md:OrganizationDisplayName xml:lang="en">Northgate University</md:OrganizationDisplayName>
    <md:OrganizationURL xml:lang="en">https://www.northgate.zz/</md:OrganizationURL>
  </md:Organization>
  <md:ContactPerson contactType="technical"><md:EmailAddress>mailto:technical@northgate.zz</md:EmailAddress></md:ContactPerson>
  <md:ContactPerson contactType="support"><md:EmailAddress>mailto:help@northgate.zz</md:EmailAddress></md:ContactPerson>
  <md:ContactPerson contactType="other" remd:contactType="http://refeds.org/metadata/contactType/security">
    <md:EmailAddress>mailto:security@northgate.zz</md:EmailAddress>
  </md:ContactPerson>
"""
_UI = """<mdui:UIInfo>
      <mdui:DisplayName xml:lang="en">{name}</mdui:DisplayName>
      <mdui:DisplayName xml:lang="de">{name} (deutsch)</mdui:DisplayName>
      <mdui:Description xml:lang="en">What people of Northgate use.</mdui:Description>
      <mdui:Logo width="80" height="60">https://www.northgate.zz/logo.png</mdui:Logo>
      <mdui:InformationURL xml:lang="en">https://www.northgate.zz/about</mdui:InformationURL>
      <mdui:PrivacyStatementURL xml:lang="en">https://www.northgate.zz/privacy</mdui:PrivacyStatementURL>
    </mdui:UIInfo>"""

IDP = f"""<md:EntityDescriptor {NAMESPACES} entityID="https://idp.northgate.zz/idp">
  <md:Extensions>
    {_REGISTRATION}
  </md:Extensions>
  <md:IDPSSODescriptor protocolSupportEnumeration="{names.SAMLP}" errorURL="https://idp.northgate.zz/error">
    <md:Extensions>
      <shibmd:Scope regexp="false">northgate.zz</shibmd:Scope>
    {_UI.format(name="Northgate University")}
    <mdui:DiscoHints><mdui:IPHint>192.0.2.0/24</mdui:IPHint><mdui:DomainHint>northgate.zz</mdui:DomainHint>
      <mdui:GeolocationHint>geo:52.5,13.4</mdui:GeolocationHint></mdui:DiscoHints>
    </md:Extensions>
    {key(IDP_KEY)}
    <md:ArtifactResolutionService index="1" Binding="{names.SOAP}" Location="https://idp.northgate.zz/artifact"/>
    <md:SingleLogoutService Binding="{names.HTTP_REDIRECT}" Location="https://idp.northgate.zz/slo"/>
    <md:NameIDFormat>{names.TRANSIENT}</md:NameIDFormat>
    <md:SingleSignOnService Binding="{names.HTTP_REDIRECT}" Location="https://idp.northgate.zz/sso"/>
    <md:SingleSignOnService Binding="{names.HTTP_POST}" Location="https://idp.northgate.zz/sso"/>
  </md:IDPSSODescriptor>
{_CONTACTS}</md:EntityDescriptor>
"""

SP = f"""<md:EntityDescriptor {NAMESPACES} entityID="https://library.northgate.zz/sp">
  <md:Extensions>
    {_REGISTRATION}
    <mdattr:EntityAttributes>{REQUIREMENT}</mdattr:EntityAttributes>
  </md:Extensions>
  <md:SPSSODescriptor protocolSupportEnumeration="{names.SAMLP}" AuthnRequestsSigned="true" WantAssertionsSigned="true">
    <md:Extensions>
    {_UI.format(name="Library")}
      <idpdisc:DiscoveryResponse index="1" Binding="{names.IDPDISC}" Location="https://library.northgate.zz/discovered"/>
    </md:Extensions>
    {key(SP_KEY)}
    {key(SP_KEY, "encryption")}
    <md:NameIDFormat>{names.TRANSIENT}</md:NameIDFormat>
    <md:AssertionConsumerService index="1" isDefault="true" Binding="{names.HTTP_POST}" Location="{ACS}"/>
    <md:AssertionConsumerService index="2" Binding="{names.PAOS}" Location="{ACS}/ecp"/>
    <md:AttributeConsumingService index="1">
      <md:ServiceName xml:lang="en">Library</md:ServiceName>
      <md:RequestedAttribute FriendlyName="mail" Name="urn:oid:0.9.2342.19200300.100.1.3" NameFormat="{names.URI_NAME}"/>
    </md:AttributeConsumingService>
  </md:SPSSODescriptor>
{_CONTACTS}</md:EntityDescriptor>
"""
OF_ONE_ENTITY = ("document.entity_no_valid_until", "document.entity_not_signed")
"""What is said of every document that an entity hands over by itself."""


def changed(text: str, old: str, new: str) -> str:
    """The document with something else in one place or in all."""
    if old not in text:
        raise ValueError(f"not there: {old}")
    return text.replace(old, new)


def found_in(text: str | bytes) -> tuple[Finding, ...]:
    """What is found, without what is said of every single entity."""
    root = parse_xml(text if isinstance(text, bytes) else text.encode(), METADATA)
    return tuple(one for one in check_document(root, NOW) if one.code not in OF_ONE_ENTITY)
