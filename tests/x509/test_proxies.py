"""Proxies that we make are what relying parties accept, and the proxy file is what every grid program reads."""

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ostiary.errors import ConfigurationError
from ostiary.x509 import asn1, names, oids
from ostiary.x509.chain import TLS_CLIENT, verify_chain
from ostiary.x509.kinds import Kind, classify
from ostiary.x509.proxy import (
    Proxy,
    find_attribute_certificates,
    make_proxy,
    parse_proxy,
    read_proxy,
    write_proxy,
)
from tests.x509.authorities import (
    DAY,
    NOW,
    Extra,
    attribute_authority,
    attribute_certificate,
    certificate,
    error_code,
    key_pem,
    pem,
    private_key,
    root,
    trust_directory,
)

AUTHORITY = root()
ALICE = AUTHORITY.issue("/C=ZZ/O=HV Test/CN=Alice Member", serial=0x1001)
AA = attribute_authority(AUTHORITY)
HALF_A_DAY = timedelta(hours=12)


def proxy_of_alice(
    *,
    lifetime: timedelta = HALF_A_DAY,
    now: datetime = NOW,
    attribute_certificates: tuple[bytes, ...] = (),
    limited: bool = False,
    path_length: int | None = None,
) -> Proxy:
    return make_proxy(
        ALICE.certificates,
        ALICE.key,
        lifetime=lifetime,
        now=now,
        attribute_certificates=attribute_certificates,
        limited=limited,
        path_length=path_length,
        key_size="ec",
    )


def below(
    proxy: Proxy,
    *,
    limited: bool = False,
    attribute_certificates: tuple[bytes, ...] = (),
    path_length: int | None = None,
) -> Proxy:
    return make_proxy(
        proxy.certificates,
        proxy.private_key,
        lifetime=HALF_A_DAY,
        now=NOW,
        limited=limited,
        attribute_certificates=attribute_certificates,
        path_length=path_length,
        key_size="ec",
    )


def test_a_proxy_is_made_as_the_original_client_makes_it() -> None:
    proxy = make_proxy(ALICE.certificates, ALICE.key, lifetime=HALF_A_DAY, now=NOW)
    made = proxy.certificate
    assert names.slash_form(made.subject) == f"/C=ZZ/O=HV Test/CN=Alice Member/CN={made.serial_number}"
    assert names.issuer_bytes(made) == names.subject_bytes(ALICE.certificate)
    assert (made.not_valid_before_utc, made.not_valid_after_utc) == (
        datetime(2026, 11, 22, 11, 55, tzinfo=UTC),
        datetime(2026, 11, 23, 0, 0, tzinfo=UTC),
    )
    assert isinstance(proxy.private_key, rsa.RSAPrivateKey)
    assert proxy.private_key.key_size == 2048
    assert [(item.oid.dotted_string, item.critical, item.value.public_bytes().hex()) for item in made.extensions] == [
        ("2.5.29.15", True, "030205a0"),
        ("1.3.6.1.5.5.7.1.14", True, "300c300a06082b06010505071501"),
    ]
    assert proxy.certificates[1:] == (ALICE.certificate,)


def test_a_limited_proxy_with_a_path_length_says_so() -> None:
    made = proxy_of_alice(limited=True, path_length=3).certificate
    extension = made.extensions.get_extension_for_oid(oids.PROXY_INFO)
    assert extension.value.public_bytes().hex() == "3012020103300d060b2b060104019b500101010 9".replace(" ", "")
    assert (classify(made).kind, classify(made).path_length) == (Kind.LIMITED_PROXY, 3)


def test_what_we_make_is_accepted_at_any_depth(tmp_path: Path) -> None:
    trust = trust_directory(tmp_path / "ca", AUTHORITY)
    deep = below(below(proxy_of_alice()), limited=True)
    proven = verify_chain(deep.ders, trust, NOW, usage=TLS_CLIENT)
    assert (proven.end_entity, len(proven.proxies), proven.limited) == (ALICE.certificate, 3, True)


def test_below_a_limited_proxy_only_limited_ones_are_made() -> None:
    assert classify(below(proxy_of_alice(limited=True)).certificate).kind is Kind.LIMITED_PROXY


def test_no_proxy_is_made_where_none_may_follow() -> None:
    last = proxy_of_alice(path_length=0)
    assert error_code(lambda: below(last)) == "x509.proxy_path_length"
    one_more = below(proxy_of_alice(path_length=1), path_length=5)
    assert error_code(lambda: below(one_more)) == "x509.proxy_path_length"


