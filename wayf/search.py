"""The search for programs: for the script of our own page, and as a public API in the JSON of thiss-mdq. Which organisations a text means
is decided elsewhere. Nothing of what was looked for is kept or logged.
"""

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final, Protocol
from urllib.parse import urljoin

from flask import Flask, Response, request

from ostiary.clock import Clock
from ostiary.errors import Refusal
from ostiary.federation.directory import Directory, HomeOrganisation
from ostiary.federation.directory.offered import Offer
from ostiary.federation.discovery_feed import Feed, FeedDocument, as_json
from ostiary.federation.discovery_json import Logos, entity_as_json, homes_as_json
from ostiary.federation.registry import Registry
from ostiary.web import incoming, suggestions
from ostiary.web.encodings import takes_gzip
from ostiary.web.forms import Fields, optional
from ostiary.web.service import shell
from wayf.choosing import MAX_ENTITY_ID, MAX_SEARCH, Choosing
from wayf.offering import offer_to
from wayf.settings import WayfSettings

MOST_ANSWERED: Final = 100

_SHA1: Final = re.compile(r"\{sha1\}([0-9A-Fa-f]{40})")


class Searched(Protocol):
    """The metadata of the moment. ``listing``: all home organisations in the JSON of the API."""

    @property
    def registry(self) -> Registry:
        """Everybody."""

    @property
    def directory(self) -> Directory:
        """The home organisations among them."""

    @property
    def listing(self) -> Feed:
        """All of them, ready to be sent."""


class Searching:
    """The addresses of the search."""

    def __init__(
        self, settings: WayfSettings, known: Callable[[datetime], Searched], choosing: Choosing, clock: Clock
    ) -> None:
        self._settings = settings
        self._known = known
        self._choosing = choosing
        self._clock = clock

    def suggest(self) -> Response:
        """What our own page shows while a person types: the same that its form would find."""
        now, fields = self._clock.now(), incoming.query()
        asked = self._choosing.asked(fields, now)
        typed = optional(fields, "q", max_length=MAX_SEARCH) or ""
        catalogue = shell().pages.catalogue
        language = incoming.language(catalogue)
        found = self._choosing.found(asked, typed, now, language=language, most=suggestions.MOST_SUGGESTED)
        text = partial(catalogue.text, language)
        answer = Response(
            suggestions.suggestions(found, typed, language, text, self._choosing.logos),
            content_type=suggestions.MEDIA_TYPE,
        )
        answer.headers["Cache-Control"] = suggestions.CACHE_CONTROL
        answer.headers["Vary"] = suggestions.VARY
        return answer

    def entities(self) -> Response:
        """``?q=`` (or ``query``): who is found; without it everybody. With ``entityID`` only those that this SP accepts."""
        now, fields = self._clock.now(), incoming.query()
        known = self._known(now)
        typed = optional(fields, "q", max_length=MAX_SEARCH) or optional(fields, "query", max_length=MAX_SEARCH) or ""
        entity_id = optional(fields, "entityID", max_length=MAX_ENTITY_ID)
        if not typed.strip() and not entity_id:
            return send_document(known.listing.at(now))
        found = known.directory.search(
            typed,
            now,
            language="en",
            most=MOST_ANSWERED,
            offer=self._offer(entity_id, fields, known.registry, now) if entity_id else None,
        )
        answer = public(homes_as_json(found.shown, self._logos))
        # What somebody looked for is not for the caches of others.
        answer.headers["Cache-Control"] = "private, max-age=60"
        return answer

    def entity(self, identifier: str) -> Response:
        """One entity, by its entityID or ``{sha1}`` and the hexadecimal SHA-1 of it; an ending ``.json`` counts for nothing."""
        now = self._clock.now()
        registry = self._known(now).registry
        wanted = identifier.removesuffix(".json")
        hashed = _SHA1.fullmatch(wanted)
        found = None
        if hashed is not None:
            found = registry.by_source_id(bytes.fromhex(hashed[1]), now)
        elif len(wanted) <= MAX_ENTITY_ID:
            # An entityID may end so itself.
            found = registry.get(identifier, now) or registry.get(wanted, now)
        if found is None:
            return public(b"{}", 404)
        return public(as_json(entity_as_json(found, self._logos)))

    def _offer(self, entity_id: str, fields: Fields, registry: Registry, now: datetime) -> Offer:
        resource = registry.get(entity_id, now)
        if resource is None or registry.sp(entity_id, now) is None:
            raise Refusal("wayf.unknown_resource", expected="the entityID of a known SP", found=entity_id)
        profile = optional(fields, "trustProfile", max_length=255)
        return offer_to(resource, self._settings, profile=profile or None, by_shibboleth_request=False)

    def _logo(self, home: HomeOrganisation) -> str | None:
        logos = self._choosing.logos
        path = logos(home) if logos is not None else None
        return urljoin(shell().origin, path) if path is not None else None

    @property
    def _logos(self) -> Logos | None:
        return self._logo if self._choosing.logos is not None else None


def add_search(app: Flask, searching: Searching) -> None:
    """The routes. The same entities in SAML's XML are at the Metadata Query Protocol's own addresses."""
    app.add_url_rule("/suggest", "suggest", searching.suggest, methods=["GET"])
    for path in ("/entities", "/entities/"):
        app.add_url_rule(path, f"search:{path}", searching.entities, methods=["GET"], strict_slashes=True)
    app.add_url_rule("/entities/<path:identifier>", "search_one", searching.entity, methods=["GET"])


def send_document(document: FeedDocument) -> Response:
    """A list of everybody, conditional and compressed. Each encoding has an ETag of its own (RFC 9110 8.8.3)."""
    packed = takes_gzip(request.headers.get("Accept-Encoding", ""))
    answer = public(document.gzipped if packed else document.content)
    answer.headers["ETag"] = f'"{document.etag}-gz"' if packed else f'"{document.etag}"'
    answer.headers["Vary"] = "Accept-Encoding"
    if packed:
        answer.headers["Content-Encoding"] = "gzip"
    answer.make_conditional(request)
    return answer


def public(content: bytes, status: int = 200) -> Response:
    """JSON that pages of any origin may read: metadata is public."""
    answer = Response(content, status, content_type="application/json")
    answer.headers["Cache-Control"] = "public, max-age=300"
    answer.headers["Access-Control-Allow-Origin"] = "*"
    return answer
