"""The configuration of a connector for an HTTP service. Opens nothing before it is asked for."""

import base64
import re
import ssl
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from attribute_authority.connectors.http_json import HttpConnector, HttpQuestion
from attribute_authority.connectors.json_values import read_path
from attribute_authority.connectors.keys import AskedConnectorSettings, Name, Parameter
from attribute_authority.connectors.sources import FollowingSource, Source
from attribute_authority.connectors.time_limit import FollowingInTime, InTime
from attribute_authority.connectors.url_template import PRINCIPAL, names_in, read_url_template
from ostiary.config import FileFromHere, WrongSetting, read_private_file
from ostiary.errors import ConfigurationError

# RFC 6750 2.1 for tokens; passwords may have spaces.
_SECRET: Final = re.compile(rb"[ -~]{1,4000}")


def _url(value: str) -> str:
    read_url_template(value)
    return value


def _path(value: str) -> str:
    read_path(value)
    return value


JsonPathText = Annotated[str, AfterValidator(_path)]
"""Where values stand in a JSON document: ``name``, ``person.mail``, ``roles[].name``, ``mails[0]``, ``["a key"].x``."""


class HttpConnectorSettings(AskedConnectorSettings):
    """What an HTTP service says about the person in a JSON document; 404 is for somebody whom it does not know.

    ``url`` is an https address (http on this machine), in which ``{principal}`` and the names in ``parameters`` (name: what earlier
    connectors call its value) stand in path segments and values of the query. With ``body``, whose strings may have the same places, the
    question is a POST of that JSON object. ``values`` gives each name the path of its values in the answer. ``about``: the path where the
    answer says whom it is about; an answer about others is refused.

    ``token_file``, or ``user`` and ``password_file``, prove who asks; ``tls_authorities`` (PEM) sign the service's certificate, the
    system's when left out. Redirects are not followed.
    """

    type: Literal["http"]
    url: Annotated[str, AfterValidator(_url)]
    body: dict[str, str] | None = None
    parameters: dict[Parameter, Name] = Field(default={})
    values: dict[Name, JsonPathText] = Field(min_length=1)
    about: JsonPathText | None = None
    token_file: FileFromHere | None = None
    user: Annotated[str, Field(pattern=r"^[!-9;-~]+$", max_length=200)] | None = None
    password_file: FileFromHere | None = None
    tls_authorities: FileFromHere | None = None
    max_bytes: int = Field(default=262_144, ge=100, le=16_777_216)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        places = read_url_template(self.url).names() | names_in(self.body or {})
        known = {PRINCIPAL, *self.parameters}
        if not places or places - known or set(self.parameters) - places or PRINCIPAL in self.parameters:
            expected = " and ".join(f"{{{name}}}" for name in (sorted(self.parameters) or [PRINCIPAL]))
            found = ", ".join(f"{{{name}}}" for name in sorted(places)) or "no place"
            raise WrongSetting("aa.http_places", expected=expected, found=found)
        if (self.user is None) != (self.password_file is None) or None not in (self.token_file, self.user):
            raise WrongSetting("aa.http_login", expected="token_file, or user and password_file, or none of them")
        return self

    def connector(self) -> HttpConnector:
        """The connector, not yet connected. Raises `ConfigurationError` (``aa.http_secret``, ``aa.tls_authorities``,
        ``config.private_file_*``)."""
        question = HttpQuestion(
            read_url_template(self.url),
            {name: read_path(path) for name, path in self.values.items()},
            self.body,
            self.parameters,
            read_path(self.about) if self.about is not None else None,
            self._authorization(),
        )
        if self.tls_authorities is not None:
            _check_authorities(self.tls_authorities)
        return HttpConnector(
            question, timeout=self.time_limit, authorities=self.tls_authorities, max_bytes=self.max_bytes
        )

    def source(self) -> Source | FollowingSource:
        """The connector under its name, in time."""
        connector = self.connector()
        if self.parameters:
            following = FollowingInTime(connector, self.time_limit)
            return FollowingSource(self.name, following, self.required, self.needs(), self.names())
        return Source(self.name, InTime(connector, self.time_limit), self.required, self.names())

    def names(self) -> frozenset[str] | None:
        """What the source calls its attributes."""
        return frozenset(self.values)

    def needs(self) -> tuple[str, ...]:
        """What earlier connectors have to find before it can be asked."""
        return tuple(self.parameters.values())

    def _authorization(self) -> str | None:
        if self.token_file is not None:
            return f"Bearer {_secret(self.token_file).decode('ascii')}"
        if self.user is not None and self.password_file is not None:
            pair = self.user.encode("ascii") + b":" + _secret(self.password_file)
            return f"Basic {base64.b64encode(pair).decode('ascii')}"
        return None


def _secret(path: Path) -> bytes:
    line = read_private_file(path, max_bytes=8_192).partition(b"\n")[0].rstrip(b"\r")
    if _SECRET.fullmatch(line) is None:
        raise ConfigurationError(
            "aa.http_secret", file=path, expected="a token or password in the first line, in ASCII"
        )
    return line


def _check_authorities(path: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            "aa.tls_authorities", file=path, expected="certificates in PEM", found=error
        ) from error
