"""The samlp:Response that the Handle Service sends, success or not, signed (SAML profiles 4.1.4.2). Decides nothing."""

from datetime import datetime
from typing import NamedTuple

from idp.sign_on.requests import Rules, WaitingRequest
from ostiary.attributes import Attributes
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, AuthnStatement, Conditions, Confirmation, NameId
from ostiary.saml.encryption import Recipient, encrypt_assertion
from ostiary.saml.keys import Signer
from ostiary.saml.message import SUCCEEDED
from ostiary.saml.protocol import Response, Status, new_id
from ostiary.saml.signature import sign, write_signed
from ostiary.saml.xml import Element


# A frozen dataclass takes three times as long to be made.
class Answer(NamedTuple):
    """What an assertion says: ``name_id`` names the person for this SP, and ``session_index`` her session, who proved who she is by
    ``context_class`` at ``authn_instant``; ``session_ends`` (exclusive) is when the SP's session must end."""

    name_id: NameId
    session_index: str
    context_class: str
    authn_instant: datetime
    session_ends: datetime
    attributes: Attributes


class Protection(NamedTuple):
    """What of a Response is signed, and for whom its assertion is encrypted, None for nobody. ``written``: it is sent as a document of its
    own, so its octets will do."""

    signer: Signer
    response: bool = True
    assertion: bool = True
    recipient: Recipient | None = None
    written: bool = False


def login_response(
    request: WaitingRequest, answer: Answer, protection: Protection, *, rules: Rules, now: datetime
) -> Element | bytes:
    """Response with an assertion in answer to this request. Raises `Refusal` (``key.unusable``) when it can't be encrypted."""
    expires = now + rules.assertion_lifetime
    assertion = Assertion(
        id=new_id(),
        issuer=rules.entity_id,
        issue_instant=now,
        name_id=answer.name_id,
        confirmations=(
            Confirmation(
                names.BEARER, recipient=request.acs_url, not_on_or_after=expires, in_response_to=request.request_id
            ),
        ),
        conditions=Conditions(not_before=now, not_on_or_after=expires, audiences=((request.sp,),)),
        authn_statements=(
            AuthnStatement(
                authn_instant=answer.authn_instant,
                session_index=answer.session_index,
                session_not_on_or_after=answer.session_ends,
                context_class=answer.context_class,
            ),
        ),
        attributes=answer.attributes,
    )
    return _protected(_response(request, SUCCEEDED, rules, now), assertion, protection)


def _protected(response: Response, assertion: Assertion, protection: Protection) -> Element | bytes:
    """Signs inside out, and encrypts what was signed."""
    signer, recipient = protection.signer, protection.recipient
    if protection.written and recipient is None:
        return write_signed(
            response.written(),
            assertion.written(),
            signer,
            sign_outer=protection.response,
            sign_inner=protection.assertion,
        )
    inner, outer = assertion.to_xml(), response.to_xml()
    if protection.assertion:
        sign(inner, signer)
    outer.append(encrypt_assertion(inner, recipient) if recipient is not None else inner)
    if protection.response:
        sign(outer, signer)
    return outer


def status_response(
    request: WaitingRequest, status: Status, *, rules: Rules, signer: Signer | None, now: datetime
) -> Element:
    """Response that says why there is no assertion (SAML core 3.2.2.2), signed if there is a ``signer``."""
    response = _response(request, status, rules, now).to_xml()
    if signer is not None:
        sign(response, signer)
    return response


def _response(request: WaitingRequest, status: Status, rules: Rules, now: datetime) -> Response:
    return Response(
        id=new_id(),
        issuer=rules.entity_id,
        issue_instant=now,
        status=status,
        destination=request.acs_url,
        in_response_to=request.request_id,
    )
