"""HTTP-Artifact at the resource: the Response is fetched from the home organisation that issued the artifact, from nowhere else, once, and
believed no sooner than one that a browser brings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import pytest

from ostiary.command.demo.people import NORTHGATE, SOUTHBANK
from ostiary.errors import Unavailable
from ostiary.saml import names
from ostiary.saml.artifact import Artifact, ArtifactResolve, ArtifactResponse, new_artifact
from ostiary.saml.keys import Signer
from ostiary.saml.message import Status
from ostiary.saml.protocol import AuthnRequest, new_id
from ostiary.saml.signature import UnsignedAllowedByMetadata, sign, verify_element
from ostiary.saml.soap import decode_soap, encode_soap, soap_fault
from ostiary.saml.xml import Element
from sp_shire.messages import Reply
from sp_shire.settings import ShireSettings
from tests.flows.forging import Message, signer_of
from tests.simulator import START
from tests.sp_shire.answering import FORM, HERE, BackChannel, answered, finish, home_location, logged_in, sent_back
from tests.sp_shire.conftest import Core, cookie_of

CONSUMER = f"{HERE}ostiary/acs/artifact"
HANDLER = "/ostiary/acs/artifact"


@pytest.fixture
def by_artifact(make_core: Callable[..., Core]) -> Core:
    """A resource that wants its answers by artifact."""
    return make_core(answers_by=("artifact", "post", "paos"))


def test_a_response_is_fetched_by_its_artifact_with_a_signed_request_and_logs_in(by_artifact: Core) -> None:
    login = sent_back(by_artifact)
    assert login.location.startswith(f"{CONSUMER}?SAMLart=")
    held = by_artifact.ask(HANDLER, query=login.query)
    assert isinstance(held, Reply)
    assert cookie_of(held) == ""
    [(location, envelope)] = by_artifact.soap.sent
    assert location == home_location(by_artifact.federation, "/saml/artifact")
    ours = signer_of(by_artifact.federation, "library").public
    resolve = ArtifactResolve.from_proof(verify_element(decode_soap(envelope), [ours]))
    assert (resolve.issuer, resolve.destination) == ("https://library.example/shar", location)
    assert logged_in(by_artifact, login.finish(held))


def test_an_artifact_may_come_in_a_form(by_artifact: Core) -> None:
    login = sent_back(by_artifact)
    held = by_artifact.ask(HANDLER, method="POST", body=login.query, content_type=FORM, origin="null")
    assert logged_in(by_artifact, login.finish(held))


def test_an_artifact_serves_once(by_artifact: Core) -> None:
    login = sent_back(by_artifact)
    assert logged_in(by_artifact, login.finish(by_artifact.ask(HANDLER, query=login.query)))
    assert by_artifact.refused(HANDLER, query=login.query) == (400, "sp.artifact_gone")


def test_what_was_fetched_logs_in_the_browser_that_asked_alone(by_artifact: Core) -> None:
    login = sent_back(by_artifact)
    held = by_artifact.ask(HANDLER, query=login.query)
    other = sent_back(by_artifact)
    assert login.finish(held, other.cookie).status == 400
    assert by_artifact.log_lines()[-1]["code"] == "sp.other_browser"
    assert logged_in(by_artifact, login.finish(held))


def test_a_look_at_the_address_uses_no_artifact_up(by_artifact: Core) -> None:
    login = sent_back(by_artifact)
    assert by_artifact.refused(HANDLER, method="HEAD", query=login.query) == (405, "http.method")
    assert logged_in(by_artifact, login.finish(by_artifact.ask(HANDLER, query=login.query)))


def query_of(artifact: Artifact | str) -> bytes:
    return f"SAMLart={quote_plus(str(artifact))}".encode()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (query_of(new_artifact("https://nobody.example/idp", 0)), "sp.unknown_idp"),
        (query_of(new_artifact("https://instrument.example/shar", 0)), "sp.unknown_idp"),
        (query_of(new_artifact(NORTHGATE.entity_id, 1)), "sp.artifact_endpoint"),
        (query_of(new_artifact(NORTHGATE.entity_id, 65535)), "sp.artifact_endpoint"),
        (query_of("AAQ"), "artifact.form"),
        (query_of(str(new_artifact(NORTHGATE.entity_id, 0)).replace("AAQ", "AAE", 1)), "artifact.form"),
        (query_of("x" * 101), "http.parameter_too_long"),
        (query_of("a") + b"&" + query_of("b"), "http.parameter_repeated"),
        (query_of(new_artifact(NORTHGATE.entity_id, 0)) + b"&RelayState=" + b"x" * 1025, "http.parameter_too_long"),
        (b"SAMLResponse=PHg%2B", "http.parameter_missing"),
    ],
    # Handles are random, and every worker has to know a test by the same name.
    ids=lambda value: value if isinstance(value, str) else "query",
)
def test_what_names_no_place_in_metadata_is_asked_of_nobody(core: Core, query: bytes, code: str) -> None:
    before = len(core.soap.sent)
    assert core.refused(HANDLER, query=query) == (400, code)
    assert len(core.soap.sent) == before


def test_a_home_that_does_not_answer_is_told_as_such(by_artifact: Core) -> None:
    login = sent_back(by_artifact)
    by_artifact.soap.down = True
    assert by_artifact.refused(HANDLER, query=login.query) == (503, "sp.artifact_unreachable")


def test_no_more_than_sixteen_are_fetched_at_once(by_artifact: Core) -> None:
    """Each fetch begins another one while it waits for its answer."""
    codes: list[str] = []

    def once_more(url: str, envelope: bytes) -> bytes:
        codes.append(by_artifact.refused(HANDLER, query=query_of(new_artifact(NORTHGATE.entity_id, 0)))[1])
        raise Unavailable("soap.unreachable", expected="an answer", found="none")

    by_artifact.soap.post = once_more  # type: ignore[method-assign]
    assert by_artifact.refused(HANDLER, query=query_of(new_artifact(NORTHGATE.entity_id, 0)))[0] == 503
    assert codes == ["sp.artifact_busy", *["sp.artifact_unreachable"] * 15]


# -- what comes back over the back channel -----------------------------------------------------------------------------


@dataclass
class Home:
    """A home organisation that answers an ArtifactResolve as a test wants. ``message`` is the Response to a login that is under way, ready
    for this consumer; ``signer`` the home's key."""

    core: Core
    cookie: str
    message: Message

    @property
    def signer(self) -> Signer:
        return self.message.signer

    def fetch(
        self,
        carried: Element | None,
        *,
        by: Signer | None = None,
        signed: bool = True,
        **changes: Any,
    ) -> Reply:
        """What the consumer says to an artifact behind which ``carried`` stands."""

        def answer(url: str, envelope: bytes) -> bytes:
            asked = decode_soap(envelope)
            fields = {
                "issuer": NORTHGATE.entity_id,
                "issue_instant": START,
                "in_response_to": asked.get("ID"),
                **changes,
            }
            element = ArtifactResponse(new_id(), **fields).to_xml(carried)
            if signed:
                sign(element, by or self.signer)
            return encode_soap(element)

        return self.fetch_envelope(answer)

    def fetch_envelope(self, answer: Callable[[str, bytes], bytes]) -> Reply:
        self.core.soap.transport = BackChannel(answer)  # type: ignore[assignment]
        try:
            reply = self.core.ask(HANDLER, query=query_of(new_artifact(NORTHGATE.entity_id, 0)))
        finally:
            # Attributes are asked for as always.
            self.core.soap.transport = self.core.federation.transport
        if not isinstance(reply, Reply):
            raise TypeError("the application was reached")
        return reply

    def refusal(self, reply: Reply) -> str:
        line = self.core.log_lines()[-1]
        if reply.status < 400 or line["event"] != "refused":
            raise AssertionError(f"not refused: {line}")
        return str(line["code"])

    def logs_in(self, reply: Reply) -> bool:
        return logged_in(self.core, finish(self.core, reply, self.cookie))


