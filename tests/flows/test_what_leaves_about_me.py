"""From her own page to the resource: what she sets at the Attribute Authority's pages is what the resource learns, however it asks."""

import json
from pathlib import Path

import pytest
from lxml import html

from ostiary.command.demo.layout import Layout
from ostiary.command.demo.people import INSTRUMENT, SOUTHBANK
from tests.browser import Answer, Browser, forms_of
from tests.flows.test_authority_pages import arrive
from tests.simulator import BASE_PORT, Simulation, agree, configure


@pytest.fixture(params=["pushed", "queried"])
def asking(state: Path, request: pytest.FixtureRequest) -> str:
    """Attributes are pushed to the instrument, or it asks for them over SOAP."""
    if request.param == "queried":
        idp = Layout(state, BASE_PORT).directory(SOUTHBANK.key) / "idp.yaml"
        configure(idp, attributes_in_response={"never_for": [INSTRUMENT]})
    return str(request.param)


def known(simulation: Simulation, browser: Browser) -> dict[str, list[str]]:
    answer = browser.get(simulation.handler("instrument", "session?format=json"))
    attributes: dict[str, list[str]] = json.loads(answer.body)["attributes"]
    return attributes


def learns(simulation: Simulation) -> dict[str, list[str]]:
    """What the instrument learns about Dora at a new visit."""
    browser = simulation.browser()
    simulation.log_in(browser, "instrument", "dora")
    return known(simulation, browser)


def without(page: Answer, label: str) -> list[tuple[str, str]]:
    """What a browser sends when she takes the tick from this box."""
    main = html.document_fromstring(page.text)
    [box] = [one.get("for") for one in main.xpath("//label") if " ".join(one.text_content().split()).startswith(label)]
    [value] = main.xpath(f"//input[@id='{box}']/@value")
    form = next(form for form in forms_of(page) if form.has("shown"))
    return [*form.fields, *(one for one in form.ticked if one != ("send", value))]


def test_what_she_turns_off_on_her_page_the_resource_no_longer_learns(asking: str, simulation: Simulation) -> None:
    assert learns(simulation)["displayName"] == ["Dora Draper"]
    browser = simulation.browser()
    listed = arrive(simulation, browser, SOUTHBANK, "dora")
    assert "Collaboratory Microscope" in listed.text
    assert "Northgate" not in listed.text
    page = browser.submit(listed, {"q": INSTRUMENT}, having="q")
    assert "What Collaboratory Microscope learns about you" in page.text
    url = next(form for form in forms_of(page) if form.has("shown")).action
    after = browser.post(url, without(page, "Name"))
    assert "Your settings are kept." in after.text
    assert "displayName" not in learns(simulation)


def test_who_wants_to_be_asked_is_asked_everywhere_but_on_the_way_to_her_own_page(simulation: Simulation) -> None:
    browser = simulation.browser()
    rule = arrive(simulation, browser, SOUTHBANK, "dora", "/my/default")
    done = browser.submit(rule, {"rule": "ask"}, having="rule")
    assert "Nothing before you are asked." in done.text
    second = simulation.browser()
    assert "What leaves about you" in arrive(simulation, second, SOUTHBANK, "dora").text
    third = simulation.browser()
    page = simulation.to_response(third, "instrument", "dora")
    assert any(form.has("shown") for form in forms_of(page))
    third.submit(agree(third, page, leaving_out=("displayName",)), having="SAMLResponse")
    assert "displayName" not in known(simulation, third)


def test_the_download_has_what_the_identity_provider_wrote_down(simulation: Simulation) -> None:
    learns(simulation)
    browser = simulation.browser()
    arrive(simulation, browser, SOUTHBANK, "dora")
    answer = browser.get(simulation.layout.aa_url(SOUTHBANK) + "/my/download")
    found = json.loads(answer.body)
    [told] = [one for one in found["told"] if one["resource"] == INSTRUMENT and one["how"] == "sign-on"]
    assert "displayName" in told["attributes"]
    assert any(one["attribute"] == "mail" and one["from"]["definition"] for one in found["known"])
    # A table or a condition may name other people.
    keys = {key for one in found["known"] for key in one["from"]["definition"]}
    assert keys <= {"attribute", "from", "template", "scope", "merge"}
    assert {"general_rule", "choices", "changes", "lasting_names"} <= set(found)
    assert INSTRUMENT in [one["resource"] for one in found["remembered_requests"]]
    assert all("@" not in str(one) for one in found["told_identifiers"])
