"""Which Valkey or Redis server keeps what nodes share, or which database. Opens neither."""

from datetime import timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationInfo, field_validator

from ostiary.config.problems import WrongSetting
from ostiary.config.settings import DatabaseSettings, Settings
from ostiary.config.values import Duration, FileFromHere, is_loopback

_PLAIN: Final = ("valkey", "redis")
_SCHEMES: Final = (*_PLAIN, "valkeys", "rediss")


def _valkey_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise WrongSetting("config.valkey_url", expected="valkeys://HOST:PORT/NUMBER", found="no URL") from None
    number = parts.path.removeprefix("/")
    if parts.scheme not in _SCHEMES or not host or parts.query or parts.fragment or (number and not _digits(number)):
        raise WrongSetting("config.valkey_url", expected="valkeys://HOST:PORT/NUMBER", found=parts.scheme)
    if parts.password is not None:
        raise WrongSetting("config.database_password", expected="a URL without password", found="a URL with password")
    return value


def _digits(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5


class ValkeySettings(Settings):
    """Which Valkey or Redis server (`ostiary.storage.valkey.open_valkey` opens it).

    ``valkeys://USER@HOST:PORT/NUMBER`` speaks TLS; ``valkey://`` does not, and stays on this machine unless
    ``allow_plain_beyond_loopback`` says otherwise; ``rediss`` and ``redis`` mean the same. ``tls_authorities`` (PEM) are those that its
    certificate chains to, the system's when left out. ``time_limit`` is for each answer; one process opens at most so many ``connections``.
    """

    allow_plain_beyond_loopback: bool = False
    url: Annotated[str, AfterValidator(_valkey_url)]
    password_file: FileFromHere | None = None
    tls_authorities: FileFromHere | None = None
    time_limit: Duration = timedelta(seconds=2)
    connections: int = Field(default=50, ge=1, le=10_000)

    @field_validator("url")
    @classmethod
    def _protected(cls, value: str, info: ValidationInfo) -> str:
        parts = urlsplit(value)
        if parts.scheme in _PLAIN and not is_loopback(parts.hostname or "") and not info.data.get(_EXCEPTION):
            raise WrongSetting("config.valkey_plain", expected="valkeys://..., which speaks TLS", found=parts.scheme)
        return value


_EXCEPTION: Final = "allow_plain_beyond_loopback"


def _kind(value: Any) -> str:
    url = value.get("url") if isinstance(value, dict) else getattr(value, "url", None)
    return "valkey" if isinstance(url, str) and url.partition("://")[0] in _SCHEMES else "database"


StoreSettings = Annotated[
    Annotated[DatabaseSettings, Tag("database")] | Annotated[ValkeySettings, Tag("valkey")], Discriminator(_kind)
]
"""Where nodes keep what they share; the scheme of the URL says which kind it is."""
