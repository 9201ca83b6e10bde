"""Everything that a registry knows in one signed document, made when it is asked for. A large one is never held in this process."""

import os
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Final

from ostiary.errors import OstiaryError, Unavailable
from ostiary.federation.publish.making import make_document
from ostiary.federation.publish.publication import Publication
from ostiary.federation.publish.published import OpenDocument, put_in_place
from ostiary.federation.publish.publisher import Make
from ostiary.federation.registry import Registry
from ostiary.federation.summary import earliest
from ostiary.saml.keys import Signer

AGAIN_AFTER: Final = timedelta(hours=1)
NO_SOONER: Final = timedelta(minutes=5)
MOST_HERE: Final = 500


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class _Made:
    """Descriptors of files that have no name any more: they are gone with the last who has them open."""

    plain: int
    gzipped: int
    registry: Registry
    certificate: bytes
    made_at: datetime
    fresh_until: datetime
    valid_until: datetime


class WholeRegistry:
    """The document of the moment, for whoever asks: made anew after an hour, when something in it has ended, when another key signs; and
    when the registry has changed, though not more often than every five minutes. ``elsewhere`` makes those of more than `MOST_HERE`
    entities."""

    def __init__(self, publication: Publication, elsewhere: Make | None = None) -> None:
        self._publication = publication
        self._elsewhere = elsewhere
        self._made: _Made | None = None
        self._failed: tuple[datetime, OstiaryError] | None = None
        self._lock = Lock()

    def open(self, registry: Registry, signer: Signer, now: datetime, *, gzipped: bool) -> OpenDocument:
        """Raises `Unavailable` where it can't be made; that is tried again after five minutes. Whoever comes while it is made does not
        wait: the last one serves, or (``publish.nothing_out``) there is none yet."""
        made = self._made
        if made is None or self._is_old(made, registry, signer, now):
            # A large one takes a minute, and strangers could have all threads wait for it.
            if self._lock.acquire(blocking=False):
                try:
                    made = self._made = self._made_anew(self._made, registry, signer, now)
                finally:
                    self._lock.release()
            elif made is None or now >= made.valid_until:
                raise Unavailable("publish.nothing_out", expected="a document", found="one that is being made")
        return OpenDocument(os.fdopen(os.dup(made.gzipped if gzipped else made.plain), "rb"), made.valid_until)

    def _made_anew(self, last: _Made | None, registry: Registry, signer: Signer, now: datetime) -> _Made:
        """The last one stays while it counts and nothing newer can be made."""
        if self._failed is None or now >= self._failed[0] + NO_SOONER:
            try:
                made = self._make(registry, signer, now)
            except OstiaryError as problem:
                self._failed = now, problem
            else:
                self._failed = None
                weakref.finalize(made, _close, made.plain, made.gzipped)
                return made
        if last is not None and now < last.valid_until and last.certificate == signer.certificate:
            return last
        why = self._failed[1]
        raise Unavailable(why.code, expected=why.expected, found=why.found, **why.params)

    def _is_old(self, made: _Made, registry: Registry, signer: Signer, now: datetime) -> bool:
        changed = made.registry is not registry and now >= made.made_at + NO_SOONER
        return changed or now >= made.fresh_until or made.certificate != signer.certificate

    def _make(self, registry: Registry, signer: Signer, now: datetime) -> _Made:
        first_end: datetime | None = None
        for summary in registry.summaries(now):
            first_end = earliest(first_end, summary.valid_until)
        with tempfile.TemporaryDirectory(prefix="ostiary-metadata-") as directory:
            target = Path(directory, "metadata.xml")
            path = target.with_suffix(".new")
            if self._elsewhere is not None and len(registry) > MOST_HERE:
                self._elsewhere(self._publication, path, now)
            else:
                make_document(self._publication, path, registry, signer, now)
            put_in_place(path, target, now)
            return _Made(
                plain=os.open(target, os.O_RDONLY | os.O_CLOEXEC),
                gzipped=os.open(target.with_suffix(".xml.gz"), os.O_RDONLY | os.O_CLOEXEC),
                registry=registry,
                certificate=signer.certificate,
                made_at=now,
                fresh_until=earliest(now + min(AGAIN_AFTER, self._publication.valid_for / 2), first_end) or now,
                valid_until=now + self._publication.valid_for,
            )


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


Aggregate = Callable[[datetime, bool], OpenDocument | None]
"""The aggregate at a moment, in gzip or as it is; None where there is none that counts."""
