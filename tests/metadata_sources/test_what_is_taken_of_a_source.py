"""Filters and trust limits: pure rules over what an entity says of itself; and what of them changes the name in the index."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ostiary.errors import Refusal
from ostiary.federation.model import Scope
from ostiary.federation.sources.reading import Reading, reading_from
from ostiary.federation.sources.scopes import limited, limited_summary, may_speak_for
from ostiary.federation.sources.selection import Criteria, Selection
from ostiary.federation.summary import summary_of
from ostiary.saml import names
from tests.federation.entities import HOME, LIBRARY
from tests.saml.world import NOW, signer

RESEARCH = "http://refeds.org/category/research-and-scholarship"
HOME_IN_SHORT, LIBRARY_IN_SHORT = summary_of(HOME), summary_of(LIBRARY)
SUPPORTS = summary_of(replace(HOME, entity_attributes=((names.ENTITY_CATEGORY_SUPPORT, (RESEARCH,)),)))
HIDDEN = summary_of(replace(HOME, entity_attributes=((names.ENTITY_CATEGORY, (names.HIDE_FROM_DISCOVERY,)),)))


def some(*values: str) -> frozenset[str]:
    return frozenset(values)


@pytest.mark.parametrize(
    ("criteria", "has", "lacks"),
    [
        (Criteria(entities=some(HOME.entity_id)), HOME_IN_SHORT, LIBRARY_IN_SHORT),
        (Criteria(entities_matching=some(r"https://idp\..*|.*northgate.*")), HOME_IN_SHORT, LIBRARY_IN_SHORT),
        (Criteria(registration_authorities=some("https://federation.example")), HOME_IN_SHORT, LIBRARY_IN_SHORT),
        (Criteria(entity_categories=some(RESEARCH, "urn:other")), HOME_IN_SHORT, LIBRARY_IN_SHORT),
        (Criteria(entity_category_support=some(RESEARCH)), SUPPORTS, HOME_IN_SHORT),
        (Criteria(roles=some("sp")), LIBRARY_IN_SHORT, HOME_IN_SHORT),
        (Criteria(roles=some("sp", "aa")), HOME_IN_SHORT, replace(LIBRARY_IN_SHORT, roles=())),
        (Criteria(hidden_from_discovery=True), HIDDEN, HOME_IN_SHORT),
    ],
)
def test_a_criterion_takes_whom_it_names_and_leaves_out_whom_it_excludes(criteria, has, lacks) -> None:  # type: ignore[no-untyped-def]
    taken, excluded = Selection(include=criteria), Selection(exclude=criteria)
    assert (taken.keeps(has), taken.keeps(lacks)) == (True, False)
    assert (excluded.keeps(has), excluded.keeps(lacks)) == (False, True)


def test_included_is_who_has_everything_and_excluded_who_has_anything() -> None:
    both = Criteria(roles=some("idp"), registration_authorities=some("https://elsewhere.example"))
    assert not Selection(include=both).keeps(HOME_IN_SHORT)
    assert not Selection(exclude=both).keeps(HOME_IN_SHORT)


def test_who_is_included_by_name_can_still_be_excluded() -> None:
    chosen = Selection(Criteria(entities=some(HOME.entity_id)), Criteria(entity_categories=some(RESEARCH)))
    assert not chosen.keeps(HOME_IN_SHORT)


def test_without_criteria_everybody_is_taken() -> None:
    assert all(Selection().keeps(one) for one in (HOME_IN_SHORT, LIBRARY_IN_SHORT, HIDDEN))


def test_a_name_is_matched_as_a_whole() -> None:
    assert not Selection(include=Criteria(entities_matching=some("northgate"))).keeps(HOME_IN_SHORT)


@pytest.mark.parametrize(
    ("scope", "limit", "may"),
    [
        ("northgate.example", "northgate.example", True),
        ("NorthGate.example", "northgate.EXAMPLE", True),
        ("lab.northgate.example", "northgate.example", False),
        ("lab.northgate.example", ".northgate.example", True),
        ("northgate.example", ".northgate.example", False),
        ("evilnorthgate.example", ".northgate.example", False),
        ("", ".northgate.example", False),
        ("..northgate.example", ".northgate.example", False),
        ("evil.example/.northgate.example", ".northgate.example", False),
        ("a@evil.example .northgate.example", ".northgate.example", False),
        ("\N{KELVIN SIGN}.northgate.example", ".northgate.example", False),
    ],
)
def test_a_source_speaks_for_its_scopes_alone(scope: str, limit: str, may: bool) -> None:
    assert may_speak_for(Scope(scope), [limit]) is may


def test_a_pattern_is_beyond_every_limit() -> None:
    assert not may_speak_for(Scope(r"^northgate\.example$", is_pattern=True), ["northgate.example"])


def test_scopes_beyond_the_limit_are_taken_away_from_every_role_and_told() -> None:
    kept, beyond = limited(HOME, ["northgate.example"])
    assert kept.idp is not None
    assert kept.aa is not None
    assert kept.idp.scopes == kept.aa.scopes == (Scope("northgate.example"),)
    assert beyond == (Scope(r"^.+\.northgate\.example$", is_pattern=True),)


def test_an_entity_without_a_scope_left_stays_and_asserts_none() -> None:
    kept, beyond = limited(HOME, ["elsewhere.example"])
    assert kept.idp is not None
    assert (kept.entity_id, kept.idp.scopes, len(beyond)) == (HOME.entity_id, (), 2)
    assert limited_summary(HOME_IN_SHORT, ["elsewhere.example"]) == summary_of(kept)


def test_without_a_limit_nothing_is_taken_away() -> None:
    assert limited(HOME, None) == (HOME, ())
    assert limited_summary(HOME_IN_SHORT, None) is HOME_IN_SHORT


READING = Reading(
    (signer("rsa", "federation").public,),
    maximum_validity=timedelta(days=28),
    selection=Selection(Criteria(roles=some("idp")), Criteria(hidden_from_discovery=True)),
    scopes=("northgate.example",),
)


def test_a_reading_reaches_another_process_as_it_is() -> None:
    assert reading_from(READING.as_json()) == READING
    assert reading_from(Reading(allow_unsigned_local_file=True).as_json()) == Reading(allow_unsigned_local_file=True)


def test_what_was_read_under_other_terms_has_another_fingerprint() -> None:
    others = [
        replace(READING, trusted=(signer("p256", "sp").public,)),
        replace(READING, maximum_validity=timedelta(days=7)),
        replace(READING, selection=Selection()),
        replace(READING, scopes=None),
        replace(READING, allow_unsigned_local_file=True),
    ]
    assert len({READING.fingerprint(), *(other.fingerprint() for other in others)}) == 6
    assert replace(READING, may_shrink=True).fingerprint() == READING.fingerprint()


@pytest.mark.parametrize(
    ("days", "code"),
    [
        (None, "metadata.no_valid_until"),
        (0, "metadata.expired"),
        (-1, "metadata.expired"),
        (29, "metadata.valid_too_long"),
    ],
)
def test_a_signed_document_has_an_end_that_is_near(days: int | None, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        READING.check_validity(NOW + timedelta(days=days) if days is not None else None, NOW)
    assert refused.value.code == code


def test_the_year_9999_is_too_far() -> None:
    with pytest.raises(Refusal, match=r"metadata\.valid_too_long"):
        READING.check_validity(NOW.replace(year=9999), NOW)


def test_what_the_administrator_vouches_for_needs_no_end() -> None:
    Reading(allow_unsigned_local_file=True).check_validity(None, NOW)
    READING.check_validity(NOW + timedelta(days=28), NOW)
