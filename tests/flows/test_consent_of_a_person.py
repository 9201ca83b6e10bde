"""A person's own say from her browser to the resource: what she leaves out at the IdP's page, the resource's later query does not get."""

import html
import json
import re
from pathlib import Path

import pytest

from ostiary.command.demo.layout import Layout
from ostiary.command.demo.people import INSTRUMENT, LIBRARY, SOUTHBANK
from ostiary.command.home import make_home_idp
from ostiary.errors import ConfigurationError
from ostiary.web.log import make_log
from tests.browser import Answer, Browser, forms_of
from tests.command.tracing import traced_login
from tests.simulator import BASE_PORT, MovableClock, Simulation, agree, ask_people, configure

ENTITLEMENT = ["urn:x-ostiary:demo:instrument:operate"]
EVERYTHING = {
    "displayName": ["Dora Draper"],
    "eduPersonEntitlement": ENTITLEMENT,
    "eduPersonScopedAffiliation": ["member@southbank.example", "faculty@southbank.example"],
}


@pytest.fixture(params=["pushed", "queried"])
def asking(state: Path, request: pytest.FixtureRequest) -> str:
    """The second home asks about the instrument, to which attributes are pushed, or which asks for them over SOAP."""
    layout = Layout(state, BASE_PORT)
    ask_people(layout, SOUTHBANK, "required", only_for=[INSTRUMENT])
    if request.param == "queried":
        idp = layout.directory(SOUTHBANK.key) / "idp.yaml"
        configure(idp, attributes_in_response={"never_for": [INSTRUMENT]})
    return str(request.param)


def is_consent(page: Answer) -> bool:
    return any(form.has("shown") for form in forms_of(page))


def known(simulation: Simulation, browser: Browser) -> dict[str, list[str]]:
    answer = browser.get(simulation.handler("instrument", "session?format=json"))
    attributes: dict[str, list[str]] = json.loads(answer.body)["attributes"]
    return attributes


def arrive(simulation: Simulation, browser: Browser, page: Answer) -> dict[str, list[str]]:
    browser.submit(page, having="SAMLResponse")
    return known(simulation, browser)


def reasons(simulation: Simulation) -> list[list[str]]:
    """Why values were withheld, in each answer of an Attribute Authority that was not the IdP's own."""
    return [line["reasons"] for line in simulation.events("attributes_released", service="southbank-aa")]


def test_what_she_agrees_to_goes_and_she_is_asked_once(asking: str, simulation: Simulation) -> None:
    first = simulation.browser()
    page = simulation.to_response(first, "instrument", "dora")
    assert is_consent(page)
    for words in ("Collaboratory Microscope", "Dora Draper", "What Collaboratory Microscope will learn about you"):
        assert words in page.text
    assert arrive(simulation, first, agree(first, page)) == EVERYTHING
    second = simulation.browser()
    assert arrive(simulation, second, simulation.to_response(second, "instrument", "dora")) == EVERYTHING
    assert len(reasons(simulation)) == (2 if asking == "queried" else 0)


def test_what_she_leaves_out_the_resource_never_gets(asking: str, simulation: Simulation) -> None:
    browser = simulation.browser()
    page = agree(browser, simulation.to_response(browser, "instrument", "dora"), leaving_out=("displayName",))
    assert arrive(simulation, browser, page) == {
        name: values for name, values in EVERYTHING.items() if name != "displayName"
    }
    if asking == "queried":
        [told] = reasons(simulation)
        assert "withheld" in told


def test_what_she_takes_back_stays_from_then_on(asking: str, simulation: Simulation) -> None:
    browser = simulation.browser()
    page = simulation.to_response(browser, "instrument", "dora")
    response = agree(browser, page)
    account = browser.get(f"{simulation.layout.idp_url(SOUTHBANK)}/account/consents")
    assert "Collaboratory Microscope" in account.text
    revoke = next(form for form in forms_of(account) if form.action.endswith("/revoke"))
    assert "You took that back" in browser.post(revoke.action, revoke.fields).text
    # The Response is on its way already; a query comes too late.
    left = arrive(simulation, browser, response)
    assert left == (EVERYTHING if asking == "pushed" else {})
    if asking == "queried":
        assert reasons(simulation) == [["deny", "no_rule", "not_asked"]]
    other = simulation.browser()
    assert is_consent(simulation.to_response(other, "instrument", "dora"))


