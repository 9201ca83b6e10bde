"""Application domains: trees of URLs of one resource that have policies, needs and perhaps a name of their own. Decides which settings hold
in each; every domain then is a resource by itself, whose sessions are worth nothing in another.
"""

from pathlib import Path
from typing import Any

from ostiary.errors import ConfigurationError
from sp_shire.settings import ApplicationSettings, ShireSettings

# Ways to find a home organisation; whoever names one of them means that one alone.
_WAYS = ("discovery_url", "discovery", "identity_provider")


class DomainSettings(ShireSettings):
    """What holds in one application domain. ``whole`` is the resource that it is a part of; ``shared_index`` its
    AttributeConsumingService there, None where it has an entityID, and with it metadata, of its own."""

    whole: ShireSettings
    path: str
    shared_index: int | None = None

    @property
    def below(self) -> str:
        return self.path

    @property
    def space(self) -> str:
        return f"{self.whole.entity_id} {self.path}"

    @property
    def published_as(self) -> ShireSettings:
        return self if self.shared_index is None else self.whole

    @property
    def attribute_index(self) -> int | None:
        return self.shared_index


def domains_of(settings: ShireSettings) -> tuple[DomainSettings, ...]:
    """The settings of each domain: what ``applications:`` says of it, and the resource's own where that says nothing."""
    return tuple(_domain(settings, application, index) for index, application in enumerate(settings.applications, 1))


def domain_named(settings: ShireSettings, name: str, file: Path) -> DomainSettings:
    """The settings of one domain; ``file`` is where they were read. Raises `ConfigurationError` (``sp.no_such_application``)."""
    domains = domains_of(settings)
    found = next((domain for domain in domains if domain.application == name), None)
    if found is None:
        known = ", ".join(domain.application for domain in domains)
        raise ConfigurationError(
            "sp.no_such_application", file=file, key="applications", expected=known or "none", found=name
        )
    return found


def sharing(settings: ShireSettings) -> tuple[DomainSettings, ...]:
    """Those that stand in the metadata of the resource itself, because they have its entityID."""
    return tuple(domain for domain in domains_of(settings) if domain.shared_index is not None)


def _domain(settings: ShireSettings, application: ApplicationSettings, index: int) -> DomainSettings:
    values: dict[str, Any] = {name: getattr(settings, name) for name in ShireSettings.model_fields}
    own = {name: getattr(application, name) for name in application.model_fields_set}
    path = own.pop("path")
    if any(way in own for way in _WAYS):
        values.update(dict.fromkeys(_WAYS))
    shares = own.get("entity_id", settings.entity_id) == settings.entity_id
    values.update(
        {
            "protected": (path,),
            **own,
            "application": own.pop("name"),
            "handler_path": path + settings.handler_path,
            "applications": (),
            "whole": settings,
            "path": path,
            "shared_index": index if shares else None,
        }
    )
    values.pop("name", None)
    # Each value was checked where it was written.
    return DomainSettings.model_construct(**values)
