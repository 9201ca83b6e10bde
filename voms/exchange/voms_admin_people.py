"""From users of VOMS-Admin to members: certificates, suspensions, ends, details. Pure; what does not fit is told, one by one."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from ostiary.errors import Refusal
from ostiary.mail import is_address
from ostiary.x509.certificate_names import CertificateNames
from voms.details import MAXIMUM_DETAIL, Details
from voms.exchange.voms_admin_names import OldNames
from voms.exchange.voms_admin_plan import PlannedMember, Remarks, one_line
from voms.exchange.voms_admin_rows import OldCertificate, OldUser, OldVo
from voms.members.states import REASONS
from voms.people import MAXIMUM_REASON

# The original's reasons, and what a member is told who got no text with one: its own words.
_CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "FAILED_TO_SIGN_AUP": "aup",
        "MEMBERSHIP_EXPIRATION": "expired",
        "SECURITY_INCIDENT": "security_incident",
        "OTHER": "other",
    }
)
_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **REASONS,
        "security_incident": "User membership has been suspended after a security incident.",
        "other": "User membership has been suspended for another unknown reason.",
    }
)
_NOT_IN_ROOT: Final = "User is not in the root group of the VO."


@dataclass(frozen=True, slots=True)
class People:
    """``members`` by the old numbers; ``labels``: what reports call them."""

    members: dict[int, PlannedMember]
    labels: Mapping[int, str]


def translate_people(old: OldVo, names: OldNames, in_root: frozenset[int], at: datetime, remarks: Remarks) -> People:
    """Every user becomes a member, whatever is missing. ``in_root``: the users who are in the root group."""
    held: dict[int, list[OldCertificate]] = defaultdict(list)
    known = {user.number for user in old.users}
    for certificate in old.certificates:
        if certificate.user in known:
            held[certificate.user].append(certificate)
        else:
            remarks.left("certificate_of_nobody", certificate.subject)
    labels = {user.number: _label(user, held[user.number]) for user in old.users}
    authorities = _authorities(old, names, held)
    read: dict[int, list[tuple[OldCertificate, CertificateNames]]] = {}
    owners: dict[CertificateNames, set[int]] = defaultdict(set)
    for user in old.users:
        hers = _of_user(user, held[user.number], labels[user.number], remarks)
        found = [(each, _names(each, old, names, authorities, remarks)) for each in hers]
        read[user.number] = [(each, known_by) for each, known_by in found if known_by is not None]
        for _, known_by in read[user.number]:
            owners[known_by].add(user.number)
    untrusted: dict[str, int] = defaultdict(int)
    members: dict[int, PlannedMember] = {}
    for user in old.users:
        label = labels[user.number]
        suspended = _suspension(user, label, remarks)
        if suspended is None and user.number not in in_root:
            remarks.changed("member_not_in_root", label)
            suspended = ("other", _NOT_IN_ROOT)
        certificates: dict[CertificateNames, str | None] = {}
        for certificate, known_by in read[user.number]:
            if len(owners[known_by]) > 1:
                # Whose it is, and so what its holder may have, nobody can say.
                remarks.left("certificate_of_two", f"{certificate.subject}: {label}")
                continue
            reason = _own_suspension(certificate, user, suspended, remarks)
            if known_by in certificates:
                remarks.changed("certificate_twice", certificate.subject)
                reason = certificates[known_by] or reason
            certificates[known_by] = reason
            if not names.trusts(known_by.issuer):
                untrusted[old.authorities[certificate.authority]] += 1
        if not certificates:
            remarks.changed("member_without_certificate", label)
        members[user.number] = PlannedMember(
            user.number,
            min(user.created or at, at),
            user.ends,
            suspended,
            _details(user, label, remarks),
            tuple(certificates.items()),
        )
    for written, count in sorted(untrusted.items()):
        remarks.changed("authority_not_trusted", f"{written} ({count})")
    return People(members, labels)


def _authorities(old: OldVo, names: OldNames, held: Mapping[int, list[OldCertificate]]) -> dict[int, str]:
    used = {each.authority for many in held.values() for each in many}
    used |= {user.authority for user in old.users if user.authority is not None}
    found: dict[int, str] = {}
    for number in used & old.authorities.keys():
        try:
            found[number] = names.authority(old.authorities[number])
        except Refusal:
            # Told with each certificate.
            continue
    return found


def _label(user: OldUser, certificates: Iterable[OldCertificate]) -> str:
    first = next(iter(certificates), None)
    shown = first.subject if first is not None else user.subject or user.mail or ""
    return f"{shown} ({user.number})"


def _of_user(
    user: OldUser, certificates: list[OldCertificate], label: str, remarks: Remarks
) -> Iterable[OldCertificate]:
    if certificates or user.subject is None or user.authority is None:
        return certificates
    remarks.changed("certificate_of_old_release", label)
    return [OldCertificate(0, user.number, user.authority, user.subject, False, None, None)]


def _names(
    certificate: OldCertificate, old: OldVo, names: OldNames, authorities: Mapping[int, str], remarks: Remarks
) -> CertificateNames | None:
    if certificate.authority not in old.authorities:
        remarks.left("certificate_without_authority", certificate.subject)
        return None
    issuer = authorities.get(certificate.authority)
    if issuer is None:
        remarks.left("certificate_name", f"{certificate.subject} <- {old.authorities[certificate.authority]}")
        return None
    try:
        return CertificateNames(names.subject(certificate.subject), issuer)
    except Refusal:
        remarks.left("certificate_name", certificate.subject)
        return None


def _suspension(user: OldUser, label: str, remarks: Remarks) -> tuple[str, str] | None:
    if not user.suspended:
        return None
    code = _CODES.get(user.code or "OTHER")
    if code is None:
        remarks.changed("suspension_code", f"{label}: {user.code}")
        code = "other"
    return code, _reason(user.reason, code, label, remarks)


def _reason(written: str | None, code: str, label: str, remarks: Remarks) -> str:
    """What she is told: as it was written, or as the original says it of all with this code."""
    given = (written or "").strip()
    told = one_line(given, MAXIMUM_REASON)
    if told != given:
        remarks.changed("detail", f"{label}: {given}")
    return told or _WORDS[code]


def _own_suspension(
    certificate: OldCertificate, user: OldUser, suspended: tuple[str, str] | None, remarks: Remarks
) -> str | None:
    """Suspending a user suspended her certificates for the same reason; here one goes without the other, so that `restore` restores."""
    if not certificate.suspended or (suspended is not None and user.suspended and certificate.code == user.code):
        return None
    code = _CODES.get(certificate.code or "OTHER", "other")
    return _reason(certificate.reason, code, certificate.subject, remarks)


def _details(user: OldUser, label: str, remarks: Remarks) -> Details:
    told = Details(
        *(user.given_name or "", user.surname or "", user.institution or ""),
        *(user.phone or "", user.address or "", (user.mail or "").strip()),
    )
    if told.mail and not is_address(told.mail):
        remarks.left("mail", f"{label}: {told.mail[:MAXIMUM_DETAIL]}")
        told = replace(told, mail="")
    for each in fields(told):
        text: str = getattr(told, each.name)
        if len(text) > MAXIMUM_DETAIL or not text.isprintable():
            remarks.changed("detail", f"{label}: {each.name}")
            told = replace(told, **{each.name: one_line(text, MAXIMUM_DETAIL)})
    return told
