"""Several nodes of one service behind a balancer: any of them may answer any request of a login, and any of them may be gone by then."""

import os
from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from ostiary.command.demo.people import NORTHGATE
from ostiary.config import load_settings
from sp_shire.adapters.wsgi import ShireMiddleware
from sp_shire.assembly import make_stores
from sp_shire.settings import ShireSettings
from tests.browser import Browser, forms_of
from tests.databases import VALKEY
from tests.flows.forging import deliver, log_line, response_field, signer_of, take_apart
from tests.flows.logging_out import Known, known, over_soap, soap_status, to_resource
from tests.simulator import Simulation, configure


class Balancer:
    """Gives each request to the next node."""

    def __init__(self, *nodes: Any) -> None:
        self._next = cycle(nodes)

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        answer: Iterable[bytes] = next(self._next)(environ, start_response)
        return answer


STORES = {"sqlite": "sqlite:///sessions.db"}
if server := os.environ.get(VALKEY):
    STORES["valkey"] = server


@pytest.fixture(params=STORES)
def common_store(state: Path, request: pytest.FixtureRequest) -> None:
    """Where the library keeps its sessions; must come before ``simulation``."""
    configure(state / "library" / "sp.yaml", store={"url": STORES[request.param]}, workers=2)


def library_nodes(simulation: Simulation) -> tuple[ShireMiddleware, ShireMiddleware]:
    """Two nodes that have nothing in common but the database."""
    settings = load_settings(simulation.layout.directory("library") / "sp.yaml", ShireSettings)
    other = simulation.resource_node("library", stores=make_stores(settings))
    return (
        simulation.protect("library", simulation.shires["library"]),
        simulation.protect("library", other),
    )


def enters(simulation: Simulation, browser: Browser, node: ShireMiddleware) -> bool:
    simulation.serve(simulation.origin("library"), node)
    answer = browser.request("GET", simulation.url("library"))
    assert answer.status in (200, 302)
    return answer.status == 200


