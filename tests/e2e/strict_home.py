"""A home organisation with all that the demo leaves out: terms of use, second factors that are required, every way to log in, and a second
directory that does not answer. With it runs a `StrictResource`."""

import os
import secrets
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from ostiary.command.demo.authority import DemoAuthority, demo_authority
from ostiary.command.demo.federation import prepare
from ostiary.command.demo.layout import Layout
from ostiary.command.demo.people import NORTHGATE
from ostiary.federation.keys import create_key_ring
from tests.e2e.noting import MODULE, ROOT
from tests.e2e.strict_resource import LIBRARY, StrictResource, application, configure_resource, resource_command
from tests.running_demo import free_base_port
from tests.simulator import configure

START_SECONDS = 60

_REALM = "EXAMPLE.ORG"
_SERVICE = ("HTTP", "localhost")
_AES128 = 17
_TERMS = """# What this account is for

Use it for your studies, your research and your work here. Keep your password to yourself.

# What we keep

We keep for six months when you signed in and where. Nobody else gets to see it.
"""


@dataclass(frozen=True)
class StrictHome:
    """Where it is, and its letters; ``metadata``: a metadata service of the same federation."""

    url: str
    mail: Path
    resource: StrictResource
    metadata: str


@contextmanager
def strict_home(directory: Path, notes: Path) -> Iterator[StrictHome]:
    """Runs it in ``directory``. alice needs a second factor, bob has to choose a new password. Raises `RuntimeError`."""
    directory.mkdir(exist_ok=True)
    layout = Layout(directory / "strict", free_base_port())
    prepare(layout, [], now=datetime.now(UTC))
    home = layout.directory(NORTHGATE.key)
    _configure(home, demo_authority(layout))
    configure_resource(layout)
    people = [sys.executable, "-m", "ostiary.command", "people", "--config", str(home / "idp.yaml")]
    command = ["serve", "idp", "--config", str(home / "idp.yaml"), "--authority", str(home / "aa.yaml")]
    environment = {"KRB5RCACHENAME": f"file2:{home / 'replays'}"}
    logs = directory / "strict.log", directory / "resource.log"
    with _running(resource_command(layout), notes, logs[1], {}) as guard, application(layout) as resource:
        # Meanwhile the resource starts.
        subprocess.run(
            [*people, "must-change", "bob"], check=True, capture_output=True, cwd=ROOT, timeout=START_SECONDS
        )
        with _running(command, notes, logs[0], environment) as process:
            _wait_for(layout.idp_port(NORTHGATE), process, logs[0])
            _wait_for(layout.resource_port(LIBRARY), guard, logs[1])
            with _metadata_service(layout, notes, directory) as metadata:
                yield StrictHome(layout.idp_url(NORTHGATE), home / "mail", resource, metadata)


@contextmanager
def _running(
    command: list[str], notes: Path, log: Path, environment: dict[str, str]
) -> "Iterator[subprocess.Popen[bytes]]":
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(notes), *command],
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
            cwd=ROOT,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@contextmanager
def _metadata_service(layout: Layout, notes: Path, directory: Path) -> Iterator[str]:
    """Publishes what the federation has."""
    port = free_base_port(1)
    url, config, log = f"http://127.0.0.1:{port}", directory / "metadata.yaml", directory / "metadata.log"
    create_key_ring(directory / "metadata-keys", "metadata.example", now=datetime.now(UTC))
    source = {"file": str(layout.aggregate), "trusted_certificates": [str(layout.federation_certificate)]}
    content = {
        "public_url": url,
        "listen": {"port": port},
        "published": "published",
        "trust": {"keys": "metadata-keys", "metadata": [source]},
        "selections": [{"name": "all", "aggregate_name": "https://federation.example/all"}],
    }
    config.write_text(yaml.safe_dump(content))
    with _running(["metadata", "serve", "--config", str(config)], notes, log, {}) as process:
        _wait_for(port, process, log)
        yield url


def _configure(home: Path, authority: DemoAuthority) -> None:
    (home / "terms.txt").write_text(_TERMS)
    keytab = home / "http.keytab"
    keytab.touch(mode=0o600)
    keytab.write_bytes(_keytab())
    nobody_there = {"servers": [f"ldap://127.0.0.1:{free_base_port(1)}"], "base_dn": "dc=example,dc=org"}
    (home / "ldap.yaml").write_text(f"servers: {nobody_there['servers']}\nbase_dn: {nobody_there['base_dn']}\n")
    trusted = {"addresses": ["127.0.0.0/8", "::1/128"]}
    configure(
        home / "idp.yaml",
        login={
            "methods": [
                {"type": "password"},
                {"type": "password", "people": {"type": "ldap", "directory": "ldap.yaml"}},
                {
                    "type": "kerberos",
                    "keytab": keytab.name,
                    "realms": {_REALM: "{name}"},
                },
                {"type": "certificate", "ca_directory": str(authority.ca_directory), "from_front_end": trusted},
                {"type": "front_end", **trusted},
            ]
        },
        # Its Attribute Authority does not run.
        attributes_in_response={},
        terms_of_use={"version": "2026-11", "texts": {"en": "terms.txt"}},
        portal={},
        second_factor={
            "remember_browser": "30d",
            "secret_keys": ["factors.key"],
            "rules": [{"ask": "required", "person": {"mail": ["alice.archer@northgate.example"]}}],
        },
    )


def _keytab() -> bytes:
    """The key of a service that no KDC knows (MIT's keytab file format, version 2)."""

    def counted(text: str | bytes) -> bytes:
        content = text.encode() if isinstance(text, str) else text
        return struct.pack(">H", len(content)) + content

    name = struct.pack(">H", len(_SERVICE)) + counted(_REALM) + b"".join(counted(part) for part in _SERVICE)
    entry = name + struct.pack(">IIBH", 1, 0, 1, _AES128) + counted(secrets.token_bytes(16))
    return b"\x05\x02" + struct.pack(">i", len(entry)) + entry


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.1)
    raise RuntimeError(log.read_text())
