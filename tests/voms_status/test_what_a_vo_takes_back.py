"""Suspending or removing takes back what was issued: the signed list says so, the answer about one certificate says so."""

import base64
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from ostiary.errors import Missing, NotAuthenticated, OstiaryError, Refusal, Unavailable
from ostiary.storage.engine import reading, writing
from ostiary.x509.ac_status import check_answer, question_about, read_status_list
from ostiary.x509.attribute_certificate import read_attribute_certificate
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.issuer_key import issuer_key
from ostiary.x509.lsc import Lsc, Names, VomsDirectory
from tests.voms_status.conftest import Status
from tests.x509.authorities import NOW, attribute_authority, private_key
from voms import people
from voms.changes import changing
from voms.issuing import Issuer
from voms.status.documents import revocation_list
from voms.status.issued import find_issued, issued_to, note_issued, revoke_one


def suspend(status: Status) -> None:
    status.grid.vo.directory.suspend(status.grid.vo.alice, "lost her laptop", at=NOW, by="operator")


def serials(status: Status) -> set[int]:
    """What a relying party reads in the list of the moment."""
    now = status.grid.clock.now()
    body = status.ask("/status/list").body
    return set(read_status_list(body, "testvo", status.vomsdir, status.grid.trust(), now).revoked)


def test_each_certificate_is_noted_before_it_leaves(status: Status) -> None:
    found = status.issued()
    with reading(status.grid.vo.engine) as connection:
        row = find_issued(connection, "testvo", f"{found.serial:032x}")
    assert row is not None
    assert (row.kind, row.member, row.issued_at, row.not_after, row.revoked_at) == (
        "ac",
        status.grid.vo.alice,
        found.not_before,
        found.not_after,
        None,
    )


def test_a_list_of_names_notes_nothing(status: Status) -> None:
    request = b'<?xml version="1.0"?><voms><command>N</command></voms>'
    status.grid.service.legacy(request, status.grid.alice.ders)
    with reading(status.grid.vo.engine) as connection:
        assert issued_to(connection, "testvo", status.grid.vo.alice, NOW) == ()


def test_a_suspension_takes_back_all_of_hers_that_is_still_valid(status: Status) -> None:
    short, long = status.issued("lifetime=60"), status.issued()
    status.grid.clock.at = NOW + timedelta(minutes=5)
    status.grid.vo.directory.suspend(status.grid.vo.alice, "gone", at=NOW + timedelta(minutes=5), by="operator")
    assert serials(status) == {long.serial}
    with reading(status.grid.vo.engine) as connection:
        row = find_issued(connection, "testvo", f"{short.serial:032x}")
    assert row is not None
    assert row.revoked_at is None


def test_restoring_a_member_does_not_bring_back_what_was_taken(status: Status) -> None:
    found = status.issued()
    suspend(status)
    status.grid.vo.directory.restore(status.grid.vo.alice, at=NOW, by="operator")
    new = status.issued()
    assert serials(status) == {found.serial}
    assert new.serial != found.serial


def test_a_removed_member_has_nothing_left(status: Status) -> None:
    found = status.issued()
    status.grid.vo.directory.remove_member(status.grid.vo.alice, at=NOW, by="operator")
    assert serials(status) == {found.serial}


@pytest.mark.parametrize("what", ["suspend", "remove"])
def test_one_certificate_of_a_member_can_lose_what_was_issued_under_it(status: Status, what: str) -> None:
    grid, vo = status.grid, status.grid.vo
    second = grid.authority.issue("/C=ZZ/O=HV Test/CN=Alice 2026")
    names = CertificateNames.of(second.certificate)
    vo.directory.add_certificate(vo.alice, names, at=NOW, by="operator")
    status.issued()
    under_second = grid.certificate("fqans=/testvo", second.ders)
    with changing(vo.engine, "testvo", "vo.test", at=NOW, by="operator") as change:
        if what == "suspend":
            people.suspend_certificate(change, names, "stolen")
        else:
            people.remove_certificate(change, names)
    assert serials(status) == {read_attribute_certificate(under_second).serial}


def test_a_manager_takes_back_a_single_one(status: Status) -> None:
    first, second = status.issued(), status.issued()
    with changing(status.grid.vo.engine, "testvo", "vo.test", at=NOW, by="operator") as change:
        revoke_one(change, f"{first.serial:032x}")
        with pytest.raises(Missing, match=r"voms\.not_issued"):
            revoke_one(change, f"{first.serial:032x}")
    assert serials(status) == {first.serial}
    assert second.serial != first.serial


