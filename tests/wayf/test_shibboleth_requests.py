"""The original Shibboleth's request: the browser goes straight to the Handle Service, with what the resource said."""

from collections.abc import Callable
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from bs4 import BeautifulSoup
from werkzeug.test import TestResponse

from ostiary.federation.model import Endpoint, Entity, SpRole
from ostiary.saml import names
from tests.wayf.conftest import LIBRARY, LODZ, URL, UTRECHT, ZURICH, Wayf, cookies_of, home

ACS = "https://library.example/acs"
SHIB = "urn:mace:shibboleth:1.0:profiles:AuthnRequest"
HANDLE_SERVICE = f"{UTRECHT}/shibboleth"
REQUEST = {"shire": ACS, "target": "cookie:a b&c", "providerId": LIBRARY}


@pytest.fixture
def wayf(make_wayf_with: Callable[..., Wayf]) -> Wayf:
    """Utrecht and Łódź take such requests, Łódź at an address with a query."""
    made = make_wayf_with()
    made.know(
        home(UTRECHT, ("en", "Utrecht University"), scope="uu.example", endpoints=(Endpoint(SHIB, HANDLE_SERVICE),)),
        home(LODZ, ("en", "Łódź"), scope="lodz.example", endpoints=(Endpoint(SHIB, f"{LODZ}/hs?tenant=1"),)),
    )
    return made


def ask(wayf: Wayf, path: str = "/WAYF", **more: str) -> TestResponse:
    return wayf.get(path, **{**REQUEST, **more})


def sent(answer: TestResponse) -> tuple[str, dict[str, str]]:
    assert answer.status_code == 302
    parts = urlsplit(answer.headers["Location"])
    return f"{parts.scheme}://{parts.netloc}{parts.path}", dict(parse_qsl(parts.query))


@pytest.mark.parametrize("path", ["/WAYF", "/discovery"])
def test_only_organisations_that_take_such_requests_are_offered(wayf: Wayf, path: str) -> None:
    page = BeautifulSoup(ask(wayf, path).text, "html.parser")
    assert [one["value"] for one in page.select("#results button")] == [LODZ, UTRECHT]
    carried = {one["name"]: one["value"] for one in page.select("#choose input[type=hidden]")}
    assert carried == REQUEST


def test_the_browser_goes_straight_to_the_handle_service_with_the_request_as_it_came(wayf: Wayf) -> None:
    assert sent(ask(wayf, "/choose", choice=UTRECHT, time="1795318200")) == (
        HANDLE_SERVICE,
        {**REQUEST, "time": "1795318200"},
    )


def test_a_request_without_time_goes_on_without(wayf: Wayf) -> None:
    assert sent(ask(wayf, "/choose", choice=UTRECHT)) == (HANDLE_SERVICE, REQUEST)


def test_the_address_of_a_handle_service_keeps_its_query(wayf: Wayf) -> None:
    assert sent(ask(wayf, "/choose", choice=LODZ)) == (f"{LODZ}/hs", {"tenant": "1", **REQUEST})


def test_the_choice_is_remembered_and_offered_first(wayf: Wayf) -> None:
    assert cookies_of(ask(wayf, "/choose", choice=UTRECHT, remember="yes"), "home")
    assert "Continue with Utrecht University" in ask(wayf).text


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"providerId": "https://nobody.example"}, "wayf.unknown_resource"),
        ({"providerId": UTRECHT}, "wayf.unknown_resource"),
        ({"providerId": ""}, "http.parameter_missing"),
        ({"shire": ""}, "http.parameter_missing"),
        ({"target": ""}, "http.parameter_missing"),
        ({"shire": "https://evil.example/acs"}, "wayf.unregistered_shire"),
        ({"shire": f"{ACS}/"}, "wayf.unregistered_shire"),
        ({"shire": f"{ACS}?x"}, "wayf.unregistered_shire"),
        ({"shire": "javascript:alert(1)"}, "wayf.unregistered_shire"),
        ({"target": "x" * 2049}, "http.parameter_too_long"),
        ({"time": "yesterday"}, "wayf.time"),
        ({"time": "-1"}, "wayf.time"),
    ],
)
@pytest.mark.parametrize("path", ["/WAYF", "/choose", "/forget"])
def test_a_request_that_is_not_in_order_leads_nowhere(wayf: Wayf, change: dict[str, str], code: str, path: str) -> None:
    twin = ask(wayf, path, choice=UTRECHT)
    assert twin.status_code in (200, 302, 303)
    answer = ask(wayf, path, choice=UTRECHT, **change)
    assert (answer.status_code, "Location" in answer.headers, wayf.codes()[-1]) == (400, False, code)


def test_an_organisation_that_takes_no_such_requests_can_not_be_chosen(wayf: Wayf) -> None:
    answer = ask(wayf, "/choose", choice=ZURICH)
    assert (answer.status_code, wayf.codes()[-1]) == (400, "wayf.unknown_choice")
    assert wayf.choose(ZURICH).status_code == 302


def test_programs_endpoints_are_no_way_for_browsers(wayf: Wayf) -> None:
    paos = "https://library.example/paos"
    consumers = (Endpoint(names.PAOS, paos, index=1), Endpoint(names.HTTP_POST, ACS, index=2))
    wayf.know(Entity(LIBRARY, sp=SpRole(assertion_consumers=consumers)))
    assert ask(wayf).status_code == 200
    assert ask(wayf, shire=paos).status_code == 400


def test_a_shire_that_leads_back_here_is_refused(wayf: Wayf) -> None:
    here = f"{URL}/WAYF"
    wayf.know(Entity(LIBRARY, sp=SpRole(assertion_consumers=(Endpoint(names.HTTP_POST, here, index=1),))))
    assert ask(wayf, shire=here).status_code == 400
    assert wayf.codes()[-1] == "wayf.leads_here"


def test_a_request_that_names_an_entity_id_is_of_the_discovery_protocol(wayf: Wayf) -> None:
    answer = wayf.get("/choose", **REQUEST, entityID=LIBRARY, choice=UTRECHT)
    assert answer.headers["Location"] == f"https://library.example/other/ds?entityID={quote(UTRECHT, safe='')}"
