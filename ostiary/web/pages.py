"""Turns a template and values into HTML. Escapes everything; knows no request, sets no header, never invents a value."""

import copy
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ostiary.config import Sources
from ostiary.web.assets import stylesheet
from ostiary.web.languages import direction
from ostiary.web.texts import Catalogue

__all__ = ["GROUND_FLOOR_TEMPLATES", "Pages", "is_web_address", "stylesheet"]

GROUND_FLOOR_TEMPLATES: Final = Path(__file__).parent / "templates"


class Pages:
    """The templates of one service. Its own directories come first, so a site may replace a page of the ground floor.

    Every page needs the values ``stylesheet`` (URL of the style sheet) and ``service_name``. Inside a template ``text(key, ...)``
    gives a text in the page's language, ``attribute_label(name)`` plain words for an attribute,
    ``{{ at | moment }}`` a ``time`` element, ``url is web_address`` tells whether a link is
    safe to show.
    """

    def __init__(self, catalogue: Catalogue, template_directories: Sequence[Path] = ()) -> None:
        self.catalogue = catalogue
        self._environment = Environment(
            loader=FileSystemLoader([*template_directories, GROUND_FLOOR_TEMPLATES]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters["moment"] = _moment
        self._environment.tests["web_address"] = is_web_address

    def with_texts(self, directory: Path, *, sources: Sources | None = None) -> "Pages":
        """The same pages with the texts of a site in place of those with the same keys. Raises as `Catalogue.with_texts`."""
        other = copy.copy(self)
        other.catalogue = self.catalogue.with_texts(directory, sources=sources)
        return other

    def render(self, name: str, lang: str, nonce: str | None = None, **values: object) -> str:
        """The page ``name`` in the language ``lang``. ``nonce`` is that of the Content Security Policy, for inline scripts.

        Raises `jinja2.UndefinedError` for a missing value and `KeyError` for a missing text: both are defects.
        """
        template = self._environment.get_template(name)
        own = {
            "lang": lang,
            "direction": direction(lang),
            "nonce": nonce,
            "text": partial(self.catalogue.text, lang),
            "attribute_label": partial(self._label, lang),
        }
        return template.render({**values, **own})

    def _label(self, lang: str, name: str) -> str:
        """What people call the attribute of that name; the name itself where the catalogue has no words for it."""
        key = f"attribute.{name}"
        return self.catalogue.text(lang, key) if self.catalogue.has(key) else name


def is_web_address(url: object) -> bool:
    """Whether this is an absolute http or https URL, so nothing that a browser would run."""
    return _is_web_address(str(url))


@lru_cache(maxsize=1024)
def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _moment(at: datetime) -> Markup:
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"), utc.strftime("%Y-%m-%d %H:%M:%S")
    )
