"""What kind of certificate this is: end entity, RFC 3820 proxy (full, limited, independent) or a proxy of the years before."""

import enum
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from ostiary.errors import NotAuthenticated, Refusal
from ostiary.x509 import asn1, names, oids
from ostiary.x509.reading import UNREADABLE

MALFORMED: Final = "x509.malformed"

# What GT2 appended to the issuer's name, in canonical (lower case) form.
_GT2_NAMES: Final = (b"proxy", b"limited proxy")


class Kind(enum.Enum):
    """A full proxy inherits all rights of its issuer, a limited one all but starting jobs, an independent one none."""

    END_ENTITY = "end entity"
    FULL_PROXY = "full proxy"
    LIMITED_PROXY = "limited proxy"
    INDEPENDENT_PROXY = "independent proxy"
    LEGACY_PROXY = "legacy proxy"


@dataclass(frozen=True, slots=True)
class Classification:
    """``path_length``: how many proxies may follow below (None: any number); ``legacy`` names the generation of a legacy proxy."""

    kind: Kind
    path_length: int | None = None
    legacy: str = ""

    @property
    def is_proxy(self) -> bool:
        """Any proxy certificate, legacy ones included."""
        return self.kind is not Kind.END_ENTITY


_LANGUAGES: Final = (
    (oids.INHERIT_ALL, Kind.FULL_PROXY),
    (oids.LIMITED, Kind.LIMITED_PROXY),
    (oids.INDEPENDENT, Kind.INDEPENDENT_PROXY),
)


def classify(certificate: x509.Certificate) -> Classification:
    """Looks at the certificate alone; a CA counts as an end entity here.

    Raises `NotAuthenticated`: ``x509.malformed``, ``x509.proxy_info`` (not as RFC 3820 3.8 has it), ``x509.proxy_policy`` (a policy
    language that nobody here enforces).
    """
    present = extensions_of(certificate)
    if oids.PROXY_INFO in present:
        return _rfc(present[oids.PROXY_INFO])
    if oids.PROXY_INFO_DRAFT in present:
        return Classification(Kind.LEGACY_PROXY, legacy="GT3 draft")
    if _is_gt2(certificate):
        return Classification(Kind.LEGACY_PROXY, legacy="GT2")
    return Classification(Kind.END_ENTITY)


def extensions_of(certificate: x509.Certificate) -> dict[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]]:
    """The certificate's extensions by type. Raises `NotAuthenticated` (``x509.malformed``)."""
    try:
        return {extension.oid: extension for extension in certificate.extensions}
    except UNREADABLE as error:
        raise NotAuthenticated(MALFORMED, expected="extensions that can be read, each once", found=error) from None


def extension_bytes(extension: x509.Extension[x509.ExtensionType]) -> bytes:
    """The value inside an extension, DER."""
    return extension.value.public_bytes()


def _rfc(extension: x509.Extension[x509.ExtensionType]) -> Classification:
    if not extension.critical:
        raise NotAuthenticated("x509.proxy_info", expected="a critical proxyCertInfo", found="one that is not critical")
    try:
        info = asn1.decode(asn1.ProxyCertInfo, extension_bytes(extension), "x509.proxy_info")
    except Refusal as error:
        raise NotAuthenticated(error.code, expected=error.expected, found=error.found) from None
    if info.path_length is not None and info.path_length < 0:
        raise NotAuthenticated("x509.proxy_info", expected="a path length of 0 or more", found=info.path_length)
    for language, kind in _LANGUAGES:
        if info.policy.language == language:
            if info.policy.policy is not None:
                raise NotAuthenticated("x509.proxy_info", expected=f"no policy with {kind.value}", found="one")
            return Classification(kind, info.path_length)
    raise NotAuthenticated(
        "x509.proxy_policy",
        expected="inherit all, limited or independent",
        found=info.policy.language.dotted_string,
    )


def _is_gt2(certificate: x509.Certificate) -> bool:
    try:
        subject = names.canonical_rdns(names.subject_bytes(certificate))
        issuer = names.canonical_rdns(names.issuer_bytes(certificate))
    except Refusal as error:
        raise NotAuthenticated(MALFORMED, expected=error.expected, found=error.found) from None
    return (
        bool(subject)
        and subject[:-1] == issuer
        and any(subject[-1] == names.canonical_common_name(text) for text in _GT2_NAMES)
    )
