"""What is different for single partners, and that less safety is given to nobody but a partner by its own name."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.partners import NOTHING_SPECIAL, PartnerRules, PartnerSettings, allowed_sha1, effective
from idp.settings import IdpSettings
from ostiary.config import load_settings
from ostiary.errors import ConfigurationError
from ostiary.federation.model import Entity, SpRole
from ostiary.saml import names
from ostiary.saml.bindings import encode_post
from tests.idp.conftest import BASE, Home, Resource
from tests.idp.conftest import LAB as LAB_ID
from tests.saml.legacy import sign_with_sha1

CATEGORY = "http://refeds.org/category/research-and-scholarship"
LAB = Entity(
    "https://lab.example/sp",
    sp=SpRole(),
    registration_authority="https://federation.example",
    entity_attributes=((names.ENTITY_CATEGORY, (CATEGORY,)),),
)
SHOP = Entity("https://shop.example/sp", sp=SpRole())


def read(configuration: Path, partners: list[dict[str, object]]) -> IdpSettings:
    configuration.write_text(configuration.read_text() + yaml.safe_dump({"partners": partners}))
    return load_settings(configuration, IdpSettings)


def test_nothing_is_special_about_a_partner_whom_no_entry_fits() -> None:
    assert effective([PartnerSettings(entity_id=LAB.entity_id, sign="response")], SHOP) is NOTHING_SPECIAL


def test_each_field_is_from_the_first_entry_that_fits_and_sets_it(configuration: Path) -> None:
    read_settings = read(
        configuration,
        [
            {"entity_id": LAB.entity_id, "signing_algorithm": "sha384", "handle_lifetime": "30m"},
            {
                "entity_category": CATEGORY,
                "handle_lifetime": "9h",
                "name_id_format": "persistent",
                "encrypt": "required",
            },
            {"registration_authority": "https://federation.example", "encrypt": "if_key", "session_lifetime": "1h"},
            {"entity_id": SHOP.entity_id, "attributes_in_response": False},
        ],
    )
    assert read_settings.partner(LAB) == PartnerRules(
        signing_algorithm="sha384",
        handle_lifetime=timedelta(minutes=30),
        name_id_format=names.PERSISTENT,
        encrypt="required",
        session_lifetime=timedelta(hours=1),
    )
    assert read_settings.partner(SHOP) == PartnerRules(attributes_in_response=False)
    assert read_settings.rules_for(LAB).handle_lifetime == timedelta(minutes=30)
    assert read_settings.rules_for(SHOP) == read_settings.rules()
    assert (read_settings.sends_attributes_to(LAB), read_settings.sends_attributes_to(SHOP)) == (True, False)


def test_an_entity_with_a_similar_name_is_another_one() -> None:
    entry = PartnerSettings(entity_id=LAB.entity_id, encrypt="required")
    for other in (f"{LAB.entity_id}/", LAB.entity_id.upper(), f"{LAB.entity_id} ", "https://lab.example/s"):
        assert effective([entry], replace(LAB, entity_id=other)) is NOTHING_SPECIAL


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"sign": "both"}, "partners.selector"),
        ({"entity_id": "a:b", "entity_category": CATEGORY}, "partners.selector"),
        ({"entity_category": CATEGORY, "allow_sha1_from_legacy_partner": True}, "partners.weaker_needs_name"),
        ({"registration_authority": "a:b", "allow_cbc_for_this_partner": True}, "partners.weaker_needs_name"),
        ({"entity_category": CATEGORY, "encrypt": "never"}, "partners.weaker_needs_name"),
        ({"entity_id": "a:b", "assertion_lifetime": "2h"}, "partners.assertion_lifetime"),
        ({"entity_id": "a:b", "assertion_lifetime": "0s"}, "config.duration"),
        ({"entity_id": "a:b", "signing_algorithm": "sha1"}, "config.wrong_value"),
        ({"entity_id": "a:b", "sign": "nothing"}, "config.wrong_value"),
        ({"entity_id": "", "sign": "both"}, "config.wrong_value"),
        ({"entity_id": "a:b", "sing": "both"}, "config.mistyped_key"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_its_line(
    configuration: Path, entry: dict[str, object], code: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(configuration, [entry])
    assert raised.value.code == code
    assert raised.value.key.startswith("partners[0]")


def test_weak_signatures_are_taken_from_named_partners_alone() -> None:
    entries = [
        PartnerSettings(entity_id="a:old", allow_sha1_from_legacy_partner=True),
        PartnerSettings(entity_id="a:cured", allow_sha1_from_legacy_partner=False),
        PartnerSettings(entity_id="a:cured", allow_sha1_from_legacy_partner=True),
        PartnerSettings(entity_category=CATEGORY, sign="both"),
    ]
    assert allowed_sha1(entries) == {"a:old"}


entries = st.lists(
    st.builds(
        PartnerSettings,
        entity_id=st.sampled_from([LAB.entity_id, SHOP.entity_id]),
        sign=st.sampled_from([None, "response", "assertion", "both"]),
        allow_sha1_from_legacy_partner=st.sampled_from([None, True, False]),
    ),
    max_size=6,
)


@settings(max_examples=50)
@given(entries)
def test_both_ways_to_ask_about_weak_signatures_say_the_same(entries: list[PartnerSettings]) -> None:
    for sp in (LAB, SHOP):
        assert effective(entries, sp).allow_sha1_from_legacy_partner == (sp.entity_id in allowed_sha1(entries))
        assert effective(entries, sp).sign in ("response", "assertion", "both")


@pytest.mark.parametrize(("named", "status"), [((), 400), ((LAB_ID,), 303), (("https://other.example/sp",), 400)])
def test_a_request_with_sha1_is_taken_from_a_named_partner(
    make_home: Callable[..., Home], lab: Resource, named: tuple[str, ...], status: int
) -> None:
    home = make_home(
        partners=tuple(PartnerSettings(entity_id=name, allow_sha1_from_legacy_partner=True) for name in named)
    )
    request = lab.request(destination=f"{BASE}/saml/sso/post").to_xml()
    sign_with_sha1(request, lab.signer)
    assert home.post("/saml/sso/post", {"SAMLRequest": encode_post(request)}).status_code == status
