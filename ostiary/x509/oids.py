"""Object identifiers of attribute certificates, proxy certificates and names, and OpenSSL's short names for the last."""

from types import MappingProxyType
from typing import Final

from cryptography.x509 import ObjectIdentifier

# VOMS attribute certificates.
INCLUDED_FILE: Final = ObjectIdentifier("1.3.6.1.4.1.8005.100.100.2")
FQANS: Final = ObjectIdentifier("1.3.6.1.4.1.8005.100.100.4")
AC_SEQUENCE: Final = ObjectIdentifier("1.3.6.1.4.1.8005.100.100.5")
AC_CERTIFICATES: Final = ObjectIdentifier("1.3.6.1.4.1.8005.100.100.10")
GENERIC_ATTRIBUTES: Final = ObjectIdentifier("1.3.6.1.4.1.8005.100.100.11")
AUTHORITY_KEY_IDENTIFIER: Final = ObjectIdentifier("2.5.29.35")
TARGETS: Final = ObjectIdentifier("2.5.29.55")
NO_REVOCATION: Final = ObjectIdentifier("2.5.29.56")

# Proxy certificates: RFC 3820, and the draft that GT3 used.
PROXY_INFO: Final = ObjectIdentifier("1.3.6.1.5.5.7.1.14")
PROXY_INFO_DRAFT: Final = ObjectIdentifier("1.3.6.1.4.1.3536.1.222")
INHERIT_ALL: Final = ObjectIdentifier("1.3.6.1.5.5.7.21.1")
INDEPENDENT: Final = ObjectIdentifier("1.3.6.1.5.5.7.21.2")
LIMITED: Final = ObjectIdentifier("1.3.6.1.4.1.3536.1.1.1.9")

SHA256_WITH_RSA: Final = ObjectIdentifier("1.2.840.113549.1.1.11")
ECDSA_SHA256: Final = ObjectIdentifier("1.2.840.10045.4.3.2")

COMMON_NAME: Final = ObjectIdentifier("2.5.4.3")

SHORT_NAMES: Final = MappingProxyType(
    {
        "2.5.4.3": "CN",
        "2.5.4.4": "SN",
        "2.5.4.5": "serialNumber",
        "2.5.4.6": "C",
        "2.5.4.7": "L",
        "2.5.4.8": "ST",
        "2.5.4.9": "street",
        "2.5.4.10": "O",
        "2.5.4.11": "OU",
        "2.5.4.12": "title",
        "2.5.4.13": "description",
        "2.5.4.14": "searchGuide",
        "2.5.4.15": "businessCategory",
        "2.5.4.16": "postalAddress",
        "2.5.4.17": "postalCode",
        "2.5.4.18": "postOfficeBox",
        "2.5.4.19": "physicalDeliveryOfficeName",
        "2.5.4.20": "telephoneNumber",
        "2.5.4.21": "telexNumber",
        "2.5.4.22": "teletexTerminalIdentifier",
        "2.5.4.23": "facsimileTelephoneNumber",
        "2.5.4.24": "x121Address",
        "2.5.4.25": "internationaliSDNNumber",
        "2.5.4.26": "registeredAddress",
        "2.5.4.27": "destinationIndicator",
        "2.5.4.28": "preferredDeliveryMethod",
        "2.5.4.29": "presentationAddress",
        "2.5.4.30": "supportedApplicationContext",
        "2.5.4.31": "member",
        "2.5.4.32": "owner",
        "2.5.4.33": "roleOccupant",
        "2.5.4.34": "seeAlso",
        "2.5.4.41": "name",
        "2.5.4.42": "GN",
        "2.5.4.43": "initials",
        "2.5.4.44": "generationQualifier",
        "2.5.4.45": "x500UniqueIdentifier",
        "2.5.4.46": "dnQualifier",
        "2.5.4.51": "houseIdentifier",
        "2.5.4.54": "dmdName",
        "2.5.4.65": "pseudonym",
        "2.5.4.72": "role",
        "2.5.4.97": "organizationIdentifier",
        "2.5.4.98": "c3",
        "2.5.4.99": "n3",
        "2.5.4.100": "dnsName",
        "0.9.2342.19200300.100.1.1": "UID",
        "0.9.2342.19200300.100.1.2": "textEncodedORAddress",
        "0.9.2342.19200300.100.1.3": "mail",
        "0.9.2342.19200300.100.1.25": "DC",
        "0.9.2342.19200300.100.1.44": "uid",
        "1.2.840.113549.1.9.1": "emailAddress",
        "1.2.840.113549.1.9.2": "unstructuredName",
        "1.2.840.113549.1.9.7": "challengePassword",
        "1.2.840.113549.1.9.8": "unstructuredAddress",
        "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL",
        "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
        "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
    }
)
