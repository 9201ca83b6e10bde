"""What every service's Flask application shares: pages, error pages, security headers, limits, health. Knows no SAML.

A room makes its application with `make_service`, adds its routes, and answers with `page`, `auto_post` or a response of its own.
"""

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, jsonify, request, url_for
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.middleware.proxy_fix import ProxyFix

from ostiary.clock import Clock
from ostiary.config import WrongSetting, parse_public_url
from ostiary.errors import ConfigurationError, Missing, OstiaryError, Refusal, TooLarge, TooMany, WrongMethod
from ostiary.web import csrf, incoming
from ostiary.web.application import Application
from ostiary.web.assets import STATIC, Asset, load_asset
from ostiary.web.at_hand import application
from ostiary.web.branding import PLAIN, Branding, in_language
from ostiary.web.finished import Finished
from ostiary.web.headers import Headers, asset_headers, auto_post_headers, page_headers
from ostiary.web.log import Log, reference
from ostiary.web.outlines import Outlines, outline_of
from ostiary.web.pages import Pages, is_web_address
from ostiary.web.short_way import RAISED, Document, ShortWay
from ostiary.web.texts import SOURCE_LANGUAGE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DEFAULT_MAX_BODY: Final = 256 * 1024
MINIMUM_SECRET: Final = 32
# The endpoint of a start page, for services that have one.
HOME: Final = "home"

_HTML: Final = "text/html; charset=utf-8"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SHELL: Final = "ostiary"
_ANY_HOST: Final = "ostiary_any_host"
# Of a header.
_NAME: Final[Callable[[tuple[str, str]], str]] = itemgetter(0)

ViewT = TypeVar("ViewT", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Shell:
    """What the pages of one service share. ``public_url`` has no trailing slash; ``origin`` is as browsers write it. With
    ``https`` cookies are ``Secure`` and ``__Host-``, and HSTS is sent. ``branding`` gives the site's own look of the moment; ``outlines``
    are of pages that go out at every sign-on."""

    plain_pages: Pages
    branding: Callable[[], Branding]
    names: Mapping[str, str]
    public_url: str
    origin: str
    https: bool
    log: Log
    clock: Clock
    stylesheet: Asset
    assets: tuple[Asset, ...]
    outlines: Outlines

    @property
    def pages(self) -> Pages:
        """The pages, with the site's own texts."""
        return self.branding().pages or self.plain_pages

    @property
    def service_name(self) -> str:
        """What the service is called in the language of the answer."""
        return self.names.get(incoming.language(self.pages.catalogue)) or self.names[SOURCE_LANGUAGE]


def make_service(
    import_name: str,
    *,
    service_name: str | Mapping[str, str],
    pages: Pages,
    public_url: str,
    log: Log,
    clock: Clock,
    secret: bytes | Callable[[], Sequence[bytes]],
    entity_id: str | None = None,
    max_body: int = DEFAULT_MAX_BODY,
    trusted_proxies: int = 0,
    assets: Sequence[Asset] = (),
    check_health: Callable[[], None] | None = None,
    branding: Callable[[], Branding] = lambda: PLAIN,
) -> Flask:
    """A Flask application with the shell around it.

    ``service_name`` stands in the header of each page, by language (English among them) or one for all. ``public_url`` is where browsers
    find the service: requests for another
    host are refused, and a path in it is the prefix of every route. ``secret`` (at least 32 bytes) binds CSRF tokens; where it changes
    with time it is a function, whose first makes tokens while all are good for checking one. ``max_body`` in bytes.
    ``trusted_proxies`` is the number of reverse proxies whose ``X-Forwarded-For`` names the client; 0 trusts none, and the log warns
    once when that header arrives all the same. ``branding`` gives the site's own look of the moment. ``assets`` are further files for
    `asset_url`. ``check_health`` raises `OstiaryError` while the service can't work.

    Raises `ConfigurationError` (``web.public_url``, ``web.secret``).
    """
    origin, prefix = _parts(public_url)
    secrets_now = (lambda: (secret,)) if isinstance(secret, bytes) else secret
    shortest = min(len(known) for known in secrets_now())
    if shortest < MINIMUM_SECRET:
        raise ConfigurationError(
            "web.secret", file=import_name, key="secret", expected=f"{MINIMUM_SECRET} bytes", found=shortest
        )
    app = Application(import_name)
    app.host = urlsplit(origin).netloc
    app.config["MAX_CONTENT_LENGTH"] = max_body
    stylesheet = load_asset(STATIC / "style.css")
    files, https = (stylesheet, *assets), origin.startswith("https:")
    names = {SOURCE_LANGUAGE: service_name} if isinstance(service_name, str) else service_name
    shell = Shell(pages, branding, names, origin + prefix, origin, https, log, clock, stylesheet, files, Outlines())
    app.extensions[_SHELL] = shell

    if not trusted_proxies:
        app.before_request(_UntrustedProxyWarning(log))
    app.before_request(_check_host)
    app.before_request(_check_size)
    csrf.protect(app, secrets_now=secrets_now, own_origin=origin, entity_id=entity_id or shell.public_url)
    app.shell_is_complete()
    app.after_request(_SecurityHeaders(https=shell.https))
    app.register_error_handler(OstiaryError, _refused)
    app.register_error_handler(HTTPException, _refused_by_http)
    app.register_error_handler(Exception, _crashed)

    @app.get("/health")
    def health() -> Response:
        if check_health is not None:
            check_health()
        return jsonify({"status": "ok"})

    @app.get("/assets/<name>")
    def asset(name: str) -> Response:
        for candidate in (*shell.assets, *shell.branding().assets):
            if name in (candidate.file_name, candidate.stem + candidate.suffix):
                return _asset_response(candidate, forever=name == candidate.file_name)
        raise Missing("http.not_found", expected="a file of the pages", found=name)

    if prefix:
        app.wsgi_app = _UnderPrefix(app.wsgi_app, prefix)  # type: ignore[method-assign]
    if trusted_proxies:
        app.trusts_proxies = True
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=trusted_proxies, x_proto=0, x_host=0, x_port=0, x_prefix=0
        )
    return app


