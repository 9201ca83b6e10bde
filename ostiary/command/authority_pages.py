"""Composition of the Attribute Authority's pages: the application, and the SP middleware that stands before it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from flask import Flask
from sqlalchemy import Engine

from attribute_authority.pages import HANDLER_PATH, PERSON_PATH, PROTECTED
from attribute_authority.settings import QUERY_PATH, AttributeAuthoritySettings
from ostiary.clock import Clock
from ostiary.config.derived import Derived
from ostiary.documents import policies
from ostiary.federation.keys import KeyRing
from ostiary.federation.registry import Registry
from ostiary.web.log import Log
from sp_shire.adapters.wsgi import ShireMiddleware
from sp_shire.assembly import make_shire, stores_in
from sp_shire.metadata import sp_entity
from sp_shire.settings import DisplaySettings, ShireSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_PUBLIC: Final = ("/health",)


def pages_settings(settings: AttributeAuthoritySettings) -> ShireSettings:
    """The pages as a resource: they take people of their own organisation only, and ask nobody about them."""
    own = policies()
    return ShireSettings(
        entity_id=settings.pages_entity_id,
        public_url=settings.public_url,
        display=DisplaySettings(name=settings.display_name),
        trust=settings.trust,
        protected=PROTECTED,
        handler_path=HANDLER_PATH,
        identity_provider=settings.entity_id,
        accept=(own / "acceptance" / "own" / "pages.yaml",),
        access=(own / "access" / "own" / "pages.yaml",),
        attributes_from="response",
        # With several workers a store is asked for; they get `stores_in` the authority's own database.
        store=settings.database,
        workers=settings.listen.workers,
    )


def with_own_pages(
    registry: Callable[[], Registry], settings: AttributeAuthoritySettings, key_ring: Callable[[], KeyRing]
) -> Callable[[], Registry]:
    """The registry of the moment with the pages in it, which no federation has to know."""
    described = pages_settings(settings)

    def join(known: Registry, ring: KeyRing) -> Registry:
        return known.with_unlisted(sp_entity(described, ring))

    joined = Derived(join)
    return lambda: joined(registry(), key_ring())


def own_page_url(settings: AttributeAuthoritySettings) -> str | None:
    """Where a person sees what leaves about her; None where the authority has no pages."""
    return settings.public_url + PERSON_PATH if settings.pages is not None else None


def serve_pages(
    queries: Flask,
    pages: Flask,
    settings: AttributeAuthoritySettings,
    *,
    registry: Callable[[], Registry],
    engine: Engine,
    clock: Clock,
    log: Log,
) -> None:
    """Puts the pages beside the endpoint for queries: what is not for that goes through the middleware to them. ``engine`` is the
    authority's own database, where the sessions of the pages are kept; ``registry`` gives what it knows of the federation."""
    shire = make_shire(
        pages_settings(settings),
        clock=clock,
        log=log,
        stores=stores_in(engine, settings.pages_entity_id),
        registry=registry,
    )
    protected = ShireMiddleware(pages.wsgi_app, shire)
    answer_query: WSGIApplication = queries.wsgi_app
    prefix = urlsplit(settings.public_url).path.rstrip("/")
    direct = frozenset(prefix + path for path in (QUERY_PATH, *_PUBLIC))

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
        return (answer_query if path in direct else protected)(environ, start_response)

    queries.wsgi_app = application  # type: ignore[method-assign]
