"""A resource with settings of its own in the shared federation, its application, and browsers that go there."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from ostiary.saml.bindings import decode_redirect
from ostiary.saml.protocol import AuthnRequest
from ostiary.saml.signature import AnonymousMessage
from ostiary.web.identity import person
from sp_shire.adapters.wsgi import ShireMiddleware
from tests.browser import Answer, Browser, WsgiTransport
from tests.simulator import home_of
from tests.sp_shire.conftest import Core

ORIGIN = "http://127.0.0.1:20005"
NORTHGATE_ID = "https://northgate.example/idp"
NAVIGATION = {
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "Accept-Language": "en",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "User-Agent": "a browser",
}


class Application:
    """Says who is there and what was sent; ``requests`` are those that reached it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        path = environ["PATH_INFO"] + (f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else "")
        self.requests.append((environ["REQUEST_METHOD"], path, body))
        who = person(environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"somebody {who.issuer} {who.authn_context}".encode() if who is not None else b"nobody"]


class Site:
    """The resource of a `Core` with its application, in the federation that the core is part of."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.application = Application()
        self.transport = WsgiTransport()
        self.transport.applications = dict(core.federation.transport.applications)
        self.middleware = ShireMiddleware(self.application, core.shire)
        self.transport.applications[ORIGIN] = self.middleware

    def browser(self) -> Browser:
        return Browser(self.transport)

    def handler(self, name: str, **query: str) -> str:
        return f"{ORIGIN}/ostiary/{name}" + (f"?{urlencode(query)}" if query else "")

    def log_in(self, browser: Browser, page: Answer, username: str = "alice") -> Answer:
        """From wherever the way to the home organisation has led so far, to the end."""
        return browser.submit(self.to_response(browser, page, username), having="SAMLResponse")

    def to_response(self, browser: Browser, page: Answer, username: str = "alice") -> Answer:
        """The same up to the page that carries the Response."""
        home, password = home_of(username)
        if 'name="choice"' in page.text:
            page = browser.submit(page, {"choice": home.entity_id}, having="choice")
        if 'name="password"' in page.text:
            page = browser.submit(page, {"username": username, "password": password}, having="password")
        return page

    def multipart(self, browser: Browser, path: str, body: bytes, boundary: str = "X", **headers: str) -> Answer:
        """What a form of this site sends as multipart/form-data; nothing is followed."""
        sent = {**NAVIGATION, "Origin": ORIGIN, "Content-Type": f"multipart/form-data; boundary={boundary}", **headers}
        return browser.request("POST", ORIGIN + path, headers=sent, body=body)


def asked_of(answer: Answer) -> AuthnRequest:
    """The AuthnRequest that a redirect carries."""
    location = answer.header("Location") or ""
    return AuthnRequest.from_proof(
        AnonymousMessage(decode_redirect(urlsplit(location).query.encode(), "SAMLRequest").element)  # type: ignore[arg-type]
    )


def query_of(url: str | None) -> dict[str, str]:
    """The parameters of a URL."""
    return {name: value for name, (value,) in parse_qs(urlsplit(url or "").query).items()}


def part(name: str, value: str, more: str = "") -> bytes:
    """A field of a multipart form with the boundary X."""
    return f'--X\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'.encode()


END = b"--X--\r\n"
