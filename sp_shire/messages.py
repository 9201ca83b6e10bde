"""What goes into the core and what comes out: requests and replies as plain data, so that WSGI, ASGI and tests share one core."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ostiary.policy.access import Decision
from ostiary.web.identity import Person
from sp_shire.adapters.doorkeeper import Ostiary
from sp_shire.sessions.records import Session

MAXIMUM_BODY: Final = 512 * 1024
"""Bytes of a POST to the handlers that an adapter reads; of a longer one, one more."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the core sees it. ``path`` is absolute, mount point included, percent-decoded once; ``query`` the octets as received;
    ``headers`` by lower-case name. ``body`` is filled by the adapter for the handlers' own POSTs only. ``peer`` are the certificates (DER,
    its own first) that the client showed in its TLS handshake; ``remote`` is its address, ``connected_from`` that of the connection itself,
    whatever forwarded headers say."""

    method: str
    path: str
    query: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    remote: str = ""
    body_waits: bool = False
    peer: tuple[bytes, ...] = ()
    connected_from: str = ""

    @property
    def media_type(self) -> str:
        """What the body is said to be, in lower case and without parameters; empty where nothing is said."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that the application never sees. ``reads`` above 0: the adapter reads so many octets of the request's body, and one more of
    a longer one, and takes the answer of `Shire.with_body` in place of this one."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    reads: int = 0


@dataclass(frozen=True, slots=True)
class Passage:
    """The request goes on to the application. ``exports``: names and values for its environment; ``person`` None: nobody is logged in
    (only outside the protected paths); ``decision``: what let her in, None outside the protected paths; ``ostiary``: all of it as one
    object; ``token``: the signed token about her, empty where there is none; ``ends``: how long a connection may go on with this."""

    person: Person | None = None
    exports: Mapping[str, str] = field(default_factory=dict)
    decision: Decision | None = None
    session: Session | None = None
    ostiary: Ostiary | None = None
    token: str = ""
    ends: datetime | None = None
