"""A resource asks her home about her, and then the authority of a collaboration: by her principal name, by her certificate's subject, or
by the identifier that her home gave the resource.

The collaboration is a VO of ours. Its service has no attribute queries of its own: an Attribute Authority with the ``vo`` connector
speaks for it."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine

from attribute_authority.service import QUERY_PATH
from idp.accounts.directory import Directory
from ostiary.audit.tables import MIGRATIONS as AUDIT
from ostiary.command.demo.people import NORTHGATE
from ostiary.command.home import make_home_authority
from ostiary.federation.keys import load_key_ring
from ostiary.federation.model import AaRole, Endpoint, Entity
from ostiary.federation.publish.documents import signed_entity
from ostiary.saml import names
from ostiary.storage.engine import open_engine
from ostiary.storage.migrate import MIGRATIONS as STORAGE
from ostiary.storage.migrate import upgrade
from ostiary.x509.certificate_names import CertificateNames
from tests.browser import Browser
from tests.flows.forging import log_line
from tests.simulator import START, Simulation, configure
from voms.directory import FederatedIdentity, VoDirectory, create_vo
from voms.tables import MIGRATIONS as VOMS

TIDE = "https://tide.example/aa"
URL = "http://localhost:20950"
EPPN = "eduPersonPrincipalName"
ALICE = "alice@northgate.example"
EXTERNAL = "voPersonExternalID"
AT: dict[str, Any] = {"at": START, "by": "test"}
ACCEPT = f"""
rules:
  - id: affiliation
    attribute: eduPersonScopedAffiliation
    scope: metadata
  - id: who
    attribute: {EPPN}
    scope: metadata
  - id: certificate
    from: {{issuers: [{NORTHGATE.entity_id}]}}
    attribute: voPersonCertificateDN
  - id: collaboration
    from: {{issuers: [{TIDE}]}}
    attribute: isMemberOf
    pattern: /tide(/.+)?
  - id: pairwise
    attribute: pairwise-id
    scope: metadata
