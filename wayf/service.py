"""The discovery service as a Flask application: the page, the JSON feed, the metadata queries."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Final
from urllib.parse import urlencode

from flask import Flask, Response, request, url_for

from ostiary.clock import Clock
from ostiary.errors import Refusal
from ostiary.federation.directory import Directory
from ostiary.federation.discovery_feed import Feed
from ostiary.federation.keys import KeyRing
from ostiary.federation.registry import Registry
from ostiary.web import incoming
from ostiary.web.assets import STATIC, load_asset
from ostiary.web.branding import make_branding
from ostiary.web.cookies import clear_cookie, cookie_name, read_cookie, set_cookie
from ostiary.web.forms import Fields, one, optional
from ostiary.web.log import Log
from ostiary.web.pages import Pages
from ostiary.web.remembered import cookie_value, from_cookie, with_choice
from ostiary.web.service import asset_url, make_service, page, shell
from ostiary.web.texts import Catalogue
from wayf.discovery import DiscoveryRequest, answer_url, read_request
from wayf.mdq import MEDIA_TYPE, MetadataQueries, SignedDocument
from wayf.settings import WayfSettings

HERE: Final = Path(__file__).parent
TEXTS: Final = HERE / "texts"
TEMPLATES: Final = HERE / "templates"
MOST_SHOWN: Final = 50

# The parameters of the discovery protocol that our own forms carry on.
_CARRIED: Final = ("entityID", "return", "returnIDParam", "policy", incoming.LANGUAGE_PARAMETER)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """Everything derived from one registry and one key ring; swapped as a whole when either is reloaded."""

    registry: Registry
    keys: KeyRing
    directory: Directory
    feed: Feed
    queries: MetadataQueries


class _Metadata:
    """Gives the snapshot that belongs to the registry and the keys of the moment."""

    def __init__(
        self,
        registry: Callable[[], Registry],
        key_ring: Callable[[], KeyRing],
        make: Callable[[Registry, KeyRing, datetime], _Snapshot],
    ) -> None:
        self._registry = registry
        self._key_ring = key_ring
        self._make = make
        self._lock = Lock()
        self._snapshot: _Snapshot | None = None

    def at(self, now: datetime) -> _Snapshot:
        registry, keys = self._registry(), self._key_ring()
        with self._lock:
            kept = self._snapshot
            if kept is None or kept.registry is not registry or kept.keys is not keys:
                kept = self._snapshot = self._make(registry, keys, now)
            return kept


def make_wayf(
    settings: WayfSettings, *, registry: Callable[[], Registry], key_ring: Callable[[], KeyRing], log: Log, clock: Clock
) -> Flask:
    """The application. ``registry`` and ``key_ring`` give the snapshots of the moment, new objects whenever they were reloaded.

    Routes below the public URL: ``/discovery`` (IdP Discovery Protocol), ``/feed``, ``/mdq/entities`` and
    ``/mdq/entities/<identifier>``.
    """
    pages = Pages(Catalogue.load(TEXTS), [TEMPLATES])
    script = load_asset(STATIC / "discovery.js")
    look = make_branding(settings.branding, pages, file=Path("wayf.yaml"))
    app = make_service(
        __name__,
        service_name=settings.service_name,
        pages=pages,
        public_url=settings.public_url,
        log=log,
        clock=clock,
        # No form of this service posts, so no CSRF token has to outlive the process.
        secret=secrets.token_bytes(32),
        trusted_proxies=settings.trusted_proxies,
        assets=[script],
        branding=lambda: look,
    )
    https = settings.public_url.startswith("https:")
    memory = cookie_name("home", settings.public_url, https=https)

    def snapshot(registry: Registry, keys: KeyRing, now: datetime) -> _Snapshot:
        directory = Directory(registry, now)
        queries = MetadataQueries(
            registry, keys.signer, federation_name=settings.federation_name, validity=settings.validity
        )
        return _Snapshot(registry, keys, directory, Feed(directory), queries)

    metadata = _Metadata(registry, key_ring, snapshot)

    def remembered() -> tuple[str, ...]:
        return from_cookie(read_cookie(request.headers.get("Cookie"), memory))

    @app.get("/")
    def start() -> Response:
        return page("start.html")

    @app.get("/discovery")
    def discovery() -> Response:
        now, fields = clock.now(), incoming.query()
        known = metadata.at(now)
        asked = read_request(fields, known.registry, now)
        homes = [home for entity_id in remembered() if (home := known.directory.get(entity_id, now)) is not None]
        if asked.is_passive:
            return _back(asked, homes[0].entity_id if homes else None)
        text = optional(fields, "q", max_length=200) or ""
        language = incoming.language(shell().pages.catalogue)
        return page(
            "discovery.html",
            # Choosing ends in redirects to other sites, and browsers hold form-action against each of them.
            form_action=False,
            own_scripts=True,
            asking=asked.resource.name(language),
            carried=_carried(fields),
            field="choice",
            remembered=homes,
            found=known.directory.search(text, now, language=language, most=MOST_SHOWN),
            q=text,
            language=language,
            choose_url=url_for("choose"),
            forget_url=url_for("forget"),
            search_url=url_for("discovery"),
            script=asset_url(script),
        )

    @app.get("/choose")
    def choose() -> Response:
        # A GET, because it changes nothing here and its answer is a redirect as the protocol wants it (IdP Discovery 2.4.3).
        # It trusts nothing of the page before: everything is checked again.
        now, fields = clock.now(), incoming.query()
        known = metadata.at(now)
        asked = read_request(fields, known.registry, now)
        choice = one(fields, "choice", max_length=1024)
        if known.directory.get(choice, now) is None:
            raise Refusal("wayf.unknown_choice", expected="an IdP that is offered", found=choice)
        answer = _back(asked, choice)
        if optional(fields, "remember", max_length=10) == "yes" and _asked_by_our_page():
            value = cookie_value(with_choice(remembered(), choice))
            answer.headers.add("Set-Cookie", set_cookie(memory, value, https=https, max_age=settings.remember))
        return answer

    @app.get("/forget")
    def forget() -> Response:
        fields = incoming.query()
        now = clock.now()
        read_request(fields, metadata.at(now).registry, now)
        answer = Response(b"", 303)
        answer.headers["Location"] = f"{url_for('discovery')}?{urlencode(_carried(fields))}"
        if _asked_by_our_page():
            answer.headers.add("Set-Cookie", clear_cookie(memory, https=https))
        return answer

    @app.get("/feed")
    def feed() -> Response:
        now = clock.now()
        document = metadata.at(now).feed.at(now)
        answer = Response(document.content, content_type="application/json")
        answer.headers["ETag"] = f'"{document.etag}"'
        answer.headers["Cache-Control"] = "public, max-age=300"
        # Public data; embedded discovery pages read it from their own origin.
        answer.headers["Access-Control-Allow-Origin"] = "*"
        answer.make_conditional(request)
        return answer

    @app.get("/mdq/entities")
    def all_entities() -> Response:
        now = clock.now()
        return _signed(metadata.at(now).queries.aggregate(now), now)

    @app.get("/mdq/entities/<path:identifier>")
    def one_entity(identifier: str) -> Response:
        now = clock.now()
        document = metadata.at(now).queries.entity(identifier, now)
        if document is None:
            # The asker is a program: no page, no echo of what it asked for.
            return Response(b"", 404, content_type=MEDIA_TYPE)
        return _signed(document, now)

    return app


def _back(asked: DiscoveryRequest, idp: str | None) -> Response:
    answer = Response(b"", 302)
    answer.headers["Location"] = answer_url(asked, idp)
    return answer


def _carried(fields: Fields) -> dict[str, str]:
    return {name: value for name in _CARRIED if (value := optional(fields, name)) is not None}


def _asked_by_our_page() -> bool:
    """Whether memory may change: another site must not plant a home organisation by a link (Fetch Metadata 2.3)."""
    return request.headers.get("Sec-Fetch-Site") in (None, "same-origin", "none")


def _signed(document: SignedDocument, now: datetime) -> Response:
    answer = Response(document.content, content_type=MEDIA_TYPE)
    answer.headers["ETag"] = f'"{document.etag}"'
    answer.headers["Cache-Control"] = f"public, max-age={int((document.fresh_until - now).total_seconds())}"
    answer.last_modified = document.made_at
    answer.make_conditional(request)
    return answer
