"""Each rule of the Web SSO and attribute query profiles beside its valid twin, which differs in that one respect."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from lxml import etree

from ostiary.errors import Denied, Refusal
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, AuthnStatement, Conditions, Confirmation, NameId
from ostiary.saml.protocol import AttributeQuery, AuthnRequest, Response, Status
from ostiary.saml.signature import sign
from ostiary.saml.validate import (
    AcceptedResponse,
    ProvenResponse,
    Timing,
    accept_query_response,
    accept_response,
    check_authn_request,
    check_query,
    response_issuer,
    verify_response,
)
from ostiary.saml.xml import parse_xml, qname, to_bytes
from tests.saml.world import (
    ACS,
    ASSERTION,
    HANDLE,
    IDP,
    NOW,
    REQUEST,
    RESPONSE,
    SP,
    refusal_code,
    response_element,
    signer,
)

MINUTE = timedelta(minutes=1)
TICK = timedelta(milliseconds=1)
CONFIRMATION = ASSERTION.confirmations[0]
CONDITIONS = Conditions(NOW, NOW + 5 * MINUTE, ((SP,),))
STATEMENT = ASSERTION.authn_statements[0]
FAR = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


def accept(
    assertion: Assertion | None = ASSERTION, *, now: datetime = NOW, signed: bool = True, **more: Any
) -> AcceptedResponse:
    envelope = RESPONSE._replace(assertions=(), **more)
    return accept_response(ProvenResponse(envelope, signed, assertion), issuer=IDP, audience=SP, recipient=ACS, now=now)


def outcome(assertion: Assertion | None = ASSERTION, **more: Any) -> str:
    return refusal_code(lambda: accept(assertion, **more))


def test_a_response_that_is_right_in_each_respect_is_accepted() -> None:
    accepted = accept()
    assert accepted == AcceptedResponse(
        issuer=IDP,
        assertion=ASSERTION,
        name_id=NameId(HANDLE, names.TRANSIENT, IDP, SP),
        authn=STATEMENT,
        in_response_to=REQUEST,
        replay_key="https://idp.northgate.example/idp _a75adf55d301b3d7",
        replay_until=datetime(2026, 11, 22, 12, 8, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"issuer": IDP}, "accepted"),
        ({"issuer": None}, "accepted"),
        ({"issuer": "https://idp.evil.example"}, "saml.issuer"),
        ({"issuer": IDP + "/"}, "saml.issuer"),
        ({"destination": ACS}, "accepted"),
        ({"destination": None}, "saml.destination"),
        ({"destination": None, "signed": False}, "accepted"),
        ({"destination": ACS + "/", "signed": False}, "saml.destination"),
        ({"destination": "https://library.example:8443/ostiary/acs"}, "saml.destination"),
        ({"in_response_to": REQUEST}, "accepted"),
        ({"in_response_to": "_another"}, "saml.in_response_to"),
        ({"in_response_to": None}, "saml.in_response_to"),
        ({"issue_instant": NOW + 3 * MINUTE}, "accepted"),
        ({"issue_instant": NOW + 3 * MINUTE + TICK}, "saml.from_the_future"),
        ({"issue_instant": NOW - 8 * MINUTE}, "accepted"),
        ({"issue_instant": NOW - 8 * MINUTE - TICK}, "saml.too_old"),
        ({"issue_instant": FAR}, "saml.from_the_future"),
        ({"issue_instant": LONG_AGO}, "saml.too_old"),
        ({"status": Status(names.SUCCESS)}, "accepted"),
        ({"status": Status(names.RESPONDER)}, "saml.status"),
        ({"status": Status("")}, "saml.status"),
    ],
)
def test_the_rules_for_the_response(changes: dict[str, Any], code: str) -> None:
    assert outcome(**changes) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"issuer": "https://idp.evil.example"}, "saml.issuer"),
        ({"issue_instant": NOW + 3 * MINUTE}, "accepted"),
        ({"issue_instant": NOW + 3 * MINUTE + TICK}, "saml.from_the_future"),
        ({"issue_instant": NOW - 8 * MINUTE}, "accepted"),
        ({"issue_instant": NOW - 8 * MINUTE - TICK}, "saml.too_old"),
        ({"conditions": None}, "saml.audience"),
        ({"conditions": CONDITIONS._replace(audiences=())}, "saml.audience"),
        ({"conditions": CONDITIONS._replace(audiences=((),))}, "saml.audience"),
        ({"conditions": CONDITIONS._replace(audiences=(("https://lab.example/sp",),))}, "saml.audience"),
        ({"conditions": CONDITIONS._replace(audiences=(("https://lab.example/sp", SP),))}, "accepted"),
        ({"conditions": CONDITIONS._replace(audiences=((SP,), ("https://lab.example/sp",)))}, "saml.audience"),
        ({"conditions": CONDITIONS._replace(audiences=((SP + "/",),))}, "saml.audience"),
        ({"conditions": CONDITIONS._replace(not_before=None)}, "accepted"),
        ({"conditions": CONDITIONS._replace(not_before=NOW + 3 * MINUTE)}, "accepted"),
        ({"conditions": CONDITIONS._replace(not_before=NOW + 3 * MINUTE + TICK)}, "saml.from_the_future"),
        ({"conditions": CONDITIONS._replace(not_before=LONG_AGO)}, "accepted"),
        ({"conditions": CONDITIONS._replace(not_before=FAR)}, "saml.from_the_future"),
        ({"conditions": CONDITIONS._replace(not_on_or_after=None)}, "saml.no_expiry"),
        ({"conditions": CONDITIONS._replace(not_on_or_after=NOW - 3 * MINUTE + TICK)}, "accepted"),
        ({"conditions": CONDITIONS._replace(not_on_or_after=NOW - 3 * MINUTE)}, "saml.expired"),
        ({"conditions": CONDITIONS._replace(not_on_or_after=FAR)}, "accepted"),
        ({"conditions": CONDITIONS._replace(not_on_or_after=LONG_AGO)}, "saml.expired"),
        ({"confirmations": ()}, "saml.no_bearer"),
        ({"confirmations": (CONFIRMATION._replace(method=names.SENDER_VOUCHES),)}, "saml.no_bearer"),
        ({"confirmations": (CONFIRMATION._replace(recipient=None),)}, "saml.recipient"),
        ({"confirmations": (CONFIRMATION._replace(recipient="https://lab.example/acs"),)}, "saml.recipient"),
        ({"confirmations": (CONFIRMATION._replace(recipient=ACS.upper()),)}, "saml.recipient"),
        ({"confirmations": (CONFIRMATION._replace(not_before=NOW),)}, "saml.bearer_not_before"),
        ({"confirmations": (CONFIRMATION._replace(not_on_or_after=None),)}, "saml.no_expiry"),
        ({"confirmations": (CONFIRMATION._replace(not_on_or_after=NOW - 3 * MINUTE + TICK),)}, "accepted"),
        ({"confirmations": (CONFIRMATION._replace(not_on_or_after=NOW - 3 * MINUTE),)}, "saml.expired"),
        ({"confirmations": (CONFIRMATION._replace(not_on_or_after=FAR),)}, "accepted"),
        ({"confirmations": (CONFIRMATION._replace(in_response_to="_another"),)}, "saml.in_response_to"),
        ({"confirmations": (CONFIRMATION._replace(in_response_to=None),)}, "saml.in_response_to"),
        ({"confirmations": (CONFIRMATION._replace(recipient="https://lab.example/acs"), CONFIRMATION)}, "accepted"),
        ({"confirmations": (CONFIRMATION._replace(method=names.SENDER_VOUCHES), CONFIRMATION)}, "accepted"),
        ({"name_id": None}, "saml.no_name_id"),
        ({"name_id": NameId("")}, "saml.no_name_id"),
        ({"authn_statements": ()}, "saml.no_authn_statement"),
        ({"authn_statements": (AuthnStatement(NOW + 3 * MINUTE),)}, "accepted"),
        ({"authn_statements": (AuthnStatement(NOW + 3 * MINUTE + TICK),)}, "saml.from_the_future"),
        ({"authn_statements": (STATEMENT._replace(session_not_on_or_after=NOW - 3 * MINUTE + TICK),)}, "accepted"),
        ({"authn_statements": (STATEMENT._replace(session_not_on_or_after=NOW - 3 * MINUTE),)}, "saml.expired"),
        ({"authn_statements": (STATEMENT._replace(session_not_on_or_after=LONG_AGO),)}, "saml.expired"),
        ({"attributes": ()}, "accepted"),
    ],
)
def test_the_rules_for_the_assertion(changes: dict[str, Any], code: str) -> None:
    assert outcome(ASSERTION._replace(**changes)) == code


def test_an_unsolicited_response_says_so() -> None:
    assertion = ASSERTION._replace(confirmations=(CONFIRMATION._replace(in_response_to=None),))
    assert accept(assertion, in_response_to=None).in_response_to is None


def test_success_without_an_assertion_is_no_login() -> None:
    assert outcome(None) == "saml.no_assertion"


def test_an_error_answer_is_denied_with_the_name_of_its_status() -> None:
    with pytest.raises(Denied) as raised:
        accept(None, status=Status(names.RESPONDER, names.NO_PASSIVE, "not without a form"))
    assert (raised.value.status, raised.value.params) == (403, {"status": "NoPassive"})
    assert raised.value.found.endswith("not without a form")


def test_an_error_answer_puts_no_words_of_its_own_on_the_page() -> None:
    with pytest.raises(Denied) as raised:
        accept(None, signed=False, status=Status(names.RESPONDER, "urn:x:Please call 0900 1234 and tell your password"))
    assert raised.value.params == {"status": "unknown"}
    with pytest.raises(Denied) as long:
        accept(None, signed=False, status=Status(names.RESPONDER, "urn:x:" + "A" * 100_000))
    assert long.value.params == {"status": "unknown"}
    assert len(long.value.found) == 800


def test_a_clock_complaint_states_both_times() -> None:
    with pytest.raises(Refusal) as raised:
        accept(now=NOW + timedelta(hours=2))
    assert raised.value.params == {"theirs": "2026-11-22T12:00:00.000Z", "ours": "2026-11-22T14:00:00.000Z"}


def test_an_assertion_is_remembered_until_it_would_be_refused_anyway() -> None:
    endless = ASSERTION._replace(
        conditions=CONDITIONS._replace(not_on_or_after=FAR),
        confirmations=(CONFIRMATION._replace(not_on_or_after=FAR),),
    )
    until = accept(endless).replay_until
    assert until == NOW + 11 * MINUTE
    assert outcome(endless, now=until, issue_instant=until) == "saml.too_old"
    assert outcome(endless, now=until - 3 * MINUTE, issue_instant=until) == "accepted"


def test_a_stricter_clock_is_stricter() -> None:
    proven = ProvenResponse(RESPONSE, True, ASSERTION)
    strict = Timing(skew=timedelta(0), max_age=timedelta(0))
    assert accept_response(proven, issuer=IDP, audience=SP, recipient=ACS, now=NOW, timing=strict).issuer == IDP
    with pytest.raises(Refusal, match=r"saml\.too_old"):
        accept_response(proven, issuer=IDP, audience=SP, recipient=ACS, now=NOW + TICK, timing=strict)


@pytest.mark.parametrize(
    ("sign_response", "sign_assertion", "code"),
    [
        (True, True, "accepted"),
        (True, False, "accepted"),
        (False, True, "accepted"),
        (False, False, "signature.missing"),
    ],
)
def test_the_response_or_its_assertion_must_be_signed(sign_response: bool, sign_assertion: bool, code: str) -> None:
    element = parse_xml(to_bytes(response_element(sign_response=sign_response, sign_assertion=sign_assertion)))
    assert refusal_code(lambda: verify_response(element, [signer().public])) == code
    if code == "accepted":
        proven = verify_response(element, [signer().public])
        assert (proven.signed_response, proven.assertion) == (sign_response, ASSERTION)


def test_a_second_signature_that_does_not_verify_is_never_passed_over() -> None:
    """The IdP signed the whole Response, which alone would do; whatever signature is inside must be right all the same."""
    for inner, code in ((signer(), "accepted"), (signer("rsa", "another"), "signature.wrong")):
        element = response_element(by=inner, sign_response=False)
        sign(element, signer())
        arrived = parse_xml(to_bytes(element))
        assert refusal_code(partial(verify_response, arrived, [signer().public])) == code


@pytest.mark.parametrize(("identifier", "code"), [("_free", "accepted"), (ASSERTION.id, "signature.duplicate_id")])
def test_an_id_that_stands_twice_is_refused_although_both_signatures_cover_it(identifier: str, code: str) -> None:
    element = response_element(sign_response=False)
    element.insert(1, etree.Element(qname(names.SAMLP, "Extensions")))
    etree.SubElement(element[1], "{urn:x}Other", Id=identifier)
    sign(element, signer())
    assert refusal_code(lambda: verify_response(element, [signer().public])) == code


def test_the_issuer_whose_keys_to_try_is_found_in_the_response_or_its_assertion() -> None:
    assert response_issuer(response_element()) == IDP
    assert response_issuer(response_element(response=RESPONSE._replace(issuer=None))) == IDP
    empty = response_element(assertion=None, response=RESPONSE._replace(issuer=None))
    assert refusal_code(lambda: response_issuer(empty)) == "saml.issuer_missing"


@pytest.mark.parametrize(
    ("changes", "signed", "code"),
    [
        ({}, True, "accepted"),
        ({"destination": None}, True, "saml.destination"),
        ({"destination": None}, False, "accepted"),
        ({"destination": "https://other.example/sso"}, False, "saml.destination"),
        ({"issue_instant": NOW - 8 * MINUTE}, True, "accepted"),
        ({"issue_instant": NOW - 8 * MINUTE - TICK}, True, "saml.too_old"),
        ({"issue_instant": NOW + 3 * MINUTE}, True, "accepted"),
        ({"issue_instant": NOW + 3 * MINUTE + TICK}, True, "saml.from_the_future"),
    ],
)
def test_the_rules_for_an_authentication_request(changes: dict[str, Any], signed: bool, code: str) -> None:
    request = AuthnRequest("_a", SP, NOW, destination=f"{IDP}/sso")._replace(**changes)
    assert refusal_code(lambda: check_authn_request(request, location=f"{IDP}/sso", signed=signed, now=NOW)) == code


QUERY = AttributeQuery("_q", SP, NOW, NameId(HANDLE, names.TRANSIENT, IDP, SP), destination=f"{IDP}/aa")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "accepted"),
        ({"destination": None}, "accepted"),
        ({"destination": f"{IDP}/other"}, "saml.destination"),
        ({"issue_instant": NOW - 8 * MINUTE - TICK}, "saml.too_old"),
        ({"issue_instant": NOW + 3 * MINUTE + TICK}, "saml.from_the_future"),
    ],
)
def test_the_rules_for_an_attribute_query(changes: dict[str, Any], code: str) -> None:
    assert refusal_code(lambda: check_query(QUERY._replace(**changes), location=f"{IDP}/aa", now=NOW)) == code


ANSWER = Response("_r", IDP, NOW, in_response_to="_q")
TOLD = Assertion("_t", IDP, NOW, name_id=NameId(HANDLE, names.TRANSIENT), conditions=CONDITIONS)


def answer(assertion: Assertion | None = TOLD, signed: bool = True, **changes: Any) -> Assertion | None:
    proven = ProvenResponse(ANSWER._replace(**changes), signed, assertion)
    return accept_query_response(proven, QUERY, authority=IDP, audience=SP, now=NOW)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "accepted"),
        ({"signed": False}, "accepted"),
        ({"assertion": None}, "accepted"),
        # That nothing is released is a statement too, and somebody must have made it.
        ({"assertion": None, "signed": False}, "signature.missing"),
        ({"issuer": "https://aa.evil.example"}, "saml.issuer"),
        ({"in_response_to": "_another"}, "saml.in_response_to"),
        ({"in_response_to": None}, "saml.in_response_to"),
        ({"issue_instant": NOW - 8 * MINUTE - TICK}, "saml.too_old"),
        ({"status": Status(names.REQUESTER, names.UNKNOWN_PRINCIPAL)}, "saml.status"),
        ({"assertion": TOLD._replace(issuer="https://aa.evil.example")}, "saml.issuer"),
        ({"assertion": TOLD._replace(issue_instant=NOW - 8 * MINUTE - TICK)}, "saml.too_old"),
        ({"assertion": TOLD._replace(name_id=None)}, "saml.other_subject"),
        ({"assertion": TOLD._replace(name_id=NameId("another", names.TRANSIENT))}, "saml.other_subject"),
        ({"assertion": TOLD._replace(name_id=NameId(HANDLE, names.PERSISTENT))}, "saml.other_subject"),
        ({"assertion": TOLD._replace(conditions=None)}, "saml.audience"),
        ({"assertion": TOLD._replace(conditions=CONDITIONS._replace(audiences=(("x",),)))}, "saml.audience"),
        (
            {"assertion": TOLD._replace(conditions=CONDITIONS._replace(not_on_or_after=NOW - 3 * MINUTE))},
            "saml.expired",
        ),
    ],
)
def test_the_rules_for_the_answer_to_a_query(changes: dict[str, Any], code: str) -> None:
    assert refusal_code(lambda: answer(**changes)) == code


def test_the_answer_to_a_query_is_its_assertion_or_nothing() -> None:
    assert answer() == TOLD
    assert answer(None) is None


def test_a_confirmation_is_compared_as_a_whole() -> None:
    """Recipient from one confirmation and end from another do not make a good one."""
    halves = (
        Confirmation(names.BEARER, recipient=ACS, not_on_or_after=NOW - 3 * MINUTE, in_response_to=REQUEST),
        Confirmation(
            names.BEARER, recipient="https://lab.example/acs", not_on_or_after=NOW + MINUTE, in_response_to=REQUEST
        ),
    )
    assert outcome(ASSERTION._replace(confirmations=halves)) == "saml.expired"
