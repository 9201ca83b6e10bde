"""The REST protocol in process: who gets what, what each refusal says, what is recorded."""

import base64
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from lxml import etree
from sqlalchemy import Engine

from ostiary import audit
from ostiary.storage.engine import reading
from ostiary.x509 import asn1, oids
from ostiary.x509.attribute_certificate import AttributeCertificate, read_attribute_certificate
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.chain import verify_chain
from ostiary.x509.fqan import Fqan
from ostiary.x509.lsc import Lsc, Names, VomsDirectory
from ostiary.x509.names import slash_form
from ostiary.x509.proxy import make_proxy
from ostiary.x509.verify import verify_attribute_certificates
from tests.voms.grid import Grid, Reply, make_grid
from tests.x509.authorities import (
    NOW,
    Extra,
    Identity,
    attribute_authority,
    attribute_certificate,
    distinguished_name,
    key_usage,
    private_key,
    root,
)
from tests.x509.authorities import certificate as issue_certificate


@pytest.fixture
def grid(engine: Engine, tmp_path: Path) -> Grid:
    return make_grid(engine, tmp_path, root(), now=NOW)


def certificate(reply: Reply) -> AttributeCertificate:
    return read_attribute_certificate(base64.b64decode(reply.root.findtext("ac") or ""))


def proxy_of(identity: Identity, *, acs: tuple[bytes, ...] = ()) -> Identity:
    made = make_proxy(
        identity.certificates,
        identity.key,
        lifetime=timedelta(hours=12),
        now=NOW,
        attribute_certificates=acs,
        key_size="ec",
    )
    return Identity(made.certificate, made.private_key, made.certificates[1:])


def test_a_member_gets_a_certificate_of_all_her_groups(grid: Grid) -> None:
    reply = grid.get("fqans=/testvo&lifetime=43200")
    assert reply.status == "200 OK"
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert reply.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?><voms><ac>')
    found = certificate(reply)
    assert found.fqans == (
        "/testvo/Role=NULL/Capability=NULL",
        "/testvo/g1/Role=NULL/Capability=NULL",
        "/testvo/g1/sub/Role=NULL/Capability=NULL",
        "/testvo/g2/Role=NULL/Capability=NULL",
    )
    assert (found.vo, found.host, found.port) == ("testvo", "localhost", 15010)
    assert (found.not_before, found.not_after) == (NOW, NOW + timedelta(hours=12))
    assert found.holder_serial == grid.alice.certificate.serial_number
    assert 0 < found.serial < 2**127


def test_the_role_asked_for_comes_first_with_its_attributes(grid: Grid) -> None:
    found = certificate(grid.get("fqans=/testvo/g1/Role=admin&targets=host.a.org,localhost"))
    assert found.fqans[0] == "/testvo/g1/Role=admin/Capability=NULL"
    assert found.targets == ("host.a.org", "localhost")
    assert [(item.name, item.value, item.qualifier) for item in found.attributes] == [
        ("roleattr", "rval", "/testvo/g1/Role=admin"),
        ("grpattr", "gval", "/testvo/g1"),
        ("nickname", "alice", "testvo"),
    ]


def test_names_can_be_written_short(engine: Engine, tmp_path: Path) -> None:
    grid = make_grid(engine, tmp_path, root(), now=NOW, form="short")
    assert certificate(grid.get("fqans=/testvo/g1/Role=admin")).fqans[:2] == ("/testvo/g1/Role=admin", "/testvo")


def test_a_relying_party_proves_it_in_a_proxy(grid: Grid) -> None:
    der = base64.b64decode(grid.get("fqans=/testvo/g1/Role=admin").root.findtext("ac") or "")
    proxy = proxy_of(grid.alice, acs=(der,))
    host, ca = slash_form(grid.host.certificate.subject), slash_form(grid.authority.certificate.subject)
    vomsdir = VomsDirectory({("testvo", "localhost"): Lsc(((Names(host, ca),),))})
    chain = verify_chain(proxy.ders, grid.trust(), NOW)
    (proven,) = verify_attribute_certificates(chain, vomsdir, grid.trust(), NOW, host_names=())
    assert proven.fqans[0] == Fqan("/testvo/g1", "admin")
    assert proven.holder == "/C=ZZ/O=HV Test/CN=Alice Member"


