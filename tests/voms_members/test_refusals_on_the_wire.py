"""What clients are told in each state, in the original's form; and what of it bounds a certificate on the wire."""

import base64
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ostiary.x509.attribute_certificate import read_attribute_certificate
from ostiary.x509.certificate_names import CertificateNames
from tests.voms.grid import Grid, make_grid
from tests.x509.authorities import NOW, root
from voms.administration.callers import OPERATOR
from voms.administration.desk import Desk
from voms.members import desk as life

DAY = timedelta(days=1)


@pytest.fixture
def grid(engine: Engine, tmp_path: Path) -> Grid:
    return make_grid(engine, tmp_path, root(), now=NOW)


def desk(grid: Grid) -> Desk:
    return Desk(grid.vo.engine, "testvo", OPERATOR, grid.clock.now())


def refused(grid: Grid) -> tuple[str, tuple[str, str]]:
    reply = grid.get("fqans=/testvo")
    return reply.status, reply.problem


def end_of_certificate(grid: Grid) -> timedelta:
    reply = grid.get("fqans=/testvo")
    return read_attribute_certificate(base64.b64decode(reply.root.findtext("ac") or "")).not_after - NOW


def test_an_expired_member_is_refused_in_the_originals_words_and_the_log_says_more(grid: Grid) -> None:
    desk(grid).set_end(grid.vo.alice, NOW + timedelta(hours=1))
    assert end_of_certificate(grid) == timedelta(hours=1)
    grid.clock.forward(hours=1)
    message = "User is currently suspended!\nSuspension reason: User membership has expired."
    assert refused(grid) == ("403 Forbidden", ("SuspendedUser", message))
    assert grid.logged()[-1]["code"] == "voms.expired"


def test_in_the_time_of_grace_a_certificate_ends_with_it(grid: Grid) -> None:
    desk(grid).set_end(grid.vo.alice, NOW - 6 * DAY - timedelta(hours=20))
    life.set_grace(desk(grid), 7)
    assert end_of_certificate(grid) == timedelta(hours=4)


def test_who_did_not_sign_is_refused_in_the_originals_words_and_served_once_she_has(grid: Grid) -> None:
    life.add_version(desk(grid), "1", url="https://vo.example.org/aup", grace_days=0)
    message = "User is currently suspended!\nSuspension reason: User failed to sign the AUP in time."
    assert refused(grid) == ("403 Forbidden", ("SuspendedUser", message))
    assert grid.logged()[-1]["code"] == "voms.aup_due"
    life.record_signature(desk(grid), grid.vo.alice)
    assert end_of_certificate(grid) == DAY


def test_the_legacy_protocol_says_the_same_under_its_number(grid: Grid) -> None:
    desk(grid).set_end(grid.vo.alice, NOW - DAY)
    answer = grid.service.legacy(b"<voms><command>G/testvo</command></voms>", grid.alice.ders)
    assert b"<number>1004</number>" in answer
    assert b"User membership has expired." in answer


def test_a_suspended_certificate_is_told_its_own_reason(grid: Grid) -> None:
    names = CertificateNames.of(grid.alice.certificate)
    desk(grid).suspend_certificate(grid.vo.alice, names, "Left on a train.")
    message = "User is currently suspended!\nSuspension reason: Left on a train."
    assert refused(grid) == ("403 Forbidden", ("SuspendedUser", message))


def test_a_host_is_a_member_that_gets_its_certificate_unattended_and_signs_nothing(grid: Grid) -> None:
    host = grid.authority.issue("/C=ZZ/O=HV Test/CN=robot.example.org", not_before=NOW - DAY, not_after=NOW + 300 * DAY)
    member = desk(grid).add_member(CertificateNames.of(host.certificate), kind="service")
    desk(grid).join(member, "/testvo/g1")
    life.add_version(desk(grid), "1", url="https://vo.example.org/aup", grace_days=0)
    reply = grid.get("fqans=/testvo/g1", host.ders)
    found = read_attribute_certificate(base64.b64decode(reply.root.findtext("ac") or ""))
    assert found.fqans[0] == "/testvo/g1/Role=NULL/Capability=NULL"
    assert found.holder_serial == host.certificate.serial_number
