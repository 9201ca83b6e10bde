"""The configuration of one protected resource (``sp.yaml``)."""

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
from ostiary.config.front_end import TrustedPeerSettings
from ostiary.federation.settings import TrustSettings
from ostiary.identifiers.requirement import Requirement
from ostiary.policy.urltree import read_path
from ostiary.web.operators import StatusSettings
from sp_shire.adapters.settings import HandOver, ProxySettings, TokenSettings
from sp_shire.certificates.settings import CertificateSettings
from sp_shire.header_names import OWN_NAMES, folded_name, is_taken
from sp_shire.login.settings import LoginSettings
from sp_shire.metadata_settings import PublishedSettings
from sp_shire.sessions.bounds import SessionBounds
from sp_shire.shar.settings import AttributesFrom, Down, DownSettings, FurtherAuthorities, QuerySettings

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


AnswerBinding = Literal["post", "artifact", "paos"]
"""How a Response may come: by HTTP-POST, by HTTP-Artifact, or brought by a program (PAOS)."""


def _one_for_browsers(bindings: tuple[AnswerBinding, ...]) -> tuple[AnswerBinding, ...]:
    if not {"post", "artifact"} & set(bindings) or len(set(bindings)) != len(bindings):
        raise WrongSetting("config.wrong_value", expected="post or artifact, each once", found=", ".join(bindings))
    return bindings


