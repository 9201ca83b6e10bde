"""Which form of name (NameID format) an SP gets, as a pure function of its request, its metadata and what there is (SAML core 3.4.1.1)."""

from collections.abc import Container, Sequence
from typing import Final, NamedTuple

from ostiary.saml import names
from ostiary.saml.protocol import Status
from ostiary.saml.xml import Children, qname, read_boolean

FORMATS: Final = (names.TRANSIENT, names.PERSISTENT, names.EMAIL_ADDRESS)
"""What this software can give; the first needs nothing."""

_NAME_ID_POLICY: Final = qname(names.SAMLP, "NameIDPolicy")
INVALID_POLICY: Final = Status(names.REQUESTER, names.INVALID_NAMEID_POLICY)


class NameIdPolicy(NamedTuple):
    """samlp:NameIDPolicy. A request without one is ``None`` wherever a policy is expected: then everything is left to the IdP."""

    format: str | None = None
    sp_name_qualifier: str | None = None
    allow_create: bool = False

    @property
    def names_format(self) -> bool:
        """Whether one format and no other will do."""
        return self.format not in (None, "", names.UNSPECIFIED_NAMEID)


def read_name_id_policy(request: Children) -> NameIdPolicy | None:
    """The policy of a samlp:AuthnRequest that was proven, of which these are the parts; None if it has none."""
    policy = request.one(_NAME_ID_POLICY)
    if policy is None:
        return None
    return NameIdPolicy(
        policy.get("Format"), policy.get("SPNameQualifier"), bool(read_boolean(policy.get("AllowCreate")))
    )


def may_create(policy: NameIdPolicy | None) -> bool:
    """Whether a lasting identifier may be made for this request; without a policy the SP leaves that to the IdP.

    Of transient names it says nothing (SAML errata E14).
    """
    return policy is None or policy.allow_create


def choose_name_id(
    policy: NameIdPolicy | None,
    *,
    requester: str,
    metadata_formats: Sequence[str],
    override: str | None,
    available: Container[str],
) -> str | Status:
    """The format of the name that ``requester`` (entityID) gets, or the Status to answer with.

    A format that the request names is given, or refused. Otherwise it is the ``override`` that was configured for this partner, else the
    first of ``metadata_formats`` (md:NameIDFormat of the SP), else transient; what is not ``available`` for this person and this SP is
    passed over.
    """
    if policy is not None and policy.sp_name_qualifier not in (None, "", requester):
        # The namespace of an affiliation, whose members share a name: we know of none.
        return INVALID_POLICY
    if policy is not None and policy.names_format:
        wanted = policy.format or ""
        return wanted if wanted in FORMATS and wanted in available else INVALID_POLICY
    preferred = [override] if override is not None else metadata_formats
    for wanted in preferred:
        if wanted in FORMATS and wanted in available:
            return wanted
    return names.TRANSIENT
