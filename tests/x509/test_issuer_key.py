"""The Attribute Authority's key is loaded only when others will be able to verify what it signs."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from ostiary.config import Sources
from ostiary.errors import ConfigurationError
from ostiary.x509.attribute_certificate import load_issuer_key
from tests.x509.authorities import NOW, Extra, Identity, der, key_pem, pem, private_key, root

AUTHORITY = root()
NAME = "/C=ZZ/O=HV Test/CN=voms.example"


def problem(certificate: Path, key: Path) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load_issuer_key(certificate, key)
    return caught.value


def test_certificate_chain_and_key_are_loaded(tmp_path: Path) -> None:
    middle = AUTHORITY.issue_authority("/C=ZZ/O=HV Test/CN=Middle CA")
    own = middle.issue(NAME)
    sources = Sources()
    certificate, key = own.write(tmp_path, "aa")
    loaded = load_issuer_key(certificate, key, sources)
    assert loaded.certificates == own.certificates
    assert loaded.subject == NAME
    assert loaded.algorithm_name == "1.2.840.10045.4.3.2"
    assert sources.paths() == (certificate, key)


def test_an_rsa_key_signs_with_sha256(tmp_path: Path) -> None:
    own = AUTHORITY.issue(NAME, key=private_key("rsa", "aa"))
    assert load_issuer_key(*own.write(tmp_path, "aa")).algorithm_name == "1.2.840.113549.1.1.11"


def test_the_private_key_is_not_shown(tmp_path: Path) -> None:
    shown = repr(load_issuer_key(*AUTHORITY.issue(NAME).write(tmp_path, "aa")))
    assert "rivate" not in shown


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    certificate, key = AUTHORITY.issue(NAME).write(tmp_path, "aa")
    os.chmod(key, 0o644)
    assert problem(certificate, key).code == "config.private_file_mode"
    assert problem(certificate, tmp_path / "none").code == "config.private_file_missing"


def test_another_key_is_refused(tmp_path: Path) -> None:
    own = AUTHORITY.issue(NAME)
    mixed = Identity(own.certificate, private_key("ec", "another"))
    error = problem(*mixed.write(tmp_path, "aa"))
    assert (error.code, Path(error.file).name) == ("x509.issuer_key", "aa.key")


@pytest.mark.parametrize("content", [b"", b"rubbish", key_pem(private_key("ec", "another"))])
def test_a_file_without_certificate_is_refused(content: bytes, tmp_path: Path) -> None:
    certificate, key = AUTHORITY.issue(NAME).write(tmp_path, "aa")
    certificate.write_bytes(content)
    assert problem(certificate, key).code == "x509.issuer_certificate"
    assert problem(tmp_path / "none", key).code == "x509.issuer_certificate"


def test_a_file_without_usable_key_is_refused(tmp_path: Path) -> None:
    certificate, key = AUTHORITY.issue(NAME).write(tmp_path, "aa")
    encrypted = private_key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pass")
    )
    edwards = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for content in (b"", encrypted, edwards, pem(AUTHORITY.certificate)):
        key.write_bytes(content)
        assert problem(certificate, key).code == "x509.issuer_key"


def test_a_weak_key_is_refused(tmp_path: Path) -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    assert problem(*AUTHORITY.issue(NAME, key=weak).write(tmp_path, "aa")).code == "x509.issuer_certificate"


def test_a_certificate_that_java_could_not_match_is_refused(tmp_path: Path) -> None:
    without = AUTHORITY.issue(NAME, without=[x509.SubjectKeyIdentifier])
    assert problem(*without.write(tmp_path, "without")).code == "x509.issuer_key_identifier"
    other = AUTHORITY.issue(NAME, extra=[Extra(x509.SubjectKeyIdentifier(b"\x01" * 20))])
    error = problem(*other.write(tmp_path, "other"))
    assert (error.code, error.found) == ("x509.issuer_key_identifier", "01" * 20)


def test_the_encoded_parts_hold_the_whole_chain(tmp_path: Path) -> None:
    middle = AUTHORITY.issue_authority("/C=ZZ/O=HV Test/CN=Middle CA", not_after=NOW + timedelta(days=100))
    own = middle.issue(NAME)
    loaded = load_issuer_key(*own.write(tmp_path, "aa"))
    assert loaded.certificate_list.value.endswith(der(own.certificate) + der(middle.certificate))
