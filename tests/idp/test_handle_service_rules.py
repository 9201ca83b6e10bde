"""The Handle Service's rules: each bad request beside its valid twin, which differs in that one thing and is accepted."""

import base64
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote_plus, urlsplit

import pytest
from lxml import etree

from idp.login.contexts import Achieved, Assurance, choose
from idp.sign_on.requests import AcceptedRequest, Rules, accept_request, obstacle, resume, waiting
from ostiary.errors import Refusal
from ostiary.federation.model import Entity
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.bindings import decode_post, decode_redirect, encode_post
from ostiary.saml.protocol import RequestedAuthnContext, Response, Status
from ostiary.saml.signature import SignedElement, SignedQuery, UnsignedAllowedByMetadata, sign
from ostiary.saml.xml import Element, add, make, qname

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BASE = "http://localhost:8001"
RULES = Rules(
    "https://home.example.org/idp",
    f"{BASE}/saml/sso/redirect",
    f"{BASE}/saml/sso/post",
    Assurance(password=names.PASSWORD),
)
POST = f"{BASE}/saml/sso/post"


def registry(*resources) -> Registry:
    return Registry([resource.entity for resource in resources])


def by_redirect(resource, *, signed: bool = False, rules: Rules = RULES, known: Registry | None = None, **changes):
    url = resource.redirect(signed=signed, **changes)
    return accept_redirect(url, known or registry(resource), rules)


def accept_redirect(url: str, known: Registry, rules: Rules = RULES) -> AcceptedRequest:
    received = decode_redirect(urlsplit(url).query.encode("ascii"), "SAMLRequest")
    return accept_request(received, known, rules, NOW)


def by_post(resource, *, signed: bool = False, rules: Rules = RULES, **changes) -> AcceptedRequest:
    return accept_form(resource.form(signed=signed, **changes), registry(resource), rules)


def accept_form(form: dict[str, str], known: Registry, rules: Rules = RULES) -> AcceptedRequest:
    return accept_request(decode_post(form["SAMLRequest"], form.get("RelayState")), known, rules, NOW)


def accept_element(element: Element, resource, rules: Rules = RULES) -> AcceptedRequest:
    return accept_form({"SAMLRequest": encode_post(element)}, registry(resource), rules)


def refused(accept, *arguments, **changes) -> str:
    with pytest.raises(Refusal) as refusal:
        accept(*arguments, **changes)
    return refusal.value.code


# Who asks, and how that is known


def test_an_unsigned_request_is_accepted_where_neither_side_asks_for_a_signature(library) -> None:
    for accepted in (by_redirect(library), by_post(library)):
        assert isinstance(accepted.proof, UnsignedAllowedByMetadata)
        assert accepted.sp.entity_id == "https://library.example.net/sp"
        assert accepted.acs.location == "https://library.example.net/acs"
        assert accepted.relay_state == "state"
        assert accepted.request.id == "_request1"


def test_an_unsigned_request_is_refused_where_the_sps_metadata_promises_a_signature(lab) -> None:
    assert refused(by_redirect, lab) == "signature.missing"
    assert refused(by_post, lab) == "signature.missing"


def test_an_unsigned_request_is_refused_where_ours_asks_for_a_signature(library) -> None:
    strict = replace(RULES, want_authn_requests_signed=True)
    assert refused(by_redirect, library, rules=strict) == "signature.missing"
    assert refused(by_post, library, rules=strict) == "signature.missing"
    assert isinstance(by_redirect(library, rules=strict, signed=True).proof, SignedQuery)
    assert isinstance(by_post(library, rules=strict, signed=True).proof, SignedElement)


def test_a_signed_request_is_proven_by_its_signature(lab) -> None:
    assert isinstance(by_redirect(lab, signed=True).proof, SignedQuery)
    assert isinstance(by_post(lab, signed=True).proof, SignedElement)


def test_a_signature_by_a_key_that_metadata_does_not_list_is_refused(lab, library) -> None:
    stranger = replace(lab, signer=library.signer)
    assert refused(by_redirect, stranger, signed=True) == "signature.wrong"
    assert refused(by_post, stranger, signed=True) == "signature.wrong"


def test_a_wrong_signature_is_refused_even_where_none_is_asked_for(library, lab) -> None:
    stranger = replace(library, signer=lab.signer)
    assert refused(by_redirect, stranger, signed=True) == "signature.wrong"
    assert refused(by_post, stranger, signed=True) == "signature.wrong"


