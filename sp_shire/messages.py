"""What goes into the core and what comes out: requests and replies as plain data, so that WSGI, ASGI and tests share one core."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ostiary.policy.access import Decision
from ostiary.web.identity import Person
from sp_shire.sessions.records import Session

MAXIMUM_BODY: Final = 512 * 1024
"""Bytes of a POST to the handlers that an adapter reads; of a longer one, one more."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the core sees it. ``path`` is absolute, mount point included, percent-decoded once; ``query`` the octets as received;
    ``headers`` by lower-case name. ``body`` is filled by the adapter for the handlers' own POSTs only."""

    method: str
    path: str
    query: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    remote: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that the application never sees."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Passage:
    """The request goes on to the application. ``exports``: names and values for its environment; ``person`` None: nobody is logged in
    (only outside the protected paths); ``decision``: what let her in, None outside the protected paths."""

    person: Person | None = None
    exports: Mapping[str, str] = field(default_factory=dict)
    decision: Decision | None = None
    session: Session | None = None
