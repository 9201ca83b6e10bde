"""Who is at the other end of a query's connection: its TLS client certificate, as our own listener or a web server in front saw it.

A certificate proves nothing here but that its key is the caller's; from anybody but a configured web server a header is as if not there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ostiary.config import Network, is_in
from ostiary.web.connection import PEER_CHAIN
from ostiary.x509.passed_on import certificates_in


class Caller(NamedTuple):
    """``certificate`` is DER, None where none was shown; ``address`` is the client's."""

    certificate: bytes | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """A web server that ends TLS before us, at one of ``addresses``, and passes the client's certificate on in ``header``."""

    header: str
    addresses: Sequence[Network]


def caller_of(
    environ: Mapping[str, Any], address: str | None, header: Callable[[str], str | None], front_end: FrontEnd | None
) -> Caller:
    """The caller of a request. ``address`` is what trusted proxies say of the client; ``header`` finds one by its name."""
    chain = environ.get(PEER_CHAIN)
    if chain is not None:
        return Caller(chain[0] if chain else None, address)
    if front_end is None:
        return Caller(None, address)
    # The connection's own end, whatever forwarded headers say.
    peer = environ.get("werkzeug.proxy_fix.orig", environ).get("REMOTE_ADDR") or ""
    given = header(front_end.header)
    if not given or not is_in(peer, front_end.addresses):
        return Caller(None, address)
    found = certificates_in(given)
    # Of two, one may be what the client itself sent in the header, to which the web server added its own.
    return Caller(found[0] if len(found) == 1 else None, address)
