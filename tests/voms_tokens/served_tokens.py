"""A VO that gives tokens, served over TLS from its ``voms.yaml`` as an administrator has it; and a program that asks it."""

import contextlib
import http.client
import io
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary.clock import SystemClock
from ostiary.command.vo_service import listener_of, make_vo_services, upgrade_vo
from ostiary.config import DatabaseSettings, write_private_file
from ostiary.federation.keys import private_pem, self_signed
from ostiary.storage.engine import open_database
from ostiary.web.log import make_log
from ostiary.x509.certificate_names import CertificateNames
from tests.x509.authorities import Extra, Identity, root, signing_policy
from voms.administration.callers import OPERATOR
from voms.administration.desk import Desk
from voms.administration.permissions import Permission
from voms.administration.who import Who
from voms.directory import create_vo


@dataclass(frozen=True)
class ServedTokens:
    """``ada`` is a member and manages the VO ``example``; her files are in ``directory``."""

    directory: Path
    issuer: str
    port: int
    ada: Identity
    ca: Path

    def ask(
        self,
        method: str,
        path: str,
        body: str = "",
        *,
        who: tuple[Path, Path] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, object]]:
        """Status and JSON of an answer."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if who is not None:
            context.load_cert_chain(*who)
        connection = http.client.HTTPSConnection("localhost", self.port, context=context, timeout=10)
        try:
            connection.request(method, path, body=body.encode() or None, headers=headers or {})
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content else {}
        finally:
            connection.close()

    def token(self, scope: str, audience: str) -> str:
        """One of Ada's, by her certificate."""
        form = urlencode({"grant_type": "client_credentials", "scope": scope, "audience": audience})
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        files = (self.directory / "ada.pem", self.directory / "ada.key")
        status, content = self.ask("POST", "/token", form, who=files, headers=kind)
        if status != 200:
            raise AssertionError(content)
        return str(content["access_token"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def served_tokens(directory: Path) -> Iterator[ServedTokens]:
    """Until the end of the block."""
    now, port = datetime.now(UTC).replace(microsecond=0), free_port()
    lifetimes = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=300)}
    authority = root(**lifetimes)
    (directory / "certificates").mkdir()
    crl = authority.crl(this_update=now - timedelta(hours=1), next_update=now + timedelta(days=20))
    authority.install(directory / "certificates", crl=crl, policy=signing_policy(authority, "/C=ZZ/O=HV Test/*"))
    names = Extra(x509.SubjectAlternativeName([x509.DNSName("localhost")]))
    host = authority.issue("/C=ZZ/O=HV Test/CN=localhost", **lifetimes, extra=[names])
    host.write(directory, "host")
    ada = authority.issue("/C=ZZ/O=HV Test/CN=Ada", **lifetimes)
    ada.write(directory, "ada")
    (directory / "keys").mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    (directory / "keys" / "current.crt").write_bytes(self_signed(key, "tokens", now=now))
    write_private_file(directory / "keys" / "current.key", private_pem(key))
    config = {
        "vo": "example",
        "host": "localhost",
        "port": port,
        "listen": {"host": "127.0.0.1", "port": port},
        "database": {"url": "sqlite:///vo.db"},
        "certificate": "host.pem",
        "key": "host.key",
        "ca_directory": "certificates",
        "tokens": {"keys": "keys"},
    }
    (directory / "voms.yaml").write_text(yaml.safe_dump(config))
    engine = open_database(DatabaseSettings(url=f"sqlite:///{directory / 'vo.db'}"))
    upgrade_vo(engine)
    create_vo(engine, "example", at=now, by="operator")
    desk = Desk(engine, "example", OPERATOR, now)
    member = desk.add_member(CertificateNames.of(ada.certificate))
    desk.add_group("/example/data")
    desk.join(member, "/example/data")
    desk.add_manager("/example", Who.member(member), Permission.ALL)
    engine.dispose()
    clock, log = SystemClock(), make_log(SystemClock(), service="voms", stream=io.StringIO())
    [made] = make_vo_services(directory / "voms.yaml", clock=clock, log=log)
    listener = listener_of(made, clock=clock, log=log)
    listener.start()
    try:
        [ca] = sorted((directory / "certificates").glob("*.0"))[:1]
        yield ServedTokens(directory, f"https://localhost:{port}", port, ada, ca)
    finally:
        listener.stop()
        made.vo.memberships.close()
