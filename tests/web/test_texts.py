"""The text catalogue: merging, languages, placeholders, and what a person reads about an error."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.errors import ConfigurationError, Refusal, TooMany
from ostiary.web.texts import Catalogue


def write(directory: Path, name: str, content: str) -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")
    return directory


ENGLISH = """
pages:
  greeting: "Hello {name}"
  found: {one: "One house", other: "{count} houses"}
errors:
  room.full: {message: "The room {room} is full.", remedy: "Wait {retry_after} seconds."}
"""


def test_texts_of_a_room_are_merged_with_those_of_the_ground_floor(tmp_path: Path) -> None:
    catalogue = Catalogue.load(write(tmp_path, "en/room.yaml", ENGLISH))
    assert catalogue.text("en", "greeting", name="Ada") == "Hello Ada"
    assert catalogue.text("en", "error.title") == "That did not work"


def test_a_further_language_is_one_file_and_english_fills_its_gaps(tmp_path: Path) -> None:
    write(tmp_path, "en/room.yaml", ENGLISH)
    write(tmp_path, "eo/room.yaml", 'pages: {greeting: "Saluton {name}"}')
    catalogue = Catalogue.load(tmp_path)
    assert catalogue.languages[0] == "en"
    assert "eo" in catalogue.languages
    assert catalogue.text("eo", "greeting", name="Ada") == "Saluton Ada"
    assert catalogue.text("eo-XX", "greeting", name="Ada") == "Saluton Ada"
    assert catalogue.text("eo", "found", count=1) == "One house"
    assert catalogue.text("sv", "greeting", name="Ada") == "Hello Ada"


def test_the_number_chooses_between_singular_and_plural(tmp_path: Path) -> None:
    catalogue = Catalogue.load(write(tmp_path, "en/room.yaml", ENGLISH))
    assert [catalogue.text("en", "found", count=n) for n in (0, 1, 2)] == ["0 houses", "One house", "2 houses"]


def test_a_missing_key_or_value_is_an_exception_and_never_a_blank() -> None:
    catalogue = Catalogue.load()
    with pytest.raises(KeyError):
        catalogue.text("en", "no.such.text")
    with pytest.raises(KeyError):
        catalogue.text("en", "auto_post.title")


@pytest.mark.parametrize(
    ("second", "code", "key"),
    [
        ('pages: {greeting: "Hi"}', "texts.duplicate", "pages.greeting"),
        ("pages: {empty: ''}", "texts.shape", "pages.empty"),
        ("pages: {list: [a]}", "texts.shape", "pages.list"),
        ("other: {}", "texts.shape", "other"),
        ("errors: {a.b: {message: x}}", "texts.shape", 'errors["a.b"]'),
        ("pages: {a: x, a: y}", "config.duplicate_key", "pages.a"),
        ("pages: {a: [", "config.not_yaml", ""),
        ('pages: {a: "{0}"}', "texts.placeholder", "pages.a"),
        ('pages: {a: "{x.y}"}', "texts.placeholder", "pages.a"),
        ('pages: {a: "{x!r}"}', "texts.placeholder", "pages.a"),
        ('pages: {a: "{x:>9}"}', "texts.placeholder", "pages.a"),
        ('pages: {a: "{"}', "texts.placeholder", "pages.a"),
    ],
)
def test_a_broken_file_of_texts_stops_the_start_with_file_and_key(
    tmp_path: Path, second: str, code: str, key: str
) -> None:
    write(tmp_path, "en/room.yaml", ENGLISH)
    write(tmp_path, "en/second.yaml", second)
    with pytest.raises(ConfigurationError) as caught:
        Catalogue.load(tmp_path)
    assert (caught.value.code, caught.value.key) == (code, key)
    assert caught.value.file == str(tmp_path / "en" / "second.yaml")


@pytest.mark.parametrize(
    ("translation", "code"),
    [
        ('pages: {welcome: "Hallo"}', "texts.not_in_english"),
        ('pages: {greeting: "Hallo {naam}"}', "texts.placeholder"),
    ],
)
def test_a_translation_that_does_not_fit_the_english_text_is_refused(
    tmp_path: Path, translation: str, code: str
) -> None:
    write(tmp_path, "en/room.yaml", ENGLISH)
    write(tmp_path, "nl/room.yaml", translation)
    catalogue = Catalogue.load(tmp_path)
    # Nobody pays for a language that nobody wants.
    assert catalogue.text("en", "greeting", name="Eva") == "Hello Eva"
    with pytest.raises(ConfigurationError) as caught:
        catalogue.text("nl", "greeting", name="Eva")
    assert caught.value.code == code


def test_an_error_is_told_with_its_parameters_but_never_with_what_was_found(tmp_path: Path) -> None:
    catalogue = Catalogue.load(write(tmp_path, "en/room.yaml", ENGLISH))
    error = TooMany("room.full", retry_after=30, expected="nobody", found="mallory", room="12")
    assert catalogue.error("en", error) == ("The room 12 is full.", "Wait 30 seconds.")


def test_an_error_without_its_parameter_still_has_a_sentence(tmp_path: Path) -> None:
    catalogue = Catalogue.load(write(tmp_path, "en/room.yaml", ENGLISH))
    assert catalogue.error("en", Refusal("room.full"))[0] == "The room … is full."


def test_a_braced_parameter_is_not_expanded_again(tmp_path: Path) -> None:
    catalogue = Catalogue.load(write(tmp_path, "en/room.yaml", ENGLISH))
    assert catalogue.error("en", Refusal("room.full", room="{retry_after}"))[0] == "The room {retry_after} is full."


def test_an_unlisted_code_has_a_neutral_sentence() -> None:
    message, remedy = Catalogue.load().error("en", Refusal("no.such.code", found="secret"))
    assert message == "Something about this request is not right."
    assert remedy.startswith("Please start again")


@pytest.mark.parametrize(
    ("wanted", "accept", "chosen"),
    [
        (None, None, "en"),
        (None, "nl", "nl"),
        (None, "nl-BE;q=0.8, en;q=0.9", "en"),
        (None, "sv, nl;q=0.5", "nl"),
        (None, "nl;q=0, en;q=0.1", "en"),
        (None, "nl;q=nonsense", "en"),
        (None, "*", "en"),
        ("sv nl", "en", "nl"),
        ("xx", "nl", "nl"),
    ],
)
def test_the_language_is_negotiated(tmp_path: Path, wanted: str | None, accept: str | None, chosen: str) -> None:
    write(tmp_path, "en/room.yaml", ENGLISH)
    write(tmp_path, "nl/room.yaml", 'pages: {greeting: "Hallo {name}"}')
    assert Catalogue.load(tmp_path).choose(wanted=wanted, accept=accept) == chosen


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80))
def test_any_header_leads_to_a_language_that_there_is(wanted: str, accept: str) -> None:
    catalogue = Catalogue({"en": {"pages.a": "a"}, "nl": {"pages.a": "b"}})
    assert catalogue.choose(wanted=wanted, accept=accept) in ("en", "nl")


def test_a_service_speaks_only_what_all_its_parts_speak(tmp_path: Path) -> None:
    room = write(tmp_path / "room", "en/room.yaml", ENGLISH)
    assert Catalogue.load(room).languages == ("en",)
    assert "nl" in Catalogue.load().languages
    another = write(tmp_path / "another", "en/another.yaml", "pages: {else: Something}")
    write(tmp_path / "another", "nl/another.yaml", "pages: {else: Iets}")
    assert Catalogue.load(another).languages == ("en", "nl")
    assert Catalogue.load(room, another).languages == ("en",)
