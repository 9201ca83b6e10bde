"""Makes a proxy with attribute certificates: asks each VO, puts the answers in, checks what was made before it is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ostiary.errors import Missing, Refusal
from ostiary.x509.chain import verify_chain
from ostiary.x509.lsc import VomsDirectory
from ostiary.x509.proxy import Proxy, make_proxy
from ostiary.x509.trust import TrustDirectory
from ostiary.x509.verify import verify_attribute_certificates
from ostiary.x509.vomses import VomsServer
from voms.proxy.client import Patience, Received, Wanted, ask
from voms.proxy.credential import Credential
from voms.proxy.exchange import make_client_context
from voms.proxy.progress import Progress


@dataclass(frozen=True, slots=True)
class VoWish:
    """One VO, by its alias in ``vomses``, and the names wanted of it."""

    alias: str
    fqans: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProxyWish:
    """The proxy to make. Lifetimes in whole seconds; ``attributes_for`` None: as long as the VO gives. ``included``: what the holder
    puts in beside it."""

    lifetime: timedelta
    attributes_for: timedelta | None
    limited: bool = False
    path_length: int | None = None
    key_size: int | Literal["ec"] = 2048
    order: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    included: bytes | None = None


def read_wish(text: str) -> VoWish:
    """``vo``, ``vo:/vo/group``, ``vo:/vo/group/Role=r``, ``vo:/Role=r`` or ``vo:all`` as clients write it. Raises `Refusal`
    (``voms.wish``)."""
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
    found = tuple(dict.fromkeys(server for server in known if server.alias == alias))
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
    progress: Progress,
    patience: Patience,
) -> tuple[Received, ...]:
    """The attribute certificate of each VO, in their order. Raises what `ask` and `servers_of` raise: no VO is left out silently."""
    if not wishes:
        return ()
    # Before the first is asked: a VO that nobody knows costs none of them anything.
    asked = [(each, servers_of(each.alias, known)) for each in wishes]
    context = make_client_context(credential, trust.certificates())
    received = []
    for each, servers in asked:
        vo = servers[0].vo
        lifetime = int(wish.attributes_for.total_seconds()) if wish.attributes_for is not None else None
        # An order that names another VO's groups is meant for that one.
        order = tuple(fqan for fqan in wish.order if _is_of(vo, fqan) or len(asked) == 1)
        wanted = Wanted(each.fqans or (f"/{vo}",), order, lifetime, wish.targets)
        received.append(ask(servers, wanted, context, progress, patience))
    return tuple(received)


def make(credential: Credential, attributes: Sequence[bytes], wish: ProxyWish, *, now: datetime) -> Proxy:
    """The proxy with the VOs' attribute certificates (DER). Raises `Refusal` (``x509.proxy_*``)."""
    return make_proxy(
        credential.certificates,
        credential.private_key,
        lifetime=wish.lifetime,
        now=now,
        attribute_certificates=attributes,
        limited=wish.limited,
        path_length=wish.path_length,
        key_size=wish.key_size,
        included=wish.included,
    )


def verify(
    proxy: Proxy, trust: TrustDirectory, vomsdir: VomsDirectory, *, now: datetime, host_names: tuple[str, ...]
) -> None:
    """Checks the proxy as a relying party would, except for its targets, which name other hosts.

    Raises `NotAuthenticated`, `Refusal` (``x509.*``).
    """
    chain = verify_chain(proxy.ders, trust, now)
    verify_attribute_certificates(chain, vomsdir, trust, now, host_names=host_names)


def _is_of(vo: str, fqan: str) -> bool:
    return fqan == f"/{vo}" or fqan.startswith((f"/{vo}/", "/Role="))
