"""A VO that gives tokens: asked in process, with a clock that tests move."""

import functools
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import Engine

from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import EntityKey
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from ostiary.tokens import key_set, read_key_set, sign_token, verified_claims
from ostiary.web.listener import PEER_CHAIN
from ostiary.web.log import make_log
from ostiary.web.texts import Catalogue
from tests.databases import upgraded
from tests.signers import make_signer
from tests.voms.conftest import NOW
from tests.voms.conftest import engine as engine
from tests.voms.grid import Grid, make_grid
from tests.x509.authorities import root
from voms.directory import FederatedIdentity
from voms.tables import MIGRATIONS as VOMS_MIGRATIONS
from voms.tokens.asked import ACCESS_TOKEN, TOKEN_EXCHANGE
from voms.tokens.issuing import TokenAuthority
from voms.tokens.service import TokenService
from voms.tokens.settings import TrustedIssuerSettings, VoTokenSettings
from voms.tokens.subjects import Subjects, TrustedIssuer

ISSUER = "https://voms.test:15010"
STORAGE = "https://storage.test"
SIGNER = make_signer("tokens")
NEXT = make_signer("tokens, next", kind="rsa")
OTHER = make_signer("another issuer")
HOME = "https://login.home.test"
READ_ONCE = functools.cache(Catalogue.load)


@dataclass(frozen=True)
class Told:
    """What a client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> dict[str, object]:
        return json.loads(self.body)

    @property
    def claims(self) -> dict[str, object]:
        """Of the token, by the published keys."""
        keys = read_key_set(json.dumps(key_set([SIGNER.public, NEXT.public])).encode())
        return verified_claims(str(self.content["access_token"]), keys)

    @property
    def problem(self) -> tuple[int, str]:
        return self.status, str(self.content["error"])


@dataclass
class TokenSite:
    grid: Grid
    service: TokenService
    settings: VoTokenSettings
    engine: Engine

    def ask(
        self,
        form: Mapping[str, str] | Sequence[tuple[str, str]] | bytes,
        *,
        chain: Sequence[bytes] | None = None,
        path: str = "/token",
        method: str = "POST",
        **environ: str,
    ) -> Told:
        body = form if isinstance(form, bytes) else urlencode(form).encode()
        told: list[tuple[str, list[tuple[str, str]]]] = []
        whole = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            PEER_CHAIN: tuple(self.grid.alice.ders if chain is None else chain),
            **environ,
        }
        parts = self.service(whole, lambda status, headers, _info=None: told.append((status, headers)))
        return Told(int(told[0][0].split()[0]), dict(told[0][1]), b"".join(parts))

    def get(self, path: str, method: str = "GET") -> Told:
        return self.ask(b"", chain=(), path=path, method=method)

    def by_certificate(self, scope: str = "", *, chain: Sequence[bytes] | None = None, audience: str = STORAGE) -> Told:
        form = {"grant_type": "client_credentials", "audience": audience}
        return self.ask({**form, **({"scope": scope} if scope else {})}, chain=chain)

    def exchange(
        self, token: str, scope: str = "", *, audience: str = STORAGE, chain: Sequence[bytes] = (), **more: str
    ) -> Told:
        form = {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": token,
            "subject_token_type": ACCESS_TOKEN,
            "audience": audience,
            **more,
        }
        return self.ask({**form, **({"scope": scope} if scope else {})}, chain=chain)

    def own_token(self, scope: str = "wlcg.groups") -> str:
        """One of Alice's that is meant for the issuer, so that it can be exchanged."""
        return str(self.by_certificate(scope, audience=ISSUER).content["access_token"])

    def home_token(self, **claims: object) -> str:
        """One of the trusted issuer."""
        moment = int(NOW.timestamp())
        usual = {"iss": HOME, "sub": "alice-at-home", "aud": ISSUER, "iat": moment, "exp": moment + 1800}
        return sign_token({name: value for name, value in {**usual, **claims}.items() if value is not None}, OTHER)

    def logged(self) -> list[dict[str, object]]:
        return self.grid.logged()


def make_token_site(grid: Grid, engine: Engine, directory: Path, **settings: object) -> TokenSite:
    """The grid's VO with tokens."""
    keys = directory / "jwks.json"
    keys.write_text(json.dumps(key_set([OTHER.public])))
    home = TrustedIssuerSettings(issuer=HOME, keys=keys)
    wanted = VoTokenSettings.model_validate(
        {"issuer": ISSUER, "keys": directory, "trusted_issuers": [home.model_dump()], **settings},
        context={"directory": directory},
    )
    ring = KeyRing(SIGNER, tuple(EntityKey(each.public, "signing", each.certificate) for each in (SIGNER, NEXT)))
    trusted = {HOME: TrustedIssuer(home, read_key_set(keys.read_bytes()))}
    subjects = Subjects(grid.vo.memberships, engine, wanted, ISSUER, ring=lambda: ring, trusted=lambda: trusted)
    authority = TokenAuthority(grid.service._authority, subjects, engine, wanted, ISSUER, ring=lambda: ring)
    service = TokenService(
        authority,
        ring=lambda: ring,
        certificate_bound=wanted.certificate_bound,
        log=make_log(grid.clock, service="voms", stream=grid.log),
        clock=grid.clock,
    )
    return TokenSite(grid, service, wanted, engine)


def make_whole(engine: Engine, directory: Path, **settings: object) -> TokenSite:
    """CA, VO and tokens."""
    lifetimes = {"not_before": NOW - timedelta(days=1), "not_after": NOW + timedelta(days=900)}
    grid = make_grid(engine, directory, root(**lifetimes), now=NOW)
    return make_token_site(grid, engine, directory, **settings)


@pytest.fixture(scope="module", autouse=True)
def texts_read_once() -> Iterator[None]:
    """No test here changes them, and most of the time that a service takes to start goes into reading them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Catalogue, "load", READ_ONCE)
        yield


@pytest.fixture
def site(engine: Engine, tmp_path: Path) -> TokenSite:
    return make_whole(engine, tmp_path)


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenSite]:
    """The same, once for all tests of a module that change nothing: Alice is known at the home organisation, too."""
    directory = tmp_path_factory.mktemp("tokens")
    with upgraded("sqlite", directory, [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, VOMS_MIGRATIONS]) as opened:
        made = make_whole(opened, directory)
        identity = FederatedIdentity(HOME, "sub", "alice-at-home")
        made.grid.vo.directory.link_identity(made.grid.vo.alice, identity, at=NOW, by="operator")
        yield made
