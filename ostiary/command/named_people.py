"""People of the embedded directory by the names that queries give them: login names, and identifiers that other organisations gave out."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from attribute_authority.settings import AttributeAuthoritySettings, LdapPeopleSettings
from idp.accounts.directory import Directory
from ostiary.errors import ConfigurationError
from ostiary.ports import NamedPerson
from ostiary.web.log import Log


@dataclass(frozen=True, slots=True)
class PrincipalNames:
    """Implements `ostiary.ports.PrincipalNamedPeople`. ``authority`` is the index of the Attribute Authority that knows these people."""

    directory: Directory
    authority: int

    def person_called(self, name: str) -> NamedPerson | None:
        """Whose login name this is. Raises `Unavailable`."""
        found = self.directory.find(name)
        return NamedPerson(found.principal, self.authority) if found is not None else None


@dataclass(frozen=True, slots=True)
class ExternalNames:
    """Implements `ostiary.ports.ExternallyNamedPeople`. ``authority`` as for `PrincipalNames`."""

    directory: Directory
    authority: int
    log: Log

    def person_known_as(self, identifier: str) -> NamedPerson | None:
        """Who has it among her voPersonExternalID; nobody where several do, which is a mistake of ours. Raises `Unavailable`."""
        found = [person.principal for person in self.directory.by_external_id(identifier)]
        if len(found) > 1:
            self.log.warning("external_name_of_several", people=found)
        return NamedPerson(found[0], self.authority) if len(found) == 1 else None


def principal_names(config: Path, settings: AttributeAuthoritySettings, engine: Engine) -> PrincipalNames | None:
    """People by login names, where the settings (of the file ``config``) let queries use them. Raises as `embedded_directory`."""
    if settings.principal_names is None:
        return None
    return PrincipalNames(embedded_directory(config, "principal_names", settings, engine), settings.authority_index)


def external_names(
    config: Path, settings: AttributeAuthoritySettings, engine: Engine, log: Log
) -> ExternalNames | None:
    """People by identifiers of elsewhere, where the settings (of the file ``config``) let queries use them. Raises as
    `embedded_directory`."""
    if settings.external_names is None:
        return None
    directory = embedded_directory(config, "external_names", settings, engine)
    return ExternalNames(directory, settings.authority_index, log)


def embedded_directory(config: Path, key: str, settings: AttributeAuthoritySettings, engine: Engine) -> Directory:
    """The directory in ``engine`` that the setting ``key`` needs. Raises `ConfigurationError` (``aa.embedded_people``) where the authority
    has its people elsewhere."""
    if all(isinstance(one, LdapPeopleSettings) for one in (settings.people, *settings.further_people)):
        raise ConfigurationError(
            "aa.embedded_people",
            file=config,
            key=key,
            expected="people, or further_people, in the embedded directory",
            found="LDAP alone",
        )
    return Directory(engine)
