"""One IdP, one SP and one moment, for every test of the SAML core: keys, certificates and the Response that is right in each respect."""

import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from ostiary.attributes import make_attribute
from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, AuthnStatement, Conditions, Confirmation, NameId
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import Response
from ostiary.saml.signature import sign
from ostiary.saml.xml import Element

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
IDP = "https://idp.northgate.example/idp"
SP = "https://library.example/sp"
ACS = "https://library.example/ostiary/acs"
REQUEST = "_4fee3b046395c4e751011e97f8900b5273d56685"
HANDLE = "AbCdEf0123456789"

Kind = Literal["rsa", "p256", "p384", "p521"]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def private_key(kind: Kind = "rsa", whose: str = "idp") -> PrivateKey:
    """A fresh key, the same one for the same arguments as long as the tests run."""
    return _made(kind, whose)


@functools.cache
def _made(kind: Kind, whose: str) -> PrivateKey:
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    curves = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
    return ec.generate_private_key(curves[kind])


def certificate_for(key: PrivateKey, subject: str = "idp.northgate.example") -> bytes:
    """A self-signed certificate (DER) that ended long ago: its dates must not matter."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2001, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2002, 1, 1, tzinfo=UTC))
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def signer(kind: Kind = "rsa", whose: str = "idp") -> Signer:
    """Signs with `private_key` of the same arguments. The certificates of all of them have the same subject."""
    return _signer(kind, whose)


@functools.cache
def _signer(kind: Kind, whose: str) -> Signer:
    key = private_key(kind, whose)
    return Signer(key, certificate_for(key))


def private_pem(kind: Kind = "rsa", whose: str = "idp") -> bytes:
    """The key as an unencrypted PEM file."""
    return private_key(kind, whose).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


ASSERTION = Assertion(
    id="_a75adf55d301b3d7",
    issuer=IDP,
    issue_instant=NOW,
    name_id=NameId(HANDLE, names.TRANSIENT, name_qualifier=IDP, sp_name_qualifier=SP),
    confirmations=(
        Confirmation(names.BEARER, recipient=ACS, not_on_or_after=NOW + timedelta(minutes=5), in_response_to=REQUEST),
    ),
    conditions=Conditions(NOW, NOW + timedelta(minutes=5), ((SP,),)),
    authn_statements=(
        AuthnStatement(NOW - timedelta(minutes=1), "_session", NOW + timedelta(hours=8), names.PASSWORD),
    ),
    attributes=(
        make_attribute(
            "eduPersonScopedAffiliation", ["member@northgate.example", "staff@northgate.example"], issuer=IDP
        ),
        make_attribute("mail", ["alma@northgate.example"], issuer=IDP),
    ),
)

RESPONSE = Response(
    id="_r8e8dc5f69a98cc4c1",
    issuer=IDP,
    issue_instant=NOW,
    destination=ACS,
    in_response_to=REQUEST,
    assertions=(ASSERTION,),
)


def response_element(
    *,
    sign_assertion: bool = True,
    sign_response: bool = True,
    by: Signer | None = None,
    assertion: Assertion | None = ASSERTION,
    response: Response = RESPONSE,
) -> Element:
    """A samlp:Response from these parts, signed as asked."""
    by = by or signer()
    inner = [assertion.to_xml()] if assertion is not None else []
    if sign_assertion:
        for element in inner:
            sign(element, by)
    element = response._replace(assertions=()).to_xml(*inner)
    if sign_response:
        sign(element, by)
    return element


def refusal_code(function: Callable[[], object]) -> str:
    """The code with which ``function`` refuses; ``accepted`` when it does not."""
    try:
        function()
    except Refusal as refusal:
        return refusal.code
    return "accepted"
