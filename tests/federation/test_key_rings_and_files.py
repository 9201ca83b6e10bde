"""A service's own keys on disk, and the metadata files that it trusts."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from ostiary.config import Sources
from ostiary.errors import ConfigurationError
from ostiary.federation.keys import create_key_ring, load_certificate, load_key_ring, load_signer, private_key_from_pem
from ostiary.federation.publish.documents import unsigned_entity
from ostiary.federation.sources.files import MetadataFile, load_registry
from ostiary.saml import names
from tests.federation.entities import HOME, LIBRARY, aggregate
from tests.saml.world import IDP, NOW, SP, Kind, certificate_for, private_pem, signer


def pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)


def write(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    """A directory with a current key."""
    write(tmp_path / "current.key", private_pem())
    write(tmp_path / "current.crt", pem(signer().certificate))
    return tmp_path


def code(function: Callable[[], object]) -> str:
    try:
        function()
    except ConfigurationError as error:
        return error.code
    return "accepted"


def test_current_next_and_retired_keys_are_published_and_the_current_one_signs(ring: Path) -> None:
    for name, whose in (
        ("next.crt", "next"),
        ("retired-2.crt", "older"),
        ("retired-1.crt", "oldest"),
        ("other.crt", "other"),
    ):
        write(ring / name, pem(signer("p256", whose).certificate))
    keys = load_key_ring(ring)
    assert keys.signer.public == signer().public
    assert [entry.key for entry in keys.published] == [
        signer().public,
        *(signer("p256", whose).public for whose in ("next", "oldest", "older")),
    ]
    assert {entry.use for entry in keys.published} == {"signing"}


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384", "p521"])
def test_every_kind_of_key_signs(tmp_path: Path, kind: Kind) -> None:
    path = write(tmp_path / "key", private_pem(kind))
    assert load_signer(path, signer(kind).certificate).algorithm == signer(kind).algorithm


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [
        (0o600, "accepted"),
        (0o400, "accepted"),
        (0o604, "config.private_file_mode"),
        (0o660, "config.private_file_mode"),
        (0o644, "config.private_file_mode"),
    ],
)
def test_a_private_key_is_nobody_elses_business(ring: Path, mode: int, outcome: str) -> None:
    (ring / "current.key").chmod(mode)
    assert code(lambda: load_key_ring(ring)) == outcome


def test_a_key_that_its_group_reads_is_roots_only(ring: Path) -> None:
    (ring / "current.key").chmod(0o640)
    assert code(lambda: load_key_ring(ring)) == ("accepted" if os.geteuid() == 0 else "config.private_file_mode")


def test_a_key_directory_without_a_key_or_certificate_is_refused(ring: Path) -> None:
    (ring / "current.key").rename(ring / "away.key")
    assert code(lambda: load_key_ring(ring)) == "config.private_file_missing"
    (ring / "current.crt").unlink()
    assert code(lambda: load_key_ring(ring)) == "key.file"


def test_a_key_that_does_not_fit_its_certificate_is_refused(ring: Path) -> None:
    write(ring / "current.crt", pem(signer("rsa", "another").certificate))
    with pytest.raises(ConfigurationError) as raised:
        load_key_ring(ring)
    assert (raised.value.code, raised.value.file) == ("key.file", str(ring / "current.key"))


def weak_pem() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def ed25519_pem() -> bytes:
    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def encrypted_pem() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )


def pem_of(numbers: rsa.RSAPrivateNumbers) -> bytes:
    return numbers.private_key(unsafe_skip_rsa_key_validation=True).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def numbers_of(p: int, q: int) -> rsa.RSAPrivateNumbers:
    """What belongs together for these two, if they are primes."""
    d = pow(65537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)


def damaged_pem(damage: str) -> bytes:
    """A key of which one number is another one, or with a factor that is no prime though everything else fits."""
    key = serialization.load_pem_private_key(private_pem(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    good = key.private_numbers()
    if damage == "no prime":
        small = rsa.generate_private_key(public_exponent=65537, key_size=1032).private_numbers()  # noqa: S505
        # A little longer, so that the whole has 2048 bits at least.
        return pem_of(numbers_of(small.p * small.q, good.q))
    parts = {name: getattr(good, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp")}
    parts[damage] += 2
    return pem_of(rsa.RSAPrivateNumbers(**parts, public_numbers=rsa.RSAPublicNumbers(65537, parts["p"] * parts["q"])))


@pytest.mark.parametrize("damage", ["p", "q", "d", "dmp1", "dmq1", "iqmp", "no prime"])
def test_a_damaged_key_is_refused_before_it_signs(ring: Path, damage: str) -> None:
    write(ring / "current.key", damaged_pem(damage))
    with pytest.raises(ConfigurationError) as raised:
        load_key_ring(ring)
    assert raised.value.code == "key.file"
    assert "a damaged key" in str(raised.value)


def test_numbers_that_belong_together_are_a_key() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_numbers()
    assert isinstance(private_key_from_pem(pem_of(numbers_of(key.p, key.q))), rsa.RSAPrivateKey)


@pytest.mark.parametrize(
    "make", [weak_pem, ed25519_pem, encrypted_pem, bytes, lambda: b"-----BEGIN PRIVATE KEY-----\nx"]
)
def test_a_key_that_cannot_sign_is_refused_and_not_shown(ring: Path, make: Callable[[], bytes]) -> None:
    content = make()
    write(ring / "current.key", content)
    with pytest.raises(ConfigurationError) as raised:
        load_key_ring(ring)
    assert raised.value.code == "key.file"
    secret = content.decode()[60:90]
    assert not secret or secret not in str(raised.value)


def test_a_certificate_with_a_weak_key_or_of_no_known_version_is_refused(tmp_path: Path) -> None:
    weak = certificate_for(rsa.generate_private_key(public_exponent=65537, key_size=1024))  # noqa: S505
    good = pem(signer().certificate)
    version_8 = signer().certificate.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1)
    import ssl

    for data, outcome in (
        (good, "accepted"),
        (pem(weak), "key.file"),
        (ssl.DER_cert_to_PEM_cert(version_8).encode(), "key.file"),
        (b"", "key.file"),
        (b"junk", "key.file"),
    ):
        path = write(tmp_path / "c.crt", data)
        assert code(lambda path=path: load_certificate(path)) == outcome


def test_a_new_key_is_made_once_and_never_overwritten(tmp_path: Path) -> None:
    directory = tmp_path / "keys"
    create_key_ring(directory, "x" * 100, now=NOW)
    keys = load_key_ring(directory)
    assert (directory / "current.key").stat().st_mode & 0o777 == 0o600
    assert keys.signer.algorithm == names.RSA_SHA256
    before = (directory / "current.key").read_bytes()
    with pytest.raises(ConfigurationError) as raised:
        create_key_ring(directory, "x", now=NOW)
    assert raised.value.code == "key.exists"
    assert (directory / "current.key").read_bytes() == before


def test_a_key_that_appears_is_noticed(ring: Path) -> None:
    sources = Sources()
    load_key_ring(ring, sources)
    assert sources.changed() == ()
    write(ring / "next.crt", pem(signer("rsa", "next").certificate))
    assert ring / "next.crt" in sources.changed()


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    """The federation's certificate."""
    return write(tmp_path / "federation.crt", pem(signer("rsa", "federation").certificate))


