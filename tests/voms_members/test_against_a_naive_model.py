"""Inheritance, time and states together: what the database and the rules make of a VO is what a model says that looks at every hour."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.errors import Denied
from ostiary.storage.engine import reading
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan
from tests.databases import upgraded
from voms import grants, people, structure
from voms.asking import Asked, Everything
from voms.changes import changing
from voms.directory import create_vo
from voms.grants import Whose
from voms.members.lacking import members_lacking
from voms.memberships import Memberships
from voms.periods import When, recurrence
from voms.rows import vo_number
from voms.selection import Bounds, Grant, grant
from voms.tables import MIGRATIONS as VOMS_MIGRATIONS
from voms.tables import vo, vo_aup_demand, vo_aup_signature, vo_aup_version

BASE = datetime(2026, 6, 1, tzinfo=UTC)
LAST = 24 * 5
GROUPS = 5
ROLES = ("reader", "writer")
_NUMBERS = itertools.count()

hours = st.integers(0, LAST)


@dataclass(frozen=True)
class Held:
    """A membership or role: from hour to hour (None: for good), and perhaps only from ``daily[0]`` o'clock for ``daily[1]`` hours."""

    since: int
    until: int | None
    daily: tuple[int, int] | None

    def at(self, hour: int) -> bool:
        within = self.since <= hour and (self.until is None or hour < self.until)
        if self.daily is None:
            return within
        begin, length = self.daily
        return within and any(0 <= hour - (24 * day + begin) < length for day in range(-1, LAST))


@dataclass(frozen=True)
class Version:
    """Of the policy: in force from an hour, signed again after hours, grace in hours (whole days)."""

    begin: int
    again: int | None
    grace: int


@dataclass(frozen=True)
class World:
    """One VO and one member. Group ``i`` has the groups ``parents[i]`` above it (-1 is the root), the first by its path."""

    inherits: bool
    parents: tuple[tuple[int, ...], ...]
    optional: frozenset[int]
    joined: dict[int, Held]
    roles: dict[tuple[int, str], Held]
    end: int | None
    grace: int
    service: bool
    suspended: bool
    certificate_suspended: bool
    versions: tuple[Version, ...]
    signed: dict[int, int]
    asked: int | None

    # The model

    def path(self, group: int) -> str:
        return "" if group == -1 else f"{self.path(self.parents[group][0])}/g{group}"

    def over(self, group: int) -> set[int]:
        return {above for each in self.parents[group] for above in {each, *(self.over(each) if each >= 0 else ())}}

    def groups_at(self, hour: int) -> set[int]:
        direct = {group for group, held in self.joined.items() if held.at(hour)}
        return {-1} | direct | {above for each in direct for above in self.over(each)}

    def roles_at(self, hour: int) -> set[tuple[int, str]]:
        groups = self.groups_at(hour)
        given_now = {(group, role) for (group, role), held in self.roles.items() if held.at(hour) and group in groups}
        if not self.inherits:
            return given_now
        below = {(group, role) for group in groups - {-1} for over, role in given_now if over in self.over(group)}
        return given_now | below

    def attributes_at(self, hour: int) -> set[tuple[int, str]]:
        """Group ``i`` gives the attribute ``a<i>``."""
        found = {(group, f"a{group}") for group in self.groups_at(hour) - {-1}}
        if self.inherits:
            found |= {(group, f"a{over}") for group, _ in list(found) for over in self.over(group) - {-1}}
        return found

    def version_at(self, hour: int) -> int | None:
        begun = [(version.begin, number) for number, version in enumerate(self.versions) if version.begin <= hour]
        return max(begun)[1] if begun else None

    def accepted(self, hour: int) -> bool:
        number = self.version_at(hour)
        if number is None:
            return True
        signed, version = self.signed.get(number), self.versions[number]
        if signed is None or signed > hour or (version.again is not None and hour >= signed + version.again):
            return False
        return not (self.asked is not None and signed < self.asked <= hour)

    def acts(self, hour: int) -> bool:
        if self.suspended or self.certificate_suspended:
            return False
        if self.end is not None and hour >= self.end + self.grace:
            return False
        if self.service or self.accepted(hour):
            return True
        lapsed = hour
        while lapsed > 0 and not self.accepted(lapsed - 1):
            lapsed -= 1
        first: dict[int, int] = {}
        for each in range(lapsed, hour + 1):
            number = self.version_at(each)
            assert number is not None
            first.setdefault(number, each)
        return all(hour < begin + self.versions[number].grace for number, begin in first.items())


