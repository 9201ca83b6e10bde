"""The configuration of connectors, and which of them stands in for which. Opens nothing before a connector is asked for."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from sqlalchemy import text

from attribute_authority.connectors.computed import NAMES, ComputedConnector
from attribute_authority.connectors.database import BY_THEMSELVES, SourceDatabaseSettings, open_source, with_limits
from attribute_authority.connectors.fixed import StaticConnector
from attribute_authority.connectors.guarded import GuardedSource
from attribute_authority.connectors.http_settings import HttpConnectorSettings
from attribute_authority.connectors.keys import (
    AskedConnectorSettings,
    Name,
    OpenVo,
    Parameter,
    ScopeText,
    Values,
    each_once,
)
from attribute_authority.connectors.ldap_settings import LdapConnectorSettings
from attribute_authority.connectors.sources import FollowingSource, RequesterSource, Source
from attribute_authority.connectors.sql import Columns, NameAndValue, SqlConnector
from attribute_authority.connectors.time_limit import FollowingInTime, TimeLimit
from attribute_authority.connectors.url_template import PRINCIPAL
from attribute_authority.connectors.vo import VoConnector
from ostiary.config import DatabaseSettings, FileFromHere, Settings, WrongSetting
from ostiary.identifiers.salt import load_salt
from ostiary.ldap.settings import Report

__all__ = [
    "AnySource",
    "ConnectorSettings",
    "Name",
    "OpenVo",
    "ScopeText",
    "check_connectors",
    "each_once",
    "sources_of",
]

AnySource = Source | FollowingSource | GuardedSource | RequesterSource


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


class SqlConnectorSettings(AskedConnectorSettings):
    """A query with the parameter ``:principal``, or with those in ``parameters`` (name: what earlier connectors call its value); all are
    bound.

    By default each column is an attribute of its own name. ``columns`` names some of them (column: name).
    ``name_column`` and ``value_column`` are for rows that hold a name and a value.
    """

    type: Literal["sql"]
    database: SourceDatabaseSettings
    query: str = Field(min_length=1, max_length=10_000)
    parameters: dict[Parameter, Name] = Field(default={})
    columns: dict[str, Name] | None = Field(default=None, min_length=1)
    name_column: str | None = None
    value_column: str | None = None
    max_rows: int = Field(default=1000, ge=1, le=100_000)

    @model_validator(mode="after")
    def _is_one_query(self) -> Self:
        parameters = set(text(self.query).compile().params)
        asked_by = set(self.parameters)
        if parameters not in (asked_by, asked_by | {PRINCIPAL}) or not parameters or PRINCIPAL in asked_by:
            expected = ", ".join(f":{name}" for name in sorted(asked_by)) or ":principal and no other parameter"
            found = ", ".join(sorted(parameters)) or "no parameter"
            raise WrongSetting("aa.query_parameters", expected=expected, found=found)
        pair = (self.name_column, self.value_column)
        if (None in pair and pair != (None, None)) or (pair != (None, None) and self.columns is not None):
            raise WrongSetting("aa.query_columns", expected="columns, or name_column and value_column, or none of them")
        first = self.query.split(maxsplit=1)[0].lower() if self.query.strip() else ""
        if self.database.kind not in BY_THEMSELVES and first not in ("select", "with"):
            # Nothing but the account's rights would keep it from writing there.
            raise WrongSetting("aa.query_reads", expected="SELECT or WITH", found=first)
        return self

    def connector(self) -> SqlConnector:
        """The connector, its database not yet connected. Raises `ConfigurationError` (``storage.*``)."""
        shape: Columns | NameAndValue = Columns(self.columns)
        if self.name_column is not None and self.value_column is not None:
            shape = NameAndValue(self.name_column, self.value_column)
        engine = open_source(self.database, time_limit=self.time_limit)
        return SqlConnector(
            engine,
            self.query,
            shape,
            max_rows=self.max_rows,
            parameters=self.parameters,
            # SQLite runs in this process: nothing to wait for that could hang.
            limit=TimeLimit(self.time_limit) if self.database.kind != "sqlite" else None,
        )

    def source(self) -> Source | FollowingSource:
        """The connector under its name."""
        if self.parameters:
            return FollowingSource(self.name, self.connector(), self.required, self.needs(), self.names())
        return Source(self.name, self.connector(), self.required, self.names())

    def names(self) -> frozenset[str] | None:
        """What the source calls its attributes; None when only the source knows."""
        return frozenset(self.columns.values()) if self.columns is not None else None

    def needs(self) -> tuple[str, ...]:
        """What earlier connectors have to find before it can be asked."""
        return tuple(self.parameters.values())


class VoConnectorSettings(AskedConnectorSettings):
    """Groups and roles that a VO gives the person, as values of ``attribute``.

    The VO knows her by the value of ``identity``, which an earlier connector finds; ``database`` is the VO's. A VO that does
    not answer keeps nobody out of other resources unless it is ``required``.
    """

    type: Literal["vo"]
    required: bool = False
    vo: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    database: DatabaseSettings
    identity: Name = "eduPersonPrincipalName"
    attribute: Name = "isMemberOf"

    def names(self) -> frozenset[str] | None:
        """What the source calls its attributes."""
        return frozenset({self.attribute})

    def needs(self) -> tuple[str, ...]:
        """What earlier connectors have to find before it can be asked."""
        return (self.identity,)

    def source(self, issuer: str, open_vo: OpenVo) -> FollowingSource:
        """The connector under its name, its database not yet connected."""
        connector = VoConnector(
            open_vo(with_limits(self.database, self.time_limit), self.vo),
            asserted_by=issuer,
            identity=self.identity,
            attribute=self.attribute,
        )
        following = FollowingInTime(connector, self.time_limit)
        return FollowingSource(self.name, following, self.required, self.needs(), self.names())


class ComputedConnectorSettings(Settings):
    """Identifiers computed from a person's principal: ``subject-id``, and for each requester others, ``pairwise-id`` and
    ``eduPersonTargetedID``; the first two with ``scope`` after the ``@``.

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
    | HttpConnectorSettings
    | VoConnectorSettings
    | ComputedConnectorSettings,
    Field(discriminator="type"),
]