@pytest.fixture
def home(make_core: Callable[..., Core]) -> Home:
    core = make_core()
    cookie, message = answered(core)
    return Home(core, cookie, message.with_response(destination=CONSUMER).with_confirmation(recipient=CONSUMER))


def test_what_a_signed_answer_carries_needs_no_signature_of_its_own(home: Home) -> None:
    bare = home.message.around(home.message.assertion_element(signed=False), signed=False)
    assert home.logs_in(home.fetch(bare))


def test_a_signed_response_in_an_unsigned_answer_logs_in(home: Home) -> None:
    """The connection vouches for nobody, so the Response is believed as one that a browser brings."""
    assert home.logs_in(home.fetch(home.message.around(home.message.assertion_element()), signed=False))


def test_a_response_that_names_no_destination_is_taken_here(home: Home) -> None:
    """SAML bindings 3.4.5.2 and 3.5.5.2 want one of what a browser carries; an artifact's message travels between two servers."""
    message = home.message.with_response(destination=None)
    assert home.logs_in(home.fetch(message.around(message.assertion_element())))


def test_an_unsigned_response_in_an_unsigned_answer_is_nobodys_word(home: Home) -> None:
    bare = home.message.around(home.message.assertion_element(signed=False), signed=False)
    assert home.refusal(home.fetch(bare, signed=False)) == "signature.missing"


