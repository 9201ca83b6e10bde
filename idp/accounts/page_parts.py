"""What the pages of accounts have in common: a field as it was typed, and the page that tells one thing."""

from typing import Final

from flask import Response

from ostiary.web import incoming
from ostiary.web.forms import Fields, one, optional
from ostiary.web.service import page, public_url_for, shell

MAXIMUM_TYPED: Final = 4_096


def typed(form: Fields, name: str) -> str:
    """A field of a form: it must be there, but may be empty, which is as wrong as any other text. Raises `Refusal` as `one`."""
    value = optional(form, name, max_length=MAXIMUM_TYPED)
    return one(form, name) if value is None else value


def notice(texts: str, *, detail: bool = False, **values: object) -> Response:
    """The page with the title, the message (with these values) and, if asked, the detail that stand below ``texts``."""
    catalogue = shell().pages.catalogue
    language = incoming.language(catalogue)
    return page(
        "notice.html",
        home_url=public_url_for("home"),
        title=catalogue.text(language, f"{texts}_title"),
        message=catalogue.text(language, texts, **values),
        detail=catalogue.text(language, f"{texts}_detail") if detail else "",
    )
