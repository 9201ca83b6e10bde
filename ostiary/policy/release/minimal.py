"""Data minimisation after the policies: a relying party is sent no subject identifier that it does not need. Pure."""

from ostiary.identifiers.requirement import identifiers_withheld
from ostiary.identifiers.syntax import SUBJECT_IDENTIFIERS
from ostiary.policy.release.requester import Requester
from ostiary.policy.release.verdict import ReleaseDecision


def only_needed_identifiers(requester: Requester, decision: ReleaseDecision) -> ReleaseDecision:
    """The decision without the subject identifiers that ``requester``'s metadata does not need (SAML Subject Identifier Attributes
    Profile 1.0); unchanged where its metadata does not say."""
    if requester.identifier is None:
        return decision
    permitted = SUBJECT_IDENTIFIERS.intersection(attribute.name for attribute in decision.attributes)
    withheld = identifiers_withheld(requester.identifier, permitted)
    if not withheld:
        return decision
    return ReleaseDecision(
        tuple(attribute for attribute in decision.attributes if attribute.name not in withheld),
        tuple(
            verdict._replace(released=False, reason="identifier_not_needed", bound=False)
            if verdict.released and verdict.attribute in withheld
            else verdict
            for verdict in decision.verdicts
        ),
    )
