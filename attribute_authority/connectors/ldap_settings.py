"""The configuration of a connector for a directory. Opens nothing before it is asked for."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from attribute_authority.connectors.groups import NAME, GroupRules, How
from attribute_authority.connectors.keys import AskedConnectorSettings, Name
from attribute_authority.connectors.ldap import Groups, LdapConnector
from attribute_authority.connectors.sources import Source
from attribute_authority.connectors.time_limit import InTime
from ostiary.config import Duration, FileFromHere, Settings, WrongSetting, load_settings
from ostiary.ldap.filters import read_filter
from ostiary.ldap.people import LdapPeople
from ostiary.ldap.settings import AttributeName, Dn, FilterText, LdapSettings, Report

if TYPE_CHECKING:
    from ostiary.ldap.adapter import Ldap3Directory


class GroupSettings(Settings):
    """The groups of the person's entry, also those that she is in through others, as values of ``name``.

    ``how``: ``member`` looks for groups that name her in ``member``, then for groups that name these, and so on; ``member_of`` follows the
    names in ``member_of`` upwards; ``matching_rule`` and ``token_groups`` let Active Directory do it. Groups count that are at or below
    ``base``, the directory's ``base_dn`` when left out, and match ``filter``. They are called by ``named_by``, an attribute of theirs or
    ``dn``, with ``prefix`` before it. More than ``most`` groups, or groups more than ``depth`` deep in each other, make the answer
    unusable.
    """

    how: How
    name: Name = "isMemberOf"
    base: Dn | None = None
    filter: FilterText | None = None
    named_by: AttributeName = NAME
    prefix: Annotated[str, Field(pattern=r"^[!-~]*$", max_length=200)] = ""
    member: AttributeName = "member"
    member_of: AttributeName = "memberOf"
    depth: int = Field(default=10, ge=1, le=100)
    most: int = Field(default=500, ge=1, le=10_000)

    def rules(self, base_dn: str) -> GroupRules:
        """The same for `groups_of`; ``base_dn`` is the directory's."""
        return GroupRules(
            how=self.how,
            base=self.base or base_dn,
            wanted=read_filter(self.filter) if self.filter is not None else None,
            named_by=self.named_by,
            prefix=self.prefix,
            member=self.member,
            member_of=self.member_of,
            depth=self.depth,
            most=self.most,
        )


class LdapConnectorSettings(AskedConnectorSettings):
    """What the person's entry in a directory says, and in which groups she is.

    ``directory`` is the file that describes it. ``attributes`` are read under their own names, those of ``rename`` under
    others (attribute of the directory: name). The values must be text; those of an attribute in ``binary`` may be any
    bytes, and are given in base64. ``time_limit`` is for the whole answer, whatever ``directory`` says and however many servers it lists.
    """

    type: Literal["ldap"]
    time_limit: Duration = timedelta(seconds=5)
    directory: FileFromHere
    attributes: tuple[AttributeName, ...] = ()
    rename: dict[AttributeName, Name] = Field(default={})
    binary: tuple[AttributeName, ...] = ()
    groups: GroupSettings | None = None

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not self.attributes and not self.rename and self.groups is None:
            raise WrongSetting("aa.no_ldap_attributes", expected="attributes, rename or groups")
        unread = {name.lower() for name in self.binary} - {name.lower() for name in self._by_source()}
        if unread:
            expected = ", ".join(self._by_source())
            raise WrongSetting("aa.ldap_binary", expected=expected, found=", ".join(sorted(unread)))
        return self

    def connector(self, report: Report = lambda _: None) -> LdapConnector:
        """The connector, not yet connected; ``report`` is told of servers that fail. Raises `ConfigurationError` (``ldap.*``,
        ``config.*``)."""
        settings = _within(load_settings(self.directory, LdapSettings), self.time_limit)
        directory: Ldap3Directory = settings.open_directory(report)
        groups = None
        if self.groups is not None:
            groups = Groups(directory, self.groups.rules(settings.base_dn), self.groups.name)
        return LdapConnector(
            LdapPeople(directory, settings),
            self._by_source(),
            binary=self.binary,
            groups=groups,
            servers=len(settings.servers),
        )

    def source(self, report: Report) -> Source:
        """The connector under its name, in time."""
        return Source(self.name, InTime(self.connector(report), self.time_limit), self.required, self.names())

    def names(self) -> frozenset[str] | None:
        """What the source calls its attributes; None when only the source knows."""
        of_groups = {self.groups.name} if self.groups is not None else set()
        return frozenset(self._by_source().values()) | of_groups

    def _by_source(self) -> dict[str, str]:
        return {**{name: name for name in self.attributes}, **self.rename}


def _within(directory: LdapSettings, limit: timedelta) -> LdapSettings:
    """Shares the time limit out, so that each server has its turn before it is over."""
    servers = len(directory.servers)
    return directory.model_copy(
        update={
            "connect_time_limit": min(directory.connect_time_limit, limit / (servers + 1)),
            "time_limit": min(directory.time_limit, limit / servers),
        }
    )
