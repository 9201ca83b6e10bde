"""The attribute query (AQM) and its answer (ARM) as pure functions: SAML profiles 6, SAML core 3.3.2.3, SOAP binding.

The states, each a function; nothing is released before the last:

    decoded message --receive_query--> ReceivedQuery (proven, fresh) --(caller: first use)--> subject_of --> NamedPerson
    --(caller: AttributeSource)--> success, or failure with a SAML status

A query comes from an SP, or from the organisation itself in the name of one: its identity provider, or another of its
authorities, passes on what this one has to answer. Such a query goes no further.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ostiary.attributes import Attributes
from ostiary.errors import Refusal
from ostiary.federation.registry import Registry
from ostiary.handle import HandleKey, open_handle
from ostiary.ports import NamedPerson, PersistentNames
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, Conditions
from ostiary.saml.bindings import encode_soap
from ostiary.saml.keys import Signer, TrustedKey, allow_sha1_from_legacy_partner
from ostiary.saml.protocol import AttributeQuery, Response, Status, claimed_issuer, new_id
from ostiary.saml.signature import sign, verify_element
from ostiary.saml.validate import DEFAULT_TIMING, Timing, check_query
from ostiary.saml.xml import Element

UNKNOWN_PRINCIPAL: Final = Status(names.REQUESTER, names.UNKNOWN_PRINCIPAL)
UNAVAILABLE: Final = Status(names.RESPONDER)


@dataclass(frozen=True, slots=True)
class QueryEndpoint:
    """One AttributeService: whose it is, where it is, which handles it opens (the index names the authority inside
    them), how long an answer may be used; ``accepts_passed_on``: whether the organisation's other services may ask in
    the name of requesters.
    """

    entity_id: str
    location: str
    handle_keys: tuple[HandleKey, ...]
    authority_index: int = 0
    answer_lifetime: timedelta = timedelta(minutes=5)
    timing: Timing = DEFAULT_TIMING
    allow_sha1_from_legacy_partners: frozenset[str] = frozenset()
    accepts_passed_on: bool = False


@dataclass(frozen=True, slots=True)
class ReceivedQuery:
    """A query that its issuer signed, that is for this endpoint and fresh. ``requester`` is the entityID of the SHAR: the
    issuer, or whom the organisation's own service asks for (``passed_on``). ``replay_key`` may be used once until ``replay_until``."""

    query: AttributeQuery
    requester: str
    passed_on: bool
    replay_key: str
    replay_until: datetime


def receive_query(message: Element, endpoint: QueryEndpoint, registry: Registry, now: datetime) -> ReceivedQuery:
    """Who asks, proven by an XML signature with a key of that entity's SP role, and whether the query may be answered
    at all.

    ``message`` comes from `ostiary.saml.bindings.decode_soap`. Raises `Refusal`: ``aa.requester_unknown``,
    ``aa.passed_on``, ``signature.*``, ``saml.destination``, ``saml.too_old``, ``saml.from_the_future`` and others of ``saml.*`` and
    ``xml.*``.
    """
    issuer = claimed_issuer(message)
    passed_on = endpoint.accepts_passed_on and issuer == endpoint.entity_id
    keys = _own_keys(endpoint, registry, now) if passed_on else _requester_keys(issuer, endpoint, registry, now)
    query = AttributeQuery.from_proof(verify_element(message, keys))
    check_query(query, location=endpoint.location, now=now, timing=endpoint.timing)
    until = query.issue_instant + endpoint.timing.max_age + 2 * endpoint.timing.skew
    requester = _asked_for(query) if passed_on else query.issuer
    return ReceivedQuery(query, requester, passed_on, f"attribute-query {query.issuer} {query.id}", until)


def _requester_keys(
    issuer: str | None, endpoint: QueryEndpoint, registry: Registry, now: datetime
) -> tuple[TrustedKey, ...]:
    role = registry.sp(issuer, now) if issuer else None
    if role is None:
        raise Refusal("aa.requester_unknown", expected="an SP with valid metadata", found=issuer or "no Issuer")
    if issuer in endpoint.allow_sha1_from_legacy_partners:
        return allow_sha1_from_legacy_partner(role.signing_keys())
    return role.signing_keys()


