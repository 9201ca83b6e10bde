"""The rules of SAML profiles 4.1.4.2, 4.1.4.3 and 4.1.4.5 through the assertion consumer, one test for each, named by it. More ways to
break most of them stand in tests/flows/test_bad_input_at_the_assertion_consumer.py."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from lxml import etree

from ostiary.command.demo.people import NORTHGATE, SOUTHBANK
from ostiary.saml import names
from ostiary.saml.assertion import AuthnStatement
from ostiary.saml.bindings import encode_post
from ostiary.saml.message import Status
from ostiary.saml.signature import sign
from ostiary.saml.xml import Element, qname
from sp_shire.messages import Reply
from tests.flows.forging import Message, signer_of
from tests.simulator import START
from tests.sp_shire.answering import HERE, answered, finish, logged_in, post
from tests.sp_shire.conftest import Core

ELSEWHERE = f"{HERE}ostiary/elsewhere"
LIBRARY = "https://library.example/shar"
MINUTE = timedelta(minutes=1)
ISSUER, CONDITIONS = qname(names.SAML, "Issuer"), qname(names.SAML, "Conditions")


@dataclass(frozen=True)
class Answer:
    """Alice's Response at the resource, not yet sent."""

    core: Core
    cookie: str
    message: Message

    def refusal(self, message: Message) -> str:
        return self.refusal_of(message.encoded())

    def refusal_of(self, encoded: str) -> str:
        reply = post(self.core, encoded)
        if not isinstance(reply, Reply) or reply.status not in (400, 403):
            raise AssertionError(f"not refused: {reply}"[:300])
        return str(self.core.log_lines()[-1]["code"])

    def logs_in(self, message: Message) -> bool:
        return self.logs_in_by(message.encoded())

    def logs_in_by(self, encoded: str) -> bool:
        return logged_in(self.core, finish(self.core, post(self.core, encoded), self.cookie))

    def written(self, change: Callable[[Element], object]) -> str:
        """The Response with something changed that our own messages can't say, signed anew: in the assertion, and outside."""
        assertion = self.message.assertion_element(signed=False)
        change(assertion)
        sign(assertion, self.message.signer)
        return encode_post(self.message.around(assertion))


@pytest.fixture
def answer(core: Core) -> Answer:
    return Answer(core, *answered(core))


def required(parent: Element, name: str) -> Element:
    found = parent.find(name)
    if found is None:
        raise ValueError(name)
    return found


# 4.1.4.2: what a Response holds.


def test_the_issuer_of_the_response_is_the_identity_provider_where_it_is_given(answer: Answer) -> None:
    assert answer.refusal(answer.message.with_response(issuer="https://unknown.example")) == "sp.unknown_idp"
    assert answer.logs_in(answer.message.with_response(issuer=None))


def test_the_issuer_of_the_assertion_is_the_identity_provider(answer: Answer) -> None:
    assert answer.refusal(answer.message.with_assertion(issuer=SOUTHBANK.entity_id)) == "saml.issuer"


def test_the_format_of_an_issuer_is_entity_or_absent(answer: Answer) -> None:
    entity = answer.written(lambda one: required(one, ISSUER).set("Format", names.ENTITY))
    for change in (
        lambda one: required(one, ISSUER).set("Format", names.TRANSIENT),
        lambda one: required(one, ISSUER).set("NameQualifier", NORTHGATE.entity_id),
    ):
        assert answer.refusal_of(answer.written(change)) == "saml.issuer_format"
    assert answer.logs_in_by(entity)


def test_there_is_an_assertion_with_an_authentication_statement(answer: Answer) -> None:
    assert answer.refusal_of(encode_post(answer.message.around())) == "saml.no_assertion"
    assert answer.refusal(answer.message.with_assertion(authn_statements=())) == "saml.no_authn_statement"


def test_the_assertion_names_its_subject(answer: Answer) -> None:
    assert answer.refusal(answer.message.with_assertion(name_id=None)) == "saml.no_name_id"


def test_one_bearer_confirmation_that_holds_is_enough(answer: Answer) -> None:
    ours = answer.message.assertion.confirmations[0]
    theirs = ours._replace(recipient=ELSEWHERE)
    other_method = ours._replace(method="urn:oasis:names:tc:SAML:2.0:cm:holder-of-key")
    both = answer.message.with_assertion(confirmations=(other_method, theirs, ours))
    assert answer.refusal(answer.message.with_assertion(confirmations=(other_method, theirs))) == "saml.recipient"
    assert answer.logs_in(both)


def test_a_bearer_confirmation_begins_at_once(answer: Answer) -> None:
    assert answer.refusal(answer.message.with_confirmation(not_before=START)) == "saml.bearer_not_before"


def test_the_audience_includes_this_resource(answer: Answer) -> None:
    assert answer.refusal(answer.message.with_conditions(audiences=(("https://a.example",),))) == "saml.audience"
    assert answer.refusal(answer.message.with_conditions(audiences=())) == "saml.audience"
    assert answer.logs_in(answer.message.with_conditions(audiences=(("https://a.example", LIBRARY),)))


# 4.1.4.3: what the service provider checks.


def test_every_signature_that_is_there_verifies(answer: Answer) -> None:
    other = signer_of(answer.core.federation, SOUTHBANK.key)
    message = answer.message
    for element in (
        message.around(message.assertion_element(signer=other)),
        message.around(message.assertion_element(), signer=other),
    ):
        assert answer.refusal_of(encode_post(element)) == "signature.wrong"
    assert answer.logs_in(message)