def test_nothing_leaves_for_a_member_who_was_suspended_since_she_was_looked_up(status: Status) -> None:
    vo = status.grid.vo
    key = CertificateNames.of(status.grid.alice.certificate).key
    told = {"serial": "0" * 32, "kind": "ac", "member": vo.alice, "issued_at": NOW, "not_after": NOW}
    suspend(status)
    with pytest.raises(OstiaryError, match=r"voms\.suspended"), writing(vo.engine) as connection:
        note_issued(connection, "testvo", names_key=key, **told)
    vo.directory.remove_member(vo.alice, at=NOW, by="operator")
    with pytest.raises(OstiaryError, match=r"voms\.unknown"), writing(vo.engine) as connection:
        note_issued(connection, "testvo", names_key=key, **told)


def test_the_list_is_signed_and_good_for_an_hour(status: Status) -> None:
    status.issued()
    suspend(status)
    reply = status.ask("/status/list")
    assert reply.status == "200 OK"
    assert reply.headers["Content-Type"] == "application/x-pem-file"
    assert reply.headers["Cache-Control"] == "public, max-age=60, must-revalidate"
    crl = x509.load_pem_x509_crl(reply.body)
    assert (crl.last_update_utc, crl.next_update_utc) == (NOW, NOW + timedelta(hours=1))
    assert crl.is_signature_valid(status.grid.host.certificate.public_key())  # type: ignore[arg-type]
    [entry] = crl
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.privilege_withdrawn


def test_the_list_stays_the_same_until_something_changes_or_half_of_its_time_is_over(status: Status) -> None:
    first = status.ask("/status/list")
    status.grid.clock.at = NOW + timedelta(minutes=29)
    assert status.ask("/status/list").body == first.body
    known = status.ask("/status/list", headers={"HTTP_IF_NONE_MATCH": f'"other", {first.headers["ETag"]}'})
    assert (known.status, known.body) == ("304 Not Modified", b"")
    assert "Content-Length" not in known.headers
    status.grid.clock.at = NOW + timedelta(minutes=30)
    later = status.ask("/status/list")
    assert later.headers["ETag"] != first.headers["ETag"]
    status.issued()
    suspend_at = NOW + timedelta(minutes=31)
    status.grid.vo.directory.suspend(status.grid.vo.alice, "gone", at=suspend_at, by="operator")
    status.grid.clock.at = suspend_at
    assert len(serials(status)) == 1


def test_what_has_ended_leaves_the_list(status: Status) -> None:
    status.issued("lifetime=600")
    suspend(status)
    assert len(serials(status)) == 1
    status.grid.clock.at = NOW + timedelta(minutes=11)
    assert serials(status) == set()


