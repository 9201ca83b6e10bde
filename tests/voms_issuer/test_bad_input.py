"""Everything that is wrong with a request gets the original's code and form of message, in both protocols; the log says more."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from lxml import etree
from sqlalchemy import Engine

from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.errors import OstiaryError
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from ostiary.x509 import asn1, oids
from ostiary.x509.attribute_certificate import read_attribute_certificate
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.proxy import make_proxy
from tests.databases import upgraded
from tests.voms.conftest import engine as engine
from tests.voms.grid import Grid, make_grid
from tests.x509.authorities import (
    NOW,
    Extra,
    Identity,
    distinguished_name,
    key_usage,
    private_key,
    root,
)
from tests.x509.authorities import certificate as issue_certificate
from voms import people
from voms.changes import changing
from voms.tables import MIGRATIONS as VOMS_MIGRATIONS

NOT_ACTIVE = "testvo: This credential is not active here. "
FULL = "1.3.6.1.5.5.7.21.1"
LIMITED = "1.3.6.1.4.1.3536.1.1.1.9"


@pytest.fixture
def grid(engine: Engine, tmp_path: Path) -> Grid:
    return make_grid(engine, tmp_path, root(), now=NOW)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    """For tests that change nothing that others see."""
    directory = tmp_path_factory.mktemp("quiet")
    with upgraded("sqlite", directory, [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, VOMS_MIGRATIONS]) as opened:
        yield make_grid(opened, directory, root(), now=NOW)


def proxy(
    above: Identity, *, language: str = FULL, path_length: int | None = None, carried: bytes | None = None
) -> Identity:
    """A proxy below ``above``, well-formed or not. ``carried``: the octets of its extension for attribute certificates."""
    policy = asn1.ProxyPolicy(language=x509.ObjectIdentifier(language), policy=None)
    info = asn1.encode(asn1.ProxyCertInfo(path_length=path_length, policy=policy))
    key: ec.EllipticCurvePrivateKey = private_key("ec", f"proxy {above.certificate.serial_number}")  # type: ignore[assignment]
    extensions = [
        Extra(key_usage("digital_signature"), critical=True),
        Extra(x509.UnrecognizedExtension(oids.PROXY_INFO, info), critical=True),
    ]
    if carried is not None:
        extensions.append(Extra(x509.UnrecognizedExtension(oids.AC_SEQUENCE, carried)))
    made = issue_certificate(
        x509.Name([*above.certificate.subject.rdns, *distinguished_name("/CN=1").rdns]),
        key,
        issuer=above.certificate.subject,
        issuer_key=above.key,
        not_after=NOW + timedelta(hours=1),
        extensions=extensions,
    )
    return Identity(made, key, above.certificates)


def legacy(command: str, lifetime: str = "3600") -> bytes:
    return (
        f'<?xml version="1.0" encoding="US-ASCII"?><voms><command>{command}</command><base64>1</base64>'
        f"<version>4</version><lifetime>{lifetime}</lifetime></voms>"
    ).encode()


def stranger(grid: Grid) -> Identity:
    return grid.authority.issue("/C=ZZ/O=HV Test/CN=Nora")


def suspended(grid: Grid) -> Identity:
    with changing(grid.vo.engine, "testvo", "vo.test", at=NOW, by="operator") as change:
        people.suspend_certificate(change, CertificateNames.of(grid.alice.certificate), "stolen")
    return grid.alice


def suspended_member(grid: Grid) -> Identity:
    grid.vo.directory.suspend(grid.vo.alice, "lost her laptop", at=NOW, by="operator")
    return grid.alice


def expired(grid: Grid) -> Identity:
    return grid.authority.issue("/C=ZZ/O=HV Test/CN=Old", not_after=NOW - timedelta(days=1))


def revoked(grid: Grid) -> Identity:
    for file in grid.ca_directory.glob("*.r0"):
        file.write_bytes(grid.authority.crl(grid.alice.certificate.serial_number))
    grid.trust.reload()
    return grid.alice


def untrusted(grid: Grid) -> Identity:
    return root("/C=ZZ/O=Nowhere/CN=Nowhere CA").issue("/C=ZZ/O=HV Test/CN=Alice Member")


def beyond_the_path_length(grid: Grid) -> Identity:
    return proxy(proxy(proxy(grid.alice, path_length=1)))


def full_on_limited(grid: Grid) -> Identity:
    return proxy(proxy(grid.alice, language=LIMITED))


def with_an_ac_that_lies_about_its_length(grid: Grid) -> Identity:
    return proxy(grid.alice, carried=b"\x30\x84\x7f\xff\xff\xff\x30\x00")


def with_an_ac_of_indefinite_length(grid: Grid) -> Identity:
    return proxy(grid.alice, carried=b"\x30\x80\x30\x80\x00\x00\x00\x00")


def with_a_length_within_that_is_too_long(grid: Grid) -> Identity:
    der = bytearray(grid.certificate("fqans=/testvo"))
    # The length of acinfo, one more than there is.
    der[7] += 1
    return proxy(grid.alice, carried=asn1.encode(asn1.AcSequence(items=[])) if not der else _sequence(bytes(der)))


def _sequence(inner: bytes) -> bytes:
    def one(data: bytes) -> bytes:
        return b"\x30\x82" + len(data).to_bytes(2, "big") + data

    return one(one(inner))


def with_sequences_in_sequences(grid: Grid) -> Identity:
    inner = b""
    for _ in range(5_000):
        size = len(inner)
        length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
        inner = b"\x30" + length + inner
    return proxy(grid.alice, carried=inner)


def with_another_vos_name_in_ours(grid: Grid) -> Identity:
    der = grid.certificate("fqans=/testvo").replace(b"/testvo/g2/", b"/othvo/g22/")
    return proxy(grid.alice, carried=_sequence(der))


CASES = [
    (stranger, "NoSuchUser", "1001", "testvo: User unknown to this VO.", "voms.unknown"),
    (suspended, "SuspendedUser", "1004", "User is currently suspended!\nSuspension reason: stolen", "voms.suspended"),
    (
        suspended_member,
        "SuspendedUser",
        "1004",
        "User is currently suspended!\nSuspension reason: lost her laptop",
        "voms.suspended",
    ),
    (expired, "SuspendedUser", "1004", NOT_ACTIVE, "x509.expired"),
    (revoked, "SuspendedUser", "1004", NOT_ACTIVE, "x509.revoked"),
    (untrusted, "SuspendedUser", "1004", NOT_ACTIVE, "x509.untrusted_ca"),
    (beyond_the_path_length, "SuspendedUser", "1004", NOT_ACTIVE, "x509.proxy_path_length"),
    (full_on_limited, "SuspendedUser", "1004", NOT_ACTIVE, "x509.proxy_limited"),
    (with_an_ac_that_lies_about_its_length, "SuspendedUser", "1004", NOT_ACTIVE, "x509.ac_sequence"),
    (with_an_ac_of_indefinite_length, "SuspendedUser", "1004", NOT_ACTIVE, "x509.ac_sequence"),
    (with_a_length_within_that_is_too_long, "SuspendedUser", "1004", NOT_ACTIVE, "x509.ac_malformed"),
    (with_sequences_in_sequences, "SuspendedUser", "1004", NOT_ACTIVE, "x509.ac_malformed"),
    (with_another_vos_name_in_ours, "SuspendedUser", "1004", NOT_ACTIVE, "x509.ac_signature"),
]


@pytest.mark.parametrize(
    ("who", "code", "number", "message", "logged"), CASES, ids=[case[0].__name__ for case in CASES]
)
def test_who_shows_something_wrong_is_told_in_the_originals_form(
    grid: Grid, who: Callable[[Grid], Identity], code: str, number: str, message: str, logged: str
) -> None:
    chain = who(grid).ders
    reply = grid.get("fqans=/testvo", chain)
    assert (reply.status, reply.problem[0]) == ("403 Forbidden", code)
    assert reply.problem[1].startswith(message)
    assert grid.logged()[-1]["code"] == logged
    old = etree.fromstring(grid.service.legacy(legacy("G/testvo"), chain))
    assert old.findtext("error/item/number") == number
    assert (old.findtext("error/item/message") or "").startswith(message)
    assert old.findtext("ac") == "QQ==\n"


REQUESTS = [
    ("fqans=testvo", "G", "voms.request_name"),
    ("fqans=/testvo//g1", "G/testvo//g1", "voms.request_name"),
    ("fqans=/testvo/g1/Role=", "B/testvo/g1:", "voms.request_name"),
    ("fqans=/testvo/Role=a/Role=b", "G/testvo/Role=a/Role=b", "voms.request_name"),
    ("fqans=/testvo/g%3Cscript%3E", "G/testvo/g*", "voms.request_name"),
    ("fqans=/testvo/" + "g" * 300, "G/testvo/" + "g" * 300, "voms.request_name"),
    ("fqans=/testvo/g1/Role=admin/Capability=x", "G/testvo/Capability=x", "voms.request_name"),
    ("fqans=" + ",".join(f"/testvo/g{number}" for number in range(10_000)), "", "voms.request_too_many"),
]


@pytest.mark.parametrize(("query", "command", "logged"), REQUESTS, ids=range(len(REQUESTS)))
def test_names_that_are_none_are_a_bad_request(quiet: Grid, query: str, command: str, logged: str) -> None:
    reply = quiet.get(query)
    assert (reply.status, reply.problem[0]) == ("400 Bad Request", "BadRequest")
    assert reply.problem[1].startswith("testvo: ")
    assert quiet.logged()[-1]["code"] == logged
    old = etree.fromstring(quiet.service.legacy(legacy(command), quiet.alice.ders))
    assert old.findtext("error/item/number") == "1005"


@pytest.mark.parametrize(
    ("query", "command", "message"),
    [
        ("fqans=/othervo", "G/othervo", "testvo: Unable to satisfy G/othervo request!"),
        ("fqans=/testvoice/g1", "G/testvoice/g1", "testvo: Unable to satisfy G/testvoice/g1 request!"),
        ("fqans=/testvo/g1/Role=nope", "B/testvo/g1:nope", "testvo: Unable to satisfy B/testvo/g1:nope request!"),
        ("fqans=/Role=nope", "Rnope", "testvo: Unable to satisfy Rnope request!"),
    ],
)
def test_names_of_another_vo_or_not_held_refuse_the_whole_request(
    quiet: Grid, query: str, command: str, message: str
) -> None:
    reply = quiet.get(f"{query},/testvo")
    assert (reply.status, reply.problem) == ("400 Bad Request", ("BadRequest", message))
    old = etree.fromstring(quiet.service.legacy(legacy(command), quiet.alice.ders))
    assert (old.findtext("error/item/number"), old.findtext("error/item/message")) == ("1001", message)


@pytest.mark.parametrize(
    ("lifetime", "hours", "warned"),
    [
        ("0", 24, False),
        ("-1", 24, False),
        ("-" + "9" * 18, 24, False),
        ("9" * 18, 24, True),
    ],
)
def test_a_lifetime_of_nothing_or_for_ever_is_as_long_as_the_vo_gives(
    quiet: Grid, lifetime: str, hours: int, warned: bool
) -> None:
    reply = quiet.get(f"lifetime={lifetime}")
    assert reply.status == "200 OK"
    found = read_attribute_certificate(quiet.certificate(f"lifetime={lifetime}"))
    assert found.not_after - found.not_before == timedelta(hours=hours)
    text = "localhost:15010: The validity of this VOMS AC in your proxy is shortened to 86400 seconds!"
    assert [element.text for element in reply.root.findall("warning")] == ([text] if warned else [])
    old = etree.fromstring(quiet.service.legacy(legacy("G/testvo", lifetime), quiet.alice.ders))
    assert (old.findtext("error/item/number") == "2") is warned


def named(value: str, kind: _ASN1Type) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "ZZ"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "HV Test"),
            x509.NameAttribute(NameOID.COMMON_NAME, value, _type=kind),
        ]
    )


ODD = [
    ("Zoë Ångström 名前", _ASN1Type.UTF8String),
    ("Zoë Ångström", _ASN1Type.BMPString),
    ("Zoë", _ASN1Type.T61String),
    ("a/b=c/CN=Alice Member", _ASN1Type.UTF8String),
    ("tabs\tand\nlines\r", _ASN1Type.UTF8String),
    ("\x00\x01\x1b[2J", _ASN1Type.UTF8String),
    ("<voms>&amp;]]>", _ASN1Type.UTF8String),
    ('"quoted", +=\\;#', _ASN1Type.UTF8String),
    ("\u202etxt.exe \ufeff\ufffe", _ASN1Type.UTF8String),
    (" leading and trailing ", _ASN1Type.PrintableString),
    ("x" * 64, _ASN1Type.UTF8String),
]


@pytest.mark.parametrize(("value", "kind"), ODD, ids=range(len(ODD)))
def test_odd_characters_in_a_name_are_one_name_and_no_other(quiet: Grid, value: str, kind: _ASN1Type) -> None:
    odd = quiet.authority.issue(named(value, kind))
    quiet.trust.reload()
    refused = quiet.get("fqans=/testvo", odd.ders)
    assert (refused.status, refused.problem) == ("403 Forbidden", ("NoSuchUser", "testvo: User unknown to this VO."))
    quiet.vo.directory.add_member(CertificateNames.of(odd.certificate), at=NOW, by="operator")
    found = read_attribute_certificate(quiet.certificate("fqans=/testvo", odd.ders))
    assert found.holder_serial == odd.certificate.serial_number
    # As it stands in the certificate, to the octet.
    assert found.holder_issuer == quiet.authority.certificate.subject.public_bytes()
    assert etree.fromstring(quiet.get("fqans=/testvo/g2", odd.ders).body).findtext("error/code") == "BadRequest"


def test_garbage_in_place_of_certificates_gets_the_same_form(quiet: Grid) -> None:
    good = quiet.alice.ders
    longer = b"\x30\x82\xff\xff" + good[0][4:]
    nested = b"\x30\x80" * 20_000
    for chain in ((b"",), (b"\x30\x84\xff\xff\xff\xff",), (longer,), (nested,), (good[0][:-1],), good * 40, ()):
        reply = quiet.get("fqans=/testvo", chain)
        assert (reply.status, reply.problem[0]) == ("403 Forbidden", "SuspendedUser")
        assert "not active" in reply.problem[1]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<" * 60_000,
        b"<voms>" + b"<a>" * 10_000 + b"</a>" * 10_000 + b"</voms>",
        b'<!DOCTYPE v [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><voms><command>&b;</command></voms>',
        b"<voms></voms>",
        b"<voms><command></command></voms>",
        b"<voms>" + b"<command>G/testvo</command>" * 10_000 + b"</voms>",
        b"<voms><command>G/testvo</command><lifetime>soon</lifetime></voms>",
        b"<voms><command>G/testvo</command><targets>a b;c</targets></voms>",
        b"<voms><command>S1</command></voms>",
        b"\xff\xfe<\x00v\x00",
    ],
)
def test_documents_that_are_no_request_are_refused_by_number(quiet: Grid, document: bytes) -> None:
    old = etree.fromstring(quiet.service.legacy(document, quiet.alice.ders))
    assert old.findtext("error/item/number") == "1005"
    assert old.findtext("ac") == "QQ==\n"


def test_a_crash_is_an_internal_error_in_both_protocols(quiet: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(type(quiet.vo.memberships), "of_certificate", crash)
    old = etree.fromstring(quiet.service.legacy(legacy("G/testvo"), quiet.alice.ders))
    assert old.findtext("error/item/number") == "1006"
    assert "boom" not in (old.findtext("error/item/message") or "")
    with pytest.raises(RuntimeError):
        quiet.get("fqans=/testvo")
    answer = quiet.service.refusal(OstiaryError("internal"), "Something went wrong. (abc)")
    assert answer.status == "500 Internal Server Error"
    assert etree.fromstring(answer.body).findtext("error/code") == "InternalError"


def test_a_limited_proxy_gets_its_certificate_as_a_full_one_does(quiet: Grid) -> None:
    limited = make_proxy(
        quiet.alice.certificates, quiet.alice.key, lifetime=timedelta(hours=1), now=NOW, limited=True, key_size="ec"
    )
    chain = Identity(limited.certificate, limited.private_key, limited.certificates[1:])
    assert quiet.get("fqans=/testvo", chain.ders).status == "200 OK"
