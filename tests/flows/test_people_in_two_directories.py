"""A home with people in two directories: both get in, and the Attribute Authority knows both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary.command.demo.layout import Layout
from ostiary.command.demo.people import NORTHGATE
from ostiary.ldap import adapter
from ostiary.ldap.adapter import Ldap3Directory
from ostiary.ldap.settings import LdapSettings, Report
from tests.ldap_directory import MemoryDirectory
from tests.ldap_server import LdapServer, listening
from tests.simulator import BASE_PORT, Simulation, configure


@pytest.fixture
def simulation(state: Path) -> Iterator[Simulation]:
    """Northgate keeps Nell in a directory of its own, beside the embedded one."""
    directory = MemoryDirectory()
    directory.add("nell", "nell-in-ldap")
    with listening(LdapServer(directory).talk) as server:
        home = Layout(state, BASE_PORT).directory(NORTHGATE.key)
        (home / "ldap.yaml").write_text(f"servers: [{server.url()}]\nbase_dn: ou=people,dc=example,dc=org\n")
        in_ldap = {"type": "ldap", "directory": "ldap.yaml"}
        configure(home / "idp.yaml", login={"methods": [{"type": "password"}, {"type": "password", "people": in_ldap}]})
        configure(home / "aa.yaml", further_people=[in_ldap])
        opened: list[Ldap3Directory] = []

        class Noted(Ldap3Directory):
            def __init__(self, settings: LdapSettings, report: Report) -> None:
                super().__init__(settings, report)
                opened.append(self)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(adapter, "Ldap3Directory", Noted)
            simulated = Simulation(state)
            yield simulated
        simulated.close()
        for one in opened:
            one.close()


def signed_in(simulation: Simulation, username: str, password: str) -> int:
    browser = simulation.browser()
    page = simulation.to_login_page(browser, "library", NORTHGATE)
    answer = browser.submit(page, {"username": username, "password": password}, having="password")
    if answer.status != 200:
        return answer.status
    browser.submit(answer, having="SAMLResponse")
    return 200


def test_people_of_both_directories_get_an_answer_and_others_do_not(simulation: Simulation) -> None:
    assert signed_in(simulation, "alice", "alice-opens-doors") == 200
    assert signed_in(simulation, "nell", "nell-in-ldap") == 200
    assert signed_in(simulation, "nell", "alice-opens-doors") == 401
    released = simulation.events("attributes_released", service="northgate-aa")
    assert len(released) == 2