@pytest.mark.parametrize("signed", [True, False], ids=["signed_answer", "unsigned_answer"])
def test_a_wrong_signature_inside_is_never_passed_over(home: Home, signed: bool) -> None:
    stranger = signer_of(home.core.federation, SOUTHBANK.key)
    for carried in (
        home.message.around(home.message.assertion_element(signer=stranger)),
        home.message.around(home.message.assertion_element(), signer=stranger),
    ):
        assert home.refusal(home.fetch(carried, signed=signed)) == "signature.wrong"


def test_an_answer_signed_by_somebody_else_is_refused_whatever_it_carries(home: Home) -> None:
    stranger = signer_of(home.core.federation, SOUTHBANK.key)
    assert home.refusal(home.fetch(home.message.around(home.message.assertion_element()), by=stranger)) == (
        "signature.wrong"
    )


@pytest.mark.parametrize("signed", [True, False], ids=["signed_answer", "unsigned_answer"])
@pytest.mark.parametrize(
    ("changes", "code", "status"),
    [
        ({"in_response_to": "_another"}, "saml.in_response_to", 400),
        ({"in_response_to": None}, "saml.in_response_to", 400),
        ({"issuer": SOUTHBANK.entity_id}, "saml.issuer", 400),
        ({"issue_instant": START.replace(hour=8)}, "saml.too_old", 400),
        ({"status": Status(names.RESPONDER, names.REQUEST_DENIED)}, "saml.status", 403),
    ],
    ids=["other_request", "no_request", "other_issuer", "old", "status"],
)
def test_an_answer_to_something_else_is_refused(
    home: Home, changes: dict[str, Any], code: str, status: int, signed: bool
) -> None:
    reply = home.fetch(home.message.around(home.message.assertion_element()), signed=signed, **changes)
    assert (home.refusal(reply), reply.status) == (code, status)
    assert home.logs_in(home.fetch(home.message.around(home.message.assertion_element()), signed=signed))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda m: m.with_confirmation(recipient=f"{HERE}ostiary/acs"), "saml.recipient"),
        (lambda m: m.with_response(destination=f"{HERE}ostiary/acs"), "saml.destination"),
        (lambda m: m.with_conditions(audiences=(("https://instrument.example/shar",),)), "saml.audience"),
        (lambda m: m.answering("_never_asked"), "sp.unknown_request"),
        (lambda m: m.answering(None), "sp.unsolicited"),
        (lambda m: m.with_response(issuer=SOUTHBANK.entity_id), "saml.issuer"),
        (lambda m: m.with_assertion(issuer=SOUTHBANK.entity_id), "saml.issuer"),
    ],
    ids=["recipient", "destination", "audience", "request", "unsolicited", "issuer", "issuer_of_assertion"],
)
def test_what_is_fetched_keeps_to_every_rule(home: Home, change: Callable[[Message], Message], code: str) -> None:
    changed = change(home.message)
    assert home.refusal(home.fetch(changed.around(changed.assertion_element()))) == code
    assert home.logs_in(home.fetch(home.message.around(home.message.assertion_element())))


