"""The VO service from the client's handshake to its last octet, with 20 names in the certificate; database and audit by themselves.

CPU of the server's process; the client's does not count. RSA-2048 throughout, as grids have it. The bare server is Python's ``ssl``
with the same keys and CAs: one full handshake with a client certificate, one signature, an answer of the same length.
"""

import gc
import multiprocessing
import os
import socket
import sqlite3
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, TextIO

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from sqlalchemy import Engine

from bench.measure import Row, cpu_milliseconds
from bench.served import cpu_clock
from bench.vomsd import measure_vomsd
from ostiary.clock import SystemClock
from ostiary.command.vo_service import LIMITS, upgrade_vo
from ostiary.config import ListenSettings
from ostiary.storage.engine import open_engine
from ostiary.web.listener import TlsListener, make_context
from ostiary.web.log import make_log
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan
from ostiary.x509.issuer_key import load_issuer_key
from ostiary.x509.names import subject_hash
from ostiary.x509.trust import load_trust_directory
from voms.directory import VoDirectory, create_vo
from voms.issuing import Issuer, new_serial
from voms.memberships import Memberships
from voms.selection import Grant
from voms.service import VoAuthority, VomsService
from voms.standing import Standing

VO = "testvo"
GROUPS = tuple(f"/{VO}/g{number:02}" for number in range(19))
REQUEST = (
    f"GET /generate-ac?fqans=/{VO}&lifetime=43200 HTTP/1.0\nUser-Agent: voms APIs 2.0\nAccept: */*\n"
    "Host: localhost:15000\n\n"
).encode()


# The same question to a peer whose REST side ends without an answer where this was tried; making the certificate is the same work.
LEGACY: Final = (
    f'<?xml version="1.0" encoding="US-ASCII"?><voms><command>G/{VO}</command><base64>1</base64><version>4</version>'
    "<lifetime>43200</lifetime></voms>"
).encode()


def rows(*, quick: bool) -> list[Row]:
    """Two rows: the wire, and what is looked up and written for one certificate."""
    requests, rounds = (40, 4) if quick else (200, 10)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        files = Files.make(Path(name))
        ours = stack.enter_context(_process(_serve_ours, files))
        bare = stack.enter_context(_process(_serve_bare, files))
        best = _turns({"ours": ours, "bare": bare}, files, requests, rounds)
        stored = _database(files, rounds=rounds, loops=requests)
        context = files.client()
        groups = (f"/{VO}", *GROUPS)
        peer = measure_vomsd(
            files.directory,
            groups,
            lambda port: ask_legacy(context, port),
            requests=requests,
            rounds=max(2, rounds // 4),
        )
    wire = "VO service: a whole HTTPS request with a new handshake"
    return [
        Row(
            wire,
            best["ours"],
            "ms CPU",
            best["bare"],
            2.0,
            {"vomsd, by its legacy protocol and with its database": peer},
        ),
        Row(
            "VO service: look-up, audit row and number of one certificate",
            stored["whole"],
            "ms CPU",
            stored["bare"],
            20.0,
        ),
    ]


@dataclass(frozen=True)
class Files:
    """A CA with its files, the service's certificate ``host``, and a member's ``user``."""

    directory: Path

    @property
    def trust(self) -> Path:
        return self.directory / "certificates"

    @classmethod
    def make(cls, directory: Path) -> "Files":
        files, now = cls(directory), datetime.now(UTC)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        ca = _certificate("/CN=Bench CA", key, "/CN=Bench CA", key, authority=True)
        files.trust.mkdir()
        digest = subject_hash(ca.subject)
        crl = x509.CertificateRevocationListBuilder().issuer_name(ca.subject)
        crl = crl.last_update(now - timedelta(hours=1)).next_update(now + timedelta(days=9))
        pem = serialization.Encoding.PEM
        (files.trust / f"{digest}.0").write_bytes(ca.public_bytes(pem))
        (files.trust / f"{digest}.r0").write_bytes(crl.sign(key, hashes.SHA256()).public_bytes(pem))
        policy = "access_id_CA X509 '/CN=Bench CA'\npos_rights globus CA:sign\ncond_subjects globus '\"/CN=*\"'\n"
        (files.trust / f"{digest}.signing_policy").write_text(policy)
        for name, subject in (("host", "/CN=localhost"), ("user", "/CN=Emil Eclair")):
            own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            made = _certificate(subject, own, "/CN=Bench CA", key)
            (directory / f"{name}.pem").write_bytes(made.public_bytes(pem))
            private = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            descriptor = os.open(directory / f"{name}.key", os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(private)
        return files

    def of(self, name: str) -> tuple[Path, Path]:
        return self.directory / f"{name}.pem", self.directory / f"{name}.key"

    def client(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=b"".join(load_trust_directory(self.trust).certificates()))
        context.check_hostname = False
        context.load_cert_chain(*self.of("user"))
        return context

    def names(self) -> CertificateNames:
        return CertificateNames.of(x509.load_pem_x509_certificate(self.of("user")[0].read_bytes()))


def _certificate(
    subject: str, key: rsa.RSAPrivateKey, issuer: str, issuer_key: rsa.RSAPrivateKey, *, authority: bool = False
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer))
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if not authority:
        both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(both, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(slash: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, slash.removeprefix("/CN="))])


