"""Where the handlers of a resource are, as paths and as URLs. Decides nothing."""

from typing import Final
from urllib.parse import urlsplit

from sp_shire.settings import ShireSettings


class Addresses:
    """The addresses of one resource, computed once."""

    def __init__(self, settings: ShireSettings) -> None:
        self.https: Final = settings.public_url.startswith("https:")
        self.origin: Final = origin_of(settings.public_url)
        """Scheme, host and port of the public URL, as browsers write them."""
        self.host: Final = self.origin.partition("://")[2]
        """The Host header of a request that is meant for this resource."""
        self.host_name: Final = urlsplit(self.origin).hostname or ""
        self.base_path: Final = urlsplit(settings.public_url).path.rstrip("/")
        self.handler_prefix: Final = f"{self.base_path}{settings.handler_path}/"
        self.cookie_path: Final = f"{self.base_path}{settings.below}" or "/"
        """Where a browser shows its cookies: to nobody beside the resource on the same host."""
        self.first_target: Final = self.base_path + settings.protected[0]
        """The path where a login ends that began nowhere."""

    def handler(self, name: str) -> str:
        """The URL of a handler (``login``, ``slo/soap``, ...)."""
        return f"{self.origin}{self.handler_prefix}{name}"

    def is_handler(self, path: str) -> bool:
        """Whether this path belongs to the handlers."""
        return path.startswith(self.handler_prefix)


def origin_of(public_url: str) -> str:
    """Scheme, host and port of a URL, as browsers write an origin."""
    parts = urlsplit(public_url)
    return f"{parts.scheme}://{parts.netloc}"
