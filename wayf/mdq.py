"""Signed metadata on request (Metadata Query Protocol, draft-young-md-query; SAML profile draft-young-md-query-saml).

Decides what is signed and for how long the signed octets are handed out again; trusts nothing that is not in the registry.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha1, sha256
from threading import Lock
from typing import Final

from ostiary.federation.model import Entity
from ostiary.federation.publish.documents import signed_aggregate, signed_entity
from ostiary.federation.registry import Registry
from ostiary.saml.keys import Signer

MEDIA_TYPE: Final = "application/samlmetadata+xml"
MAX_SIGNED: Final = 1000

_SHA1: Final = "{sha1}"


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """Octets ready to be sent. ``fresh_until`` (exclusive) is when they are signed anew, before half of their validity is over."""

    content: bytes
    etag: str
    made_at: datetime
    fresh_until: datetime


class MetadataQueries:
    """Answers for one registry snapshot. At most `MAX_SIGNED` signed entities are kept; the least used goes first."""

    def __init__(self, registry: Registry, signer: Signer, *, federation_name: str, validity: timedelta) -> None:
        self._registry = registry
        self._signer = signer
        self._federation_name = federation_name
        self._validity = validity
        self._by_hash: dict[str, str] | None = None
        self._signed: OrderedDict[str, SignedDocument] = OrderedDict()
        self._aggregate: SignedDocument | None = None
        self._lock = Lock()
        self._aggregate_lock = Lock()

    def entity(self, identifier: str, now: datetime) -> SignedDocument | None:
        """One entity by its entityID or by ``{sha1}`` and the 40 hexadecimal digits of the entityID's SHA-1; None if unknown."""
        entity_id = self._by_sha1(identifier, now) if identifier.startswith(_SHA1) else identifier
        entity = self._registry.get(entity_id, now) if entity_id is not None else None
        if entity is None:
            return None
        found = entity
        with self._lock:
            document = self._signed.pop(found.entity_id, None)
            if document is None or now >= document.fresh_until:
                document = self._document(
                    lambda end: signed_entity(found, self._signer, valid_until=end), now, (found,)
                )
            self._signed[found.entity_id] = document
            if len(self._signed) > MAX_SIGNED:
                self._signed.popitem(last=False)
        return document

    def aggregate(self, now: datetime) -> SignedDocument:
        """All entities that are valid now, in one signed EntitiesDescriptor."""
        with self._aggregate_lock:
            if self._aggregate is None or now >= self._aggregate.fresh_until:
                entities = tuple(self._registry.all(now))
                name = self._federation_name
                self._aggregate = self._document(
                    lambda end: signed_aggregate(entities, self._signer, name=name, valid_until=end), now, entities
                )
            return self._aggregate

    def _document(
        self, sign: Callable[[datetime], bytes], now: datetime, entities: tuple[Entity, ...]
    ) -> SignedDocument:
        content = sign(now + self._validity)
        ends = [entity.valid_until for entity in entities if entity.valid_until is not None]
        fresh_until = min([now + self._validity / 2, *ends])
        return SignedDocument(content, sha256(content).hexdigest()[:32], now, fresh_until)

    def _by_sha1(self, identifier: str, now: datetime) -> str | None:
        # SHA-1 only names an entity here (md-query-saml 2.2.2); nothing is trusted because of it.
        if self._by_hash is None:
            ids = [entity.entity_id for entity in self._registry.all(now)]
            self._by_hash = {
                sha1(entity_id.encode(), usedforsecurity=False).hexdigest(): entity_id for entity_id in ids
            }
        return self._by_hash.get(identifier.removeprefix(_SHA1).lower())
