"""What a resource looks at in a Response, rule by rule, with the rules that ours applies; the last word has the whole of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from ostiary.command.trace.check import Check, Sheet, clocks
from ostiary.command.trace.request_checks import check_form, found_in_metadata, known_facts, short_format
from ostiary.command.trace.signatures import role_name, signature_facts
from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.model import AaRole, IdpRole
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.assertion import Assertion
from ostiary.saml.bindings import ReceivedMessage
from ostiary.saml.decryption import Decryption
from ostiary.saml.encrypted_response import verify_response_that_may_be_encrypted
from ostiary.saml.protocol import AttributeQuery, Response, sole_assertion
from ostiary.saml.signature import has_signature, verify_element
from ostiary.saml.validate import (
    AcceptedResponse,
    ProvenResponse,
    Timing,
    accept_query_response,
    accept_response,
    check_answers_query,
    check_assertion,
    check_audience,
    check_authn_statement,
    check_bearer,
    check_destination,
    check_envelope_issuer,
    check_issue_instant,
    check_issuer,
    check_name_id,
    check_same_request,
    check_same_subject,
    check_status,
    check_validity,
    response_issuer,
    verify_response,
)
from ostiary.saml.xml import Element, child, write_instant


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a Response has to fit: ``recipient`` the URL that it is posted to, ``audience`` the resource's entityID, ``requests`` the hop
    of each AuthnRequest by its ID, ``used`` the replay keys of assertions seen before."""

    recipient: str
    audience: str
    requests: Mapping[str, int]
    used: Sequence[str]


def response_checks(
    received: ReceivedMessage, expected: Expectation, registry: Registry, now: datetime, timing: Timing
) -> tuple[tuple[Check, ...], AcceptedResponse | None]:
    """The checks, and the Response where it is acceptable as a whole."""
    sheet = Sheet()
    check_form(sheet, received.binding)
    element = received.element
    issuer = sheet.rule("issuer", "SAML profiles 4.1.4.2", lambda: response_issuer(element))
    if issuer is None:
        return sheet.checks, None
    role = sheet.rule(
        "known",
        "SAML metadata 2.3.2",
        lambda: found_in_metadata(registry.idp(issuer, now), issuer),
        facts=lambda found: known_facts(registry, issuer, role_name(found), now),
    )
    if not isinstance(role, IdpRole):
        return sheet.checks, None
    proven = _proven(sheet, element, issuer, role)
    if proven is None:
        return sheet.checks, None
    _envelope(sheet, proven, issuer, expected, now, timing)
    if not sheet.held("status", "SAML core 3.2.2.2", lambda: check_status(proven.envelope.status)):
        return sheet.checks, None
    assertion = sheet.rule(
        "assertion", "SAML profiles 4.1.4.2", lambda: check_assertion(proven), facts=lambda found: {"id": found.id}
    )
    if assertion is None:
        return sheet.checks, None
    _about_assertion(sheet, assertion, issuer, expected.audience, now, timing)
    _about_login(sheet, proven, assertion, expected, now, timing)
    accepted = sheet.rule(
        "verdict",
        "SAML profiles 4.1.4.3",
        lambda: accept_response(
            proven, issuer=issuer, audience=expected.audience, recipient=expected.recipient, now=now, timing=timing
        ),
        told="verdict_response",
    )
    return sheet.checks, accepted


def answer_checks(
    element: Element,
    query: AttributeQuery,
    authority: str,
    role: AaRole,
    audience: str,
    now: datetime,
    timing: Timing,
    decryption: Decryption | None = None,
) -> tuple[Check, ...]:
    """The answer to an attribute query; ``decryption`` opens it where it is encrypted for us."""
    sheet = Sheet()
    check_form(sheet, names.SOAP)
    proven = _proven(sheet, element, authority, role, decryption)
    if proven is None:
        return sheet.checks
    envelope = proven.envelope
    sheet.held("sender", "SAML profiles 6.4.2", lambda: check_envelope_issuer(envelope, authority), entity=authority)
    sheet.held(
        "in_response_to",
        "SAML core 3.2.2",
        lambda: check_answers_query(envelope, query),
        told="answers_query",
        id=query.id,
    )
    _issued(sheet, "issued", envelope.issue_instant, now, timing)
    if not sheet.held("status", "SAML core 3.2.2.2", lambda: check_status(envelope.status)):
        return sheet.checks
    assertion = proven.assertion
    if assertion is not None:
        _about_assertion(sheet, assertion, authority, audience, now, timing)
        sheet.held("subject", "SAML profiles 6.4.2", lambda: check_same_subject(assertion, query), told="subject_same")
        _attributes(sheet, assertion, told="attributes_answered")
    else:
        sheet.note("attributes", "SAML core 2.7.3", told="attributes_answered_none")
    sheet.rule(
        "verdict",
        "SAML profiles 6.4.2",
        lambda: (accept_query_response(proven, query, authority=authority, audience=audience, now=now, timing=timing),),
        told="verdict_answer",
    )
    return sheet.checks


