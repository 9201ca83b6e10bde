"""The configuration of one protected resource (``sp.yaml``)."""

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from ostiary.config import (
    Duration,
    DurationOrZero,
    FileFromHere,
    PathFromHere,
    PublicUrl,
    Settings,
    StoreSettings,
    WrongSetting,
)
from ostiary.federation.settings import TrustSettings
from ostiary.identifiers.requirement import Requirement
from ostiary.policy.urltree import read_path

_PATH = r"^/[A-Za-z0-9._~/-]*$"
_ENVIRON_NAME = r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$"


def _read_in_one_way(path: str) -> str:
    if len(read_path(path)) != 1:
        raise WrongSetting("sp.protected", expected="a path without dots, empty parts and parameters", found=path)
    return path


def _at_least_one(paths: tuple[str, ...]) -> tuple[str, ...]:
    if not paths:
        raise WrongSetting("config.wrong_value", expected="at least one path")
    return paths


_ProtectedPath = Annotated[str, Field(pattern=_PATH), AfterValidator(_read_in_one_way)]
_HandlerPath = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)+$"), AfterValidator(_read_in_one_way)]


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

    @field_validator("attributes_at_most")
    @classmethod
    def _in_order(cls, value: timedelta, info: ValidationInfo) -> timedelta:
        if value < info.data.get("attributes", value):
            raise WrongSetting("config.order", expected="attributes_at_most no shorter than attributes")
        return value


class ShireSettings(Settings):
    """Everything about one resource. ``subject_identifier`` says in its metadata which identifier of people it needs (``subject-id:req``):
    ``pairwise-id``, ``subject-id``, ``any`` of the two, or ``none``. ``attributes_from``: ``response`` takes what the Response brings,
    ``response_or_query`` asks the Attribute Authority when it brings nothing. ``protected`` are path prefixes (whole segments);
    ``websockets``: ``by_rule`` lets the access rules for GET decide about them (ASGI); ``workers`` is how many processes serve the
    application: with more than one, sessions need a ``store``."""

    entity_id: str = Field(min_length=1, max_length=1024)
    public_url: PublicUrl
    display: DisplaySettings
    trust: TrustSettings
    protected: Annotated[tuple[_ProtectedPath, ...], AfterValidator(_at_least_one)] = ("/",)
    handler_path: _HandlerPath = "/ostiary"
    discovery_url: PublicUrl | None = None
    identity_provider: str | None = None
    allow_unsolicited_from: tuple[str, ...] = ()
    accept: tuple[PathFromHere, ...]
    access: tuple[PathFromHere, ...]
    application: str = ""
    requested_attributes: tuple[RequestedAttributeSettings, ...] = ()
    subject_identifier: Requirement | None = None
    attributes_from: Literal["response", "response_or_query"] = "response_or_query"
    websockets: Literal["refuse", "by_rule"] = "refuse"
    environ: dict[str, Annotated[str, Field(pattern=_ENVIRON_NAME)]] = Field(default_factory=dict)
    remote_user: tuple[str, ...] = ()
    sessions: ShireSessionSettings = ShireSessionSettings()
    clock_skew: DurationOrZero = timedelta(minutes=3)
    sign_requests: bool = True
    show_attribute_values: bool = False
    query_timeout: Duration = timedelta(seconds=5)
    tls_authorities: FileFromHere | None = None
    store: StoreSettings | None = None
    workers: int = Field(default=1, ge=1, le=1024)

    # Validators of one field each, so that an error names its key; they see the fields that stand before theirs.

    @field_validator("identity_provider")
    @classmethod
    def _one_way_to_choose(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "discovery_url" in info.data and (info.data["discovery_url"] is None) == (value is None):
            raise WrongSetting("config.one_of", expected="either discovery_url or identity_provider")
        return value

    @field_validator("workers")
    @classmethod
    def _common_store(cls, value: int, info: ValidationInfo) -> int:
        if value > 1 and info.data.get("store", True) is None:
            raise WrongSetting(
                "config.store_needed", expected="a store when workers is more than 1", found="memory only"
            )
        return value

    @field_validator("environ")
    @classmethod
    def _no_reserved_names(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value.values():
            folded = folded_name(name)
            if folded.startswith(("HTTP_", "WSGI_", "OSTIARY_")) or folded in _CGI_NAMES | _OWN_HEADERS:
                raise WrongSetting(
                    "config.environ_name", expected="a name that the web server does not use", found=name
                )
        if len(set(value.values())) != len(value):
            raise WrongSetting("config.environ_name", expected="each environment name once", found="a name used twice")
        return value


def folded_name(name: str) -> str:
    """The spelling into which some server may fold a header's name: upper case, ``_`` for whatever is neither letter nor digit."""
    return _NEITHER_LETTER_NOR_DIGIT.sub("_", name.upper())


_NEITHER_LETTER_NOR_DIGIT = re.compile("[^A-Z0-9]")
# Headers that the SHIRE itself reads: forged attributes are removed before, and these would go with them.
_OWN_HEADERS = frozenset(
    {
        "ACCEPT",
        "ACCEPT_LANGUAGE",
        "COOKIE",
        "HOST",
        "ORIGIN",
        "SEC_FETCH_MODE",
        "SEC_FETCH_SITE",
        "X_REQUESTED_WITH",
    }
)
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
