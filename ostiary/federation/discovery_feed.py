"""The home organisations as one JSON document, in the form that embedded discovery pages read (Shibboleth DiscoFeed) or in another."""

import gzip
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

from ostiary.federation.directory import Directory, HomeOrganisation
from ostiary.federation.model import Display, LocalizedText, Logo

MOST_DESCRIBED: Final = 500

Write = Callable[[Sequence[HomeOrganisation], Mapping[str, Display]], bytes]


@dataclass(frozen=True)
class FeedDocument:
    """The feed ready to be sent; ``good_until`` (exclusive) the first of its entries expires, None where none ever does."""

    content: bytes
    etag: str
    good_until: datetime | None

    @cached_property
    def gzipped(self) -> bytes:
        """The same in gzip, made when the first asks for it."""
        return gzip.compress(self.content, 6, mtime=0)


class Feed:
    """A document about all of one directory, made again only when an entry has expired. ``write`` makes its octets from them and from what
    more their metadata says for people, by entityID: nothing of thousands, of which descriptions would take seconds and many megabytes."""

    def __init__(self, directory: Directory, write: Write | None = None) -> None:
        self._directory = directory
        self._write = write or discovery_feed
        self._made: FeedDocument | None = None

    def at(self, now: datetime) -> FeedDocument:
        """The feed of those who may be chosen now."""
        made = self._made
        if made is None or (made.good_until is not None and now >= made.good_until):
            # In one order, so that the same federation gives the same octets.
            organisations = sorted(self._directory.all(now), key=lambda organisation: organisation.entity_id)
            content = self._write(organisations, self._displays(organisations, now))
            ends = (
                span.valid_until
                for home in organisations
                for span in home.summary.roles
                if span.name == "idp" and span.valid_until is not None
            )
            # Two threads may do this at once; both make the same.
            made = self._made = FeedDocument(content, sha256(content).hexdigest()[:32], min(ends, default=None))
        return made

    def _displays(self, organisations: Sequence[HomeOrganisation], now: datetime) -> dict[str, Display]:
        if len(organisations) > MOST_DESCRIBED:
            return {}
        registry = self._directory.registry
        roles = ((one.entity_id, registry.idp(one.entity_id, now)) for one in organisations)
        return {entity_id: role.display for entity_id, role in roles if role is not None}


def discovery_feed(organisations: Iterable[HomeOrganisation], displays: Mapping[str, Display]) -> bytes:
    """A JSON array in UTF-8."""
    return as_json([_entry(one, displays.get(one.entity_id, Display())) for one in organisations])


def as_json(content: object) -> bytes:
    """JSON without blanks, in UTF-8."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _entry(organisation: HomeOrganisation, display: Display) -> dict[str, Any]:
    summary = organisation.summary
    shown = summary.names or (LocalizedText(summary.entity_id, "en"),)
    entry: dict[str, Any] = {"entityID": summary.entity_id, "DisplayNames": _localized(shown)}
    for name, texts in (
        ("Descriptions", display.descriptions),
        ("Keywords", summary.keywords),
        ("InformationURLs", display.information_urls),
        ("PrivacyStatementURLs", display.privacy_statement_urls),
    ):
        if texts:
            entry[name] = _localized(texts)
    if summary.logos:
        entry["Logos"] = [_logo(logo) for logo in summary.logos]
    return entry


def _localized(texts: Iterable[LocalizedText]) -> list[dict[str, str]]:
    return [{"value": text.text, "lang": text.lang} for text in texts]


def _logo(logo: Logo) -> dict[str, str]:
    # The DiscoFeed writes sizes as strings.
    entry = {"value": logo.url, "height": str(logo.height), "width": str(logo.width)}
    return {**entry, "lang": logo.lang} if logo.lang is not None else entry
