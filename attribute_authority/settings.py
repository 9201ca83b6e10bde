"""The configuration of the Attribute Authority. Reads nothing but its file; opens nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator
from sqlalchemy import text

from attribute_authority.computed_connector import NAMES, ComputedConnector
from attribute_authority.connectors import Columns, NameAndValue, SqlConnector, StaticConnector, open_source
from attribute_authority.definitions import Definition, find_cycle
from attribute_authority.ldap_connector import LdapConnector
from attribute_authority.resolver import FollowingSource, RequesterSource, Resolver, Source
from attribute_authority.vo_connector import VoConnector
from ostiary.config import (
    DatabaseSettings,
    Duration,
    DurationOrZero,
    FileFromHere,
    FileOrDirectoryFromHere,
    ListenSettings,
    PathFromHere,
    PublicUrl,
    Settings,
    WrongSetting,
    load_settings,
)
from ostiary.consent.settings import ConsentSettings
from ostiary.federation.settings import TrustSettings
from ostiary.identifiers.salt import load_salt
from ostiary.ldap.people import LdapPeople
from ostiary.ldap.settings import AttributeName, LdapSettings, Report
from ostiary.ports import VoMemberships

QUERY_PATH = "/saml/attribute-query"

OpenVo = Callable[[DatabaseSettings, str], VoMemberships]
"""Opens the VO of that name in a database; the roof gives it, for VOs are another room's."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9:._-]*$", max_length=256)]
ScopeText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", max_length=255)]
Values = dict[Name, tuple[str, ...]]


class StaticConnectorSettings(Settings):
    """Values written here: for everybody, and for single people by principal."""

    type: Literal["static"]
    name: Name
    required: bool = True
    everybody: Values = Field(default={})
    people: dict[str, Values] = Field(default={})

    def connector(self) -> StaticConnector:
        """The connector."""
        return StaticConnector(self.everybody, self.people)

    def names(self) -> frozenset[str] | None:
        """What the source calls its attributes; None when only the source knows."""
        return frozenset(self.everybody).union(*self.people.values())


class SqlConnectorSettings(Settings):
    """A query with the one parameter ``:principal``.

    By default each column is an attribute of its own name. ``columns`` names some of them (column: name).
    ``name_column`` and ``value_column`` are for rows that hold a name and a value.
    """

    type: Literal["sql"]
    name: Name
    required: bool = True
    database: DatabaseSettings
    query: str = Field(min_length=1, max_length=10_000)
    columns: dict[str, Name] | None = Field(default=None, min_length=1)
    name_column: str | None = None
    value_column: str | None = None
    time_limit: Duration = timedelta(seconds=2)
    max_rows: int = Field(default=1000, ge=1, le=100_000)

    @model_validator(mode="after")
    def _is_one_query(self) -> Self:
        parameters = set(text(self.query).compile().params)
        if parameters != {"principal"}:
            found = ", ".join(sorted(parameters)) or "no parameter"
            raise WrongSetting("aa.query_parameters", expected=":principal and no other parameter", found=found)
        pair = (self.name_column, self.value_column)
        if (None in pair and pair != (None, None)) or (pair != (None, None) and self.columns is not None):
            raise WrongSetting("aa.query_columns", expected="columns, or name_column and value_column, or none of them")
        return self

    def connector(self) -> SqlConnector:
        """The connector, its database not yet connected. Raises `ConfigurationError` (``storage.*``)."""
        shape: Columns | NameAndValue = Columns(self.columns)
        if self.name_column is not None and self.value_column is not None:
            shape = NameAndValue(self.name_column, self.value_column)
        engine = open_source(self.database, time_limit=self.time_limit)
        return SqlConnector(engine, self.query, shape, max_rows=self.max_rows)

    def names(self) -> frozenset[str] | None:
        """What the source calls its attributes; None when only the source knows."""
        return frozenset(self.columns.values()) if self.columns is not None else None


class LdapConnectorSettings(Settings):
    """What the person's entry in a directory says.

    ``directory`` is the file that describes it. ``attributes`` are read under their own names, those of ``rename`` under
    others (attribute of the directory: name). The values must be text; those of an attribute in ``binary`` may be any
    bytes, and are given in base64.
    """

    type: Literal["ldap"]
    name: Name
    required: bool = True
    directory: FileFromHere
    attributes: tuple[AttributeName, ...] = ()
    rename: dict[AttributeName, Name] = Field(default={})
    binary: tuple[AttributeName, ...] = ()

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not self.attributes and not self.rename:
            raise WrongSetting("aa.no_ldap_attributes", expected="attributes, or rename")
        unread = {name.lower() for name in self.binary} - {name.lower() for name in self._by_source()}
        if unread:
            expected = ", ".join(self._by_source())
            raise WrongSetting("aa.ldap_binary", expected=expected, found=", ".join(sorted(unread)))
        return self

    def connector(self) -> LdapConnector:
        """The connector, not yet connected. Raises `ConfigurationError` (``ldap.*``, ``config.*``)."""
        people = load_settings(self.directory, LdapSettings).open()
        return LdapConnector(people, self._by_source(), binary=self.binary)

    def names(self) -> frozenset[str] | None:
        """What the source calls its attributes; None when only the source knows."""
        return frozenset(self._by_source().values())

    def _by_source(self) -> dict[str, str]:
        return {**{name: name for name in self.attributes}, **self.rename}