def test_a_signed_request_that_was_changed_afterwards_is_refused(lab) -> None:
    element = lab.request(destination=POST).to_xml()
    sign(element, lab.signer)
    assert accept_element(element, lab).request.force_authn is False
    element.set("ForceAuthn", "true")
    with pytest.raises(Refusal) as refusal:
        accept_element(element, lab)
    assert refusal.value.code == "signature.wrong"


def test_a_relay_state_that_was_exchanged_breaks_the_signature_of_a_redirect(lab) -> None:
    url = lab.redirect(signed=True, relay_state="mine")
    assert accept_redirect(url, registry(lab)).relay_state == "mine"
    assert refused(accept_redirect, url.replace("RelayState=mine", "RelayState=yours"), registry(lab)) == (
        "signature.wrong"
    )


def test_a_signature_that_was_taken_off_is_missed(lab) -> None:
    url = lab.redirect(signed=True)
    assert refused(accept_redirect, url.partition("&SigAlg")[0], registry(lab)) == "signature.missing"


def test_an_enveloped_signature_inside_a_redirect_is_refused(library) -> None:
    element = library.request().to_xml()
    assert accept_redirect(library.redirect_element(element), registry(library))
    sign(element, library.signer)
    for signed in (False, True):
        url = library.redirect_element(element, signed=signed)
        assert refused(accept_redirect, url, registry(library)) == "sso.signature_in_redirect"


def test_an_unknown_resource_is_refused(library, lab) -> None:
    assert refused(by_redirect, library, known=registry(lab)) == "sso.unknown_sp"
    assert by_redirect(library, known=registry(lab, library))


def test_a_resource_whose_metadata_has_expired_is_refused(library) -> None:
    for until, code in ((NOW, "sso.unknown_sp"), (NOW - timedelta(days=1), "sso.unknown_sp")):
        known = Registry([replace(library.entity, valid_until=until)])
        assert refused(by_redirect, library, known=known) == code
    assert by_redirect(library, known=Registry([replace(library.entity, valid_until=NOW + timedelta(seconds=1))]))


def test_an_entity_that_is_no_service_provider_is_refused(library) -> None:
    assert refused(by_redirect, library, known=Registry([Entity(library.entity.entity_id)])) == "sso.unknown_sp"


def test_a_request_without_issuer_is_refused(library) -> None:
    element = library.request(destination=POST).to_xml()
    element.remove(element[0])
    assert refused(accept_element, element, library) == "saml.issuer_missing"


def test_a_message_of_another_kind_is_refused(library) -> None:
    response = Response("_1", library.entity.entity_id, NOW, destination=POST).to_xml()
    assert refused(accept_element, response, library) == "saml.other_message"


# Form of the message


def raw_redirect(deflated: bytes) -> bytes:
    return b"SAMLRequest=" + quote_plus(base64.b64encode(deflated)).encode()


def deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()


def test_what_is_not_a_message_is_refused_and_its_twin_is_not(library) -> None:
    good = etree.tostring(library.request().to_xml())
    assert decode_redirect(raw_redirect(deflate(good)), "SAMLRequest")
    for data, code in (
        (b"not XML", "xml.not_well_formed"),
        (good[:-3], "xml.not_well_formed"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]>' + good, "xml.doctype"),
        (b"<a/>", "xml.schema"),
        (good.replace(b"samlp:AuthnRequest", b"samlp:AuthnRequests"), "xml.schema"),
        (good.replace(b'Version="2.0"', b""), "xml.schema"),
        (b"<?php x?>" + good, "xml.processing_instruction"),
        (good + b" " * 300_000, "binding.too_large"),
        (b"\x00" * 50_000_000, "binding.too_large"),
    ):
        assert refused(decode_redirect, raw_redirect(deflate(data)), "SAMLRequest") == code
    assert refused(decode_redirect, raw_redirect(good), "SAMLRequest") == "binding.deflate"
    assert refused(decode_redirect, b"SAMLRequest=%25%25", "SAMLRequest") == "binding.base64"