def _proven(
    sheet: Sheet, element: Element, issuer: str, role: IdpRole | AaRole, decryption: Decryption | None = None
) -> ProvenResponse | None:
    """Each signature by itself, then both as the services verify them."""
    before = len(sheet.checks)
    opened = None
    try:
        if decryption is not None and child(element, names.SAML, "EncryptedAssertion") is not None:
            opened, assertion = verify_response_that_may_be_encrypted(element, role.signing_keys(), decryption), None
        else:
            assertion = sole_assertion(element)
    except OstiaryError as error:
        sheet.failed("one_assertion", "SAML profiles 4.1.4.2", error)
        return None
    for name, part in (("signature_response", element), ("signature_assertion", assertion)):
        if part is None:
            continue
        if not has_signature(part):
            sheet.note(name, "SAML profiles 4.1.3.5", told="signature_absent")
            continue
        signed: Element = part
        sheet.rule(
            name,
            "SAML core 5.4, XML Signature",
            lambda signed=signed: verify_element(signed, role.signing_keys()),  # type: ignore[misc]
            told="signed_element",
            facts=lambda proof: signature_facts(proof, issuer, role),
            what=_what(signed),
        )
    try:
        return opened if opened is not None else verify_response(element, role.signing_keys())
    except OstiaryError as error:
        if not any(check.outcome == "bad" for check in sheet.checks[before:]):
            sheet.failed("signature_response", "SAML profiles 4.1.3.5", error)
        sheet.unknown("content", "SAML core 5.3", "nothing_proven")
        return None


def _what(element: Element) -> str:
    return f"{etree.QName(element).localname} {element.get('ID', '')[:80]}"


def _envelope(
    sheet: Sheet, proven: ProvenResponse, issuer: str, expected: Expectation, now: datetime, timing: Timing
) -> None:
    envelope = proven.envelope
    sheet.held("sender", "SAML profiles 4.1.4.2", lambda: check_envelope_issuer(envelope, issuer), entity=issuer)
    sheet.held(
        "destination",
        "SAML core 3.2.2, bindings 3.5.5.2",
        lambda: check_destination(proven, expected.recipient),
        told="destination" if envelope.destination is not None else "no_destination",
        url=expected.recipient,
    )
    _issued(sheet, "issued", envelope.issue_instant, now, timing)
    if envelope.in_response_to is None:
        sheet.note("in_response_to", "SAML profiles 4.1.5", told="unsolicited")
    else:
        sheet.rule(
            "in_response_to",
            "SAML profiles 4.1.4.3",
            lambda: _answers(envelope, expected.requests),
            facts=lambda hop: {"id": envelope.in_response_to or "", "hop": str(hop)},
        )


def _about_assertion(
    sheet: Sheet, assertion: Assertion, issuer: str, audience: str, now: datetime, timing: Timing
) -> None:
    conditions = assertion.conditions
    sheet.held("assertion_issuer", "SAML profiles 4.1.4.2", lambda: check_issuer(assertion, issuer), entity=issuer)
    _issued(sheet, "assertion_issued", assertion.issue_instant, now, timing)
    sheet.held("audience", "SAML core 2.5.1.4", lambda: check_audience(assertion, audience), entity=audience)
    start = conditions.not_before if conditions is not None else None
    sheet.rule(
        "validity",
        "SAML core 2.5.1.2",
        lambda: check_validity(assertion, now, timing),
        facts=lambda end: {"until": write_instant(end)},
        start=write_instant(start) if start is not None else "-",
        ours=write_instant(now),
        skew=f"{timing.skew.total_seconds():.0f}",
    )


def _about_login(
    sheet: Sheet, proven: ProvenResponse, assertion: Assertion, expected: Expectation, now: datetime, timing: Timing
) -> None:
    bearer = sheet.rule(
        "bearer",
        "SAML profiles 3.3, 4.1.4.2",
        lambda: check_bearer(assertion, expected.recipient, now, timing),
        facts=lambda found: {"until": write_instant(found[1])},
        url=expected.recipient,
        ours=write_instant(now),
    )
    if bearer is not None:
        sheet.held("same_request", "SAML profiles 4.1.4.3", lambda: check_same_request(proven.envelope, bearer[0]))
    sheet.held(
        "one_time",
        "SAML profiles 4.1.4.5",
        lambda: _unused(f"{assertion.issuer} {assertion.id}", expected.used),
        id=assertion.id,
    )
    sheet.rule(
        "name_id",
        "SAML core 8.3",
        lambda: check_name_id(assertion),
        told="name_id_transient" if _is_transient(assertion) else "name_id",
        facts=lambda name_id: {"format": short_format(name_id.format), "length": str(len(name_id.value))},
    )
    sheet.rule(
        "authn",
        "SAML core 2.7.2",
        lambda: check_authn_statement(assertion, now, timing),
        facts=lambda found: {"at": write_instant(found.authn_instant), "context": found.context_class or "-"},
    )
    _attributes(sheet, assertion, told="attributes_pushed")


def _issued(sheet: Sheet, name: str, at: datetime, now: datetime, timing: Timing) -> None:
    facts = clocks(at, now, timing)
    sheet.held(name, "SAML core 3.2.1, 2.3.3", lambda: check_issue_instant(at, now, timing), told="issued", **facts)


def _attributes(sheet: Sheet, assertion: Assertion, *, told: str) -> None:
    if assertion.attributes:
        listed = ", ".join(f"{attribute.name} ({len(attribute.values)})" for attribute in assertion.attributes)
        sheet.note("attributes", "SAML core 2.7.3", told=told, names=listed[:2000])
    else:
        sheet.note("attributes", "SAML core 2.7.3", told=f"{told}_none")


def _is_transient(assertion: Assertion) -> bool:
    return assertion.name_id is not None and assertion.name_id.format == names.TRANSIENT


def _answers(envelope: Response, requests: Mapping[str, int]) -> int:
    """The hop of the request that is answered."""
    hop = requests.get(envelope.in_response_to or "")
    if hop is None:
        raise Refusal(
            "saml.in_response_to",
            expected=" or ".join(requests) or "no request was made",
            found=(envelope.in_response_to or "none")[:300],
        )
    return hop


def _unused(replay_key: str, used: Sequence[str]) -> None:
    if replay_key in used:
        raise Refusal("saml.replayed", expected="an assertion that was not used before", found=replay_key[:300])