def check_connectors(connectors: Sequence[ConnectorSettings]) -> None:
    """Raises `WrongSetting` for a name that stands there twice (``aa.duplicate_connector``), a stand-in that can't be one
    (``aa.failover``), and a connector that asks by what none before it finds (``aa.connector_order``)."""
    each_once([connector.name for connector in connectors], "aa.duplicate_connector")
    _check_failover(connectors)
    stand_ins, by_name = _stand_ins(connectors), {connector.name: connector for connector in connectors}
    found: set[str] = set()
    for position, connector in enumerate(connectors):
        if connector.name in stand_ins:
            continue
        either = (connector, *(by_name[name] for name in _failover(connector)))
        for asked in either:
            missing = [] if not isinstance(asked, AskedConnectorSettings) else sorted(set(asked.needs()) - found)
            if missing:
                expected = f"a connector before {connector.name} that finds {missing[0]}"
                known = ", ".join(sorted(found)) or "nothing"
                raise WrongSetting("aa.connector_order", expected=expected, found=known, at=("connectors", position))
        for asked in either:
            names = asked.names()
            if names is None:
                return
            if not isinstance(asked, ComputedConnectorSettings):
                found |= names


def sources_of(
    connectors: Sequence[ConnectorSettings], issuer: str, open_vo: OpenVo, report: Report = lambda _: None
) -> list[AnySource]:
    """The connectors that `check_connectors` passed, in their order; those that only stand in for others are inside these. ``report`` is
    told of servers that fail. Raises `ConfigurationError` when one cannot be set up."""
    made = {connector.name: _plain_source(connector, issuer, open_vo, report) for connector in connectors}
    stand_ins = _stand_ins(connectors)
    settings = {connector.name: connector for connector in connectors}

    def guarded(name: str, stand_ins: Sequence[Source | GuardedSource] = ()) -> AnySource:
        source, asked = made[name], settings[name]
        if isinstance(asked, AskedConnectorSettings) and isinstance(source, Source | FollowingSource):
            return GuardedSource(source, asked.care(), stand_ins)
        return source

    ready = {name: source for name in stand_ins if isinstance(source := guarded(name), Source | GuardedSource)}
    return [
        guarded(connector.name, [ready[name] for name in _failover(connector)])
        for connector in connectors
        if connector.name not in stand_ins
    ]


def _plain_source(
    settings: ConnectorSettings, issuer: str, open_vo: OpenVo, report: Report
) -> Source | FollowingSource | RequesterSource:
    match settings:
        case VoConnectorSettings():
            return settings.source(issuer, open_vo)
        case LdapConnectorSettings():
            return settings.source(report)
        case StaticConnectorSettings():
            return Source(settings.name, settings.connector(), settings.required, settings.names())
        case _:
            return settings.source()


def _failover(connector: ConnectorSettings) -> tuple[str, ...]:
    return connector.failover if isinstance(connector, AskedConnectorSettings) else ()


def _stand_ins(connectors: Sequence[ConnectorSettings]) -> frozenset[str]:
    return frozenset(name for connector in connectors for name in _failover(connector))


def _check_failover(connectors: Sequence[ConnectorSettings]) -> None:
    by_name = {connector.name: connector for connector in connectors}
    for position, connector in enumerate(connectors):
        at = ("connectors", position, "failover")
        for name in _failover(connector):
            stand_in = by_name.get(name)
            if stand_in is None or isinstance(stand_in, ComputedConnectorSettings) or _failover(stand_in):
                expected = "another connector, without failover of its own, that is not computed"
                raise WrongSetting("aa.failover", expected=expected, found=name, at=at)
        if len(set(_failover(connector))) != len(_failover(connector)):
            found = ", ".join(_failover(connector))
            raise WrongSetting("aa.failover", expected="each name once", found=found, at=at)
