"""Which language a request is answered in, however often it is asked, and what is remembered of that from request to request."""

import string
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.web import incoming
from ostiary.web.texts import Catalogue

CATALOGUE = Catalogue.load()


@pytest.mark.parametrize("parsed_before", [True, False])
@pytest.mark.parametrize(
    ("query", "accept", "language"),
    [
        ("", None, "en"),
        ("", "nl", "nl"),
        ("ui_locales=de", "nl", "de"),
        ("a=1&ui%5Flocales=xx+de", "nl", "de"),
        ("ui_locales=xx", "nl", "nl"),
        ("ui_locales=", "nl", "nl"),
        ("ui_locales=de&ui_locales=fr", "nl", "de"),
        ("SAMLRequest=ui_locales%3Dde", "nl", "nl"),
    ],
)
def test_it_does_not_matter_whether_the_query_was_read_before(
    query: str, accept: str | None, language: str, parsed_before: bool
) -> None:
    headers = {"Accept-Language": accept} if accept is not None else {}
    with Flask("other").test_request_context("/", query_string=query, headers=headers):
        if parsed_before:
            incoming.query()
        assert [incoming.language(CATALOGUE), incoming.language(CATALOGUE)] == [language, language]


def test_what_is_remembered_later_counts_from_then_on(tmp_path: Path) -> None:
    with Flask("other").test_request_context("/", headers={"Accept-Language": "fr"}):
        assert incoming.language(CATALOGUE) == "fr"
        incoming.remember_language("it")
        assert incoming.language(CATALOGUE) == "it"
        incoming.remember_language(None)
        assert incoming.language(CATALOGUE) == "fr"


def test_another_catalogue_is_asked_anew(tmp_path: Path) -> None:
    only_english = Catalogue({"en": {}})
    with Flask("other").test_request_context("/", headers={"Accept-Language": "fr"}):
        assert [incoming.language(one) for one in (CATALOGUE, only_english, CATALOGUE)] == ["fr", "en", "fr"]


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.none(), st.text(string.printable, max_size=30)),
    st.one_of(st.none(), st.text("enldfr,;q=.019- ", max_size=30)),
)
def test_a_language_that_was_chosen_before_is_chosen_again(wanted: str | None, accept: str | None) -> None:
    fresh = Catalogue({"en": {}, "nl": {}, "de": {}, "fr": {}})
    first = fresh.choose(wanted=wanted, accept=accept)
    assert fresh.choose(wanted=wanted, accept=accept) == first
    assert Catalogue({"en": {}, "nl": {}, "de": {}, "fr": {}}).choose(wanted=wanted, accept=accept) == first


def test_what_is_kept_of_strange_headers_is_bounded() -> None:
    catalogue = Catalogue({"en": {}, "nl": {}})
    for number in range(1_100):
        assert catalogue.choose(accept=f"x{number}, nl") == "nl"
    assert catalogue.choose(accept="nl," * 200) == "nl"
    assert len(catalogue._chosen) == 1_000
    assert max(len(accept or "") for _, accept in catalogue._chosen) < 200
