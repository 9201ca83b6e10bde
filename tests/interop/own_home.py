"""A home organisation made with our commands as docs/run-a-home-organisation.md tells it. It sends no attributes with a login, so that
a service provider has to ask its Attribute Authority, which is reached over TLS. A second authority knows those who are affiliates; it is
in nobody's metadata."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import urllib3
from click.testing import CliRunner

from attribute_authority.settings import QUERY_PATH
from ostiary.command.cli import ostiary

# One of the second authority's people, and what only it says about her.
VISITOR: Final = "ida"
VISITOR_PASSWORD: Final = "ida-counts-the-gulls"
VISITING: Final = {
    "eduPersonScopedAffiliation": ("affiliate@westhaven.example",),
    "eduPersonPrincipalName": ("ida@westhaven.example",),
}
SECOND_ONLY: Final = "urn:mace:westhaven.example:entitlement:visitors"

ENTITY_ID: Final = "https://westhaven.example/idp"
USERNAME: Final = "gus"
PASSWORD: Final = "gus-maps-the-tides"
START_SECONDS: Final = 30
ENVIRONMENT: Final = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

# Somebody may be told to have an affiliation elsewhere, by mistake or not; a service provider should not believe it.
ATTRIBUTES: Final = {
    "eduPersonScopedAffiliation": ("member@westhaven.example", "staff@northgate.example"),
    "eduPersonEntitlement": ("urn:mace:dir:entitlement:common-lib-terms",),
    "eduPersonPrincipalName": ("gus@westhaven.example",),
    "displayName": ("Gus Gale",),
}
TARGETED: Final = "eduPersonTargetedID"
RELEASED: Final = ("eduPersonScopedAffiliation", "eduPersonEntitlement", "eduPersonPrincipalName", TARGETED)


class OwnHome:
    """``metadata`` is the file to hand to the federation. Its IdP listens on ``idp_port``, its AA on ``aa_port`` behind ``aa_url``, the
    second AA on ``second_port``; with ``back_channel_port`` queries come to the AA over TLS there."""

    def __init__(
        self,
        directory: Path,
        *,
        idp_port: int,
        aa_port: int,
        aa_url: str,
        second_port: int,
        back_channel_port: int | None = None,
    ) -> None:
        self._directory = directory
        self.second_port = second_port
        self._probes = [f"http://localhost:{port}/health" for port in (idp_port, aa_port, second_port)]
        self._running: list[subprocess.Popen[bytes]] = []
        self.metadata = directory / "westhaven.xml"
        self._back_channel_port = back_channel_port
        if back_channel_port is not None:
            self._probes.append(f"https://localhost:{back_channel_port}/health")
            self._run("keys", "create", "tls", "--name", "localhost")
        self._write(idp_port, aa_port, aa_url, second_port)
        self._run("keys", "create", "keys", "--name", "westhaven.example")
        self._run("keys", "create", "second-keys", "--name", "visitors.westhaven.example")
        self._run("keys", "create-salt", "identifiers.salt")
        self._run("keys", "create-handle-key", "handle.key")
        self._add(USERNAME, PASSWORD, ATTRIBUTES)
        self._add(VISITOR, VISITOR_PASSWORD, VISITING)
        self.metadata.write_text(self._run("metadata", "home", "--config", "idp.yaml", "--authority", "aa.yaml"))

    def _add(self, username: str, secret: str, attributes: Mapping[str, Sequence[str]]) -> None:
        password = self._directory / "password"
        password.touch(0o600)
        password.write_text(secret + "\n")
        self._run(
            "people", "--config", "idp.yaml", "create", username, "--password-file", "password", "--keep-password"
        )
        for name, values in attributes.items():
            self._run("people", "--config", "idp.yaml", "set-attribute", username, name, *values)

    def _write(self, idp_port: int, aa_port: int, aa_url: str, second_port: int) -> None:
        # Settings are JSON here, which is YAML, too.
        for name in ("federation.xml", "federation.crt"):
            (self._directory / name).touch()
        database = {"url": "sqlite:///home.db"}
        shared: dict[str, Any] = {
            "entity_id": ENTITY_ID,
            "database": database,
            "trust": {
                "keys": "keys",
                "metadata": [{"file": "federation.xml", "trusted_certificates": ["federation.crt"]}],
            },
            "handle_keys": ["handle.key"],
        }
        provider = {
            **shared,
            "public_url": f"http://localhost:{idp_port}",
            "listen": {"port": idp_port},
            "organisation": {"name": {"en": "Westhaven Polytechnic"}, "domains": ["westhaven.example"]},
            "scopes": ["westhaven.example"],
            "password_hashing": {"time_cost": 1, "memory": 8192, "parallelism": 1},
            "attributes_in_response": {"default": False},
            "identifiers": {"persistent": {"made": "computed", "salt": "identifiers.salt"}},
            "authorities": {
                "rules": [
                    {
                        "authority": 1,
                        "attribute": "eduPersonScopedAffiliation",
                        "values": ["affiliate@westhaven.example"],
                    }
                ]
            },
        }
        connector = {
            "type": "sql",
            "name": "directory",
            "database": database,
            "query": "SELECT name, value FROM person_attribute WHERE principal = :principal AND valid_to IS NULL "
            "ORDER BY name, position",
            "name_column": "name",
            "value_column": "value",
        }
        computed = {
            "type": "computed",
            "name": "identifiers",
            "salt": "identifiers.salt",
            "scope": "westhaven.example",
        }
        definitions = [{"attribute": name} for name in (*ATTRIBUTES, TARGETED)]
        authority: dict[str, Any] = {
            **shared,
            "display_name": "Westhaven Polytechnic",
            "public_url": aa_url,
            "listen": {"port": aa_port},
            "trusted_proxies": 1,
            "resolver": {"connectors": [connector, computed], "definitions": definitions},
            "release_policies": ["release.yaml"],
            "others": [
                {
                    "index": 1,
                    "location": f"http://localhost:{second_port}{QUERY_PATH}",
                    "certificates": ["second-keys/current.crt"],
                }
            ],
        }
        front = dict(authority)
        if self._back_channel_port is not None:
            front["encrypt_answers"] = "always"
            front["back_channel"] = {
                "public_url": f"https://localhost:{self._back_channel_port}",
                "listen": {"port": self._back_channel_port},
                "certificate": "tls/current.crt",
                "key": "tls/current.key",
            }
        visitors = {"type": "static", "name": "visitors", "everybody": {"eduPersonEntitlement": [SECOND_ONLY]}}
        second = {
            **authority,
            "public_url": f"http://localhost:{second_port}",
            "listen": {"port": second_port},
            "trust": {**shared["trust"], "keys": "second-keys"},
            "authority_index": 1,
            "accepts_passed_on": True,
            "others": [],
            "resolver": {**authority["resolver"], "connectors": [connector, visitors, computed]},
        }
        rules = [{"id": name, "permit": name} for name in RELEASED]
        release = {"policies": [{"id": "everybody", "for": {"anyone": True}, "rules": rules}]}
        files = {"idp.yaml": provider, "aa.yaml": front, "aa-second.yaml": second, "release.yaml": release}
        for name, content in files.items():
            (self._directory / name).write_text(json.dumps(content))

    def _run(self, *words: str) -> str:
        with contextlib.chdir(self._directory):
            finished = CliRunner().invoke(ostiary, words, catch_exceptions=False)
        if finished.exit_code:
            raise RuntimeError(f"{words}: {finished.output}")
        return finished.stdout

    def start(self, aggregate: Path, certificate: Path) -> None:
        """Joins the federation and serves."""
        shutil.copy(aggregate, self._directory / "federation.xml")
        shutil.copy(certificate, self._directory / "federation.crt")
        for words in (
            ("serve", "idp", "--config", "idp.yaml", "--authority", "aa.yaml"),
            ("serve", "aa", "--config", "aa.yaml"),
            ("serve", "aa", "--config", "aa-second.yaml"),
            *([("serve", "aa-back-channel", "--config", "aa.yaml")] if self._back_channel_port is not None else []),
        ):
            with (self._directory / "output").open("ab") as output:
                command = [sys.executable, "-m", "ostiary.command", *words]
                process = subprocess.Popen(
                    command, cwd=self._directory, env=ENVIRONMENT, stdout=output, stderr=subprocess.STDOUT
                )
            self._running.append(process)
        tls = self._directory / "tls" / "current.crt"
        # A TLS certificate of ours only carries a key, and no name that a browser would take.
        pool = urllib3.PoolManager(
            retries=False, timeout=5, ca_certs=str(tls) if tls.exists() else None, assert_hostname=False
        )
        deadline = time.monotonic() + START_SECONDS
        for probe in self._probes:
            while not _answers(pool, probe):
                if time.monotonic() > deadline or any(process.poll() is not None for process in self._running):
                    raise RuntimeError(f"the home organisation did not start:\n{self.told()}")
                time.sleep(0.05)
        pool.clear()

    def told(self) -> str:
        """What its services wrote."""
        return (self._directory / "output").read_text()

    def stop(self) -> None:
        """Stops its services."""
        while self._running:
            process = self._running.pop()
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)


def _answers(pool: urllib3.PoolManager, url: str) -> bool:
    try:
        return pool.request("GET", url).status == 200
    except urllib3.exceptions.HTTPError:
        return False