def test_who_asks_often_does_not_make_the_database_work(status: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    status.ask("/status/list")

    def down(*_: object) -> None:
        raise Unavailable("storage.unavailable", expected="a database", found="none")

    monkeypatch.setattr("voms.status.service.revoked_now", down)
    assert status.ask("/status/list").status == "200 OK"
    status.grid.clock.at = NOW + timedelta(seconds=5)
    assert status.ask("/status/list").status == "503 Service Unavailable"


@pytest.mark.parametrize(
    ("path", "method", "answered"),
    [
        ("/status", "GET", "404 Not Found"),
        ("/status/list", "POST", "405 Method Not Allowed"),
        ("/status/list", "HEAD", "200 OK"),
        ("/status/ocsp", "GET", "405 Method Not Allowed"),
        ("/status/ocsp/AAAA", "POST", "405 Method Not Allowed"),
    ],
)
def test_other_addresses_and_methods(status: Status, path: str, method: str, answered: str) -> None:
    assert status.ask(path, method=method).status == answered
    if method == "HEAD":
        assert status.ask(path, method=method).body == b""


def asked(status: Status, question: bytes, *, by_path: bool = False) -> bytes:
    if by_path:
        reply = status.ask(f"/status/ocsp/{base64.b64encode(question).decode()}")
    else:
        reply = status.ask("/status/ocsp", method="POST", body=question)
    assert reply.status == "200 OK"
    assert reply.headers["Content-Type"] == "application/ocsp-response"
    return reply.body


@pytest.mark.parametrize("by_path", [False, True])
def test_one_request_tells_of_one_certificate(status: Status, by_path: bool) -> None:
    found, trust = status.issued(), status.grid.trust()
    question = question_about(found)
    check_answer(asked(status, question, by_path=by_path), found, status.vomsdir, trust, NOW)
    suspend(status)
    with pytest.raises(NotAuthenticated) as caught:
        check_answer(asked(status, question, by_path=by_path), found, status.vomsdir, trust, NOW)
    assert (caught.value.code, caught.value.params["at"]) == ("x509.ac_revoked", "2026-11-22 12:00:00 UTC")


def test_an_answer_repeats_the_nonce_and_is_good_for_no_other_question(status: Status) -> None:
    found, trust, nonce = status.issued(), status.grid.trust(), b"\x01" * 16
    answer = asked(status, question_about(found, nonce=nonce))
    check_answer(answer, found, status.vomsdir, trust, NOW, nonce=nonce)
    other = status.issued()
    for wrong, certificate in ((b"\x02" * 16, found), (None, found), (nonce, other)):
        with pytest.raises(Refusal, match=r"x509\.status_answer"):
            check_answer(answer, certificate, status.vomsdir, trust, NOW, nonce=wrong)


def test_an_answer_of_yesterday_says_nothing(status: Status) -> None:
    found = status.issued()
    answer = asked(status, question_about(found))
    for now in (NOW + timedelta(hours=2), NOW - timedelta(minutes=6)):
        with pytest.raises(Refusal, match=r"x509\.status_answer"):
            check_answer(answer, found, status.vomsdir, status.grid.trust(), now)


def test_a_certificate_that_nobody_issued_is_unknown(status: Status) -> None:
    found = status.issued()
    request = ocsp.load_der_ocsp_request(question_about(found))
    unknown = (
        ocsp.OCSPRequestBuilder()
        .add_certificate_by_hash(
            request.issuer_name_hash, request.issuer_key_hash, found.serial ^ 2, request.hash_algorithm
        )
        .build()
        .public_bytes(serialization.Encoding.DER)
    )
    answer = ocsp.load_der_ocsp_response(asked(status, unknown))
    assert answer.certificate_status is ocsp.OCSPCertStatus.UNKNOWN


def test_a_question_about_somebody_elses_certificate_is_not_answered(status: Status) -> None:
    found = status.issued()
    foreign = (
        ocsp.OCSPRequestBuilder()
        .add_certificate_by_hash(b"\x00" * 32, b"\x00" * 32, found.serial, hashes.SHA256())
        .build()
        .public_bytes(serialization.Encoding.DER)
    )
    answer = asked(status, foreign)
    assert ocsp.load_der_ocsp_response(answer).response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED
    with pytest.raises(NotAuthenticated, match=r"x509\.ac_status_unknown"):
        check_answer(answer, found, status.vomsdir, status.grid.trust(), NOW)


@pytest.mark.parametrize("question", [b"", b"\x30\x82\xff\xff", b"\x30" * 5000, b"<voms/>"])
def test_garbage_is_a_malformed_request(status: Status, question: bytes) -> None:
    answer = ocsp.load_der_ocsp_response(asked(status, question))
    assert answer.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_garbage_in_the_path_is_a_malformed_request(status: Status) -> None:
    for text in ("%%%", quote("é"), "A" * 20_000):
        answer = ocsp.load_der_ocsp_response(status.ask(f"/status/ocsp/{text}").body)
        assert answer.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_only_who_may_speak_for_the_vo_can_sign_its_list(status: Status) -> None:
    trust = status.grid.trust()
    other = attribute_authority(status.grid.authority, "/C=ZZ/O=HV Test/CN=other")
    body = revocation_list({1: NOW}, Issuer(other, "localhost", 15010), NOW, timedelta(hours=1))
    with pytest.raises(NotAuthenticated, match=r"x509\.status_signer"):
        read_status_list(body, "testvo", status.vomsdir, trust, NOW)
    # Its own VO may believe it; it stands in that one's LSC file.
    its = VomsDirectory({("othervo", "h"): Lsc((tuple(map(Names.of, other.certificates)),))})
    assert set(read_status_list(body, "othervo", its, trust, NOW).revoked) == {1}
    with pytest.raises(NotAuthenticated, match=r"x509\.status_signer"):
        read_status_list(body, "testvo", its, trust, NOW)


def test_a_list_that_was_changed_on_the_way_is_refused(status: Status) -> None:
    trust = status.grid.trust()
    own = status.grid.authority.issue("/C=ZZ/O=HV Test/CN=localhost", key=private_key("ec", "a forger"))
    theirs = issuer_key([own.certificate], own.key, certificate_file=Path("a"), key_file=Path("b"))
    mine = status.ask("/status/list").body
    foreign = revocation_list({}, Issuer(theirs, "localhost", 15010), NOW, timedelta(hours=1))
    end = b"-----END X509 CRL-----\n"
    mixed = foreign[: foreign.index(end) + len(end)] + mine[mine.index(end) + len(end) :]
    with pytest.raises(NotAuthenticated, match=r"x509\.status_signer"):
        read_status_list(mixed, "testvo", status.vomsdir, trust, NOW)
    without = mine[: mine.index(end) + len(end)]
    for broken in (b"", b"hello", without, mine[200:]):
        with pytest.raises(Refusal, match=r"x509\.status_(list|signer)"):
            read_status_list(broken, "testvo", status.vomsdir, trust, NOW)


def test_a_list_out_of_its_time_is_refused(status: Status) -> None:
    body = status.ask("/status/list").body
    for now in (NOW + timedelta(hours=1, seconds=1), NOW - timedelta(minutes=6)):
        with pytest.raises(Refusal, match=r"x509\.status_list"):
            read_status_list(body, "testvo", status.vomsdir, status.grid.trust(), now)
