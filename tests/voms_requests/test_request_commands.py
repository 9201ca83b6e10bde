"""``ostiary vo requests`` and ``ostiary vo invite`` on a command line, in words and in JSON; letters go into a directory."""

import email
import email.policy
from pathlib import Path

import pytest

from ostiary.errors import Missing, Refusal
from ostiary.storage.engine import open_engine
from ostiary.web.log import make_log
from ostiary.web.texts import Catalogue
from ostiary.x509.certificate_names import CertificateNames
from tests.voms_administration.site import NOW, SETTINGS, Site, make_site
from voms.administration.callers import caller_of_certificate
from voms.commands.certificate_files import names_of_file
from voms.details import Details
from voms.requests.applicants import Applicants
from voms.requests.asked import Asked, Wish
from voms.requests.office import Office
from voms.requests.opening import open_office
from voms.service import TEXTS
from voms.several import load_vo

FORM = Asked(Details("Bea", "Beispiel", "Institute", "", "", "bea@example.org"), "Hello.", (Wish("/example/data"),))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = make_site(tmp_path)
    (tmp_path / "voms.yaml").write_text(SETTINGS + "mail: {type: files, directory: letters}\n")
    made.told("create")
    made.told("add-group /example/data")
    return made


def letters(site: Site) -> list[str]:
    """Recipient and text of each, in no order: all are of one moment."""
    found = []
    for path in sorted((site.directory / "letters").glob("*.eml")):
        letter = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        found.append(f"{letter['To']}\n{letter.get_content()}")
    return found


def applied(site: Site) -> str:
    """The id of Ben's application, confirmed."""
    settings = load_vo(site.directory / "voms.yaml")
    engine = open_engine(f"sqlite:///{site.directory}/vo.db")
    office: Office = open_office(
        settings, engine, Catalogue.load(TEXTS), lambda: NOW, make_log(site.clock, service="vo")
    )
    names: CertificateNames = names_of_file(site.directory / "ben.pem")
    ben = caller_of_certificate(engine, "example", names, NOW)
    made = Applicants(office).apply(ben, FORM, NOW)
    token = letters(site)[-1].rpartition("token=")[2].split()[0]
    Applicants(office).confirm(ben, made.id, token, NOW)
    engine.dispose()
    return made.id


def test_an_application_is_listed_shown_and_approved(site: Site) -> None:
    number = applied(site)
    assert "https://voms.example.org:15000/voms/example/confirm?request=" in letters(site)[0]
    assert site.told("requests list") == f"{number}  2026-11-22  join  confirmed  Bea Beispiel  /example/data\n"
    [facts] = site.json("requests list")
    assert (facts["known_by"], facts["mail"], facts["remark"], facts["wishes"]) == (
        "CN=Ben,O=HV Test,C=ZZ",
        "bea@example.org",
        "Hello.",
        ["/example/data"],
    )
    assert "ends: 2027-01-21T12:00:00Z\n" in site.told(f"requests show {number}")
    granted = site.json(f"requests approve {number} --until 2027-11-22T00:00:00Z")
    assert granted == {"request": number, "member": number, "granted": ["/example/data"]}
    assert "/example/data" in site.told("show ben.pem")
    assert site.told("requests list") == ""
    assert [each["state"] for each in site.json("requests list --ended")] == ["approved"]
    assert any(text.startswith("bea@example.org\nHello Bea Beispiel,") and "approved" in text for text in letters(site))


def test_membership_alone_is_approved_without_the_groups(site: Site) -> None:
    assert site.told(f"requests approve {(number := applied(site))} --no-groups") == f"{number}\n"
    assert "/example/data" not in site.told("show ben.pem")


def test_a_rejection_tells_its_reason(site: Site) -> None:
    number = applied(site)
    site.told(f"requests reject {number} 'We do not know you.'")
    assert any("We do not know you." in text for text in letters(site))
    assert isinstance(site.run(f"requests approve {number}").exception, Refusal)
    assert isinstance(site.run(f"requests show {'0' * 32}").exception, Missing)


def test_a_request_is_handed_to_a_manager_and_to_nobody_else(site: Site) -> None:
    number = applied(site)
    site.told("add-member ada.pem --mail ada@example.org")
    refused = site.run(f"requests hand-over {number} ada.pem").exception
    assert isinstance(refused, Refusal)
    assert refused.code == "voms.hand_over"
    site.told("assign-role ada.pem /example VO-Admin")
    assert len(site.json(f"requests hand-over {number} ada.pem --note 'Yours?'")["handed_to"]) == 32
    assert any(text.startswith("ada@example.org\n") and "Yours?" in text for text in letters(site))


def test_people_are_invited_by_letter_or_by_a_link_that_is_printed(site: Site) -> None:
    number = site.told("invite send bea@example.org --with /example/data").strip()
    assert "https://voms.example.org:15000/voms/example/invitation?invitation=" in letters(site)[0]
    printed = site.json("invite send eve@example.org --print")
    assert printed["link"].startswith("https://voms.example.org:15000/voms/example/invitation?invitation=")
    assert len(letters(site)) == 1
    assert [each["mail"] for each in site.json("invite list")] == ["bea@example.org", "eve@example.org"]
    assert site.told("invite list").splitlines()[0] == (
        f"{number}  bea@example.org  until 2026-12-06T12:00:00Z  /example/data"
    )
    site.told(f"invite withdraw {number}")
    assert [each["mail"] for each in site.json("invite list")] == ["eve@example.org"]


def test_unconfirmed_applications_are_listed_on_request(site: Site) -> None:
    assert site.json("requests list --unconfirmed") == []