def test_resources_that_nobody_is_asked_about_are_left_to_the_policies(asking: str, simulation: Simulation) -> None:
    browser = simulation.browser()
    assert simulation.log_in(browser, "library", "dora").status == 200


def test_another_node_knows_what_she_agreed_to(asking: str, simulation: Simulation) -> None:
    browser = simulation.browser()
    agree(browser, simulation.to_response(browser, "instrument", "dora"), leaving_out=("displayName",))
    simulation.serve(simulation.layout.idp_url(SOUTHBANK), simulation.idp_node(SOUTHBANK))
    simulation.serve(simulation.layout.aa_url(SOUTHBANK), simulation.authority_node(SOUTHBANK))
    other = simulation.browser()
    assert "displayName" not in arrive(simulation, other, simulation.to_response(other, "instrument", "dora"))


def test_who_refuses_arrives_without_a_session(asking: str, simulation: Simulation) -> None:
    browser = simulation.browser()
    page = simulation.to_response(browser, "instrument", "dora")
    form = next(form for form in forms_of(page) if form.has("shown"))
    refused = browser.post(form.action, [*form.fields, ("answer", "refuse")])
    assert browser.submit(refused, having="SAMLResponse").status >= 400


def test_a_trace_agrees_for_this_time_only(asking: str, simulation: Simulation, state: Path) -> None:
    traced = traced_login(simulation, "instrument", "dora")
    assert traced.outcome.reached
    assert "agrees" in [hop.does for hop in traced.hops]
    assert re.search(r"agrees to what localhost:\d+ asks", traced.printed)
    browser = simulation.browser()
    page = simulation.to_response(browser, "instrument", "dora")
    assert is_consent(page)
    assert "You are asked at every visit." in page.text


def test_an_idp_and_its_authority_that_disagree_do_not_start(state: Path) -> None:
    layout = Layout(state, BASE_PORT)
    configure(layout.directory(SOUTHBANK.key) / "idp.yaml", consent={"mode": "required", "logos": "none"})
    directory = layout.directory(SOUTHBANK.key)
    clock = MovableClock()
    with pytest.raises(ConfigurationError) as refused:
        make_home_idp(directory / "idp.yaml", directory / "aa.yaml", clock=clock, log=make_log(clock, service="idp"))
    assert (refused.value.code, refused.value.key) == ("consent.disagree", "consent")
    configure(directory / "aa.yaml", consent={"mode": "required", "never_for": [LIBRARY]})
    with pytest.raises(ConfigurationError):
        make_home_idp(directory / "idp.yaml", directory / "aa.yaml", clock=clock, log=make_log(clock, service="idp"))


@pytest.mark.parametrize(
    ("name", "resource", "asks"),
    [("The Common Library", "library", False), ("Collaboratory Microscope", "instrument", True)],
)
def test_the_links_of_the_portal_lead_to_their_pages(
    asking: str, simulation: Simulation, name: str, resource: str, asks: bool
) -> None:
    browser = simulation.browser()
    portal = f"{simulation.layout.idp_url(SOUTHBANK)}/portal"
    typed = {"username": "dora", "password": "dora-tunes-lasers"}
    page = browser.submit(browser.get(portal), typed, having="password")
    assert page.url == portal
    links = re.findall(r'<a href="([^"]+)">\s*<span class="what"><strong>([^<]+)</strong>', page.text)
    urls = {title: html.unescape(url) for url, title in links}
    assert sorted(urls) == ["Collaboratory Microscope", "Microscopy collaboration", "The Common Library"]
    page = browser.get(urls[name])
    if any(form.has("choice") for form in forms_of(page)):
        page = browser.submit(page, {"choice": SOUTHBANK.entity_id}, having="choice")
    assert is_consent(page) is asks
    arrived = browser.submit(agree(browser, page) if asks else page, having="SAMLResponse")
    assert (arrived.status, arrived.url.rstrip("/")) == (200, simulation.url(resource).rstrip("/"))
