"""The Handle Service's rules for an authentication request (SAML profiles 4.1.3), as pure functions: no I/O, no clock, no session.

    received --accept_request--> AcceptedRequest --obstacle--> an error answer, or: find out who it is
    WaitingRequest (what of it outlives the first HTTP request) --resume--> SP and endpoint, by the metadata of that moment

Whoever asks must be known and, where metadata says so, must have signed; the answer goes only to an endpoint that metadata registers.
Both are settled before a person is asked for anything.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from idp.identifiers.rules import NameIdPolicy, choose_name_id, read_name_id_policy
from idp.login.contexts import DEFAULT_ASSURANCE, Assurance, achievable, choose
from ostiary.errors import Refusal
from ostiary.federation.model import Endpoint, Entity, SpRole, default_endpoint
from ostiary.federation.registry import Registry, valid_role
from ostiary.saml import names
from ostiary.saml.bindings import ReceivedMessage, verify_form, verify_query
from ostiary.saml.keys import allow_sha1_from_legacy_partner as allow_sha1
from ostiary.saml.protocol import AuthnRequest, RequestedAuthnContext, Status, claimed_issuer
from ostiary.saml.signature import Proof, UnsignedAllowedByMetadata, has_signature, verify_element
from ostiary.saml.validate import DEFAULT_TIMING, Timing, check_authn_request
from ostiary.saml.xml import Children, qname

# The bindings by which a Response can go out.
RESPONSE_BINDINGS: Final = (names.HTTP_POST, names.HTTP_POST_SIMPLE_SIGN, names.HTTP_ARTIFACT)

_SUBJECT: Final = qname(names.SAML, "Subject")
_AUTHN_REQUEST: Final = qname(names.SAMLP, "AuthnRequest")
MAXIMUM_ID: Final = 256
MAXIMUM_TARGET: Final = 2_048
MAXIMUM_CLASSES: Final = 20
MAXIMUM_CLASS: Final = 256


@dataclass(frozen=True, slots=True)
class Rules:
    """What one Handle Service goes by. ``redirect_url`` and ``post_url`` are its endpoints as its metadata names them, ``assurance`` says
    what a login here amounts to, ``methods`` by what people may log in, second factors among them, ``assertion_lifetime`` how long an SP
    may take to pick up an assertion, ``handle_lifetime`` how long a handle opens, ``allow_sha1_from`` which SPs (entityIDs) may sign with
    SHA-1, ``name_id_formats`` which forms of names there are, ``mail_names_for`` which SPs may get a mail address for one.

    Endpoints that are empty are not there."""

    entity_id: str
    redirect_url: str
    post_url: str
    assurance: Assurance = DEFAULT_ASSURANCE
    methods: frozenset[str] = frozenset({"password"})
    want_authn_requests_signed: bool = False
    assertion_lifetime: timedelta = timedelta(minutes=5)
    handle_lifetime: timedelta = timedelta(hours=4)
    allow_sha1_from: frozenset[str] = frozenset()
    name_id_formats: tuple[str, ...] = (names.TRANSIENT,)
    mail_names_for: frozenset[str] = frozenset()
    timing: Timing = DEFAULT_TIMING
    simple_sign_url: str = ""
    ecp_url: str = ""

    def location(self, binding: str) -> str:
        """The endpoint for requests by this binding."""
        return {
            names.HTTP_REDIRECT: self.redirect_url,
            names.HTTP_POST: self.post_url,
            names.HTTP_POST_SIMPLE_SIGN: self.simple_sign_url,
            names.SOAP: self.ecp_url,
        }[binding]


# One of each of the next two is made for every sign-on, and a frozen dataclass takes three times as long to be made.
class AcceptedRequest(NamedTuple):
    """A request that may be answered: ``sp`` asked for it (``proof`` says how that is known), the answer goes to ``acs``. ``has_subject``:
    it says itself about whom the answer is to be."""

    request: AuthnRequest
    sp: Entity
    acs: Endpoint
    relay_state: str | None
    proof: Proof
    name_id_policy: NameIdPolicy | None
    has_subject: bool


class WaitingRequest(NamedTuple):
    """What is kept of an accepted request while a person logs in.

    ``request_id`` is None where nobody asked (a start at home); ``acs_url`` is where metadata registered it then, ``binding`` how the
    answer goes there; ``is_proven``: whether the SP signed the request, and ``target`` None where it did not. ``then`` is, for a login to
    a page of this service, the name of its endpoint (``sp`` and ``acs_url`` are empty), and ``fresh_since`` what no proof of who she is
    may be older than. ``browser`` is the SHA-256 (hex) of the token of the browser that it belongs to, None until that is known, and
    ``turn`` what no other waiting has: where ``force_authn``, only a proof made during this turn counts; ``answered``: whether a Response
    has gone out.
    """

    request_id: str | None
    sp: str
    acs_url: str
    relay_state: str | None
    force_authn: bool
    is_passive: bool
    requested_context: RequestedAuthnContext | None
    target: str | None
    binding: str = names.HTTP_POST
    name_id_policy: NameIdPolicy | None = None
    is_proven: bool = False
    attribute_index: int | None = None
    then: str | None = None
    fresh_since: datetime | None = None
    browser: str | None = None
    turn: str | None = None
    answered: bool = False


def accept_request(received: ReceivedMessage, registry: Registry, rules: Rules, now: datetime) -> AcceptedRequest:
    """Who asks, whether it is allowed, and where the answer goes.

    Raises `Refusal`, which is a page and never an answer to the SP: ``saml.other_message``, ``saml.issuer_missing``,
    ``sso.unknown_sp``, ``sso.signature_in_redirect``, ``signature.*``, ``saml.destination``, ``saml.too_old``,
    ``saml.from_the_future``, ``sso.too_long``, ``sso.too_many_classes``, ``sso.binding``, ``sso.acs_ambiguous``,
    ``sso.acs_unregistered``.
    """
    issuer = _claimed_requester(received)
    sp, role = known_sp(issuer, registry, now)
    proof = prove_request(
        received,
        issuer,
        role,
        want_signed=rules.want_authn_requests_signed,
        allow_sha1_from_legacy_partner=issuer in rules.allow_sha1_from,
    )
    request = AuthnRequest.from_proof(proof)
    location = rules.location(received.binding)
    _check_bounds(request)
    # A program brings what the SP wrote before anybody knew which home organisation it would go to.
    must_say_where_to = _is_signed(proof) and received.binding != names.SOAP
    check_authn_request(request, location=location, signed=must_say_where_to, now=now, timing=rules.timing)
    parts = Children(proof.element)
    return AcceptedRequest(
        request,
        sp,
        registered_consumer(request, role, for_program=received.binding == names.SOAP),
        received.relay_state,
        proof,
        read_name_id_policy(parts),
        parts.one(_SUBJECT) is not None,
    )


def obstacle(accepted: AcceptedRequest, rules: Rules, now: datetime) -> Status | None:
    """Why this request can't be satisfied whoever logs in, as the Status to answer with (SAML core 3.2.2.2); None if it can."""
    request = accepted.request
    if accepted.has_subject:
        # Core 3.4.1.4: the assertion would have to be about that subject; we name nobody by an identifier that is known beforehand.
        return Status(names.RESPONDER, names.UNKNOWN_PRINCIPAL)
    formats = rules.name_id_formats
    if request.issuer in rules.mail_names_for:
        formats = (*formats, names.EMAIL_ADDRESS)
    named = choose_name_id(
        accepted.name_id_policy, requester=request.issuer, metadata_formats=(), override=None, available=formats
    )
    if isinstance(named, Status):
        return named
    wanted = request.requested_context
    if wanted is not None and choose(wanted, achievable(rules.methods, rules.assurance, now)) is None:
        return Status(names.RESPONDER, names.NO_AUTHN_CONTEXT)
    return None


