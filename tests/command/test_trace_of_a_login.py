"""``ostiary trace`` through the whole federation in memory: what it tells of hops, messages and checks."""

import base64
import html
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ostiary.command.trace.back_channel import BackChannel
from ostiary.command.trace.browser import Answer
from ostiary.saml.xml import parse_xml
from tests.command.tracing import SimulatedNetwork, known_to, traced, traced_login
from tests.simulator import MovableClock, Simulation, configure

RESPONSE = re.compile(rb'name="SAMLResponse" value="([^"]+)"')


class Alter:
    """Changes the Response on its way through the browser."""

    def __init__(self, old: bytes, new: bytes) -> None:
        self._old, self._new = old, new

    def __call__(self, answer: Answer) -> Answer:
        found = RESPONSE.search(answer.body)
        if found is None:
            return answer
        message = base64.b64decode(html.unescape(found[1].decode()))
        if self._old not in message:
            raise ValueError("nothing to change")
        changed = base64.b64encode(message.replace(self._old, self._new, 1))
        return replace(answer, body=answer.body.replace(found[1], changed))


def test_each_hop_of_a_login_is_told_in_its_order(federation: Simulation) -> None:
    told = traced_login(federation, "library", "alice")
    assert [(hop.does, hop.answers, hop.status) for hop in told.hops] == [
        ("asks_page", "sends_to_discovery", 302),
        ("asks_discovery", "discovery_page", 200),
        ("chooses_home", "sends_on", 302),
        ("tells_choice", "sends_with_message", 302),
        ("hands_request", "sends_on", 303),
        ("follows", "login_form", 200),
        ("gives_password", "form_with_message", 200),
        ("hands_response", "sends_on", 303),
        ("follows", "sends_on", 303),
        ("asks_page_again", "page", 200),
    ]
    assert told.outcome.reached
    assert told.outcome.title == "The reading room · The Common Library"
    assert "chooses https://northgate.example/idp" in told.printed
    assert "→ 302: it asks the discovery service where you are from" in told.printed


def test_every_check_of_request_response_query_and_answer_is_good(federation: Simulation) -> None:
    told = traced_login(federation, "library", "alice")
    for kind, number in (("AuthnRequest", 0), ("Response", 0), ("AttributeQuery", 0), ("Response", 1)):
        outcomes = {check.outcome for check in told.checks(kind, number).values()}
        assert outcomes <= {"good", "note"}, (kind, number)
    assert list(told.checks("AuthnRequest")) == [
        "form",
        "issuer",
        "known",
        "demand",
        "signature",
        "content",
        "id",
        "issued",
        "destination",
        "consumer",
        "name_id_policy",
        "target",
    ]
    assert list(told.checks("Response")) == [
        "form",
        "issuer",
        "known",
        "signature_response",
        "signature_assertion",
        "sender",
        "destination",
        "issued",
        "in_response_to",
        "status",
        "assertion",
        "assertion_issuer",
        "assertion_issued",
        "audience",
        "validity",
        "bearer",
        "same_request",
        "one_time",
        "name_id",
        "authn",
        "attributes",
        "verdict",
    ]


def test_a_signature_is_told_with_its_key_and_the_keys_place_in_metadata(federation: Simulation) -> None:
    facts = traced_login(federation, "library", "alice").checks("Response")["signature_assertion"].facts
    role = known_to(federation, None).registry.idp("https://northgate.example/idp", federation.clock.now())  # type: ignore[union-attr]
    assert role is not None
    assert facts["algorithm"] == "rsa-sha256"
    assert facts["digest"] == "sha256"
    assert (facts["position"], facts["keys"]) == ("1", "1")
    assert (facts["entity"], facts["role"]) == ("https://northgate.example/idp", "IDPSSODescriptor")
    assert re.fullmatch("[0-9a-f]{64}", facts["fingerprint"])
    assert facts["certificate"] == "CN=northgate"


def test_what_the_browser_does_not_see_is_asked_once_more_with_the_resources_key(federation: Simulation) -> None:
    told = traced_login(federation, "library", "alice")
    [channel] = [event for event in told.events if isinstance(event, BackChannel)]
    assert [message.kind for message in channel.messages] == ["AttributeQuery", "Response"]
    assert [(a.name, a.texts()) for a in channel.attributes] == [
        ("eduPersonScopedAffiliation", ("member@northgate.example", "staff@northgate.example"))
    ]
    assert told.checks("AttributeQuery")["target"].facts["url"] == federation.url("library")
    assert "Released: eduPersonScopedAffiliation: member@northgate.example | staff@northgate.example" in told.printed