class VoConnectorSettings(Settings):
    """Groups and roles that a VO gives the person, as values of ``attribute``.

    The VO knows her by the value of ``identity``, which an earlier connector finds; ``database`` is the VO's. A VO that does
    not answer keeps nobody out of other resources unless it is ``required``.
    """

    type: Literal["vo"]
    name: Name
    required: bool = False
    vo: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    database: DatabaseSettings
    identity: Name = "eduPersonPrincipalName"
    attribute: Name = "isMemberOf"

    def names(self) -> frozenset[str] | None:
        """What the source calls its attributes."""
        return frozenset({self.attribute})

    def source(self, issuer: str, open_vo: OpenVo) -> FollowingSource:
        """The connector under its name, its database not yet connected."""
        connector = VoConnector(
            open_vo(self.database, self.vo), asserted_by=issuer, identity=self.identity, attribute=self.attribute
        )
        return FollowingSource(self.name, connector, self.required)


class ComputedConnectorSettings(Settings):
    """Identifiers computed from a person's principal: ``subject-id``, and ``pairwise-id`` for each requester another one, both with
    ``scope`` after the ``@``.

    ``salt`` is a private file that is never replaced, whatever keys are. The entityIDs of one entry of ``groups`` share their pairwise
    identifiers, which are computed from the group's name: neither the name nor its members can change later.
    """

    type: Literal["computed"]
    name: Name
    salt: FileFromHere
    scope: Annotated[ScopeText, StringConstraints(max_length=127)]
    groups: dict[Name, tuple[str, ...]] = Field(default={})

    @model_validator(mode="after")
    def _in_one_group(self) -> Self:
        _each_once([member for members in self.groups.values() for member in members], "aa.duplicate_group_member")
        return self

    def names(self) -> frozenset[str] | None:
        """What the source calls its attributes."""
        return NAMES

    def source(self) -> RequesterSource:
        """The connector under its name. Raises `ConfigurationError` (``identifiers.salt_file``, ``config.private_file_*``)."""
        groups = {member: group for group, members in self.groups.items() for member in members}
        return RequesterSource(self.name, ComputedConnector(load_salt(self.salt), self.scope, groups), NAMES)


ConnectorSettings = Annotated[
    StaticConnectorSettings
    | SqlConnectorSettings
    | LdapConnectorSettings
    | VoConnectorSettings
    | ComputedConnectorSettings,
    Field(discriminator="type"),
]


class EmbeddedPeopleSettings(Settings):
    """The embedded directory in ``database``."""

    type: Literal["embedded"] = "embedded"


class LdapPeopleSettings(Settings):
    """People in a directory that speaks LDAP; ``directory`` is the file that describes it, the same as the identity provider's."""

    type: Literal["ldap"]
    directory: FileFromHere

    def open(self, report: Report) -> LdapPeople:
        """Raises `ConfigurationError` where a file can't be used; connects when somebody is asked for."""
        return load_settings(self.directory, LdapSettings).open(report)


PeopleSettings = Annotated[EmbeddedPeopleSettings | LdapPeopleSettings, Field(discriminator="type")]


class DefinitionSettings(Settings):
    """One attribute: from the values of the same name, or of another name or definition; with a scope where one is
    given.
    """

    attribute: Name
    source: Name | None = Field(default=None, alias="from")
    scope: ScopeText | None = None
    merge: Literal["all", "first"] = "all"
    internal: bool = False

    def definition(self) -> Definition:
        """The definition."""
        return Definition(
            self.attribute, self.source or self.attribute, self.scope, self.merge == "first", self.internal
        )