def test_the_recipient_of_a_bearer_confirmation_is_the_consumer_that_it_came_to(answer: Answer) -> None:
    for recipient in (ELSEWHERE, f"{HERE}ostiary/acs/", f"{HERE}ostiary/ACS", f"{HERE}ostiary/acs?", None):
        assert answer.refusal(answer.message.with_confirmation(recipient=recipient)) == "saml.recipient"


def test_the_end_of_a_bearer_confirmation_has_not_passed(answer: Answer) -> None:
    assert answer.refusal(answer.message.with_confirmation(not_on_or_after=START - 3 * MINUTE)) == "saml.expired"
    assert answer.refusal(answer.message.with_confirmation(not_on_or_after=None)) == "saml.no_expiry"


def test_in_response_to_is_the_request_that_this_resource_made(answer: Answer) -> None:
    assert answer.refusal(answer.message.answering("_never_made")) == "sp.unknown_request"


def test_in_response_to_is_the_request_that_this_browser_made(answer: Answer) -> None:
    other, _ = answered(answer.core)
    done = finish(answer.core, post(answer.core, answer.message.encoded()), other)
    assert (done.status, answer.core.log_lines()[-1]["code"]) == (400, "sp.other_browser")


def test_an_unsolicited_response_answers_no_request_anywhere(make_core: Callable[..., Core]) -> None:
    core = make_core(allow_unsolicited_from=(NORTHGATE.entity_id,))
    answer = Answer(core, *answered(core))
    unsolicited = answer.message.answering(None)
    assert answer.refusal(unsolicited.with_response(in_response_to="_x")) == "saml.in_response_to"
    assert answer.refusal(unsolicited.with_confirmation(in_response_to="_x")) == "saml.in_response_to"
    # Also where it may come unasked, one that names a request has to answer one.
    assert answer.refusal(unsolicited.answering("_x")) == "sp.unknown_request"
    assert logged_in(core, finish(core, post(core, unsolicited.encoded()), ""))


def test_an_unsolicited_response_is_taken_of_the_homes_that_may_alone(make_core: Callable[..., Core]) -> None:
    core = make_core(allow_unsolicited_from=(SOUTHBANK.entity_id,))
    answer = Answer(core, *answered(core))
    assert answer.refusal(answer.message.answering(None)) == "sp.unsolicited"


def test_the_assertion_is_valid_in_every_other_respect(answer: Answer) -> None:
    """SAML core 2.5.1: a condition that is not understood leaves it open whether the assertion holds, so it is not relied on."""

    def unknown(assertion: Element) -> None:
        condition = etree.SubElement(required(assertion, CONDITIONS), qname(names.SAML, "Condition"))
        condition.set(qname(names.XSI, "type"), "x:OnSundays")

    def known(assertion: Element) -> None:
        etree.SubElement(required(assertion, CONDITIONS), qname(names.SAML, "OneTimeUse"))

    refused = answer.refusal_of(answer.written(unknown))
    assert refused in ("saml.unknown_condition", "xml.schema")
    assert answer.refusal(answer.message.with_conditions(not_before=START + 4 * MINUTE)) == "saml.from_the_future"
    assert answer.refusal(answer.message.with_conditions(not_on_or_after=START - 4 * MINUTE)) == "saml.expired"
    assert answer.logs_in_by(answer.written(known))


def test_the_session_ends_when_the_identity_provider_says(make_core: Callable[..., Core]) -> None:
    core = make_core()
    answer = Answer(core, *answered(core))
    ended = answer.message.with_statement(session_not_on_or_after=START - 4 * MINUTE)
    assert answer.refusal(ended) == "saml.expired"
    done = finish(
        core,
        post(core, answer.message.with_statement(session_not_on_or_after=START + 5 * MINUTE).encoded()),
        answer.cookie,
    )
    assert logged_in(core, done)
    core.clock.forward(minutes=5)
    assert not logged_in(core, done)


def test_an_assertion_is_used_once(answer: Answer) -> None:
    """In another browser, which has no request of its own to come back to, and by a second request of the same browser."""
    encoded = answer.message.encoded()
    held = post(answer.core, encoded)
    other, _ = answered(answer.core)
    again = finish(answer.core, post(answer.core, encoded), other)
    assert (again.status, answer.core.log_lines()[-1]["code"]) == (400, "sp.other_browser")
    assert logged_in(answer.core, finish(answer.core, held, answer.cookie))
    last = finish(answer.core, post(answer.core, encoded), other)
    assert last.status == 400


def test_the_status_is_success(answer: Answer) -> None:
    refused = answer.message.with_response(status=Status(names.RESPONDER, names.REQUEST_DENIED))
    assert answer.refusal(refused) == "saml.status"


def test_of_two_authentication_statements_the_first_counts(answer: Answer) -> None:
    first = answer.message.assertion.authn_statements[0]
    second = AuthnStatement(START + timedelta(days=365), "_other", None, names.PASSWORD)
    assert answer.logs_in(answer.message.with_assertion(authn_statements=(first, second)))


# 4.1.4.5: by HTTP-POST.


def test_by_post_the_assertion_is_signed_by_itself_or_with_the_response(answer: Answer) -> None:
    message = answer.message
    bare = message.around(message.assertion_element(signed=False), signed=False)
    assert answer.refusal_of(encode_post(bare)) == "signature.missing"


def test_by_post_a_signed_response_says_where_it_was_sent(answer: Answer) -> None:
    """SAML bindings 3.5.5.2."""
    assert answer.refusal(answer.message.with_response(destination=None)) == "saml.destination"
    assert answer.refusal(answer.message.with_response(destination=ELSEWHERE)) == "saml.destination"
