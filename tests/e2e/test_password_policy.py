"""The states of an account as a real slapd with its password policy (slapo-ppolicy) tells them; and one that is killed while it answers."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from idp.login.ldap import LdapLogin
from idp.login.methods import Authenticated, Rejected
from ostiary.command.demo.slapd import find_slapd
from ostiary.errors import Unavailable
from ostiary.ldap.filters import read_filter
from ostiary.ldap.people import LdapPeople
from ostiary.ldap.settings import LdapSettings
from tests.running_demo import free_base_port

pytestmark = pytest.mark.e2e

NOW = datetime.now(UTC)
BASE = "dc=example,dc=org"
RIGHT = "right horse"
LONG_AGO = (NOW - timedelta(days=400)).strftime("%Y%m%d%H%M%SZ")


def person(name: str, more: str = "") -> str:
    return (
        f"dn: uid={name},{BASE}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name}\n"
        f"userPassword: {RIGHT}\nentryUUID: 00000000-0000-4000-8000-{len(name):012d}\n{more}\n"
    )


LDIF = (
    f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Example\n\n"
    f"dn: cn=policy,{BASE}\nobjectClass: device\nobjectClass: pwdPolicy\npwdAttribute: userPassword\npwdLockout: TRUE\n"
    "pwdMaxFailure: 3\npwdMaxAge: 8640000\npwdMustChange: TRUE\npwdLockoutDuration: 600\n\n"
    + person("ada")
    + person("dora-", f"pwdChangedTime: {LONG_AGO}\n")
    + person("emil--", "pwdReset: TRUE\n")
    + person("fay").replace("4000-8000", "4000-9000")
)


class Slapd:
    """A slapd of the test's own with the policy above."""

    def __init__(self, directory: Path) -> None:
        program = find_slapd()
        assert program is not None
        assert program.modules is not None
        directory.mkdir()
        self.port = free_base_port(1)
        (directory / "data").mkdir()
        configuration = directory / "slapd.conf"
        schemas = "".join(f"include {program.schemas}/{name}.schema\n" for name in ("core", "cosine", "inetorgperson"))
        configuration.write_text(
            f"{schemas}modulepath {program.modules}\nmoduleload back_mdb\nmoduleload ppolicy\n"
            f'database mdb\nsuffix "{BASE}"\nrootdn "cn=admin,{BASE}"\ndirectory {directory}/data\n'
            f'overlay ppolicy\nppolicy_default "cn=policy,{BASE}"\nppolicy_use_lockout\naccess to * by * read\n'
        )
        (directory / "people.ldif").write_text(LDIF)
        slapadd = [str(program.program), "-T", "add", "-f", str(configuration), "-l", str(directory / "people.ldif")]
        done = subprocess.run(slapadd, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        command = [str(program.program), "-f", str(configuration), "-h", f"ldap://127.0.0.1:{self.port}", "-d", "0"]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            time.sleep(0.05)
        raise RuntimeError("slapd does not listen")

    def people(self, **limits: str) -> LdapPeople:
        given = {"servers": [f"ldap://127.0.0.1:{self.port}"], "base_dn": BASE, "remember": "0s", **limits}
        return LdapSettings.model_validate(given).open()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=20)


@pytest.fixture
def slapd(tmp_path: Path) -> Iterator[Slapd]:
    running = Slapd(tmp_path / "slapd")
    yield running
    running.stop()


@pytest.fixture
def people(slapd: Slapd) -> Iterator[LdapPeople]:
    opened = slapd.people()
    yield opened
    opened.close()


def outcome(people: LdapPeople, name: str, password: str = RIGHT) -> tuple[str, bool]:
    """The reason and whether it is proven; ``("", True)`` for somebody who gets in."""
    found = LdapLogin(people, read_filter("(uid={login})")).authenticate(name, password, NOW)
    if isinstance(found, Authenticated):
        return "", True
    assert isinstance(found, Rejected)
    return found.reason, found.proven


def test_an_expired_password_and_one_that_must_be_changed_are_told_apart(people: LdapPeople) -> None:
    assert outcome(people, "ada") == ("", True)
    assert outcome(people, "dora-") == ("password_expired", True)
    assert outcome(people, "emil--") == ("must_change", True)
    for name in ("ada", "dora-", "emil--"):
        assert outcome(people, name, "wrong") == ("wrong_password", False)


def test_a_lock_is_told_by_the_control_and_proves_no_password(people: LdapPeople) -> None:
    assert [outcome(people, "fay", "wrong") for _ in range(3)] == [("wrong_password", False)] * 3
    assert outcome(people, "fay") == ("locked", False)
    assert outcome(people, "fay", "wrong") == ("locked", False)


def test_a_directory_that_is_killed_while_it_answers_is_no_wrong_password(slapd: Slapd) -> None:
    people = slapd.people(time_limit="20s", connect_time_limit="20s")
    try:
        assert outcome(people, "ada") == ("", True)
        raised: list[Unavailable] = []

        def log_in() -> None:
            try:
                outcome(people, "ada")
            except Unavailable as problem:
                raised.append(problem)

        slapd.process.send_signal(signal.SIGSTOP)
        thread = threading.Thread(target=log_in)
        thread.start()
        # The question is on its way, and nobody reads it.
        time.sleep(0.5)
        assert thread.is_alive()
        os.kill(slapd.process.pid, signal.SIGKILL)
        thread.join(15)
        assert [problem.code in ("ldap.down", "ldap.broken_off") for problem in raised] == [True]
    finally:
        people.close()
