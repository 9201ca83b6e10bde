"""A service of the demo as a process of its own, for rows that count its CPU time and its memory."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import urllib3
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from ostiary.config import write_private_file


class Served:
    """A service that runs."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._main = psutil.Process(process.pid)

    def _all(self) -> list[psutil.Process]:
        return [self._main, *self._main.children(recursive=True)]

    def cpu(self) -> float:
        """CPU seconds of the service and its workers so far, user and system together."""
        return sum(time.clock_gettime(cpu_clock(one.pid)) for one in self._all())

    def megabytes(self) -> float:
        """Memory that would be free without the largest of its processes, the worker."""
        return max(one.memory_full_info().uss for one in self._all()) / 1e6


def cpu_clock(pid: int) -> int:
    """What clock_getcpuclockid(3) gives: user and system time to the nanosecond, where /proc counts hundredths of a second."""
    return ~pid << 3 | 2


@contextmanager
def served(arguments: Sequence[str], health: str) -> Iterator[Served]:
    """``ostiary serve`` with these arguments, until the block ends; begins when the URL ``health`` answers 200."""
    # Its log goes where a log goes, but not onto this terminal.
    process = subprocess.Popen(
        [sys.executable, "-m", "ostiary.command", "serve", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    try:
        _wait(health)
        yield Served(process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def _wait(health: str) -> None:
    pool = urllib3.PoolManager(retries=False, timeout=2)
    for _ in range(300):
        try:
            if pool.request("GET", health).status == 200:
                pool.clear()
                return
        except urllib3.exceptions.HTTPError:
            # Not there yet.
            time.sleep(0.1)
    raise RuntimeError(f"{health} did not answer")


def configured(path: Path, **changes: object) -> None:
    """Sets keys of a YAML file; what a mapping already has beside them stays."""
    content = yaml.safe_load(path.read_text())
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(content.get(key), dict)
        content[key] = {**content[key], **value} if both and isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(content))


def write_keys(directory: Path) -> None:
    """RSA of 2048 bits, as the limits; what the demo makes for itself is longer."""
    directory.mkdir(parents=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    certificate = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=365))
    pem = serialization.Encoding.PEM
    (directory / "current.crt").write_bytes(certificate.sign(key, hashes.SHA256()).public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_private_file(directory / "current.key", private)
