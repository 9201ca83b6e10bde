"""The rules of the SAML 2.0 profiles as pure functions: what a proven message must say to be acceptable. No I/O, no clock, no keys.

The Web Browser SSO profile (SAML profiles 4.1.4) at the service provider goes through these states, each a function:

    received --verify_response--> ProvenResponse --accept_response--> AcceptedResponse --(caller)--> session

`verify_response` finds out who speaks: the Response, its assertion, or both are signed by a key of the IdP. `accept_response`
checks issuer, destination, status, audience, recipient, time and InResponseTo, and names the replay key, which the caller uses up,
and the request answered, which the caller binds to the browser. The attribute query (profiles 6) has `check_query` and
`accept_query_response`, an authentication request `check_authn_request`. Each is made of rules that have names of their own
(``check_...``), so that an explanation can apply them one by one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from ostiary.errors import Denied, Refusal
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, AuthnStatement, Confirmation, NameId
from ostiary.saml.keys import TrustedKey
from ostiary.saml.protocol import (
    AttributeQuery,
    AuthnRequest,
    Response,
    Status,
    claimed_issuer,
    sole_assertion,
    unproven_envelope,
)
from ostiary.saml.signature import SignedElement, has_signature, verify_element, verify_elements
from ostiary.saml.xml import Element, write_instant


@dataclass(frozen=True, slots=True)
class Timing:
    """``skew``: how far two clocks may differ; ``max_age``: how old a message may be when it arrives."""

    skew: timedelta = timedelta(minutes=3)
    max_age: timedelta = timedelta(minutes=5)


DEFAULT_TIMING: Final = Timing()
_STATUS_NAME: Final = re.compile(r"[A-Za-z]{1,40}")


class ProvenResponse(NamedTuple):
    """``envelope``: what the Response says, proven only if ``signed_response``; ``assertion``: always proven, None in an error answer."""

    envelope: Response
    signed_response: bool
    assertion: Assertion | None


@dataclass(frozen=True, slots=True)
class AcceptedResponse:
    """A Response that follows every rule. ``replay_key`` must be used up until ``replay_until``; ``in_response_to`` None: unsolicited."""

    issuer: str
    assertion: Assertion
    name_id: NameId
    authn: AuthnStatement
    in_response_to: str | None
    replay_key: str
    replay_until: datetime


def response_issuer(element: Element) -> str:
    """The entityID whose keys to try, from the Response or else from its only assertion. Raises `Refusal` (``saml.issuer_missing``)."""
    issuer = claimed_issuer(element)
    if issuer is None:
        assertion = sole_assertion(element)
        issuer = claimed_issuer(assertion) if assertion is not None else None
    if not issuer:
        raise Refusal("saml.issuer_missing", expected="an Issuer", found="none")
    return issuer


def verify_response(
    element: Element, keys: Sequence[TrustedKey], *, carried: SignedElement | None = None
) -> ProvenResponse:
    """Verifies each signature that is there; the Response or its assertion must carry one (SAML profiles 4.1.3.5), unless it came in a
    signed message, which proves what stands in it: then ``carried`` is that proof for ``element`` (bindings 3.6.5.2).

    A signature that does not verify is never passed over. Raises `Refusal` (``signature.*``, ``saml.encrypted``,
    ``saml.several_assertions``).
    """
    assertion = sole_assertion(element)
    signed = [part for part in (element, assertion) if part is not None and has_signature(part)]
    whole = bool(signed) and signed[0] is element
    if whole or carried is not None:
        proofs = verify_elements(signed, keys)
        proof = proofs[0] if whole or carried is None else carried
        response = Response.from_proof(proof)
        return ProvenResponse(response, True, response.assertions[0] if response.assertions else None)
    envelope = unproven_envelope(element)
    if assertion is None:
        # An unsigned error answer: it can only lead to a refusal.
        return ProvenResponse(envelope, False, None)
    if not signed:
        raise Refusal("signature.missing", expected="a signature on the Response or on its assertion", found="none")
    proof = verify_element(assertion, keys)
    return ProvenResponse(envelope, False, Assertion.from_proof(proof))


def accept_response(
    proven: ProvenResponse,
    *,
    issuer: str,
    audience: str,
    recipient: str,
    now: datetime,
    timing: Timing = DEFAULT_TIMING,
    by_browser: bool = True,
) -> AcceptedResponse:
    """SAML profiles 4.1.4.2 and 4.1.4.3. ``issuer``: the IdP whose keys verified; ``audience``: our entityID; ``recipient``: the URL of
    the assertion consumer service where it was received; ``by_browser``: a browser carried it there, so a signed one has to say where to.

    Raises `Denied` (``saml.status``) for an error answer, `Refusal` (``saml.*``) for a broken rule.
    """
    envelope = proven.envelope
    check_envelope_issuer(envelope, issuer)
    check_destination(proven, recipient, by_browser=by_browser)
    check_issue_instant(envelope.issue_instant, now, timing)
    check_status(envelope.status)
    assertion = check_assertion(proven)
    check_issuer(assertion, issuer)
    check_issue_instant(assertion.issue_instant, now, timing)
    check_audience(assertion, audience)
    conditions_end = check_validity(assertion, now, timing)
    confirmation, confirmed_until = check_bearer(assertion, recipient, now, timing)
    check_same_request(envelope, confirmation)
    return AcceptedResponse(
        issuer=issuer,
        assertion=assertion,
        name_id=check_name_id(assertion),
        authn=check_authn_statement(assertion, now, timing),
        in_response_to=confirmation.in_response_to,
        replay_key=f"{issuer} {assertion.id}",
        # Once it is too old, it is refused without being remembered; an end in the year 9999 does not keep it until then.
        replay_until=min(max(confirmed_until, conditions_end), assertion.issue_instant + timing.max_age + timing.skew)
        + timing.skew,
    )


def check_authn_request(
    request: AuthnRequest, *, location: str, signed: bool, now: datetime, timing: Timing = DEFAULT_TIMING
) -> None:
    """Destination (must be there when the message is signed: bindings 3.4.5.2, 3.5.5.2) and age. Raises `Refusal`."""
    if request.destination is not None or signed:
        same("saml.destination", location, request.destination)
    check_issue_instant(request.issue_instant, now, timing)


def check_query(query: AttributeQuery, *, location: str, now: datetime, timing: Timing = DEFAULT_TIMING) -> None:
    """Destination where given, and age. Raises `Refusal`."""
    if query.destination is not None:
        same("saml.destination", location, query.destination)
    check_issue_instant(query.issue_instant, now, timing)


def accept_query_response(
    proven: ProvenResponse,
    query: AttributeQuery,
    *,
    authority: str,
    audience: str,
    now: datetime,
    timing: Timing = DEFAULT_TIMING,
) -> Assertion | None:
    """The answer to our own query (SAML profiles 6.4.2): its assertion, None when the authority releases nothing.

    Raises `Denied` (``saml.status``) when the authority refuses, `Refusal` when the answer is not one to this query; that nothing is
    released must be signed too.
    """
    envelope = proven.envelope
    check_envelope_issuer(envelope, authority)
    check_answers_query(envelope, query)
    check_issue_instant(envelope.issue_instant, now, timing)
    check_status(envelope.status)
    assertion = proven.assertion
    if assertion is None:
        if not proven.signed_response:
            raise Refusal("signature.missing", expected="a signed Response or a signed assertion", found="neither")
        return None
    check_issuer(assertion, authority)
    check_issue_instant(assertion.issue_instant, now, timing)
    check_audience(assertion, audience)
    check_validity(assertion, now, timing)
    check_same_subject(assertion, query)
    return assertion


# The rules, each by its name. They raise `Refusal` with the code in brackets.


def check_envelope_issuer(envelope: Response, issuer: str) -> None:
    """Who answers is who was asked; a Response need not say (``saml.issuer``; profiles 4.1.4.2)."""
    same("saml.issuer", issuer, envelope.issuer, optional=True)


def check_issuer(assertion: Assertion, issuer: str) -> None:
    """The assertion is the issuer's own (``saml.issuer``; profiles 4.1.4.2)."""
    same("saml.issuer", issuer, assertion.issuer)