def test_a_proxy_of_any_depth_speaks_for_its_holder(grid: Grid) -> None:
    twice = proxy_of(proxy_of(grid.alice))
    found = certificate(grid.get("fqans=/testvo", twice.ders))
    assert found.holder_serial == grid.alice.certificate.serial_number


def test_it_never_outlives_the_proxy_that_was_shown(grid: Grid) -> None:
    short = make_proxy(grid.alice.certificates, grid.alice.key, lifetime=timedelta(hours=1), now=NOW, key_size="ec")
    reply = grid.get("fqans=/testvo&lifetime=43200", short.ders)
    assert certificate(reply).not_after == NOW + timedelta(hours=1)
    assert reply.root.findtext("warning") == (
        "localhost:15010: The validity of this VOMS AC in your proxy is shortened to 3600 seconds!"
    )


def test_a_lifetime_beyond_the_vos_is_shortened_with_status_200(grid: Grid) -> None:
    reply = grid.get("fqans=/testvo&lifetime=864000")
    assert reply.status == "200 OK"
    assert "The validity of this VOMS AC in your proxy is shortened to 86400 seconds!" in (
        reply.root.findtext("warning") or ""
    )


def test_an_unknown_parameter_is_ignored_with_a_warning(grid: Grid) -> None:
    reply = grid.get("fqans=/testvo&colour=blue")
    assert reply.root.findtext("warning") == "localhost:15010: the parameter colour is unknown and was ignored."


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("fqans=/testvo/g3", "testvo: Unable to satisfy G/testvo/g3 request!"),
        ("fqans=/testvo/g2/Role=admin", "testvo: Unable to satisfy B/testvo/g2:admin request!"),
        ("fqans=/othervo/g1", "testvo: Unable to satisfy G/othervo/g1 request!"),
    ],
)
def test_what_she_does_not_have_is_a_bad_request_in_the_originals_words(grid: Grid, query: str, message: str) -> None:
    reply = grid.get(query)
    assert (reply.status, reply.problem) == ("400 Bad Request", ("BadRequest", message))


@pytest.mark.parametrize("query", ["fqans=testvo", "fqans=/testvo/Capability=x", "lifetime=x", "fqans=/testvo/%00"])
def test_a_malformed_request_is_a_bad_request(grid: Grid, query: str) -> None:
    reply = grid.get(query)
    assert (reply.status, reply.problem[0]) == ("400 Bad Request", "BadRequest")


def test_a_stranger_is_told_that_nobody_knows_her(grid: Grid) -> None:
    stranger = grid.authority.issue("/C=ZZ/O=HV Test/CN=Nora", not_after=NOW + timedelta(days=9))
    reply = grid.get("fqans=/testvo", stranger.ders)
    assert (reply.status, reply.problem) == ("403 Forbidden", ("NoSuchUser", "testvo: User unknown to this VO."))


def test_the_same_name_from_another_trusted_ca_is_a_stranger(grid: Grid) -> None:
    other = root("/C=ZZ/O=HV Test/CN=Other CA")
    other.install(grid.ca_directory)
    grid.trust.reload()
    impostor = other.issue("/C=ZZ/O=HV Test/CN=Alice Member")
    assert grid.get("fqans=/testvo", impostor.ders).problem[0] == "NoSuchUser"


def test_a_ca_that_only_the_peer_sent_cannot_pass_for_the_one_that_the_vo_knows(grid: Grid) -> None:
    other = root("/C=ZZ/O=HV Test/CN=Other CA")
    other.install(grid.ca_directory)
    grid.trust.reload()
    namesake = other.issue_authority("/C=ZZ/O=HV Test/CN=HV Test CA", key=private_key("ec", "a namesake"))
    impostor = namesake.issue("/C=ZZ/O=HV Test/CN=Alice Member", key=private_key("ec", "an impostor"))
    assert CertificateNames.of(impostor.certificate) == CertificateNames.of(grid.alice.certificate)
    assert grid.get("fqans=/testvo", impostor.ders).status == "403 Forbidden"
    assert grid.logged()[-1]["code"] == "x509.untrusted_ca"