class _InMemory(Memberships):
    """A member of 20 groups whom nobody has to look up."""

    def of_certificate(self, names: CertificateNames, at: datetime) -> Standing | None:
        return Standing(vo=VO, member="0" * 32, groups=dict.fromkeys((f"/{VO}", *GROUPS)), roles={})


class _Unrecorded(VoAuthority):
    """Writes nothing: that is the other row."""

    def record(self, granted: Grant, serial: int, names: CertificateNames, now: datetime) -> None:
        pass


def _authority(files: Files, engine: Engine, kind: type[VoAuthority], memberships: Memberships) -> VoAuthority:
    trust = load_trust_directory(files.trust)
    issuer = Issuer(load_issuer_key(*files.of("host")), "localhost", 15000)
    return kind(memberships, trust=lambda: trust, issuer=lambda: issuer, engine=engine, longest=timedelta(hours=24))


def _serve_ours(files: Files, ready: Connection) -> None:
    engine = open_engine("sqlite://")
    authority = _authority(files, engine, _Unrecorded, _InMemory(engine, VO))
    with Path(os.devnull).open("w") as nowhere:
        _listen(files, authority, nowhere, ready)


def _listen(files: Files, authority: VoAuthority, nowhere: TextIO, ready: Connection) -> None:
    log = make_log(SystemClock(), service="voms", stream=nowhere)
    service = VomsService(authority, log=log, clock=SystemClock())
    context = _context(files)
    listener = TlsListener(
        service,
        ListenSettings(port=0),
        lambda: context,
        log=log,
        limits=LIMITS,
        legacy=service.legacy,
        refusal=service.refusal,
    )
    listener.start()
    # As `serve_listeners` does.
    gc.collect()
    gc.freeze()
    ready.send(listener.port)
    ready.recv()
    listener.stop()


def _serve_bare(files: Files, ready: Connection) -> None:
    key: Any = serialization.load_pem_private_key(files.of("host")[1].read_bytes(), password=None)
    context, answer = _context(files), b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 4_600
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        ready.send(server.getsockname()[1])
        while True:
            raw, _ = server.accept()
            with raw, context.wrap_socket(raw, server_side=True) as stream:
                stream.recv(65_536)
                key.sign(b"x" * 1_500, padding.PKCS1v15(), hashes.SHA256())
                stream.sendall(answer)


def _context(files: Files) -> ssl.SSLContext:
    trust = load_trust_directory(files.trust)
    return make_context(*files.of("host"), trust.certificates(), require_client_certificate=False)


@dataclass(frozen=True)
class _Running:
    pid: int
    port: int

    def cpu(self) -> float:
        return time.clock_gettime(cpu_clock(self.pid))


@contextmanager
def _process(serve: Callable[[Files, Connection], None], files: Files) -> Iterator[_Running]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=serve, args=(files, there), daemon=True)
    process.start()
    try:
        yield _Running(process.pid or 0, here.recv())
    finally:
        process.terminate()
        process.join()