def test_a_request_of_another_version_is_refused(library) -> None:
    element = library.request(destination=POST).to_xml()
    element.set("Version", "1.1")
    assert refused(accept_element, element, library) == "saml.version"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": "_" + "a" * 256}, "sso.too_long"),
        ({"target": "https://library.example.net/" + "a" * 2048}, "sso.too_long"),
        ({"requested_context": RequestedAuthnContext(("urn:" + "a" * 253,))}, "sso.too_long"),
        ({"requested_context": RequestedAuthnContext((names.PASSWORD,) * 21)}, "sso.too_many_classes"),
    ],
)
def test_what_is_kept_and_echoed_has_a_bound(library, changes: dict[str, str], code: str) -> None:
    assert refused(by_redirect, library, **changes) == code
    assert refused(by_post, library, **changes) == code


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "_" + "a" * 255},
        {"target": "https://library.example.net/" + "a" * 2020},
        {"requested_context": RequestedAuthnContext((names.PASSWORD, *("urn:" + "a" * 252,) * 19))},
    ],
)
def test_what_is_kept_and_echoed_may_be_as_long_as_its_bound(library, changes: dict[str, str]) -> None:
    assert by_redirect(library, **changes)
    assert by_post(library, **changes)


# Destination and time


@pytest.mark.parametrize("elsewhere", [f"{BASE}/saml/sso/other", "https://other.example.org/saml/sso/redirect", POST])
def test_a_request_for_another_destination_is_refused(library, elsewhere: str) -> None:
    assert refused(by_redirect, library, destination=elsewhere) == "saml.destination"


def test_a_signed_request_must_name_its_destination_and_an_unsigned_one_need_not(library) -> None:
    assert by_redirect(library, destination=None)
    assert refused(by_redirect, library, signed=True, destination=None) == "saml.destination"
    assert refused(by_post, library, signed=True, destination=None) == "saml.destination"


@pytest.mark.parametrize(
    ("age", "code"),
    [
        (timedelta(minutes=8, seconds=1), "saml.too_old"),
        (timedelta(hours=2), "saml.too_old"),
        (-timedelta(minutes=3, seconds=1), "saml.from_the_future"),
    ],
)
def test_a_request_of_another_time_is_refused(library, age: timedelta, code: str) -> None:
    assert refused(by_redirect, library, issue_instant=NOW - age) == code


@pytest.mark.parametrize("age", [timedelta(minutes=8), -timedelta(minutes=3)])
def test_a_request_within_the_time_allowed_is_accepted(library, age: timedelta) -> None:
    assert by_redirect(library, issue_instant=NOW - age)


# Where the answer goes


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/acs",
        "https://library.example.net/acs/",
        "https://library.example.net/acs?x=1",
        "https://library.example.net/ACS",
        "https://library.example.net:443/acs",
        "http://library.example.net/acs",
        "https://library.example.net@evil.example/acs",
        "https://library.example.net/paos",
        "javascript:alert(1)",
        "",
    ],
)
def test_an_answer_goes_only_to_a_registered_place_of_the_right_binding(library, url: str) -> None:
    assert refused(by_redirect, library, acs_url=url) == "sso.acs_unregistered"
    assert refused(by_redirect, library, signed=True, acs_url=url) == "sso.acs_unregistered"


def test_every_registered_place_can_be_named(library) -> None:
    second = "https://library.example.net/acs2"
    assert by_redirect(library, acs_url=second).acs.location == second
    assert by_redirect(library, acs_url=None, protocol_binding=None, acs_index=2).acs.location == second


@pytest.mark.parametrize("index", [3, 0, 65535])
def test_an_index_that_metadata_does_not_list_for_post_is_refused(library, index: int) -> None:
    assert refused(by_redirect, library, acs_url=None, acs_index=index) == "sso.acs_unregistered"


def test_without_url_and_index_the_answer_goes_to_the_first_place_for_post(library) -> None:
    assert by_redirect(library, acs_url=None, protocol_binding=None).acs.location == "https://library.example.net/acs"


def test_a_url_together_with_an_index_is_refused(library) -> None:
    assert refused(by_redirect, library, acs_index=1) == "sso.acs_ambiguous"


@pytest.mark.parametrize("binding", [names.HTTP_REDIRECT, names.SOAP, "urn:oasis:names:tc:SAML:2.0:bindings:PAOS"])
def test_another_binding_for_the_answer_is_refused(library, binding: str) -> None:
    assert refused(by_redirect, library, protocol_binding=binding) == "sso.binding"
    assert by_redirect(library, protocol_binding=None)


# What can't be satisfied, whoever logs in


