"""Proxy certificates (RFC 3820): makes one with attribute certificates inside, writes and reads the proxy file, finds the ACs again.

Proves nothing: a chain is proven by `chain.verify_chain`, an attribute certificate by `verify`.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from ostiary.config import read_private_file, write_private_file
from ostiary.errors import ConfigurationError, Refusal
from ostiary.x509 import asn1, oids
from ostiary.x509.algorithms import MINIMUM_RSA_BITS
from ostiary.x509.kinds import Classification, Kind, classify, extension_bytes, extensions_of
from ostiary.x509.reading import UNREADABLE

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

# So that a verifier whose clock is a little behind takes it at once.
BACK_DATED: Final = timedelta(minutes=5)

_PEM: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----.*?-----END \1-----\n?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy's certificate first, then its signers up to the end entity (CAs are left out), and the proxy's own private key."""

    certificates: tuple[x509.Certificate, ...]
    private_key: PrivateKey = field(repr=False)

    @property
    def certificate(self) -> x509.Certificate:
        """The proxy certificate itself."""
        return self.certificates[0]

    @property
    def ders(self) -> tuple[bytes, ...]:
        """The chain in DER, leaf first, as `verify_chain` takes it."""
        return tuple(one.public_bytes(serialization.Encoding.DER) for one in self.certificates)

    def pem(self) -> bytes:
        """The content of a proxy file: the certificate, its key unencrypted (PKCS#1 for RSA), then the signers. A secret."""
        first, *signers = (one.public_bytes(serialization.Encoding.PEM) for one in self.certificates)
        key = self.private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        return b"".join([first, key, *signers])


def make_proxy(
    chain_certificates: Sequence[x509.Certificate],
    private_key: PrivateKey,
    *,
    lifetime: timedelta,
    now: datetime,
    attribute_certificates: Sequence[bytes] = (),
    limited: bool = False,
    path_length: int | None = None,
    key_size: int | Literal["ec"] = 2048,
    included: bytes | None = None,
) -> Proxy:
    """A new proxy below a certificate or another proxy, with a new key (RSA of ``key_size`` bits, or EC on P-256).

    ``chain_certificates`` start with the signer's own certificate, whose ``private_key`` this is; the proxies and the end entity
    above it follow. The proxy is valid from five minutes before ``now`` for ``lifetime`` from ``now``, never longer than any of its
    signers. ``attribute_certificates`` (DER) are put in, in this order; ``included`` is the content of a file of the holder's own, which
    nobody believes. Below a limited proxy the new one is limited, too.

    Raises `Refusal`: ``x509.proxy_key`` (the key is not the signer's, or too small), ``x509.proxy_legacy``,
    ``x509.proxy_path_length`` (no proxy may follow), ``x509.proxy_lifetime`` (a signer's validity is over), ``x509.asn1``.
    """
    signer = chain_certificates[0]
    if private_key.public_key() != signer.public_key():
        raise Refusal("x509.proxy_key", expected="the private key of the signing certificate", found="another key")
    kinds = [classify(certificate) for certificate in chain_certificates]
    _check_signers(kinds)
    above = kinds[0]
    not_after = min(now + lifetime, *(certificate.not_valid_after_utc for certificate in chain_certificates))
    not_before = max(now - BACK_DATED, *(certificate.not_valid_before_utc for certificate in chain_certificates))
    if not not_before < not_after or not_after <= now:
        raise Refusal(
            "x509.proxy_lifetime", expected="signers that are valid now", found=f"{not_before} to {not_after}"
        )
    serial = secrets.randbits(62) + 1
    own_key = _new_key(key_size)
    common_name = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, str(serial))])
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([*signer.subject.rdns, common_name]))
        .issuer_name(signer.subject)
        .public_key(own_key.public_key())
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(_key_usage(rsa_key=isinstance(own_key, rsa.RSAPrivateKey)), critical=True)
        .add_extension(_proxy_info(limited or above.kind is Kind.LIMITED_PROXY, path_length), critical=True)
    )
    if attribute_certificates:
        builder = builder.add_extension(_ac_sequence(attribute_certificates), critical=False)
    if included is not None:
        # As the original client does: the octets of the file, without any ASN.1 around them.
        builder = builder.add_extension(x509.UnrecognizedExtension(oids.INCLUDED_FILE, included), critical=False)
    certificate = builder.sign(private_key, hashes.SHA256())
    return Proxy((certificate, *_up_to_end_entity(chain_certificates, kinds)), own_key)


def _check_signers(kinds: Sequence[Classification]) -> None:
    for depth, kind in enumerate(kinds):
        if kind.kind is Kind.LEGACY_PROXY:
            raise Refusal("x509.proxy_legacy", expected="an RFC 3820 proxy", found=kind.legacy)
        if kind.path_length is not None and depth + 1 > kind.path_length:
            raise Refusal("x509.proxy_path_length", expected=f"at most {kind.path_length} below", found=depth + 1)


