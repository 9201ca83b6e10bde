"""Who is offered to the people of a resource, on the page and when a choice arrives."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ostiary.config import load_settings
from ostiary.errors import ConfigurationError
from ostiary.federation.model import Entity
from ostiary.saml import names
from tests.wayf.conftest import LIBRARY, LODZ, NOW, UTRECHT, ZURICH, Wayf, federation, home
from wayf.settings import WayfSettings

ALL = ["Ending University", "Technische Universität Zürich", "Uniwersytet Łódzki", "Utrecht University"]
RS = "http://refeds.org/category/research-and-scholarship"


def library(*attributes: tuple[str, tuple[str, ...]]) -> Entity:
    return replace(federation()[0], entity_attributes=attributes)


def profile(**profiles: Any) -> tuple[str, tuple[str, ...]]:
    content = json.dumps({"entityID": LIBRARY, "profiles": profiles}).encode()
    return names.ENTITY_SELECTION_PROFILE, (base64.b64encode(content).decode(),)


def refused(wayf: Wayf, choice: str, **params: str) -> bool:
    answer = wayf.choose(choice, **params)
    if answer.status_code == 302:
        return False
    assert wayf.codes()[-1] == "wayf.unknown_choice"
    return True


def test_a_site_leaves_out_organisations_for_everybody(make_wayf_with: Callable[..., Wayf]) -> None:
    wayf = make_wayf_with(offer={"exclude": {"entities": [UTRECHT]}})
    assert wayf.offered() == ALL[:3]
    assert wayf.offered(q="utrecht") == []
    assert refused(wayf, UTRECHT)
    assert not refused(wayf, ZURICH)


def test_a_site_offers_one_resource_a_few(make_wayf_with: Callable[..., Wayf]) -> None:
    wayf = make_wayf_with(resources={LIBRARY: {"include": {"registration_authorities": ["https://nl.example"]}}})
    wayf.know(home(UTRECHT, ("en", "Utrecht"), scope="uu.example", registration_authority="https://nl.example"))
    assert wayf.offered() == ["Utrecht"]
    assert refused(wayf, ZURICH)
    other = replace(library(), entity_id="https://other.example/sp")
    wayf.know(other)
    assert len(wayf.offered(entityID="https://other.example/sp")) == 4


def test_what_is_remembered_is_offered_only_where_it_is_accepted(make_wayf_with: Callable[..., Wayf]) -> None:
    wayf = make_wayf_with(resources={LIBRARY: {"exclude": {"entities": [UTRECHT]}}})
    wayf.know(replace(library(), entity_id="https://other.example/sp"))
    wayf.get("/choose", entityID="https://other.example/sp", choice=UTRECHT, remember="yes")
    assert "Continue with Utrecht" in wayf.discover(entityID="https://other.example/sp").text
    assert "Continue with" not in wayf.discover().text
    assert wayf.discover(isPassive="true").headers["Location"] == "https://library.example/other/ds"


def test_organisations_that_give_what_is_needed_come_first_and_the_search_still_finds_all(wayf: Wayf) -> None:
    wayf.know(
        library((names.ENTITY_CATEGORY, (RS,))),
        home(
            UTRECHT,
            ("en", "Utrecht University"),
            scope="uu.example",
            entity_attributes=((names.ENTITY_CATEGORY_SUPPORT, (RS,)),),
        ),
    )
    assert wayf.offered() == [ALL[3], *ALL[:3]]
    assert wayf.offered(q="zurich") == ["Technische Universität Zürich"]
    assert not refused(wayf, ZURICH)


def test_the_resource_s_own_profile_counts(wayf: Wayf) -> None:
    wayf.know(library(profile(ours={"strict": True, "entity": [{"entity_id": ZURICH}, {"entity_id": LODZ}]})))
    assert wayf.offered() == ALL[1:3]
    assert refused(wayf, UTRECHT)


def test_of_several_profiles_the_request_names_one_and_keeps_it(make_wayf_with: Callable[..., Wayf]) -> None:
    several = profile(a={"entity": [{"entity_id": ZURICH}]}, b={"entity": [{"entity_id": LODZ}]})
    wayf = make_wayf_with(resources={LIBRARY: {"selection_profile": "b"}})
    wayf.know(library(several))
    assert wayf.offered(trustProfile="a") == [ALL[1]]
    assert 'name="trustProfile" value="a"' in wayf.discover(trustProfile="a").text
    assert refused(wayf, LODZ, trustProfile="a")
    assert wayf.offered() == [ALL[2]]


def test_a_profile_that_hides_everybody_leaves_a_page_that_helps(wayf: Wayf) -> None:
    wayf.know(library(profile(none={"entity": [{"entity_id": "https://gone.example"}]})))
    assert wayf.offered() == []
    assert "There is no organisation to choose from yet." in wayf.discover().text


def test_a_registry_is_not_asked_for_whole_entities_to_show_a_page(wayf: Wayf, monkeypatch: pytest.MonkeyPatch) -> None:
    wayf.discover()
    asked = []
    real = type(wayf.registry).get
    monkeypatch.setattr(
        type(wayf.registry), "get", lambda self, entity_id, now: asked.append(entity_id) or real(self, entity_id, now)
    )
    wayf.discover(q="uni")
    assert set(asked) == {LIBRARY}
    assert real(wayf.registry, UTRECHT, NOW) is not None


CONFIGURATION = """\
public_url: http://localhost:8080
listen: {port: 8080}
federation_name: https://federation.example.org
trust: {keys: keys, metadata: []}
offer:
  exclude: {entity_categories: [https://federation.example/test-idp]}
resources:
  https://library.example/sp:
    include: {entities_matching: ["https://*.example/idp"]}
    selection_profile: ours
guests: [https://guest.example/idp]
federation_help: {name: The Federation, email: help@federation.example, url: https://federation.example/help}
"""


def test_the_choice_of_a_site_is_read_from_its_file(tmp_path: Any) -> None:
    (tmp_path / "keys").mkdir()
    path = tmp_path / "wayf.yaml"
    path.write_text(CONFIGURATION)
    settings = load_settings(path, WayfSettings)
    assert settings.resources["https://library.example/sp"].selection_profile == "ours"
    assert settings.guests == ("https://guest.example/idp",)
    assert settings.federation_help.email == "help@federation.example"
    path.write_text(CONFIGURATION.replace("help@federation.example", "help@federation.example?subject=x"))
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, WayfSettings)
    assert (caught.value.line, caught.value.key) == (12, "federation_help.email")
