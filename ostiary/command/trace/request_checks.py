"""What an identity provider or an Attribute Authority looks at in a request, rule by rule, with the rules that ours apply."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from idp.sign_on.requests import prove_request, registered_consumer
from ostiary.command.trace.check import Check, Sheet, clocks
from ostiary.command.trace.signatures import role_name, signature_facts
from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.model import IdpRole, SpRole
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.bindings import ReceivedMessage
from ostiary.saml.protocol import AttributeQuery, AuthnRequest, claimed_issuer
from ostiary.saml.signature import Proof, UnsignedAllowedByMetadata, verify_element
from ostiary.saml.validate import Timing, check_authn_request, check_issue_instant, check_query
from ostiary.saml.xml import Element, write_instant

FORM_SECTION: Final = {
    names.HTTP_REDIRECT: "SAML bindings 3.4.4",
    names.HTTP_POST: "SAML bindings 3.5.4",
    names.SOAP: "SAML bindings 3.2.2",
}
_SIGNATURE_SECTION: Final = {names.HTTP_REDIRECT: "SAML bindings 3.4.4.1", names.HTTP_POST: "SAML core 5.4"}


def check_form(sheet: Sheet, binding: str) -> None:
    """That decoding, the parser's limits and the schema were passed: nobody gets a message of ours in hand otherwise."""
    sheet.rule(
        "form", FORM_SECTION[binding], lambda: True, told=f"form_{binding.rpartition(':')[2].lower().replace('-', '_')}"
    )


def undecodable(error: OstiaryError, binding: str) -> tuple[Check, ...]:
    """For a message that could not be decoded."""
    sheet = Sheet()
    sheet.failed("form", FORM_SECTION[binding], error)
    return sheet.checks


def request_checks(
    received: ReceivedMessage, location: str, registry: Registry, seen: Sequence[str], now: datetime, timing: Timing
) -> tuple[Check, ...]:
    """An AuthnRequest sent to ``location``; ``seen``: the IDs of earlier messages."""
    sheet = Sheet()
    check_form(sheet, received.binding)
    issuer = sheet.rule("issuer", "SAML profiles 4.1.4.1", lambda: _issuer(received.element))
    if issuer is None:
        return sheet.checks
    role = _known(sheet, registry.sp(issuer, now), registry, issuer, now)
    if not isinstance(role, SpRole):
        return sheet.checks
    asked = _idp_at(registry, location, now)
    wanted = role.authn_requests_signed or (asked is not None and asked.want_authn_requests_signed)
    section = _SIGNATURE_SECTION[received.binding]
    sheet.note(
        "demand",
        "SAML metadata 2.4.3, 2.4.4",
        told="demand_signed" if wanted else "demand_nothing",
        sp=str(role.authn_requests_signed).lower(),
        idp=str(asked.want_authn_requests_signed).lower() if asked is not None else "?",
    )
    try:
        proof = prove_request(received, issuer, role, want_signed=wanted)
    except OstiaryError as error:
        sheet.failed("signature", section, error)
        return sheet.checks
    if isinstance(proof, UnsignedAllowedByMetadata):
        sheet.note("signature", section, told="unsigned")
    else:
        told = "signed_query" if received.binding == names.HTTP_REDIRECT else "signed_element"
        facts = dict(signature_facts(proof, issuer, role))
        sheet.held("signature", section, lambda: None, told=told, what="AuthnRequest", **facts)
    _rules_of(sheet, proof, role, location, seen, now, timing)
    return sheet.checks


def _rules_of(
    sheet: Sheet, proof: Proof, role: SpRole, location: str, seen: Sequence[str], now: datetime, timing: Timing
) -> None:
    request = sheet.rule("content", "SAML core 3.4.1", lambda: AuthnRequest.from_proof(proof), told="content_request")
    if request is None:
        return
    sheet.rule("id", "SAML core 1.3.4", lambda: _fresh(request.id, seen), id=request.id)
    signed = not isinstance(proof, UnsignedAllowedByMetadata)
    age = clocks(request.issue_instant, now, timing)
    # One function of the house looks at address and age; age is told apart first, so that each is seen.
    if sheet.held("issued", "SAML core 3.2.1", lambda: check_issue_instant(request.issue_instant, now, timing), **age):
        sheet.held(
            "destination",
            "SAML bindings 3.4.5.2, 3.5.5.2",
            lambda: check_authn_request(request, location=location, signed=signed, now=now, timing=timing),
            told="destination" if request.destination is not None else "no_destination",
            url=location,
        )
    sheet.rule(
        "consumer",
        "SAML profiles 4.1.4.1, metadata 2.4.4",
        lambda: registered_consumer(request, role),
        facts=lambda endpoint: {"url": endpoint.location},
    )
    sheet.note("name_id_policy", "SAML core 3.4.1.1", format=short_format(request.nameid_format))
    if request.target is not None:
        sheet.note("target", "urn:x-ostiary:target:1.0", url=request.target)


