"""What every page of the resource side is made with: its templates, language, style and headers. Decides nothing."""

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from ostiary.errors import OstiaryError
from ostiary.web.assets import STATIC, load_asset
from ostiary.web.headers import Headers, asset_headers, page_headers
from ostiary.web.log import Log
from ostiary.web.pages import Pages
from sp_shire.addresses import Addresses
from sp_shire.messages import Reply, Request
from sp_shire.settings import ShireSettings

HTML: Final = "text/html; charset=utf-8"
_JSON: Final = "application/json"


class Page:
    """Makes replies of one resource from templates and values."""

    def __init__(self, settings: ShireSettings, pages: Pages, log: Log) -> None:
        self.settings: Final = settings
        self.log: Final = log
        self.addresses: Final = Addresses(settings)
        self.https: Final = self.addresses.https
        self.home_url: Final = settings.public_url + settings.protected[0]
        self._pages = pages
        self._stylesheet = load_asset(STATIC / "style.css")
        search, style = load_asset(STATIC / "discovery.js"), load_asset(STATIC / "discovery.css")
        self._assets = {one.file_name: one for one in (self._stylesheet, search, style)}
        self.script: Final = self.addresses.handler_prefix + search.file_name
        self.discovery_style: Final = self.addresses.handler_prefix + style.file_name

    def text(self, request: Request, key: str, **facts: object) -> str:
        """A text of the catalogue in the language of this request."""
        return self._pages.catalogue.text(self.language(request), key, **facts)

    def error_texts(self, request: Request, error: OstiaryError) -> tuple[str, str]:
        """Message and remedy of an error in the language of this request."""
        return self._pages.catalogue.error(self.language(request), error)

    def redirect(self, location: str, cookies: tuple[str, ...] = (), *, status: int = 302) -> Reply:
        """To another page; never stored."""
        headers = (("Location", location), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"))
        return Reply(status, (*headers, *cookie_headers(cookies)))

    def asset(self, name: str) -> Reply | None:
        """The style sheet or the script, under the name that carries its fingerprint."""
        asset = self._assets.get(name)
        if asset is None:
            return None
        headers = asset_headers(https=self.https, fingerprint=asset.fingerprint, forever=True)
        return Reply(200, (("Content-Type", asset.media_type), *headers), asset.content)

    def show(
        self,
        request: Request,
        status: int,
        template: str,
        *,
        leads_away: bool = False,
        own_scripts: bool = False,
        cookies: tuple[str, ...] = (),
        more: Sequence[tuple[str, str]] = (),
        **values: object,
    ) -> Reply:
        """``leads_away``: the answer to one of its forms may redirect to another site; ``own_scripts``: it has a script of this site;
        ``cookies`` to set and ``more`` headers."""
        html = self.html(request, template, secrets.token_urlsafe(16), values)
        headers = page_headers(https=self.https, form_action=not leads_away, own_scripts=own_scripts)
        return Reply(status, (("Content-Type", HTML), *headers, *more, *cookie_headers(cookies)), html)

    def html(self, request: Request, template: str, nonce: str, values: Mapping[str, object]) -> bytes:
        """The page by itself. ``nonce``: that of the Content Security Policy with which it is sent."""
        html = self._pages.render(
            template,
            self.language(request),
            nonce=nonce,
            # A path, so that a page under a wrong host name has its style, too.
            stylesheet=self.addresses.handler_prefix + self._stylesheet.file_name,
            service_name=self.settings.display.name,
            home_url=self.home_url,
            **values,
        )
        return html.encode()

    def json(self, content: object, status: int, more: Headers | None = None) -> Reply:
        """For programs; never stored."""
        headers = [
            ("Content-Type", _JSON),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            *(more or []),
        ]
        return Reply(status, tuple(headers), json.dumps(content, ensure_ascii=False, indent=2).encode())

    def language(self, request: Request) -> str:
        """The language of its pages for whoever asks."""
        return self._pages.catalogue.choose(accept=request.headers.get("accept-language"))


def prefers_json(request: Request) -> bool:
    """Whether whoever asks wants data and no page. Who shows a certificate and does not ask for a page is a program."""
    accepted = request.headers.get("accept", "")
    return "text/html" not in accepted and (_JSON in accepted or bool(request.peer))


def is_program(request: Request) -> bool:
    """Whether this is no browser, which could take part in a login: it neither wants a page nor tells, as browsers do, what wants it."""
    return "text/html" not in request.headers.get("accept", "") and "sec-fetch-mode" not in request.headers


def cookie_headers(cookies: tuple[str, ...]) -> Headers:
    """The headers that set these cookies."""
    return [("Set-Cookie", cookie) for cookie in cookies]


def facts_of(request: Request) -> dict[str, object]:
    """What the log says of a request."""
    return {"method": request.method[:20], "path": request.path[:500], "client": request.remote}
