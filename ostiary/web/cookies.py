"""Cookies: their names, how they are set, and how one is read from a header. Never chooses between two of the same name."""

import re
from datetime import timedelta
from hashlib import sha256
from typing import Final

MAX_VALUE: Final = 4000
MAX_HEADER: Final = 64 * 1024

# RFC 6265 4.1.1: cookie-octet without the quotes that some libraries strip.
_VALUE: Final = re.compile(r"[!#-+\--:<-\[\]-~]*")
_PURPOSE: Final = re.compile(r"[a-z]+")


def cookie_name(purpose: str, entity_id: str, *, https: bool, path: str = "/") -> str:
    """``ost-<purpose>-<8 hex digits of SHA-256(entityID)>``, with ``__Host-`` before it when the public URL is https; ``__Secure-`` where
    the cookie is for one ``path`` of its host alone, which ``__Host-`` does not allow.

    The hash keeps services on one host apart, because cookies ignore ports. ``purpose`` is lower-case letters.
    """
    if not _PURPOSE.fullmatch(purpose):
        raise ValueError(f"a cookie's purpose is lower-case letters, not {purpose!r}")
    name = f"ost-{purpose}-{sha256(entity_id.encode()).hexdigest()[:8]}"
    if not https:
        return name
    return f"__Host-{name}" if path == "/" else f"__Secure-{name}"


def set_cookie(name: str, value: str, *, https: bool, max_age: timedelta | None = None, path: str = "/") -> str:
    """The value of a ``Set-Cookie`` header: HttpOnly, SameSite=Lax, ``Secure`` when https, for the whole host or for one path of it and
    what is below.

    Without ``max_age`` the cookie ends with the browser. Raises `ValueError` for a value or path that a cookie cannot hold.
    """
    if not path.startswith("/") or not _VALUE.fullmatch(path):
        raise ValueError(f"the path of cookie {name} does not fit in a cookie")
    if not _VALUE.fullmatch(value) or len(value) > MAX_VALUE:
        raise ValueError(f"the value of cookie {name} does not fit in a cookie")
    parts = [f"{name}={value}", f"Path={path}", "HttpOnly", "SameSite=Lax"]
    if https:
        parts.append("Secure")
    if max_age is not None:
        parts.append(f"Max-Age={int(max_age.total_seconds())}")
    return "; ".join(parts)


def clear_cookie(name: str, *, https: bool, path: str = "/") -> str:
    """The value of a ``Set-Cookie`` header that ends this cookie, which was set with the same ``path``."""
    return set_cookie(name, "", https=https, max_age=timedelta(0), path=path)


def read_cookie(header: str | None, name: str) -> str | None:
    """The cookie's value from a ``Cookie`` header.

    None when it is absent, longer than we ever set, holds what we never set, or stands there twice: a second cookie of the
    same name may have been planted by another host of this domain, and nothing tells which one is ours.
    """
    if header is None or len(header) > MAX_HEADER or name not in header:
        return None
    found = []
    for part in header.split(";"):
        if name in part:
            key, separator, value = part.partition("=")
            if separator and key.strip() == name:
                found.append(value.strip())
    if len(found) != 1 or len(found[0]) > MAX_VALUE or not _VALUE.fullmatch(found[0]):
        return None
    return found[0]
