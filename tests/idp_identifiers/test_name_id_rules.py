"""Which form of name an SP gets: its request, its metadata, what was configured for it, and what there is."""

import pytest

from idp.identifiers.rules import INVALID_POLICY, NameIdPolicy, choose_name_id, may_create, read_name_id_policy
from ostiary.saml import names
from ostiary.saml.protocol import Status
from ostiary.saml.xml import Children, parse_xml

SP = "https://library.example/shar"
ALL = frozenset({names.TRANSIENT, names.PERSISTENT, names.EMAIL_ADDRESS})
ONLY_HANDLES = frozenset({names.TRANSIENT})
T, P, M, U = names.TRANSIENT, names.PERSISTENT, names.EMAIL_ADDRESS, names.UNSPECIFIED_NAMEID


def choose(
    policy: NameIdPolicy | None,
    *,
    metadata: tuple[str, ...] = (),
    override: str | None = None,
    available: frozenset[str] = ALL,
) -> str | Status:
    return choose_name_id(policy, requester=SP, metadata_formats=metadata, override=override, available=available)


@pytest.mark.parametrize("wanted", [T, P, M])
def test_a_format_that_the_request_names_is_given(wanted: str) -> None:
    assert choose(NameIdPolicy(wanted)) == wanted
    assert choose(NameIdPolicy(wanted), metadata=(T,), override=T) == wanted


@pytest.mark.parametrize("wanted", [P, M, names.ENTITY, "urn:x-other"])
def test_a_format_that_there_is_not_is_refused(wanted: str) -> None:
    assert choose(NameIdPolicy(wanted), available=ONLY_HANDLES) == INVALID_POLICY
    assert (
        Status("urn:oasis:names:tc:SAML:2.0:status:Requester", "urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy")
        == INVALID_POLICY
    )


@pytest.mark.parametrize("wanted", [names.ENTITY, "urn:x-other"])
def test_a_format_that_this_software_does_not_know_is_refused_whatever_is_available(wanted: str) -> None:
    assert choose(NameIdPolicy(wanted), available=ALL | {wanted}) == INVALID_POLICY


@pytest.mark.parametrize("policy", [None, NameIdPolicy(), NameIdPolicy(""), NameIdPolicy(U, SP)])
def test_without_a_format_metadata_decides_then_transient(policy: NameIdPolicy | None) -> None:
    assert choose(policy) == T
    assert choose(policy, metadata=(P, T)) == P
    assert choose(policy, metadata=(U, M)) == M
    assert choose(policy, metadata=(P, M), available=ONLY_HANDLES) == T


@pytest.mark.parametrize("policy", [None, NameIdPolicy(U)])
def test_what_was_configured_for_a_partner_comes_before_its_metadata(policy: NameIdPolicy | None) -> None:
    assert choose(policy, metadata=(T,), override=P) == P
    assert choose(policy, metadata=(M,), override=P, available=ONLY_HANDLES | {M}) == T


@pytest.mark.parametrize("policy", [NameIdPolicy(T, "https://other.example"), NameIdPolicy(None, "urn:affiliation")])
def test_a_name_in_somebody_elses_namespace_is_refused(policy: NameIdPolicy) -> None:
    assert choose(policy) == INVALID_POLICY


def test_the_requesters_own_namespace_is_the_usual_one() -> None:
    assert choose(NameIdPolicy(P, SP)) == P
    assert choose(NameIdPolicy(P, "")) == P


def test_a_lasting_identifier_is_made_where_the_request_allows_it_or_says_nothing() -> None:
    assert may_create(None)
    assert may_create(NameIdPolicy(P, allow_create=True))
    assert not may_create(NameIdPolicy(P))
    assert not may_create(NameIdPolicy())


def request(policy: str) -> NameIdPolicy | None:
    text = f'<samlp:AuthnRequest xmlns:samlp="{names.SAMLP}">{policy}</samlp:AuthnRequest>'
    return read_name_id_policy(Children(parse_xml(text.encode())))


def test_the_policy_of_a_request_is_read() -> None:
    assert request("") is None
    assert request("<samlp:NameIDPolicy/>") == NameIdPolicy(None, None, False)
    assert request(f'<samlp:NameIDPolicy Format="{P}" SPNameQualifier="urn:q" AllowCreate="1"/>') == NameIdPolicy(
        P, "urn:q", True
    )
    assert request('<samlp:NameIDPolicy AllowCreate="true"/>') == NameIdPolicy(None, None, True)
    assert request('<samlp:NameIDPolicy AllowCreate="false"/>') == NameIdPolicy(None, None, False)
