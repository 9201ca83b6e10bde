"""Every key of a federation is changed step by step while people log in, and no login fails: not for partners that read metadata late,
nor for those who were on their way when a key changed."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ostiary.command.demo.federation import write_aggregate
from ostiary.command.demo.layout import RESOURCES
from ostiary.command.demo.people import HOMES, NORTHGATE, SOUTHBANK
from ostiary.command.keys_commands import Keys, keys_at
from ostiary.errors import Refusal
from ostiary.federation.keys import load_key_ring
from tests.browser import Browser
from tests.simulator import START, Simulation, configure

REFRESH = timedelta(days=6)
LAG = {"northgate": 0, "southbank": 5, "library": 5, "instrument": 2, "wayf": 1}
"""Days after which each service reads what the federation published: some at once, some as late as they may."""


@pytest.fixture
def state(state: Path) -> Path:
    """Each service has a copy of the metadata, which it refreshes itself; handle keys stand in directories."""
    for part in LAG:
        for file in (state / part).glob("*.yaml"):
            text = file.read_text()
            if "metadata.xml" in text:
                text = text.replace(str(state / "federation" / "metadata.xml"), str(state / part / "metadata.xml"))
                text = text.replace(
                    str(state / "federation" / "keys" / "published.crt"), str(state / part / "trusted.crt")
                )
                file.write_text(text)
        shutil.copy(state / "federation" / "metadata.xml", state / part / "metadata.xml")
        shutil.copy(state / "federation" / "keys" / "published.crt", state / part / "trusted.crt")
    for home in HOMES:
        directory = state / home.key
        (directory / "handle-keys").mkdir()
        (directory / "handle.key").rename(directory / "handle-keys" / "current.key")
        for name in ("idp.yaml", "aa.yaml"):
            configure(directory / name, handle_keys=["handle-keys"])
    # One home leaves all attributes to the queries of its partners, which open handles.
    configure(state / SOUTHBANK.key / "idp.yaml", attributes_in_response={"default": False})
    return state


@dataclass
class Operators:
    """Those who run the services of a federation: each takes the next step with its keys when it is due, once."""

    simulation: Simulation
    published: dict[datetime, tuple[bytes, bytes]] = field(default_factory=dict)

    def all_keys(self) -> Iterator[Keys]:
        layout = self.simulation.layout
        for home in HOMES:
            for kind in ("signing", "handle"):
                yield keys_at(layout.directory(home.key) / "idp.yaml", kind, refresh=REFRESH)
        for resource in RESOURCES:
            yield keys_at(layout.directory(resource.key) / "sp.yaml", "signing", refresh=REFRESH)
        yield keys_at(layout.directory("federation") / "keys", "signing", refresh=REFRESH)

    def fingerprints(self) -> list[str]:
        return [states[0].fingerprint for keys in self.all_keys() if (states := keys.states())]

    def take_steps_that_are_due(self) -> list[str]:
        taken = []
        for keys in self.all_keys():
            try:
                step, _ = keys.take(None, now=self.simulation.clock.now(), force=False)
            except Refusal as early:
                if early.code != "keys.too_early":
                    raise
            else:
                taken.append(f"{keys.kind} {step}")
        return taken

    def publish(self) -> None:
        """The registrar signs today's metadata, and every member fetches what was published as long ago as it lags behind."""
        layout, now = self.simulation.layout, self.simulation.clock.now()
        write_aggregate(layout, (), now)
        trusted = layout.federation_certificates.read_bytes()
        self.published[now] = layout.aggregate.read_bytes(), trusted
        for part, days in LAG.items():
            late = max((at for at in self.published if at <= now - timedelta(days=days)), default=None)
            if late is not None:
                metadata, certificates = self.published[late]
                # The certificates first: until both are there, what was in force before stays.
                layout.directory(part).joinpath("trusted.crt").write_bytes(certificates)
                layout.directory(part).joinpath("metadata.xml").write_bytes(metadata)


