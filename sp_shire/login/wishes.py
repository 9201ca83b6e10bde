"""What a login is to be: asked for by a link, demanded by the settings; and whether an answer keeps to it. Pure."""

from dataclasses import dataclass, replace
from typing import Final, get_args

from ostiary.errors import Refusal
from ostiary.saml.authn_contexts import STRENGTH, answers
from ostiary.saml.protocol import RequestedAuthnContext
from ostiary.web.forms import Fields, optional
from sp_shire.login.settings import Comparison, LoginSettings

MAXIMUM_ENTITY_ID: Final = 1024  # SAML core 8.3.6
_MAXIMUM_CONTEXTS: Final = 10
_MAXIMUM_CONTEXT: Final = 256
_COMPARISONS: Final[tuple[Comparison, ...]] = get_args(Comparison)
_TRUTHS: Final = {None: False, "true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Wishes:
    """``identity_provider``: whom to ask (None: the only one, or whom the person chooses); ``force``: with ForceAuthn; ``passive``: with
    IsPassive (SAML core 3.4.1); ``authn_contexts`` and ``comparison`` of the RequestedAuthnContext (3.3.2.2.1), none for any."""

    identity_provider: str | None = None
    force: bool = False
    passive: bool = False
    authn_contexts: tuple[str, ...] = ()
    comparison: Comparison = "exact"

    @property
    def requested_context(self) -> RequestedAuthnContext | None:
        """The same as it stands in an AuthnRequest."""
        return RequestedAuthnContext(self.authn_contexts, self.comparison) if self.authn_contexts else None


def read_wishes(fields: Fields) -> Wishes:
    """The parameters of the session initiator: ``entityID``, ``forceAuthn``, ``isPassive``, ``authnContextClassRef`` (several: separated by
    spaces) and ``authnContextComparison``.

    Raises `Refusal` (``sp.wish`` for a value that has no meaning, ``http.parameter_*``).
    """
    classes = optional(fields, "authnContextClassRef", max_length=_MAXIMUM_CONTEXTS * (_MAXIMUM_CONTEXT + 1)) or ""
    contexts = tuple(dict.fromkeys(classes.split()))
    if len(contexts) > _MAXIMUM_CONTEXTS or any(
        len(one) > _MAXIMUM_CONTEXT or not one.isascii() or not one.isprintable() for one in contexts
    ):
        raise _meaningless("authnContextClassRef", f"at most {_MAXIMUM_CONTEXTS} URIs", classes)
    asked = optional(fields, "authnContextComparison", max_length=10) or "exact"
    comparison = next((one for one in _COMPARISONS if one == asked), None)
    if comparison is None:
        raise _meaningless("authnContextComparison", ", ".join(_COMPARISONS), asked)
    if comparison != "exact" and any(one not in STRENGTH for one in contexts):
        # What could not be checked in the answer is not asked for.
        raise _meaningless("authnContextComparison", "exact, for a class whose strength is not known", asked)
    return Wishes(
        identity_provider=optional(fields, "entityID", max_length=MAXIMUM_ENTITY_ID) or None,
        force=_truth(fields, "forceAuthn"),
        passive=_truth(fields, "isPassive"),
        authn_contexts=contexts,
        comparison=comparison,
    )


def with_demands(wishes: Wishes, demanded: LoginSettings) -> Wishes:
    """The wishes together with what the settings demand of every login."""
    force = wishes.force or demanded.force_authn
    if wishes.authn_contexts or not demanded.authn_contexts:
        return replace(wishes, force=force)
    return replace(wishes, force=force, authn_contexts=demanded.authn_contexts, comparison=demanded.comparison)


def taken(contexts: tuple[str, ...], demanded: LoginSettings) -> tuple[str, ...]:
    """Those of the classes that the settings would take."""
    if not demanded.authn_contexts:
        return contexts
    required = RequestedAuthnContext(demanded.authn_contexts, demanded.comparison)
    return tuple(one for one in contexts if answers(one, required))


def check_not_weaker(wishes: Wishes, demanded: LoginSettings) -> None:
    """A stranger's link asks for nothing that the settings would not take. Raises `Refusal` (``sp.weaker_wish``)."""
    if not wishes.authn_contexts or not demanded.authn_contexts:
        return
    if wishes.comparison != "exact" or taken(wishes.authn_contexts, demanded) != wishes.authn_contexts:
        raise Refusal(
            "sp.weaker_wish",
            expected=f"{demanded.comparison} {' '.join(demanded.authn_contexts)}",
            found=f"{wishes.comparison} {' '.join(wishes.authn_contexts)}",
        )


def check_context(given: str | None, requested: RequestedAuthnContext | None) -> None:
    """The answer states a context that was asked for (SAML core 3.3.2.2.1). Raises `Refusal` (``sp.other_context``)."""
    if requested is not None and (given is None or not answers(given, requested)):
        raise Refusal(
            "sp.other_context",
            expected=f"{requested.comparison} {' '.join(requested.classes)}",
            found=given or "no AuthnContextClassRef",
        )


def _truth(fields: Fields, name: str) -> bool:
    text = optional(fields, name, max_length=10) or None
    if text not in _TRUTHS:
        raise _meaningless(name, "true or false", text)
    return _TRUTHS[text]


def _meaningless(name: str, expected: str, found: str | None) -> Refusal:
    return Refusal("sp.wish", expected=f"{name}: {expected}", found=(found or "nothing")[:300], name=name)
