"""Which home organisations a resource accepts and which come first: the rules by themselves."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.federation.directory.entity_selection import MAXIMUM, read_profiles
from ostiary.federation.directory.offered import Offer, needs_of, offer_for
from ostiary.federation.model import Entity
from ostiary.federation.sources.selection import Criteria, Selection
from ostiary.federation.summary import Summary
from ostiary.saml import names

SP = "https://library.example/sp"
RS = "http://refeds.org/category/research-and-scholarship"
COCO_1 = "http://www.geant.net/uri/dataprotection-code-of-conduct/v1"
COCO_2 = "https://refeds.org/category/code-of-conduct/v2"
PERSONALIZED = "https://refeds.org/category/personalized"
PSEUDONYMOUS = "https://refeds.org/category/pseudonymous"
SUPPORT = "http://macedir.org/entity-category-support"
CATEGORY = "http://macedir.org/entity-category"
PROFILE = "https://refeds.org/entity-selection-profile"
SUBJECT_ID = "urn:oasis:names:tc:SAML:profiles:subject-id:req"


def idp(name: str = "one", **more: Any) -> Summary:
    attributes = {SUPPORT: more.pop("supports", ()), CATEGORY: more.pop("categories", ())}
    attributes["urn:oasis:names:tc:SAML:attribute:assurance-certification"] = more.pop("certified", ())
    return Summary(
        f"https://{name}.example/idp",
        entity_attributes=tuple((key, tuple(values)) for key, values in attributes.items() if values),
        offers_sign_on=True,
        **more,
    )


def sp(*attributes: tuple[str, tuple[str, ...]]) -> Entity:
    return Entity(SP, entity_attributes=attributes)


def encoded(content: object) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()


def profiles(**found: Any) -> Entity:
    return sp((PROFILE, (encoded({"entityID": SP, "profiles": found}),)))


# --- needs


@pytest.mark.parametrize(
    ("categories", "needs"),
    [
        ((), ()),
        ((RS,), (frozenset({RS}),)),
        ((COCO_1,), (frozenset({COCO_1}),)),
        ((COCO_1, COCO_2), (frozenset({COCO_1, COCO_2}),)),
        (("https://example.org/of-our-own",), ()),
        ((names.HIDE_FROM_DISCOVERY,), ()),
    ],
)
def test_the_categories_of_a_resource_are_what_it_needs(categories: tuple[str, ...], needs: object) -> None:
    assert needs_of(sp((CATEGORY, categories))) == needs


@pytest.mark.parametrize(
    ("requirement", "needs"),
    [
        ("subject-id", (frozenset({PERSONALIZED}),)),
        ("pairwise-id", (frozenset({PSEUDONYMOUS}),)),
        ("any", (frozenset({PERSONALIZED, PSEUDONYMOUS}),)),
        ("none", ()),
        ("nonsense", ()),
    ],
)
def test_a_required_subject_identifier_is_promised_by_a_category(requirement: str, needs: object) -> None:
    assert needs_of(sp((SUBJECT_ID, (requirement,)))) == needs


def test_who_supports_more_of_what_is_needed_comes_first_and_nobody_is_left_out() -> None:
    offer = offer_for(sp((CATEGORY, (RS, COCO_2))))
    both, only_rs, neither = idp(supports=(RS, COCO_2)), idp(supports=(RS,)), idp()
    assert [offer.rank(one) for one in (both, only_rs, neither)] == [0, 1, 2]
    assert all(offer.accepts(one) for one in (both, only_rs, neither))
    assert (offer.accepts_all, offer.ranks) == (True, True)


def test_having_a_category_is_not_supporting_it() -> None:
    offer = offer_for(sp((CATEGORY, (RS,))))
    assert [offer.rank(idp(categories=(RS,))), offer.rank(idp(supports=(RS,)))] == [1, 0]


def test_without_needs_all_are_equal() -> None:
    offer = offer_for(sp())
    assert (offer, offer.rank(idp(supports=(RS,))), offer.rank(idp())) == (Offer(), 0, 0)
    assert (offer.accepts_all, offer.ranks) == (True, False)


# --- the site's own choice


def test_a_site_includes_and_excludes() -> None:
    only = Selection(Criteria(registration_authorities=frozenset({"https://federation.example"})))
    never = Selection(exclude=Criteria(entities=frozenset({"https://two.example/idp"})))
    offer = offer_for(sp(), (only, never))
    member = {"registration_authority": "https://federation.example"}
    assert offer.accepts(idp("one", **member))
    assert not offer.accepts(idp("two", **member))
    assert not offer.accepts(idp("three"))
    assert not offer.accepts_all


def test_an_original_shibboleth_request_is_for_those_who_take_it() -> None:
    offer = offer_for(sp(), by_shibboleth_request=True)
    assert offer.accepts(idp(takes_shibboleth_requests=True))
    assert not offer.accepts(idp())
    assert not offer.accepts_all


# --- the resource's own choice (entity-selection-profile)


def test_a_strict_profile_leaves_out_the_others() -> None:
    offer = offer_for(
        profiles(ours={"strict": True, "entities": [{"match": "registrationAuthority", "select": "https://a.example"}]})
    )
    assert offer.accepts(idp(registration_authority="https://a.example"))
    assert not offer.accepts(idp(registration_authority="https://b.example"))
    assert not offer.accepts(idp())


def test_a_profile_that_is_not_strict_only_puts_them_first() -> None:
    clause = {"match": "assurance_certification", "select": "https://refeds.org/sirtfi"}
    offer = offer_for(profiles(sirtfi={"strict": False, "entities": [clause]}))
    assert [offer.rank(idp(certified=("https://refeds.org/sirtfi",))), offer.rank(idp())] == [0, 1]
    assert offer.accepts(idp())


def test_a_profile_is_strict_where_it_does_not_say() -> None:
    clause = {"match": "entity_category", "select": "https://c.example"}
    offer = offer_for(profiles(one={"entities": [clause]}))
    assert (offer.accepts(idp()), offer.accepts(idp(categories=("https://c.example",)))) == (False, True)


@pytest.mark.parametrize(
    ("profile", "accepted"),
    [
        ({"entity": [{"entity_id": "https://one.example/idp"}]}, ["one"]),
        ({"entity": [{"entity_id": "https://one.example/idp", "include": False}]}, ["two", "three"]),
        (
            {
                "entity": [{"entity_id": "https://three.example/idp"}],
                "entities": [{"match": "registrationAuthority", "select": "https://a.example"}],
            },
            ["one", "two", "three"],
        ),
        (
            {
                "entity": [{"entity_id": "https://one.example/idp", "include": False}],
                "entities": [{"match": "registrationAuthority", "select": "https://a.example"}],
            },
            ["two"],
        ),
        (
            {"entities": [{"match": "registrationAuthority", "select": "https://a.example", "include": False}]},
            ["three"],
        ),
        ({}, ["one", "two", "three"]),
    ],
)
def test_single_organisations_and_sets_of_them_go_together(profile: dict[str, Any], accepted: list[str]) -> None:
    offer = offer_for(profiles(one=profile))
    homes = {
        "one": idp("one", registration_authority="https://a.example"),
        "two": idp("two", registration_authority="https://a.example"),
        "three": idp("three"),
    }
    assert [name for name, home in homes.items() if offer.accepts(home)] == accepted


def test_of_several_profiles_the_one_that_is_named_counts_and_none_without_a_name() -> None:
    resource = profiles(
        a={"entities": [{"match": "registrationAuthority", "select": "https://a.example"}]},
        b={"entities": [{"match": "registrationAuthority", "select": "https://b.example"}]},
    )
    home = idp(registration_authority="https://a.example")
    assert offer_for(resource, profile="a").accepts(home)
    assert not offer_for(resource, profile="b").accepts(home)
    assert offer_for(resource).accepts_all
    assert offer_for(resource, profile="c").accepts_all


def test_another_way_in_is_a_https_address() -> None:
    (good,) = read_profiles([encoded({"profiles": {"p": {"fallback_handler": {"handler": "https://x.example"}}}})], SP)
    (bad,) = read_profiles([encoded({"profiles": {"p": {"fallback_handler": {"handler": "javascript:x"}}}})], SP)
    assert (good.fallback, bad.fallback) == ("https://x.example", "")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "not base64!",
        base64.b64encode(b"\xff\xfe").decode(),
        base64.b64encode(b"{").decode(),
        base64.b64encode(b"[" * 50_000).decode(),
        "A" * (MAXIMUM + 4),
        encoded([]),
        encoded({"profiles": []}),
        encoded({"profiles": {"one": []}}),
        encoded({"profiles": {"one": {"strict": "yes"}}}),
        encoded({"profiles": {"one": {"entity": {}}}}),
        encoded({"profiles": {"one": {"entity": [{}]}}}),
        encoded({"profiles": {"one": {"entity": [{"entity_id": 1}]}}}),
        encoded({"profiles": {"one": {"entity": [{"entity_id": "x", "include": "no"}]}}}),
        encoded({"profiles": {"one": {"entities": [{"match": "md_source", "select": "x"}]}}}),
        encoded({"profiles": {"one": {"entities": [{"match": "registrationAuthority"}]}}}),
        encoded({"profiles": {"one": {"entity": [{"entity_id": str(number)} for number in range(2001)]}}}),
        encoded(
            {
                "profiles": {
                    "one": {"entities": [{"match": "registrationAuthority", "select": str(n)} for n in range(51)]}
                }
            }
        ),
        encoded({"entityID": "https://other.example", "profiles": {"one": {}}}),
    ],
)
def test_a_profile_that_is_not_understood_hides_nobody(value: str) -> None:
    twin = encoded({"entityID": SP, "profiles": {"one": {}}})
    assert [one.name for one in read_profiles([twin], SP)] == ["one"]
    assert read_profiles([value], SP) == ()


def test_so_much_is_read_of_all_profiles_together() -> None:
    # With each request, and for each home organisation: a resource must not make that expensive.
    long = encoded({"profiles": {"long": {"fallback_handler": {"handler": "https://x.example/" + "x" * 60_000}}}})
    other = encoded({"profiles": {"other": {"x": "x" * 60_000}}})
    short = encoded({"profiles": {"short": {}}})
    assert [one.name for one in read_profiles([long, other, short], SP)] == ["long", "short"]
    many = encoded({"profiles": {str(number): {} for number in range(200)}})
    assert len(read_profiles([many], SP)) == 50


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=8) | st.sampled_from(["profiles", "entity", "entities", "match"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["profiles", "entity", "entities", "select", "match", "strict"]), inner)
        ),
        max_leaves=12,
    )
)
def test_whatever_stands_in_a_profile_it_is_read_or_left_out(content: object) -> None:
    for profile in read_profiles([encoded(content), encoded({"profiles": {"x": content}})], SP):
        assert profile.selects(idp()) in (True, False)
