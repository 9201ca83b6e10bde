"""Enhanced Client or Proxy: the SOAP and PAOS envelopes between SP, client and IdP (SAML bindings 3.3, profiles 4.2; ECP 2.0).

The IdP reads a request with `soap.decode_soap` and answers with `encode_ecp_response`; the rest is the client's and the SP's side. The
messages inside are as in every other profile: who verifies them does so in place. Channel bindings are not supported: a client that
insists on them (mustUnderstand) is refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.bindings import read_relay_state
from ostiary.saml.soap import ACTOR, MUST_UNDERSTAND, NEXT_ACTOR, decode_envelope, encode_soap
from ostiary.saml.validate import same
from ostiary.saml.xml import (
    Element,
    add,
    child,
    children,
    make,
    parse_xml,
    qname,
    read_boolean,
    text_of,
    to_bytes,
)

PAOS_TYPE: Final = "application/vnd.paos+xml"
"""The media type of what SP and client send each other (SAML bindings 3.3.3)."""
PAOS_HEADER: Final = f'ver="{names.PAOS_MESSAGE}"; "{names.ECP}"'
"""The value of the client's HTTP header ``PAOS``."""

_MAXIMUM_IDPS: Final = 100
_PAOS_REQUEST: Final = qname(names.PAOS_MESSAGE, "Request")
_PAOS_RESPONSE: Final = qname(names.PAOS_MESSAGE, "Response")
_ECP_REQUEST: Final = qname(names.ECP, "Request")
_ECP_RESPONSE: Final = qname(names.ECP, "Response")
_ECP_RELAY_STATE: Final = qname(names.ECP, "RelayState")
_REQUEST_AUTHENTICATED: Final = qname(names.ECP, "RequestAuthenticated")


@dataclass(frozen=True, slots=True)
class PaosRequest:
    """What an SP tells a client beside its AuthnRequest (profiles 4.2.4.1). ``response_consumer_url``: where the client brings the answer;
    ``idps``: entityIDs to choose from; ``message`` is that AuthnRequest, to be passed on as it is."""

    message: Element = field(compare=False)
    response_consumer_url: str
    message_id: str | None = None
    relay_state: str | None = None
    issuer: str | None = None
    provider_name: str | None = None
    is_passive: bool = False
    idps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EcpResponse:
    """What the IdP tells a client beside its Response (profiles 4.2.4.2; ECP 2.0, 2.3.6): the only place where the Response may go, and
    whether the SP's request was proven."""

    message: Element = field(compare=False)
    acs_url: str
    request_authenticated: bool = False


@dataclass(frozen=True, slots=True)
class PaosResponse:
    """What a client brings to an SP: the IdP's Response, unproven, and what the SP had told the client (profiles 4.2.4.3)."""

    message: Element = field(compare=False)
    ref_to_message_id: str | None = None
    relay_state: str | None = None


def speaks_paos(accept: str, paos: str) -> bool:
    """Whether a client says in its HTTP headers ``Accept`` and ``PAOS`` that it knows this profile (SAML bindings 3.3.3)."""
    types = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    versions, _, services = paos.partition(";")
    return PAOS_TYPE in types and f'"{names.PAOS_MESSAGE}"' in versions and f'"{names.ECP}"' in services


def encode_paos_request(request: PaosRequest) -> bytes:
    """SP to client: the AuthnRequest ``request.message`` in its envelope."""
    attributes = {"responseConsumerURL": request.response_consumer_url, "service": names.ECP}
    if request.message_id is not None:
        attributes["messageID"] = request.message_id
    ecp_request = _block(names.ECP, "Request", {"IsPassive": str(request.is_passive).lower()}, "saml", "samlp")
    if request.provider_name is not None:
        ecp_request.set("ProviderName", request.provider_name)
    if request.issuer is not None:
        add(ecp_request, names.SAML, "Issuer", request.issuer)
    if request.idps:
        idp_list = add(ecp_request, names.SAMLP, "IDPList")
        for entity_id in request.idps:
            add(idp_list, names.SAMLP, "IDPEntry", ProviderID=entity_id)
    blocks = [_block(names.PAOS_MESSAGE, "Request", attributes), ecp_request, *_relay_state_block(request.relay_state)]
    return encode_soap(request.message, blocks)


def decode_paos_request(data: bytes) -> PaosRequest:
    """What a client reads. Raises `Refusal` (``ecp.envelope``, ``soap.*``, ``xml.*``)."""
    envelope = decode_envelope(data, (_PAOS_REQUEST, _ECP_REQUEST, _ECP_RELAY_STATE))
    _expect_message(envelope.message, "AuthnRequest")
    paos, asked = _sole(envelope.blocks, _PAOS_REQUEST), _sole(envelope.blocks, _ECP_REQUEST)
    if paos is None or asked is None or paos.get("service") != names.ECP or not paos.get("responseConsumerURL"):
        raise Refusal("ecp.envelope", expected="paos:Request for ECP and ecp:Request", found="other headers")
    issuer = child(asked, names.SAML, "Issuer")
    idp_list = child(asked, names.SAMLP, "IDPList")
    entries = list(children(idp_list, names.SAMLP, "IDPEntry")) if idp_list is not None else []
    if len(entries) > _MAXIMUM_IDPS:
        raise Refusal("ecp.envelope", expected=f"at most {_MAXIMUM_IDPS} identity providers", found=len(entries))
    return PaosRequest(
        envelope.message,
        response_consumer_url=paos.get("responseConsumerURL", ""),
        message_id=paos.get("messageID"),
        relay_state=_read_relay_state(envelope.blocks),
        issuer=text_of(issuer) if issuer is not None else None,
        provider_name=asked.get("ProviderName"),
        # ECP: true where nothing is said.
        is_passive=read_boolean(asked.get("IsPassive")) is not False,
        idps=tuple(entry.get("ProviderID", "") for entry in entries),
    )


