"""What the page "Where are you from?" shows while a person types: the same search as its form's, as JSON for its script."""

from collections.abc import Callable
from typing import Final

from ostiary.federation.directory import Found, HomeOrganisation
from ostiary.federation.discovery_feed import as_json

MOST_SUGGESTED: Final = 20
MEDIA_TYPE: Final = "application/json"
# She types a letter and takes it back: the browser has the answer still. Nobody else may keep what she looked for.
CACHE_CONTROL: Final = "private, max-age=60"
VARY: Final = "Accept-Language, Cookie"


def suggestions(
    found: Found,
    typed: str,
    language: str,
    text: Callable[..., str],
    logo: Callable[[HomeOrganisation], str | None] | None = None,
) -> bytes:
    """`suggestion_parts` as JSON."""
    return as_json(suggestion_parts(found, typed, language, text, logo))


def suggestion_parts(
    found: Found,
    typed: str,
    language: str,
    text: Callable[..., str],
    logo: Callable[[HomeOrganisation], str | None] | None = None,
) -> dict[str, object]:
    """``status``, what is announced; ``help``, where nothing was found; ``homes``, for each its entityID, name, domain, and where its
    logo is (null: it has none). ``text`` gives a text of the page's language by its key; without ``logo`` the page shows no logos."""
    shown = len(found.shown)
    if not found.total:
        status = text("discovery.found.none", q=typed) if typed.strip() else text("discovery.found.nobody")
    elif found.total > shown:
        status = text("discovery.found.more", shown=shown, total=found.total)
    else:
        status = text("discovery.found.all", count=found.total)
    homes = [
        [home.entity_id, home.name(language), home.domain, *([] if logo is None else [logo(home)])]
        for home in found.shown
    ]
    return {"status": status, "help": "" if found.total else text("discovery.found.help"), "homes": homes}