def waiting(accepted: AcceptedRequest) -> WaitingRequest:
    """What to keep of an accepted request."""
    request, is_signed = accepted.request, _is_signed(accepted.proof)
    return WaitingRequest(
        request_id=request.id,
        sp=request.issuer,
        acs_url=accepted.acs.location,
        relay_state=accepted.relay_state,
        force_authn=request.force_authn,
        is_passive=request.is_passive,
        requested_context=request.requested_context,
        # Anybody can write an unsigned request in the SP's name, and the target decides what is released.
        target=request.target if is_signed else None,
        binding=accepted.acs.binding,
        name_id_policy=accepted.name_id_policy,
        is_proven=is_signed,
        attribute_index=request.attribute_index,
    )


def start_at_home(
    sp_id: str, registry: Registry, now: datetime, *, acs_url: str | None, relay_state: str | None
) -> tuple[WaitingRequest, Entity]:
    """A sign-on that nobody asked for by a message: the original Shibboleth's start at home, or a link of a portal (SAML profiles 4.1.5).

    Only what metadata registers is an answer's way; ``relay_state`` means something to the SP only. Raises `Refusal`
    (``sso.unknown_sp``, ``sso.acs_unregistered``).
    """
    sp, role = known_sp(sp_id, registry, now)
    endpoints = _consumers(role, RESPONSE_BINDINGS)
    if acs_url is not None:
        endpoints = tuple(endpoint for endpoint in endpoints if endpoint.location == acs_url)
    chosen = default_endpoint(endpoints)
    if chosen is None:
        raise _unregistered(role, acs_url if acs_url is not None else "no endpoint")
    asked = WaitingRequest(
        request_id=None,
        sp=sp_id,
        acs_url=chosen.location,
        relay_state=relay_state,
        force_authn=False,
        is_passive=False,
        requested_context=None,
        target=None,
        binding=chosen.binding,
    )
    return asked, sp


