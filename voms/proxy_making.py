"""Makes a proxy with attribute certificates: asks each VO, puts the answers in, checks what was made before it is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ostiary.config import read_private_file
from ostiary.errors import ConfigurationError, Missing, Refusal
from ostiary.x509.chain import verify_chain
from ostiary.x509.lsc import VomsDirectory
from ostiary.x509.proxy import PrivateKey, Proxy, make_proxy
from ostiary.x509.trust import TrustDirectory
from ostiary.x509.verify import verify_attribute_certificates
from ostiary.x509.vomses import VomsServer
from voms.client import Received, Wanted, ask, make_client_context

Passphrase = Callable[[], str]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Credential:
    """What the new proxy is signed with: certificates (own first), the private key, and the files and passphrase for TLS."""

    certificates: tuple[x509.Certificate, ...]
    private_key: PrivateKey
    certificate_file: Path
    key_file: Path
    passphrase: str | None


@dataclass(frozen=True, slots=True)
class VoWish:
    """One VO, by its alias in ``vomses``, and the names wanted of it."""

    alias: str
    fqans: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProxyWish:
    """The proxy to make. Lifetimes in whole seconds; ``attributes_for`` None: as long as the proxy."""

    lifetime: timedelta
    attributes_for: timedelta | None = None
    limited: bool = False
    path_length: int | None = None
    key_size: int | Literal["ec"] = 2048
    order: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


def load_credential(certificate: Path, key: Path, passphrase: Passphrase) -> Credential:
    """A certificate with what stands after it in its file, and its key; the passphrase is asked for when the key has one.

    Raises `ConfigurationError` (``voms.credential``, ``config.private_file_*``), `Refusal` (``voms.passphrase``).
    """
    # First, for it looks at what kind of file it is; both may be the same one in a directory that all may write to.
    data = read_private_file(key)
    try:
        certificates = tuple(x509.load_pem_x509_certificates(certificate.read_bytes()))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            "voms.credential", file=certificate, expected="a certificate, PEM", found=error
        ) from None
    word: str | None = None
    try:
        private = serialization.load_pem_private_key(_key_block(data), None)
    except TypeError:
        # It has a passphrase.
        word = passphrase()
        try:
            private = serialization.load_pem_private_key(_key_block(data), word.encode())
        except ValueError as error:
            raise Refusal("voms.passphrase", expected="the passphrase of the key", found="another one") from error
    except ValueError as error:
        raise ConfigurationError("voms.credential", file=key, expected="a private key, PEM", found=error) from None
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ConfigurationError("voms.credential", file=key, expected="an RSA or EC key", found=type(private).__name__)
    if private.public_key() != certificates[0].public_key():
        raise ConfigurationError("voms.credential", file=key, expected=f"the key of {certificate}", found="another key")
    return Credential(certificates, private, certificate, key, word)


def _key_block(data: bytes) -> bytes:
    """A proxy file holds its certificate before its key."""
    start = data.find(b"-----BEGIN", 0)
    while start >= 0 and b"PRIVATE KEY" not in data[start : data.find(b"\n", start)]:
        start = data.find(b"-----BEGIN", start + 1)
    return data[start:] if start >= 0 else data


def read_wish(text: str) -> VoWish:
    """``vo``, ``vo:/vo/group``, ``vo:/vo/group/Role=r`` or ``vo:all`` as clients write it. Raises `Refusal` (``voms.wish``)."""
    alias, colon, fqan = text.partition(":")
    if not alias or (colon and fqan != "all" and not fqan.startswith("/")):
        raise Refusal("voms.wish", expected="vo, vo:/vo/group or vo:/vo/group/Role=name", found=text)
    return VoWish(alias, (fqan,) if fqan else ())


def joined(wishes: Sequence[VoWish]) -> tuple[VoWish, ...]:
    """One wish for each VO, in the order in which they were first named."""
    names: dict[str, tuple[str, ...]] = {}
    for wish in wishes:
        names[wish.alias] = (*names.get(wish.alias, ()), *wish.fqans)
    return tuple(VoWish(alias, fqans) for alias, fqans in names.items())


def servers_of(alias: str, known: Sequence[VomsServer]) -> tuple[VomsServer, ...]:
    """The servers of a VO. Raises `Missing` (``voms.no_server``)."""
    found = tuple(server for server in known if server.alias == alias)
    if not found:
        others = ", ".join(dict.fromkeys(server.alias for server in known)) or "none"
        raise Missing("voms.no_server", expected=f"one of: {others}", found=alias, vo=alias)
    return found


def collect(
    credential: Credential,
    wishes: Sequence[VoWish],
    wish: ProxyWish,
    known: Sequence[VomsServer],
    trust: TrustDirectory,
    tell: Tell,
) -> tuple[Received, ...]:
    """The attribute certificate of each VO, in their order. Raises what `ask` and `servers_of` raise: no VO is left out silently."""
    if not wishes:
        return ()
    context = make_client_context(
        str(credential.certificate_file), str(credential.key_file), credential.passphrase, trust.certificates()
    )
    received = []
    for each in wishes:
        servers = servers_of(each.alias, known)
        fqans = each.fqans or (f"/{servers[0].vo}",)
        lifetime = int((wish.attributes_for or wish.lifetime).total_seconds())
        received.append(ask(servers, Wanted(fqans, wish.order, lifetime, wish.targets), context, tell))
    return tuple(received)


def make(credential: Credential, received: Sequence[Received], wish: ProxyWish, *, now: datetime) -> Proxy:
    """The proxy with what the VOs gave. Raises `Refusal` (``x509.proxy_*``)."""
    return make_proxy(
        credential.certificates,
        credential.private_key,
        lifetime=wish.lifetime,
        now=now,
        attribute_certificates=[each.certificate for each in received],
        limited=wish.limited,
        path_length=wish.path_length,
        key_size=wish.key_size,
    )


def verify(
    proxy: Proxy, trust: TrustDirectory, vomsdir: VomsDirectory, *, now: datetime, host_names: tuple[str, ...]
) -> None:
    """Checks the proxy as a relying party would, except for its targets, which name other hosts.

    Raises `NotAuthenticated`, `Refusal` (``x509.*``).
    """
    chain = verify_chain(proxy.ders, trust, now)
    verify_attribute_certificates(chain, vomsdir, trust, now, host_names=host_names)
