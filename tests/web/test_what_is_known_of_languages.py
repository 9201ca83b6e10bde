"""Directions and own names of languages, and the language that somebody chose earlier."""

import pytest
from flask import Flask

from ostiary.web import incoming
from ostiary.web.languages import direction, own_name
from ostiary.web.texts import Catalogue


@pytest.mark.parametrize(
    ("tag", "name", "read"),
    [
        ("de", "Deutsch", "ltr"),
        ("de-CH", "Deutsch", "ltr"),
        ("RU", "Русский", "ltr"),
        ("ar-EG", "العربية", "rtl"),
        ("he", "עברית", "rtl"),
        ("tlh", "tlh", "ltr"),
        ("arn", "arn", "ltr"),
    ],
)
def test_a_language_has_a_name_and_a_direction(tag: str, name: str, read: str) -> None:
    assert (own_name(tag), direction(tag)) == (name, read)


@pytest.mark.parametrize(
    ("query", "remembered", "accept", "language"),
    [
        ("", "nl", "de", "nl"),
        ("?ui_locales=de", "nl", "fr", "de"),
        ("?ui_locales=xx", "nl", "fr", "nl"),
        ("", "xx", "de", "de"),
        ("", "<b>", "de", "de"),
        ("", None, "de", "de"),
        ("", None, "xx", "en"),
    ],
)
def test_a_remembered_language_counts_after_one_that_is_asked_for(
    query: str, remembered: str | None, accept: str, language: str
) -> None:
    catalogue = Catalogue({tag: {"pages.x": tag} for tag in ("en", "de", "nl")})
    with Flask("x").test_request_context(f"/{query}", headers={"Accept-Language": accept}):
        incoming.remember_language(remembered)
        assert incoming.language(catalogue) == language
