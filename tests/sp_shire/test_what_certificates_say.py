"""What is believed of a certificate chain: whose word counts for what, and what is asked of proxies."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from ostiary.attributes import texts_of
from ostiary.config import Sources
from ostiary.policy.acceptance import AcceptancePolicy
from ostiary.policy.acceptance_document import load_acceptance_policy
from ostiary.x509 import asn1, oids
from ostiary.x509.proxy import make_proxy
from sp_shire.certificates.believing import Believed, Terms, believe
from sp_shire.certificates.grid import Grid, load_grid
from sp_shire.certificates.settings import CertificateSettings
from tests.sp_shire.certificate_world import ALICE_NAME, ALICE_SLASH, CA_NAME, World
from tests.x509.authorities import (
    DAY,
    NOW,
    Extra,
    attribute_authority,
    attribute_certificate,
    certificate,
    der,
    distinguished_name,
    error_code,
    key_usage,
    private_key,
)

TERMS = Terms("https://library.example/sp", ("library.example",))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path)


def grid_of(world: World, **changes: Any) -> Grid:
    return load_grid(CertificateSettings.model_validate(world.certificates(**changes)), Sources())


def policy_of(world: World) -> AcceptancePolicy:
    return load_acceptance_policy([world.directory / "accept.yaml"])


def believed(world: World, chain: tuple[bytes, ...], terms: Terms = TERMS, **changes: Any) -> Believed:
    return believe(chain, terms, grid_of(world, **changes), policy_of(world), world.now)


def code(world: World, chain: tuple[bytes, ...], terms: Terms = TERMS, **changes: Any) -> str:
    return error_code(lambda: believed(world, chain, terms, **changes))


def test_a_certificate_alone_says_whose_it_is_and_nothing_else(world: World) -> None:
    found = believed(world, world.alice.ders)
    assert (found.names.subject, found.names.issuer) == (ALICE_NAME, CA_NAME)
    assert {attribute.name: attribute.texts() for attribute in found.attributes} == {
        "certificateSubject": (ALICE_NAME,),
        "certificateSubjectSlash": (ALICE_SLASH,),
    }
    assert {attribute.issuer for attribute in found.attributes} == {CA_NAME}
    assert (found.proxies, found.authenticated_at, found.withheld) == (0, NOW, ())


def test_groups_roles_and_attributes_come_from_the_vo(world: World) -> None:
    found = believed(world, world.proxy(world.ac()))
    assert texts_of(found.attributes, "isMemberOf") == ("/testvo/g1/Role=admin", "/testvo", "/testvo/g1")
    assert texts_of(found.attributes, "nickname") == ("alice",)
    assert texts_of(found.attributes, "certificateSubject") == (ALICE_NAME,)
    issuers = {attribute.name: attribute.issuer for attribute in found.attributes}
    assert issuers == {
        "certificateSubject": CA_NAME,
        "certificateSubjectSlash": CA_NAME,
        "isMemberOf": "testvo",
        "nickname": "testvo",
    }


def test_what_no_rule_accepts_is_withheld_with_its_reason(world: World) -> None:
    policy = world.directory / "accept.yaml"
    policy.write_text(policy.read_text().replace("issuers: testvo", "issuers: othervo"))
    found = believed(world, world.proxy(world.ac()))
    assert texts_of(found.attributes, "isMemberOf") == ()
    assert found.withheld == (
        ("isMemberOf", "/testvo/g1/Role=admin", "issuer"),
        ("isMemberOf", "/testvo", "issuer"),
        ("isMemberOf", "/testvo/g1", "issuer"),
        ("voms:nickname", "alice", "issuer"),
    )


def test_who_uses_a_proxy_proved_who_she_is_when_she_signed_the_first_one(world: World) -> None:
    world.now = NOW + timedelta(hours=3)
    first = make_proxy(world.alice.certificates, world.alice.key, lifetime=timedelta(hours=12), now=NOW, key_size="ec")
    chain = world.proxy(above=first.certificates, key=first.private_key)
    found = believed(world, chain)
    assert (found.proxies, found.authenticated_at) == (2, NOW - timedelta(minutes=5))


def second_vo(world: World) -> bytes:
    key = attribute_authority(world.authority, "/C=ZZ/O=HV Test/CN=voms.other.example")
    return attribute_certificate(
        key, world.alice.certificate, vo="othervo", host="voms.other.example", fqans=("/othervo/x",), attributes=()
    )


def test_a_vo_that_does_not_count_here_is_left_out_and_said_so(world: World) -> None:
    found = believed(world, world.proxy(world.ac(), second_vo(world)))
    assert texts_of(found.attributes, "isMemberOf") == ("/testvo/g1/Role=admin", "/testvo", "/testvo/g1")
    assert found.unread_vos == ("othervo",)
    assert believed(world, world.proxy(world.ac()), vomsdir=None).unread_vos == ("testvo",)


def test_a_vo_that_counts_here_and_can_not_be_proven_refuses_the_visitor(world: World) -> None:
    chain = world.proxy(world.ac(), second_vo(world))
    assert code(world, chain, vos=("testvo", "othervo")) == "x509.ac_no_lsc"


def test_two_vos_that_count_are_both_read(world: World) -> None:
    key = attribute_authority(world.authority, "/C=ZZ/O=HV Test/CN=voms.other.example")
    other = world.directory / "vomsdir" / "othervo" / "voms.other.example.lsc"
    other.parent.mkdir()
    other.write_text("/C=ZZ/O=HV Test/CN=voms.other.example\n/C=ZZ/O=HV Test/CN=HV Test CA\n")
    policy = world.directory / "accept.yaml"
    policy.write_text(policy.read_text().replace("issuers: testvo", "issuers: [testvo, othervo]"))
    assert key.certificates
    found = believed(world, world.proxy(world.ac(), second_vo(world)))
    assert texts_of(found.attributes, "isMemberOf")[-1] == "/othervo/x"
    assert [attribute.issuer for attribute in found.attributes if attribute.name == "isMemberOf"] == [
        "testvo",
        "othervo",
    ]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"not_before": NOW - timedelta(hours=13), "not_after": NOW - timedelta(hours=1)}, "x509.ac_expired"),
        ({"holder_serial": 7}, "x509.ac_holder"),
        ({"targets": ("elsewhere.example",)}, "x509.ac_target"),
        ({"fqans": ("/othervo/g1",)}, "x509.ac_other_vo"),
        ({"host": "voms.evil.example"}, "x509.ac_no_lsc"),
    ],
)
def test_an_attribute_certificate_that_is_not_good_refuses_the_visitor(
    world: World, changes: dict[str, object], refusal: str
) -> None:
    assert code(world, world.proxy(world.ac(**changes))) == refusal


def test_an_attribute_certificate_may_be_meant_for_this_host(world: World) -> None:
    chain = world.proxy(world.ac(targets=("worker.example", "library.example")))
    assert texts_of(believed(world, chain).attributes, "isMemberOf")[0] == "/testvo/g1/Role=admin"


def test_a_limited_proxy_is_let_in_only_where_that_is_said(world: World) -> None:
    chain = world.proxy(world.ac(), limited=True)
    assert code(world, chain) == "certificates.limited_proxy"
    terms = Terms(TERMS.audience, TERMS.host_names, limited_proxies=True)
    assert texts_of(believed(world, chain, terms).attributes, "isMemberOf")[0] == "/testvo/g1/Role=admin"


def test_so_many_proxies_may_stand_before_a_certificate(world: World) -> None:
    terms = Terms(TERMS.audience, TERMS.host_names, most_proxies=1)
    first = make_proxy(world.alice.certificates, world.alice.key, lifetime=timedelta(hours=12), now=NOW, key_size="ec")
    assert code(world, first.ders, terms) == "accepted"
    chain = world.proxy(above=first.certificates, key=first.private_key)
    assert code(world, chain, terms) == "certificates.too_many_proxies"
    assert code(world, world.alice.ders, Terms(TERMS.audience, (), most_proxies=0)) == "accepted"
    assert code(world, first.ders, Terms(TERMS.audience, (), most_proxies=0)) == "certificates.too_many_proxies"


def test_an_independent_proxy_speaks_for_nobody(world: World) -> None:
    own = private_key("ec", "independent")
    policy = asn1.ProxyPolicy(language=oids.INDEPENDENT, policy=None)
    info = x509.UnrecognizedExtension(oids.PROXY_INFO, asn1.encode(asn1.ProxyCertInfo(path_length=None, policy=policy)))
    made = certificate(
        distinguished_name(f"{ALICE_SLASH}/CN=1"),
        own,
        issuer=world.alice.certificate.subject,
        issuer_key=world.alice.key,
        not_after=NOW + DAY,
        extensions=[Extra(key_usage("digital_signature"), True), Extra(info, True)],
    )
    chain = (der(made), *world.alice.ders)
    assert code(world, chain) == "x509.independent_proxy"


def test_more_attribute_certificates_than_anybody_needs_are_refused(world: World) -> None:
    assert code(world, world.proxy(*[world.ac()] * 11)) == "certificates.too_many_acs"


def test_whoever_is_revoked_unknown_or_past_is_refused(world: World) -> None:
    assert code(world, world.alice.ders) == "accepted"
    world.revoke(0x1001)
    assert code(world, world.alice.ders) == "x509.revoked"
    assert code(world, world.proxy(world.ac())) == "x509.revoked"
    world.revoke(next_update=NOW - timedelta(seconds=1))
    assert code(world, world.alice.ders) == "x509.crl_expired"
    world.revoke()
    world.now = NOW + timedelta(days=400)
    assert code(world, world.alice.ders) == "x509.crl_expired"
    [crl] = (world.directory / "ca").glob("*.r0")
    crl.unlink()
    assert code(world, world.alice.ders) == "x509.crl_missing"
    assert code(world, world.alice.ders, require_crl=False) == "x509.expired"


def test_what_is_believed_ends_with_the_first_thing_that_it_rests_on(world: World) -> None:
    assert believed(world, world.alice.ders).until == NOW + timedelta(days=7)
    world.revoke(next_update=NOW + timedelta(minutes=2))
    assert believed(world, world.alice.ders).until == NOW + timedelta(minutes=2)
    world.revoke()
    assert believed(world, world.proxy(lifetime=timedelta(hours=5))).until == NOW + timedelta(hours=5)
    world.revoke(next_update=NOW)
    assert believed(world, world.alice.ders).until == NOW
    world.revoke()
    short = world.ac(not_after=NOW + timedelta(hours=1))
    assert believed(world, world.proxy(short)).until == NOW + timedelta(hours=1)
    # Other clocks may be a little behind: then its attributes are past, and it is no reason to refuse.
    over = world.ac(not_before=NOW - timedelta(hours=1), not_after=NOW - timedelta(minutes=2))
    found = believed(world, world.proxy(over))
    assert (found.until, texts_of(found.attributes, "isMemberOf")) == (NOW + timedelta(minutes=3), ())
    assert ("isMemberOf", "/testvo", "expired") in found.withheld
