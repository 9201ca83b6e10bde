"""The attribute query (AQM) and its answer (ARM) as pure functions: SAML profiles 6, SAML core 3.3.2.3, SOAP binding.

The states, each a function; nothing is released before the last:

    decoded message --receive_query--> ReceivedQuery (proven, fresh) --(caller: first use)--> subject_of --> principal
    --(caller: AttributeSource)--> success, or failure with a SAML status
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ostiary.attributes import Attributes
from ostiary.errors import Refusal
from ostiary.federation.registry import Registry
from ostiary.handle import HandleKey, open_handle
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, Conditions
from ostiary.saml.bindings import encode_soap
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import AttributeQuery, Response, Status, claimed_issuer, new_id
from ostiary.saml.signature import sign, verify_element
from ostiary.saml.validate import DEFAULT_TIMING, Timing, check_query
from ostiary.saml.xml import Element

UNKNOWN_PRINCIPAL: Final = Status(names.REQUESTER, names.UNKNOWN_PRINCIPAL)
UNAVAILABLE: Final = Status(names.RESPONDER)


@dataclass(frozen=True, slots=True)
class QueryEndpoint:
    """One AttributeService: whose it is, where it is, which handles it opens (the index names the authority inside
    them), how long an answer may be used.
    """

    entity_id: str
    location: str
    handle_keys: tuple[HandleKey, ...]
    authority_index: int = 0
    answer_lifetime: timedelta = timedelta(minutes=5)
    timing: Timing = DEFAULT_TIMING


@dataclass(frozen=True, slots=True)
class ReceivedQuery:
    """A query that its issuer signed, that is for this endpoint and fresh. ``replay_key`` may be used once until
    ``replay_until``."""

    query: AttributeQuery
    replay_key: str
    replay_until: datetime

    @property
    def requester(self) -> str:
        """The proven entityID of the SHAR."""
        return self.query.issuer


def receive_query(message: Element, endpoint: QueryEndpoint, registry: Registry, now: datetime) -> ReceivedQuery:
    """Who asks, proven by an XML signature with a key of that entity's SP role, and whether the query may be answered
    at all.

    ``message`` comes from `ostiary.saml.bindings.decode_soap`. Raises `Refusal`: ``aa.requester_unknown``,
    ``signature.*``, ``saml.destination``, ``saml.too_old``, ``saml.from_the_future`` and others of ``saml.*`` and
    ``xml.*``.
    """
    issuer = claimed_issuer(message)
    role = registry.sp(issuer, now) if issuer else None
    if role is None:
        raise Refusal("aa.requester_unknown", expected="an SP with valid metadata", found=issuer or "no Issuer")
    query = AttributeQuery.from_proof(verify_element(message, role.signing_keys()))
    check_query(query, location=endpoint.location, now=now, timing=endpoint.timing)
    until = query.issue_instant + endpoint.timing.max_age + 2 * endpoint.timing.skew
    return ReceivedQuery(query, f"attribute-query {query.issuer} {query.id}", until)


def subject_of(received: ReceivedQuery, endpoint: QueryEndpoint, now: datetime) -> str:
    """The principal whom the query is about.

    Raises `Refusal`: ``handle.*``, ``aa.name_id`` when the subject is not a handle of this authority. The requester
    is told none of this: see `UNKNOWN_PRINCIPAL`.
    """
    name_id = received.query.name_id
    if (
        name_id.format != names.TRANSIENT
        or name_id.name_qualifier not in (None, endpoint.entity_id)
        or name_id.sp_name_qualifier not in (None, received.requester)
    ):
        raise Refusal("aa.name_id", expected="a transient NameID of this organisation", found=name_id.format)
    handle = open_handle(endpoint.handle_keys, name_id.value, requester=received.requester, now=now)
    if handle.authority != endpoint.authority_index:
        raise Refusal("aa.name_id", expected=f"authority {endpoint.authority_index}", found=handle.authority)
    return handle.principal


def success(
    received: ReceivedQuery,
    attributes: Attributes,
    endpoint: QueryEndpoint,
    signer: Signer,
    now: datetime,
    make_id: Callable[[], str] = new_id,
) -> bytes:
    """The SOAP envelope with the signed answer: one assertion for the requester alone, or none when nothing may
    leave.
    """
    assertions: Sequence[Element] = ()
    if attributes:
        assertion = Assertion(
            id=make_id(),
            issuer=endpoint.entity_id,
            issue_instant=now,
            name_id=received.query.name_id,
            conditions=Conditions(now - endpoint.timing.skew, now + endpoint.answer_lifetime, ((received.requester,),)),
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
