"""Settings about the ways in: what is handed to the application in which form, the signed token, and the reverse proxy."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator

from ostiary.config import Duration, PathFromHere, Settings, WrongSetting

HandOver = Literal["environ", "headers", "both"]
"""In which form an application finds the names under ``environ:``."""

_LONGEST_TOKEN: Final = timedelta(hours=1)

TokenHeader = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")]


class TokenSettings(Settings):
    """A JWT (RFC 7519) that the resource signs about the person, for what stands behind the application: sent in ``header``, for
    ``audience``, good for ``lifetime``. ``keys`` is a key directory; without one the resource signs with its own key. ``attributes`` says
    which it holds; without that, those under ``environ``."""

    audience: str = Field(min_length=1, max_length=1024)
    header: TokenHeader = "Ostiary-Jwt"
    lifetime: Duration = timedelta(minutes=1)
    keys: PathFromHere | None = None
    attributes: tuple[str, ...] | None = None

    @field_validator("lifetime")
    @classmethod
    def _short(cls, value: timedelta) -> timedelta:
        if not timedelta(seconds=10) <= value <= _LONGEST_TOKEN:
            raise WrongSetting("config.duration", expected="10s to 1h", found=value)
        return value


class ProxySettings(Settings):
    """How ``ostiary serve proxy`` speaks to the application behind it. ``host``: the Host header that it gets, that of ``public_url`` or
    that of the application's own address. ``connect_timeout`` is how long it may take to be reached, ``answer_timeout`` how long between
    two pieces of what it takes or says; ``connections`` how many requests it gets at a time from one worker."""

    host: Literal["public", "backend"] = "public"
    connect_timeout: Duration = timedelta(seconds=5)
    answer_timeout: Duration = timedelta(seconds=60)
    connections: int = Field(default=64, ge=1, le=4096)
