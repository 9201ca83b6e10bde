"""The IdP Discovery Protocol: who may ask, where the answer goes; each refusal beside the request that is answered."""

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from ostiary.federation.model import Endpoint, Entity, SpRole
from ostiary.federation.registry import Registry
from ostiary.saml import names

if TYPE_CHECKING:
    from tests.wayf.conftest import Wayf

LIBRARY = "https://library.example/sp"
UTRECHT = "https://idp.uu.example/saml"
ENCODED_UTRECHT = "https%3A%2F%2Fidp.uu.example%2Fsaml"


def location(wayf: "Wayf", **params: str) -> str:
    answer = wayf.choose(UTRECHT, **params)
    assert answer.status_code == 302, wayf.codes()
    return answer.headers["Location"]


def test_the_answer_goes_to_the_default_location_when_no_other_is_named(wayf: "Wayf") -> None:
    assert location(wayf) == f"https://library.example/other/ds?entityID={ENCODED_UTRECHT}"


def test_the_answer_goes_to_the_registered_location_that_was_named_with_its_own_query(wayf: "Wayf") -> None:
    named = "https://library.example/ds?target=a%26b&x=%C3%A9"
    assert location(wayf, **{"return": named}) == f"{named}&entityID={ENCODED_UTRECHT}"


def test_the_name_of_the_answer_parameter_may_be_chosen(wayf: "Wayf") -> None:
    assert (
        location(wayf, returnIDParam="idp & co") == f"https://library.example/other/ds?idp%20%26%20co={ENCODED_UTRECHT}"
    )


@pytest.mark.parametrize(
    "same",
    [
        "https://library.example/ds",
        "https://library.example:443/ds",
        "https://LIBRARY.example/ds",
        "https://library.example/ds?app=2",
        "https://library.example/ds?",
        "https://library.example/ds?next=https://evil.example/@#".rstrip("#"),
    ],
)
def test_the_query_of_a_return_url_may_differ_from_the_registered_one(wayf: "Wayf", same: str) -> None:
    assert location(wayf, **{"return": same}).startswith("https://library.example/ds?")


@pytest.mark.parametrize(
    "other",
    [
        "",
        "http://library.example/ds",
        "https://library.example:8443/ds",
        "https://library.example/ds/",
        "https://library.example/DS",
        "https://library.example/ds/../ds",
        "https://library.example/%64s",
        "https://library.example/",
        "https://library.example",
        "https://evil.example/ds",
        "https://library.example.evil.example/ds",
        "https://library.example@evil.example/ds",
        "https://user@library.example/ds",
        "https://evil.example\\@library.example/ds",
        "https://evil.example#@library.example/ds",
        "https://library.example/ds#fragment",
        "https://library.example/ds?x#fragment",
        "https:/library.example/ds",
        "//library.example/ds",
        "/ds",
        " https://library.example/ds",
        "https://library.example/ds\r\nSet-Cookie: x=y",
        "https://lıbrary.example/ds",
        "https://library.example:99999/ds",
        "https://[::1/ds",
        "javascript:alert(1)",
        "https://library.example/wrong-binding",
    ],
)
@pytest.mark.parametrize("passive", ["true", "false"])
def test_a_return_url_that_is_not_registered_is_refused_and_nobody_is_sent_there(
    wayf: "Wayf", other: str, passive: str
) -> None:
    for answer in (wayf.discover(**{"return": other, "isPassive": passive}), wayf.choose(UTRECHT, **{"return": other})):
        assert answer.status_code == 400
        assert "Location" not in answer.headers
        assert wayf.codes()[-1] == "wayf.unregistered_return"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "http.parameter_missing"),
        ("entityID=", "http.parameter_missing"),
        ("entityID=https://nobody.example", "wayf.unknown_resource"),
        (f"entityID={ENCODED_UTRECHT}", "wayf.unknown_resource"),
        (f"entityID={LIBRARY}&entityID={LIBRARY}", "http.parameter_repeated"),
        (
            f"entityID={LIBRARY}&return=https://library.example/ds&return=https://library.example/ds",
            "http.parameter_repeated",
        ),
        (f"entityID={LIBRARY}&isPassive=true&isPassive=false", "http.parameter_repeated"),
        (f"entityID={LIBRARY}&returnIDParam=a&returnIDParam=b", "http.parameter_repeated"),
        (f"entityID={LIBRARY}&policy={names.IDPDISC}:single&policy=x", "http.parameter_repeated"),
        (f"entityID={LIBRARY}&policy=other", "wayf.policy"),
        (f"entityID={LIBRARY}&isPassive=yes", "wayf.is_passive"),
        (f"entityID={LIBRARY}&returnIDParam={'x' * 129}", "http.parameter_too_long"),
        (f"entityID={'x' * 1025}", "http.parameter_too_long"),
        (f"entityID={LIBRARY}&q={'x' * 201}", "http.parameter_too_long"),
        (f"entityID={LIBRARY}&q=%ff", "http.encoding"),
    ],
)
def test_a_request_that_is_not_in_order_is_a_page_and_never_a_redirect(wayf: "Wayf", query: str, code: str) -> None:
    accepted = wayf.client.get(
        f"/discovery?entityID={LIBRARY}&policy={names.IDPDISC}:single", base_url="https://wayf.example.org"
    )
    assert accepted.status_code == 200
    answer = wayf.client.get(f"/discovery?{query}", base_url="https://wayf.example.org")
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert wayf.codes() == [code]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("entityID=x", "entityID"),
        ("a=1&entityID=", "entityID"),
        ("entity%49D=x", "entityID"),
        ("entityid=x", "entityID"),
        ("a=1;entityID=x", "entityID"),
        ("idp=x", "idp"),
    ],
)
def test_a_return_url_that_already_holds_an_answer_is_refused(wayf: "Wayf", query: str, parameter: str) -> None:
    twin = {"return": "https://library.example/ds?other=x", "returnIDParam": parameter}
    assert wayf.choose(UTRECHT, **twin).status_code == 302
    answer = wayf.choose(UTRECHT, **{**twin, "return": f"https://library.example/ds?{query}"})
    assert answer.status_code == 400
    assert wayf.codes() == ["wayf.return_parameter"]


