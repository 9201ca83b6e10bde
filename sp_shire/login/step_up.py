"""What login would turn a denial of the access policy. Pure."""

from ostiary.policy.access import Decision
from sp_shire.login.wishes import Wishes


def step_up(decision: Decision) -> Wishes | None:
    """The login that the decision's obligation ``reauthenticate`` speaks of; None where it has none. A person proves anew who she is
    where her login is too old; where only its context is not enough, her home organisation may build on what she proved before."""
    needed = next((one for one in decision.obligations if one.name == "reauthenticate"), None)
    if decision.allow or needed is None:
        return None
    too_old = any(check.kind == "authn_age" and not check.met for reason in decision.reasons for check in reason.checks)
    return Wishes(force=too_old or not needed.authn_contexts, authn_contexts=needed.authn_contexts)
