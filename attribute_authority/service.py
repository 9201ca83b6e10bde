"""The Attribute Authority as a Flask application: one POST route that takes attribute queries over SOAP.

What cannot be proven, or is not fresh, is refused with a 4xx page; a broken envelope gets a SOAP Fault; a proven
query that can't be satisfied gets a SAML status (DESIGN rule 8).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from flask import Flask, Response, request
from sqlalchemy import Engine

from attribute_authority.authority import rules_that_released
from attribute_authority.queries.soap import (
    UNAVAILABLE,
    UNKNOWN_PRINCIPAL,
    QueryEndpoint,
    ReceivedQuery,
    failure,
    receive_query,
    subject_of,
    success,
)
from attribute_authority.remote import SeveralAuthorities
from attribute_authority.settings import QUERY_PATH, AttributeAuthoritySettings
from ostiary import audit
from ostiary.clock import Clock
from ostiary.errors import OstiaryError, Refusal, Unavailable
from ostiary.federation.keys import KeyRing
from ostiary.federation.registry import Registry
from ostiary.handle import HandleKey, derived_secrets
from ostiary.ports import AttributeSource, NamedPerson, PersistentNames, Release, ReleaseRequest
from ostiary.saml.bindings import decode_soap, soap_fault
from ostiary.saml.protocol import Status
from ostiary.saml.xml import MESSAGE
from ostiary.storage.engine import writing
from ostiary.storage.stores import ReplayStore
from ostiary.web.csrf import cross_site
from ostiary.web.log import Log, reference
from ostiary.web.pages import Pages
from ostiary.web.service import make_service
from ostiary.web.texts import Catalogue

TEXTS: Final = Path(__file__).parent / "texts"

# SAML bindings 3.2.3.2: no cache on the way may keep an answer.
_NO_OTHERS: Final[Mapping[int, AttributeSource]] = MappingProxyType({})
_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-cache, no-store, must-revalidate, private",
    "Pragma": "no-cache",
}


def make_attribute_authority(
    settings: AttributeAuthoritySettings,
    *,
    registry: Callable[[], Registry],
    key_ring: Callable[[], KeyRing],
    handle_keys: Callable[[], Sequence[HandleKey]],
    authority: AttributeSource,
    replays: ReplayStore,
    engine: Engine,
    log: Log,
    clock: Clock,
    writer: str = "aa",
    others: Mapping[int, AttributeSource] = _NO_OTHERS,
    persistent: PersistentNames | None = None,
) -> Flask:
    """The application. ``registry``, ``key_ring`` and ``handle_keys`` give the snapshots of the moment, ``authority`` releases what
    this one knows, ``others`` are the organisation's other authorities by index, to which it passes on what is theirs;
    ``persistent`` finds people by persistent NameIDs, which name nobody without it. ``engine`` is the database of the audit
    and ``writer`` the name of this service or node in it. The one route is ``POST`` `QUERY_PATH`.
    """
    app = make_service(
        __name__,
        service_name=settings.display_name,
        pages=Pages(Catalogue.load(TEXTS)),
        public_url=settings.public_url,
        log=log,
        clock=clock,
        secret=lambda: derived_secrets(handle_keys(), b"attribute authority forms"),
        entity_id=settings.entity_id,
        max_body=MESSAGE.max_bytes,
        trusted_proxies=settings.trusted_proxies,
    )
    endpoint = QueryEndpoint(
        settings.entity_id,
        settings.query_location,
        tuple(handle_keys()),
        settings.authority_index,
        settings.answer_lifetime,
        allow_sha1_from_legacy_partners=frozenset(settings.allow_sha1_from_legacy_partners),
        accepts_passed_on=settings.accepts_passed_on,
    )
    sources = SeveralAuthorities({**others, settings.authority_index: authority})
    names = persistent if persistent is not None else _NobodyNamed()
    service = _QueryService(endpoint, registry, key_ring, handle_keys, sources, names, replays, engine, log, writer)

    @app.post(QUERY_PATH)
    @cross_site
    def attribute_query() -> Response:
        if request.mimetype != "text/xml":
            raise Refusal("aa.content_type", expected="text/xml (SOAP 1.1)", found=request.mimetype or "none")
        return service.answer(request.get_data(), clock.now())

    return app


class _NobodyNamed:
    def person_named(self, value: str, requester: str) -> NamedPerson | None:
        return None


@dataclass(frozen=True, slots=True)
class _QueryService:
    endpoint: QueryEndpoint
    registry: Callable[[], Registry]
    key_ring: Callable[[], KeyRing]
    handle_keys: Callable[[], Sequence[HandleKey]]
    sources: AttributeSource
    persistent: PersistentNames
    replays: ReplayStore
    engine: Engine
    log: Log
    writer: str

    def answer(self, data: bytes, now: datetime) -> Response:
        """Raises `Refusal` for what is not proven, not fresh or not for this endpoint: nothing was released then."""
        try:
            message = decode_soap(data)
        except Refusal as problem:
            return self._fault(problem)
        received = receive_query(message, self.endpoint, self.registry(), now)
        if not self.replays.first_use(received.replay_key, expires=received.replay_until, now=now):
            raise Refusal("aa.query_replayed", expected="a query that was not answered before", found=received.query.id)
        try:
            endpoint = replace(self.endpoint, handle_keys=tuple(self.handle_keys()))
            person = subject_of(received, endpoint, self.persistent, now)
            released = self.sources.release(_request(received, person, now))
            self._record(received, person, released, now)
        except Refusal as problem:
            # Forged, expired, another requester's, nobody's: whoever asks can't tell them apart.
            return self._failure(received, UNKNOWN_PRINCIPAL, problem, now)
        except Unavailable as problem:
            return self._failure(received, UNAVAILABLE, problem, now)
        return _xml(success(received, released.attributes, self.endpoint, self.key_ring().signer, now))

    def _fault(self, problem: OstiaryError) -> Response:
        number = reference()
        self.log.info("soap_fault", reference=number, code=problem.code, expected=problem.expected, found=problem.found)
        return _xml(soap_fault(problem, number), 500)

    def _failure(self, received: ReceivedQuery, status: Status, problem: OstiaryError, now: datetime) -> Response:
        self.log.info(
            "attribute_query_failed",
            requester=received.requester,
            query=received.query.id,
            code=problem.code,
            expected=problem.expected,
            found=problem.found,
        )
        return _xml(failure(received, status, self.endpoint, self.key_ring().signer, now))

    def _record(self, received: ReceivedQuery, person: NamedPerson, released: Release, now: datetime) -> None:
        """The audit row comes before the answer: what can't be recorded does not leave."""
        elsewhere = person.authority != self.endpoint.authority_index
        with writing(self.engine) as connection:
            audit.record(
                connection,
                at=now,
                writer=self.writer,
                actor="attribute_authority",
                action="attributes.released",
                subject=person.principal,
                facts={
                    **({"authority": person.authority} if elsewhere else {}),
                    **({"passed_on": True} if received.passed_on else {}),
                    "requester": received.requester,
                    "query": received.query.id,
                    "attributes": sorted({attribute.name for attribute in released.attributes}),
                    "rules": rules_that_released(released.decision),
                },
            )


def _request(received: ReceivedQuery, person: NamedPerson, now: datetime) -> ReleaseRequest:
    query = received.query
    return ReleaseRequest(
        person.principal,
        received.requester,
        now,
        target=query.target,
        wanted=query.attributes,
        authority=person.authority,
    )


def _xml(body: bytes, status: int = 200) -> Response:
    return Response(body, status, headers=dict(_HEADERS), content_type="text/xml; charset=utf-8")
