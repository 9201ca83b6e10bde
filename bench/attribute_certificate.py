"""One attribute certificate with 20 names, from a ready grant to DER (RSA-2048, SHA-256)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from bench.measure import Row, cpu_milliseconds
from ostiary.x509.attribute_certificate import GenericAttribute
from ostiary.x509.fqan import Fqan
from ostiary.x509.issuer_key import issuer_key
from voms.issuing import Issuer, attribute_certificate, new_serial
from voms.selection import Grant

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def rows(*, quick: bool) -> list[Row]:
    """One row."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    own, holder = _certificate(key, "voms.example"), _certificate(key, "Emil Eclair")
    signing = issuer_key([own], key, certificate_file=Path("host.pem"), key_file=Path("host.key"))
    issuer = Issuer(signing, "voms.example", 15000)
    grant = Grant(
        vo="testvo",
        member="0" * 32,
        fqans=(Fqan("/testvo/g1", "admin"), *(Fqan(f"/testvo/g{number}") for number in range(19))),
        attributes=(GenericAttribute("nickname", "emil", "testvo"),),
        targets=(),
        not_before=NOW,
        not_after=NOW + timedelta(hours=12),
        warnings=(),
    )
    best = cpu_milliseconds(
        {
            "sign": lambda: key.sign(b"x" * 1500, padding.PKCS1v15(), hashes.SHA256()),
            "issue": lambda: attribute_certificate(grant, holder, issuer, serial=new_serial()),
        },
        rounds=5 if quick else 20,
        loops=40 if quick else 200,
    )
    return [Row("Attribute certificate with 20 names: built", best["issue"], "ms CPU", best["sign"], 1.5)]


def _certificate(key: rsa.RSAPrivateKey, common_name: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return builder.sign(key, hashes.SHA256())
