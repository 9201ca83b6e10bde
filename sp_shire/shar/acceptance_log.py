"""Writes down what the acceptance policy decided about each value, and by which rule. Values only where the settings say so."""

from typing import Final

from ostiary.attributes import Value
from ostiary.policy.acceptance import AcceptanceDecision, Issuer
from ostiary.web.log import Log

# A hostile answer must not fill the log.
_MOST: Final = 200
_LONGEST: Final = 200


def log_acceptance(log: Log, issuer: Issuer, decision: AcceptanceDecision, *, values: bool) -> None:
    """One line for each answer of an authority that says anything. Without ``values`` a scope is still told: it names an organisation, not
    a person."""
    if not decision.verdicts:
        return
    log.info(
        "attributes_judged",
        authority=issuer.entity_id,
        verdicts=[
            {
                "attribute": verdict.attribute,
                "value": str(verdict.value)[:_LONGEST] if values else _masked(verdict.value),
                "outcome": verdict.reason,
                "rule": verdict.rule,
                **({"as": verdict.name} if verdict.accepted and verdict.name != verdict.attribute else {}),
            }
            for verdict in decision.verdicts[:_MOST]
        ],
        left_out=max(0, len(decision.verdicts) - _MOST),
        scopes_that_cover_nothing=[scope.value[:_LONGEST] for scope in issuer.scopes if scope.covers_nothing],
    )


def _masked(value: Value) -> str:
    return "***" if value.scope is None else f"***@{value.scope[:_LONGEST]}"
