"""Distinguished names as grid software writes and compares them: OpenSSL's one-line form, its canonical form, its file hashes.

The one-line form is for people, logs and files that want it. It is not unambiguous (OpenSSL escapes slashes in values, but not
backslashes), so certificates are compared by the DER of their names, never by this text.
"""

import functools
import hashlib
import re
from typing import Final

from cryptography import x509

from ostiary.errors import Refusal
from ostiary.x509 import asn1, oids

MAX_BYTES: Final = 8192

_NAME: Final = "x509.name"

# The string types whose values OpenSSL folds (ASN1_MASK_CANON), by tag, and the encoding of their bytes.
_FOLDED: Final = {
    b"\x0c": "utf-8",
    b"\x13": "ascii",
    b"\x14": "latin-1",
    b"\x16": "ascii",
    b"\x1a": "ascii",
    b"\x1c": "utf-32-be",
    b"\x1e": "utf-16-be",
}
_SPACE: Final = re.compile(rb"[ \t\n\v\f\r]+")
_BIT_STRING: Final = b"\x03"
_GENERAL_STRING: Final = b"\x1b"
_ESCAPED: Final = frozenset(b"/+")
_OTHER_SPELLINGS: Final = (
    (re.compile(r"([/+])(?:E|Email|email|EMAILADDRESS|EmailAddress)="), r"\1emailAddress="),
    (re.compile(r"([/+])(?:USERID|userId|UserId)="), r"\1UID="),
)


def slash_form(name: x509.Name) -> str:
    """``/C=ZZ/O=HV Test/CN=Alice Member``: what OpenSSL's ``X509_NAME_oneline`` writes.

    RDNs in their encoded order; values of one RDN joined with ``+``; bytes outside printable ASCII as ``\\xHH``, as they are encoded;
    ``/`` and ``+`` inside a value with a backslash, as OpenSSL 3 does.
    """
    return slash_form_of(name.public_bytes())


def slash_form_of(name: bytes) -> str:
    """The same for a DER Name. Raises `Refusal` (``x509.name``)."""
    return _slash_form(name) if len(name) <= MAX_BYTES else _slash_form.__wrapped__(name)


@functools.lru_cache(maxsize=1024)
def _slash_form(name: bytes) -> str:
    text = ""
    for rdn in _rdns(name):
        joint = "/"
        for item in rdn:
            text += f"{joint}{_short_name(item.type)}={_printable(item.value)}"
            joint = "+"
    return text


def normal_slash_form(text: str) -> str:
    """A one-line name in the form in which names from files are compared.

    Files hold older spellings of ``emailAddress`` and ``UID`` (``/E=``, ``/Email=``, ``/USERID=``), and ``/CN=host/a.example`` both
    with the backslash of OpenSSL 3 and without it (https://github.com/italiangrid/voms/issues/141).
    """
    text = text.replace("\\/", "/").replace("\\+", "+")
    for spelling, today in _OTHER_SPELLINGS:
        text = spelling.sub(today, text)
    return text


def subject_bytes(certificate: x509.Certificate) -> bytes:
    """The subject's DER, byte for byte as it stands in the certificate."""
    return _names_of(certificate)[1]


def issuer_bytes(certificate: x509.Certificate) -> bytes:
    """The issuer's DER, byte for byte as it stands in the certificate."""
    return _names_of(certificate)[0]


def canonical_rdns(name: bytes) -> tuple[bytes, ...]:
    """A DER Name in OpenSSL's canonical form, one element for each RDN: two names are the same when these are equal.

    String values become UTF8String, in lower case as far as ASCII goes, with spaces collapsed (RFC 5280 7.1 in OpenSSL's reading).
    Raises `Refusal` (``x509.name``).
    """
    if len(name) > MAX_BYTES:
        raise Refusal(_NAME, expected=f"at most {MAX_BYTES} bytes", found=len(name))
    return _canonical_rdns(name)


# The names of CAs and of regular users come again with each request.
@functools.lru_cache(maxsize=1024)
def _canonical_rdns(name: bytes) -> tuple[bytes, ...]:
    return tuple(_canonical_rdn(rdn) for rdn in _rdns(name))


def same_name(one: bytes, other: bytes) -> bool:
    """Whether two DER Names are the same, as OpenSSL compares them. Raises `Refusal` (``x509.name``)."""
    return one == other or canonical_rdns(one) == canonical_rdns(other)