def check_destination(proven: ProvenResponse, recipient: str, *, by_browser: bool = True) -> None:
    """The Response was sent here; a signed one that a browser carries has to say so (``saml.destination``; core 3.2.2, bindings
    3.5.5.2)."""
    if proven.envelope.destination is not None or (proven.signed_response and by_browser):
        same("saml.destination", recipient, proven.envelope.destination)


def check_assertion(proven: ProvenResponse) -> Assertion:
    """There is an assertion (``saml.no_assertion``; profiles 4.1.4.2)."""
    if proven.assertion is None:
        raise Refusal("saml.no_assertion", expected="one assertion", found="none")
    return proven.assertion


def check_same_request(envelope: Response, confirmation: Confirmation) -> None:
    """Response and subject confirmation answer the same request (``saml.in_response_to``; profiles 4.1.4.3)."""
    if envelope.in_response_to != confirmation.in_response_to:
        raise Refusal(
            "saml.in_response_to",
            expected="the same InResponseTo in Response and subject confirmation",
            found=f"{envelope.in_response_to} and {confirmation.in_response_to}",
        )


def check_answers_query(envelope: Response, query: AttributeQuery) -> None:
    """The answer is one to this query (``saml.in_response_to``; core 3.2.2)."""
    same("saml.in_response_to", query.id, envelope.in_response_to)


