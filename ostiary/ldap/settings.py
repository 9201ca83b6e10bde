"""The configuration of a directory, ``ldap.yaml``: one file that the identity provider and the Attribute Authority share."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, model_validator

from ostiary.config import (
    Duration,
    DurationOrZero,
    FileFromHere,
    Settings,
    WrongSetting,
    is_loopback,
)
from ostiary.errors import OstiaryError
from ostiary.ldap.dn import check_dn
from ostiary.ldap.filters import read_filter

if TYPE_CHECKING:
    from ostiary.ldap.adapter import Ldap3Directory
    from ostiary.ldap.people import LdapPeople

_HOST: Final = re.compile(r"[A-Za-z0-9.:-]{1,253}")

Report = Callable[[OstiaryError], None]
"""Is told of a server that failed where another one could answer."""


def _server(value: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise WrongSetting("ldap.url", expected=_A_SERVER) from None
    extra = parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme == "ldapi":
        good = unquote(parts.netloc).startswith("/") and not extra
    else:
        good = parts.scheme in ("ldap", "ldaps") and _HOST.fullmatch(parts.hostname or "") is not None
        good = good and not extra and port != 0
    if not good:
        raise WrongSetting("ldap.url", expected=_A_SERVER)
    return value.removesuffix("/")


_A_SERVER: Final = "ldaps://HOST, ldap://HOST:PORT or ldapi://%2Fpath%2Fto%2Fsocket"


def _filter(value: str) -> str:
    read_filter(value)
    return value


ServerUrl = Annotated[str, AfterValidator(_server)]
"""Where a directory listens: ``ldap://``, ``ldaps://`` or ``ldapi://``."""

Dn = Annotated[str, AfterValidator(check_dn)]
"""A distinguished name (RFC 4514)."""

FilterText = Annotated[str, AfterValidator(_filter)]
"""A search filter (RFC 4515)."""

AttributeName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*(;[A-Za-z0-9-]+)*$", max_length=256)]
"""The name of an attribute as the directory knows it."""


class LdapSettings(Settings):
    """A directory of people, in a file of its own that ``idp.yaml`` and ``aa.yaml`` name.

    ``servers`` are tried in this order; one that failed comes last for half a minute. TLS (``ldaps://``, or ``start_tls``) trusts
    the certificates in ``ca_file`` and nothing else, and the certificate must name the host of the URL. Without TLS a server
    beyond loopback is refused unless ``allow_password_over_plain_ldap``. ``bind_dn`` and ``password_file`` are the account that
    searches; it needs to read, not to write. ``principal_attribute`` is an id that never changes and is never given to somebody
    else; ``principal_encoding: hex`` is for one that is stored as bytes, such as ``objectGUID``. Only entries that match
    ``active_filter`` may log in and be spoken of; ``accounts: active_directory`` refuses those that its attributes say are disabled
    or expired. ``connect_time_limit`` is for reaching one server, TLS included, ``time_limit`` for
    one answer. At most ``concurrent`` questions run at a time. ``remember`` is how long an entry that was seen to be active counts
    as active without asking again.
    """

    servers: tuple[ServerUrl, ...] = Field(min_length=1, max_length=10)
    start_tls: bool = False
    ca_file: FileFromHere | None = None
    allow_password_over_plain_ldap: bool = False
    bind_dn: Dn | None = None
    password_file: FileFromHere | None = None
    base_dn: Dn
    principal_attribute: AttributeName = "entryUUID"
    principal_encoding: Literal["text", "hex"] = "text"
    active_filter: FilterText | None = None
    accounts: Literal["plain", "active_directory"] = "plain"
    connect_time_limit: Duration = timedelta(seconds=3)
    time_limit: Duration = timedelta(seconds=5)
    concurrent: int = Field(default=16, ge=1, le=1000)
    remember: DurationOrZero = timedelta(seconds=15)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        schemes = [urlsplit(server).scheme for server in self.servers]
        if self.start_tls and set(schemes) != {"ldap"}:
            raise WrongSetting("ldap.start_tls", expected="ldap:// servers", found=", ".join(self.servers))
        if (self.start_tls or "ldaps" in schemes) and self.ca_file is None:
            raise WrongSetting("ldap.no_ca_file", expected="ca_file", found="none")
        if not self.start_tls and not self.allow_password_over_plain_ldap:
            for server in self.servers:
                parts = urlsplit(server)
                if parts.scheme == "ldap" and not is_loopback(parts.hostname or ""):
                    raise WrongSetting("ldap.plain", expected="ldaps://, or start_tls: true", found=server)
        if (self.bind_dn is None) != (self.password_file is None):
            raise WrongSetting("ldap.bind_pair", expected="bind_dn and password_file, or none of them")
        return self

    def open(self, report: Report = lambda _: None) -> "LdapPeople":
        """The people of this directory. Reads its files; connects when it is first asked.

        Raises `ConfigurationError` (``ldap.ca_file``, ``ldap.password_file``, ``config.private_file_*``); `ModuleNotFoundError` where ldap3
        is not installed.
        """
        from ostiary.ldap.people import LdapPeople

        return LdapPeople(self.open_directory(report), self)

    def open_directory(self, report: Report = lambda _: None) -> "Ldap3Directory":
        """The directory itself. Reads files and raises as `open` does."""
        # Only who has a directory needs the library.
        from ostiary.ldap.adapter import Ldap3Directory

        return Ldap3Directory(self, report)
