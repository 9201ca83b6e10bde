"""From the configured methods to what the login page works with. Opens files and directories; asks nobody."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from sqlalchemy import Engine

from idp.login.certificate import CertificateLogin
from idp.login.front_end import FrontEndLogin
from idp.login.in_turn import NamesInTurn, PasswordsInTurn, PeopleInTurn
from idp.login.kerberos import KerberosLogin
from idp.login.mapping import Home
from idp.login.methods import AmbientMethod
from idp.login.settings import (
    CertificateMethodSettings,
    FrontEndMethodSettings,
    KerberosMethodSettings,
    LoginSettings,
    PasswordMethodSettings,
)
from idp.people import MakePasswords, OpenedPeople, PeopleSettings
from ostiary.config import Sources, TrustedPeer, networks
from ostiary.errors import ConfigurationError
from ostiary.ldap.settings import Report
from ostiary.storage.stores import ReplayStore
from ostiary.web.ignored_once import IgnoredOnce
from ostiary.web.log import Log
from ostiary.x509.trust import TrustDirectory, load_trust_directory

T = TypeVar("T")


class Watch(Protocol):
    """Keeps what was read from files up to date."""

    def __call__(self, load: Callable[[Sources], T]) -> Callable[[], T]:
        """Gives the snapshot of the moment. Raises what ``load`` raises the first time."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What methods are opened with. ``engine`` is the service's database."""

    engine: Engine
    make_passwords: MakePasswords
    report: Report
    watch: Watch
    replays: ReplayStore
    log: Log


def open_login(people: PeopleSettings, login: LoginSettings, means: Means) -> OpenedPeople:
    """The people of ``people`` and of every password method that names more, as one; and how they log in.

    Raises `ConfigurationError` where a file can't be used.
    """
    own = people.open(means.engine, means.make_passwords, means.report)
    by_method = [
        own if method.people is None else method.people.open(means.engine, means.make_passwords, means.report)
        for method in login.methods
        if isinstance(method, PasswordMethodSettings)
    ]
    everybody = list(dict.fromkeys([*by_method, own]))
    passwords = [opened.login for opened in dict.fromkeys(by_method) if opened.login is not None]
    names = [opened.names for opened in everybody if opened.names is not None]
    registered = next((opened.registered for opened in everybody if opened.registered is not None), None)
    one = len(everybody) == 1
    together = OpenedPeople(
        people=own.people if one else PeopleInTurn([opened.people for opened in everybody]),
        login=passwords[0] if len(passwords) == 1 else PasswordsInTurn(passwords) if passwords else None,
        names=names[0] if len(names) == 1 else NamesInTurn(names),
        registered=registered,
        embedded=next((opened.embedded for opened in everybody if opened.embedded is not None), None),
    )
    ambient = tuple(
        _open_ambient(method, together, means)
        for method in login.methods
        if not isinstance(method, PasswordMethodSettings)
    )
    return replace(together, ambient=ambient)


def _open_ambient(
    method: KerberosMethodSettings | CertificateMethodSettings | FrontEndMethodSettings,
    opened: OpenedPeople,
    means: Means,
) -> AmbientMethod:
    home = Home(opened.names or NamesInTurn(()), opened.people)
    match method:
        case KerberosMethodSettings():
            return _open_kerberos(method, home, means.replays)
        case CertificateMethodSettings():
            return _open_certificates(method, home, opened, means)
        case FrontEndMethodSettings():
            return FrontEndLogin(method.header, method.open(), method.rule(), home, IgnoredOnce(means.log))


def _open_kerberos(method: KerberosMethodSettings, home: Home, replays: ReplayStore) -> KerberosLogin:
    try:
        # Only who has Kerberos needs the library.
        from idp.login.gss import GssAcceptor
    except ImportError as error:
        raise ConfigurationError(
            "login.no_gssapi", file=method.keytab, key="login.methods", expected="ostiary[kerberos]", found=error
        ) from None
    acceptor = GssAcceptor(method.keytab, method.service)
    return KerberosLogin(acceptor, dict(method.realms), networks(method.networks), home, replays)


def _open_certificates(
    method: CertificateMethodSettings, home: Home, opened: OpenedPeople, means: Means
) -> CertificateLogin:
    def load(sources: Sources) -> TrustDirectory:
        return load_trust_directory(method.ca_directory, sources=sources, require_crl=method.require_crl)

    header = method.from_front_end
    return CertificateLogin(
        trust=means.watch(load),
        home=home,
        registered=opened.registered if method.registered else None,
        rules=tuple(rule.rule() for rule in method.rules),
        ignored=IgnoredOnce(means.log),
        header=header.header if header is not None else "",
        peer=header.open() if header is not None else TrustedPeer(),
    )
