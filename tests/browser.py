"""A browser as far as logins need one: cookies with SameSite, redirects, forms. Works over HTTP and straight into WSGI applications.

Sites are told apart as browsers do it: by scheme and host, not by port.
"""

import html.parser
import http.cookies
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes, urlencode, urljoin, urlsplit

import urllib3

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "en"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    url: str

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Transport(Protocol):
    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer: ...


class HttpTransport:
    """Real sockets; nothing is followed and nothing is repeated."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(retries=False, timeout=20)

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        answer = self._pool.request(method, url, headers=dict(headers), body=body or None, redirect=False)
        return Answer(answer.status, list(answer.headers.items()), answer.data, url)

    def close(self) -> None:
        self._pool.clear()


class WsgiTransport:
    """Applications by origin (``http://localhost:1``), called in this very process."""

    def __init__(self) -> None:
        self.applications: dict[str, Callable[..., Iterable[bytes]]] = {}

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        parts = urlsplit(url)
        application = self.applications[f"{parts.scheme}://{parts.netloc}"]
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(parts.path or "/").decode("latin-1"),
            "QUERY_STRING": parts.query,
            "SERVER_NAME": parts.hostname,
            "SERVER_PORT": str(parts.port or 80),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": parts.netloc,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": parts.scheme,
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "CONTENT_LENGTH": str(len(body)),
        }
        for name, value in headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
        started: list[Any] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: object = None
        ) -> Callable[[bytes], object]:
            started[:] = [status, headers]
            return lambda _data: None

        parts_of_body = application(environ, start_response)
        content = b"".join(parts_of_body)
        close = getattr(parts_of_body, "close", None)
        if close is not None:
            close()
        return Answer(int(started[0].split()[0]), started[1], content, url)


@dataclass
class Form:
    action: str
    method: str
    fields: list[tuple[str, str]]
    buttons: list[tuple[str, str]] = field(default_factory=list)
    ticked: list[tuple[str, str]] = field(default_factory=list)

    def has(self, name: str) -> bool:
        return any(name == key for key, _ in (*self.fields, *self.buttons))


class _Forms(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(values.get("action", ""), values.get("method", "get").lower(), [])
            self.forms.append(self._open)
        elif self._open is not None and tag == "button" and values.get("name"):
            self._open.buttons.append((values["name"], values.get("value", "")))
        elif self._open is not None and tag == "input" and values.get("type") == "checkbox" and "checked" in values:
            self._open.ticked.append((values.get("name", ""), values.get("value", "on")))
        elif self._open is not None and tag == "input" and values.get("type") == "radio" and "checked" not in values:
            return
        elif self._open is not None and tag == "input" and values.get("type") not in ("submit", "checkbox"):
            self._open.fields.append((values.get("name", ""), values.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None


def forms_of(answer: Answer) -> list[Form]:
    """Every form of a page; buttons and check boxes are left to the caller."""
    parser = _Forms()
    parser.feed(answer.text)
    return parser.forms


@dataclass
class Browser:
    """One person's browser. ``trail`` are all answers, in order."""

    transport: Transport
    cookies: dict[tuple[str, str], str] = field(default_factory=dict)
    trail: list[Answer] = field(default_factory=list)

    def get(self, url: str, *, headers: Mapping[str, str] = PAGE) -> Answer:
        """Goes to a page and follows redirects."""
        return self._follow("GET", self.request("GET", url, headers=headers))

    def post(self, url: str, fields: Iterable[tuple[str, str]], *, site: str | None = None) -> Answer:
        """Submits a form and follows redirects; ``site`` is the origin of the page that holds it."""
        return self._follow("POST", self.submit_without_following(url, fields, site=site))

    def submit_without_following(
        self, url: str, fields: Iterable[tuple[str, str]], *, site: str | None = None
    ) -> Answer:
        headers = {**PAGE, "Content-Type": "application/x-www-form-urlencoded", "Origin": site or _origin(url)}
        headers["Sec-Fetch-Site"] = "same-origin" if headers["Origin"] == _origin(url) else "cross-site"
        cross_site = _site(headers["Origin"]) != _site(url)
        return self.request("POST", url, headers=headers, body=urlencode(list(fields)).encode(), without_lax=cross_site)

    def submit(self, answer: Answer, more: Mapping[str, str] = {}, *, having: str) -> Answer:
        """Submits the form of a page that has the field or button ``having``, with these fields set."""
        chosen = next(form for form in forms_of(answer) if form.has(having))
        fields = [(name, more.get(name, value)) for name, value in chosen.fields if name]
        fields += [(name, value) for name, value in more.items() if name not in dict(fields)]
        target = urljoin(answer.url, chosen.action)
        if chosen.method == "get":
            return self.get(f"{target}?{urlencode(fields)}")
        return self.post(target, fields, site=_origin(answer.url))

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str] = PAGE, body: bytes = b"", without_lax: bool = False
    ) -> Answer:
        """One request, nothing followed."""
        sent = dict(headers)
        host = urlsplit(url).hostname or ""
        pairs = [f"{name}={value}" for (site, name), value in self.cookies.items() if site == host]
        if pairs and not without_lax:
            sent["Cookie"] = "; ".join(pairs)
        answer = self.transport.send(method, url.partition("#")[0], sent, body)
        self._keep_cookies(host, answer)
        self.trail.append(answer)
        return answer

    def _follow(self, method: str, answer: Answer) -> Answer:
        for _ in range(10):
            location = answer.header("Location")
            if answer.status not in (301, 302, 303, 307, 308) or location is None:
                return answer
            if answer.status in (307, 308) and method != "GET":
                raise RuntimeError(f"a {method} is to be repeated at {location}")
            method = "GET"
            answer = self.request(method, urljoin(answer.url, location))
        raise RuntimeError("more than ten redirects")

    def _keep_cookies(self, host: str, answer: Answer) -> None:
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                for key, morsel in http.cookies.SimpleCookie(value).items():
                    if morsel["max-age"] == "0":
                        self.cookies.pop((host, key), None)
                    else:
                        self.cookies[host, key] = morsel.value


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _site(url: str) -> str:
    return urlsplit(url).hostname or ""
