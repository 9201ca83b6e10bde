"""``ostiary keys``: what an operator types, what it prints, what is audited, and that a running service follows."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3
from click.testing import CliRunner, Result

from ostiary import audit
from ostiary.command.cli import ostiary
from ostiary.command.home import upgrade_home
from ostiary.federation.keys import load_key_ring
from ostiary.federation.publish.documents import unsigned_entity
from ostiary.storage.engine import open_engine, reading
from tests.federation.entities import LIBRARY

FINGERPRINT = re.compile(r"[0-9a-f]{16}")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(ostiary, ["keys", *arguments], catch_exceptions=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The configuration of an identity provider, with keys of every kind."""
    assert run("create", str(tmp_path / "keys"), "--name", "home").exit_code == 0
    assert run("create", str(tmp_path / "keys"), "--name", "home", "--use", "encryption").exit_code == 0
    assert run("create-handle-keys", str(tmp_path / "handle-keys")).exit_code == 0
    (tmp_path / "partners.xml").write_bytes(unsigned_entity(LIBRARY))
    path = tmp_path / "idp.yaml"
    path.write_text(
        """
entity_id: https://home.example/idp
public_url: http://localhost:8001
listen: {port: 8001}
organisation: {name: {en: Home}}
database: {url: "sqlite:///home.db"}
trust:
  keys: keys
  metadata: [{file: partners.xml, allow_unsigned_local_file: true}]
  partners_refresh_within: 3d
handle_keys: [handle-keys]
"""
    )
    return path


def age(path: Path, days: float) -> None:
    at = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    for file in path.parent.glob(path.name):
        os.utime(file, (at, at))


def test_all_kinds_are_shown_with_their_next_step(home: Path) -> None:
    text = run("show", str(home)).output
    assert [line.split()[:2] for line in text.splitlines() if "since" in line] == [
        ["signing", "current"],
        ["encryption", "current"],
        ["handle", "current"],
    ]
    assert text.count("next step: prepare, at any time") == 3
    assert run("show", str(home.parent / "keys")).output.count("since") == 2
    assert run("show", str(home.parent / "handle-keys")).output.count("handle") == 2


def test_a_key_is_rotated_step_by_step_and_each_step_is_audited(home: Path) -> None:
    keys = home.parent / "keys"
    old = load_key_ring(keys).signer.public
    assert run("rotate", str(home)).output.startswith("signing: prepared.")
    early = run("rotate", str(home))
    assert early.exit_code == 1
    assert "keys.too_early" in early.stderr
    age(keys / "next.*", 4)
    assert "activated" in run("rotate", str(home)).output
    assert load_key_ring(keys).signer.public != old
    assert run("rotate", str(home), "--prepare").output.startswith("signing: prepared.")
    assert run("rotate", str(home), "--prepare").exit_code == 1
    age(keys / "retired-*", 4)
    assert "removed" in run("rotate", str(home), "--retire").output
    engine = open_engine(f"sqlite:///{home.parent / 'home.db'}")
    upgrade_home(engine)
    with reading(engine) as connection:
        found = audit.events(connection, action="keys")
    engine.dispose()
    assert [event.action for event in found] == ["keys.prepared", "keys.activated", "keys.prepared", "keys.removed"]
    assert {event.actor for event in found} == {"operator"}
    assert "PRIVATE" not in json.dumps([dict(event.facts) for event in found])


@pytest.mark.parametrize("kind", ["encryption", "handle"])
def test_other_kinds_wait_for_nodes_only_before_they_are_used(home: Path, kind: str) -> None:
    directory = home.parent / ("keys" if kind == "encryption" else "handle-keys")
    assert run("rotate", str(home), kind).exit_code == 0
    assert run("rotate", str(home), kind).exit_code == 1
    age(directory / "*next.*", 0.01)
    assert "activated" in run("rotate", str(home), kind).output
    assert run("rotate", str(home), kind).exit_code == 1


def test_a_stolen_key_is_replaced_at_once(home: Path) -> None:
    for outcome in ("prepared", "activated", "removed"):
        assert outcome in run("rotate", str(home), "--force-now").output
    assert len([key for key in load_key_ring(home.parent / "keys").published if key.use == "signing"]) == 1


def test_a_directory_is_rotated_without_a_configuration(home: Path) -> None:
    keys = str(home.parent / "keys")
    assert run("rotate", keys).exit_code == 0
    age(home.parent / "keys" / "next.*", 2)
    assert run("rotate", keys).exit_code == 1
    assert run("rotate", keys, "--partners-refresh-within", "1d").exit_code == 0
    assert run("rotate", keys, "--partners-refresh-within", "soon").exit_code == 2


def test_what_has_no_keys_is_told(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("a: b")
    (tmp_path / "empty").mkdir()
    for arguments, code in (
        ((str(other),), "keys.which_file"),
        ((str(other), "handle"), "keys.which_file"),
        ((str(tmp_path / "empty"),), "keys.nothing_here"),
    ):
        answer = run("rotate", *arguments)
        assert (answer.exit_code, code in answer.stderr) == (1, True)


def test_a_running_service_takes_each_key_on_and_survives_a_broken_file(home: Path) -> None:
    """As processes: the rotation commands and SIGHUP, while the identity provider serves."""
    port = _free_port()
    home.write_text(home.read_text().replace("8001", str(port)))
    (home.parent / "release.yaml").write_text("policies: []\n")
    authority = home.parent / "aa.yaml"
    authority.write_text(
        f"""
entity_id: https://home.example/idp
display_name: Home
public_url: http://localhost:{port + 1}
listen: {{port: {port + 1}}}
database: {{url: "sqlite:///home.db"}}
trust:
  keys: keys
  metadata: [{{file: partners.xml, allow_unsigned_local_file: true}}]
handle_keys: [handle-keys]
resolver:
  connectors: [{{type: static, name: all, everybody: {{organizationName: [Home]}}}}]
  definitions: [{{attribute: organizationName}}]
release_policies: [release.yaml]
"""
    )
    command = [
        sys.executable,
        "-m",
        "ostiary.command",
        "serve",
        "idp",
        "--config",
        str(home),
        "--authority",
        str(authority),
    ]
    log = (home.parent / "log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    pool = urllib3.PoolManager(retries=False, timeout=5)
    try:
        status = f"http://localhost:{port}/status?format=json"
        _until(lambda: _facts(pool, status)["good"] is True, process, home.parent / "log")
        assert run("rotate", str(home)).exit_code == 0
        process.send_signal(signal.SIGHUP)
        _until(lambda: len(_facts(pool, status)["keys"][0]["keys"]) == 2, process, home.parent / "log")
        good = home.read_text()
        home.write_text("entity_id: [")
        process.send_signal(signal.SIGHUP)
        _until(lambda: _facts(pool, status)["good"] is False, process, home.parent / "log", within=20)
        home.write_text(good)
        process.send_signal(signal.SIGHUP)
        _until(lambda: _facts(pool, status)["good"] is True, process, home.parent / "log", within=20)
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()
        pool.clear()


def _facts(pool: urllib3.PoolManager, url: str) -> dict[str, Any]:
    try:
        answer = pool.request("GET", url)
    except urllib3.exceptions.HTTPError:
        return {"good": None}
    found: dict[str, Any] = json.loads(answer.data)
    return found


def _until(holds: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path, within: float = 40) -> None:
    deadline = time.monotonic() + within
    while not holds():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text())
        time.sleep(0.1)


def _free_port() -> int:
    from tests.running_demo import free_base_port

    return free_base_port(2)
