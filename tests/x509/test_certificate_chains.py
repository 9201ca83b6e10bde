"""A chain leads to a trusted CA, or is refused by the name of what is wrong with it: CAs, dates, CRLs, policies, proxies of any depth."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.errors import NotAuthenticated
from ostiary.x509 import asn1, names, oids
from ostiary.x509.chain import TLS_CLIENT, VerifiedChain, verify_chain
from ostiary.x509.kinds import Kind, classify
from ostiary.x509.trust import Authority, TrustDirectory, load_trust_directory
from tests.x509.authorities import (
    DAY,
    NOW,
    CertificateAuthority,
    Extra,
    Identity,
    PrivateKey,
    certificate,
    der,
    distinguished_name,
    error_code,
    key_usage,
    private_key,
    root,
    signing_policy,
    trust_directory,
)

AUTHORITY = root()
OTHER = root("/C=ZZ/O=Elsewhere/CN=Other CA")
ALICE_NAME = "/C=ZZ/O=HV Test/CN=Alice Member"
ALICE = AUTHORITY.issue(ALICE_NAME, serial=0x1001)

TRUSTED = TrustDirectory(
    (
        Authority(
            AUTHORITY.certificate, der(AUTHORITY.certificate), names.subject_bytes(AUTHORITY.certificate), None, None
        ),
    )
)

INHERIT_ALL = "1.3.6.1.5.5.7.21.1"
INDEPENDENT = "1.3.6.1.5.5.7.21.2"
LIMITED = "1.3.6.1.4.1.3536.1.1.1.9"


@pytest.fixture
def trust(tmp_path: Path) -> TrustDirectory:
    return trust_directory(tmp_path / "ca", AUTHORITY)


def proxy_info(language: str = INHERIT_ALL, path_length: int | None = None, policy: bytes | None = None) -> Extra:
    content = asn1.ProxyPolicy(language=x509.ObjectIdentifier(language), policy=policy)
    value = asn1.encode(asn1.ProxyCertInfo(path_length=path_length, policy=content))
    return Extra(x509.UnrecognizedExtension(oids.PROXY_INFO, value), True)


def proxy(
    signer: Identity,
    *extra: Extra,
    info: Extra | None = None,
    subject: x509.Name | None = None,
    name: str = "1234",
    key: PrivateKey | None = None,
    not_after: datetime = NOW + DAY,
    usage: x509.KeyUsage | None = None,
) -> Identity:
    """A proxy as any program might make it; right in every respect that is not given."""
    issuer = signer.certificate.subject
    common_name = x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)
    own = key or private_key("ec", f"proxy {name}")
    made = certificate(
        x509.Name([*issuer.rdns, x509.RelativeDistinguishedName([common_name])]) if subject is None else subject,
        own,
        issuer=issuer,
        issuer_key=signer.key,
        not_before=NOW - timedelta(minutes=5),
        not_after=not_after,
        extensions=[Extra(usage or key_usage("digital_signature"), True), info or proxy_info(), *extra],
    )
    return Identity(made, own, signer.certificates)


def outcome(
    chain: Sequence[bytes], trust: TrustDirectory, now: datetime = NOW, usage: x509.ObjectIdentifier | None = None
) -> str:
    return error_code(lambda: verify_chain(chain, trust, now, usage=usage))


def refused(act: Callable[[], object]) -> NotAuthenticated:
    with pytest.raises(NotAuthenticated) as caught:
        act()
    return caught.value


# --- paths


def test_a_persons_certificate_leads_to_its_ca(trust: TrustDirectory) -> None:
    assert verify_chain(ALICE.ders, trust, NOW) == VerifiedChain(
        end_entity=ALICE.certificate,
        proxies=(),
        anchors=(AUTHORITY.certificate,),
        subject="/C=ZZ/O=HV Test/CN=Alice Member",
        issuer="/C=ZZ/O=HV Test/CN=HV Test CA",
        limited=False,
        independent=False,
        not_after=datetime(2027, 11, 22, 12, 0, tzinfo=UTC),
    )


def test_the_root_and_strange_certificates_may_stand_in_the_chain(trust: TrustDirectory) -> None:
    extra = [der(AUTHORITY.certificate), der(OTHER.certificate), der(ALICE.certificate)]
    assert verify_chain([*ALICE.ders, *extra], trust, NOW).anchors == (AUTHORITY.certificate,)


def test_an_intermediate_ca_may_be_sent_or_stand_in_the_directory(tmp_path: Path) -> None:
    middle = AUTHORITY.issue_authority("/C=ZZ/O=HV Test/CN=Middle CA")
    bob = middle.issue("/C=ZZ/O=HV Test/CN=Bob")
    root_only = trust_directory(tmp_path / "root", AUTHORITY)
    both = trust_directory(tmp_path / "both", AUTHORITY, middle)
    middle_only = trust_directory(tmp_path / "middle", middle)
    path = (middle.certificate, AUTHORITY.certificate)
    assert verify_chain(bob.ders, root_only, NOW).anchors == path
    assert verify_chain(bob.ders + bob.ders[1:], both, NOW).anchors == path
    assert verify_chain(bob.ders[:1], both, NOW).anchors == path
    assert outcome(bob.ders[:1], root_only) == "x509.untrusted_ca"
    # Without its root, a CA in the directory is no anchor.
    assert outcome(bob.ders, middle_only) == "x509.untrusted_ca"


def test_an_unknown_ca_is_refused_by_name(trust: TrustDirectory) -> None:
    mallory = OTHER.issue("/C=ZZ/O=HV Test/CN=Alice Member")
    error = refused(lambda: verify_chain([*mallory.ders, der(OTHER.certificate)], trust, NOW))
    assert (error.code, error.params["issuer"]) == ("x509.untrusted_ca", "/C=ZZ/O=Elsewhere/CN=Other CA")
    assert outcome(mallory.ders, trust) == "x509.untrusted_ca"


def test_a_ca_of_the_same_name_with_another_key_is_refused(trust: TrustDirectory) -> None:
    impostor = root(key=private_key("ec", "impostor"))
    mallory = impostor.issue(ALICE_NAME)
    assert outcome(mallory.ders, trust) == "x509.signature"
    # Sent along, it is found and still not trusted.
    assert outcome([*mallory.ders, der(impostor.certificate)], trust) == "x509.untrusted_ca"


def test_a_ca_below_another_one_cannot_take_the_name_of_a_trusted_ca(tmp_path: Path) -> None:
    trust = trust_directory(tmp_path / "ca", AUTHORITY, OTHER)
    namesake = OTHER.issue_authority("/C=ZZ/O=HV Test/CN=HV Test CA", key=private_key("ec", "namesake"))
    mallory = namesake.issue(ALICE_NAME, key=private_key("ec", "mallory"))
    error = refused(lambda: verify_chain(mallory.ders, trust, NOW))
    assert (error.code, error.params["issuer"]) == ("x509.untrusted_ca", "/C=ZZ/O=HV Test/CN=HV Test CA")


def test_a_ca_may_certify_a_new_key_of_its_own(trust: TrustDirectory) -> None:
    renewed = AUTHORITY.issue_authority("/C=ZZ/O=HV Test/CN=HV Test CA", key=private_key("ec", "the new key"))
    bob = renewed.issue("/C=ZZ/O=HV Test/CN=Bob")
    assert verify_chain([*bob.ders, der(renewed.certificate)], trust, NOW).anchors == (
        renewed.certificate,
        AUTHORITY.certificate,
    )


def test_two_cas_that_certify_each_other_lead_nowhere(trust: TrustDirectory) -> None:
    one = root("/C=ZZ/CN=One")
    two = root("/C=ZZ/CN=Two")
    one_by_two = two.issue_authority("/C=ZZ/CN=One", key=one.key).certificate
    two_by_one = one.issue_authority("/C=ZZ/CN=Two", key=two.key).certificate
    mallory = one.issue("/C=ZZ/CN=Mallory")
    assert outcome([*mallory.ders, der(one_by_two), der(two_by_one)], trust) == "x509.untrusted_ca"


def test_a_self_signed_certificate_is_refused(trust: TrustDirectory) -> None:
    assert outcome(OTHER.ders, trust) == "x509.untrusted_ca"


def test_a_ca_cannot_sign_in(trust: TrustDirectory) -> None:
    assert outcome(AUTHORITY.ders, trust) == "x509.ca_certificate"


def test_of_two_certificates_of_one_ca_key_the_valid_one_counts(tmp_path: Path) -> None:
    old, digest = root(not_after=NOW - DAY), names.subject_hash(AUTHORITY.certificate.subject)
    (tmp_path / "ca").mkdir()
    for number, authority in enumerate((old, AUTHORITY)):
        authority.install(tmp_path / "ca")
        (tmp_path / "ca" / f"{digest}.0").rename(tmp_path / "ca" / f"{digest}.{number + 1}")
    trust = load_trust_directory(tmp_path / "ca")
    assert len(trust.authorities) == 2
    assert verify_chain(ALICE.ders, trust, NOW).anchors == (AUTHORITY.certificate,)


@pytest.mark.parametrize("chain", [[b""], [b"\x30\x03"], [b"x" * 300_000], [der(ALICE.certificate)[:-1]]])
def test_what_is_no_certificate_is_refused(chain: list[bytes], trust: TrustDirectory) -> None:
    assert outcome(chain, trust) == "x509.malformed"


def test_no_certificate_and_too_many_are_refused(trust: TrustDirectory) -> None:
    assert outcome([], trust) == "x509.no_certificate"
    assert outcome(ALICE.ders * 33, trust) == "x509.chain_length"
    assert outcome(ALICE.ders * 32, trust) == "accepted"


def test_a_changed_signature_is_refused(trust: TrustDirectory) -> None:
    encoded = bytearray(der(ALICE.certificate))
    encoded[-1] ^= 1
    assert outcome([bytes(encoded)], trust) in ("x509.signature", "x509.malformed")
    again = certificate(
        ALICE.certificate.subject, ALICE.key, issuer=AUTHORITY.certificate.subject, issuer_key=OTHER.key
    )
    assert outcome([der(again)], trust) == "x509.signature"


def test_one_certificate_has_one_spelling(trust: TrustDirectory) -> None:
    for unused_bits in range(1, 8):
        # A BIT STRING says first how many of its last bits do not count.
        encoded = bytearray(der(ALICE.certificate))
        encoded[-len(ALICE.certificate.signature) - 1] = unused_bits
        assert outcome([bytes(encoded), *ALICE.ders[1:]], trust) == "x509.malformed"


FUZZED = proxy(ALICE, name="fuzzed")


def test_unchanged_the_same_chain_is_accepted() -> None:
    assert outcome(FUZZED.ders, TRUSTED) == "accepted"


# Of a serial number below zero, for instance, `cryptography` warns; the signature is wrong anyway.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.data())
@settings(max_examples=80, deadline=None)
def test_with_octets_changed_it_is_refused_and_never_crashes(data: st.DataObject) -> None:
    ders = [bytearray(one) for one in FUZZED.ders]
    broken = ders[data.draw(st.integers(0, len(ders) - 1))]
    place, octet = data.draw(st.floats(0, 0.999)), data.draw(st.integers(1, 255))
    broken[int(place * len(broken))] ^= octet
    assert outcome([bytes(one) for one in ders], TRUSTED) != "accepted"


# --- dates


def test_both_ends_of_the_validity_belong_to_it(trust: TrustDirectory) -> None:
    start, end = NOW - 30 * DAY, NOW + 365 * DAY
    second = timedelta(seconds=1)
    assert outcome(ALICE.ders, trust, start) == "accepted"
    assert outcome(ALICE.ders, trust, end) == "accepted"
    early = refused(lambda: verify_chain(ALICE.ders, trust, start - second))
    late = refused(lambda: verify_chain(ALICE.ders, trust, end + second))
    assert (early.code, early.params["theirs"], early.params["ours"]) == (
        "x509.not_yet_valid",
        "2026-10-23 12:00:00 UTC",
        "2026-10-23 11:59:59 UTC",
    )
    assert (late.code, late.params["theirs"], late.params["ours"], late.params["subject"]) == (
        "x509.expired",
        "2027-11-22 12:00:00 UTC",
        "2027-11-22 12:00:01 UTC",
        ALICE_NAME,
    )


def test_an_expired_ca_ends_what_it_issued(tmp_path: Path) -> None:
    old = root("/C=ZZ/CN=Old", not_after=NOW - DAY)
    error = refused(lambda: verify_chain(old.issue("/C=ZZ/CN=Bob").ders, trust_directory(tmp_path / "ca", old), NOW))
    assert (error.code, error.params["subject"]) == ("x509.expired", "/C=ZZ/CN=Old")


def test_the_earliest_end_of_the_chain_is_its_end(trust: TrustDirectory) -> None:
    short = proxy(ALICE, not_after=NOW + timedelta(hours=1))
    assert verify_chain(short.ders, trust, NOW).not_after == NOW + timedelta(hours=1)
    assert outcome(short.ders, trust, NOW + timedelta(hours=2)) == "x509.expired"


# --- what a CA may do


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        (Extra(x509.BasicConstraints(ca=False, path_length=None), True), "x509.not_a_ca"),
        (Extra(key_usage("digital_signature"), True), "x509.key_usage"),
        (
            Extra(x509.NameConstraints(None, [x509.DNSName("example.org")]), True),
            "x509.unknown_critical",
        ),
        (
            Extra(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True),
            "x509.unknown_critical",
        ),
    ],
)
def test_an_intermediate_ca_keeps_to_its_own_certificate(extra: Extra, code: str, trust: TrustDirectory) -> None:
    middle = AUTHORITY.issue_authority("/C=ZZ/O=HV Test/CN=Middle CA", extra=[extra])
    assert outcome(middle.issue("/C=ZZ/CN=Bob").ders, trust) == code


def test_a_ca_without_basic_constraints_is_none(trust: TrustDirectory) -> None:
    middle = AUTHORITY.issue_authority("/C=ZZ/CN=Middle", without=[x509.BasicConstraints, x509.KeyUsage])
    assert outcome(middle.issue("/C=ZZ/CN=Bob").ders, trust) == "x509.not_a_ca"


def test_a_person_is_no_ca(trust: TrustDirectory) -> None:
    pretender = CertificateAuthority(ALICE.certificate, ALICE.key)
    error = refused(lambda: verify_chain(pretender.issue("/C=ZZ/CN=Mallory").ders, trust, NOW))
    assert (error.code, error.params["subject"]) == ("x509.not_a_ca", ALICE_NAME)


def test_a_path_length_is_kept(tmp_path: Path) -> None:
    top = root("/C=ZZ/CN=Top", path_length=1)
    trust = trust_directory(tmp_path / "ca", top)
    middle = top.issue_authority("/C=ZZ/CN=Middle")
    low = middle.issue_authority("/C=ZZ/CN=Low")
    assert outcome(middle.issue("/C=ZZ/CN=Bob").ders, trust) == "accepted"
    # Proxies do not count.
    assert outcome(proxy(proxy(middle.issue("/C=ZZ/CN=Bob"))).ders, trust) == "accepted"
    assert outcome(low.issue("/C=ZZ/CN=Bob").ders, trust) == "x509.path_length"
    # A CA that certified its own new key does not count.
    renewed = middle.issue_authority("/C=ZZ/CN=Middle", key=private_key("ec", "renewed"))
    assert outcome(renewed.issue("/C=ZZ/CN=Bob").ders, trust) == "accepted"


# --- keys and digests


def test_weak_keys_are_refused(trust: TrustDirectory) -> None:
    keys: list[PrivateKey] = [
        rsa.generate_private_key(public_exponent=65537, key_size=1024),  # noqa: S505
        ec.generate_private_key(ec.SECP192R1()),
    ]
    for key in keys:
        weak = AUTHORITY.issue("/C=ZZ/CN=Weak", key=key)
        assert outcome(weak.ders, trust) == "x509.weak_key"
        assert outcome(proxy(ALICE, key=key).ders, trust) == "x509.weak_key"


def test_keys_of_another_kind_are_refused_and_edwards_keys_are_not(trust: TrustDirectory) -> None:
    def issued(key: dsa.DSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
        builder = x509.CertificateBuilder(
            AUTHORITY.certificate.subject, distinguished_name("/C=ZZ/CN=Bob"), key.public_key(), 5
        )
        builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
        return der(builder.sign(AUTHORITY.key, hashes.SHA256()))

    old = dsa.generate_private_key(1024)  # noqa: S505
    assert outcome([issued(old)], trust) == "x509.weak_key"
    assert outcome([issued(ed25519.Ed25519PrivateKey.generate())], trust) == "accepted"


# Made with OpenSSL 3.0: `openssl req -x509 -sha256` and `openssl x509 -req -sha1`, both on P-256.
CA_OF_SHA1 = b"""-----BEGIN CERTIFICATE-----
MIIBxjCCAWugAwIBAgIUZ5NHnEtQIWVYP9FGKCdSr4QOqhIwCgYIKoZIzj0EAwIw
MDELMAkGA1UEBhMCWloxEDAOBgNVBAoMB0hWIFRlc3QxDzANBgNVBAMMBk9sZCBD
QTAeFw0yNjExMjIwNzA1NTZaFw00NjExMTcwNzA1NTZaMDAxCzAJBgNVBAYTAlpa
MRAwDgYDVQQKDAdIViBUZXN0MQ8wDQYDVQQDDAZPbGQgQ0EwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAAQ6C3KE3NaFyv1qvKdTEygHQRzJfyuYmMAsrX3ZaPRFZdTO
Iy3FXyWCYdD47ACBlF6RmR6zRudvYN9iU0sJd/Xqo2MwYTAdBgNVHQ4EFgQU/VGK
M4RFI937mpGjUnz+qyN1XtowHwYDVR0jBBgwFoAU/VGKM4RFI937mpGjUnz+qyN1
XtowDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAgQwCgYIKoZIzj0EAwID
SQAwRgIhAO3FdqTUYhvVDQXMROzR07pBn7/Zl/jTfXt/RnJROCa8AiEA3f8dSiED
h6/lafV2vdUAkbeJnA34EOBqYc3+iei+rtU=
-----END CERTIFICATE-----
"""
SIGNED_WITH_SHA1 = b"""-----BEGIN CERTIFICATE-----
MIIBQzCB6gIBTTAJBgcqhkjOPQQBMDAxCzAJBgNVBAYTAlpaMRAwDgYDVQQKDAdI
ViBUZXN0MQ8wDQYDVQQDDAZPbGQgQ0EwHhcNMjYxMTIyMDcwNTU2WhcNNDYwMTIx
MDcwNTU2WjAtMQswCQYDVQQGEwJaWjEQMA4GA1UECgwHSFYgVGVzdDEMMAoGA1UE
AwwDQm9iMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEnGJJYRdgeHUZ4CIe2dTg
gBFuvpCIDrg0XeAnBSdd26W0Uu0VqSToF37joHz1hgCAkQWCkE9bHwz4i7Ld40xF
sjAJBgcqhkjOPQQBA0kAMEYCIQDmuKRgNnICvXdkMqfnWzuoBRTkD7HAJ17Vk8tC
MtOatAIhAIiCwZcOWwdDHVv1G1jRPDIei5pJHoQrgVY0C9Sj1EsM
-----END CERTIFICATE-----
"""


def test_a_sha1_signature_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bf7bbec1.0").write_bytes(CA_OF_SHA1)
    trust = load_trust_directory(tmp_path)
    bob = der(x509.load_pem_x509_certificate(SIGNED_WITH_SHA1))
    assert outcome([bob], trust) == "x509.weak_signature"


# --- revocation


def test_a_revoked_certificate_is_refused_and_another_is_not(tmp_path: Path) -> None:
    trust = trust_directory(tmp_path / "ca", AUTHORITY, crl=AUTHORITY.crl(0x1001))
    error = refused(lambda: verify_chain(ALICE.ders, trust, NOW))
    assert (error.code, error.params["subject"]) == ("x509.revoked", ALICE_NAME)
    assert outcome(proxy(ALICE).ders, trust) == "x509.revoked"
    assert outcome(AUTHORITY.issue("/C=ZZ/CN=Bob", serial=0x1002).ders, trust) == "accepted"


def test_a_revoked_ca_is_refused_with_all_that_it_issued(tmp_path: Path) -> None:
    middle = AUTHORITY.issue_authority("/C=ZZ/O=HV Test/CN=Middle CA")
    trust = trust_directory(tmp_path / "ca", AUTHORITY, crl=AUTHORITY.crl(middle.certificate.serial_number))
    error = refused(lambda: verify_chain(middle.issue("/C=ZZ/CN=Bob").ders, trust, NOW))
    assert (error.code, error.params["subject"]) == ("x509.revoked", "/C=ZZ/O=HV Test/CN=Middle CA")


def test_an_expired_crl_closes_the_door_and_names_both_times(tmp_path: Path) -> None:
    crl = AUTHORITY.crl(this_update=NOW - 2 * DAY, next_update=NOW - DAY)
    trust = trust_directory(tmp_path / "ca", AUTHORITY, crl=crl)
    error = refused(lambda: verify_chain(ALICE.ders, trust, NOW))
    assert (error.code, error.params["theirs"], error.params["ours"], error.params["issuer"]) == (
        "x509.crl_expired",
        "2026-11-21 12:00:00 UTC",
        "2026-11-22 12:00:00 UTC",
        "/C=ZZ/O=HV Test/CN=HV Test CA",
    )
    assert outcome(ALICE.ders, trust, NOW - DAY) == "accepted"


def test_a_crl_from_the_future_is_refused(tmp_path: Path) -> None:
    crl = AUTHORITY.crl(this_update=NOW + timedelta(hours=1))
    assert outcome(ALICE.ders, trust_directory(tmp_path / "ca", AUTHORITY, crl=crl)) == "x509.crl_not_yet_valid"


@pytest.mark.parametrize(
    "crl",
    [
        b"no CRL at all",
        b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
        AUTHORITY.crl(key=OTHER.key),
        OTHER.crl(),
        AUTHORITY.crl(extra=[Extra(x509.DeltaCRLIndicator(1), True)]),
    ],
)
def test_an_unusable_crl_closes_the_door(crl: bytes, tmp_path: Path) -> None:
    trust = trust_directory(tmp_path / "ca", AUTHORITY, crl=crl)
    assert outcome(ALICE.ders, trust) == "x509.crl_unusable"


def test_without_a_crl_it_depends_on_the_setting(tmp_path: Path) -> None:
    assert outcome(ALICE.ders, trust_directory(tmp_path / "a", AUTHORITY)) == "accepted"
    assert outcome(ALICE.ders, trust_directory(tmp_path / "b", AUTHORITY, require_crl=True)) == "x509.crl_missing"
    trust = trust_directory(tmp_path / "c", AUTHORITY, crl=AUTHORITY.crl(), require_crl=True)
    assert outcome(ALICE.ders, trust) == "accepted"


# --- signing policies


def test_a_ca_signs_only_for_the_names_of_its_policy(tmp_path: Path) -> None:
    trust = trust_directory(tmp_path / "ca", AUTHORITY, policy=signing_policy(AUTHORITY, "/C=ZZ/O=HV Test/*"))
    assert outcome(ALICE.ders, trust) == "accepted"
    assert outcome(proxy(ALICE).ders, trust) == "accepted"
    error = refused(lambda: verify_chain(AUTHORITY.issue("/C=ZZ/O=Elsewhere/CN=Bob").ders, trust, NOW))
    assert (error.code, error.params["subject"], error.params["issuer"]) == (
        "x509.signing_policy",
        "/C=ZZ/O=Elsewhere/CN=Bob",
        "/C=ZZ/O=HV Test/CN=HV Test CA",
    )


def test_a_ca_that_is_not_in_the_directory_signs_for_no_more_than_the_one_above(tmp_path: Path) -> None:
    trust = trust_directory(tmp_path / "ca", AUTHORITY, policy=signing_policy(AUTHORITY, "/C=ZZ/O=HV Test/*"))
    middle = AUTHORITY.issue_authority("/C=ZZ/O=HV Test/CN=Middle CA")
    lower = middle.issue_authority("/C=ZZ/O=HV Test/CN=Lower CA")
    for authority in (middle, lower):
        assert outcome(authority.issue("/C=ZZ/O=HV Test/CN=Bob").ders, trust) == "accepted"
        assert outcome(authority.issue("/C=ZZ/O=Elsewhere/CN=Bob").ders, trust) == "x509.signing_policy"


def test_a_ca_of_the_directory_has_its_own_policy_only(tmp_path: Path) -> None:
    middle = AUTHORITY.issue_authority("/C=ZZ/O=HV Test/CN=Middle CA")
    policy = signing_policy(AUTHORITY, "/C=ZZ/O=HV Test/CN=Middle CA")
    trust = trust_directory(tmp_path / "ca", AUTHORITY, middle, policy=policy)
    assert outcome(middle.issue("/C=ZZ/O=HV Test/CN=Bob").ders, trust) == "accepted"


def test_a_policy_of_another_ca_lets_this_one_sign_nothing(tmp_path: Path) -> None:
    trust = trust_directory(tmp_path / "ca", AUTHORITY, policy=signing_policy(OTHER, "*"))
    assert outcome(ALICE.ders, trust) == "x509.signing_policy"


def test_without_a_policy_it_depends_on_the_setting(tmp_path: Path) -> None:
    required = trust_directory(tmp_path / "a", AUTHORITY, require_signing_policy=True)
    assert outcome(ALICE.ders, required) == "x509.signing_policy"
    assert outcome(ALICE.ders, trust_directory(tmp_path / "b", AUTHORITY)) == "accepted"


# --- the end entity


def test_a_certificate_for_another_purpose_is_refused_where_it_matters(trust: TrustDirectory) -> None:
    def usage(*oids: x509.ObjectIdentifier) -> Identity:
        return AUTHORITY.issue("/C=ZZ/CN=Bob", extra=[Extra(x509.ExtendedKeyUsage(oids))])

    server = usage(ExtendedKeyUsageOID.SERVER_AUTH)
    assert outcome(server.ders, trust) == "accepted"
    assert outcome(server.ders, trust, usage=TLS_CLIENT) == "x509.extended_key_usage"
    assert outcome(proxy(server).ders, trust, usage=TLS_CLIENT) == "x509.extended_key_usage"
    assert outcome(usage(ExtendedKeyUsageOID.CLIENT_AUTH).ders, trust, usage=TLS_CLIENT) == "accepted"
    assert outcome(usage(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE).ders, trust, usage=TLS_CLIENT) == "accepted"
    assert outcome(ALICE.ders, trust, usage=TLS_CLIENT) == "accepted"


def test_an_end_entity_that_demands_what_nobody_knows_is_refused(trust: TrustDirectory) -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert outcome(AUTHORITY.issue("/C=ZZ/CN=Bob", extra=[Extra(unknown, True)]).ders, trust) == "x509.unknown_critical"
    assert outcome(AUTHORITY.issue("/C=ZZ/CN=Bob", extra=[Extra(unknown)]).ders, trust) == "accepted"


def test_a_certificate_without_a_name_is_refused(trust: TrustDirectory) -> None:
    assert outcome(AUTHORITY.issue(x509.Name([])).ders, trust) == "x509.malformed"


# --- proxies


def test_proxies_of_any_depth_lead_to_the_end_entity(trust: TrustDirectory) -> None:
    chain = ALICE
    for depth in range(8):
        chain = proxy(chain, name=str(depth))
    proven = verify_chain(chain.ders, trust, NOW)
    assert proven.end_entity == ALICE.certificate
    assert proven.proxies == chain.certificates[:8]
    assert proven.certificates == chain.certificates
    assert (proven.subject, proven.limited, proven.independent) == (ALICE_NAME, False, False)


def test_signers_in_another_order_are_found(trust: TrustDirectory) -> None:
    first, *others = proxy(proxy(ALICE, name="1"), name="2").ders
    assert outcome([first, *reversed(others)], trust) == "accepted"


def test_a_proxy_without_its_signer_is_refused(trust: TrustDirectory) -> None:
    error = refused(lambda: verify_chain(proxy(ALICE).ders[:1], trust, NOW))
    assert (error.code, error.params["subject"]) == ("x509.chain_incomplete", ALICE_NAME + "/CN=1234")


def test_a_proxy_signed_by_somebody_else_is_refused(trust: TrustDirectory) -> None:
    forged = proxy(Identity(ALICE.certificate, OTHER.key))
    assert outcome([*forged.ders], trust) == "x509.signature"


def test_a_proxy_signed_directly_by_a_ca_is_refused(trust: TrustDirectory) -> None:
    assert outcome(proxy(AUTHORITY).ders, trust) == "x509.ca_certificate"


def test_limited_proxies_stay_limited(trust: TrustDirectory) -> None:
    limited = proxy(ALICE, info=proxy_info(LIMITED))
    assert verify_chain(limited.ders, trust, NOW).limited
    assert verify_chain(proxy(limited, info=proxy_info(LIMITED)).ders, trust, NOW).limited
    assert outcome(proxy(limited).ders, trust) == "x509.proxy_limited"
    assert outcome(proxy(limited, info=proxy_info(INDEPENDENT)).ders, trust) == "x509.proxy_limited"
    assert verify_chain(proxy(proxy(ALICE), info=proxy_info(LIMITED)).ders, trust, NOW).limited


def test_an_independent_proxy_is_told_apart(trust: TrustDirectory) -> None:
    proven = verify_chain(proxy(proxy(ALICE, info=proxy_info(INDEPENDENT))).ders, trust, NOW)
    assert (proven.independent, proven.limited) == (True, False)


def test_a_proxy_path_length_is_kept(trust: TrustDirectory) -> None:
    last = proxy(ALICE, info=proxy_info(path_length=0))
    assert outcome(last.ders, trust) == "accepted"
    assert outcome(proxy(last).ders, trust) == "x509.proxy_path_length"
    one = proxy(ALICE, info=proxy_info(path_length=1))
    assert outcome(proxy(one).ders, trust) == "accepted"
    assert outcome(proxy(proxy(one)).ders, trust) == "x509.proxy_path_length"


@pytest.mark.parametrize(
    ("info", "code"),
    [
        (proxy_info("1.3.6.1.5.5.7.21.0"), "x509.proxy_policy"),
        (proxy_info("1.3.6.1.4.1.3536.1.1.1.8", policy=b"p"), "x509.proxy_policy"),
        (proxy_info(policy=b""), "x509.proxy_info"),
        (proxy_info(path_length=-1), "x509.proxy_info"),
        (Extra(proxy_info().value, False), "x509.proxy_info"),
        (Extra(x509.UnrecognizedExtension(oids.PROXY_INFO, b"\x30\x00"), True), "x509.proxy_info"),
        (Extra(x509.UnrecognizedExtension(oids.PROXY_INFO, b""), True), "x509.proxy_info"),
        (Extra(x509.UnrecognizedExtension(oids.PROXY_INFO_DRAFT, b"\x30\x00"), True), "x509.proxy_legacy"),
    ],
)
def test_a_proxy_says_in_the_right_form_what_it_is(info: Extra, code: str, trust: TrustDirectory) -> None:
    assert outcome(proxy(ALICE, info=info).ders, trust) == code


@pytest.mark.parametrize("name", ["proxy", "limited proxy"])
def test_a_gt2_proxy_is_refused_by_name(name: str, trust: TrustDirectory) -> None:
    subject = distinguished_name(f"{ALICE_NAME}/CN={name}")
    made = certificate(subject, private_key("ec", "gt2"), issuer=ALICE.certificate.subject, issuer_key=ALICE.key)
    error = refused(lambda: verify_chain([der(made), *ALICE.ders], trust, NOW))
    assert (error.code, error.found) == ("x509.proxy_legacy", "GT2")


def test_a_proxy_without_proxy_info_is_only_a_certificate_of_no_ca(trust: TrustDirectory) -> None:
    made = certificate(
        distinguished_name(ALICE_NAME + "/CN=77"),
        private_key("ec", "77"),
        issuer=ALICE.certificate.subject,
        issuer_key=ALICE.key,
    )
    assert outcome([der(made), *ALICE.ders], trust) == "x509.not_a_ca"


@pytest.mark.parametrize(
    "subject",
    [
        distinguished_name("/C=ZZ/O=HV Test/CN=Somebody Else/CN=1"),
        distinguished_name(ALICE_NAME),
        distinguished_name(ALICE_NAME + "/CN=1/CN=2"),
        distinguished_name(ALICE_NAME + "/OU=1"),
        x509.Name(
            [
                *distinguished_name(ALICE_NAME).rdns,
                x509.RelativeDistinguishedName(
                    [
                        x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "1"),
                        x509.NameAttribute(x509.oid.NameOID.USER_ID, "root"),
                    ]
                ),
            ]
        ),
        x509.Name([]),
    ],
)
def test_a_proxy_bears_its_issuers_name_and_one_more(subject: x509.Name, trust: TrustDirectory) -> None:
    assert outcome(proxy(ALICE, subject=subject).ders, trust) == "x509.proxy_subject"


@pytest.mark.parametrize(
    "extra",
    [
        Extra(x509.SubjectAlternativeName([x509.DNSName("a.example")])),
        Extra(x509.IssuerAlternativeName([x509.DNSName("a.example")])),
        Extra(x509.BasicConstraints(ca=True, path_length=None)),
    ],
)
def test_a_proxy_claims_nothing_that_it_may_not_have(extra: Extra, trust: TrustDirectory) -> None:
    assert outcome(proxy(ALICE, extra).ders, trust) == "x509.proxy_extension"


def test_the_empty_basic_constraints_of_the_original_client_are_accepted(trust: TrustDirectory) -> None:
    empty = Extra(x509.BasicConstraints(ca=False, path_length=None), True)
    assert outcome(proxy(ALICE, empty).ders, trust) == "accepted"


def test_the_keys_of_proxy_and_signer_must_be_allowed_to_sign(trust: TrustDirectory) -> None:
    reader = AUTHORITY.issue("/C=ZZ/CN=Reader", extra=[Extra(key_usage("key_encipherment"), True)])
    assert outcome(reader.ders, trust) == "accepted"
    assert outcome(proxy(reader).ders, trust) == "x509.key_usage"
    assert outcome(proxy(ALICE, usage=key_usage("key_encipherment")).ders, trust) == "x509.key_usage"
    both = key_usage("digital_signature", "key_cert_sign")
    assert outcome(proxy(ALICE, usage=both).ders, trust) == "x509.proxy_extension"


def test_a_proxy_that_demands_what_nobody_knows_is_refused(trust: TrustDirectory) -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert outcome(proxy(ALICE, Extra(unknown, True)).ders, trust) == "x509.unknown_critical"


@pytest.mark.parametrize(
    ("info", "kind"),
    [
        (proxy_info(), Kind.FULL_PROXY),
        (proxy_info(LIMITED), Kind.LIMITED_PROXY),
        (proxy_info(INDEPENDENT, path_length=3), Kind.INDEPENDENT_PROXY),
        (Extra(x509.UnrecognizedExtension(oids.PROXY_INFO_DRAFT, b""), True), Kind.LEGACY_PROXY),
    ],
)
def test_every_kind_of_proxy_is_recognised(info: Extra, kind: Kind) -> None:
    found = classify(proxy(ALICE, info=info).certificate)
    assert (found.kind, found.is_proxy) == (kind, True)


def test_people_and_cas_are_no_proxies() -> None:
    assert classify(ALICE.certificate).kind is Kind.END_ENTITY
    assert not classify(AUTHORITY.certificate).is_proxy


# --- kinds of keys


def test_an_rsa_ca_and_rsa_proxies_are_accepted(tmp_path: Path) -> None:
    authority = root("/C=ZZ/CN=RSA CA", kind="rsa")
    trust = trust_directory(tmp_path / "ca", authority, crl=authority.crl(7))
    bob = authority.issue("/C=ZZ/CN=Bob", key=private_key("rsa", "bob"))
    assert outcome(proxy(bob, key=private_key("rsa", "proxy")).ders, trust) == "accepted"
    forged = CertificateAuthority(authority.certificate, private_key("rsa", "forger")).issue("/C=ZZ/CN=Bob")
    assert outcome(forged.ders, trust) == "x509.signature"


def test_an_edwards_ca_is_accepted_and_its_crl_counts(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = distinguished_name("/C=ZZ/CN=Edwards CA")

    def signed(subject: x509.Name, public: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey, ca: bool) -> bytes:
        builder = x509.CertificateBuilder(name, subject, public, 5 if ca else 6)
        builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        return der(builder.sign(key, None))

    public = private_key("ec", "bob").public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    bob = signed(distinguished_name("/C=ZZ/CN=Bob"), public, False)
    authority = x509.load_der_x509_certificate(signed(name, key.public_key(), True))
    digest = names.subject_hash(name)
    (tmp_path / f"{digest}.0").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    assert outcome([bob], load_trust_directory(tmp_path)) == "accepted"
    forged = bytearray(bob)
    forged[-5] ^= 1
    assert outcome([bytes(forged)], load_trust_directory(tmp_path)) == "x509.signature"
    crl = x509.CertificateRevocationListBuilder(name, NOW - DAY, NOW + DAY)
    revoked = x509.RevokedCertificateBuilder(6, NOW - DAY).build()
    listed = crl.add_revoked_certificate(revoked).sign(key, None)
    (tmp_path / f"{digest}.r0").write_bytes(listed.public_bytes(serialization.Encoding.DER))
    assert outcome([bob], load_trust_directory(tmp_path)) == "x509.revoked"


def test_a_ca_that_may_not_sign_crls_has_none(tmp_path: Path) -> None:
    authority = root(extra=[Extra(key_usage("key_cert_sign"), True)])
    trust = trust_directory(tmp_path / "ca", authority, crl=authority.crl())
    assert outcome(authority.issue(ALICE_NAME).ders, trust) == "x509.crl_unusable"
    # Without any key usage it may.
    silent = certificate(
        authority.certificate.subject,
        authority.key,
        issuer=authority.certificate.subject,
        issuer_key=authority.key,
        not_before=NOW - 900 * DAY,
        extensions=[Extra(x509.BasicConstraints(ca=True, path_length=None), True)],
    )
    quiet = CertificateAuthority(silent, authority.key)
    trust = trust_directory(tmp_path / "quiet", quiet, crl=quiet.crl(9))
    assert outcome(quiet.issue(ALICE_NAME, serial=9).ders, trust) == "x509.revoked"


def test_a_crl_with_a_changed_signature_closes_the_door(tmp_path: Path) -> None:
    crl = bytearray(x509.load_pem_x509_crl(AUTHORITY.crl()).public_bytes(serialization.Encoding.DER))
    crl[-4] ^= 1
    assert outcome(ALICE.ders, trust_directory(tmp_path / "ca", AUTHORITY, crl=bytes(crl))) == "x509.crl_unusable"


def test_an_extension_that_cannot_be_read_is_refused(trust: TrustDirectory) -> None:
    broken = x509.UnrecognizedExtension(x509.KeyUsage.oid, b"\x04\x00")
    assert outcome(AUTHORITY.issue("/C=ZZ/CN=Bob", extra=[Extra(broken)]).ders, trust) == "x509.malformed"
    assert (
        outcome(proxy(ALICE, Extra(x509.UnrecognizedExtension(oids.AC_SEQUENCE, b"x"), True)).ders, trust) == "accepted"
    )
