"""A resource's ban list stands above what VOs state and above the access rules."""

from pathlib import Path

import pytest

from ostiary.attributes import texts_of
from tests.sp_shire.certificate_world import World
from tests.sp_shire.test_what_certificates_say import believed, code, grid_of
from tests.x509.authorities import error_code


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path)


def with_ban(world: World, text: str) -> dict[str, str]:
    (world.directory / "ban_users.db").write_text(text)
    return {"ban_file": str(world.directory / "ban_users.db")}


def test_who_is_banned_is_refused_whatever_her_vo_states(world: World) -> None:
    chain = world.proxy(world.ac())
    assert texts_of(believed(world, chain, **with_ban(world, "")).attributes, "nickname") == ("alice",)
    assert code(world, chain, **with_ban(world, '"/C=ZZ/O=HV Test/CN=alice member"\n')) == "certificates.banned"
    assert code(world, world.alice.ders, **with_ban(world, "/C=ZZ/O=HV Test/*\n")) == "certificates.banned"


def test_a_role_can_be_banned_and_who_comes_without_it_is_let_in(world: World) -> None:
    ban = with_ban(world, "/testvo/g1/Role=admin\n")
    assert code(world, world.proxy(world.ac()), **ban) == "certificates.banned"
    assert code(world, world.proxy(world.ac(fqans=("/testvo", "/testvo/g1"))), **ban) == "accepted"


def test_a_group_is_banned_even_where_its_vo_does_not_count(world: World) -> None:
    ban = with_ban(world, "/testvo/g1\n")
    assert code(world, world.proxy(world.ac()), vos=["othervo"], **ban) == "certificates.banned"
    assert code(world, world.proxy(world.ac()), vos=["othervo"]) == "accepted"


def test_a_list_that_cannot_be_used_stops_the_start_and_a_new_one_counts_at_once(world: World) -> None:
    assert error_code(lambda: grid_of(world, ban_file=str(world.directory / "none"))) == "x509.ban_list"
    assert grid_of(world, **with_ban(world, "/testvo\n")).bans.fqans(["/testvo"]) == "/testvo"