def encode_ecp_request(request: PaosRequest) -> bytes:
    """Client to IdP: the SP's AuthnRequest as it came."""
    return encode_soap(_copied(request.message))


def encode_ecp_response(response: Element, acs_url: str, *, request_authenticated: bool = False) -> bytes:
    """IdP to client: the Response in its envelope. ``acs_url``: the SP's assertion consumer service for PAOS, from metadata, never from an
    unproven request; ``request_authenticated``: the SP's AuthnRequest was signed and verified."""
    blocks = [_block(names.ECP, "Response", {"AssertionConsumerServiceURL": acs_url})]
    if request_authenticated:
        # Who does not know version 2.0 need not understand it.
        blocks.append(_block(names.ECP, "RequestAuthenticated", {}, must_understand=False))
    return encode_soap(response, blocks)


def decode_ecp_response(data: bytes) -> EcpResponse:
    """What a client reads. Raises `Refusal` (``ecp.envelope``, ``soap.*``, ``xml.*``)."""
    envelope = decode_envelope(data, (_ECP_RESPONSE, _REQUEST_AUTHENTICATED))
    _expect_message(envelope.message, "Response")
    answered = _sole(envelope.blocks, _ECP_RESPONSE)
    if answered is None or not answered.get("AssertionConsumerServiceURL"):
        raise Refusal("ecp.envelope", expected="ecp:Response with AssertionConsumerServiceURL", found="other headers")
    return EcpResponse(
        envelope.message,
        acs_url=answered.get("AssertionConsumerServiceURL", ""),
        request_authenticated=_sole(envelope.blocks, _REQUEST_AUTHENTICATED) is not None,
    )


def check_consumer(request: PaosRequest, response: EcpResponse) -> None:
    """The IdP sends the client where the SP did (``ecp.consumer``; profiles 4.2.4.2). Else the client gives the Response to nobody and
    sends the SP a SOAP fault: somebody may stand between them."""
    same("ecp.consumer", request.response_consumer_url, response.acs_url)


def encode_paos_response(response: PaosResponse) -> bytes:
    """Client to SP: the IdP's Response as it came."""
    attributes = {} if response.ref_to_message_id is None else {"refToMessageID": response.ref_to_message_id}
    blocks = [_block(names.PAOS_MESSAGE, "Response", attributes), *_relay_state_block(response.relay_state)]
    return encode_soap(_copied(response.message), blocks)


def decode_paos_response(data: bytes) -> PaosResponse:
    """What an SP reads at its assertion consumer service. Raises `Refusal` (``ecp.envelope``, ``soap.*``, ``xml.*``)."""
    envelope = decode_envelope(data, (_PAOS_RESPONSE, _ECP_RELAY_STATE))
    _expect_message(envelope.message, "Response")
    brought = _sole(envelope.blocks, _PAOS_RESPONSE)
    return PaosResponse(
        envelope.message,
        ref_to_message_id=brought.get("refToMessageID") if brought is not None else None,
        relay_state=_read_relay_state(envelope.blocks),
    )


def _copied(message: Element) -> Element:
    """The message with all namespace declarations that are in scope where it stands, so that its signatures hold elsewhere too."""
    return parse_xml(to_bytes(message))


def _block(
    namespace: str, name: str, attributes: dict[str, str], *prefixes: str, must_understand: bool = True
) -> Element:
    """A header block for the next one who reads it, which it has to (SAML profiles 4.2.4)."""
    element = make(namespace, name, "soap11", *prefixes, **attributes)
    if must_understand:
        element.set(MUST_UNDERSTAND, "1")
    element.set(ACTOR, NEXT_ACTOR)
    return element


def _sole(blocks: Iterable[Element], name: str) -> Element | None:
    """The header block of that name, which is for the next actor, or (lasso forgets the namespace of the attribute) for whoever reads it;
    two are refused."""
    found = [block for block in blocks if block.tag == name]
    if len(found) > 1 or any(block.get(ACTOR, NEXT_ACTOR) != NEXT_ACTOR for block in found):
        raise Refusal("ecp.envelope", expected=f"at most one {name} for the next actor", found=len(found))
    return found[0] if found else None


def _relay_state_block(relay_state: str | None) -> list[Element]:
    if relay_state is None:
        return []
    block = _block(names.ECP, "RelayState", {})
    block.text = relay_state
    return [block]


def _read_relay_state(blocks: Iterable[Element]) -> str | None:
    block = _sole(blocks, _ECP_RELAY_STATE)
    if block is None:
        return None
    if len(block):
        raise Refusal("ecp.envelope", expected="text in ecp:RelayState", found="an element")
    return read_relay_state((block.text or "").encode("utf-8"))


def _expect_message(message: Element, kind: str) -> None:
    if message.tag != qname(names.SAMLP, kind):
        raise Refusal("ecp.envelope", expected=f"samlp:{kind}", found=str(message.tag)[:200])
