"""From the definitions of a home organisation to the application: a persistent name, an attribute of one's own, values of wrong form."""

import json
from pathlib import Path

import yaml

from ostiary.command.demo.federation import write_aggregate
from ostiary.command.demo.layout import Layout
from tests.simulator import BASE_PORT, START, Simulation, configure

SHOE_SIZE = "https://northgate.example/attributes/shoe-size"
DEFINITIONS = [
    {"attribute": "eduPersonTargetedID"},
    {"attribute": "eduPersonScopedAffiliation"},
    {"attribute": "eduPersonEntitlement"},
    {"attribute": "displayName", "template": "{displayName} of {schacHomeOrganization}"},
    {
        "attribute": "shoeSize",
        "value": "37",
        "when": {"attribute": "mail", "pattern": "alice.*"},
        "wire_name": SHOE_SIZE,
    },
    {"attribute": "mail", "internal": True},
    {"attribute": "eduPersonAssurance", "value": ["high", "https://refeds.org/assurance/IAP/high"]},
]
RELEASE = """\
policies:
  - id: both
    for: {requesters: ["https://library.example/shar", "https://instrument.example/shar"]}
    rules:
      - permit: [eduPersonTargetedID, eduPersonScopedAffiliation, eduPersonEntitlement, displayName, shoeSize, eduPersonAssurance]
"""


def known(simulation: Simulation, resource: str) -> dict[str, list[str]]:
    browser = simulation.browser()
    simulation.log_in(browser, resource, "alice")
    session = browser.get(simulation.handler(resource, "session?format=json")).text
    attributes: dict[str, list[str]] = json.loads(session)["attributes"]
    return attributes


def test_what_definitions_make_arrives_at_each_resource_as_it_should(state: Path) -> None:
    layout = Layout(state, BASE_PORT)
    home = layout.directory("northgate")
    content = yaml.safe_load((home / "aa.yaml").read_text())
    configure(home / "aa.yaml", resolver={**content["resolver"], "definitions": DEFINITIONS})
    (home / "release.yaml").write_text(RELEASE)
    for resource in ("library", "instrument"):
        own = layout.directory(resource) / "shoes.yaml"
        own.write_text(yaml.safe_dump({"rules": [{"id": "shoes", "attribute": SHOE_SIZE, "as": "shoeSize"}]}))
        path = layout.directory(resource) / "sp.yaml"
        configure(path, accept=[*yaml.safe_load(path.read_text())["accept"], str(own)])
    write_aggregate(layout, [], START)
    simulation = Simulation(state)
    try:
        queried, pushed = known(simulation, "library"), known(simulation, "instrument")
    finally:
        simulation.close()
    (hers,), (hers_there,) = queried.pop("eduPersonTargetedID"), pushed.pop("eduPersonTargetedID")
    assert queried == pushed
    del queried["eduPersonScopedAffiliation"], queried["eduPersonEntitlement"]
    assert queried == {
        "displayName": ["Alice Archer of northgate.example"],
        "shoeSize": ["37"],
        "eduPersonAssurance": ["https://refeds.org/assurance/IAP/high"],
    }
    issuer, audience, value = hers.split("!")
    issuer_there, audience_there, value_there = hers_there.split("!")
    assert issuer == issuer_there == "https://northgate.example/idp"
    assert (audience, audience_there) == ("https://library.example/shar", "https://instrument.example/shar")
    assert value != value_there
    assert "malformed eduPersonAssurance" in simulation.logged
