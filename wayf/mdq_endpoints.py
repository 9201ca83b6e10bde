"""The addresses of the Metadata Query Protocol, for programs: conditional and compressed answers, no pages, no echo of what was asked."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from flask import Flask, Response, request

from ostiary.clock import Clock
from ostiary.federation.publish.signed_entities import SignedEntities
from ostiary.federation.registry import Registry
from ostiary.saml.keys import Signer
from ostiary.web.signed_documents import MEDIA_TYPE, finished, wants_gzip
from wayf.mdq import Keeps, answer
from wayf.whole import Aggregate

# What some clients call it, and who takes any of these takes what is sent.
_TAKEN: Final = (MEDIA_TYPE, "application/xml", "text/xml")

Moment = Callable[[datetime], tuple[Registry, Signer]]
"""Registry and signer of the moment."""


def add_entity_queries(
    app: Flask,
    base: str,
    *,
    moment: Moment,
    signed: SignedEntities,
    aggregate: Aggregate,
    clock: Clock,
    keeps: Keeps | None = None,
) -> None:
    """``base/entities`` (all of them; md-query 3.1) and ``base/entities/<identifier>`` (one of them)."""

    def one(identifier: str) -> Response:
        now = clock.now()
        if not _is_taken():
            return nothing(406)
        registry, signer = moment(now)
        document = answer(identifier, registry, signer, signed, now, keeps)
        if document is None:
            return nothing(404)
        packed = wants_gzip()
        return finished(
            Response(document.gzipped if packed else document.content),
            etag=document.etag,
            made_at=document.made_at,
            max_age=min(signed.cache_duration, document.valid_until - now),
            gzipped=packed,
        )

    add_aggregate(app, f"{base}/entities", aggregate, clock=clock, cache_duration=signed.cache_duration)
    # Some clients end the address of all entities so.
    add_aggregate(app, f"{base}/entities/", aggregate, clock=clock, cache_duration=signed.cache_duration)
    app.add_url_rule(f"{base}/entities/<path:identifier>", f"one:{base}", one, methods=["GET"])


def add_aggregate(app: Flask, path: str, aggregate: Aggregate, *, clock: Clock, cache_duration: timedelta) -> None:
    """An address of one document with many entities, which goes out piece by piece."""

    def all_of_them() -> Response:
        now = clock.now()
        if not _is_taken():
            return nothing(406)
        packed = wants_gzip()
        document = aggregate(now, packed)
        if document is None:
            return nothing(503)
        response = Response(document.pieces())
        response.content_length = document.size
        response.call_on_close(document.close)
        max_age = min(cache_duration, document.valid_until - now)
        finished(response, etag=document.etag, made_at=document.made_at, max_age=max_age, gzipped=packed)
        if response.status_code == 304 or request.method == "HEAD":
            document.close()
        return response

    app.add_url_rule(path, f"all:{path}", all_of_them, methods=["GET"], strict_slashes=True)


def nothing(status: int) -> Response:
    """An answer without words: who asks is a program."""
    response = Response(b"", status, content_type=MEDIA_TYPE)
    response.headers["Vary"] = "Accept"
    return response


def _is_taken() -> bool:
    accepted = request.accept_mimetypes
    return not accepted or any(accepted[kind] > 0 for kind in _TAKEN)