def _own_keys(endpoint: QueryEndpoint, registry: Registry, now: datetime) -> tuple[TrustedKey, ...]:
    """Those that the organisation publishes for the services that may pass a query on."""
    roles = (registry.idp(endpoint.entity_id, now), registry.aa(endpoint.entity_id, now))
    keys = tuple(key for role in roles if role is not None for key in role.signing_keys())
    if not keys:
        raise Refusal("aa.passed_on", expected="valid metadata of our own organisation", found="none")
    return keys


def _asked_for(query: AttributeQuery) -> str:
    """In whose name the organisation asks: for whom the handle was made (SAML core 8.3.7), which opening it proves."""
    if not query.name_id.sp_name_qualifier or query.name_id.format != names.TRANSIENT:
        raise Refusal("aa.passed_on", expected="a handle with SPNameQualifier", found=query.name_id.format)
    return query.name_id.sp_name_qualifier


def subject_of(
    received: ReceivedQuery, endpoint: QueryEndpoint, persistent: PersistentNames, now: datetime
) -> NamedPerson:
    """Whom the query is about, and which authority knows her.

    Raises `Refusal`: ``handle.*``, ``aa.name_id`` when the subject is neither a handle nor a persistent identifier of this
    organisation, or a query that was passed on is for another authority than this one. The requester is told none of this:
    see `UNKNOWN_PRINCIPAL`. Raises `Unavailable` when persistent identifiers can't be looked up.
    """
    name_id = received.query.name_id
    if (
        name_id.format not in (names.TRANSIENT, names.PERSISTENT)
        or name_id.name_qualifier not in (None, endpoint.entity_id)
        or name_id.sp_name_qualifier not in (None, received.requester)
    ):
        raise Refusal("aa.name_id", expected="a NameID of this organisation", found=name_id.format)
    if name_id.format == names.PERSISTENT:
        named = persistent.person_named(name_id.value, received.requester)
        if named is None:
            raise Refusal("aa.name_id", expected="a persistent NameID that lives", found="one that names nobody")
        return named
    handle = open_handle(endpoint.handle_keys, name_id.value, requester=received.requester, now=now)
    if received.passed_on and handle.authority != endpoint.authority_index:
        # Whoever passed it on took us for another one: passing it on again could go round in a circle.
        raise Refusal("aa.name_id", expected=f"authority {endpoint.authority_index}", found=handle.authority)
    return NamedPerson(handle.principal, handle.authority)


def success(
    received: ReceivedQuery,
    attributes: Attributes,
    endpoint: QueryEndpoint,
    signer: Signer,
    now: datetime,
    make_id: Callable[[], str] = new_id,
) -> bytes:
    """The SOAP envelope with the signed answer: one assertion for whoever sent the query alone, or none when nothing may
    leave.
    """
    assertions: Sequence[Element] = ()
    if attributes:
        assertion = Assertion(
            id=make_id(),
            issuer=endpoint.entity_id,
            issue_instant=now,
            name_id=received.query.name_id,
            conditions=Conditions(
                now - endpoint.timing.skew, now + endpoint.answer_lifetime, ((received.query.issuer,),)
            ),
            attributes=attributes,
        )
        assertions = (assertion.to_xml(),)
    return _signed(_response(received, Status(), endpoint, now, make_id).to_xml(*assertions), signer)


def failure(
    received: ReceivedQuery,
    status: Status,
    endpoint: QueryEndpoint,
    signer: Signer,
    now: datetime,
    make_id: Callable[[], str] = new_id,
) -> bytes:
    """The SOAP envelope with a signed answer that says only the status (SAML core 3.2.2.2)."""
    return _signed(_response(received, status, endpoint, now, make_id).to_xml(), signer)


def _response(
    received: ReceivedQuery, status: Status, endpoint: QueryEndpoint, now: datetime, make_id: Callable[[], str]
) -> Response:
    return Response(
        id=make_id(),
        issuer=endpoint.entity_id,
        issue_instant=now,
        status=status,
        in_response_to=received.query.id,
    )


def _signed(response: Element, signer: Signer) -> bytes:
    # One signature, on the Response: it covers the assertion too.
    sign(response, signer)
    return encode_soap(response)
