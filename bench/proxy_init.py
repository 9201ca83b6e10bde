"""``ostiary proxy init`` as people run it, a process each time: RSA-2048, one VO over TLS on this machine; the C client beside it.

Much of it is the search for two primes, which takes as long as chance will have it: means of many runs are compared, taken in turns.
"""

import contextlib
import io
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from bench.measure import Row
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.clock import SystemClock
from ostiary.config import ListenSettings
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from ostiary.web.listener import TlsListener, make_context
from ostiary.web.log import make_log
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.issuer_key import load_issuer_key
from ostiary.x509.names import slash_form
from ostiary.x509.trust import load_trust_directory
from tests.databases import upgraded
from tests.x509.authorities import root, signing_policy
from voms.directory import VoDirectory, create_vo
from voms.issuing import Issuer
from voms.memberships import Memberships
from voms.service import VoAuthority, VomsService
from voms.tables import MIGRATIONS as VOMS_MIGRATIONS

C_CLIENT = "/usr/bin/voms-proxy-init2"
# What the C client needed where this was planned, milliseconds; the limit where it is not installed.
PLANNED = 350.0
NAME = "C client (voms-proxy-init2)"


def rows(*, quick: bool) -> list[Row]:
    """One row for the usual proxy, one for EC, which the C client has not. CPU of the client's process, milliseconds."""
    runs = 4 if quick else 25
    with tempfile.TemporaryDirectory() as place, _served(Path(place)) as directory:
        common = ["-cert", f"{directory}/user.pem", "-key", f"{directory}/user.key", "-vomses", f"{directory}/vomses"]
        common += ["-voms", "testvo", "-out", f"{directory}/proxy"]
        ours = [sys.executable, "-m", "ostiary.command", "proxy", "init", *common]
        tasks = {"ours": ours, "ec": [*ours, "-bits", "ec"]}
        if Path(C_CLIENT).exists():
            tasks["theirs"] = [C_CLIENT, *common]
        spent = dict.fromkeys(tasks, 0.0)
        for _ in range(runs):
            for name, command in tasks.items():
                spent[name] += _cpu(command, directory)
    means = {name: total / runs * 1000 for name, total in spent.items()}
    peer: dict[str, float | str] = {NAME: means.get("theirs", f"{C_CLIENT} is not installed")}
    limit = means.get("theirs", PLANNED)
    return [
        Row("ostiary proxy init with one VO (RSA-2048)", means["ours"], "ms CPU", limit, 1.0, peer),
        Row("ostiary proxy init with one VO (EC)", means["ec"], "ms CPU", limit, 1.0),
    ]


def _cpu(command: list[str], directory: Path) -> float:
    """Seconds of CPU that a process and its own children spend."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "X509_CERT_DIR": str(directory / "certificates"),
        "X509_VOMS_DIR": str(directory / "vomsdir"),
    }
    ended = subprocess.run(command, env=environment, cwd=directory, capture_output=True, check=False, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        raise RuntimeError(
            f"{command[0]}: {ended.stdout.decode(errors='replace')}{ended.stderr.decode(errors='replace')}"
        )
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextlib.contextmanager
def _served(directory: Path) -> Iterator[Path]:
    """A VO with one member over TLS, in threads of this process, whose CPU is not counted."""
    now = datetime.now(UTC).replace(microsecond=0)
    lifetimes = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=300)}
    authority = root(not_before=lifetimes["not_before"], not_after=lifetimes["not_after"])
    person, host = (
        authority.issue(
            f"/C=ZZ/O=HV Test/CN={name}",
            key=rsa.generate_private_key(public_exponent=65537, key_size=2048),
            not_before=lifetimes["not_before"],
            not_after=lifetimes["not_after"],
        )
        for name in ("Alice", "localhost")
    )
    certificates = directory / "certificates"
    certificates.mkdir()
    authority.install(
        certificates,
        crl=authority.crl(this_update=now - timedelta(hours=1), next_update=now + timedelta(days=1)),
        policy=signing_policy(authority, "/C=ZZ/O=HV Test/*"),
    )
    person.write(directory, "user")
    certificate, key = host.write(directory, "host")
    with upgraded("sqlite", directory, [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, VOMS_MIGRATIONS]) as engine:
        create_vo(engine, "testvo", at=now, by="operator")
        VoDirectory(engine, "testvo").add_member(CertificateNames.of(person.certificate), at=now, by="operator")
        trust, issuer = (
            load_trust_directory(certificates),
            Issuer(load_issuer_key(certificate, key), "localhost", 15000),
        )
        log = make_log(SystemClock(), service="voms", stream=io.StringIO())
        authority_of_vo = VoAuthority(
            Memberships(engine, "testvo"),
            trust=lambda: trust,
            issuer=lambda: issuer,
            engine=engine,
            longest=timedelta(hours=24),
        )
        context = make_context(certificate, key, trust.certificates())
        service = VomsService(authority_of_vo, log=log, clock=SystemClock())
        listener = TlsListener(service, ListenSettings(port=0), lambda: context, log=log, legacy=service.legacy)
        listener.start()
        subject, ca = slash_form(host.certificate.subject), slash_form(authority.certificate.subject)
        (directory / "vomses").write_text(f'"testvo" "localhost" "{listener.port}" "{subject}" "testvo"\n')
        (directory / "vomsdir" / "testvo").mkdir(parents=True)
        (directory / "vomsdir" / "testvo" / "localhost.lsc").write_text(f"{subject}\n{ca}\n")
        try:
            yield directory
        finally:
            listener.stop()
