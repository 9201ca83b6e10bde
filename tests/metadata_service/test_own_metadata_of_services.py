"""What identity provider and resource publish about themselves: signed, with an end, and in order by schema and common rules."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ostiary.command.demo.people import HOMES
from ostiary.federation.keys import load_key_ring
from ostiary.federation.read import read_signed_metadata
from ostiary.federation.validation.check import check_document
from ostiary.saml.schema import check_schema
from ostiary.saml.xml import METADATA, parse_xml

if TYPE_CHECKING:
    from tests.simulator import Simulation


@pytest.mark.parametrize("whose", ["home", "resource"])
def test_each_service_publishes_its_own_signed_metadata(federation: "Simulation", whose: str) -> None:
    layout, now = federation.layout, federation.clock.at
    if whose == "home":
        url, directory = f"{layout.idp_url(HOMES[0])}/metadata", layout.directory(HOMES[0].key)
    else:
        url, directory = federation.handler("library", "metadata"), layout.directory("library")
    answer = federation.browser().get(url)
    assert (answer.status, answer.header("Content-Type")) == (200, "application/samlmetadata+xml")
    ring = load_key_ring(directory / "keys")
    (entity,) = read_signed_metadata(answer.body, [ring.signer.public], now=now)
    assert entity.valid_until == now + timedelta(days=7)
    if whose == "home":
        assert entity.idp is not None
        assert entity.aa is not None
    else:
        assert entity.sp is not None
    root = parse_xml(answer.body, METADATA)
    assert root.get("cacheDuration") == "PT6H"
    check_schema(root, "metadata")
    wrong = [one.code for one in check_document(root, now, trusted=[ring.signer.public]) if one.severity == "error"]
    assert wrong == []


def test_a_home_signs_its_metadata_once_and_answers_conditions(federation: "Simulation") -> None:
    url = f"{federation.layout.idp_url(HOMES[0])}/metadata"
    browser = federation.browser()
    first, again = browser.get(url), browser.get(url)
    assert first.body == again.body
    assert first.header("ETag") == again.header("ETag")
    assert first.header("Cache-Control") == "public, max-age=21600"