# -- the resource ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("common_store")
class TestTwoNodesOfAResource:
    def test_share_every_step_of_a_login(self, simulation: Simulation) -> None:
        nodes = library_nodes(simulation)
        for order in (nodes, nodes[::-1]):
            simulation.serve(simulation.origin("library"), Balancer(*order))
            browser = simulation.browser()
            assert simulation.log_in(browser, "library", "alice").status == 200
            assert [browser.get(simulation.url("library")).status for _ in range(4)] == [200] * 4

    def test_finish_what_the_other_began(self, simulation: Simulation) -> None:
        one, other = library_nodes(simulation)
        browser = simulation.browser()
        simulation.serve(simulation.origin("library"), one)
        page = simulation.to_response(browser, "library", "alice")
        simulation.serve(simulation.origin("library"), other)
        assert browser.submit(page, having="SAMLResponse").status == 200
        assert enters(simulation, browser, one)

    def test_notice_a_response_that_the_other_has_seen(self, simulation: Simulation) -> None:
        one, other = library_nodes(simulation)
        browser = simulation.browser()
        encoded = response_field(simulation.to_response(browser, "library", "alice"))
        simulation.serve(simulation.origin("library"), one)
        held = browser.submit_without_following(simulation.handler("library", "acs"), [("SAMLResponse", encoded)])
        assert held.status == 303
        simulation.serve(simulation.origin("library"), other)
        again = browser.submit_without_following(simulation.handler("library", "acs"), [("SAMLResponse", encoded)])
        assert (again.status, again.header("Location")) == (303, held.header("Location"))
        assert browser.get(held.header("Location") or "").status == 200
        stranger = simulation.browser()
        for late in (stranger.get(held.header("Location") or ""), deliver(simulation, stranger, "library", encoded)):
            assert (late.status, log_line(simulation, late)["code"]) == (400, "sp.ticket")

    def test_end_a_session_for_each_other(self, simulation: Simulation) -> None:
        one, other = library_nodes(simulation)
        browser = simulation.browser()
        simulation.serve(simulation.origin("library"), one)
        simulation.log_in(browser, "library", "alice")
        cookies = dict(browser.cookies)
        assert enters(simulation, browser, other)
        browser.post(simulation.handler("library", "logout"), [])
        browser.cookies = cookies
        assert not enters(simulation, browser, one)
        assert not enters(simulation, browser, other)

    @pytest.mark.parametrize("by_index", [True, False], ids=["of its index", "of the name"])
    def test_end_by_soap_at_one_what_was_opened_at_the_other(self, simulation: Simulation, by_index: bool) -> None:
        """The back channel brings no cookie: sessions are found by NameID and SessionIndex, wherever they began."""
        one, other = library_nodes(simulation)
        simulation.serve(simulation.origin("library"), one)
        hers, second, somebody = known(simulation), known(simulation), known(simulation, user="bob")
        assert enters(simulation, hers.browser, other)
        asking = to_resource(simulation, hers, "soap")
        asking = asking if by_index else asking.changed(session_indexes=())
        simulation.serve(simulation.origin("library"), other)
        answer = over_soap(simulation, asking)
        assert soap_status(answer, signer_of(simulation, "library")) == ("Success", None)
        assert simulation.events("sessions_ended_by_home", service="library")[-1]["sessions"] == 1
        for node in (one, other):
            assert not enters(simulation, hers.browser, node)
            # Another login of hers has another handle, and another person is another person.
            assert enters(simulation, second.browser, node)
            assert enters(simulation, somebody.browser, node)
        # The same message is obeyed once, whichever node it reaches.
        simulation.serve(simulation.origin("library"), one)
        assert over_soap(simulation, asking).status == 400

    def test_open_no_session_from_an_assertion_that_was_logged_out_at_the_other(self, simulation: Simulation) -> None:
        one, other = library_nodes(simulation)
        browser = simulation.browser()
        page = simulation.to_response(browser, "library", "alice")
        assertion = take_apart(simulation, page).assertion
        index = assertion.authn_statements[0].session_index
        assert assertion.name_id is not None
        assert index is not None
        simulation.clock.forward(seconds=1)
        simulation.serve(simulation.origin("library"), other)
        over_soap(simulation, to_resource(simulation, Known(browser, assertion.name_id, index), "soap"))
        simulation.serve(simulation.origin("library"), one)
        answer = browser.submit(page, having="SAMLResponse")
        assert log_line(simulation, answer)["code"] == "sp.logged_out_meanwhile"
        assert not enters(simulation, browser, one)

    def test_share_what_they_learned_about_a_person(self, simulation: Simulation) -> None:
        one, other = library_nodes(simulation)
        browser = simulation.browser()
        simulation.serve(simulation.origin("library"), one)
        simulation.log_in(browser, "library", "alice")
        simulation.clock.forward(minutes=30)
        assert enters(simulation, browser, other)
        assert enters(simulation, browser, one)
        assert len(simulation.soap.sent) == 2

    def test_count_a_use_of_the_other_as_a_use(self, simulation: Simulation) -> None:
        one, other = library_nodes(simulation)
        browser = simulation.browser()
        simulation.serve(simulation.origin("library"), one)
        simulation.log_in(browser, "library", "alice")
        simulation.clock.forward(minutes=59)
        assert enters(simulation, browser, other)
        simulation.clock.forward(minutes=59)
        assert enters(simulation, browser, one)

    def test_keep_the_sessions_of_a_node_that_was_started_anew(self, simulation: Simulation) -> None:
        browser = simulation.browser()
        simulation.log_in(browser, "library", "alice")
        settings = load_settings(simulation.layout.directory("library") / "sp.yaml", ShireSettings)
        restarted = simulation.resource_node("library", stores=make_stores(settings))
        assert enters(simulation, browser, simulation.protect("library", restarted))


def test_two_resources_in_one_database_keep_their_sessions_apart(state: Path, federation: Simulation) -> None:
    """The same token under the same key of one table, but for the name of the resource."""
    settings = load_settings(state / "library" / "sp.yaml", ShireSettings)
    database = {"url": f"sqlite:///{state / 'common.db'}"}
    stores = [
        make_stores(ShireSettings.model_validate({**settings.model_dump(), "entity_id": name, "store": database}))
        for name in ("https://one.example/shar", "https://two.example/shar")
    ]
    now = federation.clock.now()
    stores[0].sessions.put("token", b"a session", expires=now.replace(hour=10), now=now)
    assert stores[0].sessions.get("token", now) == b"a session"
    assert stores[1].sessions.get("token", now) is None
    assert stores[0].logins.get("token", now) is None
    assert stores[1].replay.first_use("key", expires=now.replace(hour=10), now=now)
    assert stores[0].replay.first_use("key", expires=now.replace(hour=10), now=now)


