"""Which home organisations a text finds, and in which order."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ostiary.federation.directory import Directory, Nearby, fold
from ostiary.federation.directory.folding import fold_lines
from ostiary.federation.directory.offered import Offer
from ostiary.federation.registry import Registry
from ostiary.federation.sources.selection import Criteria, Selection
from ostiary.saml import names
from tests.home_search.conftest import MUNICH, NOW, TROMSO, Search, home

if TYPE_CHECKING:
    from ostiary.federation.model import Entity

Searches = Callable[..., Search]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("München", ["tum.example"]),
        ("munchen", ["tum.example"]),
        ("MUENCHEN", ["tum.example"]),
        ("Mu\u0308nchen", ["tum.example"]),
        ("Tromsø", ["uit.example"]),
        ("tromso", ["uit.example"]),
        ("tromsoe", ["uit.example"]),
        ("łódzki", ["lodz.example"]),
        ("lodzki", ["lodz.example"]),
        ("Амстердам", []),
        ("московский", ["msu.example"]),
        ("Moskovskij", ["msu.example"]),
        ("αθηνων", ["athens.example"]),
        ("ΠΑΝΕΠΙΣΤΉΜΙΟ", ["athens.example"]),
        ("جامعة", ["cairo.example"]),
        ("القاهره", ["cairo.example"]),
        ("東京", ["tokyo.example"]),
        ("大学", ["tokyo.example"]),
        ("がっこう", ["tokyo.example"]),
        ("かっこう", []),
    ],
)
def test_case_accents_and_scripts_make_no_difference(search: Search, typed: str, found: list[str]) -> None:
    assert search(typed) == found


@pytest.mark.parametrize(
    "typed",
    [
        "technical munich",
        "munich technical",
        "universität technische",
        "münchen technical",
        "techn mun",
        "  munich,of! ",
    ],
)
def test_several_words_are_found_in_any_order_and_in_any_languages(search: Search, typed: str) -> None:
    assert search(typed) == ["tum.example"]


@pytest.mark.parametrize(
    ("typed", "found"),
    [("tum", "tum.example"), ("uva", "uva.example"), ("t.u.m.", "tum.example"), ("film textile", "lodz.example")],
)
def test_abbreviations_and_keywords_are_found(search: Search, typed: str, found: str) -> None:
    assert search(typed) == [found]


def test_initials_are_found_with_and_without_small_words(search_among: Searches) -> None:
    search = search_among(
        home("a.example", ("en", "Royal Institute of Technology")), home("b.example", ("en", "Other"))
    )
    assert [search(typed) for typed in ("rit", "riot", "rt")] == [["a.example"], ["a.example"], []]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("ada@tum.example", ["tum.example"]),
        ("ada@cs.in.TUM.example", ["tum.example"]),
        ("@tum.exa", ["tum.example"]),
        ("tum.example", ["tum.example"]),
        ("x@stud.nameless.example", ["nameless.example"]),
        ("nobody@mail.test", []),
        ("ada@nontum.example", []),
        ("a@b@uva.example", ["uva.example"]),
    ],
)
def test_a_mail_address_finds_whose_domain_it_is(search: Search, typed: str, found: list[str]) -> None:
    assert search(typed) == found


def test_of_several_domains_the_very_one_comes_first_then_the_nearest_above_then_those_below(
    search_among: Searches,
) -> None:
    search = search_among(
        home("uni.example", ("en", "A")),
        home("law.uni.example", ("en", "Z")),
        home("court.law.uni.example", ("en", "B")),
        home("other.example", ("en", "C"), hints=("LAW.uni.example",)),
        home("in-law.uni.example", ("en", "Y")),
    )
    # Whoever only says that the domain is hers comes behind those for whose scopes the federation vouches.
    first = ["law.uni.example", "uni.example", "other.example", "court.law.uni.example"]
    assert search("eve@law.uni.example") == first
    assert search("law.uni.example")[:4] == first


def test_who_names_all_networks_is_near_to_few(search_among: Searches) -> None:
    everywhere = tuple(f"{first}.0.0.0/8" for first in range(1, 200))
    search = search_among(home("z.example", ("en", "Z"), networks=everywhere), home("a.example", ("en", "A")))
    assert search("", nearby=Nearby("1.2.3.4")) == ["z.example", "a.example"]
    assert search("", nearby=Nearby("130.89.1.1")) == ["a.example", "z.example"]


def test_a_hint_puts_nobody_before_the_owner_of_a_domain(search_among: Searches) -> None:
    search = search_among(
        home("evil.example", ("en", "A very University"), hints=("uni.example", "cs.uni.example", "a.b.uni.example")),
        home("uni.example", ("en", "University")),
        home("alone.example", ("en", "Alone"), hints=("alumni.example",)),
    )
    for typed in ("eve@uni.example", "eve@cs.uni.example", "uni.example"):
        assert search(typed)[:2] == ["uni.example", "evil.example"]
    assert search("eve@alumni.example") == ["alone.example"]


def test_of_a_mail_address_what_is_before_the_sign_finds_nobody(search: Search) -> None:
    assert search("munich@mail.test") == []
    assert [len(search(typed)) for typed in ("munich@", "@", " @ ", "...")] == [9, 9, 9, 0]


@pytest.mark.parametrize(
    "typed",
    [
        "muinch",
        "tecnical",
        "technicla",
        "techniical",
        "tachnical",
        "teccnicla",
        "munihc technical",
        "mncih",
        "amstredam munich",
    ],
)
def test_small_typing_errors_are_forgiven(search: Search, typed: str) -> None:
    expected = ["tum.example"] if "amst" not in typed and typed != "mncih" else []
    assert search(typed) == expected


def test_words_of_four_letters_may_have_one_error_and_shorter_ones_none(search_among: Searches) -> None:
    search = search_among(home("lund.example", ("sv", "Lund")), home("oslo.example", ("no", "Oslo")))
    assert [search(typed) for typed in ("lnud", "lunt", "und", "lud", "lnd", "snud")] == [
        ["lund.example"],
        ["lund.example"],
        ["lund.example"],
        [],
        [],
        [],
    ]


def test_what_is_spelled_right_is_not_mixed_with_what_is_spelled_alike(search_among: Searches) -> None:
    search = search_among(home("lund.example", ("sv", "Lund")), home("sund.example", ("sv", "Sund")))
    assert search("lund") == ["lund.example"]
    assert search("rund") == ["lund.example", "sund.example"]


def test_a_misspelled_mail_address_is_forgiven_only_where_its_domain_is_long(search_among: Searches) -> None:
    search = search_among(home("email.example", ("en", "E")), home("uni-utrecht.example", ("en", "U")))
    assert search("ada@gmail.example") == []
    assert search("ada@uni-utrehct.example") == ["uni-utrecht.example"]


def test_what_begins_so_comes_before_what_has_a_word_that_does_and_that_before_what_contains_it(
    search_among: Searches,
) -> None:
    search = search_among(
        home("1.example", ("en", "Reinland College")),
        home("2.example", ("en", "The Inland School")),
        home("3.example", ("en", "Inland University")),
        home("4.example", ("en", "Ruralia"), keywords="inland"),
        home("5.example", ("en", "Inlandia")),
    )
    assert search("inland") == ["3.example", "5.example", "4.example", "2.example", "1.example"]


def test_among_equals_the_order_is_that_of_the_names_in_the_language_of_the_person(search_among: Searches) -> None:
    search = search_among(
        home("1.example", ("en", "Zebra School"), ("de", "Aal-Schule")),
        home("2.example", ("en", "Adder School"), ("de", "Zander-Schule")),
        home("3.example", ("en", "Éclair School")),
    )
    assert search("") == ["2.example", "3.example", "1.example"]
    assert search("", language="de-AT") == ["1.example", "3.example", "2.example"]
    assert search("sch", language="de") == ["1.example", "3.example", "2.example"]


def test_among_many_the_first_are_the_same_as_among_few(search_among: Searches) -> None:
    search = search_among(*(home(f"{number}.example", ("en", f"School {number:04}")) for number in range(700)))
    found = search.directory.search("school", NOW, language="en", most=3)
    assert [one.name("en") for one in found.shown] == ["School 0000", "School 0001", "School 0002"]
    assert found.total == 700
    assert search("school 0123") == ["123.example"]


def test_who_hides_who_has_no_sign_on_and_who_is_no_idp_is_not_found() -> None:
    hidden = ((names.ENTITY_CATEGORY, (names.HIDE_FROM_DISCOVERY,)),)
    search = Search(home("h.example", ("en", "Hidden"), entity_attributes=hidden), home("s.example", ("en", "Shown")))
    assert search("") == ["s.example"]
    assert search("hidden") == []


def test_who_has_ended_is_left_out_from_that_moment_on_and_is_back_when_the_clock_is() -> None:
    end = NOW + timedelta(hours=1)
    search = Search(home("e.example", ("en", "Ending")), home("g.example", ("en", "Going"), ends=end))
    for now, expected in ((NOW, 2), (end - timedelta(seconds=1), 2), (end, 1), (NOW, 2)):
        assert len(search("", now=now)) == expected
        assert len(search("ing", now=now)) == expected
        assert (search.directory.get("https://idp.g.example", now) is not None) is (expected == 2)


def test_only_who_is_offered_is_found_and_who_gives_what_is_needed_comes_first() -> None:
    supports = ((names.ENTITY_CATEGORY_SUPPORT, (names.RESEARCH_AND_SCHOLARSHIP,)),)
    search = Search(
        home("a.example", ("en", "School A"), registration_authority="https://one.example"),
        home("b.example", ("en", "School B"), registration_authority="https://one.example", entity_attributes=supports),
        home("c.example", ("en", "School C"), registration_authority="https://two.example", entity_attributes=supports),
    )
    one = Selection(Criteria(registration_authorities=frozenset({"https://one.example"})))
    offer = Offer((one,), needs=(frozenset({names.RESEARCH_AND_SCHOLARSHIP}),))
    for typed in ("", "school", "example", "shcool"):
        assert search(typed, offer=offer) == ["b.example", "a.example"]
    assert search("ada@c.example", offer=offer) == []
    assert search("school", offer=Offer((one,))) == ["a.example", "b.example"]
    assert search.directory.search("", NOW, language="en", most=1, offer=offer).total == 2


def test_who_is_near_comes_first_among_equals(search_among: Searches) -> None:
    search = search_among(
        home("a.example", ("en", "School A"), place="geo:10,10"),
        home("b.example", ("en", "School B"), place="geo:52.4,4.9"),
        home("c.example", ("en", "School C"), networks=("192.0.2.0/24", "2001:db8::/32"), place="geo:52.1,5.1"),
        home("d.example", ("en", "School D"), networks=("192.0.2.128/25",)),
        home("e.example", ("en", "School E"), networks=("0.0.0.0/0", "nonsense", "10.0.0.0/99", "192.0.2.0/24/1")),
    )
    ordered = {
        "192.0.2.1": ["c.example", "b.example", "a.example", "d.example", "e.example"],
        "192.0.2.200": ["d.example", "c.example", "b.example", "a.example", "e.example"],
        "2001:db8::1": ["c.example", "b.example", "a.example", "d.example", "e.example"],
        "::ffff:192.0.2.1": ["c.example", "b.example", "a.example", "d.example", "e.example"],
        "198.51.100.1": ["a.example", "b.example", "c.example", "d.example", "e.example"],
        "no address": ["a.example", "b.example", "c.example", "d.example", "e.example"],
    }
    for address, expected in ordered.items():
        assert search("", nearby=Nearby(address)) == expected
        assert search("school", nearby=Nearby(address)) == expected
    assert search("", nearby=Nearby(position=(10.1, 9.9)))[0] == "a.example"
    assert search("school a", nearby=Nearby("192.0.2.1")) == ["a.example"]


TEXTS = st.one_of(
    st.text(max_size=250),
    st.text("aäøßאم大 .@-'\u0308\u200b\n", max_size=250),
    st.sampled_from(
        ["university", "technische universitat", "x@y.z", "\ud800", "İ" * 200, "ﷺ" * 200, "@" * 200, "a " * 100]
    ),
)


@settings(max_examples=50, deadline=None)
@given(text=TEXTS, language=st.sampled_from(["en", "de", "ar", "xx-yy", ""]))
@example(text="\ud800@\udfff", language="en")
@example(text="xn--" + "a" * 190 + ".é.é", language="en")
def test_whatever_is_typed_is_answered(search: Search, text: str, language: str) -> None:
    found = search.directory.search(text, NOW, language=language, most=3)
    assert len(found.shown) == min(3, found.total)
    assert len({one.entity_id for one in found.shown}) == len(found.shown)


NAMES = st.text("aäöø ŁßИж東-'.(1\u0301", min_size=1, max_size=20)


@settings(max_examples=50, deadline=None)
@given(given_names=st.lists(NAMES, min_size=1, max_size=4))
def test_every_name_finds_its_own_organisation(given_names: list[str]) -> None:
    entities: list[Entity] = [home(f"h{number}.test", ("en", name)) for number, name in enumerate(given_names)]
    search = Search(*entities, MUNICH, TROMSO)
    for number, name in enumerate(given_names):
        folded = fold(name)
        if folded and len(folded.split()) <= 6 and "." not in name:
            assert f"h{number}.test" in search(name)
            assert f"h{number}.test" in search(folded)


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.text("aÄß\n _-ijİ東が\u3099\u0301\ud7b0한", max_size=8), min_size=1, max_size=5))
def test_many_texts_are_folded_as_each_by_itself(texts: list[str]) -> None:
    assert fold_lines(texts) == [fold(text) for text in texts]
    assert [fold(one) for one in fold_lines(texts)] == fold_lines(texts)


def test_a_directory_without_anybody_finds_nobody() -> None:
    directory = Directory(Registry([]), NOW)
    for text in ("", "uni", "ada@uni.example", "universty"):
        assert directory.search(text, NOW, language="en", most=5).total == 0
