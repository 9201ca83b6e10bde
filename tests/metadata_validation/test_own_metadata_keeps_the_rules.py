"""What our own services publish breaks no rule of those that keep people from logging in."""

from typing import TYPE_CHECKING

import pytest

from ostiary.federation.validation.check import check_document
from ostiary.saml.xml import METADATA, parse_xml

if TYPE_CHECKING:
    from tests.simulator import Simulation


# The demo's services are on localhost and 127.0.0.1, so they may have such names; everything else is as in a real place.
@pytest.mark.parametrize("part", ["federation", "resource"])
def test_metadata_of_our_own_services_has_no_error(simulation: "Simulation", part: str) -> None:
    if part == "federation":
        document = simulation.layout.aggregate.read_bytes()
    else:
        document = simulation.browser().get(simulation.handler("library", "metadata")).body
    found = list(check_document(parse_xml(document, METADATA), simulation.clock.now()))
    assert [(one.code, one.entity_id, one.facts) for one in found if one.severity == "error"] == []
    assert found != []