def query_checks(
    element: Element, location: str, registry: Registry, now: datetime, timing: Timing
) -> tuple[Check, ...]:
    """An AttributeQuery sent to ``location``."""
    sheet = Sheet()
    check_form(sheet, names.SOAP)
    issuer = sheet.rule("issuer", "SAML profiles 6.4.1", lambda: _issuer(element))
    role = _known(sheet, registry.sp(issuer, now), registry, issuer, now) if issuer is not None else None
    if issuer is None or not isinstance(role, SpRole):
        return sheet.checks
    proof = sheet.rule(
        "signature",
        "SAML core 5.4",
        lambda: verify_element(element, role.signing_keys()),
        told="signed_element",
        facts=lambda proof: signature_facts(proof, issuer, role),
        what="AttributeQuery",
    )
    if proof is None:
        return sheet.checks
    query = sheet.rule("content", "SAML core 3.3.2.3", lambda: AttributeQuery.from_proof(proof), told="content_query")
    if query is None:
        return sheet.checks
    age = clocks(query.issue_instant, now, timing)
    if sheet.held("issued", "SAML core 3.2.1", lambda: check_issue_instant(query.issue_instant, now, timing), **age):
        sheet.held(
            "destination",
            "SAML core 3.2.1",
            lambda: check_query(query, location=location, now=now, timing=timing),
            told="destination" if query.destination is not None else "no_destination",
            url=location,
        )
    sheet.note("subject", "SAML core 3.3.2.1", told="subject_asked", format=short_format(query.name_id.format))
    if query.target is not None:
        sheet.note("target", "urn:x-ostiary:target:1.0", url=query.target)
    return sheet.checks


def short_format(name_id_format: str | None) -> str:
    """``transient`` instead of the URN; ``any`` where none is asked for."""
    return "any" if name_id_format is None else name_id_format.rpartition(":")[2] or name_id_format


def _issuer(element: Element) -> str:
    issuer = claimed_issuer(element)
    if not issuer:
        raise Refusal("saml.issuer_missing", expected="an Issuer", found="none")
    return issuer


def _known(
    sheet: Sheet, role: SpRole | IdpRole | None, registry: Registry, issuer: str, now: datetime
) -> SpRole | IdpRole | None:
    return sheet.rule(
        "known",
        "SAML metadata 2.3.2",
        lambda: found_in_metadata(role, issuer),
        facts=lambda found: known_facts(registry, issuer, role_name(found), now),
    )


def found_in_metadata(role: SpRole | IdpRole | None, issuer: str) -> SpRole | IdpRole:
    """The role. Raises `Refusal` (``trace.unknown_entity``) when trusted metadata does not list it, or not as valid now."""
    if role is None:
        raise Refusal("trace.unknown_entity", expected="an entity of the trusted metadata", found=issuer[:300])
    return role


def known_facts(registry: Registry, issuer: str, role: str, now: datetime) -> dict[str, str]:
    """Entity, name and role for people."""
    entity = registry.get(issuer, now)
    until = entity.valid_until if entity is not None else None
    return {
        "entity": issuer,
        "name": entity.name() if entity is not None else issuer,
        "role": role,
        "until": write_instant(until) if until is not None else "-",
    }


def _idp_at(registry: Registry, location: str, now: datetime) -> IdpRole | None:
    """The IdP whose single sign-on service this is."""
    for entity in registry.all(now):
        if entity.idp is not None and location in (endpoint.location for endpoint in entity.idp.single_sign_on):
            return entity.idp
    return None


def _fresh(identifier: str, seen: Sequence[str]) -> str:
    if identifier in seen:
        raise Refusal("trace.id_repeated", expected="an ID that was not used before", found=identifier[:300])
    return identifier