def test_a_registered_default_location_that_holds_an_answer_is_refused_too(wayf: "Wayf") -> None:
    role = SpRole(discovery_responses=(Endpoint(names.IDPDISC, "https://library.example/ds?entityID=x", index=1),))
    wayf.registry = Registry([Entity(LIBRARY, sp=role)])
    assert wayf.discover().status_code == 400
    assert wayf.codes() == ["wayf.return_parameter"]


def test_a_registered_location_that_a_browser_would_run_is_no_location(wayf: "Wayf") -> None:
    role = SpRole(discovery_responses=(Endpoint(names.IDPDISC, "javascript:alert(1)", index=1),))
    wayf.registry = Registry([Entity(LIBRARY, sp=role)])
    assert wayf.discover().status_code == 400
    assert wayf.discover(**{"return": "javascript:alert(1)"}).status_code == 400
    assert wayf.codes() == ["wayf.unregistered_return", "wayf.unregistered_return"]


def test_a_resource_without_registered_location_is_refused(wayf: "Wayf") -> None:
    wayf.registry = Registry([Entity(LIBRARY, sp=SpRole())])
    assert wayf.discover().status_code == 400
    assert wayf.codes() == ["wayf.unregistered_return"]


def test_a_resource_whose_metadata_has_expired_is_unknown(wayf: "Wayf") -> None:
    role = SpRole(discovery_responses=(Endpoint(names.IDPDISC, "https://library.example/ds", index=1),))
    wayf.registry = Registry([Entity(LIBRARY, sp=role, valid_until=wayf.clock.at + timedelta(minutes=1))])
    assert wayf.discover().status_code == 200
    wayf.clock.at += timedelta(minutes=1)
    assert wayf.discover().status_code == 400
    assert wayf.codes() == ["wayf.unknown_resource"]


def test_what_stands_unencoded_in_the_query_of_the_return_url_cannot_break_the_header(wayf: "Wayf") -> None:
    named = "https://library.example/ds?target=é\r\nSet-Cookie: x=y <b>"
    assert location(wayf, **{"return": named}) == (
        f"https://library.example/ds?target=%C3%A9%0D%0ASet-Cookie:%20x=y%20%3Cb%3E&entityID={ENCODED_UTRECHT}"
    )


@pytest.mark.parametrize(
    "choice",
    [
        "https://nobody.example",
        LIBRARY,
        "https://idp.hidden.example/saml",
        "https://evil.example/",
    ],
)
def test_only_an_organisation_that_is_offered_can_be_chosen(wayf: "Wayf", choice: str) -> None:
    assert wayf.choose(UTRECHT).status_code == 302
    answer = wayf.choose(choice)
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert wayf.codes() == ["wayf.unknown_choice"]


def test_choosing_needs_exactly_one_choice(wayf: "Wayf") -> None:
    for query in ("", "&choice=", f"&choice={quote(UTRECHT)}&choice={quote(UTRECHT)}"):
        answer = wayf.client.get(f"/choose?entityID={LIBRARY}{query}", base_url="https://wayf.example.org")
        assert answer.status_code == 400


def test_an_organisation_whose_metadata_expired_since_the_page_was_shown_cannot_be_chosen(wayf: "Wayf") -> None:
    ending = "https://idp.ending.example/saml"
    assert wayf.choose(ending).status_code == 302
    wayf.clock.at += timedelta(hours=1)
    assert wayf.choose(ending).status_code == 400
    assert wayf.codes() == ["wayf.unknown_choice"]


def test_a_passive_request_comes_back_without_an_answer_when_nothing_is_remembered(wayf: "Wayf") -> None:
    answer = wayf.discover(isPassive="true", **{"return": "https://library.example/ds?a=1"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "https://library.example/ds?a=1")


def test_a_passive_request_comes_back_with_the_remembered_choice(wayf: "Wayf") -> None:
    wayf.choose(UTRECHT, remember="yes")
    for yes in ("true", "1"):
        answer = wayf.discover(isPassive=yes)
        assert answer.headers["Location"] == f"https://library.example/other/ds?entityID={ENCODED_UTRECHT}"
    assert wayf.discover(isPassive="false").status_code == 200


def test_a_passive_request_passes_over_a_remembered_choice_that_is_no_longer_known(wayf: "Wayf") -> None:
    wayf.choose(UTRECHT, remember="yes")
    wayf.choose("https://idp.ending.example/saml", remember="yes")
    wayf.clock.at += timedelta(hours=1)
    assert wayf.discover(isPassive="true").headers["Location"].endswith(ENCODED_UTRECHT)
    wayf.registry = Registry([entity for entity in wayf.registry.all(wayf.clock.at) if entity.entity_id != UTRECHT])
    assert wayf.discover(isPassive="true").headers["Location"] == "https://library.example/other/ds"
