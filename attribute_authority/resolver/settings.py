"""The configuration of the resolver: connectors, definitions, how long their answers serve."""

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from attribute_authority.connectors.settings import (
    ConnectorSettings,
    OpenVo,
    check_connectors,
    sources_of,
)
from attribute_authority.resolver.definition_settings import DefinitionSettings, definitions_of
from attribute_authority.resolver.definitions import Definition
from attribute_authority.resolver.resolver import Resolver
from ostiary.config import DurationOrZero, Settings
from ostiary.ldap.settings import Report


class ResolverSettings(Settings):
    """Connectors in the order in which their values are joined, definitions, and the cache."""

    connectors: tuple[ConnectorSettings, ...]
    definitions: tuple[DefinitionSettings, ...]
    cache_age: DurationOrZero = timedelta(minutes=1)
    cache_size: int = Field(default=10_000, ge=1, le=10_000_000)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        check_connectors(self.connectors)
        self._definitions()
        return self

    def _definitions(self) -> tuple[Definition, ...]:
        names = [connector.names() for connector in self.connectors]
        known = frozenset[str]().union(*(found for found in names if found is not None))
        return definitions_of(self.definitions, known if None not in names else None)

    def resolver(self, issuer: str, open_vo: OpenVo, report: Report = lambda _: None) -> Resolver:
        """The resolver of this configuration; ``report`` is told of servers that fail. Raises `ConfigurationError` when a connector cannot
        be set up."""
        return Resolver(
            sources_of(self.connectors, issuer, open_vo, report),
            self._definitions(),
            issuer=issuer,
            cache_age=self.cache_age,
            cache_size=self.cache_size,
        )
