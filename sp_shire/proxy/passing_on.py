"""Which parts of a request go on to the application, and which of its answer to the browser. Pure; opens no connection.

Nothing of how one message was framed or routed counts for the other, no cookie of ours leaves, and none is planted from behind.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from ostiary.errors import BadGateway, HeadersTooLarge, Refusal, WrongMethod
from sp_shire.header_names import folded_name

Pairs = list[tuple[bytes, bytes]]
"""Header fields as ASGI has them: names in lower case, in order."""

MAXIMUM_FIELDS: Final = 200
MAXIMUM_HEADERS: Final = 64 * 1024
"""Octets of all header fields of a message together."""

# RFC 9110 7.6.1 and what was in use before it; all of them are about one connection.
_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# What only a proxy may say, in any spelling that a server folds into it; and by what some frameworks take a request for another one than
# that which was decided about.
_ONLY_FROM_PROXIES: Final = frozenset(
    {
        "CF_CONNECTING_IP",
        "CLIENT_IP",
        "FASTLY_CLIENT_IP",
        "FORWARDED",
        "FRONT_END_HTTPS",
        # To CGI programs it is a setting of theirs (CVE-2016-5385).
        "PROXY",
        "TRUE_CLIENT_IP",
        "X_ACCEL_MAPPING",
        "X_CLIENT_IP",
        "X_CLUSTER_CLIENT_IP",
        "X_HOST",
        "X_HTTP_METHOD",
        "X_HTTP_METHOD_OVERRIDE",
        "X_METHOD_OVERRIDE",
        "X_ORIGINAL_FORWARDED_FOR",
        "X_ORIGINAL_HOST",
        "X_ORIGINAL_URI",
        "X_ORIGINAL_URL",
        "X_REAL_IP",
        "X_REWRITE_URL",
        "X_SCRIPT_NAME",
        "X_SENDFILE_TYPE",
        "X_URL_SCHEME",
    }
)
_FORWARDED: Final = "X_FORWARDED"
# As nginx has it. Servers fold other names into ones that count: gunicorn takes SCRIPT_NAME, of whoever is on its machine, for a part of
# the path that is not the application's, so that it would get another path than that which was decided about.
_ODD_NAME: Final = re.compile(rb"[A-Za-z0-9-]*[!#$%&'*+.^_`|~][A-Za-z0-9!#$%&'*+.^_`|~-]*")
# `ostiary.web.cookies.cookie_name` of whatever service, and what begins with one.
_OUR_COOKIE: Final = re.compile(rb"(?:__Host-|__Secure-)?ost-[a-z]+-[0-9a-f]{8}(?:-[^=]*)?", re.IGNORECASE)
_TARGET: Final = re.compile(rb"/[\x21\x22\x24-\x7e]*")
_HIDDEN: Final = re.compile(rb"%(?:2f|5c)", re.IGNORECASE)
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,40}")
_NOT_PASSED_ON: Final = frozenset({"CONNECT", "TRACE"})


@dataclass(frozen=True, slots=True)
class Outside:
    """How the world reaches the resource: what an application behind it is told of the way."""

    scheme: str
    host: str
    client: str


def target_of(path: str, raw_path: bytes | None, query: bytes) -> bytes:
    """The request target (RFC 9112 3.2.1) for the very path that was decided about. ``raw_path``: as it came, where the server tells.

    Raises `Refusal` (``http.path``) where the two differ, or a separator is encoded: the application might read it in another way.
    """
    encoded = raw_path.partition(b"?")[0] if raw_path is not None else quote(path, safe="/:@!$&'()*+,;=~").encode()
    target = encoded + b"?" + query if query else encoded
    same = unquote_to_bytes(encoded) == path.encode("utf-8", "surrogatepass")
    if not same or _HIDDEN.search(encoded) or not _TARGET.fullmatch(target):
        raise Refusal("http.path", expected="a path that is read in one way", found=target[:200].decode("latin-1"))
    return target


def method_of(method: str) -> bytes:
    """The method. Raises `WrongMethod` (``http.method``) for those that speak to proxies, and `Refusal` for what is none."""
    if method.upper() in _NOT_PASSED_ON:
        raise WrongMethod("http.method", expected="a method for the application", found=method)
    if not _TOKEN.fullmatch(method):
        raise Refusal("proxy.request", expected="a method", found=method[:40])
    return method.encode()


def length_of(headers: Pairs) -> int | None:
    """The Content-Length of a request; None when it has none. Raises `Refusal` (``proxy.request``) when there is more than one, or one
    that is no number, or one beside a Transfer-Encoding: a sign of a smuggled request (RFC 9112 6.3)."""
    lengths = [value for name, value in headers if name == b"content-length"]
    if not lengths:
        return None
    encodings = [value for name, value in headers if name == b"transfer-encoding"]
    if len(lengths) > 1 or encodings or not re.fullmatch(rb"[0-9]{1,18}", lengths[0]):
        found = b", ".join([*lengths, *encodings])[:100].decode("latin-1")
        raise Refusal("proxy.request", expected="one Content-Length, and no Transfer-Encoding beside it", found=found)
    return int(lengths[0])


def request_headers(headers: Pairs, outside: Outside, ours: Callable[[str], bool], host: str) -> Pairs:
    """The header fields for the application, without those about the body. ``ours`` tells the names under which only the resource speaks:
    what it has put there stays, whatever the client's ``Connection`` says.

    Raises `HeadersTooLarge` (``proxy.headers``).
    """
    _check_size(headers)
    dropped = _HOP_BY_HOP | {name for name in _named_by_connection(headers) if not ours(name.decode("latin-1"))}
    passed: Pairs = [(b"host", host.encode())]
    via: list[bytes] = []
    for name, value in headers:
        if name in dropped or name in (b"host", b"content-length", b"expect") or _ODD_NAME.fullmatch(name):
            continue
        folded = folded_name(name.decode("latin-1"))
        if folded in _ONLY_FROM_PROXIES or folded.startswith(_FORWARDED):
            continue
        if name == b"via":
            via.append(value)
        elif name == b"cookie":
            if kept := _without_our_cookies(value):
                passed.append((name, kept))
        else:
            passed.append((name, value))
    passed += [
        (b"x-forwarded-for", outside.client.encode("latin-1")),
        (b"x-forwarded-proto", outside.scheme.encode()),
        (b"x-forwarded-host", outside.host.encode()),
        (b"via", b", ".join([*via, b"1.1 ostiary"])),
    ]
    return passed


def response_headers(headers: Pairs) -> Pairs:
    """The header fields of the application's answer for the browser: without those of the connection, and without cookies that are ours or
    that a browser would send back as ours.

    Raises `BadGateway` (``proxy.bad_answer``) for one that says in two ways where it ends.
    """
    names = [name for name, _ in headers]
    if b"content-length" in names and b"transfer-encoding" in names:
        raise BadGateway("proxy.bad_answer", expected="one length", found="Content-Length and Transfer-Encoding")
    dropped = _HOP_BY_HOP | (_named_by_connection(headers) - {b"content-length", b"set-cookie"})
    return [
        (name, value)
        for name, value in headers
        if name not in dropped and not (name == b"set-cookie" and _plants_our_cookie(value))
    ]


def _check_size(headers: Iterable[tuple[bytes, bytes]]) -> None:
    sizes = [len(name) + len(value) for name, value in headers]
    if len(sizes) > MAXIMUM_FIELDS or sum(sizes) > MAXIMUM_HEADERS:
        raise HeadersTooLarge(
            "proxy.headers",
            expected=f"at most {MAXIMUM_FIELDS} fields and {MAXIMUM_HEADERS} octets",
            found=f"{len(sizes)} fields, {sum(sizes)} octets",
        )


def _named_by_connection(headers: Pairs) -> set[bytes]:
    return {
        part.strip().lower()
        for name, value in headers
        if name == b"connection"
        for part in value.split(b",")
        if part.strip()
    }


def _without_our_cookies(header: bytes) -> bytes:
    pairs = [part.strip() for part in header.split(b";")]
    return b"; ".join(pair for pair in pairs if pair and not _OUR_COOKIE.fullmatch(_cookie_name(pair)))


def _plants_our_cookie(value: bytes) -> bool:
    pair = value.partition(b";")[0]
    name, equals, text = (part.strip() for part in pair.partition(b"="))
    if not equals or not name:
        # Sent back without a name, so that what stands in it may read as one.
        return _OUR_COOKIE.match(text or name) is not None
    return _OUR_COOKIE.fullmatch(name) is not None


def _cookie_name(pair: bytes) -> bytes:
    return pair.partition(b"=")[0].strip()
