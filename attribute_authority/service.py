"""The Attribute Authority as a Flask application: one POST route that takes attribute queries over SOAP.

What cannot be proven, or is not fresh, is refused with a 4xx page; a broken envelope gets a SOAP Fault; a proven
query that can't be satisfied gets a SAML status (DESIGN rule 8).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from flask import Flask, Response, request
from sqlalchemy import Engine
from werkzeug.datastructures import EnvironHeaders

from attribute_authority.queries.answering import Answering
from attribute_authority.queries.caller import FrontEnd, caller_of
from attribute_authority.queries.encryption import AnswerEncryption
from attribute_authority.queries.identifiers import RemembersIdentifiers, ToldIdentifiers
from attribute_authority.queries.records import Once, OnceElsewhere, OnceInDatabase, QueryAudit
from attribute_authority.queries.soap import QueryEndpoint
from attribute_authority.queries.subjects import NamedPeople
from attribute_authority.remote import SeveralAuthorities
from attribute_authority.settings import QUERY_PATH, AttributeAuthoritySettings
from ostiary.clock import Clock
from ostiary.config import networks
from ostiary.errors import Refusal
from ostiary.federation.keys import KeyRing
from ostiary.federation.registry import Registry
from ostiary.handle import HandleKey, derived_secrets
from ostiary.ports import (
    NOTHING_ASKED,
    AskedRequests,
    AttributeSource,
    CertificateNamedPeople,
    ExternallyNamedPeople,
    PersistentNames,
    PrincipalNamedPeople,
)
from ostiary.saml.xml import MESSAGE
from ostiary.storage.sql import SqlReplayStore
from ostiary.storage.stores import ReplayStore
from ostiary.web.csrf import cross_site
from ostiary.web.log import Log
from ostiary.web.pages import Pages
from ostiary.web.service import add_short_way, make_service, raised_before
from ostiary.web.short_way import Document
from ostiary.web.texts import Catalogue

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

TEXTS: Final = Path(__file__).parent / "texts"

_NO_OTHERS: Final[Mapping[int, AttributeSource]] = MappingProxyType({})
# SAML bindings 3.2.3.2: no cache on the way may keep an answer.
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
    engine: Engine,
    log: Log,
    clock: Clock,
    writer: str = "aa",
    others: Mapping[int, AttributeSource] = _NO_OTHERS,
    replays: ReplayStore | None = None,
    persistent: PersistentNames | None = None,
    identifiers: ToldIdentifiers | None = None,
    certificates: CertificateNamedPeople | None = None,
    principals: PrincipalNamedPeople | None = None,
    externals: ExternallyNamedPeople | None = None,
    asked_requests: AskedRequests = NOTHING_ASKED,
) -> Flask:
    """The application. ``registry``, ``key_ring`` and ``handle_keys`` give the snapshots of the moment, ``authority`` releases what
    this one knows, ``others`` are the organisation's other authorities by index, to which it passes on what is theirs;
    ``persistent``, ``identifiers``, ``certificates``, ``principals`` and ``externals`` find people by names other than handles, which name
    nobody without them. ``engine`` is the database of the audit and ``writer`` the name of this service or node in it; ``replays``
    remembers queries elsewhere than there; ``asked_requests`` remembers what was asked. The one route is ``POST`` `QUERY_PATH`.
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
    passing_on = SeveralAuthorities({**others, settings.authority_index: authority})
    people = NamedPeople(persistent, identifiers, certificates, principals, externals)
    answering = Answering(
        endpoint=_endpoint(settings),
        registry=registry,
        key_ring=key_ring,
        handle_keys=handle_keys,
        sources=passing_on if identifiers is None else RemembersIdentifiers(passing_on, identifiers),
        people=people,
        once=_once(settings, replays, engine),
        audit=QueryAudit(engine, writer, log),
        asked_requests=asked_requests,
        log=log,
    )
    front_end = _front_end(settings)

    def answer(environ: "WSGIEnvironment", data: bytes) -> Document:
        caller = caller_of(
            environ, environ.get("REMOTE_ADDR"), lambda name: EnvironHeaders(environ).get(name), front_end
        )
        return answering.answer(data, caller, clock.now())

    def respond(document: Document) -> Response:
        return Response(document.body, document.status, headers=dict(_HEADERS), content_type="text/xml; charset=utf-8")

    @app.post(QUERY_PATH)
    @cross_site
    def attribute_query() -> Response:
        raised_before()
        if request.mimetype != "text/xml":
            raise Refusal("aa.content_type", expected="text/xml (SOAP 1.1)", found=request.mimetype or "none")
        return respond(answer(request.environ, request.get_data()))

    add_short_way(app, QUERY_PATH, "text/xml", answer, respond)
    return app


def _endpoint(settings: AttributeAuthoritySettings) -> QueryEndpoint:
    names, principals, externals = settings.certificate_names, settings.principal_names, settings.external_names
    return QueryEndpoint(
        settings.entity_id,
        settings.query_locations,
        (),
        settings.authority_index,
        settings.answer_lifetime,
        allow_sha1_from_legacy_partners=frozenset(settings.allow_sha1_from_legacy_partners),
        accepts_passed_on=settings.accepts_passed_on,
        answers_anonymous=settings.answers_anonymous,
        denied_requesters=frozenset(settings.denied_requesters),
        may_ask_for=settings.may_ask_for,
        ask_by_certificate_name=frozenset(names.requesters if names is not None else ()),
        ask_by_principal_name=frozenset(principals.requesters if principals is not None else ()),
        ask_by_external_name=frozenset(externals.requesters if externals is not None else ()),
        encryption=AnswerEncryption(
            settings.encrypt_answers,
            settings.encrypt_answers_for,
            frozenset(settings.allow_cbc_for_legacy_partners),
        ),
    )


def _front_end(settings: AttributeAuthoritySettings) -> FrontEnd | None:
    channel = settings.back_channel
    if channel is None or channel.from_front_end is None:
        return None
    return FrontEnd(channel.from_front_end.header, networks(channel.from_front_end.addresses))


def _once(settings: AttributeAuthoritySettings, replays: ReplayStore | None, engine: Engine) -> Once:
    if replays is None:
        return OnceInDatabase(SqlReplayStore(engine, namespace=settings.entity_id))
    return OnceElsewhere(replays, engine)