def check_name_id(assertion: Assertion) -> NameId:
    """The assertion names somebody (``saml.no_name_id``; profiles 4.1.4.2)."""
    if assertion.name_id is None or not assertion.name_id.value:
        raise Refusal("saml.no_name_id", expected="a NameID", found="none")
    return assertion.name_id


def check_same_subject(assertion: Assertion, query: AttributeQuery) -> None:
    """The answer speaks of whom the query asked about (``saml.other_subject``; core 3.3.4, profiles 6.4.2)."""
    if assertion.name_id is None or (assertion.name_id.format, assertion.name_id.value) != (
        query.name_id.format,
        query.name_id.value,
    ):
        raise Refusal(
            "saml.other_subject", expected="an answer about the subject that was asked for", found="another subject"
        )


def same(code: str, expected: str, found: str | None, *, optional: bool = False) -> None:
    """Two identifiers are one, else `Refusal` with this code; with ``optional`` none at all will do."""
    if found != expected and not (optional and found is None):
        raise Refusal(code, expected=expected, found="none" if found is None else found[:300])


def check_status(status: Status) -> None:
    """The request could be satisfied, else `Denied` (``saml.status``; core 3.2.2.2)."""
    if status.code != names.SUCCESS:
        code = (status.detail or status.code).rpartition(":")[2]
        raise Denied(
            "saml.status",
            expected="Success",
            found=f"{status.code} {status.detail or ''} {status.message or ''}"[:800],
            # Shown to a person, and nobody may have signed it: a name, never a sentence.
            status=code if _STATUS_NAME.fullmatch(code) else "unknown",
        )


def check_issue_instant(at: datetime, now: datetime, timing: Timing) -> None:
    """Neither too old nor from the future (``saml.too_old``, ``saml.from_the_future``). A clock complaint states both times."""
    if now - timing.max_age - timing.skew <= at <= now + timing.skew:
        return
    theirs, ours = write_instant(at), write_instant(now)
    if at > now:
        raise Refusal("saml.from_the_future", expected=f"issued before {ours}", found=theirs, theirs=theirs, ours=ours)
    raise Refusal(
        "saml.too_old",
        expected=f"issued within {timing.max_age} before {ours}",
        found=theirs,
        theirs=theirs,
        ours=ours,
    )


def check_audience(assertion: Assertion, audience: str) -> None:
    """It is for us; no audience at all is refused (``saml.audience``; core 2.5.1.4)."""
    conditions = assertion.conditions
    if conditions is None or not conditions.audiences:
        raise Refusal("saml.audience", expected=audience, found="no AudienceRestriction")
    for audiences in conditions.audiences:
        if audience not in audiences:
            raise Refusal("saml.audience", expected=audience, found=", ".join(audiences)[:300])


