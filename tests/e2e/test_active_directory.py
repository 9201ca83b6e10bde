"""Login against a real Active Directory domain controller, Samba's: the three ways to write a name, and what each state of an account
comes to. An expired password (data 532) can't be made here in a day: it is tested against the documented code in tests/ldap."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from idp.login.ldap import LdapLogin, LdapNames
from idp.login.methods import Authenticated, Rejected
from ostiary.config import write_private_file
from ostiary.errors import Unavailable
from ostiary.ldap.filters import read_filter
from ostiary.ldap.people import LdapPeople
from ostiary.ldap.settings import LdapSettings
from tests.e2e.samba_dc import BASE, DOMAIN, REALM, RIGHT, SambaDc

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="samba listens on port 389 alone, which needs root"),
]

NOW = datetime.now(UTC)
FILTER = "(&(objectCategory=person)(objectClass=user)(|(sAMAccountName={login})(userPrincipalName={login})))"


@pytest.fixture(scope="module")
def dc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SambaDc]:
    running = SambaDc(tmp_path_factory.mktemp("samba") / "dc")
    try:
        for name in ("reader", "ada", "bob", "cyd", "dora", "fay", "gus"):
            running.add(name)
        running.tool("user", "disable", "bob")
        running.tool("user", "setexpiry", "cyd", "--days=-1")
        running.tool("user", "setpassword", "dora", f"--newpassword={RIGHT}", "--must-change-at-next-login")
        yield running
    finally:
        running.stop()


def settings(dc: SambaDc, tmp_path: Path, server: str, **changes: object) -> LdapSettings:
    password = tmp_path / "reader.password"
    if not password.exists():
        write_private_file(password, RIGHT.encode())
    given = {
        "servers": [server],
        "ca_file": str(dc.ca),
        "bind_dn": f"CN=reader,CN=Users,{BASE}",
        "password_file": str(password),
        "base_dn": BASE,
        "principal_attribute": "objectGUID",
        "principal_encoding": "hex",
        "accounts": "active_directory",
        "remember": "0s",
        **changes,
    }
    return LdapSettings.model_validate(given)


@pytest.fixture(params=["ldaps", "start_tls"])
def people(dc: SambaDc, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[LdapPeople]:
    scheme = "ldaps" if request.param == "ldaps" else "ldap"
    opened = settings(dc, tmp_path, f"{scheme}://{dc.host}", start_tls=request.param == "start_tls").open()
    yield opened
    opened.close()


@pytest.fixture
def login(people: LdapPeople) -> LdapLogin:
    return LdapLogin(people, read_filter(FILTER), domains=(DOMAIN,))


def principal(people: LdapPeople, name: str) -> str:
    found = LdapNames(people, read_filter(FILTER)).principal_of(name)
    assert found is not None
    assert len(found) == 32
    return found


@pytest.mark.parametrize(
    "name", ["ada", "ADA", f"{DOMAIN}\\ada", f"{DOMAIN.lower()}\\Ada", f"ada@{REALM}", f"Ada@{REALM.upper()}"]
)
def test_a_name_may_be_written_in_three_ways(login: LdapLogin, people: LdapPeople, name: str) -> None:
    assert login.authenticate(name, RIGHT, NOW) == Authenticated(principal(people, "ada"))


@pytest.mark.parametrize("name", ["OTHER\\ada", "\\ada", "ada@other.example", "ada*", "CN=ada", "", "eve"])
def test_every_other_name_is_nobodys(login: LdapLogin, name: str) -> None:
    assert login.authenticate(name, RIGHT, NOW) == Rejected("unknown")


@pytest.mark.parametrize(("name", "reason"), [("bob", "disabled"), ("cyd", "expired"), ("dora", "must_change")])
def test_the_state_of_an_account_is_told_after_the_right_password_alone(
    login: LdapLogin, people: LdapPeople, name: str, reason: str
) -> None:
    who = principal(people, name)
    assert login.authenticate(name, RIGHT, NOW) == Rejected(reason, who, proven=True)  # type: ignore[arg-type]
    assert login.authenticate(name, "wrong", NOW) == Rejected("wrong_password", who)


def test_too_many_wrong_passwords_lock_an_account_and_the_lock_proves_no_password(dc: SambaDc, tmp_path: Path) -> None:
    people = settings(dc, tmp_path, f"ldaps://{dc.host}").open()
    try:
        login, who = LdapLogin(people, read_filter(FILTER)), principal(people, "fay")
        outcomes = [login.authenticate("fay", "wrong", NOW) for _ in range(4)]
        assert outcomes[0] == Rejected("wrong_password", who)
        assert outcomes[-1] == Rejected("locked", who)
        assert login.authenticate("fay", RIGHT, NOW) == Rejected("locked", who)
        # Strangers can lock an account; that must not end its sessions.
        assert people.is_active(who)
        dc.tool("user", "unlock", "fay")
        assert login.authenticate("fay", RIGHT, NOW) == Authenticated(who)
    finally:
        people.close()


def test_who_is_disabled_or_expired_is_no_longer_active(dc: SambaDc, people: LdapPeople) -> None:
    states = {name: people.is_active(principal(people, name)) for name in ("ada", "bob", "cyd", "dora")}
    assert states == {"ada": True, "bob": False, "cyd": False, "dora": True}
    who = principal(people, "gus")
    assert people.is_active(who)
    dc.tool("user", "disable", "gus")
    assert not people.is_active(who)
    dc.tool("user", "enable", "gus")


def test_without_tls_the_domain_controller_takes_no_password(dc: SambaDc, tmp_path: Path) -> None:
    plain = settings(dc, tmp_path, f"ldap://{dc.host}").open()
    try:
        with pytest.raises(Unavailable) as caught:
            plain.check()
    finally:
        plain.close()
    assert caught.value.code == "ldap.tls"
