"""Whether a request comes from an operator, by its address or by a token: pure rules, and their settings. An address that a proxy could
hide says nothing."""

import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ostiary.config import FileFromHere, Network, NetworkText, Settings, is_in, read_private_file
from ostiary.errors import ConfigurationError

FORWARDING: Final = ("Forwarded", "Via", "X-Forwarded-For", "X-Real-Ip")

MINIMUM_TOKEN: Final = 32

Allowed = Literal["address", "token"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a request counts: ``address`` of the client, ``host`` that it named, ``forwarded`` whether a proxy left a trace,
    ``authorization`` the header."""

    address: str
    host: str
    forwarded: bool
    authorization: str | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``own_host``: host and port of the public URL; ``https``: whether that is https; ``trusted_proxies``: how many proxies in front
    name the client."""

    own_host: str
    https: bool
    trusted_proxies: int

    def address_is_known(self, asked: Asked) -> bool:
        """Whether ``asked.address`` is the client's own.

        This service speaks plain HTTP: with an https URL there is a proxy in front, and if nobody told which ones are trusted, everybody
        in the world has that proxy's address.
        """
        if self.trusted_proxies:
            return True
        return not self.https and not asked.forwarded

    def host_is_known(self, asked: Asked) -> bool:
        """Whether the host is ours, or an address. Any other name could be one that somebody's website made to point here."""
        name = asked.host.rpartition(":")[0] if not asked.host.endswith("]") and ":" in asked.host else asked.host
        if asked.host == self.own_host or name == "localhost":
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True


def who_asks(
    asked: Asked, around: Surroundings, addresses: Sequence[Network], token: bytes | None = None
) -> Allowed | None:
    """By what the request is an operator's; None when it is not."""
    scheme, _, given = (asked.authorization or "").partition(" ")
    if token is not None and scheme.lower() == "bearer":
        return "token" if hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token) else None
    if around.address_is_known(asked) and around.host_is_known(asked) and is_in(asked.address, addresses):
        return "address"
    return None


class StatusSettings(Settings):
    """Who may read ``/status``: those who ask from one of ``addresses``, and those who send the token of ``token_file`` (a private file of
    at least 32 characters) as ``Authorization: Bearer``. Behind a reverse proxy addresses count only with ``trusted_proxies``."""

    addresses: tuple[NetworkText, ...] = ("127.0.0.0/8", "::1/128")
    token_file: FileFromHere | None = None

    def token(self) -> bytes | None:
        """The token. Raises `ConfigurationError` (``status.token``, ``config.private_file_*``)."""
        if self.token_file is None:
            return None
        content = read_private_file(self.token_file, max_bytes=4096).strip()
        if len(content) < MINIMUM_TOKEN or not content.isascii() or any(chr(byte).isspace() for byte in content):
            raise ConfigurationError(
                "status.token",
                file=self.token_file,
                expected=f"{MINIMUM_TOKEN} characters or more, ASCII, on one line",
                found=f"{len(content)} characters",
            )
        return content
