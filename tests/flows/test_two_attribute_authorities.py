"""One organisation with two Attribute Authorities: students belong to the second, and every resource knows only the first."""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from attribute_authority.service import QUERY_PATH
from ostiary.command.demo.people import NORTHGATE
from ostiary.command.home import make_home_authority, make_home_idp
from ostiary.errors import ConfigurationError
from ostiary.handle import load_handle_keys, open_handle
from ostiary.saml import names
from ostiary.saml.bindings import decode_soap
from ostiary.web.log import make_log
from tests.simulator import MovableClock, Simulation, configure

SECOND = "http://localhost:20900"
STUDENTS = {"authority": 1, "attribute": "eduPersonScopedAffiliation", "values": ["student@northgate.example"]}
# What the second authority alone knows about its people.
ONLY_THERE = {"type": "static", "name": "faculty", "everybody": {"displayName": ["from the second"]}}


@pytest.fixture
def divided(state: Path) -> Iterator[Simulation]:
    """Northgate with a second authority, which has keys and policies of its own; the people's database is the same."""
    home = state / "northgate"
    shutil.copytree(state / "library" / "keys", home / "second-keys")
    own = yaml.safe_load((home / "aa.yaml").read_text())
    resolver = own["resolver"]
    (home / "aa-second.yaml").write_text(
        yaml.safe_dump(
            {
                **own,
                "public_url": SECOND,
                "authority_index": 1,
                "accepts_passed_on": True,
                "trust": {**own["trust"], "keys": "second-keys"},
                "resolver": {**resolver, "connectors": [ONLY_THERE, *resolver["connectors"]]},
            }
        )
    )
    certificate = "second-keys/current.crt"
    configure(home / "aa.yaml", others=[{"index": 1, "location": SECOND + QUERY_PATH, "certificates": [certificate]}])
    configure(home / "idp.yaml", authorities={"rules": [STUDENTS]})
    simulated = Simulation(state)
    second = make_home_authority(
        home / "aa-second.yaml", clock=simulated.clock, log=simulated.log("northgate-second"), transport=simulated.soap
    )
    simulated.serve(SECOND, second)
    yield simulated
    simulated.close()


def attributes_at(simulation: Simulation, resource: str, username: str) -> dict[str, list[str]]:
    browser = simulation.browser()
    simulation.log_in(browser, resource, username)
    session = json.loads(browser.get(simulation.handler(resource, "session?format=json")).text)
    found: dict[str, list[str]] = session["attributes"]
    return found


def asked_at(simulation: Simulation) -> list[str]:
    """Where the organisation's own services have sent queries."""
    return [url for url, _ in simulation.idp_soap.sent]


def test_a_query_at_the_authority_in_metadata_reaches_the_one_that_knows_her(divided: Simulation) -> None:
    assert attributes_at(divided, "library", "bob") == {
        "eduPersonScopedAffiliation": ["member@northgate.example", "student@northgate.example"]
    }
    first = divided.layout.aa_url(NORTHGATE) + QUERY_PATH
    assert [url for url, _ in divided.soap.sent] == [first]
    assert asked_at(divided) == [SECOND + QUERY_PATH]
    (line,) = divided.events("attributes_released", service="northgate-second")
    assert line["requester"] == "https://library.example/shar"


def test_the_handle_carries_the_authority(divided: Simulation) -> None:
    for username in ("bob", "alice"):
        divided.log_in(divided.browser(), "library", username)
    keys = load_handle_keys([divided.layout.directory("northgate") / "handle.key"])
    sent = [decode_soap(envelope) for _, envelope in divided.soap.sent]
    handles = [str(query.findtext(f".//{{{names.SAML}}}NameID")) for query in sent]
    opened = [
        open_handle(keys, handle, requester="https://library.example/shar", now=divided.clock.now())
        for handle in handles
    ]
    assert [handle.authority for handle in opened] == [1, 0]


def test_who_is_of_the_first_authority_never_reaches_the_second(divided: Simulation) -> None:
    assert attributes_at(divided, "library", "alice") == {
        "eduPersonScopedAffiliation": ["member@northgate.example", "staff@northgate.example"]
    }
    assert asked_at(divided) == []


def test_what_is_pushed_comes_from_the_authority_that_knows_her(divided: Simulation) -> None:
    assert attributes_at(divided, "instrument", "bob")["displayName"] == ["from the second", "Bob Brewer"]
    assert asked_at(divided) == [SECOND + QUERY_PATH]
    assert divided.soap.sent == []
    assert attributes_at(divided, "instrument", "alice")["displayName"] == ["Alice Archer"]
    assert asked_at(divided) == [SECOND + QUERY_PATH]


def test_a_second_authority_that_is_down_is_told_as_trouble_and_shuts_out_nobody_else(divided: Simulation) -> None:
    divided.idp_soap.down = True
    browser = divided.browser()
    page = divided.log_in(browser, "library", "bob")
    assert page.status == 503
    other = divided.browser()
    assert divided.log_in(other, "library", "alice").status == 200
    divided.idp_soap.down = False
    assert divided.log_in(divided.browser(), "library", "bob").status == 200


def test_a_rule_for_an_authority_that_is_nowhere_stops_the_start(state: Path) -> None:
    home, clock = state / "northgate", MovableClock()
    configure(home / "idp.yaml", authorities={"rules": [STUDENTS]})
    log = make_log(clock, service="idp", stream=io.StringIO())
    with pytest.raises(ConfigurationError) as caught:
        make_home_idp(home / "idp.yaml", home / "aa.yaml", clock=clock, log=log)
    assert (caught.value.code, caught.value.expected, caught.value.found) == ("idp.authority_unknown", "0", "1")


def test_somebody_who_was_disabled_is_unknown_to_both(divided: Simulation) -> None:
    browser = divided.browser()
    page = divided.to_response(browser, "library", "bob")
    divided.disable("bob")
    answer = browser.submit(page, having="SAMLResponse")
    assert answer.status == 403
    assert "student@northgate.example" not in answer.text
