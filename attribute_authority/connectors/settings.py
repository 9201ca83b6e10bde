"""The configuration of connectors. Opens nothing before a connector is asked for."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from sqlalchemy import text

from attribute_authority.connectors.computed import NAMES, ComputedConnector
from attribute_authority.connectors.fixed import StaticConnector
from attribute_authority.connectors.ldap import LdapConnector
from attribute_authority.connectors.sources import FollowingSource, RequesterSource, Source
from attribute_authority.connectors.sql import Columns, NameAndValue, SqlConnector, open_source
from attribute_authority.connectors.vo import VoConnector
from ostiary.config import (
    DatabaseSettings,
    Duration,
    FileFromHere,
    Settings,
    WrongSetting,
    load_settings,
)
from ostiary.identifiers.salt import load_salt
from ostiary.ldap.settings import AttributeName, LdapSettings
from ostiary.ports import VoMemberships

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
        each_once([member for members in self.groups.values() for member in members], "aa.duplicate_group_member")
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


def source_of(settings: ConnectorSettings, issuer: str, open_vo: OpenVo) -> Source | FollowingSource | RequesterSource:
    """The connector of these settings under its name. Raises `ConfigurationError` when it cannot be set up."""
    match settings:
        case VoConnectorSettings():
            return settings.source(issuer, open_vo)
        case ComputedConnectorSettings():
            return settings.source()
        case _:
            return Source(settings.name, settings.connector(), settings.required)


def each_once(names: list[str], code: str) -> None:
    """Raises `WrongSetting` (``code``) for a name that stands there twice."""
    for position, name in enumerate(names):
        if name in names[:position]:
            raise WrongSetting(code, expected="each name once", found=name)
