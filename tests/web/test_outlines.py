from collections.abc import Sequence

import pytest
from markupsafe import escape

from ostiary.web.outlines import Outlines, outline_of


def page(values: Sequence[str]) -> str:
    first, second = values
    return f"<title>100 %s {escape(second)}</title><a href='{escape(first)}'>{escape(second)}</a>%%"


def test_an_outline_gives_the_page_that_the_template_would_give() -> None:
    outline = outline_of(page, 2)
    for values in (
        ("https://sp.example/?a=1&b=2", "Über <i>uns</i>"),
        ("", ""),
        ('"><script>', "https://x.invalid/0001"),
        ("%s %% %(a)s", "'"),
        ("+/=" * 4_000, ">"),
    ):
        assert outline.filled(values) == page(values)


def test_a_value_that_the_page_leaves_out_is_no_defect() -> None:
    assert outline_of(lambda values: f"<p>{values[1]}</p>", 2).filled(("out", "in")) == "<p>in</p>"


def test_a_page_that_changes_a_value_has_no_outline() -> None:
    with pytest.raises(RuntimeError):
        outline_of(lambda values: f"<p>{values[0].upper()}</p>", 1)
    with pytest.raises(RuntimeError):
        outline_of(lambda values: f"<p>{values[0][:-2]}</p>", 1)


def test_outlines_are_made_once_for_one_look_and_key() -> None:
    made: list[str] = []
    outlines, plain, other = Outlines(), object(), object()

    def get(look: object, key: str) -> str:
        def make_() -> object:
            made.append(key)
            return outline_of(lambda values: f"{key} {values[0]}", 1)

        return outlines.get(look, key, make_).filled(("x",))  # type: ignore[arg-type]

    assert [get(plain, "en"), get(plain, "en"), get(plain, "nl"), get(other, "en")] == ["en x", "en x", "nl x", "en x"]
    assert made == ["en", "nl", "en"]
