"""Records in a third of their room: deflate (RFC 1951) with a dictionary of what stands in nearly all. Reads what was not packed, too.

The first octet says how a record is written. A dictionary never changes: what is in a store could not be read any more. A better one gets
a number of its own.
"""

import zlib
from typing import Final

LARGEST: Final = 16 * 1024 * 1024
"""Octets of one record; what claims to be larger is none of ours."""

_FIRST: Final = 1
# 4 kB of history: more would take longer to set up than to use.
_WINDOW: Final = -12
_MEMORY: Final = 6
# What is most common stands last, where it is cheapest to refer to.
_WORDS: Final = "".join(
    (
        '"scope_missing"],"other_issuer"],"value"],"issuer"],"scope"],["no_rule"],["urn:schac:homeOrganizationType:urn:',
        "schac:personalUniqueCode:urn:mace:terena.org:urn:geant:urn:mace:dir:entitlement:https://refeds.org/assurance/h",
        'ttps://orcid.org/0000-000"eduPersonAffiliation","eduPersonPrimaryAffiliation","eduPersonAssurance","eduPersonO',
        'rcid","eduPersonUniqueId","eduPersonTargetedID","schacHomeOrganizationType","schacPersonalUniqueCode","preferr',
        'edLanguage","telephoneNumber","isMemberOf",[["/faculty"student"employee"affiliate"alum"library-walk-in"/Role=N',
        'ULL/Capability=NULL"https://"],["o","organization"],["cn","name"],["displayName","name"],["givenName","name"],',
        '["sn","name"],["mail","mail"],["subject-id","subject identifier"],["pairwise-id","subject identifier"],["eduPe',
        'rsonPrincipalName","principal name"],["eduPersonScopedAffiliation","scoped affiliation"],["eduPersonEntitlemen',
        't","entitlement"],["schacHomeOrganization","home organization"]],"queried":false,"queried":true,"at":"2027-T00',
        ':00:00+00:00","ask_again":"2027-T00:00:00+00:00","sources":[["https://idp.further","","query","","response",""',
        ',"2027-0T00:00:00+00:00",null,null]],"used":"2027-0T00:00:00+00:00","warned":true{"attributes":[["cn",[["displ',
        'ayName",[[" ",null]],"https://idp.example.org/idp/shibboleth.edu/saml2/idp/metadata.php",null],["givenName",[[',
        '" ",null]],"https://idp.",null],["sn",[["",null]],"https://",null],["mail",[["@",null]],"https://",null],["sub',
        'ject-id",[["pairwise-id",[["eduPersonPrincipalName",[["","eduPersonScopedAffiliation",[["member",""],["staff",',
        '""eduPersonEntitlement",[["urn:"schacHomeOrganization",[["",null]],"https://",null]],"withheld":[],"rules":[["',
        '{"login":{"issuer":"https://idp.","name_id":["AAdz","urn:oasis:names:tc:SAML:2.0:nameid-format:persistent","ur',
        'n:oasis:names:tc:SAML:2.0:nameid-format:transient","https://idp.","https://"],"authenticated_at":"2027-T00:00:',
        '00+00:00","in_response_to":null,"in_response_to":"_","session_index":null,"session_index":"_","authn_context":',
        '"urn:oasis:names:tc:SAML:2.0:ac:classes:unspecifiedPassword"https://refeds.org/profile/sfa"https://refeds.org/',
        'profile/mfa"urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport","session_ends":null,"session_en',
        'ds":"2027-0T00:00:00+00:00","attributes":[]},"started":"2027-0T00:00:00+00:00","ends":"2027-0T00:00:00+00:00",',
        '"address":"192.0.2.0/24"}',
    )
).encode()


def pack(record: bytes) -> bytes:
    """A record of JSON, smaller."""
    packer = zlib.compressobj(6, zlib.DEFLATED, _WINDOW, _MEMORY, zdict=_WORDS)
    return bytes((_FIRST,)) + packer.compress(record) + packer.flush()


def unpack(stored: bytes) -> bytes:
    """The inverse of `pack`; a record that begins as JSON does is returned as it is. Raises `ValueError` for what is neither."""
    if stored[:1] in (b"{", b"["):
        return stored
    if stored[:1] != bytes((_FIRST,)):
        raise ValueError("a record of an unknown kind")
    unpacker = zlib.decompressobj(_WINDOW, zdict=_WORDS)
    try:
        record = unpacker.decompress(stored[1:], LARGEST)
    except zlib.error as error:
        raise ValueError("a packed record that can't be read") from error
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("a packed record that is cut off, too large or followed by something")
    return record