def own_login(endpoint: str, *, fresh_since: datetime | None) -> WaitingRequest:
    """A login to a page of this service itself, by the page's endpoint name."""
    return WaitingRequest(
        request_id=None,
        sp="",
        acs_url="",
        relay_state=None,
        force_authn=False,
        is_passive=False,
        requested_context=None,
        target=None,
        then=endpoint,
        fresh_since=fresh_since,
    )


def resume(request: WaitingRequest, registry: Registry, now: datetime) -> Entity | None:
    """The SP of a request that waited, None for a login to a page of this service.

    Raises `Refusal` (``sso.unknown_sp``, ``sso.acs_unregistered``) when metadata no longer vouches for it, or no longer registers where the
    answer was to go.
    """
    if request.then is not None:
        return None
    sp, role = known_sp(request.sp, registry, now)
    if (request.binding, request.acs_url) not in ((one.binding, one.location) for one in _consumers(role)):
        raise _unregistered(role, request.acs_url)
    return sp


def _claimed_requester(received: ReceivedMessage) -> str:
    """Whose keys to try; not proven."""
    if received.element.tag != _AUTHN_REQUEST:
        raise Refusal("saml.other_message", expected="samlp:AuthnRequest", found=str(received.element.tag)[:200])
    issuer = claimed_issuer(received.element)
    if not issuer:
        raise Refusal("saml.issuer_missing", expected="an Issuer", found="none")
    return issuer


def known_sp(entity_id: str, registry: Registry, now: datetime) -> tuple[Entity, SpRole]:
    """The SP that metadata knows now. Raises `Refusal` (``sso.unknown_sp``)."""
    entity = registry.get(entity_id, now)
    role = valid_role(entity.sp, now) if entity is not None else None
    if entity is None or role is None:
        raise Refusal("sso.unknown_sp", expected="a resource whose metadata is known and valid", found=entity_id[:300])
    return entity, role


