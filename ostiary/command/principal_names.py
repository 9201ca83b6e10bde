"""People of the embedded directory by their eduPersonPrincipalName, which is their login name there."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from attribute_authority.settings import AttributeAuthoritySettings, LdapPeopleSettings
from idp.accounts.directory import Directory
from ostiary.errors import ConfigurationError
from ostiary.ports import NamedPerson


@dataclass(frozen=True, slots=True)
class PrincipalNames:
    """Implements `ostiary.ports.PrincipalNamedPeople`. ``authority`` is the index of the Attribute Authority that knows these people."""

    directory: Directory
    authority: int

    def person_called(self, name: str) -> NamedPerson | None:
        """Whose login name this is. Raises `Unavailable`."""
        found = self.directory.find(name)
        return NamedPerson(found.principal, self.authority) if found is not None else None


def principal_names(config: Path, settings: AttributeAuthoritySettings, engine: Engine) -> PrincipalNames | None:
    """People by those names, where the settings (of the file ``config``) let queries use them. Raises `ConfigurationError`
    (``aa.principal_names_people``)."""
    if settings.principal_names is None:
        return None
    if all(isinstance(one, LdapPeopleSettings) for one in (settings.people, *settings.further_people)):
        raise ConfigurationError(
            "aa.principal_names_people",
            file=config,
            key="principal_names",
            expected="people, or further_people, in the embedded directory",
            found="LDAP alone",
        )
    return PrincipalNames(Directory(engine), settings.authority_index)
