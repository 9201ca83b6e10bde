"""A resource that asks as the original Shibboleth did: WAYF, Handle Service, and back, each of them ours."""

from urllib.parse import urlencode

from ostiary.command.demo.people import HOMES, LIBRARY
from tests.browser import forms_of
from tests.simulator import Simulation


def reordered(asked: dict[str, str]) -> dict[str, str]:
    return {name: asked[name] for name in ("shire", "target", "providerId", "time")}


PORTAL = next(home for home in HOMES if home.has_portal)


def test_a_person_goes_by_the_wayf_straight_to_the_handle_service_and_back_to_her_page(federation: Simulation) -> None:
    browser, person = federation.browser(), PORTAL.people[0]
    target = "/library/?shelf=3"
    shire = federation.handler("library", "acs")
    asked = {"providerId": LIBRARY, "shire": shire, "target": target, "time": "1795318200"}
    discovery = browser.get(f"{federation.layout.wayf_url}/WAYF?{urlencode(asked)}")
    login = browser.submit(discovery, {"choice": PORTAL.entity_id}, having="choice")
    went = next(answer.url for answer in browser.trail if "providerId=" in answer.url and "/WAYF" not in answer.url)
    assert went.startswith(f"{federation.layout.wayf_url}/choose?")
    (start,) = [answer.url for answer in browser.trail if "/saml/sso/unsolicited?" in answer.url]
    assert start == f"{federation.layout.idp_url(PORTAL)}/saml/sso/unsolicited?{urlencode(reordered(asked))}"
    typed = {"username": person.username, "password": person.password}
    answer = browser.submit(login, typed, having="password")
    (form,) = [form for form in forms_of(answer) if form.has("SAMLResponse")]
    assert (form.action, dict(form.fields)["RelayState"]) == (shire, target)
    # Our own resource side leads whoever it did not ask for to its first page.
    page = browser.submit(answer, having="SAMLResponse")
    assert page.url == federation.url("library")
    assert PORTAL.name in page.text