def test_a_proxy_never_outlives_its_signers() -> None:
    short = proxy_of_alice(lifetime=timedelta(hours=1))
    assert below(short).certificate.not_valid_after_utc == NOW + timedelta(hours=1)
    assert proxy_of_alice(lifetime=900 * DAY).certificate.not_valid_after_utc == NOW + 365 * DAY
    young = AUTHORITY.issue("/C=ZZ/CN=Young", not_before=NOW - timedelta(minutes=1))
    proxy = make_proxy(young.certificates, young.key, lifetime=HALF_A_DAY, now=NOW, key_size="ec")
    assert proxy.certificate.not_valid_before_utc == NOW - timedelta(minutes=1)


@pytest.mark.parametrize("now", [NOW - 31 * DAY, NOW + 365 * DAY, NOW + 400 * DAY])
def test_no_proxy_is_made_from_a_certificate_that_is_not_valid(now: datetime) -> None:
    assert error_code(lambda: proxy_of_alice(now=now)) == "x509.proxy_lifetime"


def test_no_proxy_without_lifetime_is_made() -> None:
    assert error_code(lambda: proxy_of_alice(lifetime=timedelta(0))) == "x509.proxy_lifetime"


def test_no_proxy_is_made_with_another_key_or_a_weak_one() -> None:
    other = private_key("ec", "other")
    assert error_code(lambda: make_proxy(ALICE.certificates, other, lifetime=DAY, now=NOW)) == "x509.proxy_key"
    weak = error_code(lambda: make_proxy(ALICE.certificates, ALICE.key, lifetime=DAY, now=NOW, key_size=1024))
    assert weak == "x509.proxy_key"


def test_no_proxy_is_made_from_a_legacy_one() -> None:
    draft = Extra(x509.UnrecognizedExtension(oids.PROXY_INFO_DRAFT, b"\x30\x00"), True)
    legacy = certificate(
        ALICE.certificate.subject, ALICE.key, issuer=ALICE.certificate.subject, issuer_key=ALICE.key, extensions=[draft]
    )
    made = error_code(lambda: make_proxy([legacy, ALICE.certificate], ALICE.key, lifetime=DAY, now=NOW))
    assert made == "x509.proxy_legacy"


def test_cas_are_left_out_of_the_proxys_chain() -> None:
    middle = AUTHORITY.issue_authority("/C=ZZ/CN=Middle")
    bob = middle.issue("/C=ZZ/CN=Bob")
    proxy = make_proxy(bob.certificates, bob.key, lifetime=DAY, now=NOW, key_size="ec")
    assert proxy.certificates[1:] == (bob.certificate,)


# --- attribute certificates inside


def test_attribute_certificates_are_carried_in_their_order() -> None:
    first, second = (attribute_certificate(AA, ALICE.certificate, serial=serial) for serial in (1, 2))
    proxy = proxy_of_alice(attribute_certificates=(first, second))
    extension = proxy.certificate.extensions.get_extension_for_oid(oids.AC_SEQUENCE)
    assert not extension.critical
    size = len(first) + len(second)
    # SEQUENCE in SEQUENCE: so voms-proxy-init 2.1.0 writes it, and so voms-proxy-info reads it.
    headers = b"\x30\x82" + (size + 4).to_bytes(2) + b"\x30\x82" + size.to_bytes(2)
    assert extension.value.public_bytes() == headers + first + second
    assert find_attribute_certificates(proxy.certificates) == (first, second)


def test_the_nearest_attribute_certificates_count() -> None:
    first, second = (attribute_certificate(AA, ALICE.certificate, serial=serial) for serial in (1, 2))
    carrying = proxy_of_alice(attribute_certificates=(first,))
    assert find_attribute_certificates(below(carrying).certificates) == (first,)
    assert find_attribute_certificates(below(carrying, attribute_certificates=(second,)).certificates) == (second,)
    assert find_attribute_certificates(proxy_of_alice().certificates) == ()
    assert find_attribute_certificates(ALICE.certificates) == ()


