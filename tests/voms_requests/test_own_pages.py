"""The applicants' and members' own pages, as a browser without JavaScript sends and gets them."""

import io
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from flask.testing import FlaskClient
from lxml import html
from werkzeug.test import TestResponse

from ostiary.clock import StandingClock
from ostiary.web.log import make_log
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.trust import TrustDirectory
from tests.voms.conftest import ALICE, NOW
from tests.voms_requests.conftest import CHIEF, FORM, OTHER, STRANGER, Requesting
from tests.x509.authorities import root
from voms.administration.callers import OPERATOR
from voms.administration.desk import Desk
from voms.changes import changing
from voms.details import Details
from voms.members import aup
from voms.pages.frame import make_pages
from voms.pages.overview import OVERVIEW
from voms.pages.own import OWN
from voms.pages.visitors import ServedVo, Visitor
from voms.requests.asked import Wish
from voms.settings import VomsSettings

BASE = "http://localhost:8002"
FILLED = {
    "given_name": "Bea",
    "surname": "Beispiel",
    "institution": "Test Institute",
    "mail": "bea@example.org",
    "remark": "I work with Alice.",
    "wishes": "/testvo/g1\r\n/testvo/g2/Role=pilot",
}


@dataclass
class Browser:
    """Who ``caller()`` is; ``told``: what her home organisation tells of her."""

    client: FlaskClient
    requesting: Requesting
    names: list[CertificateNames] = field(default_factory=lambda: [STRANGER])

    def now(self, names: CertificateNames) -> None:
        self.names[0] = names

    def get(self, path: str) -> TestResponse:
        return self.client.get(path if path.startswith("/voms") else f"/voms/testvo{path}", base_url=BASE)

    def send(self, page: str, path: str, **fields: str) -> TestResponse:
        """The form on ``page`` with this action, filled in so."""
        shown = self.get(page)
        document = html.fromstring(shown.get_data())
        forms = [form for form in document.forms if str(form.action).endswith(path)]
        assert forms, shown.get_data(as_text=True)
        hidden = {each.name: each.value for each in forms[0].xpath(".//input[@type='hidden']")}
        return self.client.post(f"/voms/testvo{path}", base_url=BASE, data={**hidden, **fields})

    def link(self) -> str:
        """The address in the latest letter, without its host."""
        found = re.findall(r"https://[^/\s]+(/voms/\S+)", self.requesting.mailbox.letters[-1].body)
        return str(found[0])


@pytest.fixture
def browser(requesting: Requesting) -> Browser:
    names = [STRANGER]
    known = Details("Bea", "Beispiel", "", "", "", "bea@home.example.org")

    def who(vo: ServedVo, environ: Any, now: datetime) -> Visitor:
        return Visitor(requesting.by(names[0], now), known)

    settings = VomsSettings.model_construct(vo="testvo", requests=requesting.office.settings)
    served = ServedVo(settings, requesting.vo.engine, lambda: TrustDirectory(()), requesting.office)
    clock = StandingClock(NOW)
    app = make_pages(
        [served],
        who,
        [OVERVIEW, OWN],
        service_name="Test VO",
        public_url=BASE,
        secret=b"s" * 32,
        log=make_log(clock, service="voms", stream=io.StringIO()),
        clock=clock,
    )
    return Browser(app.test_client(), requesting, names)


def shown(answer: TestResponse) -> str:
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return " ".join(" ".join(html.fromstring(answer.get_data()).itertext()).split())


def errors_of(answer: TestResponse) -> dict[str, str]:
    """The error beside each field, by its name."""
    document = html.fromstring(answer.get_data())
    return {
        each.get("id").removesuffix("-error"): " ".join(each.text_content().split())
        for each in document.xpath("//*[substring(@id, string-length(@id) - 5) = '-error']")
    }


def test_a_stranger_applies_confirms_and_is_let_in(browser: Browser) -> None:
    assert "You are not a member." in shown(browser.get("/me"))
    form = html.fromstring(browser.get("/apply").get_data()).forms[0]
    assert form.fields["mail"] == "bea@home.example.org"
    answer = browser.send("/apply", "/apply", **FILLED)
    assert "We have sent a letter to bea@example.org." in shown(answer)
    assert "Bea Beispiel" in shown(browser.get(browser.link()))
    page = browser.link()
    done = browser.send(page, "/confirm")
    assert (done.status_code, done.location) == (303, f"{BASE}/voms/testvo/me?done=own_confirmed")
    mine = shown(browser.get("/me?done=own_confirmed"))
    assert "Your address is confirmed." in mine
    assert "Your request to join waits." in mine
    desk, chief = browser.requesting.desk, browser.requesting.by(CHIEF)
    [listed] = desk.waiting(chief, NOW)
    desk.approve(chief, listed.request.id, NOW)
    mine = shown(browser.get("/me"))
    assert "/testvo/g1 without end" in mine
    assert "Role /testvo/g2/Role=pilot waits for a decision" in mine