def _handed_over(info: ValidationInfo) -> frozenset[str]:
    """The names under which the application is told something, as servers fold them."""
    return frozenset(folded_name(name) for name in (*OWN_NAMES, *info.data.get("environ", {}).values()))


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
    before it is asked again; ``attributes_at_most`` how long it serves when the authority does not answer. ``warn_before``: how long before
    the end a person is told (0: never). ``bind_to_address``: a session serves at the address from which it began alone, or within the
    network of ``address_prefix_v4`` or ``address_prefix_v6`` bits around it."""

    lifetime: Duration = timedelta(hours=8)
    idle: Duration = timedelta(hours=1)
    warn_before: DurationOrZero = timedelta(minutes=5)
    bind_to_address: Literal["none", "exact", "prefix"] = "none"
    address_prefix_v4: int = Field(default=24, ge=8, le=32)
    address_prefix_v6: int = Field(default=56, ge=16, le=128)
    attributes: Duration = timedelta(minutes=30)
    attributes_at_most: Duration = timedelta(hours=2)
    largest: SessionBounds = SessionBounds()

    @field_validator("attributes_at_most")
    @classmethod
    def _in_order(cls, value: timedelta, info: ValidationInfo) -> timedelta:
        if value < info.data.get("attributes", value):
            raise WrongSetting("config.order", expected="attributes_at_most no shorter than attributes")
        return value


class ApplicationSettings(Settings):
    """An application domain: a tree of the resource's URLs below ``path`` with sessions of its own. What it does not name is as for the
    whole resource. With an ``entity_id`` of its own it has metadata of its own; else it is one more assertion consumer, with a set of
    requested attributes, in the metadata of the resource. The access rules know it by its ``name``."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    path: _HandlerPath
    entity_id: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    display: DisplaySettings | None = None
    protected: Annotated[tuple[_ProtectedPath, ...], AfterValidator(_at_least_one)] | None = None
    lazy: tuple[_ProtectedPath, ...] | None = None
    discovery_url: PublicUrl | None = None
    discovery: Literal["embedded"] | None = None
    identity_provider: str | None = None
    login: LoginSettings | None = None
    allow_unsolicited_from: tuple[str, ...] | None = None
    accept: tuple[PathFromHere, ...] | None = None
    access: tuple[PathFromHere, ...] | None = None
    requested_attributes: tuple[RequestedAttributeSettings, ...] | None = None
    subject_identifier: Requirement | None = None
    attributes_from: AttributesFrom | None = None
    when_authority_is_down: Down | DownSettings | None = None
    aggregation: FurtherAuthorities | None = None
    remote_user: tuple[str, ...] | None = None
    sessions: ShireSessionSettings | None = None
    show_attribute_values: bool | None = None

    @field_validator("protected", "lazy")
    @classmethod
    def _inside(cls, value: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        path = info.data.get("path")
        outside = [one for one in value or () if path is not None and not f"{one}/".startswith(f"{path}/")]
        if outside:
            raise WrongSetting("config.application", expected=f"paths below {path}", found=outside[0])
        return value

    @field_validator("identity_provider")
    @classmethod
    def _one_way_to_choose(cls, value: str | None, info: ValidationInfo) -> str | None:
        ways = [value, *(info.data.get(way) for way in ("discovery_url", "discovery"))]
        if ways.count(None) < len(ways) - 1:
            raise WrongSetting("config.one_of", expected="one of discovery_url, discovery, identity_provider")
        return value


class ShireSettings(Settings):
    """Everything about one resource. ``subject_identifier`` says in its metadata which identifier of people it needs (``subject-id:req``):
    ``pairwise-id``, ``subject-id``, ``any`` of the two, or ``none``. ``attributes_from``: ``response`` takes what the Response brings,
    ``response_or_query`` asks the Attribute Authority when it brings nothing, ``query`` always asks and ``response_and_query`` takes both.
    ``query_attributes``: ``requested`` asks for the ``requested_attributes`` alone. ``when_authority_is_down``: ``refuse`` or ``go_on``, or
    one for logins and one for renewals. ``aggregation``: further authorities to ask. ``query_timeout`` is an older name for
    ``query.timeout``. ``protected`` are path prefixes (whole segments), ``lazy`` those
    among them where nobody has to be logged in (the longer prefix counts); ``discovery``: ``embedded`` for a page of the resource's own on
    which people choose where they are from;
    ``websockets``: ``by_rule`` lets the access rules for GET decide about them (ASGI); ``hand_over``: whether the application finds the
    names under ``environ`` in its environment, as headers of the request, or both; ``forward_auth`` which web server may ask
    (`ostiary serve forward-auth`); ``workers`` is how many processes serve the
    application: with more than one, sessions need a ``store``.
    Pages outside of the path of ``public_url`` are refused; ``allow_unprotected_outside_public_url`` lets everybody have them.
    ``trusted_proxies`` counts the reverse proxies in front whose ``X-Forwarded-For`` is believed. ``show_attribute_values``: people see
    their own values, ``log_attribute_values``: so does the log."""

    entity_id: str = Field(min_length=1, max_length=1024)
    public_url: PublicUrl
    display: DisplaySettings
    published: PublishedSettings = PublishedSettings()
    trust: TrustSettings
    protected: Annotated[tuple[_ProtectedPath, ...], AfterValidator(_at_least_one)] = ("/",)
    lazy: tuple[_ProtectedPath, ...] = ()
    handler_path: _HandlerPath = "/ostiary"
    allow_unprotected_outside_public_url: bool = False
    discovery_url: PublicUrl | None = None
    discovery: Literal["embedded"] | None = None
    identity_provider: str | None = None
    login: LoginSettings = LoginSettings()
    answers_by: Annotated[tuple[AnswerBinding, ...], AfterValidator(_one_for_browsers)] = ("post", "artifact", "paos")
    allow_unsolicited_from: tuple[str, ...] = ()
    allow_aes_cbc_from_legacy_partners: tuple[str, ...] = ()
    accept: tuple[PathFromHere, ...]
    access: tuple[PathFromHere, ...]
    application: str = ""
    applications: tuple[ApplicationSettings, ...] = ()
    requested_attributes: tuple[RequestedAttributeSettings, ...] = ()
    subject_identifier: Requirement | None = None
    attributes_from: AttributesFrom = "response_or_query"
    query_attributes: Literal["none", "requested"] = "none"
    when_authority_is_down: Down | DownSettings = DownSettings()
    aggregation: FurtherAuthorities = ()
    websockets: Literal["refuse", "by_rule"] = "refuse"
    environ: dict[str, Annotated[str, Field(pattern=_ENVIRON_NAME)]] = Field(default_factory=dict)
    remote_user: tuple[str, ...] = ()
    hand_over: HandOver = "environ"
    jwt: TokenSettings | None = None
    forward_auth: TrustedPeerSettings | None = None
    proxy: ProxySettings = ProxySettings()
    certificates: CertificateSettings | None = None
    sessions: ShireSessionSettings = ShireSessionSettings()
    clock_skew: DurationOrZero = timedelta(minutes=3)
    sign_requests: bool = True
    show_attribute_values: bool = False
    log_attribute_values: bool = False
    status: StatusSettings = StatusSettings()
    query: QuerySettings = QuerySettings()
    query_timeout: Duration | None = None
    tls_authorities: FileFromHere | None = None
    store: StoreSettings | None = None
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    workers: int = Field(default=1, ge=1, le=1024)

    # Validators of one field each, so that an error names its key; they see the fields that stand before theirs.

    @field_validator("identity_provider")
    @classmethod
    def _one_way_to_choose(cls, value: str | None, info: ValidationInfo) -> str | None:
        ways = [info.data.get(way) for way in ("discovery_url", "discovery")]
        if "discovery_url" in info.data and [*ways, value].count(None) != 2:
            raise WrongSetting("config.one_of", expected="one of discovery_url, discovery, identity_provider")
        return value

    @field_validator("lazy")
    @classmethod
    def _open_or_not(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        both = [path for path in value if path in info.data.get("protected", ())]
        if both:
            raise WrongSetting("config.wrong_value", expected="paths that are not protected themselves", found=both[0])
        return value

    @field_validator("workers")
    @classmethod
    def _common_store(cls, value: int, info: ValidationInfo) -> int:
        if value > 1 and info.data.get("store", True) is None:
            raise WrongSetting(
                "config.store_needed", expected="a store when workers is more than 1", found="memory only"
            )
        return value

    @field_validator("applications")
    @classmethod
    def _each_its_own(
        cls, value: tuple[ApplicationSettings, ...], info: ValidationInfo
    ) -> tuple[ApplicationSettings, ...]:
        handlers = info.data.get("handler_path")
        for position, application in enumerate(value):
            if handlers is not None and f"{application.path}/".startswith(f"{handlers}/"):
                raise WrongSetting(
                    "config.application", at=(position, "path"), expected=f"a path outside of {handlers}"
                )
            for key in ("name", "path"):
                if any(getattr(application, key) == getattr(other, key) for other in value[:position]):
                    raise WrongSetting(
                        "config.application",
                        at=(position, key),
                        expected=f"each {key} once",
                        found=getattr(application, key),
                    )
        return value

    @field_validator("environ")
    @classmethod
    def _no_reserved_names(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value.values():
            if is_taken(name) or folded_name(name).startswith(("HTTP_", "WSGI_", "OSTIARY_")):
                raise WrongSetting(
                    "config.environ_name", expected="a name that the web server does not use", found=name
                )
        # Also as headers, where `-` and `_` are the same.
        if len({folded_name(name) for name in value.values()}) != len(value):
            raise WrongSetting("config.environ_name", expected="each environment name once", found="a name used twice")
        return value

    @field_validator("query_attributes")
    @classmethod
    def _something_to_ask_for(cls, value: str, info: ValidationInfo) -> str:
        asked = [info.data.get("requested_attributes", True)]
        asked += [one.requested_attributes for one in info.data.get("applications", ())]
        if value == "requested" and any(names is not None and not names for names in asked):
            raise WrongSetting("sp.nothing_requested", expected="requested_attributes", found="none")
        return value

    @field_validator("query_timeout")
    @classmethod
    def _one_time_limit(cls, value: timedelta | None, info: ValidationInfo) -> timedelta | None:
        if value is not None and "timeout" in getattr(info.data.get("query"), "model_fields_set", ()):
            raise WrongSetting("config.one_of", expected="either query_timeout or query.timeout")
        return value

    @field_validator("jwt")
    @classmethod
    def _token_header_of_its_own(cls, value: TokenSettings | None, info: ValidationInfo) -> TokenSettings | None:
        if value is None:
            return None
        if is_taken(value.header) or folded_name(value.header) in _handed_over(info):
            raise WrongSetting(
                "config.environ_name", at=("header",), expected="a header of its own", found=value.header
            )
        return value

    @field_validator("certificates")
    @classmethod
    def _over_tls(cls, value: CertificateSettings | None, info: ValidationInfo) -> CertificateSettings | None:
        public_url = info.data.get("public_url", "https:")
        if value is not None and not public_url.startswith("https:"):
            raise WrongSetting("certificates.https", expected="public_url with https", found=public_url)
        for name in value.front_end.headers() if value is not None and value.front_end is not None else ():
            if is_taken(name) or folded_name(name) in _handed_over(info):
                expected = "a header of its own, such as ClientCert"
                raise WrongSetting("config.header", at=("front_end",), expected=expected, found=name)
        return value

    @property
    def down(self) -> DownSettings:
        """What happens while an authority does not answer."""
        said = self.when_authority_is_down
        return said if isinstance(said, DownSettings) else DownSettings(login=said, renewal=said)

    @property
    def query_time(self) -> timedelta:
        """The time limit for one question to an authority."""
        return self.query.timeout if self.query_timeout is None else self.query_timeout

    @property
    def queried_names(self) -> tuple[str, ...]:
        """The attributes that queries ask for; none: all of them."""
        asked = self.requested_attributes if self.query_attributes == "requested" else ()
        return tuple(attribute.name for attribute in asked)

    @property
    def below(self) -> str:
        """The path below the public URL where its tree begins."""
        return ""

    @property
    def space(self) -> str:
        """What keeps its cookies and what it stores apart from those of others."""
        return self.entity_id

    @property
    def published_as(self) -> "ShireSettings":
        """The settings that its metadata speaks of."""
        return self

    @property
    def attribute_index(self) -> int | None:
        """Its AttributeConsumingService, where that is not the default one."""
        return None
