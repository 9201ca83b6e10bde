"""Keys of a running federation change while people log in, as separate processes see it."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import urllib3

from ostiary.command.demo.federation import write_aggregate
from ostiary.command.demo.layout import Layout
from ostiary.federation.keys import load_key_ring
from tests.browser import Browser, HttpTransport
from tests.running_demo import RunningDemo

pytestmark = pytest.mark.e2e


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[RunningDemo]:
    running = RunningDemo(tmp_path)
    yield running
    running.stop()


def rotate(path: Path) -> None:
    command = [sys.executable, "-m", "ostiary.command", "keys", "rotate", str(path), "--force-now"]
    subprocess.run(command, check=True, capture_output=True)


def status_of_login(demo: RunningDemo) -> int:
    transport = HttpTransport()
    try:
        browser, home = Browser(transport), demo.ready["idp"][0]
        page = browser.submit(browser.get(demo.ready["sp"][0]["url"]), {"choice": home["entity_id"]}, having="choice")
        person = home["users"][0]
        typed = {"username": person["username"], "password": person["password"]}
        return browser.submit(browser.submit(page, typed, having="password"), having="SAMLResponse").status
    finally:
        transport.close()


def wait_for_everybody(demo: RunningDemo, keys: int) -> None:
    """Until the identity provider says that it has read its keys, and every service had its turn to look at its files."""
    origin = demo.ready["idp"][0]["sso"].partition("/saml/")[0]
    deadline = time.monotonic() + 30
    while True:
        found = json.loads(urllib3.request("GET", f"{origin}/status?format=json").data)
        if len(found["keys"][0]["keys"]) == keys or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    time.sleep(5.5)


def test_a_home_a_resource_and_the_federation_change_their_keys_and_logins_go_on(demo: RunningDemo) -> None:
    layout = Layout(demo.state, int(demo.ready["wayf"]["url"].rpartition(":")[2].partition("/")[0]))
    rings = [demo.state / part / "keys" for part in ("northgate", "library", "federation")]
    before = [load_key_ring(ring).signer.public for ring in rings]
    for keys in (2, 2):
        for ring in rings:
            rotate(ring)
        write_aggregate(layout, (), datetime.now(UTC))
        wait_for_everybody(demo, keys)
        assert status_of_login(demo) == 200
    after = [load_key_ring(ring).signer.public for ring in rings]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, False, False]
