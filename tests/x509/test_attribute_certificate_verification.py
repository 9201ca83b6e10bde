"""What a relying party checks before it believes an attribute certificate: each check fails here once, by itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from ostiary.attributes import Attribute, Value
from ostiary.errors import NotAuthenticated
from ostiary.x509 import asn1, names, oids
from ostiary.x509.attribute_certificate import GenericAttribute, sign_attribute_certificate
from ostiary.x509.chain import VerifiedChain, verify_chain
from ostiary.x509.fqan import Fqan
from ostiary.x509.issuer_key import IssuerKey, issuer_key, load_issuer_key
from ostiary.x509.lsc import Lsc, Names, VomsDirectory
from ostiary.x509.proxy import make_proxy
from ostiary.x509.trust import TrustDirectory
from ostiary.x509.verify import (
    VerifiedAttributeCertificate,
    attributes_of,
    verify_attribute_certificate,
    verify_attribute_certificates,
)
from tests.x509.authorities import (
    DAY,
    NOW,
    Extra,
    attribute_authority,
    attribute_certificate,
    error_code,
    lsc_for,
    private_key,
    root,
    signing_policy,
    statement,
    trust_directory,
    verified,
    vomsdir_for,
)

AUTHORITY = root()
OTHER = root("/C=ZZ/O=Elsewhere/CN=Other CA")
ALICE = AUTHORITY.issue("/C=ZZ/O=HV Test/CN=Alice Member", serial=0x1001)
AA = attribute_authority(AUTHORITY)
HOSTS = ("worker.example.org", "worker")


@pytest.fixture
def trust(tmp_path: Path) -> TrustDirectory:
    return trust_directory(tmp_path / "ca", AUTHORITY)


@pytest.fixture
def chain(trust: TrustDirectory) -> VerifiedChain:
    return verified(ALICE, trust)


def believe(
    der: bytes,
    chain: VerifiedChain,
    trust: TrustDirectory,
    *,
    vomsdir: VomsDirectory | None = None,
    now: datetime = NOW,
) -> VerifiedAttributeCertificate:
    used = vomsdir if vomsdir is not None else vomsdir_for(AA)
    return verify_attribute_certificate(der, chain, used, trust, now, host_names=HOSTS)


def outcome(der: bytes, chain: VerifiedChain, trust: TrustDirectory, **more: Any) -> str:
    return error_code(lambda: believe(der, chain, trust, **more))


def with_extensions(
    *, key: IssuerKey = AA, leave_out: tuple[object, ...] = (), add: tuple[asn1.Extension, ...] = ()
) -> bytes:
    """A correctly signed attribute certificate with other extensions."""
    whole = asn1.decode(asn1.SignedAc, attribute_certificate(key, ALICE.certificate), "x509.ac_malformed")
    info = asn1.decode(asn1.AcInfo, asn1.encode(whole.info), "x509.ac_malformed")
    info.extensions = [item for item in info.extensions or [] if item.type not in leave_out] + list(add)
    encoded = asn1.encode(info)
    whole.info, whole.signature = asn1.raw(encoded), asn1.BitString(key.sign(encoded), 0)
    return asn1.encode(whole)


def test_an_attribute_certificate_is_believed(chain: VerifiedChain, trust: TrustDirectory) -> None:
    proof = believe(attribute_certificate(AA, ALICE.certificate), chain, trust)
    assert proof.fqans == (Fqan("/testvo/g1", "admin"), Fqan("/testvo"), Fqan("/testvo/g1"))
    assert (proof.vo, proof.holder, proof.issuer) == (
        "testvo",
        "/C=ZZ/O=HV Test/CN=Alice Member",
        "/C=ZZ/O=HV Test/CN=localhost",
    )


def test_those_of_a_proxy_are_believed_for_the_end_entity_above(trust: TrustDirectory) -> None:
    ders = [attribute_certificate(AA, ALICE.certificate, serial=serial) for serial in (1, 2)]
    proxy = make_proxy(ALICE.certificates, ALICE.key, lifetime=DAY, now=NOW, attribute_certificates=ders, key_size="ec")
    proven = verify_chain(proxy.ders, trust, NOW)
    found = verify_attribute_certificates(proven, vomsdir_for(AA), trust, NOW, host_names=())
    assert [proof.certificate.serial for proof in found] == [1, 2]
    assert verify_attribute_certificates(verified(ALICE, trust), vomsdir_for(AA), trust, NOW, host_names=()) == ()


def test_one_bad_attribute_certificate_is_an_error_and_not_left_out(trust: TrustDirectory) -> None:
    good = attribute_certificate(AA, ALICE.certificate)
    bad = attribute_certificate(AA, ALICE.certificate, not_after=NOW + timedelta(seconds=1))
    proxy = make_proxy(
        ALICE.certificates, ALICE.key, lifetime=DAY, now=NOW, attribute_certificates=[good, bad], key_size="ec"
    )
    later = NOW + timedelta(hours=1)
    proven = verify_chain(proxy.ders, trust, later)
    code = error_code(lambda: verify_attribute_certificates(proven, vomsdir_for(AA), trust, later, host_names=()))
    assert code == "x509.ac_expired"


def test_an_rsa_attribute_authority_is_believed(chain: VerifiedChain, trust: TrustDirectory, tmp_path: Path) -> None:
    own = AUTHORITY.issue("/C=ZZ/O=HV Test/CN=localhost", key=private_key("rsa", "aa"))
    key = load_issuer_key(*own.write(tmp_path, "aa"))
    assert outcome(attribute_certificate(key, ALICE.certificate), chain, trust, vomsdir=vomsdir_for(key)) == "accepted"


@pytest.mark.parametrize(
    ("offset", "code"),
    [
        (timedelta(seconds=-300), "accepted"),
        (timedelta(seconds=-301), "x509.ac_not_yet_valid"),
        (timedelta(hours=12, seconds=300), "accepted"),
        (timedelta(hours=12, seconds=301), "x509.ac_expired"),
    ],
)
def test_clocks_may_differ_by_300_seconds(
    offset: timedelta, code: str, chain: VerifiedChain, trust: TrustDirectory
) -> None:
    assert outcome(attribute_certificate(AA, ALICE.certificate), chain, trust, now=NOW + offset) == code


def test_a_complaint_about_time_states_both_times(chain: VerifiedChain, trust: TrustDirectory) -> None:
    with pytest.raises(NotAuthenticated) as caught:
        believe(attribute_certificate(AA, ALICE.certificate), chain, trust, now=NOW + DAY)
    assert caught.value.params == {"theirs": "2026-11-23 00:00:00 UTC", "ours": "2026-11-23 12:00:00 UTC"}


# --- who signed it


def test_without_an_lsc_file_the_authority_is_unknown(chain: VerifiedChain, trust: TrustDirectory) -> None:
    der = attribute_certificate(AA, ALICE.certificate)
    assert outcome(der, chain, trust, vomsdir=VomsDirectory({})) == "x509.ac_no_lsc"
    assert outcome(der, chain, trust, vomsdir=vomsdir_for(AA, vo="othervo")) == "x509.ac_no_lsc"
    assert outcome(der, chain, trust, vomsdir=vomsdir_for(AA, host="other.example")) == "x509.ac_no_lsc"


def test_an_authority_that_the_lsc_file_does_not_name_is_refused(chain: VerifiedChain, trust: TrustDirectory) -> None:
    der = attribute_certificate(AA, ALICE.certificate)
    other = attribute_authority(AUTHORITY, "/C=ZZ/O=HV Test/CN=other.example")
    listed = VomsDirectory({("testvo", "localhost"): lsc_for(other)})
    assert outcome(der, chain, trust, vomsdir=listed) == "x509.ac_lsc"
    same_subject = Lsc(((Names("/C=ZZ/O=HV Test/CN=localhost", "/C=ZZ/O=Elsewhere/CN=Other CA"),),))
    assert outcome(der, chain, trust, vomsdir=VomsDirectory({("testvo", "localhost"): same_subject})) == "x509.ac_lsc"


def test_one_that_a_site_trusts_for_another_vo_may_not_speak_for_this(
    chain: VerifiedChain, trust: TrustDirectory
) -> None:
    other = attribute_authority(AUTHORITY, "/C=ZZ/O=HV Test/CN=other.example")
    sites = VomsDirectory({("testvo", "localhost"): lsc_for(AA), ("othervo", "localhost"): lsc_for(other)})
    assert outcome(attribute_certificate(other, ALICE.certificate), chain, trust, vomsdir=sites) == "x509.ac_lsc"


@pytest.mark.parametrize("authority", [OTHER, root(key=private_key("ec", "impostor"))])
def test_an_authority_whose_ca_is_not_trusted_is_refused(
    authority: Any, chain: VerifiedChain, trust: TrustDirectory
) -> None:
    key = attribute_authority(authority)
    der = attribute_certificate(key, ALICE.certificate)
    with pytest.raises(NotAuthenticated) as caught:
        believe(der, chain, trust, vomsdir=vomsdir_for(key))
    assert caught.value.code == "x509.ac_issuer_chain"
    assert caught.value.found.startswith(("x509.untrusted_ca", "x509.signature"))


def test_a_revoked_authority_and_one_against_the_signing_policy_are_refused(tmp_path: Path) -> None:
    serial = AA.certificates[0].serial_number
    revoked = trust_directory(tmp_path / "a", AUTHORITY, crl=AUTHORITY.crl(serial))
    only_alice = trust_directory(tmp_path / "b", AUTHORITY, policy=signing_policy(AUTHORITY, "*Alice*"))
    der = attribute_certificate(AA, ALICE.certificate)
    for trust, reason in ((revoked, "x509.revoked"), (only_alice, "x509.signing_policy")):
        with pytest.raises(NotAuthenticated) as caught:
            believe(der, verified(ALICE, trust), trust)
        assert (caught.value.code, caught.value.found.split(";")[0]) == ("x509.ac_issuer_chain", reason)


def test_a_proxy_of_the_authority_may_not_sign(chain: VerifiedChain, trust: TrustDirectory) -> None:
    own = AUTHORITY.issue("/C=ZZ/O=HV Test/CN=localhost")
    proxy = make_proxy(own.certificates, own.key, lifetime=DAY, now=NOW, key_size="ec")
    identifier = x509.SubjectKeyIdentifier.from_public_key(proxy.private_key.public_key())
    template = issuer_key(list(own.certificates), own.key, certificate_file=Path("c"), key_file=Path("k"))
    listed = asn1.CertificateList(items=[asn1.raw(der) for der in proxy.ders])
    key = replace(
        template,
        certificates=proxy.certificates,
        issuer=asn1.V2Form(issuer=asn1.DirectoryName(name=asn1.raw(names.subject_bytes(proxy.certificate)))),
        certificate_list=asn1.Extension(type=oids.AC_CERTIFICATES, critical=False, value=asn1.encode(listed)),
        key_identifier=asn1.Extension(
            type=oids.AUTHORITY_KEY_IDENTIFIER,
            critical=False,
            value=asn1.encode(asn1.KeyIdentifier(identifier=identifier.digest, issuer=None, serial=None)),
        ),
        _private=proxy.private_key,
    )
    der = attribute_certificate(key, ALICE.certificate)
    assert outcome(der, chain, trust, vomsdir=vomsdir_for(key)) == "x509.ac_issuer"


def test_an_issuer_other_than_the_certificates_subject_is_refused(chain: VerifiedChain, trust: TrustDirectory) -> None:
    other = asn1.DirectoryName(name=asn1.raw(AUTHORITY.certificate.subject.public_bytes()))
    der = attribute_certificate(replace(AA, issuer=asn1.V2Form(issuer=other)), ALICE.certificate)
    assert outcome(der, chain, trust) == "x509.ac_issuer"


def test_a_key_identifier_of_another_key_or_none_is_refused(chain: VerifiedChain, trust: TrustDirectory) -> None:
    other = attribute_authority(AUTHORITY, "/C=ZZ/O=HV Test/CN=other.example")
    der = attribute_certificate(replace(AA, key_identifier=other.key_identifier), ALICE.certificate)
    assert outcome(der, chain, trust) == "x509.ac_key_identifier"
    none = with_extensions(leave_out=(oids.AUTHORITY_KEY_IDENTIFIER,))
    assert outcome(none, chain, trust) == "x509.ac_key_identifier"


def test_an_authority_with_a_key_identifier_of_its_own_making_is_believed(
    chain: VerifiedChain, trust: TrustDirectory
) -> None:
    own = AUTHORITY.issue("/C=ZZ/O=HV Test/CN=localhost", extra=[Extra(x509.SubjectKeyIdentifier(b"\x07" * 20))])
    identifier = asn1.encode(asn1.KeyIdentifier(identifier=b"\x07" * 20, issuer=None, serial=None))
    listed = asn1.CertificateList(items=[asn1.raw(own.ders[0])])
    key = replace(
        AA,
        certificates=own.certificates,
        certificate_list=asn1.Extension(type=oids.AC_CERTIFICATES, critical=False, value=asn1.encode(listed)),
        key_identifier=asn1.Extension(type=oids.AUTHORITY_KEY_IDENTIFIER, critical=False, value=identifier),
    )
    assert outcome(attribute_certificate(key, ALICE.certificate), chain, trust) == "accepted"


def test_a_signature_by_another_key_is_refused(chain: VerifiedChain, trust: TrustDirectory) -> None:
    forged = replace(AA, _private=private_key("ec", "forger"))
    assert outcome(attribute_certificate(forged, ALICE.certificate), chain, trust) == "x509.ac_signature"


def test_a_changed_group_breaks_the_signature(chain: VerifiedChain, trust: TrustDirectory) -> None:
    der = attribute_certificate(AA, ALICE.certificate).replace(b"Role=admin", b"Role=owner")
    assert outcome(der, chain, trust) == "x509.ac_signature"


def test_without_the_authoritys_certificate_it_is_refused(chain: VerifiedChain, trust: TrustDirectory) -> None:
    der = with_extensions(leave_out=(oids.AC_CERTIFICATES,))
    assert outcome(der, chain, trust) == "x509.ac_no_certificates"


def test_an_intermediate_ca_in_the_list_must_stand_in_the_lsc_file(chain: VerifiedChain, trust: TrustDirectory) -> None:
    middle = AUTHORITY.issue_authority("/C=ZZ/O=HV Test/CN=Middle CA")
    key = attribute_authority(middle)
    der = attribute_certificate(key, ALICE.certificate)
    assert outcome(der, chain, trust, vomsdir=vomsdir_for(key)) == "accepted"
    short = Lsc((lsc_for(key).chains[0][:1],))
    assert outcome(der, chain, trust, vomsdir=VomsDirectory({("testvo", "localhost"): short})) == "x509.ac_lsc"


# --- whom it is about


def test_one_that_was_issued_to_somebody_else_is_refused(chain: VerifiedChain, trust: TrustDirectory) -> None:
    bob = AUTHORITY.issue("/C=ZZ/O=HV Test/CN=Bob", serial=0x1002)
    assert outcome(attribute_certificate(AA, bob.certificate), chain, trust) == "x509.ac_holder"
    namesake = OTHER.issue("/C=ZZ/O=HV Test/CN=Alice Member", serial=0x1001)
    assert outcome(attribute_certificate(AA, namesake.certificate), chain, trust) == "x509.ac_holder"


def test_the_old_format_with_the_holders_own_name_is_believed(chain: VerifiedChain, trust: TrustDirectory) -> None:
    own_name = names.subject_bytes(ALICE.certificate)
    assert outcome(attribute_certificate(AA, ALICE.certificate, holder_issuer=own_name), chain, trust) == "accepted"
    other_serial = attribute_certificate(AA, ALICE.certificate, holder_issuer=own_name, holder_serial=7)
    assert outcome(other_serial, chain, trust) == "x509.ac_holder"


def test_one_for_the_proxys_serial_number_is_refused(trust: TrustDirectory) -> None:
    proxy = make_proxy(ALICE.certificates, ALICE.key, lifetime=DAY, now=NOW, key_size="ec")
    der = attribute_certificate(AA, ALICE.certificate, holder_serial=proxy.certificate.serial_number)
    assert outcome(der, verify_chain(proxy.ders, trust, NOW), trust) == "x509.ac_holder"


# --- what it says


@pytest.mark.parametrize(
    ("targets", "code"),
    [
        (("worker.example.org",), "accepted"),
        (("other.example.org", "worker"), "accepted"),
        (("other.example.org",), "x509.ac_target"),
        (("WORKER.example.org",), "x509.ac_target"),
        (("worker.example.org.",), "x509.ac_target"),
    ],
)
def test_targets_name_this_host(
    targets: tuple[str, ...], code: str, chain: VerifiedChain, trust: TrustDirectory
) -> None:
    assert outcome(attribute_certificate(AA, ALICE.certificate, targets=targets), chain, trust) == code


def test_an_unknown_critical_extension_is_refused_and_another_is_not(
    chain: VerifiedChain, trust: TrustDirectory
) -> None:
    def unknown(critical: bool) -> bytes:
        extension = asn1.Extension(type=x509.ObjectIdentifier("1.2.3.4"), critical=critical, value=b"\x05\x00")
        return with_extensions(add=(extension,))

    assert outcome(unknown(True), chain, trust) == "x509.ac_unknown_critical"
    assert outcome(unknown(False), chain, trust) == "accepted"


def test_one_that_does_not_rule_out_revocation_is_refused(chain: VerifiedChain, trust: TrustDirectory) -> None:
    der = with_extensions(leave_out=(oids.NO_REVOCATION,))
    assert outcome(der, chain, trust) == "x509.ac_no_revocation_info"


@pytest.mark.parametrize(
    ("fqan", "code"),
    [
        ("/testvo", "accepted"),
        ("/othervo", "x509.ac_other_vo"),
        ("/testvo2/g1", "x509.ac_other_vo"),
        ("/testv", "x509.ac_other_vo"),
        ("testvo", "x509.fqan"),
        ("/testvo/../othervo/x y", "x509.fqan"),
        ("/testvo/Role=a/Role=b", "x509.fqan"),
    ],
)
def test_every_group_is_of_the_vo(fqan: str, code: str, chain: VerifiedChain, trust: TrustDirectory) -> None:
    assert outcome(attribute_certificate(AA, ALICE.certificate, fqans=("/testvo", fqan)), chain, trust) == code


def test_rubbish_is_refused(chain: VerifiedChain, trust: TrustDirectory) -> None:
    assert outcome(b"\x30\x00", chain, trust) == "x509.ac_malformed"


def test_a_holder_name_that_is_none_is_refused(chain: VerifiedChain, trust: TrustDirectory) -> None:
    said = statement(ALICE.certificate, holder_issuer=b"\x04\x00")
    assert outcome(sign_attribute_certificate(said, AA), chain, trust) == "x509.name"


# --- as attributes


def test_groups_roles_and_generic_attributes_become_attributes(chain: VerifiedChain, trust: TrustDirectory) -> None:
    der = attribute_certificate(
        AA,
        ALICE.certificate,
        fqans=("/testvo/g1/Role=admin/Capability=NULL", "/testvo", "/testvo/Role=NULL/Capability=NULL"),
        attributes=(
            GenericAttribute("nickname", "alice", "testvo"),
            GenericAttribute("nickname", "al@home", "testvo"),
            GenericAttribute("eduPersonPrincipalName", "root@home.example", "testvo"),
            GenericAttribute("quota", "5", "/testvo/g1"),
            GenericAttribute("quota", "9", "/testvo/g1/Role=admin"),
        ),
    )
    until = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)

    def attribute(name: str, *texts: str) -> Attribute:
        return Attribute(name, tuple(Value(text) for text in texts), issuer="testvo", issued_at=NOW, valid_until=until)

    assert attributes_of(believe(der, chain, trust)) == (
        attribute("isMemberOf", "/testvo/g1/Role=admin", "/testvo"),
        attribute("voms:nickname", "alice", "al@home"),
        attribute("voms:eduPersonPrincipalName", "root@home.example"),
        attribute("voms:quota:/testvo/g1", "5"),
        attribute("voms:quota:/testvo/g1/Role=admin", "9"),
    )


def test_an_authority_without_a_key_identifier_of_its_own_is_believed(
    chain: VerifiedChain, trust: TrustDirectory
) -> None:
    own = AUTHORITY.issue("/C=ZZ/O=HV Test/CN=localhost", without=[x509.SubjectKeyIdentifier])
    listed = asn1.CertificateList(items=[asn1.raw(own.ders[0])])
    key = replace(
        AA,
        certificates=own.certificates,
        certificate_list=asn1.Extension(type=oids.AC_CERTIFICATES, critical=False, value=asn1.encode(listed)),
    )
    assert outcome(attribute_certificate(key, ALICE.certificate), chain, trust) == "accepted"


def test_an_algorithm_that_does_not_fit_the_key_is_refused(chain: VerifiedChain, trust: TrustDirectory) -> None:
    rsa_with_sha256 = replace(AA, algorithm=asn1.raw(bytes.fromhex("300d06092a864886f70d01010b0500")))
    assert outcome(attribute_certificate(rsa_with_sha256, ALICE.certificate), chain, trust) == "x509.ac_signature"