def check_validity(assertion: Assertion, now: datetime, timing: Timing) -> datetime:
    """It is valid now (``saml.from_the_future``, ``saml.no_expiry``, ``saml.expired``; core 2.5.1.2). Returns until when."""
    conditions = assertion.conditions
    ours = write_instant(now)
    if conditions is not None and conditions.not_before is not None and now + timing.skew < conditions.not_before:
        theirs = write_instant(conditions.not_before)
        raise Refusal(
            "saml.from_the_future", expected=f"valid at {ours}", found=f"NotBefore {theirs}", theirs=theirs, ours=ours
        )
    if conditions is None or conditions.not_on_or_after is None:
        raise Refusal("saml.no_expiry", expected="Conditions NotOnOrAfter", found="none")
    if now - timing.skew >= conditions.not_on_or_after:
        theirs = write_instant(conditions.not_on_or_after)
        raise Refusal(
            "saml.expired", expected=f"valid at {ours}", found=f"NotOnOrAfter {theirs}", theirs=theirs, ours=ours
        )
    return conditions.not_on_or_after


def check_bearer(assertion: Assertion, recipient: str, now: datetime, timing: Timing) -> tuple[Confirmation, datetime]:
    """The bearer confirmation that holds here, and its end (SAML profiles 4.1.4.2). The first one's complaint is reported:
    ``saml.no_bearer``, ``saml.recipient``, ``saml.bearer_not_before``, ``saml.no_expiry``, ``saml.expired``."""
    bearers = [confirmation for confirmation in assertion.confirmations if confirmation.method == names.BEARER]
    if not bearers:
        raise Refusal("saml.no_bearer", expected="a bearer SubjectConfirmation", found="none")
    complaints: list[Refusal] = []
    for confirmation in bearers:
        try:
            return confirmation, _check_confirmation(confirmation, recipient, now, timing)
        except Refusal as complaint:
            complaints.append(complaint)
    raise complaints[0]


def _check_confirmation(confirmation: Confirmation, recipient: str, now: datetime, timing: Timing) -> datetime:
    same("saml.recipient", recipient, confirmation.recipient)
    if confirmation.not_before is not None:
        raise Refusal(
            "saml.bearer_not_before",
            expected="no NotBefore in a bearer confirmation",
            found=write_instant(confirmation.not_before),
        )
    if confirmation.not_on_or_after is None:
        raise Refusal("saml.no_expiry", expected="SubjectConfirmationData NotOnOrAfter", found="none")
    if now - timing.skew >= confirmation.not_on_or_after:
        theirs, ours = write_instant(confirmation.not_on_or_after), write_instant(now)
        raise Refusal(
            "saml.expired", expected=f"valid at {ours}", found=f"NotOnOrAfter {theirs}", theirs=theirs, ours=ours
        )
    return confirmation.not_on_or_after


def check_authn_statement(assertion: Assertion, now: datetime, timing: Timing) -> AuthnStatement:
    """Somebody signed in, and not in the future (``saml.no_authn_statement``, ``saml.from_the_future``, ``saml.expired``; core 2.7.2)."""
    if not assertion.authn_statements:
        raise Refusal("saml.no_authn_statement", expected="an AuthnStatement", found="none")
    statement = assertion.authn_statements[0]
    ours = write_instant(now)
    if statement.authn_instant > now + timing.skew:
        theirs = write_instant(statement.authn_instant)
        raise Refusal(
            "saml.from_the_future", expected=f"before {ours}", found=f"AuthnInstant {theirs}", theirs=theirs, ours=ours
        )
    end = statement.session_not_on_or_after
    if end is not None and now - timing.skew >= end:
        theirs = write_instant(end)
        raise Refusal(
            "saml.expired", expected=f"valid at {ours}", found=f"SessionNotOnOrAfter {theirs}", theirs=theirs, ours=ours
        )
    return statement
