"""Types of single settings: public URLs, durations, and paths that start from the file they are written in."""

import ipaddress
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from ostiary.config.problems import WrongSetting

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_DURATION = re.compile(r"(?:(\d{1,5})d)?(?:(\d{1,6})h)?(?:(\d{1,8})m)?(?:(\d{1,9})s)?\Z", re.ASCII)
_LONGEST = timedelta(days=36_500)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z", re.ASCII)
_URL_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/\[\]@!$&'()*+,;=%]+\Z")


def parse_duration(text: str) -> timedelta:
    """``"8h"``, ``"90s"``, ``"1d12h"``: days, hours, minutes and seconds, each at most once, in this order.

    Raises `WrongSetting` for anything else, a number without unit included, and for more than 36500 days.
    """
    found = _DURATION.match(text)
    if not text or found is None:
        raise WrongSetting("config.duration", expected="a duration such as 30s, 5m, 8h or 7d", found=_quoted(text))
    parts = {name: int(number) for name, number in zip(_UNITS.values(), found.groups(), strict=True) if number}
    duration = timedelta(**parts)
    if duration > _LONGEST:
        raise WrongSetting("config.duration", expected="at most 36500d", found=text)
    return duration


def _to_duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise WrongSetting("config.duration", expected="a duration such as 30s, 5m, 8h or 7d")
    return parse_duration(value)