def add_short_way(
    app: Flask,
    path: str,
    media_type: str,
    answer: Callable[["WSGIEnvironment", bytes], Document],
    respond: Callable[[Document], Response],
) -> None:
    """Lets POSTs of ``media_type`` to ``path`` of an app of `make_service` pass by Flask, where nothing about them is unusual.

    ``answer`` gets the environment and the body, and no request of Flask's; what it answers goes out with the headers of every answer, and
    those that ``respond`` gives it. The route of that path belongs there all the same, begins with `raised_before`, gets what is unusual,
    and what ``answer`` raised, and answers with ``respond``, too.
    """
    if not isinstance(app, Application):
        raise TypeError("an application of make_service")
    shell: Shell = app.extensions[_SHELL]
    finish = _SecurityHeaders(https=shell.https)
    app.short_way = ShortWay(
        path=path,
        media_type=media_type,
        host=app.host,
        max_body=app.config["MAX_CONTENT_LENGTH"],
        proxied=app.trusts_proxies,
        answer=answer,
        respond=lambda document: finish(respond(document)),
    )


def go_straight(app: Flask, endpoint: str) -> None:
    """Lets GET requests for a route without parameters, of an app of `make_service`, pass by routing and by the checks of the shell where
    nothing about them is unusual. The view finds everything as ever."""
    if not isinstance(app, Application):
        raise TypeError("an application of make_service")
    app.let_go_straight(endpoint)


def raised_before() -> None:
    """Raises what the short way to this route raised."""
    error = request.environ.get(RAISED)
    if error is not None:
        raise error


def any_host(view: ViewT) -> ViewT:
    """Mark a view that is asked for by address as well: it must check by itself who asks."""
    setattr(view, _ANY_HOST, True)
    return view


def shell() -> Shell:
    """The shell of the service that answers the request at hand."""
    found: Shell = application().extensions[_SHELL]
    return found


def page(
    template: str,
    *,
    status: int = 200,
    form_action: bool = True,
    own_scripts: bool = False,
    images: str = "",
    geolocation: bool = False,
    headers: Headers | None = None,
    **values: object,
) -> Response:
    """An HTML page in the person's language. ``form_action``, ``own_scripts``, ``images`` and ``geolocation`` as in
    `ostiary.web.headers.page_headers`."""
    around = shell()
    response = _html(template, status, nonce=None, values={"csrf_field": csrf.csrf_field, **values})
    for name, value in (
        *page_headers(
            https=around.https,
            form_action=form_action,
            own_scripts=own_scripts,
            images=images,
            geolocation=geolocation,
        ),
        *(headers or ()),
    ):
        response.headers[name] = value
    return response