def test_signed_and_local_files_make_one_registry_and_the_first_one_wins(tmp_path: Path, trusted: Path) -> None:
    renamed = replace(HOME, registration_authority="https://local.example")
    mine = write(tmp_path / "mine.xml", unsigned_entity(renamed))
    all_of_them = write(tmp_path / "all.xml", aggregate())
    files = [MetadataFile(mine, allow_unsigned_local_file=True), MetadataFile(all_of_them, (trusted,))]
    registry = load_registry(files, now=NOW)
    assert {entity.entity_id for entity in registry.all(NOW)} == {IDP, SP}
    first = registry.get(IDP, NOW)
    assert first is not None
    assert first.registration_authority == "https://local.example"
    second = load_registry(files[::-1], now=NOW).get(IDP, NOW)
    assert second is not None
    assert second.registration_authority == "https://federation.example"


def test_a_file_that_nothing_vouches_for_is_refused(tmp_path: Path, trusted: Path) -> None:
    unsigned = write(tmp_path / "unsigned.xml", unsigned_entity(HOME))
    signed = write(tmp_path / "signed.xml", aggregate())
    stranger = write(tmp_path / "stranger.crt", pem(signer("rsa", "stranger").certificate))
    for file, outcome in (
        (MetadataFile(signed, (trusted,)), "accepted"),
        (MetadataFile(signed, (stranger, trusted)), "accepted"),
        (MetadataFile(unsigned, allow_unsigned_local_file=True), "accepted"),
        (MetadataFile(unsigned), "metadata.untrusted_file"),
        (MetadataFile(signed), "metadata.untrusted_file"),
        (MetadataFile(unsigned, (trusted,)), "metadata.file"),
        # The certificates count where there are some, whatever else is allowed.
        (MetadataFile(unsigned, (trusted,), True), "metadata.file"),
        (MetadataFile(signed, (stranger,)), "metadata.file"),
        (MetadataFile(signed, (tmp_path / "none.crt",)), "key.file"),
        (MetadataFile(tmp_path / "none.xml", (trusted,)), "metadata.file"),
    ):
        assert code(lambda file=file: load_registry([file], now=NOW)) == outcome


def test_one_broken_file_refuses_them_all_and_is_named(tmp_path: Path, trusted: Path) -> None:
    good = MetadataFile(write(tmp_path / "good.xml", aggregate(HOME)), (trusted,))
    old = MetadataFile(write(tmp_path / "old.xml", aggregate(LIBRARY, until=NOW)), (trusted,))
    assert code(lambda: load_registry([good, old], now=NOW - timedelta(seconds=1))) == "accepted"
    with pytest.raises(ConfigurationError) as raised:
        load_registry([good, old], now=NOW)
    assert (raised.value.code, raised.value.file) == ("metadata.file", str(tmp_path / "old.xml"))
    assert "metadata.expired" in raised.value.found


def test_a_file_that_describes_an_entity_twice_is_refused(tmp_path: Path, trusted: Path) -> None:
    twice = MetadataFile(write(tmp_path / "twice.xml", aggregate(HOME, HOME)), (trusted,))
    with pytest.raises(ConfigurationError) as raised:
        load_registry([twice], now=NOW)
    assert "metadata.duplicate_entity" in raised.value.found


def test_a_change_of_a_file_or_a_certificate_is_noticed(tmp_path: Path, trusted: Path) -> None:
    path = write(tmp_path / "all.xml", aggregate())
    sources = Sources()
    load_registry([MetadataFile(path, (trusted,))], now=NOW, sources=sources)
    assert sources.paths() == (path, trusted)