def test_an_end_entity_cannot_carry_attribute_certificates() -> None:
    content = x509.UnrecognizedExtension(
        oids.AC_SEQUENCE, asn1.sequence_of([asn1.sequence_of([attribute_certificate(AA, ALICE.certificate)])])
    )
    assert find_attribute_certificates(AUTHORITY.issue("/C=ZZ/CN=Bob", extra=[Extra(content)]).certificates) == ()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x30\x00", b"\x30\x05", b"\x04\x00", b"\x30\x00\x00", b"\x30\x02\x30\x00", b"\x30\x04\x30\x00\x30\x00"],
)
def test_a_broken_list_of_attribute_certificates_is_refused(content: bytes) -> None:
    issuer = ALICE.certificate.subject
    subject = x509.Name([*issuer.rdns, *x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "1")]).rdns])
    policy = asn1.ProxyPolicy(language=oids.INHERIT_ALL, policy=None)
    info = asn1.encode(asn1.ProxyCertInfo(path_length=None, policy=policy))
    broken = certificate(
        subject,
        private_key("ec", "broken"),
        issuer=issuer,
        issuer_key=ALICE.key,
        extensions=[
            Extra(x509.UnrecognizedExtension(oids.PROXY_INFO, info), True),
            Extra(x509.UnrecognizedExtension(oids.AC_SEQUENCE, content)),
        ],
    )
    assert error_code(lambda: find_attribute_certificates([broken, ALICE.certificate])) == "x509.ac_sequence"


def test_above_an_independent_proxy_nothing_is_inherited() -> None:
    carrying = proxy_of_alice(attribute_certificates=(attribute_certificate(AA, ALICE.certificate),))
    issuer = carrying.certificate.subject
    subject = x509.Name([*issuer.rdns, *x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "1")]).rdns])
    policy = asn1.ProxyPolicy(language=oids.INDEPENDENT, policy=None)
    info = asn1.encode(asn1.ProxyCertInfo(path_length=None, policy=policy))
    independent = certificate(
        subject,
        private_key("ec", "independent"),
        issuer=issuer,
        issuer_key=carrying.private_key,
        extensions=[Extra(x509.UnrecognizedExtension(oids.PROXY_INFO, info), True)],
    )
    assert find_attribute_certificates([independent, *carrying.certificates]) == ()


# --- the file


def test_the_file_is_private_and_holds_certificate_key_and_signers(tmp_path: Path) -> None:
    proxy = make_proxy(ALICE.certificates, ALICE.key, lifetime=HALF_A_DAY, now=NOW)
    file = tmp_path / "x509up_u1000"
    write_proxy(file, proxy)
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    content = file.read_bytes()
    begins = [line for line in content.splitlines() if line.startswith(b"-----BEGIN")]
    assert begins == [
        b"-----BEGIN CERTIFICATE-----",
        b"-----BEGIN RSA PRIVATE KEY-----",
        b"-----BEGIN CERTIFICATE-----",
    ]
    assert content.startswith(pem(proxy.certificate))
    assert content.endswith(pem(ALICE.certificate))
    again = read_proxy(file)
    assert again.certificates == proxy.certificates
    assert again.private_key.private_numbers() == proxy.private_key.private_numbers()
    assert os.listdir(tmp_path) == ["x509up_u1000"]


def test_an_older_file_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "x509up_u1000"
    file.write_text("older")
    os.chmod(file, 0o644)
    proxy = proxy_of_alice()
    write_proxy(file, proxy)
    assert read_proxy(file).certificates == proxy.certificates
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600


def test_a_proxy_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    write_proxy(tmp_path / "proxy", proxy_of_alice())
    os.chmod(tmp_path / "proxy", 0o640 if os.geteuid() else 0o644)
    assert error_code(lambda: read_proxy(tmp_path / "proxy")) == "config.private_file_mode"
    assert error_code(lambda: read_proxy(tmp_path / "none")) == "config.private_file_missing"


def test_text_between_the_blocks_and_pkcs8_keys_are_understood() -> None:
    proxy = proxy_of_alice()
    key = proxy.private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    content = b"subject=x\n" + pem(proxy.certificate) + b"\n\n" + key + b"Bag\n" + pem(ALICE.certificate)
    read = parse_proxy(content, "f")
    assert read.certificates == proxy.certificates
    assert isinstance(read.private_key, ec.EllipticCurvePrivateKey)


def test_what_is_no_proxy_file_is_refused() -> None:
    proxy = proxy_of_alice()
    own, key = pem(proxy.certificate), key_pem(proxy.private_key)
    encrypted = proxy.private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    for content in (
        b"",
        own,
        key,
        own + key + key,
        own + encrypted,
        pem(ALICE.certificate) + key + own,
        own[:200] + key,
        own + key[:60],
        own.replace(b"M", b"\xff") + key,
        os.urandom(2000),
    ):
        with pytest.raises(ConfigurationError) as caught:
            parse_proxy(content, "proxy")
        assert (caught.value.code, caught.value.file) == ("x509.proxy_file", "proxy")


def test_the_private_key_of_a_proxy_is_not_shown() -> None:
    assert "rivate" not in repr(proxy_of_alice())