PEOPLE = [("library", "alice"), ("instrument", "alice"), ("library", SOUTHBANK.people[0].username)]


def test_all_keys_roll_while_logins_run_and_no_login_fails(simulation: Simulation) -> None:
    simulation.start_all()
    operators = Operators(simulation)
    for keys in operators.all_keys():
        _date(keys, START - timedelta(days=100))
    before = operators.fingerprints()
    taken: list[str] = []
    for _ in range(14):
        # Somebody stands in front of the login form, somebody has the signed Response already, when keys change.
        typing = simulation.browser(), simulation.browser()
        pages = [
            simulation.to_login_page(typing[0], "library", NORTHGATE),
            simulation.to_response(typing[1], "instrument", "alice"),
        ]
        taken += operators.take_steps_that_are_due()
        operators.publish()
        simulation.clock.forward(seconds=6)
        answers = [
            typing[0].submit(
                typing[0].submit(pages[0], {"username": "alice", "password": _password("alice")}, having="password"),
                having="SAMLResponse",
            ),
            typing[1].submit(pages[1], having="SAMLResponse"),
            *(simulation.log_in(simulation.browser(), resource, person) for resource, person in PEOPLE),
        ]
        assert [answer.status for answer in answers] == [200] * 5, (simulation.clock.now(), taken[-8:])
        simulation.clock.forward(days=1)
    after = operators.fingerprints()
    assert len(before) == len(after) == 7
    assert [old == new for old, new in zip(before, after, strict=True)] == [False] * 7
    for step in ("prepare", "activate", "retire"):
        assert taken.count(f"signing {step}") >= 5, step
        assert taken.count(f"handle {step}") >= 2, step
    assert len(simulation.soap.sent) >= 14
    assert not simulation.events("crashed")


def test_a_key_that_was_never_published_would_have_failed(simulation: Simulation) -> None:
    """The test above could fail: without the waiting, the resource that reads metadata late refuses."""
    simulation.start_all()
    operators = Operators(simulation)
    operators.publish()
    keys = keys_at(simulation.layout.directory("northgate") / "idp.yaml", "signing")
    for _ in range(2):
        keys.take(None, now=simulation.clock.now(), force=True)
    operators.publish()
    simulation.clock.forward(seconds=6)
    assert simulation.log_in(simulation.browser(), "library", "alice").status != 200


def test_a_new_handle_key_answers_queries_about_people_who_logged_in_before(simulation: Simulation) -> None:
    browser = simulation.browser()
    assert simulation.log_in(browser, "library", SOUTHBANK.people[0].username).status == 200
    keys = keys_at(simulation.layout.directory("southbank") / "idp.yaml", "handle")
    for _ in range(2):
        keys.take(None, now=simulation.clock.now(), force=False)
        simulation.clock.forward(minutes=2)
    asked = len(simulation.soap.sent)
    simulation.clock.forward(minutes=40)
    assert browser.get(simulation.url("library")).status == 200
    assert len(simulation.soap.sent) == asked + 1


def test_the_metadata_of_each_service_names_its_next_key(simulation: Simulation) -> None:
    simulation.start_all()
    operators = Operators(simulation)
    operators.take_steps_that_are_due()
    for resource in RESOURCES:
        ring = load_key_ring(simulation.layout.directory(resource.key) / "keys")
        assert len(ring.published) == 2
    simulation.clock.forward(seconds=6)
    served = Browser(simulation.transport).get(simulation.handler("library", "metadata"))
    assert served.text.count("<md:KeyDescriptor") == 2


def _date(keys: Keys, at: datetime) -> None:
    import os

    for state in keys.states():
        os.utime(keys.path / state.file, (at.timestamp(), at.timestamp()))


def _password(username: str) -> str:
    return next(person.password for home in HOMES for person in home.people if person.username == username)