# -- the home organisation ---------------------------------------------------------------------------------------------


def idp_nodes(simulation: Simulation) -> tuple[Any, Any]:
    return simulation.transport.applications[simulation.layout.idp_url(NORTHGATE)], simulation.idp_node(NORTHGATE)


def test_two_nodes_of_an_idp_share_every_step_of_a_login(simulation: Simulation) -> None:
    nodes = idp_nodes(simulation)
    for order in (nodes, nodes[::-1]):
        simulation.serve(simulation.layout.idp_url(NORTHGATE), Balancer(*order))
        browser = simulation.browser()
        assert simulation.log_in(browser, "library", "alice").status == 200
        assert simulation.log_in(browser, "instrument", "alice").status == 200


def test_a_login_page_of_one_node_is_answered_by_the_other(simulation: Simulation) -> None:
    one, other = idp_nodes(simulation)
    simulation.serve(simulation.layout.idp_url(NORTHGATE), one)
    browser = simulation.browser()
    page = simulation.to_login_page(browser, "library", NORTHGATE)
    simulation.serve(simulation.layout.idp_url(NORTHGATE), other)
    credentials = {"username": "alice", "password": "alice-opens-doors"}
    response = browser.submit(page, credentials, having="password")
    assert browser.submit(response, having="SAMLResponse").status == 200
    simulation.serve(simulation.layout.idp_url(NORTHGATE), one)
    # The other half of a double click would be answered until then.
    simulation.clock.forward(seconds=10)
    used = browser.submit(page, credentials, having="password")
    assert (used.status, log_line(simulation, used)["code"]) == (400, "sso.ticket")
    # Single sign-on, begun on one and known on the other.
    assert not any(
        form.has("password") for form in forms_of(simulation.to_login_page(browser, "instrument", NORTHGATE))
    )


@pytest.fixture
def ten_guesses(state: Path) -> None:
    """As many as a site allows that configures nothing; must come before ``simulation``."""
    configure(state / "northgate" / "idp.yaml", throttle={"per_name": 10})


@pytest.mark.usefixtures("ten_guesses")
def test_guessing_passwords_is_slowed_down_across_nodes(simulation: Simulation) -> None:
    simulation.serve(simulation.layout.idp_url(NORTHGATE), Balancer(*idp_nodes(simulation)))
    browser = simulation.browser()
    page = simulation.to_login_page(browser, "library", NORTHGATE)
    statuses = [
        browser.submit(page, {"username": "alice", "password": f"guess {number}"}, having="password").status
        for number in range(11)
    ]
    assert statuses == [401] * 10 + [429]


def test_a_handle_of_one_node_is_opened_by_every_node_of_the_authority(simulation: Simulation) -> None:
    at = simulation.layout.aa_url(NORTHGATE)
    authorities = (simulation.transport.applications[at], simulation.authority_node(NORTHGATE))
    for idp in idp_nodes(simulation):
        simulation.serve(simulation.layout.idp_url(NORTHGATE), idp)
        browser = simulation.browser()
        simulation.serve(at, authorities[0])
        assert simulation.log_in(browser, "library", "alice").status == 200
        simulation.serve(at, authorities[1])
        simulation.clock.forward(minutes=30)
        assert browser.request("GET", simulation.url("library")).status == 200
    released = simulation.events("attributes_released", service="northgate-aa")
    assert [(line["requester"], line["rules"]) for line in released] == [
        ("https://library.example/shar", ["federation/membership", "library/affiliation"])
    ] * 4


def test_a_query_that_one_node_has_answered_is_not_answered_by_another(simulation: Simulation) -> None:
    at = simulation.layout.aa_url(NORTHGATE)
    other = simulation.authority_node(NORTHGATE)
    simulation.log_in(simulation.browser(), "library", "alice")
    url, envelope = simulation.soap.sent[-1]
    simulation.serve(at, other)
    answer = simulation.transport.send("POST", url, {"Content-Type": "text/xml"}, envelope)
    assert answer.status == 400
    assert simulation.events("refused", service="northgate-aa")[-1]["code"] == "aa.query_replayed"
