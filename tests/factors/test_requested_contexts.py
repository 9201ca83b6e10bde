"""What an SP gets that asks for more than a password (REFEDS MFA), by the rules of RequestedAuthnContext."""

import base64
from pathlib import Path

import pytest

from ostiary.command.demo.people import LIBRARY, NORTHGATE
from ostiary.federation.keys import load_key_ring
from ostiary.saml import names
from ostiary.saml.bindings import encode_redirect
from ostiary.saml.protocol import AuthnRequest, RequestedAuthnContext
from ostiary.saml.xml import parse_xml
from tests.browser import Answer, forms_of
from tests.factors.walk import MFA, PASSWORD_CLASS, Member, Simulate, asks_for_factor, has_field, is_response
from tests.simulator import Simulation, configure


def ask(member: Member, *classes: str, comparison: str = "exact", **changes: object) -> Answer:
    """Goes to the IdP with a request of the library for these classes."""
    simulation = member.simulation
    url = f"{member.idp}/saml/sso/redirect"
    request = AuthnRequest(
        id=f"_{len(member.browser.trail)}{int(simulation.clock.at.timestamp())}",
        issuer=LIBRARY,
        issue_instant=simulation.clock.at,
        destination=url,
        acs_url=simulation.handler("library", "acs"),
        protocol_binding=names.HTTP_POST,
        requested_context=RequestedAuthnContext(classes, comparison) if classes else None,  # type: ignore[arg-type]
        **changes,  # type: ignore[arg-type]
    )
    signer = load_key_ring(simulation.layout.directory("library") / "keys").signer
    return member.browser.get(encode_redirect(url, "SAMLRequest", request.to_xml(), relay_state=None, signer=signer))


def response_text(page: Answer) -> str:
    form = next(form for form in forms_of(page) if form.has("SAMLResponse"))
    return base64.b64decode(dict(form.fields)["SAMLResponse"]).decode()


def stated_class(page: Answer) -> str:
    """The class in the Response."""
    element = parse_xml(response_text(page).encode())
    found = [node.text for node in element.iter(f"{{{names.SAML}}}AuthnContextClassRef")]
    return str(found[0])


def statuses(page: Answer) -> list[str]:
    element = parse_xml(response_text(page).encode())
    return [str(node.get("Value")) for node in element.iter(f"{{{names.SAMLP}}}StatusCode")]


@pytest.fixture
def alice(simulation: Simulation) -> Member:
    return Member(simulation)


def enrolled(simulation: Simulation) -> Member:
    member = Member(simulation)
    member.set_up_app()
    simulation.clock.forward(minutes=30)
    return member.elsewhere()


def test_a_request_for_two_factors_asks_for_the_second_and_states_both(simulation: Simulation) -> None:
    alice = enrolled(simulation)
    page = alice.give_password(ask(alice, MFA))
    assert asks_for_factor(page)
    answer = alice.prove(page, "totp", alice.code())
    assert stated_class(answer) == MFA


def test_a_session_with_a_password_is_stepped_up_without_asking_for_it_again(simulate: Simulate) -> None:
    alice = enrolled(simulate(rules=[{"ask": "never"}]))
    assert stated_class(alice.give_password(ask(alice))) == PASSWORD_CLASS
    page = ask(alice, MFA)
    assert asks_for_factor(page)
    assert not has_field(page, "password")
    assert stated_class(alice.prove(page, "totp", alice.code())) == MFA


@pytest.mark.parametrize("comparison", ["minimum", "better"])
def test_stronger_than_a_password_means_a_second_factor(simulate: Simulate, comparison: str) -> None:
    alice = enrolled(simulate(rules=[{"ask": "never"}]))
    wanted = MFA if comparison == "minimum" else PASSWORD_CLASS
    page = alice.give_password(ask(alice, wanted, comparison=comparison))
    assert asks_for_factor(page)
    assert stated_class(alice.prove(page, "recovery_code", alice.codes[0])) == MFA


def test_who_names_the_password_first_gets_it_without_a_second_factor(simulate: Simulate) -> None:
    alice = enrolled(simulate(rules=[{"ask": "never"}]))
    assert stated_class(alice.give_password(ask(alice, PASSWORD_CLASS, MFA))) == PASSWORD_CLASS


def test_a_passkey_alone_states_two_factors(simulation: Simulation) -> None:
    member = Member(simulation)
    member.set_up_passkey()
    alice = member.elsewhere()
    assert stated_class(alice.sign_in_by_passkey(ask(alice, MFA))) == MFA


def test_a_spared_browser_is_no_second_factor_for_who_asks_for_one(simulate: Simulate) -> None:
    alice = enrolled(simulate(remember_browser="30d"))
    page = alice.to_resource()
    assert is_response(alice.prove(page, "totp", alice.code(), remember="yes"))
    alice.browser.cookies = {key: value for key, value in alice.browser.cookies.items() if "session" not in key[1]}
    assert stated_class(alice.give_password(ask(alice))) == PASSWORD_CLASS
    page = ask(alice, MFA)
    assert asks_for_factor(page)
    assert "Do not ask again" not in page.text


def test_who_has_none_sets_one_up_for_who_asks_for_one(alice: Member) -> None:
    page = alice.give_password(ask(alice, MFA))
    assert "asks for a second factor, and you have none yet" in page.text
    alice.set_up_passkey(page)
    assert stated_class(ask(alice, MFA)) == MFA


def test_where_enrolment_is_closed_the_answer_is_no_authn_context(simulate: Simulate) -> None:
    alice = Member(simulate(rules=[{"ask": "if_enrolled", "enrol": False}]))
    page = alice.give_password(ask(alice, MFA))
    assert statuses(page) == [names.RESPONDER, names.NO_AUTHN_CONTEXT]


def test_a_passive_request_that_would_need_a_second_factor_gets_no_passive(simulate: Simulate) -> None:
    alice = enrolled(simulate(rules=[{"ask": "never"}]))
    assert is_response(alice.give_password(ask(alice)))
    page = ask(alice, MFA, is_passive=True)
    assert statuses(page) == [names.RESPONDER, names.NO_PASSIVE]


def test_a_forced_login_asks_for_both_factors_again(simulation: Simulation) -> None:
    alice = enrolled(simulation)
    assert is_response(alice.prove(alice.to_resource(), "totp", alice.code()))
    page = ask(alice, force_authn=True)
    assert has_field(page, "password")
    page = alice.give_password(page)
    assert asks_for_factor(page)
    assert is_response(alice.prove(page, "totp", alice.next_code()))


def test_without_second_factors_the_answer_is_no_authn_context_at_once(state: Path, simulate: Simulate) -> None:
    simulation = simulate()
    configure(state / NORTHGATE.key / "idp.yaml", second_factor=None)
    alice = Member(simulation)
    simulation.serve(alice.idp, simulation.idp_node(NORTHGATE))
    page = ask(alice, MFA)
    assert statuses(page) == [names.RESPONDER, names.NO_AUTHN_CONTEXT]
