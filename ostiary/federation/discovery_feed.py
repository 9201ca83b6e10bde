"""The home organisations as JSON, in the form that embedded discovery pages read (Shibboleth DiscoFeed)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from ostiary.federation.directory import Directory, HomeOrganisation
from ostiary.federation.model import LocalizedText, Logo


@dataclass(frozen=True, slots=True)
class FeedDocument:
    """The feed ready to be sent; ``good_until`` (exclusive) the first of its entries expires, None where none ever does."""

    content: bytes
    etag: str
    good_until: datetime | None


class Feed:
    """The feed of one directory, made again only when an entry has expired."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._made: FeedDocument | None = None

    def at(self, now: datetime) -> FeedDocument:
        """The feed of those who may be chosen now."""
        made = self._made
        if made is None or (made.good_until is not None and now >= made.good_until):
            organisations = tuple(self._directory.all(now))
            content = discovery_feed(organisations)
            ends = (
                end
                for home in organisations
                for end in (home.entity.valid_until, home.role.valid_until)
                if end is not None
            )
            # Two threads may do this at once; both make the same.
            made = self._made = FeedDocument(content, sha256(content).hexdigest()[:32], min(ends, default=None))
        return made


def discovery_feed(organisations: Iterable[HomeOrganisation]) -> bytes:
    """A JSON array in UTF-8, ordered by entityID, so that the same federation gives the same octets."""
    ordered = sorted(organisations, key=lambda organisation: organisation.entity_id)
    return json.dumps(
        [_entry(organisation) for organisation in ordered], ensure_ascii=False, separators=(",", ":")
    ).encode()


def _entry(organisation: HomeOrganisation) -> dict[str, Any]:
    display = organisation.role.display
    shown = display.names or organisation.entity.organization_names or (LocalizedText(organisation.entity_id, "en"),)
    entry: dict[str, Any] = {"entityID": organisation.entity_id, "DisplayNames": _localized(shown)}
    for name, texts in (
        ("Descriptions", display.descriptions),
        ("Keywords", display.keywords),
        ("InformationURLs", display.information_urls),
        ("PrivacyStatementURLs", display.privacy_statement_urls),
    ):
        if texts:
            entry[name] = _localized(texts)
    if display.logos:
        entry["Logos"] = [_logo(logo) for logo in display.logos]
    return entry


def _localized(texts: Iterable[LocalizedText]) -> list[dict[str, str]]:
    return [{"value": text.text, "lang": text.lang} for text in texts]


def _logo(logo: Logo) -> dict[str, str]:
    # The DiscoFeed writes sizes as strings.
    entry = {"value": logo.url, "height": str(logo.height), "width": str(logo.width)}
    return {**entry, "lang": logo.lang} if logo.lang is not None else entry