def _more_than_nothing(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise WrongSetting("config.duration", expected="more than 0s")
    return value


def _not_negative(value: timedelta) -> timedelta:
    if value < timedelta(0):
        raise WrongSetting("config.duration", expected="0s or more")
    return value


Duration = Annotated[timedelta, BeforeValidator(_to_duration), AfterValidator(_more_than_nothing)]
"""A length of time above zero, written ``8h``, ``30s``, ``5m``, ``7d`` or ``1h30m``."""

DurationOrZero = Annotated[timedelta, BeforeValidator(_to_duration), AfterValidator(_not_negative)]
"""The same, where ``0s`` has a meaning: a tolerance, a delay."""


def parse_public_url(text: str, *, allow_http_beyond_loopback: bool = False) -> str:
    """The URL under which others reach a service, in one spelling: lower-case scheme and host, no default port, no
    final ``/``.

    Absolute http or https, without userinfo, query, fragment or dot segments; a host name beyond ASCII is written as
    its A-label (``xn--...``). Plain http only to ``localhost``, 127.0.0.0/8 or ``[::1]``, unless
    ``allow_http_beyond_loopback``. Raises `WrongSetting`.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _not_public(text) from error
    host = parts.hostname or ""
    plain = (
        _URL_CHARACTERS.match(text) is not None
        and parts.scheme in _DEFAULT_PORTS
        and _is_host(host)
        and port != 0
        and "@" not in parts.netloc
        and ("[" in parts.netloc) == (":" in host)
        and not parts.netloc.endswith(":")
        and _is_plain_path(parts)
    )
    if not plain:
        raise _not_public(text)
    if parts.scheme == "http" and not allow_http_beyond_loopback and not is_loopback(host):
        raise WrongSetting("config.public_url_http", expected="https, or http on localhost, 127.0.0.0/8 or [::1]")
    shown_host = f"[{host}]" if ":" in host else host
    shown_port = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{shown_host}{shown_port}{parts.path.rstrip('/')}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address (without brackets or port) never leaves this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _not_public(text: str) -> WrongSetting:
    expected = "an absolute http or https URL without user, query, fragment, '//' or '..'"
    # A URL with userinfo may carry a password.
    return WrongSetting(
        "config.public_url", expected=expected, found="a URL with a user" if "@" in text else _quoted(text)
    )


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return False
        return "%" not in host
    # What looks like an address must be one: 127.1 and 0177.0.0.1 mean different hosts to different programs.
    if re.fullmatch(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", host):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            return False
        return True
    return len(host) <= 253 and _HOST_NAME.match(host) is not None


def _is_plain_path(parts: SplitResult) -> bool:
    segments = parts.path.split("/")
    dotted = any(segment.lower().replace("%2e", ".") in (".", "..") for segment in segments)
    broken_escape = re.search(r"%(?![0-9A-Fa-f]{2})", parts.path) is not None
    return (
        not dotted and not broken_escape and "//" not in parts.path and "[" not in parts.path and "]" not in parts.path
    )


def _to_public_url(value: str, info: ValidationInfo) -> str:
    # A sibling field of that name, declared before this one, or the caller's context.
    allowed = bool(
        (info.data or {}).get("allow_http_beyond_loopback") or _context(info).get("allow_http_beyond_loopback")
    )
    return parse_public_url(value, allow_http_beyond_loopback=allowed)


PublicUrl = Annotated[str, AfterValidator(_to_public_url)]
"""A string checked and spelt by `parse_public_url`. A model that declares ``allow_http_beyond_loopback: bool = False``
before a field of this type lets the administrator allow plain http."""


def _context(info: ValidationInfo) -> dict[str, Any]:
    return info.context if isinstance(info.context, dict) else {}


def _from_here(value: Path, info: ValidationInfo) -> Path:
    if "\0" in str(value):
        raise WrongSetting("config.path", expected="a path without NUL")
    directory = _context(info).get("directory")
    if directory is not None:
        return Path(directory) / value
    if not value.is_absolute():
        raise WrongSetting("config.path", expected="an absolute path, because no file is there to start from")
    return value


def _existing_file(value: Path) -> Path:
    if not value.is_file():
        raise WrongSetting("config.path_file", expected="an existing file", found=value)
    return value


def _existing_directory(value: Path) -> Path:
    if not value.is_dir():
        raise WrongSetting("config.path_directory", expected="an existing directory", found=value)
    return value


def _existing(value: Path) -> Path:
    if not value.exists():
        raise WrongSetting("config.path_file", expected="an existing file or directory", found=value)
    return value


PathFromHere = Annotated[Path, AfterValidator(_from_here)]
"""A path; a relative one starts from the directory of the file that it is written in. It need not exist."""

FileFromHere = Annotated[PathFromHere, AfterValidator(_existing_file)]
"""The same for a file that must exist."""

DirectoryFromHere = Annotated[PathFromHere, AfterValidator(_existing_directory)]
"""The same for a directory that must exist."""

FileOrDirectoryFromHere = Annotated[PathFromHere, AfterValidator(_existing)]
"""The same for a file or directory that must exist."""


def check_database_url(value: str, info: ValidationInfo) -> str:
    """The URL with its SQLite file where it is, for models. Raises `WrongSetting` (``config.database_url``,
    ``config.database_password``)."""
    scheme, separator, rest = value.partition("://")
    if not separator or scheme.partition("+")[0] not in ("sqlite", "postgresql", "mariadb", "mysql"):
        raise WrongSetting(
            "config.database_url", expected="sqlite:///FILE, postgresql://... or mariadb+DRIVER://...", found=scheme
        )
    if scheme.startswith("sqlite"):
        if not rest.startswith("/") or len(rest) < 2:
            raise WrongSetting("config.database_url", expected="sqlite:///FILE", found=_quoted(value))
        return f"{scheme}:///{_from_here(Path(rest[1:]), info)}"
    if ":" in rest.partition("/")[0].rpartition("@")[0] or re.search(r"[?&]password=", rest):
        raise WrongSetting("config.database_password", expected="a URL without password", found="a URL with password")
    return value


DatabaseUrl = Annotated[str, AfterValidator(check_database_url)]
"""An SQLAlchemy URL without password. A relative SQLite file starts from the directory of the configuration file."""


def _quoted(text: str) -> str:
    return f'"{text}"' if len(text) <= 80 else f'"{text[:77]}..."'
