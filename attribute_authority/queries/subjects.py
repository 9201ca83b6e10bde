"""Whom a query is about, by the kinds of NameID that this organisation gives out. What names nobody, another's name and an expired handle
look the same to whoever asks: see `UNKNOWN_PRINCIPAL`.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from cryptography import x509

from attribute_authority.queries.soap import QueryEndpoint, ReceivedQuery
from attribute_authority.queries.statuses import DENIED, Unsatisfiable
from ostiary.errors import Refusal
from ostiary.handle import open_handle
from ostiary.identifiers.syntax import PAIRWISE_ID, SUBJECT_ID, is_identifier
from ostiary.ports import (
    CertificateNamedPeople,
    ExternallyNamedPeople,
    NamedPerson,
    PersistentNames,
    PrincipalNamedPeople,
    SubjectIdentifiers,
)
from ostiary.saml import names
from ostiary.saml.assertion import NameId

SUBJECT_ID_FORMAT: Final = "urn:oasis:names:tc:SAML:attribute:subject-id"
PAIRWISE_ID_FORMAT: Final = "urn:oasis:names:tc:SAML:attribute:pairwise-id"
"""The profile names attributes, not NameIDs; with the attribute's name for a Format the value says by itself what it is."""
PRINCIPAL_NAME_FORMAT: Final = "urn:oid:1.3.6.1.4.1.5923.1.1.1.6"
"""eduPersonPrincipalName, as other attribute requesters write it for a Format, too."""

_IDENTIFIERS: Final = {SUBJECT_ID_FORMAT: SUBJECT_ID, PAIRWISE_ID_FORMAT: PAIRWISE_ID}
_MAXIMUM_SUBJECT: Final = 2_000
_BLANKS: Final = re.compile(r"(?<!\\), {1,8}")


@dataclass(frozen=True, slots=True)
class NamedPeople:
    """Where names other than handles are looked up; where there is None, that kind names nobody."""

    persistent: PersistentNames | None = None
    identifiers: SubjectIdentifiers | None = None
    certificates: CertificateNamedPeople | None = None
    principals: PrincipalNamedPeople | None = None
    externals: ExternallyNamedPeople | None = None


class Subject(NamedTuple):
    """``person`` is whom the query is about; ``made_for`` the entityID to which her name was given."""

    person: NamedPerson
    made_for: str


def subject_of(received: ReceivedQuery, endpoint: QueryEndpoint, people: NamedPeople, now: datetime) -> Subject:
    """Whom the query is about, which authority knows her, and to whom her name was given: the requester, or one in whose place it may ask.

    Nobody in particular may ask by a handle alone: it is a secret that lasts a short time, other names are known to many.

    Raises `Refusal`: ``handle.*``, ``aa.name_id`` when the subject is named in no way that this organisation understands, or a query
    that was passed on is for another authority than this one. Raises `Unsatisfiable` for a requester that may not ask by names of
    certificates or principals, or by identifiers of elsewhere, `Unavailable` when names can't be looked up.
    """
    name_id = received.query.name_id
    if name_id.name_qualifier not in (None, endpoint.entity_id):
        raise _nobody("a NameID of this organisation", name_id.format)
    makers = _made_for(received, endpoint)
    if name_id.format == names.TRANSIENT:
        return _by_handle(received, endpoint, makers, now)
    if received.sender.anonymous:
        raise _nobody("a handle", name_id.format)
    if name_id.format == names.X509_SUBJECT_NAME:
        return _by_certificate(received, endpoint, people.certificates)
    if name_id.format == PRINCIPAL_NAME_FORMAT:
        return _by_principal_name(received, endpoint, people)
    for maker in makers:
        person = _lookup(name_id, maker, people)
        if person is not None:
            return Subject(person, maker)
    if name_id.format in _IDENTIFIERS and endpoint.ask_by_external_name:
        return _by_external_name(received, endpoint, people.externals)
    raise _nobody("a name that lives", f"one that names nobody ({name_id.format[:200]})")


def _made_for(received: ReceivedQuery, endpoint: QueryEndpoint) -> tuple[str, ...]:
    """To which entities the name may have been given. Where nobody proved who asks it is what the issuer claims: then the name has to
    prove it."""
    sender = received.sender
    if sender.anonymous:
        allowed: tuple[str, ...] = (sender.issuer,)
    elif sender.passed_on:
        allowed = (sender.requester,)
    else:
        allowed = (sender.requester, *endpoint.may_ask_for.get(sender.requester, ()))
    said = received.query.name_id.sp_name_qualifier
    if said is None:
        return allowed
    if said not in allowed:
        raise _nobody("a NameID that was made for the requester", f"one for {said[:200]}")
    return (said,)