def _up_to_end_entity(
    chain: Sequence[x509.Certificate], kinds: Sequence[Classification]
) -> tuple[x509.Certificate, ...]:
    last = next((place for place, kind in enumerate(kinds) if not kind.is_proxy), len(chain) - 1)
    return tuple(chain[: last + 1])


def _new_key(key_size: int | Literal["ec"]) -> PrivateKey:
    if key_size == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    if not MINIMUM_RSA_BITS <= key_size <= 8192:
        raise Refusal("x509.proxy_key", expected=f"{MINIMUM_RSA_BITS} to 8192 bits", found=key_size)
    return rsa.generate_private_key(public_exponent=65537, key_size=key_size)


def _key_usage(*, rsa_key: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        # What the original client writes; with an EC key nothing can be enciphered.
        key_encipherment=rsa_key,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _proxy_info(limited: bool, path_length: int | None) -> x509.UnrecognizedExtension:
    policy = asn1.ProxyPolicy(language=oids.LIMITED if limited else oids.INHERIT_ALL, policy=None)
    return x509.UnrecognizedExtension(
        oids.PROXY_INFO, asn1.encode(asn1.ProxyCertInfo(path_length=path_length, policy=policy))
    )


def _ac_sequence(attribute_certificates: Sequence[bytes]) -> x509.UnrecognizedExtension:
    # What the clients really write: the SEQUENCE OF stands inside one more SEQUENCE.
    content = asn1.AcSequence(items=[asn1.raw(der) for der in attribute_certificates])
    return x509.UnrecognizedExtension(oids.AC_SEQUENCE, asn1.encode(content))


def find_attribute_certificates(certificates: Sequence[x509.Certificate]) -> tuple[bytes, ...]:
    """The attribute certificates (DER) of the proxies of a chain, leaf first: the nearest certificate that carries any.

    A proxy below may have been given fewer attributes than the one above it, so those above no longer count. Above an
    independent proxy nothing is inherited, so nothing is looked for. Raises `Refusal` (``x509.ac_sequence``) and what `classify` does.
    """
    for certificate in certificates:
        kind = classify(certificate)
        if not kind.is_proxy:
            return ()
        found = attribute_certificates_in(certificate)
        if found or kind.kind is Kind.INDEPENDENT_PROXY:
            return found
    return ()


def attribute_certificates_in(certificate: x509.Certificate) -> tuple[bytes, ...]:
    """The attribute certificates (DER) of this one certificate. Raises `Refusal` (``x509.ac_sequence``) for an empty or unreadable list."""
    extension = extensions_of(certificate).get(oids.AC_SEQUENCE)
    if extension is None:
        return ()
    items = asn1.decode(asn1.AcSequence, extension_bytes(extension), "x509.ac_sequence").items
    if not items:
        raise Refusal("x509.ac_sequence", expected="at least one attribute certificate", found="none")
    return tuple(asn1.encode(item) for item in items)


def included_in(certificate: x509.Certificate) -> bytes | None:
    """The file that the holder of this one certificate put in; None without one. Raises what `classify` raises."""
    extension = extensions_of(certificate).get(oids.INCLUDED_FILE)
    return None if extension is None else extension_bytes(extension)


def write_proxy(path: Path, proxy: Proxy) -> None:
    """Writes a proxy file, mode 0600, whole or not at all. Raises `ConfigurationError` (``config.private_file_unwritable``)."""
    write_private_file(path, proxy.pem())


def read_proxy(path: Path) -> Proxy:
    """Reads a proxy file, which must be private. Text around the PEM blocks is ignored; certificates keep their order.

    Raises `ConfigurationError` (``x509.proxy_file``, ``config.private_file_*``).
    """
    return parse_proxy(read_private_file(path), path)


def parse_proxy(data: bytes, file: str | Path) -> Proxy:
    """The same from the content of a file. Raises `ConfigurationError` (``x509.proxy_file``)."""
    blocks = [(matched[1], matched[0]) for matched in _PEM.finditer(data)]
    keys = [block for label, block in blocks if label.endswith(b"PRIVATE KEY")]
    if len(keys) != 1:
        raise ConfigurationError("x509.proxy_file", file=file, expected="one private key", found=len(keys))
    try:
        certificates = tuple(
            x509.load_pem_x509_certificate(block) for label, block in blocks if label == b"CERTIFICATE"
        )
        # OpenSSL's check would prove anew that two numbers are prime; that the key is the certificate's is looked at below.
        key = serialization.load_pem_private_key(keys[0], password=None, unsafe_skip_rsa_key_validation=True)
    except UNREADABLE as error:
        raise ConfigurationError(
            "x509.proxy_file", file=file, expected="PEM certificates and an unencrypted key", found=type(error).__name__
        ) from None
    if not certificates or not isinstance(key, PrivateKey) or key.public_key() != certificates[0].public_key():
        raise ConfigurationError(
            "x509.proxy_file", file=file, expected="a certificate first, with its own key", found="another key or none"
        )
    return Proxy(certificates, key)
