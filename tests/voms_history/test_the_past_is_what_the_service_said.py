"""Whatever was changed in whatever order: what history says of an instant is what the VO service said at that instant."""

import random
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.errors import OstiaryError
from ostiary.storage.engine import open_engine
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan
from tests.databases import write_upgraded
from tests.voms.conftest import NOW
from voms import people
from voms.changes import changing
from voms.directory import VoDirectory, create_vo
from voms.history import Past
from voms.memberships import Memberships
from voms.periods import Recurrence, recurrence
from voms.standing import Standing
from voms.tables import MIGRATIONS as VOMS_MIGRATIONS

GROUPS = ("/v", "/v/a", "/v/a/b", "/v/c", "/v/d")
ROLES = ("r", "s")
HOUR = timedelta(hours=1)
STEP = 10 * HOUR
SHIFTS = recurrence(NOW.replace(tzinfo=None, hour=8), "UTC", "PT5H", "FREQ=DAILY;INTERVAL=2")


def any_change(chance: random.Random) -> tuple[object, ...]:
    who, end, recurring = chance.randrange(2), chance.choice((None, None, 15, 60)), chance.choice((None, None, SHIFTS))
    path, other, name = chance.choice(GROUPS[1:]), chance.choice(GROUPS[1:]), chance.choice(ROLES)
    changes: dict[tuple[object, ...], int] = {
        ("join", who, path, end, recurring): 6,
        ("join", who, "/v/a/b", end, None): 4,
        ("leave", who, path): 2,
        ("assign", who, chance.choice(GROUPS), name, end, recurring): 6,
        ("assign", who, "/v/a", name, None, None): 3,
        ("dismiss", who, path, name): 2,
        ("parent", path, other): 4,
        ("orphan", path, other): 3,
        ("inherit", chance.random() < 0.5): 2,
        ("suspend", who): 1,
        ("restore", who): 2,
        ("end", who, chance.choice((None, None, 15))): 1,
        ("remove group", path): 1,
        ("add group", path): 3,
    }
    return chance.choices(list(changes), list(changes.values()))[0]


class World:
    """A VO of two members, changed at one instant after the other."""

    def __init__(self, directory: Path) -> None:
        write_upgraded(directory / "a.db", [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, VOMS_MIGRATIONS])
        self.engine = open_engine(f"sqlite:///{directory}/a.db")
        create_vo(self.engine, "v", at=NOW, by="operator", inherits=True)
        self.vo = VoDirectory(self.engine, "v")
        for path in GROUPS[1:]:
            self.vo.add_group(path, at=NOW, by="operator")
        for name in ROLES:
            self.vo.add_role(name, at=NOW, by="operator")
        issuer = "CN=CA,C=ZZ"
        self.members = [
            self.vo.add_member(CertificateNames(f"CN={number},C=ZZ", issuer), at=NOW, by="operator")
            for number in (0, 1)
        ]

    def do(self, step: tuple[object, ...], at: datetime) -> None:
        """What can't be done is not."""
        try:
            self._do(step, at)
        except OstiaryError:
            return

    def _do(self, step: tuple[object, ...], at: datetime) -> None:
        stamp = {"at": at, "by": "operator"}
        vo = self.vo
        match step:
            case "join", int(who), str(path), end, recurring:
                vo.join(self.members[who], path, **stamp, until=until(at, end), recurs=recurring)
            case "leave", int(who), str(path):
                vo.leave(self.members[who], path, **stamp)
            case "assign", int(who), str(path), str(name), end, recurring:
                vo.assign_role(self.members[who], path, name, **stamp, until=until(at, end), recurs=recurring)
            case "dismiss", int(who), str(path), str(name):
                vo.dismiss_role(self.members[who], path, name, **stamp)
            case "parent", str(path), str(parent):
                vo.add_parent(path, parent, **stamp)
            case "orphan", str(path), str(parent):
                vo.remove_parent(path, parent, **stamp)
            case "inherit", bool(inherits):
                vo.set_inheritance(inherits, **stamp)
            case "suspend", int(who):
                vo.suspend(self.members[who], "For a reason.", **stamp)
            case "restore", int(who):
                vo.restore(self.members[who], **stamp)
            case "end", int(who), end:
                with changing(self.engine, "v", "vo.end_set", **stamp) as open_change:
                    people.set_end(open_change, self.members[who], until(at, end))
            case "remove group", str(path):
                vo.remove_group(path, **stamp)
            case "add group", str(path):
                vo.add_group(path, **stamp)


def until(at: datetime, end: object) -> datetime | None:
    return at + end * HOUR if isinstance(end, int) else None


def acts_in(standing: Standing | None, path: str, name: str | None) -> bool:
    if standing is None or standing.suspended is not None:
        return False
    return path in standing.groups if name is None else Fqan(path, name) in standing.roles


# A long life says more than many short ones; which part of it was too much is not worth minutes.
@settings(max_examples=1, deadline=None, phases=(Phase.explicit, Phase.generate))
@example(seed=1)
@given(seed=st.integers(0, 2**32))
def test_history_says_what_the_service_said(seed: int) -> None:
    chance = random.Random(seed)
    with TemporaryDirectory() as name:
        world = World(Path(name))
        memberships = Memberships(world.engine, "v")
        said: dict[tuple[str, datetime], Standing | None] = {}
        at = NOW
        for _ in range(50):
            at += STEP
            world.do(any_change(chance), at)
            for member in world.members:
                # At the instant itself, and just before the next change.
                for moment in (at, at + STEP - timedelta(microseconds=1)):
                    said[member, moment] = memberships.of_member(member, moment)
        past = Past(world.engine, "v")
        for path in GROUPS:
            for role_name in (None, *ROLES):
                actors = past.who(path, NOW, at + STEP, role=role_name).actors
                spans = {actor.member: actor.spans for actor in actors}
                for (member, moment), standing in said.items():
                    inside = any(begin <= moment < end for begin, end in spans.get(member, ()))
                    assert inside == acts_in(standing, path, role_name), (member, path, role_name, moment)
        for (member, moment), standing in chance.sample(list(said.items()), 8):
            for path in ("/v", "/v/a"):
                found = past.was_in(member, path, moment)
                assert found.acted == acts_in(standing, path, None)
                assert found.inside == (standing is not None and path in standing.groups)
        world.engine.dispose()


def test_the_recurring_times_of_a_span_are_those_of_its_instants() -> None:
    shifts: Recurrence = SHIFTS
    spans = shifts.between(NOW, NOW + 10 * STEP)
    assert spans == [
        (datetime(2026, 11, 22, 8, tzinfo=NOW.tzinfo), datetime(2026, 11, 22, 13, tzinfo=NOW.tzinfo)),
        (datetime(2026, 11, 24, 8, tzinfo=NOW.tzinfo), datetime(2026, 11, 24, 13, tzinfo=NOW.tzinfo)),
        (datetime(2026, 11, 26, 8, tzinfo=NOW.tzinfo), datetime(2026, 11, 26, 13, tzinfo=NOW.tzinfo)),
    ]
    assert all(shifts.at(begin) == (begin, end) and shifts.at(end) is None for begin, end in spans)