def test_anothers_answer_is_not_to_be_had_for_this_ones_artifact(home: Home) -> None:
    stranger = signer_of(home.core.federation, SOUTHBANK.key)
    theirs = home.message.with_response(issuer=SOUTHBANK.entity_id).with_assertion(issuer=SOUTHBANK.entity_id)
    carried = theirs.around(theirs.assertion_element(signer=stranger), signer=stranger)
    assert home.refusal(home.fetch(carried, signed=False)) == "signature.wrong"


def test_what_one_home_signs_around_an_answer_proves_nothing_about_anothers_people(home: Home) -> None:
    theirs = home.message.with_response(issuer=SOUTHBANK.entity_id).with_assertion(issuer=SOUTHBANK.entity_id)
    assert (
        home.refusal(home.fetch(theirs.around(theirs.assertion_element(signed=False), signed=False))) == "saml.issuer"
    )
    nobodys = theirs.with_response(issuer=None)
    assert home.refusal(home.fetch(nobodys.around(theirs.assertion_element(signed=False), signed=False))) == (
        "saml.issuer"
    )


def test_a_message_of_another_kind_is_refused(home: Home) -> None:
    asked = AuthnRequest(new_id(), NORTHGATE.entity_id, START).to_xml()
    assert home.refusal(home.fetch(asked)) == "saml.other_message"
    response = encode_soap(home.message.around(home.message.assertion_element()))
    assert home.refusal(home.fetch_envelope(lambda url, body: response)) == "saml.other_message"


def test_an_answer_without_a_message_is_told_as_such(home: Home) -> None:
    assert home.refusal(home.fetch(None)) == "sp.artifact_gone"


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (b"", "xml."),
        (b"<html/>", "soap.envelope"),
        (b"<!DOCTYPE a><a/>", "xml.doctype"),
        (soap_fault(Unavailable("soap.unreachable", expected="", found=""), "1"), "soap.fault"),
        (b"<a>" * 5000, "xml."),
        (b"x" * 300_000, "xml.too_large"),
    ],
    ids=["empty", "page", "doctype", "fault", "deep", "large"],
)
def test_nonsense_over_the_back_channel_is_refused(home: Home, octets: bytes, code: str) -> None:
    assert home.refusal(home.fetch_envelope(lambda url, body: octets)).startswith(code)


def test_a_resource_that_takes_no_artifacts_has_no_such_address(make_core: Callable[..., Core]) -> None:
    core = make_core(answers_by=("post",))
    assert core.refused(HANDLER, query=query_of(new_artifact(NORTHGATE.entity_id, 0))) == (404, "http.not_found")


def test_the_request_says_where_the_answer_is_wanted(by_artifact: Core, library_settings: ShireSettings) -> None:
    """Not only metadata does: who has several consumers chooses with each request."""
    asked = by_artifact.ask("/ostiary/login", query=f"entityID={quote_plus(NORTHGATE.entity_id)}".encode())
    assert isinstance(asked, Reply)
    from ostiary.saml.bindings import decode_redirect

    query = dict(asked.headers)["Location"].partition("?")[2].encode()
    message = decode_redirect(query, "SAMLRequest").element
    request = AuthnRequest.from_proof(UnsignedAllowedByMetadata(message, library_settings.entity_id))
    assert (request.acs_url, request.protocol_binding) == (CONSUMER, names.HTTP_ARTIFACT)
