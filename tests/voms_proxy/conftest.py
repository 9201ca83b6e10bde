"""A served VO, a second one on the same host, and servers that answer what a test wants them to."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import Engine

from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.clock import SystemClock
from ostiary.config import ListenSettings
from ostiary.errors import OstiaryError
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from ostiary.web.listener import ListenerLimits, TlsListener, make_context
from ostiary.web.log import make_log
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.issuer_key import load_issuer_key
from tests.databases import upgraded
from tests.voms.conftest import engine as engine
from tests.voms.served import Site, served_vo
from voms.directory import VoDirectory, create_vo
from voms.issuing import Issuer
from voms.memberships import Memberships
from voms.service import VoAuthority, VomsService
from voms.tables import MIGRATIONS as VOMS_MIGRATIONS

LIMITS = ListenerLimits(handshake_seconds=2, request_seconds=2, closing_seconds=1, stopping_seconds=2)


@pytest.fixture
def site(engine: Engine, tmp_path: Path) -> Iterator[Site]:
    with served_vo(engine, tmp_path) as served:
        yield served


@pytest.fixture(scope="module")
def site_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests of a module, which change nothing of the VO."""
    directory = tmp_path_factory.mktemp("site")
    with (
        upgraded("sqlite", directory, [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, VOMS_MIGRATIONS]) as opened,
        served_vo(opened, directory) as served,
    ):
        yield served


@pytest.fixture
def shared(site_of_all: Site) -> Iterator[Site]:
    """The same, without a proxy of an earlier test."""
    vomses = (site_of_all.directory / "vomses").read_text()
    (site_of_all.directory / "proxy").unlink(missing_ok=True)
    yield site_of_all
    (site_of_all.directory / "vomses").write_text(vomses)


@dataclass
class Scripted:
    """A TLS server with the site's host certificate that answers each connection with the next of ``answers``; None: hangs up at once."""

    site: Site
    answers: Sequence[bytes | None]
    requests: list[bytes] = field(default_factory=list)

    @contextlib.contextmanager
    def serving(self) -> Iterator[int]:
        """The port that it listens on."""
        directory = self.site.directory
        context = make_context(directory / "host.pem", directory / "host.key", self.site.grid.trust().certificates())
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(5)
            thread = threading.Thread(target=self._serve, args=(server, context))
            thread.start()
            try:
                yield server.getsockname()[1]
            finally:
                thread.join()

    def _serve(self, server: socket.socket, context: ssl.SSLContext) -> None:
        for answer in self.answers:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                if answer is None:
                    connection.close()
                    continue
                with context.wrap_socket(connection, server_side=True) as stream:
                    self.requests.append(stream.recv(65_536))
                    stream.sendall(answer)
                    with contextlib.suppress(OSError):
                        stream.unwrap()


@contextlib.contextmanager
def second_vo(site: Site) -> Iterator[TlsListener]:
    """The VO ``othervo`` on the same host, with alice in ``/othervo/north``; clients find it as the first one."""
    now, engine, directory = site.grid.clock.now(), site.grid.vo.engine, site.directory
    create_vo(engine, "othervo", at=now, by="operator")
    changes = VoDirectory(engine, "othervo")
    changes.add_group("/othervo/north", at=now, by="operator")
    member = changes.add_member(CertificateNames.of(site.grid.alice.certificate), at=now, by="operator")
    changes.join(member, "/othervo/north", at=now, by="operator")
    key = load_issuer_key(directory / "host.pem", directory / "host.key")
    authority = VoAuthority(
        Memberships(engine, "othervo"),
        trust=site.grid.trust,
        issuer=lambda: Issuer(key, "localhost", 15011, "long"),
        engine=engine,
        longest=timedelta(hours=6),
    )
    log = make_log(SystemClock(), service="voms", stream=site.grid.log)
    service = VomsService(authority, log=log, clock=SystemClock())
    context = make_context(directory / "host.pem", directory / "host.key", site.grid.trust().certificates())
    listener = TlsListener(service, ListenSettings(port=0), lambda: context, log=log, limits=LIMITS)
    listener.start()
    first = (directory / "vomses").read_text()
    line = first.replace("testvo", "othervo").replace(str(site.listener.port), str(listener.port))
    (directory / "vomses").write_text(first + line)
    (directory / "vomsdir" / "othervo").mkdir()
    lsc = (directory / "vomsdir" / "testvo" / "localhost.lsc").read_text()
    (directory / "vomsdir" / "othervo" / "localhost.lsc").write_text(lsc)
    try:
        yield listener
    finally:
        listener.stop()


def refused(result: Result) -> OstiaryError:
    """What a command refused with."""
    if not isinstance(result.exception, OstiaryError):
        raise LookupError(f"no refusal: {result.output} {result.exception!r}")
    return result.exception


def instead_of_first(site: Site, *ports: int) -> None:
    """Puts servers on these ports before the site's own."""
    line = (site.directory / "vomses").read_text()
    others = [line.replace(str(site.listener.port), str(port)) for port in ports]
    (site.directory / "vomses").write_text("".join([*others, line]))
