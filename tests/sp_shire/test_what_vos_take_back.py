"""A resource that asks a VO what it has taken back: when it asks, what it goes on with, and what it refuses."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from pydantic import ValidationError

from ostiary.errors import NotAuthenticated, OstiaryError, Unavailable
from ostiary.web.log import make_log
from ostiary.x509.attribute_certificate import AttributeCertificate, read_attribute_certificate
from ostiary.x509.lsc import VomsDirectory
from ostiary.x509.trust import TrustDirectory
from sp_shire.certificates.settings import CertificateSettings, VoStatusSettings
from sp_shire.certificates.vo_status import Fetched, VoStatusLists
from tests.simulator import MovableClock
from tests.x509.authorities import NOW, attribute_authority, attribute_certificate, root, vomsdir_for
from voms.issuing import Issuer
from voms.status.documents import revocation_list

AUTHORITY = root()
AA = attribute_authority(AUTHORITY)
ALICE = AUTHORITY.issue("/C=ZZ/O=HV Test/CN=Alice")
MINUTE = timedelta(minutes=1)


@dataclass
class Vo:
    """The other side. ``fails``: what asking raises."""

    revoked: dict[int, datetime] = field(default_factory=dict)
    asked: list[tuple[datetime, str]] = field(default_factory=list)
    fails: OstiaryError | None = None
    clock: MovableClock = field(default_factory=lambda: MovableClock(NOW))
    signed_at: datetime | None = None

    def fetch(self, url: str, tag: str, authorities: Sequence[bytes]) -> Fetched:
        self.asked.append((self.clock.now(), tag))
        if self.fails is not None:
            raise self.fails
        body = revocation_list(
            self.revoked, Issuer(AA, "localhost", 15010), self.signed_at or self.clock.now(), timedelta(hours=1)
        )
        now_tag = f'"{sorted(self.revoked)}"'
        return Fetched(None if tag == now_tag else body, now_tag)


@dataclass
class Resource:
    """A resource's side, by the clock of the VO."""

    vo: Vo
    lists: VoStatusLists
    trust: TrustDirectory
    vomsdir: VomsDirectory
    log: io.StringIO
    waiting: list[Callable[[], None]]

    def check(self, certificate: AttributeCertificate) -> None:
        now = self.vo.clock.now()
        known = self.lists.current(self.trust, self.vomsdir, now)
        while self.waiting:
            self.waiting.pop()()
        known.check(certificate, now)


Make = Callable[..., Resource]


@pytest.fixture
def make(tmp_path) -> Make:  # type: ignore[no-untyped-def]
    from ostiary.x509.trust import load_trust_directory

    AUTHORITY.install(tmp_path)
    trust = load_trust_directory(tmp_path)

    def made(*, required: bool = True) -> Resource:
        vo, log = Vo(), io.StringIO()
        settings = VoStatusSettings(vo="testvo", url="https://localhost:15010/status/list", required=required)
        telling = make_log(vo.clock, service="sp", stream=log)
        waiting: list[Callable[[], None]] = []
        lists = VoStatusLists([settings], telling, fetch=vo.fetch, beside=waiting.append)
        return Resource(vo, lists, trust, vomsdir_for(AA), log, waiting)

    return made


@pytest.fixture
def certificate() -> AttributeCertificate:
    return read_attribute_certificate(attribute_certificate(AA, ALICE.certificate))


def test_the_vo_is_asked_once_a_minute_and_what_is_new_counts_from_then_on(
    make: Make, certificate: AttributeCertificate
) -> None:
    resource = make()
    resource.check(certificate)
    resource.check(certificate)
    assert resource.vo.asked == [(NOW, "")]
    resource.vo.revoked[certificate.serial] = NOW
    resource.vo.clock.at = NOW + MINUTE
    resource.check(certificate)
    assert resource.vo.asked[1:] == [(NOW + MINUTE, '"[]"')]
    with pytest.raises(NotAuthenticated, match=r"x509\.ac_revoked"):
        resource.check(certificate)


def test_the_same_answer_is_the_same_object(make: Make, certificate: AttributeCertificate) -> None:
    resource = make()
    first = resource.lists.current(resource.trust, resource.vomsdir, NOW)
    resource.vo.clock.at = NOW + MINUTE
    resource.check(certificate)
    assert resource.lists.current(resource.trust, resource.vomsdir, NOW + MINUTE) is first


def test_while_the_vo_is_silent_its_last_word_counts_until_it_ends(
    make: Make, certificate: AttributeCertificate
) -> None:
    resource = make()
    resource.check(certificate)
    resource.vo.fails = Unavailable("certificates.vo_status", expected="a list", found="nothing")
    resource.vo.clock.at = NOW + timedelta(minutes=59)
    resource.check(certificate)
    resource.vo.clock.at = NOW + timedelta(minutes=61)
    with pytest.raises(NotAuthenticated, match=r"x509\.ac_status_unknown"):
        resource.check(certificate)
    assert json.loads(resource.log.getvalue().splitlines()[-1])["event"] == "vo_status_unknown"


def test_without_any_word_nothing_of_the_vo_counts_unless_the_site_says_so(
    make: Make, certificate: AttributeCertificate
) -> None:
    strict, mild = make(), make(required=False)
    for resource in (strict, mild):
        resource.vo.fails = Unavailable("certificates.vo_status", expected="a list", found="nothing")
    with pytest.raises(NotAuthenticated, match=r"x509\.ac_status_unknown"):
        strict.check(certificate)
    with pytest.raises(NotAuthenticated, match=r"x509\.ac_status_unknown"):
        strict.check(certificate)
    assert len(strict.vo.asked) == 1
    strict.vo.fails = None
    strict.vo.clock.at = NOW + timedelta(seconds=30)
    strict.check(certificate)
    mild.check(certificate)


def test_what_was_taken_back_does_not_come_back_with_an_older_list(
    make: Make, certificate: AttributeCertificate
) -> None:
    resource = make()
    resource.vo.revoked[certificate.serial] = NOW
    with pytest.raises(NotAuthenticated, match=r"x509\.ac_revoked"):
        resource.check(certificate)
    resource.vo.revoked.clear()
    resource.vo.clock.at, resource.vo.signed_at = NOW + MINUTE, NOW - MINUTE
    for _ in range(2):
        with pytest.raises(NotAuthenticated, match=r"x509\.ac_revoked"):
            resource.check(certificate)
    resource.vo.clock.at = NOW + timedelta(hours=3)
    resource.vo.fails = Unavailable("certificates.vo_status", expected="a list", found="nothing")
    with pytest.raises(NotAuthenticated, match=r"x509\.ac_revoked"):
        resource.check(certificate)


def test_another_vo_is_not_asked(make: Make) -> None:
    other = read_attribute_certificate(
        attribute_certificate(AA, ALICE.certificate, vo="othervo", fqans=("/othervo/Role=NULL/Capability=NULL",))
    )
    resource = make()
    resource.vo.revoked[other.serial] = NOW
    resource.check(other)


def test_a_vo_is_named_once(tmp_path) -> None:  # type: ignore[no-untyped-def]
    asked = {"vo": "a", "url": "https://localhost/status/list"}
    content = {"ca_directory": str(tmp_path), "vo_status": [asked, asked]}
    with pytest.raises(ValidationError, match=r"certificates\.vo_status_twice"):
        CertificateSettings.model_validate(content, context={"directory": tmp_path})
