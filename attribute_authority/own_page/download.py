"""Everything that is stored about one person, as data that can be written as JSON. Leaves out nothing but secrets and digests."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from attribute_authority.own_page.kept import instant
from attribute_authority.own_page.page import OwnPage
from attribute_authority.own_page.releases import Changed, Told
from ostiary.consent.choices import Choice
from ostiary.consent.personal import rule_in_force

_AT_ONCE: Final = 2_000


def everything_about(page: OwnPage, principal: str, now: datetime) -> dict[str, object]:
    """What is known about her and from where, what she set, now and before, what was told to whom, and what else is kept. Raises
    `Unavailable` when a source does not answer: half of it would look like all."""
    known = page.authority.about(principal, now)
    history = list(_history(page, principal))
    said = page.rules.said_by(principal)
    return {
        "made_at": instant(now),
        "person": principal,
        "known": [
            {"attribute": name, "values": list(values), "from": page.origins.get(name)}
            for name, values in known.items()
        ],
        "general_rule": {
            "chosen": said,
            "in_force": rule_in_force(said, page.authority.precedence(now)),
            "history": [
                {"rule": one.rule, "since": instant(one.since), "until": _maybe(one.until)}
                for one in page.rules.ever_by(principal)
            ],
        },
        "choices": [_choice(choice) for choice in page.choices.ever_by(principal)],
        "told": [
            {
                "at": instant(one.at),
                "resource": one.resource,
                "attributes": list(one.names),
                "how": "asked for later" if one.asked_later else "sign-on",
            }
            for one in history
            if isinstance(one, Told)
        ],
        "changes": [
            {
                "at": instant(one.at),
                "what": one.what,
                "resource": one.resource or None,
                "by_the_person": one.by_her,
                "facts": dict(one.facts),
            }
            for one in history
            if isinstance(one, Changed)
        ],
        **{name: stored(principal) for name, stored in page.also_stored.items()},
    }


def _history(page: OwnPage, principal: str) -> Iterator[Told | Changed]:
    before: int | None = None
    while True:
        found = page.trail.history(principal, before=before, limit=_AT_ONCE)
        yield from found
        if len(found) < _AT_ONCE:
            return
        before = found[-1].serial


def _choice(choice: Choice) -> dict[str, object]:
    return {
        "resource": choice.entity_id,
        "since": instant(choice.given_at),
        "until": _maybe(choice.revoked_at),
        "ask_again": choice.mode.value,
        "attributes": [
            {
                "attribute": found.name,
                "may_go": found.allowed,
                "beyond_recommendation": found.more,
                "values_shown": len(found.values),
                "values_kept_back": len(found.withheld_values),
            }
            for found in choice.attributes
        ],
    }


def _maybe(at: datetime | None) -> str | None:
    return instant(at) if at is not None else None
