"""The part of a service's configuration that says whom it trusts and with which key it speaks; shared by every service."""

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag, field_validator
from pydantic import ValidationInfo as Info

from ostiary.config import (
    DirectoryFromHere,
    Duration,
    FileFromHere,
    PathFromHere,
    Settings,
    WrongSetting,
    is_loopback,
)
from ostiary.errors import Refusal
from ostiary.federation.sources.fetching import FetchLimits
from ostiary.federation.sources.files import MetadataDirectory, MetadataFile
from ostiary.federation.sources.reading import Trust
from ostiary.federation.sources.selection import Criteria, Selection
from ostiary.policy.patterns import check_pattern
from ostiary.saml.xml import METADATA

_MEGABYTE: Final = 1_048_576


def _pattern(text: str) -> str:
    try:
        check_pattern(text)
    except Refusal as error:
        raise WrongSetting(error.code, expected=error.expected, found=error.found) from None
    return text


def _source_url(value: str, info: Info) -> str:
    # What is fetched may have a query; everything else about addresses is for `fetch` to say.
    scheme, _, rest = value.partition("://")
    host = rest.partition("/")[0].rpartition(":")[0] or rest.partition("/")[0]
    plain = scheme == "http" and (info.data.get("allow_http_beyond_loopback") or is_loopback(host.strip("[]")))
    if not value.isascii() or "@" in rest.partition("/")[0] or not host or "#" in value or " " in value:
        raise WrongSetting("config.public_url", expected="an absolute https URL without user or fragment")
    if scheme != "https" and not plain:
        raise WrongSetting("config.public_url_http", expected="https, or http on localhost, 127.0.0.0/8 or [::1]")
    return value


_Uri = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
_Scope = Annotated[str, StringConstraints(pattern=r"^\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$", max_length=253)]
SourceUrl = Annotated[str, StringConstraints(max_length=2048), AfterValidator(_source_url)]


class CriteriaSettings(Settings):
    """What entities can be chosen by: their entityID, exactly or by a pattern for the whole of it; who registered them; the entity
    categories that they have, and those that they support; their roles; that they want to be hidden from discovery."""

    entities: tuple[_Uri, ...] = ()
    entities_matching: tuple[Annotated[str, AfterValidator(_pattern)], ...] = ()
    registration_authorities: tuple[_Uri, ...] = ()
    entity_categories: tuple[_Uri, ...] = ()
    entity_category_support: tuple[_Uri, ...] = ()
    roles: tuple[Literal["idp", "sp", "aa"], ...] = ()
    hidden_from_discovery: bool = False

    def criteria(self) -> Criteria:
        """The same for `Selection`."""
        return Criteria(
            frozenset(self.entities),
            frozenset(self.entities_matching),
            frozenset(self.registration_authorities),
            frozenset(self.entity_categories),
            frozenset(self.entity_category_support),
            frozenset(self.roles),
            self.hidden_from_discovery,
        )


class SourceSettings(Settings):
    """What every source of metadata has. ``trusted_certificates``, ``trusted_keys``: PEM files with the certificates, or the bare public
    keys, that may have signed it: several while its signer changes keys. ``maximum_validity``: how far ahead its ``validUntil`` may lie.
    ``include``: entities are taken that have everything set there; ``exclude``: those are left out that have anything of it. ``scopes``:
    the only ones that its entities may have, exactly or below a name that begins with a dot. ``allow_shrinking``: it may lose more than
    half of its entities at once."""

    trusted_certificates: tuple[FileFromHere, ...] = ()
    trusted_keys: tuple[FileFromHere, ...] = ()
    maximum_validity: Duration | None = None
    include: CriteriaSettings = CriteriaSettings()
    exclude: CriteriaSettings = CriteriaSettings()
    scopes: tuple[_Scope, ...] | None = None
    allow_shrinking: bool = False

    def trust(self) -> Trust:
        """The same for `Trust.reading`."""
        return Trust(
            self.trusted_certificates,
            self.trusted_keys,
            getattr(self, "allow_unsigned_local_file", False),
            self.maximum_validity,
            Selection(self.include.criteria(), self.exclude.criteria()),
            self.scopes,
            self.allow_shrinking,
        )


class MetadataFileSettings(SourceSettings):
    """One metadata file; see `MetadataFile`."""

    file: FileFromHere
    allow_unsigned_local_file: bool = False

    def source(self) -> MetadataFile:
        """The same for `load_registry`."""
        return MetadataFile(self.file, rest=self.trust())


class MetadataDirectorySettings(SourceSettings):
    """Every ``*.xml`` of a directory, in the order of their names; each carries its own signature, or all of them were put there by the
    administrator (``allow_unsigned_local_file``)."""

    directory: DirectoryFromHere
    allow_unsigned_local_file: bool = False

    def source(self) -> MetadataDirectory:
        """The same for `load_registry`."""
        return MetadataDirectory(self.directory, self.trust())