def test_what_is_wrong_stands_beside_its_field_and_nothing_typed_is_lost(browser: Browser) -> None:
    answer = browser.send("/apply", "/apply", **{**FILLED, "surname": "", "mail": "nowhere", "wishes": ""})
    assert answer.status_code == 400
    assert errors_of(answer) == {
        "surname": "Something is needed here.",
        "mail": "This is not a mail address that a letter can be sent to.",
    }
    form = html.fromstring(answer.get_data()).forms[0]
    assert (form.fields["given_name"], form.fields["remark"]) == ("Bea", "I work with Alice.")
    wrong = html.fromstring(answer.get_data()).get_element_by_id("surname")
    assert (wrong.get("aria-invalid"), wrong.get("aria-describedby")) == ("true", "surname-error")


@pytest.mark.parametrize(
    ("wishes", "beside"),
    [("/othervo/g", "wishes"), ("nonsense", "wishes"), ("\n".join(f"/testvo/g{n}" for n in range(21)), "wishes")],
)
def test_groups_that_can_not_be_are_told_beside_the_field(browser: Browser, wishes: str, beside: str) -> None:
    answer = browser.send("/apply", "/apply", **{**FILLED, "wishes": wishes})
    assert answer.status_code == 400
    assert list(errors_of(answer)) == [beside]
    assert browser.requesting.mailbox.letters == []


def test_the_policy_is_shown_and_has_to_be_agreed_to(browser: Browser) -> None:
    with changing(browser.requesting.vo.engine, "testvo", "vo.aup_added", at=NOW, by="operator") as change:
        aup.add_version(change, "1", url="https://vo.example.org/aup", text="Be <b>good</b>.")
    page = browser.get("/apply").get_data(as_text=True)
    assert "Be &lt;b&gt;good&lt;/b&gt;." in page
    assert 'href="https://vo.example.org/aup"' in page
    answer = browser.send("/apply", "/apply", **FILLED)
    assert errors_of(answer) == {"agreed": "The acceptable-use policy has to be agreed to."}
    assert "We have sent a letter" in shown(browser.send("/apply", "/apply", **FILLED, agreed="yes"))


def test_a_member_sees_her_state_groups_and_requests_and_takes_one_back(browser: Browser) -> None:
    browser.now(ALICE)
    browser.requesting.applicants.ask(browser.requesting.by(ALICE), Wish("/testvo/g1"), "", NOW)
    mine = shown(browser.get("/me"))
    assert "State active" in mine
    assert "Group /testvo/g1 waits for a decision" in mine
    answer = browser.send("/me", "/me/withdraw")
    assert answer.location == f"{BASE}/voms/testvo/me?done=own_withdrawn"
    assert "Group /testvo/g1 taken back" in shown(browser.get("/me"))


def test_a_member_asks_for_a_group_and_to_leave(browser: Browser) -> None:
    browser.now(ALICE)
    done = browser.send("/ask", "/ask/group", wish="/testvo/g1", remark="please")
    assert done.location == f"{BASE}/voms/testvo/me?done=own_asked"
    wrong = browser.send("/ask", "/ask/group", wish="/testvo/nowhere")
    assert wrong.status_code == 404
    assert "There is no group /testvo/nowhere" in wrong.get_data(as_text=True)
    unsure = browser.send("/ask", "/ask/leave")
    assert unsure.status_code == 400
    assert browser.send("/ask", "/ask/leave", sure="yes").status_code == 303
    kinds = [each.kind for each in browser.requesting.applicants.own(browser.requesting.by(ALICE), NOW)]
    assert sorted(kinds) == ["group", "leave"]


