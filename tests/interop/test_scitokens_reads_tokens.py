"""The library that storage and compute services verify tokens of the WLCG profile with (scitokens-cpp) reads ours, and decides by them."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ostiary.config import DatabaseSettings
from ostiary.storage.engine import open_database
from tests.voms_tokens.served_tokens import ServedTokens, served_tokens
from voms.administration.callers import OPERATOR
from voms.administration.desk import Desk
from voms.grants import Whose

pytestmark = pytest.mark.interop

STORAGE = "https://storage.test"


@dataclass
class Verifier:
    """A site that knows the issuer's key; it is kept in a cache of its own."""

    vo: ServedTokens
    directory: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "XDG_CACHE_HOME": str(self.directory)}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=20, check=False)

    def verify(self, token: str, profile: str) -> subprocess.CompletedProcess[str]:
        certificate = x509.load_pem_x509_certificate((self.directory / "keys" / "current.crt").read_bytes())
        key = self.directory / "public.pem"
        key.write_bytes(certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        _, keys = self.vo.ask("GET", "/jwks")
        name = keys["keys"][0]["kid"]
        return self.run("scitokens-verify", "-c", str(key), "-i", self.vo.issuer, "-K", name, "-p", profile, token)

    def may(self, token: str, operation: str, path: str, audience: str = STORAGE) -> bool:
        return self.run("scitokens-test-access", token, self.vo.issuer, audience, operation, path).returncode == 0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verifier]:
    directory = tmp_path_factory.mktemp("tokens")
    with served_tokens(directory) as vo:
        engine = open_database(DatabaseSettings(url=f"sqlite:///{directory / 'vo.db'}"))
        desk = Desk(engine, "example", OPERATOR, datetime.now(UTC))
        desk.set_attribute("storage.read", "/data", Whose(group="/example/data"))
        desk.set_attribute("storage.create", "/data/incoming", Whose(group="/example/data"))
        engine.dispose()
        yield Verifier(vo, directory)


@pytest.mark.parametrize("profile", ["wlcg", "atjwt"])
def test_a_token_fits_the_profile(site: Verifier, profile: str) -> None:
    told = site.verify(site.vo.token("wlcg.groups", STORAGE), profile)
    assert told.returncode == 0, told.stderr
    assert "Token deserialization successful" in told.stdout


def test_a_token_that_was_changed_is_refused(site: Verifier) -> None:
    token = site.vo.token("wlcg.groups", STORAGE)
    head, claims, _ = token.split(".")
    other = site.vo.token("wlcg.groups", STORAGE).rpartition(".")[2]
    told = site.verify(".".join((head, claims, other)), "wlcg")
    assert told.returncode != 0
    assert "Invalid signature" in told.stdout + told.stderr


def test_capabilities_let_their_holder_do_what_they_say_and_no_more(site: Verifier) -> None:
    token = site.vo.token("storage.read:/data/raw storage.create:/data/incoming", STORAGE)
    assert site.verify(token, "wlcg").returncode == 0
    assert site.may(token, "read", "/data/raw/run1")
    assert not site.may(token, "read", "/data/other")
    assert site.may(token, "write", "/data/incoming/new")
    assert not site.may(token, "write", "/data/raw/run1")
    assert not site.may(token, "read", "/data/raw/run1", audience="https://elsewhere.test")
