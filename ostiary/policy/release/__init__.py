"""Attribute release policies (ARP): what may leave the home organisation, for whom. `decide` decides; the modules beside it say with and
about what, and every name that others need is found here."""

from ostiary.policy.release.circumstances import NOTHING_KNOWN, Circumstances, Condition
from ostiary.policy.release.decide import NotApplied, is_timeless, policies_not_applied, release
from ostiary.policy.release.index import NO_POLICIES, ReleasePolicies, index_policies
from ostiary.policy.release.personal import as_she_wishes
from ostiary.policy.release.policy import Audience, Count, EntityAttributeTest, ReleasePolicy, ReleaseRule, Strength
from ostiary.policy.release.precedence import DEFAULT_PRECEDENCE, Precedence
from ostiary.policy.release.requester import Origin, RequestedAttribute, Requester
from ostiary.policy.release.verdict import HER_OWN, NO_RULE, PersonalWish, ReleaseDecision, ReleaseReason, Verdict, Wish

__all__ = [
    "DEFAULT_PRECEDENCE",
    "HER_OWN",
    "NOTHING_KNOWN",
    "NO_POLICIES",
    "NO_RULE",
    "Audience",
    "Circumstances",
    "Condition",
    "Count",
    "EntityAttributeTest",
    "NotApplied",
    "Origin",
    "PersonalWish",
    "Precedence",
    "ReleaseDecision",
    "ReleasePolicies",
    "ReleasePolicy",
    "ReleaseReason",
    "ReleaseRule",
    "RequestedAttribute",
    "Requester",
    "Strength",
    "Verdict",
    "Wish",
    "as_she_wishes",
    "index_policies",
    "is_timeless",
    "policies_not_applied",
    "release",
]