@st.composite
def worlds(draw: st.DrawFn) -> World:
    parents = []
    for group in range(GROUPS):
        first = draw(st.integers(-1, group - 1))
        further = draw(st.sets(st.integers(-1, group - 1), max_size=2)) - {first}
        parents.append((first, *sorted(further)))
    held = st.builds(
        lambda since, length, daily: Held(since, since + length if length else None, daily),
        hours,
        st.none() | st.integers(1, LAST),
        st.none() | st.tuples(st.integers(0, 23), st.integers(1, 30)),
    )
    joined = draw(st.dictionaries(st.integers(0, GROUPS - 1), held, max_size=4))
    made = World(
        inherits=draw(st.booleans()),
        parents=tuple(parents),
        optional=draw(st.frozensets(st.integers(0, GROUPS - 1), max_size=2)),
        joined=joined,
        roles={},
        end=draw(st.none() | st.integers(1, LAST)),
        grace=24 * draw(st.integers(0, 2)),
        service=draw(st.integers(0, 5)) == 0,
        suspended=draw(st.integers(0, 9)) == 0,
        certificate_suspended=draw(st.integers(0, 9)) == 0,
        versions=tuple(
            draw(
                st.lists(
                    st.builds(
                        lambda begin, again, grace: Version(begin, 24 * again if again else None, 24 * grace),
                        hours,
                        st.none() | st.integers(1, 4),
                        st.integers(0, 2),
                    ),
                    max_size=3,
                )
            )
        ),
        signed={},
        asked=draw(st.none() | hours),
    )
    reachable = sorted({-1, *joined, *(over for each in joined for over in made.over(each))})
    given_in = st.tuples(st.sampled_from(reachable), st.sampled_from(ROLES))
    roles = draw(st.dictionaries(given_in, held, max_size=4))
    signed = draw(st.dictionaries(st.integers(0, max(0, len(made.versions) - 1)), hours, max_size=3))
    known = {number: hour for number, hour in signed.items() if number < len(made.versions)}
    return replace(made, roles=roles, signed=known)


def instant(hour: int) -> datetime:
    return BASE + timedelta(hours=hour)


def when(held: Held) -> When:
    recurs = None
    if held.daily is not None:
        begin, length = held.daily
        first = (BASE - timedelta(days=3) + timedelta(hours=begin)).replace(tzinfo=None)
        recurs = recurrence(first, "UTC", f"PT{length}H", "FREQ=DAILY")
    return When(instant(held.since), instant(held.until) if held.until is not None else None, recurs)