def subject_hash(name: x509.Name | bytes) -> str:
    """The name of a CA's files in a certificates directory (``openssl x509 -subject_hash``): 8 hex digits, OpenSSL 1.0 and later."""
    return _file_hash(hashlib.sha1(b"".join(canonical_rdns(_der(name))), usedforsecurity=False).digest())


def subject_hash_old(name: x509.Name | bytes) -> str:
    """The same for OpenSSL before 1.0 and for Globus (``openssl x509 -subject_hash_old``)."""
    return _file_hash(hashlib.md5(_der(name), usedforsecurity=False).digest())


def _file_hash(digest: bytes) -> str:
    return digest[3::-1].hex()


def _der(name: x509.Name | bytes) -> bytes:
    return name if isinstance(name, bytes) else name.public_bytes()


def _names_of(certificate: x509.Certificate) -> tuple[bytes, bytes]:
    """Issuer and subject."""
    tbs = certificate.tbs_certificate_bytes
    # A large certificate is no reason to keep it.
    return _names_in(tbs) if len(tbs) <= MAX_BYTES else _names_in.__wrapped__(tbs)


# Each rule of a chain asks for the names again.
@functools.lru_cache(maxsize=256)
def _names_in(tbs: bytes) -> tuple[bytes, bytes]:
    decoded = asn1.decode(asn1.TbsCertificate, tbs, "x509.malformed")
    return asn1.encode(decoded.issuer), asn1.encode(decoded.subject)


def _rdns(name: bytes) -> list[list[asn1.AttributeTypeAndValue]]:
    wrapped = asn1.decode(asn1.Rdns, asn1.inside(name, _NAME), _NAME)
    return [rdn.as_list() for rdn in wrapped.items]


def _short_name(type_: x509.ObjectIdentifier) -> str:
    return oids.SHORT_NAMES.get(type_.dotted_string, type_.dotted_string)


def _printable(value: asn1.Raw) -> str:
    data = bytes(value.data)
    if value.tag_bytes == _BIT_STRING:
        # The first octet counts unused bits.
        data = data[1:]
    if value.tag_bytes == _GENERAL_STRING and len(data) % 4 == 0:
        # OpenSSL takes these for four-byte characters and leaves out the columns that are zero throughout.
        columns = [any(data[column::4]) for column in range(3)] + [True]
        if any(columns[:3]):
            columns = [True] * 4
        data = bytes(byte for place, byte in enumerate(data) if columns[place % 4])
    return "".join(_printable_byte(byte) for byte in data)


def _printable_byte(byte: int) -> str:
    if byte in _ESCAPED:
        return "\\" + chr(byte)
    return chr(byte) if 0x20 <= byte <= 0x7E else f"\\x{byte:02X}"


def _canonical_rdn(rdn: list[asn1.AttributeTypeAndValue]) -> bytes:
    return asn1.set_of(_canonical_item(item) for item in rdn)


def _canonical_item(item: asn1.AttributeTypeAndValue) -> bytes:
    encoding = _FOLDED.get(item.value.tag_bytes)
    if encoding is None:
        return asn1.encode(item)
    try:
        text = bytes(item.value.data).decode(encoding).encode()
    except UnicodeError as error:
        raise Refusal(_NAME, expected="text in the encoding that its type names", found=error) from None
    # bytes.lower() leaves everything alone that is not ASCII.
    folded = _SPACE.sub(b" ", text).strip(b" ").lower()
    return asn1.encode(asn1.CanonicalTypeAndValue(type=item.type, value=folded.decode()))


def canonical_common_name(folded: bytes) -> bytes:
    """The canonical RDN of a single common name whose text is folded already."""
    return asn1.set_of([asn1.encode(asn1.CanonicalTypeAndValue(type=oids.COMMON_NAME, value=folded.decode()))])


def is_one_common_name(rdn: bytes) -> bool:
    """Whether a canonical RDN (of `canonical_rdns`) consists of exactly one common name."""
    items = asn1.decode(asn1.Rdns, asn1.inside(asn1.inside(rdn, _NAME), _NAME), _NAME).items[0].as_list()
    return len(items) == 1 and items[0].type == oids.COMMON_NAME
