"""The configuration of the resolver: connectors, definitions, how long their answers serve."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from attribute_authority.connectors.settings import ConnectorSettings, Name, OpenVo, ScopeText, each_once, source_of
from attribute_authority.resolver.definitions import Definition, find_cycle
from attribute_authority.resolver.resolver import Resolver
from ostiary.config import (
    DurationOrZero,
    Settings,
    WrongSetting,
)


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
        each_once([connector.name for connector in self.connectors], "aa.duplicate_connector")
        each_once([definition.attribute for definition in self.definitions], "aa.duplicate_definition")
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
            [source_of(settings, issuer, open_vo) for settings in self.connectors],
            [settings.definition() for settings in self.definitions],
            issuer=issuer,
            cache_age=self.cache_age,
            cache_size=self.cache_size,
        )
