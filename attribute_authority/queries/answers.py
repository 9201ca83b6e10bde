"""The answer to an attribute query (ARM): SAML core 3.3.3, profiles 6.4. Decides nothing; signs what others decided."""

from collections.abc import Callable
from datetime import datetime

from attribute_authority.queries.soap import QueryEndpoint, ReceivedQuery, Sender
from ostiary.attributes import Attributes
from ostiary.saml.assertion import Assertion, Conditions
from ostiary.saml.encryption import Recipient, encrypt_assertion
from ostiary.saml.keys import Signer
from ostiary.saml.message import SUCCEEDED
from ostiary.saml.protocol import Response, Status, new_id
from ostiary.saml.signature import sign, write_signed
from ostiary.saml.soap import encode_soap, encode_soap_written
from ostiary.saml.xml import Element


def success(
    received: ReceivedQuery,
    attributes: Attributes,
    endpoint: QueryEndpoint,
    signer: Signer,
    now: datetime,
    *,
    recipient: Recipient | None = None,
    make_id: Callable[[], str] = new_id,
) -> bytes:
    """The SOAP envelope with the signed answer: one assertion, encrypted for ``recipient`` where there is one, or none when nothing may
    leave.

    It is for whoever sent the query alone. Where nobody proved who that was, it is for the entity to which the name in the query was given
    (and which the query gives for its issuer): only a handle that we made for that one opens, and the restriction lets others use nothing
    (SAML core 2.5.1.4).
    """
    response = _response(received.sender, SUCCEEDED, endpoint, now, make_id)
    if not attributes:
        return _signed(response.to_xml(), signer)
    assertion = Assertion(
        id=make_id(),
        issuer=endpoint.entity_id,
        issue_instant=now,
        name_id=received.query.name_id,
        conditions=Conditions(now - endpoint.timing.skew, now + endpoint.answer_lifetime, ((received.query.issuer,),)),
        attributes=attributes,
    )
    if recipient is not None:
        return _signed(response.to_xml(encrypt_assertion(assertion.to_xml(), recipient)), signer)
    # What most answers are, in half of the time: written without a tree. One signature as below.
    return encode_soap_written(write_signed(response.written(), assertion.written(), signer, sign_inner=False))


def failure(
    sender: Sender,
    status: Status,
    endpoint: QueryEndpoint,
    signer: Signer,
    now: datetime,
    make_id: Callable[[], str] = new_id,
) -> bytes:
    """The SOAP envelope with a signed answer that says only the status (SAML core 3.2.2.2)."""
    return _signed(_response(sender, status, endpoint, now, make_id).to_xml(), signer)


def _response(
    sender: Sender, status: Status, endpoint: QueryEndpoint, now: datetime, make_id: Callable[[], str]
) -> Response:
    return Response(
        id=make_id(),
        issuer=endpoint.entity_id,
        issue_instant=now,
        status=status,
        in_response_to=sender.id,
    )


def _signed(response: Element, signer: Signer) -> bytes:
    # One signature, on the Response: it covers the assertion too, and the ciphertext of one.
    sign(response, signer)
    return encode_soap(response)
