"""From where a request comes, and what a session is bound to where it serves at its person's address alone. Pure; believes no header but
those of the reverse proxies that were counted."""

from dataclasses import replace

from ostiary.config import network_of
from sp_shire.messages import Request
from sp_shire.settings import ShireSessionSettings


def behind_proxies(request: Request, proxies: int) -> Request:
    """The same request with the address of its client, ``proxies`` reverse proxies away."""
    client = client_behind(proxies, request.remote, request.headers.get("x-forwarded-for", ""))
    return request if client == request.remote else replace(request, remote=client)


def client_behind(proxies: int, remote: str, forwarded_for: str) -> str:
    """The address of the client: that of the connection (``remote``) without reverse proxies in front, else what the first of them wrote
    into ``X-Forwarded-For``: the entry that stands ``proxies`` from the end. Where there are fewer, somebody came past them: ``remote``.
    """
    entries = [entry.strip() for entry in forwarded_for.split(",")] if forwarded_for else []
    return entries[-proxies] if 0 < proxies <= len(entries) else remote


def bound_to(address: str, settings: ShireSessionSettings) -> str:
    """What a session that begins at this address is bound to, as text; empty when at nothing."""
    match settings.bind_to_address:
        case "none":
            return ""
        case "exact":
            return _network(address, 32, 128)
        case "prefix":
            return _network(address, settings.address_prefix_v4, settings.address_prefix_v6)


def _network(address: str, prefix_v4: int, prefix_v6: int) -> str:
    return network_of(address[:64], prefix_v4, prefix_v6) or "unknown"