"""
RELEASE = """
policies:
  - id: members
    for: {requesters: https://library.example/shar}
    rules: [{id: groups, permit: isMemberOf}, {id: more, permit: displayName}]
"""
AT_HOME = """
policies:
  - id: library
    for: {requesters: https://library.example/shar}
    rules: [{id: all, permit: [eduPersonScopedAffiliation, eduPersonPrincipalName, voPersonCertificateDN]}]
"""
Federation = Callable[..., Simulation]


def make_collaboration(state: Path) -> None:
    """A VO with one group, whose member Alice is; and the configuration of the authority that speaks for it."""
    place = state / "tide"
    place.mkdir()
    shutil.copytree(state / "instrument" / "keys", place / "keys")
    engine = open_engine(f"sqlite:///{place / 'vo.db'}")
    upgrade(engine, [STORAGE, AUDIT, VOMS])
    create_vo(engine, "tide", **AT)
    vo = VoDirectory(engine, "tide")
    vo.add_group("/tide/gauges", **AT)
    member = vo.add_member(CertificateNames("CN=Alice,O=Northgate", "CN=Research CA"), **AT)
    vo.join(member, "/tide/gauges", **AT)
    vo.link_identity(member, FederatedIdentity(TIDE, EPPN, ALICE), **AT)
    engine.dispose()
    (place / "release.yaml").write_text(RELEASE)
    shutil.copy(state / "northgate" / "handle.key", place / "handle.key")
    home = yaml.safe_load((state / "northgate" / "aa.yaml").read_text())
    (place / "aa.yaml").write_text(
        yaml.safe_dump(
            {
                "entity_id": TIDE,
                "display_name": "Tide collaboration",
                "public_url": URL,
                "listen": {"port": 20950},
                "database": {"url": f"sqlite:///{place / 'people.db'}"},
                "trust": home["trust"],
                "handle_keys": ["handle.key"],
                "people": {"type": "embedded"},
                "certificate_names": {
                    "requesters": ["https://library.example/shar"],
                    "rules": [
                        {"pattern": "CN=(?P<name>[A-Za-z]+),O=Northgate", "login_name": "{name}@northgate.example"}
                    ],
                },
                "principal_names": {"requesters": ["https://library.example/shar"]},
                "resolver": {
                    "connectors": [
                        {
                            **next(one for one in home["resolver"]["connectors"] if one["type"] == "sql"),
                            "database": {"url": f"sqlite:///{place / 'people.db'}"},
                        },
                        {
                            "type": "vo",
                            "name": "tide",
                            "vo": "tide",
                            "database": {"url": f"sqlite:///{place / 'vo.db'}"},
                            "identity": EPPN,
                        },
                    ],
                    "definitions": [{"attribute": "isMemberOf"}, {"attribute": "displayName"}],
                },
                "release_policies": ["release.yaml"],
            }
        )
    )
    ring = load_key_ring(place / "keys")
    role = AaRole(keys=ring.published, attribute_services=(Endpoint(names.SOAP, URL + QUERY_PATH),))
    document = signed_entity(Entity(TIDE, aa=role), ring.signer, valid_until=START.replace(month=12))
    (place / "metadata.xml").write_bytes(document)


@pytest.fixture
def federation_with(state: Path) -> Iterator[Federation]:
    """The federation with the collaboration; the library asks it as it is told to, and Northgate tells it what Alice has."""
    make_collaboration(state)
    made: list[Simulation] = []

    def simulated(alice: dict[str, list[str]], *, asks: bool = True, **how: object) -> Simulation:
        library, home = state / "library", state / "northgate"
        (library / "accept.yaml").write_text(ACCEPT)
        (home / "release.yaml").write_text(AT_HOME)
        authority = yaml.safe_load((home / "aa.yaml").read_text())
        definitions = [*authority["resolver"]["definitions"], {"attribute": "voPersonCertificateDN"}]
        configure(home / "aa.yaml", resolver={**authority["resolver"], "definitions": definitions})
        trust = yaml.safe_load((library / "sp.yaml").read_text())["trust"]
        source = {
            "file": str(state / "tide" / "metadata.xml"),
            "trusted_certificates": [str(state / "tide" / "keys" / "current.crt")],
        }
        configure(
            library / "sp.yaml",
            accept=["accept.yaml"],
            trust={**trust, "metadata": [*trust["metadata"], source]},
            aggregation=[{"authority": TIDE, "subject": EPPN, **how}] if asks else None,
        )
        simulation = Simulation(state)
        made.append(simulation)
        aa = make_home_authority(
            state / "tide" / "aa.yaml", clock=simulation.clock, log=simulation.log("tide"), transport=simulation.soap
        )
        simulation.serve(URL, aa)
        people = open_engine(f"sqlite:///{state / 'tide' / 'people.db'}")
        Directory(people).create(ALICE, password_hash=None, attributes={EPPN: [ALICE], "displayName": ["A."]}, **AT)
        people.dispose()
        with simulation.directory(NORTHGATE) as directory:
            person = directory.find("alice")
            assert person is not None
            directory.set_attributes(person.principal, alice, **AT)
        return simulation

    yield simulated
    for one in made:
        one.close()


def out_of_order(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("503 Service Unavailable", [])
    return [b""]


def session_of(simulation: Simulation, browser: Browser) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(browser.get(simulation.handler("library", "session?format=json")).body)
    return found


def asked_at_tide(simulation: Simulation) -> list[bytes]:
    return [envelope for url, envelope in simulation.soap.sent if url.startswith(URL)]


def problem_at_tide(session: dict[str, Any]) -> str:
    problem: str = session["sources"][-1]["problem"]
    assert session["sources"][-1]["authority"] == TIDE
    return problem


def test_by_her_principal_name_the_collaboration_says_in_which_groups_she_is(federation_with: Federation) -> None:
    simulation = federation_with({EPPN: [ALICE]})
    browser = simulation.browser()
    assert simulation.log_in(browser, "library", "alice").status == 200
    session = session_of(simulation, browser)
    assert session["attributes"]["isMemberOf"] == ["/tide", "/tide/gauges"]
    assert [(one["authority"], one["way"], one["attributes"]) for one in session["sources"]] == [
        (NORTHGATE.entity_id, "query", [EPPN, "eduPersonScopedAffiliation"]),
        (TIDE, "further", ["isMemberOf"]),
    ]
    assert len(asked_at_tide(simulation)) == 1
    # The collaboration may say who is in its groups and nothing else.
    assert session["not_accepted"] == ["displayName: no_rule"]
    [page] = [browser.get(simulation.handler("library", "session")).text]
    assert "https://tide.example/aa" in page
    assert "Asked for elsewhere" in page


def test_by_the_subject_of_her_certificate_too(federation_with: Federation) -> None:
    simulation = federation_with({"voPersonCertificateDN": ["CN=alice,O=Northgate"]}, subject="certificate-subject")
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    assert session_of(simulation, browser)["attributes"]["isMemberOf"] == ["/tide", "/tide/gauges"]
    assert b"nameid-format:X509SubjectName" in asked_at_tide(simulation)[0]


def test_by_the_identifier_that_her_home_gave_the_resource_too(federation_with: Federation, state: Path) -> None:
    """The collaboration learns it from her, who sees it at the resource; her home tells the collaboration nothing."""
    # The resource asks by nothing else, and may not.
    configure(
        state / "tide" / "aa.yaml",
        external_names={"requesters": ["https://library.example/shar"]},
        principal_names=None,
        certificate_names=None,
    )
    simulation = federation_with({EPPN: [ALICE]}, subject="pairwise-id")
    simulation.start_all()
    (state / "northgate" / "release.yaml").write_text(AT_HOME.replace("permit: [", "permit: [pairwise-id, "))
    simulation.clock.forward(seconds=10)
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    session = session_of(simulation, browser)
    assert (problem_at_tide(session), "isMemberOf" in session["attributes"]) == ("", False)
    [hers] = session["attributes"]["pairwise-id"]
    assert hers.endswith("@northgate.example")
    assert hers in browser.get(simulation.handler("library", "session")).text
    unique, _, scope = hers.partition("@")
    people = open_engine(f"sqlite:///{state / 'tide' / 'people.db'}")
    Directory(people).set_attributes(_principal(people), {EXTERNAL: [f"{unique}@{scope.upper()}"]}, **AT)
    again = simulation.browser()
    simulation.log_in(again, "library", "alice")
    session = session_of(simulation, again)
    assert session["attributes"]["isMemberOf"] == ["/tide", "/tide/gauges"]
    assert session["attributes"]["pairwise-id"] == [hers]
    assert b"attribute:pairwise-id" in asked_at_tide(simulation)[-1]
    assert ALICE.encode() not in asked_at_tide(simulation)[-1]
    # Another person has another one, and the collaboration knows nobody by that.
    bob = simulation.browser()
    simulation.log_in(bob, "library", "bob")
    session = session_of(simulation, bob)
    assert ("isMemberOf" in session["attributes"], session["attributes"]["pairwise-id"] == [hers]) == (False, False)
    # And whom two people of the collaboration could be is nobody.
    Directory(people).create("somebody", password_hash=None, attributes={EXTERNAL: [hers]}, **AT)
    people.dispose()
    third = simulation.browser()
    simulation.log_in(third, "library", "alice")
    assert "isMemberOf" not in session_of(simulation, third)["attributes"]
    assert len(simulation.events("external_name_of_several", service="tide")) == 1


def test_only_what_is_wanted_is_asked_for(federation_with: Federation) -> None:
    simulation = federation_with({EPPN: [ALICE]}, attributes=["isMemberOf"])
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    session = session_of(simulation, browser)
    assert (session["attributes"]["isMemberOf"], session["not_accepted"]) == (["/tide", "/tide/gauges"], [])


def test_a_home_can_not_say_what_only_the_collaboration_may(federation_with: Federation, state: Path) -> None:
    simulation = federation_with({EPPN: [ALICE], "isMemberOf": ["/tide/secret"]}, asks=False)
    simulation.start_all()
    release = state / "northgate" / "release.yaml"
    release.write_text(AT_HOME.replace("permit: [", "permit: [isMemberOf, "))
    simulation.clock.forward(seconds=10)
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    session = session_of(simulation, browser)
    assert ("isMemberOf" in session["attributes"], session["not_accepted"]) == (False, ["isMemberOf: issuer"])


def test_a_name_of_another_organisation_is_not_asked_about(federation_with: Federation) -> None:
    """Northgate says that she is somebody of Southbank: the acceptance policy does not believe it, so nobody is asked about that one."""
    simulation = federation_with({EPPN: ["dora@southbank.example"]})
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    assert asked_at_tide(simulation) == []
    assert problem_at_tide(session_of(simulation, browser)) == "sp.aggregation_subject"


def test_who_is_no_member_is_somebody_without_groups(federation_with: Federation) -> None:
    simulation = federation_with({EPPN: ["bob@northgate.example"]}, required=True)
    browser = simulation.browser()
    assert simulation.log_in(browser, "library", "alice").status == 200
    session = session_of(simulation, browser)
    assert ("isMemberOf" in session["attributes"], problem_at_tide(session)) == (False, "")
    assert [line["authority"] for line in simulation.events("not_known_to_authority")] == [TIDE]


def test_an_authority_that_is_not_required_keeps_nobody_out_and_is_asked_again(federation_with: Federation) -> None:
    simulation = federation_with({EPPN: [ALICE]})
    tide = simulation.transport.applications.pop(URL)
    simulation.serve(URL, out_of_order)
    browser = simulation.browser()
    assert simulation.log_in(browser, "library", "alice").status == 200
    session = session_of(simulation, browser)
    assert (problem_at_tide(session), "isMemberOf" in session["attributes"]) == ("shar.unreachable", False)
    simulation.serve(URL, tide)
    simulation.clock.forward(seconds=59)
    assert "isMemberOf" not in session_of(simulation, browser)["attributes"]
    simulation.clock.forward(seconds=1)
    assert session_of(simulation, browser)["attributes"]["isMemberOf"] == ["/tide", "/tide/gauges"]
    at_home = [url for url, _ in simulation.soap.sent if not url.startswith(URL)]
    assert len(at_home) == 1, "her home was asked again with it"


def test_while_one_does_not_answer_nobody_has_the_others_asked_again_and_again(federation_with: Federation) -> None:
    simulation = federation_with({EPPN: [ALICE]})
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    simulation.clock.forward(seconds=40)
    simulation.serve(URL, out_of_order)
    before = len(simulation.soap.sent)
    for _ in range(5):
        assert browser.post(simulation.handler("library", "refresh"), []).status == 200
    asked = [url for url, _ in simulation.soap.sent[before:]]
    assert [url.startswith(URL) for url in asked].count(False) == 1
    assert [url.startswith(URL) for url in asked].count(True) == 1
    assert session_of(simulation, browser)["attributes"]["isMemberOf"] == ["/tide", "/tide/gauges"]


def test_without_an_authority_that_is_required_nobody_gets_in_and_is_told_which(federation_with: Federation) -> None:
    simulation = federation_with({EPPN: [ALICE]}, required=True)
    simulation.serve(URL, out_of_order)
    browser = simulation.browser()
    answer = simulation.log_in(browser, "library", "alice")
    assert (answer.status, answer.header("Retry-After")) == (503, "60")
    assert "https://tide.example/aa does not answer our question about you" in answer.text
    assert log_line(simulation, answer)["code"] == "sp.authority_down"


def test_who_has_no_name_for_a_required_authority_is_told_so(federation_with: Federation) -> None:
    simulation = federation_with({EPPN: []}, required=True)
    answer = simulation.log_in(simulation.browser(), "library", "alice")
    assert answer.status == 403
    assert "under which name (eduPersonPrincipalName)" in answer.text


def test_who_leaves_the_collaboration_loses_its_groups_and_keeps_her_session(
    federation_with: Federation, state: Path
) -> None:
    simulation = federation_with({EPPN: [ALICE]})
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    people = open_engine(f"sqlite:///{state / 'tide' / 'people.db'}")
    Directory(people).disable(_principal(people), **AT)
    people.dispose()
    simulation.clock.forward(minutes=5)
    assert browser.get(simulation.url("library")).status == 200
    session = session_of(simulation, browser)
    assert ("isMemberOf" in session["attributes"], session["authenticated"]) == (False, True)


def test_a_requester_that_is_not_listed_may_not_ask_by_principal_names(
    federation_with: Federation, state: Path
) -> None:
    configure(state / "tide" / "aa.yaml", principal_names={"requesters": ["https://other.example/shar"]})
    simulation = federation_with({EPPN: [ALICE]})
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    assert "isMemberOf" not in session_of(simulation, browser)["attributes"]
    assert [line["code"] for line in simulation.events("attribute_query_failed", service="tide")] == [
        "aa.principal_name"
    ]


def _principal(people: Engine) -> str:
    person = Directory(people).find(ALICE)
    assert person is not None
    return person.principal
