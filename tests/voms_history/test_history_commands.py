"""``ostiary vo history ...``."""

from datetime import timedelta
from pathlib import Path

import pytest

from ostiary.errors import Missing, Refusal
from ostiary.x509.certificate_names import CertificateNames
from tests.voms_administration.site import Site, make_site
from voms.commands.certificate_files import names_of_file

HOUR = timedelta(hours=1)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """``example`` with Ada in ``/example/g`` since an hour, and the role pilot; the clock goes on an hour with each change."""
    made = make_site(tmp_path)
    for command in (
        "create",
        "add-group /example/g",
        "add-role pilot",
        "add-member ada.pem",
        "join ada.pem /example/g",
    ):
        made.told(command)
    return made


def later(site: Site, hours: int) -> Site:
    site.clock.at += hours * HOUR  # type: ignore[attr-defined]
    return site


def test_was_in_says_yes_or_no_with_the_grant_or_the_reason(site: Site) -> None:
    later(site, 1).told('suspend ada.pem "Her key was lost."')
    member = later(site, 1).json("history was-in ada.pem /example/g")["member"]
    yes = site.told("history was-in ada.pem /example/g --at 2026-11-22T12:30:00Z").splitlines()
    assert yes[0] == f"yes  {member}  /example/g  at 2026-11-22T12:30:00Z"
    assert yes[1].startswith("  /example/g  granted 2026-11-22T12:00:00Z by operator (")
    now = site.told("history was-in ada.pem /example/g").splitlines()
    assert now[1] == "could not act: suspended  by operator  Her key was lost."
    no = site.json("history was-in ada.pem /example/g --role pilot")
    assert (no["inside"], no["acted"], no["state"], no["grounds"]) == (False, False, "suspended", [])
    with pytest.raises(Missing):
        site.told("history was-in ada.pem /example/g --at 2026-11-21T12:30:00Z")


def test_who_lists_times_and_grants(site: Site) -> None:
    site.told(
        "assign-role ada.pem /example/g pilot --recurs FREQ=DAILY --first 2026-11-23T08:00 --for PT8H --zone Europe/Amsterdam"
    )
    asked = "history who /example/g --role pilot --from 2026-11-22T12:00:00Z --to 2026-11-25T00:00:00Z"
    first, *rest = site.told(asked).splitlines()
    assert first.endswith("  CN=Ada Adams,O=HV Test,C=ZZ")
    assert rest[:2] == [
        "  2026-11-23T07:00:00Z to 2026-11-23T15:00:00Z",
        "  2026-11-24T07:00:00Z to 2026-11-24T15:00:00Z",
    ]
    assert len(rest) == 4
    [ada] = site.json(asked)["members"]
    assert ada["times"][0] == {"from": "2026-11-23T07:00:00Z", "to": "2026-11-23T15:00:00Z"}
    assert site.told("history who /example --role pilot --to 2026-11-22T13:00:00Z") == ""
    with pytest.raises(Refusal):
        site.told("history who /example/g --from 2026-11-22T12:00:00Z --to 2026-11-22T12:00:00Z")


def test_more_times_than_a_page_holds_are_counted(site: Site) -> None:
    site.told("assign-role ada.pem /example/g pilot --recurs FREQ=DAILY --first 2026-11-23T08:00 --for PT8H")
    asked = "history who /example/g --role pilot --from 2026-11-22T12:00:00Z --to 2027-11-22T12:00:00Z"
    assert "  and 315 more times (--json tells them all)" in site.told(asked).splitlines()
    assert len(site.json(asked)["members"][0]["times"]) == 365


def test_by_names_an_operator_a_member_or_a_certificate_of_nobody_yet(site: Site) -> None:
    done = site.told("history by operator --most 2").splitlines()
    assert [line.split("  ")[3] for line in done] == ["vo.group_joined", "vo.member_added"]
    assert site.json("history by operator --most 2")["before"]["serial"] == int(done[1].split("  ")[0])
    assert site.told("history by ada.pem") == ""
    assert site.told("history by stranger.pem") == ""
    ben: CertificateNames = names_of_file(site.directory / "ben.pem")
    assert site.told(f"history by certificate:{ben.key[:16]}") == ""


def test_member_tells_everything_also_of_who_is_gone(site: Site) -> None:
    later(site, 1).told("remove-member ada.pem")
    told = site.told("history member ada.pem").splitlines()
    assert [line.split("  ")[3] for line in told] == [
        *("membership began", "certificate began", "group began"),
        *("membership ended", "certificate ended", "group ended"),
    ]
    assert "  group=/example/g" in told[2]
    with pytest.raises(Missing):
        site.told("history member ben.pem")
