"""Login by Kerberos as far as no library is needed: what the header may say, whose a ticket is, and that none counts twice.

Real tickets of a real KDC are in tests/e2e/test_kerberos_login.py.
"""

import base64
from datetime import timedelta

import pytest

from idp.login.kerberos import AcceptedTicket, KerberosLogin
from idp.login.methods import Authenticated, Challenge, NotOffered, Rejected
from ostiary.config import networks
from ostiary.storage.memory import MemoryReplayStore
from tests.login.kits import NOW, KnownTickets, filled_directory, home_of, kerberos_kit, negotiate, request, ticket


@pytest.fixture
def login() -> KerberosLogin:
    realms = {"EXAMPLE.ORG": "{name}", "PARTNER.ORG": "{name}-partner"}
    people = filled_directory()
    people.add("zoe-partner")
    inside = networks(("10.0.0.0/8", "2001:db8::/32"))
    return KerberosLogin(KnownTickets(), realms, inside, home_of(people), MemoryReplayStore())


def test_who_shows_nothing_is_asked(login: KerberosLogin) -> None:
    assert login.look(request(), NOW) == Challenge((("WWW-Authenticate", "Negotiate"),))


def test_a_ticket_says_who_it_is_and_we_prove_who_we_are(login: KerberosLogin) -> None:
    proof = base64.b64encode(b"it is us").decode()
    assert login.look(ticket("ada@EXAMPLE.ORG"), NOW) == Authenticated(
        "id-of-ada", (("WWW-Authenticate", f"Negotiate {proof}"),)
    )


def test_the_rule_of_its_realm_makes_the_login_name(login: KerberosLogin) -> None:
    outcome = login.look(ticket("zoe@PARTNER.ORG"), NOW)
    assert isinstance(outcome, Authenticated)
    assert outcome.principal == "id-of-zoe-partner"


@pytest.mark.parametrize(
    "client",
    [
        "ada@OTHER.ORG",
        "ada@example.org",
        "ada/admin@EXAMPLE.ORG",
        "ada",
        "@EXAMPLE.ORG",
        "ada@",
        "ada\\@EXAMPLE.ORG@OTHER.ORG",
        "ada@EXAMPLE.ORG@OTHER.ORG",
        "WELLKNOWN/ANONYMOUS@WELLKNOWN:ANONYMOUS",
        "ada @EXAMPLE.ORG",
        "a" * 129 + "@EXAMPLE.ORG",
        "ada-partner@EXAMPLE.ORG",
        "zoe@EXAMPLE.ORG",
    ],
)
def test_every_other_principal_is_foreign(login: KerberosLogin, client: str) -> None:
    outcome = login.look(ticket(client), NOW)
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.principal) == ("foreign", None)


def test_a_ticket_that_was_shown_before_counts_no_more(login: KerberosLogin) -> None:
    assert isinstance(login.look(ticket("ada@EXAMPLE.ORG"), NOW), Authenticated)
    for later in (0, 1, 14):
        again = login.look(ticket("ada@EXAMPLE.ORG"), NOW + timedelta(minutes=later))
        assert isinstance(again, Rejected)
        assert again.reason == "not_valid"
    assert isinstance(login.look(ticket("ada@EXAMPLE.ORG", 2), NOW), Authenticated)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Negotiate",
        "Negotiate ",
        "Basic YWRhOnJpZ2h0IGhvcnNl",
        "Negotiate !!!!",
        "Negotiate YQ=A",
        "Negotiate abc",
        "Bearer Negotiate YWJj",
        "Negotiate YWJj YWJj",
        "Negotiate " + "A" * 70_000,
        "Negotiate TlRMTVNTUAABAAAAl4II4gAAAAAAAAAAAAAAAAAAAAA=",
        "NTLM TlRMTVNTUAABAAAAl4II4gAAAAAAAAAAAAAAAAAAAAA=",
        "\xff",
    ],
)
def test_what_is_no_kerberos_ticket_leads_back_to_the_form(login: KerberosLogin, authorization: str) -> None:
    assert isinstance(login.look(request({"authorization": authorization}), NOW), NotOffered)


def test_a_ticket_that_can_not_be_opened_is_not_valid(login: KerberosLogin) -> None:
    assert login.look(negotiate(b"for another service"), NOW) == Rejected(
        "not_valid", detail="Invalid token was supplied"
    )


def test_browsers_in_the_networks_are_asked_before_the_form(login: KerberosLogin) -> None:
    assert login.is_at_once(request(peer="10.1.2.3"))
    assert login.is_at_once(request(peer="2001:db8::1"))
    for address in ("192.0.2.1", "", "unix:", "10.1.2.3.4"):
        assert not login.is_at_once(request(peer=address))


def test_a_proof_of_who_we_are_is_sent_only_where_the_browser_asked_for_one() -> None:
    class Silent:
        def accept(self, token: bytes) -> AcceptedTicket | str:
            return AcceptedTicket("ada@EXAMPLE.ORG", b"")

    kit = kerberos_kit()
    method = KerberosLogin(Silent(), {"EXAMPLE.ORG": "{name}"}, (), home_of(kit.people), MemoryReplayStore())
    assert method.look(negotiate(b"x"), NOW) == Authenticated("id-of-ada")