@pytest.mark.parametrize("pem", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(browser: Browser, pem: str) -> None:
    browser.now(ALICE)
    answer = browser.send("/ask", "/ask/certificate", certificate=pem)
    assert answer.status_code == 400
    assert browser.requesting.applicants.own(browser.requesting.by(ALICE), NOW) == ()


def test_a_certificate_of_an_unknown_authority_is_refused(browser: Browser) -> None:
    browser.now(ALICE)
    pem = root().certificate.public_bytes(Encoding.PEM).decode()
    answer = browser.send("/ask", "/ask/certificate", certificate=pem)
    assert answer.status_code == 400
    assert "CA directory" in answer.get_data(as_text=True)


def test_a_suspended_member_reads_why_and_can_only_leave(browser: Browser) -> None:
    vo = browser.requesting.vo
    vo.directory.suspend(vo.alice, "Key was stolen.", at=NOW, by="operator")
    browser.now(ALICE)
    mine = shown(browser.get("/me"))
    assert "suspended" in mine
    assert "Key was stolen." in mine
    page = html.fromstring(browser.get("/ask").get_data())
    assert [form.action.rpartition("/")[2] for form in page.forms] == ["leave"]


def test_who_shows_a_suspended_certificate_is_told_that_her_membership_goes_on(browser: Browser) -> None:
    vo = browser.requesting.vo
    Desk(vo.engine, "testvo", OPERATOR, NOW).suspend_certificate(vo.alice, ALICE, "Left on the train.")
    browser.now(ALICE)
    mine = shown(browser.get("/me"))
    assert "The certificate that you show is suspended." in mine
    assert "State active" in mine


def test_a_member_signs_the_policy_that_she_was_shown(browser: Browser) -> None:
    engine = browser.requesting.vo.engine
    with changing(engine, "testvo", "vo.aup_added", at=NOW, by="operator") as change:
        aup.add_version(change, "1", text="Be good.")
    browser.now(ALICE)
    assert "The acceptable-use policy is to be signed. Sign it by 2026-12-07" in shown(browser.get("/me"))
    assert browser.send("/sign", "/sign").status_code == 400
    assert browser.send("/sign", "/sign", agreed="yes", version="other").status_code == 404
    assert browser.send("/sign", "/sign", agreed="yes").location == f"{BASE}/voms/testvo/me?done=own_signed"
    assert "State active" in shown(browser.get("/me"))


def test_an_invitation_is_answered(browser: Browser) -> None:
    requesting = browser.requesting
    requesting.invitations.invite(requesting.by(CHIEF), "bea@example.org", (Wish("/testvo/g1"),), NOW)
    page = browser.link()
    assert "/testvo/g1" in shown(browser.get(page))
    wrong = browser.send(page, "/invitation", **{**FILLED, "surname": ""})
    assert (wrong.status_code, errors_of(wrong)) == (400, {"surname": "Something is needed here."})
    done = browser.send(page, "/invitation", **{**FILLED, "mail": "eve@example.org"})
    assert done.location == f"{BASE}/voms/testvo/me?done=own_accepted"
    assert "/testvo/g1" in shown(browser.get("/me"))
    assert browser.get(page).status_code == 400


def test_a_member_answers_an_invitation_by_one_button(browser: Browser) -> None:
    requesting = browser.requesting
    requesting.invitations.invite(requesting.by(CHIEF), "alice@example.org", (Wish("/testvo/g1"),), NOW)
    page = browser.link()
    browser.now(ALICE)
    assert browser.send(page, "/invitation").status_code == 303
    assert requesting.groups(requesting.vo.alice) == ["/testvo", "/testvo/g1"]


@pytest.mark.parametrize(
    "path",
    ["/confirm", "/confirm?request=x&token=y", "/invitation?invitation=x&token=y", f"/confirm?request={'x' * 99}"],
)
def test_a_link_that_is_none_is_refused(browser: Browser, path: str) -> None:
    assert browser.get(path).status_code == 400


def test_another_person_can_not_use_the_link_of_a_letter(browser: Browser) -> None:
    browser.send("/apply", "/apply", **FILLED)
    page = browser.link()
    browser.now(OTHER)
    assert browser.get(page).status_code == 400


def test_forms_without_their_token_change_nothing(browser: Browser) -> None:
    browser.now(ALICE)
    paths = ["/apply", "/confirm", "/invitation", "/me/withdraw", "/ask/leave", "/sign"]
    answers = [browser.client.post(f"/voms/testvo{path}", base_url=BASE, data={"sure": "yes"}) for path in paths]
    assert [answer.status_code for answer in answers] == [403] * 6
    assert browser.requesting.applicants.own(browser.requesting.by(ALICE), NOW) == ()


def test_each_page_has_one_heading_and_labels_for_all_that_is_filled_in(browser: Browser) -> None:
    browser.requesting.applicants.apply(browser.requesting.by(STRANGER), FORM, NOW)
    link = browser.link()
    stranger = [browser.get(path) for path in ("/me", "/apply", link)]
    browser.now(ALICE)
    member = [browser.get(path) for path in ("/me", "/ask", "/sign", "/apply")]
    for answer in (*stranger, *member):
        document = html.fromstring(answer.get_data())
        assert len(document.xpath("//h1")) == 1
        labelled = set(document.xpath("//label/@for"))
        fields = document.xpath("//input[not(@type='hidden')]/@id | //textarea/@id")
        assert set(fields) <= labelled
        assert len(fields) == len(set(fields))
