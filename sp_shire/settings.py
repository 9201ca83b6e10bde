"""The configuration of one protected resource (``sp.yaml``)."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from ostiary.config import DatabaseSettings, Duration, DurationOrZero, PathFromHere, PublicUrl, Settings, WrongSetting
from ostiary.federation.settings import TrustSettings

_PATH = r"^/[A-Za-z0-9._~/-]*$"
_ENVIRON_NAME = r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$"


class DisplaySettings(Settings):
    """What people are shown, here and at "where are you from" and at their home organisation (mdui)."""

    name: str = Field(min_length=1, max_length=200)
    description: str = Field(default="", max_length=1000)
    information_url: PublicUrl | None = None
    privacy_statement_url: PublicUrl | None = None
    support_email: str = Field(default="", max_length=200)


class RequestedAttributeSettings(Settings):
    """An attribute that the resource asks for in its metadata, by friendly name."""

    name: str = Field(min_length=1, max_length=200)
    required: bool = False


class ShireSessionSettings(Settings):
    """``lifetime`` from login, ``idle`` from the last request; ``attributes`` is how long the answer of an Attribute Authority serves
    before it is asked again; ``attributes_at_most`` how long it serves when the authority does not answer."""

    lifetime: Duration = timedelta(hours=8)
    idle: Duration = timedelta(hours=1)
    attributes: Duration = timedelta(minutes=30)
    attributes_at_most: Duration = timedelta(hours=2)

    @model_validator(mode="after")
    def _in_order(self) -> "ShireSessionSettings":
        if self.attributes_at_most < self.attributes:
            raise WrongSetting("config.order", expected="attributes_at_most no shorter than attributes")
        return self


class ShireSettings(Settings):
    """Everything about one resource. ``protected`` are path prefixes (whole segments); ``workers`` is how many processes serve the
    application: with more than one, sessions need a ``store``."""

    entity_id: str = Field(min_length=1, max_length=1024)
    public_url: PublicUrl
    display: DisplaySettings
    trust: TrustSettings
    protected: tuple[Annotated[str, Field(pattern=_PATH)], ...] = ("/",)
    handler_path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*$")] = "/ostiary"
    discovery_url: PublicUrl | None = None
    identity_provider: str | None = None
    allow_unsolicited_from: tuple[str, ...] = ()
    accept: tuple[PathFromHere, ...]
    access: tuple[PathFromHere, ...]
    application: str = ""
    requested_attributes: tuple[RequestedAttributeSettings, ...] = ()
    environ: dict[str, Annotated[str, Field(pattern=_ENVIRON_NAME)]] = Field(default_factory=dict)
    remote_user: tuple[str, ...] = ()
    sessions: ShireSessionSettings = ShireSessionSettings()
    clock_skew: DurationOrZero = timedelta(minutes=3)
    sign_requests: bool = True
    show_attribute_values: bool = False
    query_timeout: Duration = timedelta(seconds=5)
    tls_authorities: PathFromHere | None = None
    workers: int = Field(default=1, ge=1, le=1024)
    store: DatabaseSettings | None = None

    @model_validator(mode="after")
    def _complete(self) -> "ShireSettings":
        if (self.discovery_url is None) == (self.identity_provider is None):
            raise WrongSetting("config.one_of", expected="either discovery_url or identity_provider")
        if self.workers > 1 and self.store is None:
            raise WrongSetting(
                "config.store_needed", expected="a store when workers is more than 1", found="memory only"
            )
        return self

    @field_validator("environ")
    @classmethod
    def _no_reserved_names(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value.values():
            if name.upper().startswith(("HTTP_", "WSGI.", "OSTIARY.")) or name in _CGI_NAMES:
                raise WrongSetting(
                    "config.environ_name", expected="a name that the web server does not use", found=name
                )
        if len(set(value.values())) != len(value):
            raise WrongSetting("config.environ_name", expected="each environment name once", found="a name used twice")
        return value


_CGI_NAMES = frozenset(
    {
        "AUTH_TYPE",
        "CONTENT_LENGTH",
        "CONTENT_TYPE",
        "PATH_INFO",
        "PATH_TRANSLATED",
        "QUERY_STRING",
        "REMOTE_ADDR",
        "REMOTE_HOST",
        "REMOTE_USER",
        "REQUEST_METHOD",
        "SCRIPT_NAME",
        "SERVER_NAME",
        "SERVER_PORT",
        "SERVER_PROTOCOL",
        "SERVER_SOFTWARE",
    }
)