def test_without_the_resources_key_one_line_says_what_stays_unseen(federation: Simulation) -> None:
    told = traced_login(federation, "library", "alice", with_key=False)
    assert told.report["back_channel"]["told"] == "invisible"
    assert told.report["back_channel"]["messages"] == []
    assert "no browser sees. With --resource sp.yaml" in told.printed


def test_pushed_attributes_are_told_and_nothing_is_asked(federation: Simulation) -> None:
    before = len(federation.soap.sent)
    told = traced_login(federation, "instrument", "alice")
    assert told.outcome.reached
    assert told.report["back_channel"]["told"] == "pushed"
    assert len(federation.soap.sent) == before
    names = told.checks("Response")["attributes"].facts["names"]
    assert names == "displayName (1), eduPersonEntitlement (1), eduPersonScopedAffiliation (2), mail (1)"


def test_what_always_asks_is_seen_asking(state: Path, simulation: Simulation) -> None:
    simulation.start_all()
    configure(state / "instrument" / "sp.yaml", attributes_from="response_and_query")
    told = traced_login(simulation, "instrument", "alice")
    assert told.report["back_channel"]["told"] == "asked"


def test_an_attribute_authority_that_does_not_answer_is_told(simulation: Simulation) -> None:
    simulation.soap.down = True
    told = traced_login(simulation, "library", "alice")
    assert told.report["back_channel"]["told"] == "failed"
    assert told.report["back_channel"]["error"]["code"] == "shar.unreachable"
    assert [message["kind"] for message in told.report["back_channel"]["messages"]] == ["AttributeQuery"]
    assert not told.outcome.reached


def test_a_refusal_is_told_in_the_pages_own_words_with_its_reference(federation: Simulation) -> None:
    told = traced_login(federation, "instrument", "bob")
    assert (told.outcome.reached, told.outcome.why, told.outcome.status) == (False, "refused", 403)
    assert "The instrument is for people whom the laboratory has admitted as operators" in told.printed
    assert "Northgate University told us nothing of this kind." in told.printed
    assert told.outcome.reference == federation.events("denied")[-1]["reference"]
    assert f"Reference number: {told.outcome.reference}" in told.printed


def test_a_wrong_password_is_told_in_the_pages_words_and_never_shown(federation: Simulation) -> None:
    told = traced_login(federation, "library", "alice", password="not-the-right-one")
    assert (told.outcome.reached, told.outcome.why) == (False, "wrong_password")
    assert told.outcome.words[0] == "That user name and password do not go together."
    assert "not-the-right-one" not in told.printed + str(told.report)
    assert told.asked_at == ["localhost:20001"]


def test_the_right_password_is_never_shown_and_no_cookie_value_either(federation: Simulation) -> None:
    told = traced_login(federation, "library", "alice")
    everything = told.printed + str(told.report)
    assert "alice-opens-doors" not in everything
    assert "form fields: csrf_token, ticket, username, password" in told.printed
    cookies = [name for hop in told.hops for name in hop.cookies]
    assert len(cookies) == 8
    assert all(re.fullmatch(r"ost-[a-z]+(-[0-9a-f]{8}){1,2} \(HttpOnly, SameSite=Lax\)", name) for name in cookies)
    assert "ticket=…" in told.printed
    assert re.search(r"ticket=[A-Za-z0-9_-]{8}", everything) is None


def test_a_tampered_response_shows_the_check_that_fails(federation: Simulation) -> None:
    told = traced_login(federation, "instrument", "bob", change=Alter(b"bob.brewer@", b"eve.brewer@"))
    checks = told.checks("Response")
    assert {name: check.outcome for name, check in checks.items()} == {
        "form": "good",
        "issuer": "good",
        "known": "good",
        "signature_response": "bad",
        "signature_assertion": "bad",
        "content": "unknown",
    }
    error = checks["signature_response"].error
    assert error is not None
    assert error.code == "signature.wrong"
    assert "✗" in told.printed
    assert "It was changed on the way, or signed with a key that is not known here." in " ".join(told.printed.split())
    assert told.report["back_channel"] is None
    assert (told.outcome.why, told.outcome.status) == ("refused", 400)


def test_a_response_that_only_its_envelope_was_changed_of_fails_by_that_signature(federation: Simulation) -> None:
    told = traced_login(federation, "library", "alice", change=Alter(b"<samlp:StatusCode", b"<samlp:StatusCode "))
    assert told.checks("Response")["signature_response"].outcome == "good"
    told = traced_login(federation, "library", "alice", change=Alter(b"status:Success", b"status:Responder"))
    outcomes = {name: check.outcome for name, check in told.checks("Response").items()}
    assert (outcomes["signature_response"], outcomes["signature_assertion"]) == ("bad", "good")


