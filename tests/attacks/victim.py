"""The accept paths that an attack runs against: an SP's login, a Handle Service's request, an Attribute Authority's query."""

import base64
from collections.abc import Callable

from lxml import etree

from attribute_authority.queries.soap import QueryEndpoint, prove_sender, read_query
from attribute_authority.queries.statuses import Unsatisfiable
from idp.sign_on.requests import Rules, accept_request
from ostiary.errors import Refusal
from ostiary.federation.model import Endpoint, Entity, EntityKey, SpRole
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.bindings import ReceivedMessage, decode_post, decode_redirect, decode_soap
from ostiary.saml.validate import accept_response, response_issuer, verify_response
from ostiary.saml.xml import Element
from tests.saml.world import ACS, IDP, NOW, SP, signer

SSO, AA = f"{IDP}/sso", f"{IDP}/aa"
REGISTRY = Registry(
    [
        Entity(
            SP,
            sp=SpRole(
                keys=(EntityKey(signer("rsa", "sp").public, "signing"),),
                assertion_consumers=(Endpoint(names.HTTP_POST, ACS, index=0),),
                authn_requests_signed=True,
            ),
        )
    ]
)


def _judge(element: Element) -> str:
    issuer = response_issuer(element)
    keys = [signer().public] if issuer == IDP else []
    accepted = accept_response(verify_response(element, keys), issuer=issuer, audience=SP, recipient=ACS, now=NOW)
    told = [text for attribute in accepted.assertion.attributes for text in attribute.texts()]
    return f"{accepted.name_id.value} with {', '.join(told)}"


def login(data: bytes) -> str:
    """Who is logged in by this posted document and with which attributes, or the code of the refusal."""
    try:
        return _judge(decode_post(base64.b64encode(data).decode(), None).element)
    except Refusal as refusal:
        return refusal.code


def login_without_parser_and_schema(data: bytes) -> str:
    """The same behind a parser and a schema that let everything through: the signature rules alone must hold."""
    try:
        return _judge(etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True)))
    except (Refusal, etree.XMLSyntaxError) as refusal:
        return refusal.code if isinstance(refusal, Refusal) else "not XML"


def posted_request(data: bytes) -> str:
    """The requester whom the Handle Service believes and where it would answer, or the code of the refusal."""
    return _request(lambda: decode_post(base64.b64encode(data).decode(), None))


def redirected_request(query: str) -> str:
    """The same for a request in a query string."""
    return _request(lambda: decode_redirect(query.encode(), "SAMLRequest"))


def _request(decode: Callable[[], ReceivedMessage]) -> str:
    rules = Rules(IDP, SSO, SSO)
    try:
        accepted = accept_request(decode(), REGISTRY, rules, NOW)
    except Refusal as refusal:
        return refusal.code
    return f"{accepted.request.issuer} at {accepted.acs.location} for {accepted.request.target}"


def attribute_query(data: bytes) -> str:
    """The handle about which the Attribute Authority would speak, or the code of the refusal."""
    try:
        endpoint = QueryEndpoint(IDP, (AA,), ())
        sender = prove_sender(decode_soap(data), None, endpoint, REGISTRY, NOW)
        received = read_query(sender, endpoint, REGISTRY, NOW)
    except Refusal as refusal:
        return refusal.code
    except Unsatisfiable as unsatisfiable:
        return unsatisfiable.problem.code
    return f"{sender.requester} about {received.query.name_id.value}"
