"""For whom release policies are by the metadata of this moment: nobody, somebody unknown, or one whom two policies contradict. Pure."""

from collections.abc import Iterator, Sequence

from attribute_authority.administration.lint.report import TOLD, Finding, Nearest, Places, World, listed
from attribute_authority.administration.lint.single import is_empty
from ostiary.policy.release import ReleasePolicies, ReleasePolicy, ReleaseRule, Requester


def by_metadata(policies: ReleasePolicies, world: World, places: Places) -> Iterator[Finding]:
    """For whom each policy is at this moment. Goes by requester, because policies are found by those."""
    members: dict[str, list[Requester]] = {policy.id: [] for policy in policies.policies}
    bound: dict[tuple[str, str], str] = {}
    for requester in world.requesters:
        concerning = policies.concerning(requester)
        for policy in concerning:
            members[policy.id].append(requester)
        for pair in _contradictions(concerning):
            bound.setdefault(pair, requester.entity_id)
    by_id = {policy.id: policy for policy in policies.policies}
    for (mandatory, forbidden), entity_id in bound.items():
        yield places.finding("error", "bound_twice", by_id[mandatory], other=forbidden, requester=entity_id)
    known = {requester.entity_id for requester in world.requesters}
    categories = {category for requester in world.requesters for category in requester.entity_categories}
    # Two entityIDs of one organisation are much alike anyway.
    nearest = Nearest(known, closeness=0.92)
    for policy in policies.policies:
        audience = policy.audience
        if audience.anyone or audience.anonymous:
            continue
        missing = sorted((audience.entity_ids or frozenset()) - known)
        for entity_id in missing[:TOLD]:
            near = nearest.to(entity_id)
            yield places.finding(
                "warning",
                "requester_meant" if near else "requester_unknown",
                policy,
                None,
                "for",
                requester=entity_id,
                nearest=near,
                more=max(0, len(missing) - TOLD),
            )
        unused = sorted((audience.categories or frozenset()) - categories)
        if unused:
            yield places.finding("warning", "category_unused", policy, None, "for", categories=listed(unused))
        if not members[policy.id]:
            if not missing and not unused and not is_empty(audience):
                yield places.finding("warning", "nobody_now", policy, None, "for")
            continue
        yield from _for_members(policy, members[policy.id], places)


def _contradictions(concerning: Sequence[ReleasePolicy]) -> Iterator[tuple[str, str]]:
    """Policies for the same requester of which one says that something must go, and another one that it must not."""
    forbidding = [policy for policy in concerning if policy.strength == "forbidden"]
    for mandatory in (policy for policy in concerning if policy.strength == "mandatory") if forbidding else ():
        for forbidden in forbidding:
            if any(
                permit.permits and not deny.permits and _some_attribute(permit, deny) and _tests_meet(permit, deny)
                for permit in mandatory.rules
                for deny in forbidden.rules
            ):
                yield mandatory.id, forbidden.id


def _some_attribute(one: ReleaseRule, other: ReleaseRule) -> bool:
    return one.attributes is None or other.attributes is None or not one.attributes.isdisjoint(other.attributes)


def _tests_meet(one: ReleaseRule, other: ReleaseRule) -> bool:
    """False only where no value can pass both."""
    for name in ("exact", "left", "scope"):
        mine, yours = getattr(one.test, name), getattr(other.test, name)
        if mine is not None and yours is not None and mine.isdisjoint(yours):
            return False
    return True


def _for_members(policy: ReleasePolicy, members: Sequence[Requester], places: Places) -> Iterator[Finding]:
    origins = {origin for requester in members for origin in requester.origins}
    foreign = [tree.url for tree in policy.targets if tree.origin not in origins]
    if foreign:
        yield places.finding("warning", "target_foreign", policy, None, "target", targets=listed(foreign))
    if policy.only is None:
        return
    asked = {
        wanted.name
        for requester in members
        for wanted in requester.requested
        if wanted.required or policy.only == "requested"
    }
    for rule in policy.says(permits=True):
        names = asked if rule.attributes is None else rule.attributes & asked
        if not names:
            yield places.finding(
                "warning", "nobody_asks" if policy.only == "requested" else "nobody_needs", policy, rule
            )
