"""AuthnRequests that wait at this resource until the home organisation fetches them by their artifact (SAML bindings 3.6). Writes no
page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ostiary.errors import Refusal
from ostiary.federation.keys import KeyRing
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.artifact import ArtifactResolve, ArtifactResponse, check_artifact_resolve
from ostiary.saml.bindings import encode_soap
from ostiary.saml.message import claimed_issuer, new_id
from ostiary.saml.signature import sign, verify_element
from ostiary.saml.validate import Timing
from ostiary.saml.xml import Element, qname
from ostiary.storage.artifacts import WaitingMessages
from ostiary.storage.stores import SessionStore
from sp_shire.addresses import Addresses
from sp_shire.login.homes import home_called
from sp_shire.login.pending import PendingTable
from sp_shire.settings import ShireSettings

ENDPOINT_INDEX: Final = 0
WAITS: Final = timedelta(minutes=2)
WAITING_AT_MOST: Final = 4 * 1024 * 1024
"""Octets of the requests that wait, of those that began at this process."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What came of an ArtifactResolve: who asked, whether a message was there, and the envelope of the answer."""

    issuer: str
    found: bool
    answer: bytes


@dataclass(frozen=True, slots=True)
class _Held:
    """The store as somebody at the address ``remote`` fills it."""

    table: PendingTable
    remote: str

    def put(self, key: str, value: bytes, *, expires: datetime, now: datetime) -> None:
        self.table.put(key, value, remote=self.remote, now=now)

    def get(self, key: str, now: datetime) -> bytes | None:
        return self.table.get(key, now)

    def get_many(self, keys: Sequence[str], now: datetime) -> list[bytes | None]:
        return [self.table.get(key, now) for key in keys]

    def take(self, key: str, now: datetime) -> bytes | None:
        return self.table.take(key, now)


class ArtifactIssuer:
    """``store`` keeps what any stranger can make, and is common to all parts of the resource that have its entityID."""

    def __init__(self, settings: ShireSettings, store: SessionStore) -> None:
        self._entity_id = settings.entity_id
        self._location = Addresses(settings.published_as).handler("artifact")
        self._table = PendingTable(store, lifetime=WAITS, capacity=WAITING_AT_MOST)
        self._timing = Timing(skew=settings.clock_skew)

    def issue(self, message: Element, recipient: str, now: datetime, *, remote: str = "") -> str:
        """The artifact that stands for ``message``, to be sent as ``SAMLart``, for somebody at the address ``remote``. The home
        organisation ``recipient`` (entityID) alone can fetch it, once, for `WAITS`. Raises `Unavailable`."""
        return str(self._waiting(remote).issue(message, recipient, now))

    def _waiting(self, remote: str = "") -> WaitingMessages:
        held = _Held(self._table, remote)
        return WaitingMessages(held, self._entity_id, kind="sp", waits=WAITS, endpoint=ENDPOINT_INDEX)

    def resolve(self, message: Element, registry: Registry, keys: KeyRing, now: datetime) -> Resolved:
        """Answers an ArtifactResolve, ``message`` out of its envelope, which that home organisation signed. For an artifact that is not
        there, or for another one, the answer holds no message (SAML core 3.5.3).

        Raises `Refusal` (``saml.other_message``, ``sp.unknown_idp``, ``signature.*``, and those of `check_artifact_resolve`).
        """
        if message.tag != qname(names.SAMLP, "ArtifactResolve"):
            raise Refusal("saml.other_message", expected="samlp:ArtifactResolve", found=str(message.tag)[:200])
        issuer = claimed_issuer(message) or ""
        role = home_called(issuer, registry, now)
        resolve = ArtifactResolve.from_proof(verify_element(message, role.signing_keys()))
        artifact = check_artifact_resolve(
            resolve, issuer=issuer, entity_id=self._entity_id, location=self._location, now=now, timing=self._timing
        )
        carried = self._waiting().take(artifact, issuer, now)
        answer = ArtifactResponse(new_id(), self._entity_id, now, resolve.id).to_xml(carried)
        sign(answer, keys.signer)
        return Resolved(issuer, carried is not None, encode_soap(answer))
