"""What a home organisation publishes about itself: its own entity, signed, at an address of its own."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from flask import Flask, Response

from ostiary.clock import Clock
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import Entity
from ostiary.federation.publish.signed_entities import SignedEntities
from ostiary.web.signed_documents import finished, wants_gzip

CACHE_DURATION: Final = timedelta(hours=6)


def add_own_metadata(
    app: Flask, entity: Callable[[], Entity], key_ring: Callable[[], KeyRing], valid_for: timedelta, clock: Clock
) -> None:
    """``/metadata``: ``entity`` as it is at the moment, signed by the current key. What was signed is handed out again until half of its
    validity is over, unless configuration or keys changed."""
    signed = SignedEntities(validity=valid_for, cache_duration=min(CACHE_DURATION, valid_for))

    @app.get("/metadata", endpoint="own_metadata")
    def _own_metadata() -> Response:
        now = clock.now()
        document = signed.document(entity(), key_ring().signer, now)
        packed = wants_gzip()
        return finished(
            Response(document.gzipped if packed else document.content),
            etag=document.etag,
            made_at=document.made_at,
            max_age=CACHE_DURATION,
            gzipped=packed,
        )