def _turns(servers: dict[str, _Running], files: Files, requests: int, rounds: int) -> dict[str, float]:
    """Milliseconds of the server's CPU for one request: the best of the rounds."""
    context = files.client()
    best = dict.fromkeys(servers, float("inf"))
    for _ in range(rounds):
        for name, server in servers.items():
            ask(context, server.port)
            begin = server.cpu()
            for _ in range(requests):
                ask(context, server.port)
            best[name] = min(best[name], (server.cpu() - begin) / requests * 1000)
    return best


def ask(context: ssl.SSLContext, port: int) -> bytes:
    """One request on one connection. Raises `RuntimeError` when it was not answered as it should be."""
    answer = _said(context, port, REQUEST)
    if not answer.startswith(b"HTTP/1.1 200") or len(answer) < 3_000:
        raise RuntimeError(f"an answer of {len(answer)} octets: {answer[:100]!r}")
    return answer


def ask_legacy(context: ssl.SSLContext, port: int) -> bytes:
    """The same by the legacy protocol."""
    answer = _said(context, port, LEGACY)
    if b"<ac>" not in answer or len(answer) < 2_500:
        raise RuntimeError(f"an answer of {len(answer)} octets: {answer[:100]!r}")
    return answer


def _said(context: ssl.SSLContext, port: int, request: bytes) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        context.wrap_socket(raw) as stream,
    ):
        stream.sendall(request)
        return b"".join(iter(lambda: stream.recv(65_536), b""))


def _database(files: Files, *, rounds: int, loops: int) -> dict[str, float]:
    """Milliseconds of CPU for the standing of one member of 20 groups and the transaction that records her certificate."""
    now = datetime.now(UTC).replace(microsecond=0)
    engine = open_engine(f"sqlite:///{files.directory}/vo.db")
    upgrade_vo(engine)
    create_vo(engine, VO, at=now, by="operator")
    directory = VoDirectory(engine, VO)
    member = directory.add_member(files.names(), at=now, by="operator")
    for group in GROUPS:
        directory.add_group(group, at=now, by="operator")
        directory.join(member, group, at=now, by="operator")
    memberships = Memberships(engine, VO)
    authority = _authority(files, engine, VoAuthority, memberships)
    names = files.names()
    fqans = tuple(Fqan(group) for group in (f"/{VO}", *GROUPS))
    granted = Grant(VO, member, fqans, (), (), now, now + timedelta(hours=12), ())

    def whole() -> None:
        standing = memberships.of_certificate(names, now)
        if standing is None or len(standing.groups) != len(fqans):
            raise RuntimeError("the member has too little")
        authority.record(granted, new_serial(), names, now)

    bare = sqlite3.connect(files.directory / "vo.db", isolation_level=None)
    try:
        return cpu_milliseconds({"whole": whole, "bare": lambda: _bare(bare, names)}, rounds=rounds, loops=loops)
    finally:
        bare.close()
        engine.dispose()


def _bare(connection: sqlite3.Connection, names: CertificateNames) -> None:
    """As many statements over as many rows, and two rows written in one transaction."""
    [(member, vo)] = connection.execute(
        "SELECT m.id, m.vo_id FROM vo_member m JOIN vo_member_certificate c ON c.member_id = m.id WHERE c.names_key = ?",
        (names.key,),
    ).fetchall()
    connection.execute(
        "SELECT g.path FROM vo_group_membership m JOIN vo_group g ON g.id = m.group_id WHERE m.member_id = ?", (member,)
    ).fetchall()
    connection.execute("SELECT name, value FROM vo_attribute WHERE member_id = ?", (member,)).fetchall()
    connection.execute("BEGIN IMMEDIATE")
    for _ in range(2):
        connection.execute(
            "INSERT INTO vo_issued (serial, vo_id, kind, member_id, names_key, issued_at, not_after)"
            " VALUES (?, ?, 'bare', ?, ?, '2026-01-01 00:00:00.000000', '2026-01-01 12:00:00.000000')",
            (f"{new_serial():032x}", vo, member, names.key),
        )
    connection.execute("COMMIT")