def prove_request(
    received: ReceivedMessage,
    issuer: str,
    role: SpRole,
    *,
    want_signed: bool,
    allow_sha1_from_legacy_partner: bool = False,
) -> Proof:
    """A signature that is there must verify; one may be absent only if neither side's metadata asks for it (``want_signed``: whether
    the IdP's does). Raises `Refusal` (``sso.signature_in_redirect``, ``signature.*``)."""
    enveloped = has_signature(received.element)
    keys = role.signing_keys()
    if allow_sha1_from_legacy_partner:
        keys = allow_sha1(keys)
    if received.binding == names.HTTP_REDIRECT:
        if enveloped:
            # Bindings 3.4.4.1: it must not be there, and one that nobody looks at would pass for a proof.
            raise Refusal("sso.signature_in_redirect", expected="a signed query string", found="a ds:Signature inside")
        if received.signature is not None:
            return verify_query(received, keys)
    elif received.signature is not None:
        return verify_form(received, keys)
    elif enveloped:
        return verify_element(received.element, keys)
    if role.authn_requests_signed or want_signed:
        raise Refusal("signature.missing", expected="a signed AuthnRequest, as metadata says", found="no signature")
    return UnsignedAllowedByMetadata(received.element, issuer)


def _is_signed(proof: Proof) -> bool:
    return not isinstance(proof, UnsignedAllowedByMetadata)


def _check_bounds(request: AuthnRequest) -> None:
    """What is kept, echoed and recorded has bounds that the schema does not set."""
    classes = request.requested_context.classes if request.requested_context is not None else ()
    if len(classes) > MAXIMUM_CLASSES:
        raise Refusal("sso.too_many_classes", expected=f"at most {MAXIMUM_CLASSES}", found=len(classes))
    _check_length("ID", request.id, MAXIMUM_ID)
    if request.target is not None:
        _check_length("Target", request.target, MAXIMUM_TARGET)
    for value in classes:
        _check_length("AuthnContextClassRef", value, MAXIMUM_CLASS)


def _check_length(name: str, value: str, longest: int) -> None:
    if len(value) > longest:
        raise Refusal("sso.too_long", expected=f"at most {longest} characters", found=len(value), name=name)


def registered_consumer(request: AuthnRequest, role: SpRole, *, for_program: bool = False) -> Endpoint:
    """Where the answer goes (SAML core 3.4.1, profiles 4.1.4.1, 4.2.4.1): only what metadata registers, by a binding that we speak;
    ``for_program``: by PAOS.

    Raises `Refusal` (``sso.binding``, ``sso.acs_ambiguous``, ``sso.acs_unregistered``).
    """
    wanted, spoken = request.protocol_binding, (names.PAOS,) if for_program else RESPONSE_BINDINGS
    if wanted is not None and wanted not in spoken:
        raise Refusal("sso.binding", expected=", ".join(spoken), found=wanted[:200])
    if request.acs_url is not None and request.acs_index is not None:
        raise Refusal("sso.acs_ambiguous", expected="a URL or an index", found=f"both, index {request.acs_index}")
    endpoints = _consumers(role, spoken if wanted is None else (wanted,))
    if request.acs_url is not None:
        chosen = next((endpoint for endpoint in endpoints if endpoint.location == request.acs_url), None)
    elif request.acs_index is not None:
        chosen = next((endpoint for endpoint in endpoints if endpoint.index == request.acs_index), None)
    else:
        chosen = default_endpoint(endpoints)
    if chosen is None:
        raise _unregistered(role, request.acs_url if request.acs_url is not None else f"index {request.acs_index}")
    return chosen


def _consumers(role: SpRole, bindings: tuple[str, ...] = (*RESPONSE_BINDINGS, names.PAOS)) -> tuple[Endpoint, ...]:
    return tuple([endpoint for endpoint in role.assertion_consumers if endpoint.binding in bindings])


def _unregistered(role: SpRole, found: str) -> Refusal:
    registered = ", ".join(f"{endpoint.location} ({endpoint.index})" for endpoint in _consumers(role)[:5])
    return Refusal("sso.acs_unregistered", expected=registered or "an endpoint for Responses", found=found[:300])