def test_the_ca_of_a_member_stands_in_the_directory(grid: Grid) -> None:
    middle = grid.authority.issue_authority("/C=ZZ/O=HV Test/CN=Middle CA")
    bob = middle.issue("/C=ZZ/O=HV Test/CN=Bob")
    grid.vo.directory.add_member(CertificateNames.of(bob.certificate), at=NOW, by="operator")
    assert grid.get("fqans=/testvo", bob.ders).status == "403 Forbidden"
    assert grid.logged()[-1]["code"] == "x509.untrusted_ca"
    middle.install(grid.ca_directory)
    grid.trust.reload()
    assert grid.get("fqans=/testvo", bob.ders).status == "200 OK"


def test_a_suspended_member_learns_the_reason(grid: Grid) -> None:
    grid.vo.directory.suspend(grid.vo.alice, "lost her laptop", at=NOW, by="operator")
    reply = grid.get("fqans=/testvo")
    assert (reply.status, reply.problem) == (
        "403 Forbidden",
        ("SuspendedUser", "User is currently suspended!\nSuspension reason: lost her laptop"),
    )


def revoked(grid: Grid) -> Identity:
    crl = grid.authority.crl(grid.alice.certificate.serial_number)
    for file in grid.ca_directory.glob("*.r0"):
        file.write_bytes(crl)
    grid.trust.reload()
    return grid.alice


def of_an_unknown_ca(_: Grid) -> Identity:
    return root("/C=ZZ/O=Nowhere/CN=Nowhere CA").issue("/C=ZZ/O=HV Test/CN=Alice Member")


def expired(grid: Grid) -> Identity:
    return grid.authority.issue(
        "/C=ZZ/O=HV Test/CN=Old", not_before=NOW - timedelta(days=9), not_after=NOW - timedelta(days=1)
    )


def outside_the_signing_policy(grid: Grid) -> Identity:
    return grid.authority.issue("/C=ZZ/O=Elsewhere/CN=Eve")


def with_an_independent_proxy(grid: Grid) -> Identity:
    independent = x509.ObjectIdentifier("1.3.6.1.5.5.7.21.2")
    info = asn1.encode(asn1.ProxyCertInfo(path_length=None, policy=asn1.ProxyPolicy(language=independent, policy=None)))
    key = private_key("ec", "an independent proxy")
    made = issue_certificate(
        x509.Name([*grid.alice.certificate.subject.rdns, *distinguished_name("/CN=1").rdns]),
        key,
        issuer=grid.alice.certificate.subject,
        issuer_key=grid.alice.key,
        not_after=NOW + timedelta(hours=1),
        extensions=[
            Extra(key_usage("digital_signature"), critical=True),
            Extra(x509.UnrecognizedExtension(oids.PROXY_INFO, info), critical=True),
        ],
    )
    return Identity(made, key, grid.alice.certificates)


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (with_an_independent_proxy, "x509.independent_proxy"),
        (revoked, "x509.revoked"),
        (of_an_unknown_ca, "x509.untrusted_ca"),
        (expired, "x509.expired"),
        (outside_the_signing_policy, "x509.signing_policy"),
    ],
)
def test_a_chain_that_is_not_good_gets_nothing_and_a_phrase_that_clients_show(
    grid: Grid, who: Callable[[Grid], Identity], code: str
) -> None:
    reply = grid.get("fqans=/testvo", who(grid).ders)
    assert reply.status == "403 Forbidden"
    assert reply.problem[0] == "SuspendedUser"
    assert "not active" in reply.problem[1]
    told = grid.logged()[-1]
    assert told["event"] == "vo_request_refused"
    assert told["code"] == code


def test_without_a_certificate_there_is_nothing(grid: Grid) -> None:
    assert grid.get("fqans=/testvo", ()).status == "403 Forbidden"


