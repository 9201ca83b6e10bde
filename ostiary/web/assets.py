"""The files that pages refer to (style sheet, scripts), each named by the hash of its content."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from ostiary.errors import ConfigurationError

STATIC: Final = Path(__file__).parent / "static"

_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served. ``fingerprint`` are 16 hexadecimal digits of its SHA-256."""

    stem: str
    suffix: str
    content: bytes
    fingerprint: str

    @property
    def file_name(self) -> str:
        """The name to serve it under; changes with the content, so caches may keep it for ever."""
        return f"{self.stem}.{self.fingerprint}{self.suffix}"

    @property
    def is_image(self) -> bool:
        """Whether it is shown, never run."""
        return self.media_type.startswith("image/")

    @property
    def media_type(self) -> str:
        """For the Content-Type header."""
        return _MEDIA_TYPES[self.suffix]


def load_asset(path: Path) -> Asset:
    """Read a ``.css``, ``.js``, ``.png`` or ``.svg`` file. Raises `ConfigurationError` (``web.asset``) when there is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError("web.asset", file=path, expected="a readable file", found=error.strerror) from None
    if path.suffix not in _MEDIA_TYPES:
        raise ConfigurationError(
            "web.asset", file=path, expected="one of " + ", ".join(_MEDIA_TYPES), found=path.suffix
        )
    return asset_of(path.stem, path.suffix, content)


def asset_of(stem: str, suffix: str, content: bytes) -> Asset:
    """A file of the pages that was made, not read."""
    return Asset(stem, suffix, content, sha256(content).hexdigest()[:16])


def stylesheet() -> bytes:
    """The one style sheet of all pages (CSS, UTF-8)."""
    return load_asset(STATIC / "style.css").content