def test_a_clock_that_is_wrong_is_told_with_both_times(federation: Simulation) -> None:
    late = MovableClock(federation.clock.now() + timedelta(minutes=20))
    check = traced_login(federation, "library", "alice", clock=late).checks("Response")["issued"]
    assert check.error is not None
    assert check.error.code == "saml.too_old"
    assert check.error.params == {"theirs": "2026-11-22T09:00:00.000Z", "ours": "2026-11-22T09:20:00.000Z"}
    assert (check.facts["skew"], check.facts["age"]) == ("180", "300")


def test_a_request_without_the_signature_that_metadata_demands_is_told(federation: Simulation) -> None:
    def strip(answer: Answer) -> Answer:
        headers = tuple((n, v.partition("&SigAlg=")[0] if n == "Location" else v) for n, v in answer.headers)
        return replace(answer, headers=headers)

    told = traced_login(federation, "library", "alice", change=strip)
    checks = told.checks("AuthnRequest")
    assert checks["demand"].facts == {"sp": "true", "idp": "false"}
    error = checks["signature"].error
    assert error is not None
    assert error.code == "signature.missing"
    assert told.outcome.status == 400
    assert told.asked_at == []


@pytest.mark.parametrize("password_from_a_file", [True, False])
def test_without_metadata_nothing_counts_as_verified(federation: Simulation, password_from_a_file: bool) -> None:
    told = traced(
        SimulatedNetwork(federation.transport),
        federation.url("library"),
        password="alice-opens-doors",
        home="https://northgate.example/idp",
        clock=federation.clock,
        asks=not password_from_a_file,
        login_hosts=frozenset({"localhost"} if password_from_a_file else ()),
    )
    assert told.outcome.reached
    assert told.report["verified"] is False
    assert [hop["message"]["checks"] for hop in told.report["hops"] if hop["message"]] == [[], []]
    assert told.printed.count("Nothing was verified: no trusted metadata is at hand") == 2
    assert "✓" not in told.printed
    assert "<saml:Issuer>https://northgate.example/idp</saml:Issuer>" in told.printed


def test_messages_are_saved_as_private_files_that_still_verify(federation: Simulation, tmp_path: Path) -> None:
    told = traced_login(federation, "library", "alice", save=tmp_path / "messages")
    saved = sorted((tmp_path / "messages").iterdir())
    assert [path.name for path in saved] == [
        "01-AuthnRequest.xml",
        "02-Response.xml",
        "03-AttributeQuery.xml",
        "04-Response.xml",
    ]
    assert {path.stat().st_mode & 0o777 for path in saved} == {0o600}
    assert (tmp_path / "messages").stat().st_mode & 0o777 == 0o700
    root = parse_xml(saved[1].read_bytes())
    assert root.get("ID") == told.report["hops"][7]["message"]["id"]
    assert f"saved as {saved[1]}" in told.printed


def test_the_report_names_section_and_facts_of_each_check(federation: Simulation) -> None:
    told = traced_login(federation, "library", "alice")
    [destination] = [c for c in told.report["hops"][7]["message"]["checks"] if c["check"] == "destination"]
    assert destination == {
        "check": "destination",
        "outcome": "good",
        "section": "SAML core 3.2.2, bindings 3.5.5.2",
        "told": "made for http://127.0.0.1:20005/ostiary/acs, and sent there",
        "facts": {"url": "http://127.0.0.1:20005/ostiary/acs"},
        "error": None,
    }


def test_a_home_that_is_not_offered_is_told_with_what_is(federation: Simulation) -> None:
    network = SimulatedNetwork(federation.transport)
    told = traced(network, federation.url("library"), home="https://nowhere.example/idp", clock=federation.clock)
    assert told.error is not None
    assert told.error.code == "trace.home_unknown"
    assert told.error.params["choices"] == "https://northgate.example/idp, https://southbank.example/idp"
    assert [hop.does for hop in told.hops][-1] == "searches_home"


def test_a_home_must_be_named_where_discovery_asks(federation: Simulation) -> None:
    told = traced(SimulatedNetwork(federation.transport), federation.url("library"), clock=federation.clock)
    assert told.error is not None
    assert told.error.code == "trace.home_needed"
    assert told.error.params["choices"] == "https://northgate.example/idp, https://southbank.example/idp"


def test_a_page_that_asks_for_nobody_is_reached_without_a_login(federation: Simulation) -> None:
    told = traced(SimulatedNetwork(federation.transport), f"{federation.origin('library')}/", clock=federation.clock)
    assert told.outcome.reached
    assert told.outcome.why == "reached_without_login"
    assert len(told.hops) == 1
