"""People of the embedded directory by the subjects of their certificates: what they registered, and rules that make a login name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from attribute_authority.queries.settings import CertificateNameRuleSettings
from attribute_authority.settings import AttributeAuthoritySettings
from idp.accounts.directory import Directory
from ostiary.command.named_people import embedded_directory
from ostiary.ports import NamedPerson


@dataclass(frozen=True, slots=True)
class CertificateSubjects:
    """Implements `ostiary.ports.CertificateNamedPeople`. A subject counts with each of ``issuers``; then ``rules`` in their order, the
    first of which matches. ``authority`` is the index of the Attribute Authority that knows these people."""

    directory: Directory
    issuers: Sequence[str]
    rules: Sequence[CertificateNameRuleSettings]
    authority: int

    def person_with(self, subject: str) -> NamedPerson | None:
        """Whom this subject names; nobody where two people registered it, with different issuers. Raises `Unavailable`."""
        registered = {
            person.principal
            for issuer in self.issuers
            if (person := self.directory.by_certificate(subject, issuer)) is not None
        }
        if registered:
            return NamedPerson(registered.pop(), self.authority) if len(registered) == 1 else None
        login_name = next((name for rule in self.rules if (name := rule.login_name_of(subject))), None)
        found = self.directory.find(login_name) if login_name is not None else None
        return NamedPerson(found.principal, self.authority) if found is not None else None


def certificate_subjects(
    config: Path, settings: AttributeAuthoritySettings, engine: Engine
) -> CertificateSubjects | None:
    """People by the names in their certificates, where the settings (of the file ``config``) let queries use those. Raises as
    `embedded_directory`."""
    named = settings.certificate_names
    if named is None:
        return None
    directory = embedded_directory(config, "certificate_names", settings, engine)
    return CertificateSubjects(directory, named.registered_from, named.rules, settings.authority_index)