def test_garbage_instead_of_certificates_is_refused(grid: Grid) -> None:
    assert grid.get("fqans=/testvo", (b"\x30\x82\xff\xff", b"")).status == "403 Forbidden"


def test_a_proxy_that_states_less_gets_no_more(grid: Grid) -> None:
    issued = certificate(grid.get("fqans=/testvo"))
    less = base64.b64decode(grid.get("fqans=/testvo").root.findtext("ac") or "")
    assert "/testvo/g1/Role=admin" not in "".join(issued.fqans)
    proxy = proxy_of(grid.alice, acs=(less,))
    reply = grid.get("fqans=/testvo/g1/Role=admin", proxy.ders)
    assert all("Role=NULL" in fqan for fqan in certificate(reply).fqans)
    warnings = [element.text for element in reply.root.findall("warning")]
    assert any("your certificate already contains attributes, only a subset" in (text or "") for text in warnings)


def of_another_vo(grid: Grid) -> bytes:
    other = attribute_authority(grid.authority, "/C=ZZ/O=HV Test/CN=other")
    return attribute_certificate(
        other, grid.alice.certificate, vo="othervo", fqans=("/othervo/Role=NULL/Capability=NULL",), attributes=()
    )


def test_a_proxy_below_with_something_else_in_it_frees_nobody_of_what_the_one_above_states(grid: Grid) -> None:
    groups = base64.b64decode(grid.get("fqans=/testvo").root.findtext("ac") or "")
    role = base64.b64decode(grid.get("fqans=/testvo/g1/Role=admin").root.findtext("ac") or "")
    above = proxy_of(grid.alice, acs=(groups,))
    for below in (proxy_of(above), proxy_of(above, acs=(of_another_vo(grid),)), proxy_of(above, acs=(role,))):
        reply = grid.get("fqans=/testvo/g1/Role=admin", below.ders)
        assert certificate(reply).fqans == (
            "/testvo/Role=NULL/Capability=NULL",
            "/testvo/g1/Role=NULL/Capability=NULL",
            "/testvo/g1/sub/Role=NULL/Capability=NULL",
            "/testvo/g2/Role=NULL/Capability=NULL",
        )


def test_one_that_ended_before_the_newest_crl_still_bounds(grid: Grid) -> None:
    ended = base64.b64decode(grid.get("fqans=/testvo&lifetime=600").root.findtext("ac") or "")
    proxy = proxy_of(grid.alice, acs=(ended,))
    grid.clock.at = NOW + timedelta(hours=2)
    crl = grid.authority.crl(this_update=NOW + timedelta(hours=1), next_update=NOW + timedelta(days=1))
    for file in grid.ca_directory.glob("*.r0"):
        file.write_bytes(crl)
    grid.trust.reload()
    reply = grid.get("fqans=/testvo/g1/Role=admin", proxy.ders)
    assert all("Role=NULL" in fqan for fqan in certificate(reply).fqans)


def test_an_attribute_certificate_of_this_vo_that_we_did_not_issue_is_refused(grid: Grid) -> None:
    forger = attribute_authority(root("/C=ZZ/O=Forgers/CN=Forger CA"))
    forged = attribute_certificate(forger, grid.alice.certificate, fqans=("/testvo/g1/Role=admin/Capability=NULL",))
    reply = grid.get("fqans=/testvo/g1/Role=admin", proxy_of(grid.alice, acs=(forged,)).ders)
    assert reply.status == "403 Forbidden"


def test_an_attribute_certificate_of_another_vo_does_not_matter(grid: Grid) -> None:
    proxy = proxy_of(grid.alice, acs=(of_another_vo(grid),))
    reply = grid.get("fqans=/testvo/g1/Role=admin", proxy.ders)
    assert certificate(reply).fqans[0] == "/testvo/g1/Role=admin/Capability=NULL"


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "GET", "404 Not Found"),
        ("/generate-ac/", "GET", "404 Not Found"),
        ("/generate-ac", "POST", "405 Method Not Allowed"),
        ("/health", "GET", "200 OK"),
    ],
)
def test_other_addresses_and_methods(grid: Grid, path: str, method: str, status: str) -> None:
    assert grid.get("", path=path, method=method).status == status


