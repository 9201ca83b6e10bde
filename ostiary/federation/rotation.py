"""Moves the keys of a key directory on: a next key is made, takes the current one's place, and the retired one goes.

Each change is safe to be interrupted and to be read in the middle: the private key and its certificate change by one renaming
(`ostiary.federation.keys.current_certificate`), and a certificate is added before and taken away after it is needed.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from ostiary.config import write_private_file
from ostiary.federation.keys import (
    PREFIXES,
    PUBLISHED,
    PrivateKey,
    Use,
    certificate_inside,
    current_certificate,
    load_certificate,
    load_key_ring,
    load_private_key,
    load_signer,
    private_pem,
    self_signed,
)
from ostiary.rotation import NODES_LOOK, KeyState, State, Step, Waits, check_step, may_go, next_step
from ostiary.saml.keys import TrustedKey

_RSA_BITS: Final = 3072


def waits_of(use: Use, partners_refresh: timedelta) -> Waits:
    """A key that signs is in everybody's metadata before it does; one that decrypts only has to be known on all nodes before partners
    may learn of it. Either goes when no partner can have metadata any more that names it."""
    return Waits(partners_refresh if use == "signing" else NODES_LOOK, partners_refresh)


def key_states(directory: Path, use: Use) -> tuple[KeyState, ...]:
    """The keys for one use, current first; none where the directory has none for it. Raises `ConfigurationError` (``key.file``)."""
    prefix = PREFIXES[use]
    if not (directory / f"{prefix}current.key").exists():
        return ()
    der = current_certificate(directory, use)
    found = [_state("current", directory / f"{prefix}current.key", der)]
    following = directory / f"{prefix}next.crt"
    retired = sorted(directory.glob(f"{prefix}retired-*.{'crt' if use == 'signing' else 'key'}"))
    for path, state in [(following, "next"), *((path, "retired") for path in retired)]:
        if path.exists():
            own = load_certificate(path) if path.suffix == ".crt" else certificate_inside(path)
            if own is not None and own != der:
                found.append(_state("next" if state == "next" else "retired", path, own))
    return tuple(found)


def rotate(
    directory: Path, use: Use, waits: Waits, *, now: datetime, step: Step | None = None, force: bool = False
) -> tuple[Step, tuple[KeyState, ...]]:
    """Takes a step, the next one unless it is named; returns it and the keys as they are then. One process at a time does so.

    Raises as `ostiary.rotation.check_step`, and `ConfigurationError` where a file can't be read or written.
    """
    with alone(directory):
        _finish(directory, use, now)
        before = key_states(directory, use)
        taken = step or next_step(before, waits).step
        check_step(taken, before, waits, now, force=force)
        match taken:
            case "prepare":
                _prepare(directory, use, now)
            case "activate":
                _activate(directory, use, now)
            case "retire":
                for key in before:
                    if may_go(key, waits, now, force=force):
                        (directory / key.file).unlink()
        write_published(directory)
        return taken, key_states(directory, use)


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Holds a directory of keys for one change."""
    with (directory / ".rotation.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_published(directory: Path) -> None:
    """Writes `PUBLISHED`: the certificates of all signing keys that partners may meet, PEM."""
    ring = load_key_ring(directory)
    ders = [key.certificate for key in ring.published if key.use == "signing" and key.certificate is not None]
    content = b"".join(_pem(der) for der in ders)
    path = directory / PUBLISHED
    if not path.exists() or path.read_bytes() != content:
        _write_public(path, content)


def put_in_place(path: Path, content: bytes, like: Path, now: datetime) -> None:
    """A private file with owner, group and mode of the one that it is to follow, dated ``now``: since when it is what its name says."""
    unfinished = path.with_name(f".{path.name}.new")
    write_private_file(unfinished, content)
    model = like.stat()
    # Only root can give a file away; anybody else reads what she wrote herself.
    with contextlib.suppress(PermissionError):
        os.chown(unfinished, model.st_uid, model.st_gid)
    unfinished.chmod(stat.S_IMODE(model.st_mode) & 0o640)
    date(unfinished, now)
    unfinished.replace(path)


def date(path: Path, now: datetime) -> None:
    """Sets the date of a file, which tells since when a key is in its state."""
    os.utime(path, (now.timestamp(), now.timestamp()))


def stamp(now: datetime) -> str:
    """A moment as part of a file name."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _prepare(directory: Path, use: Use, now: datetime) -> None:
    """A key of the same kind as the current one. Its private file holds the certificate too."""
    prefix = PREFIXES[use]
    current = directory / f"{prefix}current.key"
    key = _new_key(load_private_key(current))
    certificate = self_signed(key, _common_name(current_certificate(directory, use)), now=now)
    put_in_place(directory / f"{prefix}next.key", private_pem(key) + certificate, current, now)
    _write_public(directory / f"{prefix}next.crt", certificate, now)


def _activate(directory: Path, use: Use, now: datetime) -> None:
    prefix = PREFIXES[use]
    current, following = directory / f"{prefix}current.key", directory / f"{prefix}next.key"
    old = _pem(current_certificate(directory, use))
    certificate = load_certificate(directory / f"{prefix}next.crt")
    # Refuses a pair that does not fit while nothing has changed yet.
    load_signer(following, certificate)
    key = load_private_key(following)
    if use == "signing":
        _write_public(directory / f"retired-{stamp(now)}.crt", old, now)
    else:
        content = private_pem(load_private_key(current)) + old
        put_in_place(directory / f"{prefix}retired-{stamp(now)}.key", content, current, now)
    # Also one that somebody put there without its certificate: this file is what changes both at one stroke.
    put_in_place(following, private_pem(key) + _pem(certificate), current, now)
    following.replace(current)
    _finish(directory, use, now)


def _finish(directory: Path, use: Use, now: datetime) -> None:
    """What is left to do of an activation, also of one that was interrupted: the certificate follows the key."""
    prefix = PREFIXES[use]
    current, following = directory / f"{prefix}current.key", directory / f"{prefix}next.crt"
    if not current.exists() or not following.exists() or (directory / f"{prefix}next.key").exists():
        return
    if TrustedKey.from_certificate(load_certificate(following)) == _public(load_private_key(current)):
        date(following, now)
        following.replace(directory / f"{prefix}current.crt")


def _state(state: State, path: Path, der: bytes) -> KeyState:
    certificate = x509.load_der_x509_certificate(der)
    since = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return KeyState(state, since, certificate.fingerprint(hashes.SHA256()).hex(), _kind(certificate), path.name)


def _kind(certificate: x509.Certificate) -> str:
    public = certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return f"RSA {public.key_size}"
    return f"EC {public.curve.name}" if isinstance(public, ec.EllipticCurvePublicKey) else type(public).__name__


def _new_key(old: PrivateKey) -> PrivateKey:
    if isinstance(old, rsa.RSAPrivateKey):
        return rsa.generate_private_key(public_exponent=65537, key_size=max(_RSA_BITS, old.key_size))
    return ec.generate_private_key(old.curve)


def _public(key: PrivateKey) -> TrustedKey:
    return TrustedKey.from_public_key(key.public_key())


def _common_name(der: bytes) -> str:
    named = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(named[0].value) if named else "Ostiary"


def _pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)


def _write_public(path: Path, content: bytes, now: datetime | None = None) -> None:
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_bytes(content)
    unfinished.chmod(0o644)
    if now is not None:
        date(unfinished, now)
    unfinished.replace(path)