def auto_post(action: str, fields: Iterable[tuple[str, str]], *, destination: str | Callable[[str], str]) -> Response:
    """A page whose form carries ``fields`` to ``action`` (an http or https URL) and submits itself, or by its button.

    ``destination`` is what to call the other side in front of a person, or gives that for a language.
    """
    around, nonce, carried = shell(), secrets.token_urlsafe(18), [*chain.from_iterable(fields)]
    look = around.branding()
    lang, goes_on = incoming.language((look.pages or around.plain_pages).catalogue), is_web_address(action)

    def render(marks: Sequence[str]) -> str:
        nonce, address, destination, *rest = marks
        pairs = tuple(zip(rest[::2], rest[1::2], strict=True))
        values = {"action": address if goes_on else "", "fields": pairs, "destination": destination}
        return _rendered("auto_post.html", lang, nonce=nonce, values=values)

    # It goes out with each answer to each SP: rendered once for each way it can look.
    outline = around.outlines.get(look, (lang, len(carried), goes_on), lambda: outline_of(render, 3 + len(carried)))
    name = destination if isinstance(destination, str) else destination(lang)
    return Finished(
        outline.filled((nonce, action, name, *carried)).encode(),
        _HTML,
        (*_language_headers(lang), *auto_post_headers(nonce, https=around.https)),
    )


def public_url_for(endpoint: str, **values: str) -> str:
    """The absolute URL of a route as the world sees it: from the configured public URL, never from the request."""
    return shell().origin + url_for(endpoint, _external=False, **values)


def asset_url(asset: Asset) -> str:
    """Where a file of the pages is served; the address changes with its content."""
    return url_for("asset", name=asset.file_name)


def _parts(public_url: str) -> tuple[str, str]:
    """(origin, path prefix) of a public URL; origin in lower case and without a default port."""
    try:
        parts = urlsplit(parse_public_url(public_url, allow_http_beyond_loopback=True))
    except WrongSetting as error:
        raise ConfigurationError(
            "web.public_url", file="", key="public_url", expected=error.expected, found=error.found
        ) from None
    return f"{parts.scheme}://{parts.netloc}", parts.path


def _html(template: str, status: int, *, nonce: str | None, values: Mapping[str, object]) -> Response:
    lang = incoming.language(shell().pages.catalogue)
    return _html_response(_rendered(template, lang, nonce=nonce, values=values), status, lang)


def _rendered(template: str, lang: str, *, nonce: str | None, values: Mapping[str, object]) -> str:
    around = shell()
    shared = {
        "stylesheet": asset_url(around.stylesheet),
        "service_name": around.service_name,
        "brand": _brand(around.branding(), lang),
    }
    return around.pages.render(template, lang, nonce=nonce, **{**shared, **values})


def _html_response(html: str, status: int, lang: str) -> Response:
    response = Response(html, status, content_type=_HTML)
    response.headers.extend(_language_headers(lang))
    return response


def _language_headers(lang: str) -> Headers:
    return [("Content-Language", lang), ("Vary", "Accept-Language")]


def _brand(branding: Branding, lang: str) -> dict[str, object]:
    return {
        "stylesheet": asset_url(branding.stylesheet) if branding.stylesheet is not None else None,
        "logo": asset_url(branding.logo) if branding.logo is not None else None,
        "links": [(in_language(label, lang), url) for label, url in branding.links],
    }


def _asset_response(asset: Asset, *, forever: bool) -> Response:
    response = Response(asset.content, content_type=asset.media_type)
    response.headers.extend(
        asset_headers(https=shell().https, fingerprint=asset.fingerprint, forever=forever, image=asset.is_image)
    )
    response.make_conditional(request)
    return response


def _check_host() -> None:
    """Links, cookies and the CSRF check trust the host name, so only the public one is served.

    Health checks come by address; the files of the pages are the same for everybody, and the refusal itself needs its style.
    """
    view = current_app.view_functions.get(request.endpoint or "")
    if request.endpoint in ("health", "asset") or getattr(view, _ANY_HOST, False):
        return
    scheme, _, own = shell().origin.partition("://")
    given = request.environ.get("HTTP_HOST", "").lower().removesuffix(f":{_DEFAULT_PORTS[scheme]}")
    if given != own:
        raise Refusal("http.host", expected=own, found=given or "no Host header")