class ResolverSettings(Settings):
    """Connectors in the order in which their values are joined, definitions, and the cache."""

    connectors: tuple[ConnectorSettings, ...]
    definitions: tuple[DefinitionSettings, ...]
    cache_age: DurationOrZero = timedelta(minutes=1)
    cache_size: int = Field(default=10_000, ge=1, le=10_000_000)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        _each_once([connector.name for connector in self.connectors], "aa.duplicate_connector")
        _each_once([definition.attribute for definition in self.definitions], "aa.duplicate_definition")
        cycle = find_cycle([settings.definition() for settings in self.definitions])
        if cycle:
            raise WrongSetting("aa.definition_cycle", expected="no circle", found=" -> ".join(cycle))
        self._refuse_unknown_sources()
        return self

    def _refuse_unknown_sources(self) -> None:
        known = {
            settings.attribute for settings in self.definitions if settings.source not in (None, settings.attribute)
        }
        for connector in self.connectors:
            names = connector.names()
            if names is None:
                return
            known |= names
        for settings in self.definitions:
            source = settings.source or settings.attribute
            if source not in known:
                raise WrongSetting("aa.unknown_source", expected=", ".join(sorted(known)) or "a source", found=source)

    def resolver(self, issuer: str, open_vo: OpenVo) -> Resolver:
        """The resolver of this configuration. Raises `ConfigurationError` when a connector cannot be set up."""
        return Resolver(
            [_source(settings, issuer, open_vo) for settings in self.connectors],
            [settings.definition() for settings in self.definitions],
            issuer=issuer,
            cache_age=self.cache_age,
            cache_size=self.cache_size,
        )


class OtherAuthoritySettings(Settings):
    """Another Attribute Authority of the same organisation: the ``authority_index`` that its own settings have, the URL where it takes
    queries, the certificates with whose keys it signs its answers, and the authorities (PEM) that its TLS chains to, the system's when left
    out."""

    index: int = Field(ge=0, le=65535)
    allow_http_beyond_loopback: bool = False
    location: PublicUrl
    certificates: tuple[FileFromHere, ...] = Field(min_length=1)
    tls_authorities: FileFromHere | None = None


class AttributeAuthoritySettings(Settings):
    """``entity_id`` is the home organisation's; ``people`` says where its people are, ``further_people`` where more of them are;
    ``handle_keys`` are the Handle Service's secrets, all of which open a handle: private files, or directories of them (``ostiary keys
    rotate``). ``allow_sha1_from_legacy_partners``: SPs (entityIDs) whose software signs queries with nothing better than SHA-1.

    Where the organisation has several authorities, each has an ``authority_index`` of its own. The one that metadata names lists the
    ``others``, which it gives ``other_timeout`` to answer; these have ``accepts_passed_on``.

    ``consent`` is the same as in idp.yaml: what people answered there is kept to here.
    """

    entity_id: str = Field(min_length=1, max_length=1024)
    display_name: str = Field(min_length=1, max_length=200)
    allow_http_beyond_loopback: bool = False
    public_url: PublicUrl
    listen: ListenSettings
    database: DatabaseSettings
    people: PeopleSettings = EmbeddedPeopleSettings()
    further_people: Annotated[tuple[PeopleSettings, ...], Field(max_length=10)] = ()
    trust: TrustSettings
    handle_keys: tuple[FileOrDirectoryFromHere, ...] = Field(min_length=1)
    authority_index: int = Field(default=0, ge=0, le=65535)
    others: tuple[OtherAuthoritySettings, ...] = ()
    other_timeout: Duration = timedelta(seconds=5)
    accepts_passed_on: bool = False
    resolver: ResolverSettings
    release_policies: tuple[PathFromHere, ...] = Field(min_length=1)
    consent: ConsentSettings = ConsentSettings()
    answer_lifetime: Duration = timedelta(minutes=5)
    allow_sha1_from_legacy_partners: tuple[str, ...] = ()
    trusted_proxies: int = Field(default=0, ge=0, le=10)

    @field_validator("others")
    @classmethod
    def _one_of_each(
        cls, value: tuple[OtherAuthoritySettings, ...], info: ValidationInfo
    ) -> tuple[OtherAuthoritySettings, ...]:
        indexes = [str(info.data.get("authority_index", 0)), *(str(other.index) for other in value)]
        _each_once(indexes, "aa.duplicate_authority")
        return value

    @property
    def query_location(self) -> str:
        """Where queries are posted to."""
        return self.public_url + QUERY_PATH


def _source(settings: ConnectorSettings, issuer: str, open_vo: OpenVo) -> Source | FollowingSource | RequesterSource:
    match settings:
        case VoConnectorSettings():
            return settings.source(issuer, open_vo)
        case ComputedConnectorSettings():
            return settings.source()
        case _:
            return Source(settings.name, settings.connector(), settings.required)


def _each_once(names: list[str], code: str) -> None:
    for position, name in enumerate(names):
        if name in names[:position]:
            raise WrongSetting(code, expected="each name once", found=name)
