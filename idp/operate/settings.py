"""Who may see the status, where the maintenance flag is, and who gets past it."""

from typing import Final

from ostiary.config import FileFromHere, NetworkText, PathFromHere, Settings, read_private_file
from ostiary.errors import ConfigurationError

MINIMUM_TOKEN: Final = 32


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
