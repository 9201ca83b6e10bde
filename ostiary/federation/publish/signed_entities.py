"""Entities, signed one by one, and what was signed kept while it is good. Trusts nobody: who asks has looked the entity up."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from threading import Lock
from typing import Final

from ostiary.federation.model import Entity
from ostiary.federation.publish.documents import Publisher, compressed, signed_entity
from ostiary.federation.summary import earliest
from ostiary.saml.keys import Signer

MAX_SIGNED: Final = 2000
MAX_OCTETS: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """Octets ready to be sent, and the same in gzip. ``etag`` without quotes; ``valid_until`` is what they say themselves."""

    content: bytes
    gzipped: bytes
    etag: str
    made_at: datetime
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was signed, for which state of the entity (``content`` is the digest of its descriptor) and by which key."""

    document: SignedDocument
    entity: Entity
    content: bytes
    certificate: bytes
    algorithm: str


class SignedEntities:
    """Signs entities, and keeps what was signed while it is good: across refreshes, too, where the entity did not change.

    ``validity`` is how long an answer may be used at most, ``cache_duration`` after how long it is to be asked for again. At most
    `MAX_SIGNED` answers and `MAX_OCTETS` octets are kept; what was not asked for longest goes first.
    """

    def __init__(self, *, validity: timedelta, cache_duration: timedelta, publisher: Publisher | None = None) -> None:
        self._validity = validity
        self.cache_duration = cache_duration
        self._publisher = publisher
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._octets = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def document(self, entity: Entity, signer: Signer, now: datetime) -> SignedDocument:
        """The entity, signed. Raises `Refusal` (``metadata.expired``) where none of its roles is valid."""
        # One that was signed when it could live longer than the entity may now, or not half as long as it could be now, is signed anew.
        end = earliest(now + self._validity, entity.valid_until) or now
        with self._lock:
            kept = self._kept.get(entity.entity_id)
            if kept is not None:
                self._kept.move_to_end(entity.entity_id)
        if (
            kept is not None
            and (kept.certificate, kept.algorithm) == (signer.certificate, signer.algorithm)
            and (kept.document.valid_until <= end)
            and kept.document.valid_until - now >= (end - now) / 2
            and (kept.entity is entity or kept.content == _digest(entity))
        ):
            return kept.document
        octets = signed_entity(
            entity,
            signer,
            valid_until=end,
            cache_duration=self.cache_duration,
            publisher=self._publisher,
            now=now,
        )
        document = SignedDocument(octets, compressed(octets), sha256(octets).hexdigest()[:32], now, end)
        self._keep(_Kept(document, entity, _digest(entity), signer.certificate, signer.algorithm))
        return document

    def _keep(self, kept: _Kept) -> None:
        with self._lock:
            before = self._kept.pop(kept.entity.entity_id, None)
            if before is not None:
                self._octets -= _size(before)
            self._kept[kept.entity.entity_id] = kept
            self._octets += _size(kept)
            while self._kept and (len(self._kept) > MAX_SIGNED or self._octets > MAX_OCTETS):
                _, oldest = self._kept.popitem(last=False)
                self._octets -= _size(oldest)


def _size(kept: _Kept) -> int:
    return len(kept.document.content) + len(kept.document.gzipped) + len(kept.entity.source)


def _digest(entity: Entity) -> bytes:
    return sha256(entity.source or repr(entity).encode()).digest()
