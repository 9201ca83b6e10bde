"""The login methods as kits, so that one suite (test_login_methods_conform.py) holds for each. A new method adds a kit, and nothing else.

Everywhere Ada may log in, Bob is disabled, and nobody else is there.
"""

import base64
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from sqlalchemy import Engine

from idp.accounts.directory import Directory
from idp.accounts.passwords import Argon2Parameters, Passwords
from idp.login.certificate import CertificateLogin, FieldRule
from idp.login.front_end import FrontEndLogin
from idp.login.in_turn import NamesInTurn, PasswordsInTurn
from idp.login.kerberos import AcceptedTicket, KerberosLogin
from idp.login.ldap import LdapLogin, LdapNames
from idp.login.mapping import Home, NameRule
from idp.login.methods import AmbientMethod, Arrival, EmbeddedNames, PasswordLogin, PasswordMethod
from ostiary.config import TrustedPeer, networks
from ostiary.errors import Unavailable
from ostiary.ldap.filters import read_filter
from ostiary.ldap.people import LdapPeople
from ostiary.ldap.settings import LdapSettings
from ostiary.storage.memory import MemoryReplayStore
from ostiary.web.ignored_once import IgnoredOnce
from ostiary.web.log import make_log
from tests.ldap_directory import BASE, MemoryDirectory
from tests.x509.authorities import CertificateAuthority, root, trust_directory

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CHEAP = Argon2Parameters(time_cost=1, memory=8, parallelism=1)
RIGHT = "right horse"
DOWN = Unavailable("ldap.down", expected="a server", found="none")


class FixedClock:
    """Stands still."""

    def now(self) -> datetime:
        return NOW


@dataclass(frozen=True)
class PasswordKit:
    """``principals`` by login name; ``break_down`` ends the directory behind the method."""

    method: PasswordMethod
    principals: dict[str, str]
    break_down: Callable[[], None]


@dataclass(frozen=True)
class AmbientKit:
    """``arrival`` is a request that proves this login name; ``nothing`` one that brings nothing, ``broken`` some that bring what proves
    nothing. ``people`` is the directory behind."""

    method: AmbientMethod
    arrival: Callable[[str], Arrival]
    nothing: Arrival
    broken: tuple[Arrival, ...]
    people: MemoryDirectory


def filled_directory() -> MemoryDirectory:
    """Ada, and Bob who has left."""
    directory = MemoryDirectory()
    directory.add("ada", mail="ada@example.org")
    directory.add("bob", employeeType="left")
    return directory


def ldap_people(directory: MemoryDirectory) -> LdapPeople:
    """The people in it who have not left."""
    settings = {
        "servers": ["ldap://localhost"],
        "base_dn": BASE,
        "active_filter": "(!(employeeType=left))",
        "remember": "0s",
    }
    return LdapPeople(directory, LdapSettings.model_validate(settings))


def embedded_kit(engine: Engine, directory_file: Path) -> PasswordKit:
    directory, passwords = Directory(engine), Passwords(CHEAP)
    principals = {
        name: directory.create(name, password_hash=passwords.hash(RIGHT), attributes={}, at=NOW, by="operator")
        for name in ("ada", "bob")
    }
    directory.disable(principals["bob"], at=NOW, by="operator")

    def break_down() -> None:
        engine.dispose()
        directory_file.unlink()
        directory_file.mkdir()

    return PasswordKit(PasswordLogin(directory, passwords), principals, break_down)


def ldap_kit() -> PasswordKit:
    directory = filled_directory()

    def break_down() -> None:
        directory.failing = DOWN

    method = LdapLogin(ldap_people(directory), read_filter("(uid={login})"))
    return PasswordKit(method, {"ada": "id-of-ada", "bob": "id-of-bob"}, break_down)


def in_turn_kit() -> PasswordKit:
    """Two directories: Ada is in the second."""
    first, kit = MemoryDirectory(), ldap_kit()
    first.add("someone")
    before = LdapLogin(ldap_people(first), read_filter("(uid={login})"))
    return replace(kit, method=PasswordsInTurn([before, kit.method]))


def home_of(directory: MemoryDirectory) -> Home:
    people = ldap_people(directory)
    names = LdapNames(people, read_filter("(uid={login})"))
    return Home(NamesInTurn([names]), names)


def request(
    headers: dict[str, str] | None = None, *, peer: str = "192.0.2.80", chain: tuple[bytes, ...] = ()
) -> Arrival:
    return Arrival(peer=peer, client=peer, headers=headers or {}, chain=chain)


def told_to(stream: StringIO) -> IgnoredOnce:
    return IgnoredOnce(make_log(FixedClock(), service="idp", stream=stream))


def front_end_kit() -> AmbientKit:
    directory = filled_directory()
    peer = TrustedPeer(networks(("192.0.2.80/32",)), "FrontSecret", b"0123456789abcdef")
    method = FrontEndLogin(
        "RemoteUser", peer, NameRule(re.compile("(?P<name>.+)")), home_of(directory), told_to(StringIO())
    )

    def arrival(name: str) -> Arrival:
        return request({"remoteuser": name, "frontsecret": "0123456789abcdef"})

    broken = tuple(arrival(name) for name in ("", " ", "a" * 257, "ad\x00a", "ada\xff", "a\x7fda"))
    return AmbientKit(method, arrival, request({"frontsecret": "0123456789abcdef"}), broken, directory)


class KnownTickets:
    """A `TicketAcceptor` whose tickets are the principals' names."""

    def accept(self, token: bytes) -> AcceptedTicket | str:
        if not token.startswith(b"ticket of "):
            return "Invalid token was supplied"
        return AcceptedTicket(token.removeprefix(b"ticket of ").decode().partition(" #")[0], b"it is us")


def kerberos_kit() -> AmbientKit:
    directory = filled_directory()
    method = KerberosLogin(
        KnownTickets(), {"EXAMPLE.ORG": "{name}"}, networks(("192.0.2.0/24",)), home_of(directory), MemoryReplayStore()
    )
    broken = tuple(negotiate(token) for token in (b"", b"junk", b"\x60\x82"))
    return AmbientKit(method, lambda name: ticket(f"{name}@EXAMPLE.ORG"), request(), broken, directory)


def negotiate(token: bytes) -> Arrival:
    return request({"authorization": f"Negotiate {base64.b64encode(token).decode()}"})


def ticket(client: str, number: int = 1) -> Arrival:
    return negotiate(f"ticket of {client} #{number}".encode())


def certificate_kit(directory: Path) -> AmbientKit:
    people, ca, other = filled_directory(), root(), root("/C=ZZ/O=Other/CN=Other CA")
    shutil.rmtree(directory, ignore_errors=True)
    trust = trust_directory(directory, ca, crl=ca.crl())
    method = CertificateLogin(
        trust=lambda: trust,
        home=home_of(people),
        registered=None,
        rules=(FieldRule("uid", NameRule(re.compile("(?P<name>.+)"))),),
        ignored=told_to(StringIO()),
        header="",
        peer=TrustedPeer(),
    )
    broken = (
        request(chain=person(other, "ada")),
        request(chain=(b"junk",)),
        request(chain=(person(ca, "ada")[0][:-1],)),
    )
    return AmbientKit(method, lambda name: request(chain=person(ca, name)), request(), broken, people)


def person(authority: CertificateAuthority, name: str) -> tuple[bytes, ...]:
    """A certificate with the login name as UID."""
    return authority.issue(f"/C=ZZ/O=HV Test/UID={name}").ders


def embedded_names(engine: Engine) -> EmbeddedNames:
    return EmbeddedNames(Directory(engine))