def _check_size() -> None:
    """Before a byte of the body is read. A body of unknown length is stopped by the same limit while it is read."""
    limit, length = request.max_content_length, request.content_length
    if limit is not None and length is not None and length > limit:
        raise TooLarge("http.too_large", expected=f"at most {limit} bytes", found=length)


class _SecurityHeaders:
    """With each answer that does not have its own."""

    def __init__(self, *, https: bool) -> None:
        self._headers = [(name, name.lower(), value) for name, value in page_headers(https=https)]
        self._names = {name for name, _, _ in self._headers}

    def __call__(self, response: Response) -> Response:
        if self._names.issubset(map(_NAME, response.headers)):
            return response
        present = {name.lower() for name, _ in response.headers}
        missing = [(name, value) for name, lower, value in self._headers if lower not in present]
        if missing:
            response.headers.extend(missing)
        return response


def _refused(error: OstiaryError) -> Response:
    number = reference()
    level = "error" if error.status >= 500 else "info"
    facts = {"code": error.code, "expected": error.expected, "found": error.found, "params": dict(error.params)}
    getattr(shell().log, level)("refused", reference=number, status=error.status, **facts, **_request_facts())
    response = _error_page(error, number)
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _refused_by_http(error: HTTPException) -> Response:
    code = error.code or 500
    if code < 400:
        # Routing's own redirect (a missing trailing slash).
        return Response(error.get_body(), code, error.get_headers())
    found = f"{request.method} {request.path}"
    match code:
        case 404:
            return _refused(Missing("http.not_found", found=found))
        case 405:
            allowed = ", ".join(sorted(error.valid_methods or ())) if isinstance(error, MethodNotAllowed) else ""
            response = _refused(WrongMethod("http.method", expected=allowed, found=found))
            response.headers["Allow"] = allowed
            return response
        case 413:
            return _refused(TooLarge("http.too_large", expected=f"at most {request.max_content_length} bytes"))
        case 400:
            return _refused(Refusal("http.bad_request", found=error.description or ""))
    if code >= 500:
        return _refused(OstiaryError("internal", found=f"{code} {error.name}"))
    response = _refused(Refusal("http.other", found=f"{code} {error.name}"))
    response.status_code = code
    return response


def _crashed(error: Exception) -> Response:
    number = reference()
    shell().log.error("crashed", reference=number, status=500, exc_info=error, **_request_facts())
    return _error_page(OstiaryError("internal"), number)


def _error_page(error: OstiaryError, number: str) -> Response:
    """What a stranger sees. A plain 500 shows nothing of its own: paths and settings are for the log."""
    around = shell()
    shown = OstiaryError("internal") if error.status == 500 else error
    message, remedy = around.pages.catalogue.error(incoming.language(around.pages.catalogue), shown)
    if prefers_json():
        body = {"code": shown.code, "message": message, "remedy": remedy, "reference": number}
        response = jsonify({"error": body})
        response.status_code = error.status
        return response
    return page(
        "error.html",
        status=error.status,
        # The way on, where a service has a start page.
        home_url=public_url_for(HOME) if HOME in current_app.view_functions else None,
        message=message,
        remedy=remedy,
        reference=number,
        at=around.clock.now(),
    )


def prefers_json() -> bool:
    """Whether who asks is a program that wants JSON."""
    accepted = request.accept_mimetypes
    return accepted["application/json"] > accepted["text/html"]


def _request_facts() -> dict[str, object]:
    return {"method": request.method, "path": request.path, "client": request.remote_addr}


class _UntrustedProxyWarning:
    """One line, ever: behind a proxy that nobody configured, all people share one address, and so one limit of attempts."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._unsaid = threading.Lock()

    def __call__(self) -> None:
        if "X-Forwarded-For" in request.headers and self._unsaid.acquire(blocking=False):
            self._log.warning(
                "proxy_not_trusted",
                header="X-Forwarded-For",
                expected="trusted_proxies: the number of reverse proxies in front of this service",
                found="trusted_proxies: 0",
                client=request.remote_addr,
            )


class _UnderPrefix:
    """The path of the public URL as the application's root, whether or not the reverse proxy in front removes it."""

    def __init__(self, application: "WSGIApplication", prefix: str) -> None:
        self._application = application
        self._prefix = prefix

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        environ["SCRIPT_NAME"] = self._prefix
        if path == self._prefix or path.startswith(self._prefix + "/"):
            environ["PATH_INFO"] = path[len(self._prefix) :] or "/"
        return self._application(environ, start_response)