@pytest.mark.parametrize("wanted", [None, names.TRANSIENT, names.UNSPECIFIED_NAMEID])
def test_a_request_for_a_handle_meets_no_obstacle(library, wanted: str | None) -> None:
    assert obstacle(by_redirect(library, nameid_format=wanted), RULES, NOW) is None


@pytest.mark.parametrize("wanted", [names.PERSISTENT, names.EMAIL_ADDRESS, "urn:example:other"])
def test_a_request_for_another_kind_of_name_is_answered_so(library, wanted: str) -> None:
    accepted = by_redirect(library, nameid_format=wanted)
    assert obstacle(accepted, RULES, NOW) == Status(names.REQUESTER, names.INVALID_NAMEID_POLICY)


@pytest.mark.parametrize(
    ("qualifier", "status"),
    [
        ("https://library.example.net/sp", None),
        ("https://other.example/sp", Status(names.REQUESTER, names.INVALID_NAMEID_POLICY)),
    ],
)
def test_a_name_for_another_resource_is_not_handed_out(library, qualifier: str, status: Status | None) -> None:
    element = library.request(destination=POST).to_xml()
    policy = element.find(qname(names.SAMLP, "NameIDPolicy"))
    assert policy is not None
    policy.set("SPNameQualifier", qualifier)
    assert obstacle(accept_element(element, library), RULES, NOW) == status


def test_a_request_about_a_subject_that_it_names_is_not_satisfied(library) -> None:
    element = library.request(destination=POST).to_xml()
    subject = make(names.SAML, "Subject")
    add(subject, names.SAML, "NameID", "ada")
    element.insert(1, subject)
    assert obstacle(accept_element(element, library), RULES, NOW) == Status(names.RESPONDER, names.UNKNOWN_PRINCIPAL)


def satisfied(requested: RequestedAuthnContext | None, context_class: str) -> bool:
    return choose(requested, [Achieved(context_class, NOW)]) is not None


P, T, X = names.PASSWORD, names.PASSWORD_PROTECTED_TRANSPORT, "urn:example:retina"


@pytest.mark.parametrize(
    ("comparison", "classes", "with_password", "with_protected"),
    [
        ("exact", (P,), True, False),
        ("exact", (T,), False, True),
        ("exact", (X, T), False, True),
        ("exact", (X,), False, False),
        ("exact", (), False, False),
        ("minimum", (P,), True, True),
        ("minimum", (T,), False, True),
        ("minimum", (X,), False, False),
        ("maximum", (P,), True, False),
        ("maximum", (T,), True, True),
        ("better", (P,), False, True),
        ("better", (T,), False, False),
        ("better", (P, X), False, False),
        ("better", (), False, False),
        ("nonsense", (P, T), False, False),
    ],
)
def test_a_requested_context_is_compared_as_it_asks(
    comparison: str, classes: tuple[str, ...], with_password: bool, with_protected: bool
) -> None:
    requested = RequestedAuthnContext(classes, comparison)
    assert satisfied(requested, P) is with_password
    assert satisfied(requested, T) is with_protected


def test_no_requested_context_is_satisfied_by_any_login() -> None:
    assert satisfied(None, X) is True
    assert satisfied(RequestedAuthnContext((X,), "minimum"), X) is False


def test_a_context_that_is_not_offered_is_answered_so(library) -> None:
    offered = by_redirect(library, requested_context=RequestedAuthnContext((P,)))
    assert obstacle(offered, RULES, NOW) is None
    other = by_redirect(library, requested_context=RequestedAuthnContext((T,)))
    assert obstacle(other, RULES, NOW) == Status(names.RESPONDER, names.NO_AUTHN_CONTEXT)


# What waits


def test_only_a_signed_request_has_a_target(library) -> None:
    target = "https://library.example.net/maps/"
    assert waiting(by_redirect(library, target=target)).target is None
    assert waiting(by_post(library, target=target)).target is None
    assert waiting(by_redirect(library, target=target, signed=True)).target == target
    assert waiting(by_post(library, target=target, signed=True)).target == target


def test_a_request_that_waited_goes_on_by_the_metadata_of_that_moment(library, lab) -> None:
    asked = waiting(by_redirect(library))
    assert resume(asked, registry(library), NOW) == library.entity
    assert refused(resume, asked, registry(lab), NOW) == "sso.unknown_sp"
    assert library.entity.sp is not None
    moved = replace(library.entity, sp=replace(library.entity.sp, assertion_consumers=()))
    assert refused(resume, asked, Registry([moved]), NOW) == "sso.acs_unregistered"
