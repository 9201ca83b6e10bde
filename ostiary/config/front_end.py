"""Whether a request comes through a web server that is trusted to say who the client is: by the address of the connection, by a secret, or
by both. Never by what a forwarded header says.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Self

from pydantic import AfterValidator, model_validator

from ostiary.config.network import Network, NetworkText, is_in, networks
from ostiary.config.private_files import read_private_file
from ostiary.config.problems import WrongSetting
from ostiary.config.settings import Settings
from ostiary.config.values import FileFromHere
from ostiary.errors import ConfigurationError

_MINIMUM_SECRET: Final = 16
_MAXIMUM_SECRET: Final = 1_024
_TAKEN: Final = frozenset({"authorization", "cookie", "host"})


@dataclass(frozen=True, slots=True)
class TrustedPeer:
    """``addresses`` are those of the web server; ``secret`` is what it sends in ``secret_header``. What is empty is not asked for; at
    least one of them is there."""

    addresses: tuple[Network, ...] = ()
    secret_header: str = ""
    secret: bytes = b""

    def trusts(self, address: str, headers: Mapping[str, str]) -> bool:
        """Whether everything that is configured is as it should be. ``address`` is that of the connection itself, ``headers`` are by name
        in lower case. Takes the same time for every wrong secret."""
        if not self.addresses and not self.secret:
            return False
        if self.addresses and not is_in(address, self.addresses):
            return False
        if not self.secret:
            return True
        given = headers.get(self.secret_header.lower(), "")
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.secret)


def _header(value: str) -> str:
    # A web server may hand over X_Remote_User, which a browser sent, under the same name as X-Remote-User, which it set itself.
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,63}", value) is None or value.lower() in _TAKEN:
        raise WrongSetting("config.header", expected="letters and digits, such as RemoteUser", found=value[:80])
    return value


HeaderName = Annotated[str, AfterValidator(_header)]
"""A header of the request, without ``-`` and ``_``: so no other spelling arrives under the same name."""


class TrustedPeerSettings(Settings):
    """Which web server in front is believed: one at these ``addresses`` (of the connection itself), or one that sends the text in
    ``secret_file`` (a private file, at least 16 characters) in ``secret_header``; or, with both, one that does both."""

    addresses: tuple[NetworkText, ...] = ()
    secret_header: HeaderName | None = None
    secret_file: FileFromHere | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.secret_header is None) != (self.secret_file is None):
            raise WrongSetting("config.secret_pair", expected="secret_header and secret_file, or none of them")
        if not self.addresses and self.secret_file is None:
            raise WrongSetting("config.trusts_everybody", expected="addresses, or secret_header and secret_file")
        return self

    def open(self) -> TrustedPeer:
        """Raises `ConfigurationError` (``config.private_file_*``, ``config.secret_file``)."""
        secret = b""
        if self.secret_file is not None:
            secret = read_private_file(self.secret_file, max_bytes=_MAXIMUM_SECRET).strip()
            if len(secret) < _MINIMUM_SECRET or not secret.isascii():
                raise ConfigurationError(
                    "config.secret_file",
                    file=self.secret_file,
                    expected="16 ASCII characters or more",
                    found=len(secret),
                )
        return TrustedPeer(networks(self.addresses), self.secret_header or "", secret)
