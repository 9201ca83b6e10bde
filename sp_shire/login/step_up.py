"""What login would turn a denial of the access policy. Pure."""

from typing import Final

from ostiary.policy.access import Decision
from sp_shire.login.settings import LoginSettings
from sp_shire.login.wishes import Wishes, taken

ANY_LOGIN: Final = LoginSettings()


def step_up(decision: Decision, demanded: LoginSettings = ANY_LOGIN) -> Wishes | None:
    """The login that the decision's obligation ``reauthenticate`` speaks of; None where it has none, or none by what is ``demanded`` of
    every login. A person proves anew who she is where her login is too old; where only its context is not enough, her home organisation
    may build on what she proved before."""
    needed = next((one for one in decision.obligations if one.name == "reauthenticate"), None)
    if decision.allow or needed is None:
        return None
    too_old = any(check.kind == "authn_age" and not check.met for reason in decision.reasons for check in reason.checks)
    contexts = taken(needed.authn_contexts, demanded)
    if needed.authn_contexts and not contexts:
        return None
    return Wishes(force=too_old or not needed.authn_contexts, authn_contexts=contexts)