class FetchedSettings(SourceSettings):
    """What is the same for all that is fetched. ``tls_authorities``: PEM file of the certificate authorities of its server, the system's
    when left out; ``time_limit`` for one answer as a whole; ``max_bytes`` of one document, inflated; ``may_be_missing_at_start``: the
    service starts without it where there is no copy and the server does not answer."""

    allow_http_beyond_loopback: bool = False
    tls_authorities: FileFromHere | None = None
    maximum_validity: Duration = timedelta(days=28)
    time_limit: Duration = timedelta(minutes=5)
    may_be_missing_at_start: bool = False

    @field_validator("trusted_keys")
    @classmethod
    def _signed(cls, value: tuple[Any, ...], info: Info) -> tuple[Any, ...]:
        if not value and not info.data.get("trusted_certificates", True):
            raise WrongSetting("metadata.untrusted_source", expected="trusted_certificates or trusted_keys")
        return value


class MetadataUrlSettings(FetchedSettings):
    """One document that is fetched again and again: as often as its ``cacheDuration`` says, though no sooner than ``refresh_no_sooner`` and
    no later than ``refresh_no_later``; where it says nothing, every ``refresh_every``."""

    url: SourceUrl
    max_bytes: Annotated[int, Field(ge=1_024, le=METADATA.max_bytes)] = 256 * _MEGABYTE
    refresh_every: Duration = timedelta(hours=6)
    refresh_no_sooner: Duration = timedelta(minutes=5)
    refresh_no_later: Duration = timedelta(days=1)

    @field_validator("refresh_no_later")
    @classmethod
    def _in_order(cls, value: timedelta, info: Info) -> timedelta:
        if value < info.data.get("refresh_no_sooner", value):
            raise WrongSetting("config.order", expected="refresh_no_later no shorter than refresh_no_sooner")
        return value

    def limits(self) -> FetchLimits:
        """The same for `fetch`."""
        return FetchLimits(self.max_bytes, self.time_limit, allow_http_beyond_loopback=self.allow_http_beyond_loopback)


class MetadataQuerySettings(FetchedSettings):
    """A server of the Metadata Query Protocol that is asked for one entity when it is needed; ``mdq`` is its base URL, below which
    ``entities/`` stands. ``ask_by``: whether it is told the entityID or its SHA-1 (artifacts always go by SHA-1).

    An answer is renewed as often as its ``cacheDuration`` and ``Cache-Control`` say, within ``refresh_no_sooner`` and ``refresh_no_later``;
    where they say nothing, every ``refresh_every``. ``absent_for``: so long nobody asks again for an entity that is not there.
    ``new_entities_per_minute``: so many names that were never found there are asked for in a minute, by one process; ``most_entities``: so
    many are kept."""

    mdq: SourceUrl
    time_limit: Duration = timedelta(seconds=5)
    ask_by: Literal["entity_id", "sha1"] = "entity_id"
    max_bytes: Annotated[int, Field(ge=1_024, le=16 * _MEGABYTE)] = _MEGABYTE
    refresh_every: Duration = timedelta(hours=6)
    refresh_no_sooner: Duration = timedelta(minutes=5)
    refresh_no_later: Duration = timedelta(days=1)
    absent_for: Duration = timedelta(minutes=10)
    new_entities_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 120
    most_entities: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000


_KINDS: Final = ("file", "directory", "url", "mdq")


def _kind(value: Any) -> str:
    names = value if isinstance(value, dict) else type(value).model_fields if isinstance(value, Settings) else ()
    # Nothing of the four, and it is a file that is missed.
    return next((kind for kind in _KINDS if kind in names), "file")


MetadataSettings = Annotated[
    Annotated[MetadataFileSettings, Tag("file")]
    | Annotated[MetadataDirectorySettings, Tag("directory")]
    | Annotated[MetadataUrlSettings, Tag("url")]
    | Annotated[MetadataQuerySettings, Tag("mdq")],
    Discriminator(_kind),
]
"""One source of metadata; the key ``file``, ``directory``, ``url`` or ``mdq`` says of which kind."""


class TrustSettings(Settings):
    """``keys``: the directory of this service's own keys; ``metadata``: whom it trusts: where an entity stands in several sources, the
    first one counts. ``state``: a directory of this machine for what is fetched and for the index, shared by all processes of the service;
    without it files are held in memory, and nothing is fetched. ``partners_refresh_within``: the longest that partners go on with the
    metadata that they have, so how long a new key is published before it signs."""

    keys: DirectoryFromHere
    state: PathFromHere | None = None
    metadata: tuple[MetadataSettings, ...]
    partners_refresh_within: Duration = timedelta(days=14)

    @field_validator("metadata")
    @classmethod
    def _somewhere_to_keep_it(cls, value: tuple[MetadataSettings, ...], info: Info) -> tuple[MetadataSettings, ...]:
        if info.data.get("state") is None:
            for place, entry in enumerate(value):
                if isinstance(entry, FetchedSettings):
                    kind = "url" if isinstance(entry, MetadataUrlSettings) else "mdq"
                    raise WrongSetting(
                        "metadata.state_needed", at=(place, kind), expected="trust.state, a directory", found="none"
                    )
        return value
