"""Whose people this identity provider authenticates: the settings of each kind of directory, and what it opens as.

Knows no page. The embedded directory is `idp.accounts.directory`; one that is reached by LDAP is `idp.login.ldap`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import AfterValidator, Field
from sqlalchemy import Engine

from idp.accounts.directory import Directory
from idp.accounts.passwords import Passwords
from idp.login.ldap import LOGIN, LdapLogin, LdapNames
from idp.login.methods import AmbientMethod, EmbeddedNames, LoginNames, PasswordLogin, PasswordMethod
from ostiary.config import FileFromHere, Settings, WrongSetting, load_settings
from ostiary.ldap.filters import equalities, read_filter
from ostiary.ldap.settings import Dn, LdapSettings, Report
from ostiary.x509.certificate_names import CertificateNames

if TYPE_CHECKING:
    from idp.login.certificate import ByCertificate

MakePasswords = Callable[[], Passwords]


class PeopleOfIdp(Protocol):
    """What the identity provider asks about people, apart from proving who they are. Each raises `Unavailable`."""

    def is_active(self, principal: str) -> bool:
        """As `ostiary.ports.People`."""
        ...

    def login_name(self, principal: str) -> str | None:
        """What this person types in to log in, for showing it to her; None when it is not known."""
        ...

    def check(self) -> None:
        """Raises `Unavailable` while the directory does not answer."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedPeople:
    """The embedded directory itself, whose people look after their own accounts here, and what checks their passwords."""

    directory: Directory
    passwords: Passwords


@dataclass(frozen=True, slots=True, eq=False)
class OpenedPeople:
    """One directory, or several as one: who is in it, and how they log in. ``login`` is by password, ``ambient`` by what requests bring;
    ``names`` says whose a login name is, ``registered`` whose a certificate is; ``embedded`` is there where some are in that directory."""

    people: PeopleOfIdp
    login: PasswordMethod | None
    names: LoginNames | None = None
    registered: "ByCertificate | None" = None
    ambient: tuple[AmbientMethod, ...] = ()
    embedded: EmbeddedPeople | None = None

    def all_embedded_in(self, engine: Engine) -> bool:
        """Whether all of them are in the embedded directory of this database."""
        return isinstance(self.people, Directory) and self.people.engine is engine


class RegisteredCertificates:
    """`idp.login.certificate.ByCertificate` of the embedded directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def principal_with(self, names: CertificateNames) -> str | None:
        person = self._directory.by_certificate(names.subject, names.issuer)
        return person.principal if person is not None else None


def _login_filter(value: str) -> str:
    wanted = read_filter(value)
    if not any(LOGIN.encode() in comparison.value for comparison in equalities(wanted)):
        raise WrongSetting("ldap.login_filter", expected=f"(attribute={LOGIN})")
    return value


class EmbeddedPeopleSettings(Settings):
    """The embedded directory in the service's own database (``ostiary people``)."""

    type: Literal["embedded"] = "embedded"

    def open(self, engine: Engine, make_passwords: MakePasswords, _report: Report) -> OpenedPeople:
        """``engine`` is the service's database."""
        directory, passwords = Directory(engine), make_passwords()
        return OpenedPeople(
            directory,
            PasswordLogin(directory, passwords),
            EmbeddedNames(directory),
            RegisteredCertificates(directory),
            embedded=EmbeddedPeople(directory, passwords),
        )


class LdapPeopleSettings(Settings):
    """People in a directory that speaks LDAP.

    ``directory`` is the file that describes it. ``login_filter`` finds an entry by what was typed in, which takes the place of
    ``{login}``. ``decoy_dn`` is an entry with a password that nobody knows: where nobody has the name, the password is tried against it, so
    that the time of the answer does not tell; it must not be one that wrong passwords lock. ``domains`` may stand before a name, as in
    ``DOMAIN\\name``.
    """

    type: Literal["ldap"]
    directory: FileFromHere
    login_filter: Annotated[str, AfterValidator(_login_filter)] = f"(uid={LOGIN})"
    decoy_dn: Dn | None = None
    domains: tuple[Annotated[str, Field(pattern=r"^[^\\/@\s]{1,64}$")], ...] = ()

    def open(self, _engine: Engine, _make_passwords: MakePasswords, report: Report) -> OpenedPeople:
        """Raises `ConfigurationError` where a file can't be used; connects when somebody is asked for."""
        people = load_settings(self.directory, LdapSettings).open(report)
        wanted = read_filter(self.login_filter)
        names = LdapNames(people, wanted, domains=self.domains)
        return OpenedPeople(names, LdapLogin(people, wanted, decoy_dn=self.decoy_dn, domains=self.domains), names)

    def names(self, report: Report) -> LdapNames:
        """The login names alone, for who wants to know whose one is. Raises as `open`."""
        people = load_settings(self.directory, LdapSettings).open(report)
        return LdapNames(people, read_filter(self.login_filter), domains=self.domains)


PeopleSettings = Annotated[EmbeddedPeopleSettings | LdapPeopleSettings, Field(discriminator="type")]
