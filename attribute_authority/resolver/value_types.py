"""The form that standards demand of values of well-known attributes: eduPerson 202208, SCHAC 1.6, RFC 4524, RFC 2798, RFC 4519.

Where a standard leaves the form open, nothing is demanded. Never changes a value.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from ostiary.identifiers.syntax import PAIRWISE_ID, SUBJECT_ID, is_identifier

AFFILIATIONS: Final = frozenset(
    {"faculty", "student", "staff", "alum", "member", "affiliate", "employee", "library-walk-in"}
)
"""eduPerson 202208 2.2.1."""

# Each of these reads a value once from left to right: no character can be taken in two ways.
_SCOPE: Final = re.compile(r"[^@\s\x00-\x1f\x7f-\x9f]{1,256}")
_UNIQUE_ID: Final = re.compile(r"[A-Za-z0-9]{1,64}")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
_DIGITS: Final = re.compile(r"[0-9]+")
_COUNTRY: Final = re.compile(r"[A-Za-z]{2}")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
_PREFERENCE: Final = re.compile(
    r"(?:[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)(?: *; *q=(?:0(?:\.[0-9]{1,3})?|1(?:\.0{1,3})?))?"
)
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_QUOTED: Final = r'"(?:[ !#-\[\]-~]|\\[ -~])*"'
_LOCAL_PART: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*|{_QUOTED}")
_ADDRESS_LITERAL: Final = re.compile(r"\[[A-Za-z0-9:.-]{2,60}\]")
_ORCID: Final = re.compile(r"https?://orcid\.org/([0-9]{4})-([0-9]{4})-([0-9]{4})-([0-9]{3}[0-9X])")
_NAME_ID: Final = re.compile(r"[^!\s\x00-\x1f\x7f-\x9f]{1,256}")
_RDN: Final = re.compile(
    r" *(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*) *="
    r'(?:[^,+;"\\<>\x00]|\\[0-9A-Fa-f]{2}|\\[^0-9A-Fa-f]|"(?:[^"\\]|\\.)*")*'
)
_RDN_END: Final = re.compile(r"[,+;]")


@dataclass(frozen=True, slots=True)
class ValueType:
    """A form: what it is, for people who read documentation, and whether a value has it."""

    form: str
    holds: Callable[[str], bool]


def is_well_formed(name: str, value: str) -> bool:
    """Whether ``value``, as written (scope included), has the form that the standard of the attribute ``name`` demands; True for every
    value of an attribute of which none is demanded."""
    known = VALUE_TYPES.get(name)
    return known is None or known.holds(value)


def _affiliation(value: str) -> bool:
    # caseIgnoreMatch: "Staff" is a permissible value, too.
    return value.lower() in AFFILIATIONS


def _scoped(value: str, left: Callable[[str], bool]) -> bool:
    before, at, scope = value.partition("@")
    return bool(at) and left(before) and _SCOPE.fullmatch(scope) is not None


def _scoped_affiliation(value: str) -> bool:
    return _scoped(value, _affiliation)


def _principal_name(value: str) -> bool:
    return _scoped(value, bool)


def _unique_id(value: str) -> bool:
    return _scoped(value, lambda left: _UNIQUE_ID.fullmatch(left) is not None)


def _uri(value: str) -> bool:
    return _URI.fullmatch(value) is not None


def _labelled_uri(value: str) -> bool:
    return _uri(value.partition(" ")[0])


def _date(value: str) -> bool:
    return len(value) == 8 and _is_moment(value)


def _generalized_time(value: str) -> bool:
    return len(value) == 15 and value.endswith("Z") and _is_moment(value[:-1])


def _is_moment(digits: str) -> bool:
    """YYYYMMDD, or that and hhmmss."""
    if _DIGITS.fullmatch(digits) is None:
        return False
    try:
        datetime.strptime(f"{digits:0<14}Z", "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def _year(value: str) -> bool:
    return len(value) == 4 and _DIGITS.fullmatch(value) is not None


def _sex(value: str) -> bool:
    return value in {"0", "1", "2", "9"}


def _country(value: str) -> bool:
    return _COUNTRY.fullmatch(value) is not None


def _language(value: str) -> bool:
    return _LANGUAGE.fullmatch(value) is not None


def _accept_language(value: str) -> bool:
    return all(_PREFERENCE.fullmatch(part.strip(" ")) is not None for part in value.split(","))


def _domain(value: str) -> bool:
    return len(value) <= 253 and _DOMAIN.fullmatch(value) is not None


def _mailbox(value: str) -> bool:
    local, at, domain = value.rpartition("@")
    return (
        bool(at)
        and len(local) <= 64
        and _LOCAL_PART.fullmatch(local) is not None
        and (_domain(domain) or _ADDRESS_LITERAL.fullmatch(domain) is not None)
    )


def _orcid(value: str) -> bool:
    found = _ORCID.fullmatch(value)
    if found is None:
        return False
    digits = "".join(found.groups())
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    # ISO 7064 MOD 11-2.
    return digits[-1] == "0123456789X"[(12 - total % 11) % 11]


def _distinguished_name(value: str) -> bool:
    at = 0
    while True:
        part = _RDN.match(value, at)
        if part is None:
            return False
        at = part.end()
        if at == len(value):
            return True
        if _RDN_END.match(value, at) is None:
            return False
        at += 1


def _persistent_name(value: str) -> bool:
    return _NAME_ID.fullmatch(value) is not None


_AFFILIATION: Final = ValueType("one of " + ", ".join(sorted(AFFILIATIONS)), _affiliation)
_A_URI: Final = ValueType("an absolute URI (RFC 3986)", _uri)
_DN: Final = ValueType("a distinguished name (RFC 4514)", _distinguished_name)
_COUNTRY_CODE: Final = ValueType("two letters (ISO 3166-1)", _country)
_SUBJECT: Final = ValueType("1 to 127 letters, digits, = and -, then @ and a scope", is_identifier)
_PRINCIPAL: Final = ValueType("a name, exactly one @, and a scope", _principal_name)

VALUE_TYPES: Final[Mapping[str, ValueType]] = MappingProxyType(
    {
        "c": _COUNTRY_CODE,
        "eduPersonAffiliation": _AFFILIATION,
        "eduPersonAssurance": _A_URI,
        "eduPersonEntitlement": _A_URI,
        "eduPersonOrcid": ValueType("an ORCID iD as URL, its check digit right", _orcid),
        "eduPersonOrgDN": _DN,
        "eduPersonOrgUnitDN": _DN,
        "eduPersonPrimaryAffiliation": _AFFILIATION,
        "eduPersonPrimaryOrgUnitDN": _DN,
        "eduPersonPrincipalName": _PRINCIPAL,
        "eduPersonPrincipalNamePrior": _PRINCIPAL,
        "eduPersonScopedAffiliation": ValueType("a value of eduPersonAffiliation, @ and a scope", _scoped_affiliation),
        "eduPersonTargetedID": ValueType(
            "a persistent NameID: 1 to 256 characters, no blank and no !, and both qualifiers", _persistent_name
        ),
        "eduPersonUniqueId": ValueType("1 to 64 letters and digits, @ and a scope", _unique_id),
        "labeledURI": ValueType("an absolute URI, then nothing or a blank and a label", _labelled_uri),
        "mail": ValueType("a mailbox, local@domain (RFC 5321)", _mailbox),
        "manager": _DN,
        PAIRWISE_ID: _SUBJECT,
        "preferredLanguage": ValueType("language tags as in Accept-Language (RFC 2798)", _accept_language),
        "schacCountryOfCitizenship": _COUNTRY_CODE,
        "schacCountryOfResidence": _COUNTRY_CODE,
        "schacDateOfBirth": ValueType("a date, YYYYMMDD", _date),
        "schacExpiryDate": ValueType("a time in UTC, YYYYMMDDhhmmssZ", _generalized_time),
        "schacGender": ValueType("0, 1, 2 or 9 (ISO 5218)", _sex),
        "schacHomeOrganization": ValueType("a domain name", _domain),
        "schacHomeOrganizationType": _A_URI,
        "schacMotherTongue": ValueType("a language tag (RFC 3066)", _language),
        "schacPersonalPosition": _A_URI,
        "schacPersonalUniqueCode": _A_URI,
        "schacPersonalUniqueID": _A_URI,
        "schacUserPresenceID": _A_URI,
        "schacUserStatus": _A_URI,
        "schacYearOfBirth": ValueType("a year, YYYY", _year),
        "secretary": _DN,
        "seeAlso": _DN,
        SUBJECT_ID: _SUBJECT,
    }
)
"""By friendly name. docs/attributes.md shows this table."""