def _by_handle(received: ReceivedQuery, endpoint: QueryEndpoint, makers: tuple[str, ...], now: datetime) -> Subject:
    value = received.query.name_id.value
    for maker in makers:
        try:
            handle = open_handle(endpoint.handle_keys, value, requester=maker, now=now)
        except Refusal as problem:
            if problem.code != "handle.other_requester" or maker == makers[-1]:
                raise
            continue
        if received.sender.passed_on and handle.authority != endpoint.authority_index:
            # Whoever passed it on took us for another one: passing it on again could go round in a circle.
            raise _nobody(f"authority {endpoint.authority_index}", str(handle.authority))
        return Subject(NamedPerson(handle.principal, handle.authority), maker)
    raise _nobody("a handle", "nobody for whom it may have been made")


def _lookup(name_id: NameId, maker: str, people: NamedPeople) -> NamedPerson | None:
    if name_id.format == names.PERSISTENT and people.persistent is not None:
        return people.persistent.person_named(name_id.value, maker)
    attribute = _IDENTIFIERS.get(name_id.format)
    if attribute is not None and people.identifiers is not None:
        return people.identifiers.person_told(attribute, name_id.value, maker)
    return None


def _by_certificate(
    received: ReceivedQuery, endpoint: QueryEndpoint, certificates: CertificateNamedPeople | None
) -> Subject:
    """SAML core 8.3.3. Names of certificates are in nobody's keeping, so only those whom the settings list may ask by them."""
    requester = received.sender.requester
    if requester not in endpoint.ask_by_certificate_name or received.sender.passed_on:
        found = Refusal(
            "aa.certificate_name", expected="a requester that may ask by certificate names", found=requester
        )
        raise Unsatisfiable(DENIED, found)
    subject = canonical_subject(received.query.name_id.value)
    person = certificates.person_with(subject) if certificates is not None and subject is not None else None
    if person is None:
        raise _nobody("a certificate's name that is somebody's", "one that is nobody's")
    return Subject(person, requester)


def _by_principal_name(received: ReceivedQuery, endpoint: QueryEndpoint, people: NamedPeople) -> Subject:
    """Everybody can guess such names, so only those whom the settings list may ask by them. First whom this authority itself calls so."""
    requester, value = received.sender.requester, received.query.name_id.value
    ours = requester in endpoint.ask_by_principal_name
    elsewhere = requester in endpoint.ask_by_external_name
    if not (ours or elsewhere) or received.sender.passed_on:
        found = Refusal("aa.principal_name", expected="a requester that may ask by principal names", found=requester)
        raise Unsatisfiable(DENIED, found)
    person = None
    if len(value) <= _MAXIMUM_SUBJECT:
        if ours and people.principals is not None:
            person = people.principals.person_called(value)
        if person is None and elsewhere and people.externals is not None:
            person = people.externals.person_known_as(value)
    if person is None:
        raise _nobody("a principal's name that is somebody's", "one that is nobody's")
    return Subject(person, requester)


def _by_external_name(
    received: ReceivedQuery, endpoint: QueryEndpoint, externals: ExternallyNamedPeople | None
) -> Subject:
    """Nothing here shows to whom the other organisation gave the value, so only those whom the settings list may ask by it."""
    requester, value = received.sender.requester, received.query.name_id.value
    if requester not in endpoint.ask_by_external_name or received.sender.passed_on:
        found = Refusal("aa.external_name", expected="a requester that may ask by external names", found=requester)
        raise Unsatisfiable(DENIED, found)
    person = externals.person_known_as(value) if externals is not None and is_identifier(value) else None
    if person is None:
        raise _nobody("an identifier that is somebody's", "one that is nobody's")
    return Subject(person, requester)


def canonical_subject(text: str) -> str | None:
    """A distinguished name as RFC 4514 writes it in one way, though there may be blanks after its commas (RFC 2253 4); None for what is
    none."""
    if not 0 < len(text) <= _MAXIMUM_SUBJECT:
        return None
    try:
        return x509.Name.from_rfc4514_string(_BLANKS.sub(",", text.strip())).rfc4514_string()
    except (ValueError, TypeError):
        return None


def _nobody(expected: str, found: str) -> Refusal:
    return Refusal("aa.name_id", expected=expected, found=found[:300])
