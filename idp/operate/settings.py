"""Who may see the status, where the maintenance flag is, and who gets past it."""

import ipaddress
from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from idp.login.trusted_peer import Network
from ostiary.config import FileFromHere, PathFromHere, Settings, WrongSetting, read_private_file
from ostiary.errors import ConfigurationError

MINIMUM_TOKEN: Final = 32


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise WrongSetting(
            "config.network", expected="an address or network such as 10.1.0.0/16", found=value
        ) from None
    return value


NetworkText = Annotated[str, Field(max_length=60), AfterValidator(_network)]


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """The same as networks."""
    return tuple(ipaddress.ip_network(text) for text in texts)


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


class MaintenanceSettings(Settings):
    """``file``: the flag that ``ostiary maintenance`` writes, ``maintenance.yaml`` beside the configuration where it is left out.
    ``operators``: addresses from which the service goes on, to be tried out."""

    file: PathFromHere | None = None
    operators: tuple[NetworkText, ...] = ()
