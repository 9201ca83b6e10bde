"""The samlp:Response that the Handle Service sends, success or not, as a signed element (SAML profiles 4.1.4.2). Decides nothing."""

from dataclasses import dataclass
from datetime import datetime

from idp.sign_on.requests import Rules, WaitingRequest
from ostiary.attributes import Attributes
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, AuthnStatement, Conditions, Confirmation, NameId
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import Response, Status, new_id
from ostiary.saml.signature import sign, sign_nested
from ostiary.saml.xml import Element


@dataclass(frozen=True, slots=True)
class Answer:
    """What an assertion says: ``handle`` names the person for this SP, who proved who she is by ``context_class`` at ``authn_instant``;
    ``session_ends`` (exclusive) is when the SP's session must end."""

    handle: str
    context_class: str
    authn_instant: datetime
    session_ends: datetime
    attributes: Attributes


def login_response(request: WaitingRequest, answer: Answer, *, rules: Rules, signer: Signer, now: datetime) -> Element:
    """Signed Response with a signed assertion in answer to this request.

    SessionIndex is random, so two SPs can't find out from it that they know the same person.
    """
    expires = now + rules.assertion_lifetime
    assertion = Assertion(
        id=new_id(),
        issuer=rules.entity_id,
        issue_instant=now,
        name_id=NameId(answer.handle, names.TRANSIENT, name_qualifier=rules.entity_id, sp_name_qualifier=request.sp),
        confirmations=(
            Confirmation(
                names.BEARER, recipient=request.acs_url, not_on_or_after=expires, in_response_to=request.request_id
            ),
        ),
        conditions=Conditions(not_before=now, not_on_or_after=expires, audiences=((request.sp,),)),
        authn_statements=(
            AuthnStatement(
                authn_instant=answer.authn_instant,
                session_index=new_id(),
                session_not_on_or_after=answer.session_ends,
                context_class=answer.context_class,
            ),
        ),
        attributes=answer.attributes,
    ).to_xml()
    response = _response(request, Status(), rules, now)
    sign_nested(response, assertion, signer)
    return response


def status_response(request: WaitingRequest, status: Status, *, rules: Rules, signer: Signer, now: datetime) -> Element:
    """Signed Response that says why there is no assertion (SAML core 3.2.2.2)."""
    response = _response(request, status, rules, now)
    sign(response, signer)
    return response


def _response(request: WaitingRequest, status: Status, rules: Rules, now: datetime) -> Element:
    return Response(
        id=new_id(),
        issuer=rules.entity_id,
        issue_instant=now,
        status=status,
        destination=request.acs_url,
        in_response_to=request.request_id,
    ).to_xml()
