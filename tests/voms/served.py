"""A VO that is served over real TLS on this machine, and the files of somebody who asks it by ``ostiary proxy``."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from click.testing import CliRunner, Result
from sqlalchemy import Engine

from ostiary.clock import SystemClock
from ostiary.config import ListenSettings
from ostiary.web.listener import ListenerLimits, TlsListener, make_context
from ostiary.web.log import make_log
from ostiary.x509.names import slash_form
from tests.voms.grid import Grid, make_grid
from tests.x509.authorities import Identity, root
from voms.proxy.commands import proxy_commands


@dataclass
class Site:
    """A served VO, and a user's files."""

    grid: Grid
    listener: TlsListener
    directory: Path

    def write(self, identity: Identity, name: str) -> tuple[str, str]:
        certificate, key = identity.write(self.directory, name)
        return str(certificate), str(key)

    def run(self, *arguments: str, input: str | None = None) -> Result:
        commands = proxy_commands(clock=SystemClock())
        environment = {
            "X509_CERT_DIR": str(self.grid.ca_directory),
            "X509_VOMS_DIR": str(self.directory / "vomsdir"),
            "VOMS_USERCONF": str(self.directory / "vomses"),
            "X509_USER_PROXY": str(self.directory / "proxy"),
        }
        return CliRunner(env=environment).invoke(commands, list(arguments), input=input)

    def init(self, *arguments: str, who: Identity | None = None) -> Result:
        certificate, key = self.write(who or self.grid.alice, "user")
        return self.run("init", "--bits", "ec", "--cert", certificate, "--key", key, *arguments)


@contextlib.contextmanager
def served_vo(engine: Engine, directory: Path) -> Iterator[Site]:
    """The VO of `make_grid`, by the system's clock, until the end of the block."""
    now = datetime.now(UTC).replace(microsecond=0)
    lifetimes = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=900)}
    grid = make_grid(engine, directory, root(**lifetimes), now=now, by_system_clock=True)  # type: ignore[arg-type]
    host_certificate, host_key = directory / "host.pem", directory / "host.key"
    context = make_context(host_certificate, host_key, grid.trust().certificates())
    listener = TlsListener(
        grid.service,
        ListenSettings(port=0),
        lambda: context,
        log=make_log(SystemClock(), service="voms", stream=grid.log),
        limits=ListenerLimits(handshake_seconds=2, request_seconds=2, closing_seconds=1, stopping_seconds=2),
        legacy=grid.service.legacy,
    )
    listener.start()
    host, ca = slash_form(grid.host.certificate.subject), slash_form(grid.authority.certificate.subject)
    (directory / "vomses").write_text(f'"testvo" "localhost" "{listener.port}" "{host}" "testvo"\n')
    (directory / "vomsdir" / "testvo").mkdir(parents=True)
    (directory / "vomsdir" / "testvo" / "localhost.lsc").write_text(f"{host}\n{ca}\n")
    try:
        yield Site(grid, listener, directory)
    finally:
        listener.stop()
