"""The attribute query (AQM) on the wire as pure functions: SAML profiles 6, SAML core 3.3.2.3, SOAP binding. Who asks, and for what.

The states, each a function; nothing is released before the last:

    decoded message --prove_sender--> Sender (proven, or anybody; fresh) --read_query--> ReceivedQuery
    --subjects.subject_of--> Subject --(caller: AttributeSource)--> answers.success, or answers.failure with a SAML status

A query comes from an SP, from nobody in particular, or from the organisation itself in the name of an SP: its identity provider, or
another of its authorities, passes on what this one has to answer. Such a query goes no further.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

from attribute_authority.queries.asked import asked_attributes, asked_target
from attribute_authority.queries.encryption import NO_ENCRYPTION, AnswerEncryption
from attribute_authority.queries.statuses import BAD_ATTRIBUTE, DENIED, UNSUPPORTED, Unsatisfiable
from ostiary.attributes import Attributes
from ostiary.errors import Refusal
from ostiary.federation.registry import Registry
from ostiary.handle import HandleKey
from ostiary.saml import names
from ostiary.saml.assertion import require_version
from ostiary.saml.keys import TrustedKey, allow_sha1_from_legacy_partner
from ostiary.saml.peer_key import prove_by_peer_key
from ostiary.saml.protocol import AttributeQuery, claimed_issuer
from ostiary.saml.signature import AnonymousMessage, SignedElement, TlsPeer, has_signature, verify_element
from ostiary.saml.validate import DEFAULT_TIMING, Timing, check_issue_instant, same
from ostiary.saml.xml import Element, qname, read_instant

_QUERY: Final = qname(names.SAMLP, "AttributeQuery")
_MAXIMUM_ID: Final = 256
_NOBODY_ELSE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class QueryEndpoint:
    """One AttributeService: whose it is, where it is, which handles it opens (the index names the authority inside
    them), how long an answer may be used; ``accepts_passed_on``: whether the organisation's other services may ask in
    the name of requesters; ``denied_requesters``: whom it answers nothing at all; ``may_ask_for``: which requesters may
    use the names that others were given; ``ask_by_certificate_name``, ``ask_by_principal_name``,
    ``ask_by_external_name``: who may ask by names of certificates, by eduPersonPrincipalName, by identifiers of elsewhere.
    """

    entity_id: str
    locations: tuple[str, ...]
    handle_keys: tuple[HandleKey, ...]
    authority_index: int = 0
    answer_lifetime: timedelta = timedelta(minutes=5)
    timing: Timing = DEFAULT_TIMING
    allow_sha1_from_legacy_partners: frozenset[str] = frozenset()
    accepts_passed_on: bool = False
    answers_anonymous: bool = False
    denied_requesters: frozenset[str] = frozenset()
    may_ask_for: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NOBODY_ELSE)
    ask_by_certificate_name: frozenset[str] = frozenset()
    ask_by_principal_name: frozenset[str] = frozenset()
    ask_by_external_name: frozenset[str] = frozenset()
    encryption: AnswerEncryption = NO_ENCRYPTION


class Sender(NamedTuple):
    """Who sent a request that is for this endpoint and fresh. ``requester`` is the entityID of the SHAR: the issuer, or whom the
    organisation's own service asks for (``passed_on``); with ``anonymous`` it is empty, and ``issuer`` a mere claim. ``replay_key`` may be
    used once until ``replay_until``."""

    proof: SignedElement | TlsPeer | AnonymousMessage
    id: str
    issuer: str
    requester: str
    passed_on: bool
    replay_key: str
    replay_until: datetime

    @property
    def anonymous(self) -> bool:
        """Whether nobody proved who asks."""
        return isinstance(self.proof, AnonymousMessage)


class ReceivedQuery(NamedTuple):
    """What is asked for: ``wanted`` by our own names, None for everything; ``target`` the URL whose application domain it is for."""

    sender: Sender
    query: AttributeQuery
    wanted: Attributes | None
    target: str | None


def prove_sender(
    message: Element, certificate: bytes | None, endpoint: QueryEndpoint, registry: Registry, now: datetime
) -> Sender:
    """Who asks, proven by an XML signature with a key of that entity's SP role, or where there is none by the TLS client ``certificate``
    (DER) whose key it is; and whether the request may be answered at all. A signature that is there must be right.

    ``message`` comes from `ostiary.saml.bindings.decode_soap`. Raises `Refusal`: ``aa.requester_unknown``, ``aa.peer_unknown``,
    ``aa.passed_on``, ``aa.query_id``, ``signature.*``, ``saml.destination``, ``saml.too_old``, ``saml.from_the_future`` and others of
    ``saml.*`` and ``xml.*``.
    """
    issuer = claimed_issuer(message)
    if not issuer:
        raise Refusal("aa.requester_unknown", expected="an SP with valid metadata", found="no Issuer")
    passed_on = endpoint.accepts_passed_on and issuer == endpoint.entity_id
    proof = _proof(message, issuer, passed_on, certificate, endpoint, registry, now)
    element = proof.element
    require_version(element)
    instant = read_instant(element.get("IssueInstant", ""))
    destination = element.get("Destination")
    if destination is not None and destination not in endpoint.locations:
        same("saml.destination", endpoint.locations[0], destination)
    check_issue_instant(instant, now, endpoint.timing)
    identifier, requester, space = element.get("ID", ""), issuer, "attribute-query"
    if not 0 < len(identifier) <= _MAXIMUM_ID:
        raise Refusal("aa.query_id", expected=f"an ID of 1 to {_MAXIMUM_ID} characters", found=len(identifier))
    if passed_on:
        requester = _asked_for(AttributeQuery.from_proof(proof))
    elif isinstance(proof, AnonymousMessage):
        # Anybody may claim to be an issuer, and must not use up what that one sends later.
        requester, space = "", "anonymous attribute-query"
    until = instant + endpoint.timing.max_age + 2 * endpoint.timing.skew
    return Sender(proof, identifier, issuer, requester, passed_on, f"{space} {issuer} {identifier}", until)


def read_query(sender: Sender, endpoint: QueryEndpoint, registry: Registry, now: datetime) -> ReceivedQuery:
    """What a request asks for. Raises `Unsatisfiable` for a requester that is answered nothing, for what is no attribute query with a
    NameID in the clear, and for attributes that are named in a way that this authority does not understand."""
    if sender.requester in endpoint.denied_requesters:
        problem = Refusal("aa.requester_denied", expected="a requester that is answered", found=sender.requester)
        raise Unsatisfiable(DENIED, problem)
    element = sender.proof.element
    if element.tag != _QUERY:
        problem = Refusal("saml.other_message", expected="samlp:AttributeQuery", found=element.tag)
        raise Unsatisfiable(UNSUPPORTED, problem)
    try:
        query = AttributeQuery.from_proof(sender.proof)
    except Refusal as problem:
        raise Unsatisfiable(UNSUPPORTED, problem) from None
    try:
        wanted = asked_attributes(element, query.attributes)
    except Refusal as problem:
        raise Unsatisfiable(BAD_ATTRIBUTE, problem) from None
    role = registry.sp(query.issuer, now) if not sender.anonymous else None
    return ReceivedQuery(sender, query, wanted, asked_target(query, element, role))


def _proof(
    message: Element,
    issuer: str,
    passed_on: bool,
    certificate: bytes | None,
    endpoint: QueryEndpoint,
    registry: Registry,
    now: datetime,
) -> SignedElement | TlsPeer | AnonymousMessage:
    if has_signature(message):
        keys = _own_keys(endpoint, registry, now) if passed_on else _requester_keys(issuer, endpoint, registry, now)
        return verify_element(message, keys)
    if certificate is not None and not passed_on:
        role = registry.sp(issuer, now)
        proof = prove_by_peer_key(message, certificate, role.signing_keys()) if role is not None else None
        if proof is not None:
            return proof
    if endpoint.answers_anonymous and not passed_on:
        return AnonymousMessage(message)
    # Says which of the two was missing.
    _requester_keys(issuer, endpoint, registry, now)
    if certificate is not None:
        raise Refusal("aa.peer_unknown", expected=f"a key that metadata lists for {issuer}", found="another key")
    raise Refusal("signature.missing", expected="a signature, or a TLS client certificate", found="neither")


def _requester_keys(issuer: str, endpoint: QueryEndpoint, registry: Registry, now: datetime) -> tuple[TrustedKey, ...]:
    role = registry.sp(issuer, now)
    if role is None:
        raise Refusal("aa.requester_unknown", expected="an SP with valid metadata", found=issuer)
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
