"""What nodes share, in a real Redis server (Debian 12's stand-in for Valkey): the suites of all stores, and how it fails."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ostiary.config import ValkeySettings, load_settings
from ostiary.errors import ConfigurationError, Unavailable
from ostiary.storage.valkey import ValkeyCounters, ValkeyGroups, ValkeyReplayStore, ValkeySessionStore, open_valkey
from sp_shire.assembly import stores_in_valkey
from sp_shire.messages import Passage
from sp_shire.settings import ShireSettings
from tests.database_servers import running_valkey
from tests.databases import VALKEY
from tests.simulator import Simulation
from tests.sp_shire.conftest import Core

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
# At least so many tests of each run there.
SUITES = {
    "tests/storage/test_store_conformance.py": 25,
    "tests/storage/test_group_stores.py": 8,
    "tests/flows/test_two_nodes.py": 6,
}


@pytest.mark.parametrize("suite", SUITES)
def test_the_suite_of_all_stores_holds(suite: str) -> None:
    with running_valkey() as url:
        finished = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "valkey", suite],
            cwd=ROOT,
            env={**os.environ, VALKEY: url},
            capture_output=True,
            text=True,
        )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    found = re.fullmatch(r"(\d+) passed(?:, \d+ deselected)? in .*", finished.stdout.strip().splitlines()[-1])
    assert found is not None, finished.stdout
    assert int(found[1]) >= SUITES[suite]


def test_a_server_that_goes_away_is_unavailable_for_every_store_and_nothing_passes() -> None:
    with running_valkey() as url:
        client = open_valkey(ValkeySettings(url=url))
        sessions, replays = ValkeySessionStore(client), ValkeyReplayStore(client)
        groups, counters = ValkeyGroups(client), ValkeyCounters(client)
        sessions.put("k", b"v", expires=NOON + HOUR, now=NOON)
    for work in (
        lambda: sessions.get("k", NOON),
        lambda: sessions.take("k", NOON),
        lambda: sessions.put("k", b"v", expires=NOON + HOUR, now=NOON),
        lambda: replays.first_use("k", expires=NOON + HOUR, now=NOON),
        lambda: groups.members("g", NOON),
        lambda: groups.add("g", "m", expires=NOON + HOUR, now=NOON),
        lambda: groups.remove("g", "m"),
        lambda: counters.hit("k", window=HOUR, now=NOON),
        lambda: counters.forget("k"),
        lambda: counters.give_back("k", NOON),
    ):
        with pytest.raises(Unavailable) as caught:
            work()
        assert caught.value.code == "storage.unavailable"
        assert "127.0.0.1" not in str(caught.value)
    client.close()


def test_a_resource_whose_server_is_killed_lets_nobody_in_until_it_is_back(federation: Simulation) -> None:
    """Also nobody whose session it had just read."""
    layout = federation.layout.directory("library") / "sp.yaml"
    settings = load_settings(layout, ShireSettings)
    with running_valkey() as url:
        port, client = urlsplit(url).port, open_valkey(ValkeySettings(url=url))
        stored = ShireSettings.model_validate({**settings.model_dump(), "store": {"url": url}})
        core = Core(federation, stored, stores_in_valkey(client, stored.space))
        cookie = core.session()
        assert isinstance(core.ask("/library/", cookie=cookie), Passage)
    assert core.refused("/library/", cookie=cookie) == (503, "storage.unavailable")
    assert core.refused("/ostiary/session", cookie=cookie) == (503, "storage.unavailable")
    nobody = core.ask("/open", cookie=cookie)
    assert isinstance(nobody, Passage)
    assert (nobody.person, nobody.session, dict(nobody.exports)) == (None, None, {})
    with running_valkey(at=port):
        # It kept nothing on disk: she logs in again, and then it works without a restart of the resource.
        core.target_of(core.ask("/library/", cookie=cookie))
        assert isinstance(core.ask("/library/", cookie=core.session()), Passage)
    client.close()


def put(sessions: ValkeySessionStore, number: int) -> bool:
    try:
        sessions.put(f"k{number}", b"x" * 10_000, expires=NOON + HOUR, now=NOON)
    except Unavailable:
        return False
    return True


def used(replays: ValkeyReplayStore, number: int) -> bool:
    try:
        return replays.first_use(f"k{number}", expires=NOON + HOUR, now=NOON)
    except Unavailable:
        return False


def test_a_server_that_is_full_refuses_what_it_could_not_keep() -> None:
    with running_valkey("--maxmemory", "3mb") as url:
        client = open_valkey(ValkeySettings(url=url))
        sessions, replays = ValkeySessionStore(client), ValkeyReplayStore(client)
        assert replays.first_use("first", expires=NOON + HOUR, now=NOON)
        # Whether the last one fits depends on what the server frees meanwhile.
        kept = [put(sessions, number) for number in range(1000)]
        assert kept[0]
        assert not all(kept)
        # What a large entry left over is used up by small ones.
        assert not all(used(replays, number) for number in range(50_000))
        assert not replays.first_use("first", expires=NOON + HOUR, now=NOON)
        assert sessions.get("k0", NOON) == b"x" * 10_000
        client.close()


def test_a_server_that_throws_entries_away_is_refused_at_the_start() -> None:
    with running_valkey("--maxmemory-policy", "allkeys-lru") as url, pytest.raises(ConfigurationError) as caught:
        open_valkey(ValkeySettings(url=url))
    assert (caught.value.code, caught.value.found) == ("storage.valkey_evicts", "allkeys-lru")


def test_a_password_is_read_from_its_file(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.touch(0o600)
    secret.write_text("a word of theirs\n")
    with running_valkey("--requirepass", "a word of theirs") as url:
        with pytest.raises(Unavailable):
            open_valkey(ValkeySettings(url=url))
        client = open_valkey(ValkeySettings.model_validate({"url": url, "password_file": str(secret)}))
        assert client.ping()
        client.close()


def test_entries_leave_the_server_by_themselves() -> None:
    with running_valkey() as url:
        client = open_valkey(ValkeySettings(url=url))
        ValkeySessionStore(client).put("k", b"v", expires=NOON + HOUR, now=NOON)
        ValkeyReplayStore(client).first_use("k", expires=NOON + HOUR, now=NOON)
        ValkeyCounters(client).hit("k", window=HOUR, now=NOON)
        ValkeyGroups(client).add("k", "m", expires=NOON + HOUR, now=NOON)
        lifetimes = [client.pttl(key) for key in client.scan_iter()]
        client.close()
    assert len(lifetimes) == 4
    assert all(3_500_000 < lifetime <= 3_600_001 for lifetime in lifetimes)