def written(engine: Engine, world: World) -> tuple[str, CertificateNames]:
    """The world in the database, in one change: the VO's name, and the member's certificate."""
    number = next(_NUMBERS)
    name, member, names = f"vo{number}", f"{number:032x}", CertificateNames(f"CN={number}", "CN=CA")
    create_vo(engine, name, at=BASE, by="operator", inherits=world.inherits)
    with changing(engine, name, "vo.made", at=BASE, by="operator") as change:
        for group in range(GROUPS):
            path = f"/{name}{world.path(group)}"
            structure.add_group(change, path, optional=group in world.optional)
            for further in world.parents[group][1:]:
                structure.add_parent(change, path, f"/{name}{world.path(further)}")
            grants.set_attribute(change, f"a{group}", "x", Whose(group=path))
        for role in ROLES:
            structure.add_role(change, role)
        people.add_member(change, member, kind="service" if world.service else "person")
        people.set_end(change, member, instant(world.end) if world.end is not None else None)
        people.add_certificate(change, member, names)
        for group, held in world.joined.items():
            grants.join(change, member, f"/{name}{world.path(group)}", when(held))
        for (group, role), held in world.roles.items():
            grants.assign_role(change, member, f"/{name}{world.path(group)}", role, when(held))
        if world.suspended:
            people.suspend(change, member, "A manager's reason.")
        if world.certificate_suspended:
            people.suspend_certificate(change, names, "Another reason.")
        change.alter(vo, {"grace_days": world.grace // 24}, id=change.vo)
        for each, version in enumerate(world.versions):
            added = change.add(
                vo_aup_version,
                vo_id=change.vo,
                version=str(each),
                url="https://vo.example.org",
                sign_again_days=version.again // 24 if version.again is not None else None,
                grace_days=version.grace // 24,
                in_force_from=instant(version.begin),
            )
            if each in world.signed:
                change.add(vo_aup_signature, member_id=member, version_id=added, signed_at=instant(world.signed[each]))
        if world.asked is not None:
            change.add(vo_aup_demand, member_id=member, asked_at=instant(world.asked))
    return name, names


@pytest.fixture(scope="module")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    directory = tmp_path_factory.mktemp("model")
    with upgraded("sqlite", directory, [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, VOMS_MIGRATIONS]) as opened:
        yield opened


@settings(max_examples=35, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds(), looked_at=st.lists(hours, min_size=2, max_size=4, unique=True))
def test_a_member_has_what_the_model_says_and_no_certificate_says_more_for_as_long_as_it_lasts(
    shared_engine: Engine, world: World, looked_at: list[int]
) -> None:
    name, names = written(shared_engine, world)
    memberships = Memberships(shared_engine, name)
    for hour in looked_at:
        found = memberships.of_certificate(names, instant(hour))
        assert found is not None
        assert (found.suspended is None) == world.acts(hour)
        with reading(shared_engine) as connection:
            lacking = [each.member for each in members_lacking(connection, vo_number(connection, name), instant(hour))]
        assert lacking == ([] if world.service or world.accepted(hour) else [found.member])
        if found.suspended is not None:
            with pytest.raises(Denied):
                grant(found, Asked((Everything(),)), Bounds(timedelta(hours=30)), instant(hour))
            continue
        root = f"/{name}"
        assert set(found.groups) == {root + world.path(each) for each in world.groups_at(hour)}
        assert set(found.roles) == {Fqan(root + world.path(each), role) for each, role in world.roles_at(hour)}
        assert found.optional == {root + world.path(each) for each in world.groups_at(hour) & world.optional}
        stated = {
            (fqan.group, value.name)
            for fqan, values in found.group_attributes.items()
            if not fqan.role
            for value in values
        }
        assert stated == {(root + world.path(each), attribute) for each, attribute in world.attributes_at(hour)}
        granted = grant(found, Asked((Everything(),)), Bounds(timedelta(hours=30)), instant(hour))
        check_all_the_time(world, root, hour, granted)


def check_all_the_time(world: World, root: str, hour: int, granted: Grant) -> None:
    """Whatever the certificate says holds in each hour in which it is valid, and it is valid for some time."""
    assert granted.not_before < granted.not_after <= instant(hour + 30)
    for each in range(hour, hour + 31):
        if instant(each) >= granted.not_after:
            break
        assert world.acts(each)
        groups, roles = world.groups_at(each), world.roles_at(each)
        allowed = {Fqan(root + world.path(group)) for group in groups}
        allowed |= {Fqan(root + world.path(group), role) for group, role in roles}
        assert set(granted.fqans) <= allowed
