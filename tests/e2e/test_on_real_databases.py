"""What must hold for everything that is stored, once more on PostgreSQL and MariaDB: the suites run by themselves, with a URL of each."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.database_servers import running_mariadb, running_postgresql
from tests.databases import VARIABLE

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
# At least so many tests of each run there.
SUITES = {
    "tests/storage/test_store_conformance.py": 25,
    "tests/audit": 50,
    "tests/consent/test_consent_store.py": 16,
    "tests/consent/test_personal_store.py": 14,
    "tests/administration/test_records_of_policy_changes.py": 8,
    "tests/administration/test_remembered_requests.py": 8,
    "tests/voms/test_members_of_a_vo.py": 30,
    "tests/voms_pages/test_lists_of_a_vo.py": 14,
    "tests/voms_history/test_the_migration_to_archives.py": 5,
    "tests/voms_history/test_who_was_where.py": 15,
    "tests/voms_history/test_what_was_done.py": 11,
    "tests/voms_members/test_what_time_brings.py": 18,
    "tests/voms_requests/test_requests_in_time.py": 9,
    "tests/voms_requests/test_invitations.py": 14,
    "tests/idp/test_people_directory.py": 30,
    "tests/idp/test_external_identifiers.py": 5,
    "tests/factors/test_factor_store.py": 40,
    "tests/idp_identifiers/test_persistent_ids.py": 18,
    "tests/idp/test_sso_sessions.py": 25,
    "tests/idp/test_logout_rules.py": 6,
    "tests/storage/test_group_stores.py": 8,
}
SERVERS: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "postgresql": running_postgresql,
    "mariadb": running_mariadb,
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Its name and the URL of its database."""
    with SERVERS[request.param]() as url:
        yield request.param, url


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_holds_on_a_real_server(server: tuple[str, str], suite: str) -> None:
    name, url = server
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", name, suite],
        cwd=ROOT,
        env={**os.environ, VARIABLE: url},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    last = finished.stdout.strip().splitlines()[-1]
    found = re.fullmatch(r"(\d+) passed(?:, \d+ deselected)? in .*", last)
    assert found is not None, last
    assert int(found[1]) >= SUITES[suite]