def test_a_database_that_does_not_answer_is_an_internal_error(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    from ostiary.errors import Unavailable

    def down(*_: object) -> None:
        raise Unavailable("storage.unavailable", expected="a database", found="none")

    monkeypatch.setattr(type(grid.vo.memberships), "of_certificate", down)
    reply = grid.get("fqans=/testvo")
    assert (reply.status, reply.problem[0]) == ("500 Internal Server Error", "InternalError")


def test_each_certificate_has_its_audit_row_with_its_serial_number(grid: Grid) -> None:
    found = certificate(grid.get("fqans=/testvo/g1/Role=admin"))
    grid.get("fqans=/testvo/g3")
    with reading(grid.vo.engine) as connection:
        rows = audit.events(connection, action="vo.certificate_issued")
    assert [row.facts["serial"] for row in rows] == [f"{found.serial:032x}"]
    assert rows[0].facts["fqans"][0] == "/testvo/g1/Role=admin"


def legacy(*commands: str, more: str = "<base64>1</base64>") -> bytes:
    listed = "".join(f"<command>{command}</command>" for command in commands)
    return f'<?xml version="1.0" encoding="US-ASCII"?><voms>{listed}{more}<version>4</version><lifetime>3600</lifetime></voms>'.encode()


def test_the_legacy_protocol_gives_the_same_certificate(grid: Grid) -> None:
    root_element = etree.fromstring(grid.service.legacy(legacy("B/testvo/g1:admin"), grid.alice.ders))
    found = read_attribute_certificate(base64.b64decode(root_element.findtext("ac") or ""))
    assert found.fqans[0] == "/testvo/g1/Role=admin/Capability=NULL"
    assert found.not_after == NOW + timedelta(hours=1)


def test_the_legacy_protocol_lists_everything_without_a_certificate(grid: Grid) -> None:
    root_element = etree.fromstring(grid.service.legacy(legacy("N"), grid.alice.ders))
    assert root_element.find("ac") is None
    assert base64.b64decode(root_element.findtext("bitstr") or "").decode().splitlines() == [
        "/testvo",
        "/testvo/g1",
        "/testvo/g1/sub",
        "/testvo/g2",
        "/testvo/Role=pilot",
        "/testvo/g1/Role=admin",
    ]
    with reading(grid.vo.engine) as connection:
        assert audit.events(connection, action="vo.certificate_issued") == []


def test_the_legacy_protocol_refuses_with_numbers(grid: Grid) -> None:
    stranger = grid.authority.issue("/C=ZZ/O=HV Test/CN=Nora")
    cases = [
        (legacy("G/testvo"), stranger.ders, "1001"),
        (legacy("G/testvo/g3"), grid.alice.ders, "1001"),
        (legacy("X"), grid.alice.ders, "1005"),
        (b"nonsense", grid.alice.ders, "1005"),
        (legacy("G/testvo"), (), "1004"),
    ]
    for document, chain, number in cases:
        root_element = etree.fromstring(grid.service.legacy(document, chain))
        assert root_element.findtext("error/item/number") == number
        assert root_element.findtext("ac") == "QQ==\n"


def test_a_second_certificate_of_a_member_is_the_holder_when_it_is_shown(grid: Grid) -> None:
    second = grid.authority.issue("/C=ZZ/O=HV Test/CN=Alice 2026")
    grid.vo.directory.add_certificate(grid.vo.alice, CertificateNames.of(second.certificate), at=NOW, by="operator")
    assert certificate(grid.get("fqans=/testvo", second.ders)).holder_serial == second.certificate.serial_number


def test_a_name_with_a_slash_in_it_is_not_another_name(grid: Grid) -> None:
    subject = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "ZZ"),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "HV Test/CN=Alice Member"),
        ]
    )
    trickster = grid.authority.issue(subject)
    assert grid.get("fqans=/testvo", trickster.ders).problem[0] == "NoSuchUser"


def test_no_serial_number_is_given_twice(grid: Grid) -> None:
    assert certificate(grid.get("")).serial != certificate(grid.get("")).serial
